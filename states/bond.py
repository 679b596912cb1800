"""Bonds: that they exist, are up, and have this mode, these members, options and addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from modules import bond
from modules._network import linkvalues
from modules._network import netvalues as values
from modules._network.linkinfo import BOND_MODES
from modules._network.netlink import NetworkError, View, look
from modules.bond import LACP, Bond
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, check_together, state
from states._network.addressing import Around, address_steps, gateway_steps
from states._network.check import asked, common, conflicts, given
from states._network.interface import Seen, check_free, common_wish, mtu_steps, up_steps
from states._network.persistence import persisted

_WORDS = {option: option for option in bond.OPTIONS} | {
    "lacp_rate": "LACP rate",
    "xmit_hash_policy": "transmit hash policy",
}
_ACTIVE = ("active-backup", "balance-tlb", "balance-alb")  # the modes that have a primary
_NO_ARP = (LACP, "balance-tlb", "balance-alb")  # the modes that can't watch by ARP
_NEED_MIIMON = (LACP, "balance-tlb", "balance-alb")


@dataclass(frozen=True, slots=True)
class Members:
    """What the steps must know of the wished members: `where`, what one belongs to now; `down`, those not up."""

    where: Mapping[str, str] = field(default_factory=dict)
    down: frozenset[str] = frozenset()


@state
@persisted("bond")
def present(
    ctx: Context,
    name: str,
    *,
    mode: str | int | Unset = UNSET,
    members: Sequence[str] | Unset = UNSET,
    miimon: int | Unset = UNSET,
    updelay: int | Unset = UNSET,
    downdelay: int | Unset = UNSET,
    arp_interval: int | Unset = UNSET,
    arp_ip_target: Sequence[str] | Unset = UNSET,
    arp_validate: str | int | Unset = UNSET,
    lacp_rate: str | int | Unset = UNSET,
    ad_select: str | int | Unset = UNSET,
    min_links: int | Unset = UNSET,
    xmit_hash_policy: str | Unset = UNSET,
    fail_over_mac: str | int | Unset = UNSET,
    primary: str | Unset = UNSET,
    primary_reselect: str | int | Unset = UNSET,
    addresses: Sequence[str] | Unset = UNSET,
    gateway: str | Unset = UNSET,
    mtu: int | Unset = UNSET,
    persist: str | bool | Unset = UNSET,
) -> Plan:
    """The bond NAME exists and is up. What is not named is left as it is; an empty list means none.

    mode: "balance-rr" (a new bond's), "active-backup", "balance-xor", "broadcast", "802.3ad" (LACP), "balance-tlb" or
        "balance-alb"; or its number. Another mode takes the members out for a moment.
    members: exactly these interfaces are its members, and they are up. One that belongs to another bond or to a bridge
        is moved. A new member goes down for a moment.
    miimon: milliseconds between looks at the members' carrier; 0 is never, which three of the modes forbid.
    updelay, downdelay: milliseconds that a carrier must be there, or gone, until it counts; multiples of miimon.
    arp_interval: instead of miimon, milliseconds between requests to the addresses `arp_ip_target` (up to 16), with
        `arp_validate` "none", "active", "backup", "all", "filter", "filter_active" or "filter_backup".
    lacp_rate: "slow" or "fast"; ad_select: "stable", "bandwidth" or "count"; both in mode 802.3ad only.
    min_links: so many members must have a carrier before the bond has.
    fail_over_mac: "none", "active" or "follow"; another one takes the members out for a moment.
    primary: the member that is preferred, in modes with one that is active; primary_reselect: "always", "better",
        "failure".
    xmit_hash_policy: what chooses the member for a packet: "layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4" or
        "vlan+srcmac".
    addresses, gateway, mtu, persist: as in `bridge.present`. Addresses move to the bond before their interface becomes
        a member.
    """
    values.interface_name(name, "bond")
    options = {
        "mode": mode,
        "miimon": miimon,
        "updelay": updelay,
        "downdelay": downdelay,
        "arp_interval": arp_interval,
        "arp_ip_target": arp_ip_target,
        "arp_validate": arp_validate,
        "lacp_rate": lacp_rate,
        "ad_select": ad_select,
        "min_links": min_links,
        "xmit_hash_policy": xmit_hash_policy,
        "fail_over_mac": fail_over_mac,
        "primary": primary,
        "primary_reselect": primary_reselect,
    }
    wish = Bond(
        **_options(options),
        members=UNSET if isinstance(members, Unset) else member_names(members, name),
        members_down=UNSET if isinstance(members, Unset) else frozenset(),
        **common_wish(addresses, gateway, mtu),
    )
    if not isinstance(wish.mode, Unset):
        check_mode(name, wish.mode, wish)
    seen = Seen(wish)
    current = bond.read(seen.view, name, **seen.judged)
    if isinstance(wish.mode, Unset):
        check_mode(name, str(current.mode) if current else BOND_MODES[0], wish)
    wish, found, unknown = _checked(seen.view, name, wish)
    if current is None:
        unknown = " ".join(filter(None, (unknown, bond.lacking()))) or None
    return Plan(current, wish, steps(name, current, wish, found, seen.around(name)), unknown=unknown)


@check(present)
def _check_arguments(name: str, **more: Any) -> None:
    asked(
        name=lambda: values.interface_name(name, "bond"),
        members=given(more.get("members", UNSET), lambda members: member_names(members, name)),
        **{option: given(more[option], ask) for option, ask in linkvalues.BOND_OPTIONS.items() if option in more},
        **common(more),
    )
    mode = more.get("mode", UNSET)
    if not isinstance(mode, Unset):
        options = {option: more[option] for option in linkvalues.BOND_OPTIONS if option in more}
        members = more.get("members", UNSET)
        names = UNSET if isinstance(members, Unset) else member_names(members, name)
        check_mode(name, linkvalues.bond_mode(mode), Bond(**_options(options), members=names))


check_together(conflicts, present)


@state
@persisted("bond")
def absent(ctx: Context, name: str) -> Plan:
    """There is no bond NAME. Its members stay, and are free then; its addresses go with it."""
    values.interface_name(name, "bond")
    view = look()
    current = bond.read(view, name)
    if current is None:
        return Plan(None, None)
    check_free(view, name, "go")
    members = [] if isinstance(current.members, Unset) else sorted(current.members)
    before = f"members: {', '.join(members) or 'none'}"
    return Plan(current, None, [Step(f"delete bond {name}", before, None, do=call(bond.delete, name))])


def steps(
    name: str, current: Bond | None, wish: Bond, members: Members = Members(), around: Around = Around()
) -> Iterator[Step]:
    """The steps from CURRENT (None: no such bond) to WISH, in order. Pure. Addresses come before the members that had
    them, since a member loses its routes when it joins; the route comes last, by a bond that works."""
    wanted = {option: value for option in _WORDS if not isinstance(value := getattr(wish, option), Unset)}
    late = {option: wanted.pop(option) for option in ("primary",) if option in wanted}
    if current is None:
        yield Step(f"add bond {name}", None, name, do=call(bond.add, name, **wanted))
    else:
        yield from _option_steps(name, current, wanted)
        yield from up_steps(name, current.up)
    yield from address_steps(name, current.addresses if current else frozenset(), wish.addresses, around)
    yield from _member_steps(name, current, wish, members)
    yield from _option_steps(name, current, late)
    yield from mtu_steps(name, current.mtu if current else None, wish.mtu)
    yield from gateway_steps(name, current.gateway if current else None, wish.gateway, around.displaced)


def _option_steps(name: str, current: Bond | None, wanted: Mapping[str, Any]) -> Iterator[Step]:
    """One step for all options that differ: most of them interrupt the bond."""
    after = {option: value for option, value in wanted.items() if getattr(current, option, None) != value}
    if after:
        before = {option: getattr(current, option, None) for option in after}
        words = ", ".join(f"{_WORDS[option]} {_shown(value)}" for option, value in after.items())
        yield Step(f"set on {name}: {words}", before, after, do=call(bond.change, name, **after))


def _member_steps(name: str, current: Bond | None, wish: Bond, members: Members) -> Iterator[Step]:
    if isinstance(wish.members, Unset):
        return
    have = current.members if current and not isinstance(current.members, Unset) else frozenset()
    for member in sorted(have - wish.members):
        do = call(bond.remove_member, name, member)
        yield Step(f"remove member {member} from {name}", member, None, do=do)
    for member in sorted(wish.members - have):
        origin = members.where.get(member)
        sentence = f"move member {member} from {origin} to {name}" if origin else f"add member {member} to {name}"
        before = f"{member} in {origin}" if origin else None
        yield Step(sentence, before, member, do=call(bond.add_member, name, member))
    for member in sorted(have & wish.members & members.down):
        yield from up_steps(member, False)


def _shown(value: object) -> str:
    return " ".join(value) if isinstance(value, tuple) else str(value)


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The OPTIONS that are given, each in its canonical form. BadValue."""
    return {
        option: linkvalues.BOND_OPTIONS[option](value)
        for option, value in options.items()
        if not isinstance(value, Unset)
    }


def member_names(members: Sequence[str] | str, name: str) -> frozenset[str]:
    """The names of the members of the bond NAME. A single text is one member."""
    found = frozenset(
        values.interface_name(member, "member") for member in ([members] if isinstance(members, str) else members)
    )
    if name in found:
        raise values.BadValue(f"{name} can't be a member of itself")
    if "lo" in found:
        raise values.BadValue(f"lo can't be a member of {name}: the kernel refuses the loopback interface")
    return found


def check_mode(name: str, mode: str, wish: Bond) -> None:
    """BadValue where an option of WISH can't be in MODE."""
    if not isinstance(wish.lacp_rate, Unset) and mode != LACP:
        raise values.BadValue(f"{name} can't have a LACP rate in the mode {mode}: that needs the mode {LACP}")
    if not isinstance(wish.ad_select, Unset) and mode != LACP:
        raise values.BadValue(f"{name} can't choose aggregators in the mode {mode}: that needs the mode {LACP}")
    if not isinstance(wish.primary, Unset) and mode not in _ACTIVE:
        raise values.BadValue(f"{name} can't have a primary in the mode {mode}: {', '.join(_ACTIVE)} have one")
    if wish.arp_interval and mode in _NO_ARP:
        raise values.BadValue(f"{name} can't watch its members by ARP in the mode {mode}: use miimon")
    if wish.arp_interval and wish.miimon:
        raise values.BadValue(f"{name} can't watch its members by ARP and by carrier: give arp_interval or miimon")
    for option in ("updelay", "downdelay"):
        delay = getattr(wish, option)
        if delay and not isinstance(wish.miimon, Unset) and (not wish.miimon or delay % wish.miimon):
            raise values.BadValue(f"{option} {delay} of {name} is no multiple of miimon {wish.miimon}")
    if not isinstance(wish.primary, Unset) and not isinstance(wish.members, Unset) and wish.primary not in wish.members:
        raise values.BadValue(f"{wish.primary}, the primary of {name}, is none of its members")
    if wish.miimon == 0 and mode in _NEED_MIIMON:
        raise values.BadValue(f"miimon of {name} can't be 0 in the mode {mode}, which must know who has a carrier")


def _checked(view: View, name: str, wish: Bond) -> tuple[Bond, Members, str | None]:
    """The wish with members by their real names, what is known of them, and why nothing can be said yet (a member that
    is not there). NetworkError where the kernel would refuse one."""
    if isinstance(wish.members, Unset):
        return wish, Members(), None
    found = {member: view.find(member) for member in sorted(wish.members)}
    missing = [view.missing(member) for member, there in found.items() if there is None]
    own = view.find(name)
    where = {}
    for there in found.values():
        if there is None:
            continue
        if there.kind == "bond":
            raise NetworkError(f"{there.name} can't be a member of {name}: it is a bond itself")
        if own and there.parent == own.index and not there.parent_elsewhere:
            raise NetworkError(f"{there.name} can't be a member of {name}: it lies on {name} itself")
        master = view.at(there.master)
        if master and master.kind not in ("bridge", "bond"):
            owner = f"the {master.kind} {master.name}"
            raise NetworkError(f"{there.name} can't be a member of {name}: it belongs to {owner}; take it out first")
        if master and master.name != name:
            where[there.name] = master.name
    names = frozenset(there.name if there else member for member, there in found.items())
    down = frozenset(there.name for there in found.values() if there and not there.is_up)
    wish = wish if names == wish.members else replace(wish, members=names)
    return wish, Members(where, down), " ".join(missing) or None
