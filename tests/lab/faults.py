"""Faults in the network transaction: at each of its steps each of the things that may go wrong, and bad changes.

A case lets a host begin to move to its new address (see `fault_host`), stops the process at work at one event of the
transaction's journal, does the fault, and lets it go on. Then, whatever happened, this must hold (`judged`):

  - the host answers at the old or the new address, and its report says which (within ANSWER_S seconds: `slow`);
  - links, addresses, routes and files are wholly the old ones or wholly the new ones, as the report has it;
  - what the job returned, if it could, says the same.

`python -m tests.lab.faults --all` runs all cases, prints the matrix, and writes docs/network-faults.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from tests.lab.channel import CommandTimeout, HostDown, LabError
from tests.lab.fault_host import (
    AWAY_S,
    DAY_S,
    NAME,
    NEW_GATEWAY,
    WRONG_VLAN,
    FaultHost,
    Hit,
    new_way,
)
from tests.patience import patient

ANSWER_S = 60.0
RETURN_S = 60.0
PAGE = Path(__file__).parents[2] / "docs/network-faults.md"


class Moment(NamedTuple):
    """When a fault comes: after the NTH EVENT of the journal. BROKEN: of a change that is taken back, since its
    last state fails."""

    name: str
    event: str
    nth: int = 1
    broken: bool = False


MOMENTS = (
    Moment("the checkpoint is on disk", "opened"),
    Moment("the guard is armed", "armed"),
    Moment("the run knows of the guard", "guarded"),
    Moment("before the VLAN is made", "steps", 1),
    Moment("before the bridge is made", "steps", 2),
    Moment("before the new address", "steps", 3),
    Moment("before the new gateway", "steps", 4),
    Moment("before the old address goes", "steps", 5),
    Moment("the new gateway is asked", "probe"),
    Moment("the master is asked to confirm", "confirm"),
    Moment("committed", "ended"),
    Moment("the guard is disarmed", "disarmed"),
    Moment("the way back begins", "rollback", 1, broken=True),
    Moment("the first step back", "back", 1, broken=True),
    Moment("the fourth step back", "back", 4, broken=True),
    Moment("back", "ended", 1, broken=True),
)


class Case(NamedTuple):
    """A fault at a moment, or with MOMENT None a bad change, or a fault from the beginning."""

    fault: str
    moment: Moment | None = None

    @property
    def name(self) -> str:
        """For people and for pytest."""
        return f"{self.fault}: {self.moment.name}" if self.moment else self.fault


class Result(NamedTuple):
    """How CASE ended. OUTCOME: "new", "old" or "refused" (old, and nothing was begun); SECONDS from the fault until the
    report was there. WRONG: in which way it is not as it must be; nothing where it is."""

    case: Case
    outcome: str
    seconds: float
    why: str
    wrong: list[str]

    @property
    def words(self) -> str:
        """For a cell of the matrix."""
        return f"WRONG ({self.outcome})" if self.wrong else f"{self.outcome} {self.seconds:.0f} s"

    @property
    def slow(self) -> bool:
        """Whether the report came later than it must on a machine of usual speed."""
        return self.seconds > ANSWER_S


def _power(field: FaultHost, hit: Hit) -> None:
    field.power_cut()


def _dropped(field: FaultHost, hit: Hit) -> None:
    field.lab.switch.plug(NAME, into=False)
    field.go_on(hit)
    time.sleep(AWAY_S)
    field.lab.switch.plug(NAME)


def _master(field: FaultHost, hit: Hit) -> None:
    field.master_away(True)
    field.go_on(hit)
    time.sleep(AWAY_S)
    field.master_away(False)


def _disk(field: FaultHost, hit: Hit) -> None:
    field.fill_disk()


def _worker(field: FaultHost, hit: Hit) -> None:
    field.kill("KILL", hit.worker)


def _agent(field: FaultHost, hit: Hit) -> None:
    field.kill("KILL", field.main_pid("saltern-minion"))


def _guard(field: FaultHost, hit: Hit) -> None:
    guard = field.main_pid("saltern-guard")
    if guard:
        field.kill("KILL", guard)


def _all(field: FaultHost, hit: Hit) -> None:
    pids = [hit.worker, field.main_pid("saltern-minion"), field.main_pid("saltern-guard")]
    field.kill("KILL", *(pid for pid in pids if pid))


def _tomorrow(field: FaultHost, hit: Hit) -> None:
    field.set_clock(DAY_S)


def _yesterday(field: FaultHost, hit: Hit) -> None:
    field.set_clock(-DAY_S)


def _parallel(field: FaultHost, hit: Hit) -> None:
    field.second = field.apply("case")
    time.sleep(1)


FAULTS: Mapping[str, Callable[[FaultHost, Hit], None]] = {
    "worker killed": _worker,
    "agent killed": _agent,
    "guard killed": _guard,
    "all three killed": _all,
    "power cut": _power,
    "packets dropped": _dropped,
    "master away": _master,
    "disk full": _disk,
    "clock + 1 day": _tomorrow,
    "clock - 1 day": _yesterday,
    "second apply": _parallel,
}
BAD_CHANGES = ("wrong VLAN", "wrong gateway", "duplicate address", "trunk missing", "disk full before")


def every_case() -> list[Case]:
    """The whole matrix, and the bad changes."""
    return [Case(bad) for bad in BAD_CHANGES] + [Case(fault, moment) for moment in MOMENTS for fault in FAULTS]


def chosen_cases() -> list[Case]:
    """Some of them, for every day: each fault, each moment and each bad change at least once."""
    events = [
        *("agent killed", "disk full", "worker killed", "power cut", "all three killed", "clock + 1 day"),
        *("packets dropped", "guard killed", "second apply", "master away", "worker killed", "clock - 1 day"),
        *("guard killed", "disk full", "worker killed", "agent killed"),
    ]
    longest = ("power cut", "packets dropped", "master away")  # first, so that no host waits for another at the end
    cases = [Case(fault, moment) for fault, moment in zip(events, MOMENTS, strict=True)]
    return [*sorted(cases, key=lambda case: case.fault not in longest), *map(Case, BAD_CHANGES)]


def run(field: FaultHost, case: Case) -> Result:
    """Run CASE on a host that is as after `reset`, and judge it."""
    if case.moment is None:
        return _run_bad(field, case)
    field.cluster.write_sls("case", json.dumps(new_way(broken=case.moment.broken)))
    with field.stopping_at(case.moment.event, case.moment.nth) as stopped:
        returned = field.apply("case")
        hit = stopped.result()
    if hit is None:
        raise LabError(f"{case.name}: the moment never came: {_returned(returned)}")
    began = time.monotonic()
    FAULTS[case.fault](field, hit)
    field.go_on(hit)
    return judged(field, case, began, hit.jid, returned)


def _run_bad(field: FaultHost, case: Case) -> Result:
    states = {
        "wrong VLAN": new_way(vlan=WRONG_VLAN),
        "wrong gateway": new_way(gateway="203.0.113.99"),
        "duplicate address": new_way(address=NEW_GATEWAY),
    }.get(case.fault, new_way())
    field.cluster.write_sls("case", json.dumps(states))
    if case.fault == "trunk missing":
        field.trunk(False)
    if case.fault == "disk full before":
        field.fill_disk()
    began = time.monotonic()
    returned = field.apply("case")
    try:
        found = judged(field, case, began, None, returned)
    finally:
        field.trunk(True)
    if found.outcome == "new":
        found.wrong.append("a bad change was kept")
    return found


def judged(
    field: FaultHost,
    case: Case,
    began: float,
    jid: str | None,
    returned: Future[Mapping[str, Any]],
) -> Result:
    """What became of the job JID; None: of whichever has had a transaction since the last reset."""
    wrong: list[str] = []
    last: Mapping[str, Any] = {}
    if field.second is not None:  # it may have run after the first, and so have the last word
        _returned(field.second)
        field.second, jid = None, None
    while not last and time.monotonic() < began + patient(ANSWER_S):
        done = returned.done()
        said = field.last() or {}
        if said and (said.get("jid") == jid if jid else said.get("jid") != field.before):
            last = said
        elif not jid and done and said:
            break  # nothing was begun
        else:
            time.sleep(0.2)
    seconds = time.monotonic() - began
    told = _returned(returned)
    if not last:
        outcome = "refused" if jid is None and field.last() is not None else "unknown"
    else:
        outcome = {"committed": "new", "rolled back": "old"}.get(str(last["outcome"]), "unknown")
    if outcome == "unknown":
        wrong.append(f"no report, or one that says neither: {last}")
        outcome = field.where()
    wanted = field.new if outcome == "new" else field.old
    where, now = field.where(), field.shape()
    may = _given_at_boot(field) if case.fault == "power cut" and outcome == "new" else frozenset[str]()
    wrong += [f"lacks: {one}" for one in wanted.minus(now)]
    wrong += [f"has: {one}" for one in now.minus(wanted) if one not in may]
    if where not in ({"new", "both"} if may else {outcome.replace("refused", "old")}):
        wrong.append(f"answers at: {where}")
    if field.host.run(["test", "-e", "/var/lib/saltern/minion/network/pending"], check=False).returncode == 0:
        wrong.append("it is still pending")
    wrong += _disagreement(told, outcome, case)
    why = str(last.get("why", "")) or _said(told)
    return Result(case, outcome, seconds, why, wrong)


def _given_at_boot(field: FaultHost) -> frozenset[str]:
    """What the lab gives a host when it is switched on, and the host's new network does not have."""
    return frozenset(field.old.minus(field.new)) & (field.old.addresses | field.old.routes)


def _disagreement(told: Mapping[str, Any] | None, outcome: str, case: Case) -> list[str]:
    """In which way what the job returned is not what its report says."""
    if told is None:
        return ["the job did not return"]
    well = all(result["result"] for result in told.values())
    if well and outcome != "new":
        return [f"the job says that all is well: {_said(told)}"]
    text = _said(told)
    if outcome == "new" and not well and "committed" not in text.lower() and "lost" not in text.lower():
        return [f"the job does not say that it was committed: {text}"]
    return []


def _returned(returned: Future[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    try:
        return returned.result(patient(RETURN_S))
    except (FutureTimeout, LabError, subprocess.TimeoutExpired):
        return None


def _said(told: Mapping[str, Any] | None) -> str:
    return " | ".join(dict.fromkeys(str(result["comment"]) for result in (told or {}).values()))


def run_all(cases: Iterable[Case], fields: int, say: Callable[[Result], None] = lambda result: None) -> list[Result]:
    """Run CASES on so many hosts side by side, each with a switch and a master of its own."""
    todo, lock, results = list(cases), Lock(), []
    order = {case: place for place, case in enumerate(todo)}

    def work() -> None:
        with FaultHost() as field:
            while True:
                with lock:
                    if not todo:
                        return
                    case = todo.pop(0)
                result = tried(field, case)
                with lock:
                    results.append(result)
                    say(result)

    with ThreadPoolExecutor(fields) as pool:
        for done in [pool.submit(work) for _ in range(fields)]:
            done.result()
    return sorted(results, key=lambda result: order[result.case])


def tried(field: FaultHost, case: Case) -> Result:
    """Run CASE and reset the host."""
    try:
        result = run(field, case)
    except (LabError, HostDown, CommandTimeout) as error:
        result = Result(case, "error", 0.0, "", [f"{type(error).__name__}: {error}"])
    try:
        field.reset()
    except (LabError, HostDown, CommandTimeout) as error:
        result.wrong.append(f"after it: {error}")
        field.power_cut()
        field.reset()
    return result


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(description="Faults in the network transaction, on lab hosts.")
    parser.add_argument("--all", action="store_true", help="all cases; writes docs/network-faults.md")
    parser.add_argument("--only", default="", help="cases whose name has this text")
    parser.add_argument("--hosts", type=int, default=2, help="so many side by side (2)")
    given = parser.parse_args()
    cases = [case for case in every_case() if given.only in case.name]

    def say(result: Result) -> None:
        print(f"{result.words:14} {result.case.name} ({result.why})", flush=True)
        for line in result.wrong:
            print(f"    {line}", flush=True)
        if result.slow:
            print(f"    slower than {ANSWER_S:g} s", flush=True)

    began = time.monotonic()
    from tests.lab.fault_page import page, table

    results = run_all(cases, given.hosts, say)
    print(table(results))
    if given.all and not given.only:
        minutes = (time.monotonic() - began) / 60
        PAGE.write_text(page(results, minutes))
    return int(any(result.wrong or result.slow for result in results) or len(results) < len(cases))


if __name__ == "__main__":
    sys.exit(main())
