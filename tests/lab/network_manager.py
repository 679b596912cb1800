"""Gives a lab host NetworkManager, and udev, which it depends on, although the machine has neither.

Their packages are downloaded and unpacked, never installed: an installed NetworkManager takes the interfaces of the
machine. What is unpacked is kept in a cache and laid over the host's own tree before its first boot.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tempfile
from pathlib import Path

from tests.lab.host import Host
from tests.lab.packages import unpack

PACKAGES = ("network-manager", "libndp0", "libnm0", "udev")
CACHE = Path(__file__).resolve().parents[2] / ".stamps" / "network-manager"
UNIT = "NetworkManager.service"

# Directories that distributions with a merged /usr have as symbolic links.
MERGED = ("bin", "lib", "sbin")
HIDDEN = ("etc/NetworkManager", "var/lib/NetworkManager")  # of a machine that does have it
LEFT_OUT = ("usr/share/doc", "usr/share/locale", "usr/share/man", "usr/lib/udev/hwdb.d", "etc/init.d")

# As the package NetworkManager-config-server of other distributions has it: no DHCP where nobody asked for it.
SERVER = """\
[main]
no-auto-default=*
"""
# The lab gives each link its address before systemd starts. NetworkManager leaves a link alone that has one from
# elsewhere, so it finds this one as a kernel without a lab hands it over: down, with nothing.
BARE_LINK = """\
[Service]
ExecStartPre=ip address flush dev eno1
ExecStartPre=ip link set eno1 down
"""
# udev tells of network interfaces only: nothing here needs the rest, which would double the time to boot.
TRIGGER = """\
[Service]
ExecStart=
ExecStart=udevadm trigger --action=add --subsystem-match=net
"""
# Without this udev gives a new bridge a MAC address of its own, at some time after it was made.
KERNEL_MAC = """\
[Match]
OriginalName=*

[Link]
NamePolicy=keep
MACAddressPolicy=none
"""


def install(host: Host) -> None:
    """Give HOST, which has not been booted, NetworkManager and udev, enabled."""
    tree = host.directory / "tree"
    with (host.directory / "hide").open("a") as hidden:
        hidden.write("".join(f"{path}\n" for path in HIDDEN))
    shutil.copytree(_unpacked(), tree, symlinks=True, dirs_exist_ok=True)
    units = tree / "etc/systemd/system"
    for path, text in {
        f"etc/systemd/system/{UNIT}.d/lab.conf": BARE_LINK,
        "etc/systemd/system/systemd-udev-trigger.service.d/lab.conf": TRIGGER,
        "etc/systemd/network/98-lab.link": KERNEL_MAC,
        "etc/NetworkManager/conf.d/lab.conf": SERVER,
    }.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    wants = units / "multi-user.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / UNIT).symlink_to(f"/usr/lib/systemd/system/{UNIT}")


def _unpacked() -> Path:
    """The folder with the files of all PACKAGES, as a tree to lay over `/`."""
    CACHE.mkdir(parents=True, exist_ok=True)
    made = CACHE / hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:16]
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one unpacks, others wait for it
        if not made.is_dir():
            with tempfile.TemporaryDirectory(prefix="new-", dir=CACHE) as work:
                tree = Path(work) / "tree"
                unpack(PACKAGES, Path(work) / "debs", tree)
                _tidy(tree)
                tree.rename(made)
    return made


def _tidy(tree: Path) -> None:
    for name in MERGED:
        if (tree / name).is_dir():
            shutil.copytree(tree / name, tree / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(tree / name)
    for path in LEFT_OUT:
        shutil.rmtree(tree / path, ignore_errors=True)
