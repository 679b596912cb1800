"""What a provisioner asks of a node: can it run guests, containers, VLANs, NFS mounts."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import Any

from minion.grains import read
from saltern.config import Config

_KVM_TIMEOUT_S = 2.0
_VERSION_TIMEOUT_S = 10.0  # it says so at once, but for a node that stalls
_CAP_SYS_MODULE = 1 << 16


def kvm(config: Config) -> dict[str, Any]:
    """`kvm_usable`: the processor has the extension and a small guest was seen to run.

    The device alone proves nothing: it may be there for a kernel that only emulates (guests then hang), or be
    forbidden. The guest runs in a process of its own, which is killed where the guest does not stop in time.
    """
    if not os.path.exists("/dev/kvm") or not cpu_virtualises(read.text("/proc/cpuinfo"), os.uname().machine):
        return {"kvm_usable": False}
    import subprocess

    from minion.grains import kvm_guest

    try:
        ended = subprocess.run(
            [sys.executable, "-I", "-S", kvm_guest.__file__],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_KVM_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"kvm_usable": False}
    return {"kvm_usable": ended.returncode == 0}


def cpu_virtualises(cpuinfo: str, machine: str) -> bool:
    """Whether the processor has VMX or SVM by the text of /proc/cpuinfo; elsewhere than on x86 no flag tells, so the
    guest must."""
    if machine not in ("x86_64", "i686", "i586"):
        return True
    flags = next((entry for entry in cpuinfo.split("\n") if entry.startswith("flags")), "")
    return not {"vmx", "svm"}.isdisjoint(flags.split())


def datastores(config: Config) -> dict[str, Any]:
    """`datastores`: by number or name, `kind`, `path`, `size` and `free` in MiB, `used_percent`; `error` in the place
    of the numbers where one is away or does not answer within 3 s."""
    if not os.path.exists(config.paths.var / "minion" / "datastores.json"):
        return {}
    from modules import datastore
    from modules._datastore import register as datastore_register

    known = datastore_register.read(datastore_register.file_in(config.paths.var))
    return {"datastores": datastore.capacities(known, datastore.GRAIN_S)} if known else {}


def libvirt(config: Config) -> dict[str, Any]:
    """`libvirt_version` of the daemon: the name of the library that it is installed with, which costs no process."""
    if not any(_program(name) for name in ("libvirtd", "virtqemud", "virtlxcd")):
        return {}
    multiarch = getattr(sys.implementation, "_multiarch", "")
    for folder in (f"/usr/lib/{multiarch}", "/usr/lib64", "/usr/lib", f"/lib/{multiarch}", "/usr/local/lib"):
        version = libvirt_version(read.link(f"{folder}/libvirt.so.0"))
        if version:
            return {"libvirt_version": version}
    return {}


def libvirt_version(library: str) -> str:
    """ "9.0.0" for `libvirt.so.0.9000.0`: libvirt writes major * 1000 + minor, then the release, into that name."""
    found = re.fullmatch(r"(?:.*/)?libvirt\.so\.0\.(\d{4,9})\.(\d{1,9})", library)
    return f"{int(found[1]) // 1000}.{int(found[1]) % 1000}.{found[2]}" if found else ""


def lxc(config: Config) -> dict[str, Any]:
    """`lxc_version`, as `lxc-start` says it; none where it says nothing in time."""
    program = _program("lxc-start")
    if not program:
        return {}
    import subprocess

    try:
        ended = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_VERSION_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {}
    version = ended.stdout.decode("utf-8", "replace").strip()
    return {"lxc_version": version} if re.fullmatch(r"\d[\w.~+-]{0,40}", version) else {}


def _program(name: str) -> str:
    """The path of a system program, '' where it is not installed."""
    places = (f"{folder}/{name}" for folder in ("/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/sbin"))
    return next((place for place in places if os.access(place, os.X_OK)), "")


def kernel_features(config: Config) -> dict[str, Any]:
    """`vlan_8021q` and `nfs_client`: the kernel has it now, or has the module and lets us load it."""
    loadable = _loadable(("8021q", "nfsv4"))
    filesystems = read.text("/proc/filesystems").split()
    vlan = os.path.isdir("/proc/net/vlan") or os.path.isdir("/sys/module/8021q")
    return {
        "vlan_8021q": vlan or loadable["8021q"],
        "nfs_client": "nfs4" in filesystems or loadable["nfsv4"],
    }


def _loadable(modules: tuple[str, ...]) -> Mapping[str, bool]:
    folder = f"/lib/modules/{os.uname().release}"
    built_in = module_names(read.text(f"{folder}/modules.builtin"))
    may_load = may_load_modules(read.text("/proc/self/status"), read.line("/proc/sys/kernel/modules_disabled"))
    on_disk = module_names(read.text(f"{folder}/modules.dep")) if may_load else frozenset()
    return {name: name in built_in or name in on_disk for name in modules}


def may_load_modules(status: str, disabled: str) -> bool:
    """Whether this process may load kernel modules: CAP_SYS_MODULE (capabilities(7)) in the text of /proc/self/status,
    and a kernel that has modules (it then has the file modules_disabled) and has not closed that door."""
    fields = dict(entry.split(":", 1) for entry in status.split("\n") if ":" in entry)
    try:
        effective = int(fields.get("CapEff", "0"), 16)
    except ValueError:
        return False
    return disabled == "0" and bool(effective & _CAP_SYS_MODULE)


def module_names(source: str) -> frozenset[str]:
    """The names in modules.dep or modules.builtin: `kernel/net/8021q/8021q.ko.xz: …` is 8021q."""
    files = (entry.partition(":")[0].rpartition("/")[2] for entry in source.split("\n"))
    return frozenset(file.partition(".ko")[0].replace("-", "_") for file in files if ".ko" in file)
