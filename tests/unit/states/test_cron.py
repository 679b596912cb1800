"""Crontabs as states, with a program in the place of crontab(1) that keeps one in a file."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from modules import cron as module
from modules._cron.crontab import MARK
from modules._cron.fields import BadCron
from modules.cron import CronError
from saltern.context import Context
from saltern.converge.compare import changes
from saltern.converge.plan import Plan
from saltern.converge.state import check_of
from saltern.errors import SalternError
from saltern.marks import permit_acting
from saltern.secret import Secret
from states import cron
from tests.plans import context, converge

ME = pwd.getpwuid(os.getuid()).pw_name
PROGRAM = """#!/bin/sh
for last; do :; done
if [ "$last" = -l ]; then
    [ -e "$TAB" ] || { echo "no crontab for me" >&2; exit 1; }
    exec cat "$TAB"
fi
grep -q REFUSED "$last" && { echo "\\"$last\\":1: bad command" >&2; exit 1; }
exec cp "$last" "$TAB"
"""


@pytest.fixture
def tab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The crontab."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/crontab"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("TAB", str(tmp_path / "tab"))
    return tmp_path / "tab"


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return context(tmp_path)


def shown(plan: Plan) -> Any:
    return changes("cron", plan.current, plan.wish, plan.wish)


def test_a_job_comes_changes_in_its_place_and_goes(ctx: Context, tab: Path) -> None:
    plan = converge(cron.present, ctx, " run all ", user=ME, hour=4, identifier="it", comment="why")
    assert tab.read_text() == f"{MARK}\n# why SALT_CRON_IDENTIFIER:it\n* 4 * * * run all\n"
    assert [step.sentence for step in plan.steps] == [f"add the job 'run all' of {ME}"]
    plan = converge(cron.present, ctx, "run some", user=ME, special="@daily", identifier="it")
    assert shown(plan)["diff"].splitlines()[3:] == ["-* 4 * * * run all", "+@daily run some"]
    converge(cron.present, ctx, "run some", user=ME, special="@daily", identifier="it", commented=True, comment="")
    assert tab.read_text() == f"{MARK}\n# SALT_CRON_IDENTIFIER:it\n#DISABLED#@daily run some\n"
    converge(cron.absent, ctx, "run some", user=ME, identifier="it", minute=3)
    assert tab.read_text() == ""


def test_a_random_number_differs_between_nodes_and_stays_on_each(ctx: Context, tab: Path) -> None:
    arguments: dict[str, Any] = {"user": ME, "minute": "random", "hour": "random", "dayweek": "random"}
    converge(cron.present, ctx, "run", **arguments)
    first = tab.read_text()
    assert "random" not in first
    tab.unlink()
    converge(cron.present, ctx, "run", **arguments)
    assert tab.read_text() == first
    tab.write_text(f"{MARK}\n59 23 * * 6 run\n")
    converge(cron.present, ctx, "run", **arguments)
    assert tab.read_text().endswith("\n59 23 * * 6 run\n")


@pytest.mark.parametrize(
    ("value", "line"),
    [("a b", "A=a b"), ("", 'A=""'), (None, 'A=""'), (" x", 'A=" x"'), ('"q"', 'A="q"'), (Secret("top"), "A=top")],
)
def test_a_variable_is_written_so_that_cron_reads_its_value(
    ctx: Context, tab: Path, value: str | Secret | None, line: str
) -> None:
    tab.write_text(f"A=theirs\n{MARK}\n@daily run\n")
    plan = converge(cron.env_present, ctx, "A", user=ME, value=value)
    assert tab.read_text() == f"A=theirs\n{MARK}\n{line}\n@daily run\n"
    assert isinstance(value, Secret) == ("top" not in str(shown(plan)) and "secret" in str(shown(plan)))
    gone = converge(cron.env_absent, ctx, "A", user=ME)
    assert shown(gone)["diff"].splitlines()[-1] == "-A=…"
    assert tab.read_text() == f"A=theirs\n{MARK}\n@daily run\n"


def test_a_crontab_that_is_refused_leaves_the_old_one(ctx: Context, tab: Path) -> None:
    tab.write_text("# old\n")
    plan = cron.present(ctx, "REFUSED", user=ME)
    with permit_acting(), pytest.raises(CronError, match='the old one stays: "crontab":1: bad command'):
        plan.steps[0].do()
    assert tab.read_text() == "# old\n"


def test_a_crontab_that_cannot_be_read_is_never_replaced(ctx: Context, tab: Path) -> None:
    tab.write_bytes(b"# " + b"x" * (1 << 20))
    with pytest.raises(CronError, match="too long"):
        cron.present(ctx, "run", user=ME)
    tab.unlink()
    tab.mkdir()
    with pytest.raises(CronError, match="can't be read: cat: "):
        cron.present(ctx, "run", user=ME)


def test_a_whole_crontab_needs_contents_and_replaces_one_only_if_allowed(ctx: Context, tab: Path) -> None:
    converge(cron.file, ctx, "mine", user=ME, contents=["@daily a", "@daily b"])
    assert tab.read_text() == "@daily a\n@daily b\n"
    plan = converge(cron.file, ctx, "mine", user=ME, contents="@daily c", replace=False)
    assert plan.steps == ()
    with pytest.raises(SalternError, match="two different things"):
        cron.file(ctx, "mine", user=ME, source="salt://x", contents="@daily c")
    with pytest.raises(SalternError, match="no source file salt://x"):
        cron.file(ctx, "salt://x", user=ME)


def test_what_needs_a_user_that_is_not_there_yet_is_unknown(ctx: Context, tab: Path) -> None:
    for state in (cron.present, cron.env_present, cron.file):
        assert state(ctx, "x", user="nobodyatall").unknown == "there is no user 'nobodyatall'"
    for gone in (cron.absent, cron.env_absent):
        assert converge(gone, ctx, "x", user="nobodyatall").steps == ()
    for name in ("-u", "a b", "", "../x"):
        with pytest.raises(CronError, match="not the name of a user"):
            module.raw_cron(name)


@pytest.mark.parametrize(
    ("state", "name", "arguments", "argument"),
    [
        (cron.present, "x", {"minute": 60}, "minute"),
        (cron.present, "x", {"special": "@dialy"}, "special"),
        (cron.present, "x", {"special": "@daily", "hour": 1}, "hour"),
        (cron.present, "x\ny", {}, "name"),
        (cron.present, "x", {"identifier": True}, "identifier"),
        (cron.present, "x", {"comment": "\x07"}, "comment"),
        (cron.env_present, "1X", {}, "name"),
        (cron.env_present, "X", {"value": Secret("a\nb")}, "value"),
    ],
)
def test_what_no_crontab_can_hold_is_refused_before_a_run(
    state: Any, name: str, arguments: dict[str, Any], argument: str
) -> None:
    refuse = check_of(state)
    assert refuse is not None
    with pytest.raises(BadCron) as refused:
        refuse(name, **arguments)
    assert refused.value.argument == argument
