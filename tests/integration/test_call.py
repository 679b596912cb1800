"""`saltern-call --local` as its users run it: a process of its own, no daemon, no /etc."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.system import wait_for
from tests.patience import WAIT_S

COMMAND = [sys.executable, "-m", "saltern.cli.call"]
HEAVY = ("argparse", "asyncio", "hashlib", "jinja2", "logging", "msgspec", "socket", "subprocess", "yaml", "zmq")


class Call:
    """Runs the command with a root and trees of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.states, self.pillar = folder / "states", folder / "pillar"
        self.states.mkdir()
        self.pillar.mkdir()

    def argv(self, *words: str) -> list[str]:
        """The command line."""
        trees = ["--file-root", str(self.states), "--pillar-root", str(self.pillar)]
        return [*COMMAND, "--local", "--root", str(self.folder / "root"), *trees, "--out", "json", *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The ended command."""
        return subprocess.run(self.argv(*words), capture_output=True, text=True, timeout=WAIT_S, check=False)

    def value(self, *words: str, code: int = 0) -> Any:
        """What the function returned, as the one document on standard output says."""
        ended = self.run(*words)
        assert (ended.returncode, ended.stderr) == (code, "")
        document = json.loads(ended.stdout)
        assert list(document) == ["local"]
        return document["local"]

    def sls(self, name: str, text: str) -> None:
        """Put an SLS into the state tree."""
        (self.states / f"{name}.sls").write_text(text)


@pytest.fixture
def call(tmp_path: Path) -> Call:
    """The command, in an empty folder."""
    return Call(tmp_path)


def test_a_call_needs_nothing_and_writes_nothing(call: Call) -> None:
    assert call.value("test.ping") is True
    assert not (call.folder / "root").exists()


def test_the_quickest_call_loads_nothing_heavy(call: Call) -> None:
    script = (
        "import sys; from saltern.cli.call import main; code = main(sys.argv[1:]); "
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    argv = [sys.executable, "-c", script, *call.argv("test.ping")[len(COMMAND) :]]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=WAIT_S, check=True)
    assert ended.stderr == "[]\n"


def test_arguments_are_yaml(call: Call) -> None:
    words = ["1", "a=[1, 2]", "b={c: yes}", "text=12:30", "--out=json", "d=null"]
    assert call.value("test.arg", *words) == {
        "args": [1],
        "kwargs": {"a": [1, 2], "b": {"c": True}, "text": "12:30", "d": None},
    }


def test_the_log_level_may_stand_behind_the_function_as_salts_users_write_it(call: Call) -> None:
    ended = call.run("test.arg", "-5", "-l", "debug")
    assert json.loads(ended.stdout)["local"]["args"] == [-5]


def test_grains_come_from_json_a_file_or_the_configuration_and_win(call: Call) -> None:
    assert call.value("--grains", '{"role": "filer", "os": "Plan 9"}', "grains.item", "role", "os", "kernel") == {
        "role": "filer",
        "os": "Plan 9",
        "kernel": "Linux",
    }
    (call.folder / "g.json").write_text('{"role": "node"}')
    assert call.value("--grains", f"@{call.folder / 'g.json'}", "grains.get", "role") == "node"
    (call.folder / "minion").write_text("id: on-node7\ngrains:\n  role: front\n")
    assert call.value("-c", str(call.folder), "grains.item", "role", "id") == {"role": "front", "id": "on-node7"}
    assert call.value("--id", "x1", "grains.get", "id") == "x1"


def test_a_tree_with_pillar_is_tried_without_a_master(call: Call) -> None:
    motd = call.folder / "motd"
    (call.pillar / "top.sls").write_text("base:\n  'on-*': [site]\n")
    (call.pillar / "site.sls").write_text("greeting: hello {{ grains.role }}\n")
    call.sls("top", "base:\n  'role:node':\n    - match: grain\n    - web\n")
    call.sls("web", f"{motd}:\n  file.managed:\n    - contents: {{{{ pillar['greeting'] }}}}\n")
    options = ["--id", "on-node1", "--grains", '{"role": "node"}']
    planned = call.value(*options, "state.apply", "test=True")
    assert [one["result"] for one in planned.values()] == [None]
    assert not motd.exists()
    applied = call.value(*options, "state.apply")
    assert list(applied) == [f"file_|-{motd}_|-{motd}_|-managed"]
    assert motd.read_text() == "hello node\n"
    again = call.value(*options, "state.highstate")
    assert [(one["result"], one["changes"]) for one in again.values()] == [(True, {})]
    assert call.value(*options, "pillar.items", "--out", "json") == {"greeting": "hello node"}


def test_of_several_trees_the_first_that_has_a_file_gives_it(call: Call) -> None:
    more, pillars = call.folder / "more", call.folder / "pillars"
    for folder in (more, pillars):
        folder.mkdir()
    call.sls("one", "first: {test.nop: []}\n")
    (more / "one.sls").write_text("second: {test.nop: []}\n")
    (more / "two.sls").write_text("{{ pillar.word }}: {test.nop: []}\n")
    (pillars / "top.sls").write_text("base: {'*': [words]}\n")
    (pillars / "words.sls").write_text("word: third\n")
    options = ["--file-root", str(more), "--pillar-root", str(pillars)]
    assert set(call.value(*options, "state.show_sls", "one")) == {"first"}
    assert set(call.value(*options, "state.show_sls", "two")) == {"third"}


def test_a_sealed_value_stays_closed_and_may_be_replaced(call: Call) -> None:
    (call.pillar / "top.sls").write_text("base: {'*': [site]}\n")
    (call.pillar / "site.sls").write_text("site:\n  word: plain\n  key: x SEALED[*:AAAAAAAA] y\n")
    out = call.folder / "out"
    state = "{0}:\n  file.managed:\n    - name: {1}/{0}\n    - contents_pillar: site:{0}\n    - makedirs: True\n"
    call.sls("both", state.format("word", out) + state.format("key", out))
    assert call.value("pillar.items") == {"site": {"word": "plain", "key": "**********"}}
    applied = call.value("state.apply", "both", code=1)
    assert [one["result"] for one in applied.values()] == [True, False]
    [failed] = [one for one in applied.values() if one["result"] is False]
    assert "this value is sealed for *, and only the master opens it" in failed["comment"]
    assert not (out / "key").exists()
    replaced = call.value("state.apply", "both", "pillar={site: {key: test}}")
    assert [one["result"] for one in replaced.values()] == [True, True]
    assert (out / "key").read_text() == "test\n"


def test_a_sealed_value_that_a_template_writes_out_fails_the_state_that_has_it_alone(call: Call) -> None:
    (call.pillar / "top.sls").write_text("base: {'*': [site]}\n")
    (call.pillar / "site.sls").write_text("key: SEALED[*:AAAAAAAA]\n")
    state = "{0}:\n  file.managed:\n    - name: {1}/{0}\n    - contents: {2}\n    - makedirs: True\n"
    out = call.folder / "out"
    call.sls("two", state.format("plain", out, "here") + state.format("key", out, "k={{ pillar.key }}"))
    applied = call.value("state.apply", "two", code=1)
    assert [one["result"] for one in applied.values()] == [True, False]
    assert "only the master opens it" in next(one["comment"] for one in applied.values() if one["result"] is False)
    assert (out / "plain").read_text() == "here\n"
    call.value("state.apply", "two", "pillar={key: test}")
    assert (out / "key").read_text() == "k=test\n"


def test_what_an_sls_prints_does_not_reach_the_document(call: Call) -> None:
    call.sls("loud", "#!py\ndef run():\n    print('loud')\n    return {'a': {'test.nop': []}}\n")
    ran = call.run("state.show_sls", "loud")
    assert (list(json.loads(ran.stdout)["local"]), ran.stderr) == (["a"], "loud\n")


def test_a_failed_state_and_a_mistake_in_the_tree_end_with_1(call: Call) -> None:
    call.sls("bad", "a: {test.fail_without_changes: []}\n")
    (only,) = call.value("state.apply", "bad", code=1).values()
    assert only["result"] is False
    call.sls("worse", "a:\n  test.nopp: []\n")
    (text,) = call.value("state.apply", "worse", code=1)
    assert text.startswith("worse.sls:2:3: ")
    (call.pillar / "top.sls").write_text("base: [\n")
    (text,) = call.value("state.apply", "bad", code=1)
    assert text.startswith("top.sls:")
    assert call.value("test.exception", "oh no", code=1) == "test.exception: oh no"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "which function?"),
        (["test.pign"], "there is no function 'test.pign'. Did you mean 'test.ping'?"),
        (["ping"], "'ping' is not the name of a function"),
        (["test.echo"], "test.echo wants text: test.echo TEXT"),
        (["test.echo", "a", "txt=b"], "test.echo has no argument 'txt'. Did you mean 'text'?"),
        (["--grians", "{}", "test.ping"], "there is no option --grians. Did you mean '--grains'?"),
        (["--grains", "{role: x}", "test.ping"], "--grains:1:2: "),
        (["--grains", "[1]", "test.ping"], "--grains: grains are a mapping"),
        (["--grains", "@/nosuch", "test.ping"], "--grains: /nosuch: No such file or directory"),
        (["--file-root", "/nosuch", "test.ping"], "--file-root: there is no directory /nosuch"),
        (["--out", "jsn", "test.ping"], "--out takes one of"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_message_and_ends_with_2(
    call: Call, words: list[str], message: str
) -> None:
    ended = call.run(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("saltern-call: ")
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("text", ["id: ../x\n", "idd: x\n", "id: [\n"])
def test_a_wrong_configuration_is_one_message(call: Call, text: str) -> None:
    (call.folder / "minion").write_text(text)
    ended = call.run("-c", str(call.folder), "test.ping")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("saltern-call: ")
    assert "Traceback" not in ended.stderr


def test_without_an_agent_and_without_local_it_says_what_to_do(call: Call) -> None:
    argv = [*COMMAND, "--root", str(call.folder / "root"), "state.apply"]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "--local" in ended.stderr


def test_a_reader_that_has_gone_is_no_traceback(call: Call) -> None:
    process = subprocess.Popen(call.argv("test.echo", "x" * 100_000), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=WAIT_S)
    assert errors == b""


def test_a_second_run_is_refused_until_the_first_is_gone_even_by_kill_9(call: Call) -> None:
    call.sls("slow", f"touch {call.folder}/began; exec sleep 3600: {{cmd.run: []}}\n")
    call.sls("quick", "a: {test.nop: []}\n")
    first = subprocess.Popen(call.argv("state.apply", "slow"), stdout=subprocess.DEVNULL, start_new_session=True)
    wait_for("it runs", (call.folder / "began").exists)
    (text,) = call.value("state.apply", "quick", code=1)
    assert f'The function "state.sls" is running as PID {first.pid} and was started at ' in text
    assert call.value("state.running") == [text]
    _kill(first)
    assert call.value("state.running") == []
    assert list(call.value("state.apply", "quick")) == ["test_|-a_|-a_|-nop"]


def test_a_reaction_that_was_cut_off_by_kill_9_is_done_on_the_next_run(call: Call) -> None:
    here = call.folder
    call.sls(
        "web",
        f"{here}/conf: {{file.managed: [{{contents: x}}]}}\n"
        f"'test -e {here}/ok && touch {here}/done && exit; touch {here}/began; exec sleep 3600':\n"
        f"  cmd.wait: [{{watch: [{{file: {here}/conf}}]}}]\n",
    )
    first = subprocess.Popen(call.argv("state.apply", "web"), stdout=subprocess.DEVNULL, start_new_session=True)
    wait_for("it runs", (here / "began").exists)
    _kill(first)
    (here / "ok").touch()
    conf, reaction = call.value("state.apply", "web").values()
    assert conf["changes"] == {}
    assert reaction["result"] is True
    assert (here / "done").exists()
    (here / "done").unlink()
    call.value("state.apply", "web")
    assert not (here / "done").exists()


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a run without mercy, and what it had started: sessions of its own."""
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=False
    ).stdout.split()
    process.kill()
    process.wait(WAIT_S)
    for pid in found:
        os.kill(int(pid), signal.SIGKILL)
