"""What of the network survives a reboot: who keeps it, what its files should be, what they are, and writing them.

A node has a manager of its network (systemd-networkd, NetworkManager, ifupdown); what Saltern converges is kept by
that one, in its own files, and where there is none by Saltern itself at boot. Whether a manager is in use is read from
the file system, as systemd leaves it there: a question to systemd takes longer than all the rest of a state.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from modules._file import safe
from modules._persist import ifupdown, networkd, networkmanager, profiles, saltern, unit
from modules._persist.keep import Files, Keep, Owner, PersistError
from saltern.errors import nearest
from saltern.marks import acting

CHOICES = ("auto", "networkd", "ifupdown", "networkmanager", "saltern", "none")
_UNIT_FOLDERS = ("etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system")


class Backend(Protocol):
    """What each module of this folder that keeps networks offers. Paths are relative to the root."""

    MANAGER: str
    UNITS: tuple[str, ...]
    MODE: int

    def wished(self, root: str, keep: Keep) -> dict[str, str]:
        """The texts that keep KEEP on this node."""
        ...

    def owned(self, root: str, kind: str, name: str) -> Iterator[str]:
        """The files that are there of the state KIND of NAME."""
        ...

    def names(self, root: str, kind: str) -> Iterator[str]:
        """The names of the states of KIND that have a file."""
        ...

    def owners(self, root: str, name: str) -> Iterator[Owner]:
        """Files of others that are about the interface NAME."""
        ...


BACKENDS: Mapping[str, Backend] = {
    "networkd": networkd,
    "networkmanager": networkmanager,
    "ifupdown": ifupdown,
    "saltern": saltern,
}
MANAGERS = ("networkd", "networkmanager", "ifupdown")  # in this order where several could be meant


@dataclass(frozen=True, slots=True)
class Change:
    """From the files of a state as they are to those that should be: `writes` is what `save` takes."""

    current: Files
    wish: Files
    writes: Mapping[str, str | None]


def choice(given: object) -> str:
    """An argument `persist` or the option `network_persist` as one of CHOICES. PersistError."""
    if isinstance(given, bool):
        return "auto" if given else "none"
    text = str(given).lower()
    aliases = {"systemd-networkd": "networkd", "nm": "networkmanager", "interfaces": "ifupdown"}
    text = aliases.get(text, text)
    if text not in CHOICES:
        raise PersistError(f"persist is one of {', '.join(CHOICES)}, not {given!r}.{nearest(text, CHOICES)}")
    return text


def in_use(root: str, name: str) -> bool:
    """Whether the node uses the backend NAME: one of its units is enabled or runs, and none is masked."""
    return any(_enabled(root, one) for one in BACKENDS[name].UNITS)


def _enabled(root: str, name: str) -> bool:
    for folder in _UNIT_FOLDERS:
        with suppress(OSError):
            if os.readlink(f"{root}/{folder}/{name}") == "/dev/null":
                return False
    wanted = (f"{root}/{folder}/*.{how}/{name}" for folder in _UNIT_FOLDERS for how in ("wants", "requires"))
    return os.path.lexists(f"{root}/run/systemd/units/invocation:{name}") or any(map(glob.glob, wanted))


def is_booted(root: str) -> bool:
    """Whether systemd is the node's first process (sd_booted(3))."""
    return os.path.isdir(f"{root}/run/systemd/system")


def manager(root: str, keep: Keep) -> str | None:
    """The backend that keeps KEEP where the user names none; None where nothing on this node could."""
    used = [name for name in MANAGERS if in_use(root, name)]
    if len(used) > 1:
        for interface in (keep.interface, *keep.others):
            for name in used:
                if any(BACKENDS[name].owners(root, interface)):
                    return name
    if used:
        return used[0]
    return "saltern" if is_booted(root) else None


def check_owner(root: str, keep: Keep, chosen: str) -> None:
    """PersistError where somebody else has an interface that the backend CHOSEN would write of."""
    own = BACKENDS[chosen]
    asked = [(keep.interface, keep.creates)]
    asked += [(other, False) for other in keep.others if chosen != "saltern"]
    for interface, makes in asked:
        for name in MANAGERS:
            if name == chosen and not makes:
                continue
            for owner in BACKENDS[name].owners(root, interface):
                if name == chosen or in_use(root, name):
                    raise PersistError(
                        f"{interface} belongs to {owner.manager}: {owner.file} defines it, so {own.MANAGER} does not "
                        f"keep it for the next boot; remove that file, or give `persist: none`"
                    )


def hindrance(root: str, chosen: str) -> str | None:
    """Why the backend CHOSEN would keep nothing on this node now, or None."""
    if chosen == "saltern":
        return (
            None if is_booted(root) else "this node does not boot by systemd, so nothing starts saltern-network.service"
        )
    if in_use(root, chosen):
        return None
    units = " or ".join(BACKENDS[chosen].UNITS)
    return f"{BACKENDS[chosen].MANAGER} is not in use on this node: enable {units} first, or give another `persist`"


def names(root: str, kind: str) -> frozenset[str]:
    """The names of the states of KIND ("address", "route") that are kept, by whichever backend."""
    return frozenset(name for backend in BACKENDS.values() for name in backend.names(root, kind))


def texts(root: str, kind: str, name: str) -> str:
    """All that is kept of the state KIND of NAME, one file after the other."""
    paths = [path for backend in BACKENDS.values() for path in backend.owned(root, kind, name)]
    return "\n".join(_text(f"{root}/{path}", networkd.MODE) or "" for path in paths)


def change(root: str, chosen: str | None, keep: Keep) -> Change:
    """To the files by which the backend CHOSEN (None: none) keeps KEEP. PersistError where that can't be or somebody
    else owns what is to be written."""
    wished: dict[str, str] = {}
    if chosen is not None:
        check_owner(root, keep, chosen)
        wished.update(BACKENDS[chosen].wished(root, keep))
        if chosen == "saltern":
            wished.update(unit.wished(root))
    return _change(root, keep.kind, keep.name, wished, BACKENDS[chosen].MANAGER if chosen else "nobody")


def removal(root: str, kind: str, name: str) -> Change:
    """To none of the files of the state KIND of NAME, whoever has them."""
    return _change(root, kind, name, {}, "nobody")


def _change(root: str, kind: str, name: str, wished: Mapping[str, str], manager: str) -> Change:
    stale: dict[str, str | None] = {}
    for backend in BACKENDS.values():
        for path in backend.owned(root, kind, name):
            if path not in wished:
                shared = backend.MANAGER == networkmanager.MANAGER
                stale[path] = networkmanager.without(root, path, kind, name) if shared else None
    gone = frozenset(path for path, text in stale.items() if text is None)
    stale |= {path: None for path in networkd.bases(root, wished, gone) if path not in wished}
    there = {path: _text(f"{root}/{path}", _mode(path)) for path in (*wished, *stale)}
    return Change(
        Files(manager, tuple(sorted((path, text) for path, text in there.items() if text is not None))),
        Files(manager, tuple(sorted(wished.items()))),
        {path: text for path, text in {**stale, **wished}.items() if there[path] != text},
    )


def _text(path: str, mode: int) -> str | None:
    """The text of the file PATH; None where there is no plain file, or it has another mode than it must."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return _link(path)
    with open(fd, encoding="utf-8", errors="surrogateescape") as file:
        if mode == networkmanager.MODE and os.fstat(fd).st_mode & 0o077:
            return f"# others may read this file, so {networkmanager.MANAGER} ignores it\n"
        return file.read()


def _link(path: str) -> str | None:
    try:
        return f"{unit.LINK}{os.readlink(path)}"
    except OSError:
        return None


def _mode(path: str) -> int:
    return networkmanager.MODE if path.startswith(networkmanager.FOLDER) else networkd.MODE


@acting
def save(root: str, texts: Mapping[str, str | None]) -> None:
    """Write each file of TEXTS (paths below ROOT) at once and durably, or remove it where the text is None."""
    for path, text in sorted(texts.items(), key=lambda pair: (pair[1] is None, pair[0])):
        full = f"{root.rstrip('/')}/{path}"
        if text is None:
            _remove(full)
            continue
        safe.make_folders(os.path.dirname(full))
        if text.startswith(unit.LINK):
            safe.link(text.removeprefix(unit.LINK), full, replace=True)
        else:
            safe.write(full, [text.encode("utf-8", "surrogateescape")], mode=_mode(path), follow=False)


def told(root: str, writes: Mapping[str, str | None], *, ends: bool) -> dict[str, str]:
    """What a manager is to know of WRITES before the kernel is changed: see `_persist.networkmanager.told`."""
    return networkmanager.told(root, writes, ends=ends)


@acting
def save_and_tell(root: str, texts: Mapping[str, str | None]) -> None:
    """`save`, for NetworkManager's profiles that are in force: it reads them at once."""
    save(root, texts)
    profiles.load([f"{root}/{path}" for path in sorted(texts)])


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        with safe.parent_of(path, follow=False) as (folder, name):
            os.unlink(name, dir_fd=folder)
            safe.sync_folder(folder)
        if path.endswith(".conf"):
            with suppress(OSError):  # other drop-ins are there
                os.rmdir(os.path.dirname(path))


def words(writes: Mapping[str, str | None]) -> str:
    """What `save` does with WRITES, in words."""
    written, removed = ([path for path in sorted(writes) if (writes[path] is None) is gone] for gone in (False, True))
    parts = [f"{verb} {_named(paths)}" for verb, paths in (("write", written), ("remove", removed)) if paths]
    return " and ".join(parts)


def _named(paths: list[str]) -> str:
    if len(paths) < 3:
        return " and ".join(f"/{path}" for path in paths)
    return f"{len(paths)} files below /{os.path.commonpath(paths)}"


def arguments_of(value: Any) -> Any:
    """VALUE of an argument of a state as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): arguments_of(item) for key, item in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(arguments_of(item) for item in value)
    if isinstance(value, list | tuple):
        return [arguments_of(item) for item in value]
    return value
