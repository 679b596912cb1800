"""The unit saltern-network.service, by which Saltern itself brings up what it keeps."""

from __future__ import annotations

import os
import sys

from modules._persist.keep import MARK

NAME = "saltern-network.service"
FOLDER = "etc/systemd/system"
WANTED = f"{FOLDER}/multi-user.target.wants/{NAME}"
LINK = "symbolic link to "  # before the target, where a file is one
_PLACES = (FOLDER, "usr/local/lib/systemd/system", "usr/lib/systemd/system")
_TEXT = """\
# {mark}
[Unit]
Description=Network that Saltern keeps
DefaultDependencies=no
After=local-fs.target systemd-udevd.service systemd-modules-load.service systemd-sysctl.service network-pre.target
After=systemd-networkd.service networking.service NetworkManager.service
Wants=network-pre.target network.target
Before=network.target network-online.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={command} network
TimeoutStartSec=90

[Install]
WantedBy=multi-user.target
"""


def text() -> str:
    """The unit, for the installation that runs now."""
    return _TEXT.format(mark=MARK, command=os.path.join(os.path.dirname(sys.executable), "saltern-minion"))


def wished(root: str) -> dict[str, str]:
    """What the unit needs on the node below ROOT: to be there and enabled. One that an administrator or a package put
    there stays as it is."""
    place = next((folder for folder in _PLACES if os.path.exists(f"{root}/{folder}/{NAME}")), None)
    try:
        link = os.readlink(f"{root}/{WANTED}")
    except OSError:
        link = f"../{NAME}" if place in (None, FOLDER) else f"/{place}/{NAME}"
    found = {WANTED: f"{LINK}{link}"}
    if place is None or (place == FOLDER and _is_ours(f"{root}/{FOLDER}/{NAME}")):
        found[f"{FOLDER}/{NAME}"] = text()
    return found


def _is_ours(path: str) -> bool:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.readline().rstrip("\n") == f"# {MARK}"
