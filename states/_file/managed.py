"""How `file.managed` gets from its arguments to a wish, and from a file to another."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from modules import file
from modules._file.contents import Contents
from modules._file.safe import kind_of
from saltern.context import Context
from saltern.converge.plan import UNSET, Step, Unset, call
from states._file.contents import UNCHECKED, Checked, Origin, inline, looked_up, origin, rendered_file, template_text
from states._file.shared import Attributes, File, FileStateError, Mode, attribute_steps, parent_steps

SHOW_NOTHING = "show_changes=False"


class Sourced(NamedTuple):
    """Where the contents come from: at most one of the four, and how it is treated. See `file.managed`."""

    source: str | Sequence[Any] | None = None
    contents: Any = None
    contents_pillar: str | None = None
    contents_grains: str | None = None
    delimiter: str = ":"
    newline: bool = True
    template: str | None = None
    variables: Mapping[str, Any] | None = None
    saltenv: str = "base"
    show_changes: bool = True
    allow_empty: bool = True
    checked: Checked = UNCHECKED
    given: Mapping[str, Any] = MappingProxyType({})  # further names for a template, by Salt's custom: user, group, mode


def origin_of(ctx: Context, sourced: Sourced) -> Origin | None:
    """The source that exists, or None where the contents come from elsewhere. FileStateError where two are named."""
    named = [
        name
        for name in ("source", "contents", "contents_pillar", "contents_grains")
        if getattr(sourced, name) not in (None, [], ())
    ]
    if len(named) > 1:
        raise FileStateError(f"{' and '.join(named)} say two different things: name one of them")
    return origin(ctx, sourced.source, sourced.saltenv, sourced.checked) if sourced.source else None


def wished_contents(
    ctx: Context, name: str, sourced: Sourced, found: Origin | None, status: os.stat_result | None
) -> tuple[Contents | Unset, Contents | Unset]:
    """What the file NAME holds now and what it should hold; both UNSET where its contents are not managed."""
    if found is not None and sourced.template is None:
        return _as_source(ctx, name, sourced, found, status)
    text: str | None = None
    wish: Contents
    if found is not None:
        text, place, hidden = template_text(ctx, found), found.url or found.path, None
        wish = Contents()
    else:
        value = _value(ctx, sourced)
        if value is None:
            return UNSET, UNSET
        wish, place = inline(value, newline=sourced.newline), f"the contents of {name}"
        hidden = wish.hidden
        if not wish.size and not sourced.allow_empty:
            raise FileStateError(f"the contents of {name} are empty, and `allow_empty: False` refuses that")
        if sourced.template is not None and wish.data is not None:
            text = wish.data.decode()
    have = UNSET if status is None else file.held(name, status.st_size, None if text is not None else wish)
    if text is not None and sourced.template is not None:
        variables = {
            "name": name,
            **({"source": found.name} if found else {}),
            **sourced.given,
            **(sourced.variables or {}),
        }
        wish = rendered_file(ctx, text, sourced.template, variables, place=place, saltenv=sourced.saltenv)
        wish.hidden = wish.hidden or hidden
        have = wish if have == wish else have
    _hide(have, wish, sourced)
    return have, wish


def _as_source(
    ctx: Context, name: str, sourced: Sourced, found: Origin, status: os.stat_result | None
) -> tuple[Contents | Unset, Contents]:
    """As `wished_contents`, for a file that is to be the same as its source; that is only read where it differs."""
    if status is None:
        have, wish = None, found.contents(ctx)
    elif found.digest is None:
        wish = found.contents(ctx)
        have = file.held(name, status.st_size, wish)
    else:
        have = file.held(name, status.st_size)
        wish = have if have.digest == found.digest else found.contents(ctx)
    _hide(have, wish, sourced)
    return (UNSET if have is None else have), wish


def _hide(have: Contents | Unset | None, wish: Contents, sourced: Sourced) -> None:
    """Keep both from being shown where one must not be; what a secret replaces may be one too."""
    if not sourced.show_changes and not wish.hidden:
        wish.hidden = SHOW_NOTHING
    if wish.hidden and isinstance(have, Contents):
        have.hidden = wish.hidden


def _value(ctx: Context, sourced: Sourced) -> Any:
    """What is to be the contents, or None. FileStateError where pillar or grains don't have it."""
    if sourced.contents_pillar is not None:
        return looked_up(ctx.pillar, "pillar", sourced.contents_pillar, sourced.delimiter)
    if sourced.contents_grains is not None:
        return looked_up(ctx.grains, "the grains", sourced.contents_grains, sourced.delimiter)
    return sourced.contents


def check_kind(name: str, status: os.stat_result | None) -> None:
    """FileStateError where something that is no file is in the place of NAME."""
    if status is not None and not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
        raise FileStateError(f"{name} is there and is {kind_of(status.st_mode)}, not a file")


def steps(
    name: str,
    current: File | None,
    wish: File,
    *,
    dir_mode: Mode = UNSET,
    follow: bool = True,
    backup: str | None = None,
    parents: bool = True,
    approve: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[Step]:
    """The steps from CURRENT (None: no such file) to WISH, in order; the folder first where it is missing and PARENTS
    are wanted. APPROVE: arguments of `file.put` that say who has to approve of new contents."""
    attributes = Attributes(wish.user, wish.group, wish.mode)
    extra: dict[str, Any] = {} if follow else {"follow_symlinks": False}
    if current is None:
        if parents:
            yield from parent_steps(name, attributes, dir_mode)
        body = Contents(b"") if isinstance(wish.contents, Unset) else wish.contents
        put = call(file.put, name, body, **attributes.arguments, **extra, **approve)
        yield Step(f"create {name}", None, body, do=put)
    elif not isinstance(wish.contents, Unset) and current.contents != wish.contents:
        if backup is not None:
            extra["backup"] = backup
        put = call(file.put, name, wish.contents, **attributes.arguments, **extra, **approve)
        yield Step(f"write {name}", current.contents, wish.contents, do=put)
    else:
        have = Attributes(current.user, current.group, current.mode)
        yield from attribute_steps(name, have, attributes, follow=follow)
