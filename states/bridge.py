"""Linux bridges: that they exist, are up, and have these ports, options and addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from modules import _netvalues as values
from modules import bridge, link
from modules._netlink import NetworkError, View, look
from modules.bridge import Bridge
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import state
from states._addressing import Around, address_steps, around, gateway_steps
from states._persistence import persisted


@dataclass(frozen=True, slots=True)
class Ports:
    """What the steps must know of the wished ports: `where`, the bridge that has one now; `down`, those not up."""

    where: Mapping[str, str] = field(default_factory=dict)
    down: frozenset[str] = frozenset()


@state
@persisted("bridge")
def present(
    ctx: Context,
    name: str,
    *,
    ports: Sequence[str] | Unset = UNSET,
    stp: bool | Unset = UNSET,
    forward_delay: float | Unset = UNSET,
    vlan_filtering: bool | Unset = UNSET,
    addresses: Sequence[str] | Unset = UNSET,
    gateway: str | Unset = UNSET,
    mtu: int | Unset = UNSET,
    persist: str | bool | Unset = UNSET,
) -> Plan:
    """A Linux bridge NAME exists and is up. What is not named is left as it is; an empty list means none.

    ports: exactly these interfaces are its ports, and they are up. One that is in another bridge is moved.
    stp: whether it runs the Spanning Tree Protocol.
    forward_delay: seconds (0 to 30; with STP 2 to 30) until a new port passes frames.
    vlan_filtering: whether it tells VLANs apart.
    addresses: exactly these, with prefix lengths ("192.168.43.1/24"), beside those that the kernel makes itself
        (IPv6 link-local, router advertisements). One that another interface has is moved, with the routes over it.
    gateway: the default route leads over this address through the bridge; its metric stays as it is.
    mtu: the largest packet in bytes.
    persist: who has it so at the next boot: "networkd", "ifupdown", "networkmanager", "saltern", or "none"; "auto" (the
        default, see `network_persist` in the configuration) is the manager that the node uses.
    """
    values.interface_name(name, "bridge")
    wish = _wish(name, ports, stp, forward_delay, vlan_filtering, addresses, gateway, mtu)
    named = wish.addresses if isinstance(wish.addresses, frozenset) else frozenset()
    wanted_gateway = wish.gateway if isinstance(wish.gateway, str) else None
    view = look(addresses=not isinstance(wish.addresses, Unset), routes=wanted_gateway is not None)
    current = bridge.read(view, name, addresses=named, gateway=wanted_gateway)
    wish, ports_, unknown = _ports(view, name, wish)
    _check_stp(name, current, wish)
    plan = steps(name, current, wish, ports_, around(view, name, named, wanted_gateway))
    return Plan(current, wish, plan, unknown=unknown)


@state
@persisted("bridge")
def absent(ctx: Context, name: str) -> Plan:
    """There is no bridge NAME. Its ports stay, and are free then; its addresses go with it."""
    values.interface_name(name, "bridge")
    view = look(addresses=True)
    current = bridge.read(view, name)
    if current is None:
        return Plan(None, None)
    found = view.find(name)
    if found and (carried := view.carried(found.index)):
        names = ", ".join(sorted(link.name for link in carried))
        raise NetworkError(f"the bridge {name} can't go while {names} lies on it: take that away first")
    step = Step(f"delete bridge {name}", _free(current), None, do=call(bridge.delete, name))
    return Plan(current, None, [step])


def steps(
    name: str, current: Bridge | None, wish: Bridge, ports: Ports = Ports(), around: Around = Around()
) -> Iterator[Step]:
    """The steps from CURRENT (None: no such bridge) to WISH, in order: the bridge, its ports, its addresses, the
    route. Pure."""
    if current is None:
        yield Step(f"add bridge {name}", None, name, do=call(bridge.add, name, **_options(wish)))
    else:
        yield from _option_steps(name, current, wish)
    yield from _port_steps(name, current, wish, ports)
    if wish.mtu and (current is None or current.mtu != wish.mtu):
        before = current.mtu if current else None
        yield Step(f"set MTU of {name} to {wish.mtu}", before, wish.mtu, do=call(link.set_mtu, name, wish.mtu))
    yield from address_steps(name, current.addresses if current else frozenset(), wish.addresses, around)
    yield from gateway_steps(name, current.gateway if current else None, wish.gateway, around.displaced)


def _option_steps(name: str, current: Bridge, wish: Bridge) -> Iterator[Step]:
    """STP goes off before the forward delay is set and on after it, since it narrows what the delay may be."""
    if not current.up:
        yield Step(f"bring up {name}", "down", "up", do=call(link.up, name))
    stp: list[tuple[str, float]] = []
    if not isinstance(wish.stp, Unset) and wish.stp != current.stp:
        stp.append(("stp", wish.stp))
    rest: list[tuple[str, float]] = [
        (option, value)
        for option, value in (("forward_delay", wish.forward_delay), ("vlan_filtering", wish.vlan_filtering))
        if not isinstance(value, Unset) and value != getattr(current, option)
    ]
    for option, value in (stp + rest) if wish.stp is False else (rest + stp):
        word = _WORDS[option]
        shown = f"{value:g} s" if option == "forward_delay" else "on" if value else "off"
        do = call(bridge.change, name, **{option: value})
        yield Step(f"set {word} of {name} to {shown}", getattr(current, option), value, do=do)


_WORDS = {"stp": "STP", "forward_delay": "the forward delay", "vlan_filtering": "VLAN filtering"}


def _port_steps(name: str, current: Bridge | None, wish: Bridge, ports: Ports) -> Iterator[Step]:
    if isinstance(wish.ports, Unset):
        return
    have = current.ports if current and not isinstance(current.ports, Unset) else frozenset()
    for port in sorted(have - wish.ports):
        yield Step(f"remove port {port} from {name}", port, None, do=call(bridge.remove_port, name, port))
    for port in sorted(wish.ports - have):
        origin = ports.where.get(port)
        sentence = f"move port {port} from {origin} to {name}" if origin else f"add port {port} to {name}"
        yield Step(sentence, f"{port} in {origin}" if origin else None, port, do=call(bridge.add_port, name, port))
    for port in sorted(wish.ports & ports.down):
        yield Step(f"bring up port {port} of {name}", "down", "up", do=call(link.up, port))


def _options(wish: Bridge) -> dict[str, float | bool]:
    """The options to make a bridge with. What is off by default is not sent: a kernel may lack it altogether."""
    given = {"stp": wish.stp, "forward_delay": wish.forward_delay, "vlan_filtering": wish.vlan_filtering}
    return {
        option: value
        for option, value in given.items()
        if not isinstance(value, Unset) and (value or option == "forward_delay")
    }


def _wish(
    name: str,
    ports: Sequence[str] | Unset,
    stp: bool | Unset,
    forward_delay: float | Unset,
    vlan_filtering: bool | Unset,
    addresses: Sequence[str] | Unset,
    gateway: str | Unset,
    mtu: int | Unset,
) -> Bridge:
    wanted = UNSET if isinstance(addresses, Unset) else values.interface_addresses(addresses)
    delay = UNSET if isinstance(forward_delay, Unset) else values.forward_delay(forward_delay, stp=stp is True)
    in_networks = None if isinstance(wanted, Unset) else wanted
    return Bridge(
        ports=UNSET if isinstance(ports, Unset) else frozenset(values.port_names(ports, name)),
        ports_down=UNSET if isinstance(ports, Unset) else frozenset(),
        stp=stp,
        forward_delay=delay,
        vlan_filtering=vlan_filtering,
        mtu=UNSET if isinstance(mtu, Unset) else values.mtu(mtu),
        addresses=wanted,
        addresses_elsewhere=UNSET if isinstance(addresses, Unset) else frozenset(),
        gateway=UNSET if isinstance(gateway, Unset) else values.gateway_address(gateway, in_networks),
    )


def _ports(view: View, name: str, wish: Bridge) -> tuple[Bridge, Ports, str | None]:
    """The wish with ports by their real names, what is known of them, and why nothing can be said yet (a port that is
    not there). NetworkError where the kernel would refuse one."""
    if isinstance(wish.ports, Unset):
        return wish, Ports(), None
    own = view.find(name)
    found = {port: view.find(port) for port in sorted(wish.ports)}
    missing = [view.missing(port) for port, there in found.items() if there is None]
    where = {}
    for there in found.values():
        if there is None:
            continue
        if there.kind == "bridge":
            raise NetworkError(f"{there.name} can't be a port of {name}: it is a bridge itself")
        if own and _lies_on(view, there.index, own.index):
            raise NetworkError(f"{there.name} can't be a port of {name}: it lies on {name} itself")
        master = view.at(there.master)
        if master and master.kind != "bridge":
            owner = f"the {master.kind} {master.name}"
            raise NetworkError(f"{there.name} can't be a port of {name}: it belongs to {owner}; take it out first")
        if master and master.name != name:
            where[there.name] = master.name
    names = frozenset(there.name if there else port for port, there in found.items())
    down = frozenset(there.name for there in found.values() if there and not there.is_up)
    wish = _with_ports(wish, names)
    return wish, Ports(where, down), " ".join(missing) or None


def _with_ports(wish: Bridge, names: frozenset[str]) -> Bridge:
    from dataclasses import replace

    return wish if names == wish.ports else replace(wish, ports=names)


def _lies_on(view: View, index: int, below: int) -> bool:
    """Whether the link INDEX lies on the link BELOW, at any depth."""
    seen: set[int] = set()
    at = view.at(index)
    while at and at.parent is not None and not at.parent_elsewhere and at.index not in seen:
        if at.parent == below:
            return True
        seen.add(at.index)
        at = view.at(at.parent)
    return False


def _check_stp(name: str, current: Bridge | None, wish: Bridge) -> None:
    """A delay that is fine without STP is none for a bridge that runs it already."""
    runs = current is not None and current.stp is True and wish.stp is not False
    if runs and not isinstance(wish.forward_delay, Unset):
        values.forward_delay(wish.forward_delay, stp=True)


def _free(current: Bridge) -> str:
    ports = [] if isinstance(current.ports, Unset) else sorted(current.ports)
    return f"ports: {', '.join(ports) or 'none'}"
