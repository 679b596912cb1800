"""What a change of a guest takes: whether it can be made while the guest runs, or only at its next start.

Pure: from the value that the running guest has and the one that is wished. The rules are QEMU's, as libvirt's
documentation of the calls has them (virDomainSetMemoryFlags, virDomainSetVcpusFlags, virDomainAttachDeviceFlags,
virDomainUpdateDeviceFlags).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from modules._virt.domain_facets import DISK, NIC
from modules._virt.domain_values import Disk, Nic

HOTPLUG_BUSES = ("virtio", "scsi", "usb")
LIVE_TEXTS = ("title", "description", "metadata")


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a change of a running guest: the MiB and processors that it was started with, whether it has a
    display, and whether its balloon driver answers, without which it gives no memory back."""

    max_memory: float | None = None
    max_vcpus: int | None = None
    has_graphics: bool = False
    has_balloon: bool = False


def is_live(key: str, was: Any, wish: Any, limits: Limits) -> bool:
    """Whether the facet KEY of a running guest can go from WAS to WISH now.

    Processors are only added: taking one away needs the guest's consent, and those that it was started with can't go
    at all. Memory moves within what it was started with, by the balloon; a guest that still has all of that may have no
    driver for it, so it is only asked where its driver is seen.
    """
    if key in LIVE_TEXTS:
        return True
    if key == "memory":
        most = limits.max_memory
        return most is not None and wish <= most and (wish > was or was < most or limits.has_balloon)
    if key == "vcpus":
        return limits.max_vcpus is not None and was < wish <= limits.max_vcpus
    if key == "password":
        return limits.has_graphics and wish is not None
    if key.startswith(DISK):
        return _disk(was, wish)
    if key.startswith(NIC):
        return _nic(was, wish)
    return False


def _disk(was: Disk | None, wish: Disk | None) -> bool:
    if was is None or wish is None:
        one = was or wish
        return one is not None and one.device == "disk" and one.bus in HOTPLUG_BUSES and one.boot is None
    if was.device == "disk" or wish.device != was.device:
        return False
    return _medium_aside(was) == _medium_aside(wish)  # another medium in the same drive


def _medium_aside(disk: Disk) -> Disk:
    return replace(disk, source=None, pool=False, format="raw")


def _nic(was: Nic | None, wish: Nic | None) -> bool:
    if was is None or wish is None:
        return (was or wish) is not None and (wish is None or wish.boot is None)
    return replace(was, source=wish.source, link=wish.link) == wish


@dataclass(frozen=True, slots=True)
class Change:
    """One facet that differs. CONFIG: the persistent configuration does; LIVE: the running guest does, and can be
    changed as it runs; WAITS: the running guest does, and only a restart changes that; ASKED: it was asked for memory
    that it has not given back, for which a restart is of no use either."""

    key: str
    before: Any
    after: Any
    config: bool
    live: bool = False
    waits: bool = False
    asked: bool = False


def changes(
    config: Mapping[str, Any], live: Mapping[str, Any] | None, wish: Mapping[str, Any], limits: Limits
) -> tuple[Change, ...]:
    """What differs from WISH, by facet in its order. LIVE: of the guest that runs, None for one that does not."""
    found = []
    for key, wanted in wish.items():
        in_config = config[key] != wanted
        running = live is not None and live[key] != wanted
        can = live is not None and running and is_live(key, live[key], wanted, limits)
        if in_config or running:
            before = config[key] if in_config or live is None else live[key]
            asked = running and not can and key == "memory" and wanted < (limits.max_memory or 0)
            waits = running and not can and not asked
            found.append(Change(key, before, wanted, in_config, running and can, waits, asked))
    return tuple(found)


def told(key: str, before: Any, after: Any, name: str) -> str:
    """The change of a facet of the guest NAME as the beginning of a sentence."""
    if key.startswith((DISK, NIC)):
        return _device_told(key, before, after, name)
    if key == "password":
        return f"set the password of the display of {name}" if after else f"drop the password of the display of {name}"
    if key in ("memory", "max_memory"):
        words = "memory" if key == "memory" else "the most memory"
        return f"set {words} of {name} to {after} MiB"
    if key in ("graphics", "cpu", "xml", "metadata"):
        words = {"graphics": "the display", "cpu": "the CPU", "xml": "the XML given", "metadata": "the metadata"}[key]
        return f"set {words} of {name}" if after else f"take {words} from {name}"
    if isinstance(after, bool):
        return f"{'give' if after else 'take'} {name} {'a' if after else 'its'} {key}"
    shown = ", ".join(after) if isinstance(after, tuple) else after
    return f"set {key} of {name} to {shown}"


def _device_told(key: str, before: Any, after: Any, name: str) -> str:
    if before is None:
        where = f" ({after.source})" if after.source else ""
        return f"add {key} to {name}{where}"
    if after is None:
        return f"remove {key} from {name}"
    if isinstance(after, Nic):
        if before.source != after.source and replace(before, source=after.source) == after:
            return f"move {key} of {name} from {before.source} to {after.source}"
        if before.link != after.link and replace(before, link=after.link) == after:
            return f"set {key} of {name} {after.link}"
    elif isinstance(after, Disk) and after.device == "cdrom" and before.source != after.source:
        return f"insert {after.source} into {key} of {name}" if after.source else f"eject {key} of {name}"
    parts = ", ".join(field for field in _differing(before, after))
    return f"change {key} of {name} ({parts})"


def _differing(before: Any, after: Any) -> Iterable[str]:
    for field in type(after).__dataclass_fields__:
        if getattr(before, field) != getattr(after, field):
            yield f"{field}: {getattr(before, field)} → {getattr(after, field)}"
