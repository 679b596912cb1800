"""The volume that a seed or context comes on: a small ISO 9660 file system with Joliet and Rock Ridge names.

The same files give the same bytes: every date in it is the same one.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from modules._seed.values import SeedError

LABELS = ("cidata", "CIDATA", "CONTEXT")  # NoCloud's in both spellings that it looks for, OpenNebula's
MOST_BYTES = 16 << 20  # of a volume: what it holds is text that a person wrote
_SECTOR = 2048
_VOLUME = 16 * _SECTOR  # ECMA-119, 6.2.1: the first descriptor
_LABEL = slice(_VOLUME + 40, _VOLUME + 72)  # 8.4.8
_NAMES = {
    "user-data": "USERDATA.",
    "meta-data": "METADATA.",
    "network-config": "NETCONF.",
    "vendor-data": "VENDDATA.",
    "context.sh": "CONTEXT.SH",
}


def library() -> Any:
    """The module `pycdlib`. SeedError where it is not installed."""
    try:
        import pycdlib
    except ModuleNotFoundError:
        raise SeedError("the Python module pycdlib is not installed on this node: install saltern[kvm]") from None
    return pycdlib


def label_of(data: bytes) -> str | None:
    """The label of the volume DATA, where it is one that a seed has; else None. It looks at one descriptor alone."""
    if data[_VOLUME : _VOLUME + 6] != b"\x01CD001":
        return None
    label = data[_LABEL].decode("ascii", "replace").rstrip(" \0")
    return label if label in LABELS else None


def iso(files: Mapping[str, bytes], label: str) -> bytes:
    """The volume LABEL that holds FILES. SeedError for a name that no seed has, or for too much."""
    pycdlib = library()
    if sum(len(data) for data in files.values()) > MOST_BYTES // 2:
        raise SeedError(f"a seed of over {MOST_BYTES >> 21} MiB is none: let the guest fetch such files by itself")
    image: Any = pycdlib.PyCdlib()
    image.new(interchange_level=3, vol_ident=label, joliet=3, rock_ridge="1.09", sys_ident="LINUX")
    try:
        for name, data in sorted(files.items()):
            if name not in _NAMES:
                raise SeedError(f"a seed has no file {name!r}; it has {', '.join(_NAMES)}")
            image.add_fp(
                io.BytesIO(data),
                len(data),
                f"/{_NAMES[name]};1",
                rr_name=name,
                joliet_path=f"/{name}",
                file_mode=0o100400,
            )
        _date(image)
        made = io.BytesIO()
        image.write_fp(made)
    finally:
        image.close()
    return _undated(bytearray(made.getvalue()))


def _undated(volume: bytearray) -> bytes:
    """VOLUME with the four dates of its descriptors not said (ECMA-119, 8.4.26.1): the time of its making is no
    content."""
    at = _VOLUME
    while volume[at + 1 : at + 6] == b"CD001" and volume[at] != 255:
        if volume[at] in (1, 2):
            volume[at + 813 : at + 881] = (b"0" * 16 + b"\0") * 4
        at += _SECTOR
    return bytes(volume)


def _date(image: Any) -> None:
    """Give every record of IMAGE, which has them of this moment and time zone, one and the same date."""
    from pycdlib.dates import DirectoryRecordDate

    date = DirectoryRecordDate.from_fields(years=100, month=1, day=1, hour=0, minute=0, second=0, gmtoffset=0)
    for volume in (image.pvd, image.joliet_vd):
        root = volume.root_directory_record()
        for record in (root, *root.children):
            record.date = date
            rock = record.rock_ridge
            for entries in (rock.dr_entries, rock.ce_entries) if rock else ():
                times = getattr(entries, "tf_record", None)
                for name in ("creation_time", "access_time", "modification_time", "attribute_change_time"):
                    if times is not None and getattr(times, name) is not None:
                        setattr(times, name, date)


def read(data: bytes) -> dict[str, bytes]:
    """The files at the top of the volume DATA, by the longest names that it has. SeedError where it is damaged."""
    import struct

    pycdlib = library()
    image: Any = pycdlib.PyCdlib()
    try:
        image.open_fp(io.BytesIO(data))
        kind = "rr_path" if image.has_rock_ridge() else "joliet_path" if image.has_joliet() else "iso_path"
        found: dict[str, bytes] = {}
        for record in image.list_children(**{kind: "/"}):
            if record is None or not record.is_file():
                continue
            name = _name(record, kind)
            if record.get_data_length() > MOST_BYTES:
                raise SeedError(f"the volume's file {name!r} is longer than the volume may be")
            held = io.BytesIO()
            image.get_file_from_iso_fp(held, **{kind: f"/{name}"})
            found[name if kind != "iso_path" else _long_name(name)] = held.getvalue()
        return found
    except (pycdlib.pycdlibexception.PyCdlibException, struct.error, ValueError, LookupError, AttributeError) as error:
        if isinstance(error, SeedError):
            raise
        raise SeedError(f"the volume can't be read: {error}") from None
    finally:
        if getattr(image, "_initialized", False):
            image.close()


def _name(record: Any, kind: str) -> str:
    if kind == "rr_path":
        return str(record.rock_ridge.name().decode())
    return str(record.file_identifier().decode("utf-16-be" if kind == "joliet_path" else "ascii"))


def _long_name(name: str) -> str:
    """The name that a file of a volume without long names stands for."""
    short = name.partition(";")[0].upper()
    known = {spelling: long for long, spelling in _NAMES.items()}
    return known.get(short, short.rstrip(".").lower())
