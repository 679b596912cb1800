"""What becomes of a job whose minion is gone in the moment when it is to be sent."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any, cast

import pytest

from master import dispatch as module
from master import history
from master.dispatch import Dispatch
from master.keys import ACCEPTED, Record
from master.presence import Minion, Presence, Session
from master.store import Store
from tests.patience import WAIT_S

KEY = b"k" * 32


class Line:
    """A router whose connections have just broken, or are there again (UP)."""

    def __init__(self) -> None:
        self.up, self.sent = False, list[bytes]()

    def send(self, minion: Minion, data: bytes) -> bool:
        if self.up:
            self.sent.append(data)
        else:
            minion.session = None
        return self.up


def with_minion(tmp_path: Path, line: Line) -> tuple[Dispatch, Minion]:
    """What gives out jobs by LINE, and a minion that was connected a moment ago."""
    presence, nothing = Presence(), cast("Any", None)
    presence.put(Record(KEY, "n1", ACCEPTED, b"s" * 32, 0.0))
    minion = presence.minions[KEY]
    minion.session, minion.seen = Session(b"r", 1, None, "boot", 0.0, 0.0), time.time()
    store = Store(tmp_path / "master.db")
    return Dispatch(presence, store, line, nothing, nothing, nothing, ""), minion  # type: ignore[arg-type]


@pytest.mark.parametrize(("queue_s", "expected"), [(0.0, "offline"), (60.0, "queued")])
def test_a_job_that_could_not_be_sent_is_kept_where_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, queue_s: float, expected: str
) -> None:
    monkeypatch.setattr(module, "GRACE_S", 0.0)

    async def run() -> list[bytes]:
        lines = list[bytes]()
        dispatch, minion = with_minion(tmp_path, Line())
        store = dispatch.store
        job = await dispatch.publish(
            [minion], "test.ping", [], {}, target="n1", form="glob", user="root", watcher=lines.append, queue_s=queue_s
        )
        while dispatch.active:
            await asyncio.sleep(0.01)
        found = await store.look(lambda c: history.lookup(c, job.jid))
        await dispatch.send(job, [minion], again=True)  # it came back and is gone again
        await asyncio.sleep(0.05)
        assert await store.look(lambda c: history.lookup(c, job.jid)) == found
        assert found["Result"]["n1"]["outcome"] == expected
        store.close()
        return lines

    assert b'"event": "end"' in asyncio.run(run())[-1]


@pytest.mark.parametrize("comes_back", [True, False])
def test_one_whose_connection_broke_in_that_moment_may_come_back_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, comes_back: bool
) -> None:
    monkeypatch.setattr(module, "GRACE_S", 3600.0)

    async def run() -> None:
        line, clock = Line(), asyncio.get_running_loop().time
        dispatch, minion = with_minion(tmp_path, line)
        session = minion.session
        job = await dispatch.publish(
            [minion], "test.ping", [], {}, target="n1", form="glob", user="root", watcher=lambda line: None
        )
        await asyncio.sleep(0)
        assert job.targets[KEY].state == "sent"
        assert list(dispatch.active) == [job.jid]
        if comes_back:
            minion.session, line.up = session, True
            await dispatch.send(job, [minion], again=True)
            minion.session = None  # gone once more, with the job
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: clock() + 3601)
        async with asyncio.timeout(WAIT_S):
            while not comes_back and dispatch.active:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        [end] = (await dispatch.store.look(lambda c: history.lookup(c, job.jid)))["Result"].values()
        assert (len(line.sent), end["outcome"]) == ((1, "sent") if comes_back else (0, "offline"))
        dispatch.store.close()

    asyncio.run(run())
