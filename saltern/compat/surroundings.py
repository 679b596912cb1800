"""What Salt-style code finds around it: the names with two underscores, and an `import` that knows `salt`."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import is_dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from saltern.compat.imports import import_
from saltern.compat.masking import Revealed
from saltern.context import Context
from saltern.errors import UsageError
from saltern.sls.functions import Functions

if TYPE_CHECKING:
    from saltern.custom.custom import Custom

# Options of Salt's `cmd.*` that only concern its log and its terminal.
_COSMETIC = frozenset({"output_loglevel", "log_callback", "hide_output", "use_vt", "output_encoding", "rstrip"})


class Surroundings(Protocol):
    """What Salt-style code finds around it, on a minion or on the master. NAMES are put into its modules; INSIDE says
    that some of it is at work."""

    custom: Custom
    inside: ContextVar[bool]
    names: dict[str, Any]

    def reveal(self, value: Any) -> Any:
        """VALUE with its secrets in clear."""
        ...

    def mask(self, value: Any) -> Any:
        """VALUE with every secret hidden that was revealed."""
        ...


class Bridge(Revealed):
    """The surroundings of all Salt-style code of one job. CTX is that of the function or state that runs now."""

    def __init__(self, ctx: Context, custom: Custom) -> None:
        super().__init__()
        self.ctx, self.custom = ctx, custom
        self.inside: ContextVar[bool] = ContextVar("saltern_inside_bridge", default=False)
        self.changed: dict[tuple[str, str], bool] = {}  # (state, name) → whether it said that it changed something
        self.opts = options(ctx)
        self.names: dict[str, Any] = {
            "__salt__": SaltFunctions(self),
            "__grains__": _Current(lambda: self.ctx.grains),
            "__pillar__": _Current(lambda: self.ctx.pillar, self.reveal),
            "__opts__": self.opts,
            "__context__": {},
            "__states__": _States(self),
            "__utils__": Utils(self),
            "__proxy__": {},
            "__env__": ctx.saltenv,
            "__builtins__": {**vars(builtins), "__import__": import_},
        }

    def enter(self, ctx: Context, *, test: bool) -> None:
        """CTX is what holds from now on; TEST is what `__opts__["test"]` says."""
        self.ctx = ctx
        self.opts["test"] = test


def dress(module: ModuleType, bridge: Surroundings) -> None:
    """Put the names that Salt-style code expects into MODULE."""
    vars(module).update(bridge.names)


def options(ctx: Context) -> dict[str, Any]:
    """`__opts__`: the options of this minion under Salt's names."""
    config = ctx.config
    return {
        **config.module_options,
        "id": ctx.id,
        "test": ctx.test,
        "saltenv": ctx.saltenv,
        "environment": ctx.saltenv,
        "root_dir": str(config.root),
        "cachedir": str(config.paths.var / "minion"),
        "master": config.master,
        "file_client": config.file_client,
        "file_roots": dict(config.file_roots),
        "pillar_roots": dict(config.pillar_roots),
        "log_level": config.log_level,
        "failhard": config.failhard,
        "__role": "minion",
    }


class _Current(Mapping[str, Any]):
    """What LOOK gives at the moment of the reading, each value as SHOWN."""

    def __init__(
        self, look: Callable[[], Mapping[str, Any]], shown: Callable[[Any], Any] = lambda value: value
    ) -> None:
        self._look, self._shown = look, shown

    def __getitem__(self, key: str) -> Any:
        return self._shown(self._look()[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._look())

    def __len__(self) -> int:
        return len(self._look())


class SaltFunctions(Mapping[str, Callable[..., Any]]):
    """`__salt__`: the execution functions by name, also as attributes (`__salt__.cmd.run`)."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def __getitem__(self, name: str) -> Callable[..., Any]:
        from saltern.loader import find

        try:
            if name.startswith("log."):
                return Functions(self._bridge.ctx, may_act=False)[name]
            find(name)
        except UsageError as error:
            raise KeyError(str(error)) from None

        def run(*args: Any, **kwargs: Any) -> Any:
            if name.startswith("cmd."):
                kwargs = {key: value for key, value in kwargs.items() if key not in _COSMETIC}
            call = self._bridge.ctx.call
            assert call is not None
            return self._bridge.reveal(_plain(call(name, *args, **kwargs)))

        return run

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return _Namespace(self, name)

    def __contains__(self, name: object) -> bool:
        try:
            return isinstance(name, str) and self[name] is not None
        except KeyError:
            return False

    def __iter__(self) -> Iterator[str]:
        return iter(Functions(self._bridge.ctx))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Namespace:
    def __init__(self, functions: SaltFunctions, name: str) -> None:
        self._functions, self._name = functions, name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._functions[f"{self._name}.{name}"]


def _plain(value: Any) -> Any:
    """Saltern's typed values as the mappings that Salt-style code reads; any other value as it is."""
    listed = value if isinstance(value, list | tuple) else value.values() if isinstance(value, dict) else (value,)
    if any(is_dataclass(one) for one in listed):
        from saltern.converge.compare import plain

        return plain(value)
    return value


class _States(Mapping[str, Callable[..., dict[str, Any]]]):
    """`__states__`: each state as a function that converges to it and gives Salt's result."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def __getitem__(self, name: str) -> Callable[..., dict[str, Any]]:
        from saltern.converge.state import is_state
        from saltern.loader import find

        try:
            find(name, "states", is_state)
        except UsageError as error:
            raise KeyError(str(error)) from None

        def run(name_: str = "", /, **kwargs: Any) -> dict[str, Any]:
            bridge, own = self._bridge, kwargs.pop("name", name_)
            ctx, test = bridge.ctx, bool(bridge.opts["test"])
            assert ctx.call is not None
            try:
                given = ctx.call("state.single", name, own, test=test, concurrent=True, **kwargs)
            finally:
                bridge.enter(ctx, test=test)
            if isinstance(given, dict) and given:
                return dict(next(iter(given.values())))
            told = "\n".join(given) if isinstance(given, list) else str(given)
            return {"name": own, "changes": {}, "result": False, "comment": told}

        return run

    def __iter__(self) -> Iterator[str]:
        from saltern.converge.state import is_state
        from saltern.loader import functions, usable

        for space, module in usable("states"):
            yield from (f"{space}.{name}" for name in functions(module, is_state))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Utils(Mapping[str, Callable[..., Any]]):
    """`__utils__`: the functions of `_utils` by name."""

    def __init__(self, bridge: Surroundings) -> None:
        self._bridge = bridge
        self._modules: dict[str, ModuleType] = {}

    def __getitem__(self, name: str) -> Callable[..., Any]:
        space, _, own = name.partition(".")
        module = self._module(space)
        found = vars(module).get(own) if module and not own.startswith("_") else None
        if not callable(found):
            raise KeyError(f"there is no function {name!r} in _utils of the tree")
        function: Callable[..., Any] = found
        return function

    def _module(self, space: str) -> ModuleType | None:
        if space not in self._modules:
            custom = self._bridge.custom
            for origin in custom.origins("utils", space):
                name = f"saltern_tree_utils.{space}"
                module = self._modules[space] = ModuleType(name)
                custom.loaded(name, module)
                try:
                    custom.load(module, origin)
                except BaseException:
                    del self._modules[space]
                    raise
        return self._modules.get(space)

    def __iter__(self) -> Iterator[str]:
        for origin in self._bridge.custom.source.origins("utils"):
            for space in origin.names:
                found = vars(module) if (module := self._module(space)) else {}
                yield from (f"{space}.{name}" for name in found if not name.startswith("_") and callable(found[name]))

    def __len__(self) -> int:
        return sum(1 for _ in self)
