"""A network transaction on a disk that is full: not begun, or ended well and reported."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from modules._checkpoint.checkpoint import Checkpoint, Kernel, SavedFile, Touched
from modules._transaction.end import roll_back
from modules._transaction.store import ROLLED_BACK, Pending, Store, TransactionError, boot_id, now_ns
from tests.patience import WAIT_S

pytestmark = pytest.mark.root
TEXT = b"old" * 10_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(place)], check=True, timeout=WAIT_S)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True, timeout=WAIT_S)


def fill(disk: Path) -> None:
    """Leave no byte."""
    with suppress(OSError), open(disk / "filler", "wb", buffering=0) as file:
        while file.write(bytes(4096)) == 4096:
            pass


def pending() -> Pending:
    return Pending(id="a1b2c3d4e5f60718", jid="1", boot=boot_id(), deadline_ns=now_ns(), limit_s=1, opened=time.time())


def checkpoint(disk: Path) -> Checkpoint:
    """Of one file, which has changed since."""
    folder = disk / "files"
    folder.mkdir()
    (folder / "a").write_bytes(b"new")
    old = SavedFile(path=str(folder / "a"), mode=0o644, uid=os.getuid(), gid=os.getgid(), data=TEXT)
    return Checkpoint(kernel=Kernel(), folders=(str(folder),), files=(old,))


def test_it_is_not_begun_and_leaves_nothing(disk: Path) -> None:
    before, store = checkpoint(disk), Store(disk / "network")
    fill(disk)
    with pytest.raises(TransactionError, match="so it is not changed: No space left on device"):
        store.open(pending(), before)
    assert store.pending() is None
    assert not (disk / "network/reserve").exists()


def test_what_can_not_be_noted_is_an_error_before_the_step(disk: Path) -> None:
    store = Store(disk / "network")
    store.open(pending(), checkpoint(disk))
    fill(disk)
    with pytest.raises(TransactionError, match="so it is not changed: No space left on device"):
        store.touch(Touched(made=frozenset([f"{number:05}" for number in range(9999)])))


def test_the_files_come_back_and_the_outcome_is_kept(disk: Path) -> None:
    store = Store(disk / "network")
    store.open(pending(), checkpoint(disk))
    fill(disk)
    last = roll_back(store, pending(), "too late", "guard", kernel=False)
    assert (last.outcome, last.remains) == (ROLLED_BACK, [])
    assert (disk / "files/a").read_bytes() == TEXT
    assert (store.pending(), store.last()) == (None, last)
    assert not {"spare", "reserve"} & set(os.listdir(store.folder))


def test_the_files_come_back_where_the_disk_fills_meanwhile(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(disk / "network")
    store.open(pending(), checkpoint(disk))
    said: list[str] = []

    def say(event: str, **fields: object) -> None:
        said.append(event)
        if said.count("back") == 1 and event == "back":
            fill(disk)

    monkeypatch.setattr(store, "say", say)
    last = roll_back(store, pending(), "too late", "guard", kernel=False)
    assert (last.outcome, last.remains) == (ROLLED_BACK, [])
    assert said == ["rollback", "back", "remains", "back", "ended"]


def test_what_a_killed_process_left_goes_with_the_next_transaction(disk: Path) -> None:
    store = Store(disk / "network")
    store.folder.mkdir(mode=0o700)
    (store.folder / ("0f" * 16)).write_text("half")
    store.open(pending(), checkpoint(disk))
    assert ("0f" * 16) not in os.listdir(store.folder)
