"""What a formula says where nobody says otherwise: its `defaults.yaml` (or `.json`), and how to lay values over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saltern import merging
from saltern.context import Context
from saltern.errors import PermanentError
from saltern.marks import reading
from saltern.traverse import DELIMITER, traverse


class DefaultsError(PermanentError):
    """Defaults are not what they must be."""


_MISSING = object()


@reading
def get(ctx: Context, key: str, default: Any = "") -> Any:
    """The pillar value KEY ("web:user:name"), else that of `web/defaults.yaml` (or `.json`) of the tree, whose own keys
    begin below `web`; else DEFAULT."""
    found = traverse(ctx.pillar, key, _MISSING)
    if found is not _MISSING:
        return found
    formula, _, rest = key.partition(DELIMITER)
    return traverse(_loaded(ctx, formula), rest, default)


def _loaded(ctx: Context, formula: str) -> Any:
    from modules import slsutil

    folder = formula.replace(".", "/")
    known = ctx.files.list(ctx.saltenv)
    for suffix in ("yaml", "json"):
        path = f"{folder}/defaults.{suffix}"
        if path in known:
            data = slsutil.renderer(ctx, f"salt://{path}?saltenv={ctx.saltenv}", default_renderer=suffix)
            if data is not None and not isinstance(data, Mapping):
                raise DefaultsError(f"{path} is no mapping of names to values")
            return data or {}
    return {}


@reading
def merge(dest: Any, src: Any, merge_lists: bool = False, in_place: bool = True, convert_none: bool = True) -> Any:
    """SRC laid over DEST at every depth; IN_PLACE changes DEST too where it is the template's own mapping. CONVERT_NONE
    takes None for an empty mapping."""
    target = _mapping(dest, "dest", convert_none)
    if not in_place or not isinstance(dest, dict):
        target = merging.deepcopied(target)
    merging.update(target, _mapping(src, "src", convert_none), merge_lists=merge_lists)
    return target


@reading
def update(dest: Any, defaults: Any, merge_lists: bool = True, in_place: bool = True, convert_none: bool = True) -> Any:
    """DEST, a mapping of names to mappings, with DEFAULTS below each of those; IN_PLACE changes DEST too."""
    target = _mapping(dest, "dest", convert_none)
    below = _mapping(defaults, "defaults", convert_none)
    if not in_place or not isinstance(dest, dict):
        target = merging.deepcopied(target)
    for name, own in list(target.items()):
        values = merging.deepcopied(below)
        merging.update(values, _mapping(own, str(name), convert_none), merge_lists=merge_lists)
        target[name] = values
    return target


@reading
def deepcopy(source: Any) -> Any:
    """A copy of SOURCE that can be changed without changing SOURCE."""
    return merging.deepcopied(source)


def _mapping(value: Any, name: str, convert_none: bool) -> Any:
    if value is None and convert_none:
        return {}
    if not isinstance(value, Mapping):
        raise DefaultsError(f"{name} wants a mapping, not {type(value).__name__}")
    return value
