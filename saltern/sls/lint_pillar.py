"""Pillar keys that templates name and that no pillar file gives: most are slips of the pen.

A key is looked for by its first part alone, since what lies below it may be another minion's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from saltern.context import FileSource
from saltern.errors import NoValue, nearest
from saltern.sls.source import excerpt

_USES = (  # without a default: whoever writes one knows that the key may be missing
    re.compile(r"""\bpillar\[\s*(?P<quote>['"])(?P<key>[^'"]+)(?P=quote)\s*\]"""),
    re.compile(r"""(?<!['".])\bpillar\.(?!get\b|items\b|keys\b|values\b)(?P<key>[A-Za-z]\w*)\b(?!\s*\()"""),
    re.compile(
        r"""\bsalt(?:\[\s*['"]pillar\.get['"]\s*\]|\.pillar\.get)\(\s*(?P<quote>['"])(?P<key>[^'"]+)(?P=quote)\s*\)"""
    ),
)
_DEFINED = re.compile(r"^(?P<quote>['\"]?)(?P<key>[^\s#'\"{}\[\]][^:'\"]*)(?P=quote)\s*:(?:\s|$)", re.MULTILINE)
_BELOW = re.compile(r"^\s*key:\s*['\"]?([^\s'\":]+)", re.MULTILINE)
_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_CODE = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
_GUARD = re.compile(r"\bdefault\b|\bd\(|\bis (?:not )?(?:un)?defined\b|\bin pillar\b")


def given_keys(files: FileSource) -> set[str]:
    """The first parts of all keys that the pillar tree FILES gives to anyone."""
    found: set[str] = set()
    for env in files.environments():
        for path in files.list(env):
            if path.endswith(".sls") and path != "top.sls":
                with open(files.local(path, env), encoding="utf-8", errors="replace") as file:
                    text = file.read()
                found.update(match["key"].strip() for match in _DEFINED.finditer(text))
                found.update(_BELOW.findall(text))
    return found - {"include"}


def unknown_keys(file: str, text: str, known: Iterable[str]) -> Iterator[NoValue]:
    """Where the template TEXT, the file FILE, uses a pillar key that is not among KNOWN."""
    known = set(known)
    plain = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    for code in _CODE.finditer(plain):
        if _GUARD.search(code[0]):
            continue
        for pattern in _USES:
            for use in pattern.finditer(code[0]):
                key = use["key"].partition(":")[0]
                if key not in known:
                    at = code.start() + use.start()
                    line, column = plain.count("\n", 0, at), at - (plain.rfind("\n", 0, at) + 1)
                    yield NoValue(
                        f"no pillar file gives {key!r}.{nearest(key, known)}",
                        file=file,
                        line=line + 1,
                        column=column + 1,
                        excerpt=excerpt(text, line, column),
                    )
