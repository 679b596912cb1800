"""`saltern-minion network`: brings up what `persist: saltern` kept, at boot, without a master.

The states that were kept run by the same engine as any run; each ends as it would there. An interface that the hardware
brings late is waited for, so long as nothing that was kept makes it, and so is NetworkManager: a link that it has not
come to yet it would take for somebody else's and leave as it is.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from saltern.config import load_minion
from saltern.converge.result import RunResult
from saltern.errors import PermanentError

WAIT_S = 20.0  # for interfaces
MANAGER_WAIT_S = 30.0  # for NetworkManager: both together less than what systemd gives the unit
LEFT_ALONE = {"network_is_replayed": True}


@dataclass(frozen=True, slots=True)
class Kept:
    """What network.d holds: the records, and (file, what is wrong with it)."""

    records: tuple[Any, ...]
    bad: tuple[tuple[str, str], ...] = ()


def run(root: Path) -> int:
    """Bring up the network that is kept below ROOT. A line for each state on the way; 0 where all is well."""
    from modules._persist import profiles
    from modules._persist import saltern as kept

    config = load_minion(root)
    found = read(str(root).rstrip("/"))
    for file, problem in found.bad:
        print(f"saltern-minion: {file}: {problem}; apply the state again", file=sys.stderr)
    records = kept.in_order(found.records)
    if records and not profiles.wait_started(MANAGER_WAIT_S):
        print(
            f"saltern-minion: NetworkManager has not started all after {MANAGER_WAIT_S:g} s; going on", file=sys.stderr
        )
    late = wait_for(needed(records), WAIT_S)
    for name in late:
        print(f"saltern-minion: there is no interface {name} after {WAIT_S:g} s; going on without it", file=sys.stderr)
    result = converge(config, records)
    for one in result.results:
        word = "ok" if one.verdict.result else "FAILED"
        lines = one.verdict.comment.splitlines() or [""]
        print(f"{word} {one.low.module}.{one.low.fun} {one.low.name}: {lines[0]}", *lines[1:], sep="\n    ", flush=True)
    return 0 if result.ok and not found.bad else 1


def read(root: str) -> Kept:
    """The records of the files in network.d, and what is wrong with the others."""
    from modules._persist import saltern as kept

    folder = f"{root}/{kept.FOLDER}"
    records, bad = [], []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if not name.endswith(".json"):
            continue
        path = f"{folder}/{name}"
        try:
            records.append(kept.parse(_trusted(path)))
        except (OSError, UnicodeDecodeError, PermanentError) as error:
            bad.append((path, getattr(error, "strerror", None) or str(error)))
    return Kept(tuple(records), tuple(bad))


def _trusted(path: str) -> str:
    """The text of the file PATH. PermanentError where others may write to it."""
    import stat

    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PermanentError("refused, since others may write to it: chown root and chmod go-w it")
        return file.read().decode()


def needed(records: Iterable[Any]) -> frozenset[str]:
    """The interfaces that RECORDS need and none of them makes. Pure."""
    records = list(records)
    made = {name for record in records for name in record.makes}
    return frozenset(name for record in records for name in record.needs) - made


def wait_for(names: Iterable[str], timeout_s: float) -> list[str]:
    """Wait until the interfaces NAMES are there. Those that are not after TIMEOUT_S seconds."""
    from modules._network.netlink import look

    deadline = time.monotonic() + timeout_s
    while True:
        view = look()
        missing = sorted(name for name in names if view.find(name) is None)
        if not missing or time.monotonic() > deadline:
            return missing
        time.sleep(0.1)


def converge(config: Any, records: Sequence[Any]) -> RunResult:
    """Run the states of RECORDS in their order."""
    from minion.local import build_context
    from saltern.converge.engine import run as converged
    from saltern.sls.low import Low, Place

    ctx = build_context(root=config.root)
    ctx = replace(ctx, jid="boot", extra={**ctx.extra, **LEFT_ALONE})
    lows = [
        Low(
            module=record.function.partition(".")[0],
            fun=record.function.partition(".")[2],
            id=f"{record.function} {record.name}",
            name=record.name,
            sls="network.d",
            saltenv="base",
            place=Place(f"network.d/{record.name}"),
            args=json.loads(json.dumps(record.arguments)),
            order=10000 + number,
        )
        for number, record in enumerate(records)
    ]
    return converged(lows, ctx, test=False)
