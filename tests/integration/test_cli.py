"""`saltern` against a master's control socket: what it asks, what it prints, how it exits; and what all commands do."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saltern.cli import client, key, run, saltern
from tests.integration.control_events import END, JID, PINGS, job, returned, states, step
from tests.integration.fake_master import fake_master
from tests.patience import WAIT_S


def command(root: Path, *argv: str) -> list[str]:
    return [sys.executable, "-m", "saltern.cli.saltern", "--root", str(root), *argv]


def test_each_return_is_printed_and_the_exit_code_is_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_master(tmp_path, PINGS) as master:
        assert saltern.main(["--root", str(tmp_path), "*", "test.ping"]) == 0
    assert capsys.readouterr() == ("on-node2:\n    True\non-node1:\n    True\n", "")
    assert master.requests[0]["function"] == "test.ping"


def test_static_prints_all_at_the_end_sorted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_master(tmp_path, PINGS):
        assert saltern.main(["--root", str(tmp_path), "-s", "*", "test.ping"]) == 0
    assert capsys.readouterr().out == "on-node1:\n    True\non-node2:\n    True\n"


def test_a_return_is_printed_when_it_arrives_and_not_later(tmp_path: Path) -> None:
    may_go_on = threading.Event()

    def answer(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield from PINGS[:2]
        assert may_go_on.wait(WAIT_S)
        yield from PINGS[2:]

    with fake_master(tmp_path, answer):
        process = subprocess.Popen(command(tmp_path, "*", "test.ping"), stdout=subprocess.PIPE)
        assert process.stdout
        assert os.read(process.stdout.fileno(), 4096) == b"on-node2:\n    True\n"
        may_go_on.set()
        assert process.communicate(timeout=WAIT_S)[0] == b"on-node1:\n    True\n"
        assert process.returncode == 0


@pytest.mark.parametrize("out", ["json", "yaml"])
def test_machine_output_is_one_document(tmp_path: Path, out: str, capsys: pytest.CaptureFixture[str]) -> None:
    import yaml

    with fake_master(tmp_path, PINGS):
        assert saltern.main(["--root", str(tmp_path), "*", "test.ping", "--out", out]) == 0
    text = capsys.readouterr().out
    assert yaml.safe_load(text) == {"on-node1": True, "on-node2": True}
    assert out != "json" or json.loads(text) == {"on-node1": True, "on-node2": True}


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (returned("on-node1"), 0),
        (returned("on-node1", "Minion is offline (last seen 10:00)", "offline"), 1),
        (returned("on-node1", "error", "failed"), 1),
        (returned("on-node1", "no such function", "refused"), 1),
        (returned("on-node1", None, "timed out"), 1),
        (returned("on-node1", None, "lost contact"), 1),
        (returned("on-node1", None, "expired"), 1),
        (returned("on-node1", None, "killed"), 1),
        (returned("on-node1", "out", "done", retcode=3), 1),
        (returned("on-node1", False, "done", success=False), 1),
    ],
)
def test_the_exit_code_is_1_where_a_minion_did_not_do_well(
    tmp_path: Path, last: dict[str, Any], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with fake_master(tmp_path, [job(on_node1="sent"), last, END]):
        assert saltern.main(["--root", str(tmp_path), "*", "test.ping"]) == code
    said = capsys.readouterr().err
    assert said.startswith("ERROR: Minions returned with non-zero exit code: on-node1 ") == bool(code)
    assert len(said.splitlines()) == code


def test_quiet_only_exits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_master(tmp_path, [job(a="sent"), returned("a", "x", "failed"), END]):
        assert saltern.main(["--root", str(tmp_path), "*", "test.ping", "--out", "quiet"]) == 1
    assert capsys.readouterr() == ("", "")


def test_a_target_that_nothing_is_said_of_counts_as_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_master(tmp_path, [job(a="sent", b="offline", c="refused"), returned("a"), END]):
        assert saltern.main(["--root", str(tmp_path), "*", "test.ping"]) == 1
    assert capsys.readouterr().out == "a:\n    True\nb:\n    Minion is offline\nc:\n    The job was refused\n"


def test_an_error_of_the_master_is_shown_with_its_caret_and_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message = "a target ends too early:\n  G@os:Debian and\n                 ^"
    with fake_master(tmp_path, [{"event": "error", "kind": "target", "message": message, "exit": 2}]):
        assert saltern.main(["--root", str(tmp_path), "-C", "G@os:Debian and", "test.ping"]) == 2
    assert capsys.readouterr() == ("", f"saltern: {message}\n")


def test_a_state_run_on_several_minions_ends_with_a_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = [
        job(on_node1="sent", on_node2="sent", on_node3="offline"),
        returned("on-node3", "Minion is offline (last seen 10:00)", "offline"),
        returned("on-node1", states()),
        returned("on-node2", states(False), "failed"),
        END,
    ]
    with fake_master(tmp_path, events):
        assert saltern.main(["--root", str(tmp_path), "*", "state.apply"]) == 1
    out = capsys.readouterr().out
    assert "\n\nSummary for 3 minions\n" in out
    assert "on-node1:   Succeeded: 1   Changed: 0   Failed: 0   Time: 1.000 ms\n" in out
    assert out.endswith("3 minions: 1 converged, 1 failed, 1 offline; 0 states changed\n")


def test_async_prints_the_job_id_and_does_not_wait(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_master(tmp_path, [job(a="sent", b="offline"), END]) as master:
        assert saltern.main(["--root", str(tmp_path), "--async", "*", "test.ping"]) == 0
    said = capsys.readouterr()
    assert said.out == f"Executed command with job ID: {JID}\n"
    assert said.err == "offline, so not yet sent: b\n"
    assert master.requests[0]["async"] is True


def test_without_a_master_one_message_names_the_socket_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert saltern.main(["--root", str(tmp_path), "*", "test.ping"]) == 1
    path = tmp_path / "run/saltern/master.sock"
    wanted = f"saltern: the master is not running: nobody listens on {path}\nStart it with: "
    assert capsys.readouterr() == ("", f"{wanted}saltern-master --root {tmp_path}\n")


def test_the_socket_that_a_dead_master_left_is_no_master(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_master(tmp_path, []):
        pass
    assert saltern.main(["--root", str(tmp_path), "*", "test.ping"]) == 1
    assert "the master is not running" in capsys.readouterr().err


def test_a_master_that_goes_away_leaves_the_job_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_master(tmp_path, [job(a="sent")]):
        assert saltern.main(["--root", str(tmp_path), "*", "test.ping"]) == 1
    error = capsys.readouterr().err
    assert "the master ended the connection before the request was done" in error
    assert f"saltern-run --root {tmp_path} jobs.lookup_jid {JID}" in error


@pytest.mark.parametrize("line", [b"\xff\xfe\n", b"[]\n", b"{}\n", b"{\n", b'{"event": 5}\n'])
def test_what_is_no_event_is_told_and_not_a_traceback(
    tmp_path: Path, line: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with fake_master(tmp_path, [line]):
        assert saltern.main(["--root", str(tmp_path), "*", "test.ping"]) == 1
    assert "something that is no event" in capsys.readouterr().err


@pytest.mark.parametrize("value", [b"[" * 50_000 + b"]" * 50_000, b"1" * 10_000])
def test_a_return_that_python_can_not_hold_hides_no_other(
    tmp_path: Path, value: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = json.dumps(returned("a", None)).encode().replace(b'"return": null', b'"return": ' + value) + b"\n"
    with fake_master(tmp_path, [job(a="sent", b="sent"), bad, returned("b"), END]):
        assert saltern.main(["--root", str(tmp_path), "*", "test.ping"]) == 1
    assert capsys.readouterr().out.startswith("b:\n    True\na:\n")


def test_a_socket_path_longer_than_the_kernels_limit_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / ("d" * 120)
    short = tmp_path / "s"
    with fake_master(short, PINGS):
        (root / "run").mkdir(parents=True)
        (short / "run/saltern").rename(root / "run/saltern")
        assert [event["event"] for event in client.events(str(root), {})][-1] == "end"


def test_escape_sequences_of_a_minion_never_reach_the_terminal(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x9b2J"
    run_ = {f"cmd_|-{evil}_|-{evil}_|-run": {"result": True, "changes": {evil: evil}, "comment": evil}}
    events = [job(a="sent"), step("a", 1, evil), returned("a", run_), returned("b", evil), END]
    with fake_master(tmp_path, events):
        argv = command(tmp_path, "--progress", "*", "state.apply")
        done = subprocess.run(argv, capture_output=True, text=True, timeout=WAIT_S)
    assert "\\x1b]0;owned\\x07\\x9b2J" in done.stdout
    assert not set(done.stdout + done.stderr) & set("\x1b\x07\x9b")


def test_ctrl_c_says_that_the_job_goes_on_and_where_its_returns_are(tmp_path: Path) -> None:
    release = threading.Event()

    def answer(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield from PINGS[:2]
        release.wait(WAIT_S)

    with fake_master(tmp_path, answer):
        process = subprocess.Popen(command(tmp_path, "*", "test.ping"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout
        assert b"True" in os.read(process.stdout.fileno(), 4096)
        process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=WAIT_S)[1].decode()
        release.set()
    assert process.returncode == 130
    wanted = f"Interrupted. Job {JID} goes on; its returns: saltern-run --root {tmp_path} jobs.lookup_jid {JID}\n"
    assert error == wanted


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    many = [returned(f"m{number}", "x" * 1000) for number in range(300)]
    with fake_master(tmp_path, [job(m0="sent"), *many, END]):
        process = subprocess.Popen(command(tmp_path, "*", "test.ping"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr
        assert process.stderr.read() == b""
        assert process.wait(WAIT_S) == 1
        process.stderr.close()


# --- on a terminal -----------------------------------------------------------------------------------------------


def on_terminal(argv: list[str], **environ: str) -> str:
    """What a command writes, both streams, on a terminal of its own."""
    leader, follower = pty.openpty()
    env = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    process = subprocess.Popen(
        argv, stdin=follower, stdout=follower, stderr=follower, env={**env, "TERM": "xterm", **environ}
    )
    os.close(follower)
    text = b""
    while select.select([leader], [], [], WAIT_S)[0]:
        try:
            data = os.read(leader, 65536)
        except OSError:  # EIO: the last one has closed it (pty(7))
            break
        text += data
    os.close(leader)
    process.wait(WAIT_S)
    return text.decode().replace("\r\n", "\n")


RUN = [job(on_node1="sent"), step("on-node1", 3, "br43"), returned("on-node1", states()), END]


def test_a_terminal_shows_progress_and_clears_it_and_has_colours(tmp_path: Path) -> None:
    with fake_master(tmp_path, RUN):
        text = on_terminal(command(tmp_path, "*", "state.apply"))
    before, cleared, after = text.partition("\x1b[1A\x1b[J")
    assert (before, bool(cleared)) == ("on-node1  [3/12] br43\n", True)
    assert "\x1b[0;32m" in after
    assert "br43" not in after


@pytest.mark.parametrize(("option", "environ"), [("--no-colour", {}), ("--progress", {"NO_COLOR": "1"})])
def test_colours_can_be_refused(tmp_path: Path, option: str, environ: dict[str, str]) -> None:
    with fake_master(tmp_path, RUN):
        assert "\x1b[0;3" not in on_terminal(command(tmp_path, option, "*", "state.apply"), **environ)


def test_no_progress_shows_none(tmp_path: Path) -> None:
    with fake_master(tmp_path, RUN):
        assert "br43" not in on_terminal(command(tmp_path, "--no-progress", "*", "state.apply"))


def test_where_there_is_no_terminal_there_is_no_progress_and_no_colour(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with fake_master(tmp_path, RUN):
        assert saltern.main(["--root", str(tmp_path), "*", "state.apply"]) == 0
    said = capsys.readouterr()
    assert ("br43" in said.err, "\x1b" in said.out) == (False, False)


# --- all commands --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["saltern", "key", "run"])
def test_help_and_version_need_no_master(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    main = {"saltern": saltern.main, "key": key.main, "run": run.main}[module]
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: saltern")
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("saltern")


def test_a_ping_loads_nothing_heavy(tmp_path: Path) -> None:
    heavy = {"argparse", "asyncio", "dataclasses", "inspect", "jinja2", "logging", "msgspec", "subprocess", "typing", "yaml", "zmq"}  # noqa: E501  # fmt: skip
    program = (
        "import sys; before = set(sys.modules); from saltern.cli.saltern import main; "
        "code = main(sys.argv[1:]); print(*sorted(set(sys.modules) - before), file=sys.stderr); sys.exit(code)"
    )
    with fake_master(tmp_path, PINGS):
        argv = [sys.executable, "-c", program, "--root", str(tmp_path), "*", "test.ping"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=WAIT_S, check=True)
    loaded = set(done.stderr.split())
    assert "json" in loaded
    assert loaded & heavy == set()
    assert "saltern.config" not in loaded
