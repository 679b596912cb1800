"""The files of a guest: into an initramfs, or into a directory of which a disk is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, folder, link or device. NAME: relative to the root; MODE: its kind and permissions, as st_mode."""

    name: str
    mode: int
    content: bytes = b""  # of a link: where it points
    device: tuple[int, int] = (0, 0)

    def put(self, tree: Path) -> None:
        """Make it below TREE, with the folders on the way. Devices are left out: a guest's kernel makes them."""
        place, kind = tree / self.name, self.mode & 0o170000
        if kind == 0o40000:
            place.mkdir(parents=True, exist_ok=True)
        elif kind in (0o100000, 0o120000):
            place.parent.mkdir(parents=True, exist_ok=True)
            if kind == 0o120000:
                place.symlink_to(self.content.decode())
                return
            place.write_bytes(self.content)
        else:
            return
        place.chmod(self.mode & 0o7777)


def add_tree(files: Mapping[str, Path], *, executable: bool = False) -> list[Entry]:
    """An entry for each of FILES (name in the guest → file here), after the folders on the way to it."""
    found: dict[str, Entry] = {}
    for name, source in files.items():
        for folder in [str(parent) for parent in reversed(Path(name).parents) if str(parent) != "."]:
            found[folder] = Entry(folder, 0o40755)
        found[name] = Entry(name, 0o100755 if executable else 0o100644, source.read_bytes())
    return list(found.values())


def cpio(entries: Iterable[Entry]) -> bytes:
    """An initramfs with ENTRIES, not compressed: unpacking takes an emulated processor longer than reading.

    The form "newc" of Documentation/driver-api/early-userspace/buffer-format.rst.
    """
    out = bytearray()
    for number, entry in enumerate([*entries, Entry("TRAILER!!!", 0)], start=1):
        name = entry.name.encode() + b"\0"
        fields = [number, entry.mode, 0, 0, 1, 0, len(entry.content), 0, 0, *entry.device, len(name), 0]
        out += b"070701" + b"".join(b"%08X" % field for field in fields) + name
        out += b"\0" * (-len(out) % 4)
        out += entry.content
        out += b"\0" * (-len(out) % 4)
    return bytes(out)
