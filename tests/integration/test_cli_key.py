"""`saltern-key` against a master's control socket: what it asks, what it prints, how it exits."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from saltern.cli import key
from tests.integration.control_events import END
from tests.integration.fake_master import fake_master
from tests.patience import WAIT_S

MARK = ":".join(["a1"] * 32)
MARK_2 = ":".join(["b2"] * 32)


def key_store(request: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """A key store that never changes."""
    pending = [{"id": "on-node1", "fingerprint": MARK, "since": "x"}, {"id": "on-node2", "fingerprint": MARK_2}]
    data: dict[str, Any] = {
        "changed": [{"id": request.get("match"), "fingerprint": request.get("fingerprint") or MARK}]
    }
    if request["action"] == "list":
        data = {"accepted": [], "pending": pending, "rejected": []}
    elif request["action"] == "finger":
        data = {"master": MARK, "master_key": "0" * 64, "minions": {"on-node1": MARK_2}}
    elif request["action"] == "token":
        data = {"token": "saltern-token", "minion": request["minion"], "expires": "2026-11-21T11:00:00+00:00"}
    return [{"event": "data", "data": data}, END]


def test_a_token_is_all_that_stands_on_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_master(tmp_path, key_store) as master:
        assert key.main(["--root", str(tmp_path), "token", "--minion", "on-*", "--ttl", "2h", "--uses", "3"]) == 0
    said = capsys.readouterr()
    assert said.out == "saltern-token\n"
    assert said.err == (
        "For a minion on-*, 3 times, until 2026-11-21T11:00:00+00:00. On the minion: saltern-minion join TOKEN\n"
    )
    assert master.requests == [{"op": "key", "action": "token", "minion": "on-*", "ttl_s": 7200, "uses": 3}]


def test_keys_are_listed_by_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_master(tmp_path, key_store):
        assert key.main(["--root", str(tmp_path), "list"]) == 0
        assert key.main(["--root", str(tmp_path), "list", "pending", "--out", "json"]) == 0
    out = capsys.readouterr().out
    text = f"Accepted Keys:\nUnaccepted Keys:\non-node1  {MARK}\non-node2  {MARK_2}\nRejected Keys:\n"
    assert out.startswith(text)
    assert [one["id"] for one in json.loads(out[len(text) :])["pending"]] == ["on-node1", "on-node2"]


def test_the_masters_fingerprint_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_master(tmp_path, key_store):
        assert key.main(["--root", str(tmp_path), "finger"]) == 0
    wanted = f"Master:\nfingerprint:  {MARK}\nmaster_key:   {'0' * 64}\nMinions:\non-node1:     {MARK_2}\n"
    assert capsys.readouterr().out == wanted


def test_a_key_named_by_its_id_is_changed_by_its_fingerprint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115 - closed with the test's patch
    with fake_master(tmp_path, key_store) as master, sys.stdin:
        assert key.main(["--root", str(tmp_path), "accept", "on-node1"]) == 0
    assert capsys.readouterr().out == f"Key for minion on-node1 accepted. ({MARK})\n"
    assert master.requests[1]["fingerprint"] == MARK
    assert master.requests[1]["include"] == ["pending"]


def test_a_glob_needs_a_yes_where_nobody_can_be_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115 - closed with the test's patch
    with fake_master(tmp_path, key_store) as master, sys.stdin:
        assert key.main(["--root", str(tmp_path), "accept", "on-*"]) == 2
        assert "add --yes" in capsys.readouterr().err
        assert [request["action"] for request in master.requests] == ["list"]
        assert key.main(["--root", str(tmp_path), "accept", "on-*", "--yes"]) == 0
        assert master.requests[-1]["match"] == "on-*"


def test_two_keys_that_ask_for_one_id_are_only_accepted_by_fingerprint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    twice = [{"id": "on-node1", "fingerprint": mark} for mark in (MARK, MARK_2)]
    data = {"accepted": [], "pending": twice, "rejected": []}
    with fake_master(tmp_path, [{"event": "data", "data": data}, END]) as master:
        assert key.main(["--root", str(tmp_path), "accept", "on-node1"]) == 2
    assert len(master.requests) == 1
    error = capsys.readouterr().err
    assert MARK in error
    assert MARK_2 in error


def test_no_key_that_matches_is_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with fake_master(tmp_path, key_store):
        assert key.main(["--root", str(tmp_path), "delete", "nobody"]) == 2
    assert "no accepted or pending or rejected key matches 'nobody'" in capsys.readouterr().err


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("y", 0), ("", 0), ("maybe", 1)])
def test_on_a_terminal_the_change_is_shown_and_asked_for(tmp_path: Path, answer: str, code: int) -> None:
    leader, follower = pty.openpty()
    argv = [sys.executable, "-m", "saltern.cli.key", "--root", str(tmp_path), "accept", "on-*"]
    with fake_master(tmp_path, key_store) as master:
        process = subprocess.Popen(argv, stdin=follower, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        os.write(leader, f"{answer}\n".encode())
        out, error = process.communicate(timeout=WAIT_S)
    os.close(leader)
    os.close(follower)
    assert process.returncode == code
    assert f"  on-node2  {MARK_2}\nProceed? [n/Y] " in error
    assert len(master.requests) == (1 if code else 3)
    assert out.count("accepted") == (0 if code else 2)


def test_without_a_master_the_key_store_itself_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import types

    asked: list[tuple[Path, dict[str, Any]]] = []

    def handle(root: Path, request: dict[str, Any]) -> list[dict[str, Any]]:
        asked.append((root, request))
        return list(key_store(request))

    offline = types.ModuleType("master.keys_offline")
    offline.handle = handle  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "master.keys_offline", offline)
    assert key.main(["--root", str(tmp_path), "list"]) == 0
    assert asked == [(tmp_path, {"op": "key", "action": "list"})]
    assert "on-node1" in capsys.readouterr().out
