"""Volumes of libvirt's storage pools: a part of the states `virt`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from modules import _sizes, image
from modules._datastore.register import DatastoreError
from modules._disk import files as disk
from modules._disk import users as disk_users
from modules._file.safe import absolute
from modules._image import look as image_look
from modules._virt import hypervisor
from modules._virt import volume as virt_volume
from modules._virt.hypervisor import LibvirtUnavailable
from modules._virt.pool_xml import PoolError, name_of
from modules._virt.volume import FILES, Place
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, state
from states._place import answers


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume as it is, or as it should be. SIZE in bytes; IMAGE is what it stands on; LISTED: libvirt knows it."""

    size: int
    format: str | Unset = UNSET
    image: str | None = None
    listed: bool = True


@state
def volume_present(
    ctx: Context,
    name: str,
    *,
    pool: str,
    size: str | int,
    format: Literal["qcow2", "raw"] = "qcow2",
    backing_store: Mapping[str, Any] | None = None,
) -> Plan:
    """The running storage POOL has a volume NAME.

    size: what the guest sees: 20G, a mere number is MiB. A volume is grown, one of a running guest at once; smaller is
        refused.
    format: `qcow2` or `raw`; a `logical` pool has no formats.
    backing_store: of qcow2: `path` of an image that the volume stands on, and its `format`. That image must not change
        any more.
    A volume is made once: what would need another format or image is refused, since the guest's data would be lost.
    """
    wanted, backing, uri = _sizes.size_bytes(size), _backing(format, backing_store), hypervisor.uri_of(ctx)
    wish = Volume(wanted, format, backing[0] if backing else None)
    try:
        place = virt_volume.get(uri, pool, name)
        if isinstance(place, str):
            return Plan(None, wish, unknown=place)
        if place.type not in FILES:
            wish = Volume(wanted)
        answers(place.path)
        current = _current(place, wish)
        guest = _guest(uri, place, current, wish)
    except (LibvirtUnavailable, DatastoreError) as error:
        return Plan(None, wish, unknown=str(error))
    if current is None and backing is not None and (problem := _no_image(backing, wanted)) is not None:
        return Plan(None, wish, unknown=problem)
    new = virt_volume.xml_of(name, wanted, None if isinstance(wish.format, Unset) else wish.format, backing)
    return Plan(current, wish, steps(name, pool, place, current, wish, new, uri, guest))


volume_defined = volume_present  # Salt's word


@check(of=volume_present)
def _present_arguments(
    name: str,
    *,
    pool: str,
    size: str | int,
    format: str = "qcow2",
    backing_store: Mapping[str, Any] | None = None,
) -> None:
    name_of(name, "volume")
    name_of(pool)
    _sizes.size_bytes(size)
    _backing(format, backing_store)


@state
def volume_absent(ctx: Context, name: str, *, pool: str) -> Plan:
    """The running storage POOL has no volume NAME. One that a guest has as a disk (running or not), or that another
    volume stands on, is left alone."""
    uri, notes = hypervisor.uri_of(ctx), disk.notes_folder(ctx)
    try:
        place = virt_volume.get(uri, pool, name)
        if isinstance(place, str):
            return Plan(None, None, unknown=place)
        answers(place.path)
        if not place.listed and not os.path.lexists(place.path):
            return Plan(None, None, comment=f"there is no volume {name} in {pool}")
        current = Volume(place.capacity, listed=place.listed)
        if (why := disk_users.kept_by(uri, place.path, notes)) is not None:
            return Plan(current, None, unknown=f"{place.path} is not deleted: {why}")
    except (LibvirtUnavailable, DatastoreError) as error:
        return Plan(None, None, unknown=str(error))
    steps = [] if place.listed and _is_there(place) else [_refresh(pool, uri)]
    if _is_there(place):
        do = call(virt_volume.delete, pool, name, uri=uri, notes=notes)
        steps.append(Step(f"delete volume {name} of pool {pool}", place.path, None, do=do))
    return Plan(current, None, steps)


def steps(
    name: str,
    pool: str,
    place: Place,
    current: Volume | None,
    wish: Volume,
    new: str,
    uri: str | None,
    guest: str | None = None,
) -> Iterator[Step]:
    """The steps from CURRENT (None: no such volume) to WISH; NEW is the XML of a new one, GUEST the running guest that
    has it. Pure."""
    if place.listed != (current is not None) or (current is not None and not current.listed):
        yield _refresh(pool, uri)
    if current is None:
        what = f"{wish.format}, " if isinstance(wish.format, str) else ""
        on = f", on {wish.image}" if wish.image else ""
        sentence = f"make volume {name} in pool {pool} ({what}{_sizes.shown(wish.size)}{on})"
        yield Step(sentence, None, name, do=call(virt_volume.create, pool, new, uri=uri))
    elif wish.size > current.size:
        sentence = f"grow volume {name} from {_sizes.shown(current.size)} to {_sizes.shown(wish.size)}"
        if guest is None:
            do = call(virt_volume.grow, pool, name, wish.size, uri=uri)
        else:
            sentence += f" while {guest} runs"
            do = call(disk.grow, place.path, wish.size, format=str(wish.format), guest=guest, uri=uri)
        yield Step(sentence, current.size, wish.size, do=do)


def _refresh(pool: str, uri: str | None) -> Step:
    return Step(f"refresh pool {pool}", "outdated", "up to date", do=call(virt_volume.refresh, pool, uri=uri))


def _is_there(place: Place) -> bool:
    return os.path.lexists(place.path)


def _backing(format: str, given: Mapping[str, Any] | None) -> tuple[str, str] | None:
    """The path and the format of the image below."""
    if not given:
        return None
    if format != "qcow2":
        raise PoolError(f"backing_store: a {format} volume stands on nothing; only qcow2 does")
    if unknown := [key for key in given if key not in ("path", "format")]:
        raise PoolError(f"backing_store: there is no {unknown[0]!r} (path, format)")
    if not isinstance(given.get("path"), str) or given.get("format", "qcow2") not in image_look.FORMATS:
        raise PoolError("backing_store: wants the `path` of an image and its `format`, qcow2 or raw")
    return absolute(given["path"]), str(given.get("format", "qcow2"))


def _no_image(backing: tuple[str, str], size: int) -> str | None:
    """Why the image can't be stood on yet. BadImage where it never can: it refers to another file."""
    found = image.info(*backing)
    if found is None:
        return f"there is no image {backing[0]} on this node"
    image_look.refused(found, backing[0])
    if size < found.virtual_size:
        raise PoolError(f"{_sizes.shown(size)} are less than the image {backing[0]} has")
    return None


def _current(place: Place, wish: Volume) -> Volume | None:
    """The volume as it is. PoolError where it could only become as wished by losing what is on it."""
    if isinstance(wish.format, Unset):
        found = Volume(place.capacity) if place.listed else None
    else:
        held = disk.get(place.path, wish.format)
        if held is not None and wish.format == "raw" and not place.listed:
            guessed = image.info(place.path)
            if guessed is not None and guessed.format != "raw":
                raise PoolError(f"{place.path} is a {guessed.format} image, not raw: a volume is never converted")
        found = Volume(held.size, held.format, held.below, place.listed) if held is not None else None
    if found is None:
        return None
    if found.image != wish.image:
        raise PoolError(
            f"{place.path} stands on {found.image or 'nothing'}, and should on {wish.image or 'nothing'}: a volume is "
            "never made anew; delete it first (virt.volume_absent), or take another name"
        )
    if wish.size < found.size:
        raise PoolError(disk.smaller(place.path, found.size, wish.size))
    return found


def _guest(uri: str | None, place: Place, current: Volume | None, wish: Volume) -> str | None:
    """The running guest that must be told of the growth. PoolError where somebody else has the volume open."""
    if current is None or wish.size == current.size or place.type not in FILES or not disk.in_use(place.path):
        return None
    using = disk_users.running(uri, place.path)
    if using is None:
        raise PoolError(f"{place.path} can't be grown now: it is in use by something that is no guest of this node")
    return using
