"""The comparison as text for a terminal: a tree from the wires to the guests, with a mark before what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from saltern.network_graph import words
from saltern.network_graph.compare import Comparison, Line, Mark
from saltern.network_graph.layout import natural

_ROOM = 60  # letters at most for the names and the tree before them
_Row = tuple[Mark, str, str | None]  # the name with its branch, and what is told of it; None: the line is whole
Paint = Callable[[str, str], str]  # a colour's name and a text
_SIGNS = {Mark.SAME: " ", Mark.OTHER: " ", Mark.MISSING: "-", Mark.EXTRA: "+", Mark.DIFFERENT: "~"}
_COLOURS = {Mark.OTHER: "faint", Mark.MISSING: "red", Mark.EXTRA: "yellow", Mark.DIFFERENT: "red"}


def lines(nodes: Mapping[str, Comparison], problems: Mapping[str, str], paint: Paint) -> Iterator[str]:
    """The lines for NODES, and for PROBLEMS, the minions of which there is none."""
    for name, comparison in nodes.items():
        count = len(comparison.differences)
        yield paint("green" if count == 0 else "red", f"{name}:") + (
            "" if count == 0 else f" {count} difference{'s' if count > 1 else ''}"
        )
        yield from _Tree(comparison, paint).lines()
        if comparison.left_out:
            yield f"    ({comparison.left_out} more are left out)"
    for name, problem in problems.items():
        yield paint("red", f"{name}:")
        yield from (paint("red", f"    {line}") for line in problem.splitlines())
    if any(comparison.differences for comparison in nodes.values()):
        yield paint("faint", "- declared, and missing   + there, and not declared   ~ other than declared")


class _Tree:
    """One node's tree: a box stands below all that it lies on; where that is several, in full below the first."""

    def __init__(self, comparison: Comparison, paint: Paint) -> None:
        self._comparison, self._paint = comparison, paint
        self._above: dict[str, list[Line]] = {}
        for line in comparison.lines:
            self._above.setdefault(line.below, []).append(line)
        self._shown: set[str] = set()

    def lines(self) -> Iterator[str]:
        """All of it, what is told of the boxes in one column."""
        rows = list(self._rows())
        room = min(_ROOM, max((len(name) for _, name, about in rows if about is not None), default=0))
        for mark, name, about in rows:
            row = name if about is None else f"  {_SIGNS[mark]} {name:<{room}}  {about}"
            yield self._paint(_COLOURS[mark], row) if mark in _COLOURS else row

    def _rows(self) -> Iterator[_Row]:
        pairs = self._comparison.pairs
        lies = {line.above for line in self._comparison.lines}
        roots = sorted((key for key in pairs if key not in lies), key=natural)
        for key in sorted(roots, key=lambda key: key not in self._above):  # what carries something first
            yield from self._branch(key, Mark.SAME, "")
        for key in sorted(pairs, key=natural):  # what hangs in a circle
            if key not in self._shown:
                yield from self._branch(key, Mark.SAME, "")

    def _branch(self, root: str, mark: Mark, label: str) -> Iterator[_Row]:
        todo: list[tuple[str, Mark, str, str, str]] = [(root, mark, label, "", "")]
        while todo:  # without recursion: a minion says how deep it is
            key, mark, label, lead, rest = todo.pop()
            again = key in self._shown
            yield self._row(key, mark, label, lead, again)
            if again:
                continue
            self._shown.add(key)
            above = sorted(self._above.get(key, []), key=lambda line: natural(line.above))
            for told in self._comparison.of(key):
                if told.field not in ("present", "absent", "on"):
                    bar = "│ " if above else "  "
                    yield Mark.DIFFERENT, f"    {rest}{bar}  {told.sentence}", None
            for number, line in reversed(list(enumerate(above))):
                last = number == len(above) - 1
                branch = (f"{rest}{'└─ ' if last else '├─ '}", f"{rest}{'   ' if last else '│  '}")
                todo.append((line.above, line.mark, line.label, *branch))

    def _row(self, key: str, mark: Mark, label: str, lead: str, again: bool) -> _Row:
        pair = self._comparison.pairs[key]
        shown = pair.mark if pair.mark in (Mark.MISSING, Mark.EXTRA) else mark if mark in _FAULTS else pair.mark
        box = pair.box
        about = "(above)" if again else "  ".join([words.kind(box), *words.details(box)])
        if mark is Mark.MISSING and pair.mark is not Mark.MISSING:
            about += "  (declared, and not on it)"
        elif mark is Mark.EXTRA and pair.mark is not Mark.EXTRA:
            about += "  (on it, and not declared)"
        elif pair.mark is Mark.MISSING and not again:
            about += "  (missing)"
        elif pair.mark is Mark.EXTRA and not again:
            about += "  (not declared)"
        if label:
            about += f"  {label}"
        return shown, f"{lead}{box.name}", about


_FAULTS = (Mark.MISSING, Mark.EXTRA)
