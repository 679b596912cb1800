"""The custom code that a job may use. While a job runs it stands beside the built-in modules: `modules.web` is
`_modules/web.py` of the tree, for the loader and for an `import` in other custom code alike.

Every job loads what it uses anew, so a file that changed is another one for the next job, and nothing of the tree stays
in the process. This module is on start-up paths, so what it needs beyond is imported where it is used.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from saltern.context import Context
from saltern.custom.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import ModuleType

    from saltern.compat.surroundings import Surroundings
    from saltern.config import Config
    from saltern.context import FileSource
    from saltern.custom.source import Origin, Source
    from saltern.custom.sync import Synced

PACKAGES = ("modules", "states")  # whose modules a file of the tree may be


class Custom:
    """The code of FILES as it is (a tree on this machine), or of the private FOLDER that `sync` fills. KINDS: of which
    there is any, where that is known without a look through the tree."""

    saltern_hint = ""  # what the loader says of a name that is not there

    def __init__(
        self, *, files: FileSource | None = None, folder: Path | None = None, kinds: frozenset[str] | None = None
    ) -> None:
        self._files, self._folder, self._kinds = files, folder, kinds
        self._source: Source | None = None
        self._ctx: Context | None = None
        self._loaded: set[str] = set()
        self._bridge: Surroundings | None = None  # the surroundings of Salt-style code, made when there is some

    @contextmanager
    def offered(self, ctx: Context) -> Iterator[None]:
        """Let the functions of the tree be found inside this block, with the surroundings CTX."""
        if self._ctx is not None:  # a function that runs another one
            yield
            return
        self._ctx = ctx
        sys.meta_path.append(self)  # last: what is built in wins
        try:
            yield
        finally:
            sys.meta_path.remove(self)
            self.forget()
            self._ctx = self._bridge = None

    @property
    def source(self) -> Source:
        """Where it comes from."""
        if self._source is None:
            from saltern.custom.source import SyncedSource, TreeSource

            if self._files is not None:
                self._source = TreeSource(self._files)
            else:
                assert self._folder is not None
                self._source = SyncedSource(self._folder)
        return self._source

    @property
    def bridge(self) -> Surroundings:
        """What Salt-style code finds as `__salt__` and so on."""
        if self._bridge is None:
            from saltern.compat.surroundings import Bridge

            assert self._ctx is not None
            self._bridge = Bridge(self._ctx, self)
        return self._bridge

    def sync(self, files: FileSource, kinds: tuple[str, ...] | None = None) -> Synced | None:
        """Bring what FILES have of KINDS (None: all) to this node; None where the tree itself is used. SalternError."""
        if self._folder is None:
            return None
        from saltern.custom.sync import sync

        synced = sync(files, self._folder, kinds or KINDS)
        if synced:
            self._source = None
            self.forget()
        return synced

    def forget(self) -> None:
        """Unload all of it."""
        for name in self._loaded:
            sys.modules.pop(name, None)
            package, _, own = name.rpartition(".")
            if package in sys.modules:
                vars(sys.modules[package]).pop(own, None)
        self._loaded.clear()

    # --- the namespaces (see importlib.abc.MetaPathFinder) -----------------------------------------------------------

    def saltern_namespaces(self, package: str) -> tuple[str, ...]:
        """The namespaces that it adds to PACKAGE."""
        if package not in PACKAGES or not self._has(package):
            return ()
        public = (one for one in self.source.origins(package) if not one.stem.startswith("_"))
        return tuple(name for origin in public for name in origin.names)

    def find_spec(self, full: str, path: object = None, target: object = None) -> Any:
        """The module FULL ("modules.web") of the tree, or None."""
        package, _, name = full.partition(".")
        if package not in PACKAGES or not name or "." in name:
            return None
        origins = self.origins(package, name)
        if not origins:
            return None
        from importlib.machinery import ModuleSpec

        return ModuleSpec(full, cast(Any, _Loader(self, origins)), origin=origins[0].path)

    def origins(self, kind: str, name: str) -> tuple[Origin, ...]:
        """The files of KIND that may be the namespace NAME, or the private part NAME of others."""
        if not self._has(kind):
            return ()
        private = name.startswith("_")
        found = self.source.origins(kind)
        return tuple(one for one in found if (one.stem == name if private else name in one.names))

    def load(self, module: ModuleType, origin: Origin) -> None:
        """Run the file ORIGIN as MODULE. BrokenModule, NotOffered."""
        from saltern.custom.loading import load

        load(self, module, origin)

    def loaded(self, name: str, module: ModuleType) -> None:
        """Remember that MODULE stands in sys.modules as NAME."""
        sys.modules[name] = module
        self._loaded.add(name)

    def _has(self, kind: str) -> bool:
        return self._kinds is None or kind in self._kinds

    # --- grains ------------------------------------------------------------------------------------------------------

    def grains(self, config: Config, core: Mapping[str, Any]) -> dict[str, Any]:
        """What `_grains` of the tree find on this node, beside and before the CORE grains. A file that fails is logged
        and left out."""
        if not self._has("grains") or not self.source.origins("grains"):
            return {}
        from saltern.custom.grains import found
        from saltern.files import LocalFiles
        from saltern.runner import with_calls

        ctx = Context(id=config.id, config=config, grains=core, pillar={}, files=LocalFiles({}))
        if self._ctx is not None:
            ctx = replace(self._ctx, grains=core)
        with self.offered(with_calls(ctx)):
            return found(self, core)


class Closed(Custom):
    """None at all, since the node is configured to take none."""

    saltern_hint = " This node takes no code of the state tree: it is configured with `custom_modules: false`."

    def __init__(self) -> None:
        super().__init__(kinds=frozenset())


class _Loader:
    """See importlib.abc.Loader."""

    def __init__(self, custom: Custom, origins: tuple[Origin, ...]) -> None:
        self._custom, self._origins = custom, origins

    def create_module(self, spec: object) -> None:
        """An ordinary module."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the first file that is for this node. NotOffered where none is."""
        from saltern.custom.errors import NotOffered

        bare, reasons = dict(vars(module)), []
        for origin in self._origins:
            try:
                self._custom.loaded(module.__name__, module)
                return self._custom.load(module, origin)
            except NotOffered as error:
                reasons.append(str(error))
                vars(module).clear()
                vars(module).update(bare)
        raise NotOffered("; ".join(reasons))
