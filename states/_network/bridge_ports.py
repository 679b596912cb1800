"""The ports of a bridge: what is wished of them, what the node has, and the steps between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from modules import bridge, link
from modules._network.bridgevalues import Declared
from modules._network.bridgevlans import Vlans, joined
from modules._network.netlink import Link, NetworkError, View
from modules.bridge import Bridge
from saltern.converge.plan import Step, Unset, call
from saltern.kept import promised


@dataclass(frozen=True, slots=True)
class Ports:
    """What the steps must know of the wished ports: `where`, the bridge that has one now; `down`, those not up; the
    wished `vlans` by port, the bridge's own under its name; the `mac` that a new bridge takes from them."""

    where: Mapping[str, str] = field(default_factory=dict)
    down: frozenset[str] = frozenset()
    vlans: Mapping[str, Vlans] = field(default_factory=dict)
    mac: str | None = None


def real(view: View, declared: Declared) -> Declared:
    """DECLARED with the ports by their real names, where they are given by another."""
    names = {name: (there.name if (there := view.find(name)) else name) for name in declared.names}
    if all(name == other for name, other in names.items()):
        return declared
    return Declared(
        tuple(sorted(set(names.values()))),
        {names[name]: options for name, options in declared.options.items()},
        {names[name]: vlans for name, vlans in declared.vlans.items()},
    )


def survey(view: View, name: str, declared: Declared, vlans: Mapping[str, Vlans]) -> tuple[Ports, str | None]:
    """What is known of the ports that the bridge NAME shall have, and why nothing can be said yet (a port that is not
    there). NetworkError where the kernel would refuse one."""
    own = view.find(name)
    found = {port: view.find(port) for port in declared.names}
    missing = [view.missing(port) for port, there in found.items() if there is None and not promised("link", port)]
    where = {}
    for there in found.values():
        if there is None:
            continue
        if there.kind == "bridge":
            raise NetworkError(f"{there.name} can't be a port of {name}: it is a bridge itself")
        if own and lies_on(view, there.index, own.index):
            raise NetworkError(f"{there.name} can't be a port of {name}: it lies on {name} itself")
        master = view.at(there.master)
        if master and master.kind != "bridge":
            owner = f"the {master.kind} {master.name}"
            raise NetworkError(f"{there.name} can't be a port of {name}: it belongs to {owner}; take it out first")
        if master and master.name != name:
            where[there.name] = master.name
    down = frozenset(there.name for there in found.values() if there and not there.is_up)
    return Ports(where, down, vlans, mac_of([there for there in found.values() if there])), " ".join(missing) or None


def mac_of(ports: Sequence[Link]) -> str | None:
    """The MAC address that a new bridge of these PORTS takes: that of a physical one, else of the first that is no
    guest's, as the node is known by it."""
    macs = [(port.kind is not None, port.name, port.hwaddr) for port in ports if port.hwaddr and not port.is_guests]
    return min(macs)[2] if macs else None


def lies_on(view: View, index: int, below: int) -> bool:
    """Whether the link INDEX lies on the link BELOW, at any depth."""
    seen: set[int] = set()
    at = view.at(index)
    while at and at.parent is not None and not at.parent_elsewhere and at.index not in seen:
        if at.parent == below:
            return True
        seen.add(at.index)
        at = view.at(at.parent)
    return False


def port_steps(name: str, current: Bridge | None, wish: Bridge, ports: Ports) -> Iterator[Step]:
    """To the ports of WISH with their options and VLANs: those before a port is brought up."""
    if isinstance(wish.ports, Unset):
        yield from _vlan_steps(name, current, wish, ports)
        return
    have = current.ports if current and not isinstance(current.ports, Unset) else frozenset()
    for port in sorted(have - wish.ports):
        yield Step(f"remove port {port} from {name}", port, None, do=call(bridge.remove_port, name, port))
    for port in sorted(wish.ports - have):
        origin = ports.where.get(port)
        sentence = f"move port {port} from {origin} to {name}" if origin else f"add port {port} to {name}"
        yield Step(sentence, f"{port} in {origin}" if origin else None, port, do=call(bridge.add_port, name, port))
    yield from _port_option_steps(name, current, wish)
    yield from _vlan_steps(name, current, wish, ports)
    for port in sorted(wish.ports & ports.down):
        yield Step(f"bring up port {port} of {name}", "down", "up", do=call(link.up, port))


def _port_option_steps(name: str, current: Bridge | None, wish: Bridge) -> Iterator[Step]:
    if isinstance(wish.port_options, Unset):
        return
    have = {} if current is None or isinstance(current.port_options, Unset) else current.port_options
    for port, wanted in sorted(wish.port_options.items()):
        there = have.get(port, {})
        after = {option: value for option, value in wanted.items() if there.get(option) != value}
        if after:
            before = {option: there.get(option) for option in after}
            words = ", ".join(f"{option} {value}" for option, value in after.items())
            do = call(bridge.change_port, name, port, **after)
            yield Step(f"set on port {port} of {name}: {words}", before, after, do=do)


def _vlan_steps(name: str, current: Bridge | None, wish: Bridge, ports: Ports) -> Iterator[Step]:
    if isinstance(wish.vlans, Unset):
        return
    have = {} if current is None or isinstance(current.vlans, Unset) else current.vlans
    for port, wanted in sorted(wish.vlans.items()):
        if have.get(port) != wanted:
            vlans = ports.vlans[port]
            given = {"pvid": vlans.pvid, "untagged": joined(vlans.untagged), "tagged": joined(vlans.tagged)}
            do = call(bridge.set_vlans, name, port, **{key: value for key, value in given.items() if value})
            whose = f"the bridge {name} itself" if port == name else f"port {port} of {name}"
            yield Step(f"set the VLANs of {whose}: {wanted}", have.get(port), wanted, do=do)
