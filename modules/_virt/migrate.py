"""Moving a guest to another node while it runs: a part of `virt`."""

from __future__ import annotations

import re
import threading
from typing import Any

from modules._virt import act as virt_act
from modules._virt import hypervisor
from modules._virt.hypervisor import LibvirtError
from saltern import names
from saltern.context import Context
from saltern.marks import acting

_TARGET = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]{0,252}|(qemu|test)(\+[a-z]+)?://[!-~]{1,500}")


@acting
def migrate(
    ctx: Context,
    vm_: str,
    target: str,
    live: bool = True,
    persistent: bool = True,
    undefinesource: bool = True,
    bandwidth: int = 0,
    max_downtime: int | None = None,
    unsafe: bool = False,
    copy_storage: bool = False,
    compressed: bool = False,
    timeout: float = 600.0,
) -> bool:
    """Move the guest VM_ to the node TARGET (a host name, reached by qemu+ssh, or a libvirt URI) by libvirt itself,
    from its daemon to the other one (peer to peer).

    live: it goes on running meanwhile. persistent: it is defined there. undefinesource: and no longer here. bandwidth:
    MiB/s at most, 0: no limit. max_downtime: milliseconds that it may stand still. unsafe: even if its disks' cache
    mode could lose writes. copy_storage: its disks are copied too, where no storage is shared. timeout: after this many
    seconds the move is given up and the guest goes on here.

    Its leases of virtual networks move by `vnet.move`.
    """
    if not _TARGET.fullmatch(target):
        raise LibvirtError(f"target is a host name or a libvirt URI, not {target!r}")
    libvirt = hypervisor.library()
    flags = libvirt.VIR_MIGRATE_PEER2PEER | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
    chosen = {
        "LIVE": live,
        "PERSIST_DEST": persistent,
        "UNDEFINE_SOURCE": undefinesource,
        "UNSAFE": unsafe,
        "NON_SHARED_DISK": copy_storage,
        "COMPRESSED": compressed,
    }
    for flag, is_on in chosen.items():
        flags |= getattr(libvirt, f"VIR_MIGRATE_{flag}") if is_on else 0
    uri = target if "://" in target else f"qemu+ssh://{target}/system"
    params = {libvirt.VIR_MIGRATE_PARAM_BANDWIDTH: bandwidth} if bandwidth else {}
    what = f"migrate {vm_} to {target}"
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection, hypervisor.translating(what):
        domain = virt_act.domain_of(connection, names.guest(vm_))
        if not domain.isActive():
            raise LibvirtError(f"{vm_} does not run, so there is nothing to move while it runs")
        watch = threading.Timer(timeout, _abort, (domain,))
        watch.daemon = True
        watch.start()
        try:
            if max_downtime is not None:
                domain.migrateSetMaxDowntime(max_downtime, 0)
            domain.migrateToURI3(uri, params, flags)
        finally:
            watch.cancel()
    return True


def _abort(domain: Any) -> None:
    """Give the move up; libvirt then ends the call that waits for it with an error of its own."""
    from contextlib import suppress

    with suppress(hypervisor.library().libvirtError):
        domain.abortJob()
