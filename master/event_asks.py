"""What minions tell the bus. The tag says which minion it was, whatever the minion says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from master import events
from master.asking import Arguments, Asking, Entry
from master.presence import Minion
from saltern.errors import UsageError


class Send(Arguments, frozen=True, forbid_unknown_fields=True):
    """Tell the bus of something, once or, after a lost connection, once more."""

    tag: str
    data: dict[str, Any]


async def send(asking: Asking, minion: Minion, given: Send) -> str:
    """The tag under which it was told."""
    tag = f"minion/{minion.id}/{events.checked_tag(given.tag)}"
    if len(json.dumps(given.data)) > events.MAX_DATA_BYTES:
        raise UsageError(f"the data of an event has at most {events.MAX_DATA_BYTES} bytes")
    asking.bus.fire(tag, {"id": minion.id, "data": given.data})
    return tag


TABLE: Mapping[str, Entry] = {"event.send": Entry(Send, send)}
