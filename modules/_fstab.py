"""fstab(5) as text: reading an entry, and putting one in, with all other lines as they are. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from modules._mountinfo import escaped, unescaped


@dataclass(frozen=True, slots=True)
class Line:
    """An entry of /etc/fstab: what is mounted as what, with OPTIONS as written, and the numbers of dump and fsck."""

    device: str
    fstype: str
    options: str
    dump: int = 0
    check: int = 0


def find(text: str, target: str) -> Line | None:
    """The last entry for the mount point TARGET, or None."""
    found = None
    for line in text.splitlines():
        words = _words(line)
        if words and unescaped(words[1]) == target:
            numbers = [int(word) if word.isdigit() else 0 for word in words[4:6]] + [0, 0]
            options = words[3] if len(words) > 3 else "defaults"
            found = Line(unescaped(words[0]), words[2] if len(words) > 2 else "auto", options, numbers[0], numbers[1])
    return found


def put(text: str, target: str, entry: Line | None) -> str:
    """TEXT with ENTRY for TARGET in the place of what was there (or at the end), or without any where it is None."""
    kept: list[str] = []
    place: int | None = None
    for line in text.splitlines():
        words = _words(line)
        if words and unescaped(words[1]) == target:
            place = len(kept) if place is None else place
        else:
            kept.append(line)
    if entry is not None:
        made = (
            f"{escaped(entry.device)}\t{escaped(target)}\t{entry.fstype}\t{entry.options}\t{entry.dump} {entry.check}"
        )
        kept.insert(len(kept) if place is None else place, made)
    return "".join(f"{line}\n" for line in kept)


def _words(line: str) -> list[str]:
    words = line.split()
    return words if len(words) >= 2 and not words[0].startswith("#") else []
