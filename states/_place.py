"""Where an image or a disk lies: a path, or a name in a datastore, which can be looked at now."""

from __future__ import annotations

import os

from modules import datastore as stores
from modules._datastore.register import DatastoreError
from modules._file import safe
from saltern.context import Context


def place(ctx: Context, name: str, store: str | int | None) -> str:
    """The path of NAME, in the datastore STORE (a number, a name, or a directory). DatastoreError where that is not
    there, is not declared yet, or does not answer."""
    path = name
    if store is not None:
        folder = store if isinstance(store, str) and store.startswith("/") else stores.path_of(ctx, store)
        path = f"{folder}/{name}"
    path = safe.absolute(path)
    answers(path)
    return path


def is_relative(name: str) -> bool:
    """Whether NAME may be joined to a datastore's directory: printable, and it does not lead out of it. Pure."""
    return name.isprintable() and not any(part in ("", ".", "..") for part in name.split("/"))


def answers(path: str) -> None:
    """DatastoreError where the directory of PATH lies on a server that does not answer."""
    if (why := stores.away(os.path.dirname(path))) is not None:
        raise DatastoreError(why)
