"""Compiles and runs one Jinja template, explains its errors, and finds the written line of a rendered one.

Imported only where a text holds template marks; see `environment`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from types import CodeType, TracebackType
from typing import Any, NoReturn

from jinja2 import Template, TemplateNotFound, TemplateSyntaxError, UndefinedError

from saltern.errors import NoValue, SalternError, SourceError, nearest
from saltern.marks import ActedWhilePlanning
from saltern.sls.desk import rendering
from saltern.sls.environment import TEXT_LIMIT, TemplateEnvironment
from saltern.sls.fence import TOO_BIG, fence
from saltern.sls.source import Source, excerpt

_SEARCH = 400  # lines that the search for a rendered line looks ahead
_TOO_DEEP = "the template calls itself without an end"


def compiled(environment: TemplateEnvironment, text: str, file: str, sources: Mapping[str, str]) -> CodeType:
    """TEXT as code. SourceError for what Jinja can't read."""
    try:
        code = environment.compile(text, name=file, filename=file)
    except TemplateSyntaxError as error:
        raise _syntax(error, file, {**sources, file: text}, environment) from None
    except RecursionError:
        raise Source(file, text).error("the template is nested too deep", 0) from None
    assert isinstance(code, CodeType)
    return code


@rendering
def rendered(
    environment: TemplateEnvironment,
    code: CodeType,
    text: str,
    file: str,
    names: Mapping[str, Any],
    sources: Mapping[str, str],
) -> Source:
    """What the template gives with NAMES, and the way back to its lines. SourceError for every error in it."""
    environment.turns = 0
    template = Template.from_code(environment, code, environment.make_globals(dict(names)))
    context = template.new_context()
    flow = template.root_render_func(context)
    chunks: list[str] = []
    instructions: list[int] = []
    size = 0
    try:
        with fence():
            for chunk in flow:
                chunks.append(chunk)
                frame = flow.gi_frame  # type: ignore[attr-defined]
                instructions.append(frame.f_lasti if frame else 0)
                size += len(chunk)
                if size > TEXT_LIMIT:
                    break
    except Exception as error:  # whatever an expression of a user may raise: it is told with its line
        _explain(error, file, text, sources, context)
    run = flow.gi_code  # type: ignore[attr-defined]
    if size > TEXT_LIMIT:
        line = template.get_corresponding_lineno(frame.f_lineno) if frame else 1
        message = f"the template gives more than {TEXT_LIMIT} characters: is there an end?"
        raise Source(file, text).error(message, line - 1)
    return Source(file, text, "".join(chunks), lambda: _written_lines(template, run, chunks, instructions, text))


def _explain(error: Exception, file: str, text: str, sources: Mapping[str, str], context: Any) -> NoReturn:
    name, line = _last_line(error.__traceback__, file)
    if isinstance(error, SourceError):
        _pass_on(error, name, line, sources.get(name, text))
    if isinstance(error, TemplateSyntaxError):
        raise _syntax(error, file, {**sources, file: text}) from None
    message, hint = _words(error, context)
    if name != file:
        _, used = _last_line(error.__traceback__, file, within=file)
        hint = f"{hint} Used at {file}:{used}.".lstrip()
    source = Source(name, sources.get(name, text))
    told = source.error(message, line - 1, _column(source.text, line - 1, message), hint)
    if isinstance(error, UndefinedError | ActedWhilePlanning):
        raise NoValue(
            told.message, file=told.file, line=told.line, column=told.column, excerpt=told.excerpt, hint=told.hint
        ) from None
    raise told from None


def _words(error: Exception, context: Any) -> tuple[str, str]:
    """What to say of ERROR, and the hint."""
    message = getattr(error, "message", None) or str(error)
    if isinstance(error, UndefinedError):
        found = re.fullmatch(r"'([^']*)' is undefined", message)
        if found:
            known = nearest(found[1], [*context.get_all(), *context.exported_vars])
            return (
                f"the variable {found[1]!r} is undefined.{known}",
                "Give a default where it may be missing: | default(…)",
            )
        return message, ""
    if isinstance(error, TemplateNotFound):
        return (message if message != error.name else f"there is no template {error.name!r}"), ""
    if isinstance(error, RecursionError):
        return _TOO_DEEP, ""
    if isinstance(error, MemoryError):
        return TOO_BIG, ""
    if isinstance(error, ActedWhilePlanning):
        return f"a template may only read here: {message}", ""
    if isinstance(error, SalternError) or type(error).__module__.startswith(("jinja2", "saltern")):
        return message, ""
    if isinstance(error, KeyError):
        return f"there is no key {message}", ""
    return f"{type(error).__name__}: {message}" if message else type(error).__name__, ""


def _pass_on(error: SourceError, name: str, line: int, text: str) -> NoReturn:
    """An error of a text that this template loaded: with its own place where it has one, and where it was loaded."""
    if error.file is not None and not error.file.startswith("<"):
        hint = " ".join(part for part in (error.hint, f"Imported at {name}:{line}.") if part)
        raise SourceError(
            error.message, file=error.file, line=error.line, column=error.column, excerpt=error.excerpt, hint=hint
        ) from None
    shown = excerpt(text, line - 1)
    if error.excerpt:
        shown += f"\nloaded text, line {error.line}:\n{error.excerpt}"
    raise SourceError(error.message, file=name, line=line, excerpt=shown, hint=error.hint) from None


def _syntax(
    error: TemplateSyntaxError, file: str, sources: Mapping[str, str], environment: TemplateEnvironment | None = None
) -> SourceError:
    name = error.name or file
    message = str(error.message)
    hint = ""
    unknown = re.fullmatch(r"No (filter|test) named '([^']*)'\.", message)
    if unknown and environment is not None:
        message += nearest(unknown[2], environment.filters if unknown[1] == "filter" else environment.tests)
    if "Unexpected end of template" in message:
        hint = "A block is not closed."
    text = sources.get(name, "")
    column = _column(text, error.lineno - 1, message)
    return Source(name, text).error(f"Jinja: {message}", error.lineno - 1, column, hint)


def _column(text: str, line: int, message: str) -> int | None:
    """Where in LINE of TEXT stands what MESSAGE is about: the first name that it quotes, else the first expression."""
    lines = text.splitlines()
    written = lines[line] if 0 <= line < len(lines) else ""
    for word in re.findall(r"'([^']+)'", message):
        found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", written)
        if found:
            return found.start()
    begins = re.search(r"\{[{%]", written)
    return begins.start() if begins else None


def _last_line(traceback: TracebackType | None, file: str, within: str | None = None) -> tuple[str, int]:
    """The template and its line that ran last, innermost; with WITHIN, of that template alone."""
    found = (file, 1)
    while traceback is not None:
        template = traceback.tb_frame.f_globals.get("__jinja_template__")
        if template is not None and within in (None, template.name):
            found = (template.name or file, template.get_corresponding_lineno(traceback.tb_lineno))
        traceback = traceback.tb_next
    return found


def _written_lines(
    template: Template, code: CodeType, chunks: Sequence[str], instructions: Sequence[int], text: str
) -> list[int]:
    """For each rendered line (from 0) the line of TEXT that it came from: each piece of output was yielded by an
    instruction whose template line is known up to the tag before it. What stands so in TEXT from there on was copied,
    line by line; of anything else the first line that holds the same text is taken."""
    ranges = sorted((start, line or 1) for start, _, line in code.co_lines())
    starts = [start for start, _ in ranges]
    known: dict[int, int] = {}  # instruction → line of TEXT
    written = text.splitlines()
    stripped = [line.strip() for line in written]
    starts_of = [0, *(found.end() for found in re.finditer("\n", text))]
    copies: dict[tuple[int, str], int | None] = {}
    lines = [0]
    settled = False  # whether the current rendered line has found its origin
    for chunk, instruction in zip(chunks, instructions, strict=True):
        if instruction not in known:
            python_line = ranges[bisect_right(starts, instruction) - 1][1]
            line = template.get_corresponding_lineno(python_line) - 1
            known[instruction] = min(max(line, 0), max(len(written) - 1, 0))
        at, copied = known[instruction], False
        if "\n" in chunk:
            if (instruction, chunk) not in copies:
                copies[instruction, chunk] = _copied(chunk, text, starts_of, at)
            copied = copies[instruction, chunk] is not None
            at = copies[instruction, chunk] or at
        for number, piece in enumerate(chunk.split("\n")):
            if number:
                at += copied
                lines.append(at)
                settled = False
            wanted = piece.strip()
            if not wanted:
                continue
            if not copied:
                at = _found(wanted, written, stripped, at)
            if not settled:
                lines[-1] = at
                settled = True
    return lines


def _copied(chunk: str, text: str, starts: Sequence[int], line: int) -> int | None:
    """The line at which CHUNK stands in TEXT, from LINE on; STARTS are the offsets of the lines. None: nowhere."""
    offset = text.find(chunk, starts[min(line, len(starts) - 1)])
    return None if offset < 0 else bisect_right(starts, offset) - 1


def _found(wanted: str, written: Sequence[str], stripped: Sequence[str], at: int) -> int:
    """The first line from AT on that holds WANTED, else AT."""
    if at < len(stripped) and stripped[at] == wanted:
        return at
    return next((number for number in range(at, min(at + _SEARCH, len(written))) if wanted in written[number]), at)
