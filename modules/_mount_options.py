"""Whether the options that a user names hold for a mount that the kernel shows. Pure.

The kernel adds options of its own (`relatime`, `addr=…`) and leaves out what is the default or was meant for mount(8)
alone (`defaults`, `_netdev`, `x-systemd.*`). So what is compared are the options that were named.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from modules._mountinfo import Live
from saltern.errors import PermanentError

# mount(8), nfs(5): read by programs, ignored by the kernel or not shown again
_FOR_PROGRAMS = frozenset(
    ["defaults", "auto", "noauto", "nofail", "_netdev", "user", "nouser", "users", "owner", "group", "bg", "fg"]
) | {
    "intr",
    "nointr",
    "silent",
    "loud",
    "bind",
    "rbind",
    "remount",
    "fsc",
    "nofsc",
}
_PROGRAM_KEYS = (
    "x-",
    "comment",
    "retry",
    "uhelper",
    "helper",
    "loop",
    "offset",
    "sizelimit",
    "mountproto",
    "mountport",
)
_OPPOSITES = {
    "suid": "nosuid",
    "dev": "nodev",
    "exec": "noexec",
    "async": "sync",
    "atime": "noatime",
    "diratime": "nodiratime",
    "nolock": "lock",
}
_SAME = {"nfsvers": "vers", "tcp": "proto=tcp", "udp": "proto=udp", "tcp6": "proto=tcp6"}
_UNSHOWN_DEFAULTS = {"uid": "0", "gid": "0", "mode": "1777"}  # tmpfs(5)
_SIZES = {"k": 1, "m": 1024, "g": 1024**2}


class MountOptionError(PermanentError, ValueError):
    """An option or a device has a character that would make two of one, or end the line."""


def listed(opts: str | Iterable[str]) -> tuple[str, ...]:
    """The options in order, from `a,b` or [a, b]. MountOptionError for a blank, a newline, or a comma in one."""
    words = opts.split(",") if isinstance(opts, str) else list(opts)
    found = tuple(word for word in (str(word).strip(" ") for word in words) if word)
    for word in found:
        if any(char in word for char in ", \t\n\0\\") or not word.isprintable():
            raise MountOptionError(f"not a mount option: {word!r} (no comma, blank or backslash may be in one)")
    return found


def compared(opts: Sequence[str]) -> frozenset[str]:
    """Those of OPTS that a mount can be compared with; `rw` is one of them unless `ro` is."""
    kept = {_plain(word) for word in opts if word not in _FOR_PROGRAMS and not word.startswith(_PROGRAM_KEYS)}
    if "ro" not in kept:
        kept.add("rw")
    return frozenset(kept)


def holding(wish: frozenset[str], live: Live) -> frozenset[str]:
    """The options of WISH that hold for LIVE, and for a `key=value` that does not, what LIVE has instead."""
    shown = {word.partition("=")[0]: word for word in live.options}
    found = set()
    for word in wish:
        key, equals, _ = word.partition("=")
        if _holds(word, live.options):
            found.add(word)
        elif equals and key in shown:
            found.add(shown[key])
    if "rw" in wish and "ro" in live.options:
        found.add("ro")
    if "ro" in wish and "rw" in live.options:
        found.add("rw")
    return frozenset(found)


def can_remount(was: frozenset[str], wish: frozenset[str], fstype: str) -> bool:
    """Whether the difference can be applied to the mount as it stands: flags can, a protocol or version cannot."""
    changed = was ^ wish
    return all("=" not in word or fstype == "tmpfs" for word in changed) and not (
        fstype.startswith("nfs") and "=" in str(changed)
    )


def _plain(word: str) -> str:
    key, equals, value = word.partition("=")
    if equals:
        return f"{_SAME.get(key, key)}={value}"
    return _SAME.get(word, word)


def _holds(word: str, live: frozenset[str]) -> bool:
    if word in live:
        return True
    if word in _OPPOSITES:
        return _OPPOSITES[word] not in live
    if word == "strictatime":
        return not {"noatime", "relatime"} & live
    key, equals, value = word.partition("=")
    if not equals:
        return word == "hard" and not {"soft", "softerr"} & live and any(w.startswith("vers=") for w in live)
    shown = {w.partition("=")[0]: w.partition("=")[2] for w in live if "=" in w}
    if key not in shown:
        return _UNSHOWN_DEFAULTS.get(key, "-").lstrip("0") == value.lstrip("0")
    have = shown[key]
    if key == "vers":
        return have == value or have.startswith(value + ".") or value == have + ".0"
    if key == "mode":
        return have.lstrip("0") == value.lstrip("0")
    return key in ("size", "nr_blocks") and _kib(have) == _kib(value)


def _kib(text: str) -> int | None:
    number, unit = (text[:-1], text[-1].lower()) if text and text[-1].lower() in _SIZES else (text, "")
    if not number.isdigit():
        return None
    return int(number) * _SIZES[unit] if unit else int(number) // 1024
