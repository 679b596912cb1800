"""The low state: the flat, ordered list of state calls that the engine runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """Where in what the user wrote: FILE is the path in the tree ("net/init.sls"), LINE and COLUMN count from 1."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)


@dataclass(frozen=True, slots=True)
class Requisite:
    """KIND is `require`, `watch`, `onchanges` (later: `prereq`, `onfail`, `listen`, …). MODULE is the state namespace
    ("file"), "sls" for a whole SLS, or "id" for any namespace; REF is an id or a name."""

    kind: str
    module: str
    ref: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Low:
    """One call of a state function: `module.fun(name, **args)`."""

    module: str
    fun: str
    id: str
    name: str
    sls: str
    saltenv: str
    place: Place
    args: Mapping[str, Any] = field(default_factory=dict)  # what the state function gets; never a requisite
    arg_places: Mapping[str, Place] = field(default_factory=dict)
    requisites: tuple[Requisite, ...] = ()  # `_in` forms are already turned round
    options: Mapping[str, Any] = field(default_factory=dict)  # unless, onlyif, order, failhard, retry, …
    order: int = 0  # position after ordering, from 10000 up as Salt's

    @property
    def tag(self) -> str:
        """Salt's key of a result: `file_|-motd_|-/etc/motd_|-managed`."""
        return f"{self.module}_|-{self.id}_|-{self.name}_|-{self.fun}"
