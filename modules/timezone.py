"""The time zone of the node: the link /etc/localtime, and Debian's /etc/timezone beside it (localtime(5))."""

from __future__ import annotations

import os

from modules import file
from modules._file import system_text
from saltern.errors import PermanentError, nearest
from saltern.marks import acting, reading

LOCALTIME = "/etc/localtime"
NAMED = "/etc/timezone"
ZONES = "/usr/share/zoneinfo"


class ZoneError(PermanentError):
    """There is no such time zone on the node."""


@reading
def get_zone() -> str:
    """The name of the time zone ("Europe/Berlin"); "UTC" where none is set, "" where /etc/localtime is no link."""
    try:
        link = os.path.join(os.path.dirname(LOCALTIME), os.readlink(LOCALTIME))
    except FileNotFoundError:
        return "UTC"
    except OSError:
        return ""
    for path in (os.path.normpath(link), os.path.realpath(link)):  # as it is written first: several zones may be one
        if path.startswith(f"{ZONES}/"):
            return path.removeprefix(f"{ZONES}/")
    return ""


@reading
def get_offset() -> str:
    """How far local time is ahead of UTC now: "+0100"."""
    from datetime import datetime

    return datetime.now().astimezone().strftime("%z")


@reading
def list_zones() -> list[str]:
    """The names of the time zones that the node knows, sorted. ZoneError where the zones are not installed."""
    names = _lines(f"{ZONES}/tzdata.zi")
    if not names:
        raise ZoneError(f"there are no time zones in {ZONES}: install tzdata")
    return names


@reading
def checked(zone: str) -> str:
    """ZONE if the node knows it. ZoneError with the nearest name otherwise."""
    is_path = zone.startswith("/") or ".." in zone.split("/") or not zone.isprintable()
    if is_path or not os.path.isfile(f"{ZONES}/{zone}"):
        known = _lines(f"{ZONES}/tzdata.zi")
        raise ZoneError(f"there is no time zone {zone!r}.{nearest(zone, known)}")
    return zone


@acting
def set_zone(timezone: str) -> bool:
    """Make TIMEZONE that of the node. Programs that run go on with the old one."""
    checked(timezone)
    file.symlink(f"{ZONES}/{timezone}", LOCALTIME, replace=True)
    if os.path.exists(NAMED):
        system_text.put_text(NAMED, f"{timezone}\n")
    return True


def _lines(path: str) -> list[str]:
    """The zones and links that the compact source of the zones names: `Z NAME …` and `L TARGET NAME`."""
    found = []
    for line in system_text.text_of(path).splitlines():
        words = line.split()
        if words[:1] == ["Z"] and len(words) > 1:
            found.append(words[1])
        elif words[:1] == ["L"] and len(words) > 2:
            found.append(words[2])
    return sorted(found)
