"""The states of files that edit the text that is there: `file.append`, `replace`, `line`, `comment`, `keyvalue`, …"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modules import file
from modules._file.safe import absolute
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Unset
from saltern.converge.state import state
from states._file import line_edit as _edit
from states._file.accumulated import with_gathered
from states._file.contents import origin, rendered, template_text
from states._file.edit import appended, flag_bits, prepended, replaced
from states._file.edited import edited, source_text
from states._file.managed import SHOW_NOTHING
from states._file.shared import FileStateError, environment, unknown


def _missing(name: str, ignore: bool = False) -> Plan | None:
    """The plan where the file NAME is not there, which is fine if IGNORE."""
    if file.status(absolute(name)) is not None:
        return None
    if ignore:
        return Plan(None, None, comment=f"File {name} is not there")
    return unknown(f"there is no file {name}")


def _shown(show_changes: bool) -> str | None:
    return None if show_changes else SHOW_NOTHING


@state
def append(
    ctx: Context,
    name: str,
    *,
    text: str | Sequence[Any] = (),
    source: str | None = None,
    sources: Sequence[str] = (),
    template: str | None = None,
    context: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
    makedirs: bool = False,
    ignore_whitespace: bool = True,
    saltenv: str | Unset = UNSET,
) -> Plan:
    """The file NAME holds each of TEXT (one, or a list; each may have several lines); what it lacks is added at its
    end. A missing file is made. source, sources: files to take the text from; template, context, defaults: how they
    are rendered. ignore_whitespace: a line that differs only in
    blanks is the same."""
    text = source_text(ctx, text, source, saltenv, sources, template, {**(defaults or {}), **(context or {})})
    return edited(name, lambda old: appended(old, text, ignore_whitespace=ignore_whitespace), makedirs)


@state
def prepend(
    ctx: Context,
    name: str,
    *,
    text: str | Sequence[Any] = (),
    source: str | None = None,
    sources: Sequence[str] = (),
    template: str | None = None,
    context: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
    makedirs: bool = False,
    ignore_whitespace: bool = True,
    saltenv: str | Unset = UNSET,
) -> Plan:
    """As `file.append`; what the file lacks is added at its beginning."""
    text = source_text(ctx, text, source, saltenv, sources, template, {**(defaults or {}), **(context or {})})
    return edited(name, lambda old: prepended(old, text, ignore_whitespace=ignore_whitespace), makedirs)


@state
def replace(
    ctx: Context,
    name: str,
    *,
    pattern: str,
    repl: str,
    count: int = 0,
    flags: int | str | Sequence[str] = 8,
    append_if_not_found: bool = False,
    prepend_if_not_found: bool = False,
    not_found_content: str | None = None,
    ignore_if_missing: bool = False,
    backslash_literal: bool = False,
    backup: str | bool | None = None,
    show_changes: bool = True,
) -> Plan:
    """In the file NAME each match of the regular expression PATTERN is replaced by REPL (`\\1` names a group).

    count: only the first so many (0: all). flags: names of Python's `re` flags (default MULTILINE: `^` and `$` mean
    lines). append_if_not_found, prepend_if_not_found: where PATTERN matches nothing, add NOT_FOUND_CONTENT (default:
    REPL) as a line. backslash_literal: REPL is taken as it is. ignore_if_missing: a missing file is fine.
    A replacement that PATTERN would match and change again is refused, since each run would change the file. backup is
    taken for Salt's sake.
    """
    if file.status(absolute(name)) is None:
        if ignore_if_missing:
            return Plan(None, None, comment=f"File {name} is not there")
        return unknown(f"there is no file {name}; `ignore_if_missing: True` takes that as fine")
    bits = flag_bits(flags)
    return edited(
        name,
        lambda old: replaced(
            old,
            pattern,
            repl,
            count=count,
            flags=bits,
            append_if_not_found=append_if_not_found,
            prepend_if_not_found=prepend_if_not_found,
            not_found_content=not_found_content,
            backslash_literal=backslash_literal,
        ),
        hidden=_shown(show_changes),
    )


@state
def comment(
    ctx: Context,
    name: str,
    *,
    regex: str,
    char: str = "#",
    backup: str | bool | None = None,
    ignore_missing: bool = False,
    show_changes: bool = True,
) -> Plan:
    """In the file NAME each line in which REGEX is found begins with CHAR.

    ignore_missing: it is fine if no line matches. backup is taken for Salt's sake: `file.managed` keeps copies.
    """
    return _missing(name) or edited(
        name, lambda old: _edit.commented(old, regex, char, ignore_missing), hidden=_shown(show_changes)
    )


@state
def uncomment(
    ctx: Context,
    name: str,
    *,
    regex: str,
    char: str = "#",
    backup: str | bool | None = None,
    ignore_missing: bool = False,
    show_changes: bool = True,
) -> Plan:
    """In the file NAME each line that is CHAR and then what REGEX matches has no CHAR before it. As `file.comment`."""
    return _missing(name) or edited(
        name, lambda old: _edit.uncommented(old, regex, char, ignore_missing), hidden=_shown(show_changes)
    )


@state
def line(
    ctx: Context,
    name: str,
    *,
    mode: str,
    content: str | None = None,
    match: str | None = None,
    location: str | None = None,
    before: str | None = None,
    after: str | None = None,
    indent: bool = True,
    create: bool = False,
    quiet: bool = False,
    backup: str | bool | None = None,
    show_changes: bool = True,
) -> Plan:
    """One line of the file NAME.

    mode: `ensure` (CONTENT stands where BEFORE, AFTER or LOCATION say), `insert` (the same; a line between BEFORE and
    AFTER is left alone), `replace` (the lines in which MATCH is found are CONTENT), `delete` (there are none such).
    match, before, after: regular expressions; `before` and `after` have to mean one line each. Without MATCH, `replace`
    and `delete` look for CONTENT. location: `start` or `end` of the file. indent: keep the indentation of the line
    replaced, or of that beside. create: make a missing file. quiet: no line to act on is fine.
    """
    wanted = _edit.Line(
        mode=mode,
        content=content,
        match=match,
        location=location,
        before=before,
        after=after,
        indent=indent,
        quiet=quiet,
    )
    wanted.check()
    return (None if create else _missing(name)) or edited(
        name, lambda old: _edit.lined(old, wanted), hidden=_shown(show_changes)
    )


@state
def blockreplace(
    ctx: Context,
    name: str,
    *,
    marker_start: str = "#-- start managed zone --",
    marker_end: str = "#-- end managed zone --",
    content: str = "",
    source: str | None = None,
    template: str | None = "jinja",
    context: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
    append_if_not_found: bool = False,
    prepend_if_not_found: bool = False,
    insert_before_match: str | None = None,
    insert_after_match: str | None = None,
    append_newline: bool | None = None,
    ignore_if_missing: bool = False,
    backup: str | bool | None = None,
    show_changes: bool = True,
    saltenv: str | Unset = UNSET,
) -> Plan:
    """Between the lines with MARKER_START and MARKER_END the file NAME holds CONTENT, what `file.accumulated` gathers
    for it, and the text of SOURCE.

    template, context, defaults: how SOURCE is rendered, as `file.managed`. append_if_not_found, prepend_if_not_found,
    insert_before_match, insert_after_match: where to put the block with its markers if there is none.
    append_newline: whether CONTENT gets a newline at its end (None: if it has none).
    """
    content = with_gathered(ctx, content)
    if source is not None:
        found = origin(ctx, source, environment(ctx, saltenv))
        text = template_text(ctx, found)
        if template is not None:
            names = {"source": source, **(defaults or {}), **(context or {})}
            env = environment(ctx, saltenv)
            text = rendered(ctx, text, template, names, place=found.path, saltenv=env).decode()
        content += text
    wanted = _edit.Block(
        start=marker_start,
        end=marker_end,
        body=content,
        append=append_if_not_found,
        prepend=prepend_if_not_found,
        before=insert_before_match,
        after=insert_after_match,
        newline=append_newline,
    )
    return _missing(name, ignore_if_missing) or edited(
        name, lambda old: _edit.block_replaced(old, wanted), hidden=_shown(show_changes)
    )


@state
def keyvalue(
    ctx: Context,
    name: str,
    *,
    key: str | None = None,
    value: Any = None,
    key_values: Mapping[str, Any] | None = None,
    separator: str = "=",
    append_if_not_found: bool = False,
    prepend_if_not_found: bool = False,
    search_only: bool = False,
    show_changes: bool = True,
    ignore_if_missing: bool = False,
    count: int = 1,
    uncomment: str | None = None,
    key_ignore_case: bool = False,
    value_ignore_case: bool = False,
) -> Plan:
    """In the file NAME the lines `KEY SEPARATOR value` have VALUE; several by KEY_VALUES.

    count: how many lines with the key are changed (-1: all). uncomment: a line behind these characters counts too, and
    loses them. append_if_not_found, prepend_if_not_found: add a missing key as a line. search_only: change nothing.
    """
    if (key is None) == (key_values is None):
        raise FileStateError("name one of `key` (with `value`) and `key_values`")
    wanted = {str(key): value} if key_values is None else {str(name): one for name, one in key_values.items()}
    options = _edit.KeyOptions(
        separator=separator,
        append=append_if_not_found,
        prepend=prepend_if_not_found,
        search_only=search_only,
        count=count,
        uncomment=uncomment,
        key_ignore_case=key_ignore_case,
        value_ignore_case=value_ignore_case,
    )
    return _missing(name, ignore_if_missing) or edited(
        name, lambda old: _edit.keys_set(old, wanted, options), hidden=_shown(show_changes)
    )
