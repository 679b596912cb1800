"""Options of states, in a run on this machine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.integration.system import BIN
from tests.patience import WAIT_S


def apply(folder: Path, text: str, minion: str = "") -> tuple[int, dict[str, Any]]:
    """The exit code and the results of an apply of TEXT, by id; MINION is the configuration."""
    for name in ("tree", "conf"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "tree/one.sls").write_text(text)
    (folder / "conf/minion").write_text(minion)
    command = [str(BIN / "saltern-call"), "--local", "--root", str(folder / "root"), "-c", str(folder / "conf")]
    command += ["--file-root", str(folder / "tree"), "--out", "json", "state.apply", "one"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    return done.returncode, {one["__id__"]: one for one in json.loads(done.stdout)["local"].values()}


def test_parallel_states_can_wait_for_each_other(tmp_path: Path) -> None:
    """Each end of a FIFO blocks in open(2) until the other is there (fifo(7)), so one after the other would not do."""
    os.mkfifo(tmp_path / "fifo")
    text = f"""
read:
  cmd.run:
    - name: read -r word < {tmp_path}/fifo; echo "$word" > {tmp_path}/got
    - timeout: 60
    - parallel: True
write:
  cmd.run:
    - name: echo hello > {tmp_path}/fifo
    - timeout: 60
    - parallel: True
after:
  file.managed:
    - name: {tmp_path}/after
    - source: {tmp_path}/got
    - require:
      - cmd: read
"""
    code, found = apply(tmp_path, text)
    assert code == 0, found
    assert list(found) == ["read", "write", "after"]
    assert [one["__run_num__"] for one in found.values()] == [0, 1, 2]
    assert (tmp_path / "after").read_text() == "hello\n"


def test_a_umask_holds_for_what_a_state_makes(tmp_path: Path) -> None:
    text = f"a:\n  cmd.run:\n    - name: touch {tmp_path}/made\n    - umask: '077'\n"
    code, found = apply(tmp_path, text)
    assert code == 0, found
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o600


def test_failhard_of_the_minion_ends_the_run(tmp_path: Path) -> None:
    text = "a:\n  test.fail_without_changes: []\nb:\n  test.nop: []\n"
    code, found = apply(tmp_path, text, "failhard: true\n")
    assert (code, list(found)) == (1, ["a"])
    code, found = apply(tmp_path, text)
    assert (code, list(found)) == (1, ["a", "b"])
