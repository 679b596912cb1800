"""Keys while no master runs: the same requests, done on the store itself. Only its owner can open that."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from master import store
from master.key_requests import answer
from saltern.config import load_master
from saltern.errors import SalternError
from saltern.wire.keys import load_or_make


def handle(root: Path, request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The events that a running master would send for the key request REQUEST."""
    try:
        config = load_master(root)
        folder = config.paths.var / "master"
        pair = load_or_make(folder / "keys" / "master.key")
        with contextlib.closing(store.connect(folder / "master.db")) as connection:
            connection.execute("BEGIN IMMEDIATE")
            given = answer(connection, request, config, pair, time.time())
            connection.execute("COMMIT")
    except (SalternError, sqlite3.Error, PermissionError) as error:
        return [{"event": "error", "kind": "failed", "message": str(error), "exit": getattr(error, "exit_code", 1)}]
    return [{"event": "data", "data": dict(given.data)}, {"event": "end", "ok": True}]
