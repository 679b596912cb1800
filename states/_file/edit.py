"""Texts made from other texts: what `file.append`, `file.prepend` and `file.replace` do to a file's contents. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from states._file.shared import FileStateError


def blocks(text: str | Sequence[object]) -> list[str]:
    """TEXT, one or several, each without its last newline."""
    several = [text] if isinstance(text, str) else list(text)
    return [str(one).replace("\r\n", "\n").removesuffix("\n") for one in several]


def holds(old: str, block: str, *, ignore_whitespace: bool) -> bool:
    """Whether OLD has the lines of BLOCK, one after the other. IGNORE_WHITESPACE: any run of blanks is like another,
    and those at the ends of a line don't count."""
    if not block.strip():
        return block == "" or f"\n{block}\n" in f"\n{old}\n"
    if not ignore_whitespace:
        return f"\n{block}\n" in f"\n{old}\n"
    wanted = [line.split() for line in block.split("\n")]
    have = [line.split() for line in old.split("\n")]
    return any(have[at : at + len(wanted)] == wanted for at in range(len(have) - len(wanted) + 1))


def appended(old: str, text: str | Sequence[object], *, ignore_whitespace: bool = True) -> str:
    """OLD with each of TEXT that it does not hold added at its end."""
    new = old
    for block in blocks(text):
        if not holds(new, block, ignore_whitespace=ignore_whitespace):
            new += ("" if not new or new.endswith("\n") else "\n") + block + "\n"
    return new


def prepended(old: str, text: str | Sequence[object], *, ignore_whitespace: bool = True) -> str:
    """OLD with those of TEXT that it does not hold added before it, in their order."""
    missing = [block for block in blocks(text) if not holds(old, block, ignore_whitespace=ignore_whitespace)]
    return "".join(block + "\n" for block in missing) + old


def replaced(
    old: str,
    pattern: str,
    repl: str,
    *,
    count: int = 0,
    flags: int = re.MULTILINE,
    append_if_not_found: bool = False,
    prepend_if_not_found: bool = False,
    not_found_content: str | None = None,
    backslash_literal: bool = False,
) -> str:
    """OLD with the first COUNT (0: all) matches of PATTERN replaced by REPL ("\\1" names a group).

    Where PATTERN is not found, NOT_FOUND_CONTENT (default: REPL) is added as a line, unless it is there. FileStateError
    for a wrong expression, and where the result would match again and so be changed by each run.
    """
    replacement = repl.replace("\\", "\\\\") if backslash_literal else repl
    try:
        compiled = re.compile(pattern, flags)
        new, found = compiled.subn(replacement, old, count=count)
        again = compiled.sub(replacement, new, count=count)
    except (re.error, IndexError) as error:
        raise FileStateError(f"not a pattern and replacement: {pattern!r}, {repl!r}: {error}") from None
    if not found and (append_if_not_found or prepend_if_not_found):
        line = repl if not_found_content is None else not_found_content
        add = appended if append_if_not_found else prepended
        return add(old, line, ignore_whitespace=False)
    if again != new:
        raise FileStateError(
            f"the pattern {pattern!r} matches its own replacement, so each run would change the file again: anchor it, "
            "or match the line as a whole"
        )
    return new


def flag_bits(flags: int | str | Sequence[str]) -> int:
    """The number of FLAGS: names of Python's `re` ("MULTILINE", "IGNORECASE", "DOTALL"), or the number itself."""
    if isinstance(flags, int):
        return flags
    bits = 0
    for name in [flags] if isinstance(flags, str) else flags:
        found = getattr(re, name.upper(), None)
        if not isinstance(found, re.RegexFlag):
            raise FileStateError(f"there is no flag {name!r}: IGNORECASE, MULTILINE, DOTALL, VERBOSE, ASCII")
        bits |= int(found)
    return bits
