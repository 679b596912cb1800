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
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from modules._network import netread
from modules._network.bridgevlans import Vlans, dump_vlans
from modules._network.netsocket import NetworkError, Socket, dump_routes, read
from modules._network.netview import Address, View
from modules._network.rtnl import DELADDR, DELLINK, LINK_HEADER, NEWADDR, NEWLINK, heard, listener
from saltern.kept import Scope

MAX_AGE_S = 3.0
_GROUPS = (1, 5, 7, 9, 11)  # RTNLGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE
_FEW = 3  # one in so many links changed: ask for each of them; more: for all in one go


class Shared:
    """What a run knows of the network; `socket` is what it talks through."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.socket = Socket()
        try:
            self._listener = listener(_GROUPS)
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
            self._view = View(read(netread.links, self.socket))
            self._addresses = False
            self._seen_at, self._acts = time.monotonic(), self._scope.acts
        if addresses and not self._addresses:
            found: dict[int, tuple[Address, ...]] = {}
            for entry in read(netread.addresses, self.socket):
                found[entry.index] = (*found.get(entry.index, ()), entry)
            self._view, self._addresses, self._defaults = self._view.with_addresses(found), True, None
        if not routes:
            return self._view
        if self._defaults is None:
            self._defaults = self._view.with_default_routes(read(netread.default_routes, self.socket))
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
            self._vlans = read(dump_vlans, self.socket)
        return self._vlans

    def close(self) -> None:
        """Close both sockets."""
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
            changed = {index: read(partial(netread.link, index=index), self.socket) for index in sorted(self._dirty)}
            self._dirty.clear()
            self._view = self._view.with_links(changed)

    def _something_changed(self) -> None:
        self._defaults, self._vlans = None, None
        self._tables.clear()

    def _hear(self) -> bool:
        """Take in what the kernel told. False where some of it was lost."""
        try:
            for kind, body in heard(self._listener):
                if self._view is not None:
                    self._heard(kind, body)
        except OSError as error:
            if error.errno == errno.ENOBUFS:
                return False
            raise NetworkError(f"the kernel's messages can't be read: {os.strerror(error.errno or 0)}") from None
        return True

    def _heard(self, kind: int, body: bytes) -> None:
        self._something_changed()
        if kind in (NEWLINK, DELLINK):
            self._dirty.add(LINK_HEADER.unpack_from(body)[2])
        elif kind in (NEWADDR, DELADDR) and self._addresses and self._view is not None:
            entry = netread.address_of(body)
            others = tuple(old for old in self._view.addresses_of(entry.index) if _key(old) != _key(entry))
            mine = (*others, entry) if kind == NEWADDR else others
            self._view = self._view.with_addresses({entry.index: mine})


def _key(entry: Address) -> tuple[str, str | None]:
    return entry.address, entry.peer
