"""Networks kept by Saltern itself: the states, as JSON, which `saltern-minion network` converges to at boot.

For nodes without a network manager, and for what a manager can't express. One file a state, in
/etc/saltern/network.d; the unit saltern-network.service runs them before anything that wants a network, by the same
states and engine as any run, without a master.
"""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modules._persist.keep import MARK, Keep, Owner
from saltern.errors import PermanentError

MANAGER = "saltern"
UNITS: tuple[str, ...] = ("saltern-network.service",)
FOLDER = "etc/saltern/network.d"
MODE = 0o644
_SPACES = ("bond", "bridge", "macvlan", "veth", "vlan", "vxlan", "link", "address", "route")


class BadRecord(PermanentError, ValueError):
    """A file in network.d does not hold a state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A state that was kept: `function` "vlan.present", the interfaces that it `makes`, and those that it `needs`."""

    function: str
    name: str
    arguments: Mapping[str, Any]
    makes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


def path_of(kind: str, name: str) -> str:
    """The file of the state KIND of NAME."""
    return f"{FOLDER}/{kind}-{name}.json"


def render(keep: Keep) -> dict[str, str]:
    """The text that keeps KEEP, by path. Pure."""
    makes = (keep.interface, *(name for name in keep.others if name not in (keep.parent, *keep.parts)))
    needs = (*([keep.parent] if keep.parent else []), *keep.parts)
    record = {
        "about": MARK,
        "function": keep.function,
        "name": keep.arguments.get("name", keep.name),
        "arguments": {key: value for key, value in keep.arguments.items() if key != "name"},
        "makes": list(makes) if keep.creates else [],
        "needs": list(needs) if keep.creates else [keep.interface],
    }
    return {path_of(keep.kind, keep.name): json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n"}


def parse(text: str) -> Record:
    """The record in TEXT. BadRecord where it holds none."""
    try:
        value = json.loads(text)
        made = Record(
            function=value["function"],
            name=value["name"],
            arguments=value["arguments"],
            makes=tuple(value["makes"]),
            needs=tuple(value["needs"]),
        )
        space, _, function = made.function.partition(".")
        texts = (made.name, *made.makes, *made.needs)
        if space not in _SPACES or function not in ("present", "managed") or not isinstance(made.arguments, dict):
            raise BadRecord(f"it holds {made.function!r}, which is no state of the network")
        if not all(isinstance(text, str) for text in texts):
            raise BadRecord("a name in it is no text")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        said = str(error) if isinstance(error, BadRecord) else "it is no state as JSON"
        raise BadRecord(said) from None
    return made


def in_order(records: Iterable[Record]) -> list[Record]:
    """RECORDS so that each comes after those that make what it needs; what sets an interface that is there comes
    before what is built on it, addresses and routes come last. Ties and circles keep the order given. Pure."""
    records = list(records)
    spaces = {space: rank for rank, space in enumerate(("address", "route"), start=1)}
    depth_of: dict[int, int] = {}

    def depth(number: int, path: tuple[int, ...] = ()) -> int:
        if number in path:
            return 0
        if number not in depth_of:
            record = records[number]
            below = [
                depth(other, (*path, number)) + 1
                for other, candidate in enumerate(records)
                if other != number and _comes_first(candidate, record)
            ]
            depth_of[number] = max(below, default=0)
        return depth_of[number]

    keys = [(spaces.get(record.function.partition(".")[0], 0), depth(n), n) for n, record in enumerate(records)]
    return [records[number] for _, _, number in sorted(keys)]


def _comes_first(one: Record, other: Record) -> bool:
    """Whether ONE makes what OTHER needs, or sets it before OTHER builds on it."""
    if any(name in other.needs for name in one.makes):
        return True
    is_setting = one.function == "link.managed" and bool(other.makes)
    return is_setting and any(name in other.needs for name in one.needs)


def wished(root: str, keep: Keep) -> dict[str, str]:
    """As `render`; there is nothing on the node to look at."""
    return render(keep)


def owned(root: str, kind: str, name: str) -> Iterator[str]:
    """The file that is there of the state KIND of NAME."""
    path = path_of(kind, name)
    if os.path.lexists(f"{root}/{path}"):
        yield path


def names(root: str, kind: str) -> Iterator[str]:
    """The names of the states of KIND that have a file."""
    start = f"{root}/{FOLDER}/{kind}-"
    for path in sorted(glob.glob(f"{glob.escape(start)}*.json")):
        yield path.removeprefix(start).removesuffix(".json")


def owners(root: str, name: str) -> Iterator[Owner]:
    """Nobody else writes to network.d."""
    return iter(())
