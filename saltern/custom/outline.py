"""What a file of custom code offers, read from its text without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeGuard

from saltern.custom.errors import BrokenModule, words_of


@dataclass(frozen=True, slots=True)
class Outline:
    """NAMES: the namespaces that the file may offer (its `__virtual__` decides on the node). TYPED: it is in Saltern's
    own form, since it imports something of `saltern`."""

    names: tuple[str, ...]
    typed: bool
    tree: ast.Module


def outline(source: bytes, path: str) -> Outline:
    """The outline of SOURCE, the file PATH of a tree. BrokenModule where it is no Python."""
    stem = path.rpartition("/")[2].removesuffix(".py")
    try:
        tree = ast.parse(source, path)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BrokenModule(words_of(error, path)) from None
    return Outline(tuple(dict.fromkeys(_names(tree, stem))), _is_typed(tree), tree)


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions at the top of the file that are not private."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node


def decorators(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The last words of the names of its decorators: `marks.acting` is `acting`."""
    called = (node.func if isinstance(node, ast.Call) else node for node in function.decorator_list)
    return {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in called
        if isinstance(node, ast.Attribute | ast.Name)
    }


def _is_typed(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            imported = [node.module or ""] if not node.level else []
        elif isinstance(node, ast.Import):
            imported = [name.name for name in node.names]
        else:
            continue
        if any(name.partition(".")[0] == "saltern" for name in imported):
            return True
    return False


def _names(tree: ast.Module, stem: str) -> Iterator[str]:
    """The constant `__virtualname__`, else what `__virtual__` returns as a text; the file's own name where neither says
    all."""
    named = [_text(node.value) for node in tree.body if _assigns(node, "__virtualname__")]
    if any(named):
        yield from filter(None, named)
        return
    returned = [
        value
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == "__virtual__"
        for part in ast.walk(node)
        if isinstance(part, ast.Return) and part.value is not None
        for value in _parts(part.value)
    ]
    texts = [text for value in returned if (text := _text(value))]
    yield from sorted(texts)
    if not texts or any(not isinstance(value, ast.Constant | ast.Tuple) or _says_yes(value) for value in returned):
        yield stem


def _parts(value: ast.expr) -> Iterator[ast.expr]:
    """What the expression VALUE may be: both sides of a choice."""
    sides = [value.body, value.orelse] if isinstance(value, ast.IfExp) else getattr(value, "values", None)
    if isinstance(value, ast.IfExp | ast.BoolOp) and sides:
        yield from (part for side in sides for part in _parts(side))
    else:
        yield value


def _assigns(node: ast.stmt, name: str) -> TypeGuard[ast.Assign | ast.AnnAssign]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _says_yes(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True
