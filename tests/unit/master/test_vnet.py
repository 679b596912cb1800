"""Leases: never an address twice, and each for the life of its guest, whatever comes in between."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from master import store, vnet
from master.vnet_offers import KEEP_S, MOST, Offers
from saltern.vnet import VnetError, parse

NET = parse("p", {"bridge": "br46", "network": "10.1.16.0/20", "range": "10.1.16.10+6", "exclude": ["10.1.16.12"]})
FIRST = NET.span[0]


@contextmanager
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    connection = store.connect(folder / "master.db")
    try:
        yield connection
    finally:
        connection.close()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with database(tmp_path / "master") as connection:
        yield connection


class Leases(RuleBasedStateMachine):
    """Guests of two minions that come, go and move in any order, against a plain model."""

    folder: Path
    guests = st.sampled_from(["a", "b", "c", "d", "e", "f"])
    minions = st.sampled_from(["n1", "n2"])

    def __init__(self) -> None:
        super().__init__()
        self.db = store.connect(self.folder / "master.db")
        self.db.execute("DELETE FROM vnet_leases")
        self.held: dict[str, tuple[str, int]] = {}

    def teardown(self) -> None:
        self.db.close()

    @rule(guest=guests, minion=minions, wanted=st.none() | st.integers(FIRST - 1, FIRST + 6))
    def lease(self, guest: str, minion: str, wanted: int | None) -> None:
        mine = self.held.get(guest)
        taken = {address for _, address in self.held.values()}
        free = [n for n in range(FIRST, FIRST + 6) if n not in taken and NET.gives(n)]
        try:
            have = vnet.mine(self.db, NET, minion, guest, 0, wanted)
            address = have.address if have else vnet.choose(self.db, NET, wanted, set())
            vnet.take(self.db, NET, minion, guest, 0, address, 0.0)
        except VnetError:
            if mine is None:
                assert wanted not in free
                assert wanted is not None or not free
            else:
                assert mine[0] != minion or wanted not in (None, mine[1])
            return
        if mine is not None:
            assert (mine[0], mine[1]) == (minion, address)
        else:
            assert address == (free[0] if wanted is None else wanted)
            self.held[guest] = (minion, address)

    @rule(guest=guests, minion=minions)
    def release(self, guest: str, minion: str) -> None:
        gone = vnet.release(self.db, "p", guest, minion)
        assert bool(gone) == (guest in self.held and self.held[guest][0] == minion)
        if gone:
            del self.held[guest]

    @rule(guest=guests, minion=minions)
    def move(self, guest: str, minion: str) -> None:
        vnet.move(self.db, "p", guest, minion)
        if guest in self.held:
            self.held[guest] = (minion, self.held[guest][1])

    @invariant()
    def the_table_is_the_model(self) -> None:
        rows = vnet.listing(self.db)
        assert {row.guest: (row.minion, row.address) for row in rows} == self.held
        assert len({row.address for row in rows}) == len(rows)


def test_leases_live_until_they_are_released_and_none_is_given_twice(tmp_path: Path) -> None:
    machine = type("Machine", (Leases,), {"folder": tmp_path})
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=25))


def test_the_table_itself_refuses_an_address_that_is_there(db: sqlite3.Connection) -> None:
    vnet.insert(db, vnet.Taken("p", "a", 0, "n1", FIRST, 0.0))
    with pytest.raises(sqlite3.IntegrityError):
        vnet.insert(db, vnet.Taken("p", "b", 0, "n1", FIRST, 0.0))
    vnet.insert(db, vnet.Taken("q", "b", 0, "n1", FIRST, 0.0))  # another network


def test_interfaces_of_one_guest_have_leases_of_their_own(db: sqlite3.Connection) -> None:
    for nic in (0, 1):
        vnet.take(db, NET, "n1", "a", nic, FIRST + nic, 0.0)
    assert [(row.nic, row.address) for row in vnet.listing(db, "p", "n1")] == [(0, FIRST), (1, FIRST + 1)]
    assert len(vnet.release(db, None, "a")) == 2


def test_a_reservation_goes_to_the_first_minion_that_asks_for_the_guest(db: sqlite3.Connection) -> None:
    outside = FIRST + 200  # an administrator may reserve beyond the range
    vnet.insert(db, vnet.Taken("p", "a", 0, "", outside, 0.0))
    assert vnet.take(db, NET, "n2", "a", 0, outside, 1.0).minion == "n2"
    with pytest.raises(VnetError, match=r"on n2.*vnet.move p a n1"):
        vnet.mine(db, NET, "n1", "a", 0, None)


def test_a_lease_stays_when_the_range_shrinks_and_fails_when_the_network_moves(db: sqlite3.Connection) -> None:
    vnet.take(db, NET, "n1", "a", 0, FIRST, 0.0)
    smaller = parse("p", {"bridge": "b", "network": "10.1.16.0/20", "range": "10.1.16.14+2"})
    found = vnet.mine(db, smaller, "n1", "a", 0, None)
    assert found is not None
    assert found.address == FIRST
    moved = parse("p", {"bridge": "b", "network": "10.9.0.0/24", "range": "10.9.0.14+2"})
    with pytest.raises(VnetError, match=r"not in its network 10.9.0.0/24 any more"):
        vnet.mine(db, moved, "n1", "a", 0, None)


def test_a_new_guest_is_shown_an_address_that_no_other_was_shown(db: sqlite3.Connection) -> None:
    now = 0.0
    offers = Offers(lambda: now)
    shown = []
    for guest in "abcde":
        address = vnet.choose(db, NET, None, offers.others(("p", guest, 0)))
        offers.note(("p", guest, 0), address)
        shown.append(address - FIRST)
    assert shown == [0, 1, 3, 4, 5]
    assert vnet.choose(db, NET, None, offers.others(("p", "f", 0))) == FIRST  # only a lease counts in the end
    offers.settle(("p", "a", 0))
    assert offers.others(("p", "f", 0)) == {FIRST + n for n in (1, 3, 4, 5)}
    now = KEEP_S
    assert offers.others(("p", "f", 0)) == set()
    assert offers.of(("p", "b", 0)) is None


def test_offers_do_not_pile_up() -> None:
    offers = Offers(lambda: 0.0)
    for number in range(MOST + 50):
        offers.note(("p", str(number), 0), number)
    assert len(offers.others(("p", "x", 0))) == MOST
