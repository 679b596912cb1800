"""Jobs that the master runs itself, kept in the history beside those of minions: their one target is `master`.

How far one has come is on disk, so that where the master dies in the middle, the next one says so.
"""

# ruff: noqa: S608 - all parts of the queries are constants of the code
from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any

from master import jobs
from master.dispatch import Dispatch
from master.jobs import End, Job, Target
from saltern.errors import SalternError

logger = logging.getLogger(__name__)

NAME = "master"  # as its result is called; its key is that of no minion
KEY = b"master"
MOST_BYTES = 16 * 1024 * 1024  # of what is kept as a result


async def begin(master: Dispatch, function: str, args: Sequence[Any], kwargs: Mapping[str, Any], user: str) -> str:
    """Note that the master begins with FUNCTION for USER: the job's id."""
    now = time.time()
    job = Job(
        master.new_jid(now),
        function,
        json.dumps(args, default=str).encode(),
        json.dumps(kwargs, default=str).encode(),
        NAME,
        "list",
        user,
        now,
        {KEY: Target(KEY, NAME, "received")},
    )
    while not await master.store.do(lambda c: jobs.create_new(c, job)):
        job.jid = master.new_jid(now)
    fun_args = [*args, dict(kwargs)] if kwargs else list(args)
    master.bus.fire(f"salt/run/{job.jid}/new", {"jid": job.jid, "fun": function, "fun_args": fun_args, "user": user})
    return job.jid


async def at_step(master: Dispatch, jid: str, step: int, total: int, id: str) -> None:
    """Note that the job has come to STEP of TOTAL, the state ID. A store that fails is logged: the job goes on."""
    text = json.dumps(f"at step {step} of {total}: {id}")
    query = f"UPDATE ends SET value = ? WHERE jid = ? AND public = ? AND {jobs.OPEN}"
    try:
        await master.store.do(lambda c: c.execute(query, (text, jid, KEY)))
    except SalternError as error:
        logger.error("job %s: that it has come to step %d was not stored: %s", jid, step, error)


async def end(
    master: Dispatch, jid: str, function: str, *, ok: bool, value: Any, duration_ms: float, killed: bool = False
) -> None:
    """Store how the job ended; where that can't be done now, later. KILLED: somebody ended it."""
    text = await asyncio.to_thread(json.dumps, value, default=str)
    if len(text) > MOST_BYTES:
        text = json.dumps(f"its result has {len(text)} bytes, too many to be kept; those of the minions are kept")
    outcome = "killed" if killed else "done" if ok else "failed"
    done = End(jid, KEY, outcome, ok, 0 if ok else 1, text.encode(), duration_ms, of_minion=False)
    try:
        await master.store.do(lambda c: jobs.store(c, [done], time.time()))
    except SalternError as error:
        logger.error("the end of job %s was not stored yet: %s", jid, error)
        master.ends.add(done, None)
    data = {"jid": jid, "fun": function, "success": ok, "return": value}
    master.bus.fire(f"salt/run/{jid}/ret", data)


def mark_lost(connection: sqlite3.Connection) -> int:
    """End the jobs of a master that died in the middle of them: how many."""
    rows = connection.execute(f"SELECT jid, value FROM ends WHERE public = ? AND {jobs.OPEN}", (KEY,)).fetchall()
    for jid, value in rows:
        step = f" {json.loads(value)}" if value else ""
        text = json.dumps(f"Lost: the master ended in the middle of it{step}. Jobs that it had sent to minions go on.")
        connection.execute(
            "UPDATE ends SET state = 'lost', success = 0, retcode = 1, value = ?, at = ? WHERE jid = ? AND public = ?",
            (text, time.time(), jid, KEY),
        )
    return len(rows)
