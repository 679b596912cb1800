"""Has what a state of the network converges survive a reboot: its files are planned, compared and written with it.

`@persisted("bridge")` below `@state` adds that to a state: beside its own steps it has one that writes the files, where
they differ. The state itself is called as ever and knows nothing of it, but that it has an argument `persist`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar

from modules import route
from modules._network import linkvalues
from modules._network.netlink import look
from modules._persist import keepers as persist
from modules._persist.keep import Files, Inexpressible, Keep, PersistError, RouteKept, VlansKept
from modules._persist.keepers import Change
from saltern.context import Context
from saltern.converge.compare import field_names
from saltern.converge.plan import UNSET, Plan, Step, Unset, call

F = TypeVar("F", bound=Callable[..., Plan])
LEFT_ALONE = "network_is_replayed"  # of Context.extra: this run is the one at boot that brings up what was kept

_COMMON = frozenset({"up", "mtu", "mac", "addresses", "gateway", "parent", "ports", "members", "port_options", "vlans"})
_JUDGED = frozenset({"ports_down", "members_down", "addresses_elsewhere", "parent_up", "peer_up", "peer_mtu"})


def persisted(kind: str) -> Callable[[F], F]:
    """Have the states of KIND ("bridge") kept for the next boot; `absent` takes what was kept away."""

    def decorate(function: F) -> F:
        @wraps(function)
        def keeping(ctx: Context, name: str, **arguments: Any) -> Plan:
            plan = function(ctx, name, **arguments)
            if plan.unknown is not None or plan.imperative or LEFT_ALONE in ctx.extra:
                return plan
            return _kept(ctx, plan, kind, f"{kind}.{function.__name__}", name, arguments)

        return keeping  # type: ignore[return-value]

    return decorate


def _kept(ctx: Context, plan: Plan, kind: str, function: str, name: str, arguments: dict[str, Any]) -> Plan:
    root, chosen = str(ctx.config.root).rstrip("/"), _choice(ctx, arguments.pop("persist", UNSET))
    if chosen == "auto" and root:
        return plan  # a system of its own below a folder: the network is the node's
    if function.endswith(".absent"):
        gone = [persist.removal(root, kind, one) for one in _names(root, kind, name, arguments)]
        return _with_files(plan, root, name, gone, None)
    changes: list[Change] = []
    managers = []
    for keep in keeps_of(kind, function, name, arguments, plan.wish):
        manager = persist.manager(root, keep) if chosen == "auto" else None if chosen == "none" else chosen
        if manager and (hindrance := persist.hindrance(root, manager)):
            return _unknown(plan, hindrance)
        if manager in persist.MANAGERS and not keep.interface:
            raise PersistError(f"the interface of the route {name} is not known: name it, so that it can be kept")
        try:
            change = persist.change(root, manager, keep)
        except Inexpressible:
            if chosen != "auto" or persist.hindrance(root, "saltern"):
                raise
            manager = "saltern"
            change = persist.change(root, manager, keep)
        changes += [change, *(persist.removal(root, keep.kind, other) for other in _elsewhere(root, keep))]
        managers += [persist.BACKENDS[manager].MANAGER] if manager else []
    return _with_files(plan, root, name, changes, managers[0] if managers else None)


def _unknown(plan: Plan, why: str) -> Plan:
    return Plan(plan.current, plan.wish, plan.steps, settle_s=plan.settle_s, unknown=why, comment=plan.comment)


def _choice(ctx: Context, given: object) -> str:
    return persist.choice(ctx.config.network_persist if isinstance(given, Unset) else given)


def _with_files(plan: Plan, root: str, name: str, changes: Sequence[Change], manager: str | None) -> Plan:
    """PLAN with the files beside what it compares already, as a mapping by field."""
    comment = plan.comment
    current, wish = (dict(text for change in changes for text in side(change).texts) for side in (_before, _after))
    if manager and not plan.steps and current == wish:
        comment = f"{comment or f'{name} is as declared'}; {manager} has it so at boot"
    before, after = _fields(name, plan.current, plan.wish)
    before["files"], after["files"] = (
        Files(manager or "nobody", tuple(sorted(side.items()))) for side in (current, wish)
    )
    writes = {path: text for change in changes for path, text in change.writes.items()}
    told = persist.told(root, writes, ends=bool(plan.steps))
    steps = list(plan.steps)
    if told:
        sentence = f"tell NetworkManager what {name} will be: {persist.words(told)}"
        steps.insert(0, Step(sentence, sorted(current), sorted(wish), do=call(persist.save_and_tell, root, told)))
        writes = {path: text for path, text in writes.items() if path not in told or text is None}
    if writes:
        who = f"have {manager} keep {name} for the next boot" if manager else f"keep {name} no more for the next boot"
        do = call(persist.save, root, writes)
        steps.append(Step(f"{who}: {persist.words(writes)}", sorted(current), sorted(wish), do=do))
    return Plan(before, after, steps, settle_s=plan.settle_s, comment=comment)


def _before(change: Change) -> Files:
    return change.current


def _after(change: Change) -> Files:
    return change.wish


def _fields(name: str, current: Any, wish: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """CURRENT and WISH of a plan by field. What comes or goes altogether has no fields on the other side."""
    if wish is None or not field_names(type(wish)):
        return {name: current}, {name: wish}
    managed = {
        field: value for field in field_names(type(wish)) if not isinstance(value := getattr(wish, field), Unset)
    }
    return {field: getattr(current, field, None) for field in managed}, managed


def keeps_of(kind: str, function: str, name: str, arguments: Mapping[str, Any], wish: Any) -> Iterator[Keep]:
    """What the state FUNCTION of NAME with its WISH has kept: one for each thing that it declares."""
    given = {key: persist.arguments_of(value) for key, value in arguments.items() if not isinstance(value, Unset)}
    if kind == "address":
        for address in sorted(wish.addresses):
            yield _address(function, address, given["interface"])
    elif kind == "route":
        yield _route(function, name, given, wish)
    else:
        yield _interface(kind, function, name, given, wish)


def _address(function: str, address: str, interface: str) -> Keep:
    return Keep(
        kind="address",
        name=f"{interface}-{address.partition('/')[0]}",
        interface=interface,
        up=None,
        addresses=(address,),
        function=function,
        arguments={"name": address, "interface": interface},
    )


def _route(function: str, name: str, arguments: Mapping[str, Any], wish: Any) -> Keep:
    table, metric = route.table_number(arguments.get("table", "main")), arguments.get("metric")
    destination = _destination(name, arguments)
    number = None if table == route.MAIN else table
    ends = wish.gateway in route.NOWHERE
    interface = wish.interface if isinstance(wish.interface, str) else None if ends else _towards(wish.gateway)
    return Keep(
        kind="route",
        name=_route_name(destination, number, metric),
        interface=interface or "",
        up=None,
        options={word: arguments[word] for word in ("type", "source", "onlink") if word in arguments},
        route=RouteKept(destination=destination, gateway=None if ends else wish.gateway, metric=metric, table=number),
        function=function,
        arguments={**arguments, "name": destination, "destination": destination},
    )


def _destination(name: str, arguments: Mapping[str, Any]) -> str:
    return linkvalues.destination(arguments.get("destination", name), arguments.get("gateway"))


def _route_name(destination: str, table: int | None, metric: int | None) -> str:
    """What a route's files are known by: its key in the kernel, without what is usual."""
    extra = (f"-t{table}" if table is not None else "") + (f"-m{metric}" if metric is not None else "")
    return destination.replace("/", "_") + extra


def _towards(gateway: str) -> str | None:
    """The interface that has GATEWAY in one of its networks."""
    import ipaddress

    view, host = look(addresses=True), ipaddress.ip_address(gateway)
    for entry in view.addresses:
        if host in ipaddress.ip_interface(entry.address).network:
            return view.name_at(entry.index)
    return None


def _elsewhere(root: str, keep: Keep) -> list[str]:
    """The same address kept on other interfaces: an earlier run had it there."""
    if keep.kind != "address":
        return []
    end = f"-{keep.addresses[0].partition('/')[0]}"
    return sorted(name for name in persist.names(root, "address") if name.endswith(end) and name != keep.name)


def _names(root: str, kind: str, name: str, arguments: Mapping[str, Any]) -> list[str]:
    """What is kept of what an `absent` takes away."""
    if kind == "address":
        given = arguments.get("addresses", UNSET)
        listed = [name] if isinstance(given, Unset) else [given] if isinstance(given, str) else given
        return [f"{arguments['interface']}-{linkvalues.plain_address(address)}" for address in listed]
    if kind != "route":
        return [name]
    given = {key: value for key, value in arguments.items() if not isinstance(value, Unset)}
    table = route.table_number(given.get("table", "main"))
    key = _route_name(_destination(name, given), None if table == route.MAIN else table, given.get("metric"))
    same = re.compile(re.escape(key) + ("" if "metric" in given else r"(-m\d+)?"))
    asked = [str(given[word]) for word in ("gateway", "interface") if word in given]
    kept = [one for one in sorted(persist.names(root, "route")) if same.fullmatch(one)]
    return [one for one in kept if all(_mentions(persist.texts(root, "route", one), word) for word in asked)]


def _mentions(text: str, word: str) -> bool:
    return re.search(rf"(?<![\w.:-]){re.escape(word)}(?![\w.:-])", text) is not None


def _mac(kind: str, ports: Collection[str]) -> str | None:
    """The MAC address of a bridge of several PORTS, as the state gives it to a new one: with one, the kernel does."""
    if kind != "bridge" or len(ports) < 2:
        return None
    from states._network.bridge_ports import mac_of

    view = look()
    return mac_of([found for port in sorted(ports) if (found := view.find(port))])


def _interface(kind: str, function: str, name: str, arguments: Mapping[str, Any], wish: Any) -> Keep:
    values = {} if wish is None else {field: getattr(wish, field) for field in field_names(type(wish))}
    values = {field: value for field, value in values.items() if not isinstance(value, Unset) and value is not None}
    options = {field: value for field, value in values.items() if field not in _COMMON | _JUDGED}
    if kind == "vlan" and options.get("protocol") == "802.1q":
        del options["protocol"]
    if kind == "vxlan" and "remote" in options and "group" in arguments:
        options["group"] = options.pop("remote")
    if kind == "veth":
        options["peer"] = arguments.get("peer", options.get("peer"))
    return Keep(
        kind=kind,
        name=name,
        interface=name,
        parent=values.get("parent"),
        parts=tuple(sorted(values.get("ports", values.get("members", ())))),
        options=options,
        port_options=values.get("port_options", {}),
        vlans={port: VlansKept.of(words) for port, words in values.get("vlans", {}).items()},
        mtu=values.get("mtu"),
        mac=values.get("mac") or _mac(kind, values.get("ports", ())),
        up=values.get("up"),
        addresses=tuple(sorted(values.get("addresses", ()))),
        gateway=values.get("gateway"),
        function=function,
        arguments=arguments,
    )
