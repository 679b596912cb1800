"""What a disk image is, read from its own header and never by letting a program guess."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from modules._file import identity, safe
from modules._image import qcow2
from modules._image.qcow2 import BadImage
from saltern.marks import reading

FORMATS = ("qcow2", "raw")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A disk image. FORMAT is "qcow2" or "raw", or the name of another format that is not accepted. VIRTUAL_SIZE is
    what a guest sees, DISK_SIZE what is allocated, both in bytes. BACKING_FILE and DATA_FILE are the files that its
    header names, as written there."""

    format: str
    virtual_size: int
    disk_size: int
    backing_file: str | None = None
    backing_format: str | None = None
    cluster_size: int | None = None
    data_file: str | None = None
    encryption: str | None = None


@reading
def info(path: str, format: str | None = None) -> Image | None:
    """The image at PATH, or None where there is none. BadImage where it is no file or its header is broken.

    FORMAT: what it is known to be. A guest can write whatever it likes to the beginning of a raw disk, a qcow2 header
    too; so for a disk that a guest has written to, say it. Without it the file's first bytes decide.
    """
    if format is not None and format not in FORMATS:
        raise BadImage(f"not a format of an image: {format!r} (qcow2 and raw are)")
    target = safe.absolute(path)
    try:
        # O_NONBLOCK: a named pipe must not keep us waiting
        with identity.reading(target):
            fd = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise BadImage(f"{target} is no image: it is {safe.kind_of(status.st_mode)}")
        return read(fd, status.st_size, status.st_blocks * 512, format, target)
    finally:
        os.close(fd)


def read(fd: int, size: int, disk_size: int, format: str | None, name: str) -> Image:
    """The image in the open file FD of SIZE bytes; NAME is for what is said. See `info`."""
    head = b"" if format == "raw" else os.pread(fd, qcow2.FIRST_BYTES, 0)
    if not qcow2.is_enough(head):
        head = os.pread(fd, qcow2.HEAD_BYTES, 0)
    if format is None:
        format = qcow2.foreign(head) or ("qcow2" if qcow2.is_qcow2(head) else "raw")
    if format != "qcow2":
        return Image(format=format, virtual_size=size, disk_size=disk_size)
    try:
        header = qcow2.parse(head)
    except BadImage as error:
        raise BadImage(f"{name}: {error}") from None
    return Image(
        format="qcow2",
        virtual_size=header.virtual_size,
        disk_size=disk_size,
        backing_file=header.backing_file,
        backing_format=header.backing_format,
        cluster_size=header.cluster_size,
        data_file=header.data_file,
        encryption=header.encryption,
    )


def refused(image: Image, name: str) -> None:
    """BadImage where IMAGE is not of a format that is accepted, or names anything outside itself."""
    if image.format not in FORMATS:
        raise BadImage(f"{name} is {image.format}, and only qcow2 and raw images are accepted: convert it first")
    if image.backing_file is not None:
        raise BadImage(f"{name} is refused: its header names the backing file {image.backing_file!r}")
    if image.data_file is not None:
        raise BadImage(f"{name} is refused: its header names the external data file {image.data_file!r}")
    if image.encryption is not None:
        raise BadImage(f"{name} is refused: it is encrypted ({image.encryption}) with a key that is kept elsewhere")
