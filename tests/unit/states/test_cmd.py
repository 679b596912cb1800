"""The plans of command states and of test states."""

from __future__ import annotations

from pathlib import Path

import pytest

from modules import _cmd, _test
from saltern.context import Context
from saltern.converge.plan import Outcome, Plan, call
from saltern.converge.state import reaction_of
from saltern.errors import SalternError
from saltern.marks import permit_acting
from states import cmd, test
from tests.plans import context


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return context(tmp_path, pillar={"a": {"b": 1, "c": "x"}})


def ran(plan: Plan) -> Outcome:
    """The outcome of an imperative plan's only step."""
    assert plan.imperative
    (step,) = plan.steps
    with permit_acting():
        outcome = step.do()
    assert isinstance(outcome, Outcome)
    return outcome


def test_a_command_is_one_step_with_what_was_named(ctx: Context) -> None:
    (step,) = cmd.run(ctx, "make all", cwd="/srv", timeout=5).steps
    assert step.sentence == "run make all"
    assert step.do == call(_cmd.outcome, "make all", cwd="/srv", timeout=5)


def test_planning_runs_nothing(ctx: Context, tmp_path: Path) -> None:
    cmd.run(ctx, f"touch {tmp_path}/x")
    assert not (tmp_path / "x").exists()


def test_what_creates_names_is_made_once(ctx: Context, tmp_path: Path) -> None:
    made = f"{tmp_path}/x"
    assert ran(cmd.run(ctx, f"touch {made}", creates=made)).ok
    again = cmd.run(ctx, f"touch {made}", creates=made)
    assert (again.steps, again.comment) == ((), f"{made} exists: nothing to do")


def test_a_command_that_fails_says_its_code_and_output(ctx: Context) -> None:
    outcome = ran(cmd.run(ctx, "echo broken >&2; exit 4"))
    assert (outcome.ok, outcome.changes["retcode"], outcome.changes["stderr"]) == (False, 4, "broken")


def test_a_waiting_command_runs_only_by_reaction(ctx: Context, tmp_path: Path) -> None:
    assert cmd.wait(ctx, "true").steps == ()
    react = reaction_of(cmd.wait)
    assert react is not None
    (step,) = react(ctx, f"touch {tmp_path}/x", cwd="/")
    assert step.do == call(_cmd.outcome, f"touch {tmp_path}/x", cwd="/")
    assert list(react(ctx, "true", creates="/")) == []


def test_a_script_of_the_tree_is_run_with_its_words(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "tree/hello").write_text('#!/bin/sh\necho "hello $1-$2"\n')
    outcome = ran(cmd.script(ctx, "salt://hello", args="'a b' c"))
    assert outcome.changes["stdout"] == "hello a b-c"


def test_test_states_end_as_they_are_told(ctx: Context) -> None:
    assert test.nop(ctx, "x").steps == ()
    assert test.succeed_without_changes(ctx, "x").comment == "Success!"
    assert test.show_notification(ctx, "x", text="hi").comment == "hi"
    good = ran(test.succeed_with_changes(ctx, "x"))
    assert (good.ok, good.changes) == (True, test.PRETENDED)
    assert not ran(test.fail_with_changes(ctx, "x")).ok
    assert not ran(test.configurable_test_state(ctx, "x", changes=True, result=False)).ok
    assert test.configurable_test_state(ctx, "x", changes=False, result=True, comment="c").comment == "c"
    with pytest.raises(SalternError, match="Failure!"):
        test.fail_without_changes(ctx, "x")
    with pytest.raises(SalternError, match="Failure!"):
        test.configurable_test_state(ctx, "x", changes=False, result=False)


def test_a_test_state_reacts_to_what_it_watches(ctx: Context) -> None:
    react = reaction_of(test.nop)
    assert react is not None
    (step,) = react(ctx, "x")
    assert step.do.function is _test.pretend


def test_check_pillar_names_each_key_that_is_wrong(ctx: Context) -> None:
    assert test.check_pillar(ctx, "x", present="a:b", integer="a:b", string=["a:c"]).steps == ()
    with pytest.raises(SalternError, match="a:x is not there; a:c is not a whole number"):
        test.check_pillar(ctx, "x", present="a:x", integer="a:c")


@pytest.mark.parametrize(
    ("last", "ok", "changes", "comment"),
    [
        ("changed=no comment='as it was'", True, {}, "as it was"),
        ("changed=yes comment=done size=3", True, {"size": "3", "retcode": 0}, "done"),
        ('{"changed": true, "comment": "done"}', True, {"retcode": 0}, "done"),
        ('{"changed": false}', True, {}, "run"),
        ("all is well", False, {}, "its last line is no `changed=yes`"),
        ("", False, {}, "its last line is no"),
    ],
)
def test_a_stateful_command_says_itself_what_it_did(
    ctx: Context, tmp_path: Path, last: str, ok: bool, changes: dict[str, object], comment: str
) -> None:
    (tmp_path / "said").write_text(f"working\n{last}\n\n" if last else "")
    outcome = ran(cmd.run(ctx, f"cat {tmp_path}/said", stateful=True))
    assert outcome.ok is ok
    assert comment in outcome.comment
    if ok:
        assert {key: outcome.changes[key] for key in changes} == changes
        assert bool(outcome.changes) is bool(changes)


def test_a_command_may_go_without_a_shell_and_with_its_own_folder_of_programs(ctx: Context, tmp_path: Path) -> None:
    outcome = ran(cmd.run(ctx, "echo '$HOME' | x", python_shell=False, use_vt=True))
    assert outcome.changes["stdout"] == "$HOME | x"
    (tmp_path / "greet").write_text("#!/bin/sh\necho hello\n")
    (tmp_path / "greet").chmod(0o755)
    assert ran(cmd.run(ctx, "greet", prepend_path=str(tmp_path))).changes["stdout"] == "hello"
    assert ran(cmd.run(ctx, "echo x", output_loglevel="quiet")).changes["stdout"] == ""
