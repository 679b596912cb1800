"""The beacon `lxc`: containers of this node that came, went, or changed their state since the last look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from saltern.errors import PermanentError, nearest


class LxcStates:
    """The states of the containers that match CONTAINERS (globs). Options: `containers`, `path`."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        given = options.get("containers", ["*"])
        self._names = list(given) if isinstance(given, Mapping | list) else []
        if not self._names or not all(isinstance(name, str) for name in self._names):
            raise PermanentError(f"`containers` is a list of names, not {given!r}")
        self._path = options.get("path")
        if self._path is not None and not (isinstance(self._path, str) and self._path.startswith("/")):
            raise PermanentError(f"`path` begins at the root, not {self._path!r}")
        for option in options:
            if option not in ("containers", "path"):
                raise PermanentError(f"has no option {option!r}.{nearest(option, ('containers', 'path'))}")
        self._known = self._now()

    def look(self) -> Iterator[Mapping[str, Any]]:
        """See `Beacon`. One that was stopped and started between two looks has another process: `restarted`."""
        old, self._known = self._known, self._now()
        yield from changes(old, self._known)

    def fileno(self) -> int | None:
        """See `Beacon`."""
        return None

    def close(self) -> None:
        """See `Beacon`."""

    def _now(self) -> dict[str, tuple[str, int | None]]:
        from modules import lxc

        found = {}
        for name in lxc.ls(self._path):
            if any(fnmatchcase(name, pattern) for pattern in self._names):
                container = lxc.get(name, self._path)
                if container is not None:
                    found[name] = (container.state.lower(), container.pid)
        return found


def changes(
    old: Mapping[str, tuple[str, int | None]], new: Mapping[str, tuple[str, int | None]]
) -> Iterator[Mapping[str, Any]]:
    """What to tell of two looks: (state, PID of init) by the containers' names."""
    for name in sorted({*old, *new}):
        before, after = old.get(name, (None, None)), new.get(name, (None, None))
        if before == after:
            continue
        told: dict[str, Any] = {"name": name, "old": before[0], "new": after[0]}
        if before[1] and after[1] and before[1] != after[1]:
            told["restarted"] = True
        elif before[0] == after[0]:
            continue
        yield told
