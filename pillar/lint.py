"""What would fail in a pillar tree, for whichever minion: every SLS is rendered by itself, every top file read.

Sealed values stay sealed: the key that opens them is the master's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pillar.compiler import Merging, Minion, SlsCompiler, renderer_for
from saltern.context import FileSource
from saltern.errors import SalternError, SourceError
from saltern.sls.lint import check_top
from saltern.sls.problems import Problems
from saltern.sls.tree import Tree
from saltern.sls.yaml_loader import Document


def errors(
    files: FileSource, minion_id: str, grains: Mapping[str, Any], nodegroups: Mapping[str, Any] | None = None
) -> tuple[SourceError, ...]:
    """What is wrong in the pillar tree FILES, rendered as for MINION_ID with GRAINS. NoValue where the template of an
    SLS needs what another minion, or an include with defaults, may give it."""
    of = Minion(minion_id, grains, {}, None, nodegroups, None)
    tree, problems = Tree(files, renderer_for(files, of, None)), Problems()
    compiler = _Unopened(tree, of, Merging("smart", False))
    for env in files.environments():
        check_top(tree, env, nodegroups, problems)
        for name in tree.names(env):
            try:
                compiler.sls(name, env, None, None, ())
            except SourceError as error:
                problems.add(error)
            except SalternError as error:
                problems.add(SourceError(str(error), file=name))
    return tuple(problems.found)


class _Unopened(SlsCompiler):
    """Leaves sealed values as they are written."""

    def opened(self, document: Document) -> dict[str, Any]:
        return dict(document.data or {})
