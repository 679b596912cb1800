"""A network and mounts of its own for what is run, so that tests that run side by side see nothing of each other: one
that looks at the node twice would find a bridge that another has just made.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

_MACHINES = "SALTERN_TESTS_NETWORK"  # the environment variable with the machine's own network
# /sys shows the network of whoever mounted it (sysfs(5)), so its two folders of links are laid over the machine's.
_ENTER = """\
set -e
ip link set lo up
sys=$(mktemp -d)
mount -t sysfs sysfs "$sys"
for part in devices/virtual/net class/net; do mount --bind "$sys/$part" "/sys/$part"; done
umount "$sys"
rmdir "$sys"
exec "$@"
"""


def apart(argv: Sequence[str]) -> list[str]:
    """ARGV in namespaces of its own, the loopback up (network_namespaces(7), mount_namespaces(7)). As it is where who
    runs this is not root: the tests that change the node are left out then."""
    if os.geteuid() != 0:
        return list(argv)
    machines = os.environ.get(_MACHINES, f"/proc/{os.getpid()}/ns/net")
    enter = ["unshare", "--net", "--mount", "--propagation", "slave", "--", "sh", "-c", _ENTER, "sh"]
    return ["env", f"{_MACHINES}={machines}", *enter, *argv]


def outside(argv: Sequence[str]) -> list[str]:
    """ARGV in the machine's own network, from whatever runs `apart`: what is downloaded comes from there."""
    machines = os.environ.get(_MACHINES)
    return ["nsenter", f"--net={machines}", "--", *argv] if machines else list(argv)
