"""The values that the master gave this node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from modules.grains import filtered, merged
from saltern import names
from saltern.context import Context
from saltern.errors import PermanentError
from saltern.marks import reading
from saltern.secret import Secret
from saltern.traverse import DELIMITER, traverse

PillarOf = Callable[[Mapping[str, Any] | None, str | None, bool], Mapping[str, Any]]  # see `overlaid`


class PillarError(PermanentError):
    """A pillar value is not of the kind that a function needs."""


@reading
def get(
    ctx: Context,
    key: str,
    default: Any = "",
    merge: bool = False,
    delimiter: str = DELIMITER,
    pillarenv: str | None = None,
) -> Any:
    """The pillar value KEY (nested "net:bridges:0"), or DEFAULT where there is none. MERGE lays a mapping over a
    DEFAULT that is one, at every depth. PILLARENV: of this environment only."""
    found = traverse(overlaid(ctx, None, pillarenv), key, default, delimiter)
    if merge and isinstance(default, Mapping) and isinstance(found, Mapping):
        return merged(default, found)
    return found


@reading
def item(
    ctx: Context, *keys: str, default: Any = "", delimiter: str = DELIMITER, pillarenv: str | None = None
) -> dict[str, Any]:
    """The pillar values KEYS, each under its name; DEFAULT for one that is not there. PILLARENV: of this environment
    only."""
    values = overlaid(ctx, None, pillarenv)
    return {key: traverse(values, key, default, delimiter) for key in keys}


@reading
def fetch(ctx: Context, key: str, default: Any = "", delimiter: str = DELIMITER) -> Any:
    """As `pillar.get`, without `merge`."""
    return traverse(ctx.pillar, key, default, delimiter)


@reading
def items(
    ctx: Context, *keys: str, pillar: Mapping[str, Any] | None = None, pillarenv: str | None = None
) -> dict[str, Any]:
    """All of the pillar, or its values KEYS, with the values PILLAR over it; of the environment PILLARENV only."""
    if pillar is not None and not isinstance(pillar, Mapping):
        raise PillarError(f"pillar= wants a mapping, like pillar='{{a: 1}}', not {pillar!r}")
    values = overlaid(ctx, pillar, pillarenv)
    return {key: traverse(values, key, "") for key in keys} if keys else dict(values)


def overlaid(
    ctx: Context, pillar: Mapping[str, Any] | None, pillarenv: str | None = None, *, fresh: bool = False
) -> Mapping[str, Any]:
    """The pillar, of the environment PILLARENV only where that is given, with the values PILLAR over it; compiled with
    them, where it is compiled here. FRESH: as it is now, if it comes from a master. PillarError where there is only
    one."""
    if pillar is None and pillarenv is None and not fresh:
        return ctx.pillar
    if pillarenv is not None:
        names.saltenv(pillarenv)
    pillar_of: PillarOf | None = ctx.extra.get("pillar_of")
    if pillar_of is not None:
        return pillar_of(pillar, pillarenv or ctx.config.pillarenv or None, fresh)
    if pillarenv is not None:
        raise PillarError("pillarenv= needs a minion: here the pillar is what it is")
    return dict(merged(ctx.pillar, pillar or {}))


@reading
def obfuscate(ctx: Context, *keys: str) -> dict[str, Any]:
    """All of the pillar, or its values KEYS, with the type of each value in its place: what one may show to others."""
    return {key: _obscured(value) for key, value in items(ctx, *keys).items()}


@reading
def filter_by(
    ctx: Context,
    lookup_dict: Mapping[str, Any],
    pillar: str,
    merge: Mapping[str, Any] | None = None,
    default: str = "default",
    base: str | None = None,
) -> Any:
    """As `grains.filter_by`, by the pillar value PILLAR."""
    found = traverse(ctx.pillar, pillar, None)
    return filtered(lookup_dict, found, merge, default, base)


@reading
def data(ctx: Context) -> dict[str, Any]:
    """As `pillar.items`."""
    return dict(ctx.pillar)


@reading
def raw(ctx: Context, key: str | None = None) -> Any:
    """The pillar as it is held, or its value KEY ({} where there is none)."""
    return dict(ctx.pillar) if key is None else ctx.pillar.get(key, {})


@reading
def ls(ctx: Context, *keys: str) -> list[str] | dict[str, list[str]]:
    """The names at the top of the pillar; with KEYS, those below each."""
    return {key: keys_of(ctx, key) for key in keys} if keys else sorted(map(str, ctx.pillar))


@reading
def keys(ctx: Context, key: str, delimiter: str = DELIMITER) -> list[str]:
    """The names below KEY. PillarError where it is no mapping."""
    return keys_of(ctx, key, delimiter)


def keys_of(ctx: Context, key: str, delimiter: str = DELIMITER) -> list[str]:
    """As `keys`."""
    found = traverse(ctx.pillar, key, None, delimiter)
    if not isinstance(found, Mapping):
        raise PillarError(f"the pillar has no names below {key!r}: it is {type(found).__name__}")
    return [str(name) for name in found]


def _obscured(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _obscured(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_obscured(inner) for inner in value]
    return "<str>" if isinstance(value, Secret) else f"<{type(value).__name__}>"
