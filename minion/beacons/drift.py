"""The beacon `drift`: what of the node is no more as its states say, from the trees and the pillar that were used last.

Every interval a process of its own plans the highstate as `test=True` does: nothing is changed, and no other beacon
waits for it. What differs is told once, and once more when it differs otherwise, or no more. A state that no apply ever
brought right is told too: it differs.

    python -m minion.beacons.drift ROOT ID [SLS ...]    # prints what differs as JSON
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from modules._beacon.away import StillAway
from saltern.answers import answers
from saltern.errors import PermanentError, SalternError, nearest

LEAST_S = 2.0  # between two looks, whatever the interval says: a node has other things to do
TIMEOUT_S = 600.0  # of one look
_MOST = 16 * 1024 * 1024
_MOST_TEXT = 500

Difference = Mapping[str, Any]


class Drift:
    """What differs from the states MODS (without any: the highstate). Options: `mods`, `timeout`."""

    def __init__(self, options: Mapping[str, Any], root: Path, minion_id: str) -> None:
        mods = options.get("mods", [])
        mods = mods.split(",") if isinstance(mods, str) else mods
        if not isinstance(mods, list) or not all(isinstance(one, str) and one for one in mods):
            raise PermanentError(f"`mods` is a list of SLS names, not {mods!r}")
        timeout = options.get("timeout", TIMEOUT_S)
        if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 1 <= timeout <= 86400:
            raise PermanentError(f"`timeout` is a number of seconds from 1 to 86400, not {timeout!r}")
        for option in options:
            if option not in ("mods", "timeout"):
                raise PermanentError(f"has no option {option!r}.{nearest(option, ('mods', 'timeout'))}")
        self._argv = [sys.executable, "-P", "-m", __name__, str(root), minion_id, *mods]
        self._timeout_s, self._began = timeout, -LEAST_S
        self._known: dict[str, Difference] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._said = bytearray()

    @property
    def is_looking(self) -> bool:
        """Whether a look is under way."""
        return self._process is not None

    def look(self) -> Iterator[Mapping[str, Any]]:
        """See `Beacon`: begin to look, or tell what was found. PermanentError where that was not possible, StillAway
        where it will be once the master is back."""
        if self._process is None:
            if time.monotonic() - self._began >= LEAST_S:
                self._begin()
            return
        if time.monotonic() - self._began > self._timeout_s:
            self.close()
            raise PermanentError(f"the look took longer than {self._timeout_s:g} s")
        if not self._read():
            return
        code, self._process = self._process.returncode, None
        found = _read_answer(bytes(self._said), code)
        if found is not None:
            old, self._known = self._known, found
            yield from changes(old, found)

    def fileno(self) -> int | None:
        """See `Beacon`."""
        return self._process.stdout.fileno() if self._process and self._process.stdout else None

    def close(self) -> None:
        """See `Beacon`."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            if self._process.stdout:
                self._process.stdout.close()
            self._process = None

    def _begin(self) -> None:
        self._began, self._said = time.monotonic(), bytearray()
        self._process = subprocess.Popen(
            self._argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self._process.stdout
        os.set_blocking(self._process.stdout.fileno(), False)

    def _read(self) -> bool:
        """Take what the process says; whether it has said all."""
        assert self._process
        assert self._process.stdout
        while True:
            try:
                part = os.read(self._process.stdout.fileno(), 1 << 20)
            except BlockingIOError:
                return False
            if not part:
                self._process.stdout.close()
                self._process.wait()
                return True
            self._said += part
            if len(self._said) > _MOST:
                self.close()
                raise PermanentError(f"what differs is more than {_MOST} bytes")


def changes(old: Mapping[str, Difference], new: Mapping[str, Difference]) -> Iterator[Mapping[str, Any]]:
    """What to tell of two looks: what differs by the states' tags."""
    for tag in sorted({*old, *new}):
        if tag not in new:
            yield {**old[tag], "differs": False, "comment": "as its state says again"}
        elif old.get(tag) != new[tag]:
            yield {**new[tag], "differs": True}


def differing(returned: Mapping[str, Mapping[str, Any]]) -> dict[str, Difference]:
    """What differs by what a run in test mode RETURNED."""
    found: dict[str, Difference] = {}
    for tag, one in returned.items():
        if one.get("result") is True and not one.get("changes"):
            continue
        module, *_, function = tag.split("_|-")
        found[tag] = {
            "name": str(one.get("name", "")),
            "state": f"{module}.{function}",
            "id": str(one.get("__id__", "")),
            "sls": str(one.get("__sls__", "")),
            "comment": str(one.get("comment") or "it differs")[:_MOST_TEXT],
        }
    return found


def _read_answer(said: bytes, code: int) -> dict[str, Difference] | None:
    """What the process found; None where a state run was at work, so there is nothing to compare with."""
    try:
        answer = json.loads(said)
    except ValueError:
        raise PermanentError(f"the look ended with exit code {code} and told nothing") from None
    if "away" in answer:
        raise StillAway(str(answer["away"])[:2000])
    if "error" in answer:
        raise PermanentError(str(answer["error"])[:2000])
    found: dict[str, Difference] | None = answer["differs"]
    return found


def look(root: Path, minion_id: str, mods: Sequence[str]) -> dict[str, Any]:
    """{"differs": …} (None while a state run is at work), {"away": …} where a state asks a master that is away, or
    {"error": …}."""
    from dataclasses import replace

    from minion import identity as identities
    from minion.beacons.asking import Asking
    from minion.connected import Bundled, context
    from minion.pipe import BundleIs
    from modules._state import lock as state_lock
    from saltern.config import load_minion
    from saltern.runner import run_function

    config = load_minion(root)
    identity = identities.load(replace(config, id=minion_id))
    config = replace(config, id=identity.id)
    lock = state_lock.lock_file(config.paths.var)
    if state_lock.owner(lock) is not None:
        return {"differs": None}
    bundled = Bundled(config, identity, b"", b"", 0, lambda pillarenv: BundleIs(b"", "a beacon looks at what is here"))
    ask = Asking(config.paths.run / "minion.sock")
    ctx = context(config, identity, "", bundled, lambda step, total, state_id: None, ask)
    result = run_function("state.apply", [list(mods)] if mods else [], {"test": True}, ctx)
    if state_lock.owner(lock) is not None:
        return {"differs": None}
    if ask.away:
        return {"away": f"nothing is looked at, since a state asks the master, and that is away now: {ask.away}"}
    if isinstance(result.value, Mapping):
        return {"differs": differing(result.value)}
    told = result.value if isinstance(result.value, list) else [result.value]
    return {"error": "the states can't be looked at: " + "; ".join(str(one) for one in told)}


def main(root: str, minion_id: str, *mods: str) -> None:
    """Print what differs."""
    os.nice(5)
    said = answers()
    try:
        answer = look(Path(root), minion_id, mods)
    except SalternError as error:
        answer = {"error": str(error)}
    with said:
        said.write(json.dumps(answer, default=str).encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
