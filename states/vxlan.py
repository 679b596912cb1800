"""VXLANs: that each interface exists, is up, and has these addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from modules import vxlan
from modules._network import linkvalues
from modules._network import netvalues as values
from modules._network.netlink import NetworkError, View, look
from modules.vxlan import PORT, Vxlan
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, check_together, state
from states._network.addressing import Around
from states._network.check import asked, common, conflicts, given, parent_of
from states._network.interface import Seen, check_free, common_steps, common_wish, up_steps
from states._network.persistence import persisted


@state
@persisted("vxlan")
def present(
    ctx: Context,
    name: str,
    *,
    id: int,
    remote: str | Unset = UNSET,
    group: str | Unset = UNSET,
    local: str | Unset = UNSET,
    parent: str | Unset = UNSET,
    port: int = PORT,
    learning: bool | Unset = UNSET,
    ttl: int | Unset = UNSET,
    tos: int | Unset = UNSET,
    source_ports: str | Sequence[int] | Unset = UNSET,
    addresses: Sequence[str] | Unset = UNSET,
    gateway: str | Unset = UNSET,
    mtu: int | Unset = UNSET,
    persist: str | bool | Unset = UNSET,
) -> Plan:
    """The interface NAME of the VXLAN ID (1 to 16777215) exists and is up, with exactly this REMOTE or GROUP, LOCAL and
    PARENT: one that is not named is none. Addresses, gateway and MTU that are not named are left as they are.

    remote: the host at the other end.
    group: instead of `remote`, the multicast group by which all hosts of the VXLAN find each other; needs `parent`.
    local: the address that it sends from.
    parent: the interface that it sends by.
    port: the UDP port at both ends.
    learning: whether it learns where stations are; off where something else tells it.
    ttl, tos: of the packets that carry it; 0 is the kernel's own.
    source_ports: "10000-20000": the UDP ports that it sends from.
    addresses, gateway, mtu, persist: as in `bridge.present`.
    One that differs is made anew; its MAC address, bridge, addresses and routes are kept, what it learned is not.
    """
    values.interface_name(name, "VXLAN interface")
    options = _options({"learning": learning, "ttl": ttl, "tos": tos, "source_ports": source_ports})
    wish = _wish(name, id, remote, group, local, parent, port, common_wish(addresses, gateway, mtu) | options)
    seen = Seen(wish)
    current = vxlan.read(seen.view, name, **seen.judged)
    wish, unknown = _checked(seen.view, name, current, wish)
    below = seen.view.find(wish.parent) if wish.parent else None
    plan = steps(name, current, wish, below is None or below.is_up, seen.around(name))
    return Plan(current, wish, plan, unknown=unknown)


@check(present)
def _check_arguments(name: str, *, id: int, **more: Any) -> None:
    asked(
        name=lambda: values.interface_name(name, "VXLAN interface"),
        id=lambda: linkvalues.vxlan_id(id),
        port=given(more.get("port", UNSET), linkvalues.port),
        **{option: given(more[option], ask) for option, ask in vxlan.OPTIONS.items() if option in more},
        local=given(more.get("local", UNSET), lambda local: linkvalues.host(local, "local")),
        group=given(more.get("group", UNSET), linkvalues.group),
        parent=given(more.get("parent", UNSET), lambda parent: parent_of(name, parent)),
        **common(more),
    )


check_together(conflicts, present)


@state
@persisted("vxlan")
def absent(ctx: Context, name: str) -> Plan:
    """There is no VXLAN interface NAME."""
    values.interface_name(name, "VXLAN interface")
    view = look()
    current = vxlan.read(view, name)
    if current is None:
        return Plan(None, None)
    check_free(view, name, "go")
    step = Step(f"delete VXLAN interface {name}", f"VXLAN {current.id}", None, do=call(vxlan.delete, name))
    return Plan(current, None, [step])


def steps(
    name: str, current: Vxlan | None, wish: Vxlan, parent_is_up: bool = True, around: Around = Around()
) -> Iterator[Step]:
    """The steps from CURRENT (None: no such interface) to WISH, in order. Pure. PARENT_IS_UP: the wished parent."""
    if wish.parent:
        yield from up_steps(wish.parent, parent_is_up)
    anew = current is not None and not _same(current, wish)
    words = _words(wish)
    given = {"remote": wish.remote, "local": wish.local, "parent": wish.parent}
    arguments: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if wish.port != PORT:
        arguments["port"] = wish.port
    arguments |= {option: value for option in vxlan.OPTIONS if not isinstance(value := getattr(wish, option), Unset)}
    if current is None:
        yield Step(f"add {name}: {words}", None, words, do=call(vxlan.add, name, wish.id, **arguments))
    elif anew:
        sentence = f"make {name} anew: {_words(current)} → {words}"
        yield Step(sentence, _words(current), words, do=call(vxlan.replace, name, wish.id, **arguments))
    else:
        yield from up_steps(name, current.up)
    yield from common_steps(name, current, wish, around, anew=anew)


def _same(current: Vxlan, wish: Vxlan) -> bool:
    """Whether CURRENT need not be made anew for WISH."""
    pairs = ((getattr(current, option), getattr(wish, option)) for option in vxlan.OPTIONS)
    return _tunnel(current) == _tunnel(wish) and all(isinstance(want, Unset) or have == want for have, want in pairs)


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The OPTIONS that are given, checked. BadValue."""
    return {option: vxlan.OPTIONS[option](value) for option, value in options.items() if not isinstance(value, Unset)}


def _tunnel(value: Vxlan) -> tuple[int, str | None, str | None, str | None, int]:
    return value.id, value.remote, value.local, value.parent, value.port


def _words(value: Vxlan) -> str:
    parts = [f"VXLAN {value.id}"]
    parts += [f"to {value.remote}"] if value.remote else []
    parts += [f"from {value.local}"] if value.local else []
    parts += [f"by {value.parent}"] if value.parent else []
    parts += [f"port {value.port}"] if value.port != PORT else []
    parts += ["learning off"] if value.learning is False else []
    parts += [f"{option} {getattr(value, option)}" for option in ("ttl", "tos") if getattr(value, option)]
    ports = value.source_ports if isinstance(value.source_ports, tuple) else (0, 0)
    parts += [f"source ports {ports[0]}-{ports[1]}"] if any(ports) else []
    return " ".join(parts)


def _wish(
    name: str,
    id: int,
    remote: str | Unset,
    group: str | Unset,
    local: str | Unset,
    parent: str | Unset,
    port: int,
    common: dict[str, object],
) -> Vxlan:
    if not isinstance(remote, Unset) and not isinstance(group, Unset):
        raise values.BadValue(f"{name} has both a remote and a group: give the host at the other end, or the group")
    if not isinstance(group, Unset) and isinstance(parent, Unset):
        raise values.BadValue(f"the group of {name} needs a parent: the interface by which the group is reached")
    if not isinstance(parent, Unset) and values.interface_name(parent, "parent") == name:
        raise values.BadValue(f"{name} can't be its own parent")
    far = None if isinstance(remote, Unset) else linkvalues.host(remote, "remote")
    far = far if isinstance(group, Unset) else linkvalues.group(group)
    near = None if isinstance(local, Unset) else linkvalues.host(local, "local")
    if far and near and (":" in far) != (":" in near):
        raise values.BadValue(f"{far} and {near}, the two ends of {name}, must both be IPv4 or both IPv6")
    return Vxlan(
        id=linkvalues.vxlan_id(id),
        remote=far,
        local=near,
        parent=None if isinstance(parent, Unset) else parent,
        port=linkvalues.port(port),
        **common,  # type: ignore[arg-type]
    )


def _checked(view: View, name: str, current: Vxlan | None, wish: Vxlan) -> tuple[Vxlan, str | None]:
    """The wish with its parent by its real name, and why nothing can be said yet. NetworkError where the kernel would
    refuse it whatever comes before."""
    if wish.parent:
        parent = view.find(wish.parent)
        if parent is None:
            return wish, view.missing(wish.parent)
        wish = wish if parent.name == wish.parent else replace(wish, parent=parent.name)
    if current is None or not _same(current, wish):
        _check_id_free(view, name, wish)
        check_free(view, name, "be made anew")
    return wish, None


def _check_id_free(view: View, name: str, wish: Vxlan) -> None:
    """The kernel tells the VXLANs of one port apart by their ids alone, for each family."""
    for other in view.links:
        if other.kind != "vxlan" or other.name == name:
            continue
        info = vxlan.info_of(other)
        six = [":" in (end or "") for end in (info.remote or info.local, wish.remote or wish.local)]
        if (info.id, info.port) == (wish.id, wish.port) and six[0] == six[1]:
            raise NetworkError(
                f"{name} can't be VXLAN {wish.id} with port {wish.port}: {other.name} is; "
                f"so use {other.name} or remove it first"
            )
