"""Facts of the node: what they are, and the static ones that an administrator sets on it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saltern.context import Context
from saltern.errors import ConfigError, PermanentError, nearest
from saltern.marks import acting, reading
from saltern.traverse import DELIMITER, traverse


class GrainError(PermanentError):
    """A grain is not of the kind that a function needs."""


_MISSING = object()


@reading
def get(ctx: Context, key: str, default: Any = "", delimiter: str = DELIMITER) -> Any:
    """The grain KEY ("os", nested "ip4_interfaces:eth0:0"), or DEFAULT where there is none."""
    return traverse(ctx.grains, key, default, delimiter)


@reading
def fetch(ctx: Context, key: str, default: Any = "", delimiter: str = DELIMITER) -> Any:
    """As `grains.get`."""
    return traverse(ctx.grains, key, default, delimiter)


@reading
def item(
    ctx: Context, *keys: str, default: Any = "", delimiter: str = DELIMITER, sanitize: bool = False
) -> dict[str, Any]:
    """The grains KEYS, each under its name; DEFAULT for one that is not there. SANITIZE as `grains.items`."""
    return _sanitized({key: traverse(ctx.grains, key, default, delimiter) for key in keys}, sanitize)


@reading
def items(ctx: Context, sanitize: bool = False) -> dict[str, Any]:
    """All grains. SANITIZE hides what tells which machine this is, to be shown to others."""
    return _sanitized(dict(ctx.grains), sanitize)


_NAMING = {
    "serialnumber": "SERIALNUMBER",
    "uuid": "UUID",
    "machine_id": "MACHINEID",
    "domain": "domain",
    "fqdn": "minion.domain",
    "id": "minion",
    "host": "minion",
    "localhost": "minion",
    "nodename": "minion",
}


def _sanitized(found: dict[str, Any], wanted: bool) -> dict[str, Any]:
    return {**found, **{key: _NAMING[key] for key in found if key in _NAMING}} if wanted else found


@reading
def ls(ctx: Context) -> list[str]:
    """The names of all grains."""
    return sorted(ctx.grains)


@reading
def has_value(ctx: Context, key: str, delimiter: str = DELIMITER) -> bool:
    """Whether there is a grain KEY and it is not empty or false."""
    return bool(traverse(ctx.grains, key, None, delimiter))


@reading
def equals(ctx: Context, key: str, value: Any, delimiter: str = DELIMITER) -> bool:
    """Whether the grain KEY is VALUE, both as texts."""
    return str(value) == str(traverse(ctx.grains, key, _MISSING, delimiter))


@reading
def static(ctx: Context, key: str, default: Any = None) -> Any:
    """The grain KEY as ROOT/etc/saltern/grains has it now, or DEFAULT."""
    return traverse(_read(ctx)[1], key, default)


@reading
def known(ctx: Context, key: str, default: Any = None) -> Any:
    """The grain KEY as it will be after the next refresh: the static one, else what is known of the node."""
    found = static(ctx, key, _MISSING)
    return traverse(ctx.grains, key, default) if found is _MISSING else found


@reading
def filter_by(
    ctx: Context,
    lookup_dict: Mapping[str, Any],
    grain: str = "os_family",
    merge: Mapping[str, Any] | None = None,
    default: str = "default",
    base: str | None = None,
) -> Any:
    """The value of LOOKUP_DICT whose key matches the GRAIN (a glob; the first match counts), else that of DEFAULT.

    BASE names a value that the found one is laid over; MERGE is laid over both. Mappings are merged at every depth.
    """
    return filtered(lookup_dict, traverse(ctx.grains, grain, None), merge, default, base)


def filtered(
    lookup_dict: Mapping[str, Any], wanted: Any, merge: Mapping[str, Any] | None, default: str, base: str | None
) -> Any:
    """As `filter_by`, for the value WANTED of whatever it is; a list of values matches by any of them."""
    from fnmatch import fnmatchcase

    values = wanted if isinstance(wanted, list | tuple) else [wanted]
    texts = [str(value) for value in values if value is not None]
    found = next(
        (lookup_dict[key] for text in texts for key in lookup_dict if fnmatchcase(text, str(key))),
        lookup_dict.get(default),
    )
    if base is not None and base in lookup_dict:
        found = merged(lookup_dict[base], found)
    return merged(found, merge) if merge else found


def merged(below: Any, above: Any) -> Any:
    """ABOVE laid over BELOW: mappings are joined at every depth, anything else is replaced unless ABOVE is None."""
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        return {**below, **{key: merged(below.get(key), value) for key, value in above.items()}}
    return below if above is None else above


@acting
def setval(ctx: Context, key: str, val: Any, destructive: bool = False) -> dict[str, Any]:
    """Set the static grain KEY (nested "a:b") to VAL in ROOT/etc/saltern/grains. DESTRUCTIVE with VAL None deletes it.
    It takes effect with the next refresh of grains."""
    file, data = _read(ctx)
    if destructive and val is None:
        _drop(data, key.split(DELIMITER))
    else:
        _store(data, key, val)
    _write(file, data)
    return {key: val}


@acting
def set_(
    ctx: Context, key: str, val: Any = "", force: bool = False, destructive: bool = False, delimiter: str = DELIMITER
) -> dict[str, Any]:
    """Set the static grain KEY to VAL. Where it has another value that is a list or mapping, or VAL is one, FORCE is
    wanted; DESTRUCTIVE with VAL None deletes it."""
    have = traverse(_read(ctx)[1], key, None, delimiter)
    compound = isinstance(have, list | dict) or (have is not None and isinstance(val, list | dict))
    if compound and have != val and not force:
        raise GrainError(f"the grain {key!r} is {have!r}; force=True replaces it by {val!r}")
    return setval(ctx, key.replace(delimiter, DELIMITER), val, destructive)


@acting
def setvals(ctx: Context, grains: Mapping[str, Any]) -> dict[str, Any]:
    """Set several static GRAINS in one write."""
    file, data = _read(ctx)
    for key, value in grains.items():
        _store(data, key, value)
    _write(file, data)
    return dict(grains)


@acting
def append(ctx: Context, key: str, val: Any, convert: bool = False) -> dict[str, Any]:
    """Add VAL to the list of the static grain KEY, unless it is there. CONVERT makes a list of a single value."""
    file, data = _read(ctx)
    have = traverse(data, key, traverse(ctx.grains, key, []))
    if not isinstance(have, list):
        if not convert:
            raise GrainError(f"the grain {key!r} is no list: {have!r}; convert=True makes it one")
        have = [have]
    new = [*have, *(value for value in (val if isinstance(val, list) else [val]) if value not in have)]
    _store(data, key, new)
    _write(file, data)
    return {key: new}


@acting
def remove(ctx: Context, key: str, val: Any) -> dict[str, Any]:
    """Take VAL out of the list of the static grain KEY."""
    file, data = _read(ctx)
    have = traverse(data, key, None)
    if not isinstance(have, list):
        raise GrainError(f"{file} has no list {key!r}.{nearest(key, data)}")
    new = [value for value in have if value != val]
    _store(data, key, new)
    _write(file, data)
    return {key: new}


@acting
def delval(ctx: Context, key: str, destructive: bool = False) -> dict[str, Any]:
    """Set the static grain KEY to None; DESTRUCTIVE deletes it altogether."""
    return setval(ctx, key, None, destructive)


@acting
def delkey(ctx: Context, key: str) -> dict[str, Any]:
    """Delete the static grain KEY."""
    return setval(ctx, key, None, destructive=True)


def _store(data: dict[str, Any], key: str, value: Any) -> None:
    *above, last = key.split(DELIMITER)
    for part in above:
        below = data.setdefault(part, {})
        if not isinstance(below, dict):
            raise GrainError(f"can't set {key!r}: {part!r} has a value and not further names: {below!r}")
        data = below
    data[last] = value


def _drop(data: dict[str, Any], parts: list[str]) -> None:
    for part in parts[:-1]:
        below = data.get(part)
        if not isinstance(below, dict):
            return
        data = below
    data.pop(parts[-1], None)


def _read(ctx: Context) -> tuple[Path, dict[str, Any]]:
    import yaml

    file = ctx.config.root / "etc/saltern/grains"
    try:
        data = yaml.safe_load(file.read_text())
    except FileNotFoundError:
        data = {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from None
    if data is not None and not isinstance(data, dict):
        raise ConfigError(f"{file}: expected grains as `name: value` lines")
    return file, data or {}


def _write(file: Path, data: dict[str, Any]) -> None:
    import yaml

    from modules._file import safe

    safe.make_folders(str(file.parent))
    text = yaml.safe_dump(data, default_flow_style=False, allow_unicode=True)
    safe.write(str(file), [text.encode()])
