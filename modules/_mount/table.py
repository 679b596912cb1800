"""/proc/self/mountinfo and the names of systemd's mount units: pure reading of text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")


@dataclass(frozen=True, slots=True)
class Live:
    """A mount as the kernel has it (proc_pid_mountinfo(5)). ROOT is the part of the file system that is mounted, NUMBER
    its device number ("0:42"); OPTIONS are those of the mount and of the file system. PARENT is the ID of the mount on
    which it lies."""

    target: str
    device: str
    fstype: str
    options: frozenset[str]
    root: str = "/"
    number: str = ""
    id: int = field(default=-1, compare=False)
    parent: int = field(default=-1, compare=False)


def parse(text: str) -> list[Live]:
    """All mounts, in the order of the kernel."""
    return [found for line in text.split("\n") if (found := _parsed(line)) is not None]


def _parsed(line: str) -> Live | None:
    words = line.split(" ")
    try:
        dash = words.index("-", 6)
        fstype, device, above = words[dash + 1], words[dash + 2], words[dash + 3]
        own, parent = int(words[0]), int(words[1])
    except (ValueError, IndexError):
        return None
    options = frozenset(filter(None, map(unescaped, words[5].split(",") + above.split(","))))
    if "ro" in words[5].split(",") or "ro" in above.split(","):
        options -= {"rw"}  # the mount or the file system: one of them is enough
    return Live(unescaped(words[4]), unescaped(device), fstype, options, unescaped(words[3]), words[2], own, parent)


def unescaped(word: str) -> str:
    """WORD with `\\040` and the like as the characters that they stand for."""
    if "\\" not in word:
        return word
    raw = _OCTAL.sub(lambda found: bytes([int(found[1], 8)]), word.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


def escaped(word: str) -> str:
    """WORD as a field of fstab(5) or exports(5): blanks, `#`, quotes and the backslash in octal."""
    return "".join(f"\\{ord(char):03o}" if char in ' \t\n\r\v\f\\#"' else char for char in word)


def holder(mounts: Iterable[Live], path: str) -> Live | None:
    """The mount in which PATH lies: at each part of PATH what is mounted there, and on top of that, as the kernel walks
    it. So a mount that another one hides, at the same place or above it, is not found. None: an unknown root."""
    mounts = list(mounts)
    known = {mount.id for mount in mounts}
    above = {(mount.parent if mount.parent in known else None, mount.target): mount for mount in mounts}
    here: Live | None = None
    place = ""
    for part in ("", *filter(None, path.split("/"))):
        place = f"{place.rstrip('/')}/{part}"
        while (found := above.pop((here.id if here else None, place), None)) is not None:
            here = found
    return here


def on_top(mounts: Iterable[Live], target: str) -> Live | None:
    """The mount that one sees at TARGET, or None; an automount point that waits to be used is none."""
    found = holder(mounts, target)
    return found if found and found.target == target and found.fstype != "autofs" else None


def bound(mounts: Sequence[Live], source: str) -> tuple[str, str]:
    """What a bind mount of the path SOURCE would be: (device number, root), by the mount that holds SOURCE."""
    found = holder(mounts, source)
    if found is None:
        return "", source
    rest = source.removeprefix(found.target).strip("/")
    return found.number, "/" + "/".join(part for part in (found.root.strip("/"), rest) if part)


def unit_name(path: str, suffix: str = "mount") -> str:
    """The unit of a mount point: systemd-escape(1) --path --suffix. `/var/lib/x-y` is `var-lib-x\\x2dy.mount`."""
    parts = [part for part in path.split("/") if part]
    if not parts:
        return f"-.{suffix}"
    text = "/".join(parts).encode("utf-8", "surrogateescape")
    made = "".join(_unit_char(byte, first=index == 0) for index, byte in enumerate(text))
    return f"{made}.{suffix}"


def _unit_char(byte: int, *, first: bool) -> str:
    char = chr(byte)
    if char == "/":
        return "-"
    plain = byte < 128 and (char.isalnum() or char in ":_" or (char == "." and not first))
    return char if plain else f"\\x{byte:02x}"
