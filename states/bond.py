"""Bonds: that they exist, are up, and have this mode, these members, options and addresses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from modules import _linkvalues, bond
from modules import _netvalues as values
from modules._linkinfo import BOND_MODES
from modules._netlink import NetworkError, View, look
from modules.bond import LACP, Bond
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import state
from states._addressing import Around, address_steps, gateway_steps
from states._interface import Seen, check_free, common_wish, mtu_steps, up_steps
from states._persistence import persisted

_WORDS = {"mode": "mode", "miimon": "miimon", "lacp_rate": "LACP rate", "xmit_hash_policy": "transmit hash policy"}
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
    lacp_rate: str | Unset = UNSET,
    xmit_hash_policy: str | Unset = UNSET,
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
    lacp_rate: "slow" or "fast", in mode 802.3ad only.
    xmit_hash_policy: what chooses the member for a packet: "layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4" or
        "vlan+srcmac".
    addresses, gateway, mtu, persist: as in `bridge.present`. Addresses move to the bond before their interface becomes
        a member.
    """
    values.interface_name(name, "bond")
    wish = Bond(
        mode=UNSET if isinstance(mode, Unset) else _linkvalues.bond_mode(mode),
        miimon=UNSET if isinstance(miimon, Unset) else _linkvalues.miimon(miimon),
        lacp_rate=UNSET if isinstance(lacp_rate, Unset) else _linkvalues.lacp_rate(lacp_rate),
        xmit_hash_policy=UNSET if isinstance(xmit_hash_policy, Unset) else _linkvalues.hash_policy(xmit_hash_policy),
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
    given = {option: value for option in _WORDS if not isinstance(value := getattr(wish, option), Unset)}
    if current is None:
        yield Step(f"add bond {name}", None, name, do=call(bond.add, name, **given))
    else:
        yield from _option_steps(name, current, given)
        yield from up_steps(name, current.up)
    yield from address_steps(name, current.addresses if current else frozenset(), wish.addresses, around)
    yield from _member_steps(name, current, wish, members)
    yield from mtu_steps(name, current.mtu if current else None, wish.mtu)
    yield from gateway_steps(name, current.gateway if current else None, wish.gateway, around.displaced)


def _option_steps(name: str, current: Bond, wanted: Mapping[str, Any]) -> Iterator[Step]:
    """One step for all options that differ: most of them interrupt the bond."""
    after = {option: value for option, value in wanted.items() if getattr(current, option) != value}
    if after:
        before = {option: getattr(current, option) for option in after}
        words = ", ".join(f"{_WORDS[option]} {value}" for option, value in after.items())
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
