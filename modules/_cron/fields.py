"""What may stand in a line of a crontab: the fields that say when, commands, comments, names (crontab(5))."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from modules._cron.crontab import IDENTIFIER, Job, comment_words
from saltern.errors import PermanentError, nearest

SPECIALS = ("@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
RANDOM = "random"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(?:\*|([0-9]{1,2}|[A-Za-z]{3})(?:-([0-9]{1,2}|[A-Za-z]{3}))?)(?:/([0-9]{1,2}))?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TEXT_LIMIT = 998  # cron's own for a command


class BadCron(PermanentError):
    """A crontab can't hold this; ARGUMENT of the state or function is to blame."""

    def __init__(self, message: str, argument: str) -> None:
        super().__init__(message)
        self.argument = argument


class Field(NamedTuple):
    """What a field takes: numbers from LOW to HIGH, and NAMES for those from LOW on."""

    low: int
    high: int
    names: tuple[str, ...] = ()


FIELDS: Mapping[str, Field] = {
    "minute": Field(0, 59),
    "hour": Field(0, 23),
    "daymonth": Field(1, 31),
    "month": Field(1, 12, _MONTHS),
    "dayweek": Field(0, 7, _DAYS),
}


def when(times: Mapping[str, str | int], special: str | None) -> str:
    """The five fields of TIMES as a crontab has them, or SPECIAL. BadCron for what cron does not know."""
    if special is not None:
        for name, value in times.items():
            if str(value).strip() != "*":
                raise BadCron(f"`special` says when the job runs; leave `{name}` out", name)
        if special not in SPECIALS:
            raise BadCron(f"special: there is no {special!r} in cron.{nearest(special, SPECIALS)}", "special")
        return special
    return " ".join(field(name, times.get(name, "*")) for name in FIELDS)


def field(name: str, value: str | int) -> str:
    """VALUE if it can stand in the field NAME. BadCron otherwise."""
    text, known = str(value).strip(), FIELDS[name]
    if text == RANDOM:
        return text
    for part in text.split(","):
        if reason := _wrong(part, known):
            raise BadCron(f"{name}: {text!r} is not what cron takes: {reason}", name)
    return text


def drawn(name: str, seed: str) -> str:
    """A number for the field NAME, always the same for a SEED."""
    import hashlib

    low, high, _ = FIELDS[name]
    count = (6 if name == "dayweek" else 28 if name == "daymonth" else high) - low + 1  # each month has 28 days
    return str(low + int.from_bytes(hashlib.sha256(f"{name}\0{seed}".encode()).digest()[:8], "big") % count)


def settled(wanted: str, have: str | None, seed: str) -> str:
    """WANTED (`when`) with a number for each `random`: the one that is there (HAVE) if it is one, else drawn by
    SEED."""
    fields = wanted.split(" ")
    old = (have or "").split(" ")
    for index, name in enumerate(FIELDS if len(fields) == len(FIELDS) else ()):
        if fields[index] == RANDOM:
            kept = len(old) == len(FIELDS) and old[index].isascii() and old[index].isdigit()
            fields[index] = old[index] if kept else drawn(name, seed)
    return " ".join(fields)


def job(cmd: str, when: str, identifier: str | None = None, comment: str | None = None, commented: bool = False) -> Job:
    """The job of these parts. BadCron where one can't stand in a crontab."""
    _one_line("the command", cmd, "name")
    if not cmd.strip():
        raise BadCron("a job without a command", "name")
    if len(cmd.encode("utf-8", "surrogateescape")) > _TEXT_LIMIT:
        raise BadCron(f"the command is longer than cron takes ({_TEXT_LIMIT} bytes): put it into a script", "name")
    if identifier is not None:
        _one_line("identifier", identifier, "identifier")
        if IDENTIFIER in identifier or not identifier.strip():
            raise BadCron(f"identifier: {identifier!r} can't be one", "identifier")
    words = comment_words(comment or "")
    for line in words.split("\n"):
        _one_line("comment", line, "comment")
    if IDENTIFIER in words:
        raise BadCron(f"a comment must not hold {IDENTIFIER}", "comment")
    return Job(when, cmd.strip(), None if identifier is None else identifier.strip(), words, commented)


def variable(name: str) -> str:
    """NAME if it can be one of a variable. BadCron otherwise."""
    if not _VARIABLE.fullmatch(name):
        raise BadCron(f"not the name of a variable: {name!r}", "name")
    return name


def variable_value(value: str) -> str:
    """VALUE if a variable of a crontab can have it. BadCron otherwise; it is not shown, since it may be a secret."""
    if any(_is_control(char) for char in value):
        raise BadCron("value: a variable of a crontab is one line, without control characters", "value")
    if len(value.encode("utf-8", "surrogateescape")) > _TEXT_LIMIT:
        raise BadCron(f"value: longer than cron takes ({_TEXT_LIMIT} bytes)", "value")
    return value


def _wrong(part: str, known: Field) -> str | None:
    """Why PART, between the commas of a field, is none; None if it is one."""
    found = _PART.fullmatch(part)
    if found is None:
        return f"{part!r} is no number, range (1-5), `*` or step (*/5)"
    first, last, step = found.groups()
    numbers = []
    for word in (first, last):
        if word is not None:
            number = _number(word, known)
            if number is None:
                names = f", {known.names[0]} to {known.names[-1]}" if known.names else ""
                return f"{word} is not one of {known.low} to {known.high}{names}"
            numbers.append(number)
    if len(numbers) == 2 and numbers[0] > numbers[1]:
        return f"{part} begins after its end"
    if step is not None and (last is None and first is not None):
        return f"{part}: a step is one of `*` or of a range"
    return f"{part}: a step of 0 is none" if step is not None and int(step) == 0 else None


def _number(word: str, known: Field) -> int | None:
    if word.isdigit():
        return int(word) if known.low <= int(word) <= known.high else None
    return known.low + known.names.index(word.lower()) if word.lower() in known.names else None


def _one_line(what: str, text: str, argument: str) -> None:
    if any(_is_control(char) for char in text):
        raise BadCron(f"{what} is one line, without control characters: {text!r}", argument)


def _is_control(char: str) -> bool:
    return (ord(char) < 32 and char != "\t") or ord(char) == 127
