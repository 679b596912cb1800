"""Links and addresses by rtnetlink(7): `pyroute2` would take longer to import than all grains take to find."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

RTM_NEWLINK, RTM_GETLINK, RTM_NEWADDR, RTM_GETADDR = 16, 18, 20, 22
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST, _NLM_F_DUMP, _NLM_F_DUMP_INTR = 0x1, 0x300, 0x10
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_LINKINFO, _IFLA_INFO_KIND = 1, 3, 18, 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_ATTRIBUTE_TYPE = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface. KIND is that of `ip link add type` ('' for hardware); MAC is '' where it has none."""

    index: int
    name: str
    mac: str
    kind: str


@dataclass(frozen=True, slots=True)
class Address:
    """An address of the link with this INDEX, as text."""

    index: int
    text: str

    @property
    def is_v4(self) -> bool:
        """Whether it is an IPv4 address; else it is an IPv6 one."""
        return ":" not in self.text


def links() -> list[Link]:
    """All links of this network namespace. OSError where the kernel refuses."""
    return [link for body in _dump(RTM_GETLINK, RTM_NEWLINK) if (link := parse_link(body))]


def addresses() -> list[Address]:
    """All addresses of this network namespace, in the kernel's order. OSError where the kernel refuses."""
    return [address for body in _dump(RTM_GETADDR, RTM_NEWADDR) if (address := parse_address(body))]


def parse_link(body: bytes) -> Link | None:
    """The link in a message of type RTM_NEWLINK (struct ifinfomsg, then attributes); None where it has no name."""
    if len(body) < 16:
        return None
    attributes = dict(parse_attributes(body[16:]))
    name = _text(attributes.get(_IFLA_IFNAME, b""))
    info = dict(parse_attributes(attributes.get(_IFLA_LINKINFO, b"")))
    hardware = attributes.get(_IFLA_ADDRESS, b"")
    mac = ":".join(f"{byte:02x}" for byte in hardware)
    return (
        Link(struct.unpack_from("=i", body, 4)[0], name, mac, _text(info.get(_IFLA_INFO_KIND, b""))) if name else None
    )


def parse_address(body: bytes) -> Address | None:
    """The address in a message of type RTM_NEWADDR (struct ifaddrmsg, then attributes); None where it has none."""
    if len(body) < 8:
        return None
    family, index = body[0], struct.unpack_from("=I", body, 4)[0]
    attributes = dict(parse_attributes(body[8:]))
    packed = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)  # the local end of a point-to-point link
    if packed is None or (family, len(packed)) not in ((socket.AF_INET, 4), (socket.AF_INET6, 16)):
        return None
    return Address(index, socket.inet_ntop(family, packed))


def parse_attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The (type, value) of each `struct rtattr` in DATA; one that does not fit ends the list."""
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4 or at + length > len(data):
            return
        yield kind & _ATTRIBUTE_TYPE, data[at + 4 : at + length]
        at += (length + 3) & ~3


def parse_messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The (type, flags, body) of each `struct nlmsghdr` in DATA; one that does not fit ends the list."""
    at = 0
    while at + 16 <= len(data):
        length, kind, flags = struct.unpack_from("=IHH", data, at)
        if length < 16 or at + length > len(data):
            return
        yield kind, flags, data[at + 16 : at + length]
        at += (length + 3) & ~3


def _dump(request: int, wanted: int) -> list[bytes]:
    """The bodies of the messages of type WANTED that answer REQUEST; asked again where they changed meanwhile."""
    for _ in range(_TRIES):
        bodies, whole = _dump_once(request, wanted)
        if whole:
            break
    return bodies


def _dump_once(request: int, wanted: int) -> tuple[list[bytes], bool]:
    bodies: list[bytes] = []
    whole = True
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
        netlink.settimeout(1.0)
        header = struct.pack("=IHHII", 32, request, _NLM_F_REQUEST | _NLM_F_DUMP, 1, 0)
        netlink.sendto(header + bytes(16), (0, 0))
        while True:
            for kind, flags, body in parse_messages(netlink.recv(1 << 18)):
                whole = whole and not flags & _NLM_F_DUMP_INTR
                if kind == _NLMSG_DONE:
                    return bodies, whole
                if kind == _NLMSG_ERROR:
                    number = -struct.unpack_from("=i", body)[0]
                    raise OSError(number, "the kernel refused to list links or addresses")
                if kind == wanted:
                    bodies.append(body)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")
