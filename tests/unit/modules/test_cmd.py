"""How a user's command is run."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules import _cmd, _run, cmd
from modules._run import CommandError
from saltern.marks import ActedWhilePlanning, permit_acting
from saltern.runner import Returned
from tests.integration.system import wait_for


@pytest.fixture(autouse=True)
def permit() -> Iterator[None]:
    with permit_acting():
        yield


def test_a_text_is_run_by_a_shell_as_its_user_means_it() -> None:
    assert cmd.run("printf 'b\\na\\n' | sort") == "a\nb"


def test_errors_are_among_the_output_of_run_and_apart_in_run_all() -> None:
    assert cmd.run("echo a; echo b >&2") == "a\nb"
    told = cmd.run_all("echo a; echo b >&2; exit 3", ignore_retcode=True)
    assert (told["retcode"], told["stdout"], told["stderr"]) == (3, "a", "b")
    assert cmd.run_stdout("echo a; echo b >&2") == "a"
    assert cmd.run_stderr("echo a; echo b >&2") == "b"
    assert cmd.retcode("exit 7", ignore_retcode=True) == 7


@pytest.mark.parametrize("function", [cmd.run, cmd.run_stdout, cmd.retcode])
def test_a_command_that_fails_fails_the_job_with_its_code(function: Any) -> None:
    assert function("exit 7").retcode == 7
    assert not isinstance(function("exit 7", ignore_retcode=True), Returned)
    assert not isinstance(cmd.run("exit 7", success_retcodes=[7]), Returned)


def test_a_list_meets_no_shell() -> None:
    assert cmd.run(["echo", "$HOME; `id`"]) == "$HOME; `id`"
    assert cmd.run("echo '$HOME' ;", python_shell=False) == "$HOME ;"


@settings(max_examples=20)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0\n"), max_size=40))
def test_no_word_of_a_list_is_ever_read_by_a_shell(word: str) -> None:
    with permit_acting():
        assert cmd.run_stdout(["printf", "%s", word]) == word


def test_where_what_for_and_with_what(tmp_path: Path) -> None:
    assert cmd.run("pwd", cwd=str(tmp_path)) == str(tmp_path)
    assert cmd.run("cat", stdin="typed") == "typed"
    assert cmd.run("echo $A $B", env=[{"A": 1}, "B=2"]) == "1 2"
    cmd.run(f"touch {tmp_path}/made", umask="077")
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_runas_is_that_user_wholly() -> None:
    assert cmd.run("id -un; id -gn; id -Gn; echo $USER", runas="nobody").split("\n") == [
        "nobody",
        "nogroup",
        "nogroup",
        "nobody",
    ]


def test_output_that_is_no_text_is_shown_all_the_same() -> None:
    assert cmd.run("printf 'a\\377b'") == "a\ufffdb"


def test_endless_output_is_cut_and_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_run, "OUTPUT_BYTES", 1000)
    said = cmd.run("head -c 5000 /dev/zero | tr '\\0' x")
    assert said == "x" * 1000 + "\n[cut here: 4000 more bytes]"


def test_output_is_whole_however_late_its_reader_gets_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    read = _run.Reader.read

    def late(self: _run.Reader) -> None:
        time.sleep(1.2)
        read(self)

    monkeypatch.setattr(_run.Reader, "read", late)
    assert cmd.run("echo whole") == "whole"


def test_a_command_that_takes_too_long_dies_with_its_children(tmp_path: Path) -> None:
    child = tmp_path / "child"
    command = f"echo begun; sh -c 'echo $$ > {child}~; mv {child}~ {child}; exec sleep 3600' & sleep 3600"
    for seconds in (0.5, 8.0, 60.0):  # until the child has begun, soon or late as this machine is
        with pytest.raises(CommandError) as raised:
            cmd.run(command, timeout=seconds)
        if child.exists():
            break
    assert re.search(rf"(?s)not done within {seconds:g} s.*begun", str(raised.value))
    wait_for("the child has ended", lambda: not alive(int(child.read_text())))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_daemon_that_a_command_leaves_does_not_hold_it_up() -> None:
    done, daemon = str(cmd.run("echo done; sleep 3600 & echo $!")).split()
    assert (done, alive(int(daemon))) == ("done", True)
    os.kill(int(daemon), signal.SIGKILL)


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        (["no-such-program"], {}, "there is no program 'no-such-program'"),
        ("true", {"cwd": "/nix/nix"}, "no directory /nix/nix"),
        ("true", {"runas": "nobody-here"}, "no user 'nobody-here'"),
        ("true", {"env": ["A"]}, "not a variable"),
        ("echo 'a", {"python_shell": False}, "can't split"),
        ("false", {"raise_err": True}, "ended with 1"),
    ],
)
def test_what_cant_be_run_is_said(command: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        cmd.run(command, **options)


def test_a_misspelt_option_is_refused() -> None:
    with pytest.raises(CommandError, match=r"no option 'timout'.*'timeout'"):
        cmd.run_all("true", timout=1)


def test_running_a_command_is_acting_and_finding_one_is_reading() -> None:
    from saltern.marks import kind_of

    assert [kind_of(f) for f in (cmd.run, cmd.run_all, cmd.retcode, cmd.which, cmd.has_exec)] == [
        "acting",
        "acting",
        "acting",
        "reading",
        "reading",
    ]
    assert cmd.has_exec("sh")
    assert cmd.which("no-such-program") is None
    assert cmd.which_bin(["no-such-program", "sh"]) == cmd.which("sh")


def test_the_outcome_for_a_state_needs_the_code_and_the_path(tmp_path: Path) -> None:
    good = _cmd.outcome(f"touch {tmp_path}/a", creates=[f"{tmp_path}/a"])
    assert (good.ok, good.changes["retcode"]) == (True, 0)
    assert not _cmd.outcome("true", creates=[f"{tmp_path}/b"]).ok
    assert not _cmd.outcome("exit 2").ok
    assert _cmd.outcome("exit 2", success_retcodes=[2]).ok
    assert _cmd.outcome("echo shown", hide_output=True).changes["stdout"] == ""
    assert "no program" in _cmd.outcome(["no-such-program"]).comment


def test_acting_needs_a_permit() -> None:
    import contextvars

    with pytest.raises(ActedWhilePlanning):
        contextvars.Context().run(cmd.run, "true")
