"""What is told of who is here."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from master import from_minions
from master.dispatch import Dispatch
from master.from_minions import FromMinions
from master.jobs import Job, Target
from master.keys import ACCEPTED, Record
from master.presence import Presence, Session
from master.store import Store
from tests.patience import WAIT_S


def test_who_is_here_is_told_again_and_again(tmp_path: Path) -> None:
    async def run() -> list[Any]:
        presence, store, nothing = Presence(), Store(tmp_path / "master.db"), None
        for number, name in enumerate(("n2", "n1", "away")):
            presence.put(Record(b"%032d" % number, name, ACCEPTED, b"s" * 32, 0.0))
        first, second, _ = presence.minions.values()
        dispatch = Dispatch(presence, store, nothing, nothing, nothing, nothing, "")  # type: ignore[arg-type]
        told: asyncio.Queue[Any] = asyncio.Queue()
        dispatch.bus.listeners.append(lambda tag, data: told.put_nowait((tag, data()["present"])))
        first.session = second.session = Session(b"r", 1, None, "boot", 0.0, 0.0)
        FromMinions(dispatch, nothing, present_every_s=0.01)  # type: ignore[arg-type]
        seen = [await told.get()]
        first.session = None
        while seen[-1] == seen[0]:
            seen.append(await told.get())
        store.close()
        return [seen[0], seen[-1]]

    tag = "salt/presence/present"
    assert asyncio.run(asyncio.wait_for(run(), WAIT_S)) == [(tag, ["n1", "n2"]), (tag, ["n1"])]


def test_who_waits_for_one_that_stays_away_is_told_and_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(from_minions, "GRACE_S", 0.0)

    async def run() -> dict[str, str]:
        presence, store, nothing = Presence(), Store(tmp_path / "master.db"), cast("Any", None)
        for number, name in enumerate(("n1", "n2")):
            presence.put(Record(b"%032d" % number, name, ACCEPTED, b"s" * 32, 0.0))
        first, second = presence.minions.values()
        dispatch = Dispatch(presence, store, nothing, nothing, nothing, nothing, "")
        heard = FromMinions(dispatch, nothing)
        told: dict[str, str] = {}
        for jid, minion in (("1", second), ("2", first), ("3", first)):
            public = minion.record.public
            target = Target(public, minion.id, "sent", unsent=jid == "3")
            job = Job(jid, "test.ping", b"[]", b"{}", "*", "glob", "root", 0.0, {public: target}, waiting={public})
            job.watchers.append(lambda line, jid=jid: told.update({jid: line.decode()}))  # type: ignore[misc]
            dispatch.active[jid] = job
        heard.left(first)
        async with asyncio.timeout(WAIT_S):
            while "2" in dispatch.active:
                await asyncio.sleep(0.01)
        store.close()
        return told

    told = asyncio.run(run())
    assert list(told) == ["2"]
