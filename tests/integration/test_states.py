"""State runs and what shows them, through the command `saltern`, a real master and a real minion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration import commands
from tests.integration.system import System, system, wait_for

TREE = {
    "states/top.sls": "base:\n  '*':\n    - site\n  'role:filer':\n    - match: grain\n    - filer\n",
    "states/site/init.sls": """\
include:
  - site.motd
{{ opts_root }}/made/index:
  file.managed:
    - source: salt://site/index.jinja
    - template: jinja
    - makedirs: True
    - context: {extra: more}
    - require:
      - file: motd
""",
    "states/site/motd.sls": """\
motd:
  file.managed:
    - name: {{ opts_root }}/made/motd
    - makedirs: True
    - contents: "{{ pillar['site']['name'] }} of {{ grains['id'] }}"
""",
    "states/site/index.jinja": "{{ pillar.site.name }} {{ extra }}\n",
    "states/filer.sls": "never:\n  test.nop: []\n",
    "states/fails.sls": "bad:\n  test.fail_without_changes: []\n",
    "states/data/deep/file.bin": "\x00\x01\x02",
    "dev/top.sls": "dev:\n  '*': [only_dev]\n",
    "dev/only_dev.sls": """\
{{ opts_root }}/made/dev:
  file.managed:
    - source: salt://dev.txt
    - makedirs: True
""",
    "dev/dev.txt": "from dev\n",
    "pillar/top.sls": "base:\n  '*': [site]\n  'other': [hidden]\n",
    "pillar/site.sls": "site:\n  name: home\n  nested: {list: [1, {x: y}]}\n",
    "pillar/hidden.sls": "hidden: yes\n",
}


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A master with trees for its minion `n1`."""
    with system(tmp_path_factory.mktemp("states")) as made:
        for path, text in TREE.items():
            file = made.states.parent / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace("{{ opts_root }}", str(made.folder / "n1")))
        roots = {env: [str(made.states.parent / name)] for env, name in (("base", "states"), ("dev", "dev"))}
        made.master.stop()
        made.configure(file_roots=roots)
        made.start()
        made.minion("n1")
        yield made


@pytest.fixture
def made(master: System) -> Path:
    """The folder that the states write to, empty."""
    folder = master.folder / "n1" / "made"
    for file in folder.glob("*"):
        file.unlink()
    return folder


def saltern(master: System, function: str, *words: str, code: int = 0) -> Any:
    """What `n1` returns."""
    ran = commands.run("saltern", master.master.root, "n1", function, *words, "--out", "json")
    assert ran.code == code, ran.text
    return ran.returns["n1"]


def results(value: dict[str, Any]) -> dict[str, Any]:
    """The result of each state by its id, and whether it changed something."""
    assert isinstance(value, dict), value
    return {state["__id__"]: (state["result"], bool(state["changes"])) for state in value.values()}


def test_apply_without_names_is_the_highstate(master: System, made: Path) -> None:
    first = saltern(master, "state.apply")
    ids = ("motd", f"{made}/index", f"{made}/dev")
    assert results(first) == dict.fromkeys(ids, (True, True))
    assert (made / "motd").read_text() == "home of n1\n"
    assert (made / "index").read_text() == "home more\n"
    assert results(saltern(master, "state.highstate")) == dict.fromkeys(ids, (True, False))


def test_test_mode_tells_what_an_apply_does_and_changes_nothing(master: System, made: Path) -> None:
    tried = saltern(master, "state.apply", "site", "test=True")
    assert results(tried) == {"motd": (None, True), f"{made}/index": (None, True)}
    assert list(made.glob("*")) == []
    done = saltern(master, "state.apply", "site")
    assert {key: state["changes"] for key, state in done.items()} == {
        key: state["changes"] for key, state in tried.items()
    }


def test_a_failed_state_is_a_failed_command(master: System) -> None:
    value = saltern(master, "state.apply", "fails", code=1)
    assert results(value) == {"bad": (False, False)}
    ran = commands.run("saltern", master.master.root, "n1", "state.apply", "fails")
    assert ran.code == 1
    assert "Failed:    1" in ran.out


def test_the_highstate_layout_shows_the_difference_and_ends_with_a_summary(master: System, made: Path) -> None:
    saltern(master, "state.apply", "site")
    (made / "index").write_text("home less\n")
    ran = commands.run("saltern", master.master.root, "n1", "state.apply", "site")
    assert ran.code == 0
    assert "-home less\n" in ran.out
    assert "+home more\n" in ran.out
    assert "Succeeded: 2 (changed=1)" in ran.out
    assert "Failed:    0" in ran.out


def test_single_states_need_no_tree(master: System, made: Path) -> None:
    saltern(master, "state.single", "file.managed", f"{made}/one", "contents=hi", "makedirs=True")
    assert (made / "one").read_text() == "hi\n"
    wrong = saltern(master, "state.single", "file.managed", f"{made}/two", "content=hi", code=1)
    assert "Did you mean 'contents'?" in str(wrong)
    assert not (made / "two").exists()


def test_another_environment_has_its_own_files(master: System, made: Path) -> None:
    assert results(saltern(master, "state.apply", "only_dev", "saltenv=dev")) == {f"{made}/dev": (True, True)}
    assert (made / "dev").read_text() == "from dev\n"
    missing = saltern(master, "state.apply", "only_dev", code=1)
    assert "only_dev" in str(missing)
    assert "base" in str(missing)
    assert results(saltern(master, "state.highstate", "saltenv=dev")) == {f"{made}/dev": (True, False)}


def test_an_environment_that_is_not_there_is_named(master: System) -> None:
    wrong = saltern(master, "state.apply", "site", "saltenv=deb", code=1)
    assert "deb" in str(wrong)


def test_what_holds_for_a_minion_is_shown(master: System, made: Path) -> None:
    assert saltern(master, "state.show_top") == {"base": ["site"], "dev": ["only_dev"]}
    high = saltern(master, "state.show_sls", "site")
    assert set(high) == {"motd", f"{made}/index"}
    assert high["motd"]["__sls__"] == "site.motd"
    low = saltern(master, "state.show_lowstate")
    assert [one["__id__"] for one in low] == ["motd", f"{made}/index", f"{made}/dev"]
    assert [one["__id__"] for one in saltern(master, "state.show_low_sls", "site")] == ["motd", f"{made}/index"]
    assert set(saltern(master, "state.show_highstate")) == {"motd", f"{made}/index", f"{made}/dev"}
    assert list(made.glob("*")) == []


def test_pillar_is_what_the_top_file_gives_and_no_more(master: System) -> None:
    assert saltern(master, "pillar.items") == {"site": {"name": "home", "nested": {"list": [1, {"x": "y"}]}}}
    assert saltern(master, "pillar.get", "site:nested:list:1:x") == "y"
    assert saltern(master, "pillar.get", "site:none", "default=d") == "d"
    assert saltern(master, "pillar.get", "hidden") == ""


def test_pillar_of_the_command_line_wins(master: System, made: Path) -> None:
    saltern(master, "state.apply", "site", "pillar={site: {name: away}}")
    assert (made / "index").read_text() == "away more\n"


def test_a_change_of_the_tree_holds_for_the_next_job(master: System, made: Path) -> None:
    extra = master.states / "later.sls"
    try:
        for word in ("first", "other"):  # of one length, within one second
            extra.write_text(f"{made}/later:\n  file.managed:\n    - contents: {word}\n    - makedirs: True\n")
            saltern(master, "state.apply", "later")
            assert (made / "later").read_text() == f"{word}\n"
    finally:
        extra.unlink()
    assert "later" in str(saltern(master, "state.apply", "later", code=1))


def test_grains_are_told_by_name(master: System) -> None:
    value = saltern(master, "grains.item", "id", "kernel", "saltern_version")
    assert set(value) == {"id", "kernel", "saltern_version"}
    assert (value["id"], value["kernel"]) == ("n1", "Linux")
    assert saltern(master, "grains.get", "nothing:at:all", "none") == "none"


def test_files_of_the_tree_come_as_they_are(master: System, made: Path) -> None:
    target = made / "copied"
    assert saltern(master, "cp.get_file", "salt://data/deep/file.bin", str(target)) == str(target)
    assert target.read_bytes() == b"\x00\x01\x02"
    assert saltern(master, "cp.get_file", "salt://dev.txt?saltenv=dev", str(target)) == str(target)
    assert target.read_text() == "from dev\n"
    wrong = saltern(master, "cp.get_file", "salt://data/deep/fil.bin", str(target), code=1)
    assert "Did you mean 'data/deep/file.bin'?" in wrong
    assert "site/motd.sls" in saltern(master, "cp.list_master")


def test_a_job_that_runs_is_shown_and_ended_by_its_id(master: System) -> None:
    started = commands.run("saltern", master.master.root, "n1", "cmd.run", "sleep 600", "--async")
    jid = started.out.split()[-1]
    wait_for("it runs", lambda: saltern(master, "saltutil.is_running", "cmd.*"))
    assert [job["jid"] for job in saltern(master, "saltutil.running")] == [jid]
    assert saltern(master, "saltutil.is_running", "state.*") == []
    assert saltern(master, "saltutil.find_job", jid)["fun"] == "cmd.run"
    assert jid in saltern(master, "saltutil.kill_job", jid)
    wait_for("it ended", lambda: saltern(master, "saltutil.running") == [])
    found = commands.run("saltern-run", master.master.root, "jobs.lookup_jid", jid, "--out", "json").returns
    assert found["Result"]["n1"]["outcome"] == "killed"


def test_a_job_is_found_again_with_what_it_returned(master: System) -> None:
    said = saltern(master, "test.echo", "text: hi")
    listed = commands.run("saltern-run", master.master.root, "jobs.list_jobs", "--out", "json").returns
    jid = max(listed)
    assert (listed[jid]["Function"], listed[jid]["Arguments"]) == ("test.echo", ["text: hi"])
    found = commands.run("saltern-run", master.master.root, "jobs.lookup_jid", jid, "--out", "json").returns
    assert found["Result"]["n1"]["return"] == said == "text: hi"
