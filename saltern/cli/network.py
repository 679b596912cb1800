"""How `saltern-run network.graph` is shown: as a tree on a terminal, or as an SVG picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saltern.cli.output.ink import Ink
from saltern.cli.output.safe import neutral, neutral_line
from saltern.network_graph import svg, text
from saltern.network_graph.compare import Comparison, compare
from saltern.network_graph.graph import net_of


def tree(data: Mapping[str, Any], *, colour: bool) -> str:
    """The text for DATA, what the runner returned."""
    nodes, problems = _read(data)
    return "".join(f"{line}\n" for line in text.lines(nodes, problems, Ink(colour)))


def picture(data: Mapping[str, Any]) -> str:
    """The SVG document for DATA."""
    return svg.draw(*_read(data))


def _read(data: Mapping[str, Any]) -> tuple[dict[str, Comparison], dict[str, str]]:
    nodes: dict[str, Comparison] = {}
    problems: dict[str, str] = {}
    for minion, found in data.items():
        name = neutral_line(str(minion))
        given = found if isinstance(found, Mapping) else {}
        if "real" in given:
            nodes[name] = compare(net_of(given.get("declared")), net_of(given["real"]))
        if given.get("error"):
            problems[name] = neutral(str(given["error"]))
    return nodes, problems
