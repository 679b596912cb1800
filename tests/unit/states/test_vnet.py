"""`vnet.leased` and `vnet.released`: one node by itself, with a master, and with a master that is away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modules import vnet as modules
from saltern.asks import MasterAway, Refused
from saltern.context import Context
from saltern.errors import SalternError
from saltern.marks import permit_acting
from states import vnet as states
from tests.plans import context, converge

NET = {"bridge": "br46", "network": "10.1.16.0/20", "range": "10.1.16.10+2"}


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    """A node without a master."""
    return context(tmp_path, pillar={"vnet": {"private": NET}, "canary": "geheim"})


def test_a_lease_is_taken_once_and_given_back(ctx: Context) -> None:
    plan = states.leased(ctx, "web", vnet="private")
    assert [step.sentence for step in plan.steps] == ["lease 10.1.16.10 of vnet private to web"]
    assert modules.leases(ctx) == []  # planning takes nothing
    converge(states.leased, ctx, "web", vnet="private")
    converge(states.leased, ctx, "second", vnet="private", guest="db", nic=1, address="10.1.16.11")
    assert [(lease.guest, lease.nic, lease.address) for lease in modules.leases(ctx)] == [
        ("db", 1, "10.1.16.11"),
        ("web", 0, "10.1.16.10"),
    ]
    with pytest.raises(SalternError, match="no free address"):
        states.leased(ctx, "third", vnet="private")
    assert states.released(ctx, "web", vnet="other").steps == ()
    converge(states.released, ctx, "web")
    assert [lease.guest for lease in modules.leases(ctx)] == ["db"]


def test_a_drift_of_the_file_is_repaired(ctx: Context) -> None:
    converge(states.leased, ctx, "web", vnet="private")
    (ctx.config.paths.var / "minion/leases").unlink()
    converge(states.leased, ctx, "web", vnet="private")
    assert len(modules.leases(ctx)) == 1


def test_a_damaged_file_is_told_and_not_overwritten(ctx: Context) -> None:
    converge(states.leased, ctx, "web", vnet="private")
    file = ctx.config.paths.var / "minion/leases"
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(b"[{")
    with pytest.raises(SalternError, match="leases: damaged"):
        states.leased(ctx, "web", vnet="private")
    assert file.read_bytes() == b"[{"


def test_another_address_than_the_held_one_is_refused(ctx: Context) -> None:
    converge(states.leased, ctx, "web", vnet="private")
    with pytest.raises(SalternError, match=r"holds 10.1.16.10 of vnet private, not 10.1.16.11"):
        states.leased(ctx, "web", vnet="private", address="10.1.16.11")


@pytest.mark.parametrize(
    "arguments",
    [
        {"vnet": "nope"},
        {"vnet": "a/b"},
        {"vnet": "private", "guest": "<&;"},
        {"vnet": "private", "nic": 256},
        {"vnet": "private", "address": "10.1.16.300"},
        {"vnet": "private", "address": "10.1.16.9"},
    ],
)
def test_what_can_not_be_leased_is_refused_while_planning(ctx: Context, arguments: dict[str, Any]) -> None:
    with pytest.raises(SalternError):
        states.leased(ctx, "web", **arguments)


def test_a_step_does_not_show_the_pillar(ctx: Context) -> None:
    assert "geheim" not in repr(states.leased(ctx, "web", vnet="private"))


class Master:
    """A master that answers from a table of leases, until it is AWAY."""

    def __init__(self) -> None:
        self.away = False
        self.held: dict[str, Any] | None = None

    def __call__(self, what: str, args: Mapping[str, Any], /) -> Any:
        if self.away:
            raise MasterAway("the master is not connected")
        row = {"vnet": "private", "guest": "web", "nic": 0, "address": "10.1.16.10", "prefix": 20, "gateway": None}
        row |= {"dns": [], "mac": "02:00:0a:01:10:0a", "bridge": "br46", "vlan": None, "held": self.held is not None}
        if what == "vnet.leases":
            return [self.held] if self.held else []
        if what == "vnet.release":
            self.held = None
            return ["10.1.16.10"]
        if args["guest"] != "web":
            raise Refused("no address")
        if what == "vnet.lease":
            self.held = row = {**row, "held": True}
        return row


def test_a_held_lease_is_served_while_the_master_is_away_and_a_new_one_fails(ctx: Context) -> None:
    master = Master()
    there = replace(ctx, ask=master)
    converge(states.leased, there, "web", vnet="private")
    master.away = True
    assert states.leased(there, "web", vnet="private").steps == ()
    with permit_acting():
        assert modules.lease(there, "private", "web", 0, "10.1.16.10").held
        with pytest.raises(modules.NoLease, match="the master is not connected"):
            modules.lease(there, "private", "web", 0, "10.1.16.11")
        with pytest.raises(MasterAway):
            modules.release(there, None, "web")
    with pytest.raises(modules.NoLease, match="for guest 'db': the master is not connected"):
        states.leased(there, "db", vnet="private")
    assert [lease.guest for lease in modules.leases(there)] == ["web"]
    master.away = False
    with pytest.raises(Refused):
        states.leased(there, "db", vnet="private")
    converge(states.released, there, "web")
    master.away = True
    assert modules.leases(there) == []


def test_what_the_master_says_wins_over_the_file(ctx: Context) -> None:
    master = Master()
    there = replace(ctx, ask=master)
    converge(states.leased, there, "web", vnet="private")
    master.held = None  # released by hand on the master
    assert modules.leases(there) == []
    assert [step.after for step in states.leased(there, "web", vnet="private").steps] == ["10.1.16.10"]
