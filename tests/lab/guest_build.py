"""Builds the lab's guest of packages of the distribution: its kernel with the few modules it needs, busybox, dropbear.

What is built is kept in a cache and built again only where what it is made of has changed. Packages that need not be
installed for it are downloaded and unpacked. Nothing is mounted: the boot partition is written by mtools, the root one
by `mkfs.ext4 -d`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.lab import packages
from tests.lab.channel import LabError
from tests.lab.guest_tree import Entry, add_tree, cpio
from tests.patience import patient

HERE = Path(__file__).parent
FILES = HERE / "guest_files"
KERNEL_PACKAGE = "linux-image-cloud-amd64"  # depends on the one with the kernel
LOADER_PACKAGES = ("syslinux", "syslinux-common", "mtools", "dosfstools")
BUSYBOX = Path("/bin/busybox")
DROPBEAR = Path("/usr/sbin/dropbear")

# Modules to load, without those that they depend on: always, and where a PCI device asks for them.
MODULES = {
    "always": ("virtio_pci", "virtio_blk", "virtio_net", "virtio_balloon", "isofs", "button", "evdev"),
    "ide": ("ata_piix", "sr_mod", "sd_mod"),
    "scsi": ("virtio_scsi", "sr_mod", "sd_mod"),
}
SECTOR = 512
BOOT_FIRST, BOOT_SECTORS = 2048, 28 * 2048  # FAT16: kernel, initramfs, boot loader
ROOT_SECTORS = 32 * 2048  # ext4

PASSWD = """\
root:x:0:0:root:/root:/bin/sh
debian:x:1000:1000:debian:/home/debian:/bin/sh
"""
SYSLINUX = """\
DEFAULT linux
PROMPT 0
TIMEOUT 0
LABEL linux
    LINUX vmlinuz
    INITRD initrd
    APPEND {cmdline}
"""


def build(cache: Path, cmdline: str) -> Path:
    """The folder in CACHE with `vmlinuz`, `initrd` and `guest.qcow2`, whose boot loader gives the kernel CMDLINE."""
    _check_programs()
    cache.mkdir(parents=True, exist_ok=True)
    made = cache / _key(cmdline)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one builds, others wait for it
        if not made.is_dir():
            with tempfile.TemporaryDirectory(prefix="new-", dir=cache) as work:
                _build(Path(work), cmdline)
                (Path(work) / "made").rename(made)
    return made


def _check_programs() -> None:
    needed = {"busybox": "busybox-static", "dropbear": "dropbear-bin", "qemu-img": "qemu-utils", "depmod": "kmod"}
    needed |= {"mkfs.ext4": "e2fsprogs", "dpkg": "dpkg", "apt-get": "apt", "ldd": "libc-bin"}
    missing = {package for program, package in needed.items() if shutil.which(program, path=packages.path()) is None}
    if missing:
        raise LabError(f"a guest can't be built; install {' '.join(sorted(missing))}")


def _key(cmdline: str) -> str:
    """A digest of all that the guest is made of, but for the kernel's version: that is the first one that was found."""
    found = hashlib.sha256(cmdline.encode())
    sources = [Path(__file__), HERE / "guest_tree.py", *sorted(FILES.iterdir()), BUSYBOX, DROPBEAR]
    for file in sources:
        found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()[:16]


def _build(work: Path, cmdline: str) -> None:
    unpacked = work / "packages"
    packages.unpack([_kernel_package(), *LOADER_PACKAGES], work / "debs", unpacked)
    (kernel,) = (unpacked / "boot").glob("vmlinuz-*")
    version = kernel.name.removeprefix("vmlinuz-")
    made = work / "made"
    made.mkdir()
    shutil.copy(kernel, made / "vmlinuz")
    first = _first_stage(unpacked, version)
    second = _second_stage()
    (made / "initrd").write_bytes(cpio([*first, *second]))
    small = work / "initrd"
    small.write_bytes(cpio(first))
    _disk(work, unpacked, kernel, small, second, cmdline)
    _run(["qemu-img", "convert", "-O", "qcow2", str(work / "disk"), str(made / "guest.qcow2")])


def _kernel_package() -> str:
    said = _run(["apt-cache", "depends", "--important", KERNEL_PACKAGE], check=False)
    found = re.search(r"Depends: (linux-image-\S+)", said)
    if found is None:
        packages.update()
        found = re.search(r"Depends: (linux-image-\S+)", _run(["apt-cache", "depends", "--important", KERNEL_PACKAGE]))
    if found is None:
        raise LabError(f"a guest can't be built: this distribution has no package {KERNEL_PACKAGE}")
    return found[1]


def _first_stage(unpacked: Path, version: str) -> list[Entry]:
    """What loads modules and finds the root."""
    entries: list[Entry] = []
    for name in ("proc", "sys", "dev", "mnt", "run", "tmp"):
        entries.append(Entry(name, 0o40755))
    entries.append(Entry("dev/console", 0o20600, device=(5, 1)))
    entries += add_tree({"init": FILES / "init", "bin/busybox": BUSYBOX}, executable=True)
    entries += _links()
    _run(["depmod", "-b", str(unpacked), version])
    tree = unpacked / "lib/modules" / version
    needs = _dependencies((tree / "modules.dep").read_text())
    packed: set[str] = set()
    entries.append(Entry("modules", 0o40755))
    for name, wanted in MODULES.items():
        order: list[str] = []
        for module in wanted:
            order += [path for path in needs.get(module, []) if path not in order]
        entries.append(Entry(f"modules/{name}", 0o100644, "".join(f"{Path(p).stem}\n" for p in order).encode()))
        packed.update(order)
    entries += [Entry(f"modules/{Path(p).name}", 0o100644, (tree / p).read_bytes()) for p in sorted(packed)]
    return entries


def _links() -> list[Entry]:
    applets = _run([str(BUSYBOX), "--list"]).split()
    return [Entry(f"bin/{name}", 0o120777, b"busybox") for name in sorted(set(applets) - {"busybox"})]


def _dependencies(text: str) -> dict[str, list[str]]:
    """For the name of each module its files in the order to load them. TEXT: modules.dep(5)."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        path, _, needed = line.partition(":")
        found[Path(path).stem] = [*reversed(needed.split()), path]
    return found


def _second_stage() -> list[Entry]:
    """The guest itself: what its init needs on its disk or in its initramfs."""
    entries = [Entry(name, 0o40755) for name in ("etc", "home", "lib64", "root", "sbin", "var")]
    entries += [Entry("root/.ssh", 0o40700)]
    entries += add_tree({"sbin/init": FILES / "start", "sbin/dropbear": DROPBEAR}, executable=True)
    entries += add_tree({"sbin/network.awk": FILES / "network.awk"})
    libraries = re.findall(r"(/\S+) \(0x", _run(["ldd", str(DROPBEAR)]))
    entries += add_tree({path.lstrip("/"): Path(os.path.realpath(path)) for path in libraries}, executable=True)
    for name, text in {
        "etc/passwd": PASSWD,
        "etc/group": "root:x:0:\ndebian:x:1000:\n",
        "etc/shells": "/bin/sh\n",
    }.items():
        entries.append(Entry(name, 0o100644, text.encode()))
    return entries


def _disk(work: Path, unpacked: Path, kernel: Path, initrd: Path, second: Iterable[Entry], cmdline: str) -> None:
    """Write WORK/disk: a boot partition with the loader, kernel and INITRD, and the root."""
    boot, root, tree = work / "boot", work / "root", work / "tree"
    environment = {
        "PATH": f"{unpacked}/usr/bin:{unpacked}/usr/sbin:{unpacked}/sbin:{packages.path()}",
        "LC_ALL": "C",
        "MTOOLS_SKIP_CHECK": "1",
    }
    (work / "syslinux.cfg").write_text(SYSLINUX.format(cmdline=cmdline))
    make = [
        "mkfs.fat",
        "-F",
        "16",
        "-h",
        str(BOOT_FIRST),
        "-i",
        "5a17e121",
        "-n",
        "GUEST-BOOT",
        "-C",
        str(boot),
        str(BOOT_SECTORS // 2),
    ]
    _run(make, env=environment)
    _run(["syslinux", "--install", str(boot)], env=environment)
    for source, name in {kernel: "vmlinuz", initrd: "initrd", work / "syslinux.cfg": "syslinux.cfg"}.items():
        _run(["mcopy", "-i", str(boot), str(source), f"::{name}"], env=environment)

    for entry in [*(Entry(name, 0o40755) for name in ("bin", "proc", "sys", "dev", "mnt", "run", "tmp")), *second]:
        entry.put(tree)
    for entry in [*add_tree({"bin/busybox": BUSYBOX}, executable=True), *_links()]:
        entry.put(tree)
    with root.open("wb") as file:
        file.truncate(ROOT_SECTORS * SECTOR)
    _run(["mkfs.ext4", "-q", "-F", "-L", "guest-root", "-E", "root_owner=0:0", "-d", str(tree), str(root)])

    record = (unpacked / "usr/lib/syslinux/mbr/mbr.bin").read_bytes().ljust(440, b"\0")
    second_first = BOOT_FIRST + BOOT_SECTORS
    table = _partition(0x80, 0x06, BOOT_FIRST, BOOT_SECTORS) + _partition(0, 0x83, second_first, ROOT_SECTORS)
    with (work / "disk").open("wb") as disk:
        disk.write(record + struct.pack("<IH", 0x5A17E121, 0) + table.ljust(64, b"\0") + b"\x55\xaa")
        disk.seek(BOOT_FIRST * SECTOR)
        disk.write(boot.read_bytes())
        disk.seek(second_first * SECTOR)
        disk.write(root.read_bytes())


def _partition(flag: int, kind: int, first: int, count: int) -> bytes:
    """An entry of the partition table, its place in cylinders, heads and sectors left out: all use the other."""
    return struct.pack("<B3sB3sII", flag, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", first, count)


def _run(argv: Sequence[str], *, env: dict[str, str] | None = None, check: bool = True) -> str:
    environment = env or {"PATH": packages.path(), "LC_ALL": "C"}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=patient(60.0), env=environment, check=False)
    if check and done.returncode:
        raise LabError(f"a guest can't be built: `{' '.join(argv)}`: {(done.stderr or done.stdout).strip()[-800:]}")
    return done.stdout
