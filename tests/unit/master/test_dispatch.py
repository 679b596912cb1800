"""What becomes of a job whose minion is gone in the moment when it is to be sent."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from master import history
from master.dispatch import Dispatch
from master.keys import ACCEPTED, Record
from master.presence import Presence, Session
from master.store import Store

KEY = b"k" * 32


class Gone:
    """A router whose connections have just broken."""

    def send(self, minion: object, data: bytes) -> bool:
        return False


@pytest.mark.parametrize(("queue_s", "expected"), [(0.0, "offline"), (60.0, "queued")])
def test_a_job_that_could_not_be_sent_is_kept_where_that_was_asked_for(
    tmp_path: Path, queue_s: float, expected: str
) -> None:
    async def run() -> list[bytes]:
        presence, store, lines = Presence(), Store(tmp_path / "master.db"), list[bytes]()
        presence.put(Record(KEY, "n1", ACCEPTED, b"s" * 32, 0.0))
        minion = presence.minions[KEY]
        minion.session = Session(b"r", 1, None, "boot", 0.0, 0.0)
        nothing: Any = None
        dispatch = Dispatch(presence, store, Gone(), nothing, nothing, nothing, "")  # type: ignore[arg-type]
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
