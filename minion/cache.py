"""The minion's own copy of the state trees: what the master published, brought once, verified, and kept.

Files lie in clear, named by their SHA-256, below a folder that root alone may enter; manifests lie as the sealed blobs
that they came as, since they hold keys. What is there was verified when it was stored, and nobody but root could
have changed it, so reading costs one `lstat`.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Protocol

from saltern.config import Config
from saltern.errors import PermanentError, TemporaryError, nearest
from saltern.wire import bundle as bundles
from saltern.wire import manifest, private
from saltern.wire.blob import DamagedBlob, decrypt_stream, sealed_size
from saltern.wire.bundle import Bundle, TreeKey
from saltern.wire.manifest import Entry
from saltern.wire.transfer import WantedBlob, WrongBlob

MAX_MANIFEST_BYTES = 256 << 20
_LEFT_OVER_S = 24 * 3600.0


class Fetcher(Protocol):
    """Brings blobs from wherever they are, which needs not be trusted: a `BlobReceiver` takes them in."""

    def fetch(self, blobs: Sequence[WantedBlob], into: Path) -> None:
        """Put each of BLOBS into the private folder INTO under its name, opened where it has a key, and verified.

        WrongBlob where one is not what it should be, another SalternError where one can't be had.
        """
        ...


class NotHere(TemporaryError):
    """A file is not in the cache and there is no master to ask."""


class DamagedTree(PermanentError):
    """What was brought is not what the manifest says."""


def folder(config: Config) -> Path:
    """Where the cache lies."""
    return config.paths.var / "minion" / "cache"


def save_bundle(config: Config, bundle: bytes) -> None:
    """Keep the last bundle, still sealed, for runs without a master. PermanentError where the disk does not take it."""
    try:
        private.write_file(private.make_folder(folder(config)) / "bundle", bundle)
    except OSError as error:
        place = folder(config) / "bundle"
        raise PermanentError(f"{place}: what the master sent can't be kept there: {error.strerror}") from None


def load_bundle(config: Config) -> Bundle | None:
    """The bundle that was kept, or None where there is none (or it is damaged, or its pillar is of an environment that
    was this node's once)."""
    try:
        kept = bundles.decode((folder(config) / "bundle").read_bytes())
    except (FileNotFoundError, bundles.BadBundle):
        return None
    return kept if kept.saltenv == (config.pillarenv or "") else None


def bundle_given_at(config: Config) -> float:
    """When the bundle that is kept came from the master, seconds since the epoch; 0 where none is kept."""
    try:
        return os.lstat(folder(config) / "bundle").st_mtime
    except FileNotFoundError:
        return 0.0


class CachedTree:
    """A `FileSource` over the trees of an opened bundle. FETCHER is None where there is no master."""

    def __init__(self, place: Path, trees: Sequence[TreeKey], fetcher: Fetcher | None = None) -> None:
        self._store = _Store(place)
        self._fetcher = fetcher
        self._keys = {tree.saltenv: tree for tree in trees}
        self._order = tuple(sorted(self._keys, key=lambda env: (env != "base", env)))
        self._trees: dict[str, dict[str, Entry]] = {}
        self._manifests()

    def environments(self) -> tuple[str, ...]:
        """The names of all environments, `base` first."""
        return self._order

    def list(self, saltenv: str = "base") -> tuple[str, ...]:
        """Every path of the environment, sorted; empty where there is no such environment."""
        return tuple(self._tree(saltenv))

    def digest(self, path: str, saltenv: str = "base") -> str | None:
        """The SHA-256 of a file in hex, without fetching it; None where there is no such file."""
        entry = self._tree(saltenv).get(path)
        return entry.digest if entry else None

    def fetch(self, paths: Sequence[str], saltenv: str = "base") -> None:
        """Bring the files here in one batch. FileNotFoundError names the first that does not exist."""
        missing: dict[str, Entry] = {}
        for path in paths:
            entry = self._entry(path, saltenv)
            if entry.digest not in missing and not self._store.has(entry):
                missing[entry.digest] = entry
        if missing:
            self._bring(list(missing.values()), self._store.add)

    def local(self, path: str, saltenv: str = "base") -> Path:
        """A readable, verified local copy (fetched where needed). FileNotFoundError where there is no such file."""
        entry = self._entry(path, saltenv)
        if not self._store.has(entry):
            self._bring([entry], self._store.add)
        return self._store.path(entry.digest)

    def mode(self, path: str, saltenv: str = "base") -> int:
        """The permission bits that the file has in the tree. FileNotFoundError where there is no such file."""
        return self._entry(path, saltenv).mode

    def size(self, path: str, saltenv: str = "base") -> int:
        """How many bytes the file has, without fetching it. FileNotFoundError where there is no such file."""
        return self._entry(path, saltenv).size

    def hand_over(self, path: str, saltenv: str = "base") -> Path | None:
        """The file on its own, so that a large one does not lie here twice; None where the cache has it already.
        FileNotFoundError where there is no such file."""
        entry = self._entry(path, saltenv)
        if self._store.has(entry):
            return None
        place = self._store.incoming() / os.urandom(16).hex()
        self._bring([entry], lambda entry, brought: os.rename(brought, place))
        return place

    def revision(self, saltenv: str = "base") -> str:
        """A digest of what the environment holds: the same for the same files, whenever they were published."""
        lines = (f"{entry.path}\0{entry.digest}\0{entry.mode}\0" for entry in self._tree(saltenv).values())
        return hashlib.blake2b("".join(lines).encode(), digest_size=8).hexdigest()

    def _tree(self, saltenv: str) -> Mapping[str, Entry]:
        return self._trees.get(saltenv, {})

    def _entry(self, path: str, saltenv: str) -> Entry:
        tree = self._tree(saltenv)
        try:
            return tree[path]
        except KeyError:
            raise FileNotFoundError(f"no file {path!r} in environment {saltenv!r}.{nearest(path, tree)}") from None

    def _manifests(self) -> None:
        """Open the manifests, bringing those that lack in one batch."""
        self._bring_manifests(
            {tree.manifest for tree in self._keys.values() if not self._store.manifest(tree.manifest).exists()}
        )
        for env in self._order:
            entries = manifest.decode(self._opened(self._keys[env]), env).entries
            self._trees[env] = {entry.path: entry for entry in entries}

    def _bring_manifests(self, blobs: AbstractSet[str]) -> None:
        if not blobs:
            return
        wanted = [WantedBlob(blob, MAX_MANIFEST_BYTES, exact=False) for blob in sorted(blobs)]
        try:
            with self._brought(wanted) as into:
                for tree in self._keys.values():
                    if tree.manifest in blobs:
                        _decrypted(into / tree.manifest, tree)  # opens before it is kept
                for blob in blobs:
                    os.rename(into / blob, self._store.manifest(blob))
        except WrongBlob as error:
            env = next(tree.saltenv for tree in self._keys.values() if tree.manifest == error.blob)
            raise DamagedTree(f"the manifest of environment {env!r} is damaged: {error.problem}") from None

    def _opened(self, tree: TreeKey) -> bytes:
        """The manifest of TREE. One that a power cut damaged here is brought anew, where there is a master."""
        place = self._store.manifest(tree.manifest)
        try:
            return _decrypted(place, tree)
        except DamagedTree:
            place.unlink(missing_ok=True)
            if self._fetcher is None:
                raise
        self._bring_manifests({tree.manifest})
        return _decrypted(place, tree)

    def _bring(self, entries: Sequence[Entry], keep: Callable[[Entry, Path], None]) -> None:
        wanted = [
            WantedBlob(entry.blob, sealed_size(entry.size), key=entry.key, digest=entry.digest) for entry in entries
        ]
        try:
            with self._brought(wanted) as into:
                for entry in entries:
                    keep(entry, into / entry.blob)
        except WrongBlob as error:
            path = next(entry.path for entry in entries if entry.blob == error.blob)
            raise DamagedTree(f"{path}: the file that was brought is damaged: {error.problem}") from None

    def _brought(self, wanted: Sequence[WantedBlob]) -> _Folder:
        if self._fetcher is None:
            raise NotHere(
                f"{len(wanted)} files of the state tree are not in this minion's cache, and no master is connected: "
                "run again when it is"
            )
        into = _Folder(self._store.incoming())
        try:
            self._fetcher.fetch(wanted, into.path)
        except BaseException:
            into.close()
            raise
        return into


class _Folder:
    """A private folder for what is on its way, removed with all that is in it."""

    def __init__(self, above: Path) -> None:
        self.path = above / os.urandom(16).hex()
        os.mkdir(self.path, 0o700)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        _remove(self.path)


class _Store:
    """The cache's files: `files/ab/cd/DIGEST` in clear, `manifests/BLOB` sealed, `incoming/` on their way."""

    def __init__(self, place: Path) -> None:
        self._files = place / "files"
        self._manifests = private.make_folder(place / "manifests")
        self._incoming = place / "incoming"

    def path(self, digest: str) -> Path:
        """Where the file of DIGEST lies."""
        return self._files / digest[:2] / digest[2:4] / digest

    def manifest(self, blob: str) -> Path:
        """Where the manifest of that name lies. BLOB has the form of a digest: the bundle's type says so."""
        return self._manifests / blob

    def incoming(self) -> Path:
        """Where temporary folders may be made. What a killed run left there is removed after a day."""
        place = private.make_folder(self._incoming)
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.stat(follow_symlinks=False).st_mtime < time.time() - _LEFT_OVER_S:
                    _remove(Path(entry.path))
        return place

    def has(self, entry: Entry) -> bool:
        """Whether the file is here. One that a crash cut short is not."""
        try:
            status = os.lstat(self.path(entry.digest))
        except FileNotFoundError:
            return False
        return stat.S_ISREG(status.st_mode) and status.st_size == entry.size

    def add(self, entry: Entry, brought: Path) -> None:
        """Put the verified file BROUGHT into its place."""
        private.make_folder(self.path(entry.digest).parent)
        os.rename(brought, self.path(entry.digest))


def _remove(path: Path) -> None:
    """Remove a file, or a folder and what is in it."""
    if path.is_dir() and not path.is_symlink():
        import shutil  # only where something was fetched

        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _decrypted(sealed: Path, tree: TreeKey) -> bytes:
    """A manifest's plain bytes, in memory only."""
    plain = io.BytesIO()
    try:
        with open(sealed, "rb", buffering=0) as source:
            written = decrypt_stream(source, plain, tree.key)
    except (DamagedBlob, FileNotFoundError) as error:
        raise DamagedTree(f"the manifest of environment {tree.saltenv!r} is damaged: {error}") from None
    if written.blob != tree.manifest:
        raise DamagedTree(f"the manifest of environment {tree.saltenv!r} is not the one that the bundle names")
    return plain.getvalue()
