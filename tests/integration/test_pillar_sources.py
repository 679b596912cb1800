"""Sealed values and a renewed pillar, through the public commands and the whole system."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.integration.system import BIN, System
from tests.patience import WAIT_S


def runner(made: System, *argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "saltern-run"), "--root", str(made.master.root), *argv]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=WAIT_S, check=False)


def result(answer: dict[str, dict[str, Any]], minion: str) -> Any:
    end = answer[minion]
    assert end["outcome"] == "done", end
    return end["return"]


def test_a_sealed_value_is_seen_by_its_minion_alone(master: System, tmp_path: Path) -> None:
    for name in ("n1", "n2"):
        master.minion(name)
    sealed = runner(master, "pillar.encrypt", "minions=n1", stdin="CANARY is long\n").stdout.strip()
    assert sealed.startswith("SEALED[n1:")
    (master.pillar / "top.sls").write_text("base:\n  '*': [all]\n  n1: [own]\n")
    (master.pillar / "all.sls").write_text("word: open\n")
    (master.pillar / "own.sls").write_text(f"password: {sealed}\n")
    out = tmp_path / "out"
    (master.states / "use.sls").write_text(f"{out}:\n  file.managed:\n    - contents_pillar: password\n")
    states = result(master.publish("n1", "state.apply", "use"), "n1")
    assert all(one["result"] for one in states.values()), states
    assert out.read_text() == "CANARY is long\n"
    assert "CANARY" not in str(states)
    shown = runner(master, "pillar.show_pillar", "n1", "--out", "json").stdout
    assert "word" in shown
    assert "password" in shown
    assert "CANARY" not in shown
    (master.pillar / "all.sls").write_text(f"moved: {sealed}\n")
    refused = master.publish("n2", "pillar.items")["n2"]
    assert refused["outcome"] == "refused"
    assert "this value is sealed for n1, not for n2" in str(refused["return"])
    logs = master.master.log + "".join(daemon.log for daemon in master.minions.values())
    assert "CANARY" not in logs
    wrong = runner(master, "pillar.show_pillar", "n3")
    assert wrong.returncode == 2
    assert "there is no accepted minion 'n3'" in wrong.stderr


def test_another_key_seals_and_the_old_one_still_opens_until_all_is_sealed_anew(master: System) -> None:
    master.minion("n1")
    sealed = runner(master, "pillar.encrypt", stdin="CANARY\n").stdout.strip()
    (master.pillar / "top.sls").write_text("base: {'*': [all]}\n")
    (master.pillar / "all.sls").write_text(f"a: 1\npassword: {sealed}\n")
    place = f"{master.pillar}/all.sls:2"
    uses = ("n1", "pillar.get", "password")
    assert result(master.publish(*uses), "n1") == "**********"
    rotated = json.loads(runner(master, "pillar.rotate", "--out", "json").stdout)
    assert rotated["sealed with keys from before"] == [place]
    assert result(master.publish(*uses), "n1") == "**********"  # by a renderer that runs already
    for test in ("True", "False"):
        assert json.loads(runner(master, "pillar.reseal", f"test={test}", "--out", "json").stdout) == [place]
        assert (sealed in (master.pillar / "all.sls").read_text()) == (test == "True")
    told = json.loads(runner(master, "pillar.sealed", "--out", "json").stdout)
    assert told == {place: {"minions": "*", "key": rotated["key"], "current": True}}
    assert result(master.publish(*uses), "n1") == "**********"
    anew = runner(master, "pillar.reseal", sealed).stdout.strip()
    assert anew.startswith("SEALED[*:")
    assert anew != sealed
    assert "CANARY" not in master.master.log


def test_a_state_that_reloads_the_pillar_gives_the_next_ones_the_new_values(master: System, tmp_path: Path) -> None:
    master.minion("n1")
    (master.pillar / "top.sls").write_text("base: {'*': [all]}\n")
    (master.pillar / "all.sls").write_text("word: old\n")
    tree = f"""
change:
  file.managed:
    - name: {master.pillar}/all.sls
    - contents: "word: new"
    - reload_pillar: True
    - reload_grains: True
after:
  file.managed:
    - name: {tmp_path}/out
    - contents_pillar: word
    - parallel: True
    - require:
      - file: change
given:
  file.managed:
    - name: {tmp_path}/given
    - contents_pillar: more
    - require:
      - file: change
"""
    (master.states / "two.sls").write_text(tree)
    states = result(master.publish("n1", "state.apply", "two", pillar={"more": "as before"}), "n1")
    assert all(one["result"] for one in states.values()), states
    assert (tmp_path / "out").read_text() == "new\n"
    assert (tmp_path / "given").read_text() == "as before\n"
