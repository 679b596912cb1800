"""The plan of `virt.defined` and `virt.running`: pure functions from what was found to the fields and the steps.

A field is a facet of the guest. Of a guest that runs there are two of each: as it is configured ("memory"), and as it
runs ("memory (running)"); the second is managed where it can be changed while the guest runs, or where the guest may be
restarted for it. So a change that waits is neither hidden nor an endless failure: it is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modules import bridge, vnet
from modules._virt import act as virt_act
from modules._virt import domain_facets
from modules._virt.domain_change import Change, Limits, changes, told
from modules._virt.read import Guest
from saltern.context import Context
from saltern.converge.plan import Plan, Step, call
from states._virt.look import Look

SETTLE_S = 10.0  # a guest gives memory and devices back in its own time
RUNNING = " (running)"
PLUG = "plug "  # the fields that say which bridge the node's end of an interface is in
UP = ("running", "idle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """RUN: the guest is to run. RESTART: it may be restarted now for what else would wait; LATER: when it may be
    ("02:00-04:00"). TIMEOUT and FORCE: of its shutdown."""

    run: bool = False
    autostart: bool | None = None
    restart: bool = False
    later: str | None = None
    timeout: float = 120.0
    force: bool = False


def plan(ctx: Context, name: str, seen: Look, policy: Policy) -> Plan:
    """The plan for the guest NAME as it was SEEN."""
    found = seen.found
    config, live = _observed(found, seen.facets)
    changed = changes(config, live, seen.facets, found.limits if found else Limits()) if config is not None else ()
    restarts = policy.restart and any(change.waits for change in changed)
    wish = _wish(seen, policy, changed, live, restarts)
    current = _current(seen, config, live, wish)
    steps = _steps(ctx, name, seen, policy, changed, restarts)
    if seen.unknown is not None and current != wish and not _only_plugs(current, wish):
        return Plan(current, wish, unknown=seen.unknown)
    return Plan(current, wish, steps, settle_s=SETTLE_S, comment=_comment(name, changed, policy))


def _observed(found: Guest | None, facets: Mapping[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    if found is None:
        return None, None
    config = domain_facets.read_all(found.config, facets)
    return config, domain_facets.read_all(found.live, facets, live=True) if found.live is not None else None


def _wish(
    seen: Look,
    policy: Policy,
    changed: tuple[Change, ...],
    live: Mapping[str, Any] | None,
    restarts: bool,
) -> dict[str, Any]:
    wish: dict[str, Any] = {f"address {lease.vnet} {lease.nic}": lease.address for lease in seen.leases}
    if seen.seed_wish is not None:
        wish["seed"] = seen.seed_wish
    wish |= {"persistent": True, **seen.facets}
    if live is not None:
        left = {one.key for one in changed if one.asked or (one.waits and not restarts)}
        if restarts and _balloons(seen):  # it starts with all that it may have, and its driver gives back the rest
            left.add("memory")
        wish |= {key + RUNNING: value for key, value in seen.facets.items() if key not in left}
        if not restarts:
            wish |= {PLUG + plug.dev: plug.bridge for plug in seen.plugs}
    if policy.autostart is not None:
        wish["autostart"] = policy.autostart
    if policy.run:
        wish["state"] = "running"
    return wish


def _only_plugs(current: Mapping[str, Any] | None, wish: Mapping[str, Any]) -> bool:
    """Whether nothing differs but the bridges of a running guest's interfaces: what lacks is made by then, or told."""
    return current is not None and all(key.startswith(PLUG) for key in wish if current.get(key) != wish[key])


def _balloons(seen: Look) -> bool:
    """Whether the guest will have less memory than it starts with."""
    assert seen.found is not None
    most = seen.facets.get("max_memory") or domain_facets.read(seen.found.config, "max_memory")
    return bool(seen.facets.get("memory", most) < most)


def _current(
    seen: Look, config: Mapping[str, Any] | None, live: Mapping[str, Any] | None, wish: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The node as it is, in the fields of WISH; None where there is no guest."""
    found = seen.found
    if found is None or config is None:
        return None
    state = "running" if found.state in UP else found.state
    all_: dict[str, Any] = {f"address {one.vnet} {one.nic}": one.address if one.held else None for one in seen.leases}
    all_ |= {"seed": seen.seed_now, "persistent": found.persistent, **config}
    all_ |= {key + RUNNING: value for key, value in (live or {}).items()}
    all_ |= {"autostart": found.autostart, "state": state, **{PLUG + plug.dev: plug.now for plug in seen.plugs}}
    return {key: all_.get(key) for key in wish}


def _steps(
    ctx: Context, name: str, seen: Look, policy: Policy, changed: tuple[Change, ...], restarts: bool
) -> Iterator[Step]:
    found, uri = seen.found, seen.uri
    for lease in seen.leases:
        if not lease.held:
            do = call(vnet.lease, ctx, lease.vnet, name, lease.nic, lease.address)
            yield Step(f"lease {lease.address} of {lease.vnet} for {name}", None, lease.address, do=do)
    if seen.seed_wish is not None and seen.seed_wish != seen.seed_now:
        verb = "write" if seen.seed_now is not None else "make"
        do = call(virt_act.write_seed, seen.seed_path, seen.seed_wish.files, seen.seed_wish.label)
        note = " (read at its next start)" if found and found.is_active and not restarts else ""
        yield Step(f"{verb} the seed of {name}{note}", seen.seed_now, seen.seed_wish, do=do)
    if found is None:
        do = call(virt_act.define, uri, name, tuple(seen.facets.items()))
        yield Step(f"define guest {name}{_about(seen.facets)}", None, name, do=do)
    else:
        yield from _change_steps(name, uri, found, changed, restarts)
    for plug in seen.plugs:
        if plug.now != plug.bridge and not restarts:
            do = call(bridge.add_port, plug.bridge, plug.dev)
            yield Step(f"put {plug.dev} of {name} into {plug.bridge}", plug.now, plug.bridge, do=do)
    is_autostart = found is not None and found.autostart
    if policy.autostart is not None and policy.autostart != is_autostart:
        do = call(virt_act.set_autostart, uri, name, policy.autostart)
        verb = "start" if policy.autostart else "do not start"
        yield Step(f"{verb} {name} with the node", is_autostart, policy.autostart, do=do)
    state = found.state if found else "shut off"
    if restarts and found is not None and found.is_active:
        do = call(virt_act.restart, uri, name, policy.timeout, policy.force)
        keys = ", ".join(change.key for change in changed if change.waits)
        yield Step(f"restart {name}, which takes {keys}", state, "running", do=do)
    elif policy.run and state not in UP:
        verb = "start" if found is None or not found.is_active else "resume"
        yield Step(f"{verb} guest {name}", state, "running", do=call(virt_act.start, uri, name))


def _change_steps(name: str, uri: str, found: Guest, changed: tuple[Change, ...], restarts: bool) -> Iterator[Step]:
    """First what only the configuration takes, all at once, since parts of it may depend on each other; then what is
    changed as the guest runs, limits before what they limit."""
    by_config = [one for one in changed if one.config and (restarts or not one.live)]
    items = tuple((one.key, one.after) for one in by_config)
    if by_config or not found.persistent:
        sentences = [told(one.key, one.before, one.after, name) for one in by_config]
        if not found.persistent:
            sentences.append(f"keep the configuration of {name}")
        waits = found.is_active and not restarts and any(one.waits for one in by_config)
        sentence = "; ".join(sentences) + (" (at next start)" if waits else "")
        before = {one.key: one.before for one in by_config}
        yield Step(sentence, before, dict(items), do=call(virt_act.configure, uri, name, items))
    for one in changed:
        if one.live and not restarts:
            sentence = told(one.key, one.before, one.after, name) + " (live)"
            do = call(virt_act.change, uri, name, one.key, one.after, one.config)
            yield Step(sentence, one.before, one.after, do=do)


def _about(facets: Mapping[str, Any]) -> str:
    memory, vcpus = facets.get("memory"), facets.get("vcpus", 1)
    return f" ({memory} MiB, {vcpus} vCPU{'' if vcpus == 1 else 's'}, {facets.get('type')})"


def _comment(name: str, changed: tuple[Change, ...], policy: Policy) -> str | None:
    """What the guest still waits for."""
    said = []
    if waits := [one.key for one in changed if one.waits]:
        when = f" between {policy.later.replace('-', ' and ')}" if policy.later else ""
        said.append(f"waits for a restart{when}: {', '.join(waits)}")
    if any(one.asked for one in changed):
        said.append("has not given back all the memory that it should: its balloon driver does that, once it runs")
    return f"{name} is as declared, and {', and '.join(said)}" if said else None
