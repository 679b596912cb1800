"""Keys while no master runs: the command works on the store, and a master that starts later knows."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.integration.system import BIN, System
from tests.patience import WAIT_S


def key(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [str(BIN / "saltern-key"), "--root", str(root), *words]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=WAIT_S)


def test_a_token_made_without_a_master_is_honoured_by_it(tmp_path: Path) -> None:
    made = System(tmp_path)
    token = key(made.master.root, "token", "--minion", "n1", "--ttl", "10m").stdout.strip()
    try:
        made.start()
        join = [str(BIN / "saltern-minion"), "--root", str(tmp_path / "n1"), "--id", "n1", "join", token]
        done = subprocess.run(join, capture_output=True, text=True, check=False, timeout=WAIT_S)
        assert done.returncode == 0, done.stderr
        assert [entry["id"] for entry in made.key("list")["accepted"]] == ["n1"]
    finally:
        made.close()
    assert "n1" in key(made.master.root, "list").stdout
    assert key(made.master.root, "delete", "n1", "--yes").returncode == 0
    assert "n1" not in key(made.master.root, "list").stdout


def test_a_key_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    made = System(tmp_path)
    done = key(made.master.root, "accept", "nobody")
    assert done.returncode == 2
    assert "no pending key matches 'nobody'" in done.stderr
    assert "Traceback" not in done.stderr
