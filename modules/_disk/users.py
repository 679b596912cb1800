"""Who has a disk: guests of this node's libvirt, and disks that stand on it. One answer for all that deletes disks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from modules import image
from modules._disk import files as disk_files
from modules._file import identity
from modules._image.qcow2 import BadImage
from modules._virt import hypervisor
from modules._virt import xml as virt_xml
from modules._virt.hypervisor import LibvirtUnavailable

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element


SHOWN = 5  # of the disks that stand on an image


class Use(NamedTuple):
    """That GUEST, which runs (IS_ACTIVE) or not, has the file at PATH as its disk TARGET ("vda") or below it."""

    guest: str
    target: str
    path: str
    is_active: bool


def uses(connection: Any) -> Iterator[Use]:
    """All disks of all guests, those of a running one also as it is configured; with each the images below it, as far
    as libvirt has looked."""
    inactive = hypervisor.library().VIR_DOMAIN_XML_INACTIVE
    for domain in connection.listAllDomains():
        is_active = bool(domain.isActive())
        for flags in (0, inactive) if is_active else (0,):
            for one in virt_xml.parse(domain.XMLDesc(flags)).iterfind("./devices/disk"):
                for source in one.iterfind(".//source"):
                    if (path := _path(connection, source)) is not None:
                        yield Use(domain.name(), virt_xml.at(one, "target", "dev") or "", path, is_active)


def _path(connection: Any, source: Element) -> str | None:
    """Where a `<source>` is; None for one that is no file, or that no running pool knows."""
    pool, volume = source.get("pool"), source.get("volume")
    if pool is None or volume is None:
        return source.get("file") or source.get("dev")
    found = hypervisor.find_volume(connection, pool, volume)
    return str(found.path()) if found is not None else None


def of(uri: str | None, path: str) -> tuple[Use, ...]:
    """The uses of the disk or image at PATH. LibvirtError where libvirt can't be asked."""
    with hypervisor.session(uri) as connection:
        return tuple(use for use in uses(connection) if disk_files.same(path, use.path))


def running(uri: str | None, path: str) -> str | None:
    """The running guest that has the disk at PATH. LibvirtError where libvirt can't be asked."""
    return next((use.guest for use in of(uri, path) if use.is_active), None)


def kept_by(uri: str | None, path: str, notes: str, *, aside: str | None = None) -> str | None:
    """Why the disk or image at PATH must be neither deleted nor replaced, in words ("it is a disk of web"), or None.
    A node whose libvirt does not answer has no guests. ASIDE: a guest that does not count, since it goes too."""
    try:
        found = of(uri, path)
    except LibvirtUnavailable:
        found = ()
    if guests := sorted({use.guest for use in found if use.guest != aside}):
        return f"it is a disk of {', '.join(guests)}"
    if others := sorted({*disk_files.standing_on(path, notes), *beside(path)}):
        return f"disks stand on it: {', '.join(others[:SHOWN])}"
    is_held_by_it = any(use.is_active for use in found)
    return "it is in use" if not is_held_by_it and disk_files.in_use(path) else None


def beside(path: str) -> list[str]:
    """The qcow2 files in the directory of PATH that stand on it, whoever made them. What is mounted beside it is not
    looked at."""
    folder, found = os.path.dirname(path), []
    try:
        with identity.reading(folder), os.scandir(folder) as entries:
            others = sorted(entry.path for entry in entries if entry.is_file(follow_symlinks=False))
    except OSError:
        return []
    for other in others:
        try:
            below = image.info(other) if other != path else None
        except (OSError, BadImage):
            continue
        if below is not None and below.backing_file is not None:
            named = os.path.normpath(os.path.join(folder, below.backing_file))
            if named == path:
                found.append(other)
    return found
