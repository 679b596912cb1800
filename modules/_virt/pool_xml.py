"""Storage pools as libvirt's XML has them (libvirt.org, "Storage pool and volume XML format"). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from modules._file.safe import absolute
from modules._seed.values import listed
from modules._virt import xml as virt_xml
from saltern.errors import PermanentError, nearest

TYPES = ("dir", "fs", "netfs", "logical")
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9 ._+:@-]{0,78}[A-Za-z0-9_.+@-])?")
_HOST = re.compile(r"[A-Za-z0-9:][A-Za-z0-9.:-]{0,253}")
_WORD = re.compile(r"[a-z0-9][a-z0-9+_-]{0,31}")
_SOURCE_KEYS = ("hosts", "dir", "devices", "name", "format", "version")
_ALIASES = {"host": "hosts", "device": "devices"}


class PoolError(PermanentError, ValueError):
    """A storage pool or volume can't be as asked for; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a pool is. TARGET: the directory where its volumes are (of `logical`: /dev/VG). HOSTS, DIR, DEVICES,
    SOURCE_NAME, FORMAT, VERSION: where they come from, as the elements of `<source>`."""

    type: str
    target: str | None = None
    hosts: tuple[str, ...] = ()
    dir: str | None = None
    devices: tuple[str, ...] = ()
    source_name: str | None = None
    format: str | None = None
    version: str | None = None


def name_of(name: str, what: str = "pool") -> str:
    """NAME if a pool, network, volume or snapshot may have it. PoolError for what libvirt or a path would trip over."""
    if _NAME.fullmatch(name):
        return name
    raise PoolError(f"not the name of a {what}: {name!r} (up to 80 letters, digits, blanks and '._+:@-')")


def definition(ptype: str, target: str | None, source: Mapping[str, Any]) -> Definition:
    """What the arguments of a state mean. PoolError where they don't fit together."""
    if ptype not in TYPES:
        raise PoolError(f"ptype: there is no {ptype!r} here.{nearest(ptype, TYPES)} ({', '.join(TYPES)})")
    given: dict[str, Any] = {}
    for key, value in source.items():
        word = _ALIASES.get(key, key)
        if word not in _SOURCE_KEYS:
            raise PoolError(f"source: there is no {key!r}.{nearest(key, _SOURCE_KEYS)}")
        given[word] = value
    hosts = tuple(_matching(_HOST, str(host), "source: hosts") for host in listed(given.get("hosts")))
    devices = tuple(absolute(str(device)) for device in listed(given.get("devices")))
    dir_ = absolute(str(given["dir"])) if given.get("dir") is not None else None
    name = str(given["name"]) if given.get("name") is not None else None
    format = _matching(_WORD, str(given["format"]), "source: format") if given.get("format") is not None else None
    version = str(given["version"]) if given.get("version") is not None else None
    wanted = {"dir": (), "fs": ("devices",), "netfs": ("hosts", "dir"), "logical": ()}[ptype]
    for word in wanted:
        if not given.get(word):
            raise PoolError(f"a pool of the type {ptype} needs source: {word}")
    if ptype == "dir" and given:
        raise PoolError("a pool of the type dir has no source; its directory is `target`")
    if ptype == "netfs" and format is None:
        format = "nfs"
    if ptype == "logical":
        name = _matching(_NAME, name or (target or "").rpartition("/")[2], "source: name")
        target = target or f"/dev/{name}"
    if target is None:
        raise PoolError(f"a pool of the type {ptype} needs a `target`, the directory where its volumes are")
    return Definition(ptype, absolute(target), hosts, dir_, devices, name, format, version)


def _matching(pattern: re.Pattern[str], text: str, what: str) -> str:
    if pattern.fullmatch(text):
        return text
    raise PoolError(f"{what}: {text!r} is none")


def read(xml: str) -> Definition:
    """The definition in the XML of a pool."""
    root = virt_xml.parse(xml)
    source = root.find("source")
    if source is None:
        source = virt_xml.made("source")
    return Definition(
        type=root.get("type", ""),
        target=virt_xml.at(root, "target/path"),
        hosts=tuple(host.get("name", "") for host in source.findall("host")),
        dir=virt_xml.at(source, "dir", "path"),
        devices=tuple(device.get("path", "") for device in source.findall("device")),
        source_name=virt_xml.at(source, "name"),
        format=virt_xml.at(source, "format", "type"),
        version=virt_xml.at(source, "protocol", "ver"),
    )


def same(current: Definition, wish: Definition) -> Definition:
    """CURRENT, with what WISH leaves to libvirt (a format, a version, the devices of a volume group) as WISH has it."""
    return replace(
        current,
        format=current.format if wish.format is not None else None,
        version=current.version if wish.version is not None else None,
        source_name=current.source_name if wish.source_name is not None else None,
        devices=current.devices if wish.type != "logical" else wish.devices,
    )


def write(name: str, wish: Definition, old: str | None = None) -> str:
    """The XML of the pool NAME. What OLD, its present XML, says besides (its UUID, its permissions) stays."""
    root = virt_xml.parse(old) if old else virt_xml.made("pool")
    root.set("type", wish.type)
    virt_xml.put(root, "name", name)
    for measured in ("capacity", "allocation", "available"):
        virt_xml.drop(root, measured)
    source = virt_xml.ensure(root, "source")
    virt_xml.replace(source, "host", [virt_xml.made("host", name=host) for host in wish.hosts])
    virt_xml.replace(source, "dir", [virt_xml.made("dir", path=wish.dir)] if wish.dir else [])
    virt_xml.replace(source, "device", [virt_xml.made("device", path=path) for path in wish.devices])
    for tag, key, value in (("format", "type", wish.format), ("protocol", "ver", wish.version)):
        if value is not None:
            virt_xml.replace(source, tag, [virt_xml.made(tag, **{key: value})])
    if wish.source_name is not None:
        virt_xml.put(source, "name", wish.source_name)
    virt_xml.put(root, "target/path", wish.target)
    return virt_xml.written(root)
