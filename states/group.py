"""Groups of users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modules import group
from modules.group import GroupError
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import state


@dataclass(frozen=True, slots=True)
class Group:
    """A group as it is, or as it should be."""

    gid: int | Unset = UNSET
    members: frozenset[str] | Unset = UNSET


@state
def present(
    ctx: Context,
    name: str,
    *,
    gid: int | Unset = UNSET,
    system: bool = False,
    members: Sequence[str] | Unset = UNSET,
    addusers: Sequence[str] = (),
    delusers: Sequence[str] = (),
) -> Plan:
    """The group NAME exists.

    gid: its number; files keep the old one when it changes. system: a new one gets a low number. members: all its
    members; or addusers, delusers: who is one and who is not, whatever others there are.
    """
    if not isinstance(members, Unset) and (addusers or delusers):
        raise GroupError("name either `members`, or `addusers` and `delusers`")
    if both := set(addusers) & set(delusers):
        raise GroupError(f"both in addusers and delusers: {', '.join(sorted(both))}")
    found = group.info(name)
    have = frozenset(found.get("members", ()))
    wanted: frozenset[str] | Unset = UNSET
    if not isinstance(members, Unset):
        wanted = frozenset(members)
    elif addusers or delusers:
        wanted = (have | frozenset(addusers)) - frozenset(delusers)
    wish = Group(gid, wanted)
    current = None
    if found:
        current = Group(UNSET if isinstance(gid, Unset) else found["gid"], UNSET if isinstance(wanted, Unset) else have)
    return Plan(current, wish, steps(name, current, wish, system))


@state
def absent(ctx: Context, name: str) -> Plan:
    """There is no group NAME."""
    if not (found := group.info(name)):
        return Plan(None, None, comment=f"Group {name} is not present")
    return Plan(Group(found["gid"]), None, [Step(f"delete group {name}", name, None, do=call(group.delete, name))])


def steps(name: str, current: Group | None, wish: Group, system: bool = False) -> Iterator[Step]:
    """The steps from CURRENT (None: no such group) to WISH."""
    if current is None:
        options = {} if isinstance(wish.gid, Unset) else {"gid": wish.gid}
        options |= {"system": True} if system else {}
        yield Step(f"add group {name}", None, name, do=call(group.add, name, **options))
    elif current.gid != wish.gid:
        yield Step(f"set gid {wish.gid} of group {name}", current.gid, wish.gid, do=call(group.chgid, name, wish.gid))
    have: frozenset[str] = frozenset()
    if current is not None and not isinstance(current.members, Unset):
        have = current.members
    if not isinstance(wish.members, Unset) and wish.members != have:
        members = sorted(wish.members)
        words = f"set members of group {name}: {', '.join(members) or 'none'}"
        yield Step(words, sorted(have), members, do=call(group.members, name, members))
