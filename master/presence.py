"""Who is here: the accepted minions, their grains, and the connection that each has now.

Plain state without sockets: the server tells it what happened and asks it what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from master.keys import ACCEPTED, Record

GRACE_S = 15.0  # how long a minion that is gone may stay away before those who wait are told


@dataclass(slots=True)
class Session:
    """One authenticated connection. ROUTE is ZeroMQ's routing id; DESCRIPTOR and END (the other side's address and
    port) name its TCP connection."""

    route: bytes
    descriptor: int
    end: tuple[str, int] | None
    boot: str
    since: float
    seen: float
    round_trip_ms: float | None = None

    @property
    def peer(self) -> str:
        """The other side's address."""
        return self.end[0].removeprefix("::ffff:") if self.end else ""


@dataclass(slots=True)
class Minion:
    """An accepted minion: what its key is called, what it told of itself, and where it is (SESSION None: away)."""

    record: Record
    grains: Mapping[str, Any] = field(default_factory=dict)
    session: Session | None = None
    seen: float | None = None  # seconds since the epoch, when it was last connected
    address: str = ""
    replaced: tuple[str, ...] = ()  # the latest agents (see `Session.boot`) whose connection another one's took over
    refused: str = ""  # the latest one that came back although another one holds the place

    @property
    def id(self) -> str:
        """The id that the key store gives this key."""
        return self.record.id


class Presence:
    """All known keys by public key, and the connections."""

    def __init__(self) -> None:
        self.records: dict[bytes, Record] = {}
        self.minions: dict[bytes, Minion] = {}
        self.strangers: dict[bytes, Session] = {}  # connected keys that are not accepted, by key

    def put(self, record: Record) -> None:
        """Take in a key that is new or changed its state."""
        self.records[record.public] = record
        if record.state == ACCEPTED:
            found = self.minions.get(record.public)
            if found:
                found.record = record
            else:
                self.minions[record.public] = Minion(record)
        else:
            self.minions.pop(record.public, None)

    def forget(self, public: bytes) -> None:
        """The key is deleted."""
        self.records.pop(public, None)
        self.minions.pop(public, None)

    def connected(self) -> Iterator[Minion]:
        """The minions that are here."""
        return (minion for minion in self.minions.values() if minion.session)

    def here(self) -> list[str]:
        """The ids of the minions that are here."""
        return sorted(minion.id for minion in self.connected())

    def by_descriptor(self, descriptor: int) -> list[Minion]:
        """The minions whose connection has that file descriptor."""
        return [m for m in self.connected() if m.session and m.session.descriptor == descriptor]

    def by_id(self, minion_id: str) -> Minion | None:
        """The accepted minion of that id."""
        return next((m for m in self.minions.values() if m.id == minion_id), None)
