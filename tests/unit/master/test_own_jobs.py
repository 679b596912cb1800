"""What is kept of the jobs that the master runs itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from master import history, own_jobs
from master.dispatch import Dispatch
from master.presence import Presence
from master.store import Store, StoreError
from tests.patience import WAIT_S


def with_master(folder: Path, work: Callable[[Dispatch], Awaitable[Any]]) -> Any:
    """What WORK gives with a master that has a store and nothing else."""

    async def go() -> Any:
        nothing: Any = None
        store = Store(folder / "master.db")
        try:
            return await work(Dispatch(Presence(), store, nothing, nothing, nothing, nothing, ""))
        finally:
            store.close()

    return asyncio.run(go())


async def kept(master: Dispatch, jid: str) -> dict[str, Any]:
    found: dict[str, Any] = (await master.store.look(lambda c: history.lookup(c, jid)))["Result"]["master"]
    return found


async def full(work: object) -> Any:
    raise StoreError("the disk is full")


def test_a_job_is_told_to_the_bus_and_kept_with_its_step_and_its_end(tmp_path: Path) -> None:
    async def work(master: Dispatch) -> None:
        tags: list[str] = []
        master.bus.listeners.append(lambda tag, data: tags.append(f"{tag} {data()['fun']}"))
        jid = await own_jobs.begin(master, "a.b", [1], {"c": 2}, "root")
        await own_jobs.at_step(master, jid, 2, 3, "x")
        assert (await kept(master, jid))["return"] == "at step 2 of 3: x"
        assert list(await master.store.look(history.active)) == [jid]
        await own_jobs.end(master, jid, "a.b", ok=True, value={1, 2}, duration_ms=5.0)
        await own_jobs.at_step(master, jid, 3, 3, "too late")
        end = await kept(master, jid)
        assert (end["outcome"], end["success"], end["return"]) == ("done", True, "{1, 2}")
        assert tags == [f"salt/run/{jid}/new a.b", f"salt/run/{jid}/ret a.b"]

    with_master(tmp_path, work)


def test_what_was_cut_off_is_lost_with_the_step_that_it_had_reached(tmp_path: Path) -> None:
    async def begin(master: Dispatch) -> tuple[str, str, str]:
        jids = [await own_jobs.begin(master, "a.b", [], {}, "root") for _ in range(3)]
        await own_jobs.at_step(master, jids[0], 1, 2, "x")
        await own_jobs.end(master, jids[2], "a.b", ok=False, value="no", duration_ms=1.0)
        return jids[0], jids[1], jids[2]

    at_step, at_once, ended = with_master(tmp_path, begin)

    async def again(master: Dispatch) -> None:
        assert await master.store.do(own_jobs.mark_lost) == 2
        assert await master.store.do(own_jobs.mark_lost) == 0
        assert (await kept(master, at_step))["return"].startswith(
            "Lost: the master ended in the middle of it at step 1 of 2: x."
        )
        assert (await kept(master, at_once))["return"].startswith("Lost: the master ended in the middle of it. Jobs")
        assert (await kept(master, ended))["outcome"] == "failed"

    with_master(tmp_path, again)


def test_an_end_that_can_not_be_stored_now_is_stored_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(master: Dispatch) -> None:
        jid = await own_jobs.begin(master, "a.b", [], {}, "root")
        with monkeypatch.context() as patch:
            patch.setattr(master.store, "do", full)
            await own_jobs.at_step(master, jid, 1, 1, "x")
            await own_jobs.end(master, jid, "a.b", ok=True, value=1, duration_ms=1.0)
        async with asyncio.timeout(WAIT_S):
            while (await kept(master, jid))["outcome"] != "done":
                await asyncio.sleep(0.01)

    with caplog.at_level(logging.ERROR):
        with_master(tmp_path, work)
    assert "was not stored yet: the disk is full" in caplog.text


def test_a_result_that_is_too_large_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_jobs, "MOST_BYTES", 100)

    async def work(master: Dispatch) -> None:
        jid = await own_jobs.begin(master, "a.b", [], {}, "root")
        await own_jobs.end(master, jid, "a.b", ok=True, value="x" * 100, duration_ms=1.0)
        assert (await kept(master, jid))["return"].startswith("its result has 102 bytes, too many to be kept")

    with_master(tmp_path, work)
