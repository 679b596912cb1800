"""Linux bridges: that they exist, are up, and have these ports, options and addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modules import bridge, link
from modules._network import bridgevalues
from modules._network import netvalues as values
from modules._network.bridgevalues import Declared
from modules._network.bridgevlans import Vlans
from modules._network.netlink import NetworkError, View, look
from modules.bridge import Bridge
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, check_together, state
from states._network.addressing import Around, address_steps, around, gateway_steps
from states._network.bridge_ports import Ports, port_steps, real, survey
from states._network.check import asked, common, conflicts, given
from states._network.interface import common_wish
from states._network.persistence import persisted


@state
@persisted("bridge")
def present(
    ctx: Context,
    name: str,
    *,
    ports: Sequence[str | Mapping[str, Any]] | Mapping[str, Any] | Unset = UNSET,
    stp: bool | Unset = UNSET,
    priority: int | Unset = UNSET,
    forward_delay: float | Unset = UNSET,
    hello_time: float | Unset = UNSET,
    max_age: float | Unset = UNSET,
    ageing_time: float | Unset = UNSET,
    multicast_snooping: bool | Unset = UNSET,
    group_fwd_mask: int | str | Unset = UNSET,
    vlan_filtering: bool | Unset = UNSET,
    vlan_default_pvid: int | Unset = UNSET,
    vlans: Mapping[str, Any] | Unset = UNSET,
    addresses: Sequence[str] | Unset = UNSET,
    gateway: str | Unset = UNSET,
    mtu: int | Unset = UNSET,
    persist: str | bool | Unset = UNSET,
) -> Plan:
    """A Linux bridge NAME exists and is up. What is not named is left as it is; an empty list means none.

    ports: exactly these interfaces are its ports, and they are up. One that is in another bridge is moved. Guests' ends
        (taps, and veths whose other end is in another network namespace) that are not named stay. A port may have
        settings, `- eth0: {pvid: 43, tagged: "10-20"}`: `pvid`, `untagged`, `tagged` (together exactly these VLANs, the
        PVID untagged unless it is among those tagged), `cost`, `priority`, `isolated`, `hairpin`, `learning`, `guard`,
        `root_block`.
    stp: whether it runs the Spanning Tree Protocol.
    priority: 0 to 65535; the bridge with the least becomes the root of the tree.
    forward_delay: seconds (0 to 30; with STP 2 to 30) until a new port passes frames.
    hello_time: seconds (1 to 10) between the root's messages.
    max_age: seconds (6 to 40) without them until it takes the root for gone.
    ageing_time: seconds until it forgets where a station is that is silent.
    multicast_snooping: whether it sends multicast to those ports only that want it.
    group_fwd_mask: a bit for each of the addresses 01-80-C2-00-00-00 to -0F that it passes on ("0x4000": LLDP).
    vlan_filtering: whether it tells VLANs apart.
    vlan_default_pvid: the VLAN of a new port; 0: none. The kernel changes it while `vlan_filtering` is off only.
    vlans: `pvid`, `untagged`, `tagged` of the bridge itself as an interface of the node.
    addresses: exactly these, with prefix lengths ("192.168.43.1/24"), beside those that the kernel makes itself
        (IPv6 link-local, router advertisements). One that another interface has is moved, with the routes over it.
    gateway: the default route leads over this address through the bridge; its metric stays as it is.
    mtu: the largest packet in bytes.
    persist: who has it so at the next boot: "networkd", "ifupdown", "networkmanager", "saltern", or "none"; "auto" (the
        default, see `network_persist` in the configuration) is the manager that the node uses.
    """
    values.interface_name(name, "bridge")
    declared = None if isinstance(ports, Unset) else bridgevalues.declared(ports, name)
    own = {} if isinstance(vlans, Unset) else {name: bridgevalues.own_vlans(vlans, name)}
    common = common_wish(addresses, gateway, mtu)
    named = common["addresses"] if isinstance(common["addresses"], frozenset) else frozenset()
    wanted_gateway = common["gateway"] if isinstance(common["gateway"], str) else None
    view = look(addresses=not isinstance(addresses, Unset), routes=wanted_gateway is not None)
    known = real(view, declared or Declared())
    wanted = {**known.vlans, **own}
    wish = Bridge(
        stp=stp,
        vlan_filtering=vlan_filtering,
        multicast_snooping=multicast_snooping,
        **_numbers(
            stp,
            priority=priority,
            forward_delay=forward_delay,
            hello_time=hello_time,
            max_age=max_age,
            ageing_time=ageing_time,
            group_fwd_mask=group_fwd_mask,
            vlan_default_pvid=vlan_default_pvid,
        ),
        **common,
        ports=UNSET if declared is None else frozenset(known.names),
        ports_down=UNSET if declared is None else frozenset(),
        port_options=known.options or UNSET,
        vlans={port: str(found) for port, found in wanted.items()} or UNSET,
    )
    current = bridge.read(
        view,
        name,
        addresses=named,
        gateway=wanted_gateway,
        declared=known.names,
        options=known.options,
        vlans=_seen_vlans(view, name, wanted),
    )
    ports_, unknown = survey(view, name, known, wanted)
    _check(name, current, wish)
    plan = steps(name, current, wish, ports_, around(view, name, named, wanted_gateway))
    return Plan(current, wish, plan, unknown=unknown)


@check(present)
def _check_arguments(name: str, *, stp: bool | Unset = UNSET, **more: Any) -> None:
    asked(
        name=lambda: values.interface_name(name, "bridge"),
        ports=given(more.get("ports", UNSET), lambda ports: bridgevalues.declared(ports, name)),
        vlans=given(more.get("vlans", UNSET), lambda vlans: bridgevalues.own_vlans(vlans, name)),
        **{
            option: lambda option=option: _numbers(stp, **(_NUMBERS | {option: more[option]}))
            for option in _NUMBERS
            if option in more
        },
        **common(more),
    )


check_together(conflicts, present)


@state
@persisted("bridge")
def absent(ctx: Context, name: str) -> Plan:
    """There is no bridge NAME. Its ports stay, and are free then; its addresses go with it. It does not go while a
    guest's end is in it."""
    values.interface_name(name, "bridge")
    view = look(addresses=True)
    current = bridge.read(view, name)
    if current is None:
        return Plan(None, None)
    found = view.find(name)
    if found and (carried := view.carried(found.index)):
        names = ", ".join(sorted(link.name for link in carried))
        raise NetworkError(f"the bridge {name} can't go while {names} lies on it: take that away first")
    guests = bridge.guests(view, name)
    unknown = f"the bridge {name} can't go while {', '.join(guests)} of guests is in it" if guests else None
    step = Step(f"delete bridge {name}", _free(current), None, do=call(bridge.delete, name))
    return Plan(current, None, [step], unknown=unknown)


def steps(
    name: str, current: Bridge | None, wish: Bridge, ports: Ports = Ports(), around: Around = Around()
) -> Iterator[Step]:
    """The steps from CURRENT (None: no such bridge) to WISH, in order: the bridge, its ports, its addresses, the
    route. Pure."""
    made = {} if current else _at_first(wish)
    mac = {"mac": ports.mac} if ports.mac else {}
    if current is None:
        yield Step(f"add bridge {name}", None, name, do=call(bridge.add, name, **mac, **made))
    elif not current.up:
        yield Step(f"bring up {name}", "down", "up", do=call(link.up, name))
    early, late = _options(current, wish, made)
    yield from _option_steps(name, current, early)
    yield from port_steps(name, current, wish, ports)
    yield from _option_steps(name, current, late)
    if wish.mtu and (current is None or current.mtu != wish.mtu):
        before = current.mtu if current else None
        yield Step(f"set MTU of {name} to {wish.mtu}", before, wish.mtu, do=call(link.set_mtu, name, wish.mtu))
    yield from address_steps(name, current.addresses if current else frozenset(), wish.addresses, around)
    yield from gateway_steps(name, current.gateway if current else None, wish.gateway, around.displaced)


def _options(current: Bridge | None, wish: Bridge, made: Mapping[str, float]) -> tuple[list[Option], list[Option]]:
    """The options of WISH that CURRENT does not have and that were not MADE with it, in order: those before the ports
    and those after them. STP goes off before the forward delay is set and on after it, since it narrows what that may
    be; VLAN filtering goes off first, and on when the ports have their VLANs."""
    wanted = {
        option: value
        for option in _WORDS
        if not isinstance(value := getattr(wish, option), Unset)
        and option not in made
        and (value != getattr(current, option) if current else value or option not in _OFF_AT_FIRST)
    }
    first = [option for option in ("stp", "vlan_filtering") if wanted.get(option) is False]
    last = [option for option in ("stp",) if wanted.get(option) is True]
    late = [option for option in ("vlan_filtering",) if wanted.get(option) is True]
    middle = [option for option in wanted if option not in (*first, *last, *late)]
    found = [[(option, wanted[option]) for option in names] for names in ((*first, *middle, *last), late)]
    return found[0], found[1]


def _option_steps(name: str, current: Bridge | None, options: Sequence[Option]) -> Iterator[Step]:
    for option, value in options:
        if option in _TIMES:
            shown = f"{value:g} s"
        else:
            shown = {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
        do = call(bridge.change, name, **{option: value})
        before = getattr(current, option) if current else None
        yield Step(f"set {_WORDS[option]} of {name} to {shown}", before, value, do=do)


Option = tuple[str, float]
_TIMES = ("forward_delay", "hello_time", "max_age", "ageing_time")
_WORDS = {
    "vlan_default_pvid": "the default PVID",
    "priority": "the priority",
    "forward_delay": "the forward delay",
    "hello_time": "the hello time",
    "max_age": "the maximum age",
    "ageing_time": "the ageing time",
    "multicast_snooping": "multicast snooping",
    "group_fwd_mask": "the group forwarding mask",
    "vlan_filtering": "VLAN filtering",
    "stp": "STP",
}
_OFF_AT_FIRST = ("stp", "vlan_filtering", "group_fwd_mask")  # what a new bridge has off, and a kernel may lack


def _at_first(wish: Bridge) -> dict[str, float]:
    """The options to make a bridge with. What is off by default is not sent: a kernel may lack it altogether. VLAN
    filtering comes after the ports' VLANs, and after the default PVID, which the kernel takes while it is off."""
    given = {option: getattr(wish, option) for option in _WORDS}
    found = {
        option: value
        for option, value in given.items()
        if not isinstance(value, Unset) and (value or option not in _OFF_AT_FIRST)
    }
    if not isinstance(wish.vlans, Unset) or "vlan_default_pvid" in found:
        found.pop("vlan_filtering", None)
    return found


_NUMBERS: dict[str, Any] = dict.fromkeys(
    ("priority", "forward_delay", "hello_time", "max_age", "ageing_time", "group_fwd_mask", "vlan_default_pvid"), UNSET
)


def _numbers(
    stp: bool | Unset,
    *,
    priority: int | Unset,
    forward_delay: float | Unset,
    hello_time: float | Unset,
    max_age: float | Unset,
    ageing_time: float | Unset,
    group_fwd_mask: int | str | Unset,
    vlan_default_pvid: int | Unset,
) -> dict[str, Any]:
    """The options that are numbers, checked. BadValue where one is none."""
    time_s = bridgevalues.time_s
    found: dict[str, Any] = {}
    if not isinstance(priority, Unset):
        found["priority"] = bridgevalues.priority(priority)
    if not isinstance(forward_delay, Unset):
        found["forward_delay"] = values.forward_delay(forward_delay, stp=stp is True)
    if not isinstance(hello_time, Unset):
        found["hello_time"] = time_s(hello_time, "hello_time", 1, 10)
    if not isinstance(max_age, Unset):
        found["max_age"] = time_s(max_age, "max_age", 6, 40)
    if not isinstance(ageing_time, Unset):
        found["ageing_time"] = time_s(ageing_time, "ageing_time", 0, 1_000_000)
    if not isinstance(group_fwd_mask, Unset):
        found["group_fwd_mask"] = bridgevalues.group_fwd_mask(group_fwd_mask)
    if not isinstance(vlan_default_pvid, Unset):
        found["vlan_default_pvid"] = bridgevalues.default_pvid(vlan_default_pvid)
    return found


def _seen_vlans(view: View, name: str, wanted: Mapping[str, Vlans]) -> dict[str, Vlans]:
    """The VLANs that the WANTED ones of the bridge NAME and its ports are now, of those that are in it."""
    own = view.find(name)
    inside = [
        port for port in wanted if (there := view.find(port)) and own and own.index in (there.index, there.master)
    ]
    return bridge.look_at_vlans(view, inside) if inside else {}


def _check(name: str, current: Bridge | None, wish: Bridge) -> None:
    """What the kernel refuses for a bridge as it is now. BadValue, NetworkError."""
    if current is None:
        return
    runs = current.stp is True and wish.stp is not False
    if runs and not isinstance(wish.forward_delay, Unset):
        values.forward_delay(wish.forward_delay, stp=True)
    filters = current.vlan_filtering is True and wish.vlan_filtering is not False
    other = not isinstance(wish.vlan_default_pvid, Unset) and wish.vlan_default_pvid != current.vlan_default_pvid
    if filters and other:
        raise NetworkError(
            f"the default PVID of {name} can't become {wish.vlan_default_pvid} while it filters VLANs: the kernel "
            "takes that with `vlan_filtering: false` only"
        )


def _free(current: Bridge) -> str:
    ports = [] if isinstance(current.ports, Unset) else sorted(current.ports)
    return f"ports: {', '.join(ports) or 'none'}"
