"""LXC containers: that one is there with this configuration, runs, is stopped, or is gone.

The root of a container is made once, from a template or an archive, and never made again: a container that is there
is only configured. Nothing is deleted in order to change it, and nothing is started or restarted unasked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from modules import _lxc_config as file
from modules import _lxc_tools as tools
from modules import _lxc_wish as wished
from modules import lxc
from modules._lxc_config import LxcError, Section
from modules.lxc import Container
from saltern.context import Context, split_uri
from saltern.converge.plan import UNSET, Call, Plan, Step, Unset, call
from saltern.converge.state import reaction, state
from saltern.errors import nearest

SETTLE_S = 5.0  # a container that starts or stops by itself meanwhile
CREATE_S = 1800.0
BOOT_ONLY = ("lxc.start.", "lxc.group")  # what counts when the node starts, not when the container does


@dataclass(frozen=True, slots=True)
class Guest:
    """A container's configuration, as far as it is managed; each line as `key = value`."""

    settings: Mapping[str, tuple[str, ...]]  # of single keys, their values in order
    network: tuple[str, ...] | Unset = UNSET
    mounts: tuple[str, ...] | Unset = UNSET
    outdated: bool | Unset = UNSET  # it runs since before its configuration was changed


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
    network: Sequence[Mapping[str, Any]] | Unset = UNSET,
    limits: Mapping[str, Any] | Unset = UNSET,
    autostart: bool | Unset = UNSET,
    mounts: Sequence[Mapping[str, Any]] | Unset = UNSET,
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
    network: exactly these interfaces, in order: `bridge`, `vlan` (on a bridge that filters), `address` and `gateway`
        (one or a list, IPv4 and IPv6), `hwaddr`, `name`, `mtu`, `pair` (its name on the node). Without `hwaddr` an
        interface keeps the MAC address that it has; a new one gets one that stays.
    limits: `memory` (512M; a mere number is MiB), `cpus` (0.5, 2), `cpuset` (0-3), `pids`; null lifts one.
    autostart: whether it starts with the node.
    mounts: `source`, `target`, `fstype` (none), `options` (bind, create=dir). Those of the template stay.
    restart: a running container takes a new configuration at its next start; `if-needed` restarts it for that.
    path: where containers are (default: the system's, /var/lib/lxc). timeout: of the making, in seconds.
    """
    file.container_name(name)
    folder = _folder(path)
    if not tools.installed():
        return Plan(None, Guest({}), unknown="LXC is not installed on this node (the package is lxc)")
    found = lxc.get(name, folder)
    known = file.pairs(found.text) if found else []
    sections = _sections(ctx, name, known, config, network, limits, autostart, mounts)
    wish = replace(_guest(sections, None), outdated=False if restart == "if-needed" else UNSET)
    current = _guest(sections, found.text) if found else None
    old = found is not None and lxc.outdated(name, found, folder)
    if current is not None and restart == "if-needed":
        current = replace(current, outdated=old)
    how = None
    if found is None:
        made = _creation(ctx, name, folder, template, release, options, rootfs, rootfs_hash, timeout)
        if isinstance(made, str):
            return Plan(current, wish, unknown=made)
        how = made
    if (missing := _missing_bridge(sections)) is not None:
        return Plan(current, wish, unknown=missing)
    comment = (
        f"{name} runs since before its configuration was changed, which takes effect at its next start" if old else None
    )
    return Plan(current, wish, steps(name, folder, found, current, wish, sections, how), comment=comment)


@state
def running(ctx: Context, name: str, *, path: str | Unset = UNSET, timeout: float = 60.0) -> Plan:
    """The container NAME runs. With `watch` it is restarted when what it watches changed.

    timeout: how long, in seconds, its start (and, in a restart, its end) may take.
    """
    file.container_name(name)
    folder = _folder(path)
    found = _read(name, folder)
    if found is None:
        return Plan(None, Life("running"), unknown=_no_container(name, folder))
    current, wish = Life(found.state.lower()), Life("running")
    verb = "unfreeze" if found.state == "FROZEN" else "start"
    step = Step(
        f"{verb} container {name}", current.state, "running", do=call(lxc.start, name, path=folder, timeout=timeout)
    )
    return Plan(current, wish, [] if current == wish else [step], settle_s=SETTLE_S)


@reaction(to=running)
def restarted(ctx: Context, name: str, *, path: str | Unset = UNSET, timeout: float = 60.0) -> Iterator[Step]:
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
    """There is no container NAME; its files are deleted. One that runs is refused, unless STOP shuts it down first."""
    file.container_name(name)
    folder = _folder(path)
    found = _read(name, folder)
    current = Life(found.state.lower()) if found else None
    if found is not None and found.is_running and not stop:
        why = f"the container {name} runs, so it is not deleted; stop it first (lxc.stopped), or say stop: true"
        return Plan(current, None, unknown=why)
    return Plan(current, None, _gone(name, folder, current, timeout))


def _gone(name: str, folder: str, current: Life | None, timeout: float) -> Iterator[Step]:
    if current is None:
        return
    if current.state != "stopped":
        do = call(lxc.stop, name, path=folder, timeout=timeout)
        yield Step(f"shut down container {name}", current.state, "stopped", do=do)
    yield Step(f"delete container {name}", os.path.join(folder, name), None, do=call(lxc.destroy, name, path=folder))


def steps(
    name: str,
    folder: str,
    found: Container | None,
    current: Guest | None,
    wish: Guest,
    sections: Sequence[Section],
    how: tuple[str, Call] | None,
) -> Iterator[Step]:
    """The steps from CURRENT to WISH: it is made (HOW: from what, and the call), its file is written, and where it runs
    and may be restarted, that. Pure."""
    text, is_running = (found.text, found.is_running) if found else ("", False)
    if how is not None:
        yield Step(f"create container {name} from {how[0]}", None, name, do=how[1])
    changed = [section for section in sections if current is None or file.read(text, section) != section.pairs]
    at_start = is_running and bool(_at_start(changed))
    restarts = (
        is_running and wish.outdated is False and (at_start or (current is not None and current.outdated is True))
    )
    if changed:
        before = [pair for section in changed for pair in file.read(text, section)]
        gone, new = file.difference(before, [pair for section in changed for pair in section.pairs])
        note = " (takes effect at its next start)" if at_start and not restarts else ""
        quiet = {} if _at_start(changed) else {"silent": True}
        do = call(lxc.write_config, name, tuple(changed), path=folder, **quiet)
        yield Step(f"write the configuration of {name}{note}", gone or None, new or None, do=do)
    if restarts:
        do = call(lxc.restart, name, path=folder)
        yield Step(f"restart {name}, so that its configuration takes effect", "running", "running", do=do)


def _sections(
    ctx: Context,
    name: str,
    known: Sequence[file.Pair],
    config: Sequence[Any] | Mapping[str, Any] | Unset,
    network: Sequence[Mapping[str, Any]] | Unset,
    limits: Mapping[str, Any] | Unset,
    autostart: bool | Unset,
    mounts: Sequence[Mapping[str, Any]] | Unset,
) -> tuple[Section, ...]:
    """All that the file must say. LxcError where an argument is wrong or two of them name the same key."""
    own: list[tuple[str, Section]] = []
    if not isinstance(limits, Unset):
        own += [("limits", section) for section in lxc.limit_sections(limits)]
    if not isinstance(autostart, Unset):
        pairs = (("lxc.start.auto", "1" if autostart else "0"),)
        own.append(("autostart", Section("key", "lxc.start.auto", pairs)))
    if not isinstance(network, Unset):
        own.append(("network", wished.network_section(network, known, f"{ctx.id}/{name}")))
    if not isinstance(mounts, Unset):
        own.append(("mounts", wished.mounts_section(mounts)))
    named = () if isinstance(config, Unset) else file.config_sections(config)
    for section in named:
        for argument, other in own:
            if other.name == section.name or (other.kind == "tree" and other.owns(section.name, False)):
                raise LxcError(f"{name}: the key {section.name} is given in config, and by {argument} too")
    return (*named, *(section for _, section in own))


def _guest(sections: Sequence[Section], text: str | None) -> Guest:
    """What TEXT says of SECTIONS; None: what they themselves want."""
    settings: dict[str, tuple[str, ...]] = {}
    trees: dict[str, tuple[str, ...] | Unset] = {"tree": UNSET, "mounts": UNSET}
    for section in sections:
        pairs = section.pairs if text is None else file.read(text, section)
        if section.kind == "key":
            settings[section.name] = tuple(value for _, value in pairs)
        else:
            trees[section.kind] = tuple(f"{key} = {value}" for key, value in pairs)
    return Guest(settings, trees["tree"], trees["mounts"])


def _at_start(sections: Sequence[Section]) -> list[Section]:
    """Those of SECTIONS that a container takes when it starts."""
    return [section for section in sections if not section.name.startswith(BOOT_ONLY)]


def _creation(
    ctx: Context,
    name: str,
    folder: str,
    template: str | Unset,
    release: str | Unset,
    options: Mapping[str, Any] | Unset,
    rootfs: str | Unset,
    rootfs_hash: str | Unset,
    timeout: float,
) -> tuple[str, Call] | str:
    """From what the container is made, and how; or why that can't be said yet."""
    if isinstance(template, Unset) == isinstance(rootfs, Unset):
        raise LxcError(f"{name}: there is no such container; say what to make it from, by `template` or by `rootfs`")
    if isinstance(template, str):
        if not isinstance(rootfs_hash, Unset):
            raise LxcError(f"{name}: rootfs_hash goes with rootfs, not with template")
        wanted = {"release": release, "options": options}
        words = {key: value for key, value in wanted.items() if not isinstance(value, Unset)}
        wished.template_arguments(
            None if isinstance(release, Unset) else release, {} if isinstance(options, Unset) else options
        )
        if (missing := lxc.template_missing(template)) is not None:
            return missing
        return f"template {template}", call(lxc.create, name, template, **words, path=folder, timeout=timeout)
    assert isinstance(rootfs, str)
    if release or options:
        raise LxcError(f"{name}: release and options go with template, not with rootfs")
    sha256 = wished.sha256_of(rootfs_hash) if isinstance(rootfs_hash, str) else None
    archive = rootfs
    if "://" in rootfs:
        try:
            archive = str(ctx.files.local(*split_uri(rootfs, ctx.saltenv)))
        except (FileNotFoundError, ValueError) as error:
            raise LxcError(f"{name}: rootfs {rootfs}: {error}") from None
    elif not rootfs.startswith("/"):
        raise LxcError(f"{name}: rootfs must be salt://… or an absolute path, not {rootfs!r}")
    elif not os.path.isfile(rootfs):
        return f"there is no file {rootfs} on this node"
    return rootfs, call(lxc.unpack, name, archive, sha256=sha256, path=folder, timeout=timeout)


def _missing_bridge(sections: Sequence[Section]) -> str | None:
    """Which bridge of the interfaces there is not, with the nearest that there is; None where all are there."""
    import socket

    wanted = [bridge for section in sections if section.kind == "tree" for bridge in wished.bridges(section)]
    there = [link for _, link in socket.if_nameindex()] if wanted else []
    for bridge in wanted:
        if bridge not in there:
            return f"there is no bridge {bridge!r} on this node.{nearest(bridge, there)}"
    return None


def _folder(path: str | Unset) -> str:
    return lxc.lxcpath(None if isinstance(path, Unset) else path)


def _read(name: str, folder: str) -> Container | None:
    """The container, or None; without the LXC tools there is none that could run."""
    return lxc.get(name, folder) if tools.installed() else None


def _no_container(name: str, folder: str) -> str:
    if not tools.installed():
        return "LXC is not installed on this node (the package is lxc)"
    return f"there is no container {name!r} in {folder}.{nearest(name, lxc.ls(folder))}"
