"""Makes a container from a tar file of its root: unpacked beside its place, then moved there at once."""

from __future__ import annotations

import os

from modules._file import remove as file_remove
from modules._lxc.config import LxcError
from modules._lxc.tools import PROGRAMS, read_text, reasons
from modules._run import run

DEFAULT_CONFIG = "/etc/lxc/default.conf"  # what lxc-create begins with too
COMMON_CONFIG = "/usr/share/lxc/config/common.conf"


def unpack(name: str, folder: str, archive: str, sha256: str | None, timeout_s: float) -> None:
    """Make FOLDER/NAME with `rootfs` of ARCHIVE and `config`. LxcError where the digest or the archive is wrong; then
    nothing is left."""
    if sha256 is not None and (found := digest(archive)) != sha256.lower():
        raise LxcError(f"{archive} is not what was meant: its SHA-256 is {found}, not {sha256}")
    os.makedirs(folder, mode=0o711, exist_ok=True)
    prefix = f".saltern-new-{name}."
    for left in os.listdir(folder):
        if left.startswith(prefix) and len(left) == len(prefix) + 16:  # of an attempt that was cut off
            file_remove.remove(os.path.join(folder, left))
    place = os.path.join(folder, prefix + os.urandom(8).hex())
    try:
        os.mkdir(place, 0o770)
        root = os.path.join(place, "rootfs")
        os.mkdir(root, 0o755)
        _extract(archive, root, timeout_s)
        with open(os.path.join(place, "config"), "x", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o640)
            file.write(config_text(name, folder, read_text(DEFAULT_CONFIG)))
        os.rename(place, os.path.join(folder, name))
    except BaseException:
        file_remove.remove(place)
        raise


def config_text(name: str, folder: str, default: str) -> str:
    """The first configuration: the system's DEFAULT, what all containers have in common, root and name."""
    return (
        f"{default.rstrip()}\nlxc.include = {COMMON_CONFIG}\n"
        f"lxc.rootfs.path = dir:{folder}/{name}/rootfs\nlxc.uts.name = {name}\n"
    ).lstrip()


def digest(path: str) -> str:
    """The SHA-256 of a file in hex."""
    import hashlib

    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise LxcError(f"{path}: {error.strerror}") from None


def _extract(archive: str, root: str, timeout_s: float) -> None:
    """GNU tar neither follows links that the archive itself brings nor leaves ROOT by `..` or absolute names."""
    argv = ["tar", "--extract", "--preserve-permissions", "--numeric-owner", "--xattrs", "--xattrs-include=*"]
    ran = run(
        [*argv, f"--directory={root}", f"--file={archive}", "--force-local"],
        timeout_s=timeout_s,
        env={"LC_ALL": "C", "PATH": PROGRAMS},
    )
    if ran.timed_out:
        raise LxcError(f"unpacking {archive} did not end within {timeout_s:g} s")
    if ran.code != 0:
        raise LxcError("\n  ".join([f"{archive} can't be unpacked", *reasons("", ran.err)]))
    if not os.listdir(root):
        raise LxcError(f"{archive} is empty")
