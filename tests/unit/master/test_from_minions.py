"""What is told of who is here."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from master.dispatch import Dispatch
from master.from_minions import FromMinions
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
