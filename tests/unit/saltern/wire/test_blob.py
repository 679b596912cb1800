import hashlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saltern.wire import blob
from saltern.wire.blob import CHUNK_BYTES, TAG_BYTES, DamagedBlob, Written

KEY = bytes(range(32))
SEALED_CHUNK = CHUNK_BYTES + TAG_BYTES
SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES]


def encrypted(plain: bytes, key: bytes = KEY) -> tuple[bytes, Written]:
    sink = io.BytesIO()
    written = blob.encrypt_stream(io.BytesIO(plain), sink, key)
    return sink.getvalue(), written


def decrypted(sealed: bytes, key: bytes = KEY) -> bytes:
    sink = io.BytesIO()
    blob.decrypt_stream(io.BytesIO(sealed), sink, key)
    return sink.getvalue()


def pieces(sealed: bytes) -> list[bytes]:
    return [sealed[at : at + SEALED_CHUNK] for at in range(0, len(sealed), SEALED_CHUNK)]


@pytest.mark.parametrize("size", SIZES)
def test_a_file_of_any_size_comes_back(size: int) -> None:
    plain = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    sealed, written = encrypted(plain)
    assert decrypted(sealed) == plain
    assert written == Written(hashlib.sha256(plain).hexdigest(), hashlib.sha256(sealed).hexdigest(), size)
    assert len(sealed) == blob.sealed_size(size)


def test_decrypting_tells_the_same_digests_as_encrypting() -> None:
    sealed, written = encrypted(b"state")
    assert blob.decrypt_stream(io.BytesIO(sealed), io.BytesIO(), KEY) == written


def test_a_source_that_gives_little_at_a_time_gives_the_same_blob() -> None:
    class Trickle(io.BytesIO):
        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            return super().readinto(buffer[: min(len(buffer), 100_000)])

    plain = b"x" * (2 * CHUNK_BYTES + 5)
    sink = io.BytesIO()
    blob.encrypt_stream(Trickle(plain), sink, KEY)
    assert sink.getvalue() == encrypted(plain)[0]


def test_a_sink_that_takes_little_at_a_time_gets_everything() -> None:
    class Narrow(io.BytesIO):
        def write(self, data: memoryview) -> int:  # type: ignore[override]
            return super().write(data[:1000])

    plain = b"x" * 300_000
    sink = Narrow()
    blob.encrypt_stream(io.BytesIO(plain), sink, KEY)
    assert decrypted(sink.getvalue()) == plain


def test_the_canary_is_not_in_the_ciphertext() -> None:
    assert b"CANARY" not in encrypted(b"CANARY" * 50_000)[0]


def test_two_keys_give_two_blobs_of_the_same_file() -> None:
    assert encrypted(b"same", blob.new_key())[1].blob != encrypted(b"same", blob.new_key())[1].blob


def test_another_key_does_not_open() -> None:
    with pytest.raises(DamagedBlob):
        decrypted(encrypted(b"x")[0], bytes(32))


THREE, _ = encrypted(bytes(3 * CHUNK_BYTES))
FIRST, SECOND, THIRD = pieces(THREE)


@pytest.mark.parametrize(
    "sealed",
    [
        b"",
        FIRST,
        FIRST + SECOND,
        SECOND + FIRST + THIRD,
        FIRST + THIRD + SECOND,
        FIRST + THIRD,
        FIRST + FIRST + SECOND + THIRD,
        THREE + THIRD,
        THREE + encrypted(b"")[0],
        THREE + b"x",
        FIRST + SECOND + THIRD[:-1],
        FIRST + SECOND + THIRD[:TAG_BYTES],
        THREE[1:],
    ],
    ids=lambda sealed: str(len(sealed)),
)
def test_chunks_that_are_cut_off_moved_repeated_or_added_are_refused(sealed: bytes) -> None:
    with pytest.raises(DamagedBlob):
        decrypted(sealed)


def test_the_last_chunk_alone_may_not_pass_for_a_whole_file() -> None:
    sealed, _ = encrypted(bytes(CHUNK_BYTES) + b"tail")
    with pytest.raises(DamagedBlob):
        decrypted(pieces(sealed)[1])


@given(plain=st.binary(max_size=200), data=st.data())
@settings(max_examples=100)
def test_any_change_of_a_blob_is_refused(plain: bytes, data: st.DataObject) -> None:
    sealed, _ = encrypted(plain)
    position = data.draw(st.integers(0, len(sealed) - 1))
    change = data.draw(st.sampled_from(["flip", "cut", "drop", "add"]))
    flipped = bytes([sealed[position] ^ (1 << data.draw(st.integers(0, 7)))])
    damaged = {
        "flip": sealed[:position] + flipped + sealed[position + 1 :],
        "cut": sealed[:position],
        "drop": sealed[:position] + sealed[position + 1 :],
        "add": sealed + flipped,
    }[change]
    with pytest.raises(DamagedBlob):
        decrypted(damaged)


@given(position=st.integers(0, len(THREE) - 1), bit=st.integers(0, 7))
@settings(max_examples=15)
def test_a_bit_flipped_anywhere_in_a_long_blob_is_refused(position: int, bit: int) -> None:
    damaged = bytearray(THREE)
    damaged[position] ^= 1 << bit
    with pytest.raises(DamagedBlob):
        decrypted(bytes(damaged))
