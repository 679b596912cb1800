"""What is wrong with the network that a run declares, found before anything runs: values that can't be, and states that
contradict each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modules._network import bridgevalues
from modules._network import netvalues as values
from saltern.converge.plan import Unset
from saltern.converge.state import Objection
from saltern.errors import SalternError
from saltern.sls.low import Low
from states._network.salt_words import translated

_MAKES = ("bridge", "vlan", "bond", "vxlan", "veth", "macvlan")
_MAY_NOT_RUN = ("onlyif", "unless", "creates", "prereq", "onfail")  # options of a state that may be an alternative


def asked(**checks: Callable[[], object]) -> None:
    """Call each of CHECKS, named as the argument that it is about; the first error is given that name."""
    for argument, ask in checks.items():
        try:
            ask()
        except SalternError as error:
            if not hasattr(error, "argument"):
                error.argument = argument  # type: ignore[attr-defined]
            raise


def given(value: Any, ask: Callable[[Any], object]) -> Callable[[], object]:
    """ASK of VALUE, where it is given."""
    return lambda: None if isinstance(value, Unset) else ask(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What one state claims for the interface NAME: that it is of `kind` (None: of any), has these `addresses`
    and `ports`, and carries a VLAN: `tag` is parent, id and protocol. Each with the argument that says so."""

    low: Low
    name: str
    kind: str | None = None
    addresses: Sequence[str] = ()
    ports: Sequence[str] = ()
    tag: tuple[str, int, str] | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)


def conflicts(lows: Sequence[Low]) -> Iterator[Objection]:
    """What contradicts each other in LOWS: an interface of two kinds, an address on two interfaces, a port of two
    masters, a VLAN of a parent on two interfaces."""
    kinds: dict[str, Claims] = {}
    addresses: dict[str, Claims] = {}
    ports: dict[str, Claims] = {}
    tags: dict[tuple[str, int, str], Claims] = {}
    for low in lows:
        if any(option in low.options for option in _MAY_NOT_RUN):
            continue
        for claim in claims_of(low):
            if claim.kind:
                first = kinds.setdefault(claim.name, claim)
                if first.kind != claim.kind:
                    yield _objection(claim, f"{claim.name} can't be a {claim.kind}: it is a {first.kind}", first, None)
            for address in claim.addresses:
                plain = address.partition("/")[0]
                if plain.lower().startswith("fe80:"):
                    continue
                first = addresses.setdefault(plain, claim)
                if first.name != claim.name:
                    message = f"the address {plain} can't be on {claim.name}: {first.name} has it"
                    yield _objection(claim, message, first, "addresses")
            for port in claim.ports:
                first = ports.setdefault(port, claim)
                if first.name != claim.name:
                    message = f"{port} can't be in {claim.name}: {first.name} has it"
                    yield _objection(claim, message, first, "ports")
            if claim.tag:
                first = tags.setdefault(claim.tag, claim)
                if first.name != claim.name:
                    message = f"{claim.name} can't carry VLAN {claim.tag[1]} of {claim.tag[0]}: {first.name} does"
                    yield _objection(claim, message, first, "tag")


def _objection(claim: Claims, message: str, first: Claims, about: str | None) -> Objection:
    where = first.low.place
    argument = claim.arguments.get(about) if about else None
    return Objection(claim.low, f"{message} ({first.low.module}.{first.low.fun} {first.low.id} at {where})", argument)


def claims_of(low: Low) -> Iterator[Claims]:
    """What LOW claims; nothing where it is no state of the network that makes something so."""
    if low.module == "network" and low.fun == "managed":
        for module, name, arguments in translated(low.name, low.args):
            yield from _claims(low, module, "present", name, arguments, shown=False)
    else:
        yield from _claims(low, low.module, low.fun, low.name, low.args, shown=True)


def _claims(low: Low, module: str, fun: str, name: str, args: Mapping[str, Any], *, shown: bool) -> Iterator[Claims]:
    if module == "address" and fun == "present":
        listed = _texts(args.get("addresses", [name]))
        named = {"addresses": "addresses"} if "addresses" in args else {}
        yield Claims(low=low, name=str(args["interface"]), addresses=listed, arguments=named if shown else {})
    if module not in _MAKES or fun != "present":
        return
    members = {"bridge": "ports", "bond": "members"}.get(module)
    ports: tuple[str, ...] = ()
    if members and not isinstance(args.get(members, ()), Unset):
        ports = bridgevalues.declared(args.get(members, ()), name).names
    tag = (args["parent"], args["id"], str(args.get("protocol", "802.1q")).lower()) if module == "vlan" else None
    yield Claims(
        low=low,
        name=name,
        kind=module,
        addresses=_texts(args.get("addresses", ())),
        ports=ports,
        tag=tag,
        arguments={"addresses": "addresses", "ports": members or "", "tag": "id"} if shown else {},
    )


def _texts(listed: Any) -> list[str]:
    if isinstance(listed, Unset) or listed is None:
        return []
    found: Iterable[Any] = [listed] if isinstance(listed, str) else listed
    return [_canonical(str(one)) for one in found]


def _canonical(address: str) -> str:
    try:
        return values.interface_address(address)
    except SalternError:
        return address


def common(more: Mapping[str, Any]) -> dict[str, Callable[[], object]]:
    """The checks of `addresses`, `gateway` and `mtu` among MORE arguments."""
    found: dict[str, Callable[[], object]] = {}
    if "addresses" in more:
        found["addresses"] = given(more["addresses"], values.interface_addresses)
    if "gateway" in more:
        addresses = more.get("addresses")
        known = None if addresses is None or isinstance(addresses, Unset) else addresses
        found["gateway"] = given(
            more["gateway"],
            lambda gateway: values.gateway_address(
                gateway, None if known is None else values.interface_addresses(known)
            ),
        )
    if "mtu" in more:
        found["mtu"] = given(more["mtu"], values.mtu)
    return found


def parent_of(name: str, parent: object) -> str:
    """PARENT of the interface NAME. BadValue where it can't be one."""
    if values.interface_name(parent, "parent") == name:
        raise values.BadValue(f"{name} can't be its own parent")
    return str(parent)
