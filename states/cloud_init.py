"""What a guest is told when it starts: a NoCloud seed for cloud-init, or OpenNebula's context, on a small volume."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from modules import cloud_init
from modules._datastore.register import DatastoreError
from modules._file import owner as file_owner
from modules._file.safe import absolute
from modules._seed.values import SeedError
from modules.cloud_init import Seed
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, state
from saltern.secret import Secret
from states._file import shared as file_shared
from states._place import answers


@dataclass(frozen=True, slots=True)
class Volume:
    """A seed's volume as it is, or as it should be. MODE is four octal digits; owners are names."""

    contents: Seed | Unset = UNSET
    user: str | Unset = UNSET
    group: str | Unset = UNSET
    mode: str | Unset = UNSET


@state
def seed(
    ctx: Context,
    name: str,
    *,
    format: Literal["nocloud", "opennebula"] = "nocloud",
    hostname: str | None = None,
    instance_id: str | None = None,
    ssh_keys: Sequence[str] = (),
    password: Secret | None = None,
    users: Sequence[Any] = (),
    packages: Sequence[Any] = (),
    runcmd: Sequence[Any] = (),
    write_files: Sequence[Mapping[str, Any]] = (),
    network: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    user_data: Mapping[str, Any] | Secret | str | None = None,
    vendor_data: Mapping[str, Any] | Secret | str | None = None,
    variables: Mapping[str, Any] | None = None,
    user: str | int | Unset = UNSET,
    group: str | int | Unset = UNSET,
    mode: str = "0600",
) -> Plan:
    """The file NAME is the volume that tells a guest this, and nothing else, when it starts.

    format: `nocloud`, a seed for cloud-init (label cidata: user-data, meta-data, network-config, vendor-data), or
        `opennebula`, a context (label CONTEXT: context.sh).
    hostname: of the guest; with a domain it is the full one.
    instance_id: cloud-init applies a seed once an instance. By default the id is made of the contents, so whatever
        changes is applied at the guest's next start, as on a first start: the guest gets new SSH host keys, and
        `runcmd` runs again. An id of your own that stays keeps a guest from taking changes.
    ssh_keys: public keys that may log in: as the image's default user (nocloud), as root (opennebula).
    password: of the same user; the guest is given its hash alone. A hash ($6$ or $5$) is taken as it is.
    users, packages, runcmd, write_files: as cloud-init has them; a user may have `password` and `ssh_keys` too.
        As context, files and commands are a start script, and users and packages are refused.
    network: a list of interfaces, each with `mac`, `name` (eth0, eth1, …), `addresses` (10.0.0.5/24), `gateway`,
        `dns`, `search`, `mtu`, `dhcp`; or a mapping of cloud-init's own version 2 or 1. An interface without an address
        asks DHCP for one. An empty list: no network is configured. Not given: the guest does what it does by default.
    user_data: more of cloud-config as a mapping, or a text that cloud-init knows (`#cloud-config`, `#!/bin/sh`, …).
    vendor_data: the same, of lower rank than user_data.
    variables: further variables of OpenNebula's context.
    user, group, mode: of the file. The owner is by default root's, and libvirt gives it to a guest while that runs.
    """
    path = absolute(name)
    wished = _wished(
        hostname=hostname,
        instance_id=instance_id,
        user_data=user_data,
        vendor_data=vendor_data,
        ssh_keys=ssh_keys,
        password=password,
        users=users,
        packages=packages,
        runcmd=runcmd,
        write_files=write_files,
        network=network,
        variables=variables,
        format=format,
    )
    attributes = file_shared.wished(user, group, mode)
    try:
        answers(path)
    except DatastoreError as error:
        return Plan(None, None, unknown=str(error))
    if (missing := cloud_init.missing()) is not None:
        return Plan(None, None, unknown=missing)
    found = cloud_init.read(path)
    have = file_shared.observed(os.stat(path) if found is not None else None, attributes)
    wish = Volume(wished, attributes.user, attributes.group, attributes.mode)
    current = None
    if found is not None and have is not None:
        current = Volume(found, have.user, have.group, have.mode)
    if not os.path.isdir(os.path.dirname(path)):
        return Plan(current, wish, unknown=f"there is no directory {os.path.dirname(path)} on this node")
    return Plan(current, wish, steps(path, current, wish))


@check(of=seed)
def _arguments(
    name: str, *, user: str | int | Unset = UNSET, group: str | int | Unset = UNSET, mode: str = "0600", **told: Any
) -> None:
    absolute(name)
    _wished(**told)
    if int(file_owner.mode(mode), 8) & 0o022:
        raise SeedError(f"mode {mode}: who may write the volume may give the guest's root commands; leave that out")


def _wished(*, network: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None, **told: Any) -> Seed:
    """The seed that the arguments mean. SeedError where one of them is wrong."""
    if network is None or isinstance(network, Mapping):
        return cloud_init.seed(network=network, **told)
    return cloud_init.seed(interfaces=network, **told)


def steps(path: str, current: Volume | None, wish: Volume) -> Iterator[Step]:
    """The steps from CURRENT (None: no such file) to WISH. Pure."""
    attributes = file_shared.Attributes(wish.user, wish.group, wish.mode)
    if isinstance(wish.contents, Unset):
        return
    before = current.contents if current else None
    if before != wish.contents:
        verb = "make" if current is None else "write"
        kind = "context" if wish.contents.label == "CONTEXT" else "seed"
        do = call(cloud_init.write, path, wish.contents.files, label=wish.contents.label, **attributes.arguments)
        yield Step(f"{verb} the {kind} {path}", before, wish.contents, do=do)
    elif current is not None:
        have = file_shared.Attributes(current.user, current.group, current.mode)
        yield from file_shared.attribute_steps(path, have, attributes)
