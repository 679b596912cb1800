"""What NetworkManager has of its own: whose profiles count, what it asks for, and what it can't keep."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modules._persist import keepers, networkmanager, profiles
from modules._persist import match as persist_match
from modules._persist.keep import Inexpressible, Keep, PersistError, RouteKept, VlansKept

MTU = Keep(kind="link", name="eno1", interface="eno1", up=None, mtu=1480)
ADDRESS = Keep(kind="address", name="eno1-10.0.0.1", interface="eno1", up=None, addresses=("10.0.0.1/24",))
BRIDGE = Keep(kind="bridge", name="br0", interface="br0", parts=("eno1",), gateway="10.1.0.254")
VLAN = Keep(kind="vlan", name="v", interface="v", parent="e", options={"id": 1})
ETC = "etc/NetworkManager/system-connections"
RUN = "run/NetworkManager/system-connections"


def put(root: Path, path: str, text: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


@pytest.fixture
def hardware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """eno1 is a network card with the address 02:00:00:00:00:01."""
    put(tmp_path, "sys/eno1/address", "02:00:00:00:00:01\n")
    (tmp_path / "sys/eno1/device").mkdir()
    monkeypatch.setattr(persist_match, "SYS", str(tmp_path / "sys"))


def profile(root: Path, keep: Keep) -> list[str]:
    """The lines of the profile of the interface of KEEP."""
    return networkmanager.wished(str(root), keep)[networkmanager.path_of(keep.interface)].splitlines()


def test_an_interface_that_saltern_did_not_make_keeps_what_dhcp_and_routers_give(tmp_path: Path) -> None:
    lines = profile(tmp_path, ADDRESS)
    assert lines[lines.index("[ipv4]") :] == [
        *("[ipv4]", "address1=10.0.0.1/24", "dhcp-timeout=2147483647", "method=auto", ""),
        *("[ipv6]", "method=auto", "ra-timeout=2147483647"),
    ]


@pytest.mark.parametrize("words", ["*", "interface-name:eno*", "aa:bb:cc:dd:ee:ff,eno1"])
def test_nothing_is_asked_for_where_the_node_asks_for_nothing(tmp_path: Path, words: str) -> None:
    put(tmp_path, "usr/lib/NetworkManager/conf.d/10-server.conf", f"[main]\nno-auto-default={words}\n")
    assert "method=auto" not in profile(tmp_path, MTU)
    put(tmp_path, "etc/NetworkManager/NetworkManager.conf", "[main]\nno-auto-default=\n")
    assert "method=auto" in profile(tmp_path, MTU)
    put(tmp_path, "etc/NetworkManager/conf.d/a.conf", "[main]\nno-auto-default+=eno1\n")
    assert not profiles.asks(str(tmp_path), "eno1")
    assert profiles.asks(str(tmp_path), "eno2")


def test_a_file_in_etc_hides_the_one_of_its_name(tmp_path: Path) -> None:
    put(tmp_path, "usr/lib/NetworkManager/conf.d/a.conf", "[main]\nno-auto-default=*\n")
    put(tmp_path, "etc/NetworkManager/conf.d/a.conf")
    assert profiles.asks(str(tmp_path), "eno1")


def test_a_profile_of_an_administrator_is_not_put_out_of_force(tmp_path: Path) -> None:
    put(tmp_path, f"{ETC}/office.nmconnection", "[connection]\ntype=ethernet\ninterface-name=eno1\n")
    for keep in (MTU, BRIDGE):
        with pytest.raises(PersistError, match=f"eno1 belongs to NetworkManager: /{ETC}/office.nmconnection"):
            keepers.change(str(tmp_path), "networkmanager", keep)


@pytest.mark.usefixtures("hardware")
@pytest.mark.parametrize(
    ("said", "fits"),
    [
        ("", True),
        ("[ethernet]\nmac-address=02:00:00:00:00:01\n", True),
        ("[802-3-ethernet]\nmac-address=02:00:00:00:00:02\n", False),
        ("autoconnect=false\n", False),
        ("interface-name=eno2\n", False),
    ],
)
def test_a_profile_for_any_card_counts_where_it_could_be_taken(tmp_path: Path, said: str, fits: bool) -> None:
    put(tmp_path, f"{ETC}/wired.nmconnection", f"[connection]\ntype=ethernet\n{said}")
    assert bool(list(profiles.fitting(str(tmp_path), "eno1"))) is fits
    assert list(profiles.fitting(str(tmp_path), "br0")) == []  # no card


def test_what_networkmanager_wrote_of_the_kernel_is_nobodys_profile(tmp_path: Path) -> None:
    put(tmp_path, f"{RUN}/br0.nmconnection", "[connection]\ninterface-name=br0\n[.nmmeta]\nnm-generated=true\n")
    put(tmp_path, f"{RUN}/br1.nmconnection", "[connection]\ninterface-name=br1\n")
    assert list(networkmanager.owners(str(tmp_path), "br0")) == []
    assert [owner.file for owner in networkmanager.owners(str(tmp_path), "br1")] == [f"/{RUN}/br1.nmconnection"]


def test_the_profile_is_the_same_whichever_state_was_written_last(tmp_path: Path) -> None:
    link = Keep(kind="link", name="eno1", interface="eno1", up=True, mtu=1480, mac="02:00:00:00:00:01")
    path = networkmanager.path_of("eno1")
    first = networkmanager.render(link)
    both = networkmanager.render(ADDRESS, first)
    assert networkmanager.render(link, both)[path] == both[path]


def test_ipv6_is_the_kernels_until_something_is_declared(tmp_path: Path) -> None:
    route = Keep(
        kind="route", name="r", interface="v", route=RouteKept(destination="2001:db8:5::/48", gateway="fe80::1")
    )
    alone = networkmanager.render(VLAN)
    assert alone[networkmanager.path_of("v")].partition("[ipv6]\n")[2].partition("\n\n")[0] == "method=ignore"
    routed = networkmanager.render(route, alone)[networkmanager.path_of("v")]
    lines = routed.partition("[ipv6]\n")[2].partition("\n\n")[0].splitlines()
    assert lines == ["method=link-local", "route1=2001:db8:5::/48,fe80::1,0", "route-metric=0"]


@pytest.mark.parametrize(
    ("keep", "what"),
    [
        (Keep(kind="bridge", name="b", interface="b", options={"forward_delay": 0}), "forward delay of 0"),
        (Keep(kind="bridge", name="b", interface="b", parts=("p",), vlans={"p": VlansKept(pvid=5)}), "not in VLAN 1"),
        (Keep(kind="vlan", name="v", interface="v", parent="e", options={"id": 1}, up=False), "v down"),
        (
            Keep(kind="address", name="lo-10.0.0.1", interface="lo", addresses=("10.0.0.1/24",)),
            "which it does not make",
        ),
    ],
)
def test_what_networkmanager_would_not_do_is_left_to_another(tmp_path: Path, keep: Keep, what: str) -> None:
    with pytest.raises(Inexpressible, match=what):
        networkmanager.wished(str(tmp_path), keep)


def test_a_route_goes_with_an_address_or_to_another(tmp_path: Path) -> None:
    route = Keep(kind="route", name="r", interface="v", route=RouteKept(destination="10.5.0.0/16"))
    address = Keep(kind="address", name="v-10.0.0.1", interface="v", addresses=("10.0.0.1/24",))
    for path, text in networkmanager.render(VLAN).items():
        put(tmp_path, path, text)
    with pytest.raises(Inexpressible, match="a route of v, which has no address"):
        networkmanager.wished(str(tmp_path), route)
    for path, text in networkmanager.wished(str(tmp_path), address).items():
        put(tmp_path, path, text)
    assert "route1=10.5.0.0/16,0.0.0.0,0" in profile(tmp_path, route)


def test_networkmanager_is_told_first_of_the_profiles_that_are_in_force(tmp_path: Path) -> None:
    path, text = next(iter(networkmanager.render(VLAN).items()))
    put(tmp_path, path, text)
    assert networkmanager.told(str(tmp_path), {path: "new"}, ends=True) == {}
    put(
        tmp_path,
        "run/NetworkManager/devices/7",
        f"[device]\nconnection-{text[text.index('uuid=') :].splitlines()[0]}\n",
    )
    assert networkmanager.told(str(tmp_path), {path: "new", "etc/other": "x"}, ends=False) == {path: "new"}
    assert networkmanager.told(str(tmp_path), {path: None}, ends=False) == {}
    silent = networkmanager.told(str(tmp_path), {path: None}, ends=True)[path]
    assert "[connection]\nautoconnect=false\n" in silent


@pytest.mark.parametrize(("code", "started"), [(0, True), (1, False)])
def test_the_start_of_networkmanager_is_waited_for_where_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, started: bool
) -> None:
    program = tmp_path / "nm-online"
    program.write_text(f'#!/bin/sh\necho "$@" >"$0.said"\nexit {code}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(profiles, "_RUNNING", str(tmp_path / "run"))
    assert profiles.wait_started(20.0)
    assert not (tmp_path / "nm-online.said").exists()
    (tmp_path / "run").mkdir()
    assert profiles.wait_started(20.0) is started
    assert (tmp_path / "nm-online.said").read_text() == "--wait-for-startup --quiet --timeout 20\n"
