"""What a node is asked to tell into the mine: `mine_functions`, in the forms that Salt has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from saltern.errors import PermanentError, nearest
from saltern.loader import is_name

FORMS = ("glob", "list")  # by the id alone: grains are what a minion says of itself, so they can't open a door
_OWN = ("mine_function", "allow_tgt", "allow_tgt_type")


class MineError(PermanentError):
    """A function of the mine is not described as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dug:
    """What is told under NAME: the value of FUNCTION(*ARGS, **KWARGS), to those that the target ALLOW means ('': only
    to this node itself and to the master's own runners)."""

    name: str
    function: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    allow: str = ""
    form: str = "glob"


def parse(name: object, given: Any) -> Dug:
    """One entry of `mine_functions`: NAME and what stands below it (a list of arguments and `key: value`, a mapping, or
    nothing). MineError."""
    args, named = _split(name, given)
    function = named.pop("mine_function", None) or (args.pop(0) if args and not _is_function(name) else name)
    allow, form = named.pop("allow_tgt", ""), named.pop("allow_tgt_type", "glob")
    if not _is_function(function):
        raise MineError(f"mine: {name!r} names no function: give it `mine_function: MODULE.FUNCTION`")
    if form not in FORMS:
        raise MineError(
            f"mine: {name!r}: allow_tgt_type is {' or '.join(FORMS)}, not {form!r}: what a minion says of itself opens "
            f"no door.{nearest(str(form), FORMS)}"
        )
    if isinstance(allow, list | tuple):
        allow = ",".join(map(str, allow))
        form = "list"
    return Dug(name=str(name), function=str(function), args=tuple(args), kwargs=named, allow=str(allow), form=form)


def parse_all(given: Any) -> tuple[list[Dug], list[str]]:
    """All entries of `mine_functions` (a mapping, or a list of names and mappings), and what is wrong with others."""
    entries: list[tuple[Any, Any]] = []
    for part in [given] if isinstance(given, Mapping) else given if isinstance(given, list | tuple) else []:
        entries += part.items() if isinstance(part, Mapping) else [(part, None)]
    problems = [] if given is None or isinstance(given, Mapping | list | tuple) else ["mine_functions is a mapping"]
    found = []
    for name, body in entries:
        try:
            found.append(parse(name, body))
        except MineError as error:
            problems.append(str(error))
    return found, problems


def _split(name: object, given: Any) -> tuple[list[Any], dict[str, Any]]:
    if given is None:
        return [], {}
    if isinstance(given, Mapping):
        return [], {str(key): value for key, value in given.items()}
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise MineError(f"mine: below {name!r} stand a list of arguments or a mapping, not {given!r}")
    args: list[Any] = []
    named: dict[str, Any] = {}
    for part in given:
        if isinstance(part, Mapping):
            named.update({str(key): value for key, value in part.items()})
        else:
            args.append(part)
    return args, named


def _is_function(name: object) -> bool:
    return isinstance(name, str) and is_name(name)
