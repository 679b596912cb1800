"""What a node can watch of itself: one class a kind of beacon, made from its options, asked or woken for news."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from modules._beacon.inotify import DEFAULT, MASKS, Inotify, InotifyError
from saltern.errors import PermanentError, nearest

News = Mapping[str, Any]
_SPANS = ("1m", "5m", "15m")
_RTMGRP_LINK = 1  # <linux/rtnetlink.h>


class BeaconError(PermanentError):
    """A beacon is not described as one, or can't look at what it is for."""


class Beacon(Protocol):
    """One thing that is watched."""

    def look(self) -> Iterator[News]:
        """What there is to tell now."""

    def fileno(self) -> int | None:
        """The descriptor that is readable when there is something to look at; None: only the time says so."""

    def close(self) -> None:
        """Watch no more."""


class _Timed:
    """Looks when its interval has passed."""

    def fileno(self) -> int | None:
        """See `Beacon`."""
        return None

    def close(self) -> None:
        """See `Beacon`."""


class Load(_Timed):
    """The load averages that are outside of [low, high]."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        given = options.get("averages")
        if not isinstance(given, Mapping) or not given or not set(given) <= set(_SPANS):
            raise BeaconError(f"wants `averages`: a mapping of {', '.join(_SPANS)} to [low, high]")
        self._bounds = {span: _pair(given[span]) for span in _SPANS if span in given}

    def look(self) -> Iterator[News]:
        """See `Beacon`."""
        now = dict(zip(_SPANS, os.getloadavg(), strict=True))
        if any(not low <= now[span] <= high for span, (low, high) in self._bounds.items()):
            yield now


class DiskUsage(_Timed):
    """The mount points that are as full as their limit, in per cent, as df(1) counts."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._limits = {path: percent(limit) for path, limit in options.items() if str(path).startswith("/")}
        if not self._limits or len(self._limits) != len(options):
            raise BeaconError("wants mount points with their limits, like `/: 90%`")

    def look(self) -> Iterator[News]:
        """See `Beacon`."""
        for path, limit in self._limits.items():
            found = os.statvfs(path)
            used = found.f_blocks - found.f_bfree
            share = 100 * used / (used + found.f_bavail) if used + found.f_bavail else 0.0
            if share >= limit:
                yield {"mount": path, "diskusage": round(share, 1)}


class MemUsage(_Timed):
    """The memory that is not available (proc_meminfo(5), MemAvailable) is as much as the limit."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._limit = percent(options.get("percent"))

    def look(self) -> Iterator[News]:
        """See `Beacon`."""
        with open("/proc/meminfo", encoding="ascii") as file:
            sizes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in file)}
        share = 100 * (1 - sizes["MemAvailable"] / sizes["MemTotal"])
        if share >= self._limit:
            yield {"memusage": round(share, 1)}


class Service(_Timed):
    """Services that have started or stopped since the last look."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        given = options.get("services")
        names = list(given) if isinstance(given, Mapping | list) else []
        if not names or not all(isinstance(name, str) and name and not name.startswith("-") for name in names):
            raise BeaconError("wants `services`: a mapping or a list of their names")
        self._names, self._known = names, dict[str, bool]()

    def look(self) -> Iterator[News]:
        """See `Beacon`. The first look tells what does not run."""
        from modules import service

        for name in self._names:
            running = bool(service.status(name))
            if self._known.get(name, True) != running:
                yield {"service_name": name, name: {"running": running}}
            self._known[name] = running


class Link:
    """Network links that came, went, or became up or down, as the kernel tells (rtnetlink(7), RTNLGRP_LINK)."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        names = options.get("interfaces")
        if names is not None and not isinstance(names, Mapping | list):
            raise BeaconError("`interfaces` is a list of names")
        self._names = None if names is None else {str(name) for name in names}
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE)
        self._socket.bind((0, _RTMGRP_LINK))
        self._known = self._now()

    def look(self) -> Iterator[News]:
        """See `Beacon`."""
        try:
            while self._socket.recv(65536):
                pass
        except BlockingIOError:
            pass
        except OSError:  # ENOBUFS: more than the kernel kept; what is now is looked at anyway
            pass
        old, self._known = self._known, self._now()
        for name in sorted({*old, *self._known}):
            if old.get(name) != self._known.get(name):
                yield {"name": name, "old": old.get(name), "new": self._known.get(name)}

    def _now(self) -> dict[str, str]:
        import fcntl
        import struct

        found = {}
        for _, name in socket.if_nameindex():
            if self._names is not None and name not in self._names:
                continue
            try:  # SIOCGIFFLAGS, netdevice(7): of the network namespace of the socket, as if_nameindex is
                flags = struct.unpack(
                    "16xH", fcntl.ioctl(self._flags_socket(), 0x8913, name.encode()[:15].ljust(32, b"\0"))[:18]
                )[0]
            except OSError:
                continue  # gone meanwhile
            found[name] = "up" if flags & 0x40 else "no carrier" if flags & 0x1 else "down"
        return found

    def _flags_socket(self) -> socket.socket:
        if not hasattr(self, "_plain"):
            self._plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        return self._plain

    def fileno(self) -> int | None:
        """See `Beacon`."""
        return self._socket.fileno()

    def close(self) -> None:
        """See `Beacon`."""
        self._socket.close()
        if hasattr(self, "_plain"):
            self._plain.close()


class Files:
    """Files that changed, by inotify(7). A path that is not there yet is looked for at each interval."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        given = options.get("files")
        if not isinstance(given, Mapping) or not given:
            raise BeaconError("wants `files`: a mapping of paths, like `/etc/hosts: {mask: [modify]}`")
        self._wanted = {str(path): _masks(str(path), how) for path, how in given.items()}
        self._inotify = Inotify()
        self._missing = dict(self._wanted)
        self._try_missing()

    def look(self) -> Iterator[News]:
        """See `Beacon`. A path that came is told once as `create`."""
        for path, change in self._inotify.read():
            if change == "gone":
                self._missing[path] = self._wanted[path]
            yield {"path": path, "change": change}
        yield from ({"path": path, "change": "create"} for path in self._try_missing())

    def _try_missing(self) -> list[str]:
        came = []
        for path, masks in list(self._missing.items()):
            try:
                self._inotify.watch(path, masks)
            except InotifyError:
                continue
            came.append(path)
            del self._missing[path]
        return came

    def fileno(self) -> int | None:
        """See `Beacon`."""
        return self._inotify.fileno()

    def close(self) -> None:
        """See `Beacon`."""
        self._inotify.close()


def _network_settings(options: Mapping[str, Any]) -> Beacon:
    from modules._beacon.network import NetworkSettings

    return NetworkSettings(options)


def _libvirt(options: Mapping[str, Any]) -> Beacon:
    from modules._beacon.guests import LibvirtEvents

    return LibvirtEvents(options)


def _lxc(options: Mapping[str, Any]) -> Beacon:
    from modules._beacon.containers import LxcStates

    return LxcStates(options)


# Those with much to load do so when they are first made.
KINDS: Mapping[str, Callable[[Mapping[str, Any]], Beacon]] = {
    "load": Load,
    "diskusage": DiskUsage,
    "memusage": MemUsage,
    "service": Service,
    "link": Link,
    "network_settings": _network_settings,
    "inotify": Files,
    "libvirt": _libvirt,
    "lxc": _lxc,
}


def make(kind: str, options: Mapping[str, Any]) -> Beacon:
    """The beacon of that KIND. BeaconError."""
    if kind not in KINDS:
        raise BeaconError(f"there is no beacon {kind!r}.{nearest(kind, KINDS)}")
    return KINDS[kind](options)


def percent(given: Any) -> float:
    """63, "63" or "63%" as a number from 0 to 100. BeaconError."""
    try:
        share = float(str(given).strip().removesuffix("%"))
    except ValueError:
        share = -1.0
    if isinstance(given, bool) or not 0 <= share <= 100:
        raise BeaconError(f"a limit is a percentage like 90%, not {given!r}")
    return share


def _pair(given: Any) -> tuple[float, float]:
    good = isinstance(given, Sequence) and not isinstance(given, str) and len(given) == 2
    if not good or any(isinstance(one, bool) or not isinstance(one, int | float) for one in given):
        raise BeaconError(f"an average has [low, high], not {given!r}")
    return float(given[0]), float(given[1])


def _masks(path: str, given: Any) -> tuple[str, ...]:
    masks = given.get("mask", DEFAULT) if isinstance(given, Mapping) else DEFAULT
    masks = [masks] if isinstance(masks, str) else list(masks)
    for mask in masks:
        if mask not in MASKS:
            raise BeaconError(f"{path} has no mask {mask!r}.{nearest(str(mask), MASKS)}")
    if not path.startswith("/"):
        raise BeaconError(f"a path begins at the root, not {path!r}")
    return tuple(masks)
