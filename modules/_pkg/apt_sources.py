"""The files that name apt's repositories: lines of `*.list`, stanzas of `*.sources`. Pure.

A file is kept as its parts, each with its text, so what is not touched stays as it was written. A commented line or a
stanza with `Enabled: no` is a repository that is disabled. Source: sources.list(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from saltern.errors import PermanentError

TYPES = ("deb", "deb-src")
_LINE = re.compile(
    r"(?P<off>[#\s]*)(?P<type>deb|deb-src)[ \t]+(?:\[(?P<options>[^\]\n]*)\][ \t]*)?"
    r"(?P<uri>cdrom:\[[^\]\n]*\]\S*|[a-z][a-z0-9+.-]*:[^\s#]\S*)[ \t]+(?P<dist>[^\s#]\S*)"
    r"(?P<comps>(?:[ \t]+[^\s#]\S*)*)[ \t]*(?:#[ \t]*(?P<comment>[^\n]*?)[ \t]*)?"
)
_OPTION = re.compile(r"(?P<name>[A-Za-z-]+)(?P<sign>[+-]?=)(?P<value>\S*)")
_WORD = re.compile(r"[^\s\[\]#][^\s\[\]]*")
_FIELD = re.compile(r"([!-,./-9;-~][!-9;-~]*):[ \t]*(.*)", re.DOTALL)  # deb822(5): printable, no colon, no # or - first
_FIELDS = {  # an option of a line, as the field of a stanza
    "arch": "Architectures",
    "lang": "Languages",
    "target": "Targets",
    "pdiffs": "PDiffs",
    "by-hash": "By-Hash",
    "signed-by": "Signed-By",
    "trusted": "Trusted",
    "allow-insecure": "Allow-Insecure",
    "allow-weak": "Allow-Weak",
    "allow-downgrade-to-insecure": "Allow-Downgrade-To-Insecure",
    "check-valid-until": "Check-Valid-Until",
    "valid-until-min": "Valid-Until-Min",
    "valid-until-max": "Valid-Until-Max",
    "check-date": "Check-Date",
    "date-max-future": "Date-Max-Future",
    "inrelease-path": "InRelease-Path",
    "snapshot": "Snapshot",
}
_OPTIONS = {field.lower(): name for name, field in _FIELDS.items()}
_LISTS = {"arch", "lang", "target"}  # options with several values, by commas in a line and by spaces in a stanza
_NO = ("no", "false", "without", "off", "disable", "0")


class SourceError(PermanentError):
    """A text that names no repository, or a file where a change would hit others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One repository: packages of the TYPE "deb" or "deb-src" below URI for DIST in the components COMPS. OPTIONS are
    those in brackets, in their order. COMMENT does not count in a comparison."""

    type: str
    uri: str
    dist: str
    comps: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    disabled: bool = False
    comment: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What says that two are the same repository."""
        return self.type, self.uri.rstrip("/"), self.dist

    @property
    def archs(self) -> frozenset[str]:
        """The architectures that it is for; none: all of the node."""
        return frozenset(value for name, text in self.options if name == "arch" for value in text.split(","))

    @property
    def signed_by(self) -> str:
        """The path of its keys, or ""."""
        return next((value for name, value in self.options if name == "signed-by"), "")

    @property
    def line(self) -> str:
        """It as a line, without the sign of a disabled one and without a comment."""
        options = " ".join(f"{name}={value}" for name, value in self.options)
        return " ".join([self.type, *([f"[{options}]"] if options else []), self.uri, self.dist, *self.comps])

    def same(self, other: Entry) -> bool:
        """Whether OTHER says the same; the order of options, components and architectures does not count."""
        return self._plain() == other._plain() and self.disabled == other.disabled

    def _plain(self) -> tuple[object, ...]:
        options = {name: frozenset(v.split(",")) if name in _LISTS else v for name, v in self.options}
        return (*self.key, frozenset(self.comps), options)

    def overlaps(self, other: Entry) -> bool:
        """Whether OTHER names the same repository with a component, and for an architecture, in common."""
        comps = not self.comps or not other.comps or bool({*self.comps} & {*other.comps})
        archs = not self.archs or not other.archs or bool(self.archs & other.archs)
        return self.key == other.key and comps and archs


class Part(NamedTuple):
    """A part of a file, with its TEXT: the ENTRIES that it stands for (a line one, a stanza any number)."""

    text: str
    entries: tuple[Entry, ...] = ()


def is_stanzas(path: str) -> bool:
    """Whether the file PATH is one of stanzas."""
    return path.endswith(".sources")


def parts(text: str, stanzas: bool) -> list[Part]:
    """The parts of a file's TEXT, in their order; together they are the text."""
    if not stanzas:
        found = [(line, parsed(line)) for line in _lines(text)]
        return [Part(line, () if entry is None else (entry,)) for line, entry in found]
    return [Part(one, stanza_entries(one)) for one in _stanzas(text)]


def _lines(text: str) -> list[str]:
    """The lines of TEXT with their ends; only \\n ends one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def rendered(found: Iterable[Part]) -> str:
    """The text of a file of these parts."""
    return "".join(part.text for part in found)


def parsed(line: str) -> Entry | None:
    """The repository that a LINE of a file names, be it disabled; None for another."""
    found = _LINE.fullmatch(line.strip())
    if found is None:
        return None
    options = []
    for word in (found["options"] or "").split():
        option = _OPTION.fullmatch(word)
        if option is None:
            return None
        options.append((option["name"].lower() + option["sign"].removesuffix("="), option["value"]))
    return Entry(
        type=found["type"],
        uri=found["uri"],
        dist=found["dist"],
        comps=tuple(found["comps"].split()),
        options=tuple(options),
        disabled="#" in found["off"],
        comment=found["comment"] or "",
    )


def checked(entry: Entry) -> Entry:
    """ENTRY if it can be written as a line that reads back the same. SourceError otherwise."""
    words = [entry.dist, *entry.comps]
    if any(not _WORD.fullmatch(word) for word in words) or "\n" in entry.comment:
        raise SourceError(f"not a repository: {entry.line!r}")
    if entry.dist.endswith("/") and entry.comps:
        raise SourceError(f"{entry.line!r}: a suite that ends with a slash has no components")
    if not entry.dist.endswith("/") and not entry.comps:
        raise SourceError(f"{entry.line!r}: it lacks components (`comps`), like main; a flat repository ends with ./")
    if parsed(entry.line) != replace(entry, disabled=False, comment=""):
        raise SourceError(
            f"not a repository: {entry.line!r}; it reads `deb [options] https://host/path suite component`"
        )
    return entry


def line_of(entry: Entry) -> str:
    """ENTRY as a whole line."""
    return f"{'# ' if entry.disabled else ''}{entry.line}{f' # {entry.comment}' if entry.comment else ''}\n"


# --- stanzas


def _stanzas(text: str) -> list[str]:
    """TEXT cut before the first line of each stanza."""
    found, blank = [""], True
    for line in _lines(text):
        if blank and line.strip() and found[-1].strip():
            found.append("")
        found[-1] += line
        blank = not line.strip()
    return [part for part in found if part]


def fields(stanza: str) -> dict[str, str]:
    """The fields of a STANZA by their names in small letters; the lines of a value that has several joined by \\n."""
    found: dict[str, str] = {}
    name = ""
    for line in stanza.split("\n"):
        if line.startswith("#"):
            continue
        if line[:1] in (" ", "\t") and name:
            found[name] = f"{found[name]}\n{line.strip()}".strip("\n")
        elif match := _FIELD.fullmatch(line):
            name = match[1].lower()
            found[name] = match[2].strip()
    return found


def stanza_entries(stanza: str) -> tuple[Entry, ...]:
    """The repositories that a STANZA names."""
    named = fields(stanza)
    options = []
    for field, value in named.items():
        if (option := _OPTIONS.get(field)) and value:
            words = value.split()
            options.append(
                (option, ",".join(words) if option in _LISTS else " ".join(words) if len(words) > 1 else value)
            )
    return tuple(
        Entry(
            type=kind,
            uri=uri,
            dist=dist,
            comps=tuple(named.get("components", "").split()),
            options=tuple(options),
            disabled=named.get("enabled", "yes").lower() in _NO,
        )
        for kind in named.get("types", "").split()
        for uri in named.get("uris", "").split()
        for dist in named.get("suites", "").split()
    )


def stanza_of(entry: Entry) -> str:
    """ENTRY as a stanza."""
    lines = [f"# {entry.comment}"] if entry.comment else []
    lines += [f"Types: {entry.type}", f"URIs: {entry.uri}", f"Suites: {entry.dist}"]
    lines += [f"Components: {' '.join(entry.comps)}"] if entry.comps else []
    for name, value in entry.options:
        if name not in _FIELDS:
            raise SourceError(f"a file of stanzas has no option {name!r}")
        lines.append(f"{_FIELDS[name]}: {value.replace(',', ' ') if name in _LISTS else value}")
    lines += ["Enabled: no"] if entry.disabled else []
    return "\n".join(lines) + "\n"


# --- changes


def found_in(files: Mapping[str, Sequence[Part]], wanted: Entry) -> tuple[str, Entry] | None:
    """The file and the entry in it that is WANTED or stands for it: the same one first, then one that is not disabled,
    in the order of FILES."""
    near = [
        (path, entry)
        for path, found in files.items()
        for part in found
        for entry in part.entries
        if wanted.overlaps(entry)
    ]
    ranked = sorted(near, key=lambda one: (not wanted.same(one[1]), one[1].disabled))
    return ranked[0] if ranked else None


def with_entry(text: str, path: str, old: Entry | None, new: Entry, *, alone: bool = False) -> str:
    """The TEXT of the file PATH with NEW in the place of OLD, or at its end. ALONE: and nothing else. SourceError where
    OLD stands together with others."""
    made = stanza_of(new) if is_stanzas(path) else line_of(new)
    if alone:
        return made
    kept = parts(text, is_stanzas(path))
    if old is not None:
        for at, part in enumerate(kept):
            if old in part.entries:
                _check_alone(part, path, old)
                kept[at] = Part(_closed(made, part.text))
                return rendered(kept)
    before = rendered(kept)
    gap = "" if not before or before.endswith("\n") else "\n"
    if is_stanzas(path) and before.strip():
        gap += "\n"
    return before + gap + made


def without_entry(text: str, path: str, gone: Entry) -> str:
    """The TEXT of the file PATH without GONE, which it has; "" where nothing is left that says anything. SourceError as
    `with_entry`."""
    kept = []
    for part in parts(text, is_stanzas(path)):
        if gone in part.entries:
            _check_alone(part, path, gone)
        else:
            kept.append(part)
    found = rendered(kept)
    return found if found.strip() else ""


def _closed(made: str, old: str) -> str:
    """MADE with the empty lines that OLD, in whose place it comes, ends with."""
    return made + old[len(old.rstrip()) :].replace("\r", "").removeprefix("\n")


def check_alone(found: Iterable[Part], path: str, entry: Entry) -> None:
    """SourceError where ENTRY of the file PATH stands together with others in one of the parts FOUND, so that no change
    can be of it alone."""
    for part in found:
        if entry in part.entries:
            _check_alone(part, path, entry)


def _check_alone(part: Part, path: str, entry: Entry) -> None:
    if len(part.entries) > 1:
        raise SourceError(f"{path} names {entry.line!r} together with others in one stanza: change it there by hand")
