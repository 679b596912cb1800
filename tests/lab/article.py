"""What the lab gives the example instead of what an administrator would: a small image, a small container, a key.

All of it is pillar and one file in the state tree; the states are the example's own.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lab import guest
from tests.lab.channel import LabError
from tests.lab.host import Host
from tests.patience import patient

GUEST, CONTAINER = "Test-Deb11", "on-buster"
GUEST_ADDRESS, CONTAINER_ADDRESS = "10.1.16.10", "192.168.43.250"
GUEST_MAC = "02:00:0a:01:10:0a"
GATEWAY = "10.1.31.254"
STORE = "/var/lib/one/datastores"
KEY = "/root/article-key"  # on the hosts that log in
_RCS = "#!/bin/sh\nmkdir -p /etc/dropbear /dev/pts\n/sbin/dropbear -R -s\n"  # no DHCP: its address is set before it


def prepare(tree: Path) -> Path:
    """Make the trees below TREE (with `states` and `pillar`) fit for the lab; the private key that lets in."""
    key, public = guest.make_key(tree)
    (tree / "states/images").mkdir()
    shutil.copyfile(guest.files().image, tree / "states/images/debian-11.qcow2")
    (tree / "pillar/lab.sls").write_text(json.dumps(pillar(public)))
    top = tree / "pillar/top.sls"
    top.write_text(top.read_text() + "  '*':\n    - lab\n")
    return key


def pillar(public: str) -> dict[str, Any]:
    """What the lab's pillar says over the example's; PUBLIC may log in."""
    return {
        "ssh_keys": [public],
        "guests": {
            GUEST: {
                "memory": guest.MEMORY_MIB,
                "size": "100M",
                "more": {"machine": "pc"},
            }
        },
        "containers": {
            CONTAINER: {
                "template": "busybox",
                "release": None,
                "limits": {"memory": "64M"},
                "hostname": CONTAINER,
                "ssh_keys": [public],
                "mounts": [
                    {"source": f"{STORE}/100", "target": f"{STORE}/100"},
                    {"source": "/usr/sbin/dropbear", "target": "/sbin/dropbear", "ro": True, "create": "file"},
                ],
                "files": {"/etc/init.d/rcS": {"mode": "0755", "contents": _RCS}},
                "config": {"lxc.apparmor.profile": [], "lxc.apparmor.allow_nesting": []},
            }
        },
    }


@contextmanager
def workstation(host: Host, key: Path) -> Iterator[Host]:
    """HOST with the private KEY, and as the gateway in the guests' VLAN 46 for a while."""
    host.put(key, KEY, mode=0o600)
    lines = ["link add link eno1 name eno1.46 type vlan id 46", f"address add {GATEWAY}/20 dev eno1.46"]
    host.run(["ip", "-batch", "-"], stdin="\n".join([*lines, "link set eno1.46 up"]) + "\n")
    try:
        yield host
    finally:
        host.run(["ip", "link", "delete", "eno1.46"], check=False)


def log_in(host: Host, address: str, *words: str, within_s: float = 90.0) -> str:
    """What WORDS print at ADDRESS, run over SSH from HOST; tried until it answers. LabError where it does not."""
    deadline = time.monotonic() + patient(within_s)
    while (ran := host.run(guest.ssh(KEY, address, *words), check=False, timeout_s=30)).returncode == 255:
        if time.monotonic() > deadline:
            raise LabError(f"{address} lets nobody in from {host.name}: {ran.stderr}")
        time.sleep(0.5)
    return ran.stdout
