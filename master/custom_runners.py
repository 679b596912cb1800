"""The runners that the trees of the master bring (`_runners/NAME.py`). The master reads their names from the text; each
call runs in a process of its own, so that no code of a tree is ever in the master itself.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from saltern.config import MasterConfig
from saltern.errors import PermanentError, TemporaryError, UsageError, nearest

logger = logging.getLogger(__name__)

MOST = 8  # at the same time
LONGEST_S = 4 * 3600.0
MAX_BYTES = 32 << 20  # of what one gives

Stamp = tuple[str, int, int]


class CustomRunners:
    """The runners in the file_roots of CONFIG. BUILT_IN: the names of the master's own, which a tree can't replace."""

    def __init__(self, config: MasterConfig, built_in: Iterable[str]) -> None:
        self._config, self._built_in = config, tuple(built_in)
        self._spaces = {name.partition(".")[0] for name in self._built_in}
        self._seen: dict[Stamp, Mapping[str, str]] = {}
        self._running = 0

    def docs(self) -> dict[str, str]:
        """The runners as they are in the trees now, and what each says of itself. A file that can't be read as Python
        is left out."""
        seen: dict[Stamp, Mapping[str, str]] = {}
        found: dict[str, str] = {}
        for file in self._files():
            try:
                status = file.stat()
            except OSError:
                continue
            stamp = (str(file), status.st_mtime_ns, status.st_size)
            seen[stamp] = self._seen[stamp] if stamp in self._seen else _docs(file)
            found = {**seen[stamp], **found}
        self._seen = seen
        return {name: text for name, text in sorted(found.items()) if name.partition(".")[0] not in self._spaces}

    def check(self, function: str) -> None:
        """UsageError where there is no runner FUNCTION, in the trees or built in, with the nearest name."""
        space = function.partition(".")[0]
        if function in self._built_in or function in (found := self.docs()):
            return
        shadow = next((file for file in self._files() if file.stem.rstrip("_") == space), None)
        if shadow is not None and space in self._spaces:
            raise UsageError(f"{shadow}: {space!r} is one of the master's own runners: give the file another name")
        if shadow is not None and not any(name.startswith(f"{space}.") for name in found):
            return  # it is broken: the process that tries it says how
        raise UsageError(
            f"there is no runner {function!r}.{nearest(function, [*self._built_in, *found])} (saltern-run doc.runner "
            "lists all)"
        )

    async def run(self, function: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Run it in a process of its own: what it gives. UsageError, PermanentError as the process tells."""
        if self._running >= MOST:
            raise TemporaryError(f"{function}: {MOST} runners of the trees run already: try again when one has ended")
        asked = {"roots": self._config.file_roots, "root": str(self._config.root)}
        asked |= {"function": function, "args": list(args), "kwargs": dict(kwargs)}
        self._running += 1
        try:
            return await _answer(function, json.dumps(asked).encode())
        finally:
            self._running -= 1

    def _files(self) -> list[Path]:
        """The files of all environments, `base` first."""
        roots = self._config.file_roots
        folders = [
            Path(root, "_runners") for env in sorted(roots, key=lambda env: env != "base") for root in roots[env]
        ]
        found: list[Path] = []
        for folder in folders:
            with suppress(OSError):
                found += sorted(file for file in folder.iterdir() if file.suffix == ".py" and file.name[0] != "_")
        return found


def _docs(file: Path) -> Mapping[str, str]:
    import ast

    from saltern.custom.errors import BrokenModule
    from saltern.custom.outline import functions, outline

    try:
        found = outline(file.read_bytes(), f"_runners/{file.name}")
    except (OSError, BrokenModule) as error:
        logger.warning("a file of runners is left out: %s", error)
        return {}
    return {
        f"{space.rstrip('_')}.{node.name.rstrip('_')}": ast.get_docstring(node) or ""
        for space in found.names
        for node in functions(found.tree)
    }


async def _answer(function: str, asked: bytes) -> Any:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "master.runner_process"),
        stdin=PIPE,
        stdout=PIPE,
        limit=MAX_BYTES,
        cwd="/",
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(LONGEST_S):
            with suppress(ConnectionError):
                process.stdin.write(asked)
                await process.stdin.drain()
                process.stdin.close()
            line = await process.stdout.readline()
            code = await process.wait() if not line else 0
    except TimeoutError:
        raise PermanentError(f"{function}: it took longer than {LONGEST_S / 3600:g} hours and was ended") from None
    except ValueError:
        raise PermanentError(f"{function}: what it gives is larger than {MAX_BYTES >> 20} MiB") from None
    finally:
        await _end(process)
    return _read(function, line, code)


def _read(function: str, line: bytes, code: int) -> Any:
    if not line:
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise PermanentError(f"{function}: the process that ran it ended by itself ({how}); see the master's log")
    answer = json.loads(line)
    if "error" in answer:
        raise (UsageError if answer.get("misused") else PermanentError)(answer["error"])
    return answer["data"]


async def _end(process: Process) -> None:
    """End it with all that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
