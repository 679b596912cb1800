"""What files in the manner of systemd and NetworkManager say, and which interfaces a `.network` is for. Pure, but for
`text_of` and what /sys tells of an interface."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

SYS = "/sys/class/net"
_GLOB = set("*?[!")


def text_of(path: str) -> str:
    """The text of the file PATH; nothing where it can't be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def listed(folder: str) -> list[str]:
    """The names in FOLDER, sorted; none where it can't be read."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def settings(text: str) -> Iterator[tuple[str, str, str]]:
    """(section, key, value) of each line of TEXT, as systemd.syntax(7) has it."""
    section = ""
    for line in text.replace("\\\n", " ").splitlines():
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[" and line[-1] == "]":
            section = line[1:-1]
        elif "=" in line:
            key, _, value = line.partition("=")
            yield section, key.strip(), value.strip()


def value(text: str, section: str, key: str) -> str | None:
    """The last value of KEY in SECTION, or None."""
    found = None
    for where, name, said in settings(text):
        if (where, name) == (section, key):
            found = said
    return found


def netdev_name(text: str) -> str | None:
    """The interface that a `.netdev` makes."""
    return value(text, "NetDev", "Name")


@dataclass(frozen=True, slots=True)
class Rule:
    """The section [Match] of a `.network`: (condition, its words), all of which must hold."""

    conditions: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, text: str) -> Rule:
        """That of a file's TEXT."""
        found: dict[str, tuple[str, ...]] = {}
        for section, key, said in settings(text):
            if section == "Match":
                found[key] = (*found.get(key, ()), *said.split())
        return cls(tuple(found.items()))

    @property
    def only(self) -> str | None:
        """The one interface that it names, or None."""
        for key, words in self.conditions:
            if key == "Name" and len(words) == 1 and not _GLOB & set(words[0]):
                return words[0]
        return None

    @property
    def is_single(self) -> bool:
        """Whether it can be for one interface only: by its name or its MAC address."""
        macs = ("MACAddress", "PermanentMACAddress")
        return self.only is not None or any(key in macs and len(words) == 1 for key, words in self.conditions)

    def fits(self, name: str) -> bool:
        """Whether it is for the interface NAME. Conditions that are about the machine are taken to hold."""
        return bool(self.conditions) and all(_holds(key, words, name) for key, words in self.conditions)


def _holds(key: str, words: tuple[str, ...], name: str) -> bool:
    if key == "Name":
        return _matches(words, name)
    if key in ("MACAddress", "PermanentMACAddress"):
        own = text_of(f"{SYS}/{name}/address").strip().lower()
        return own in [word.lower().replace("-", ":") for word in words]
    if key in ("Type", "Kind"):
        kinds = [line.partition("=")[2] for line in text_of(f"{SYS}/{name}/uevent").splitlines() if "DEVTYPE=" in line]
        kind = kinds[0] if kinds else ""
        return _matches(words, kind or ("ether" if key == "Type" else ""))
    return True


def _matches(words: tuple[str, ...], value: str) -> bool:
    """A list of patterns as systemd.network(5) has it: `!` before the first turns all of them round."""
    if not words:
        return True
    inverted = words[0].startswith("!")
    patterns = [word.removeprefix("!") for word in words]
    return inverted != (bool(value) and any(fnmatchcase(value, pattern) for pattern in patterns))
