"""What the steps of the `virt` states do. Each function opens its own connection to URI.

Nothing here destroys a guest in order to change it, and a configuration is changed by changing its XML, so that what
libvirt chose (UUID, MAC and PCI addresses) stays.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from modules import cloud_init
from modules._disk import notes as disk_notes
from modules._disk import users as disk_users
from modules._virt import domain_devices as devices
from modules._virt import domain_facets as facets
from modules._virt import hypervisor, xml
from modules._virt import read as virt_read
from modules._virt.domain_facets import DISK, NIC
from modules._virt.hypervisor import LibvirtError
from saltern.errors import nearest
from saltern.marks import acting
from saltern.secret import Secret

POLL_S = 0.25
QEMU_CONF = "/etc/libvirt/qemu.conf"
_SETTING = re.compile(r"""^[ \t]*(user|group|dynamic_ownership)[ \t]*=[ \t]*("[^"\n]*"|[0-9]+)""", re.MULTILINE)
ASK_AGAIN_S = 10.0  # a guest that is still booting does not see its power button
Items = Sequence[tuple[str, Any]]


@acting
def define(uri: str, name: str, items: Items) -> bool:
    """Define a new guest of these facets."""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"define {name}"):
        if hypervisor.find_domain(connection, name) is not None:
            raise LibvirtError(f"{name} was defined by somebody else meanwhile")
        connection.defineXML(xml.written(facets.new(name, dict(items))))
    return True


@acting
def configure(uri: str, name: str, items: Items) -> bool:
    """Change these facets of the persistent configuration, and nothing else of it."""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"configure {name}"):
        _configure(connection, domain_of(connection, name), dict(items))
    return True


@acting
def change(uri: str, name: str, key: str, value: Any, config: bool) -> bool:
    """Change the facet KEY of the running guest now, and where CONFIG its configuration too."""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"change {key} of {name}"):
        domain = domain_of(connection, name)
        _live(domain, key, value)
        if config:
            _configure(connection, domain, {key: value})
    return True


@acting
def write_seed(path: str, files: Mapping[str, Any], label: str) -> bool:
    """Write the volume that tells a guest who it is, as a file that QEMU can read; its folder is made where it is
    missing, so that QEMU can pass."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.makedirs(folder)
        os.chmod(folder, 0o711)  # noqa: S103 - QEMU has to pass, whatever the umask says
    try:
        with open(QEMU_CONF, encoding="utf-8") as file:
            user, group = emulator_owner(file.read())
    except FileNotFoundError:
        user = group = None
    return cloud_init.write(path, files, label=label, user=user, group=group)


def emulator_owner(text: str) -> tuple[str | None, str | None]:
    """The user and group that QEMU's files have to belong to, by the TEXT of qemu.conf; None where libvirt gives a
    guest its files itself, which is the default (`dynamic_ownership`)."""
    said = {found[1]: found[2].strip('"').lstrip("+") for found in _SETTING.finditer(text)}
    if said.get("dynamic_ownership", "1") != "0":
        return None, None
    return said.get("user"), said.get("group")


@acting
def remove_seed(path: str) -> bool:
    """Delete the volume that told a guest who it is; anything else at PATH is left."""
    if cloud_init.read(path) is not None:
        os.unlink(path)
    return True


@acting
def set_autostart(uri: str, name: str, on: bool) -> bool:
    """Whether the guest starts with the node."""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"autostart of {name}"):
        domain_of(connection, name).setAutostart(1 if on else 0)
    return True


@acting
def start(uri: str, name: str) -> bool:
    """Start the guest; one that is paused or suspended goes on."""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"start {name}"):
        _start(domain_of(connection, name))
    return True


@acting
def stop(uri: str, name: str, timeout: float, force: bool) -> bool:
    """Shut the guest down by ACPI (or its agent) within TIMEOUT seconds; after that FORCE powers it off."""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"shut down {name}"):
        _stop(domain_of(connection, name), name, timeout, force)
    return True


@acting
def power_off(uri: str, name: str) -> bool:
    """Pull the plug (virDomainDestroy). Its disks stay; what it had not written is lost."""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"power off {name}"):
        _destroy(domain_of(connection, name))
    return True


@acting
def restart(uri: str, name: str, timeout: float, force: bool) -> bool:
    """Shut the guest down and start it again with its configuration as it is now."""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"restart {name}"):
        domain = domain_of(connection, name)
        if domain.isActive():
            _stop(domain, name, timeout, force)
        _start(domain)
    return True


@acting
def reboot(uri: str, name: str) -> bool:
    """Ask the guest to reboot. It goes on with what it was started with."""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"reboot {name}"):
        domain_of(connection, name).reboot(0)
    return True


@acting
def undefine(uri: str, name: str) -> bool:
    """Take away the guest's configuration, with its UEFI variables, saved memory and the records of its snapshots. Its
    disks stay."""
    libvirt = hypervisor.library()
    flags = libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    flags |= libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    with hypervisor.session(uri) as connection, hypervisor.translating(f"undefine {name}"):
        domain = hypervisor.find_domain(connection, name)
        if domain is not None and domain.isPersistent():  # a transient one went when it was stopped
            _tolerant(lambda: domain.undefineFlags(flags), domain.undefine)
    return True


@acting
def remove_disk(uri: str, path: str, notes: str) -> bool:
    """Delete the disk at PATH by the pool that it lies in, and what NOTES say of it. LibvirtError where another guest
    or disk came to need it meanwhile."""
    if (why := disk_users.kept_by(uri, path, notes)) is not None:
        raise LibvirtError(f"{path} is not deleted: {why}")
    with hypervisor.session(uri) as connection, hypervisor.translating(f"delete {path}"):
        volume = hypervisor.or_none(lambda: connection.storageVolLookupByPath(path), "VIR_ERR_NO_STORAGE_VOL")
        if volume is not None:
            volume.delete(0)
    disk_notes.drop(notes, path)
    return True


def domain_of(connection: Any, name: str) -> Any:
    """The virDomain NAME. LibvirtError with the nearest name where there is none."""
    domain = hypervisor.find_domain(connection, name)
    if domain is None:
        known = [one.name() for one in connection.listAllDomains()]
        raise LibvirtError(f"there is no guest {name!r} on this node.{nearest(name, known)}")
    return domain


def _configure(connection: Any, domain: Any, wanted: Mapping[str, Any]) -> None:
    root = virt_read.of(domain).config
    facets.write(root, wanted)
    connection.defineXML(xml.written(root))


def _start(domain: Any) -> None:
    libvirt = hypervisor.library()
    state = domain.state()[0]
    if state == libvirt.VIR_DOMAIN_PAUSED:
        domain.resume()
    elif state == libvirt.VIR_DOMAIN_PMSUSPENDED:
        domain.pMWakeup(0)
    elif not domain.isActive():
        domain.create()


def _stop(domain: Any, name: str, timeout: float, force: bool) -> None:
    """A guest that is paused can't answer, so it goes on first."""
    libvirt = hypervisor.library()
    if not domain.isActive():
        return
    if domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED:
        domain.resume()
    now = time.monotonic()
    deadline, ask = now + timeout, now
    while now < deadline:
        if not _active(domain):
            return
        if now >= ask:
            _gone(domain.shutdown)
            ask = now + ASK_AGAIN_S
        time.sleep(POLL_S)
        now = time.monotonic()
    if not force:
        raise LibvirtError(
            f"{name} did not shut down within {timeout:g} s; more `timeout`, or `force: true` to power off"
        )
    _destroy(domain)


def _active(domain: Any) -> bool:
    """Whether it still runs; a transient guest is gone altogether when it stops."""
    return bool(hypervisor.or_none(domain.isActive, "VIR_ERR_NO_DOMAIN"))


def _destroy(domain: Any) -> None:
    if _active(domain):
        _gone(domain.destroy)


def _gone(do: Any) -> None:
    """DO it, unless the guest has stopped by itself just now."""
    hypervisor.or_none(do, "VIR_ERR_NO_DOMAIN", "VIR_ERR_OPERATION_INVALID")


def _tolerant(first: Any, otherwise: Any) -> None:
    """FIRST, or OTHERWISE where the driver does not know such flags."""
    libvirt = hypervisor.library()
    try:
        first()
    except libvirt.libvirtError as error:
        if error.get_error_code() not in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INVALID_ARG):
            raise
        otherwise()


def _live(domain: Any, key: str, value: Any) -> None:
    """Change the facet KEY of the running guest; see `_virt.domain_change.is_live` for which can be."""
    libvirt = hypervisor.library()
    now = libvirt.VIR_DOMAIN_AFFECT_LIVE
    root = virt_read.of(domain).live
    if root is None:
        raise LibvirtError("it does not run any more")
    if key == "memory":
        domain.setMemoryFlags(value * 1024, now)
    elif key == "vcpus":
        domain.setVcpusFlags(value, now)
    elif key in ("title", "description"):
        kind = libvirt.VIR_DOMAIN_METADATA_TITLE if key == "title" else libvirt.VIR_DOMAIN_METADATA_DESCRIPTION
        domain.setMetadata(kind, value, None, None, now)
    elif key == "metadata":
        text = xml.written(facets.metadata_element(value)) if value else None
        domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, text, "saltern", facets.METADATA, now)
    elif key == "password":
        _password(domain, root, value, now)
    elif key.startswith((DISK, NIC)):
        _device(domain, root, key, value, now)
    else:
        raise LibvirtError("it can't be changed while the guest runs")


def _password(domain: Any, root: Any, value: Secret, now: int) -> None:
    display = root.find("devices/graphics")
    display.set("passwd", value.reveal())
    domain.updateDeviceFlags(xml.written(display), now)


def _device(domain: Any, root: Any, key: str, value: Any, now: int) -> None:
    name = key.partition(" ")[2]
    find = devices.disk_element if key.startswith(DISK) else devices.nic_element
    there = find(root, name)
    if value is None:
        if there is not None:
            domain.detachDeviceFlags(xml.written(there), now)
        return
    do = domain.attachDeviceFlags if there is None else domain.updateDeviceFlags
    facets.write(root, {key: value})
    wanted = find(root, name)
    assert wanted is not None  # just written
    do(xml.written(wanted), now)
