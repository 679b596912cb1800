"""Code that a tree brings: a real master and a real minion use modules, states and grains of the tree."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import Ran, run
from tests.integration.custom_tree import CODE, TYPED_MODULE, put
from tests.integration.system import BIN, System, system, wait_for


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with system(tmp_path_factory.mktemp("custom")) as found:
        put(found.states, CODE)
        put(found.pillar, {"top.sls": "base:\n  '*':\n    - keys\n"})
        put(found.pillar, {"keys.sls": f"keys: {found.folder}/node/keys\nowner: ops\n"})
        found.minion("node")
        yield found


def call(made: System, function: str, /, *args: Any, **kwargs: Any) -> Any:
    """What the node returned; AssertionError where it failed."""
    event = made.publish("node", function, *args, **kwargs)["node"]
    assert event["success"], event
    return event["return"]


def failed(made: System, function: str, /, *args: Any, **kwargs: Any) -> str:
    """How the node says that it failed."""
    event = made.publish("node", function, *args, **kwargs)["node"]
    assert not event["success"], event
    return str(event["return"])


def results(returned: dict[str, Any]) -> dict[str, Any]:
    """Results by state id."""
    return {one["__id__"]: one for one in returned.values()}


def test_a_state_run_brings_the_code_that_it_needs_and_the_plan_is_the_run(made: System) -> None:
    planned = results(call(made, "state.apply", "notes", test=True))
    assert planned["greeting"]["result"] is None
    assert "write the note greeting" in planned["greeting"]["comment"]
    assert planned["colour"]["changes"]["colour"] == {"old": None, "new": "blue"}
    assert not (made.folder / "node/greeting").exists()
    assert not (made.folder / "node/keys").exists()
    done = results(call(made, "state.apply", "notes"))
    assert [one["result"] for one in done.values()] == [True, True]
    assert (made.folder / "node/greeting").read_text() == "hello r5"
    assert (made.folder / "node/keys").read_text() == "colour=blue\n"
    assert "as _states/keyfile.py says; not verified" in done["colour"]["comment"]
    again = results(call(made, "state.apply", "notes"))
    assert all(one["result"] is True and not one["changes"] for one in again.values()), again


def test_what_was_synced_is_private_and_runs_without_a_tree(made: System) -> None:
    call(made, "saltutil.sync_all")
    folder = made.folder / "node/var/lib/saltern/minion/custom"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert call(made, "note.version") == 1
    assert call(made, "saltutil.sync_all") == {"modules": [], "states": [], "grains": [], "utils": []}


def test_a_module_made_for_salt_finds_what_salt_gives_it(made: System) -> None:
    call(made, "saltutil.sync_modules")
    path = str(made.folder / "node/other")
    assert call(made, "keyfile.set", path, "a", "1") is True
    assert call(made, "keyfile.list", path) == ["a=1"]
    about = call(made, "keyfile.about")
    assert about == {"id": "node", "kernel": "Linux", "owner": "ops", "util": "A!"}
    assert failed(made, "keyfile.fail") == "keyfile.fail: it takes a path"
    assert "_modules/keyfile_linux.py:" in (told := failed(made, "keyfile.bug"))
    assert "KeyError: 'nothing'" in told
    assert "keyfile.get PATH KEY" in failed(made, "keyfile.get", path)
    assert set(call(made, "sys.list_functions", "note")) == {"note.read", "note.write", "note.version"}


def test_a_grain_of_the_tree_is_one_of_the_node_and_can_be_a_target(made: System) -> None:
    call(made, "saltutil.sync_grains")
    assert call(made, "grains.get", "rack") == "r5"

    def targeted() -> bool:
        asked = made.ask(op="publish", target="rack:r5", form="grain", function="test.ping", args=[], kwargs={})
        return asked[-1].get("ok") is True

    wait_for("the master knows the grain", targeted)


def test_a_state_made_for_salt_may_use_other_states_and_must_return_a_result(made: System) -> None:
    target = str(made.folder / "node/by_states")
    kept = results(call(made, "state.single", "keyfile.managed", target, text="x"))
    assert next(iter(kept.values()))["result"] is True
    assert Path(target).read_text().strip() == "x"
    wrong = made.publish("node", "state.single", "keyfile.wrong", "w")["node"]["return"]
    assert "returned str and no result of a state" in next(iter(wrong.values()))["comment"]


def test_a_file_that_changed_behaves_anew_at_the_next_run(made: System) -> None:
    call(made, "saltutil.sync_modules")
    put(made.states, {"_modules/note.py": TYPED_MODULE.replace("return 1", "return 2")})
    try:
        assert call(made, "note.version") == 1
        assert call(made, "saltutil.sync_modules") == ["modules.note"]
        assert call(made, "note.version") == 2
        put(made.states, {"_modules/note.py": TYPED_MODULE.replace("return 1", "return 3")})
        call(made, "state.apply", "notes", test=True)
        assert call(made, "note.version") == 3
    finally:
        put(made.states, CODE)
    call(made, "saltutil.sync_all")


def test_a_broken_file_stops_nothing_but_what_names_it(made: System) -> None:
    broken = {
        "_modules/torn.py": "def x(:\n",
        "_modules/lost.py": "import saltern\nimport not_installed_here\n",
        "_modules/far.py": "import salt.cloud\n\n\ndef x():\n    pass\n",
        "_states/boom.py": "\nraise RuntimeError('boom')\n",
        "_grains/bad.py": "def bad():\n    return {}['x']\n",
        "_modules/file.py": "def managed():\n    pass\n",
        "boom.sls": "a:\n  boom.done: []\n",
    }
    put(made.states, broken)
    try:
        told = failed(made, "saltutil.sync_all")
        assert "_modules/torn.py:1: this is no Python" in told
        assert "'file' is one of Saltern's own modules" in told
        assert all(one["result"] for one in call(made, "state.apply", "notes").values())
        assert call(made, "grains.get", "rack") == "r5"
        assert "_modules/torn.py:1: this is no Python" in failed(made, "torn.x")
        assert "needs the Python module 'not_installed_here'" in failed(made, "lost.x")
        assert "_modules/far.py:1: it needs salt.cloud" in failed(made, "far.x")
        assert "_states/boom.py:2: RuntimeError: boom" in failed(made, "state.apply", "boom")
        assert "note.read" in call(made, "sys.list_functions")
        assert call(made, "file.file_exists", "/etc/passwd") is True
    finally:
        for path in broken:
            (made.states / path).unlink()
    call(made, "saltutil.sync_all")


def test_a_node_may_refuse_the_code_of_the_tree(made: System) -> None:
    daemon = made.prepare("closed")
    with (daemon.root / "etc/saltern/minion").open("a") as file:
        file.write("custom_modules: false\n")
    daemon.start()
    made.wait_up("closed")
    told = made.publish("closed", "state.single", "note.present", "x", text="y")["closed"]
    assert not told["success"]
    assert "there is no state 'note.present'" in str(told["return"])
    assert "configured with `custom_modules: false`" in str(told["return"])
    assert "custom_modules: false" in str(made.publish("closed", "saltutil.sync_all")["closed"]["return"])
    assert not (daemon.root / "var/lib/saltern/minion/custom").exists()
    daemon.stop()


def runner(made: System, function: str, /, *args: Any, **kwargs: Any) -> Any:
    """The first event that a runner answers with."""
    return made.ask(op="runner", function=function, args=list(args), kwargs=kwargs)[0]


def test_a_runner_of_the_tree_runs_beside_the_master_and_commands_it(made: System) -> None:
    greeted = runner(made, "deploy.greet", "node", word="hi")["data"]
    assert greeted["said"] == {"node": "hi"}
    assert "node" in greeted["up"]
    assert made.master.process is not None
    assert greeted["pid"] != made.master.process.pid
    assert "this goes to the log" in made.master.log
    wild = runner(made, "wild.ping", "node")["data"]
    assert wild["found"] == {"node": True}
    assert runner(made, "doc.runner")["data"]["deploy.greet"] == "Greet TARGET."


def test_a_runner_of_the_tree_that_fails_is_told_and_leaves_the_master_alone(made: System) -> None:
    put(made.states, {"_runners/torn.py": "def x(:\n", "_runners/jobs.py": "def mine():\n    pass\n"})
    try:
        assert "_runners/deploy.py:16: KeyError: 'nothing'" in runner(made, "deploy.fail")["message"]
        assert "ended by itself (exit code 3)" in runner(made, "deploy.leave")["message"]
        assert "SystemExit" in runner(made, "deploy.deep")["message"]
        assert "missing a required argument: 'target'" in runner(made, "deploy.greet")["message"]
        assert "Did you mean 'deploy.greet'?" in runner(made, "deploy.gret")["message"]
        assert "_runners/torn.py:1: this is no Python" in runner(made, "torn.x")["message"]
        assert "one of the master's own runners" in runner(made, "jobs.mine")["message"]
        assert runner(made, "manage.up")["data"]
    finally:
        (made.states / "_runners/torn.py").unlink()
        (made.states / "_runners/jobs.py").unlink()


def test_an_orchestration_runs_runners_of_the_tree_and_refuses_one_that_is_not_there(made: System) -> None:
    orchestrated = "greet:\n  salt.runner:\n    - name: deploy.{}\n    - arg: [node]\n"
    put(made.states, {"go.sls": orchestrated.format("greet"), "lost.sls": orchestrated.format("gret")})
    told = made.ask(op="runner", function="state.orchestrate", args=["go"], kwargs={})
    assert told[-1] == {"event": "end", "ok": True}, told
    assert "'hello'" in str(told)
    assert "there is no runner 'deploy.gret'" in str(
        made.ask(op="runner", function="state.orchestrate", args=["lost"], kwargs={})
    )


def test_a_local_call_uses_the_tree_as_it_is(tmp_path: Path) -> None:
    put(tmp_path / "states", CODE)
    where = ("--local", "--id", "here", "--file-root", str(tmp_path / "states"), "--out", "json")
    ran = run("saltern-call", tmp_path / "root", *where, "note.version")
    assert ran.returns == {"local": 1}
    put(tmp_path / "states", {"_modules/note.py": TYPED_MODULE.replace("return 1", "return 2")})
    assert run("saltern-call", tmp_path / "root", *where, "note.version").returns == {"local": 2}
    assert run("saltern-call", tmp_path / "root", *where, "grains.get", "rack").returns == {"local": "r5"}


def lint(tree: Path) -> Ran:
    """`saltern-lint TREE`."""
    done = subprocess.run([str(BIN / "saltern-lint"), str(tree)], capture_output=True, text=True, timeout=100)
    return Ran(done.returncode, done.stdout, done.stderr)


def test_lint_knows_the_code_of_the_tree_and_runs_nothing_of_it(tmp_path: Path) -> None:
    trap = f"\nopen({str(tmp_path / 'ran')!r}, 'w').close()\n"
    put(tmp_path, {path: text + trap if path.endswith(".py") else text for path, text in CODE.items()})
    good = "a:\n  note.present:\n    - text: x\nb:\n  keyfile.key_present:\n    - path: /x\n    - value: 1\n"
    bad = "c:\n  note.present:\n    - txt: x\nd:\n  keyfile.key_present:\n    - value: 1\n  keyfile.lost: []\n"
    (tmp_path / "notes.sls").write_text(good)
    assert lint(tmp_path).code == 0
    (tmp_path / "notes.sls").write_text(bad)
    ran = lint(tmp_path)
    assert ran.code == 1
    assert "takes no argument 'txt'" in ran.out
    assert "wants the argument 'path'" in ran.out
    assert not (tmp_path / "ran").exists()
