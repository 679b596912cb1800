"""What is managed of a container, and the steps from what it is to what it should be. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from modules import lxc, vnet
from modules._lxc import config as file
from modules._lxc import live
from modules._lxc.config import Section
from modules.lxc import Container
from modules.vnet import Lease
from saltern.context import Context
from saltern.converge.plan import UNSET, Call, Step, Unset, call

BOOT_ONLY = ("lxc.start.", "lxc.group")  # what counts when the node starts, not when the container does
LIMITS = ("lxc.cgroup.", "lxc.cgroup2.")


@dataclass(frozen=True, slots=True)
class Guest:
    """A container's configuration, as far as it is managed; each line as `key = value`."""

    settings: Mapping[str, tuple[str, ...]]  # of single keys, their values in order
    network: tuple[str, ...] | Unset = UNSET
    mounts: tuple[str, ...] | Unset = UNSET
    outdated: bool | Unset = UNSET  # it runs since before its configuration was changed
    limits: Mapping[str, str] | Unset = UNSET  # of its control group, while it runs
    leases: Mapping[str, str | None] | Unset = UNSET  # its addresses of virtual networks
    files: Mapping[str, str | None] | Unset = UNSET  # in its root
    ssh_keys: tuple[str, ...] | Unset = UNSET  # that let root in
    state: str | Unset = UNSET  # "running", "stopped", "frozen", or LXC's words for what lies between


Value = TypeVar("Value")


def managed(value: Value | Unset, default: Value) -> Value:
    """VALUE; DEFAULT where it is not managed."""
    return default if isinstance(value, Unset) else value


def lease_key(lease: Lease) -> str:
    """How a lease is called in a plan."""
    return f"{lease.vnet} {lease.nic}"


def lease_steps(ctx: Context, name: str, leases: Sequence[Lease]) -> Iterator[Step]:
    """The leases that the container NAME does not hold yet."""
    for lease in leases:
        if not lease.held:
            do = call(vnet.lease, ctx, lease.vnet, name, lease.nic, lease.address)
            yield Step(f"lease {lease.address} of {lease.vnet} for {name}", None, lease.address, do=do)


def start_steps(name: str, folder: str, found: Container | None, timeout: float) -> Iterator[Step]:
    """The start of the container as it was FOUND, after all else that is done to it."""
    state = found.state if found is not None else "STOPPED"
    if state != "RUNNING":
        verb = "unfreeze" if state == "FROZEN" else "start"
        do = call(lxc.start, name, path=folder, timeout=timeout)
        yield Step(f"{verb} container {name}", state.lower(), "running", do=do)


def steps(
    name: str,
    folder: str,
    found: Container | None,
    current: Guest | None,
    wish: Guest,
    sections: Sequence[Section],
    how: tuple[str, Call] | None,
    files: Mapping[str, tuple[str, int]] | None = None,
) -> Iterator[Step]:
    """The steps from CURRENT to WISH: it is made (HOW: from what, and the call), its file is written, then FILES in its
    root; where it runs, it gets its limits, and is restarted where it may be."""
    text, is_running = (found.text, found.is_running) if found else ("", False)
    if how is not None:
        yield Step(f"create container {name} from {how[0]}", None, name, do=how[1])
    changed = [section for section in sections if current is None or file.read(text, section) != section.pairs]
    waits = is_running and bool(at_start(changed, wish.limits))
    restarts = is_running and wish.outdated is False and (waits or (current is not None and current.outdated is True))
    if changed:
        before = [pair for section in changed for pair in file.read(text, section)]
        gone, new = file.difference(before, [pair for section in changed for pair in section.pairs])
        note = " (takes effect at its next start)" if waits and not restarts else ""
        quiet = {} if at_start(changed, wish.limits) else {"silent": True}
        do = call(lxc.write_config, name, tuple(changed), path=folder, **quiet)
        yield Step(f"write the configuration of {name}{note}", gone or None, new or None, do=do)
    yield from limit_steps(name, folder, current, wish)
    yield from inner_steps(name, folder, current, wish, files or {})
    if restarts:
        do = call(lxc.restart, name, path=folder)
        yield Step(f"restart {name}, so that its configuration takes effect", "running", "running", do=do)


def observed(sections: Sequence[Section], text: str | None) -> Guest:
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


def at_start(sections: Sequence[Section], limits: Mapping[str, str] | Unset = UNSET) -> list[Section]:
    """Those of SECTIONS that a container takes when it starts; LIMITS are set in its control group meanwhile."""
    now = {prefix + key for key in managed(limits, {}) for prefix in LIMITS}
    return [section for section in sections if not section.name.startswith(BOOT_ONLY) and section.name not in now]


def limit_steps(name: str, folder: str, current: Guest | None, wish: Guest) -> Iterator[Step]:
    """The limits that a running container gets at once."""
    have = managed(current.limits, {}) if current is not None else {}
    for key, value in managed(wish.limits, {}).items():
        if have.get(key) != value:
            do = call(live.set_limit, name, key, value, folder)
            yield Step(f"set {key} of {name} to {value or 'all'} as it runs", have.get(key), value, do=do)


def inner_steps(
    name: str, folder: str, current: Guest | None, wish: Guest, files: Mapping[str, tuple[str, int]]
) -> Iterator[Step]:
    """The files in the root of the container, and the keys that let root in."""
    have = managed(current.files, {}) if current is not None else {}
    for path, (text, mode) in files.items():
        if have.get(path) != text:
            do = call(lxc.put_file, name, path, text, f"{mode:04o}", path=folder)
            yield Step(f"write {path} in {name}", have.get(path), text, do=do)
    keys = managed(wish.ssh_keys, ())
    known = managed(current.ssh_keys, ()) if current is not None else ()
    new = [key for key in keys if key not in known]
    if new:
        do = call(lxc.add_ssh_keys, name, keys, path=folder)
        words = "1 SSH key" if len(new) == 1 else f"{len(new)} SSH keys"
        yield Step(f"let {words} into {name}", None, [key.split()[-1] for key in new], do=do)
