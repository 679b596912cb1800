"""The network that the states of a node declare, in the form of `network.topology`. Pure: from the low state.

Only what a state names is in it; so a link has no key for what is not managed. Values that a state would refuse are
passed on as they are written: the run tells of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from modules._network.bridgevlans import Vlans, joined
from modules._network.linkinfo import BOND_MODES
from modules._network.netvalues import BadValue, interface_address
from saltern.sls.keywords import OPTIONS, is_requisite

_SHARED = ("mtu",)
_KINDS: Mapping[str, tuple[str, ...]] = {  # by state: the arguments that are fields of a link, under the same name
    "bridge": ("stp", "vlan_filtering"),
    "vlan": ("parent",),
    "bond": (),
    "vxlan": ("remote", "local", "parent"),
    "macvlan": ("parent",),
    "veth": ("peer",),
}
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "vlan": {"vlan_protocol": "802.1q"},
    "vxlan": {"port": 4789},
    "macvlan": {"mode": "bridge"},
}
_RENAMED: Mapping[str, Mapping[str, str]] = {
    "vlan": {"id": "vlan_id", "protocol": "vlan_protocol"},
    "bond": {"members": "ports", "mode": "mode"},
    "vxlan": {"id": "vxlan_id", "port": "port", "group": "remote"},
    "macvlan": {"mode": "mode"},
}

Low = Mapping[str, Any]
Graph = dict[str, Any]
Translate = Callable[[str, Mapping[str, Any]], Iterable[tuple[str, str, Mapping[str, Any]]]]


def declared(lows: Iterable[Low], pillar: Mapping[str, Any], translate: Translate | None = None) -> Graph:
    """The graph: `links`, `absent` (names), `default_routes`, and `guests`: NAME → `kind` ("kvm", "lxc"), `bridges`
    (None: not named), `running`, `partly` (it has interfaces on what is no bridge that is named). A link whose states
    only add addresses has "addresses" in `only_adds`. PILLAR says which bridge a virtual network is on, TRANSLATE
    gives the states that `network.managed` of a name with settings stands for, as (namespace, name, arguments)."""
    graph: Graph = {"links": {}, "absent": [], "default_routes": [], "guests": {}}
    for low in _plain_states(lows, translate):
        take = _TAKERS.get(f"{low.get('state')}.{low.get('fun')}")
        if take is not None and isinstance(low.get("name"), str):
            take(graph, low, pillar)
        elif low.get("state") in _KINDS and low.get("fun") == "present":
            _link(graph, low)
        elif low.get("state") in _KINDS and low.get("fun") == "absent":
            graph["absent"].append(str(low.get("name")))
    return graph


def _plain_states(lows: Iterable[Low], translate: Translate | None) -> Iterator[Low]:
    """LOWS with those in the place of `network.managed` that it stands for."""
    for low in lows:
        if (low.get("state"), low.get("fun")) != ("network", "managed"):
            yield low
            continue
        settings = {key: value for key, value in low.items() if not _is_about_the_run(key)}
        if settings.get("enabled") is False and settings.get("type") in _KINDS:
            yield {"state": settings["type"], "fun": "absent", "name": low.get("name")}
        elif translate is not None:
            try:
                for module, name, arguments in translate(str(low.get("name")), settings):
                    fun = "managed" if module == "link" else "present"
                    yield {**arguments, "state": module, "fun": fun, "name": name}
            except BadValue:
                continue  # the run tells of it


def _is_about_the_run(key: str) -> bool:
    return key in ("state", "fun", "name", "order", *OPTIONS) or key.startswith("__") or is_requisite(key)


def _link(graph: Graph, low: Low) -> None:
    """A state that makes an interface."""
    kind = str(low["state"])
    found: dict[str, Any] = {"kind": kind, "up": True, **_DEFAULTS.get(kind, {})}
    names = {name: name for name in (*_SHARED, *_KINDS[kind])} | dict(_RENAMED.get(kind, {}))
    for argument, field in names.items():
        if low.get(argument) is not None:
            found[field] = _value(field, low[argument])
    if low.get("addresses") is not None:
        found["addresses"] = _addresses(low["addresses"])
    if kind == "bridge":
        found |= _bridge(graph, low)
    _gateway(graph, str(low["name"]), low.get("gateway"))
    _merge(graph, str(low["name"]), found)


def _bridge(graph: Graph, low: Low) -> dict[str, Any]:
    """The ports of a bridge and its own VLANs; those of its ports go to the ports."""
    from modules._network import bridgevalues as bridges

    found: dict[str, Any] = {}
    try:
        if low.get("vlans") is not None:
            found["vlans"] = vlans_shown(bridges.own_vlans(low["vlans"], str(low["name"])))
        if low.get("ports") is not None:
            wanted = bridges.declared(low["ports"], str(low["name"]))
            found["ports"] = list(wanted.names)
            for port, vlans in wanted.vlans.items():
                graph["links"].setdefault(port, {})["vlans"] = vlans_shown(vlans)
    except BadValue:
        pass  # the run tells of it
    return found


def vlans_shown(vlans: Vlans) -> dict[str, Any]:
    """VLANs of a port as `network.topology` gives them."""
    return {"pvid": vlans.pvid, "untagged": joined(vlans.untagged), "tagged": joined(vlans.tagged)}


def _managed(graph: Graph, low: Low, _pillar: Mapping[str, Any]) -> None:
    """`link.managed`."""
    found = {field: low[field] for field in ("up", "mtu", "mac") if low.get(field) is not None}
    if "mac" in found:
        found["mac"] = str(found["mac"]).lower().replace("-", ":")
    _merge(graph, str(low["name"]), found)


def _address(graph: Graph, low: Low, _pillar: Mapping[str, Any]) -> None:
    """`address.present`: these addresses, and others may be there."""
    name = str(low.get("interface"))
    link = graph["links"].setdefault(name, {})
    given = _addresses(low["name"] if low.get("addresses") is None else low["addresses"])
    if "addresses" not in link:
        link["addresses"] = []
        link["only_adds"] = ["addresses"]
    link["addresses"] = sorted({*link["addresses"], *given})


def _route(graph: Graph, low: Low, _pillar: Mapping[str, Any]) -> None:
    """`route.present`: the default route through a named interface."""
    destination = low.get("destination") or low["name"]
    everywhere = destination in ("default", "0.0.0.0/0", "::/0") and low.get("table", "main") in ("main", 254)
    if everywhere and low.get("interface"):
        _gateway(graph, str(low["interface"]), low.get("gateway"))


def _guest(kind: str, *, running: bool) -> Callable[[Graph, Low, Mapping[str, Any]], None]:
    """A taker of a state that defines a guest with `interfaces` (or, as LXC has it, `network`)."""

    def take(graph: Graph, low: Low, pillar: Mapping[str, Any]) -> None:
        nothing = {"kind": kind, "bridges": None, "running": False, "partly": False}
        guest = graph["guests"].setdefault(str(low["name"]), nothing)
        nics = low.get("interfaces", low.get("network"))
        if isinstance(nics, list | tuple):
            found = [_bridge_of(nic, pillar) for nic in nics]
            guest["bridges"] = sorted({bridge for bridge in found if bridge})
            guest["partly"] = None in found
        guest["running"] = guest["running"] or running

    return take


def _bridge_of(nic: object, pillar: Mapping[str, Any]) -> str | None:
    if not isinstance(nic, Mapping):
        return None
    if nic.get("bridge"):
        return str(nic["bridge"])
    networks = pillar.get("vnet")
    network = networks.get(nic.get("vnet")) if isinstance(networks, Mapping) else None
    return str(network["bridge"]) if isinstance(network, Mapping) and network.get("bridge") else None


def _gone(graph: Graph, low: Low, _pillar: Mapping[str, Any]) -> None:
    graph["guests"].pop(str(low["name"]), None)


def _stopped(graph: Graph, low: Low, _pillar: Mapping[str, Any]) -> None:
    if str(low["name"]) in graph["guests"]:
        graph["guests"][str(low["name"])]["running"] = False


_TAKERS: Mapping[str, Callable[[Graph, Low, Mapping[str, Any]], None]] = {
    "link.managed": _managed,
    "address.present": _address,
    "route.present": _route,
    "lxc.present": _guest("lxc", running=False),
    "lxc.running": _guest("lxc", running=True),
    "lxc.stopped": _stopped,
    "lxc.absent": _gone,
    "virt.defined": _guest("kvm", running=False),
    "virt.running": _guest("kvm", running=True),
    "virt.stopped": _stopped,
    "virt.absent": _gone,
}


def _merge(graph: Graph, name: str, found: Mapping[str, Any]) -> None:
    """Put FOUND into the link NAME; a field that two states name is the later one's, but addresses are joined."""
    link = graph["links"].setdefault(name, {})
    if "addresses" in found and "addresses" in link:
        found = {**found, "addresses": sorted({*found["addresses"], *link["addresses"]})}
    if "addresses" in found:
        link.pop("only_adds", None)
    link.update(found)


def _gateway(graph: Graph, name: str, gateway: object) -> None:
    if gateway is not None:
        graph["default_routes"].append({"gateway": str(gateway), "interface": name})


def _value(field: str, value: Any) -> Any:
    if field == "ports":
        return sorted({str(port) for port in _listed(value)})
    if field == "vlan_protocol":
        return str(value).lower()
    if field == "mode" and type(value) is int and 0 <= value < len(BOND_MODES):
        return BOND_MODES[value]
    return value


def _addresses(value: Any) -> list[str]:
    return sorted({_address_text(entry) for entry in _listed(value)})


def _address_text(value: object) -> str:
    try:
        return interface_address(value)
    except BadValue:
        return str(value)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
