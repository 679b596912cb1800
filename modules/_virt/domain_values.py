"""What a guest is made of, as frozen values, and the user's words for it checked and turned into them.

The words are those of the SLS, the meanings those of libvirt's domain format. Every error names the argument.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modules import _sizes
from modules._network import linkvalues
from modules._network.netvalues import BadValue, interface_name
from modules._virt.domain_xml import DomainError
from saltern.errors import nearest
from saltern.secret import Secret

BUSES = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd", "fdc": "fd"}
CACHES = ("default", "none", "writeback", "writethrough", "directsync", "unsafe")
FORMATS = ("raw", "qcow2")
DISK_KEYS = (
    "name",
    "path",
    "pool",
    "volume",
    "format",
    "bus",
    "readonly",
    "cdrom",
    "cache",
    "boot",
    "shareable",
    "discard",
)
NIC_KEYS = ("bridge", "network", "vnet", "vlan", "model", "mac", "queues", "link", "boot", "address")
GRAPHICS_KEYS = ("type", "listen", "port", "password")
CPU_KEYS = ("mode", "model", "sockets", "cores", "threads", "features")
VNC_PASSWORD = 8  # of a longer one the protocol uses the first eight characters (RFC 6143, 7.2.2)
_TARGET = re.compile(r"(vd|sd|hd|fd)([a-z]{1,2})")
_WORD = re.compile(r"[A-Za-z0-9_.+-]{1,80}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A disk as libvirt's <disk>. SOURCE: an absolute path, or "POOL/VOLUME" where POOL; None: an empty drive."""

    device: str = "disk"  # or cdrom, floppy
    source: str | None = None
    pool: bool = False
    format: str = "raw"
    bus: str = "virtio"
    readonly: bool = False
    shareable: bool = False
    cache: str = "default"
    discard: bool = False
    boot: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """A network interface as libvirt's <interface>; which one is said by its MAC address."""

    mac: str
    kind: str  # bridge or network
    source: str
    model: str = "virtio"
    vlan: int | None = None
    queues: int | None = None
    link: str = "up"
    boot: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Graphics:
    """A display as libvirt's <graphics>; PORT None: libvirt takes a free one at each start."""

    kind: str = "vnc"
    listen: str = "127.0.0.1"
    port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """What the guest's processors are like: MODE host-passthrough, host-model or custom (then MODEL); TOPOLOGY is
    (sockets, cores, threads); FEATURES by name: libvirt's policy (require, disable)."""

    mode: str
    model: str | None = None
    topology: tuple[int, int, int] | None = None
    features: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedNic:
    """An interface as the user names it, before its MAC address and its network are known."""

    bridge: str | None = None
    network: str | None = None
    vnet: str | None = None
    vlan: int | None = None
    model: str = "virtio"
    mac: str | None = None
    queues: int | None = None
    link: str = "up"
    boot: int | None = None
    address: str | None = None


def mib(value: int | str, what: str) -> int:
    """A size of memory in MiB: a number, or a text with K, M, G or T ("2G"). DomainError where it is none, or not whole
    MiB."""
    size = (_sizes.in_bytes(value) or 0) / (1 << 20)
    if not 1 <= size < 1 << 32 or size != int(size):
        raise DomainError(f"{what}: a number of MiB or a text like 2G is wanted, not {value!r}")
    return int(size)


def count(value: int, what: str, least: int = 1, most: int = 4096) -> int:
    """A whole number from LEAST to MOST."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise DomainError(f"{what}: a whole number from {least} to {most} is wanted, not {value!r}")
    return value


def word(value: object, what: str) -> str:
    """A name that libvirt or QEMU gives something: a model, a machine."""
    if isinstance(value, str) and _WORD.fullmatch(value):
        return value
    raise DomainError(f"{what}: a name of letters, digits and . _ + - is wanted, not {value!r}")


def one_of(value: object, known: Iterable[str], what: str) -> str:
    """VALUE if it is one of KNOWN."""
    names = list(known)
    if value in names:
        return str(value)
    raise DomainError(f"{what}: one of {', '.join(names)} is wanted, not {value!r}.{nearest(str(value), names)}")


def line(value: object, what: str, most: int = 4096) -> str:
    """A text that XML can carry (XML 1.0, 2.2), on one line."""
    if isinstance(value, str) and len(value) <= most and value.isprintable():
        return value
    raise DomainError(f"{what}: a printable text on one line is wanted, not {value!r}")


def path_of(value: object, what: str) -> str:
    """An absolute path in its normal form."""
    text = line(value, what)
    if not text.startswith("/") or ".." in text.split("/"):
        raise DomainError(f"{what}: an absolute path is wanted, not {value!r}")
    return os.path.normpath(text)


def disks(given: Sequence[Mapping[str, Any]]) -> dict[str, Disk]:
    """The disks by their target ("vda"), in order. One that names no target gets the next free one of its bus."""
    found: dict[str, Disk] = {}
    named = [one.get("name") for one in given if isinstance(one, Mapping) and one.get("name")]
    for number, one in enumerate(given):
        what = f"disks[{number}]"
        _keys(one, DISK_KEYS, what)
        target, disk = _disk(one, what, [*found, *[name for name in named if name]])
        if target in found:
            raise DomainError(f"{what}: there are two disks {target}")
        found[target] = disk
    return found


def _disk(one: Mapping[str, Any], what: str, taken: Sequence[str]) -> tuple[str, Disk]:
    cdrom = _flag(one, "cdrom", what)
    name = one.get("name")
    if name is not None and (not isinstance(name, str) or not _TARGET.fullmatch(name)):
        raise DomainError(f"{what}: name is the guest's device, like vda, sda or hda, not {name!r}")
    guessed = "sata" if cdrom else "virtio"
    if name:
        guessed = {"vd": "virtio", "sd": "sata" if cdrom else "scsi", "hd": "ide", "fd": "fdc"}[name[:2]]
    bus = one_of(one.get("bus", guessed), BUSES, f"{what}: bus")
    if name and not name.startswith(BUSES[bus]):
        raise DomainError(f"{what}: a disk on {bus} is called {BUSES[bus]}…, not {name}")
    target = name or next(t for t in _targets(BUSES[bus]) if t not in taken)
    device = "cdrom" if cdrom else "floppy" if bus == "fdc" else "disk"
    source, pool = _source(one, what)
    if source is None and device == "disk":
        raise DomainError(f"{what}: say where the disk is: path, or pool and volume")
    if device == "disk" and one.get("format") is None:
        raise DomainError(
            f"{what}: say its format (raw or qcow2): a guest can write a header of any kind into its disk"
        )
    return target, Disk(
        device=device,
        source=source,
        pool=pool,
        format=one_of(one.get("format", "raw"), FORMATS, f"{what}: format"),
        bus=bus,
        readonly=True if cdrom else _flag(one, "readonly", what),
        shareable=_flag(one, "shareable", what),
        cache=one_of(one.get("cache", "default"), CACHES, f"{what}: cache"),
        discard=_flag(one, "discard", what),
        boot=_order(one, what),
    )


def _source(one: Mapping[str, Any], what: str) -> tuple[str | None, bool]:
    if one.get("path") is not None and (one.get("pool") or one.get("volume")):
        raise DomainError(f"{what}: path, or pool and volume; not both")
    if one.get("path") is not None:
        return path_of(one["path"], f"{what}: path"), False
    if bool(one.get("pool")) != bool(one.get("volume")):
        raise DomainError(f"{what}: pool and volume go together")
    if not one.get("pool"):
        return None, False
    parts = [line(one[key], f"{what}: {key}") for key in ("pool", "volume")]
    if any("/" in part for part in parts):
        raise DomainError(f"{what}: the names of pools and volumes have no slash")
    return "/".join(parts), True


def nics(given: Sequence[Mapping[str, Any]]) -> tuple[WantedNic, ...]:
    """The interfaces, in order. DomainError where one names no network, or two have one MAC address."""
    found = tuple(_nic(one, f"interfaces[{number}]") for number, one in enumerate(given))
    macs = [nic.mac for nic in found if nic.mac]
    for mac in macs:
        if macs.count(mac) > 1:
            raise DomainError(f"interfaces: two have the MAC address {mac}")
    return found


def _nic(one: Mapping[str, Any], what: str) -> WantedNic:
    _keys(one, NIC_KEYS, what)
    named = [key for key in ("bridge", "network", "vnet") if one.get(key) is not None]
    if len(named) != 1:
        raise DomainError(f"{what}: say one of bridge, network (libvirt's) and vnet (the pillar's)")
    address = one.get("address")
    try:
        bridge = interface_name(one["bridge"], "bridge") if one.get("bridge") is not None else None
    except BadValue as error:
        raise DomainError(f"{what}: {error}") from None
    return WantedNic(
        bridge=bridge,
        network=line(one["network"], f"{what}: network") if one.get("network") is not None else None,
        vnet=line(one["vnet"], f"{what}: vnet") if one.get("vnet") is not None else None,
        vlan=None if one.get("vlan") is None else count(one["vlan"], f"{what}: vlan", 1, 4094),
        model=word(one.get("model", "virtio"), f"{what}: model"),
        mac=None if one.get("mac") is None else mac_address(one["mac"], what),
        queues=None if one.get("queues") is None else count(one["queues"], f"{what}: queues", 1, 256),
        link=_link(one.get("link", "up"), what),
        boot=_order(one, what),
        address=None if address is None else line(address, f"{what}: address"),
    )


def _link(value: object, what: str) -> str:
    value = {True: "up", False: "down"}.get(value, value) if isinstance(value, bool) else value
    return one_of(value, ("up", "down"), f"{what}: link")


def mac_address(value: object, what: str) -> str:
    """A MAC address of one interface, in small letters."""
    try:
        return linkvalues.mac_address(value)
    except BadValue as error:
        raise DomainError(f"{what}: {error}") from None


def made_mac(seed: str) -> str:
    """A MAC address of QEMU's range (52:54:00), made of SEED: the same at every plan, another on another node."""
    import hashlib

    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in hashlib.sha256(seed.encode()).digest()[:3])


def graphics(given: Mapping[str, Any] | str | None) -> tuple[Graphics | None, Secret | None]:
    """The display and its password. A mere text is the type; "none" or nothing: no display."""
    if given is None or given == "none":
        return None, None
    one: Mapping[str, Any] = {"type": given} if isinstance(given, str) else given
    _keys(one, GRAPHICS_KEYS, "graphics")
    kind = one_of(one.get("type", "vnc"), ("vnc", "spice"), "graphics: type")
    password = one.get("password")
    hidden = password if isinstance(password, Secret | None) else Secret(str(password))
    if hidden is not None:
        text = hidden.reveal()
        if not text or not text.isprintable() or (kind == "vnc" and len(text) > VNC_PASSWORD):
            raise DomainError(f"graphics: password: 1 to {VNC_PASSWORD} printable characters are what VNC can take")
    port = one.get("port")
    return Graphics(
        kind=kind,
        listen=_address(one.get("listen", "127.0.0.1")),
        port=None if port in (None, -1, "auto") else count(port, "graphics: port", 5900 if kind == "vnc" else 1, 65535),
    ), hidden


def _address(value: object) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_address(str(value)))
    except ValueError:
        raise DomainError(f"graphics: listen: an IP address is wanted, not {value!r}") from None


def cpu(given: Mapping[str, Any] | str) -> Cpu:
    """The processors; a mere text is a mode, or else a model."""
    one: Mapping[str, Any] = given if isinstance(given, Mapping) else {"mode": given}
    if isinstance(given, str) and given not in ("host-passthrough", "host-model", "maximum"):
        one = {"mode": "custom", "model": given}
    _keys(one, CPU_KEYS, "cpu")
    model = None if one.get("model") is None else word(one["model"], "cpu: model")
    mode = one_of(one.get("mode", "custom"), ("host-passthrough", "host-model", "maximum", "custom"), "cpu: mode")
    if (mode == "custom") != (model is not None):
        raise DomainError("cpu: a model goes with mode custom, and the other modes have none")
    shape = [one.get(key) for key in ("sockets", "cores", "threads")]
    topology = None
    if any(part is not None for part in shape):
        sockets, cores, threads = (count(1 if part is None else part, "cpu: topology", 1, 512) for part in shape)
        topology = (sockets, cores, threads)
    features = one.get("features") or {}
    listed = features if isinstance(features, Mapping) else dict.fromkeys(features, "require")
    policies = {True: "require", False: "disable"}
    pairs = [
        (
            word(name, "cpu: features"),
            one_of(
                policies.get(policy, policy) if isinstance(policy, bool) else policy,
                ("require", "disable", "optional", "force", "forbid"),
                f"cpu: features: {name}",
            ),
        )
        for name, policy in listed.items()
    ]
    return Cpu(mode=mode, model=model, topology=topology, features=tuple(sorted(pairs)))


def _keys(one: object, known: Sequence[str], what: str) -> None:
    if not isinstance(one, Mapping):
        raise DomainError(f"{what}: a mapping of {', '.join(known)} is wanted, not {one!r}")
    for key in one:
        if key not in known:
            raise DomainError(f"{what}: there is no {key!r}.{nearest(str(key), known)} It knows {', '.join(known)}.")


def _flag(one: Mapping[str, Any], key: str, what: str) -> bool:
    value = one.get(key, False)
    if not isinstance(value, bool):
        raise DomainError(f"{what}: {key}: true or false is wanted, not {value!r}")
    return value


def _order(one: Mapping[str, Any], what: str) -> int | None:
    return None if one.get("boot") is None else count(one["boot"], f"{what}: boot (its place in the boot order)", 1, 99)


def _targets(prefix: str) -> list[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return [prefix + letter for letter in letters] + [prefix + a + b for a in letters for b in letters]
