"""The user's words for a guest, each checked with the argument's name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules._virt import domain_wish as wish
from modules._virt.domain_values import Cpu, Disk, Graphics, Nic, WantedNic, cpu, disks, graphics, made_mac, mib, nics
from modules._virt.domain_xml import DomainError
from saltern.converge.plan import UNSET
from saltern.names import InvalidName, guest
from saltern.secret import Secret

QCOW = {"path": "/srv/a.qcow2", "format": "qcow2"}


@given(st.text(st.sampled_from("ab<&;>\"'\n\0/ äé."), min_size=1))
def test_a_name_of_a_guest_is_one_that_nothing_can_misread(name: str) -> None:
    good = all(letter in "ab." for letter in name) and name[0] != "." and len(name) <= 64
    if good:
        assert guest(name) == name
    else:
        with pytest.raises(InvalidName):
            guest(name)


@pytest.mark.parametrize(
    ("given", "size"), [(512, 512), ("512", 512), ("2G", 2048), ("2 GiB", 2048), ("1.5g", 1536), ("1048576K", 1024)]
)
def test_memory_is_whole_mib(given: int | str, size: int) -> None:
    assert mib(given, "memory") == size


@pytest.mark.parametrize("given", [0, -1, "2X", "", "G", "1.3M", True, "1e3", "99999999T"])
def test_what_is_no_size_of_memory_is_refused(given: Any) -> None:
    with pytest.raises(DomainError, match="memory"):
        mib(given, "memory")


@pytest.mark.parametrize(
    ("given", "target", "disk"),
    [
        (QCOW, "vda", Disk(source="/srv/a.qcow2", format="qcow2")),
        ({**QCOW, "name": "sda"}, "sda", Disk(source="/srv/a.qcow2", format="qcow2", bus="scsi")),
        ({**QCOW, "bus": "sata"}, "sda", Disk(source="/srv/a.qcow2", format="qcow2", bus="sata")),
        ({"cdrom": True}, "sda", Disk(device="cdrom", bus="sata", readonly=True)),
        (
            {"pool": "p", "volume": "v", "format": "raw", "boot": 1},
            "vda",
            Disk(source="p/v", pool=True, boot=1),
        ),
    ],
)
def test_a_disk_gets_its_bus_by_its_name_or_its_name_by_its_bus(given: Any, target: str, disk: Disk) -> None:
    assert disks([given]) == {target: disk}


def test_disks_without_names_get_the_next_free_ones() -> None:
    assert list(disks([QCOW, {**QCOW, "name": "vdb"}, QCOW])) == ["vda", "vdb", "vdc"]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"path": "/srv/a"}, "format"),
        ({"format": "raw"}, "where the disk is"),
        ({"path": "a", "format": "raw"}, "absolute path"),
        ({"path": "/a/../etc/shadow", "format": "raw"}, "absolute path"),
        ({**QCOW, "pool": "p"}, "not both"),
        ({"pool": "p", "format": "raw"}, "go together"),
        ({"pool": "p", "volume": "a/b", "format": "raw"}, "no slash"),
        ({**QCOW, "name": "vda<"}, "device"),
        ({**QCOW, "name": "sda", "bus": "virtio"}, "is called vd"),
        ({**QCOW, "bus": "virtoi"}, "Did you mean 'virtio'"),
        ({**QCOW, "format": "vmdk"}, "format"),
        ({**QCOW, "formt": "raw"}, "Did you mean 'format'"),
        ({**QCOW, "readonly": "yes"}, "true or false"),
        ("/srv/a", "mapping"),
    ],
)
def test_a_disk_that_can_not_be_is_refused_with_its_reason(given: Any, why: str) -> None:
    with pytest.raises(DomainError, match=why):
        disks([given])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "one of bridge"),
        ({"bridge": "br0", "network": "default"}, "one of bridge"),
        ({"bridge": "a-name-of-17-char"}, "15"),
        ({"bridge": "br0", "vlan": 4095}, "4094"),
        ({"bridge": "br0", "vlan": 0}, "from 1"),
        ({"bridge": "br0", "mac": "01:00:00:00:00:00"}, "MAC"),
        ({"bridge": "br0", "mac": "52:54:00"}, "MAC"),
        ({"bridge": "br0", "link": "dwon"}, "Did you mean 'down'"),
        ({"brige": "br0"}, "Did you mean 'bridge'"),
    ],
)
def test_an_interface_that_can_not_be_is_refused_with_its_reason(given: Any, why: str) -> None:
    with pytest.raises(DomainError, match=why):
        nics([given])


def test_two_interfaces_with_one_mac_are_refused() -> None:
    one = {"bridge": "br0", "mac": "52:54:00:00:00:01"}
    with pytest.raises(DomainError, match="two have"):
        nics([one, {**one, "mac": "52:54:00:00:00:01".upper()}])


@given(st.text())
def test_a_made_mac_is_one_of_qemus_range_and_stays(seed: str) -> None:
    assert made_mac(seed) == made_mac(seed)
    assert nics([{"bridge": "br0", "mac": made_mac(seed)}])[0].mac == made_mac(seed)
    assert made_mac(seed).startswith("52:54:00:")


def test_the_display_and_its_password_are_two_things() -> None:
    assert graphics("none") == (None, None)
    assert graphics("vnc") == (Graphics(), None)
    shown, password = graphics({"type": "vnc", "listen": "::1", "port": 5901, "password": Secret("geheim")})
    assert (shown, password) == (Graphics(listen="::1", port=5901), Secret("geheim"))


@pytest.mark.parametrize("given", [{"listen": "anywhere"}, {"port": 80}, {"type": "x11"}])
def test_a_display_that_can_not_be_is_refused(given: Any) -> None:
    with pytest.raises(DomainError, match="graphics"):
        graphics(given)


def test_a_password_longer_than_vnc_takes_is_refused_and_not_shown() -> None:
    with pytest.raises(DomainError) as raised:
        graphics({"password": Secret("long-and-secret")})
    assert "secret" not in str(raised.value).replace("password", "")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("host-passthrough", Cpu(mode="host-passthrough")),
        ("EPYC", Cpu(mode="custom", model="EPYC")),
        (
            {"mode": "host-model", "cores": 2, "features": {"vmx": False, "aes": True}},
            Cpu(mode="host-model", topology=(1, 2, 1), features=(("aes", "require"), ("vmx", "disable"))),
        ),
    ],
)
def test_processors_by_mode_model_or_mapping(given: Any, found: Cpu) -> None:
    assert cpu(given) == found


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"memory": "2G", "max_memory": "1G"}, "more than max_memory"),
        ({"vcpus": 4, "max_vcpus": 2}, "more than max_vcpus"),
        ({"vcpus": 3, "cpu": {"mode": "host-model", "cores": 2}}, r"sockets \* cores"),
        ({"type": "qemu", "cpu": "host-passthrough"}, "needs type kvm"),
        ({"firmware": "bios", "loader": "/x"}, "UEFI"),
        ({"initrd": "/x"}, "kernel"),
        ({"boot": ["disk"], "disks": [{**QCOW, "boot": 1}]}, "one of the two"),
        ({"boot": ["disk", "hd"]}, "twice"),
        ({"disks": [{**QCOW, "boot": 1}, {**QCOW, "boot": 1}]}, "same place"),
        ({"mem": 1, "memory": 1}, "the same"),
        ({"on_crash": "explode"}, "on_crash"),
        ({"features": ["acip"]}, "Did you mean 'acpi'"),
        ({"metadata": {"a b": 1}}, "metadata"),
        ({"xml": "<!DOCTYPE a><a/>"}, "xml: not well-formed"),
        ({"xml": "<domain><!DOCTYPE a></domain>"}, "not well-formed"),
    ],
)
def test_arguments_that_contradict_each_other_are_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(DomainError, match=why):
        wish.wanted("web1", given)


def test_salts_words_mean_the_same() -> None:
    assert wish.wanted("web1", {"mem": 512, "cpu": 2, "vcpus": UNSET}).facets == {"memory": 512, "vcpus": 2}


@pytest.mark.parametrize(
    ("span", "minute", "is_in"),
    [("02:00-04:00", 120, True), ("02:00-04:00", 240, False), ("23:00-01:00", 0, True), ("23:00-01:00", 61, False)],
)
def test_a_window_may_pass_midnight(span: str, minute: int, is_in: bool) -> None:
    assert wish.inside(minute, wish.window(span)) is is_in


@pytest.mark.parametrize("span", ["2-4", "24:00-01:00", "02:00-02:00", "02:60-03:00"])
def test_what_is_no_window_is_refused(span: str) -> None:
    with pytest.raises(DomainError, match="time of the day"):
        wish.window(span)


def test_an_interface_keeps_the_mac_that_it_has_on_its_network() -> None:
    there = [Nic(mac="m1", kind="bridge", source="br43"), Nic(mac="m2", kind="bridge", source="br46")]
    assert wish.assign_macs([WantedNic(bridge="br46")], {}, there, "s") == ("m2",)
    assert wish.assign_macs([WantedNic(bridge="br46"), WantedNic(bridge="br43")], {}, there, "s") == ("m2", "m1")
    moved = wish.assign_macs([WantedNic(bridge="br43"), WantedNic(bridge="br9")], {}, there, "s")
    assert moved == ("m1", "m2"), "the one that nobody claims is moved"
    named = wish.assign_macs([WantedNic(bridge="br43", mac="m2"), WantedNic(bridge="br46")], {}, there, "s")
    assert named == ("m2", "m1")


def test_new_interfaces_get_macs_that_differ_and_stay() -> None:
    two = [WantedNic(bridge="br0"), WantedNic(bridge="br0")]
    macs = wish.assign_macs(two, {}, [], "node/web1")
    assert len(set(macs)) == 2
    assert macs == wish.assign_macs(two, {}, [], "node/web1")
    assert wish.assign_macs(two, {0: "leased"}, [], "node/web1")[0] == "leased"
