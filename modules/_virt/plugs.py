"""Whether the interfaces of a running guest are still in the bridges that libvirt put them into.

libvirt does so once, when an interface is made; a bridge that was deleted and made again has lost them, and the guest
its network.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

SYSFS = "/sys/class/net"


@dataclass(frozen=True, slots=True)
class Plug:
    """The node's end DEV of a guest's interface belongs into BRIDGE and is in the one named NOW (None: in none)."""

    dev: str
    bridge: str
    now: str | None


def plugs(live: Element, wished: Iterable[tuple[str, str]]) -> Iterator[Plug]:
    """The ends of the guest whose XML is LIVE, for the (MAC address, bridge) that are WISHED, as far as libvirt agrees
    on the bridge: a NIC that is to be moved is moved by libvirt."""
    wanted = set(wished)
    for one in live.iterfind("devices/interface[@type='bridge']"):
        mac, source, target = (one.find(tag) for tag in ("mac", "source", "target"))
        if mac is None or source is None or target is None:
            continue
        bridge, dev = source.get("bridge", ""), target.get("dev", "")
        if dev and (mac.get("address", "").lower(), bridge) in wanted:
            yield Plug(dev, bridge, _master(dev))


def _master(dev: str) -> str | None:
    try:
        return os.path.basename(os.readlink(os.path.join(SYSFS, dev, "master")))
    except OSError:
        return None
