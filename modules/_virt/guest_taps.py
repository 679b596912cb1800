"""Which guest an interface of the node belongs to: a tap of a virtual machine, the outer end of a container's veth.

Found without asking a daemon: libvirt keeps the live description of each running machine in a file, LXC gives each
container a control group, and the kernel numbers the network namespaces that it sees from here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

LIBVIRT = Path("/run/libvirt/qemu")  # virDomainSaveStatus: NAME.xml, <domstatus> with the live <domain>
CGROUPS = Path("/sys/fs/cgroup")
_GROUP = "lxc.payload."  # lxc.container.conf(5), lxc.cgroup.dir.payload: default lxc.payload.NAME
_MOST_BYTES = 4 * 1024 * 1024


def machines(folder: Path = LIBVIRT) -> dict[str, str]:
    """The virtual machine of each tap, by the tap's name. Files that can't be read are passed over."""
    found: dict[str, str] = {}
    for file in sorted(folder.glob("*.xml")):
        try:
            if file.is_symlink() or file.stat().st_size > _MOST_BYTES:
                continue
            root = ET.parse(file).getroot()  # noqa: S314 - libvirtd's own file; expat bounds entities
        except (OSError, ET.ParseError):
            continue
        domain = root if root.tag == "domain" else root.find("domain")
        name = domain.findtext("name") if domain is not None else None
        for target in domain.iterfind("devices/interface/target") if domain is not None and name else ():
            if tap := target.get("dev"):
                found[tap] = str(name)
    return found


def containers(folder: Path = CGROUPS) -> dict[str, int]:
    """The running containers by name, with the id of one of their processes."""
    found: dict[str, int] = {}
    for group in _groups(folder):
        name = group.name.removeprefix(_GROUP)
        pid = _first_process(group)
        if pid is not None:
            found.setdefault(name, pid)
    return found


def _groups(folder: Path) -> Iterator[Path]:
    for pattern in (f"{_GROUP}*", f"*/{_GROUP}*"):  # the one hierarchy (v2), or one for each controller (v1)
        yield from sorted(folder.glob(pattern))


def _first_process(group: Path) -> int | None:
    """A process of a group, or of a group inside it (systemd moves itself into one)."""
    for folder, _, _ in os.walk(group):
        try:
            words = Path(folder, "cgroup.procs").read_text().split()
        except OSError:
            continue
        if words and words[0].isdecimal() and words[0] != "0":
            return int(words[0])
    return None


def veths(processes: Mapping[str, int]) -> dict[int, str]:
    """The owner of each veth whose other end is in the network namespace of a process of PROCESSES (by owner), by the
    veth's index."""
    if not processes:
        return {}
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    owners: dict[int, str] = {}
    try:
        with closing(IPRoute()) as socket:
            for name, pid in processes.items():
                try:
                    number = socket.get_netnsid(pid=pid)["nsid"]
                except (NetlinkError, KeyError):
                    continue  # it ended meanwhile
                if 0 <= number < 2**31:
                    owners[number] = name
            if not owners:
                return {}
            return {
                message["index"]: owners[elsewhere]
                for message in socket.link("dump", ext_mask=8)  # RTEXT_FILTER_SKIP_STATS
                if (elsewhere := message.get_attr("IFLA_LINK_NETNSID")) in owners
            }
    except (OSError, NetlinkError):
        return {}
