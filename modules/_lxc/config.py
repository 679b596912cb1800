"""The file of an LXC container, lxc.container.conf(5): reading its keys and changing some while all else stays.

Pure: texts in, texts and values out. A key may stand on several lines, whose order then matters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saltern.errors import PermanentError, nearest

Pair = tuple[str, str]  # a key and its value
MOUNTS_BEGIN = "# Mounts managed by Saltern: begin"
MOUNTS_END = "# Mounts managed by Saltern: end"
MOUNT_KEY = "lxc.mount.entry"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_KEY = re.compile(r"lxc(\.[A-Za-z0-9_-]+)+")


class LxcError(PermanentError, ValueError):
    """A container can't be what was asked, or an LXC tool failed; the message says why."""


@dataclass(frozen=True, slots=True)
class Section:
    """What the file must say about one thing. PAIRS: all the lines that it has, in order.

    kind "key": the lines of the key NAME; "tree": those of NAME and of `NAME.…`; "mounts": the mount entries between
    Saltern's two comments, so that those of a template stay.
    """

    kind: str
    name: str
    pairs: tuple[Pair, ...]

    def owns(self, key: str, in_mounts: bool) -> bool:
        """Whether a line with KEY, which stands between the comments or not, is this section's."""
        if self.kind == "mounts":
            return in_mounts and key == MOUNT_KEY
        if in_mounts and key == MOUNT_KEY and self.name != MOUNT_KEY:
            return False
        return key == self.name or (self.kind == "tree" and key.startswith(self.name + "."))


def container_name(name: object) -> str:
    """NAME if a container may have it: 1-63 ASCII letters, digits, `_`, `.`, `-`, first a letter or digit."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise LxcError(
        f"not a container's name: {name!r} (1-63 ASCII letters, digits, '_', '.', '-'; the first a letter or digit)"
    )


def parse_line(line: str) -> Pair | None:
    """The key and value of a line, None for a comment or a blank one. Quotes around a value are not part of it."""
    text = line.strip()
    key, equals, value = text.partition("=")
    if not text or text.startswith("#") or not equals:
        return None
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    return key.strip(), value


def pairs(text: str) -> list[Pair]:
    """All keys with their values, in order. Included files are not followed."""
    return [pair for pair, _ in _marked(text.splitlines()) if pair is not None]


def values(text: str, key: str) -> tuple[str, ...]:
    """The values of KEY in order; an empty one clears those before it, as LXC reads it."""
    found: list[str] = []
    for name, value in pairs(text):
        if name == key:
            found = [*found, value] if value else []
    return tuple(found)


def read(text: str, section: Section) -> tuple[Pair, ...]:
    """The lines that TEXT has of what SECTION owns, in order."""
    return tuple(pair for pair, inside in _marked(text.splitlines()) if pair and section.owns(pair[0], inside))


def put(text: str, sections: Iterable[Section]) -> str:
    """TEXT with the lines of each of SECTIONS as it wants them. Lines that are as wanted stay where they are; changed
    ones take the place of the first that they replace, new ones go to the end. All others stay as they are."""
    for section in sections:
        if read(text, section) != section.pairs:
            text = _put(text, section)
    return text


def _put(text: str, section: Section) -> str:
    lines = text.splitlines()
    wanted = [f"{key} = {value}" for key, value in section.pairs]
    kept: list[str] = []
    place: int | None = None
    for line, (pair, inside) in zip(lines, _marked(lines), strict=True):
        comment = section.kind == "mounts" and line.strip() in (MOUNTS_BEGIN, MOUNTS_END)
        if comment or (pair is not None and section.owns(pair[0], inside)):
            place = len(kept) if place is None else place
        else:
            kept.append(line)
    if section.kind == "mounts" and wanted:
        wanted = [MOUNTS_BEGIN, *wanted, MOUNTS_END]
    at = len(kept) if place is None else place
    return "".join(line + "\n" for line in [*kept[:at], *wanted, *kept[at:]])


def _marked(lines: Sequence[str]) -> list[tuple[Pair | None, bool]]:
    """Each of LINES parsed, and whether it stands between the comments around Saltern's mounts."""
    found: list[tuple[Pair | None, bool]] = []
    inside = False
    for line in lines:
        text = line.strip()
        inside = text == MOUNTS_BEGIN or (inside and text != MOUNTS_END)
        found.append((parse_line(line), inside))
    return found


def config_sections(config: Mapping[str, Any] | Sequence[Any]) -> tuple[Section, ...]:
    """CONFIG as sections, one a key: `{key: value}`, `{key: [value, value]}`, or a list of such mappings where keys may
    come again. An empty list (or nothing) means that the file has no such key."""
    found: dict[str, list[str]] = {}
    parts = [config] if isinstance(config, Mapping) else list(config)
    for part in parts:
        if not isinstance(part, Mapping):
            raise LxcError(
                f"config must be a mapping or a list of mappings like 'lxc.cap.drop: sys_time', not {part!r}"
            )
        for key, given in part.items():
            listed = list(given) if isinstance(given, list | tuple) else [] if given is None else [given]
            found.setdefault(config_key(key), []).extend(config_value(key, value) for value in listed)
    return tuple(Section("key", key, tuple((key, value) for value in listed)) for key, listed in found.items())


def config_key(key: object) -> str:
    """KEY if it has the form of one of lxc.container.conf(5)."""
    if isinstance(key, str) and _KEY.fullmatch(key):
        return key
    hint = nearest(key, ["lxc." + key]) if isinstance(key, str) and _KEY.fullmatch("lxc." + key) else ""
    raise LxcError(f"not a key of a container's configuration: {key!r} (lxc.…, see lxc.container.conf(5)).{hint}")


def config_value(key: object, value: object) -> str:
    """VALUE as the text of one line. LxcError where it would be read as something else, like a second line."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if not isinstance(value, str | int | float):
        raise LxcError(f"the value of {key} must be a text or a number, not {value!r}")
    text = str(value)
    if any(ord(char) < 32 and char != "\t" for char in text) or len(text.splitlines()) > 1:
        raise LxcError(f"the value of {key} contains a line break or a control character: {value!r}")
    text = text.strip()
    if not text:
        raise LxcError(f"the value of {key} is empty; write an empty list to have no such key")
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        raise LxcError(f"the value of {key} stands in quotes twice: {value!r}; LXC would drop the inner ones")
    return text


def difference(current: Iterable[Pair], wish: Iterable[Pair]) -> tuple[list[str], list[str]]:
    """The lines that go and those that come, each as `key = value`; of a mere change of order, all of both."""
    have, want = [f"{k} = {v}" for k, v in current], [f"{k} = {v}" for k, v in wish]
    gone, new = [line for line in have if line not in want], [line for line in want if line not in have]
    return (gone, new) if gone or new or have == want else (have, want)
