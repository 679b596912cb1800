"""Snapshots of guests: a part of the states `virt`."""

from __future__ import annotations

from modules._virt import hypervisor
from modules._virt import snapshot as virt_snapshot
from modules._virt.hypervisor import LibvirtUnavailable
from modules._virt.pool_xml import name_of
from saltern.context import Context
from saltern.converge.plan import Plan, Step, call
from saltern.converge.state import check, state


@state
def snapshot_present(ctx: Context, name: str, *, domain: str, description: str | None = None) -> Plan:
    """The guest DOMAIN has a snapshot NAME; one is taken where it is missing, of the guest as it is then.

    description: of a new one.
    """
    name_of(name, "snapshot")
    uri = hypervisor.uri_of(ctx)
    have, problem = _names(uri, domain)
    if have is None:
        return Plan(None, (name,), unknown=problem)
    do = call(virt_snapshot.take, domain, name, description, uri=uri)
    step = Step(f"take snapshot {name} of {domain}", None, name, do=do)
    return Plan((name,) if name in have else None, (name,), [] if name in have else [step])


@state
def snapshot_absent(ctx: Context, name: str, *, domain: str) -> Plan:
    """The guest DOMAIN has no snapshot NAME. What its disks hold now stays."""
    name_of(name, "snapshot")
    uri = hypervisor.uri_of(ctx)
    have, problem = _names(uri, domain)
    if have is None:
        return Plan(None, None, unknown=problem)
    step = Step(f"delete snapshot {name} of {domain}", name, None, do=call(virt_snapshot.delete, domain, name, uri=uri))
    return Plan((name,) if name in have else None, None, [step] if name in have else [])


@check(of=snapshot_present)
def _present_arguments(name: str, *, domain: str, description: str | None = None) -> None:
    name_of(name, "snapshot")


@check(of=snapshot_absent)
def _absent_arguments(name: str, *, domain: str) -> None:
    name_of(name, "snapshot")


def _names(uri: str | None, domain: str) -> tuple[tuple[str, ...] | None, str]:
    """The names of the guest's snapshots; None and why where that can't be said yet."""
    try:
        return virt_snapshot.names(uri, domain), f"there is no guest {domain!r} on this node"
    except LibvirtUnavailable as error:
        return None, str(error)
