"""Who may command the master: root, the daemon's own user, and the users that the configuration names at the moment.

It is asked at each use and again while a command is connected, so that nobody who was taken out of the configuration,
whose account was removed or has expired, goes on with what he has open.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from pathlib import Path

_SHADOW = Path("/etc/shadow")
_DAY_S = 86400


def uid_of(name: str) -> int | None:
    """The uid of a user, None where there is no such user."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def always(uid: int) -> bool:
    """Whether UID may whatever the configuration says: root, and the daemon itself."""
    return uid in (0, os.geteuid())


def refusal(uid: int, users: Iterable[str], now: float, shadow: Path = _SHADOW) -> str:
    """Why UID may not command the master at NOW (seconds since the epoch), whose configuration names USERS; '' where it
    may."""
    if always(uid):
        return ""
    name = next((name for name in users if uid_of(name) == uid), None)
    if name is None:
        return f"{name_of(uid)} may not command this master"
    if _expired(name, now, shadow):
        return f"the account {name} has expired, so it may not command this master"
    return ""


def name_of(uid: int) -> str:
    """The name of a user, or its number where it has none (any more)."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _expired(name: str, now: float, shadow: Path) -> bool:
    """Whether the account's day of expiry is over: the eighth field of shadow(5), days since the epoch, as
    `usermod --expiredate` sets it. A password that is locked ends no account, so it says nothing here."""
    try:
        lines = shadow.read_text(errors="replace").splitlines()
    except OSError:  # a master that is not root can't look
        return False
    fields = next((line.split(":") for line in lines if line.startswith(f"{name}:")), [])
    day = fields[7] if len(fields) > 7 else ""
    return day.isdigit() and now >= int(day) * _DAY_S
