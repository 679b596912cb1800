import hashlib
import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saltern.wire import messages as m
from saltern.wire.transfer import MAX_CREDIT, BlobReceiver, BlobSender, NotServed, TransferError, WantedBlob

CHUNK = 100


class Shelf:
    """Blobs in a folder, as a store has them."""

    def __init__(self, folder: Path, *contents: bytes) -> None:
        folder.mkdir()
        self.folder = folder
        self.wanted = []
        for content in contents:
            name = hashlib.sha256(content).hexdigest()
            (folder / name).write_bytes(content)
            self.wanted.append(WantedBlob(name, len(content)))
        self.names = [wanted.blob for wanted in self.wanted]

    def open(self, blob: str) -> int:
        try:
            return os.open(self.folder / blob, os.O_RDONLY)
        except FileNotFoundError:
            raise LookupError(blob) from None

    def sender(self) -> BlobSender:
        return BlobSender(self.open, CHUNK)


@pytest.fixture
def into(tmp_path: Path) -> Path:
    (tmp_path / "into").mkdir(mode=0o700)
    return tmp_path / "into"


def feed(receiver: BlobReceiver, message: m.Chunk | m.Missing) -> int:
    assert isinstance(message, m.Chunk)
    return receiver.feed(message.blob, message.offset, message.data, message.last)


def test_blobs_of_all_sizes_arrive_whole_and_private(tmp_path: Path, into: Path) -> None:
    contents = [bytes(random.Random(size).randbytes(size)) for size in (0, 1, 99, 100, 101, 1000, 12345)]
    shelf = Shelf(tmp_path / "shelf", *contents)
    sender, receiver = shelf.sender(), BlobReceiver(shelf.wanted, into, window=4)
    sender.want(receiver.remaining(), receiver.window)
    while not receiver.done:
        granted = [feed(receiver, message) for message in sender.next_chunks()]
        assert granted, "the two wait for each other"
        sender.grant(sum(granted))
    assert not sender.waiting
    assert sorted(p.name for p in into.iterdir()) == sorted(shelf.names)
    for path in into.iterdir():
        assert path.read_bytes() == (shelf.folder / path.name).read_bytes()
        assert path.stat().st_mode & 0o077 == 0


@given(st.lists(st.binary(max_size=350), min_size=1, max_size=6, unique=True), st.integers(1, 20))
@settings(max_examples=40, deadline=None)
def test_no_more_is_under_way_than_the_window_and_none_waits_for_ever(contents: list[bytes], window: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        shelf = Shelf(Path(place) / "shelf", *contents)
        sender, receiver = shelf.sender(), BlobReceiver(shelf.wanted, Path(place), window)
        sender.want(receiver.remaining(), window)
        under_way: list[m.Chunk | m.Missing] = []
        while not receiver.done:
            under_way += sender.next_chunks()
            assert 0 < len(under_way) <= window
            sender.grant(feed(receiver, under_way.pop(0)))


def test_nothing_is_sent_without_credit(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf", b"x" * 1000)
    sender = shelf.sender()
    sender.want(shelf.names, 0)
    assert not list(sender.next_chunks())
    sender.grant(2)
    assert [chunk.offset for chunk in sender.next_chunks() if isinstance(chunk, m.Chunk)] == [0, 100]


@pytest.mark.parametrize("credit", [-1, MAX_CREDIT + 1, 1 << 40])
def test_impossible_credit_is_refused(tmp_path: Path, credit: int) -> None:
    with pytest.raises(TransferError):
        Shelf(tmp_path / "shelf").sender().grant(credit)


@pytest.mark.parametrize("blob", ["../../etc/shadow", "", "A" * 64, "a" * 63])
def test_what_is_no_name_of_a_blob_is_not_even_looked_for(tmp_path: Path, blob: str) -> None:
    def opened(blob: str) -> int:
        raise AssertionError("looked for")

    with pytest.raises(TransferError):
        BlobSender(opened).want([blob], 1)


def test_more_blobs_than_the_queue_holds_are_refused() -> None:
    with pytest.raises(TransferError):
        BlobSender(lambda blob: 0).want(["a" * 64] * 20_001, 1)


def test_a_blob_that_is_gone_is_told_and_the_next_one_sent(tmp_path: Path, into: Path) -> None:
    shelf = Shelf(tmp_path / "shelf", b"here")
    sender = shelf.sender()
    sender.want(["0" * 64, *shelf.names], 1)
    assert list(sender.next_chunks()) == [m.Missing("0" * 64), m.Chunk(shelf.names[0], 0, b"here", True)]
    with pytest.raises(NotServed, match="run the job again"):
        BlobReceiver([WantedBlob("0" * 64, 4)], into).missing("0" * 64)


def test_a_closed_sender_holds_no_file_open(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf", b"x" * 1000)
    sender = shelf.sender()
    sender.want(shelf.names, 1)
    list(sender.next_chunks())
    before = len(os.listdir("/proc/self/fd"))
    sender.close()
    assert len(os.listdir("/proc/self/fd")) == before - 1
    assert not list(sender.next_chunks())


NAME = hashlib.sha256(b"x" * 150).hexdigest()


@pytest.mark.parametrize(
    "chunks",
    [
        [("0" * 64, 0, b"x", True)],
        [(NAME, 100, b"x" * 50, True)],
        [(NAME, 0, b"x" * 100, False), (NAME, 0, b"x" * 100, False)],
        [(NAME, 0, b"x" * 100, True)],
        [(NAME, 0, b"x" * 151, True)],
        [(NAME, 0, b"x" * 100, False), (NAME, 100, b"y" * 50, True)],
        [(NAME, 0, b"", False)],
        [(NAME, 0, b"x" * 150, True), (NAME, 0, b"x" * 150, True)],
    ],
)
def test_a_chunk_that_was_not_asked_for_or_is_not_what_its_name_says_is_refused(
    into: Path, chunks: list[tuple[str, int, bytes, bool]]
) -> None:
    receiver = BlobReceiver([WantedBlob(NAME, 150)], into)
    *before, wrong = chunks
    for chunk in before:
        receiver.feed(*chunk)
    with pytest.raises(TransferError):
        receiver.feed(*wrong)
    assert [path.name for path in into.iterdir() if path.name != NAME] == []


def test_a_blob_of_unknown_size_may_not_pass_its_bound(into: Path) -> None:
    receiver = BlobReceiver([WantedBlob(NAME, 149, exact=False)], into)
    with pytest.raises(TransferError):
        receiver.feed(NAME, 0, b"x" * 150, True)
    receiver = BlobReceiver([WantedBlob(NAME, 1000, exact=False)], into)
    receiver.feed(NAME, 0, b"x" * 150, True)
    assert receiver.done


def test_after_a_lost_connection_the_cut_off_blob_begins_anew(tmp_path: Path, into: Path) -> None:
    shelf = Shelf(tmp_path / "shelf", b"first", b"x" * 250)
    receiver = BlobReceiver(shelf.wanted, into)
    sender = shelf.sender()
    sender.want(receiver.remaining(), 2)
    for message in sender.next_chunks():
        feed(receiver, message)
    receiver.restart()
    assert receiver.remaining() == shelf.names[1:]
    again = shelf.sender()
    again.want(receiver.remaining(), 16)
    for message in again.next_chunks():
        feed(receiver, message)
    assert receiver.done
    assert sorted(p.name for p in into.iterdir()) == sorted(shelf.names)
