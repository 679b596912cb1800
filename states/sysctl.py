"""Kernel parameters: that each has its value now and at each boot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modules import sysctl
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import state


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """The value of a parameter, normalised: now, and as the file has it for the next boot (None: it does not)."""

    live: str
    saved: str | Unset | None = UNSET


@state
def present(
    ctx: Context, name: str, *, value: str | int | bool, config: str = sysctl.CONFIG, persist: bool = True
) -> Plan:
    """The kernel parameter NAME ("net.ipv4.ip_forward", or with slashes) has this VALUE now, and with PERSIST at each
    boot too.

    value: a number, a text, or true and false for 1 and 0. Spaces and tabs between its words count alike.
    config: the file to persist in, which must be one that is read at boot: in /etc/sysctl.d, ending in `.conf`.
    persist: false leaves the file alone.
    """
    path, text = sysctl.path_of(name), sysctl.value_of(value)
    config = sysctl.config_path(config)
    wish = Parameter(live=text, saved=text if persist else UNSET)
    live = sysctl.live(path)
    saved = sysctl.saved(config).get(path) if persist else UNSET
    current = None if live is None else Parameter(live=live, saved=saved)
    plan = steps(sysctl.name_of(path), current or Parameter(live="", saved=saved), wish, config)
    return Plan(current, wish, plan, unknown=sysctl.missing(path) if current is None else None)


def steps(name: str, current: Parameter, wish: Parameter, config: str = sysctl.CONFIG) -> Iterator[Step]:
    """The steps from CURRENT to WISH: first what the kernel may refuse. Pure."""
    if current.live != wish.live:
        do = call(sysctl.assign, name, wish.live)
        yield Step(f"set {name} to {wish.live}", current.live, wish.live, do=do)
    if isinstance(wish.saved, str) and current.saved != wish.saved:
        more = [config] if config != sysctl.CONFIG else []
        do = call(sysctl.persist, name, wish.saved, *more)
        yield Step(f"have {name} set to {wish.saved} at boot, in {config}", current.saved, wish.saved, do=do)
