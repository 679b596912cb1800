"""Texts made from other texts, line by line: what `file.line`, `file.comment` and their kin do to a file. Pure.

Each raises FileStateError where the file is not as the state takes for granted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from saltern.errors import nearest
from states._file.shared import FileStateError

MODES = ("ensure", "insert", "replace", "delete")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What `file.line` asks for."""

    mode: str
    content: str | None = None
    match: str | None = None
    location: str | None = None
    before: str | None = None
    after: str | None = None
    indent: bool = True
    quiet: bool = False

    def check(self) -> None:
        """FileStateError where the arguments don't fit together."""
        if self.mode not in MODES:
            known = ", ".join(MODES)
            raise FileStateError(f"there is no mode {self.mode!r} of file.line.{nearest(self.mode, MODES)} ({known})")
        if self.location not in (None, "start", "end"):
            raise FileStateError(f"location is start or end, not {self.location!r}")
        if self.content is None and (self.mode != "delete" or self.match is None):
            raise FileStateError(f"mode {self.mode} of file.line wants `content`")
        if "\n" in (self.content or "").rstrip("\n"):
            raise FileStateError("file.line writes one line; file.blockreplace writes several")
        if self.mode in ("ensure", "insert") and not (self.location or self.before or self.after):
            raise FileStateError(f"mode {self.mode} of file.line wants `before`, `after` or `location`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What `file.blockreplace` asks for: BODY between the lines with START and END; where else to put it."""

    start: str
    end: str
    body: str
    append: bool = False
    prepend: bool = False
    before: str | None = None
    after: str | None = None
    newline: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOptions:
    """How `file.keyvalue` looks for keys and what it does with them."""

    separator: str = "="
    append: bool = False
    prepend: bool = False
    search_only: bool = False
    count: int = 1
    uncomment: str | None = None
    key_ignore_case: bool = False
    value_ignore_case: bool = False


def commented(old: str, regex: str, char: str = "#", ignore_missing: bool = False) -> str:
    """OLD with CHAR before each line in which REGEX is found and that is no comment yet."""
    wanted = _compiled(regex)
    lines, found = [], False
    for text in old.splitlines(keepends=True):
        bare = text.lstrip()
        if bare.startswith(char):
            found = found or wanted.search(bare.removeprefix(char).strip()) is not None
        elif wanted.search(text.rstrip("\n")):
            found = True
            text = char + text
        lines.append(text)
    if not found and not ignore_missing:
        raise FileStateError(f"no line matches {regex!r}; `ignore_missing: True` takes that as fine")
    return "".join(lines)


def uncommented(old: str, regex: str, char: str = "#", ignore_missing: bool = False) -> str:
    """OLD without the CHAR (and blanks after it) before each line that REGEX matches from there on."""
    wanted = _compiled(regex.removeprefix("^"))
    lines, found = [], False
    for text in old.splitlines(keepends=True):
        bare = text.lstrip(" \t")
        if bare.startswith(char):
            inner = bare.removeprefix(char).lstrip(" \t")
            if wanted.match(inner.rstrip("\n")):
                found = True
                text = text[: len(text) - len(bare)] + inner
        else:
            found = found or wanted.match(bare.rstrip("\n")) is not None
        lines.append(text)
    if not found and not ignore_missing:
        raise FileStateError(f"no line matches {regex!r}; `ignore_missing: True` takes that as fine")
    return "".join(lines)


def lined(old: str, wanted: Line) -> str:
    """OLD with the line that WANTED asks for, or without it."""
    lines = old.splitlines()
    content = (wanted.content or "").rstrip("\n")
    if wanted.mode in ("replace", "delete"):
        found = [n for n, text in enumerate(lines) if _is_meant(text, wanted)]
        if wanted.mode == "replace" and not found and not wanted.quiet and not _stands(lines, content):
            raise FileStateError(f"no line matches {wanted.match or content!r}; `quiet: True` takes that as fine")
        if wanted.mode == "delete":
            return _joined([text for n, text in enumerate(lines) if n not in found], old)
        new = [_indented(content, text, wanted) if n in found else text for n, text in enumerate(lines)]
        return _joined(new, old)
    return _joined(_placed(lines, content, wanted), old)


def _placed(lines: list[str], content: str, wanted: Line) -> list[str]:
    """LINES with CONTENT where WANTED says."""
    if wanted.before and wanted.after:
        start, end = _one(lines, wanted.after, "after"), _one(lines, wanted.before, "before")
        if end <= start:
            raise FileStateError(f"the line of `before` ({wanted.before!r}) stands above that of `after`")
        between = lines[start + 1 : end]
        if _stands(between, content):
            return lines
        if wanted.mode == "ensure" and len(between) > 1:
            raise FileStateError(f"there are {len(between)} lines between `after` and `before`; one may be replaced")
        keep = between if wanted.mode == "insert" else []
        return [*lines[: start + 1], *keep, _indented(content, lines[start], wanted), *lines[end:]]
    if wanted.before or wanted.after:
        pattern, name = (wanted.before, "before") if wanted.before else (wanted.after, "after")
        at = _one(lines, pattern or "", name)
        beside = at - 1 if wanted.before else at + 1
        if 0 <= beside < len(lines) and lines[beside].strip() == content.strip():
            return lines
        where = at if wanted.before else at + 1
        return [*lines[:where], _indented(content, lines[at], wanted), *lines[where:]]
    if wanted.location == "start":
        if lines and lines[0].strip() == content.strip():
            return lines
        return [_indented(content, lines[0] if lines else "", wanted), *lines]
    if lines and lines[-1].strip() == content.strip():
        return lines
    return [*lines, _indented(content, lines[-1] if lines else "", wanted)]


def block_replaced(old: str, block: Block) -> str:
    """OLD with the body of BLOCK between its markers."""
    body = block.body
    if block.newline or (block.newline is None and body and not body.endswith("\n")):
        body += "\n"
    lines = old.splitlines(keepends=True)
    start = next((n for n, text in enumerate(lines) if block.start in text), None)
    if start is not None:
        end = next((n for n in range(start + 1, len(lines)) if block.end in lines[n]), None)
        if end is None:
            raise FileStateError(f"the block {block.start!r} has no end {block.end!r}")
        return "".join([*lines[: start + 1], body, *lines[end:]])
    if any(block.end in text for text in lines):
        raise FileStateError(f"there is an end {block.end!r} without its beginning {block.start!r}")
    whole = f"{block.start}\n{body}{block.end}\n"
    if block.prepend:
        return whole + old
    for pattern, offset in ((block.before, 0), (block.after, 1)):
        if pattern is not None:
            compiled = _compiled(pattern)
            at = next((n for n, text in enumerate(lines) if compiled.search(text.rstrip("\n"))), None)
            if at is not None:
                if not lines[at].endswith("\n"):
                    lines[at] += "\n"
                return "".join([*lines[: at + offset], whole, *lines[at + offset :]])
    if block.append:
        return old + ("" if not old or old.endswith("\n") else "\n") + whole
    raise FileStateError(f"there is no block {block.start!r}; `append_if_not_found: True` makes it")


def keys_set(old: str, wanted: Mapping[str, Any], options: KeyOptions) -> str:
    """OLD with the value of each key of WANTED on its line."""
    text = old
    for key, value in wanted.items():
        text = _key_set(text, key, _as_text(value), options)
    return text


def _key_set(old: str, key: str, value: str, options: KeyOptions) -> str:
    mark = f"(?:{re.escape(options.uncomment)}[ \\t]*)?" if options.uncomment else ""
    separator = re.escape(options.separator) if options.separator.strip() else r"[ \t]+"
    pattern = re.compile(
        rf"^([ \t]*){mark}({re.escape(key)})([ \t]*{separator}[ \t]*)(.*?)([ \t]*)$",
        re.MULTILINE | (re.IGNORECASE if options.key_ignore_case else 0),
    )
    matches = list(pattern.finditer(old))
    if matches:
        marked = [found for found in matches if options.uncomment and found[0].lstrip().startswith(options.uncomment)]
        real = [found for found in matches if found not in marked] or matches
        chosen = real if options.count < 0 else real[: max(1, options.count)]
        parts, at = [], 0
        for found in chosen:
            same = found[4].lower() == value.lower() if options.value_ignore_case else found[4] == value
            if options.search_only or (same and found not in marked):
                continue
            parts += [old[at : found.start()], f"{found[1]}{found[2]}{found[3]}{found[4] if same else value}"]
            at = found.end()
        return "".join(parts) + old[at:]
    if options.search_only or not (options.append or options.prepend):
        raise FileStateError(f"there is no line with the key {key!r}; `append_if_not_found: True` adds it")
    added = f"{key}{options.separator}{value}\n"
    if options.prepend:
        return added + old
    return old + ("" if not old or old.endswith("\n") else "\n") + added


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_meant(text: str, wanted: Line) -> bool:
    if wanted.match is not None:
        return _compiled(wanted.match).search(text) is not None
    return (wanted.content or "").strip() in text


def _stands(lines: list[str], content: str) -> bool:
    return any(text.strip() == content.strip() for text in lines)


def _one(lines: list[str], pattern: str, name: str) -> int:
    """The number of the one line that PATTERN means."""
    compiled = _compiled(pattern)
    found = [n for n, text in enumerate(lines) if compiled.search(text)]
    if len(found) != 1:
        what = "no line matches" if not found else f"{len(found)} lines match"
        raise FileStateError(f"{what} `{name}: {pattern}`; it has to mean one")
    return found[0]


def _indented(content: str, beside: str, wanted: Line) -> str:
    if not wanted.indent:
        return content
    return beside[: len(beside) - len(beside.lstrip())] + content.lstrip()


def _joined(lines: list[str], old: str) -> str:
    """LINES as a text; it ends with a newline unless OLD had none."""
    text = "\n".join(lines)
    return text if not text or (old and not old.endswith("\n") and old.splitlines() == lines) else text + "\n"


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise FileStateError(f"not a regular expression: {pattern!r}: {error}") from None
