"""The agent's side of the beacons: what is to be watched, the process that watches, and `beacons.*`.

Beacons come from the configuration, from the pillar, and from `beacons.add`; by name, the latter win. Where there is
none, there is no process.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from minion.beacons.item import BeaconItemError, parse
from minion.pipe import AskMaster, Evented, MasterSays, News, Trouble, Watch
from minion.sources import Sources
from saltern import remembered
from saltern.errors import UsageError, nearest
from saltern.wire.private import write_file

logger = logging.getLogger(__name__)

_AGAIN_S = 10.0  # a process that ended by itself is begun anew after this time

Ask = Callable[[AskMaster, Callable[[MasterSays], None]], None]


class Beacons:
    """Keeps what was added and switched in FILE. CONFIGURED are the beacons of the configuration. ASK tells the
    master. NODE: the minion's `--root` and its id."""

    def __init__(self, configured: Mapping[str, Any], file: Path, ask: Ask, node: tuple[Path, str]) -> None:
        self._file, self._ask, self._node = file, ask, [str(one) for one in node]
        self._loop = asyncio.get_running_loop()
        kept = remembered.read(file, "beacons")
        self._sources = Sources(configured, kept)
        self.enabled = bool(kept.get("enabled", True))
        self.problems: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Evented | None = None
        self._again: asyncio.TimerHandle | None = None
        self.functions: dict[str, Callable[..., Any]] = {
            "beacons.list": self.list,
            "beacons.list_available": self.available,
            "beacons.add": self.add,
            "beacons.modify": self.modify,
            "beacons.delete": self.delete,
            "beacons.enable": lambda: self._switch(True),
            "beacons.disable": lambda: self._switch(False),
            "beacons.enable_beacon": lambda name: self._switch_one(name, True),
            "beacons.disable_beacon": lambda name: self._switch_one(name, False),
        }

    def start(self) -> None:
        """Begin to watch."""
        self._apply()

    def close(self) -> None:
        """Watch no more."""
        if self._again:
            self._again.cancel()
        self._end()

    def pillar_is(self, found: Any) -> None:
        """The pillar names these beacons."""
        if not isinstance(found or {}, dict):
            logger.error("beacons: the pillar `beacons` is a mapping of beacons, not %r", found)
            return
        if (found or {}) != self._sources.pillar:
            self._sources.pillar = found or {}
            self._changed()

    # --- the process ---------------------------------------------------------------------------------------------

    def _apply(self) -> None:
        self.problems.clear()
        wanted = self._sources.all() if self.enabled else {}
        if not wanted:
            self._end()
            return
        if self._pipe is None:
            self._begin()
        if self._pipe is not None:
            self._pipe.send(Watch(json.dumps(wanted, default=str).encode()))

    def _begin(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "minion.beacons.process", str(theirs.fileno()), *self._node],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                )
            except OSError as error:
                ours.close()
                logger.error("beacons: no process could be started: %s", error.strerror)
                return
        self._pipe = Evented(ours, self._heard, self._gone)

    def _end(self) -> None:
        if self._pipe:
            self._pipe.close()
            self._pipe = None
        if self._process:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _gone(self) -> None:
        self._pipe = None
        self._end()
        logger.error("beacons: their process ended by itself; it is begun anew")
        self._again = self._loop.call_later(_AGAIN_S, self._apply)

    def _heard(self, message: object) -> None:
        if isinstance(message, News):
            args = b'{"tag":' + json.dumps(f"beacon/{message.name}").encode() + b',"data":' + message.data + b"}"
            self._ask(AskMaster("event.send", args), self._told)
        elif isinstance(message, Trouble) and not message.text:
            self.problems.pop(message.name, None)
        elif isinstance(message, Trouble):
            if self.problems.get(message.name) != message.text:
                logger.error("%s", message.text)
            self.problems[message.name] = message.text

    def _told(self, answer: MasterSays) -> None:
        if not answer.ok and not answer.away:
            logger.error("beacons: the master took no event: %s", answer.error)

    # --- beacons.* -----------------------------------------------------------------------------------------------

    def list(self) -> dict[str, Any]:
        """The beacons as they were given, and what is wrong with them."""
        found = {
            name: [*_listed(data), *([{"problem": self.problems[name]}] if name in self.problems else [])]
            for name, data in self._sources.all().items()
        }
        return {"enabled": self.enabled, "beacons": found}

    def available(self) -> tuple[str, ...]:
        """The kinds that there are."""
        return KINDS

    def add(self, name: str, beacon_data: Any = None, **more: Any) -> dict[str, Any]:
        """Watch NAME too: beacons.add load '[{averages: {1m: [0, 4]}}]'."""
        if name in self._sources.all():
            raise UsageError(f"the beacon {name!r} is there already: beacons.modify changes it")
        return self._put(name, beacon_data, more, f"Added beacon: {name}")

    def modify(self, name: str, beacon_data: Any = None, **more: Any) -> dict[str, Any]:
        """Watch NAME in another way."""
        self._known(name)
        return self._put(name, beacon_data, more, f"Modified beacon: {name}")

    def delete(self, name: str) -> dict[str, Any]:
        """Watch NAME no more; one of the configuration or the pillar stays away until it is added again."""
        self._known(name)
        self._sources.delete(name)
        return self._changed(f"Deleted beacon: {name}")

    def _switch(self, enabled: bool) -> dict[str, Any]:
        self.enabled = enabled
        return self._changed(f"{'Enabled' if enabled else 'Disabled'} beacons")

    def _switch_one(self, name: str, enabled: bool) -> dict[str, Any]:
        data = [part for part in _listed(self._known(name)) if "enabled" not in part]
        return self._put(name, [*data, {"enabled": enabled}], {}, f"{'Enabled' if enabled else 'Disabled'} {name}")

    def _put(self, name: str, data: Any, more: Mapping[str, Any], comment: str) -> dict[str, Any]:
        whole = [*_listed(data or []), *({key: value} for key, value in more.items())]
        try:
            item = parse(name, whole)
        except BeaconItemError as error:
            raise UsageError(str(error)) from None
        if item.kind not in KINDS:
            raise UsageError(f"there is no beacon {item.kind!r}.{nearest(item.kind, KINDS)}")
        self._sources.put(name, whole)
        return self._changed(comment)

    def _known(self, name: str) -> Any:
        if name not in self._sources.all():
            raise UsageError(f"there is no beacon {name!r} here.{nearest(str(name), self._sources.all())}")
        return self._sources.all()[name]

    def _changed(self, comment: str = "") -> dict[str, Any]:
        data = {**self._sources.kept(), "enabled": self.enabled}
        try:
            write_file(self._file, json.dumps(data).encode())
        except (OSError, TypeError) as error:
            logger.error("beacons: %s can't be written; it holds until the agent ends: %s", self._file, error)
        self._apply()
        return {"result": True, "comment": comment}


# Of modules/_beacon/kinds.py, which is not imported here, and drift.
KINDS = (
    *("load", "diskusage", "memusage", "service", "link", "network_settings", "inotify", "libvirt", "lxc", "drift"),
)


def _listed(data: Any) -> list[Any]:
    return list(data) if isinstance(data, list) else [data]
