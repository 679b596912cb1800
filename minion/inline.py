"""What the agent answers itself, at once and without a worker: that it is there, what it runs, and the end of a job."""

from __future__ import annotations

import inspect
import json
import signal
import time
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from minion.pipe import Done, Step
from saltern.errors import SalternError, UsageError
from saltern.wire import messages as m

Functions = dict[str, Callable[..., Any]]


class Running:
    """A job that is under way here."""

    __slots__ = ("function", "jid", "pid", "since", "step")

    def __init__(self, jid: str, function: str) -> None:
        self.jid, self.function, self.since = jid, function, time.time()
        self.pid: int | None = None
        self.step: Step | None = None

    def described(self) -> dict[str, Any]:
        """What `saltutil.running` shows."""
        step = {"step": self.step.step, "total": self.step.total, "id": self.step.state_id} if self.step else None
        return {"jid": self.jid, "fun": self.function, "pid": self.pid, "since": self.since, "progress": step}


def functions(running: Mapping[str, Running], end_job: Callable[[str, signal.Signals], int | None]) -> Functions:
    """The functions about the agent and the jobs RUNNING, by name. END_JOB sends a job a signal and gives its pid."""

    def is_running(fun: str) -> list[dict[str, Any]]:
        return [job.described() for job in running.values() if fnmatchcase(job.function, str(fun))]

    def find_job(jid: str | int) -> dict[str, Any]:
        job = running.get(str(jid))
        return job.described() if job else {}

    def signal_job(jid: str | int, sig: Any) -> str:
        number, jid = _signal_of(sig), str(jid)  # a command line reads a job's id as a number
        if jid not in running:
            raise UsageError(f"job {jid} does not run here (saltutil.running shows those that do)")
        return f"Signal {int(number)} sent to job {jid} at pid {end_job(jid, number)}"

    return {
        "test.ping": lambda: True,
        "saltutil.running": lambda: [job.described() for job in running.values()],
        "saltutil.is_running": is_running,
        "saltutil.find_job": find_job,
        "saltutil.kill_job": lambda jid: signal_job(jid, signal.SIGKILL),
        "saltutil.term_job": lambda jid: signal_job(jid, signal.SIGTERM),
        "saltutil.signal_job": signal_job,
    }


def _signal_of(sig: Any) -> signal.Signals:
    try:
        return signal.Signals(sig)
    except ValueError:
        raise UsageError(f"a signal is a number that kill(1) knows, like 15, not {sig!r}") from None


def answered(function: Callable[..., Any], job: m.Job, named: bytes) -> Done:
    """How JOB ended, which is FUNCTION with the arguments NAMED (JSON)."""
    began = time.perf_counter()
    try:
        args, kwargs = json.loads(job.args), json.loads(named)
        _check(job.function, function, args, kwargs)
        value, outcome = function(*args, **kwargs), "done"
    except SalternError as error:
        value, outcome = str(error), "failed"
    except (TypeError, ValueError, ProcessLookupError) as error:
        value, outcome = f"{job.function}: {error}", "failed"
    good = outcome == "done"
    passed = (time.perf_counter() - began) * 1000
    return Done(outcome, good, 0 if good else 1, json.dumps(value).encode(), passed)


def _check(name: str, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> None:
    """UsageError where the arguments are not what the function takes."""
    try:
        inspect.signature(function).bind(*args, **kwargs)
    except TypeError:
        from saltern.runner import check_arguments  # late: it is never needed where calls are right

        check_arguments(name, function, args, kwargs)
