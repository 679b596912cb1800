"""Publishes the directories of `file_roots` as content-addressed, encrypted trees.

A file is encrypted when its contents are new to the store, once, whoever asks for it later. When nothing changed a
publication is a walk that reads no file.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from master.blobs import store_of, tree_folder
from master.scan import Found, Scan, merged, stat_of
from master.tree_index import Held, TreeIndex
from saltern import names
from saltern.config import MasterConfig
from saltern.errors import PermanentError, TemporaryError
from saltern.wire import manifest, private
from saltern.wire.blob import new_key
from saltern.wire.bundle import TreeKey

logger = logging.getLogger(__name__)

GRACE_S = 24 * 3600.0  # a blob that no tree names any more is kept so long, for the jobs that were sent before
PRUNE_EVERY_S = 3600.0
SETTLE_NS = 100_000_000  # a file changed so shortly before it was read may change again within one tick of its clock
_SMALL = 1 << 20  # bytes up to which a file is read once, into memory
_ATTEMPTS = 5


class CannotPublish(PermanentError):
    """A file of the tree can't be read."""


class _Changed(Exception):
    """The file is not the one that was looked at."""

    def __init__(self, found: Found) -> None:
        self.found = found
        super().__init__(found.real)


@dataclass(frozen=True, slots=True)
class Publication:
    """The tree of one environment: the blob of its manifest, that blob's key, and the manifest's DIGEST, which changes
    with any path, content or mode. SKIPPED: what is not published, as (path, reason)."""

    saltenv: str
    blob: str
    key: bytes
    digest: str
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def tree_key(self) -> TreeKey:
        """What a bundle seals."""
        return TreeKey(self.saltenv, self.blob, self.key)

    def __repr__(self) -> str:
        return f"Publication({self.saltenv!r}, {self.digest!r})"


@dataclass(frozen=True, slots=True)
class _Tree:
    """An environment as it was published. DIGESTS: of its files and its manifest. SETTLED: every file is known by its
    state on disk, so that an equal walk means an equal tree."""

    scan: Scan
    publication: Publication
    digests: frozenset[str]
    settled: bool


class Publisher:
    """Publishes the trees of CONFIG. Several processes may; they take turns by a lock."""

    def __init__(
        self,
        config: MasterConfig,
        *,
        clock: Callable[[], float] = time.time,
        grace_s: float = GRACE_S,
    ) -> None:
        roots = {names.saltenv(env): list(roots) for env, roots in config.file_roots.items()}
        self._roots = dict(sorted(roots.items(), key=lambda item: (item[0] != "base", item[0])))
        self._folder, self._clock, self._grace_s = tree_folder(config), clock, grace_s
        self.store = store_of(config)
        self._index = TreeIndex(self._folder / "index")
        self._trees: dict[str, _Tree] = {}
        self._dirty = False  # the index differs from what is on disk
        self._fresh: list[str] = []  # blobs that are not yet durable
        self._pruned = 0.0

    def publish(self) -> Mapping[str, Publication]:
        """The trees of all environments as they are now, `base` first. SalternError where a file can't be read."""
        private.make_folder(self._folder)
        with self._locked():
            if self._index.load(self.store):
                self.store.clear_unfinished()
                self._trees.clear()
                self._fresh.clear()
            for env in self._roots:
                self._trees[env] = self._published(env)
            self._prune()
            if self._dirty:
                self.store.sync(self._fresh)
                self._index.save()
                self._dirty, self._fresh = False, []
        return {env: tree.publication for env, tree in self._trees.items()}

    def _published(self, env: str) -> _Tree:
        for _ in range(_ATTEMPTS):
            now_ns = time.time_ns()  # compared with the times of files, so it is the system's clock
            scan = merged(self._roots[env])
            last = self._trees.get(env)
            if last and last.settled and last.scan == scan:
                return last
            try:
                tree = self._new_tree(env, scan, now_ns)
            except _Changed as error:
                changed = error.found
                continue
            for path, reason in scan.skipped:
                if not last or (path, reason) not in last.scan.skipped:
                    logger.warning("environment %s: %r is not published: %s", env, path, reason)
            return tree
        raise TemporaryError(
            f"{changed.real}: changes while it is read: try again when it is written, or move it out of the tree"
        )

    def _new_tree(self, env: str, scan: Scan, now_ns: int) -> _Tree:
        entries, settled = [], True
        for path, found in scan.files.items():
            digest = self._index.stats.get(found.stat)
            if digest is None:
                digest = self._take_in(found)
                if found.stat.ctime_ns < now_ns - SETTLE_NS:
                    self._index.stats[found.stat] = digest
                    self._dirty = True
                else:
                    settled = False
            held = self._index.held[digest]
            entries.append(manifest.Entry(path, digest, held.size, found.mode, held.blob, held.key))
        data = manifest.encode(env, entries)
        digest = manifest.digest(data)
        held = self._held(digest, data)
        publication = Publication(env, held.blob, held.key, digest, tuple(scan.skipped))
        return _Tree(scan, publication, frozenset([digest, *(entry.digest for entry in entries)]), settled)

    def _take_in(self, found: Found) -> str:
        """Read a file whole and as it was found, and see that the store holds it; its digest. _Changed otherwise."""
        try:
            handle = os.open(found.real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(handle, "rb", buffering=0) as file:
                if stat_of(os.fstat(handle)) == found.stat:  # also: it is the very file that was found inside the root
                    digest = self._read(file, found)
                    if stat_of(os.fstat(handle)) == found.stat:
                        return digest
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            raise CannotPublish(f"{found.real}: can't be read: {error.strerror}") from None
        raise _Changed(found)

    def _read(self, file: io.FileIO, found: Found) -> str:
        if found.stat.size <= _SMALL:
            data = file.read(_SMALL + 1)
            digest = hashlib.sha256(data).hexdigest()
            self._held(digest, data)
            return digest
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest not in self._index.held:
            file.seek(0)
            if self._encrypt(file) != digest:
                raise _Changed(found)
        return digest

    def _held(self, digest: str, data: bytes) -> Held:
        if digest not in self._index.held:
            self._encrypt(io.BytesIO(data))
        return self._index.held[digest]

    def _encrypt(self, source: io.FileIO | io.BytesIO) -> str:
        """Bring SOURCE into the store under a key of its own; its digest."""
        key = new_key()
        written = self.store.add(source, key)
        self._index.held[written.digest] = Held(written.blob, key, written.size)
        self._fresh.append(written.blob)
        self._dirty = True
        return written.digest

    def _prune(self) -> None:
        """Forget what no tree has named for the grace time, when something changed and at times besides."""
        now = self._clock()
        if not self._dirty and now - self._pruned < PRUNE_EVERY_S:
            return
        self._pruned = now
        index = self._index
        live: set[str] = set().union(*(tree.digests for tree in self._trees.values()))
        for digest, held in list(index.held.items()):
            if digest in live:
                self._dirty = self._dirty or held.unused is not None
                held.unused = None
            elif held.unused is None:
                held.unused, self._dirty = now, True
            elif now - held.unused > self._grace_s:
                del index.held[digest]
                self.store.remove(held.blob)
                self._dirty = True
        present = {found.stat for tree in self._trees.values() for found in tree.scan.files.values()}
        index.stats = {stat: digest for stat, digest in index.stats.items() if stat in present}
        self._fresh = [blob for blob in self._fresh if self.store.size(blob) is not None]
        self._remove_strays(now)

    def _remove_strays(self, now: float) -> None:
        """Remove blobs that no index names: those of a publication that was cut off before it was noted."""
        known = {held.blob for held in self._index.held.values()}
        for blob in list(self.store.names()):
            if blob not in known and now - self.store.changed(blob) > self._grace_s:
                self.store.remove(blob)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        handle = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
