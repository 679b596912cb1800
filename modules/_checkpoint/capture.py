"""Takes a checkpoint: one dump each of links, VLAN filter, addresses and routes, and the bytes of the files."""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from modules._checkpoint.checkpoint import Checkpoint, Hop, Kernel, SavedAddress, SavedFile, SavedLink, SavedRoute
from saltern.errors import PermanentError

FOLDERS = (
    "/etc/systemd/network",
    "/etc/network/interfaces.d",
    "/etc/NetworkManager/system-connections",
    "/etc/sysctl.d",
    "/etc/modules-load.d",
)
PATHS = ("/etc/network/interfaces",)
MOST_BYTES = 16 << 20  # of all files together; there is something else in such a folder where it is more

# Of IFLA_INFO_DATA, what can be set again (linux/if_link.h).
_KIND_OPTIONS: dict[str, tuple[str, ...]] = {
    "bridge": (
        "forward_delay",
        "hello_time",
        "max_age",
        "ageing_time",
        "stp_state",
        "priority",
        "vlan_filtering",
        "vlan_protocol",
        "vlan_default_pvid",
        "vlan_stats_enabled",
        "group_fwd_mask",
        "mcast_snooping",
        "mcast_querier",
        "nf_call_iptables",
        "nf_call_ip6tables",
        "nf_call_arptables",
    ),
    "bond": (
        "mode",
        "miimon",
        "updelay",
        "downdelay",
        "xmit_hash_policy",
        "ad_lacp_rate",
        "ad_select",
        "min_links",
        "fail_over_mac",
        "arp_interval",
        "arp_validate",
        "primary_reselect",
        "all_slaves_active",
        "num_peer_notif",
    ),
    "vlan": ("id", "protocol"),
    "vxlan": (
        "id",
        "group",
        "group6",
        "local",
        "local6",
        "ttl",
        "tos",
        "port",
        "port_range",
        "learning",
        "ageing",
        "limit",
        "proxy",
    ),
    "macvlan": ("mode",),
    "macvtap": ("mode",),
    "vrf": ("table",),
}
_PREFIX = {"bridge": "br", "macvlan": "macvlan", "macvtap": "macvtap"}
_PORT_OPTIONS = (
    "cost",
    "priority",
    "mode",
    "guard",
    "protect",
    "fast_leave",
    "learning",
    "unicast_flood",
    "mcast_flood",
    "bcast_flood",
    "proxyarp",
    "neigh_suppress",
    "isolated",
    "vlan_tunnel",
)
_SETTINGS = {
    "ipv4": "forwarding rp_filter arp_ignore arp_announce arp_filter proxy_arp accept_redirects send_redirects "
    "accept_source_route log_martians accept_local route_localnet",
    "ipv6": "disable_ipv6 forwarding accept_ra autoconf accept_redirects addr_gen_mode use_tempaddr accept_dad "
    "proxy_ndp",
}
_SKIP_STATS = 8
_LOCAL = 255
_KNOWN_ROUTE = {
    "RTA_TABLE",
    "RTA_DST",
    "RTA_OIF",
    "RTA_GATEWAY",
    "RTA_VIA",
    "RTA_PRIORITY",
    "RTA_PREFSRC",
    "RTA_METRICS",
    "RTA_MULTIPATH",
    "RTA_CACHEINFO",
    "RTA_PREF",
    "RTA_EXPIRES",
    "UNKNOWN",
}
_ONLINK = 4  # RTNH_F_ONLINK
_FOREVER = 0xFFFFFFFF


@contextmanager
def conversation() -> Iterator[Any]:
    """A netlink socket of its own, beside any that a run shares: a way back must not hang on what a run holds."""
    from pyroute2 import IPRoute

    with IPRoute(ext_ack=True, strict_check=True) as socket:
        yield socket


def egress(address: str) -> int | None:
    """The index of the device by which the kernel leads to ADDRESS now; None where it has no way."""
    from pyroute2.netlink.exceptions import NetlinkError

    with conversation() as socket:
        try:
            for message in socket.route("get", dst=address):
                index = message.get_attr("RTA_OIF")
                return int(index) if index else None
        except NetlinkError:
            return None
    return None


def take(socket: Any, folders: Iterable[str] = FOLDERS, paths: Iterable[str] = PATHS) -> Checkpoint:
    """The checkpoint of now, by an open netlink socket. PermanentError where the files are far too large."""
    folders, paths = tuple(folders), tuple(paths)
    return Checkpoint(kernel=kernel(socket), folders=folders, paths=paths, files=tuple(files(folders, paths)))


def kernel(socket: Any) -> Kernel:
    """What the kernel says now."""
    messages = list(socket.link("dump", ext_mask=_SKIP_STATS))
    names = {message["index"]: str(message.get_attr("IFLA_IFNAME")) for message in messages}
    vlans = _vlans(socket) if any(_kind(message) == "bridge" for message in messages) else {}
    return Kernel(
        links=tuple(_link(message, names, vlans) for message in messages),
        addresses=tuple(address for m in socket.addr("dump") if (address := _address(m, names)) is not None),
        routes=tuple(route for m in socket.route("dump") if (route := _route(m, names)) is not None),
    )


def _kind(message: Any) -> str | None:
    info = message.get_attr("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_KIND") if info else None
    return str(kind) if kind else None


def _link(message: Any, names: dict[int, str], vlans: dict[int, tuple[tuple[int, int], ...]]) -> SavedLink:
    info, kind, name = message.get_attr("IFLA_LINKINFO"), _kind(message), names[message["index"]]
    data = info.get_attr("IFLA_INFO_DATA") if info else None
    slave = info.get_attr("IFLA_INFO_SLAVE_DATA") if info and _slave_kind(info) == "bridge" else None
    master, parent = message.get_attr("IFLA_MASTER"), message.get_attr("IFLA_LINK")
    if kind == "vxlan" and data and parent is None:
        parent = data.get_attr("IFLA_VXLAN_LINK")
    elsewhere = message.get_attr("IFLA_LINK_NETNSID") is not None
    return SavedLink(
        index=message["index"],
        name=name,
        kind=kind,
        is_up=bool(message["flags"] & 1),
        mtu=message.get_attr("IFLA_MTU"),
        mac=message.get_attr("IFLA_ADDRESS"),
        master=names.get(master) if master else None,
        parent=None if elsewhere or not parent else names.get(parent),
        parent_elsewhere=elsewhere,
        alias=message.get_attr("IFLA_IFALIAS") or "",
        txqueuelen=message.get_attr("IFLA_TXQLEN") or 0,
        options=_options(kind, data) | _primary(kind, data, names),
        port=_port(slave),
        vlans=vlans.get(message["index"], ()),
        settings=settings(name),
    )


def _slave_kind(info: Any) -> str | None:
    kind = info.get_attr("IFLA_INFO_SLAVE_KIND")
    return str(kind) if kind else None


def _options(kind: str | None, data: Any) -> dict[str, Any]:
    if not data or kind not in _KIND_OPTIONS:
        return {}
    prefix = _PREFIX.get(kind, kind)
    found = {}
    for option in _KIND_OPTIONS[kind]:
        value = data.get_attr(f"IFLA_{prefix.upper()}_{option.upper()}")
        if value is not None:
            found[f"{prefix}_{option}"] = value
    return _sensible(kind, found)


def _primary(kind: str | None, data: Any, names: dict[int, str]) -> dict[str, str]:
    """The member that a bond prefers, by its name; '' for none."""
    if kind != "bond" or not data or data.get_attr("IFLA_BOND_MODE") not in (1, 5, 6):
        return {}
    return {"bond_primary": names.get(data.get_attr("IFLA_BOND_PRIMARY") or 0, "")}


def _sensible(kind: str, options: dict[str, Any]) -> dict[str, Any]:
    """OPTIONS without those that the kernel tells but refuses to be told: of a bond, what its mode has not."""
    if kind == "bond":
        lacking = {"bond_ad_lacp_rate", "bond_ad_select"} if options.get("bond_mode") != 4 else set()  # 802.3ad
        lacking |= {"bond_primary_reselect"} if options.get("bond_mode") not in (1, 5, 6) else set()
        lacking |= {"bond_arp_validate"} if not options.get("bond_arp_interval") else set()
        options = {name: value for name, value in options.items() if name not in lacking}
        if not options.get("bond_miimon"):
            options = {name: value for name, value in options.items() if not name.endswith("delay")}
        if not options.get("bond_arp_interval"):
            options.pop("bond_arp_interval", None)
        else:
            options.pop("bond_miimon", None)
    return options


def _port(slave: Any) -> dict[str, int]:
    if not slave:
        return {}
    found = {option: slave.get_attr(f"IFLA_BRPORT_{option.upper()}") for option in _PORT_OPTIONS}
    return {option: int(value) for option, value in found.items() if value is not None}


def _vlans(socket: Any) -> dict[int, tuple[tuple[int, int], ...]]:
    """The VLAN filter's entries by the index of the port or bridge; nothing where the kernel has no such filter."""
    found = {}
    for message in socket.get_vlans():
        spec = message.get_attr("IFLA_AF_SPEC")
        entries = spec.get_attrs("IFLA_BRIDGE_VLAN_INFO") if spec else []
        found[message["index"]] = tuple(sorted((entry["vid"], entry["flags"] & 0x6) for entry in entries))
    return found


def settings(name: str) -> dict[str, str]:
    """The parameters of the interface NAME that are often changed, by their path below /proc/sys."""
    found = {}
    for family, keys in _SETTINGS.items():
        for key in keys.split():
            path = f"net/{family}/conf/{name}/{key}"
            if (value := read_setting(path)) is not None:
                found[path] = value
    return found


def read_setting(path: str) -> str | None:
    """The kernel parameter at PATH below /proc/sys, None where it can't be read."""
    try:
        fd = os.open(f"/proc/sys/{path}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return " ".join(os.read(fd, 4096).decode("utf-8", "replace").split())
    except OSError:
        return None
    finally:
        os.close(fd)


def _address(message: Any, names: dict[int, str]) -> SavedAddress | None:
    name = names.get(message["index"])
    if name is None:
        return None
    local = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    other = message.get_attr("IFA_ADDRESS")
    flags = message.get_attr("IFA_FLAGS")
    times = message.get_attr("IFA_CACHEINFO")
    return SavedAddress(
        link=name,
        family=message["family"],
        address=str(ipaddress.ip_interface((local, message["prefixlen"]))),
        peer=other if other != local else None,
        broadcast=message.get_attr("IFA_BROADCAST"),
        label=message.get_attr("IFA_LABEL"),
        scope=message["scope"],
        flags=message["flags"] if flags is None else flags,
        valid_s=_seconds(times, "ifa_valid"),
        preferred_s=_seconds(times, "ifa_preferred"),
    )


def _seconds(times: Any, field: str) -> int | None:
    value = times.get(field) if times else None
    return None if value is None or value == _FOREVER else int(value)


def _route(message: Any, names: dict[int, str]) -> SavedRoute | None:
    """The route of MESSAGE; None for those of the table local, which the kernel keeps itself, and cached ones."""
    family, table = message["family"], message.get_attr("RTA_TABLE") or message["table"]
    if table == _LOCAL or message["flags"] & 0x200 or family not in (2, 10):  # RTM_F_CLONED
        return None
    everywhere = "0.0.0.0" if family == 2 else "::"  # noqa: S104 - a destination
    parts = message.get_attr("RTA_MULTIPATH") or [message]
    metrics = message.get_attr("RTA_METRICS")
    return SavedRoute(
        family=family,
        destination=f"{message.get_attr('RTA_DST') or everywhere}/{message['dst_len']}",
        table=table,
        protocol=message["proto"],
        scope=message["scope"],
        type=message["type"],
        metric=message.get_attr("RTA_PRIORITY") or 0,
        tos=message["tos"],
        source=message.get_attr("RTA_PREFSRC"),
        hops=tuple(_hop(part, message, names) for part in parts),
        metrics={a[0].removeprefix("RTAX_").lower(): a[1] for a in metrics["attrs"]} if metrics else {},
        special=tuple(sorted({a[0] for a in message["attrs"]} - _KNOWN_ROUTE)),
    )


def _hop(part: Any, message: Any, names: dict[int, str]) -> Hop:
    via = part.get_attr("RTA_VIA")
    index = part.get_attr("RTA_OIF") or (part.get("oif") if part is not message else None)
    flags = message["flags"] if part is message else part.get("flags", 0)
    return Hop(
        link=names.get(index) if index else None,
        gateway=part.get_attr("RTA_GATEWAY") or (via and via["addr"]) or None,
        weight=0 if part is message else part.get("hops", 0),
        onlink=bool(flags & _ONLINK),
    )


def files(folders: Iterable[str], paths: Iterable[str] = ()) -> Iterator[SavedFile]:
    """The files and symbolic links at PATHS and, at any depth, in FOLDERS. Editors' leftovers are files too."""
    total = 0
    for path in (*_below(folders), *paths):
        found = saved_file(path)
        if found is not None:
            total += len(found.data)
            if total > MOST_BYTES:
                raise PermanentError(f"the network's configuration is over {MOST_BYTES >> 20} MiB with {path}: why?")
            yield found


def _below(folders: Iterable[str]) -> Iterator[str]:
    for folder in folders:
        for place, inner, names in os.walk(folder):
            inner.sort()
            yield from (os.path.join(place, name) for name in sorted(names))


def saved_file(path: str) -> SavedFile | None:
    """What is at PATH: a file or a symbolic link; None for nothing and for anything else."""
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            target, data = os.readlink(path), b""
        elif stat.S_ISREG(status.st_mode):
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            with os.fdopen(fd, "rb") as file:
                target, data = None, file.read(MOST_BYTES + 1)
        else:
            return None
    except (FileNotFoundError, NotADirectoryError):
        return None
    return SavedFile(
        path=path, mode=stat.S_IMODE(status.st_mode), uid=status.st_uid, gid=status.st_gid, data=data, target=target
    )
