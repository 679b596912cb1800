"""The master's own schedule: what is due is called once, and what is wrong stays by itself."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from master import history
from master.caller import Answer, Caller
from master.dispatch import Dispatch
from master.orchestration.parts import Parts
from master.presence import Presence
from master.schedule import Schedule
from master.store import Store
from saltern.config import MasterConfig
from saltern.errors import SalternError, UsageError
from tests.patience import WAIT_S

CALLED = list[tuple[str, Sequence[Any], Mapping[str, Any], str]]


class Made:
    """A schedule over a store, and what it called."""

    def __init__(self, folder: Path, **items: Any) -> None:
        self.called: CALLED = []
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.store = Store(folder / "master.db")
        nothing: Any = None
        self.master = Dispatch(Presence(), self.store, nothing, nothing, nothing, nothing, "")
        parts = Parts(MasterConfig(), self._run, _check, nothing, frozenset())
        self.schedule = Schedule(self.master, parts, items, folder / "schedule.json", UTC)

    async def _run(self, function: str, args: Sequence[Any], kwargs: Mapping[str, Any], caller: Caller) -> Answer:
        self.called.append((function, args, kwargs, caller.user))
        await self.may_end.wait()
        if function == "manage.down":
            raise SalternError("out of order")
        if function == "manage.bug":
            raise KeyError(function)
        return Answer(["n1"], "nested")

    async def until(self, calls: int) -> None:
        """Wait for so many calls, and until they are in the history."""
        async with asyncio.timeout(WAIT_S):
            while len(self.called) < calls or await self.store.look(lambda c: bool(history.active(c))):
                await asyncio.sleep(0.01)

    def close(self) -> None:
        self.schedule.close()
        self.store.close()


def _check(function: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    if not function.startswith("manage."):
        raise UsageError(f"there is no runner {function!r}.")


def test_what_is_due_is_called_and_is_a_job_of_the_history(tmp_path: Path) -> None:
    async def go() -> None:
        made = Made(tmp_path, often={"function": "manage.up", "seconds": 1, "args": [1], "kwargs": {"a": 2}})
        made.schedule.start()
        await made.until(2)
        jobs = await made.store.look(lambda c: history.listing(c, history.Wanted(user="schedule")))
        jid, job = next(iter(jobs.items()))
        assert (job["Function"], job["Arguments"], job["Target"]) == ("manage.up", [1, {"a": 2}], "master")
        end = (await made.store.look(lambda c: history.lookup(c, jid)))["Result"]["master"]
        assert (end["outcome"], end["return"]) == ("done", ["n1"])
        assert made.called[0] == ("manage.up", (1,), {"a": 2}, "schedule")
        made.close()

    asyncio.run(go())


def test_an_item_that_is_wrong_or_fails_is_named_and_stops_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    items = {
        "odd": {"function": "manage.up", "minuts": 5},
        "unknown": {"function": "jobs.prun", "run_on_start": True},
        "fails": {"function": "manage.down", "run_on_start": True},
        "bug": {"function": "manage.bug", "run_on_start": True},
        "fine": {"function": "manage.up", "run_on_start": True},
    }

    async def go() -> None:
        made = Made(tmp_path, **items)
        made.schedule.start()
        await made.until(3)
        found = made.schedule.listing()
        assert found["odd"]["problem"] == "schedule: the item 'odd' has no option 'minuts'. Did you mean 'minutes'?"
        assert found["unknown"]["problem"] == "schedule: the item 'unknown': there is no runner 'jobs.prun'."
        assert "problem" not in found["fails"]
        jobs = await made.store.look(lambda c: history.listing(c, history.Wanted(outcome="failed")))
        assert {job["Function"] for job in jobs.values()} == {"manage.down", "manage.bug"}
        made.close()

    with caplog.at_level(logging.ERROR):
        asyncio.run(go())
    assert "schedule: fails failed: out of order" in caplog.text
    assert "schedule: bug failed" in caplog.text


def test_what_was_decided_is_not_decided_again_after_a_restart(tmp_path: Path) -> None:
    item = {"function": "manage.up", "hours": 1, "catch_up": "once"}

    async def go() -> None:
        made = Made(tmp_path, it=item)
        made.schedule.start()
        made.close()
        assert made.called == []
        file = tmp_path / "schedule.json"
        file.write_text(json.dumps({"it": {"last": 1000.0, "skips": [], "postponed": []}}))
        for calls in (1, 0):  # what was due long ago is made up for once, and known to be after a restart
            made = Made(tmp_path, it=item)
            made.schedule.start()
            await made.until(calls)
            made.close()
            assert len(made.called) == calls

    asyncio.run(go())


def test_a_run_that_still_goes_on_keeps_the_next_one_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def go() -> None:
        made = Made(tmp_path, often={"function": "manage.up", "seconds": 1})
        made.may_end.clear()
        made.schedule.start()
        async with asyncio.timeout(WAIT_S):
            while "is left out: 1 of it still run" not in caplog.text:
                await asyncio.sleep(0.01)
        assert len(made.called) == 1
        assert made.schedule.listing()["often"]["running"] == 1
        made.may_end.set()
        await made.until(1)
        made.close()

    asyncio.run(go())


def test_nothing_is_begun_that_could_not_be_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "schedule.json").mkdir()

    async def go() -> None:
        made = Made(tmp_path, once={"function": "manage.up", "run_on_start": True})
        made.schedule.start()
        assert made.called == []
        made.close()

    asyncio.run(go())
    assert "can't be written, so nothing is run now" in caplog.text
