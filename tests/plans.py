"""What tests of states share: a context on a temporary folder, and the engine's loop in its smallest form."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from saltern.config import Config
from saltern.context import Context
from saltern.converge.compare import differences
from saltern.converge.plan import Plan
from saltern.marks import permit_acting


class Tree:
    """A FileSource on one folder (environment `base`)."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def environments(self) -> tuple[str, ...]:
        return ("base",)

    def list(self, saltenv: str = "base") -> tuple[str, ...]:
        return tuple(sorted(str(p.relative_to(self.root)) for p in self.root.rglob("*") if p.is_file()))

    def digest(self, path: str, saltenv: str = "base") -> str | None:
        file = self.root / path
        return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None

    def fetch(self, paths: tuple[str, ...], saltenv: str = "base") -> None:
        for path in paths:
            self.local(path, saltenv)

    def local(self, path: str, saltenv: str = "base") -> Path:
        if not (self.root / path).is_file():
            raise FileNotFoundError(path)
        return self.root / path

    def mode(self, path: str, saltenv: str = "base") -> int:
        return (self.root / path).stat().st_mode & 0o7777

    def hand_over(self, path: str, saltenv: str = "base") -> None:
        self.local(path, saltenv)


def context(
    folder: Path, *, pillar: Mapping[str, Any] | None = None, grains: Mapping[str, Any] | None = None
) -> Context:
    """A context whose tree is FOLDER/tree and whose root is FOLDER/root."""
    (folder / "tree").mkdir(exist_ok=True)
    return Context(
        id="test",
        config=Config(root=folder / "root"),
        grains=grains or {},
        pillar=pillar or {},
        files=Tree(folder / "tree"),
    )


def converge(state: Callable[..., Plan], ctx: Context, name: str, *, settled: bool = True, **arguments: Any) -> Plan:
    """Plan, run the steps, observe again: the node must then equal the wish and, where it has SETTLED, a further plan
    have no steps. The first plan."""
    plan = state(ctx, name, **arguments)
    assert plan.unknown is None, plan.unknown
    left = differences(plan.current, plan.wish)
    assert bool(plan.steps) == bool(left), "a difference without steps, or steps without a difference"
    with permit_acting():
        for step in plan.steps:
            step.do()
    again = state(ctx, name, **arguments)
    assert again.unknown is None, again.unknown
    assert differences(again.current, plan.wish) == {}
    if settled:
        assert again.steps == ()
    return plan
