"""Makes what a Salt-style file defines callable as Saltern's own functions and states."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from saltern.compat.calling import called
from saltern.marks import acting

if TYPE_CHECKING:
    import ast

    from saltern.compat.surroundings import Surroundings
    from saltern.custom.source import Origin


def offer(module: ModuleType, bridge: Surroundings, origin: Origin, tree: ast.Module) -> None:
    """Give MODULE, whose text is TREE, the table of what it offers, which the loader reads."""
    found = public_functions(module)
    if origin.kind == "states":
        from saltern.compat.knows_test import knows_test
        from saltern.compat.states import as_state
        from saltern.compat.surroundings import Bridge

        assert isinstance(bridge, Bridge)  # states are for minions
        watch = found.get("mod_watch")
        space = module.__name__.rpartition(".")[2]
        offers = {
            name: as_state(
                f"{space}.{name}", function, watch, bridge, origin, tests=knows_test(tree, function.__name__)
            )
            for name, function in found.items()
            if not name.startswith("mod_")  # those are for Salt's own engine
        }
    else:
        offers = {name: _as_acting(function, bridge, origin) for name, function in found.items()}
    vars(module)["__saltern_offers__"] = offers


def public_functions(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """The functions that Salt would offer of MODULE, by the name that users write: those that it defines and that are
    not private, or those of `__load__`; `__func_alias__` gives other names."""
    names = vars(module)
    load, alias = names.get("__load__"), names.get("__func_alias__", {})
    alias = alias if isinstance(alias, Mapping) else {}
    return {
        str(alias.get(name, name.rstrip("_"))): value
        for name, value in names.items()
        if isinstance(value, FunctionType)
        and not name.startswith("_")
        and (name in load if isinstance(load, list | tuple) else value.__module__ == module.__name__)
    }


def _as_acting(function: Callable[..., Any], bridge: Surroundings, origin: Origin) -> Callable[..., Any]:
    """FUNCTION as one that may change the node, since nothing says that it does not."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        return called(bridge, origin, function, *args, **kwargs)

    return acting(run)
