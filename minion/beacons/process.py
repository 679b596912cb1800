"""The process that beacons run in. A beacon that throws is named and left alone for a while; the others go on."""

from __future__ import annotations

import json
import logging
import os
import select
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from minion.beacons.item import BeaconItemError, Item, Told, parse
from minion.pipe import Blocking, News, Trouble, Watch
from modules._beacon.away import StillAway

logger = logging.getLogger(__name__)

_AGAIN_S = 60.0  # a beacon that threw is made anew after this time


class Watched:
    """A beacon at work on the minion of ROOT and MINION_ID. BEACON is None while it is broken."""

    def __init__(self, item: Item, root: Path, minion_id: str) -> None:
        self.item, self.told, self._root, self._id = item, Told(item), root, minion_id
        self.beacon: Any = None
        self.due = 0.0
        self.in_trouble = False

    def fileno(self) -> int | None:
        """The descriptor that wakes it."""
        return self.beacon.fileno() if self.beacon is not None else None

    @property
    def is_looking(self) -> bool:
        """Whether it has begun to look and not yet ended."""
        return bool(getattr(self.beacon, "is_looking", False))

    def look(self, now: float) -> list[dict[str, Any]]:
        """What there is to tell; whatever the beacon raises."""
        if self.beacon is None:
            self.beacon = _made(self.item, self._root, self._id)
        self.due = now + self.item.interval_s
        found = list(self.beacon.look())
        if self.is_looking:  # what it finds comes later: this was no look yet
            return []
        return self.told.news(found, now)

    def failed(self, error: Exception, now: float) -> None:
        """It threw. One that goes on by itself looks again at its interval."""
        self.in_trouble = True
        if isinstance(error, StillAway):
            return
        self.close()
        self.due = now + max(_AGAIN_S, self.item.interval_s)

    def close(self) -> None:
        """Watch no more."""
        if self.beacon is not None:
            self.beacon.close()
            self.beacon = None


class Loop:
    """Serves the agent at the other end of CONNECTION, that of ROOT and MINION_ID."""

    def __init__(self, connection: socket.socket, root: Path, minion_id: str) -> None:
        self._connection, self._pipe = connection, Blocking(connection, buffered=False)
        self._root, self._id = root, minion_id
        self._watched: dict[str, Watched] = {}

    def run(self) -> None:
        """Until the agent is gone."""
        while True:
            wakers = {one.fileno(): one for one in self._watched.values() if one.fileno() is not None}
            poll = select.poll()
            for descriptor in (self._connection.fileno(), *wakers):
                if descriptor is not None:
                    poll.register(descriptor, select.POLLIN)
            now = time.monotonic()
            due = min((one.due for one in self._watched.values()), default=now + 3600)
            ready = [descriptor for descriptor, _ in poll.poll(max(0.0, due - now) * 1000)]
            if self._connection.fileno() in ready:
                message = self._pipe.receive()
                if not isinstance(message, Watch):
                    return
                self._set(json.loads(message.beacons))
                continue
            now = time.monotonic()
            for one in list(self._watched.values()):
                if one.due <= now or one.fileno() in ready:
                    self._look(one, now)

    def _set(self, given: Mapping[str, Any]) -> None:
        """Watch what is GIVEN; a beacon that stays as it was goes on."""
        wanted: dict[str, Item] = {}
        for name, options in given.items():
            try:
                item = parse(name, options)
            except BeaconItemError as error:
                self._pipe.send(Trouble(str(name), str(error)))
                continue
            if item.enabled:
                wanted[name] = item
        for name, one in list(self._watched.items()):
            if wanted.get(name) != one.item:
                one.close()
                del self._watched[name]
        for name, item in wanted.items():
            self._watched.setdefault(name, Watched(item, self._root, self._id))

    def _look(self, one: Watched, now: float) -> None:
        try:
            news = one.look(now)
        except Exception as error:  # whatever a beacon raises is about that beacon alone
            one.failed(error, now)
            self._pipe.send(Trouble(one.item.name, f"beacons: {one.item.name}: {error or type(error).__name__}"))
            return
        if one.in_trouble and not one.is_looking:
            one.in_trouble = False
            self._pipe.send(Trouble(one.item.name, ""))
        for found in news:
            self._pipe.send(News(one.item.name, json.dumps(found, default=str).encode()))


def _made(item: Item, root: Path, minion_id: str) -> Any:
    """The beacon of ITEM."""
    if item.kind == "drift":
        from minion.beacons.drift import Drift

        return Drift(item.options, root, minion_id)
    from modules._beacon import kinds as beacon_kinds

    options = dict(item.options)
    if item.kind == "libvirt" and "uri" not in options:
        from saltern.config import load_minion

        options["uri"] = load_minion(root).libvirt_uri
    return beacon_kinds.make(item.kind, options)


def main(descriptor: int, root: Path, minion_id: str) -> None:
    """Serve the agent at the other end of DESCRIPTOR."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    os.nice(5)  # what is watched matters more than who watches
    with suppress(ConnectionError, KeyboardInterrupt):
        Loop(socket.socket(fileno=descriptor), root, minion_id).run()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
