"""A netlink socket that counts what is asked by it, and what the kernel's refusals say.

pyroute2 takes a tenth of a second to import, so it is imported by the first that writes.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any, TypeVar

from modules._network.rtnl import Reader
from saltern.errors import PermanentError
from saltern.kept import count

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


def words(error: Any) -> str:
    """What the kernel said: its extended acknowledgement where there is one, with a hint for the known ones."""
    said = str(error.args[1]) if len(error.args) > 1 else os.strerror(error.code)
    hint = {
        errno.EPERM: "this needs root (CAP_NET_ADMIN)",
        errno.EOPNOTSUPP: "this kernel lacks it: a module to load, or an option of its build",
        errno.ENETUNREACH: "the gateway must lie in a network of the interface's addresses",
    }.get(error.code)
    return f"{said} ({hint})" if hint else said


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
