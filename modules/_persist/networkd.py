"""Networks kept by systemd-networkd: systemd.netdev(5) and systemd.network(5).

Each state has files of its own, so that several can say something of one interface: for what it makes a `.netdev`,
and for each interface that it says something of a drop-in to that interface's `.network`. That `.network` is the one
that an administrator wrote for it alone, or else a plain one made here (the base), which goes with its last drop-in.
networkd reads them at its next start; until then the kernel has what netlink made, which they equal.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from modules._persist import match
from modules._persist.keep import (
    CREATED,
    MARK,
    Keep,
    Owner,
    PersistError,
    check_default_vlan,
    inexpressible,
    plain,
    unknown_options,
)

MANAGER = "systemd-networkd"
UNITS: tuple[str, ...] = ("systemd-networkd.service",)
FOLDER = "etc/systemd/network"
FOLDERS = (FOLDER, "run/systemd/network", "usr/local/lib/systemd/network", "usr/lib/systemd/network")
MODE = 0o644

_BASE = f"""\
# {MARK}
# What it is set to lies in the folder beside it. What it has already (from a boot script) is left to it.
[Match]
Name={{name}}

[Link]
RequiredForOnline=no

[Network]
KeepConfiguration=yes
ConfigureWithoutCarrier=yes
"""


def yes(value: Any) -> str:
    """A boolean as systemd writes it."""
    return "yes" if value else "no"


# What a kind's options are called in its section of a .netdev, and how their values are written.
_OPTIONS: Mapping[str, Mapping[str, tuple[str, Callable[[Any], str]]]] = {
    "bridge": {
        "stp": ("STP", yes),
        "forward_delay": ("ForwardDelaySec", "{:g}s".format),
        "hello_time": ("HelloTimeSec", "{:g}s".format),
        "max_age": ("MaxAgeSec", "{:g}s".format),
        "ageing_time": ("AgeingTimeSec", "{:g}s".format),
        "priority": ("Priority", str),
        "vlan_filtering": ("VLANFiltering", yes),
        "vlan_default_pvid": ("DefaultPVID", lambda value: str(value) if value else "none"),
        "multicast_snooping": ("MulticastSnooping", yes),
        "group_fwd_mask": ("GroupForwardMask", str),
    },
    "bond": {
        "mode": ("Mode", str),
        "miimon": ("MIIMonitorSec", "{}ms".format),
        "lacp_rate": ("LACPTransmitRate", str),
        "xmit_hash_policy": ("TransmitHashPolicy", str),
        "min_links": ("MinLinks", str),
        "updelay": ("UpDelaySec", "{}ms".format),
        "downdelay": ("DownDelaySec", "{}ms".format),
        "ad_select": ("AdSelect", str),
        "primary_reselect": ("PrimaryReselectPolicy", str),
        "fail_over_mac": ("FailOverMACPolicy", str),
        "arp_interval": ("ARPIntervalSec", "{}ms".format),
        "arp_ip_target": ("ARPIPTargets", " ".join),
        "arp_validate": ("ARPValidate", str),
        "primary": ("", str),  # said by the member
    },
    "vlan": {"id": ("Id", str), "protocol": ("Protocol", str)},
    "macvlan": {"mode": ("Mode", str)},
    "vxlan": {
        "id": ("VNI", str),
        "remote": ("Remote", str),
        "group": ("Group", str),
        "local": ("Local", str),
        "port": ("DestinationPort", str),
        "learning": ("MacLearning", yes),
        "ttl": ("TTL", str),
        "tos": ("TOS", str),
        "source_ports": ("PortRange", "{0[0]}-{0[1]}".format),
    },
    "veth": {"peer": ("Name", str)},
    "link": {},
    "address": {},
    "route": {},
}
# Not `guard` and `root_block`: networkd sets the opposite of what its own manual says of UseBPDU and AllowPortToBeRoot.
_PORT_OPTIONS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "cost": ("Cost", str),
    "priority": ("Priority", str),
    "isolated": ("Isolated", yes),
    "hairpin": ("HairPin", yes),
    "learning": ("Learning", yes),
}
_SECTIONS = {"bridge": "Bridge", "bond": "Bond", "vlan": "VLAN", "macvlan": "MACVLAN", "vxlan": "VXLAN", "veth": "Peer"}
_ATTACHED = {"vlan": "VLAN", "macvlan": "MACVLAN", "vxlan": "VXLAN"}  # the parent's .network names what lies on it
_ENSLAVED = {"bridge": "Bridge", "bond": "Bond"}
# Without it networkd makes up an address; so it is the kernel's: that of a port, or of the parent.
_KERNEL_MAC = ("bridge", "vlan", "bond")

Base = Callable[[str], str]


def own_base(name: str) -> str:
    """The file name of the base that is made here for the interface NAME."""
    return f"10-saltern-{plain(name)}.network"


def render(keep: Keep, base: Base = own_base) -> dict[str, str]:
    """The texts that keep KEEP, by path. BASE: the file name of the `.network` of an interface. Pure."""
    unknown_options(keep, _OPTIONS[keep.kind], _PORT_OPTIONS, MANAGER)
    check_default_vlan(keep, MANAGER)
    if keep.options.get("arp_validate") in ("filter", "filter_active", "filter_backup"):
        raise inexpressible(MANAGER, f"arp_validate {keep.options['arp_validate']} of the bond {keep.name}")
    texts: dict[str, str] = {}
    drop = _drop(keep.kind, keep.name)

    def put(interface: str, sections: Mapping[str, list[str]]) -> None:
        file = base(interface)
        texts[f"{FOLDER}/{file}.d/{drop}"] = _text(sections)
        if file == own_base(interface):
            texts[f"{FOLDER}/{file}"] = _BASE.format(name=interface)

    if keep.creates:
        texts[f"{FOLDER}/10-saltern-{plain(keep.name)}.netdev"] = _netdev(keep)
    put(keep.interface, _settings(keep))
    if keep.parent and keep.kind in _ATTACHED:
        put(keep.parent, {"Network": [f"{_ATTACHED[keep.kind]}={keep.name}"]})
    for part in keep.parts:
        primary = ["PrimarySlave=yes"] if keep.options.get("primary") == part else []
        put(part, {"Network": [f"{_ENSLAVED[keep.kind]}={keep.name}", *primary], **_port(keep, part)})
    if keep.kind == "veth" and isinstance(keep.options.get("peer"), str):
        put(keep.options["peer"], {"Link": [f"MTUBytes={keep.mtu}"] if keep.mtu else []})
    return texts


def _drop(kind: str, name: str) -> str:
    """The file name of the drop-ins of the state KIND of NAME. Addresses that are added come after those that their
    interface was made with, so that these stay the first."""
    return f"saltern-{kind}-{name}.conf" if kind in CREATED else f"saltern-with-{kind}-{name}.conf"


def _netdev(keep: Keep) -> str:
    device = [f"Name={keep.name}", f"Kind={keep.kind}"]
    device += [f"MACAddress={keep.mac or 'none'}"] if keep.kind in _KERNEL_MAC else []
    device += [f"MTUBytes={keep.mtu}"] if keep.mtu else []
    words = _OPTIONS[keep.kind]
    given = [(option, value) for option, value in sorted(keep.options.items()) if words[option][0]]
    own = [f"{words[option][0]}={words[option][1](value)}" for option, value in given]
    own += ["Independent=yes"] if keep.kind == "vxlan" and not keep.parent else []
    return _text({"NetDev": device, _SECTIONS[keep.kind]: own})


def _settings(keep: Keep) -> dict[str, list[str]]:
    """What the interface itself is set to."""
    link, network = [], [f"Address={address}" for address in keep.addresses]
    if keep.mtu and not keep.creates:
        link.append(f"MTUBytes={keep.mtu}")
    if keep.mac and not keep.creates:
        link.append(f"MACAddress={keep.mac}")
    if not keep.creates and keep.up is not None and keep.kind == "link":
        link.append(f"ActivationPolicy={'up' if keep.up else 'down'}")
    if keep.addresses and keep.creates and (keep.kind not in _ENSLAVED or keep.parts):
        link.append("RequiredForOnline=yes")
    if keep.gateway:
        network.append(f"Gateway={keep.gateway}")
    found = {"Link": link, "Network": network, **(_port(keep, keep.interface) if keep.kind == "bridge" else {})}
    if keep.route:
        route = keep.route
        found["Route"] = [f"Destination={route.destination}"]
        found["Route"] += [f"Gateway={route.gateway}"] if route.gateway else ["Scope=link"]
        found["Route"] += [f"Metric={route.metric}"] if route.metric is not None else []
        found["Route"] += [f"Table={route.table}"] if route.table is not None else []
        if not route.gateway and ":" in route.destination:
            found["Route"].remove("Scope=link")
    return found


def _port(keep: Keep, port: str) -> dict[str, list[str]]:
    """What a bridge's PORT, or the bridge itself, is set to."""
    given = sorted(keep.port_options.get(port, {}).items())
    found = {"Bridge": [f"{_PORT_OPTIONS[option][0]}={_PORT_OPTIONS[option][1](value)}" for option, value in given]}
    if port in keep.vlans:
        vlans = keep.vlans[port]
        found["BridgeVLAN"] = [f"PVID={vlans.pvid}"] if vlans.pvid is not None else []
        found["BridgeVLAN"] += [f"EgressUntagged={one}" for one in vlans.untagged]
        found["BridgeVLAN"] += [f"VLAN={one}" for one in vlans.tagged]
    return found


def _text(sections: Mapping[str, list[str]]) -> str:
    parts = [f"[{name}]\n" + "".join(f"{line}\n" for line in lines) for name, lines in sections.items() if lines]
    return "\n".join([f"# {MARK}\n", *parts])


def wished(root: str, keep: Keep) -> dict[str, str]:
    """The texts that keep KEEP on the node below ROOT. PersistError where another file has one of its interfaces."""
    return render(keep, lambda name: _base_of(root, name, creates=keep.creates and name == keep.interface))


def owned(root: str, kind: str, name: str) -> Iterator[str]:
    """The files that are there of the state KIND of NAME."""
    netdev = f"{FOLDER}/10-saltern-{name}.netdev"
    if kind in _SECTIONS and _kind_of(f"{root}/{netdev}") == kind:
        yield netdev
    for folder in _drop_ins(root):
        path = f"{FOLDER}/{folder}/{_drop(kind, name)}"
        if os.path.lexists(f"{root}/{path}"):
            yield path


def names(root: str, kind: str) -> Iterator[str]:
    """The names of the states of KIND that have a drop-in."""
    start = _drop(kind, "").removesuffix(".conf")
    for folder in _drop_ins(root):
        for entry in match.listed(f"{root}/{FOLDER}/{folder}"):
            if entry.startswith(start) and entry.endswith(".conf"):
                yield entry.removeprefix(start).removesuffix(".conf")


def bases(root: str, wished: Mapping[str, str], gone: frozenset[str]) -> Iterator[str]:
    """The bases that have no drop-in any more once the files GONE are and those WISHED are there."""
    kept = {path.rpartition("/")[0] for path in wished if path.endswith(".conf")}
    for path in sorted(gone):
        folder = path.rpartition("/")[0]
        name = folder.rpartition("/")[2]
        if not (name.startswith("10-saltern-") and name.endswith(".network.d")) or folder in kept:
            continue
        left = {f"{folder}/{entry}" for entry in match.listed(f"{root}/{folder}") if entry.endswith(".conf")}
        if left <= gone:
            yield folder.removesuffix(".d")


def owners(root: str, name: str) -> Iterator[Owner]:
    """Files of others that are about the interface NAME alone."""
    for folder in FOLDERS:
        for entry in match.listed(f"{root}/{folder}"):
            if entry.startswith("10-saltern-"):
                continue
            path = f"{root}/{folder}/{entry}"
            if entry.endswith(".netdev") and match.netdev_name(match.text_of(path)) == name:
                yield Owner(manager=MANAGER, file=f"/{folder}/{entry}")
            elif entry.endswith(".network"):
                rule = match.Rule.of(match.text_of(path))
                if rule.only == name:
                    yield Owner(manager=MANAGER, file=f"/{folder}/{entry}")


def _base_of(root: str, name: str, *, creates: bool) -> str:
    """The file name of the `.network` that the interface NAME has or will have."""
    own = own_base(name)
    for entry, folder in sorted(_networks(root).items()):
        rule = match.Rule.of(match.text_of(f"{root}/{folder}/{entry}"))
        if not rule.fits(name):
            continue
        if rule.is_single:
            return entry
        if folder == FOLDERS[-1] or (creates and entry > own):
            continue  # a default of the system, or one that comes after what is made here
        raise PersistError(
            f"{name} is configured by systemd-networkd from /{folder}/{entry}, which other interfaces have too: give it"
            f" a file of its own with [Match] Name={name}, or `persist: saltern`"
        )
    return own


def _networks(root: str) -> dict[str, str]:
    """The `.network` files of others: the folder of each that counts, by file name (systemd.network(5))."""
    found: dict[str, str] = {}
    for folder in FOLDERS:
        for entry in match.listed(f"{root}/{folder}"):
            if entry.endswith(".network") and not entry.startswith("10-saltern-"):
                found.setdefault(entry, folder)
    return found


def _drop_ins(root: str) -> list[str]:
    return [entry for entry in match.listed(f"{root}/{FOLDER}") if entry.endswith(".network.d")]


def _kind_of(path: str) -> str | None:
    """The kind of a .netdev that was made here."""
    text = match.text_of(path)
    return match.value(text, "NetDev", "Kind") if text.startswith(f"# {MARK}") else None
