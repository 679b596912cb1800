"""What the lab gives the example instead of what an administrator would: a small image, a small container, a key.

All of it is pillar and one file in the state tree; the states are the example's own.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.lab import guest

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
                "more": {"machine": "pc", "max_memory": 2 * guest.MEMORY_MIB},
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
