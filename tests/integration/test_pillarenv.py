"""The environment that a pillar comes from: of one run, of a node, with a master and while it is away."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.system import BIN, Daemon, System, wait_for
from tests.patience import WAIT_S

SLS = """\
what it sees:
  test.configurable_test_state:
    - comment: {{ pillar.where }} {{ pillar.get('only') }} {{ opts.pillarenv }}
"""
WITHIN = """\
a run in a run:
  module.run:
    - state.apply:
      - mods: see
      - pillar: {only: given}
      - concurrent: True
"""
ALL, DEV, BASE = "dev base None", "dev None dev", "base base base"


def trees(folder: Path) -> dict[str, list[str]]:
    """Pillars of two environments below FOLDER; `where` is in both, and the later one wins where both are joined."""
    roots = {}
    for env, text in {"base": "where: base\nonly: base\n", "dev": "where: dev\n"}.items():
        (folder / env).mkdir(parents=True)
        (folder / env / "top.sls").write_text(f"{env}:\n  '*': [site]\n")
        (folder / env / "site.sls").write_text(text)
        roots[env] = [str(folder / env)]
    return roots


@pytest.fixture
def node(master: System) -> Daemon:
    """A connected minion n1 of a master whose pillar has two environments."""
    (master.states / "see.sls").write_text(SLS)
    master.master.stop()
    master.configure(pillar_roots=trees(master.folder / "pillars"))
    master.start()
    return master.minion("n1")


def seen(returned: Any) -> str:
    """What the SLS saw."""
    [state] = returned.values()
    return str(state["comment"])


def published(master: System, *args: Any, **kwargs: Any) -> str:
    """What the SLS sees in a job of the master."""
    end = master.publish("n1", "state.apply", "see", *args, **kwargs)["n1"]
    assert end["success"], end
    return seen(end["return"])


def called(node: Daemon, *words: str) -> tuple[int, Any]:
    """The exit code and the value of a `saltern-call` on the node."""
    argv = [str(BIN / "saltern-call"), "--root", str(node.root), "--out", "json", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=WAIT_S)
    return done.returncode, json.loads(done.stdout)["local"]


def test_a_run_has_the_pillar_of_the_environment_that_it_names(master: System, node: Daemon) -> None:
    assert published(master) == ALL
    assert published(master, pillarenv="dev") == DEV
    assert published(master, pillarenv="base", pillar={"where": "here"}) == "here base base"
    assert seen(called(node, "state.apply", "see", "pillarenv=dev")[1]) == DEV
    assert called(node, "pillar.items", "pillarenv=dev") == (0, {"where": "dev"})
    assert master.publish("n1", "pillar.get", "only", "none", pillarenv="dev")["n1"]["return"] == "none"
    assert master.publish("n1", "pillar.item", "where", pillarenv="base")["n1"]["return"] == {"where": "base"}


def test_the_master_shows_what_a_run_would_get(master: System, node: Daemon) -> None:
    def shown(*words: str) -> tuple[int, str]:
        argv = [str(BIN / "saltern-run"), "--root", str(master.master.root), "--out", "json", *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=WAIT_S)
        return done.returncode, done.stdout + done.stderr

    code, said = shown("pillar.show_pillar", "n1")
    assert (code, json.loads(said)) == (0, {"where": "dev", "only": "base"})
    code, said = shown("pillar.show_pillar", "n1", "pillarenv=base")
    assert (code, json.loads(said)) == (0, {"where": "base", "only": "base"})
    code, said = shown("pillar.show_pillar", "n1", "pillarenv=devv")
    assert code == 1
    assert "no pillar has an environment 'devv'" in said
    code, said = shown("pillar.show_pillar", "n1", "pillarenv=../etc")
    assert code == 2
    assert "not an environment" in said


def test_a_run_within_a_run_has_the_same(master: System, node: Daemon) -> None:
    (master.states / "within.sls").write_text(WITHIN)
    end = master.publish("n1", "state.apply", "within", pillarenv="base")["n1"]
    assert "base given base" in json.dumps(end["return"]), end


def test_one_that_is_not_there_is_named_before_anything_runs(master: System, node: Daemon) -> None:
    end = master.publish("n1", "state.apply", "see", pillarenv="devv")["n1"]
    assert not end["success"]
    assert "no pillar has an environment 'devv': there is base, dev. Did you mean 'dev'?" in str(end["return"])
    end = master.publish("n1", "state.apply", "see", pillarenv="../etc")["n1"]
    assert not end["success"]
    assert "not an environment: '../etc'" in str(end["return"])


def test_without_a_master_a_node_has_its_own_pillar_and_no_other(master: System, node: Daemon) -> None:
    assert published(master) == ALL
    assert published(master, pillarenv="dev") == DEV  # is not what is kept
    master.master.stop()
    wait_for("the agent notices", lambda: "not connected" in str(called(node, "pillar.items", "pillarenv=dev")[1]))
    assert seen(called(node, "state.apply", "see")[1]) == ALL
    code, said = called(node, "state.apply", "see", "pillarenv=dev")
    assert code == 1
    assert "the pillar of the environment 'dev' is not kept here: the master is not connected" in str(said)


def test_a_node_may_have_one_for_all_its_runs(master: System, node: Daemon) -> None:
    assert published(master) == ALL
    node.stop()
    with (node.root / "etc/saltern/minion").open("a") as file:
        file.write("pillarenv: dev\n")
    node.start()
    master.wait_up("n1")
    assert published(master) == DEV
    assert published(master, pillarenv="base") == BASE
    master.master.stop()
    wait_for("the agent notices", lambda: called(node, "pillar.items", "pillarenv=base")[0] == 1)
    assert seen(called(node, "state.apply", "see")[1]) == DEV


@pytest.mark.parametrize(
    ("options", "words", "wanted"),
    [
        ("", [], ALL),
        ("", ["pillarenv=dev"], DEV),
        ("", ["saltenv=dev"], ALL),
        ("pillarenv: dev\n", [], DEV),
        ("pillarenv: dev\n", ["pillarenv=base"], BASE),
        ("pillarenv: null\n", [], ALL),
        ("pillarenv_from_saltenv: true\n", [], ALL),
        ("pillarenv_from_saltenv: true\n", ["saltenv=dev"], DEV),
        ("pillarenv_from_saltenv: true\npillarenv: base\n", ["saltenv=dev"], BASE),
        ("pillarenv_from_saltenv: true\n", ["saltenv=dev", "pillarenv=base"], BASE),
    ],
)
def test_a_node_by_itself_goes_by_the_same_options(tmp_path: Path, options: str, words: list[str], wanted: str) -> None:
    (tmp_path / "states").mkdir()
    (tmp_path / "states/see.sls").write_text(SLS)
    roots = {"base": [str(tmp_path / "states")], "dev": [str(tmp_path / "states")]}
    values = {"id": "n1", "file_client": "local", "file_roots": roots, "pillar_roots": trees(tmp_path / "pillars")}
    (tmp_path / "minion").write_text(
        "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items()) + options
    )
    node = Daemon(tmp_path / "root", [])
    assert seen(called(node, "-c", str(tmp_path), "state.apply", "see", *words)[1]) == wanted
