"""What a node could reach before a change of its network, and has to reach after it: gateways, name servers, NFS
servers. Each is asked once by one small packet or connection; all at the same time."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from modules._checkpoint.capture import conversation
from modules._mount import table as mount_table
from modules._network.netlink import AF_INET, AF_INET6, View

_RESOLV = "/etc/resolv.conf"
_NFS_PORT, _DNS_PORT = 2049, 53
_ROOT_NS = b"\x00\x00\x02\x00\x01"  # the question: the name servers of the root


@dataclass(frozen=True, slots=True)
class Probe:
    """KIND is "gateway", "name server" or "NFS server"; a gateway's is by family: whichever is the gateway later has
    to answer."""

    kind: str
    address: str

    @property
    def words(self) -> str:
        """For people."""
        return f"the {self.kind} {self.address}"


def probes(view: View, resolv: str | None = None, mounts: str | None = None) -> list[Probe]:
    """What this node depends on, by its default routes, resolv.conf and mounts (their texts, read where not given)."""
    found = [
        Probe("gateway", _scoped(view, route.gateway, route.index)) for route in view.default_routes if route.gateway
    ]
    found += [Probe("name server", server) for server in name_servers(_read(_RESOLV) if resolv is None else resolv)]
    found += [
        Probe("NFS server", host) for host in nfs_servers(_read("/proc/self/mountinfo") if mounts is None else mounts)
    ]
    return list(dict.fromkeys(found))


def _scoped(view: View, gateway: str, index: int | None) -> str:
    """A link-local gateway is one only together with its device."""
    return f"{gateway}%{view.name_at(index)}" if gateway.startswith("fe80") and index else gateway


def name_servers(resolv: str) -> list[str]:
    """The servers that resolv.conf(5) names, without those on this node."""
    words = [line.split() for line in resolv.splitlines()]
    found = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
    return [server for server in found if not server.startswith("127.") and server != "::1"]


def nfs_servers(mountinfo: str) -> list[str]:
    """The addresses of the servers of mounted NFS file systems, by the option `addr` (nfs(5))."""
    found = []
    for mount in mount_table.parse(mountinfo):
        if mount.fstype in ("nfs", "nfs4"):
            found += [option[5:] for option in mount.options if option.startswith("addr=")]
    return sorted(set(found) - {"127.0.0.1", "::1"})


def answering(wanted: Sequence[Probe], timeout_s: float) -> list[Probe]:
    """Those of WANTED that answer within TIMEOUT_S seconds."""
    good: list[Probe] = []

    def ask(probe: Probe) -> None:
        try:
            if _ASK[probe.kind](probe.address, timeout_s):
                good.append(probe)
        except (OSError, ValueError):
            return

    threads = [threading.Thread(target=ask, args=(probe,), daemon=True) for probe in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout_s + 0.5)
    return [probe for probe in wanted if probe in good]


def silent(before: Iterable[Probe], now: Sequence[Probe], timeout_s: float) -> list[Probe]:
    """Those of BEFORE, which answered, that don't answer any more. Of the gateways of a family one of NOW is enough:
    the change may have been one of the gateway."""
    before = list(before)
    servers = [probe for probe in before if probe.kind != "gateway"]
    gateways = [probe for probe in now if probe.kind == "gateway"]
    good = answering([*servers, *gateways], timeout_s)
    lost = [probe for probe in servers if probe not in good]
    for family in (AF_INET, AF_INET6):
        had = [probe for probe in before if probe.kind == "gateway" and _family(probe.address) == family]
        have = [probe for probe in good if probe.kind == "gateway" and _family(probe.address) == family]
        if had and not have:
            lost += [probe for probe in gateways if _family(probe.address) == family] or had
    return lost


def _family(address: str) -> int:
    return AF_INET6 if ":" in address else AF_INET


def _connects(address: str, timeout_s: float) -> bool:
    with socket.create_connection((address, _NFS_PORT), timeout_s):
        return True


def _resolves(address: str, timeout_s: float) -> bool:
    """Whether a name server answers at all; what it says does not matter."""
    query = os.urandom(2) + struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0) + _ROOT_NS
    kind, _, _, _, place = socket.getaddrinfo(address, _DNS_PORT, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[
        0
    ]
    with socket.socket(kind, socket.SOCK_DGRAM) as asked:
        asked.settimeout(timeout_s)
        asked.connect(place)
        asked.send(query)
        return asked.recv(4096)[:2] == query[:2]


def _echoes(address: str, timeout_s: float) -> bool:
    """Whether a host answers an echo request (ICMP, RFC 792; ICMPv6, RFC 4443), or at least its address is resolved on
    the link, since many gateways answer no echo."""
    kind, _, _, _, place = socket.getaddrinfo(address, 0, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
    six = kind == socket.AF_INET6
    protocol = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
    mark = os.urandom(2)
    head = struct.pack("!BBH", 128 if six else 8, 0, 0) + mark + b"\0\1"
    request = head if six else head[:2] + _checksum(head) + head[4:]
    with socket.socket(kind, socket.SOCK_RAW, protocol) as asked:
        asked.settimeout(timeout_s)
        asked.connect(place)
        asked.send(request)
        try:
            while True:
                answer = asked.recv(4096)
                body = answer if six else answer[(answer[0] & 15) * 4 :]
                if body[:1] == (b"\x81" if six else b"\x00") and body[4:6] == mark:
                    return True
        except TimeoutError:
            return _is_neighbour(address.partition("%")[0])


def _checksum(data: bytes) -> bytes:
    """The Internet checksum (RFC 1071)."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF)


def _is_neighbour(address: str) -> bool:
    """Whether the kernel has resolved ADDRESS on a link lately (NUD_REACHABLE, STALE, DELAY, PROBE)."""
    with conversation() as netlink:
        return any(
            neighbour.get_attr("NDA_DST") == address and neighbour["state"] & 0x02
            for neighbour in netlink.neigh("dump", family=_family(address))
        )


_ASK = {"gateway": _echoes, "name server": _resolves, "NFS server": _connects}


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
