"""What a transaction keeps on disk, and who may end it."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modules._checkpoint.checkpoint import BadCheckpoint, Checkpoint, Kernel, SavedFile, Touched
from modules._transaction.end import commit, roll_back
from modules._transaction.store import (
    COMMITTED,
    INCOMPLETE,
    ROLLED_BACK,
    WAITING,
    Pending,
    Store,
    TransactionError,
    boot_id,
    now_ns,
    started_at,
)
from saltern.errors import TemporaryError


def pending(**more: Any) -> Pending:
    fields = {"id": "a1", "jid": "20260101000000000000", "boot": boot_id(), "deadline_ns": now_ns() + 10**10, **more}
    return Pending(limit_s=10, opened=time.time(), **fields)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with a transaction whose checkpoint is one file."""
    made = Store(tmp_path / "network")
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "a").write_text("new")
    old = SavedFile(path=str(folder / "a"), mode=0o644, uid=os.getuid(), gid=os.getgid(), data=b"old")
    made.open(pending(), Checkpoint(kernel=Kernel(), folders=(str(folder),), files=(old,)))
    return made


def test_a_second_transaction_is_refused_and_says_who_is_in_the_way(store: Store) -> None:
    with pytest.raises(TransactionError, match="of job 20260101000000000000"):
        store.open(pending(id="b2"), Checkpoint(kernel=Kernel()))
    store.change(pending(), phase=WAITING)
    with pytest.raises(TransactionError, match=r"network\.confirm keeps it, network\.rollback takes it back"):
        store.open(pending(id="b2"), Checkpoint(kernel=Kernel()))


def test_a_commit_leaves_the_outcome_and_nothing_else(store: Store) -> None:
    last = commit(store, pending(), "fine", "run")
    assert (last.outcome, store.last()) == (COMMITTED, last)
    assert store.pending() is None
    assert sorted(os.listdir(store.folder)) == ["guard", "journal", "last", "lock"]


def test_how_long_it_took_is_not_by_the_clock_that_people_set(store: Store) -> None:
    wrong = pending(began_ns=now_ns() - 3 * 10**9)
    last = commit(store, replace(wrong, opened=time.time() - 86400), "fine", "run")
    assert 3 <= last.took_s < 60


def test_what_was_taken_back_can_not_be_committed(store: Store, tmp_path: Path) -> None:
    last = roll_back(store, pending(), "too late", "guard", kernel=False)
    assert (last.outcome, (tmp_path / "files/a").read_text()) == (ROLLED_BACK, "old")
    with pytest.raises(TransactionError, match="was rolled back: too late"):
        commit(store, pending(), "fine", "run")
    with pytest.raises(TransactionError, match="was rolled back: too late"), store.holding(pending()):
        raise AssertionError("a step ran")


def test_what_somebody_else_wrote_meanwhile_is_put_back_and_kept(store: Store, tmp_path: Path) -> None:
    (tmp_path / "files/b").write_text("of another")
    assert roll_back(store, pending(), "too late", "guard", kernel=False).remains == []
    assert os.listdir(tmp_path / "files") == ["a"]
    kept = {name.rpartition("%")[2]: store.folder / "replaced" / name for name in os.listdir(store.folder / "replaced")}
    assert {name: path.read_text() for name, path in kept.items()} == {"a": "new", "b": "of another"}
    assert {path.stat().st_mode & 0o777 for path in kept.values()} == {0o600}


def test_what_was_committed_is_not_taken_back(store: Store, tmp_path: Path) -> None:
    commit(store, pending(), "fine", "run")
    assert roll_back(store, pending(), "too late", "guard", kernel=False).outcome == COMMITTED
    assert (tmp_path / "files/a").read_text() == "new"


def test_no_one_takes_it_back_while_a_step_runs(store: Store) -> None:
    with store.holding(pending()), pytest.raises(TemporaryError), store.locked(wait_s=0.05):
        raise AssertionError("locked in the middle of a step")


def test_without_its_checkpoint_the_way_back_is_incomplete_and_says_so(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    (store.folder / "checkpoint").write_bytes(b"{")
    last = roll_back(store, pending(), "too late", "guard", kernel=False)
    assert last.outcome == INCOMPLETE
    assert "damaged" in last.remains[0]
    assert store.pending() is None


def test_a_line_that_was_cut_off_is_no_line(store: Store) -> None:
    store.touch(Touched(made=frozenset({"br1"})))
    store.touch(Touched(made=frozenset({"br2"}), named=frozenset({"eno1"})))
    with (store.folder / "touched").open("ab") as file:
        file.write(b'{"made": ["br')
    assert store.touched() == Touched(made=frozenset({"br1", "br2"}), named=frozenset({"eno1"}))


def test_a_damaged_transaction_is_an_error_of_its_own(store: Store) -> None:
    (store.folder / "pending").write_bytes(b"\x00")
    with pytest.raises(BadCheckpoint):
        store.pending()


def test_nobody_else_may_read_it(store: Store) -> None:
    store.touch(Touched())
    modes = {name: (store.folder / name).stat().st_mode & 0o777 for name in os.listdir(store.folder)}
    assert set(modes.values()) == {0o600}
    assert store.folder.stat().st_mode & 0o777 == 0o700


def test_a_process_is_told_from_a_later_one_by_when_it_started() -> None:
    assert started_at(os.getpid()) > 0
    assert started_at(2**22 + 1) == 0
