"""What a lab host's tree has of its own, over the machine's tree that it shares.

The machine may be anything from a bare container to somebody's desktop. So a host takes over no unit that the
administrator of the machine enabled, and of the units that packages enable only those named here.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

UNITS = Path("/usr/lib/systemd/system")
GENERATORS = Path("/usr/lib/systemd/system-generators")

# What packages want at boot that a lab host needs too. The rest would double the time to boot.
WANTED = frozenset(
    {
        "dbus.socket",
        "kmod-static-nodes.service",
        "systemd-initctl.socket",
        "systemd-journald-dev-log.socket",
        "systemd-journald.service",
        "systemd-journald.socket",
        "systemd-modules-load.service",
        "systemd-sysctl.service",
        "systemd-tmpfiles-setup-dev.service",
        "systemd-tmpfiles-setup.service",
    }
)
WANTED_GENERATORS = frozenset({"nfs-server-generator", "rpc-pipefs-generator", "systemd-fstab-generator"})

# Places of the machine that must look unused in a host.
HIDDEN = (
    ".dockerenv",  # systemd would take the host for a container and not write its disk back at the end
    "etc/systemd/system",
    "etc/systemd/system-generators",
    "etc/fstab",
    "etc/exports",
    "etc/exports.d",
    "etc/modules",
    "etc/modules-load.d",
    "etc/libvirt/qemu",
    "etc/libvirt/secrets",
    "etc/libvirt/storage",
    "etc/saltern",
    "srv/saltern",
    "var/lib/saltern",
    "var/cache/saltern",
    "var/cache/libvirt",
    "var/lib/libvirt",
    "var/lib/lxc",
    "var/lib/one",
    "var/lib/nfs",
    "var/log/journal",
    "store",
)

AGENT_UNIT = """\
[Unit]
Description=Runs commands for the lab
DefaultDependencies=no

[Service]
ExecStart={python} -ISE {agent} /dev/ttyS0 /run/saltern-lab
KillMode=process
OOMScoreAdjust=-900

[Install]
WantedBy=sysinit.target
"""

# libvirt reads the features of a new machine's processor one by one, 400 questions that take 8 s here; without this
# capability of QEMU it asks two.
QEMU_CONF = 'capability_filters = [ "cpu-unavailable-features" ]\n'

MINION_UNIT = """\
[Unit]
Description=Saltern minion
After=network.target

[Service]
ExecStart={bin}/saltern-minion
Restart=on-failure
RestartSec=1
KillMode=process

[Install]
WantedBy=multi-user.target
"""


def hidden() -> list[str]:
    """Paths (relative to `/`) that a host's tree does not have: HIDDEN, and what would only make the boot slower."""
    wants = [link for link in UNITS.glob("*.wants/*") if link.name not in WANTED]
    generators = [file for file in GENERATORS.glob("*") if file.name not in WANTED_GENERATORS]
    return sorted([*HIDDEN, *(str(path.relative_to("/")) for path in (*wants, *generators))])


def shown() -> list[str]:
    """Folders that a host needs of the machine's tree and would not see, since they lie where it has its own memory."""
    needed = (Path(__file__).resolve().parents[2], Path(sys.prefix).resolve())
    return sorted({str(path) for path in needed if path.is_relative_to("/tmp") or path.is_relative_to("/run")})


def write_tree(tree: Path, name: str, addresses: Mapping[str, str]) -> None:
    """Write into TREE the files of the host NAME. ADDRESSES (host name → IP address) become its /etc/hosts."""
    python, here = os.path.realpath(sys.executable), Path(__file__).parent
    units = tree / "etc/systemd/system"
    files = {
        "etc/hostname": f"{name}\n",
        "etc/hosts": _hosts(addresses),
        "etc/machine-id": hashlib.md5(f"saltern lab {name}".encode(), usedforsecurity=False).hexdigest() + "\n",
        "etc/resolv.conf": "# no resolver: /etc/hosts knows all hosts of the lab\n",
        "etc/fstab": "",
        "etc/modules": "",
        "etc/exports": "",
        "etc/libvirt/qemu.conf": QEMU_CONF,
        "etc/systemd/journald.conf.d/lab.conf": "[Journal]\nStorage=volatile\n",
        "etc/systemd/system/saltern-lab-agent.service": AGENT_UNIT.format(python=python, agent=here / "agent.py"),
        # not sys.executable's own place: the commands are in the virtual environment
        "etc/systemd/system/saltern-minion.service": MINION_UNIT.format(bin=Path(sys.executable).parent),
    }
    for path, text in files.items():
        file = tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    _link(units / "default.target", UNITS / "multi-user.target")
    _link(units / "sysinit.target.wants/saltern-lab-agent.service", Path("../saltern-lab-agent.service"))
    _link(tree / "etc/modules-load.d/modules.conf", Path("../modules"))


def _hosts(addresses: Mapping[str, str]) -> str:
    lines: Iterable[str] = (f"{address}\t{name}" for name, address in addresses.items())
    return "\n".join(["127.0.0.1\tlocalhost", *lines]) + "\n"


def _link(place: Path, target: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)
