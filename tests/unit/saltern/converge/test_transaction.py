"""When a run opens, settles and takes back its network transaction. Here colours are the network, sizes are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saltern.context import Context
from saltern.converge import transaction
from saltern.converge.plan import Step, call
from saltern.converge.result import Verdict
from saltern.converge.transaction import Ended, Transaction
from saltern.errors import PermanentError
from saltern.marks import forbid_acting
from saltern.sls.low import Low
from tests.unit.saltern.converge.node import Node, low, need


class Fake:
    """A transaction that says what was asked of it. ENDS: how `commit` ends it."""

    def __init__(self, node: Node, *, by_person: bool = False) -> None:
        self.node, self.by_person = node, by_person
        self.said: list[str] = []
        self.ends = Ended(True, "Committed: fine")
        self.refuses: str | None = None
        self.passes: set[str] = set()

    def touches(self, steps: Sequence[Step]) -> str | None:
        return None if steps[0].do.args[0] in self.passes else "Touches the path"

    def open(self) -> None:
        self.said.append("open")
        if self.refuses:
            raise PermanentError(self.refuses)

    def extend(self, steps: Sequence[Step]) -> None:
        self.said.append(f"extend {steps[0].do.args[0]}")

    @contextmanager
    def holding(self) -> Iterator[None]:
        self.said.append("step")
        yield

    def commit(self) -> Ended:
        self.said.append("commit")
        if not self.ends.kept:
            self.node.things.clear()
        return self.ends

    def roll_back(self, why: str) -> Ended:
        self.said.append(f"back: {why}")
        self.node.things.clear()
        return Ended(False, f"Rolled back: {why}")


@pytest.fixture
def fake(node: Node, monkeypatch: pytest.MonkeyPatch) -> Fake:
    monkeypatch.setattr(transaction, "is_network", lambda step: "colour" in step.sentence)
    monkeypatch.setattr(transaction, "STATES", frozenset({"net"}))
    made = Fake(node)

    def make(ctx: Context) -> Transaction:
        return made

    node.ctx = replace(node.ctx, extra={"network_transaction": make})
    return made


def colour(id: str, *requisites: Any, **more: Any) -> Low:
    return low("present", id, *requisites, **{"colour": "red", **more})


def size(id: str, *requisites: Any) -> Low:
    return low("present", id, *requisites, size=3)


def results(found: dict[str, Verdict]) -> dict[str, bool | None]:
    return {name: verdict.result for name, verdict in found.items()}


def test_the_states_of_the_network_are_one_transaction(node: Node, fake: Fake) -> None:
    found = node.verdicts(colour("a"), colour("b"), size("c"), size("d"))
    assert fake.said == ["open", "extend a", "step", "extend b", "step", "commit"]
    assert results(found) == {"a": True, "b": True, "c": True, "d": True}
    assert "Committed: fine" not in found["a"].comment
    assert found["b"].comment.endswith("Committed: fine")


def test_a_state_without_steps_ends_no_transaction(node: Node, fake: Fake) -> None:
    node.verdicts(size("c"))
    node.verdicts(colour("a"), size("c"), colour("b"))
    assert fake.said == ["open", "extend a", "step", "extend b", "step", "commit"]


def test_a_second_run_asks_nothing(node: Node, fake: Fake) -> None:
    node.verdicts(colour("a"), size("c"))
    fake.said.clear()
    node.verdicts(colour("a"), size("c"))
    assert fake.said == []


def test_what_does_not_touch_the_path_has_no_transaction(node: Node, fake: Fake) -> None:
    fake.passes = {"a"}
    node.verdicts(colour("a"))
    assert fake.said == []
    node.verdicts(colour("a", colour="blue"), colour("b"))
    assert fake.said == ["open", "extend b", "step", "commit"]


def test_a_preview_says_it_and_opens_nothing(node: Node, fake: Fake) -> None:
    found = node.verdicts(colour("a"), size("c"), test=True)
    assert found["a"].comment.endswith("Touches the path")
    assert "Touches" not in found["c"].comment
    assert fake.said == []


def test_a_failure_takes_all_of_it_back_at_once(node: Node, fake: Fake) -> None:
    node.broken["b"] = PermanentError("no")
    found = node.verdicts(colour("a"), colour("b"), colour("c"), size("d"), size("e", need("require", "a")))
    assert results(found) == {"a": False, "b": False, "c": False, "d": True, "e": False}
    assert fake.said[-1].startswith("back: probe b failed: Failed to set colour of b: ")
    assert (found["a"].changes, found["a"].changed) == ({}, False)
    assert "Rolled back" in found["a"].comment
    assert "not done, since the network transaction of this run was taken back" in found["c"].comment
    assert "c" not in node.things


def test_what_could_not_begin_is_not_tried_again_by_the_next_state(node: Node, fake: Fake) -> None:
    fake.refuses = "no room on the disk"
    found = node.verdicts(colour("a"), colour("b"), size("c"))
    assert results(found) == {"a": False, "b": False, "c": True}
    assert fake.said == ["open"]
    assert "not done, since the network transaction of this run could not begin: no room" in found["b"].comment


def test_what_is_not_confirmed_fails_and_what_needs_it_does_not_run(node: Node, fake: Fake) -> None:
    fake.ends = Ended(False, "Rolled back: nobody there")
    found = node.verdicts(colour("a"), size("b", need("require", "a")), size("c"))
    assert results(found) == {"a": False, "b": False, "c": True}
    assert found["b"].ran is False
    assert found["a"].changes == {}
    assert "put b" not in node.acts


def test_what_could_not_be_taken_back_keeps_its_changes(node: Node, fake: Fake) -> None:
    fake.ends = Ended(False, "Rollback incomplete: eno1", complete=False)
    found = node.verdicts(colour("a"))
    assert found["a"].result is False
    assert found["a"].changes != {}


def test_what_is_no_longer_as_declared_at_the_end_is_taken_back(node: Node, fake: Fake) -> None:
    found = node.verdicts(colour("a"), colour("b", colour="blue"), low("present", "a2", colour="green"))
    assert fake.said[-1] == "commit"
    assert all(verdict.result for verdict in found.values())
    fake.said.clear()
    one, other = colour("x"), replace(colour("y", colour="blue"), name="x")
    node.verdicts(one, other)
    assert fake.said[-1] == "back: probe x: not as declared any more at the end"


def test_without_a_checkpoint_nothing_is_changed(node: Node, fake: Fake) -> None:
    fake.refuses = "no guard"
    found = node.verdicts(colour("a"))
    assert found["a"].result is False
    assert "no guard" in found["a"].comment
    assert node.acts == []


def test_with_a_person_the_whole_run_is_one_transaction(node: Node, fake: Fake) -> None:
    fake.by_person = True
    fake.ends = Ended(True, "Not committed yet", waiting=True)
    found = node.verdicts(colour("a"), size("b"), colour("c"))
    assert fake.said == ["open", "extend a", "step", "step", "extend c", "step", "commit"]
    assert found["c"].comment.endswith("Not committed yet")


def test_a_run_that_breaks_off_takes_it_back(node: Node, fake: Fake) -> None:
    node.broken["b"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        node.run(colour("a"), colour("b"))
    assert fake.said[-1] == "back: the run was broken off"


class Files:
    """A tree of three files that says what was fetched."""

    def __init__(self) -> None:
        self.fetched: list[tuple[tuple[str, ...], str]] = []

    def environments(self) -> tuple[str, ...]:
        return ("base",)

    def list(self, saltenv: str = "base") -> tuple[str, ...]:
        return ("a/x", "a/y", "motd")

    def digest(self, path: str, saltenv: str = "base") -> str | None:
        return "0"

    def fetch(self, paths: tuple[str, ...], saltenv: str = "base") -> None:
        self.fetched.append((paths, saltenv))

    def local(self, path: str, saltenv: str = "base") -> Path:
        raise FileNotFoundError(path)

    def mode(self, path: str, saltenv: str = "base") -> int:
        return 0

    def hand_over(self, path: str, saltenv: str = "base") -> None:
        raise FileNotFoundError(path)


def test_files_that_later_states_name_are_fetched_before() -> None:
    files = Files()
    lows = [
        low("present", "a", source="salt://motd"),
        low("present", "b", sources=["salt://a", "http://x", "salt://missing", "salt://../x"]),
    ]
    transaction.fetch_ahead(lows, files)
    assert files.fetched == [(("motd", "a/x", "a/y"), "base")]


def test_steps_of_the_network_are_told_by_their_module() -> None:
    from modules import bridge, sysctl, test
    from modules._persist import keepers

    def step(function: Any, *arguments: Any) -> Step:
        return Step("", None, None, do=call(function, *arguments))

    with forbid_acting():
        assert transaction.is_network(step(bridge.add, "br0"))
        assert transaction.is_network(step(keepers.save, "/", {}))
        assert transaction.is_network(step(sysctl.assign, "net.ipv4.ip_forward", "1"))
        assert not transaction.is_network(step(sysctl.assign, "vm.swappiness", "1"))
        assert not transaction.is_network(step(test.ping))
