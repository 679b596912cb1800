"""The texts that `file.accumulated` gathers over the states of a run, by the file and the accumulator that they name.

They are read from the low state, in the order of its states; so a preview has all of them, and no file on disk carries
them from one state to the other.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import Any

from saltern.converge.around import Peers
from saltern.converge.compare import secrets_in
from saltern.converge.requisites import Links
from saltern.converge.state import Objection
from saltern.errors import nearest
from saltern.sls.low import Low


class _Index:
    """By file: the states that can take texts for it, and those that gather them."""

    def __init__(self, peers: Peers) -> None:
        self.takers: dict[str, list[int]] = {}
        self.gathering: dict[str, list[int]] = {}
        for position, low in enumerate(peers.lows):
            if low.module != "file":
                continue
            if low.fun == "accumulated":
                self.gathering.setdefault(_file_of(low), []).append(position)
            elif low.fun in ("managed", "blockreplace"):
                self.takers.setdefault(posixpath.normpath(low.name), []).append(position)


def gathered(peers: Peers, position: int) -> dict[str, list[Any]]:
    """The texts for the state at POSITION, by accumulator; each text once. What is left out of the run adds nothing."""
    path, index = posixpath.normpath(peers.lows[position].name), peers.keep(_Index)
    own = index.gathering.get(path)
    if own is None:
        return {}
    waited_for = _waited_for(peers, position, index.takers.get(path, ()))
    found: dict[str, list[Any]] = {}
    for low in (peers.lows[number] for number in own if number in waited_for and not peers.left_out(number)):
        texts = found.setdefault(low.name, [])
        for text in _listed(low.args.get("text")):
            if text not in texts:
                texts.append(text)
    return found


def objections(lows: Sequence[Low]) -> Iterator[Objection]:
    """The `file.accumulated` of LOWS whose texts would go nowhere: nobody makes their file, or nobody who waits for
    them and can use them."""
    peers = Peers(lows, Links(lows))
    index = peers.keep(_Index)
    for path, gathering in index.gathering.items():
        takers = index.takers.get(path, [])
        waited_for = {taker: _waited_for(peers, taker, takers) for taker in takers}
        for low, position in ((lows[position], position) for position in gathering):
            waiting = [lows[taker] for taker in takers if position in waited_for[taker]]
            if not takers:
                message = f"no file.managed or file.blockreplace of this run is for {path}."
                yield Objection(low, message + nearest(path, index.takers), "filename")
            elif not waiting:
                message = f"{path} does not wait for this text: add `require_in: - file: {lows[takers[0]].id}`"
                yield Objection(low, message)
            elif not any(taker.fun == "blockreplace" or taker.args.get("template") for taker in waiting):
                message = f"the file.managed of {path} has no `template`, which alone could write out this text"
                yield Objection(low, message, "filename")
            elif any(taker.fun == "blockreplace" for taker in waiting) and secrets_in(low.args.get("text")):
                message = "a secret can only be written where a whole file is managed, by file.managed"
                yield Objection(low, message, "text")


def _file_of(low: Low) -> str:
    return posixpath.normpath(str(low.args.get("filename", "")))


def _waited_for(peers: Peers, taker: int, takers: Sequence[int]) -> set[int]:
    """The states that TAKER waits for by itself, and not only because another one of TAKERS of its file does."""
    return peers.needs(taker, but=takers)


def _listed(text: Any) -> list[Any]:
    return list(text) if isinstance(text, list | tuple) else [text]
