"""The runners `pillar.*`: what a minion's pillar is, and how a value is sealed so that it can live in git."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from master.dispatch import Dispatch
from saltern.errors import UsageError, nearest
from saltern.secret import Secret
from saltern.wire.keys import load_or_make
from saltern.wire.sealed_value import sealed

MAX_BYTES = 64 * 1024


async def encrypt(master: Dispatch, value: object, minions: object = "*") -> str:
    """VALUE as a text for the pillar tree, which this master alone can open: SEALED[…]. Without VALUE the command asks
    for it. MINIONS: a glob of the ids that may get it; in another minion's pillar it does not open (default: all)."""
    if not isinstance(value, str | int | float) or isinstance(value, bool) or value == "":
        raise UsageError("pillar.encrypt wants a text to encrypt")
    if not isinstance(minions, str) or not minions or any(char.isspace() or char == ":" for char in minions):
        raise UsageError(f"minions wants a glob of ids without blanks or colons, not {minions!r}")
    text = str(value)
    if len(text.encode()) > MAX_BYTES:
        raise UsageError(f"a sealed value has at most {MAX_BYTES} bytes")
    pair = await asyncio.to_thread(load_or_make, master.pillar_key)
    return sealed(pair.public, Secret(text), minions)


async def show_pillar(master: Dispatch, minion: str) -> Mapping[str, Any]:
    """The pillar of MINION as it would get it now, with what was sealed masked."""
    known = {one.id: one for one in master.presence.minions.values()}
    if minion not in known:
        raise UsageError(f"there is no accepted minion {minion!r}.{nearest(str(minion), known)}")
    return await master.pillar(known[minion])
