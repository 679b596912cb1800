"""A state tree written down in a test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

from saltern.config import Config
from saltern.context import Context
from saltern.files import LocalFiles


class DictFiles(LocalFiles):
    """A `FileSource` of texts: {path: text} for `base`, or {saltenv: {path: text}}. It notes what was fetched."""

    def __init__(self, folder: Path, tree: Mapping[str, Any]) -> None:
        environments = tree if all(isinstance(value, Mapping) for value in tree.values()) and tree else {"base": tree}
        for saltenv, texts in environments.items():
            (folder / saltenv).mkdir(parents=True, exist_ok=True)
            for path, text in texts.items():
                file = folder / saltenv / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(dedent(text))
        super().__init__({saltenv: [str(folder / saltenv)] for saltenv in environments})
        self.fetched: list[tuple[str, tuple[str, ...]]] = []

    def fetch(self, paths: tuple[str, ...], saltenv: str = "base") -> None:
        self.fetched.append((saltenv, paths))
        super().fetch(paths, saltenv)


def context(folder: Path, tree: Mapping[str, Any], **given: Any) -> Context:
    """A job's context over the tree, for minion `m1`."""
    defaults: dict[str, Any] = {"id": "m1", "config": Config(), "grains": {"os": "Debian", "id": "m1"}, "pillar": {}}
    return Context(**{**defaults, "files": DictFiles(folder, tree), **given})
