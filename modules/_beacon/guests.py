"""The beacon `libvirt`: what becomes of the KVM guests of this node, at once, as libvirt tells it
(virConnectDomainEventRegisterAny, VIR_DOMAIN_EVENT_ID_LIFECYCLE)."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any

from modules._beacon.away import StillAway
from modules._virt import hypervisor
from saltern.errors import PermanentError, nearest

MOST = 1000  # events between two looks
MISSED = "while libvirt was away"
# In libvirt's order, virDomainEventType.
EVENTS = ("defined", "undefined", "started", "suspended", "resumed", "stopped", "shutdown", "pmsuspended", "crashed")


class LibvirtEvents:
    """Events of the guests that match DOMAINS (globs), of the kinds EVENTS. Options: `uri`, `domains`, `events`."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._domains = _texts(options, "domains", ["*"])
        self._events = _texts(options, "events", list(EVENTS))
        for event in self._events:
            if event not in EVENTS:
                raise PermanentError(f"`events` are of {', '.join(EVENTS)}, not {event!r}.{nearest(event, EVENTS)}")
        for option in options:
            if option not in ("uri", "domains", "events"):
                raise PermanentError(f"has no option {option!r}.{nearest(option, ('uri', 'domains', 'events'))}")
        uri = options.get("uri") or hypervisor.DEFAULT_URI
        if not isinstance(uri, str):
            raise PermanentError(f"`uri` is a text like {hypervisor.DEFAULT_URI}, not {uri!r}")
        self._uri = uri
        self._heard: deque[Mapping[str, Any]] = deque(maxlen=MOST)
        self._runs: dict[str, tuple[str, bool]] = {}  # name → UUID, whether it runs
        self._lost = ""
        self._libvirt = hypervisor.library()
        self._connection: Any = None
        self._number = -1
        self._waker = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            self._runs = self._connect()
        except BaseException:
            self.close()
            raise

    def _connect(self) -> dict[str, tuple[str, bool]]:
        """Listen from now on; the guests that there are. LibvirtUnavailable."""
        self._connection = connection = hypervisor.connect(self._uri)
        self._lost = ""
        with hypervisor.translating("listen to libvirt"):
            connection.registerCloseCallback(self._hung_up, None)
            self._number = connection.domainEventRegisterAny(
                None, self._libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._happened, None
            )
            return {one.name(): (one.UUIDString(), bool(one.isActive())) for one in connection.listAllDomains()}

    def look(self) -> Iterator[Mapping[str, Any]]:
        """See `Beacon`. While libvirt's daemon is away it is tried again and again: StillAway. What became of guests
        meanwhile is told when it is back."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._waker)
        heard = [self._heard.popleft() for _ in range(len(self._heard))]
        for one in heard:
            self._note(one)
        if self._lost and not heard:
            heard = self._again()
        elif self._lost:  # what was heard before is told first
            self._wake()
        yield from (one for one in heard if self._is_wanted(one))

    def _again(self) -> list[Mapping[str, Any]]:
        """Connect anew: what became of guests meanwhile."""
        lost = self._lost
        self._disconnect()
        try:
            now = self._connect()
        except hypervisor.LibvirtError as error:
            self._lost = lost
            raise StillAway(f"{lost}; {error}") from None
        old, self._runs = self._runs, now
        return list(changes(old, now))

    def _note(self, one: Mapping[str, Any]) -> None:
        """Keep in mind what an event says of a guest."""
        name, event = one["name"], one["event"]
        runs = self._runs.get(name, ("", False))[1]
        if event == "undefined" and not runs:
            self._runs.pop(name, None)
        else:
            self._runs[name] = (one["uuid"], event == "started" or (event != "stopped" and runs))

    def _is_wanted(self, one: Mapping[str, Any]) -> bool:
        return one["event"] in self._events and any(fnmatchcase(one["name"], pattern) for pattern in self._domains)

    def fileno(self) -> int | None:
        """See `Beacon`."""
        return self._waker

    def close(self) -> None:
        """See `Beacon`."""
        self._disconnect()
        waker, self._waker = self._waker, -1
        os.close(waker)

    def _disconnect(self) -> None:
        if self._connection is None:
            return
        with suppress(self._libvirt.libvirtError):
            self._connection.unregisterCloseCallback()
        with suppress(self._libvirt.libvirtError):
            self._connection.domainEventDeregisterAny(self._number)
        with suppress(self._libvirt.libvirtError):
            self._connection.close()

    # --- in the thread of libvirt's events ---------------------------------------------------------------------------

    def _happened(self, _connection: Any, domain: Any, event: int, detail: int, _opaque: object) -> None:
        word = EVENTS[event] if event < len(EVENTS) else str(event)
        told = {"name": domain.name(), "uuid": domain.UUIDString(), "event": word}
        self._heard.append({**told, "detail": detail_of(vars(self._libvirt), word, detail)})
        self._wake()

    def _hung_up(self, _connection: Any, reason: int, _opaque: object) -> None:
        silent = reason == self._libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE
        self._lost = "libvirt's daemon stopped answering" if silent else "libvirt's daemon ended the connection"
        self._wake()

    def _wake(self) -> None:
        if self._waker >= 0:
            os.eventfd_write(self._waker, 1)


def changes(old: Mapping[str, tuple[str, bool]], new: Mapping[str, tuple[str, bool]]) -> Iterator[Mapping[str, Any]]:
    """What became of guests while nobody listened, by name: UUID, and whether it runs."""
    for name in sorted({*old, *new}):
        (was, ran), (uuid, runs) = old.get(name, ("", False)), new.get(name, ("", False))
        events = {"defined": not was, "started": runs and not ran, "stopped": ran and not runs, "undefined": not uuid}
        for event in (event for event, happened in events.items() if happened):
            yield {"name": name, "uuid": uuid or was, "event": event, "detail": MISSED}


def detail_of(constants: Mapping[str, Any], event: str, detail: int) -> str:
    """libvirt's word for the DETAIL of an EVENT: of (`stopped`, 2) it is `crashed`. CONSTANTS: its names."""
    prefix = f"VIR_DOMAIN_EVENT_{event.upper()}_"
    found = (name for name, value in constants.items() if name.startswith(prefix) and value == detail)
    return next(found, f"{prefix}{detail}").removeprefix(prefix).lower().replace("_", " ")


def _texts(options: Mapping[str, Any], key: str, default: list[str]) -> list[str]:
    given = options.get(key, default)
    given = list(given) if isinstance(given, Mapping) else given
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise PermanentError(f"`{key}` is a list of texts, not {given!r}")
    return given
