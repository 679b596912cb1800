"""What the arguments of a bridge and of its ports may be, beside those of `modules._network.netvalues`.

Each function gives the value in its one canonical form, or raises BadValue with what is wrong and what would be right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modules._network.bridgevlans import Vlans, joined
from modules._network.netvalues import BadValue, interface_name, port_names, seconds, vlan_id, whole_number
from saltern.errors import nearest

FLAGS = ("isolated", "hairpin", "learning", "guard", "root_block")  # of a port, as bridge(8) has them
NUMBERS = {"cost": (1, 65535), "priority": (0, 63)}  # of a port: BR_MAX_PATH_COST, BR_MAX_PORT_PRIORITY
VLANS = ("pvid", "untagged", "tagged")
_RESTRICTED = 0x7  # BR_GROUPFWD_RESTRICTED: STP, MAC control, slow protocols

Settings = Mapping[str, int]  # option → its number; flags are 0 and 1


@dataclass(frozen=True, slots=True)
class Declared:
    """The ports that a bridge shall have: `names`; of those that say so, `options` and `vlans` by name."""

    names: tuple[str, ...] = ()
    options: Mapping[str, Settings] = field(default_factory=dict)
    vlans: Mapping[str, Vlans] = field(default_factory=dict)


def declared(ports: object, bridge: str) -> Declared:
    """PORTS of BRIDGE: a list of names, or of mappings with one name and its settings, or one such mapping."""
    listed: list[tuple[Any, Any]] = []
    if isinstance(ports, Mapping):
        listed = list(ports.items())
    elif isinstance(ports, str):
        listed = [(ports, None)]
    elif isinstance(ports, Sequence | set | frozenset):
        for item in ports:
            listed += list(item.items()) if isinstance(item, Mapping) else [(item, None)]
    else:
        raise BadValue(f"ports must be a list, not {ports!r}")
    names = port_names([name for name, _ in listed], bridge)
    options, vlans = {}, {}
    for name, given in listed:
        settings = _settings(given, f"the port {name}")
        known = (*NUMBERS, *FLAGS, *VLANS)
        for option in settings:
            if option not in known:
                raise BadValue(f"the port {name} has no option {option!r}.{nearest(str(option), known)}")
        own = {option: _option(option, settings[option], name) for option in settings if option not in VLANS}
        if own:
            options[name] = own
        if any(option in settings for option in VLANS):
            vlans[name] = vlans_of(settings, f"the port {name}")
    return Declared(names, options, vlans)


def own_vlans(given: object, bridge: str) -> Vlans:
    """The VLANs of the BRIDGE itself: a mapping with `pvid`, `untagged`, `tagged`."""
    settings = _settings(given, f"vlans of {bridge}")
    for option in settings:
        if option not in VLANS:
            raise BadValue(f"vlans of {bridge}: there is no {option!r}.{nearest(str(option), VLANS)}")
    return vlans_of(settings, bridge)


def vlans_of(settings: Mapping[str, Any], what: str) -> Vlans:
    """The VLANs that SETTINGS of WHAT say. The PVID leaves untagged, unless it is among those tagged."""
    given = settings.get("pvid")
    pvid = None if given in (None, 0, False, "none") else vlan_id(given)
    tagged = vlan_set(settings.get("tagged"), f"tagged of {what}")
    untagged = vlan_set(settings.get("untagged"), f"untagged of {what}")
    if both := tagged & untagged:
        raise BadValue(f"{what} has the VLANs {joined(both)} both tagged and untagged: give each once")
    if pvid is not None and pvid not in tagged:
        untagged |= {pvid}
    return Vlans(pvid, untagged, tagged)


def vlan_set(given: object, what: str) -> frozenset[int]:
    """VLANs from a number, a text ("1,10-20"), or a list of both."""
    if given is None or given is False:
        return frozenset()
    if isinstance(given, str):
        return frozenset(one for part in given.split(",") if part.strip() for one in _range(part.strip(), what))
    if isinstance(given, Iterable):
        return frozenset(one for part in given for one in vlan_set(part, what))
    return frozenset({vlan_id(given)})


def priority(value: object) -> int:
    """Of a bridge, for STP: the least becomes the root (IEEE 802.1D 9.2.5)."""
    return whole_number(value, "priority", 0, 65535)


def time_s(value: object, what: str, least: float, most: float) -> float:
    """A time of a bridge in seconds, as the kernel keeps it (1/100 s); whole ones as int."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValue(f"{what} must be a number of seconds, not {value!r}")
    if not least <= value <= most:
        raise BadValue(f"{what} of {value} s is not possible: {least:g} to {most:g} s are")
    return seconds(round(value * 100))


def group_fwd_mask(value: object) -> int:
    """Which of the addresses 01-80-C2-00-00-00 to -0F, which end at a bridge by IEEE 802.1D, it passes on: a bit for
    each, as a number or "0x4000"; never the first three."""
    try:
        number = int(value, 0) if isinstance(value, str) else value
    except ValueError:
        number = value
    mask = whole_number(number, "group_fwd_mask", 0, 0xFFFF)
    if mask & _RESTRICTED:
        raise BadValue(f"group_fwd_mask {mask:#x} is not possible: the kernel never passes on the first three (0x7)")
    return mask


def default_pvid(value: object) -> int:
    """The VLAN that a new port gets; 0: none."""
    return 0 if value in (0, False, "none") else vlan_id(value)


def _range(text: str, what: str) -> range:
    first, dash, last = text.partition("-")
    if not (first.strip().isdecimal() and (not dash or last.strip().isdecimal())):
        raise BadValue(f"{what}: {text!r} is no VLAN; write them like 1,10-20")
    begin = vlan_id(int(first))
    end = vlan_id(int(last)) if dash else begin
    if end < begin:
        raise BadValue(f"{what}: {text!r} ends before it begins")
    return range(begin, end + 1)


def _settings(given: object, what: str) -> dict[str, Any]:
    """A mapping, or a list of mappings as SLS files often have it."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, list | tuple) and all(isinstance(item, Mapping) for item in given):
        return {key: value for item in given for key, value in item.items()}
    raise BadValue(f"{what} wants a mapping with its settings, not {given!r}")


def _option(option: str, value: object, port: str) -> int:
    if option in NUMBERS:
        return whole_number(value, f"{option} of the port {interface_name(port)}", *NUMBERS[option])
    if value is not True and value is not False:
        raise BadValue(f"{option} of the port {port} must be true or false, not {value!r}")
    return int(value)
