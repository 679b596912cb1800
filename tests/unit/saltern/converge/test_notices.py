"""A reaction that is owed is not forgotten: not by a failure, not by a run that was cut off."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from saltern.converge.notices import Notices
from saltern.errors import PermanentError
from saltern.sls.low import Low
from tests.unit.saltern.converge.node import Node, Thing, low, need

BROKEN = PermanentError("the service does not start")


def states(kind: str = "watch") -> tuple[Low, Low]:
    return low("present", "conf", colour="blue"), low("watchful", "nginx", need(kind, "conf"))


def kept(node: Node) -> list[Path]:
    folder = node.ctx.config.paths.var / "minion/notices"
    return sorted(folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("kind", ["watch", "listen"])
def test_a_reaction_that_failed_is_done_on_the_next_run(node: Node, kind: str) -> None:
    node.broken["restart nginx"] = BROKEN
    assert node.run(*states(kind)).retcode == 2
    assert len(kept(node)) == 1
    node.broken.clear()
    node.acts.clear()
    assert node.run(*states(kind)).ok
    assert node.acts == ["restart nginx"]
    assert kept(node) == []
    node.acts.clear()
    node.run(*states(kind))
    assert node.acts == []


@pytest.mark.parametrize("kind", ["watch", "listen"])
def test_a_run_that_is_cut_off_after_the_change_leaves_the_reaction_owed(node: Node, kind: str) -> None:
    node.broken["restart nginx"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        node.run(*states(kind))
    node.broken.clear()
    node.acts.clear()
    node.run(*states(kind))
    assert node.acts == ["restart nginx"]


def test_the_notice_is_on_disk_before_the_first_step(node: Node) -> None:
    node.broken["conf"] = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        node.run(*states())
    (file,) = kept(node)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert json.loads(file.read_text()) == {
        "saltenv": "base",
        "state": "probe_|-nginx_|-nginx_|-watchful",
        "kind": "watch",
        "cause": "probe_|-conf_|-conf_|-present",
        "jid": "local",
    }


def test_test_mode_tells_of_the_owed_reaction_and_leaves_it_owed(node: Node) -> None:
    node.broken["restart nginx"] = BROKEN
    node.run(*states())
    before = kept(node)
    verdict = node.verdicts(*states(), test=True)["nginx"]
    assert verdict.result is None
    assert "since what an earlier run left undone would change:\n- restart nginx" in verdict.comment
    assert kept(node) == before


def test_a_run_without_changes_or_reactions_writes_nothing(node: Node) -> None:
    node.things["conf"] = Thing("blue")
    node.run(*states())
    node.run(low("command", "a"), low("command", "b", need("require", "a")))
    node.run(*states(), test=True)
    assert not (node.ctx.config.root / "var").exists()


def test_a_watcher_whose_own_condition_says_no_owes_nothing(node: Node) -> None:
    node.broken["restart nginx"] = BROKEN
    node.run(*states())
    conf, nginx = states()
    node.run(conf, low("watchful", "nginx", need("watch", "conf"), options={"onlyif": False}))
    assert kept(node) == []
    assert nginx.id == "nginx"


def test_where_no_notice_can_be_kept_nothing_is_begun(node: Node) -> None:
    node.ctx.config.paths.var.parent.mkdir(parents=True)
    node.ctx.config.paths.var.write_text("a file in the way")
    found = node.verdicts(*states())
    assert found["conf"].result is False
    assert "can't " in found["conf"].comment
    assert node.acts == []


def test_notices_of_other_environments_and_kinds_are_others(tmp_path: Path) -> None:
    notices = Notices(tmp_path / "notices")
    notices.write("base", "a", "watch", cause="c", jid="1")
    again = Notices(tmp_path / "notices")
    assert again.pending("base", "a", "watch")
    assert not again.pending("dev", "a", "watch")
    assert not again.pending("base", "a", "listen")
    again.clear("base", "a", "watch")
    assert not Notices(tmp_path / "notices").pending("base", "a", "watch")
