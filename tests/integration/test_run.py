"""Programs that can't be ended, on the real kernel."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from threading import Timer

import pytest

from modules import _run
from modules._run import CommandError, checked, run
from tests.integration.hang import silent
from tests.integration.kernel import mount_namespace, needs_root
from tests.integration.system import wait_for
from tests.patience import WAIT_S

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root, reason="needs root")]


def state_of(pid: int) -> str:
    """The state of a process, proc_pid_stat(5): "D" sleeps and can't be woken."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_program_that_sleeps_in_the_kernel_is_left_behind_and_said_to_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_run, "ENDED_S", 0.3)
    with mount_namespace():
        with silent(tmp_path / "x") as server:
            for seconds in (0.3, 8.0, 60.0):  # until the question has come there, soon or late as this machine is
                ran = run(["stat", "--", str(tmp_path / "x")], timeout_s=seconds)
                if server.asked:
                    break
            assert (ran.timed_out, ran.hangs, ran.code) == (True, True, -9)
            assert state_of(ran.pid) == "D"
            with pytest.raises(CommandError, match=r"stat hangs in the kernel and can't be ended.*: stat -- /"):
                checked(["stat", "--", str(tmp_path / "x")], timeout_s=seconds)
        # it leaves no zombie, once what it waits for gives up
        wait_for("it ends", lambda: not os.path.exists(f"/proc/{ran.pid}"))


def test_a_program_that_only_sleeps_is_ended() -> None:
    ran = run(["sleep", "3600"], timeout_s=0.1)
    assert (ran.timed_out, ran.hangs, ran.code) == (True, False, -9)
    assert not os.path.exists(f"/proc/{ran.pid}")


def test_the_time_of_one_that_says_when_it_starts_counts_from_there(tmp_path: Path) -> None:
    begin = tmp_path / "begin"
    waits = f"import os, time\nwhile not os.path.exists({str(begin)!r}): time.sleep(0.02)\n"
    code = waits + "print(flush=True)\ntime.sleep(3600)"
    late = Timer(1.0, begin.touch)
    late.start()
    ran = run([sys.executable, "-c", code], timeout_s=0.1, starts_s=WAIT_S)
    late.join()
    assert (ran.timed_out, ran.out) == (True, "\n")


def test_one_that_does_not_start_in_its_time_is_ended() -> None:
    ran = run([sys.executable, "-c", "import time; time.sleep(3600)"], timeout_s=WAIT_S, starts_s=0.1)
    assert (ran.timed_out, ran.out, ran.code) == (True, "", -9)
