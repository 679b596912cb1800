"""Makes an image in a process of its own: a program that reads a job (JSON) from its input and tells how far it is.

It copies or downloads into a private folder beside the image's place, compares the digest, reads the header, converts
where asked, and only then moves the image to its place. A server that stops answering in the middle holds up this
program alone. Each line of its output is JSON: {"within": S, …} promises the next line within S seconds.
"""

from __future__ import annotations

import hashlib  # here, since the owner of a datastore may not be let into our own folders
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from modules._file import identity
from modules._http import CHUNK, opened
from modules._image import look as image_look
from modules._image import note as image_note
from modules._image import qcow2, qemu_img
from modules._image.note import Note
from modules._image.qcow2 import BadImage
from modules._image.qemu_img import ImageError, NoSpace
from modules._image.source import Digest, digest_of
from saltern.errors import SalternError
from saltern.marks import permit_acting

QUIET_S = 90.0  # for the next mark of progress: a server's silence, or the sync of a slow disk
EVERY_S = 2.0  # between two of them
MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be made. SOURCE: a path or an http(s) URL; DIGEST its checksum; FORMAT what it is in (None: as its
    header says), CONVERT_TO what it shall be in. ORIGINS are noted beside the digests that are computed."""

    source: str
    target: str
    digest: str | None = None
    format: str | None = None
    convert_to: str | None = None
    uid: int | None = None
    gid: int | None = None
    mode: int | None = None
    replace: bool = False
    origins: tuple[str, ...] = ()
    timeout_s: float = 3600.0


Tell = Callable[[dict[str, Any]], None]


def make(job: Job, tell: Tell) -> None:
    """Do JOB; TELL gets the marks of progress. SalternError says what is wrong; then nothing is left behind."""
    with qemu_img.private(job.target) as folder:
        found = _bring(job, folder, tell)
        tell({"within": QUIET_S})
        origins = tuple(dict.fromkeys((*job.origins, *map(str, found))))
        format = _format(job, folder)
        name = "source"
        if job.convert_to is not None and job.convert_to != format:
            name = "made"
            _room(folder, _needed(folder, format, job.convert_to, job.target), job.target)
            tell({"within": job.timeout_s + QUIET_S, "said": f"converting {job.target} to {job.convert_to}"})
            qemu_img.convert_into(folder, name, "./source", format, job.convert_to, job.target, timeout_s=job.timeout_s)
            format = job.convert_to
            tell({"within": QUIET_S})
        wish = {"uid": job.uid, "gid": job.gid, "mode": job.mode}
        qemu_img.place(folder, name, job.target, replace=job.replace, **wish)
    image_note.write(job.target, Note(origins, format))


def _bring(job: Job, folder: int, tell: Tell) -> list[Digest]:
    """Copy the source to `source` in FOLDER and return its digests. BadImage where it has another than it should."""
    wanted = digest_of(job.digest) if job.digest else None
    sums = {name: hashlib.new(name) for name in dict.fromkeys(["sha256", *([wanted.algorithm] if wanted else [])])}
    fd = os.open("source", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    done, next_mark = 0, 0.0
    try:
        with identity.as_myself():
            total, chunks = _opened(job)
        _room(folder, total or 0, job.target)
        for chunk in chunks:
            for each in sums.values():
                each.update(chunk)
            _put(fd, chunk)
            done += len(chunk)
            if total is not None and done > total:
                raise ImageError(f"{job.source} sends more than the {total} bytes that it promised")
            if time.monotonic() >= next_mark:
                next_mark = time.monotonic() + EVERY_S
                tell({"within": QUIET_S, "done": done, "total": total})
        os.ftruncate(fd, done)
    finally:
        os.close(fd)
    if total is not None and done < total:
        raise ImageError(f"{job.source} ended after {done} of {total} bytes")
    found = [Digest(name, each.hexdigest()) for name, each in sums.items()]
    if wanted is not None and wanted not in found:
        have = next(each for each in found if each.algorithm == wanted.algorithm)
        raise BadImage(
            f"{job.source} is not what it should be: its {have.algorithm} is {have.value}, not {wanted.value}"
        )
    return found


def _put(fd: int, chunk: bytes) -> None:
    """Write CHUNK; one of nothing but zeros becomes a hole."""
    if chunk.count(0) == len(chunk):
        os.lseek(fd, len(chunk), os.SEEK_CUR)
        return
    left = memoryview(chunk)
    while left:
        left = left[os.write(fd, left) :]


def _opened(job: Job) -> tuple[int | None, Iterator[bytes]]:
    """The size of the source (None: not said) and its bytes."""
    if job.source.startswith("/"):
        return _file(job.source)
    return opened(job.source, time.monotonic() + job.timeout_s, ImageError)


def _file(path: str) -> tuple[int, Iterator[bytes]]:
    import stat

    try:
        with identity.reading(path):
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ImageError(f"the source {path} can't be read: {error.strerror}") from None
    file = os.fdopen(fd, "rb", buffering=0)
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        file.close()
        raise BadImage(f"the source {path} is no file")

    def chunks() -> Iterator[bytes]:
        with file:
            while chunk := file.read(CHUNK):
                yield chunk

    return status.st_size, chunks()


def _format(job: Job, folder: int) -> str:
    """The format of what was brought. BadImage where it is not accepted, or names other files."""
    fd = os.open("source", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        status = os.fstat(fd)
        if not status.st_size:
            raise BadImage(f"{job.source} is empty")
        if job.format == "qcow2" and not qcow2.is_qcow2(os.pread(fd, 4, 0)):
            raise BadImage(f"{job.source} is no qcow2 image, as `format` says")
        found = image_look.read(fd, status.st_size, status.st_blocks * 512, job.format, job.source)
    finally:
        os.close(fd)
    image_look.refused(found, job.source)
    return found.format


def _needed(folder: int, format: str, to: str, told: str) -> int:
    """How many bytes the converted image takes, as qemu-img(1) measures it."""
    said = qemu_img.output(["measure", "--output=json", "-f", format, "-O", to, "--", "./source"], folder, told)
    return int(json.loads(said)["required"])


def _room(folder: int, needed: int, target: str) -> None:
    found = os.fstatvfs(folder)
    free = found.f_bavail * found.f_frsize
    if needed > free:
        raise NoSpace(
            f"{target}: no space: {os.path.dirname(target)} has {free // MIB} MiB left, "
            f"and {-(-needed // MIB)} MiB are needed"
        )


def main() -> None:
    """The program."""

    def tell(mark: dict[str, Any]) -> None:
        print(json.dumps(mark), flush=True)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what is half made is removed
    given = json.loads(sys.stdin.read())
    try:
        with permit_acting():
            make(Job(**{**given, "origins": tuple(given["origins"])}), tell)
        tell({"ok": True})
    except (SalternError, OSError) as error:
        tell({"error": str(error), "kind": type(error).__name__})


if __name__ == "__main__":
    main()
