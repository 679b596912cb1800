"""The worker's part of `ahead`: compiles the state runs of the schedule from the bundle that is kept, which brings the
SLS and what they import, and then in one batch the files that their states name.

Nothing is run and no state is asked; templates are rendered as for `test=True`.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from minion.cache import CachedTree, folder, load_bundle
from minion.connected import Bundled, context
from minion.identity import Identity
from minion.pipe import BundleIs
from saltern.asks import Ask
from saltern.config import Config
from saltern.context import Context, split_uri
from saltern.errors import SalternError, TemporaryError
from saltern.loader import find
from saltern.runner import run_function
from saltern.wire.bundle import Opened, plain_pillar
from saltern.wire.fetch import Fetcher
from saltern.wire.transfer import WantedBlob

MOST_BYTES = 64 << 20  # of one file: a disk image is brought when its state has to write it, not before

Run = tuple[str, Sequence[Any], Mapping[str, Any]]  # function, args, kwargs


class Kept(Bundled):
    """The bundle that is kept here, whatever the master has by now; files still come from the master. FAILED is why one
    could not be brought last."""

    failed = ""

    @cached_property
    def opened(self) -> Opened:
        """The opened bundle. TemporaryError where none was kept."""
        kept = load_bundle(self._config)
        if kept is None:
            raise TemporaryError("no trees and no pillar came from the master yet")
        return self._open(kept)

    @cached_property
    def files(self) -> CachedTree:
        """The trees."""
        identity = self._identity
        self._fetcher = Fetcher(identity.wire, identity.master_key, identity.host, self._files_port)
        return CachedTree(folder(self._config), self.opened.trees, self)

    def context(self, ask: Ask | None) -> Context:
        """The context of a run with it."""
        return context(self._config, self._identity, "", self, lambda step, total, state_id: None, ask)

    def fetch(self, blobs: Sequence[WantedBlob], into: Path) -> None:
        """See `minion.cache.Fetcher`."""
        try:
            self._fetcher.fetch(blobs, into)
        except SalternError as error:
            self.failed = str(error)
            raise


def bring(
    config: Config,
    identity: Identity,
    files_port: int,
    known: str,
    runs: Sequence[Run],
    ask_bundle: Callable[[str], BundleIs],
    ask: Ask | None = None,
) -> dict[str, Any]:
    """Bring what RUNS need. {"key": …, "problems": […], "failed": …}: KEY names what it was done for, and nothing is
    done where that is KNOWN; PROBLEMS are those of the states; FAILED says why a file could not be brought, if one
    could not.

    The bundle that is kept is left as it is, unless the master has its files no more: then it gives a new one.
    """
    try:
        kept = Kept(config, identity, b"", b"", files_port, ask_bundle)
        found = _brought(kept, known, runs, ask)
        if found["failed"] and kept.renewed().opened:
            found = _brought(Kept(config, identity, b"", b"", files_port, ask_bundle), known, runs, ask)
    except SalternError as error:
        return {"key": "", "problems": [], "failed": str(error)}
    return found


def _brought(kept: Kept, known: str, runs: Sequence[Run], ask: Ask | None) -> dict[str, Any]:
    key = _key(kept.opened, runs)
    if key == known:
        return {"key": key, "problems": [], "failed": ""}
    ctx = replace(kept.context(ask), test=True)
    problems: list[str] = []
    wanted: set[tuple[str, str]] = set()
    try:
        for run in runs:
            low, said = _low(run, ctx)
            problems += said
            wanted.update(named(low, kept.files.list))
        _fetch(kept.files, wanted)
    except SalternError as error:
        kept.failed = kept.failed or str(error)
    return {"key": key, "problems": problems, "failed": kept.failed}


def named(low: Any, listed: Any) -> Iterator[tuple[str, str]]:
    """The files of the tree that the LOW state names, as (environment, path). LISTED gives the paths of an environment,
    for those that name a folder."""
    for chunk in low:
        for text in _texts(chunk):
            if not text.startswith("salt://"):
                continue
            try:
                path, env = split_uri(text.rstrip("/"), chunk.get("__env__") or "base")
            except ValueError:
                continue  # the state will say so
            folder = f"{path}/"
            yield from ((env, one) for one in listed(env) if one == path or one.startswith(folder))


def _texts(value: Any) -> Iterator[str]:
    """All texts in VALUE, keys too: `source` may be a list, or a list of mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _texts(key)
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)


def _fetch(tree: CachedTree, wanted: Iterable[tuple[str, str]]) -> None:
    by_env: dict[str, list[str]] = {}
    for env, path in sorted(wanted):
        if tree.size(path, env) <= MOST_BYTES:
            by_env.setdefault(env, []).append(path)
    for env, paths in by_env.items():
        tree.fetch(paths, env)


def _low(run: Run, ctx: Context) -> tuple[list[Any], list[str]]:
    """The low state of RUN as `state.show_lowstate` gives it, and what is wrong with it."""
    function, args, kwargs = run
    try:
        given = inspect.signature(find(function)).bind(ctx, *args, **kwargs).arguments
    except TypeError as error:
        return [], [f"{function}: {error}"]
    more: dict[str, Any] = {name: given[name] for name in ("saltenv", "pillar", "pillarenv") if name in given}
    if given.get("mods"):
        result = run_function("state.show_low_sls", [given["mods"]], more, ctx)
    else:
        result = run_function("state.show_lowstate", [], more, ctx)
    if result.success:
        return list(result.value), []
    return [], [str(one) for one in result.value] if isinstance(result.value, list) else [str(result.value)]


def _key(opened: Opened, runs: Sequence[Run]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in (*sorted(f"{tree.saltenv}\0{tree.manifest}" for tree in opened.trees), repr(list(runs))):
        digest.update(part.encode() + b"\0")
    digest.update(plain_pillar(opened.pillar))
    return digest.hexdigest()
