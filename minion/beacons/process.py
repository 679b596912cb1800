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
from typing import Any

from minion.beacons.item import BeaconItemError, Item, Told, parse
from minion.pipe import Blocking, News, Trouble, Watch

logger = logging.getLogger(__name__)

_AGAIN_S = 60.0  # a beacon that threw is made anew after this time


class Watched:
    """A beacon at work. BEACON is None while it is broken."""

    def __init__(self, item: Item) -> None:
        self.item, self.told = item, Told(item)
        self.beacon: Any = None
        self.due = 0.0

    def fileno(self) -> int | None:
        """The descriptor that wakes it."""
        return self.beacon.fileno() if self.beacon is not None else None

    def look(self, now: float) -> list[dict[str, Any]]:
        """What there is to tell; whatever the beacon raises."""
        if self.beacon is None:
            from modules import _beacons

            self.beacon = _beacons.make(self.item.kind, self.item.options)
        self.due = now + self.item.interval_s
        return self.told.news(list(self.beacon.look()), now)

    def broken(self, now: float) -> None:
        """It threw."""
        self.close()
        self.due = now + max(_AGAIN_S, self.item.interval_s)

    def close(self) -> None:
        """Watch no more."""
        if self.beacon is not None:
            self.beacon.close()
            self.beacon = None


class Loop:
    """Serves the agent at the other end of CONNECTION."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._pipe = connection, Blocking(connection, buffered=False)
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
            self._watched.setdefault(name, Watched(item))

    def _look(self, one: Watched, now: float) -> None:
        try:
            news = one.look(now)
        except Exception as error:  # whatever a beacon raises is about that beacon alone
            one.broken(now)
            self._pipe.send(Trouble(one.item.name, f"beacons: {one.item.name}: {error or type(error).__name__}"))
            return
        for found in news:
            self._pipe.send(News(one.item.name, json.dumps(found, default=str).encode()))


def main(descriptor: int) -> None:
    """Serve the agent at the other end of DESCRIPTOR."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    os.nice(5)  # what is watched matters more than who watches
    with suppress(ConnectionError, KeyboardInterrupt):
        Loop(socket.socket(fileno=descriptor)).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
