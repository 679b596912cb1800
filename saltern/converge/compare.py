"""What differs between the node as it is and as it should be, and how a difference is shown.

A `Secret` never leaves this module in clear: everything that is shown passes through `plain`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from saltern.closed import Closed
from saltern.converge.plan import UNSET
from saltern.secret import MASK, Secret

WHOLE = ""  # the name of a difference that is not one field's: all of it exists, is missing, or is another kind
SHOWN = 200  # characters of a value in a sentence
DEPTH = 50  # of nested values that are shown
_PLAIN = (str, int, float, bool, type(None))

Differences = dict[str, tuple[Any, Any]]


_field_names: dict[type, tuple[str, ...]] = {}  # a memo: facts of classes, which don't change


def field_names(kind: type) -> tuple[str, ...]:
    """The fields of a dataclass that count when it is compared; () for any other type."""
    found = _field_names.get(kind)
    if found is None:
        declared = getattr(kind, "__dataclass_fields__", {})
        found = _field_names[kind] = tuple(name for name, field in declared.items() if field.compare)
    return found


def same(current: Any, wish: Any) -> bool:
    """Whether CURRENT is all that WISH asks for; what is UNSET in WISH, at any depth of fields, asks for nothing."""
    if wish is UNSET or current == wish:
        return True
    names = field_names(type(wish))
    return bool(names) and type(current) is type(wish) and _all_same(current, wish, names)


def _all_same(current: Any, wish: Any, names: tuple[str, ...]) -> bool:
    return all(same(getattr(current, name), getattr(wish, name)) for name in names)


def differences(current: Any, wish: Any) -> Differences:
    """By field: (what is, what should be), for each that differs; under WHOLE where there are no fields to compare.

    A mapping is compared by the keys of WISH.
    """
    if wish is UNSET or current == wish:
        return {}
    if isinstance(wish, Mapping) and isinstance(current, Mapping):
        pairs = {str(key): (current.get(key), value) for key, value in wish.items()}
    elif type(current) is type(wish) and (names := field_names(type(wish))):
        pairs = {name: (getattr(current, name), getattr(wish, name)) for name in names}
    else:
        return {WHOLE: (current, wish)}
    return {name: pair for name, pair in pairs.items() if not same(*pair)}


def changes(name: str, before: Any, after: Any, wish: Any) -> dict[str, Any]:
    """What moved from BEFORE to AFTER as Salt's `changes`: {field: {"old": …, "new": …}}, of the fields that WISH
    manages. What came or went altogether has None on the other side; NAME stands for what has no fields."""
    if wish is UNSET or before == after:
        return {}
    if after is None or (before is not None and type(before) is not type(after)):
        return {name: {"old": plain(before), "new": plain(after)}}
    shape = wish if type(wish) is type(after) else after
    if isinstance(after, Mapping):
        old = before if isinstance(before, Mapping) else {}
        keys = [key for key in shape if key in after or key in old]
        pairs = {str(key): (old.get(key), after.get(key)) for key in keys}
    elif names := field_names(type(after)):
        pairs = {key: (getattr(before, key, None), getattr(after, key)) for key in names}
        pairs = {key: pair for key, pair in pairs.items() if getattr(shape, key) is not UNSET}
    else:
        return {name: {"old": plain(before), "new": plain(after)}}
    found: dict[str, Any] = {}
    for key, (was, now) in pairs.items():
        if now is UNSET or was == now:
            continue
        if callable(getattr(now, "diff", None)):
            text = _diff(was, now)
            found["diff" if "diff" not in found else f"{key} diff"] = text
        else:
            found[key] = {"old": plain(was), "new": plain(now)}
    return found or ({name: {"old": plain(before), "new": plain(after)}} if before is None else {})


def _diff(before: Any, after: Any) -> str:
    """The diff of two values that know how to make one, or Salt's words for one that is new."""
    show: Callable[[Any], str] | None = getattr(before, "diff", None)
    return show(after) if callable(show) else f"New {getattr(type(after), 'KIND', 'file')}"


def plain(value: Any, depth: int = 0) -> Any:
    """VALUE as JSON knows it, for people: secrets masked, sets sorted, what is UNSET left out, bytes as text."""
    if isinstance(value, _PLAIN):
        return getattr(value, "_value_", value)  # an Enum may also be a text or a number
    if isinstance(value, Secret):
        return MASK
    if value is UNSET:
        return None
    if depth > DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return {str(key): plain(item, depth + 1) for key, item in value.items() if item is not UNSET}
    if isinstance(value, list | tuple):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item, depth + 1) for item in value), key=lambda item: (str(type(item)), str(item)))
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "backslashreplace")
    if hasattr(value, "_value_"):
        return plain(value._value_, depth + 1)
    declared = getattr(type(value), "__dataclass_fields__", None)
    if declared is not None:
        found = {name: getattr(value, name) for name in declared}
        return {name: plain(item, depth + 1) for name, item in found.items() if item is not UNSET}
    return str(value)


def secrets_in(value: Any, depth: int = 0) -> list[str]:
    """The clear texts of all secrets in VALUE, for `hidden` alone."""
    if isinstance(value, Secret):
        return [] if isinstance(value, Closed) else [value.reveal()]
    if depth < DEPTH and isinstance(value, Mapping):
        return [text for item in value.values() for text in secrets_in(item, depth + 1)]
    if depth < DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [text for item in value for text in secrets_in(item, depth + 1)]
    return []


def hidden(text: str, secrets: list[str]) -> str:
    """TEXT (an error of some library) with each of SECRETS masked, where it is long enough to be one."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) > 2:
            text = text.replace(secret, MASK)
    return text


def told(left: Differences) -> str:
    """Differences as lines: `ports: is ['eth0'], should be []`."""
    lines = []
    for name, (current, wish) in left.items():
        field = f"{name}: " if name else ""
        lines.append(f"{field}is {_short(current)}, should be {_short(wish)}")
    return "\n".join(lines)


def _short(value: Any) -> str:
    if value is None:
        return "absent"
    text = str(plain(value)) if not isinstance(value, str) else repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
