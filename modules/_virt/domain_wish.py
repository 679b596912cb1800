"""The arguments of `virt.defined` and `virt.running` as facets of a guest, checked alone and together. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modules._virt import domain_values as values
from modules._virt import domain_xml as xml
from modules._virt.domain_facets import DISK
from modules._virt.domain_values import Cpu, Disk, Nic, WantedNic
from modules._virt.domain_xml import DomainError
from saltern import names
from saltern.converge.plan import Unset

FEATURES = ("acpi", "apic", "pae", "hap", "viridian", "privnet", "pmu", "vmport")
LIFECYCLE = ("destroy", "restart", "preserve", "rename-restart")
BOOT = ("disk", "hd", "cdrom", "network", "floppy")
MAX_DESCRIPTION = 64 << 10
_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an SLS says of a guest. FACETS: all but devices that come in lists; DISKS and NICS None: not managed."""

    facets: dict[str, Any] = field(default_factory=dict)
    disks: dict[str, Disk] | None = None
    nics: tuple[WantedNic, ...] | None = None
    autostart: bool | None = None
    type: str | None = None  # kvm, qemu or auto
    cloud_init: Mapping[str, Any] | None = None


def wanted(name: str, given: Mapping[str, Any]) -> Wanted:
    """The arguments GIVEN (those that are UNSET left out) as a wish. InvalidName or DomainError names what is wrong."""
    names.guest(name)
    said = {key: value for key, value in given.items() if not isinstance(value, Unset)}
    _salt_words(said)
    facets: dict[str, Any] = {}
    for key, read in _SIMPLE.items():
        if key in said:
            facets[key] = read(said[key], key)
    if "cpu" in said:
        facets["cpu"] = values.cpu(said["cpu"])
    if "graphics" in said:
        facets["graphics"], password = values.graphics(said["graphics"])
        if password is not None:
            facets["password"] = password
    if "xml" in said:
        facets["xml"] = tuple(xml.canonical(one) for one in xml.snippets(said["xml"]))
    found = Wanted(
        facets=facets,
        disks=values.disks(said["disks"]) if "disks" in said else None,
        nics=values.nics(said["interfaces"]) if "interfaces" in said else None,
        autostart=said.get("autostart"),
        type=said.get("type"),
        cloud_init=said.get("cloud_init"),
    )
    _agree(found)
    return found


def _salt_words(said: dict[str, Any]) -> None:
    """Salt's `mem` is memory, and its `cpu` may be a number of processors."""
    if "mem" in said:
        if "memory" in said:
            raise DomainError("mem and memory are the same: give one of them")
        said["memory"] = said.pop("mem")
    if isinstance(said.get("cpu"), int):
        if "vcpus" in said:
            raise DomainError("cpu is given as a number, and vcpus too: give one of them")
        said["vcpus"] = said.pop("cpu")


def _agree(found: Wanted) -> None:
    """DomainError where two arguments contradict each other."""
    facets, cpu = found.facets, found.facets.get("cpu")
    for key, most in (("memory", "max_memory"), ("vcpus", "max_vcpus")):
        if key in facets and most in facets and facets[key] > facets[most]:
            raise DomainError(f"{key} is {facets[key]}, which is more than {most}, {facets[most]}")
    if isinstance(cpu, Cpu) and cpu.topology is not None:
        product = cpu.topology[0] * cpu.topology[1] * cpu.topology[2]
        limit = facets.get("max_vcpus", facets.get("vcpus"))
        if limit is not None and limit != product:
            raise DomainError(f"cpu: sockets * cores * threads is {product}, and the guest has at most {limit} vcpus")
    if found.type == "qemu" and isinstance(cpu, Cpu) and cpu.mode == "host-passthrough":
        raise DomainError("cpu: host-passthrough needs type kvm: QEMU alone can't hand the host's processor through")
    if "loader" in facets and facets.get("firmware") == "bios":
        raise DomainError("loader is UEFI firmware, and firmware is bios: give one of them")
    if "initrd" in facets and "kernel" not in facets:
        raise DomainError("initrd goes with kernel")
    devices: list[Disk | WantedNic] = [*(found.disks or {}).values(), *(found.nics or ())]
    orders = [device.boot for device in devices if device.boot is not None]
    if len(set(orders)) < len(orders):
        raise DomainError("boot: two devices have the same place in the boot order")
    if orders and "boot" in facets:
        raise DomainError("boot is given for the guest and for single devices: libvirt takes one of the two")


def with_disks(facets: dict[str, Any], wished: Mapping[str, Disk], there: Sequence[str], exactly: bool) -> None:
    """Add WISHED to FACETS and, where these are EXACTLY the disks, that the others of those THERE go."""
    for target, disk in wished.items():
        facets[DISK + target] = disk
    if exactly:
        facets.update({DISK + target: None for target in there if target not in wished})


def seed_drive(disks: Mapping[str, Any], machine: str | None) -> tuple[str, str]:
    """The drive for a guest's seed, (target, bus): the last one that is free, so that it is in the way of none, on the
    kind of controller that the MACHINE has by itself (None: libvirt's default, `pc`)."""
    bus, prefix, letters = ("sata", "sd", "fedcba") if "q35" in str(machine) else ("ide", "hd", "dcba")
    for letter in letters:
        if f"{prefix}{letter}" not in disks:
            return f"{prefix}{letter}", bus
    raise DomainError(f"there is no room for the drive with the seed: {bus} has {len(letters)} drives, all in use")


def assign_macs(
    wished: Sequence[WantedNic], fixed: Mapping[int, str], there: Sequence[Nic], seed: str
) -> tuple[str, ...]:
    """The MAC address of each of WISHED. One that names none keeps that of an interface THERE: on the same network,
    else the next that nobody claims, which is moved. A new one gets one made of SEED. FIXED: what leases give, by
    number."""
    macs: dict[int, str] = {number: nic.mac for number, nic in enumerate(wished) if nic.mac} | dict(fixed)
    if len(set(macs.values())) < len(macs):
        raise DomainError("interfaces: two have the same MAC address")
    free = [nic for nic in there if nic.mac not in macs.values()]
    left = [number for number in range(len(wished)) if number not in macs]
    for same in (True, False):
        for number in list(left):
            one = wished[number]
            place = ("bridge", one.bridge) if one.bridge else ("network", one.network)
            match = next((nic for nic in free if not same or (nic.kind, nic.source) == place), None)
            if match is not None:
                macs[number] = match.mac
                free.remove(match)
                left.remove(number)
    for number in left:
        attempt = 0
        while (mac := values.made_mac(f"{seed}/{number}/{attempt}")) in macs.values():
            attempt += 1
        macs[number] = mac
    return tuple(macs[number] for number in range(len(wished)))


def window(text: str) -> tuple[int, int]:
    """ "02:00-04:00" as minutes of the day; the end may lie after midnight."""
    match = _WINDOW.fullmatch(text)
    if match is None or match[0][:5] == match[0][6:]:
        raise DomainError(f"window: a time of the day is wanted, like 02:00-04:00, not {text!r}")
    begin_h, begin_m, end_h, end_m = map(int, match.groups())
    return begin_h * 60 + begin_m, end_h * 60 + end_m


def inside(minute: int, span: tuple[int, int]) -> bool:
    """Whether the MINUTE of the day lies in the SPAN of a window."""
    begin, end = span
    return begin <= minute < end if begin < end else minute >= begin or minute < end


def _features(given: Sequence[str], what: str) -> tuple[str, ...]:
    return tuple(sorted({values.one_of(name, FEATURES, what) for name in given}))


def _boot(given: Sequence[str], what: str) -> tuple[str, ...]:
    order = tuple({"hd": "disk"}.get(word, word) for word in (values.one_of(one, BOOT, what) for one in given))
    if len(set(order)) < len(order):
        raise DomainError("boot: a kind of device is named twice")
    return order


def _metadata(given: Mapping[str, Any], what: str) -> dict[str, str]:
    return {values.word(key, what): values.line(str(value), f"{what}: {key}") for key, value in given.items()}


def _description(given: str, what: str) -> str:
    text = given.strip()
    if not text or len(text) > MAX_DESCRIPTION or not text.replace("\n", "").isprintable():
        raise DomainError(f"{what}: a printable text is wanted")
    return text


_SIMPLE: dict[str, Any] = {
    "title": lambda value, what: values.line(value.strip(), what),
    "description": _description,
    "memory": values.mib,
    "max_memory": values.mib,
    "vcpus": values.count,
    "max_vcpus": values.count,
    "machine": values.word,
    "firmware": lambda value, what: value,
    "loader": values.path_of,
    "kernel": values.path_of,
    "initrd": values.path_of,
    "cmdline": lambda value, what: values.line(value.strip(), what),
    "boot": _boot,
    "features": _features,
    "clock": lambda value, what: value,
    "on_poweroff": lambda value, what: values.one_of(value, LIFECYCLE, what),
    "on_reboot": lambda value, what: values.one_of(value, LIFECYCLE, what),
    "on_crash": lambda value, what: values.one_of(value, (*LIFECYCLE, "coredump-destroy", "coredump-restart"), what),
    "console": lambda value, what: value,
    "metadata": _metadata,
}
