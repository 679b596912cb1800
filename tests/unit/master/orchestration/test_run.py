"""In which order the states of an orchestration run, and what keeps them from it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from master.orchestration.doing import Done
from master.orchestration.load import compiled, wanted
from master.orchestration.run import Ended, Run
from saltern.config import MasterConfig
from saltern.converge.result import Verdict
from saltern.errors import PermanentError
from saltern.sls.low import Low
from tests.patience import WAIT_S

FINE = Verdict(True, "fine", {"ret": 1}, changed=True)
STILL = Verdict(True, "nothing to do")
BAD = Verdict(False, "bad")
WOULD = Verdict(None, "would", changed=True)

Outcome = Verdict | Exception | list[Verdict]


class Fake:
    """Does what OUTCOMES say by id (a list: one attempt after another; default FINE) and notes it."""

    def __init__(self, folder: Path, sls: str, test: bool = False, **outcomes: Outcome) -> None:
        (folder / "own.sls").write_text(sls)
        config = MasterConfig(root=folder, file_roots={"base": [str(folder)]})
        asked = wanted("own", "base", test, {}, None)
        self.lows: list[Low] = compiled(config, asked, lambda: None, lambda low: None)
        self.test, self.outcomes, self.begun = test, outcomes, list[str]()
        self.did: list[tuple[str, bool]] = []
        self.hold: dict[str, Callable[[], Awaitable[object]]] = {}

    async def do(self, position: int, test: bool, since: float) -> Done:
        id = self.lows[position].id
        self.did.append((id, test))
        if id in self.hold:
            await self.hold[id]()
        outcome = self.outcomes.get(id, FINE)
        if isinstance(outcome, Exception):
            raise outcome
        return Done(outcome.pop(0) if isinstance(outcome, list) else outcome, "1")

    async def begin(self, position: int) -> None:
        self.begun.append(self.lows[position].id)

    def run(self) -> dict[str, Verdict]:
        """All verdicts by id, in the order of their numbers."""
        heard: list[Ended] = []
        run = Run(self.lows, self.do, test=self.test, begun=self.begin, ended=heard.append)
        ended = asyncio.run(run.all())
        assert sorted(heard, key=lambda one: one.result.number) == ended
        return {one.result.low.id: one.result.verdict for one in ended}

    @property
    def acted(self) -> list[str]:
        return [id for id, test in self.did if not test]


def state(id: str, *more: str) -> str:
    lines = "".join(f"    - {line}\n" for line in more)
    return f"{id}:\n  salt.function:\n    - name: test.ping\n    - tgt: '*'\n{lines}"


def test_order_is_that_of_the_requisites(tmp_path: Path) -> None:
    fake = Fake(tmp_path, state("a", "require: [salt: b]") + state("b") + state("c", "order: first"))
    assert list(fake.run()) == ["c", "b", "a"]
    assert fake.begun == fake.acted == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("requisite", "outcome", "runs", "why"),
    [
        ("require", BAD, False, "One or more requisite failed: own.a"),
        ("require", STILL, True, ""),
        ("onchanges", STILL, False, "none of the onchanges"),
        ("onchanges", FINE, True, ""),
        ("onfail", FINE, False, "onfail req did not change"),
        ("onfail", BAD, True, ""),
        ("watch", BAD, False, "One or more requisite failed: own.a"),
        ("watch", STILL, True, ""),
        ("require", PermanentError("away"), False, "One or more requisite failed: own.a"),
        ("require", RuntimeError("a bug"), False, "One or more requisite failed: own.a"),
    ],
)
def test_a_requisite_means_what_it_means_on_a_minion(
    tmp_path: Path, requisite: str, outcome: Outcome, runs: bool, why: str
) -> None:
    fake = Fake(tmp_path, state("a") + state("b", f"{requisite}: [salt: a]"), a=outcome)
    found = fake.run()
    assert ("b" in fake.acted) is runs
    assert why in found["b"].comment


def test_errors_are_told_with_the_place_and_a_bug_as_one(tmp_path: Path) -> None:
    fake = Fake(tmp_path, state("a") + state("b"), a=PermanentError("away"), b=RuntimeError("oops"))
    found = fake.run()
    assert found["a"].comment == "own.sls:1:1: away"
    assert found["b"].comment == "own.sls:5:1: the master failed on this, see its log: RuntimeError: oops"


def test_watch_and_listen_warn_that_nothing_reacts(tmp_path: Path) -> None:
    found = Fake(tmp_path, state("a") + state("b", "watch: [salt: a]") + state("c", "listen: [salt: a]")).run()
    assert "only a `require`" in found["b"].warnings[0]
    assert "`listen` does nothing" in found["c"].warnings[0]


def test_a_test_that_fails_behind_what_would_change_says_that_a_run_may_go_otherwise(tmp_path: Path) -> None:
    sls = state("a") + state("b", "require: [salt: a]") + state("c")
    found = Fake(tmp_path, sls, True, a=WOULD, b=BAD, c=BAD).run()
    assert found["b"].warnings == ("own.sls:5:1: a would change something first, so a run may go otherwise",)
    assert found["c"].warnings == ()


def test_failhard_ends_the_run(tmp_path: Path) -> None:
    fake = Fake(tmp_path, state("a", "failhard: True") + state("b"), a=BAD)
    assert list(fake.run()) == ["a"]


@pytest.mark.parametrize(("would", "acted"), [(FINE, ["first", "then"]), (STILL, ["then"])])
def test_prereq_runs_before_what_would_change(tmp_path: Path, would: Verdict, acted: list[str]) -> None:
    fake = Fake(tmp_path, state("then") + state("first", "prereq: [salt: then]"), then=would)
    found = fake.run()
    assert fake.did[0] == ("then", True)
    assert fake.acted == acted
    assert list(found) == ["first", "then"]


def test_retry_tries_again_and_tells_what_came_before(tmp_path: Path) -> None:
    fake = Fake(tmp_path, state("a", "retry: {attempts: 3, interval: 0}"), a=[BAD, FINE, BAD])
    assert fake.run()["a"] == FINE._replace(comment="Attempt 1 ended with False: bad\nfine")
    assert fake.acted == ["a", "a"]


def test_test_mode_asks_for_test_mode_once_each(tmp_path: Path) -> None:
    sls = state("a", "retry: {attempts: 3, interval: 0}") + state("b", "onchanges: [salt: a]")
    fake = Fake(tmp_path, sls, True, a=WOULD, b=WOULD)
    fake.run()
    assert fake.did == [("a", True), ("b", True)]


def test_parallel_states_run_beside_the_next_ones_and_are_waited_for_where_they_are_required(tmp_path: Path) -> None:
    sls = state("slow", "parallel: True") + state("quick") + state("after", "require: [salt: slow]")
    fake, quick = Fake(tmp_path, sls), asyncio.Event()

    async def hold() -> None:
        async with asyncio.timeout(WAIT_S):
            await quick.wait()

    async def free() -> None:
        quick.set()

    fake.hold = {"slow": hold, "quick": free}
    assert list(fake.run()) == ["slow", "quick", "after"]
    assert fake.acted[-1] == "after"
