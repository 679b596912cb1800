"""A crontab as text: which of its lines are managed, and how jobs and variables come into it and leave it.

What stands above the mark is somebody else's and stays as it is. Below it, a job is a line of crontab(5) with the
comments right above it; a comment may end with an identifier. These are the forms that Salt reads and writes, so that
each takes over what the other wrote. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

MARK = "# Lines below here are managed by Salt, do not edit"
DISABLED = "#DISABLED#"
IDENTIFIER = "SALT_CRON_IDENTIFIER"
_NO_IDENTIFIER = "NO ID SET"  # what old versions of Salt wrote for none
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_FIELD = r"([-0-9A-Za-z*,/~]+)[ \t]+"
_JOB = re.compile(rf"[ \t]*{_FIELD * 5}(\S.*?)[ \t]*")
_SPECIAL = re.compile(r"[ \t]*(@[A-Za-z_]+)[ \t]+(\S.*?)[ \t]*")
_ENV = re.compile(r"""[ \t]*(["']?)([A-Za-z_][A-Za-z0-9_]*)\1[ \t]*=[ \t]*(.*?)[ \t]*""")


@dataclass(frozen=True, slots=True)
class Job:
    """A command and when it runs: five fields with a space between, or `@daily` and its like. COMMENTED: it is kept,
    and does not run."""

    when: str
    cmd: str
    identifier: str | None = None
    comment: str = ""
    commented: bool = False

    def is_of(self, cmd: str, identifier: str | None) -> bool:
        """Whether it is the job that CMD and IDENTIFIER mean: by its identifier if it has one, else by its command."""
        return self.identifier == identifier if self.identifier is not None else self.cmd == cmd

    @property
    def lines(self) -> tuple[str, ...]:
        """What it looks like in a crontab."""
        words = [*self.comment.split("\n")] if self.comment else []
        if self.identifier is not None:
            words = [*words[:-1], f"{words[-1] if words else ''} {IDENTIFIER}:{self.identifier}".strip()]
        mark = DISABLED if self.commented else ""
        return (*(f"# {word}".rstrip() + "\n" for word in words), f"{mark}{self.when} {self.cmd}\n")


@dataclass(frozen=True, slots=True)
class Env:
    """A variable of the jobs below it; VALUE as it stands in the crontab, with its quotes."""

    name: str
    value: str


class Part(NamedTuple):
    """Lines that belong together, and what they are; None for those that are left as they are."""

    lines: tuple[str, ...]
    value: Job | Env | None = None


def parse(text: str) -> list[Part]:
    """The parts of a crontab; their lines joined are the TEXT."""
    parts: list[Part] = []
    comments: list[str] = []
    below = False
    for line in _LINE.findall(text):
        body = line.removesuffix("\n")
        value = _parsed(body, comments) if below else None
        if below and value is None and body.startswith("#") and body != MARK:
            comments.append(line)
            continue
        if isinstance(value, Job):
            parts.append(Part((*comments, line), value))
        else:
            parts += [*(Part((comment,)) for comment in comments), Part((line,), value)]
        comments.clear()
        below = below or body == MARK
    return parts + [Part((comment,)) for comment in comments]


def render(parts: Sequence[Part]) -> str:
    """The crontab of PARTS. A comment that is nobody's stays so: a blank line comes before a job right below it."""
    found: list[str] = []
    for before, part in zip([Part(()), *parts], parts, strict=False):
        if isinstance(part.value, Job) and before.value is None and _is_comment(before):
            found.append("\n")
        found += part.lines
    return "".join(found)


def jobs(text: str) -> tuple[Job, ...]:
    """The managed jobs."""
    return tuple(part.value for part in parse(text) if isinstance(part.value, Job))


def variables(text: str) -> tuple[Env, ...]:
    """The managed variables."""
    return tuple(part.value for part in parse(text) if isinstance(part.value, Env))


def job_of(text: str, cmd: str, identifier: str | None) -> Job | None:
    """The managed job that CMD and IDENTIFIER mean; the first of several."""
    return next((job for job in jobs(text) if job.is_of(cmd, identifier)), None)


def with_job(text: str, wanted: Job, *, keep_comment: bool = False) -> str:
    """TEXT with the job WANTED in the place of what was it; the last if it is new. KEEP_COMMENT: one that is there
    stays."""
    found: list[Part] = []
    placed = False
    for part in parse(text):
        if not isinstance(part.value, Job) or not part.value.is_of(wanted.cmd, wanted.identifier):
            found.append(part)
        elif not placed:
            job = replace(wanted, comment=part.value.comment) if keep_comment else wanted
            found.append(part if part.value == job else Part(job.lines, job))
            placed = True
    if not placed:
        found = [*_marked(found), Part(wanted.lines, wanted)]
    return render(found)


def without_job(text: str, cmd: str, identifier: str | None) -> str:
    """TEXT without the job that CMD and IDENTIFIER mean."""
    kept = [part for part in parse(text) if not (isinstance(part.value, Job) and part.value.is_of(cmd, identifier))]
    return render(_unmarked(kept)) if render(kept) != text else text


def with_env(text: str, wanted: Env) -> str:
    """TEXT with the variable WANTED, before the first job if it is new."""
    found: list[Part] = []
    placed = False
    for part in parse(text):
        if not isinstance(part.value, Env) or part.value.name != wanted.name:
            found.append(part)
        elif not placed:
            found.append(part if part.value == wanted else Part((env_line(wanted),), wanted))
            placed = True
    if not placed:
        found = _marked(found)
        place = next((index for index, part in enumerate(found) if isinstance(part.value, Job)), len(found))
        found.insert(place, Part((env_line(wanted),), wanted))
    return render(found)


def without_env(text: str, name: str) -> str:
    """TEXT without the variable NAME."""
    kept = [part for part in parse(text) if not (isinstance(part.value, Env) and part.value.name == name)]
    return render(_unmarked(kept)) if render(kept) != text else text


def with_masked(text: str, name: str) -> str:
    """TEXT to be shown, without the value of the variable NAME."""
    masked = (f"{name}=…\n",)
    return render(
        [
            part._replace(lines=masked) if isinstance(part.value, Env) and part.value.name == name else part
            for part in parse(text)
        ]
    )


def env_line(env: Env) -> str:
    """What a variable looks like in a crontab."""
    return f"{env.name}={env.value}\n"


def env_text(value: str) -> str:
    """VALUE as a crontab has it: quoted where cron would take its ends away, and where it is empty."""
    bare = bool(value) and value == value.strip() and value[0] not in "\"'"
    return value if bare or (len(value) > 1 and value[0] == value[-1] and value[0] in "\"'") else f'"{value}"'


def comment_words(text: str) -> str:
    """A comment as it comes back from a crontab: its lines without marks and blanks around them."""
    return "\n".join(line.lstrip("# ").rstrip() for line in text.split("\n")).strip("\n")


def _parsed(body: str, comments: Sequence[str]) -> Job | Env | None:
    """What a line below the mark is; COMMENTS are the lines right above."""
    bare = body.removeprefix(DISABLED)
    if found := _SPECIAL.fullmatch(bare):
        when, cmd = found.groups()
    elif found := _JOB.fullmatch(bare):
        *fields, cmd = found.groups()
        when = " ".join(fields)
    else:
        found = _ENV.fullmatch(body)
        return Env(found[2], found[3]) if found else None
    identifier, comment = _described(comments)
    return Job(when, cmd, identifier, comment, bare != body)


def _described(comments: Sequence[str]) -> tuple[str | None, str]:
    """The identifier and the comment that the lines COMMENTS hold."""
    identifier: str | None = None
    words = []
    for line in comments:
        word, found, after = line.partition(IDENTIFIER)
        if found:
            identifier = after.strip().removeprefix(":").strip()
        words.append(word)
    return (None if identifier in ("", _NO_IDENTIFIER) else identifier), comment_words("\n".join(_bare(words)))


def _bare(lines: Sequence[str]) -> Iterator[str]:
    return (line.removesuffix("\n") for line in lines)


def _marked(parts: list[Part]) -> list[Part]:
    """PARTS with the mark, and with a newline at their end."""
    if parts and not parts[-1].lines[-1].endswith("\n"):
        last = parts[-1]
        parts = [*parts[:-1], last._replace(lines=(*last.lines[:-1], last.lines[-1] + "\n"))]
    return parts if any(_is_mark(part) for part in parts) else [*parts, Part((MARK + "\n",))]


def _unmarked(parts: list[Part]) -> list[Part]:
    """PARTS without the mark, where nothing is left below it."""
    return parts[:-1] if parts and _is_mark(parts[-1]) else parts


def _is_mark(part: Part) -> bool:
    return part.value is None and part.lines[0].removesuffix("\n") == MARK


def _is_comment(part: Part) -> bool:
    return bool(part.lines) and part.lines[0].startswith("#") and not _is_mark(part)
