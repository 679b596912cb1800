"""KVM guests by libvirt: that one is defined so, runs, is stopped, or is gone.

A guest is never destroyed in order to change it; its UUID and its MAC addresses stay. What can be changed while it runs
is; the rest is put into its configuration and waits for its next start, which is said, and a restart happens only where
`restart` allows one. See docs/kvm.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from modules._datastore.register import DatastoreError
from modules._virt import act as virt_act
from modules._virt import domain_wish, hypervisor
from modules._virt import read as virt_read
from modules._virt.domain_xml import DomainError
from modules._virt.hypervisor import LibvirtUnavailable
from saltern import names
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, reaction, state
from states._virt import gone as virt_gone
from states._virt import look as virt_look
from states._virt import plan as virt_plan
from states._virt.network import network_absent, network_defined, network_running
from states._virt.plan import Policy
from states._virt.pool import pool_absent, pool_defined, pool_running
from states._virt.snapshot import snapshot_absent, snapshot_present
from states._virt.volume import volume_absent, volume_defined, volume_present

__all__ = [  # what is offered from parts of this namespace
    "network_absent",
    "network_defined",
    "network_running",
    "pool_absent",
    "pool_defined",
    "pool_running",
    "snapshot_absent",
    "snapshot_present",
    "volume_absent",
    "volume_defined",
    "volume_present",
]
SHUTDOWN_S = 120.0
SETTLE_S = 5.0
_POLICY = ("restart", "window", "timeout", "force")


@state
def defined(
    ctx: Context,
    name: str,
    *,
    memory: int | str | Unset = UNSET,
    max_memory: int | str | Unset = UNSET,
    vcpus: int | Unset = UNSET,
    max_vcpus: int | Unset = UNSET,
    cpu: int | str | Mapping[str, Any] | Unset = UNSET,
    type: Literal["kvm", "qemu", "auto"] | Unset = UNSET,
    machine: str | Unset = UNSET,
    firmware: Literal["bios", "efi"] | Unset = UNSET,
    loader: str | Unset = UNSET,
    disks: Sequence[Mapping[str, Any]] | Unset = UNSET,
    interfaces: Sequence[Mapping[str, Any]] | Unset = UNSET,
    graphics: str | Mapping[str, Any] | Unset = UNSET,
    console: bool | Unset = UNSET,
    boot: Sequence[str] | Unset = UNSET,
    kernel: str | Unset = UNSET,
    initrd: str | Unset = UNSET,
    cmdline: str | Unset = UNSET,
    features: Sequence[str] | Unset = UNSET,
    clock: Literal["utc", "localtime"] | Unset = UNSET,
    on_poweroff: str | Unset = UNSET,
    on_reboot: str | Unset = UNSET,
    on_crash: str | Unset = UNSET,
    title: str | Unset = UNSET,
    description: str | Unset = UNSET,
    metadata: Mapping[str, Any] | Unset = UNSET,
    xml: str | Sequence[str] | Unset = UNSET,
    cloud_init: Mapping[str, Any] | Unset = UNSET,
    autostart: bool | Unset = UNSET,
    mem: int | str | Unset = UNSET,
    restart: Literal["never", "if-needed", "window"] = "never",
    window: str | Unset = UNSET,
    timeout: float = SHUTDOWN_S,
    force: bool = False,
) -> Plan:
    """The guest NAME is defined like this. It is not started: that is `virt.running`, which takes the same arguments.

    What is not named is left as it is; a list of disks or interfaces means exactly these.

    memory, max_memory: MiB, or a text like 2G; the second is what it can be given while it runs. Default: the same.
    vcpus, max_vcpus: processors now, and how many it can be given while it runs. Default: 1, and the same.
    cpu: `host-passthrough`, `host-model`, a model, or a mapping: `mode`, `model`, `sockets`, `cores`, `threads`,
        `features` (a list, or name: require, disable). A number means vcpus. Default for a new KVM guest: host-model.
    type: `kvm`, `qemu` (no hardware virtualisation) or `auto`: KVM where it is found to work. Default: auto for a new
        guest; one that is there stays what it is.
    machine: `pc`, `q35` or an exact one. firmware: `bios` or `efi`; loader: the path of a UEFI firmware of your own.
    disks: each with `path`, or `pool` and `volume`; `format` (raw, qcow2), `name` (vda), `bus` (virtio, scsi, sata,
        usb, ide), `readonly`, `cdrom`, `cache`, `discard`, `shareable`, `boot` (its place in the boot order).
    interfaces: each on a `bridge`, a `network` of libvirt or a `vnet` of the pillar; `model`, `mac`, `vlan`, `queues`,
        `link` (up, down), `boot`, `address` (of a vnet; or for cloud_init). One without `mac` keeps the one it has.
    graphics: `vnc`, `spice`, none, or a mapping: `type`, `listen` (127.0.0.1), `port` (auto), `password`.
    console: a serial console. Default: yes.
    boot: kinds of devices in order: disk, cdrom, network, floppy.
    kernel, initrd, cmdline: boot a kernel of the node directly.
    features: of acpi, apic, pae, hap, viridian, privnet, pmu, vmport exactly these. Default: acpi and apic.
    clock: what its clock shows at start, `utc` or `localtime`.
    on_poweroff, on_reboot, on_crash: what libvirt does then: destroy, restart, preserve.
    title, description, metadata: for people; metadata is a mapping in an element of Saltern's own.
    xml: further elements of libvirt's <domain>, as a text or a list, put in by structure.
    cloud_init: the arguments of `cloud_init.seed`; its volume is made and inserted. `path` says where it lies. Without
        `network` it gets the addresses of the interfaces.
    autostart: it starts with the node.
    mem: Salt's name of memory.
    restart, window: whether the guest may be restarted for what can't be changed while it runs: `never`, `if-needed`,
        or `window`, at a time of the node's day ("02:00-04:00").
    timeout, force: of the shutdown in such a restart, in seconds; FORCE powers off a guest that does not listen.
    """
    return _plan(ctx, name, False, _given(locals()))


@state
def running(
    ctx: Context,
    name: str,
    *,
    memory: int | str | Unset = UNSET,
    max_memory: int | str | Unset = UNSET,
    vcpus: int | Unset = UNSET,
    max_vcpus: int | Unset = UNSET,
    cpu: int | str | Mapping[str, Any] | Unset = UNSET,
    type: Literal["kvm", "qemu", "auto"] | Unset = UNSET,
    machine: str | Unset = UNSET,
    firmware: Literal["bios", "efi"] | Unset = UNSET,
    loader: str | Unset = UNSET,
    disks: Sequence[Mapping[str, Any]] | Unset = UNSET,
    interfaces: Sequence[Mapping[str, Any]] | Unset = UNSET,
    graphics: str | Mapping[str, Any] | Unset = UNSET,
    console: bool | Unset = UNSET,
    boot: Sequence[str] | Unset = UNSET,
    kernel: str | Unset = UNSET,
    initrd: str | Unset = UNSET,
    cmdline: str | Unset = UNSET,
    features: Sequence[str] | Unset = UNSET,
    clock: Literal["utc", "localtime"] | Unset = UNSET,
    on_poweroff: str | Unset = UNSET,
    on_reboot: str | Unset = UNSET,
    on_crash: str | Unset = UNSET,
    title: str | Unset = UNSET,
    description: str | Unset = UNSET,
    metadata: Mapping[str, Any] | Unset = UNSET,
    xml: str | Sequence[str] | Unset = UNSET,
    cloud_init: Mapping[str, Any] | Unset = UNSET,
    autostart: bool | Unset = UNSET,
    mem: int | str | Unset = UNSET,
    restart: Literal["never", "if-needed", "window"] = "never",
    window: str | Unset = UNSET,
    timeout: float = SHUTDOWN_S,
    force: bool = False,
) -> Plan:
    """The guest NAME is defined like this, and runs. One that is paused goes on. With `watch` it is restarted when what
    it watches changed.

    Without arguments a guest that is there is just started. The arguments are those of `virt.defined`.
    """
    return _plan(ctx, name, True, _given(locals()))


@reaction(to=running)
def _restarted(ctx: Context, name: str, **given: Any) -> Iterator[Step]:
    """Restart it, unless this very run starts it."""
    uri = hypervisor.uri_of(ctx)
    with hypervisor.session(uri) as connection:
        found = virt_read.guest(connection, names.guest(name))
    if found is not None and found.is_active:
        do = call(virt_act.restart, uri, name, given.get("timeout", SHUTDOWN_S), given.get("force", False))
        yield Step(f"restart guest {name}", "running", "running", do=do)


@state
def stopped(ctx: Context, name: str, *, timeout: float = SHUTDOWN_S, force: bool = False) -> Plan:
    """The guest NAME does not run; one that does not exist is fine. It is asked to shut down by ACPI.

    timeout: how many seconds it gets. force: after that it is powered off; without, the state fails.
    """
    uri = hypervisor.uri_of(ctx)
    words = f"shut down guest {name}"
    return _off(ctx, name, Step(words, None, None, do=call(virt_act.stop, uri, name, timeout, force)))


@state
def powered_off(ctx: Context, name: str) -> Plan:
    """The guest NAME does not run: the plug is pulled at once, and what it had not written is lost. Its disks stay."""
    return _off(
        ctx,
        name,
        Step(f"power off guest {name}", None, None, do=call(virt_act.power_off, hypervisor.uri_of(ctx), name)),
    )


@state
def rebooted(ctx: Context, name: str) -> Plan:
    """The guest NAME is asked to reboot, each time this state runs: use it with `onchanges`. It goes on with what it
    was started with; a configuration that waits needs `virt.running` with `restart`."""
    names.guest(name)
    try:
        found = _read(ctx, name)
    except LibvirtUnavailable as error:
        return Plan(None, None, imperative=True, unknown=str(error))
    if found is None or not found.is_active:
        return Plan(None, None, imperative=True, unknown=f"there is no guest {name} that runs on this node")
    step = Step(f"reboot guest {name}", "running", "rebooted", do=call(virt_act.reboot, hypervisor.uri_of(ctx), name))
    return Plan(None, None, [step], imperative=True)


@state
def absent(
    ctx: Context,
    name: str,
    *,
    stop: bool = False,
    timeout: float = SHUTDOWN_S,
    force: bool = False,
    remove_disks: bool = False,
) -> Plan:
    """There is no guest NAME. Its disks stay; its leases of virtual networks and its seed go.

    stop: shut it down first; one that runs is refused otherwise. timeout, force: of that, as in `virt.stopped`.
    remove_disks: delete its disks too, those that lie in a storage pool of libvirt. Refused where one lies elsewhere,
        is shared or persistent, or where `disk.absent` would leave it: another guest has it, disks stand on it.
    """
    names.guest(name)
    try:
        return virt_gone.plan(ctx, name, stop=stop, timeout=timeout, force=force, remove_disks=remove_disks)
    except LibvirtUnavailable as error:
        return Plan(None, None, unknown=str(error))


@check(of=defined)
def _defined_arguments(name: str, **given: Any) -> None:
    _checked(name, given)


@check(of=running)
def _running_arguments(name: str, **given: Any) -> None:
    _checked(name, given)


def _checked(name: str, given: Mapping[str, Any]) -> None:
    """What can be refused before anything runs."""
    domain_wish.wanted(name, {key: value for key, value in given.items() if key not in _POLICY})
    _may_restart(given.get("restart", "never"), given.get("window", UNSET))


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a state but for the context and the name."""
    return {key: value for key, value in arguments.items() if key not in ("ctx", "name")}


def _plan(ctx: Context, name: str, run: bool, given: Mapping[str, Any]) -> Plan:
    wanted = domain_wish.wanted(name, {key: value for key, value in given.items() if key not in _POLICY})
    restart, later = _may_restart(given["restart"], given["window"])
    try:
        seen = virt_look.look(ctx, name, wanted)
    except (LibvirtUnavailable, DatastoreError) as error:
        return Plan(None, wanted.facets, unknown=str(error))
    if seen.found is None and "memory" not in wanted.facets:
        return Plan(None, wanted.facets, unknown=f"there is no guest {name}; to define one, say at least its `memory`")
    policy = Policy(
        run=run,
        autostart=wanted.autostart,
        restart=restart,
        later=later,
        timeout=given["timeout"],
        force=given["force"],
    )
    return virt_plan.plan(ctx, name, seen, policy)


def _may_restart(restart: str, window: str | Unset) -> tuple[bool, str | None]:
    """Whether a guest may be restarted now, and else when it may be."""
    if (restart == "window") == isinstance(window, Unset):
        raise DomainError("restart: window goes with a window, like window: 02:00-04:00")
    if isinstance(window, Unset):
        return restart == "if-needed", None
    now = time.localtime()
    is_now = domain_wish.inside(now.tm_hour * 60 + now.tm_min, domain_wish.window(window))
    return is_now, None if is_now else window


def _read(ctx: Context, name: str) -> virt_read.Guest | None:
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        return virt_read.guest(connection, name)


def _off(ctx: Context, name: str, how: Step) -> Plan:
    """The plan by which the guest NAME does not run any more."""
    from dataclasses import replace

    names.guest(name)
    wish = {"state": "shut off"}
    try:
        found = _read(ctx, name)
    except LibvirtUnavailable as error:
        return Plan(None, wish, unknown=str(error))
    if found is None:
        return Plan(None, None, comment=f"there is no guest {name}")
    if not found.is_active:
        return Plan(wish, wish)
    current = {"state": found.state}
    gone = wish if found.persistent else None  # a transient guest ends with its run
    return Plan(current, gone, [replace(how, before=found.state, after="shut off")], settle_s=SETTLE_S)
