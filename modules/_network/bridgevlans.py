"""The VLANs of bridges and their ports, as the kernel filters them (linux/if_bridge.h IFLA_BRIDGE_VLAN_INFO).

A set of VLANs is written "1,10-20,43", as bridge(8) takes it, and compared in one canonical form: sorted, each VLAN
once, neighbours as a range.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modules._network.rtnl import GETLINK, LINK_HEADER, Reader, attribute, attributes, each

AF_BRIDGE = 7
MASTER, PVID, UNTAGGED, RANGE_BEGIN, RANGE_END = 1, 2, 4, 8, 16  # BRIDGE_VLAN_INFO_*
SELF = 2  # BRIDGE_FLAGS_SELF
_COMPRESSED = 4  # RTEXT_FILTER_BRVLAN_COMPRESSED


@dataclass(frozen=True, slots=True)
class Vlans:
    """The VLANs of a port: frames without a tag belong to `pvid` (None: are dropped); `tagged` leave with their tag,
    `untagged` without."""

    pvid: int | None = None
    untagged: frozenset[int] = frozenset()
    tagged: frozenset[int] = frozenset()

    def __str__(self) -> str:
        words = [f"PVID {self.pvid}"] if self.pvid is not None else []
        words += [f"untagged {joined(self.untagged)}"] if self.untagged else []
        words += [f"tagged {joined(self.tagged)}"] if self.tagged else []
        return ", ".join(words) or "no VLANs"


@dataclass(frozen=True, slots=True)
class Entry:
    """VLANs FIRST to LAST with the same flags (of MASTER, PVID, UNTAGGED)."""

    first: int
    last: int
    flags: int


def ranges(vlans: Iterable[int]) -> Iterator[tuple[int, int]]:
    """VLANS as (first, last), sorted, neighbours together."""
    begin = end = None
    for vlan in sorted(set(vlans)):
        if begin is None or end is None:
            begin = end = vlan
        elif vlan == end + 1:
            end = vlan
        else:
            yield begin, end
            begin = end = vlan
    if begin is not None and end is not None:
        yield begin, end


def joined(vlans: Iterable[int]) -> str:
    """VLANS as text: "1,10-20,43"."""
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges(vlans))


def vlans_of(entries: Iterable[Mapping[str, int]]) -> Vlans:
    """The Vlans that the `vid`s and `flags` of IFLA_BRIDGE_VLAN_INFO stand for."""
    pvid: int | None = None
    untagged: set[int] = set()
    tagged: set[int] = set()
    first: int | None = None
    for entry in entries:
        vid, flags = entry["vid"], entry["flags"]
        if flags & RANGE_BEGIN:
            first = vid
            continue
        begin = first if flags & RANGE_END and first is not None else vid
        first = None
        (untagged if flags & UNTAGGED else tagged).update(range(begin, vid + 1))
        if flags & PVID:
            pvid = vid
    return Vlans(pvid, frozenset(untagged), frozenset(tagged))


def changes(have: Vlans, want: Vlans) -> tuple[list[Entry], list[Entry]]:
    """The entries to delete and to set, to come from HAVE to WANT."""
    gone = (have.untagged | have.tagged) - (want.untagged | want.tagged)
    # A PVID that is no longer one is set again without the flag, which the kernel takes off so.
    stale = {have.pvid} if have.pvid is not None and have.pvid != want.pvid else set()
    tagged = (want.tagged - have.tagged) | (want.tagged & stale)
    untagged = (want.untagged - have.untagged) | (want.untagged & stale)
    fresh = {want.pvid} if want.pvid is not None and want.pvid != have.pvid else set()
    new = [Entry(first, last, 0) for first, last in ranges(tagged - fresh)]
    new += [Entry(first, last, UNTAGGED) for first, last in ranges(untagged - fresh)]
    for vlan in fresh | ({want.pvid} & (tagged | untagged) if want.pvid is not None else set()):
        new = [one for entry in new for one in _without(entry, vlan)]
        new.append(Entry(vlan, vlan, PVID | (UNTAGGED if vlan in want.untagged else 0)))
    return [Entry(first, last, 0) for first, last in ranges(gone)], new


def _without(entry: Entry, vlan: int) -> Iterator[Entry]:
    if not entry.first <= vlan <= entry.last:
        yield entry
        return
    if entry.first < vlan:
        yield Entry(entry.first, vlan - 1, entry.flags)
    if vlan < entry.last:
        yield Entry(vlan + 1, entry.last, entry.flags)


def vlan_attributes(entries: Iterable[Entry]) -> list[tuple[str, dict[str, int]]]:
    """ENTRIES as attributes of a message."""
    found = []
    for entry in entries:
        if entry.first == entry.last:
            found.append(("IFLA_BRIDGE_VLAN_INFO", {"vid": entry.first, "flags": entry.flags}))
        else:
            found.append(("IFLA_BRIDGE_VLAN_INFO", {"vid": entry.first, "flags": entry.flags | RANGE_BEGIN}))
            found.append(("IFLA_BRIDGE_VLAN_INFO", {"vid": entry.last, "flags": entry.flags | RANGE_END}))
    return found


def dump_vlans(reader: Reader) -> dict[int, Vlans]:
    """The VLANs of every bridge and port, by index."""
    mask = attribute(29, _COMPRESSED.to_bytes(4, sys.byteorder))  # IFLA_EXT_MASK
    found = {}
    for body in reader.dump(GETLINK, LINK_HEADER.pack(AF_BRIDGE, 0, 0, 0, 0) + mask):
        entries = [
            {"flags": int.from_bytes(value[:2], sys.byteorder), "vid": int.from_bytes(value[2:4], sys.byteorder)}
            for kind, value in each(attributes(body, LINK_HEADER.size).get(26, b""))  # IFLA_AF_SPEC
            if kind == 2  # IFLA_BRIDGE_VLAN_INFO
        ]
        found[LINK_HEADER.unpack_from(body)[2]] = vlans_of(entries)
    return found


def send_changes(socket: Any, index: int, have: Vlans, want: Vlans, *, of_bridge: bool) -> None:
    """Bring the port with INDEX (or the bridge itself) from HAVE to WANT, in one batch."""
    gone, new = changes(have, want)
    messages = [_message(index, kind, entries, of_bridge) for kind, entries in ((17, gone), (19, new)) if entries]
    if messages:
        socket.send(messages)


def _message(index: int, kind: int, entries: Iterable[Entry], of_bridge: bool) -> Any:
    """RTM_SETLINK (19) or RTM_DELLINK (17) of the family AF_BRIDGE."""
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

    made = ifinfmsg()
    made["family"], made["index"] = AF_BRIDGE, index
    flags = [("IFLA_BRIDGE_FLAGS", SELF)] if of_bridge else []
    made["attrs"] = [("IFLA_AF_SPEC", {"attrs": [*flags, *vlan_attributes(entries)]})]
    made["header"] = {"type": kind, "flags": 0x1 | 0x4}  # NLM_F_REQUEST, ACK
    return made
