"""One conversation with the kernel for a whole run: what it has is asked for once, and followed from then on.

The kernel tells by multicast what changes (rtnetlink(7), RTNLGRP_*), whoever changed it, before it acknowledges the
request that did. So before each look the messages that came are read, and exactly the links that they name are asked
for again. What the kernel does not tell (options of a link that is down) is asked for again too: after a request of our
own for the link that it wrote to, after any other function that acts for everything, and at the latest after MAX_AGE_S.
Where messages were lost (ENOBUFS) everything is asked for again.
"""

from __future__ import annotations

import errno
import os
import socket as sockets
import struct
import time
from collections.abc import Mapping
from typing import Any

from modules._bridgevlans import Vlans, dump_vlans
from modules._netlink import (
    SKIP_STATS,
    Counts,
    NetworkError,
    Socket,
    address_of,
    default_routes,
    dump_addresses,
    dump_links,
    dump_routes,
    link_of,
)
from modules._netview import Address, Link, View
from saltern.kept import Scope

MAX_AGE_S = 3.0
_MAIN_TABLE = 254  # RT_TABLE_MAIN
_GROUPS = (1, 5, 7, 9, 11)  # RTNLGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE
_SOL_NETLINK, _ADD_MEMBERSHIP, _SO_RCVBUFFORCE = 270, 1, 33
_BUFFER_BYTES = 4 * 1024 * 1024
_MESSAGE_BYTES = 256 * 1024
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_LINK = struct.Struct("=BxHi")  # of struct ifinfomsg: family, type, index
_NEWLINK, _DELLINK, _NEWADDR, _DELADDR = 16, 17, 20, 21  # RTM_*
_AF_BRIDGE = 7
_FEW = 3  # one in so many links changed: ask for each of them; more: for all in one go


class Shared:
    """What a run knows of the network; `socket` is what it talks through."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.socket = Socket(Counts())
        try:
            self._listener = _listener()
        except OSError as error:
            self.socket.close()
            raise NetworkError(f"no netlink socket to listen by: {error.strerror}") from None
        self._acts = scope.acts
        self._seen_at = 0.0
        self._view: View | None = None
        self._addresses = False  # whether the view has them
        self._defaults: View | None = None  # the view with default routes, while nothing changed
        self._tables: dict[int, list[Any]] = {}
        self._vlans: Mapping[int, Vlans] | None = None
        self._dirty: set[int] = set()

    def claim(self) -> None:
        """The acting function that was called last talks to the kernel here: what it writes is known."""
        if self._scope.acts == self._acts + 1:
            self._acts = self._scope.acts

    def view(self, *, addresses: bool = False, routes: bool = False) -> View:
        """What the kernel has now."""
        self._follow()
        if self._view is None:
            self._view = View(dump_links(self.socket))
            self._addresses = False
            self._seen_at, self._acts = time.monotonic(), self._scope.acts
        if addresses and not self._addresses:
            found: dict[int, tuple[Address, ...]] = {}
            for entry in dump_addresses(self.socket):
                found[entry.index] = (*found.get(entry.index, ()), entry)
            self._view, self._addresses, self._defaults = self._view.with_addresses(found), True, None
        if not routes:
            return self._view
        if self._defaults is None:
            self._defaults = self._view.with_default_routes(list(default_routes(self.routes(_MAIN_TABLE))))
        return self._defaults

    def routes(self, table: int) -> list[Any]:
        """The routes of TABLE now (messages of pyroute2)."""
        self._follow()
        found = self._tables.get(table)
        if found is None:
            found = self._tables[table] = dump_routes(self.socket, table)
        return found

    def vlans(self) -> Mapping[int, Vlans]:
        """The VLANs of bridges and ports now, by index."""
        self._follow()
        if self._vlans is None:
            self._vlans = dump_vlans(self.socket)
        return self._vlans

    def close(self) -> None:
        """Close both sockets, and say what went by."""
        import logging

        counts = self.socket.counts
        logging.getLogger(__name__).debug("netlink: %d reads, %d writes", counts.reads, counts.writes)
        self.socket.close()
        self._listener.close()

    def _follow(self) -> None:
        """Bring what is known up to now."""
        complete = self._hear()
        if self.socket.written:
            self._dirty |= self.socket.written - {0}
            self._something_changed()
            self.socket.written.clear()
        old = self._scope.acts != self._acts or time.monotonic() - self._seen_at > MAX_AGE_S
        if not complete or old or (self._view is not None and len(self._dirty) * _FEW > len(self._view.links) + 30):
            self._view, self._acts = None, self._scope.acts
            self._something_changed()
            self._dirty.clear()
        elif self._dirty and self._view is not None:
            changed = {index: self._ask(index) for index in sorted(self._dirty)}
            self._dirty.clear()
            self._view = self._view.with_links(changed)

    def _something_changed(self) -> None:
        self._defaults, self._vlans = None, None
        self._tables.clear()

    def _ask(self, index: int) -> Link | None:
        """The link with INDEX, None where it is gone."""
        from pyroute2.netlink.exceptions import NetlinkError

        try:
            return next(
                (link_of(message) for message in self.socket.link("get", index=index, ext_mask=SKIP_STATS)), None
            )
        except NetlinkError as error:
            if error.code == errno.ENODEV:
                return None
            raise

    def _hear(self) -> bool:
        """Read what the kernel told. False where some of it was lost."""
        while True:
            try:
                data = self._listener.recv(_MESSAGE_BYTES, sockets.MSG_DONTWAIT)
            except BlockingIOError:
                return True
            except InterruptedError:
                continue
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    return False
                raise NetworkError(f"the kernel's messages can't be read: {os.strerror(error.errno or 0)}") from None
            if self._view is not None:
                self._heard(data)

    def _heard(self, data: bytes) -> None:
        self._something_changed()
        offset = 0
        while offset + _HEADER.size <= len(data):
            length, kind, *_ = _HEADER.unpack_from(data, offset)
            if length < _HEADER.size:
                return
            if kind in (_NEWLINK, _DELLINK):
                self._dirty.add(_LINK.unpack_from(data, offset + _HEADER.size)[2])
            elif kind in (_NEWADDR, _DELADDR) and self._addresses:
                self._address(data[offset : offset + length], kind)
            offset += (length + 3) & ~3

    def _address(self, data: bytes, kind: int) -> None:
        """An address came or went."""
        from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg

        message = ifaddrmsg(data)
        message.decode()
        entry = address_of(message)
        assert self._view is not None
        others = tuple(old for old in self._view.addresses_of(entry.index) if _key(old) != _key(entry))
        mine = (*others, entry) if kind == _NEWADDR else others
        self._view = self._view.with_addresses({entry.index: mine})


def _key(entry: Address) -> tuple[str, str | None]:
    return entry.address, entry.peer


def _listener() -> sockets.socket:
    """A socket that hears of changes of links, addresses and routes."""
    made = sockets.socket(sockets.AF_NETLINK, sockets.SOCK_RAW | sockets.SOCK_CLOEXEC, sockets.NETLINK_ROUTE)
    try:
        try:
            made.setsockopt(sockets.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        except PermissionError:
            made.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, _BUFFER_BYTES)
        made.bind((0, 0))
        for group in _GROUPS:
            made.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
    except BaseException:
        made.close()
        raise
    return made
