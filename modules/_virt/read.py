"""A guest as libvirt has it: its persistent configuration and, where it runs, what it runs with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modules._virt import hypervisor, xml
from modules._virt.domain_change import Limits
from modules._virt.domain_facets import read

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# virDomainState by number, in virsh's words
STATES = ("no state", "running", "idle", "paused", "in shutdown", "shut off", "crashed", "suspended")


@dataclass(frozen=True, slots=True)
class Guest:
    """A domain: CONFIG as it is at the next start, LIVE as it runs (None: it does not), its STATE, whether it is
    PERSISTENT and starts with the node."""

    config: Element
    live: Element | None
    state: str
    autostart: bool
    persistent: bool
    has_balloon: bool = False  # its driver answers

    @property
    def is_active(self) -> bool:
        """Whether QEMU runs for it, also while it is paused."""
        return self.live is not None

    @property
    def limits(self) -> Limits:
        """What the running guest was started with."""
        if self.live is None:
            return Limits()
        has_graphics = self.live.find("devices/graphics") is not None
        return Limits(read(self.live, "max_memory"), read(self.live, "max_vcpus"), has_graphics, self.has_balloon)


@dataclass(frozen=True, slots=True)
class Host:
    """What the node has to give: MEMORY in MiB, processors, and the version of libvirt (major * 10**6 + …)."""

    memory: int
    cpus: int
    version: int


def guest(connection: Any, name: str) -> Guest | None:
    """The domain NAME, or None."""
    domain = hypervisor.find_domain(connection, name)
    return of(domain) if domain is not None else None


def of(domain: Any) -> Guest:
    """A virDomain as a Guest. Its XML is read with its secrets, which the values hide."""
    libvirt = hypervisor.library()
    secure, inactive = libvirt.VIR_DOMAIN_XML_SECURE, libvirt.VIR_DOMAIN_XML_INACTIVE
    active = bool(domain.isActive())
    persistent = bool(domain.isPersistent())
    return Guest(
        config=xml.parse(domain.XMLDesc(secure | inactive)),
        live=xml.parse(domain.XMLDesc(secure)) if active else None,
        state=STATES[domain.state()[0]],
        autostart=bool(domain.autostart()) if persistent else False,
        persistent=persistent,
        has_balloon=active and _has_balloon(domain),
    )


def _has_balloon(domain: Any) -> bool:
    """Whether the guest's balloon driver reports: its statistics are only there where it does."""
    libvirt = hypervisor.library()
    try:
        return not {"unused", "available", "usable"}.isdisjoint(domain.memoryStats())
    except libvirt.libvirtError:
        return False


def host(connection: Any) -> Host:
    """What the node has to give."""
    about = connection.getInfo()
    return Host(memory=int(about[1]), cpus=int(about[2]), version=int(connection.getLibVersion()))
