"""The surroundings of a function that runs for a master: pillar and trees from a bundle, opened when first needed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minion.custom import synced
from minion.grains import LazyGrains
from minion.identity import Identity
from minion.pipe import AskMaster, Blocking, BundleIs, MasterSays, NetworkChanged
from minion.transactions import offered
from saltern.asks import MAX_ARGS_BYTES, Ask, MasterAway, Refused
from saltern.config import Config
from saltern.context import Context
from saltern.errors import PermanentError, TemporaryError
from saltern.lazy import LazyMapping

if TYPE_CHECKING:
    from minion.cache import CachedTree
    from saltern.wire.bundle import Opened

logger = logging.getLogger(__name__)


class NoBundle(PermanentError):
    """The master answered that it has no trees and pillar for this minion; the text says why."""


class Bundled:
    """One job's bundle: RAW as the job brought it, else from ASK, else the last one that was kept on this node.

    FILES_PORT is where blobs are fetched from; 0 means that the master is not there. The answer of ASK has its own.
    PILLARENV: the environment that the pillar is of, "" for all; default: this node's. Only the bundle of this node's
    own is kept.
    """

    def __init__(
        self,
        config: Config,
        identity: Identity,
        raw: bytes,
        context: bytes,
        files_port: int,
        ask: Callable[[str], BundleIs],
        pillarenv: str | None = None,
    ) -> None:
        self._config, self._identity = config, identity
        self._own = config.pillarenv or ""
        self._env = self._own if pillarenv is None else pillarenv
        self._raw, self._context, self._files_port, self._ask = raw, context, files_port, ask
        self._given_at = 0.0  # when the kept one came, where that is used

    @cached_property
    def opened(self) -> Opened:
        """The opened bundle. TemporaryError where there is none: no master, and none was kept. A master that is there
        and gives none (since the pillar has a mistake) is not passed over: NoBundle."""
        from minion import cache
        from saltern.wire import bundle as bundles

        raw, context, why = self._raw, self._context, ""
        found = bundles.decode(raw) if raw else None
        if found is None or found.saltenv != self._env:  # what a job brings is of all environments
            answer = self._ask(self._env)
            raw, context, why, self._files_port = answer.bundle, answer.context, answer.error, answer.files_port
            found = bundles.decode(raw) if raw else None
        if found:
            if found.context != context or found.saltenv != self._env:
                raise bundles.BadBundle("a bundle came that answers another request: it is not used")
            opened = self._open(found)
            if self._env == self._own:
                cache.save_bundle(self._config, raw)
            return opened
        if self._files_port:
            raise NoBundle(why)
        if self._env != self._own:
            raise TemporaryError(f"the pillar of the environment {self._env!r} is not kept here: {why}")
        kept = cache.load_bundle(self._config)
        if kept is None:
            raise TemporaryError(f"there are no states and no pillar here yet, and the master gives none: {why}")
        logger.warning("the last trees and pillar that came from the master are used: %s", why)
        self._given_at = cache.bundle_given_at(self._config)
        return self._open(kept)

    @cached_property
    def files(self) -> CachedTree:
        """The trees."""
        from minion import cache
        from saltern.wire.fetch import Fetcher

        identity, trees = self._identity, self.opened.trees
        fetcher = None
        if self._files_port:
            fetcher = Fetcher(identity.wire, identity.master_key, identity.host, self._files_port)
        return cache.CachedTree(cache.folder(self._config), trees, fetcher)

    def warnings(self) -> tuple[str, ...]:
        """What a run that used it has to say of it."""
        from minion.staleness import warning

        text = warning(self._given_at, time.time(), self._config.stale_after_hours) if self._given_at else ""
        return (text,) if text else ()

    def used(self) -> bytes:
        """What a run used of it, for the master's history, as a JSON document: a digest of each environment's tree,
        and one of the pillar that only this minion can compare. Empty where it was never opened."""
        import hashlib

        import msgspec

        from saltern.wire.bundle import plain_pillar

        if "opened" not in self.__dict__:
            return b""
        found = self.__dict__.get("files")
        trees = {env: found.revision(env) for env in found.environments()} if found is not None else {}
        key = hashlib.sha256(self._identity.seal.secret.reveal().encode()).digest()
        pillar = hashlib.blake2b(plain_pillar(self.opened.pillar), key=key, digest_size=8).hexdigest()
        return msgspec.json.encode({"trees": dict(sorted(trees.items())[:32]), "pillar": pillar})

    def renewed(self, pillarenv: str | None = None) -> Bundled:
        """A bundle as the master makes it now, its pillar of PILLARENV."""
        env = self._env if pillarenv is None else pillarenv
        return Bundled(self._config, self._identity, b"", b"", self._files_port, self._ask, env)

    def pillar(self, override: Mapping[str, Any] | None, pillarenv: str | None, fresh: bool) -> Mapping[str, Any]:
        """The pillar with the values OVERRIDE over it, of PILLARENV, and FRESH from the master where wanted."""
        other = fresh or (pillarenv is not None and pillarenv != self._env)
        found = (self.renewed(pillarenv) if other else self).opened.pillar
        if not override:
            return found
        from modules.grains import merged

        values: Mapping[str, Any] = merged(found, override)
        return values

    def _open(self, bundle: object) -> Opened:
        from saltern.wire import bundle as bundles

        assert isinstance(bundle, bundles.Bundle)
        identity = self._identity
        return bundles.open_bundle(identity.seal.secret, identity.wire.fingerprint, identity.id, bundle)


class LateFiles:
    """A `FileSource` that is not made before it is used: most functions never look at a tree."""

    def __init__(self, bundled: Bundled) -> None:
        self._bundled = bundled

    def environments(self) -> tuple[str, ...]:
        """See `FileSource`."""
        return self._bundled.files.environments()

    def list(self, saltenv: str = "base") -> tuple[str, ...]:
        """See `FileSource`."""
        return self._bundled.files.list(saltenv)

    def digest(self, path: str, saltenv: str = "base") -> str | None:
        """See `FileSource`."""
        return self._bundled.files.digest(path, saltenv)

    def fetch(self, paths: tuple[str, ...], saltenv: str = "base") -> None:
        """See `FileSource`."""
        self._bundled.files.fetch(paths, saltenv)

    def local(self, path: str, saltenv: str = "base") -> Path:
        """See `FileSource`."""
        return self._bundled.files.local(path, saltenv)

    def mode(self, path: str, saltenv: str = "base") -> int:
        """See `FileSource`."""
        return self._bundled.files.mode(path, saltenv)

    def hand_over(self, path: str, saltenv: str = "base") -> Path | None:
        """See `FileSource`."""
        return self._bundled.files.hand_over(path, saltenv)


class AskThrough:
    """`Context.ask` over the PIPE to the agent. One question at a time: who asks waits for the answer."""

    def __init__(self, pipe: Blocking) -> None:
        self._pipe = pipe

    def __call__(self, what: str, args: Mapping[str, Any], /) -> Any:
        """See `saltern.asks.Ask`."""
        import msgspec

        encoded = msgspec.json.encode(args)
        if len(encoded) > MAX_ARGS_BYTES:
            raise Refused(f"{what}: its arguments are more than the master takes ({MAX_ARGS_BYTES} bytes)")
        try:
            self._pipe.send(AskMaster(what, encoded))
            answer = self._pipe.receive()
        except OSError:
            answer = None
        if not isinstance(answer, MasterSays):
            raise MasterAway("the agent ended")
        if answer.ok:
            return msgspec.json.decode(answer.value)
        if answer.away:
            raise MasterAway(answer.error, delay_s=5.0)
        raise Refused(answer.error)


def context(
    config: Config,
    identity: Identity,
    jid: str,
    bundled: Bundled,
    progress: Callable[[int, int, str], None],
    ask: Ask | None = None,
    pipe: Blocking | None = None,
) -> Context:
    """The context of job JID. PIPE leads to the agent, which is told when the network has become another."""

    def renew() -> None:
        if pipe is not None:
            with suppress(OSError):
                pipe.send(NetworkChanged())

    custom = synced(config)
    return Context(
        id=identity.id,
        config=config,
        grains=LazyGrains(config, custom),
        pillar=LazyMapping(lambda: bundled.opened.pillar),
        files=LateFiles(bundled),
        saltenv=config.saltenv,
        test=config.module_options.get("test") is True,
        jid=jid,
        progress=progress,
        ask=ask,
        extra={
            "pillar_of": bundled.pillar,
            "renew_pillar": lambda: bundled.renewed().opened.pillar,
            "renew_grains": lambda: LazyGrains(config, custom),
            "custom": custom,
            "warnings": bundled.warnings,
            **offered(identity, renew),
        },
    )
