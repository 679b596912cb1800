"""What an entry of the table of questions is made of, and what it has to answer with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from master.events import Bus
from master.peers import Peers
from master.presence import Minion, Presence
from master.store import Store
from master.vnet_offers import Offers


class Pillar(Protocol):
    """Makes the pillar of a minion: of all environments, or of PILLARENV alone. SalternError."""

    def __call__(self, minion: Minion, pillarenv: str | None = None, /) -> Awaitable[Mapping[str, Any]]: ...


Select = Callable[[str, str], Awaitable[list[Minion]]]  # an expression and its form
Run = Callable[[Minion, Sequence[Minion], Any, float], Coroutine[Any, Any, dict[str, Any]]]


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of a question's arguments: what is missing, unknown or of another type is refused."""


class Asking:
    """The master's parts that answers are made from. PILLAR renders a minion's own, from the master's tree."""

    def __init__(self, presence: Presence, store: Store, pillar: Pillar, bus: Bus) -> None:
        self.presence, self.store, self.pillar, self.bus = presence, store, pillar, bus
        self.offers = Offers()
        self.select: Select | None = None  # these are set when the master serves
        self.peers: Peers | None = None
        self.run: Run | None = None
        self.running: dict[tuple[str, str], asyncio.Future[dict[str, Any]]] = {}  # jobs of minions for others


@dataclass(frozen=True, slots=True)
class Entry:
    """One question: the type of its ARGUMENTS, and what answers it for a minion, with a value that JSON can hold."""

    arguments: type[Arguments]
    answer: Callable[[Asking, Minion, Any], Awaitable[Any]]
