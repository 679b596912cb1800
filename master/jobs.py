"""The life of a job on the master: who it is for, what became of it there, and what has to be stored.

No sockets and no clock here: the server passes events in and carries out what it is told.
"""

# ruff: noqa: S608 - all parts of the queries are constants of the code
from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from master.turns import Turns
from saltern.jid import jid_of

Emit = Callable[[bytes], None]  # takes one line of the control protocol

OPEN = "state IN ('held', 'queued', 'sent', 'received')"  # as the index ends_under_way has it
_NEAR = 10_000  # so many ids are tried for a job whose own is taken (ten milliseconds of a clock)
ENDS = ("done", "failed", "refused", "offline", "expired", "lost contact", "timed out", "killed", "lost")


@dataclass(slots=True)
class Target:
    """One minion's part of a job; STATE is held (its turn in a batch comes later), queued (for when it is back), sent,
    received or one of `ENDS`. UNSENT: its connection broke before the job could be sent, and may come again."""

    public: bytes
    minion: str
    state: str
    step: tuple[int, int, str] | None = None
    unsent: bool = False


@dataclass(slots=True)
class Job:
    """A published job. WATCHERS are the commands that wait for it, WAITING those whose end they wait for."""

    jid: str
    function: str
    args: bytes
    kwargs: bytes
    target: str
    form: str
    user: str
    started: float
    targets: dict[bytes, Target] = field(default_factory=dict)
    watchers: list[Emit] = field(default_factory=list)
    waiting: set[bytes] = field(default_factory=set)
    turns: Turns | None = None
    kept: bool = False  # it waits for those who are away

    def emit(self, line: bytes) -> None:
        """Tell all who watch."""
        for watcher in self.watchers:
            watcher(line)


@dataclass(frozen=True, slots=True)
class End:
    """How a job ended on a minion; VALUE is a JSON document. USED: the trees and the pillar of a state run (see
    `runs`), or empty. OF_MINION: the minion says so and waits until it is stored."""

    jid: str
    public: bytes
    outcome: str
    success: bool
    retcode: int
    value: bytes
    duration_ms: float
    used: bytes = b""
    of_minion: bool = True


class JidMaker:
    """Job ids: the time as 20 digits (to the microsecond), each greater than all before, also across restarts."""

    def __init__(self, last: str = "") -> None:
        self._last = last

    def __call__(self, now: float) -> str:
        """The next job id at NOW (seconds since the epoch)."""
        text = jid_of(now)
        self._last = text if text > self._last else f"{int(self._last) + 1:020d}"
        return self._last


def create_new(connection: sqlite3.Connection, job: Job) -> bool:
    """Store the job; False where its id is taken."""
    if connection.execute("SELECT 1 FROM jobs WHERE jid = ?", (job.jid,)).fetchone():
        return False
    create(connection, job)
    return True


def create(connection: sqlite3.Connection, job: Job) -> None:
    """Store the job and its targets as they are."""
    kind = (job.function, job.user, job.target, job.form)
    connection.execute("INSERT OR IGNORE INTO kinds (function, user, target, form) VALUES (?, ?, ?, ?)", kind)
    connection.execute(
        "INSERT INTO jobs SELECT ?, ?, ?, ?, ?, ?, ?, ?, id FROM kinds "
        "WHERE function = ? AND user = ? AND target = ? AND form = ?",
        (
            job.jid,
            job.function,
            job.args.decode(),
            job.kwargs.decode(),
            job.target,
            job.form,
            job.user,
            job.started,
            *kind,
        ),
    )
    connection.executemany(
        "INSERT INTO ends (jid, public, minion, state, at) VALUES (?, ?, ?, ?, ?)",
        [(job.jid, t.public, t.minion, t.state, job.started) for t in job.targets.values()],
    )


def store(connection: sqlite3.Connection, ends: Sequence[End], now: float) -> list[str]:
    """Store ENDS: for each `stored`, `duplicate` (it had one already) or `unknown` (it was no target of that job).

    A job that was taken for never received has no end that a minion gave: its return, however late, is the truth.
    """
    verdicts = []
    for end in ends:
        cursor = connection.execute(
            "UPDATE ends SET state = ?, success = ?, retcode = ?, value = ?, duration_ms = ?, at = ? "
            "WHERE jid = ? AND public = ? AND (state IN ('held', 'queued', 'sent', 'received') "
            "OR (state = 'expired' AND ?))",
            (
                end.outcome,
                end.success,
                end.retcode,
                end.value.decode(),
                end.duration_ms,
                now,
                end.jid,
                end.public,
                end.of_minion,
            ),
        )
        if cursor.rowcount:
            verdicts.append("stored")
            continue
        row = connection.execute("SELECT 1 FROM ends WHERE jid = ? AND public = ?", (end.jid, end.public)).fetchone()
        verdicts.append("duplicate" if row else "unknown")
    return verdicts


def function_of(connection: sqlite3.Connection, jid: str) -> str:
    """The function of a job that is stored."""
    return str(connection.execute("SELECT function FROM jobs WHERE jid = ?", (jid,)).fetchone()[0])


def create_called(connection: sqlite3.Connection, job: Job, end: End) -> tuple[str, End]:
    """Store what a minion ran by itself (by its schedule, `saltern-call`): the verdict as `store` gives it, and END as
    it is stored.

    Minions make those ids by their clocks, so one may be taken by another: the job then gets the next that is free.
    """
    first = int(job.jid)
    for jid in (f"{number:020d}" for number in range(first, min(first + _NEAR, 10**20))):
        here = replace(end, jid=jid)
        taken = connection.execute("SELECT user FROM jobs WHERE jid = ?", (jid,)).fetchone()
        if taken is None:
            create(connection, replace(job, jid=jid))
            return store(connection, [here], job.started)[0], here
        if taken[0] == job.user and (jid == job.jid or _is_stored(connection, here)):
            return "duplicate", here
    return "unknown", end


def _is_stored(connection: sqlite3.Connection, end: End) -> bool:
    """Whether END came before, and got an id that is not its own."""
    row = connection.execute(
        "SELECT value, duration_ms FROM ends WHERE jid = ? AND public = ?", (end.jid, end.public)
    ).fetchone()
    return bool(row == (end.value.decode(), end.duration_ms))


def received(connection: sqlite3.Connection, pairs: Iterable[tuple[str, bytes]]) -> None:
    """Note that the jobs (jid, public) have reached their minions."""
    connection.executemany(
        "UPDATE ends SET state = 'received' WHERE jid = ? AND public = ? AND state IN ('queued', 'sent')", pairs
    )


def open_for(connection: sqlite3.Connection, public: bytes, held: Sequence[str]) -> list[tuple[Job, str]]:
    """What a minion that came back still owes: jobs that it was sent, has no end for, and does not hold.

    A job it never received is to be sent again; one that it had received, but no longer knows, was lost with it.
    """
    rows = connection.execute(
        "SELECT jobs.jid, function, args, kwargs, target, form, user, started, ends.state FROM ends "
        "JOIN jobs USING (jid) "
        f"WHERE ends.public = ? AND {OPEN} AND state != 'held' ORDER BY jobs.jid",
        (public,),
    ).fetchall()
    return [(Job(r[0], r[1], r[2].encode(), r[3].encode(), *r[4:8]), r[8]) for r in rows if r[0] not in held]


def send_now(connection: sqlite3.Connection, jid: str, publics: Iterable[bytes]) -> None:
    """Note that the turn of these minions has come."""
    connection.executemany(
        "UPDATE ends SET state = 'sent' WHERE jid = ? AND public = ? AND state = 'held'",
        [(jid, public) for public in publics],
    )


def queue_again(connection: sqlite3.Connection, jid: str, public: bytes) -> None:
    """The job could not be sent to a minion that was there a moment ago: it waits for it."""
    connection.execute(
        "UPDATE ends SET state = 'queued' WHERE jid = ? AND public = ? AND state = 'sent'", (jid, public)
    )


def keep_until(connection: sqlite3.Connection, jid: str, expires: float) -> None:
    """What is queued of the job is kept until EXPIRES (seconds since the epoch)."""
    connection.execute("INSERT OR REPLACE INTO deadlines VALUES (?, ?)", (jid, expires))


def expire(connection: sqlite3.Connection, now: float, ttl_s: float) -> int:
    """End what was queued for minions that did not come back in time, and what was sent and not received within TTL_S:
    how many."""
    queued = connection.execute(
        "UPDATE ends SET state = 'expired', success = 0, retcode = 1, at = ?1, "
        "value = '\"The minion did not come back in time; it was never started.\"' "
        f"WHERE {OPEN} AND state = 'queued' AND jid IN (SELECT jid FROM deadlines WHERE expires <= ?1)",
        (now,),
    ).rowcount
    sent = connection.execute(
        "UPDATE ends SET state = 'expired', success = 0, retcode = 1, at = ?1, "
        "value = '\"The minion did not receive it in time; it was never started.\"' "
        f"WHERE {OPEN} AND state = 'sent' AND (SELECT started FROM jobs WHERE jobs.jid = ends.jid) <= ?2",
        (now, now - ttl_s),
    ).rowcount
    connection.execute("DELETE FROM deadlines WHERE expires <= ?", (now,))
    return queued + sent


def drop_held(connection: sqlite3.Connection) -> int:
    """End what was held when the master ended: nobody gives out those turns any more. How many."""
    return connection.execute(
        "UPDATE ends SET state = 'refused', success = 0, retcode = 1, "
        f"value = '\"Not sent: the master was ended before its turn.\"' WHERE {OPEN} AND state = 'held'"
    ).rowcount


def next_expiry(connection: sqlite3.Connection) -> float | None:
    """When the next queued job expires."""
    found: float | None = connection.execute("SELECT min(expires) FROM deadlines").fetchone()[0]
    return found


def last_jid(connection: sqlite3.Connection) -> str:
    """The greatest job id that the master made so far, or ''. A minion makes those of its own calls, by its clock."""
    query = "SELECT max(jid) FROM jobs WHERE user NOT LIKE 'minion/%'"  # no name of a user has a slash
    return str(connection.execute(query).fetchone()[0] or "")
