"""A network as boxes and what each lies on, read from what `network.declared` and `network.topology` return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from saltern.cli.output.safe import neutral_line

MOST_BOXES = 1000  # of one node; more are left out, and that is said
_MOST_TEXT = 64
_MOST_LIST = 200

GUEST_KINDS = ("kvm", "lxc", "guest")
# What is compared beside the kind, the addresses and what a box lies on, in the order in which it is told.
FACTS = (
    *("vlan_id", "vlan_protocol", "mode", "vxlan_id", "remote", "local", "port", "peer"),
    *("up", "mtu", "mac", "gateway", "gateway6", "stp", "vlan_filtering", "vlans"),
)


@dataclass(frozen=True, slots=True)
class Box:
    """An interface or a guest. BELOW: what it lies on (a VLAN's parent, a bridge's ports, a guest's bridges), by name,
    each with a label for the line. None: not declared. FACTS: of `FACTS`, what is known or declared, as texts.

    NAMED: only named by others. COMPLETE: no other address than these is wanted; a guest is on no other bridge.
    RUNS (of guests): whether it runs, or is to run.
    """

    name: str
    kind: str
    below: Mapping[str, str] | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    addresses: tuple[str, ...] | None = None
    complete: bool = True
    named: bool = False
    runs: bool = True

    @property
    def is_guest(self) -> bool:
        """Whether it is a guest and no interface."""
        return self.kind in GUEST_KINDS


@dataclass(frozen=True, slots=True)
class Net:
    """A network: its boxes by name, guests as "guest NAME" so that a bridge may have the same name. ABSENT: interfaces
    that are declared not to be. LEFT_OUT: how many boxes are not here, since there are too many."""

    boxes: Mapping[str, Box]
    absent: frozenset[str] = frozenset()
    left_out: int = 0


def guest_key(name: str) -> str:
    """The key of a guest's box."""
    return f"guest {name}"


def net_of(value: object) -> Net:
    """The network in VALUE, of JSON's types. What has another shape than it should is passed over."""
    given = value if isinstance(value, Mapping) else {}
    links = {text(name): link for name, link in _mapping(given.get("links")).items() if isinstance(link, Mapping)}
    gateways = _gateways(given.get("default_routes"))
    boxes = {name: _box(name, link, gateways.get(name, {})) for name, link in sorted(links.items())[:MOST_BOXES]}
    for box in list(boxes.values()):
        for name in box.below or ():
            boxes.setdefault(name, Box(name, "physical", named=True))
    _take_guests(boxes, links, _mapping(given.get("guests")))
    absent = frozenset(text(name) for name in _listed(given.get("absent")))
    return Net(boxes, absent, max(0, len(links) - MOST_BOXES))


def _gateways(routes: object) -> dict[str, dict[str, str]]:
    """The gateways of default routes by interface, as facts."""
    found: dict[str, dict[str, str]] = {}
    for route in _listed(routes):
        if isinstance(route, Mapping) and route.get("interface") and route.get("gateway"):
            gateway = text(route["gateway"])
            found.setdefault(text(route["interface"]), {})["gateway6" if ":" in gateway else "gateway"] = gateway
    return found


def _box(name: str, link: Mapping[str, Any], gateways: Mapping[str, str]) -> Box:
    facts = {key: text(link[key]) for key in FACTS if link.get(key) is not None} | dict(gateways)
    if "vlans" in facts:
        facts["vlans"] = vlans(link["vlans"])
    below: dict[str, str] | None = None
    if "ports" in link:
        below = {text(port): "" for port in _listed(link["ports"])}
    elif link.get("parent"):
        below = {text(link["parent"]): ""}
    addresses = tuple(text(entry) for entry in _listed(link["addresses"])) if "addresses" in link else None
    return Box(
        name,
        text(link.get("kind") or "physical"),
        below,
        facts,
        addresses,
        complete="addresses" not in _listed(link.get("only_adds")),
    )


def _take_guests(boxes: dict[str, Box], links: Mapping[str, Mapping[str, Any]], guests: Mapping[Any, Any]) -> None:
    """Put guests in the place of their taps, each on the bridges that its taps are ports of (or on the tap itself,
    where it is in no bridge); and those that are listed."""
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for name, link in links.items():
        owner = link.get("guest")
        if not isinstance(owner, Mapping) or name not in boxes:
            continue
        kind = owner.get("kind") if owner.get("kind") in GUEST_KINDS else "guest"
        _, on = found.setdefault(text(owner.get("name")), (str(kind), {}))
        bridge = text(link["master"]) if link.get("master") else None
        if bridge is None or bridge not in boxes:
            on[name] = ""
            continue
        label = f"{name} ({vlans(link['vlans'])})" if link.get("vlans") else name
        on[bridge] = f"{on[bridge]}, {label}" if bridge in on else label
        del boxes[name]
        ports = boxes[bridge].below
        if ports is not None:
            boxes[bridge] = _without(boxes[bridge], name)
    for name, guest in guests.items():
        if isinstance(guest, Mapping):
            named = isinstance(guest.get("bridges"), list)
            on = {text(bridge): "" for bridge in _listed(guest.get("bridges"))}
            kind = guest.get("kind") if guest.get("kind") in GUEST_KINDS else "guest"
            key = text(name)
            whole = guest.get("partly") is not True
            runs = guest.get("running") is True
            boxes[guest_key(key)] = Box(key, str(kind), on if named else None, complete=whole, runs=runs)
            for bridge in on:
                boxes.setdefault(bridge, Box(bridge, "bridge", named=True))
    for name, (kind, on) in found.items():
        boxes[guest_key(name)] = Box(name, kind, on)


def _without(box: Box, port: str) -> Box:
    below = {name: label for name, label in (box.below or {}).items() if name != port}
    return Box(box.name, box.kind, below, box.facts, box.addresses, box.complete, box.named, box.runs)


def vlans(value: object) -> str:
    """The VLANs of a port in words: "PVID 43, untagged 43, tagged 10-20"."""
    given = _mapping(value)
    pvid = [f"PVID {text(given['pvid'])}"] if given.get("pvid") is not None else []
    sets = [f"{key} {text(given[key])}" for key in ("untagged", "tagged") if given.get(key)]
    if pvid and sets and given.get("untagged") == str(given["pvid"]):
        sets = sets[1:]  # the usual case
    return text(", ".join([*pvid, *sets]) or "no VLANs")


def text(value: object) -> str:
    """VALUE as one short harmless line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    shown = neutral_line(str(value))
    return shown if len(shown) <= _MOST_TEXT else shown[: _MOST_TEXT - 1] + "…"


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _listed(value: object) -> list[Any]:
    return list(value)[:_MOST_LIST] if isinstance(value, list | tuple) else []
