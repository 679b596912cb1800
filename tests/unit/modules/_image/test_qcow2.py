"""The header of qcow2 images: what it says, and that a broken or hostile one is refused and crashes nothing."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules._image.qcow2 import MAGIC, BadImage, Header, foreign, is_qcow2, parse


def header(
    *,
    version: int = 3,
    size: int = 10 << 20,
    bits: int = 16,
    backing: bytes = b"",
    crypt: int = 0,
    incompatible: int = 0,
    extensions: tuple[tuple[int, bytes], ...] = (),
    length: int = 112,
) -> bytes:
    """A qcow2 header as docs/interop/qcow2.txt lays it out."""
    length = length if version == 3 else 72
    tail = b"".join(struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8) for kind, data in extensions)
    tail += bytes(8)
    at = length + len(tail) if backing else 0
    head = struct.pack(
        ">4sIQIIQIIQQIIQ", MAGIC, version, at, len(backing), bits, size, crypt, 1, 0x30000, 0x10000, 1, 2, 0
    )
    if version == 3:
        head += struct.pack(">QQQII", incompatible, 0, 0, 4, length)
    return (head.ljust(length, b"\0") + tail + backing).ljust(1 << max(bits, 9), b"\0")


@pytest.mark.parametrize("version", [2, 3])
def test_a_plain_image_names_nothing(version: int) -> None:
    assert parse(header(version=version)) == Header(
        version=version, virtual_size=10 << 20, cluster_size=65536, snapshots=2
    )


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("name", ["/etc/shadow", 'json:{"driver":"nbd"}', "nbd:10.0.0.1:10809", "../x", "ö"])
def test_a_backing_file_is_found_whatever_its_name(version: int, name: str) -> None:
    found = parse(header(version=version, backing=name.encode(), extensions=((0xE2792ACA, b"raw"),)))
    assert (found.backing_file, found.backing_format) == (name, "raw")


def test_a_backing_file_without_a_format_is_one_that_qemu_would_guess() -> None:
    assert parse(header(backing=b"x")).backing_format is None


def test_a_data_file_is_found_by_its_name_and_by_its_bit() -> None:
    assert parse(header(incompatible=4, extensions=((0x44415441, b"/etc/shadow"),))).data_file == "/etc/shadow"
    assert parse(header(incompatible=4)).data_file == ""
    assert parse(header(extensions=((0x44415441, b"/x"),))).data_file == "/x"


def test_encryption_is_found() -> None:
    assert [parse(header(crypt=method)).encryption for method in (0, 1, 2)] == [None, "aes", "luks"]
    assert parse(header(extensions=((0x0537BE77, bytes(16)),))).encryption == "luks"


def test_an_extension_before_the_one_that_matters_is_passed_over() -> None:
    found = parse(header(extensions=((0x6803F857, bytes(0x180)), (0x1234, b"abc"), (0x44415441, b"d"))))
    assert found.data_file == "d"


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "no qcow2 header"),
        (b"QFI", "no qcow2 header"),
        (bytes(512), "no qcow2 header"),
        (header()[:80], "ends too early"),
        (header(version=2)[:72].replace(b"\0\0\0\2", b"\0\0\0\1", 1), "version 1"),
        (header(bits=8), "cluster_bits is 8"),
        (header(bits=22), "cluster_bits is 22"),
        (header(crypt=3), "encryption method 3"),
        (header(incompatible=1 << 40), "features that are not known"),
        (header(length=105), "header_length is 105"),
        (header(backing=b"x" * 1024), "lies outside"),
        (header(bits=9, backing=b"x" * 600), "lies outside"),
        (
            header(extensions=((0x1234, b"x"),)).replace(struct.pack(">II", 0x1234, 1), struct.pack(">II", 1, 1 << 31)),
            "longer",
        ),
    ],
)
def test_a_broken_header_is_refused_with_what_is_broken(raw: bytes, said: str) -> None:
    if said == "lies outside":
        raw = raw[: 1 << raw[23]]
    with pytest.raises(BadImage, match=said):
        parse(raw)


@given(st.binary(max_size=600), st.booleans())
def test_no_bytes_crash_the_parser(noise: bytes, marked: bool) -> None:
    raw = MAGIC + noise if marked else noise
    try:
        found = parse(raw)
    except BadImage:
        return
    assert is_qcow2(raw)
    assert found.cluster_size >= 512


@given(st.integers(0, 600), st.binary(min_size=1, max_size=40))
def test_no_change_of_a_good_header_crashes_the_parser(at: int, patch: bytes) -> None:
    raw = bytearray(header(backing=b"/base", extensions=((0xE2792ACA, b"qcow2"),)))
    raw[at : at + len(patch)] = patch
    with contextlib.suppress(BadImage):
        parse(bytes(raw))


@given(st.binary(min_size=1, max_size=1023).filter(lambda name: b"\0" not in name), st.sampled_from([2, 3]))
def test_no_backing_file_is_missed(name: bytes, version: int) -> None:
    assert parse(header(version=version, backing=name)).backing_file == name.decode("utf-8", "backslashreplace")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"KDMV", "vmdk"),
        (b"# Disk DescriptorFile\nversion=1", "vmdk"),
        (bytes(64) + b"\x7f\x10\xda\xbe", "vdi"),
        (b"vhdxfile", "vhdx"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"QFI\xfb\0\0\0\1", "qcow"),
        (header(), None),
        (bytes(512), None),
        (b"", None),
    ],
)
def test_other_formats_are_known_by_their_first_bytes(head: bytes, name: str | None) -> None:
    assert foreign(head) == name
