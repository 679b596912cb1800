"""Who keeps a mount point busy: mounts below it, and processes that stand in it or have its files open."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress

from modules._mount.table import Live

SHOWN = 5


def mounts_below(mounts: Iterable[Live], target: str) -> list[str]:
    """The mount points below TARGET, sorted."""
    return sorted({mount.target for mount in mounts if mount.target.startswith(target.rstrip("/") + "/")})


def processes(target: str, proc: str = "/proc") -> list[str]:
    """ "NAME (PID)" of each process whose working directory, root, program or open file lies in TARGET, as far as this
    user may see. Only links of PROC are read, so a server that is away hangs nothing."""
    found = []
    for pid in sorted(filter(str.isdigit, os.listdir(proc)), key=int):
        if any(_inside(place, target) for place in _places(f"{proc}/{pid}")):
            found.append(f"{_name(f'{proc}/{pid}/comm')} ({pid})")
    return found


def told(mounts: Iterable[Live], target: str) -> str:
    """Why TARGET is busy, in words: "", or ": bash (4711), …"."""
    if below := mounts_below(mounts, target):
        return f": {', '.join(below[:SHOWN])} {'is' if len(below) == 1 else 'are'} mounted below it"
    users = processes(target)
    more = f" and {len(users) - SHOWN} more" if len(users) > SHOWN else ""
    return f": used by {', '.join(users[:SHOWN])}{more}" if users else ""


def _places(process: str) -> Iterable[str]:
    links = [f"{process}/{kind}" for kind in ("cwd", "root", "exe")]
    with suppress(OSError):  # ended meanwhile, or another user's
        links += [f"{process}/fd/{number}" for number in os.listdir(f"{process}/fd")]
    for link in links:
        try:
            yield os.readlink(link)
        except OSError:
            continue


def _inside(place: str, target: str) -> bool:
    place = place.removesuffix(" (deleted)")
    return place == target or place.startswith(target.rstrip("/") + "/")


def _name(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "?"
