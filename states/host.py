"""Names of hosts in /etc/hosts (or the file that the setting `hosts.file` names)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from modules import _hosts_text, hosts
from saltern.context import Context
from saltern.converge.plan import Plan, Step, call
from saltern.converge.state import state


@dataclass(frozen=True, slots=True)
class Host:
    """The addresses of a name."""

    ip: frozenset[str]


@dataclass(frozen=True, slots=True)
class Address:
    """The names of an address, in their order."""

    hostnames: tuple[str, ...]


@state
def present(ctx: Context, name: str, *, ip: str | Sequence[str], clean: bool = False) -> Plan:
    """The host NAME has the address IP, or each of a list. clean: and no other."""
    hosts.checked_name(name)
    wanted = [hosts.checked_address(one) for one in ([ip] if isinstance(ip, str) else ip)]
    have = _hosts_text.addresses(hosts.text_of(ctx), name)
    surplus = [one for one in have if clean and one not in wanted]
    steps = [Step(f"take {name} from {one}", one, None, do=call(hosts.rm_host, ctx, one, name)) for one in surplus]
    steps += [
        Step(f"add {name} to {one}", None, one, do=call(hosts.add_host, ctx, one, name))
        for one in wanted
        if one not in have
    ]
    wish = frozenset(wanted) if clean else frozenset([*have, *wanted])
    return Plan(Host(frozenset(have)), Host(wish), steps)


@state
def absent(ctx: Context, name: str, *, ip: str | Sequence[str] = ()) -> Plan:
    """The host NAME does not have the address IP, or any of a list; without IP it has none at all."""
    have = _hosts_text.addresses(hosts.text_of(ctx), name)
    unwanted = [ip] if isinstance(ip, str) else list(ip) or list(have)
    gone = [one for one in have if one in unwanted]
    steps = [Step(f"take {name} from {one}", one, None, do=call(hosts.rm_host, ctx, one, name)) for one in gone]
    return Plan(Host(frozenset(have)), Host(frozenset(have) - frozenset(gone)), steps)


@state
def only(ctx: Context, name: str, *, hostnames: str | Sequence[str]) -> Plan:
    """The address NAME has the names HOSTNAMES (one, or a list) and no others; none takes its lines away."""
    hosts.checked_address(name)
    listed = hostnames.split() if isinstance(hostnames, str) else hostnames
    wanted = tuple(hosts.checked_name(one) for one in listed)
    have = _hosts_text.names(hosts.text_of(ctx), name)
    if sorted(have) == sorted(wanted):
        return Plan(Address(have), Address(have))
    step = Step(f"set the names of {name}", list(have), list(wanted), do=call(hosts.set_host, ctx, name, list(wanted)))
    return Plan(Address(tuple(sorted(have))), Address(tuple(sorted(wanted))), [step])
