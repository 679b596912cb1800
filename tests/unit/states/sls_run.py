"""SLS text compiled and run on the files of a temporary folder, as a job does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from saltern.config import Config
from saltern.converge.engine import run
from saltern.converge.result import Verdict
from saltern.sls.state_tree import StateTree
from tests.unit.saltern.sls.files import context


def apply(
    folder: Path,
    sls: str,
    *,
    tree: Mapping[str, str] | None = None,
    pillar: Mapping[str, Any] | None = None,
    test: bool = False,
) -> dict[str, Verdict]:
    """The verdicts on the states of the SLS text, by id; TREE are further files of the state tree. `@` in both is
    FOLDER."""
    texts = {name: text.replace("@", str(folder)) for name, text in {**(tree or {}), "a.sls": sls}.items()}
    ctx = context(folder / ".tree", texts, config=Config(root=folder / ".root"), pillar=pillar or {})
    lows = StateTree(ctx).low(["a"])
    return {result.low.id: result.verdict for result in run(lows, replace(ctx, test=test), test=test).results}
