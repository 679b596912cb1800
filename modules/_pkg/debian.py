"""Debian's packages: what dpkg and apt print, and how versions compare. Pure.

Sources: dpkg-query(1), deb-version(7), deb-control(5), apt-cache(8).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

FORMAT = "${db:Status-Abbrev}\\t${Package}\\t${Version}\\t${Architecture}\\t${Provides}\\n"
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+.](?::[a-z0-9-]+)?")
_PROVIDED = re.compile(r"\s*([a-z0-9][a-z0-9+.-]+)(?::[a-z0-9-]+)?\s*(?:\(=\s*([^)\s]+)\s*\))?\s*")
_COMPARISON = re.compile(r"(>=|<=|==|!=|<<|>>|>|<|=)\s*(.+)")


@dataclass(frozen=True, slots=True)
class Package:
    """A package that dpkg knows. INSTALLED: unpacked and set up; else only its configuration files are left, or it is
    broken. PROVIDES: the virtual packages that it stands for, each with its version or ""."""

    name: str
    version: str
    arch: str
    installed: bool
    provides: Mapping[str, str]


def is_name(text: str) -> bool:
    """Whether TEXT is the name of a package, as apt will take it: not an option, not `name-` (which means removal)."""
    return _NAME.fullmatch(text) is not None


def parse_status(text: str) -> list[Package]:
    """The packages that `dpkg-query --show --showformat=FORMAT` printed; those never installed are left out."""
    found = []
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) == 5 and fields[0][1:2] not in ("n", ""):
            status, name, version, arch, provides = fields
            found.append(
                Package(name, version, arch, status[1] == "i" and status[2:3] in ("", " "), provided(provides))
            )
    return found


def provided(text: str) -> dict[str, str]:
    """The field Provides ("nfs-client, nfs-server (= 1.3)") as names with versions."""
    matches = (_PROVIDED.fullmatch(part) for part in text.split(",") if part.strip())
    return {match[1]: match[2] or "" for match in matches if match}


def version_of(packages: Iterable[Package], name: str) -> str | None:
    """The version in which the package NAME ("libc6", "libc6:i386", or a virtual one) is installed; None: it is not.
    A virtual one without a version of its own has that of its provider."""
    bare, _, arch = name.partition(":")
    virtual = None
    for package in packages:
        if not package.installed or (arch and package.arch not in (arch, "all")):
            continue
        if package.name == bare:
            return package.version
        if virtual is None and bare in package.provides:
            virtual = package.provides[bare] or package.version
    return virtual


def satisfies(version: str, wanted: str) -> bool:
    """Whether VERSION is what was WANTED: one version, a glob ("1.2*"), or comparisons (">=1.2, <2")."""
    for part in wanted.split(","):
        if match := _COMPARISON.fullmatch(part.strip()):
            order = compare(version, match[2].strip())
            if not _HOLDS[match[1]](order):
                return False
        elif not (version == part.strip() or fnmatchcase(version, part.strip())):
            return False
    return True


_HOLDS = {
    ">=": lambda order: order >= 0,
    "<=": lambda order: order <= 0,
    "==": lambda order: order == 0,
    "=": lambda order: order == 0,
    "!=": lambda order: order != 0,
    ">": lambda order: order > 0,
    ">>": lambda order: order > 0,
    "<": lambda order: order < 0,
    "<<": lambda order: order < 0,
}


def is_comparison(wanted: str) -> bool:
    """Whether WANTED only bounds the version, so that apt can't be given it."""
    return any(_COMPARISON.fullmatch(part.strip()) for part in wanted.split(","))


def compare(left: str, right: str) -> int:
    """-1, 0 or 1, as LEFT is earlier than, the same as or later than RIGHT, by deb-version(7)."""
    (epoch1, up1, rev1), (epoch2, up2, rev2) = _split(left), _split(right)
    if epoch1 != epoch2:
        return -1 if epoch1 < epoch2 else 1
    return _compare_part(up1, up2) or _compare_part(rev1, rev2)


def _split(version: str) -> tuple[int, str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon or not epoch.isdigit():
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    return (int(epoch), upstream, revision) if dash else (int(epoch), rest, "0")


def _compare_part(left: str, right: str) -> int:
    pieces1, pieces2 = _pieces(left), _pieces(right)
    for index in range(max(len(pieces1), len(pieces2))):
        text1, number1 = pieces1[index] if index < len(pieces1) else ("", 0)
        text2, number2 = pieces2[index] if index < len(pieces2) else ("", 0)
        if order := _compare_text(text1, text2):
            return order
        if number1 != number2:
            return -1 if number1 < number2 else 1
    return 0


def _pieces(part: str) -> list[tuple[str, int]]:
    """PART as pairs of what is no digit and the number after it."""
    return [(text, int(digits or 0)) for text, digits in re.findall(r"([^0-9]*)([0-9]*)", part) if text or digits]


def _compare_text(left: str, right: str) -> int:
    """Character by character: `~` before the end, the end before letters, letters before all else."""
    for index in range(max(len(left), len(right))):
        weight1, weight2 = (_weight(text[index : index + 1]) for text in (left, right))
        if weight1 != weight2:
            return -1 if weight1 < weight2 else 1
    return 0


def _weight(char: str) -> int:
    if char == "~":
        return -1
    if not char:
        return 0
    return ord(char) if char.isascii() and char.isalpha() else ord(char) + 256


def parse_policy(text: str) -> dict[str, str]:
    """The candidate versions by package that `apt-cache policy` printed; a package without one is left out."""
    found, name = {}, ""
    for line in text.splitlines():
        if line and not line[0].isspace():
            name = line.rstrip(":")
        elif (stripped := line.strip()).startswith("Candidate:"):
            candidate = stripped.removeprefix("Candidate:").strip()
            if name and candidate != "(none)":
                found[name] = candidate
    return found
