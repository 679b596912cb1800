"""What an entry of the table of questions is made of, and what it has to answer with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from master.events import Bus
from master.presence import Minion, Presence
from master.store import Store
from master.vnet_offers import Offers

Pillar = Callable[[Minion], Awaitable[Mapping[str, Any]]]


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of a question's arguments: what is missing, unknown or of another type is refused."""


class Asking:
    """The master's parts that answers are made from. PILLAR renders a minion's own, from the master's tree."""

    def __init__(self, presence: Presence, store: Store, pillar: Pillar, bus: Bus) -> None:
        self.presence, self.store, self.pillar, self.bus = presence, store, pillar, bus
        self.offers = Offers()


@dataclass(frozen=True, slots=True)
class Entry:
    """One question: the type of its ARGUMENTS, and what answers it for a minion, with a value that JSON can hold."""

    arguments: type[Arguments]
    answer: Callable[[Asking, Minion, Any], Awaitable[Any]]
