"""The beacon `libvirt`: what becomes of the KVM guests of this node, at once, as libvirt tells it
(virConnectDomainEventRegisterAny, VIR_DOMAIN_EVENT_ID_LIFECYCLE)."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any

from modules import _libvirt
from saltern.errors import PermanentError, nearest

MOST = 1000  # events between two looks
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
        uri = options.get("uri") or _libvirt.DEFAULT_URI
        if not isinstance(uri, str):
            raise PermanentError(f"`uri` is a text like {_libvirt.DEFAULT_URI}, not {uri!r}")
        self._heard: deque[Mapping[str, Any]] = deque(maxlen=MOST)
        self._lost = ""
        self._libvirt = _libvirt.library()
        self._waker = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            self._connection = _libvirt.connect(uri)
            with _libvirt.translating("listen to libvirt"):
                self._connection.registerCloseCallback(self._hung_up, None)
                self._number = self._connection.domainEventRegisterAny(
                    None, self._libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._happened, None
                )
        except BaseException:
            os.close(self._waker)
            raise

    def look(self) -> Iterator[Mapping[str, Any]]:
        """See `Beacon`. LibvirtUnavailable when libvirt's daemon has gone."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._waker)
        if self._lost and not self._heard:
            raise _libvirt.LibvirtUnavailable(self._lost)
        while self._heard:
            yield self._heard.popleft()
        if self._lost:  # what was heard before is told first
            os.eventfd_write(self._waker, 1)

    def fileno(self) -> int | None:
        """See `Beacon`."""
        return self._waker

    def close(self) -> None:
        """See `Beacon`."""
        with suppress(self._libvirt.libvirtError):
            self._connection.unregisterCloseCallback()
        with suppress(self._libvirt.libvirtError):
            self._connection.domainEventDeregisterAny(self._number)
        with suppress(self._libvirt.libvirtError):
            self._connection.close()
        os.close(self._waker)

    # --- in the thread of libvirt's events ---------------------------------------------------------------------------

    def _happened(self, _connection: Any, domain: Any, event: int, detail: int, _opaque: object) -> None:
        word = EVENTS[event] if event < len(EVENTS) else str(event)
        name = domain.name()
        if word in self._events and any(fnmatchcase(name, pattern) for pattern in self._domains):
            why = detail_of(vars(self._libvirt), word, detail)
            self._heard.append({"name": name, "uuid": domain.UUIDString(), "event": word, "detail": why})
            os.eventfd_write(self._waker, 1)

    def _hung_up(self, _connection: Any, reason: int, _opaque: object) -> None:
        silent = reason == self._libvirt.VIR_CONNECT_CLOSE_REASON_KEEPALIVE
        self._lost = "libvirt's daemon stopped answering" if silent else "libvirt's daemon ended the connection"
        os.eventfd_write(self._waker, 1)


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
