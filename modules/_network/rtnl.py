"""Reading by rtnetlink(7), as far as looking at a network needs it: requests, answers and their attributes.

What acts goes through pyroute2. Reading does not: a run looks many times for each time that it acts, decoding is most
of what a look costs, and a process that finds nothing to do need not import pyroute2 at all.
"""

from __future__ import annotations

import errno
import os
import socket as sockets
import struct
import sys
from collections.abc import Iterator, Mapping

NEWLINK, DELLINK, GETLINK, NEWADDR, DELADDR, GETADDR, GETROUTE = 16, 17, 18, 20, 21, 22, 26  # RTM_*
LINK_HEADER = struct.Struct("=BxHiII")  # struct ifinfomsg: family, device type, index, flags, change
ADDRESS_HEADER = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, index
ROUTE_HEADER = struct.Struct("=BBBBBBBBI")  # struct rtmsg: family, lengths, tos, table, protocol, scope, type, flags
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # struct nlattr: length, type
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_REQUEST, _DUMP, _DUMP_INTR = 0x1, 0x300, 0x10  # NLM_F_*
_SOL_NETLINK, _ADD_MEMBERSHIP, _STRICT_CHECK, _SO_RCVBUFFORCE = 270, 1, 12, 33
_TYPE_MASK = 0x3FFF  # NLA_TYPE_MASK
_ANSWER_BYTES = 256 * 1024
_HEARD_BYTES = 4 * 1024 * 1024
_TIMEOUT_S = 20.0  # the kernel answers at once, unless somebody holds its lock
_ATTEMPTS = 10  # at a dump without a change in between


class Reader:
    """A socket for reading. OSError where there is none, where the kernel refuses a request, or does not answer."""

    def __init__(self) -> None:
        self._socket = sockets.socket(sockets.AF_NETLINK, sockets.SOCK_RAW | sockets.SOCK_CLOEXEC, 0)
        try:
            self._socket.settimeout(_TIMEOUT_S)
            self._socket.setsockopt(_SOL_NETLINK, _STRICT_CHECK, 1)
            self._socket.bind((0, 0))
        except BaseException:
            self._socket.close()
            raise
        self._sequence = 0

    def dump(self, kind: int, header: bytes) -> list[bytes]:
        """All answers to a request of KIND (RTM_GET*) with HEADER, without their struct nlmsghdr. A dump that something
        changed under is asked for again."""
        for _ in range(_ATTEMPTS):
            found = self._ask(kind, header, _REQUEST | _DUMP)
            if found is not None:
                return found
        raise OSError(errno.EAGAIN, "the network changes faster than it can be read")

    def get(self, kind: int, header: bytes) -> bytes | None:
        """The one answer to a request of KIND; None where there is no such device."""
        try:
            found = self._ask(kind, header, _REQUEST)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return None
            raise
        return found[0] if found else None

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def _ask(self, kind: int, header: bytes, flags: int) -> list[bytes] | None:
        self._sequence += 1
        length = _HEADER.size + len(header)
        self._socket.send(_HEADER.pack(length, kind, flags, self._sequence, 0) + header)
        found: list[bytes] = []
        whole = True
        while True:
            data = self._socket.recv(_ANSWER_BYTES)
            for answer, its_flags, sequence, body in messages(data):
                if sequence != self._sequence:
                    continue  # of an answer that was given up
                whole = whole and not its_flags & _DUMP_INTR
                if answer == _NLMSG_DONE:
                    _check(body)
                    return found if whole else None
                if answer == _NLMSG_ERROR:
                    _check(body)
                    return found
                found.append(body)
            if not flags & _DUMP and found:
                return found


def _check(body: bytes) -> None:
    """OSError for the error that an answer carries."""
    code = -int(struct.unpack_from("=i", body)[0]) if len(body) >= 4 else 0
    if code > 0:
        raise OSError(code, os.strerror(code))


def listener(groups: tuple[int, ...]) -> sockets.socket:
    """A socket that hears of the changes of these multicast GROUPS (RTNLGRP_*)."""
    made = sockets.socket(sockets.AF_NETLINK, sockets.SOCK_RAW | sockets.SOCK_CLOEXEC, 0)
    try:
        try:
            made.setsockopt(sockets.SOL_SOCKET, _SO_RCVBUFFORCE, _HEARD_BYTES)
        except PermissionError:
            made.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, _HEARD_BYTES)
        made.bind((0, 0))
        for group in groups:
            made.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
    except BaseException:
        made.close()
        raise
    return made


def heard(listening: sockets.socket) -> Iterator[tuple[int, bytes]]:
    """Type and body of each message that is there now. OSError (ENOBUFS) where some were lost."""
    while True:
        try:
            data = listening.recv(_ANSWER_BYTES, sockets.MSG_DONTWAIT)
        except BlockingIOError:
            return
        for kind, _, _, body in messages(data):
            yield kind, body


def messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Type, flags, sequence and body of each message in DATA; a broken one ends it."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size or offset + length > len(data):
            return
        yield kind, flags, sequence, data[offset + _HEADER.size : offset + length]
        offset += (length + 3) & ~3


def each(data: bytes, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Type and value of each attribute in DATA from OFFSET; a broken one ends it."""
    end = len(data)
    while offset + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4 or offset + length > end:
            return
        yield kind & _TYPE_MASK, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def attributes(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """The attributes in DATA from OFFSET by type; of several with one type the last."""
    return dict(each(data, offset))


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded."""
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def number(found: Mapping[int, bytes], kind: int, default: int = 0) -> int:
    """The attribute KIND as a number of whatever size in host order."""
    value = found.get(kind)
    return int.from_bytes(value, sys.byteorder) if value else default


def network_number(found: Mapping[int, bytes], kind: int, default: int = 0) -> int:
    """The attribute KIND as a number in network order."""
    value = found.get(kind)
    return int.from_bytes(value, "big") if value else default


def text(found: Mapping[int, bytes], kind: int) -> str | None:
    """The attribute KIND as a text."""
    value = found.get(kind)
    return None if value is None else value.rstrip(b"\0").decode("utf-8", "surrogateescape")


def address(value: bytes | None) -> str | None:
    """An IPv4 or IPv6 address in canonical form."""
    if value is None or len(value) not in (4, 16):
        return None
    return sockets.inet_ntop(sockets.AF_INET if len(value) == 4 else sockets.AF_INET6, value)


def mac(value: bytes | None) -> str | None:
    """A link-layer address: "02:00:00:00:00:01"; None for none or an empty one."""
    return value.hex(":") if value else None
