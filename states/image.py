"""Disk images: that one is there, made of what was declared, whole and checked; or that there is none."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from modules import file, image
from modules._datastore.register import DatastoreError
from modules._disk import files as disk_files
from modules._disk import users as disk_users
from modules._file import identity, safe
from modules._image import note as image_note
from modules._image import source as sources
from modules._image.qcow2 import BadImage
from modules._image.qemu_img import ImageError
from modules._image.source import Digest
from modules._virt import hypervisor
from saltern.context import Context, split_uri
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, state
from states._file import shared as file_shared
from states._place import is_relative, place

Format = Literal["qcow2", "raw"]


@dataclass(frozen=True, slots=True)
class File:
    """An image as it is, or as it should be. ORIGIN is what it was made of: a digest, or the size and time of a local
    source; NOTED whether that is remembered beside it. MODE is four octal digits."""

    origin: str | Unset = UNSET
    format: str | Unset = UNSET
    noted: bool | Unset = UNSET
    user: str | Unset = UNSET
    group: str | Unset = UNSET
    mode: str | Unset = UNSET


class Making(NamedTuple):
    """How an image is made: the arguments of `image.make`."""

    ctx: Context
    path: str
    source: str
    digest: str | None
    format: str | None
    convert_to: str | None
    timeout_s: float


@state
def present(
    ctx: Context,
    name: str,
    *,
    source: str,
    source_hash: str | Unset = UNSET,
    datastore: str | int | None = None,
    format: Format | Unset = UNSET,
    convert_to: Format | Unset = UNSET,
    replace: bool = True,
    user: str | int | Unset = UNSET,
    group: str | int | Unset = UNSET,
    mode: str = "0644",
    timeout: float = 3600.0,
) -> Plan:
    """There is an image NAME, a path, or with DATASTORE a name in that, and it is made of SOURCE.

    source: `salt://…`, an absolute path on the node, or `http://…`, `https://…`. An image whose header names another
        file (a backing file, a data file), an encrypted one, and every format but qcow2 and raw are refused.
    source_hash: the checksum of the source, `sha256:…` or `sha512:…`, compared before anything else is done with it;
        a source on the network must have one.
    format: what the source is in (default: as its header says). convert_to: what the image shall be in.
    replace: whether an image that is there and was made of something else is replaced. One that is in use, that a
        guest of this node has as a disk, or on which disks stand, never is: that is a failure.
    user, group, mode: of the file.
    timeout: for the download, and again for the conversion, in seconds.
    """
    digest, origin = _origin(ctx, source, source_hash)
    try:
        path = place(ctx, name, datastore)
    except DatastoreError as error:
        return Plan(None, None, unknown=str(error))
    attributes = file_shared.wished(user, group, mode)
    target = convert_to if isinstance(convert_to, str) else format
    wish = File(origin or UNSET, target, True, attributes.user, attributes.group, attributes.mode)
    try:
        status = identity.status(path, follow=False)
    except FileNotFoundError:
        missing = None if origin else f"there is no file {source} on this node"
        if not identity.exists(os.path.dirname(path)):
            missing = f"there is no directory {os.path.dirname(path)} on this node"
        how = Making(ctx, path, source, digest, _text(format), _text(convert_to), timeout)
        return Plan(None, wish, steps(None, wish, how), unknown=missing)
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(f"{path} is there and is {safe.kind_of(status.st_mode)}, no image")
    have = file_shared.observed(status, attributes) or attributes
    current = File(UNSET, UNSET, UNSET, have.user, have.group, have.mode)
    if not replace or origin is None:
        wish = File(UNSET, UNSET, UNSET, wish.user, wish.group, wish.mode)
    else:
        current = _known(path, status, wish, current, digest, isinstance(convert_to, str))
        if is_other(current, wish) and (why := _kept_by(ctx, path)) is not None:
            raise ImageError(f"{path} is not what was declared, and can't be replaced: {why}")
    how = Making(ctx, path, source, digest, _text(format), _text(convert_to), timeout)
    return Plan(current, wish, steps(current, wish, how))


@check(present)
def checked(
    name: str,
    *,
    source: str,
    source_hash: str | Unset = UNSET,
    datastore: str | int | None = None,
    timeout: float = 3600.0,
    **_: object,
) -> None:
    """BadImage for a name, source or checksum that can be none."""
    if sources.kind_of(source, isinstance(source_hash, str)) == "salt":
        try:
            split_uri(source)
        except ValueError as error:
            raise BadImage(str(error)) from None
    if isinstance(source_hash, str):
        sources.digest_of(source_hash)
    checked_name(name, datastore=datastore)
    if timeout <= 0:
        raise BadImage(f"not a time in seconds: timeout {timeout}")


@state
def absent(ctx: Context, name: str, *, datastore: str | int | None = None) -> Plan:
    """There is no image NAME (a path, or with DATASTORE a name in that). One that is in use, that a guest of this node
    has as a disk, or on which disks stand, is not deleted: that is a failure."""
    try:
        path = place(ctx, name, datastore)
    except DatastoreError as error:
        return Plan(None, None, unknown=str(error))
    try:
        status = identity.status(path, follow=False)
    except FileNotFoundError:
        return Plan(None, None, comment=f"there is no image {path}")
    if stat.S_ISDIR(status.st_mode):
        raise ImageError(f"{path} is a directory and no image")
    if (why := _kept_by(ctx, path)) is not None:
        raise ImageError(f"{path} can't be deleted: {why}")
    return Plan(path, None, [Step(f"delete image {path}", path, None, do=call(image.remove, path))])


@check(absent)
def checked_name(name: str, *, datastore: str | int | None = None) -> None:
    """BadImage for a name that no image can have."""
    if datastore is None or (isinstance(datastore, str) and datastore.startswith("/")):
        safe.absolute(name if datastore is None else str(datastore))
    if not is_relative(name.strip("/")) or os.path.basename(name.rstrip("/")).startswith("."):
        raise BadImage(f"not the name of an image: {name!r}")
    if datastore is not None and name.startswith("/"):
        raise BadImage(f"not the name of an image in a datastore: {name!r} (it is relative)")


def steps(current: File | None, wish: File, how: Making) -> Iterator[Step]:
    """The steps from CURRENT (None: there is none) to WISH: made whole, else noted, else its attributes. Pure."""
    if current is None or is_other(current, wish):
        yield from _made(current, wish, how)
        return
    if wish.noted is True and current.noted is False:
        assert isinstance(wish.origin, str)
        assert isinstance(current.format, str)
        do = call(image.note, how.path, (wish.origin,), current.format)
        yield Step(f"note what {how.path} was made of", None, wish.origin, do=do)
    yield from file_shared.attribute_steps(how.path, _attributes(current), _attributes(wish))


def _made(current: File | None, wish: File, how: Making) -> Iterator[Step]:
    attributes = _attributes(wish).arguments
    origins = (wish.origin,) if isinstance(wish.origin, str) else ()
    do = call(
        image.make,
        how.ctx,
        how.path,
        how.source,
        digest=how.digest,
        format=how.format,
        convert_to=how.convert_to,
        replace=current is not None,
        origins=origins,
        timeout_s=how.timeout_s,
        **attributes,
    )
    verb = "make" if current is None else "replace"
    as_what = f" as {how.convert_to}" if how.convert_to else ""
    before = None if current is None else current.origin
    yield Step(f"{verb} image {how.path} of {how.source}{as_what}", before, wish.origin, do=do)


def is_other(current: File, wish: File) -> bool:
    """Whether the image is made of something else, or is in another format, than it should be."""
    return any(
        not isinstance(want, Unset) and have != want
        for have, want in ((current.origin, wish.origin), (current.format, wish.format))
    )


def _origin(ctx: Context, source: str, source_hash: str | Unset) -> tuple[str | None, str | None]:
    """The digest that the source must have (None: not known), and what stands for it in notes (None: there is no such
    file)."""
    kind = sources.kind_of(source, isinstance(source_hash, str))
    given = sources.digest_of(source_hash) if isinstance(source_hash, str) else None
    if kind == "salt":
        from modules import cp

        known = str(Digest("sha256", cp.hash_file(ctx, source)["hsum"]))
        if given is not None and given.algorithm == "sha256" and str(given) != known:
            raise BadImage(f"{source} is not what it should be: its sha256 is {known[7:]}, not {given.value}")
        return str(given or known), str(given or known)
    if given is not None:
        return str(given), str(given)
    try:
        status = identity.status(source)
    except OSError:
        return None, None
    return None, f"file:{status.st_size}:{status.st_mtime_ns}"


def _known(path: str, status: os.stat_result, wish: File, current: File, digest: str | None, converted: bool) -> File:
    """CURRENT with what the image at PATH was made of: as noted, or where nothing is, by reading it."""
    assert isinstance(wish.origin, str)
    note = image_note.find(path, status)
    if note is not None:
        origin = wish.origin if wish.origin in note.origins else next(iter(note.origins), "unknown")
        found = replace(current, origin=origin, format=note.format, noted=True)
    else:
        looks = image.info(path)
        origin = "unknown"
        if digest is not None and not converted:
            algorithm = digest.partition(":")[0]
            origin = f"{algorithm}:{file.get_hash(path, algorithm)}"
        found = replace(current, origin=origin, format=looks.format if looks else "unknown", noted=False)
    return found


def _kept_by(ctx: Context, path: str) -> str | None:
    """Why the image at PATH must stay as it is, in words, or None."""
    return disk_users.kept_by(hypervisor.uri_of(ctx), path, disk_files.notes_folder(ctx))


def _attributes(of: File) -> file_shared.Attributes:
    return file_shared.Attributes(of.user, of.group, of.mode)


def _text(given: str | Unset) -> str | None:
    return given if isinstance(given, str) else None
