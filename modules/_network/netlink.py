"""The kernel's links, addresses and routes by rtnetlink(7), as plain frozen values.

`look` sees what the kernel has now. Inside a run (`saltern.kept`) all looks share one conversation with the kernel
(`modules._network.netshared`), which keeps what it saw and follows what changes; outside each look is one dump of what
is asked for. pyroute2 takes a tenth of a second to import, so it is imported by the first that talks to the kernel.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from modules._network import netread
from modules._network.netview import AF_INET, AF_INET6, Address, DefaultRoute, Link, View
from modules._network.rtnl import Reader
from saltern.errors import PermanentError
from saltern.kept import count, current
from saltern.marks import may_act

if TYPE_CHECKING:
    from modules._network.bridgevlans import Vlans

__all__ = ["AF_INET", "AF_INET6", "Address", "DefaultRoute", "Link", "NetworkError", "View", "look", "session"]

T = TypeVar("T")
_READS = ("dump", "get", "show")  # commands of pyroute2; all others write


class NetworkError(PermanentError):
    """The kernel refused a change of the network, or the network is not as the change needs it."""


class Socket:
    """A netlink socket that counts its requests ("netlink reads", "netlink writes" of the run) and notes the indexes
    of the links that it wrote to (0: not known which)."""

    def __init__(self) -> None:
        self._acting: Any = None  # pyroute2's IPRoute, for what acts
        self._reading: Reader | None = None
        self.written: set[int] = set()

    @property
    def reader(self) -> Reader:
        """For one request that reads."""
        count("netlink reads")
        if self._reading is None:
            self._reading = Reader()
        return self._reading

    @property
    def _raw(self) -> Any:
        if self._acting is None:
            from pyroute2 import IPRoute

            self._acting = IPRoute(ext_ack=True, strict_check=True)
        return self._acting

    def link(self, command: str, **words: Any) -> Any:
        """A request about links, as pyroute2's `IPRoute.link`."""
        self._count(command, words.get("index"))
        return self._raw.link(command, **words)

    def addr(self, command: str, **words: Any) -> Any:
        """A request about addresses, as pyroute2's `IPRoute.addr`."""
        self._count(command, words.get("index"))
        return self._raw.addr(command, **words)

    def route(self, command: str, **words: Any) -> Any:
        """A request about routes, as pyroute2's `IPRoute.route`."""
        self._count(command, words.get("oif"))
        return self._raw.route(command, **words)

    def fdb(self, command: str, **words: Any) -> Any:
        """A request about forwarding entries, as pyroute2's `IPRoute.fdb`."""
        self._count(command, words.get("ifindex"))
        return self._raw.fdb(command, **words)

    def send(self, messages: list[Any]) -> list[Any]:
        """Send MESSAGES that are made already, as one batch; they all write."""
        count("netlink writes", len(messages))
        self.written |= {message.get("index", 0) for message in messages}
        return list(self._raw.nlm_request_batch(messages))

    def close(self) -> None:
        """Close it."""
        for one in (self._acting, self._reading):
            if one is not None:
                one.close()

    def _count(self, command: str, index: int | None) -> None:
        if command in _READS:
            count("netlink reads")
        else:
            count("netlink writes")
            self.written.add(index or 0)


@contextmanager
def session() -> Iterator[Socket]:
    """A netlink socket: the run's own where there is a run. What the kernel refuses inside becomes a NetworkError with
    the kernel's own words."""
    from modules._network.netshared import Shared

    scope = current()
    shared = scope.keep(Shared) if scope else None
    socket = shared.socket if shared else Socket()
    if shared and may_act():
        shared.claim()
    try:
        yield socket
    except NetworkError:
        raise
    except BaseException as error:
        refusal = _refusal(error)
        if refusal is None and scope is not None:
            scope.drop(Shared)  # an answer may still be under way
        if refusal is None:
            raise
        raise NetworkError(refusal) from None
    finally:
        if shared is None:
            socket.close()


def _refusal(error: BaseException) -> str | None:
    """What the kernel said, where ERROR is its refusal of a request."""
    known = sys.modules.get("pyroute2.netlink.exceptions")
    return words(error) if known and isinstance(error, known.NetlinkError) else None


def words(error: Any) -> str:
    """What the kernel said: its extended acknowledgement where there is one, with a hint for the known ones."""
    said = str(error.args[1]) if len(error.args) > 1 else os.strerror(error.code)
    hint = {
        errno.EPERM: "this needs root (CAP_NET_ADMIN)",
        errno.EOPNOTSUPP: "this kernel lacks it: a module to load, or an option of its build",
        errno.ENETUNREACH: "the gateway must lie in a network of the interface's addresses",
    }.get(error.code)
    return f"{said} ({hint})" if hint else said


def look(*, addresses: bool = False, routes: bool = False) -> View:
    """All links now, and where asked for all addresses and the default routes."""
    with session() as socket:
        return look_with(socket, addresses=addresses, routes=routes)


def look_with(socket: Socket, *, addresses: bool = False, routes: bool = False) -> View:
    """`look` by an open socket."""
    from modules._network.netshared import Shared

    scope = current()
    shared = scope.find(Shared) if scope else None
    if shared is not None and shared.socket is socket:
        return shared.view(addresses=addresses, routes=routes)
    return View(
        read(netread.links, socket),
        read(netread.addresses, socket) if addresses else (),
        read(netread.default_routes, socket) if routes else (),
    )


def read(what: Callable[[Reader], T], socket: Socket) -> T:
    """What WHAT reads by SOCKET. NetworkError where the kernel refuses."""
    try:
        return what(socket.reader)
    except TimeoutError:
        raise NetworkError("the kernel does not answer: something holds its network lock") from None
    except OSError as error:
        raise NetworkError(f"the network can't be read: {error.strerror or error}") from None


def dump_routes(socket: Socket, table: int) -> list[Any]:
    """The routes of TABLE (messages of pyroute2)."""
    return [m for m in socket.route("dump", table=table) if m.get_attr("RTA_TABLE") == table]


def vlans_with(socket: Socket) -> Mapping[int, Vlans]:
    """The VLANs of bridges and their ports, by index; shared in a run."""
    from modules._network.bridgevlans import dump_vlans
    from modules._network.netshared import Shared

    scope = current()
    shared = scope.find(Shared) if scope else None
    if shared is not None and shared.socket is socket:
        return shared.vlans()
    return read(dump_vlans, socket)


def routes_with(socket: Socket, table: int) -> list[Any]:
    """`dump_routes`, shared in a run."""
    from modules._network.netshared import Shared

    scope = current()
    shared = scope.find(Shared) if scope else None
    if shared is not None and shared.socket is socket:
        return shared.routes(table)
    return dump_routes(socket, table)
