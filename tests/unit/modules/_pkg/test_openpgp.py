"""Public keys of OpenPGP: armor, and what is none."""

from __future__ import annotations

import hashlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules._pkg import openpgp
from modules._pkg.openpgp import BadKeyring

BODY = b"\x04" + bytes(20)
SUB = b"\x04" + bytes(21)
HALF = bytes([0xC6, len(BODY)]) + BODY
KEY = HALF + bytes([0xCD, 3]) + b"bob" + bytes([0x99 + 0x20, 0, len(SUB)]) + SUB
PRINT = hashlib.sha1(b"\x99\x00" + bytes([len(BODY)]) + BODY).hexdigest()


@given(st.binary(max_size=300))
def test_what_is_armored_comes_back(data: bytes) -> None:
    assert openpgp.dearmored(openpgp.armored(data)) == data


@given(st.binary(max_size=60))
def test_bytes_are_a_key_or_refused(data: bytes) -> None:
    with suppress(BadKeyring):
        assert openpgp.keyring(data).fingerprints


def test_the_checksum_is_that_of_the_standard() -> None:
    assert openpgp.crc24(b"") == 0xB704CE
    assert openpgp.crc24(b"123456789") == 0x21CF02


def test_a_key_has_its_fingerprint_and_those_of_its_subkeys() -> None:
    found = openpgp.keyring(KEY)
    assert found.keys == (PRINT,)
    assert len(found.fingerprints) == 2
    assert found.has(PRINT.upper())
    assert found.has(f"0x{PRINT[-16:]}")
    assert found.has(" ".join([PRINT[:20], PRINT[20:]]))
    assert not found.has("0" * 16)
    assert str(found).startswith(PRINT.upper())


def test_several_blocks_with_text_around_are_one_ring() -> None:
    text = b"hello\r\n" + openpgp.armored(KEY).replace(b"\n", b"\r\n") + b"\n# and\n" + openpgp.armored(KEY)
    assert openpgp.keyring(text).data == KEY + KEY
    headed = openpgp.armored(KEY).replace(b"-----\n", b"-----\nVersion: 1\nComment: a\n", 1)
    assert openpgp.keyring(headed).data == KEY
    bare = b"\n".join(line for line in openpgp.armored(KEY).splitlines() if not line.startswith(b"="))
    assert openpgp.keyring(bare).data == KEY


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "holds no key"),
        (b"<html>404</html>", "no OpenPGP key"),
        (KEY[:-1], "cut off"),
        (bytes([0xC5]) + KEY[1:], "secret key"),
        (bytes([0xC2, 1, 4]), "none stands first"),
        (bytes([0xCB, 1, 4]), "kind 11"),
        (bytes([0xC6, 1, 3]), "version 3"),
        (bytes([0xC6, 255, 255]), "cut off"),
        (openpgp.armored(KEY).replace(b"PUBLIC", b"PRIVATE"), "secret key"),
        (openpgp.armored(KEY).replace(b"PUBLIC KEY BLOCK", b"MESSAGE"), "it is a message"),
        (openpgp.armored(KEY)[:-20], "armor is broken"),
        (openpgp.armored(KEY).replace(b"\n=", b"\n=A"), "armor is broken"),
        (openpgp.armored(KEY)[:-45] + b"=AAAA" + openpgp.armored(KEY)[-40:], "armor is broken"),
    ],
)
def test_what_is_no_public_key_is_refused_with_the_reason(data: bytes, message: str) -> None:
    with pytest.raises(BadKeyring, match=message):
        openpgp.keyring(data)


@pytest.mark.parametrize("keyid", ["", "abc", "0xg0000000", "-" * 40])
def test_what_is_no_id_of_a_key_is_refused(keyid: str) -> None:
    with pytest.raises(BadKeyring, match="not the id"):
        openpgp.normal_keyid(keyid)
