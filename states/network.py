"""`network.managed`, `network.routes` and `network.system` with Salt's arguments, on top of the states of each kind.

Nothing is converged here: the arguments are translated to those of `bridge.present`, `vlan.present`, `bond.present`,
`link.managed`, `address.present` and `route.present`, whose plans are put together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from saltern.context import Context
from saltern.converge.compare import field_names
from saltern.converge.plan import UNSET, Plan, Unset
from saltern.converge.state import check, check_of, check_together, is_state, state
from saltern.errors import nearest
from saltern.loader import find
from states._network.check import conflicts
from states._network.salt_words import bad, calls, routes_of


@state
def managed(ctx: Context, name: str, *, type: str = "eth", enabled: bool = True, **settings: Any) -> Plan:
    """The interface NAME is as these SETTINGS say, which are Salt's. What is not named is left as it is.

    type: "eth", "bridge", "vlan", "bond" (which are made) or "slave" (of the bond `master`).
    enabled: whether it is up; a bridge, VLAN or bond that is not enabled is taken away.
    proto: "static" or "none"; "dhcp" is refused: give that to the node's own network manager.
    ipaddr, netmask (or prefix), gateway: its IPv4 address; ipaddrs: further ones, "10.0.0.2/24".
    ipv6addr, ipv6netmask, ipv6gateway, ipv6addrs: the same of IPv6.
    mtu, hwaddr: largest packet, MAC address (of eth).
    ports, stp, delay, hello, maxage, ageing, bridgeprio, vlan_filtering: of a bridge, as in `bridge.present`.
    phys_dev, vlan_id: of a VLAN; without them they are taken from a name like "eth0.43"; vlan_protocol.
    slaves, mode, miimon, updelay, downdelay, arp_interval, arp_ip_target, lacp_rate, ad_select, xmit_hash_policy,
        primary, min_links, fail_over_mac: of a bond, as in `bond.present`.
    persist: as in `bridge.present`.
    """
    given = {"type": type, "enabled": enabled, **settings}
    return _together(ctx, calls(name, given))


@state
def routes(ctx: Context, name: str, *, routes: Sequence[Mapping[str, Any]], **settings: Any) -> Plan:
    """Through the interface NAME lead these ROUTES, each with `ipaddr` (a network, or "default"), `netmask`, `gateway`,
    `metric`, `table`, as in `route.present`. Others stay."""
    return _together(ctx, [("route.present", to, arguments) for to, arguments in routes_of(name, routes, settings)])


@state
def system(ctx: Context, name: str, *, gateway: str, gatewaydev: str | Unset = UNSET, **settings: Any) -> Plan:
    """The default route of the node leads over GATEWAY, through GATEWAYDEV where that is named."""
    arguments = {"gateway": gateway, **({} if isinstance(gatewaydev, Unset) else {"interface": gatewaydev})}
    if settings:
        known = ("gateway", "gatewaydev")
        wrong = next(iter(settings))
        raise bad(wrong, f"network.system takes no argument {wrong!r}.{nearest(wrong, known)}")
    return _together(ctx, [("route.present", "default", arguments)])


@check(managed)
def _check_managed(name: str, **settings: Any) -> None:
    for function, own, arguments in calls(name, settings):
        ask = check_of(find(function, "states", is_state))
        if ask is not None:
            ask(own, **arguments)


@check(routes)
def _check_routes(name: str, *, routes: Sequence[Mapping[str, Any]], **settings: Any) -> None:
    list(routes_of(name, routes, settings))


check_together(conflicts, managed)


def _managed(plan: Plan) -> dict[str, tuple[Any, Any]]:
    """What is and what should be, by each field that the wish of PLAN manages; under "" where it has no fields."""
    if isinstance(plan.wish, Mapping) and isinstance(plan.current, Mapping):
        return {str(key): (plan.current.get(key), want) for key, want in plan.wish.items()}
    names = field_names(type(plan.wish))
    if not names or type(plan.current) is not type(plan.wish):
        return {"": (plan.current, plan.wish)}
    pairs = {name: (getattr(plan.current, name), getattr(plan.wish, name)) for name in names}
    return {name: pair for name, pair in pairs.items() if not isinstance(pair[1], Unset)}


def _together(ctx: Context, calls: Sequence[tuple[str, str, dict[str, Any]]]) -> Plan:
    """The plans of CALLS as one: fields by the state that has them, steps in order."""
    plans = [(function, own, find(function, "states", is_state)(ctx, own, **given)) for function, own, given in calls]
    if len(plans) == 1:
        return plans[0][2]  # type: ignore[no-any-return]
    unknown = " ".join(plan.unknown for _, _, plan in plans if plan.unknown) or None
    current: dict[str, Any] = {}
    wish: dict[str, Any] = {}
    for function, own, plan in plans:
        for field, (have, want) in _managed(plan).items():
            key = field if field and field not in wish else f"{function} {own} {field}".rstrip()
            current[key], wish[key] = have, want
    steps = [step for _, _, plan in plans for step in plan.steps]
    return Plan(current, wish, steps, unknown=unknown)
