"""Options of a state that are the engine's own affair: `umask` around it; `fire_event` and `reload_*` after it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from saltern.context import Context
from saltern.converge.result import StateResult
from saltern.errors import PermanentError, SalternError
from saltern.marks import permit_acting
from saltern.sls.low import Low

_OCTAL = re.compile(r"0?o?([0-7]{1,4})")
RELOADS = ("reload_modules", "reload_grains", "reload_pillar")


class OptionError(PermanentError):
    """An option of a state has a value that it can't have."""


@contextmanager
def umask(low: Low) -> Iterator[None]:
    """The `umask` of LOW for what the block makes; it holds for the whole process. OptionError."""
    given = low.options.get("umask")
    if given is None:
        yield
        return
    found = None if isinstance(given, bool) else _OCTAL.fullmatch(str(given))
    if found is None or int(found[1], 8) > 0o777:
        raise OptionError(f"umask wants three octal digits like '022', not {given!r}")
    before = os.umask(int(found[1], 8))
    try:
        yield
    finally:
        os.umask(before)


def fire(result: StateResult, ctx: Context) -> str | None:
    """Tell the master's bus of RESULT where its state says `fire_event`: True, or a tag of its own. Why that failed, or
    None. A node without a master has nobody to tell."""
    wanted = result.low.options.get("fire_event")
    if not wanted or ctx.ask is None or ctx.call is None:
        return None
    own = wanted if isinstance(wanted, str) else _tag_part(result.low.id)
    tag = f"state_result/{ctx.jid}/{own}"
    try:
        with permit_acting():
            ctx.call("event.send", tag, {**result.as_salt(), "fun": f"{result.low.module}.{result.low.fun}"})
    except SalternError as error:
        return f"{result.low.place}: fire_event: the event {tag!r} was not sent: {error}"
    return None


def reloaded(low: Low, ctx: Context) -> Context:
    """CTX as it is after LOW, which changed something and says `reload_modules`, `reload_grains` or `reload_pillar`:
    for the states after it. SalternError where the pillar can't be had anew."""
    if low.options.get("reload_modules"):
        import importlib

        importlib.invalidate_caches()  # a Python module that was installed meanwhile is found
    changed: dict[str, Any] = {}
    for name in ("grains", "pillar"):
        renew: Callable[[], Mapping[str, Any]] | None = ctx.extra.get(f"renew_{name}")
        if low.options.get(f"reload_{name}") and renew is not None:
            changed[name] = renew()
    return replace(ctx, **changed) if changed else ctx


def wants_reload(low: Low) -> bool:
    """Whether LOW has one of the `reload_` options."""
    return any(low.options.get(option) for option in RELOADS)


def _tag_part(text: str) -> str:
    """TEXT with what a tag can't hold as `_`."""
    return re.sub(r"[^A-Za-z0-9_.:-]", "_", text)[:64] or "_"
