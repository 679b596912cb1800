"""Reading archives: tar (plain, gzip, bzip2, xz) and zip, told apart by what they hold."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from modules._archive.members import ArchiveError, Kind, Raw

if TYPE_CHECKING:
    import tarfile
    import zipfile

FORMATS = ("tar", "zip")
_CHUNK = 1 << 20
_PADDING_CHUNKS = 64  # of an archive, after its end
_NAMES_BYTES = 1 << 20  # of the headers of a member that hold its name and attributes
_TARGET_BYTES = 4096  # of a link, PATH_MAX
_ZERO_BLOCK = bytes(512)
_MAGICS = ((b"\x28\xb5\x2f\xfd", "zstd"), (b"Rar!", "rar"), (b"7z\xbc\xaf", "7-Zip"), (b"\xed\xab\xee\xdb", "rpm"))


class Archive(NamedTuple):
    """An archive that is open: its members, and the contents of a file among them, in parts."""

    raws: Callable[[], Iterator[Raw]]
    chunks: Callable[[Raw], Iterator[bytes]]


@contextmanager
def opened(path: str, form: str | None = None, password: bytes | None = None) -> Iterator[Archive]:
    """The archive PATH, a FORM of FORMATS (None: what it looks like). ArchiveError that names PATH, also for what is
    wrong with the archive and shows inside the block."""
    try:
        file = open(path, "rb", opener=_open)  # noqa: SIM115 - closed below
    except OSError as error:
        raise ArchiveError(f"{path}: {error.strerror}") from None
    try:
        with file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ArchiveError("not a file")
            with _entered(file, form or _form_of(file), password) as archive:
                yield archive
    except ArchiveError as error:
        raise ArchiveError(f"{path}: {error}") from None
    except _Broken as error:
        raise ArchiveError(f"{path} can't be read, it is broken or cut off: {error}") from None


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # which never waits on a pipe


class _Broken(Exception):
    """An archive that its reader can't follow."""


@contextmanager
def _broken() -> Iterator[None]:
    """Turns what the readers raise for a bad archive into _Broken; what goes wrong elsewhere passes."""
    import lzma
    import tarfile
    import zipfile
    import zlib

    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
        raise _Broken(str(error) or type(error).__name__) from None
    except (NotImplementedError, RuntimeError) as error:  # an encrypted member, an unknown compression
        raise ArchiveError(str(error)) from None
    except OSError as error:
        raise _Broken(error.strerror or str(error)) from None


def _form_of(file: IO[bytes]) -> str:
    import zipfile

    with _broken():
        found = zipfile.is_zipfile(file)
    file.seek(0)
    head = file.read(8)
    file.seek(0)
    if found and head[:2] == b"PK":
        return "zip"
    for magic, name in _MAGICS:
        if head.startswith(magic):
            raise ArchiveError(f"it is {name}; tar (plain, gzip, bzip2, xz) and zip can be unpacked")
    return "tar"


@contextmanager
def _entered(file: IO[bytes], form: str, password: bytes | None) -> Iterator[Archive]:
    import zipfile

    if form == "zip":
        with _broken():
            zipped = zipfile.ZipFile(file)
        with zipped:
            if password is not None:
                zipped.setpassword(password)
            yield Archive(lambda: _zip_raws(zipped), lambda raw: _chunks(lambda: zipped.open(raw.handle)))
    else:
        tar = _tar(file)
        with tar:
            yield Archive(lambda: _tar_raws(tar), lambda raw: _chunks(lambda: tar.extractfile(raw.handle)))


def _tar(file: IO[bytes]) -> tarfile.TarFile:
    import tarfile

    names = (
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    )

    class Header(tarfile.TarInfo):
        """One whose reader does not take gigabytes of memory for what is to be a name."""

        @classmethod
        def frombuf(cls, *args: Any, **kwargs: Any) -> Header:
            found = super().frombuf(*args, **kwargs)
            if found.type in names and found.size > _NAMES_BYTES:
                raise ArchiveError(f"it has a header of {found.size} bytes")
            return found

    with _broken():
        try:
            return tarfile.open(fileobj=file, tarinfo=Header, encoding="utf-8", errors="surrogateescape")
        except tarfile.ReadError:
            raise ArchiveError("it is no archive that is known here: tar (gzip, bzip2, xz) or zip") from None


def _chunks(begin: Callable[[], IO[bytes] | None]) -> Iterator[bytes]:
    with _broken():
        file = begin()
    if file is None:
        return
    with file:
        while True:
            with _broken():
                chunk = file.read(_CHUNK)
            if not chunk:
                return
            yield chunk


def _tar_raws(tar: tarfile.TarFile) -> Iterator[Raw]:
    while True:
        with _broken():
            info = tar.next()
            if info is None:
                _check_end(tar)
                return
        yield Raw(info.name, _tar_kind(info), info.size, info.mode, info.linkname, info.mtime, info)


def _check_end(tar: tarfile.TarFile) -> None:
    """_Broken where the reader stopped before the mark of the end: it takes a missing one, and a header that makes no
    sense, for the end too. What follows is read, since the checksum of a compressed archive comes last."""
    source: Any = tar.fileobj
    source.seek(tar.offset)
    block = source.read(len(_ZERO_BLOCK))
    if block != _ZERO_BLOCK:
        raise _Broken(f"there is neither a header nor the end at byte {tar.offset}")
    for _ in range(_PADDING_CHUNKS):
        if not source.read(_CHUNK):
            return


def _tar_kind(info: tarfile.TarInfo) -> Kind:
    if info.isreg():
        return Kind.FILE
    if info.isdir():
        return Kind.FOLDER
    return Kind.LINK if info.issym() else Kind.HARD if info.islnk() else Kind.OTHER


def _zip_raws(zipped: zipfile.ZipFile) -> Iterator[Raw]:
    for info in zipped.infolist():
        name = info.orig_filename
        if info.create_system == 0:  # made on a system where `\\` stands between folders
            name = name.replace("\\", "/")
        mode = info.external_attr >> 16 if info.create_system == 3 else 0  # Unix
        kind = _zip_kind(stat.S_IFMT(mode), name)
        permissions = stat.S_IMODE(mode) or (0o755 if kind is Kind.FOLDER else 0o644)
        target = _zip_target(zipped, info) if kind is Kind.LINK else ""
        yield Raw(name, kind, info.file_size, permissions, target, _zip_time(info), info)


def _zip_kind(kind: int, name: str) -> Kind:
    if kind == stat.S_IFLNK:
        return Kind.LINK
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return Kind.OTHER
    return Kind.FOLDER if kind == stat.S_IFDIR or name.endswith("/") else Kind.FILE


def _zip_target(zipped: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    if info.file_size > _TARGET_BYTES:
        raise ArchiveError(f"{info.filename!r} is a link to a name that is too long")
    return b"".join(_chunks(lambda: zipped.open(info))).decode("utf-8", "surrogateescape")


def _zip_time(info: zipfile.ZipInfo) -> float:
    import time

    try:
        return time.mktime((*info.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return 0.0
