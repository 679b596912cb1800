"""The kernel's links, addresses and routes by rtnetlink(7), as plain frozen values.

`look` sees what the kernel has now. Inside a run (`saltern.kept`) all looks share one conversation with the kernel
(`modules._network.netshared`), which keeps what it saw and follows what changes; outside each look is one dump of what
is asked for. pyroute2 takes a tenth of a second to import, so it is imported by the first that talks to the kernel.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from modules._network import netread
from modules._network.netsocket import NetworkError, Socket, dump_routes, read, words
from modules._network.netview import AF_INET, AF_INET6, Address, DefaultRoute, Link, View
from saltern.kept import current
from saltern.marks import may_act

if TYPE_CHECKING:
    from modules._network.bridgevlans import Vlans
    from modules._network.netshared import Shared

__all__ = ["AF_INET", "AF_INET6", "Address", "DefaultRoute", "Link", "NetworkError", "View", "look", "session"]


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


def _shared(socket: Socket) -> Shared | None:
    """What the run knows of the network, where SOCKET is the run's own."""
    from modules._network.netshared import Shared  # late: not all that name the kernel's values look at it

    scope = current()
    shared = scope.find(Shared) if scope else None
    return shared if shared is not None and shared.socket is socket else None


def look(*, addresses: bool = False, routes: bool = False) -> View:
    """All links now, and where asked for all addresses and the default routes."""
    with session() as socket:
        return look_with(socket, addresses=addresses, routes=routes)


def look_with(socket: Socket, *, addresses: bool = False, routes: bool = False) -> View:
    """`look` by an open socket."""
    if shared := _shared(socket):
        return shared.view(addresses=addresses, routes=routes)
    return View(
        read(netread.links, socket),
        read(netread.addresses, socket) if addresses else (),
        read(netread.default_routes, socket) if routes else (),
    )


def vlans_with(socket: Socket) -> Mapping[int, Vlans]:
    """The VLANs of bridges and their ports, by index; shared in a run."""
    from modules._network.bridgevlans import dump_vlans

    if shared := _shared(socket):
        return shared.vlans()
    return read(dump_vlans, socket)


def routes_with(socket: Socket, table: int) -> list[Any]:
    """`dump_routes`, shared in a run."""
    if shared := _shared(socket):
        return shared.routes(table)
    return dump_routes(socket, table)
