"""The namespaces of a tree's code as `saltern-lint` knows them: read from the text, so that nothing of it is run.

The functions have the parameters of the real ones and no bodies. What a function would return is known on a node only.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, Sequence, Set
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Literal

from saltern.compat.states import signature_of
from saltern.converge.plan import UNSET, Unset
from saltern.converge.state import state
from saltern.custom.custom import Custom
from saltern.custom.errors import BrokenModule
from saltern.custom.outline import Outline, decorators, functions, outline
from saltern.errors import NoValue
from saltern.marks import reading
from saltern.secret import Secret

if TYPE_CHECKING:
    from saltern.context import FileSource
    from saltern.custom.source import Origin

# What an annotation may name beside the types that are built in; any other name counts as Any.
_TYPES = {
    "Any": Any,
    "Literal": Literal,
    "UNSET": UNSET,
    "Unset": Unset,
    "Secret": Secret,
    **{kind.__name__: kind for kind in (Collection, Iterable, Mapping, MutableMapping, Sequence, Set)},
}
_GENERIC = {"list", "dict", "tuple", "set", "frozenset", "type", *_TYPES}
_IN_TYPES = (ast.Name, ast.Subscript, ast.BinOp, ast.BitOr, ast.Constant, ast.Tuple, ast.List, ast.Load)


class Stubs(Custom):
    """The custom code of FILES, never run."""

    def __init__(self, files: FileSource) -> None:
        super().__init__(files=files)

    def load(self, module: ModuleType, origin: Origin) -> None:
        """Fill MODULE with stubs of what ORIGIN offers. BrokenModule."""
        if origin.problem:
            raise BrokenModule(origin.problem)
        found = outline(self.source.read(origin), origin.path)
        space = module.__name__.rpartition(".")[2]
        vars(module)["__saltern_offers__"] = offers(found, origin.kind, space)

    def grains(self, config: Any, core: Mapping[str, Any]) -> dict[str, Any]:
        """None: only a node has them."""
        return {}


def offers(found: Outline, kind: str, space: str) -> dict[str, Callable[..., Any]]:
    """A stub for each function that a file of KIND would offer as the namespace SPACE."""
    table: dict[str, Callable[..., Any]] = {}
    for node in functions(found.tree):
        marks, name = decorators(node), node.name.rstrip("_")
        if kind == "states":
            if (found.typed and "state" not in marks) or name.startswith("mod_"):
                continue
            table[name] = state(_made(node) if found.typed else _of_salt(node))
        elif not found.typed or marks & {"reading", "acting"}:
            table[name] = reading(_silent(f"{space}.{name}", _made(node)))
    for given, alias in _aliases(found.tree).items():
        if (own := given.rstrip("_")) in table and not found.typed:
            table[alias] = table.pop(own)
    return table


def _of_salt(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Callable[..., Any]:
    made = _made(node)
    vars(made)["__signature__"] = signature_of(made)
    made.__annotations__ = {}
    return made


def _silent(full: str, made: Callable[..., Any]) -> Callable[..., Any]:
    """MADE, which tells that what FULL returns is not known here."""

    def run(*_: Any, **__: Any) -> Any:
        raise NoValue(f"what {full} returns is known on a node only")

    vars(run)["__wrapped__"] = made
    return run


def _made(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Callable[..., Any]:
    """A function with the parameters of NODE and an empty body. No expression of the file is evaluated: defaults are
    UNSET, and of annotations only plain names and what joins them is kept."""
    given = node.args
    arguments = ast.arguments(
        posonlyargs=[_plain(one) for one in given.posonlyargs],
        args=[_plain(one) for one in given.args],
        vararg=_plain(given.vararg) if given.vararg else None,
        kwonlyargs=[_plain(one) for one in given.kwonlyargs],
        kw_defaults=[None if one is None else _unset() for one in given.kw_defaults],
        kwarg=_plain(given.kwarg) if given.kwarg else None,
        defaults=[_unset() for _ in given.defaults],
    )
    stub = ast.FunctionDef(name=node.name, args=arguments, body=[ast.Pass()], decorator_list=[])
    late = ast.ImportFrom(module="__future__", names=[ast.alias(name="annotations")], level=0)
    tree = ast.fix_missing_locations(ast.Module(body=[late, stub], type_ignores=[]))
    space: dict[str, Any] = dict(_TYPES)
    exec(compile(tree, "stub", "exec"), space)  # noqa: S102 - nothing of the file is in it but names
    made = space[node.name]
    assert isinstance(made, FunctionType)
    return made


def _plain(argument: ast.arg) -> ast.arg:
    kept = argument.annotation
    if kept is not None and not all(_is_type(part) for part in ast.walk(kept)):
        kept = None
    return ast.arg(arg=argument.arg, annotation=kept)


def _is_type(part: ast.AST) -> bool:
    if isinstance(part, ast.Subscript):
        return isinstance(part.value, ast.Name) and part.value.id in _GENERIC
    return isinstance(part, _IN_TYPES)


def _unset() -> ast.expr:
    return ast.Name(id="UNSET", ctx=ast.Load())


def _aliases(tree: ast.Module) -> dict[str, str]:
    """The constant `__func_alias__`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "__func_alias__" for target in node.targets
        ):
            try:
                found = ast.literal_eval(node.value)
            except ValueError:
                return {}
            return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
    return {}
