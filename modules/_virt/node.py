"""What a node has to give to guests: a part of the execution module `virt`."""

from __future__ import annotations

from typing import Any

from modules._virt import hypervisor
from modules._virt import xml as virt_xml
from modules._virt.hypervisor import LibvirtError
from saltern.context import Context
from saltern.marks import reading


@reading
def get_hypervisor(ctx: Context) -> str:
    """What runs the guests ("QEMU", "kvm" where KVM is found to work)."""
    from modules._virt import kvm_probe

    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        kind = str(connection.getType())
    return "kvm" if kind == "QEMU" and kvm_probe.works() else kind


@reading
def is_hyper(ctx: Context) -> bool:
    """Whether this node can run guests: libvirt answers."""
    try:
        with hypervisor.session(hypervisor.uri_of(ctx)):
            return True
    except LibvirtError:
        return False


@reading
def freemem(ctx: Context) -> int:
    """The memory of the node in MiB that no running guest has."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        used = sum(one.info()[2] for one in connection.listAllDomains() if one.isActive())
        return int(connection.getInfo()[1] - used // 1024)


@reading
def freecpu(ctx: Context) -> int:
    """The processors of the node less those of the running guests; less than 0 where they share."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        used = sum(one.info()[3] for one in connection.listAllDomains() if one.isActive())
        return int(connection.getInfo()[2] - used)


@reading
def node_info(ctx: Context) -> dict[str, Any]:
    """The node as libvirt has it: processor model, memory in MiB, numbers of processors, MHz, nodes, sockets, cores,
    threads."""
    keys = ("cpumodel", "phymemory", "cpus", "cpumhz", "numanodes", "sockets", "cpucores", "cputhreads")
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        return dict(zip(keys, connection.getInfo(), strict=True))


@reading
def capabilities(ctx: Context) -> dict[str, Any]:
    """What libvirt can do here: the host's architecture and processor model, and by kind of guest ("x86_64"): the
    domain types (qemu, kvm) and machines. The first call asks every QEMU on the node and takes some seconds."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        root = virt_xml.parse(connection.getCapabilities())
    guests = {
        arch.get("name", ""): {
            "types": [one.get("type") for one in arch.findall("domain")],
            "machines": [one.text for one in arch.findall("machine")],
        }
        for arch in root.findall("guest/arch")
    }
    return {"host": {"arch": virt_xml.at(root, "host/cpu/arch"), "cpu": virt_xml.at(root, "host/cpu/model")}} | {
        "guests": guests
    }
