"""Settings as templates ask for them: the minion's own, else grains, else pillar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saltern.context import Context
from saltern.marks import reading
from saltern.traverse import DELIMITER, traverse

_MISSING = object()


@reading
def get(
    ctx: Context,
    key: str,
    default: Any = "",
    delimiter: str = DELIMITER,
    merge: str | None = None,
    omit_opts: bool = False,
    omit_grains: bool = False,
    omit_pillar: bool = False,
) -> Any:
    """The first of: the minion's option KEY ("id", nested "module_options:a"), a grain, a pillar value; else
    DEFAULT. OMIT_… leaves one of the places out. MERGE joins what all of them have, the first on top, by a strategy of
    `slsutil.merge` ("recurse" or "overwrite"), and lays it over a DEFAULT that is a mapping."""
    found = [
        value
        for omitted, value in (
            (omit_opts, _option(ctx, key, delimiter)),
            (omit_grains, traverse(ctx.grains, key, _MISSING, delimiter)),
            (omit_pillar, traverse(ctx.pillar, key, _MISSING, delimiter)),
        )
        if not omitted and value is not _MISSING
    ]
    if not found:
        return default
    if merge is None or not isinstance(found[0], Mapping):
        return found[0]
    from saltern import merging

    merging.checked_strategy(merge)
    result: Any = default if isinstance(default, Mapping) else {}
    for value in reversed(found):
        if isinstance(value, Mapping):
            result = merging.merge(result, value, merge)
    return result


@reading
def option(ctx: Context, key: str, default: Any = "") -> Any:
    """As `config.get`."""
    return get(ctx, key, default)


@reading
def merge(ctx: Context, value: str, default: Any = "") -> Any:
    """What option, grain and pillar VALUE have, joined: `config.get` with merge="recurse"."""
    return get(ctx, value, default, merge="recurse")


@reading
def items(ctx: Context) -> dict[str, Any]:
    """The minion's options, by Salt's names."""
    found = {name: _option(ctx, name, DELIMITER) for name in type(ctx.config).__dataclass_fields__}
    return {**found, **ctx.config.module_options}


@reading
def dot_vals(ctx: Context, value: str) -> dict[str, Any]:
    """The options, grains and pillar values at the top whose names begin with VALUE and a dot."""
    return {
        key: inner
        for data in (ctx.pillar, ctx.grains, items(ctx))
        for key, inner in data.items()
        if str(key).startswith(f"{value}.")
    }


@reading
def valid_fileproto(uri: str) -> bool:
    """Whether URI begins with a scheme that files can come from."""
    return uri.startswith(("salt://", "http://", "https://", "file://"))


@reading
def manage_mode(mode: str | int | None) -> str | None:
    """MODE as four octal digits: 644 and "644" are "0644"."""
    return None if mode is None else str(mode).lstrip("0o").rjust(4, "0")


@reading
def backup_mode(ctx: Context, backup: str = "") -> str:
    """BACKUP if it says something, else the option `backup_mode`."""
    return backup or str(get(ctx, "backup_mode", ""))


def _option(ctx: Context, key: str, delimiter: str) -> Any:
    option, _, rest = key.partition(delimiter) if delimiter else (key, "", "")
    if not option.startswith("_") and option in type(ctx.config).__dataclass_fields__:
        found = traverse(getattr(ctx.config, option), rest, _MISSING, delimiter)
        if found is not _MISSING:
            return str(found) if option == "root" else found
    return traverse(ctx.config.module_options, key, _MISSING, delimiter)
