"""The reactor: SLS that are run when an event comes whose tag they are for (the master's option `reactor`).

    reactor:
      - 'salt/minion/*/start':
        - salt://reactor/start.sls
      - 'minion/*/beacon/load':
        - /srv/reactor/load.sls

What goes wrong is logged with its place and stops nothing else. A tag that comes too often is passed over and counted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from master.reaction import Call, ReactionError
from master.reactions import Reactions
from saltern.context import split_uri
from saltern.errors import ConfigError, SalternError
from saltern.files import LocalFiles

logger = logging.getLogger(__name__)

RATE_S = 10.0  # events of one rule in a second, in the long run
BURST = 100.0  # and at once
MOST_WAITING = 1000
_TELL_S = 10.0  # how often it is logged that events are passed over

Do = Callable[[Call], Awaitable[None]]


@dataclass(slots=True)
class Rule:
    """Events whose tag the glob PATTERN matches are given to the SLS FILES."""

    pattern: str
    files: Sequence[str]
    allowed: float = BURST
    at: float = 0.0
    passed_over: int = 0
    told: float = float("-inf")

    def matches(self, tag: str) -> bool:
        """Whether the event is for this rule. What a minion says is only for those that name `minion/` first, so no
        tag of its making passes for one of the master's, however wide the glob is."""
        if tag.startswith("minion/") and not self.pattern.startswith("minion/"):
            return False
        return fnmatchcase(tag, self.pattern)

    def takes(self, now: float) -> bool:
        """Whether there is room for one more event at NOW (any clock in seconds)."""
        self.allowed = min(BURST, self.allowed + (now - self.at) * RATE_S)
        self.at = now
        if self.allowed < 1:
            self.passed_over += 1
            return False
        self.allowed -= 1
        return True


def rules_of(given: Sequence[Any]) -> list[Rule]:
    """The rules of the option `reactor`. ConfigError."""
    rules = []
    for entry in given:
        for pattern, files in entry.items() if isinstance(entry, Mapping) else [(None, None)]:
            listed: list[str] = [files] if isinstance(files, str) else files if isinstance(files, list) else []
            if not isinstance(pattern, str) or not listed or not all(isinstance(file, str) for file in listed):
                raise ConfigError(f"reactor: an entry is `tag glob: [salt://reactor/x.sls]`, not {entry!r}")
            for file in listed:
                _checked(file)
            rules.append(Rule(pattern, listed))
    return rules


class Reactor:
    """Takes events (see `events.Bus.listen`) and DOes what the SLS of its RULES say. ROOTS are the directories of the
    state tree by environment."""

    def __init__(self, rules: Sequence[Rule], roots: Mapping[str, Sequence[str]], do: Do) -> None:
        self._rules, self._files, self._do = rules, LocalFiles(roots), do
        self._reactions = Reactions(roots)
        self._waiting: deque[tuple[Rule, str, Mapping[str, Any]]] = deque()
        self._task: asyncio.Task[None] | None = None

    def take(self, tag: str, data: Callable[[], Mapping[str, Any]]) -> None:
        """React to an event, in its turn."""
        now = time.monotonic()
        for rule in self._rules:
            if not rule.matches(tag):
                continue
            if rule.takes(now) and len(self._waiting) < MOST_WAITING:
                self._waiting.append((rule, tag, data()))
            elif now - rule.told >= _TELL_S:
                rule.told = now
                logger.error(
                    "reactor: %s comes too often, %d so far are passed over (%g a second is the limit)",
                    rule.pattern,
                    rule.passed_over,
                    RATE_S,
                )
        if self._waiting and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work())

    def close(self) -> None:
        """React no more."""
        if self._task is not None:
            self._task.cancel()
        self._reactions.close()

    async def _work(self) -> None:
        try:
            while self._waiting:
                rule, tag, data = self._waiting.popleft()
                for file in rule.files:
                    await self._react(file, tag, data)
        finally:
            self._task = None

    async def _react(self, file: str, tag: str, data: Mapping[str, Any]) -> None:
        try:
            calls = await asyncio.to_thread(self._calls, file, tag, data)
        except SalternError as error:
            logger.error("reactor: %s: %s", tag, error)
            return
        except Exception:  # the outermost loop of a reaction
            logger.exception("reactor: %s: %s", tag, file)
            return
        for call in calls:
            try:
                await self._do(call)
            except SalternError as error:
                logger.error("reactor: %s: %s: %r: %s", tag, file, call.id, error)
            except Exception:
                logger.exception("reactor: %s: %s: %r", tag, file, call.id)

    def _calls(self, file: str, tag: str, data: Mapping[str, Any]) -> list[Call]:
        try:
            path = self._files.local(*split_uri(file)) if file.startswith("salt://") else Path(file)
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ReactionError(f"{file}: it can't be read: {error}") from None
        return self._reactions.calls(text, file, tag, data)


def _checked(file: str) -> None:
    try:
        if file.startswith("salt://"):
            split_uri(file)
        elif not file.startswith("/"):
            raise ValueError(f"not a path from the root, and not salt://PATH: {file!r}")
    except ValueError as error:
        raise ConfigError(f"reactor: {error}") from None
