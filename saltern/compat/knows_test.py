"""Whether a state that was made for Salt looks at test mode at all. Many don't, and would act in a preview."""

from __future__ import annotations

import ast


def knows_test(tree: ast.Module, function: str) -> bool:
    """Whether FUNCTION of the file TREE, or a function of the file that it names, has the text "test" (which it asks
    `__opts__` for) or leaves the matter to `__states__`."""
    defined = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    seen: set[str] = set()
    left = [function]
    while left:
        name = left.pop()
        if name in seen or name not in defined:
            continue
        seen.add(name)
        for part in ast.walk(defined[name]):
            if isinstance(part, ast.Constant) and part.value == "test":
                return True
            if isinstance(part, ast.Name):
                if part.id == "__states__":
                    return True
                left.append(part.id)
    return False
