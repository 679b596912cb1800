"""The header of a qcow2 image, read without asking any program: what the image refers to outside itself.

An image from elsewhere may name any file of the node as its backing file or data file, and QEMU would open it. So the
header is read here, before QEMU sees the image. Layout: docs/interop/qcow2.txt of QEMU. Pure.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from saltern.errors import PermanentError

MAGIC = b"QFI\xfb"
HEAD_BYTES = 2 << 20  # the longest first cluster: header, extensions and the name of the backing file lie in it
FIRST_BYTES = 1 << 16  # the first cluster as QEMU makes it by default
_V2 = struct.Struct(">4sIQIIQIIQQIIQ")  # magic … snapshots_offset: 72 bytes, of both versions
_V3 = struct.Struct(">QQQII")  # incompatible, compatible, autoclear features, refcount_order, header_length
_NAME_BYTES = 1023  # of a backing file's name, at most
_BACKING_FORMAT, _DATA_FILE, _LUKS_HEADER = 0xE2792ACA, 0x44415441, 0x0537BE77  # header extensions
_EXTERNAL_DATA = 1 << 2  # incompatible feature bit 2
_KNOWN_INCOMPATIBLE = 0b11111  # dirty, corrupt, external data file, compression type, extended L2 entries
_ENCRYPTION = {0: None, 1: "aes", 2: "luks"}


class BadImage(PermanentError, ValueError):
    """An image is not what it should be, or refers to something outside itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A qcow2 header. VIRTUAL_SIZE and CLUSTER_SIZE in bytes. BACKING_FILE and DATA_FILE as they are written there, ""
    where one is announced without a name; BACKING_FORMAT None where the header does not say, so QEMU would guess."""

    version: int
    virtual_size: int
    cluster_size: int
    backing_file: str | None = None
    backing_format: str | None = None
    data_file: str | None = None
    encryption: str | None = None
    corrupt: bool = False
    snapshots: int = 0


def is_qcow2(head: bytes) -> bool:
    """Whether a file that begins with HEAD says that it is one."""
    return head[:4] == MAGIC


def is_enough(head: bytes) -> bool:
    """Whether HEAD, the beginning of a file, holds all that `parse` and `foreign` look at. Pure."""
    return not is_qcow2(head) or len(head) < _V2.size or len(head) >= 1 << min(head[23], 21)  # the last of cluster_bits


def parse(head: bytes) -> Header:
    """The header that HEAD, the first HEAD_BYTES of a file (or all of a shorter one), begins with. BadImage where it is
    none or is broken."""
    if len(head) < _V2.size or not is_qcow2(head):
        raise BadImage("not a qcow2 image: there is no qcow2 header")
    _, version, backing_at, backing_length, bits, size, crypt, _, _, _, _, snapshots, _ = _V2.unpack_from(head)
    if version not in (2, 3):
        raise BadImage(f"qcow2 version {version} is not supported (2 and 3 are)")
    if not 9 <= bits <= 21:
        raise BadImage(f"a broken qcow2 header: cluster_bits is {bits}, which must be 9 to 21")
    if crypt not in _ENCRYPTION:
        raise BadImage(f"a broken qcow2 header: unknown encryption method {crypt}")
    incompatible, length = 0, _V2.size
    if version == 3:
        if len(head) < _V2.size + _V3.size:
            raise BadImage("a broken qcow2 header: it ends too early")
        incompatible, _, _, _, length = _V3.unpack_from(head, _V2.size)
        if length < _V2.size + _V3.size or length % 8:
            raise BadImage(f"a broken qcow2 header: header_length is {length}")
        if unknown := incompatible & ~_KNOWN_INCOMPATIBLE:
            raise BadImage(f"the qcow2 image needs features that are not known here: {unknown:#x}")
    cluster = head[: 1 << bits]
    found = _extensions(cluster, length, backing_at)
    data_file = None
    if incompatible & _EXTERNAL_DATA or _DATA_FILE in found:
        data_file = _text(found.get(_DATA_FILE, b""))
    return Header(
        version=version,
        virtual_size=size,
        cluster_size=1 << bits,
        backing_file=_backing(cluster, backing_at, backing_length),
        backing_format=_text(found[_BACKING_FORMAT]) if _BACKING_FORMAT in found else None,
        data_file=data_file,
        encryption="luks" if _LUKS_HEADER in found and not crypt else _ENCRYPTION[crypt],
        corrupt=bool(incompatible & 2),
        snapshots=snapshots,
    )


def _backing(cluster: bytes, at: int, length: int) -> str | None:
    if not at:
        return None  # QEMU's rule: without an offset there is none, whatever the length says
    if length > _NAME_BYTES or at + length > len(cluster):
        raise BadImage("a broken qcow2 header: the name of the backing file lies outside the first cluster")
    return _text(cluster[at : at + length])


def _extensions(cluster: bytes, at: int, backing_at: int) -> dict[int, bytes]:
    """The header extensions by their type, from AT to the end marker or the backing file's name."""
    found: dict[int, bytes] = {}
    end = min(backing_at, len(cluster)) if backing_at else len(cluster)
    while at + 8 <= end:
        kind, length = struct.unpack_from(">II", cluster, at)
        at += 8
        if kind == 0:
            break
        if at + length > end:
            raise BadImage(f"a broken qcow2 header: its extension {kind:#010x} is longer than the header")
        found.setdefault(kind, cluster[at : at + length])
        at += (length + 7) & ~7
    return found


def _text(raw: bytes) -> str:
    """A name as it may be shown: up to its NUL, other bytes escaped."""
    return raw.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (  # (offset, bytes, what it is)
    (0, b"KDMV", "vmdk"),
    (0, b"COWD", "vmdk"),
    (0, b"# Disk DescriptorFile", "vmdk"),
    (64, b"\x7f\x10\xda\xbe", "vdi"),
    (0, b"vhdxfile", "vhdx"),
    (0, b"conectix", "vpc"),
    (0, b"QED\0", "qed"),
    (0, b"LUKS\xba\xbe", "luks"),
    (0, b"WithoutFreeSpace", "parallels"),
    (0, b"WithouFreSpacExt", "parallels"),
    (0, b"Bochs Virtual HD Image", "bochs"),
    (0, b"#!/bin/sh\n#V2.0 Format\n", "cloop"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"BZh", "bzip2"),
    (0, b"PK\x03\x04", "zip"),
    (257, b"ustar", "tar"),
)


def foreign(head: bytes) -> str | None:
    """The name of a format beside qcow2 and raw that a file beginning with HEAD is in, or None. Such images may have
    parts in other files, or are archives of an image."""
    if is_qcow2(head) and head[4:8] == b"\0\0\0\1":
        return "qcow"
    return next((name for at, mark, name in _SIGNATURES if head[at : at + len(mark)] == mark), None)
