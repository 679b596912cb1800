import hashlib
import io
import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saltern.wire import messages as m
from saltern.wire.blob import encrypt_stream
from saltern.wire.transfer import (
    MAX_CREDIT,
    BlobReceiver,
    BlobSender,
    NotServed,
    Piece,
    TransferError,
    WantedBlob,
    WrongBlob,
    cost,
    received,
)

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


def test_blobs_of_all_sizes_arrive_whole_and_private(tmp_path: Path, into: Path) -> None:
    contents = [bytes(random.Random(size).randbytes(size)) for size in (0, 1, 99, 100, 101, 1000, 12345)]
    shelf = Shelf(tmp_path / "shelf", *contents)
    sender, receiver = shelf.sender(), BlobReceiver(shelf.wanted, into, window=20_000)
    sender.want(receiver.remaining(), receiver.window)
    while not receiver.done:
        granted = [receiver.feed(*piece) for piece in sender.next_pieces()]
        assert granted, "the two wait for each other"
        sender.grant(sum(granted))
    assert not sender.waiting
    assert sorted(p.name for p in into.iterdir()) == sorted(shelf.names)
    for path in into.iterdir():
        assert path.read_bytes() == (shelf.folder / path.name).read_bytes()
        assert path.stat().st_mode & 0o077 == 0


@given(st.lists(st.binary(max_size=350), min_size=1, max_size=6, unique=True), st.integers(1, 50_000))
@settings(max_examples=40)
def test_no_more_is_under_way_than_the_window_and_a_chunk_and_none_waits_for_ever(
    contents: list[bytes], window: int
) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        shelf = Shelf(Path(place) / "shelf", *contents)
        sender, receiver = shelf.sender(), BlobReceiver(shelf.wanted, Path(place), window)
        sender.want(receiver.remaining(), window)
        under_way: list[Piece] = []
        while not receiver.done:
            under_way += sender.next_pieces()
            assert 0 < sum(cost(piece.data) for piece in under_way) < window + cost(bytes(CHUNK))
            sender.grant(receiver.feed(*under_way.pop(0)))


def test_a_small_chunk_costs_more_than_its_bytes_so_that_messages_are_bounded_too() -> None:
    assert cost(b"") == cost(b"x") == 4096
    assert cost(bytes(100_000)) == 100_000


def test_nothing_is_sent_without_credit(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf", b"x" * 1000)
    sender = shelf.sender()
    sender.want(shelf.names, 0)
    assert not list(sender.next_pieces())
    sender.grant(cost(bytes(CHUNK)) + 1)
    assert [p.message.offset for p in sender.next_pieces() if isinstance(p.message, m.Chunk)] == [0, 100]
    assert not list(sender.next_pieces())


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
    assert list(sender.next_pieces()) == [
        Piece(m.Missing("0" * 64)),
        Piece(m.Chunk(shelf.names[0], 0, True), b"here"),
    ]
    with pytest.raises(NotServed, match="run the job again"):
        BlobReceiver([WantedBlob("0" * 64, 4)], into).feed(m.Missing("0" * 64))
    with pytest.raises(TransferError, match="not asked for"):
        BlobReceiver(shelf.wanted, into).feed(m.Missing("0" * 64))


def test_a_closed_sender_holds_no_file_open(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf", b"x" * 1000)
    sender = shelf.sender()
    sender.want(shelf.names, 1)
    list(sender.next_pieces())
    before = len(os.listdir("/proc/self/fd"))
    sender.close()
    assert len(os.listdir("/proc/self/fd")) == before - 1
    assert not list(sender.next_pieces())


def feed(receiver: BlobReceiver, blob: str, offset: int, data: bytes, last: bool) -> int:
    return receiver.feed(m.Chunk(blob, offset, last), data)


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
        feed(receiver, *chunk)
    with pytest.raises(TransferError):
        feed(receiver, *wrong)
    assert [path.name for path in into.iterdir() if path.name != NAME] == []


def test_a_blob_of_unknown_size_may_not_pass_its_bound(into: Path) -> None:
    receiver = BlobReceiver([WantedBlob(NAME, 149, exact=False)], into)
    with pytest.raises(TransferError):
        feed(receiver, NAME, 0, b"x" * 150, True)
    receiver = BlobReceiver([WantedBlob(NAME, 1000, exact=False)], into)
    feed(receiver, NAME, 0, b"x" * 150, True)
    assert receiver.done


def test_after_a_lost_connection_the_cut_off_blob_begins_anew(tmp_path: Path, into: Path) -> None:
    shelf = Shelf(tmp_path / "shelf", b"first", b"x" * 250)
    receiver = BlobReceiver(shelf.wanted, into)
    sender = shelf.sender()
    sender.want(receiver.remaining(), 5000)
    for piece in sender.next_pieces():
        receiver.feed(*piece)
    receiver.restart()
    assert receiver.remaining() == shelf.names[1:]
    assert [path.name for path in into.iterdir()] == shelf.names[:1]
    again = shelf.sender()
    again.want(receiver.remaining(), 100_000)
    for piece in again.next_pieces():
        receiver.feed(*piece)
    assert receiver.done
    assert sorted(p.name for p in into.iterdir()) == sorted(shelf.names)


KEY = bytes(range(32))
FULL = m.PLAIN_CHUNK_BYTES
PLAIN = random.Random(0).randbytes(2 * FULL + 1000)


def sealed(plain: bytes, key: bytes = KEY) -> tuple[bytes, WantedBlob]:
    sink = io.BytesIO()
    written = encrypt_stream(io.BytesIO(plain), sink, key)
    return sink.getvalue(), WantedBlob(written.blob, len(sink.getvalue()), key=key, digest=written.digest)


SEALED, WANTED = sealed(PLAIN)
ONE, TWO, THREE = (SEALED[at : at + m.CHUNK_BYTES] for at in range(0, len(SEALED), m.CHUNK_BYTES))


def bring(receiver: BlobReceiver, chunks: list[bytes]) -> None:
    """Say that CHUNKS are the blob, as a side would that follows the protocol and means ill."""
    offset = 0
    for number, chunk in enumerate(chunks, 1):
        feed(receiver, WANTED.blob, offset, chunk, number == len(chunks))
        offset += len(chunk)


@pytest.mark.parametrize("size", [0, 1, FULL - 1, FULL, FULL + 1, len(PLAIN)])
def test_a_blob_with_a_key_is_opened_on_its_way_and_no_ciphertext_is_written(tmp_path: Path, size: int) -> None:
    data, wanted = sealed(PLAIN[:size])
    shelf = Shelf(tmp_path / "shelf", data)
    into = tmp_path / "into"
    into.mkdir(mode=0o700)
    sender, receiver = BlobSender(shelf.open), BlobReceiver([wanted], into)
    sender.want(receiver.remaining(), receiver.window)
    for piece in sender.next_pieces():
        receiver.feed(*piece)
        assert not any(data[:64] in path.read_bytes() for path in into.iterdir())
    assert receiver.done
    assert [path.name for path in into.iterdir()] == [wanted.blob]
    assert (into / wanted.blob).read_bytes() == PLAIN[:size]
    assert (into / wanted.blob).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "chunks",
    [
        [ONE, TWO],
        [ONE],
        [TWO, ONE, THREE],
        [ONE, THREE],
        [ONE, ONE, THREE],
        [ONE, TWO, THREE[:-1]],
        [ONE, TWO, THREE + b"x"],
        [ONE, TWO, b"\0" + THREE[1:]],
        [ONE, TWO, THREE[:-1] + bytes([THREE[-1] ^ 1])],
        [ONE[:1000], ONE[1000:], TWO, THREE],
        [ONE + TWO[:1000], TWO[1000:], THREE],
        [bytes(len(ONE)), TWO, THREE],
        [sealed(PLAIN, bytes(32))[0][: len(ONE)], TWO, THREE],
    ],
)
def test_a_sealed_blob_that_is_cut_moved_changed_or_of_another_key_is_refused_and_leaves_nothing(
    into: Path, chunks: list[bytes]
) -> None:
    receiver = BlobReceiver([WANTED], into)
    with pytest.raises(WrongBlob) as caught:
        bring(receiver, chunks)
    assert caught.value.blob == WANTED.blob
    assert list(into.iterdir()) == []
    assert receiver.remaining() == [WANTED.blob]


def test_another_file_under_the_same_key_is_refused_since_others_may_know_the_key(into: Path) -> None:
    forged = sealed(bytes(len(PLAIN)))[0]
    with pytest.raises(WrongBlob, match="contents"):
        bring(BlobReceiver([WANTED], into), [forged[at : at + m.CHUNK_BYTES] for at in range(0, len(forged), len(ONE))])
    assert list(into.iterdir()) == []


def test_an_opened_blob_that_was_cut_off_begins_anew_with_its_first_chunk(into: Path) -> None:
    receiver = BlobReceiver([WANTED], into)
    feed(receiver, WANTED.blob, 0, ONE, False)
    receiver.restart()
    assert list(into.iterdir()) == []
    bring(receiver, [ONE, TWO, THREE])
    assert (into / WANTED.blob).read_bytes() == PLAIN


def test_a_wanted_blob_does_not_show_its_key() -> None:
    assert repr(KEY) not in repr(WANTED)


@pytest.mark.parametrize("piece", [Piece(m.Chunk(NAME, 7, True), b"data"), Piece(m.Missing(NAME))])
def test_a_piece_is_the_same_after_the_line(piece: Piece) -> None:
    assert received(piece.frames()) == piece


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [b""],
        [b"\xc1", b"data"],
        [m.encode(m.Chunk(NAME, 0, True))],
        [m.encode(m.Chunk(NAME, 0, True)), b"data", b"more"],
        [m.encode(m.Missing(NAME)), b"data"],
        [m.encode(m.Want([NAME], 1))],
    ],
)
def test_frames_of_another_form_are_refused(frames: list[bytes]) -> None:
    with pytest.raises(TransferError):
        received(frames)
