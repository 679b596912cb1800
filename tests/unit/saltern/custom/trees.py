"""A tree with code of its own, and a node to run it on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saltern.config import Config
from saltern.context import Context
from saltern.custom.custom import Custom
from saltern.files import LocalFiles
from saltern.runner import FunctionResult, run_function


def put(tree: Path, files: Mapping[str, str]) -> None:
    """Write FILES below TREE."""
    for path, text in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)


def node(tree: Path, *, pillar: Mapping[str, Any] | None = None, custom: Custom | None = None) -> Context:
    """A node that uses the code of TREE."""
    files = LocalFiles({"base": [str(tree)]})
    return Context(
        id="node",
        config=Config(root=tree / "root"),
        grains={"kernel": "Linux"},
        pillar=pillar or {},
        files=files,
        extra={"custom": custom or Custom(files=files)},
    )


def ran(tree: Path, function: str, /, *args: Any, pillar: Mapping[str, Any] | None = None, **kw: Any) -> FunctionResult:
    """What FUNCTION of TREE gives."""
    return run_function(function, args, kw, node(tree, pillar=pillar))
