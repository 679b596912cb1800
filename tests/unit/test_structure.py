"""What the structure of the code promises beside the contracts of `make lint`."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

PACKAGES = ("saltern", "master", "minion", "states", "pillar", "modules")


def test_no_file_leans_on_itself_by_way_of_others() -> None:
    """Imports inside functions count, those for types alone do not."""
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=True, cache_dir=None)
    order = TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules})
    try:
        order.prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))
