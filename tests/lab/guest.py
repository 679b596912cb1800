"""A tiny guest for the virtual machines of lab hosts: Debian's cloud kernel, busybox and an SSH server.

It takes its name, addresses and keys from a seed, as a cloud image does: a NoCloud ISO (label CIDATA: meta-data,
user-data with `ssh_authorized_keys`, network-config version 2) or OpenNebula's (label CONTEXT: context.sh). It answers
on its serial console, lets root and debian in by SSH, and obeys the power button. Two forms of the same guest:

- `kernel` and `initrd` to boot directly, with `CMDLINE`: all of it in memory, the quickest.
- `image`, a bootable qcow2 disk (BIOS, MBR): its root is on the second partition, so what is written stays. With
  `kernel` and `initrd` beside that disk, its root is used too, and the boot loader's time is saved.

The seed can be a virtio disk, a CD-ROM on IDE (machine `pc`) or on virtio-scsi; Debian's cloud kernel has no driver for
the SATA of machine `q35`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import guest_build

CACHE = Path(__file__).resolve().parents[2] / ".stamps" / "guest"
# No calibrations and checks that take time and mean nothing to an emulated processor.
CMDLINE = "console=ttyS0 quiet loglevel=3 mitigations=off no_timer_check tsc=reliable cryptomgr.notests panic=1"
MEMORY_MIB = 160
READY = "is ready"  # what it says on its console, after its name


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestFiles:
    """Where the guest's files are on the machine, so in each lab host too. They are shared: boot copies of them."""

    kernel: Path
    initrd: Path
    image: Path  # qcow2


def files() -> GuestFiles:
    """The guest's files, built where they are not there yet (5 s, and a download of 28 MB). LabError if it fails."""
    folder = guest_build.build(CACHE, CMDLINE)
    return GuestFiles(kernel=folder / "vmlinuz", initrd=folder / "initrd", image=folder / "guest.qcow2")


def make_key(folder: Path) -> tuple[Path, str]:
    """A new SSH key in FOLDER: the file of the private one, and the line of the public one."""
    file = folder / "id_ed25519"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(file)], check=True, timeout=30
    )
    return file, file.with_suffix(".pub").read_text().strip()


def ssh(key: str | Path, address: str, *words: str, user: str = "root") -> list[str]:
    """The command that runs WORDS on the guest at ADDRESS; it fails within 15 s where the guest does not answer."""
    options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=5"]
    options += ["LogLevel=ERROR", "ServerAliveInterval=5", "ServerAliveCountMax=2", "IdentitiesOnly=yes"]
    return [
        "ssh",
        "-F",
        "none",
        "-i",
        str(key),
        *(word for one in options for word in ("-o", one)),
        f"{user}@{address}",
        *words,
    ]


def seed(iso: Path, name: str, *, keys: Sequence[str], nics: Mapping[str, tuple[Sequence[str], str | None]]) -> None:
    """Write a NoCloud seed to the file ISO: the host NAME, KEYS that may log in, and for the MAC address of each of
    NICS its addresses with prefix length, and the gateway."""
    ethernets = {
        f"nic{number}": {
            "match": {"macaddress": mac},
            "addresses": list(addresses),
            **({"routes": [{"to": "default", "via": gateway}]} if gateway else {}),
        }
        for number, (mac, (addresses, gateway)) in enumerate(nics.items())
    }
    texts = {
        "meta-data": json.dumps({"instance-id": name, "local-hostname": name}),
        "user-data": "#cloud-config\n" + json.dumps({"ssh_authorized_keys": list(keys)}),
        "network-config": json.dumps({"version": 2, "ethernets": ethernets}),
    }
    _iso(iso, "CIDATA", texts)


def context(iso: Path, variables: Mapping[str, str]) -> None:
    """Write OpenNebula's context to the file ISO: VARIABLES as context.sh has them, like ETH0_IP."""
    lines = ("{}='{}'\n".format(name, value.replace("'", "'\\''")) for name, value in variables.items())
    _iso(iso, "CONTEXT", {"context.sh": "".join(lines)})


def _iso(iso: Path, label: str, texts: Mapping[str, str]) -> None:
    folder = iso.with_suffix(".d")
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text)
    program = shutil.which("genisoimage") or "xorrisofs"
    argv = [program, "-quiet", "-V", label, "-J", "-r", "-o", str(iso), str(folder)]
    subprocess.run(argv, check=True, capture_output=True, timeout=30, env={**os.environ, "LC_ALL": "C"})
