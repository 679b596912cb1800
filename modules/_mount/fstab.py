"""fstab(5) as text: reading an entry, and putting one in, with all other lines as they are. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from modules._mount.table import escaped, unescaped


@dataclass(frozen=True, slots=True)
class Line:
    """An entry of /etc/fstab: what is mounted as what, with OPTIONS as written, and the numbers of dump and fsck."""

    device: str
    fstype: str
    options: str
    dump: int = 0
    check: int = 0


def entries(text: str) -> list[tuple[str, Line]]:
    """(mount point, entry) for each line that is one, in order."""
    return [(_target(words), _entry(words)) for line in text.split("\n") if (words := _words(line))]


def find(text: str, target: str) -> Line | None:
    """The last entry for the mount point TARGET, or None."""
    found = [entry for place, entry in entries(text) if place == target]
    return found[-1] if found else None


def put(text: str, target: str, entry: Line | None) -> str:
    """TEXT with ENTRY for TARGET in the place of what was there (or at the end), or without any where it is None. All
    other lines keep every byte; a last one without a line break gets one."""
    kept: list[str] = []
    place: int | None = None
    for line in text.split("\n"):
        words = _words(line)
        if words and _target(words) == target:
            place = len(kept) if place is None else place
        else:
            kept.append(line)
    if kept and not kept[-1]:
        kept.pop()
    if entry is not None:
        kept.insert(len(kept) if place is None else place, written(target, entry))
    return "".join(f"{line}\n" for line in kept)


def written(target: str, entry: Line) -> str:
    """The line of ENTRY for TARGET."""
    fields = (escaped(entry.device), escaped(target), entry.fstype, entry.options, f"{entry.dump} {entry.check}")
    return "\t".join(fields)


def same(one: Line, other: Line) -> bool:
    """Whether two entries mean the same: the order of options and `defaults` do not matter."""
    fixed = (one.device, one.fstype, one.dump, one.check) == (other.device, other.fstype, other.dump, other.check)
    return fixed and _set(one.options) == _set(other.options)


def _set(options: str) -> frozenset[str]:
    return frozenset(word for word in options.split(",") if word and word != "defaults")


def _target(words: list[str]) -> str:
    target = unescaped(words[1])
    return target.rstrip("/") or "/" if target.startswith("/") else target


def _entry(words: list[str]) -> Line:
    numbers = [int(word) if word.isascii() and word.isdigit() else 0 for word in words[4:6]] + [0, 0]
    options = words[3] if len(words) > 3 else "defaults"
    return Line(unescaped(words[0]), words[2] if len(words) > 2 else "auto", options, numbers[0], numbers[1])


def _words(line: str) -> list[str]:
    words = [word for word in line.replace("\t", " ").split(" ") if word]
    return words if len(words) >= 2 and not words[0].startswith("#") else []
