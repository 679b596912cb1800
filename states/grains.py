"""Static grains of the node, kept in ROOT/etc/saltern/grains. They count for what is compiled after the run, and within
it for the states after one that says `reload_grains: True`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modules import grains
from modules.grains import GrainError
from saltern.context import Context
from saltern.converge.plan import Plan, Step, call
from saltern.converge.state import state
from saltern.traverse import DELIMITER

_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Grain:
    """A grain that is there."""

    value: Any


@state
def present(ctx: Context, name: str, *, value: Any, delimiter: str = DELIMITER, force: bool = False) -> Plan:
    """The grain NAME (nested "a:b") is VALUE. force: also where it is a list or mapping, or VALUE is one."""
    key = name.replace(delimiter, DELIMITER)
    have = grains.known(ctx, key, _MISSING)
    if have == value:
        return Plan(Grain(have), Grain(value), comment=f"The grain {name} is already set")
    compound = isinstance(have, list | dict) or (have is not _MISSING and isinstance(value, list | dict))
    if compound and not force:
        raise GrainError(f"the grain {name!r} is {have!r}; `force: True` replaces it")
    return _set(ctx, key, have, value)


@state
def absent(
    ctx: Context, name: str, *, destructive: bool = False, delimiter: str = DELIMITER, force: bool = False
) -> Plan:
    """The static grain NAME has no value; destructive: it is not there. force: also where it is a list or mapping.
    What is found on the node itself stays."""
    key = name.replace(delimiter, DELIMITER)
    have = grains.static(ctx, key, _MISSING)
    if have is _MISSING:
        return Plan(None, None, comment=f"The grain {name} does not exist")
    if have is None and not destructive:
        return Plan(Grain(None), Grain(None), comment=f"The grain {name} has no value")
    if isinstance(have, list | dict) and have and not force:
        raise GrainError(f"the grain {name!r} is {have!r}; `force: True` deletes it")
    wish = None if destructive else Grain(None)
    do = call(grains.setval, ctx, key, None, destructive)
    return Plan(Grain(have), wish, [Step(f"delete the grain {name}", have, None, do=do)])


@state
def append(ctx: Context, name: str, *, value: Any, convert: bool = False, delimiter: str = DELIMITER) -> Plan:
    """The list of the grain NAME, which has to be there, holds VALUE. convert: a single value becomes a list."""
    key = name.replace(delimiter, DELIMITER)
    have = grains.known(ctx, key, _MISSING)
    if have is _MISSING:
        raise GrainError(f"there is no grain {name!r}; grains.list_present makes it")
    if not isinstance(have, list) and not convert:
        raise GrainError(f"the grain {name!r} is no list: {have!r}; `convert: True` makes it one")
    return _listed(ctx, key, have, have if isinstance(have, list) else [have], [value])


@state
def list_present(ctx: Context, name: str, *, value: Any, delimiter: str = DELIMITER) -> Plan:
    """The list of the grain NAME holds VALUE, or each of a list. A missing one is made."""
    key = name.replace(delimiter, DELIMITER)
    have = grains.known(ctx, key, _MISSING)
    if have is not _MISSING and not isinstance(have, list):
        raise GrainError(f"the grain {name!r} is no list: {have!r}")
    return _listed(ctx, key, have, [] if have is _MISSING else have, value if isinstance(value, list) else [value])


@state
def list_absent(ctx: Context, name: str, *, value: Any, delimiter: str = DELIMITER) -> Plan:
    """The list of the grain NAME does not hold VALUE, nor any of a list."""
    key = name.replace(delimiter, DELIMITER)
    have = grains.known(ctx, key, _MISSING)
    if have is _MISSING:
        return Plan(None, None, comment=f"The grain {name} does not exist")
    if not isinstance(have, list):
        raise GrainError(f"the grain {name!r} is no list: {have!r}")
    gone = value if isinstance(value, list) else [value]
    return _set(ctx, key, have, [one for one in have if one not in gone])


def _listed(ctx: Context, key: str, have: Any, listed: Sequence[Any], wanted: Sequence[Any]) -> Plan:
    return _set(ctx, key, have, [*listed, *(one for one in wanted if one not in listed)])


def _set(ctx: Context, key: str, have: Any, value: Any) -> Plan:
    """The plan after which the grain KEY, which is HAVE, is VALUE."""
    current = None if have is _MISSING else Grain(have)
    if current == Grain(value):
        return Plan(current, Grain(value))
    before = None if have is _MISSING else have
    step = Step(f"set the grain {key}", before, value, do=call(grains.setval, ctx, key, value))
    return Plan(current, Grain(value), [step])
