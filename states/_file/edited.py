"""A file whose text is made from the text that it has: what the states that edit files share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from modules import file
from modules._file.contents import Contents
from modules._file.safe import absolute
from saltern.context import Context
from saltern.converge.plan import Plan, Unset
from states._file import managed as _managed
from states._file.contents import origin, rendered, template_text
from states._file.shared import File, FileStateError, environment, missing_parent, unknown


def source_text(
    ctx: Context,
    text: str | Sequence[Any],
    source: str | None,
    saltenv: str | Unset,
    sources: Sequence[str] = (),
    template: str | None = None,
    variables: Mapping[str, Any] | None = None,
) -> str | Sequence[Any]:
    """TEXT, or that of SOURCE or of all SOURCES, rendered by TEMPLATE with VARIABLES. FileStateError where neither or
    both are given."""
    wanted = [*([source] if source else []), *sources]
    if bool(text) == bool(wanted):
        raise FileStateError("name one of `text` and `source`")
    if not wanted:
        return text
    env = environment(ctx, saltenv)
    found = []
    for one in wanted:
        place = origin(ctx, one, env)
        read = template_text(ctx, place)
        if template is not None:
            names = {"source": place.name, **(variables or {})}
            read = rendered(ctx, read, template, names, place=place.path, saltenv=env).decode()
        found.append(read)
    return found


def edited(name: str, edit: Callable[[str], str], makedirs: bool = False, hidden: str | None = None) -> Plan:
    """The plan that makes the text of the file NAME (a missing one is empty) what EDIT makes of it."""
    path = absolute(name)
    status = file.status(path)
    _managed.check_kind(path, status)
    if status is None and (reason := missing_parent(path, makedirs)):
        return unknown(reason)
    have = None if status is None else file.held(path, status.st_size)
    data = b"" if have is None else have.data
    if data is None:
        raise FileStateError(f"{path} is too long to be edited")
    body = Contents(edit(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape"))
    if have is not None and have == body:
        return Plan(File(have), File(have), comment=f"File {name} is in the correct state")
    body.hidden = hidden
    current, wish = None if have is None else File(have), File(body)
    return Plan(current, wish, _managed.steps(path, current, wish))
