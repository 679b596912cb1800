"""What users call of archives: lists, making them, passwords."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import pytest

from modules import archive
from modules._archive.members import ArchiveError
from saltern.errors import SalternError
from saltern.marks import permit_acting
from saltern.secret import Secret
from tests.plans import context
from tests.unit.modules.archives import GOOD, Entry, tarred, unpack, zipped


def test_functions_list_make_and_unpack_archives(tmp_path: Path) -> None:
    ctx = context(tmp_path)
    tarred(tmp_path / "tree/good.tar", GOOD)
    plain = archive.list_(ctx, "salt://good.tar")
    assert isinstance(plain, list)
    assert plain[:2] == ["app/", "app/again"]
    by_kind = archive.list_(ctx, "salt://good.tar", verbose=True)
    assert isinstance(by_kind, dict)
    assert by_kind["links"] == ["app/current", "app/lib/up"]
    assert (by_kind["top_level_dirs"], by_kind["top_level_files"]) == (["app/"], [])
    with pytest.raises(SalternError, match="no file"):
        archive.list_(ctx, "salt://none.tar")
    unpack(str(tmp_path / "tree/good.tar"), tmp_path / "work")
    with permit_acting():
        assert "app/run" in archive.zip_(str(tmp_path / "a.zip"), "app", cwd=str(tmp_path / "work"))
        assert "app/lib/deep/data" in archive.unzip(str(tmp_path / "a.zip"), str(tmp_path / "b"))
        assert archive.unzip(str(tmp_path / "a.zip"), str(tmp_path / "b"), trim_output=1) == ["app/"]
        assert "app/run" in archive.tar("czvf", str(tmp_path / "c.tgz"), ["app"], cwd=str(tmp_path / "work"))
        os.mkdir(tmp_path / "d")
        archive.tar("-x -f", str(tmp_path / "c.tgz"), dest=str(tmp_path / "d"))
        archive.gunzip(str(tmp_path / "c.tgz"))
        archive.gzip(str(tmp_path / "c.tar"), "-9")
        with pytest.raises(ArchiveError, match="gzip ended with"):
            archive.gzip(str(tmp_path / "none"))
        with pytest.raises(ArchiveError, match="relative path"):
            archive.zip_(str(tmp_path / "x.zip"), ["app"])
    assert (tmp_path / "d/app/run").read_bytes() == (tmp_path / "b/app/run").read_bytes() == b"#!/bin/sh\n"
    assert sorted(os.listdir(tmp_path)) == ["a.zip", "b", "c.tar.gz", "d", "tree", "work"]


def test_a_zip_that_wants_a_password_is_known_and_opened_with_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "z"
    path.write_bytes(encrypted("app/x", b"hidden", b"sesame"))
    assert archive.is_encrypted(context(tmp_path), str(path))
    assert not archive.is_encrypted(context(tmp_path), zipped(tmp_path / "open", [Entry("a")]))
    for wrong in (None, Secret("wrong")):
        with pytest.raises(ArchiveError, match="password"):
            unpack(str(path), tmp_path / "dest", password=wrong)
    unpack(str(path), tmp_path / "dest", password=Secret("sesame"))
    assert (tmp_path / "dest/app/x").read_bytes() == b"hidden"


def encrypted(name: str, body: bytes, password: bytes) -> bytes:
    """A zip archive of one file, stored, and encrypted by the old way of zip (APPNOTE.TXT, 6.1)."""
    keys = [0x12345678, 0x23456789, 0x34567890]

    def stirred(byte: int) -> None:
        keys[0] = zlib.crc32(bytes([byte]), keys[0] ^ 0xFFFFFFFF) ^ 0xFFFFFFFF
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = zlib.crc32(bytes([keys[1] >> 24]), keys[2] ^ 0xFFFFFFFF) ^ 0xFFFFFFFF

    for byte in password:
        stirred(byte)
    sealed, check = bytearray(), zlib.crc32(body)
    for byte in bytes(11) + bytes([check >> 24]) + body:
        mixed = keys[2] | 2
        sealed.append(byte ^ ((mixed * (mixed ^ 1)) >> 8 & 0xFF))
        stirred(byte)
    both = struct.pack("<5H3I2H", 20, 1, 0, 0, 0x21, check, len(sealed), len(body), len(name), 0)
    local = b"PK\3\4" + both + name.encode() + sealed
    central = b"PK\1\2" + struct.pack("<H", 20) + both + struct.pack("<3H2I", 0, 0, 0, 0, 0) + name.encode()
    return local + central + b"PK\5\6" + struct.pack("<4H2IH", 0, 0, 1, 1, len(central), len(local), 0)
