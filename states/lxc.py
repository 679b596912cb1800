"""LXC containers: that one is there with this configuration, runs, is stopped, or is gone.

The root of a container is made once, from a template or an archive, and never made again: a container that is there
is only configured. Nothing is deleted in order to change it, and nothing is started or restarted unasked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from modules import lxc, vnet
from modules._lxc import config as file
from modules._lxc import live, tools
from modules._lxc.config import LxcError
from modules.lxc import Container
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import reaction, state
from saltern.errors import nearest
from states._lxc import look
from states._lxc.plan import Guest, lease_key, lease_steps, observed, start_steps, steps

SETTLE_S = 5.0  # a container that starts or stops by itself meanwhile
CREATE_S = 1800.0
START_S = 60.0
MANAGED = (  # the arguments that say what a container is; the others, how it becomes so
    *("template", "release", "options", "rootfs", "rootfs_hash", "config", "interfaces", "network", "limits"),
    *("autostart", "mounts", "hostname", "dns", "ssh_keys", "files"),
)


@dataclass(frozen=True, slots=True)
class Left:
    """What there is of a container that should be gone: its state, and its addresses of virtual networks."""

    state: str | None
    leases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Life:
    """Whether a container runs: "running", "stopped", "frozen", or LXC's words for what lies between."""

    state: str


@state
def present(
    ctx: Context,
    name: str,
    *,
    template: str | Unset = UNSET,
    release: str | Unset = UNSET,
    options: Mapping[str, Any] | Unset = UNSET,
    rootfs: str | Unset = UNSET,
    rootfs_hash: str | Unset = UNSET,
    config: Sequence[Any] | Mapping[str, Any] | Unset = UNSET,
    interfaces: Sequence[Mapping[str, Any]] | Unset = UNSET,
    network: Sequence[Mapping[str, Any]] | Unset = UNSET,
    limits: Mapping[str, Any] | Unset = UNSET,
    autostart: bool | Mapping[str, Any] | Unset = UNSET,
    mounts: Sequence[Mapping[str, Any]] | Unset = UNSET,
    hostname: str | Unset = UNSET,
    dns: Sequence[str] | Unset = UNSET,
    ssh_keys: Sequence[str] | Unset = UNSET,
    files: Mapping[str, Any] | Unset = UNSET,
    restart: Literal["never", "if-needed"] = "never",
    path: str | Unset = UNSET,
    timeout: float = CREATE_S,
) -> Plan:
    """The container NAME is there with this configuration. It is not started: that is `lxc.running`.

    template, release, options: the LXC template (`debian`) that makes its root, what it gets as `--release`, and
        further options of it: `{arch: amd64}` becomes `--arch amd64`. Only used where there is no such container.
    rootfs, rootfs_hash: instead of a template a tar file, `salt://…` or a path on the node, and its SHA-256.
    config: keys of lxc.container.conf(5), each with a value or an ordered list of values; a list of such mappings
        where the same key comes several times. An empty list: no such key. Keys that are not named stay.
    interfaces (or network): exactly these, in order: `bridge`, or `vnet` of the pillar, which gives address, gateway
        and MAC; `vlan` and `tagged` (on a bridge that filters), `address` and `gateway` (one or a list, IPv4 and IPv6),
        `mac`, `name`, `mtu`, `pair` (its name on the node); `type`: veth, macvlan or phys (with `parent` instead of a
        bridge). Without `mac` an interface keeps the one that it has; a new one gets one that stays.
    limits: `memory` (512M; a mere number is MiB), `cpus` (0.5, 2), `cpuset` (0-3), `pids`; null lifts one. They are
        changed in a running container at once.
    autostart: whether it starts with the node; or `order` (the highest first) and `delay` (seconds after it).
    mounts: `source`, `target`, `fstype` (none), `options`, `ro`, `create` (dir, file). Those of the template stay.
    hostname, dns: its name, and the addresses of its name servers; without, those of the vnet.
    ssh_keys: lines of public keys that let root in; others stay. files: path → text, or `contents` and `mode`.
    restart: a running container takes a new configuration at its next start; `if-needed` restarts it for that.
    path: where containers are (default: the system's, /var/lib/lxc). timeout: of the making, in seconds.
    """
    return _plan(ctx, name, UNSET, locals())


@state
def running(
    ctx: Context,
    name: str,
    *,
    template: str | Unset = UNSET,
    release: str | Unset = UNSET,
    options: Mapping[str, Any] | Unset = UNSET,
    rootfs: str | Unset = UNSET,
    rootfs_hash: str | Unset = UNSET,
    config: Sequence[Any] | Mapping[str, Any] | Unset = UNSET,
    interfaces: Sequence[Mapping[str, Any]] | Unset = UNSET,
    network: Sequence[Mapping[str, Any]] | Unset = UNSET,
    limits: Mapping[str, Any] | Unset = UNSET,
    autostart: bool | Mapping[str, Any] | Unset = UNSET,
    mounts: Sequence[Mapping[str, Any]] | Unset = UNSET,
    hostname: str | Unset = UNSET,
    dns: Sequence[str] | Unset = UNSET,
    ssh_keys: Sequence[str] | Unset = UNSET,
    files: Mapping[str, Any] | Unset = UNSET,
    restart: Literal["never", "if-needed"] = "never",
    path: str | Unset = UNSET,
    timeout: float = START_S,
) -> Plan:
    """The container NAME is there with this configuration, and runs. With `watch` it is restarted when what it watches
    changed.

    Without other arguments a container that is there is just started. The arguments are those of `lxc.present`.
    timeout: how long, in seconds, its start (and, in a restart, its end) may take.
    """
    if any(not isinstance(value, Unset) for key, value in locals().items() if key in MANAGED):
        return _plan(ctx, name, timeout, {**locals(), "timeout": CREATE_S})
    file.container_name(name)
    folder = _folder(path)
    found = _read(name, folder)
    if found is None:
        return Plan(None, Life("running"), unknown=_no_container(name, folder))
    current, wish = Life(found.state.lower()), Life("running")
    return Plan(current, wish, start_steps(name, folder, found, timeout), settle_s=SETTLE_S)


@reaction(to=running)
def restarted(
    ctx: Context, name: str, *, path: str | Unset = UNSET, timeout: float = START_S, **_configuration: Any
) -> Iterator[Step]:
    """Restart it, unless this very run starts it."""
    folder = _folder(path)
    found = _read(name, folder)
    if found is not None and found.is_running:
        do = call(lxc.restart, name, path=folder, timeout=timeout)
        yield Step(f"restart container {name}", "running", "running", do=do)


@state
def stopped(ctx: Context, name: str, *, kill: bool = False, path: str | Unset = UNSET, timeout: float = 60.0) -> Plan:
    """The container NAME does not run; one that does not exist is fine. KILL: do not wait for it to shut down."""
    file.container_name(name)
    folder = _folder(path)
    found = _read(name, folder)
    if found is None:
        return Plan(None, None, comment=f"there is no container {name}")
    current, wish = Life(found.state.lower()), Life("stopped")
    do = call(lxc.stop, name, path=folder, kill=kill, timeout=timeout)
    verb = "kill" if kill else "shut down"
    step = Step(f"{verb} container {name}", current.state, "stopped", do=do)
    return Plan(current, wish, [] if current == wish else [step], settle_s=SETTLE_S)


@state
def absent(ctx: Context, name: str, *, stop: bool = False, path: str | Unset = UNSET, timeout: float = 60.0) -> Plan:
    """There is no container NAME; its files are deleted, and its addresses of virtual networks are given back. One that
    runs is refused, unless STOP shuts it down first."""
    file.container_name(name)
    folder = _folder(path)
    found = _read(name, folder)
    leases = tuple(f"{one.vnet} {one.address}" for one in _leases(ctx, name))
    current = Left(found.state.lower() if found else None, leases)
    if found is not None and found.is_running and not stop:
        why = f"the container {name} runs, so it is not deleted; stop it first (lxc.stopped), or say stop: true"
        return Plan(current, None, unknown=why)
    return Plan(current if found or leases else None, None, _gone(ctx, name, folder, current, timeout))


def _plan(ctx: Context, name: str, start_s: float | Unset, given: Mapping[str, Any]) -> Plan:
    """The plan of `present` with the arguments GIVEN; START_S: how long its start may take, where it is to run too."""
    file.container_name(name)
    folder = _folder(given["path"])
    restart = given["restart"]
    if not tools.installed():
        return Plan(None, Guest({}), unknown="LXC is not installed on this node (the package is lxc)")
    nics = given["network"] if isinstance(given["interfaces"], Unset) else given["interfaces"]
    if nics is given["interfaces"] and not isinstance(given["network"], Unset):
        raise LxcError(f"{name}: interfaces and network are the same: give one of them")
    found = lxc.get(name, folder)
    nics, leases = look.leased(ctx, name, nics)
    sections = look.sections(ctx, name, found, nics, given)
    texts = look.files(name, given["files"], given["dns"], given["hostname"], leases)
    limits_now = live.wanted(sections, lxc.is_unified()) if found and found.state == "RUNNING" else {}
    wish = replace(
        observed(sections, None),
        outdated=False if restart == "if-needed" else UNSET,
        leases={lease_key(one): one.address for one in leases} or UNSET,
        files={path: text for path, (text, _) in texts.items()} or UNSET,
        ssh_keys=look.keys(name, given["ssh_keys"]),
        limits=limits_now or UNSET,
        state=UNSET if isinstance(start_s, Unset) else "running",
    )
    old = found is not None and lxc.outdated(name, found, folder)
    current = None
    if found is not None:
        wish, current = look.seen(name, folder, found, sections, wish, leases, old)
    how = None
    if found is None:
        made = look.creation(ctx, name, folder, given)
        if isinstance(made, str):
            return Plan(current, wish, unknown=made)
        how = made
    if (why := look.unusable(name, folder, sections)) is not None:
        return Plan(current, wish, unknown=why)
    comment = (
        f"{name} runs since before its configuration was changed, which takes effect at its next start" if old else None
    )
    todo = [
        *lease_steps(ctx, name, leases),
        *steps(name, folder, found, current, wish, sections, how, texts),
    ]
    if isinstance(start_s, Unset):
        return Plan(current, wish, todo, comment=comment)
    todo += start_steps(name, folder, found, start_s)
    return Plan(current, wish, todo, settle_s=SETTLE_S, comment=comment)


def _gone(ctx: Context, name: str, folder: str, current: Left, timeout: float) -> Iterator[Step]:
    if current.state not in (None, "stopped"):
        do = call(lxc.stop, name, path=folder, timeout=timeout)
        yield Step(f"shut down container {name}", current.state, "stopped", do=do)
    if current.state is not None:
        do = call(lxc.destroy, name, path=folder)
        yield Step(f"delete container {name}", os.path.join(folder, name), None, do=do)
    if current.leases:
        do = call(vnet.release, ctx, None, name)
        yield Step(f"give back {', '.join(current.leases)}", current.leases, None, do=do)


def _leases(ctx: Context, name: str) -> tuple[vnet.Lease, ...]:
    """The leases of the container; none are asked for where the pillar has no virtual network."""
    return tuple(one for one in vnet.leases(ctx) if one.guest == name) if ctx.pillar.get("vnet") else ()


def _folder(path: str | Unset) -> str:
    return lxc.lxcpath(None if isinstance(path, Unset) else path)


def _read(name: str, folder: str) -> Container | None:
    """The container, or None; without the LXC tools there is none that could run."""
    return lxc.get(name, folder) if tools.installed() else None


def _no_container(name: str, folder: str) -> str:
    if not tools.installed():
        return "LXC is not installed on this node (the package is lxc)"
    return f"there is no container {name!r} in {folder}.{nearest(name, lxc.ls(folder))}"
