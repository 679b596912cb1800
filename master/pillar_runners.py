"""The runners `pillar.*`: what a minion's pillar is, and how a value is sealed so that it can live in git."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from master.dispatch import Dispatch
from master.scan import merged
from pillar import box_files
from pillar.box_files import written
from pillar.box_keys import BoxKeys
from saltern import names
from saltern.errors import UsageError, nearest
from saltern.secret import Secret
from saltern.wire.sealed_value import PATTERN, name_of, sealed

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
    pair = await asyncio.to_thread(BoxKeys(master.pillar_key).current)
    return sealed(pair.public, Secret(text), minions)


async def sealed_values(master: Dispatch) -> Mapping[str, Any]:
    """The sealed values of `pillar_roots`: {FILE:LINE: {minions, key, current}}, where CURRENT says whether a new value
    would be sealed with the same key."""
    files, keys = _files(master.pillar_roots), BoxKeys(master.pillar_key)

    def look() -> Mapping[str, Any]:
        current = name_of(keys.current().public)
        return {
            f"{one.file}:{one.line}": {"minions": one.minions, "key": one.key, "current": one.key == current}
            for one in written(files)
        }

    return await asyncio.to_thread(look)


async def rotate(master: Dispatch) -> Mapping[str, Any]:
    """Make another key the one that seals values. What is sealed with the ones before still opens: `pillar.reseal`
    seals it anew."""
    keys = BoxKeys(master.pillar_key)
    old, new = await asyncio.to_thread(keys.rotate)
    stale = [place for place, one in (await sealed_values(master)).items() if not one["current"]]
    return {"key": new, "before": old, "sealed with keys from before": stale}


async def reseal(master: Dispatch, value: object = None, test: object = False) -> Any:
    """Seal anew, with the current key, what is sealed with one from before: VALUE (a text SEALED[…]), which is given
    back, or all values in the files of `pillar_roots`, whose places are told. test=True: only tell."""
    keys = BoxKeys(master.pillar_key)
    if value is not None:
        found = PATTERN.fullmatch(value.strip()) if isinstance(value, str) else None
        if found is None:
            raise UsageError("pillar.reseal wants a text SEALED[MINIONS:BOX], or nothing for all files of pillar_roots")
        return await asyncio.to_thread(keys.resealed, found["minions"], found["box"])
    if not isinstance(test, bool):
        raise UsageError(f"test= is True or False, not {test!r}")
    if test:
        return [place for place, one in (await sealed_values(master)).items() if not one["current"]]
    files = _files(master.pillar_roots)

    def work() -> list[str]:
        done = box_files.reseal(files, name_of(keys.current().public), keys.resealed)
        return [f"{one.file}:{one.line}" for one in done]

    return await asyncio.to_thread(work)


def _files(roots: Mapping[str, list[str]]) -> list[str]:
    """The files of all pillar trees, each once."""
    found = [file.real for folders in roots.values() for _, file in sorted(merged(folders).files.items())]
    return list(dict.fromkeys(found))


async def show_pillar(master: Dispatch, minion: str, pillarenv: object = None) -> Mapping[str, Any]:
    """The pillar of MINION as it would get it now (with PILLARENV: of that environment alone), with what was sealed
    masked."""
    known = {one.id: one for one in master.presence.minions.values()}
    if minion not in known:
        raise UsageError(f"there is no accepted minion {minion!r}.{nearest(str(minion), known)}")
    return await master.pillar(known[minion], None if pillarenv is None else names.saltenv(pillarenv))
