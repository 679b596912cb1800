"""Work that goes on by itself in the loop: nothing of it is lost to the garbage collector, and no failure unheard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from saltern.errors import SalternError

logger = logging.getLogger(__name__)


class Tasks:
    """Tasks that nobody waits for."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any] | Any) -> None:
        """Do WORK; a failure is logged."""
        task = asyncio.ensure_future(work, loop=self._loop)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error:
            logger.error("a task failed: %s", error, exc_info=None if isinstance(error, SalternError) else error)
