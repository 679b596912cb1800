"""What a process started, directly or not, for whoever has to end it all: proc_pid_stat(5).

The commands of a job have sessions of their own, so a signal to the group of its worker does not reach them. What has
been handed to init (a daemon, a guest) is no descendant any more. The network guard is left out, with what it started:
it outlives the job to take back what the job did.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

_GUARD = b"minion.guard"


@dataclass(frozen=True, slots=True)
class Group:
    """A process group, with the time when its leader began (clock ticks since the boot; 0: it has ended)."""

    id: int
    began: int

    def signal(self, number: signal.Signals) -> None:
        """Send NUMBER to all in it, unless it has gone and its number belongs to another."""
        now = _stat(self.id)
        if now is not None and now[2] != self.began:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.id, number)


def groups_below(pid: int) -> list[Group]:
    """The process groups of what PID started, without its own."""
    children: dict[int, list[int]] = {}
    stats: dict[int, tuple[int, int, int]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal() and (stat := _stat(int(name))) is not None:
            stats[int(name)] = stat
            children.setdefault(stat[0], []).append(int(name))
    own = {pid, stats[pid][1]} if pid in stats else {pid}
    found = {stats[one][1] for one in _below(pid, children)} - own
    return [Group(group, stats[group][2] if group in stats else 0) for group in sorted(found) if group > 1]


def _below(pid: int, children: dict[int, list[int]]) -> Iterator[int]:
    for child in children.get(pid, ()):
        if not _is_guard(child):
            yield child
            yield from _below(child, children)


def _stat(pid: int) -> tuple[int, int, int] | None:
    """(parent, process group, when it began), or None where there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[1]), int(fields[2]), int(fields[19])


def _is_guard(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return _GUARD in file.read().split(b"\0")
    except OSError:
        return False
