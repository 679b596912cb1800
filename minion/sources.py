"""Named things that a minion is told of three times over: by its configuration, its pillar, and by calls; by name, the
latter win. What the last two said is kept in a file over restarts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Sources:
    """What each source said, by name. CONFIGURED is the configuration's; KEPT what `kept` gave before a restart.

    `deleted` are names of the configuration or the pillar that a call took away; they stay away until it adds them.
    """

    def __init__(self, configured: Mapping[str, Any], kept: Mapping[str, Any]) -> None:
        self.configured = dict(configured)
        self.pillar: dict[str, Any] = kept.get("pillar") or {}
        self.added: dict[str, Any] = kept.get("added") or {}
        self.deleted: set[str] = set(kept.get("deleted") or ())

    def all(self, built_in: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What holds, by name; BUILT_IN is of the lowest rank."""
        found = {**(built_in or {}), **self.configured, **self.pillar, **self.added}
        return {name: data for name, data in found.items() if name not in self.deleted or name in self.added}

    def put(self, name: str, data: Any) -> None:
        """A call says DATA of NAME."""
        self.added[name] = data
        self.deleted.discard(name)

    def delete(self, name: str) -> None:
        """A call takes NAME away."""
        self.added.pop(name, None)
        if name in self.configured or name in self.pillar:
            self.deleted.add(name)

    def kept(self) -> dict[str, Any]:
        """What has to survive a restart, as plain data."""
        return {"pillar": self.pillar, "added": self.added, "deleted": sorted(self.deleted)}
