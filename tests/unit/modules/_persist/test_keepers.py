"""What is written to keep the network for the next boot, who is asked to keep it, and who is in the way."""

from __future__ import annotations

import configparser
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules._persist import ifupdown, networkd, networkmanager, saltern
from modules._persist import keepers as persist
from modules._persist.keep import MARK, Files, Inexpressible, Keep, PersistError, RouteKept, VlansKept
from modules._persist.match import Rule
from modules._persist.saltern import BadRecord, Record
from saltern.marks import permit_acting

BRIDGE = Keep(
    kind="bridge",
    name="br43",
    interface="br43",
    parts=("eno1.43",),
    options={"stp": False, "forward_delay": 0},
    addresses=("192.168.43.1/24", "2001:db8::1/64"),
    gateway="192.168.43.254",
    function="bridge.present",
    arguments={"ports": ["eno1.43"], "stp": False},
)
DELAYED = replace(BRIDGE, options={"stp": False, "forward_delay": 4})  # NetworkManager has no word for 0
VLAN = Keep(kind="vlan", name="eno1.43", interface="eno1.43", parent="eno1", options={"id": 43}, mtu=1400)
PROFILE = "[connection]\ninterface-name=br43\n"
ROUTE = Keep(
    kind="route",
    name="10.5.0.0_16-t100",
    interface="br43",
    up=None,
    route=RouteKept(destination="10.5.0.0/16", gateway="192.168.43.9", table=100),
)
ADDRESS = Keep(kind="address", name="br43-10.0.0.1", interface="br43", up=None, addresses=("10.0.0.1/24",))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A node that boots by systemd, with /etc/network/interfaces as Debian has it."""
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    put(tmp_path, "etc/network/interfaces", "source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\n")
    return tmp_path


def put(root: Path, path: str, text: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def enable(root: Path, unit: str) -> None:
    link = root / f"etc/systemd/system/multi-user.target.wants/{unit}"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(f"/usr/lib/systemd/system/{unit}")


def body(text: str) -> list[str]:
    """The lines that say something."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_networkd_gets_a_device_and_drop_ins_for_each_interface_of_a_bridge() -> None:
    texts = networkd.render(BRIDGE)
    assert {path.removeprefix("etc/systemd/network/") for path in texts} == {
        "10-saltern-br43.netdev",
        "10-saltern-br43.network",
        "10-saltern-br43.network.d/saltern-bridge-br43.conf",
        "10-saltern-eno1.43.network",
        "10-saltern-eno1.43.network.d/saltern-bridge-br43.conf",
    }
    assert body(texts["etc/systemd/network/10-saltern-br43.netdev"]) == [
        "[NetDev]", "Name=br43", "Kind=bridge", "MACAddress=none", "[Bridge]", "ForwardDelaySec=0s", "STP=no",
    ]  # fmt: skip
    assert body(texts["etc/systemd/network/10-saltern-br43.network.d/saltern-bridge-br43.conf"]) == [
        "[Link]", "RequiredForOnline=yes",
        "[Network]", "Address=192.168.43.1/24", "Address=2001:db8::1/64", "Gateway=192.168.43.254",
    ]  # fmt: skip
    port = texts["etc/systemd/network/10-saltern-eno1.43.network.d/saltern-bridge-br43.conf"]
    assert body(port) == ["[Network]", "Bridge=br43"]
    assert all(text.startswith(f"# {MARK}") for text in texts.values())


def test_networkd_is_told_of_a_vlan_by_its_parent() -> None:
    texts = networkd.render(VLAN)
    parent = texts["etc/systemd/network/10-saltern-eno1.network.d/saltern-vlan-eno1.43.conf"]
    assert body(parent) == ["[Network]", "VLAN=eno1.43"]
    base = texts["etc/systemd/network/10-saltern-eno1.network"]
    assert "KeepConfiguration=yes" in base  # what eno1 has from elsewhere is not taken away
    assert "Name=eno1" in base


def test_addresses_that_are_added_sort_behind_those_of_their_interface() -> None:
    made, added = ([path for path in module.render(keep) if "br43" in path.rpartition("/")[2]]
                   for module, keep in ((networkd, BRIDGE), (networkd, ADDRESS)))  # fmt: skip
    names = [path.rpartition("/")[2] for path in (*made, *added) if path.endswith(".conf")]
    assert sorted(names)[-1] == "saltern-with-address-br43-10.0.0.1.conf"
    assert max(next(iter(ifupdown.render(keep))) for keep in (BRIDGE, VLAN, ADDRESS)).endswith("10.0.0.1")


def test_ifupdown_gets_one_file_that_makes_the_bridge_without_further_packages() -> None:
    ((path, text),) = ifupdown.render(BRIDGE).items()
    assert path == "etc/network/interfaces.d/saltern-bridge-br43"
    lines = [line.strip() for line in body(text)]
    assert lines[:2] == ["auto br43", "iface br43 inet manual"]
    assert (
        "pre-up ip link show dev br43 >/dev/null 2>&1 || ip link add name br43 type bridge stp_state 0 forward_delay 0"
        in lines
    )
    assert lines[-6:] == [
        "iface br43 inet static", "address 192.168.43.1/24", "gateway 192.168.43.254",
        "iface br43 inet6 static", "address 2001:db8::1/64", "dad-attempts 0",
    ]  # fmt: skip
    assert not any(line.startswith(("bridge", "vlan", "bond")) for line in lines)


def test_networkmanager_gets_one_profile_of_what_several_states_say_of_an_interface() -> None:
    path = networkmanager.path_of("br43")
    texts: dict[str, str] = {}
    for keep in (DELAYED, ROUTE, ADDRESS):
        texts |= networkmanager.render(keep, texts)
    profile = configparser.ConfigParser(interpolation=None)
    profile.read_string(texts[path])
    assert dict(profile["bridge"]) == {"forward-delay": "4", "stp": "false"}
    assert (profile["ipv4"]["method"], profile["ipv4"]["address1"]) == ("manual", "192.168.43.1/24")
    assert profile["ipv4"]["address2"] == "10.0.0.1/24"
    assert profile["ipv4"]["route1"] == "0.0.0.0/0,192.168.43.254,0"
    assert (profile["ipv4"]["route2"], profile["ipv4"]["route2_options"]) == ("10.5.0.0/16,192.168.43.9,0", "table=100")
    port = configparser.ConfigParser(interpolation=None)
    port.read_string(texts[networkmanager.path_of("eno1.43")])
    assert (port["connection"]["master"], port["connection"]["slave-type"]) == ("br43", "bridge")
    assert networkmanager.render(DELAYED, texts) == {p: texts[p] for p in networkmanager.render(DELAYED, texts)}


VXLAN = Keep(
    kind="vxlan",
    name="vx",
    interface="vx",
    parent="e",
    options={"id": 4, "remote": "10.0.0.9", "port": 4789, "learning": False, "ttl": 9, "source_ports": (4000, 5000)},
)
BOND = Keep(
    kind="bond",
    name="b",
    interface="b",
    parts=("e1",),
    options={"mode": "active-backup", "primary": "e1", "arp_interval": 50, "arp_ip_target": ("10.0.0.1", "10.0.0.2")},
)


@pytest.mark.parametrize(
    ("module", "keep", "words"),
    [
        (networkd, VXLAN, ["MacLearning=no", "TTL=9", "PortRange=4000-5000", "DestinationPort=4789", "VXLAN=vx"]),
        (ifupdown, VXLAN, ["id 4 remote 10.0.0.9 dstport 4789 nolearning ttl 9 srcport 4000 5000 dev e"]),
        (
            networkmanager,
            VXLAN,
            ["learning=false", "ttl=9", "source-port-min=4000", "source-port-max=5000"],
        ),
        (networkd, BOND, ["ARPIntervalSec=50ms", "ARPIPTargets=10.0.0.1 10.0.0.2", "PrimarySlave=yes", "Bond=b"]),
        (ifupdown, BOND, ["arp_ip_target 10.0.0.1,10.0.0.2", "type bond primary e1"]),
        (networkmanager, BOND, ["arp_ip_target=10.0.0.1,10.0.0.2", "primary=e1", "slave-type=bond"]),
    ],
)
def test_options_are_written_in_the_words_of_each_manager(module: Any, keep: Keep, words: list[str]) -> None:
    text = "\n".join(module.render(keep).values())
    assert [word for word in words if word not in text] == []
    assert "=\n" not in text.replace("[", "\n[")


@pytest.mark.parametrize("module", [networkd, ifupdown, networkmanager])
def test_an_option_that_a_manager_has_no_word_for_is_never_left_out(module: Any) -> None:
    with pytest.raises(Inexpressible, match="can't keep `wishful` of the vlan eno1"):
        module.render(Keep(kind="vlan", name="eno1.9", interface="eno1.9", parent="eno1", options={"wishful": 1}))
    port = Keep(kind="bridge", name="b", interface="b", parts=("p",), port_options={"p": {"wishful": 1}})
    with pytest.raises(Inexpressible, match="`wishful` of the port p"):
        module.render(port)


@pytest.mark.parametrize("module", [networkd, ifupdown, networkmanager])
@pytest.mark.parametrize("name", ["a;b", "$(x)", "a*", "a'b", "-a", "é"])
def test_a_name_that_would_mean_something_in_the_file_is_refused(module: Any, name: str) -> None:
    with pytest.raises(PersistError, match="take another name"):
        module.render(Keep(kind="bridge", name=name, interface=name))
    with pytest.raises(PersistError, match="take another name"):
        module.render(Keep(kind="vlan", name="v", interface="v", parent=name, options={"id": 1}))


def test_networkd_keeps_no_port_that_leaves_the_default_vlan() -> None:
    trunk = Keep(kind="bridge", name="b", interface="b", parts=("p",), vlans={"p": VlansKept(tagged=("10-20",))})
    with pytest.raises(Inexpressible, match="p is not in VLAN 1"):
        networkd.render(trunk)
    from dataclasses import replace

    text = networkd.render(replace(trunk, options={"vlan_default_pvid": 0}))
    assert "VLAN=10-20" in text["etc/systemd/network/10-saltern-p.network.d/saltern-bridge-b.conf"]


def test_ifupdown_makes_no_vlan_of_what_is_only_named_like_one() -> None:
    with pytest.raises(Inexpressible, match="of whose name it would make a VLAN"):
        ifupdown.render(Keep(kind="bridge", name="br.5", interface="br.5"))


@pytest.mark.parametrize(
    ("words", "wished"),
    [
        ("PVID 43, untagged 1,43, tagged 10-20,30", VlansKept(pvid=43, untagged=("1", "43"), tagged=("10-20", "30"))),
        ("tagged 7", VlansKept(tagged=("7",))),
        ("no VLANs", VlansKept()),
    ],
)
def test_vlans_are_read_from_their_words(words: str, wished: VlansKept) -> None:
    assert VlansKept.of(words) == wished


def test_what_is_kept_runs_in_the_order_of_what_it_stands_on() -> None:
    records = [
        Record(function="route.present", name="r", arguments={}, needs=("br",)),
        Record(function="address.present", name="a", arguments={}, needs=("br",)),
        Record(function="bridge.present", name="br", arguments={}, makes=("br",), needs=("bond.43",)),
        Record(function="vlan.present", name="bond.43", arguments={}, makes=("bond.43",), needs=("bond",)),
        Record(function="bond.present", name="bond", arguments={}, makes=("bond",), needs=("e1", "e2")),
        Record(function="link.managed", name="e1", arguments={}, needs=("e1",)),
        Record(function="link.managed", name="br", arguments={}, needs=("br",)),
    ]
    order = [(record.function.partition(".")[0], record.name) for record in saltern.in_order(records)]
    assert order == [
        ("link", "e1"), ("bond", "bond"), ("vlan", "bond.43"), ("bridge", "br"), ("link", "br"),
        ("address", "a"), ("route", "r"),
    ]  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), max_size=6))
def test_a_circle_loses_no_record(pairs: list[tuple[str, str]]) -> None:
    records = [
        Record(function="vlan.present", name=f"{number}", arguments={}, makes=(made,), needs=(need,))
        for number, (made, need) in enumerate(pairs)
    ]
    assert sorted(record.name for record in saltern.in_order(records)) == sorted(record.name for record in records)


def test_a_record_is_read_as_it_was_written() -> None:
    ((path, text),) = saltern.render(BRIDGE).items()
    assert path == "etc/saltern/network.d/bridge-br43.json"
    assert saltern.parse(text) == Record(
        function="bridge.present",
        name="br43",
        arguments={"ports": ["eno1.43"], "stp": False},
        makes=("br43",),
        needs=("eno1.43",),
    )


FIELDS = st.sampled_from(["function", "name", "arguments", "makes", "needs"])
VALUES = st.recursive(st.none() | st.integers() | st.text(), lambda x: st.dictionaries(FIELDS, x) | st.lists(x))


@given(st.text() | VALUES.map(json.dumps))
def test_no_text_but_a_record_is_one(text: str) -> None:
    with pytest.raises(BadRecord):
        saltern.parse(text)


def test_a_record_of_a_state_that_is_no_network_is_refused() -> None:
    record = {"function": "cmd.run", "name": "x", "arguments": {}, "makes": [], "needs": []}
    with pytest.raises(BadRecord, match=r"cmd\.run"):
        saltern.parse(json.dumps(record))


@pytest.mark.parametrize(
    ("match", "name", "fits"),
    [
        ("Name=eth0", "eth0", True),
        ("Name=en* eth?", "eth1", True),
        ("Name=!en*", "eno1", False),
        ("Name=!en*", "eth0", True),
        ("Name=eth0\nHost=elsewhere", "eth0", True),
        ("", "eth0", False),
    ],
)
def test_a_network_file_is_for_what_it_matches(match: str, name: str, fits: bool) -> None:
    assert Rule.of(f"[Match]\n{match}\n[Network]\nDHCP=yes\n").fits(name) is fits


@pytest.mark.parametrize(
    ("units", "manager"),
    [
        ([], "saltern"),
        (["systemd-networkd.service"], "networkd"),
        (["networking.service"], "ifupdown"),
        (["NetworkManager.service"], "networkmanager"),
        (["NetworkManager.service", "networking.service"], "networkmanager"),
    ],
)
def test_the_manager_that_is_enabled_keeps_it(root: Path, units: list[str], manager: str) -> None:
    for unit in units:
        enable(root, unit)
    assert persist.manager(str(root), BRIDGE) == manager


def test_of_two_managers_that_one_keeps_it_which_has_the_interface(root: Path) -> None:
    for unit in ("systemd-networkd.service", "networking.service"):
        enable(root, unit)
    assert persist.manager(str(root), VLAN) == "networkd"
    put(root, "etc/network/interfaces.d/eno1", "auto eno1\niface eno1 inet dhcp\n")
    assert persist.manager(str(root), VLAN) == "ifupdown"


def test_a_masked_manager_is_not_in_use(root: Path) -> None:
    enable(root, "systemd-networkd.service")
    (root / "etc/systemd/system/systemd-networkd.service").symlink_to("/dev/null")
    assert persist.manager(str(root), BRIDGE) == "saltern"


@pytest.mark.parametrize(
    ("unit", "path", "text", "manager"),
    [
        (
            "NetworkManager",
            "etc/NetworkManager/system-connections/x",
            "[connection]\ninterface-name=br43\n",
            "networkd",
        ),
        ("networking", "etc/network/interfaces.d/x", "iface br43 inet manual\n", "networkd"),
        ("systemd-networkd", "etc/systemd/network/9-x.netdev", "[NetDev]\nName=br43\nKind=bridge\n", "networkd"),
        ("systemd-networkd", "run/systemd/network/10-x.network", "[Match]\nName=br43\n", "saltern"),
        ("NetworkManager", "run/NetworkManager/system-connections/x", PROFILE, "saltern"),
    ],
)
def test_an_interface_of_somebody_else_is_refused_with_the_file(
    root: Path, unit: str, path: str, text: str, manager: str
) -> None:
    enable(root, f"{unit}.service")
    put(root, path, text)
    with pytest.raises(PersistError, match=f"br43 belongs to .*: /{path} defines it"):
        persist.change(str(root), manager, BRIDGE)


def test_a_file_of_a_manager_that_is_not_used_is_in_nobodys_way(root: Path) -> None:
    put(root, "etc/NetworkManager/system-connections/x", "[connection]\ninterface-name=br43\n")
    assert persist.change(str(root), "networkd", BRIDGE).writes


def test_the_file_that_an_administrator_wrote_for_one_interface_gets_the_drop_in(root: Path) -> None:
    put(root, "run/systemd/network/10-netplan-eno1.network", "[Match]\nName=eno1\n[Network]\nDHCP=yes\n")
    texts = networkd.wished(str(root), VLAN)
    assert "etc/systemd/network/10-netplan-eno1.network.d/saltern-vlan-eno1.43.conf" in texts
    assert "etc/systemd/network/10-saltern-eno1.network" not in texts


def test_a_file_for_many_interfaces_is_not_put_out_of_force(root: Path) -> None:
    put(root, "etc/systemd/network/20-wired.network", "[Match]\nName=en*\n[Network]\nDHCP=yes\n")
    with pytest.raises(PersistError, match=r"eno1 is configured .* /etc/systemd/network/20-wired.network, which other"):
        networkd.wished(str(root), VLAN)


def test_interfaces_that_does_not_read_the_folder_is_refused(root: Path) -> None:
    put(root, "etc/network/interfaces", "source-directory interfaces.d\n")
    with pytest.raises(PersistError, match=r"add the line `source /etc/network/interfaces.d/\*`"):
        ifupdown.wished(str(root), BRIDGE)


@pytest.mark.parametrize("manager", persist.BACKENDS)
def test_what_is_written_stays_is_repaired_and_goes_without_a_trace(root: Path, manager: str) -> None:
    keeps = (VLAN, DELAYED, ROUTE, ADDRESS)
    for keep in keeps:
        save(root, persist.change(str(root), manager, keep))
    for keep in keeps:
        change = persist.change(str(root), manager, keep)
        assert (change.current == change.wish, change.writes) == (True, {})
    files = [(path, text) for path, text in change.wish.texts if not (root / path).is_symlink()]
    for path, text in files:  # drift
        put(root, path, f"{text}\n# by hand\n")
    drifted = persist.change(str(root), manager, ADDRESS)
    assert set(drifted.writes) == {path for path, _ in files}
    assert "-# by hand" in drifted.current.diff(drifted.wish)
    save(root, drifted)
    for keep in reversed(keeps):
        save(root, persist.removal(str(root), keep.kind, keep.name))
    left = [path for path in root.rglob("*saltern*") if path.is_file() and "systemd/system" not in str(path)]
    assert left == []


@pytest.mark.parametrize(("old", "new"), [("networkd", "ifupdown"), ("saltern", "networkmanager")])
def test_another_manager_takes_over_and_the_old_files_go(root: Path, old: str, new: str) -> None:
    save(root, persist.change(str(root), old, DELAYED))
    save(root, persist.change(str(root), new, DELAYED))
    assert list(persist.BACKENDS[old].owned(str(root), "bridge", "br43")) == []
    assert list(persist.BACKENDS[new].owned(str(root), "bridge", "br43")) != []


def save(root: Path, change: persist.Change) -> None:
    with permit_acting():
        persist.save(str(root), change.writes)


def test_a_keyfile_is_for_root_alone_and_one_that_others_may_read_is_written_anew(root: Path) -> None:
    save(root, persist.change(str(root), "networkmanager", VLAN))
    file = root / networkmanager.path_of("eno1.43")
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    assert networkmanager.path_of("eno1.43") in persist.change(str(root), "networkmanager", VLAN).writes


def test_a_link_in_place_of_a_file_is_replaced_and_not_followed(root: Path) -> None:
    victim = root / "victim"
    victim.write_text("precious")
    path = root / "etc/saltern/network.d/bridge-br43.json"
    path.parent.mkdir(parents=True)
    path.symlink_to(victim)
    save(root, persist.change(str(root), "saltern", BRIDGE))
    assert (path.is_symlink(), victim.read_text()) == (False, "precious")


@pytest.mark.parametrize(("given_", "wished"), [(True, "auto"), (False, "none"), ("NetworkManager", "networkmanager")])
def test_persist_takes_booleans_and_names(given_: object, wished: str) -> None:
    assert persist.choice(given_) == wished


def test_an_unknown_manager_is_refused_with_the_nearest() -> None:
    with pytest.raises(PersistError, match="Did you mean 'networkd'"):
        persist.choice("netword")


def test_a_diff_tells_files_that_come_and_go() -> None:
    text = Files("x", (("etc/a", "one\n"),)).diff(Files("x", (("etc/b", "two\n"),)))
    assert text.splitlines()[:2] == ["--- /etc/a", "+++ /dev/null"]
    assert "+two" in text.splitlines()
