"""Whether the node is a machine, a guest or a container.

A container is told by its process namespace, not by a file such as /.dockerenv: a guest may have been started from the
tree of a container image, and a user-mode Linux host may look at the tree of its machine.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from minion.grains import read
from saltern.config import Config

_INITIAL_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO in the kernel's include/linux/proc_ns.h

_PRODUCTS = (
    ("VMware", "VMware"),
    ("VirtualBox", "VirtualBox"),
    ("innotek", "VirtualBox"),
    ("Parallels", "Parallels"),
    ("Xen", "xen"),
    ("HVM domU", "xen"),
    ("BHYVE", "bhyve"),
    ("Google Compute Engine", "gce"),
    ("KVM", "kvm"),
    ("Amazon EC2", "kvm"),
    ("OpenStack", "kvm"),
    ("oVirt", "kvm"),
    ("RHEV", "kvm"),
    ("KubeVirt", "kvm"),
    ("Firecracker", "kvm"),
)
"""A part of vendor or product in the firmware's tables → the grain `virtual`."""

_CONTAINERS = {
    "docker": "Docker",
    "podman": "Podman",
    "lxc": "LXC",
    "lxc-libvirt": "LXC",
    "systemd-nspawn": "systemd-nspawn",
    "kubepods": "Kubernetes",
    "wsl": "WSL",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What tells where the node runs. TEXTs are as the kernel gives them, '' where it gives none."""

    cpuinfo: str = ""
    vendor: str = ""  # /sys/class/dmi/id/sys_vendor
    product: str = ""
    clocksources: str = ""
    hypervisor: str = ""  # /sys/hypervisor/type
    xen_capabilities: str = ""
    initial_pid_namespace: bool = True
    container: str = ""  # what its manager calls it: /run/systemd/container, or `container` of process 1's environment
    cgroup: str = ""  # /proc/1/cgroup
    files: frozenset[str] = frozenset()  # those of /.dockerenv and /run/.containerenv that exist


def virtual(config: Config) -> dict[str, Any]:
    """`virtual` and, where there is more to say, `virtual_subtype`."""
    kind, subtype = classify(_signs())
    return {"virtual": kind, "virtual_subtype": subtype} if subtype else {"virtual": kind}


def _signs() -> Signs:
    marks = ("/.dockerenv", "/run/.containerenv")
    return Signs(
        cpuinfo=read.text("/proc/cpuinfo"),
        vendor=read.line("/sys/class/dmi/id/sys_vendor"),
        product=read.line("/sys/class/dmi/id/product_name"),
        clocksources=read.line("/sys/devices/system/clocksource/clocksource0/available_clocksource"),
        hypervisor=read.line("/sys/hypervisor/type"),
        xen_capabilities=read.line("/proc/xen/capabilities"),
        initial_pid_namespace=read.link("/proc/self/ns/pid") in ("", _INITIAL_PID_NAMESPACE),
        container=read.line("/run/systemd/container") or _environment(read.text("/proc/1/environ")),
        cgroup=read.text("/proc/1/cgroup"),
        files=frozenset(mark for mark in marks if os.path.exists(mark)),
    )


def _environment(source: str) -> str:
    return next((entry[10:] for entry in source.split("\0") if entry.startswith("container=")), "")


def classify(signs: Signs) -> tuple[str, str]:
    """The grains `virtual` and `virtual_subtype` ('' for none) for SIGNS."""
    if "User Mode Linux" in signs.cpuinfo:
        return "uml", ""
    if not signs.initial_pid_namespace:
        container = _container(signs)
        if container:
            return "container", container
    return _machine(signs)


def _container(signs: Signs) -> str:
    """What kind of container: '' where nothing but the namespace says that it is one (`unshare`, a sandbox)."""
    word = signs.container.lower()
    if word:
        return _CONTAINERS.get(word, signs.container)
    if "/run/.containerenv" in signs.files:
        return "Podman"
    for mark in ("kubepods", "docker", "lxc"):
        if f"/{mark}" in signs.cgroup:
            return _CONTAINERS[mark]
    return "Docker" if "/.dockerenv" in signs.files else ""


def _machine(signs: Signs) -> tuple[str, str]:
    if signs.hypervisor == "xen" or "xen" in signs.clocksources.split():
        return "xen", "Xen Dom0" if "control_d" in signs.xen_capabilities else "Xen DomU"
    named = f"{signs.vendor} {signs.product}"
    for part, kind in _PRODUCTS:
        if part.lower() in named.lower():
            return kind, ""
    if signs.vendor == "Microsoft Corporation" and signs.product == "Virtual Machine":
        return "HyperV", ""
    if "kvm-clock" in signs.clocksources.split():
        return "kvm", ""
    if "hyperv_clocksource" in signs.clocksources:
        return "HyperV", ""
    if "QEMU" in named or "QEMU" in signs.cpuinfo or "Bochs" in named:
        return "qemu", ""
    if any(" hypervisor" in entry for entry in signs.cpuinfo.split("\n") if entry.startswith("flags")):
        return "unknown", ""
    return "physical", ""
