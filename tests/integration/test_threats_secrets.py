"""A secret of the pillar is used and never shown, in a dry run, a run, a failure, an explanation, a log or a store."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration import commands
from tests.integration.system import BIN, Daemon, System, wait_for
from tests.patience import WAIT_S

CANARY = "canary-secret-c0ffee-c0ffee"
STATES = """#!py
def run():
    secret = __pillar__["secret"]
    return {
        "DIR/contents": {"file.managed": [{"contents_pillar": "secret"}, {"show_changes": True}]},
        "DIR/argument": {"file.managed": [{"contents": secret}, {"show_changes": True}]},
        "DIR/template": {
            "file.managed": [{"source": "salt://template"}, {"template": "jinja"}, {"context": {"word": "open"}}]
        },
        "environment": {
            "cmd.run": [
                {"name": "cat > DIR/ran; printf %s \\"$WORD\\" >> DIR/ran"},
                {"env": {"WORD": secret}},
                {"stdin": secret},
            ]
        },
        "DIR/seed.iso": {
            "cloud_init.seed": [
                {"hostname": "web"},
                {"password": secret},
                {"users": [{"name": "ada", "password": secret}]},
                {"write_files": [{"path": "/etc/token", "content": secret}]},
            ]
        },
    }
"""

WRITTEN = """
DIR/lines:
  file.managed:
    - contents: |
        user=ada
        password={{ pillar.secret }}
DIR/whole:
  file.managed:
    - source: salt://whole
    - template: jinja
DIR/tree:
  file.recurse:
    - source: salt://folder
    - template: jinja
printed:
  cmd.run:
    - name: printf %s "$URL" > DIR/url
    - env:
        URL: {{ 'https://ada:' ~ pillar.secret | urlencode ~ '@host' }}
DIR/written.iso:
  cloud_init.seed:
    - hostname: web
    - password: {{ pillar['secret'] }}
    - write_files:
      - {path: /etc/token, content: "token {{ pillar['secret'] }}"}
"""


def call(state: str, **arguments: str) -> str:
    """An SLS with one state, whose ARGUMENTS are written in Python, where `secret` is the secret."""
    given = ", ".join(f'{{"{name}": {value}}}' for name, value in arguments.items())
    return f'#!py\ndef run():\n    secret = __pillar__["secret"]\n    return {{"x": {{"{state}": [{given}]}}}}\n'


FAILURES = {
    "exits": call("cmd.run", name='"exit 3"', env='{"WORD": secret}'),
    "no_text": call("cmd.run", name='"cat"', cwd="secret"),
    "no_word": call("cmd.script", name='"salt://template"', args='["a", secret]'),
    "no_folder": call("file.managed", name='"DIR/none/there"', contents="secret", show_changes="True"),
    "no_number": call("file.managed", name='"DIR/x"', mode="secret"),
    "no_argument": call("file.managed", name='"DIR/x"', contets="secret"),
    "no_place": call("file.absent", name="secret"),
    "no_state": call("file.mangaed", name="secret"),
    "no_guest": call("virt.running", name='"web"', graphics='{"type": "vnc", "password": secret}'),
    "no_script": call("cmd.script", name='"salt://none"', env='{"WORD": secret}', stdin="secret"),
    "as_an_id": '#!py\ndef run():\n    return {__pillar__["secret"]: {"test.fail_without_changes": []}}\n',
    "raised": '#!py\ndef run():\n    raise ValueError(__pillar__["secret"])\n',
    "written": "{{ pillar['secret'] }}:\n  test.nop: []\n",
    "added": "{% if pillar['secret'] + 1 %}{% endif %}\n",
    "by_a_filter": "x:\n  test.nop:\n    - name: {{ pillar['secret'] | upper }}\n",
    "in_a_dump": "x:\n  test.nop:\n    - name: {{ pillar | json }}\n",
    "as_text": "x:\n  test.nop:\n    - name: {{ pillar | string | yaml_dquote }}\n    - no: 1\n",
}


@pytest.fixture
def node(master: System, tmp_path: Path) -> Daemon:
    """A minion that has a secret, all of it at debug level."""
    master.master.stop()
    master.master.command[-1] = "debug"
    master.start()
    daemon = master.prepare("n1")
    daemon.command[-1] = "debug"
    with (daemon.root / "etc/saltern/minion").open("a") as configuration:
        configuration.write("log_level: debug\n")
    daemon.start()
    master.wait_up("n1")
    command = [str(BIN / "saltern-run"), "--root", str(master.master.root), "pillar.encrypt"]
    done = subprocess.run(command, input=CANARY, capture_output=True, text=True, timeout=WAIT_S, check=True)
    (master.pillar / "top.sls").write_text("base: {'*': [secret]}\n")
    (master.pillar / "secret.sls").write_text(f"secret: {done.stdout.strip()}\n")
    (master.states / "template").write_text("word={{ word }} {{ 'known' if pillar['secret'] else '' }}\n")
    (master.states / "folder").mkdir()
    for name in ("whole", "folder/part"):
        (master.states / name).write_text("[db]\npw = {{ pillar['secret'] ~ '!' }}\n")
    (tmp_path / "made").mkdir()
    for name, text in {"use": STATES, "templates": WRITTEN, **FAILURES}.items():
        (master.states / f"{name}.sls").write_text(text.replace("DIR", str(tmp_path / "made")))
    return daemon


@contextmanager
def followed(master: System) -> Iterator[list[str]]:
    """All events of the bus meanwhile, as they are told."""
    told: list[str] = []
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(master.master.root / "run/saltern/master.sock"))
        connection.sendall(json.dumps({"op": "events"}).encode() + b"\n")
        reader = threading.Thread(target=lambda: told.extend(connection.makefile()), daemon=True)
        reader.start()
        wait_for("somebody follows", lambda: master.runner("event.followers"))
        yield told
        connection.shutdown(socket.SHUT_RDWR)
        reader.join(WAIT_S)


def assert_unseen(where: str, text: str | bytes) -> None:
    data = text.encode() if isinstance(text, str) else text
    assert CANARY.encode() not in data, f"{where}: {data[max(0, data.find(CANARY.encode()) - 300) :][:600]!r}"


def kept(master: System, daemon: Daemon) -> Iterator[Path]:
    """All that both sides keep, and their logs."""
    for root in (master.master.root, daemon.root):
        yield from (file for file in (root / "var").rglob("*") if file.is_file())
        yield root / "log"


def test_a_dry_run_a_run_and_what_is_known_of_them_show_no_secret(master: System, node: Daemon, tmp_path: Path) -> None:
    made, root = tmp_path / "made", master.master.root
    with followed(master) as events:
        for words in (
            ["state.apply", "use,templates", "test=True"],
            ["state.explain", "environment", "use"],
            ["state.show_low_sls", "use"],
            ["state.show_low_sls", "templates"],
            ["state.show_sls", "use"],
            ["pillar.items"],
        ):
            for out in ("highstate", "json"):
                ran = commands.run("saltern", root, "n1", *words, "--out", out)
                assert ran.code == 0, (words, ran.text)
                assert_unseen(str(words), ran.text)
            assert not list(made.iterdir()), words
        before = commands.run("saltern-call", node.root, "state.apply", "use", "test=True", "-l", "debug")
        assert_unseen("saltern-call", before.text)
        applied = commands.run("saltern", root, "n1", "state.apply", "use,templates")
        assert applied.code == 0, applied.text
        assert_unseen("the run", applied.text)
        assert (made / "contents").read_text().rstrip("\n") == (made / "argument").read_text().rstrip("\n") == CANARY
        assert (made / "template").read_text() == "word=open known\n"
        assert (made / "ran").read_text() == CANARY * 2
        assert (made / "lines").read_text() == f"user=ada\npassword={CANARY}\n"
        assert (made / "whole").read_text() == (made / "tree/part").read_text() == f"[db]\npw = {CANARY}!\n"
        assert (made / "url").read_text() == f"https://ada:{CANARY}@host"
        assert CANARY.encode() in (made / "written.iso").read_bytes()
        assert commands.run("saltern", root, "n1", "state.apply", "templates", "--out", "quiet").code == 0
        assert (made / "seed.iso").stat().st_mode & 0o077 == 0
        for name in ("contents", "whole", "tree/part"):
            (made / name).write_text("something else\n")
        drifted = commands.run("saltern", root, "n1", "state.apply", "use,templates", "test=True")
        assert all(name in drifted.out for name in ("contents", "whole", "part"))
        assert_unseen("the drift", drifted.text)
        jids = list(master.runner("jobs.list_jobs"))
        wait_for("the last end is told", lambda: any(f"salt/job/{jids[-1]}/ret" in line for line in list(events)))
    assert len(events) > 10
    assert_unseen("events", "".join(events))
    for jid in jids:
        assert_unseen(jid, commands.run("saltern-run", root, "jobs.lookup_jid", jid).text)
    for file in kept(master, node):
        assert_unseen(str(file), file.read_bytes())


def test_no_failure_shows_the_secret_that_it_was_about(master: System, node: Daemon, tmp_path: Path) -> None:
    root = master.master.root
    with followed(master) as events:
        for name in FAILURES:
            for words in ([name, "test=True"], [name]):
                ran = commands.run("saltern", root, "n1", "state.apply", *words, "--out", "json")
                assert_unseen(name, ran.text)
                if words == [name] or name not in ("exits", "as_an_id"):
                    assert ran.code != 0, (name, words, ran.text)
    assert_unseen("events", "".join(events))
    for words in (["jobs.why", "n1"], ["drift.report"]):
        assert_unseen(words[0], commands.run("saltern-run", root, *words).text)
    for file in kept(master, node):
        assert_unseen(str(file), file.read_bytes())
    assert "Traceback" not in master.master.log
    assert "bug in" not in node.log + master.master.log
