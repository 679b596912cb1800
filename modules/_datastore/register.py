"""The register of this node's datastores: which number or name stands for which directory, and of what kind.

One small JSON file, `<var>/minion/datastores.json`, for root alone. Reading it touches no datastore.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, get_args

from modules._file import safe
from modules._mount.table import Live, holder
from saltern.errors import PermanentError

Kind = Literal["image", "system", "file"]
KINDS: tuple[str, ...] = get_args(Kind)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class DatastoreError(PermanentError):
    """A datastore is not known, not there, or can't be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A datastore: its KIND (image: of images, system: of running guests' disks, file: of kernels and the like), the
    directory PATH, the libvirt POOL that it is, and what has to be mounted there: the MOUNT's source, True for
    anything, None for nothing."""

    kind: str
    path: str
    mount: str | bool | None = None
    pool: str | None = None


def name_of(given: object) -> str:
    """GIVEN as the name of a datastore: a number, or up to 64 letters, digits, `_`, `.`, `-`. DatastoreError for
    anything else."""
    text = str(given) if isinstance(given, int | str) and not isinstance(given, bool) else ""
    if _NAME.fullmatch(text) is None:
        raise DatastoreError(f"not the number or name of a datastore: {given!r} (letters, digits, '_', '.', '-')")
    return text


def file_in(var: str | os.PathLike[str]) -> str:
    """Where the register lies; VAR is the minion's `/var/lib/saltern`."""
    return os.path.join(var, "minion", "datastores.json")


def read(file: str) -> dict[str, Entry]:
    """All datastores by name, sorted; none where there is no register. DatastoreError for one that can't be read."""
    try:
        with open(file, "rb") as opened:
            raw = opened.read()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DatastoreError(f"the register of datastores {file} can't be read: {error.strerror}") from None
    try:
        found = {name_of(name): _entry(value) for name, value in json.loads(raw).items()}
    except (ValueError, TypeError, AttributeError, DatastoreError):
        raise DatastoreError(f"the register of datastores {file} is broken: remove it and apply the states") from None
    return dict(sorted(found.items()))


def _entry(value: Mapping[str, object]) -> Entry:
    entry = Entry(**value)  # type: ignore[arg-type]
    texts = isinstance(entry.path, str) and entry.path.startswith("/") and isinstance(entry.pool, str | None)
    if entry.kind not in KINDS or not texts or not isinstance(entry.mount, str | bool | None):
        raise ValueError(value)
    return entry


def write(file: str, entries: Mapping[str, Entry]) -> None:
    """Make the register hold ENTRIES. The caller holds the lock of state runs."""
    text = json.dumps({name: asdict(entry) for name, entry in sorted(entries.items())}, indent=1) + "\n"
    safe.make_folders(os.path.dirname(file), mode=0o700)
    safe.write(file, [text.encode()], mode=0o600)


def unmounted(entry: Entry, found: list[Live]) -> str | None:
    """Why what has to be mounted for ENTRY is not, in words, or None; FOUND are all mounts. Pure."""
    if entry.mount is None or entry.mount is False:
        return None
    live = holder(found, entry.path)
    if live is None or live.target == "/":
        return f"nothing is mounted at {entry.path}"
    if isinstance(entry.mount, str) and live.device.rstrip("/") != entry.mount.rstrip("/"):
        return f"{live.device} is mounted at {live.target} and not {entry.mount}"
    return None
