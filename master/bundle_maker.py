"""Makes what a job carries for each minion: the trees and its pillar, sealed to it. It reads, renders and encrypts, so
it blocks: the master runs it in a process of its own, see `bundle_worker`.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from master.bundle_messages import PILLAR_KEY, Asked
from master.scan import merged
from master.trees import SETTLE_NS, Publisher
from pillar.compiler import Compiled, compile_pillar
from pillar.ext_pillar import externals
from pillar.external import ExternalError, Values
from pillar.sealed import opened, opener_of
from saltern.config import MasterConfig
from saltern.errors import SalternError
from saltern.files import LocalFiles
from saltern.targeting import MinionView
from saltern.wire import bundle as bundles
from saltern.wire.bundle import Bundle, TreeKey

_KEPT_PILLARS = 4096


class BundleMaker:
    """Makes bundles by the settings CONFIG. `refresh` first, then any number of `make`."""

    def __init__(self, config: MasterConfig) -> None:
        self._config = config
        self._publisher = Publisher(config)
        self._trees: list[TreeKey] = []
        self._pillar_files = LocalFiles(config.pillar_roots)
        self._revision: bytes | None = None  # of all pillar files; None where one may yet change unseen
        self._pillars: OrderedDict[bytes, dict[str, Any]] = OrderedDict()
        self._compiled: Compiled = {}
        folder = config.paths.var / "master"
        self._externals = externals(config.ext_pillar, folder, config.nodegroups)
        self._opener = opener_of(folder / PILLAR_KEY)
        self._encode = msgspec.msgpack.Encoder(order="deterministic").encode

    def refresh(self) -> None:
        """Publish the trees and look at the pillar's files, as they are now. SalternError where one can't be read."""
        self._trees = [publication.tree_key for publication in self._publisher.publish().values()]
        revision = self._sources()
        if revision is None or revision != self._revision:
            self._pillars.clear()
            self._compiled.clear()
        self._revision = revision
        for one in self._externals:
            one.refresh()
        self._pillar_files = LocalFiles(self._config.pillar_roots)

    def make(self, asked: Asked) -> Bundle:
        """The bundle that was asked for. SalternError, with the place, where its pillar does not render."""
        saltenv = asked.saltenv or ""
        packed = bundles.pack_pillar(asked.id, saltenv, self._trees, self.pillar(asked))
        return bundles.make(
            asked.seal_public,
            asked.fingerprint,
            asked.context,
            minion_id=asked.id,
            saltenv=saltenv,
            trees=self._trees,
            pillar=packed,
        )

    def pillar(self, asked: Asked) -> dict[str, Any]:
        """The pillar in clear, rendered when anything that it comes from changed. It is not to be changed."""
        external = [one.of(MinionView(asked.id, asked.grains)) for one in self._externals]
        key = self._key(asked, external)
        known = self._pillars.get(key) if key else None
        if known is not None:
            return known
        made = compile_pillar(
            self._pillar_files,
            asked.id,
            asked.grains,
            saltenv=asked.saltenv,
            override=asked.override,
            nodegroups=self._config.nodegroups,
            compiled=self._compiled,
            strategy=self._config.pillar_source_merging_strategy,
            merge_lists=self._config.pillar_merge_lists,
            external=self._opened(external, asked.id),
            external_first=self._config.ext_pillar_first,
            opener=self._opener,
        )
        if key:
            self._pillars[key] = made
            if len(self._pillars) > _KEPT_PILLARS:
                self._pillars.popitem(last=False)
        return made

    def _opened(self, external: Sequence[Values], minion_id: str) -> list[Values]:
        """EXTERNAL with the sealed values of its mappings opened; those of a tree are, where it is rendered."""
        found: list[Values] = []
        for source, values in zip(self._externals, external, strict=True):
            place = source.place

            def fail(message: str, _holder: Any, key: Any, place: str = place) -> SalternError:
                return ExternalError(f"{place}: {key}: {message}")

            is_data = isinstance(values, Mapping)
            found.append(opened(values, minion_id, self._opener, fail) if is_data else values)
        return found

    def _key(self, asked: Asked, external: Sequence[Values] = ()) -> bytes | None:
        """The SHA-256 of all that a pillar comes from, encoded so that no two inputs give the same bytes."""
        if self._revision is None:
            return None
        outside = [
            values if isinstance(values, Mapping) else source.revision()
            for source, values in zip(self._externals, external, strict=True)
        ]
        sources = [self._revision, asked.id, asked.fingerprint, asked.grains, asked.saltenv, asked.override, outside]
        try:
            return hashlib.sha256(self._encode(sources)).digest()
        except (TypeError, ValueError, OverflowError):  # a value that can't be told apart from others is not kept
            return None

    def _sources(self) -> bytes | None:
        now_ns = time.time_ns()
        rows: list[Any] = []
        for env, roots in self._config.pillar_roots.items():
            for path, found in sorted(merged(roots).files.items()):
                if found.stat.ctime_ns >= now_ns - SETTLE_NS:
                    return None
                rows.append((env, path, *found.stat))
        return hashlib.sha256(self._encode(rows)).digest()


def make_bundle(
    maker: BundleMaker,
    minion_id: str,
    fingerprint: str,
    seal_public: bytes,
    grains: Mapping[str, Any],
    context: bytes,
    pillar_override: Mapping[str, Any] | None = None,
    saltenv: str | None = None,
) -> Bundle:
    """One bundle, of the trees and pillar as they are now. See `BundleMaker.make`."""
    maker.refresh()
    override = dict(pillar_override) if pillar_override else None
    return maker.make(Asked(minion_id, fingerprint, seal_public, dict(grains), context, saltenv, override))
