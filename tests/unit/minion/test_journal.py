"""The journal: what was received is never run twice, what is owed is never lost, whatever is torn off."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minion.journal import Journal, JournalError

A, B, C = "20260101000000000001", "20260101000000000002", "20260101000000000003"


def test_a_job_is_received_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    assert journal.note_received(A, sync=True)
    assert not journal.note_received(A, sync=True)


def test_a_job_is_known_after_a_restart(tmp_path: Path) -> None:
    Journal(tmp_path / "journal").note_received(A, sync=False)
    assert not Journal(tmp_path / "journal").note_received(A, sync=False)


def test_a_return_is_owed_until_it_is_settled_also_across_restarts(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.note_received(A, sync=False)
    journal.note_owed(A, b"message", sync=True)
    again = Journal(tmp_path / "journal")
    assert again.owed == {A: b"message"}
    again.note_settled(A)
    assert Journal(tmp_path / "journal").owed == {}
    assert not Journal(tmp_path / "journal").note_received(A, sync=False)


def test_a_job_without_a_return_is_told_as_begun(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    for jid in (A, B, C):
        journal.note_received(jid, sync=False)
    journal.note_owed(A, b"x", sync=False)
    journal.note_owed(B, b"x", sync=False)
    journal.note_settled(B)
    assert Journal(tmp_path / "journal").begun == [C]


def test_whatever_byte_the_file_is_cut_at_the_records_before_it_hold(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    journal = Journal(file)
    ends = []
    for jid in (A, B, C):
        journal.note_received(jid, sync=False)
        ends.append(file.stat().st_size)
    whole = file.read_bytes()
    for cut in range(len(whole) + 1):
        file.write_bytes(whole[:cut])
        assert len(Journal(file).seen) == sum(end <= cut for end in ends)
        assert Journal(file).note_received(C, sync=False) == (cut < ends[2])


def test_a_flipped_bit_ends_the_reading_there(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    journal = Journal(file)
    journal.note_received(A, sync=False)
    first = file.stat().st_size
    journal.note_received(B, sync=False)
    data = bytearray(file.read_bytes())
    data[first + 10] ^= 1
    file.write_bytes(data)
    assert list(Journal(file).seen) == [A]


def test_a_settled_journal_is_rewritten_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minion.journal._REWRITE_BYTES", 10_000)
    file = tmp_path / "journal"
    journal = Journal(file)
    for number in range(50):
        jid = f"{number:020d}"
        journal.note_received(jid, sync=False)
        journal.note_owed(jid, b"x" * 1000, sync=False)
        journal.note_settled(jid)
    assert file.stat().st_size < 12_000
    assert len(Journal(file).seen) == 50


def test_a_full_disk_is_named_and_leaves_no_half_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "journal"
    journal = Journal(file)
    journal.note_received(A, sync=False)
    size = file.stat().st_size
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:5]))
    with pytest.raises(JournalError, match=r"journal.*No space left on device"):
        journal.note_received(B, sync=False)
    monkeypatch.undo()
    assert file.stat().st_size == size
    assert journal.note_received(B, sync=False)
    assert list(Journal(file).seen) == [A, B]


def test_the_journal_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    Journal(tmp_path / "minion" / "journal")
    assert (tmp_path / "minion" / "journal").stat().st_mode & 0o077 == 0
    assert (tmp_path / "minion").stat().st_mode & 0o077 == 0
