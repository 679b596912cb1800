"""A pool or network as libvirt has it: the definition that it keeps, and the one by which it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Kept:
    """The XML of its DEFINITION, and the one that it runs by (None: it does not)."""

    definition: str
    running: str | None
    autostart: bool
    persistent: bool


def of(thing: Any, inactive: int) -> Kept:
    """A virStoragePool or virNetwork; INACTIVE is the flag that asks for its definition."""
    persistent = bool(thing.isPersistent())
    return Kept(
        definition=thing.XMLDesc(inactive if persistent else 0),
        running=thing.XMLDesc(0) if thing.isActive() else None,
        autostart=bool(thing.autostart()) if persistent else False,
        persistent=persistent,
    )
