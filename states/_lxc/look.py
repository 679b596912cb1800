"""What a plan for a container has to know: what its file must say, its leases, its files, and what is missing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from modules import lxc, vnet
from modules._lxc import config as file
from modules._lxc import live
from modules._lxc import network as net
from modules._lxc import root as inner
from modules._lxc import wish as wished
from modules._lxc.config import LxcError, Section
from modules._network.netvalues import interface_address
from modules.lxc import Container
from modules.vnet import Lease
from saltern.context import Context, split_uri
from saltern.converge.plan import UNSET, Call, Unset, call
from states._lxc.plan import Guest, lease_key, managed, observed

HOSTNAME = "lxc.uts.name"
KEY_TYPES = ("ssh-", "ecdsa-sha2-", "sk-")


def leased(
    ctx: Context, name: str, interfaces: Sequence[Mapping[str, Any]] | Unset
) -> tuple[Sequence[Mapping[str, Any]] | Unset, tuple[Lease, ...]]:
    """INTERFACES with what their virtual networks give them, and the leases for that. An `address` beside a `vnet` is
    the one that is wanted of it."""
    if isinstance(interfaces, Unset):
        return UNSET, ()
    nics: list[Mapping[str, Any]] = []
    leases: list[Lease] = []
    for number, one in enumerate(interfaces):
        if not isinstance(one, Mapping) or one.get("vnet") is None:
            nics.append(one)
            continue
        if one.get("bridge") is not None:
            raise LxcError(f"{name}: an interface has a bridge or a vnet, not both: {dict(one)!r}")
        wanted = one.get("address")
        if wanted is not None and not isinstance(wanted, str):
            raise LxcError(f"{name}: an interface has one address of a vnet, not {wanted!r}")
        lease = vnet.offer(ctx, one["vnet"], name, number, wanted.partition("/")[0] if wanted else None)
        leases.append(lease)
        given = {key: value for key, value in one.items() if key not in ("vnet", "address")}
        of_vnet = {"mac": lease.mac, "gateway": lease.gateway, "vlan": lease.vlan}
        if "hwaddr" in given:
            del of_vnet["mac"]
        address = f"{lease.address}/{lease.prefix}"
        nics.append({**of_vnet, **given, "bridge": lease.bridge, "address": address})
    return nics, tuple(leases)


def sections(
    ctx: Context,
    name: str,
    found: Container | None,
    nics: Sequence[Mapping[str, Any]] | Unset,
    given: Mapping[str, Any],
) -> tuple[Section, ...]:
    """All that the file must say. LxcError where an argument is wrong or two of them name the same key."""
    own: list[tuple[str, Section]] = []
    limits, autostart, hostname = given["limits"], given["autostart"], given["hostname"]
    mounts, config = given["mounts"], given["config"]
    if not isinstance(limits, Unset):
        own += [("limits", section) for section in lxc.limit_sections(limits)]
    if not isinstance(autostart, Unset):
        own += [("autostart", section) for section in wished.start_sections(autostart)]
    if not isinstance(hostname, Unset):
        own.append(("hostname", Section("key", HOSTNAME, ((HOSTNAME, _hostname(name, hostname)),))))
    if not isinstance(nics, Unset):
        known = file.pairs(found.text) if found else []
        own.append(("interfaces", net.network_section(nics, known, f"{ctx.id}/{name}")))
    if not isinstance(mounts, Unset):
        own.append(("mounts", wished.mounts_section(mounts)))
    named = () if isinstance(config, Unset) else file.config_sections(config)
    for section in named:
        for argument, other in own:
            if other.name == section.name or (other.kind == "tree" and other.owns(section.name, False)):
                raise LxcError(f"{name}: the key {section.name} is given in config, and by {argument} too")
    return (*named, *(section for _, section in own))


def files(
    name: str,
    files: Mapping[str, Any] | Unset,
    dns: Sequence[str] | Unset,
    hostname: str | Unset,
    leases: Sequence[Lease],
) -> dict[str, tuple[str, int]]:
    """The files that the container must have, each with its text and mode."""
    servers = list(dict.fromkeys(server for lease in leases for server in lease.dns)) or None
    if not isinstance(dns, Unset):
        if isinstance(dns, str):
            raise LxcError(f"{name}: dns is a list of addresses, not {dns!r}")
        servers = [interface_address(f"{one}/{128 if ':' in str(one) else 32}").partition("/")[0] for one in dns]
    given = None if isinstance(files, Unset) else files
    return inner.wanted_files(given, servers, None if isinstance(hostname, Unset) else hostname)


def keys(name: str, given: Sequence[str] | Unset) -> tuple[str, ...] | Unset:
    """The lines of public keys; LxcError for what is none, like a private one."""
    if isinstance(given, Unset):
        return UNSET
    if isinstance(given, str):
        raise LxcError(f"{name}: ssh_keys is a list of public keys")
    for key in given:
        words = key.split() if isinstance(key, str) and key.isprintable() else []
        if len(words) < 2 or not any(word.startswith(KEY_TYPES) for word in words[:-1]):
            raise LxcError(f"{name}: a public key in ssh_keys is one line like 'ssh-ed25519 AAAA… name'")
    return tuple(key.strip() for key in given)


def unusable(name: str, folder: str, wanted: Sequence[Section]) -> str | None:
    """Why the interfaces can't be as WANTED on this node as it is now; None where they can."""
    for section in wanted:
        if section.kind == "tree":
            why = lxc.unusable_link(net.links(section), net.filtered(section))
            if why is None and (taken := net.taken(section, lxc.others(name, folder))):
                why = taken
            if why is not None:
                return why
    return None


def seen(
    name: str, folder: str, found: Container, wanted: Sequence[Section], wish: Guest, leases: Sequence[Lease], old: bool
) -> tuple[Guest, Guest]:
    """WISH, with what can't be set as the container runs left out, and the container as it is, in the same fields."""
    current = observed(wanted, found.text)
    root = inner.root_of(found.text)
    if (wish.files or wish.ssh_keys) and root is None:
        raise LxcError(f"{name}: its root is no folder, so no file in it can be managed from the node")
    if limits := managed(wish.limits, {}):
        now = live.current(name, folder, tuple(limits))
        limits = {key: value for key, value in limits.items() if key in now}
        wish = replace(wish, limits=limits or UNSET)
        current = replace(current, limits={key: now[key] for key in limits} or UNSET)
    if (texts := managed(wish.files, {})) and root is not None:
        current = replace(current, files={path: inner.read(root, path) for path in texts})
    if not isinstance(wish.ssh_keys, Unset) and root is not None:
        current = replace(current, ssh_keys=inner.keys(root, wish.ssh_keys))
    if leases:
        current = replace(current, leases={lease_key(one): one.address if one.held else None for one in leases})
    if not isinstance(wish.state, Unset):
        current = replace(current, state=found.state.lower())
    if not isinstance(wish.outdated, Unset):
        current = replace(current, outdated=old)
    return wish, current


def _hostname(name: str, hostname: object) -> str:
    text = file.config_value("hostname", hostname)
    labels = text.split(".")
    if len(text) > 64 or not all(label.replace("-", "a").isalnum() and label.isascii() for label in labels):
        raise LxcError(f"{name}: not a name of a host: {hostname!r}")
    return text


def creation(ctx: Context, name: str, folder: str, given: Mapping[str, Any]) -> tuple[str, Call] | str:
    """From what the container is made, and how; or why that can't be said yet."""
    template, release, options = given["template"], given["release"], given["options"]
    rootfs, rootfs_hash, timeout = given["rootfs"], given["rootfs_hash"], given["timeout"]
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
