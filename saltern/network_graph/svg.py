"""The comparison as an SVG picture: for each node what is declared on the left and what is real on the right, each box
at the same place on both sides.

Made by xml.etree, which escapes every text. The picture has no script, loads nothing, and follows the reader's light or
dark theme (prefers-color-scheme); the colours are presentation classes, so it can be restyled.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from xml.etree import ElementTree as ET

from saltern.network_graph import words
from saltern.network_graph.compare import Comparison, Line, Mark, Pair
from saltern.network_graph.graph import Box
from saltern.network_graph.layout import Layout, Place, lay_out

_LETTER = 7.25  # pixels: a letter of the monospace face at 12 px
_LINE = 16.0
_HEAD = 20.0
_PAD = 10.0
_MARGIN = 28.0
_PANEL = 22.0  # between a panel's frame and its boxes
_TITLE = 40.0  # of a panel, with its columns' names
_LEAST = 120.0
_COLUMNS = ("interfaces", "VLANs, bonds", "bridges", "guests")

_STYLE = """
svg { background: #ffffff; }
text { font-family: ui-monospace, "DejaVu Sans Mono", "Liberation Mono", Menlo, Consolas, monospace; font-size: 12px;
  fill: #1d2530; }
.title { font-family: system-ui, "DejaVu Sans", "Segoe UI", sans-serif; font-size: 19px; font-weight: 600; }
.side { font-family: system-ui, "DejaVu Sans", "Segoe UI", sans-serif; font-size: 14px; font-weight: 600; }
.faint { font-family: system-ui, "DejaVu Sans", "Segoe UI", sans-serif; font-size: 11px; fill: #66707e; }
.name { font-weight: 700; }
.kind { fill: #5a6472; }
.panel { fill: #f6f7f9; stroke: #e1e5ea; }
.box { fill: #ffffff; stroke: #98a2b0; stroke-width: 1.2; }
.other .box { fill: #f9fafb; stroke: #cfd5dc; }
.other text { fill: #5a6472; }
.missing .box { fill: #fdeff0; stroke: #c4152f; stroke-width: 1.6; stroke-dasharray: 6 4; }
.missing text, .told { fill: #b01028; }
.extra .box { fill: #fff5e0; stroke: #b56f00; stroke-width: 1.6; }
.extra .told { fill: #8a5300; }
.different .box { stroke: #c4152f; stroke-width: 1.6; }
.line { fill: none; stroke: #98a2b0; stroke-width: 1.5; }
.line.other { stroke: #cfd5dc; }
.line.missing { stroke: #c4152f; stroke-dasharray: 6 4; }
.line.extra { stroke: #b56f00; stroke-width: 2; }
.bar-nic { fill: #7b8794; } .bar-vlan { fill: #2f6fd0; } .bar-bond { fill: #8250c8; }
.bar-bridge { fill: #0f8a7e; } .bar-guest { fill: #c2569b; }
@media (prefers-color-scheme: dark) {
  svg { background: #12161c; }
  text { fill: #e4e8ee; }
  .faint { fill: #8f9aa8; } .kind, .other text { fill: #9aa5b3; }
  .panel { fill: #181d25; stroke: #2a313c; }
  .box { fill: #212833; stroke: #66717f; } .other .box { fill: #1b212a; stroke: #39424e; }
  .missing .box { fill: #35191f; stroke: #ff6b7d; } .missing text, .told { fill: #ff8a98; }
  .extra .box { fill: #35290f; stroke: #f0a93a; } .extra .told { fill: #f5bd63; }
  .different .box { stroke: #ff6b7d; }
  .line { stroke: #66717f; } .line.other { stroke: #39424e; } .line.missing { stroke: #ff6b7d; }
  .line.extra { stroke: #f0a93a; }
}
"""
_LEGEND = (
    (Mark.SAME, "as declared"),
    (Mark.DIFFERENT, "another value than declared"),
    (Mark.MISSING, "declared, and missing"),
    (Mark.EXTRA, "there, and not declared"),
    (Mark.OTHER, "not managed"),
)


@dataclass(frozen=True, slots=True)
class _Side:
    """One half of the picture: which box of a pair it shows, and its words."""

    title: str
    boxes: Mapping[str, Box]
    told: Mapping[str, Sequence[str]]  # differences by key
    marks: Mapping[str, Mark]
    lines: tuple[Line, ...]
    taps: Mapping[str, str]  # by which interfaces a guest is on its bridges


def draw(nodes: Mapping[str, Comparison], problems: Mapping[str, str] | None = None) -> str:
    """The picture of NODES (by the minions' ids), as an XML document. PROBLEMS: minions of which there is none, and
    why."""
    root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg"})
    ET.SubElement(root, "title").text = _printable("The networks of " + ", ".join(nodes) if nodes else "No network")
    ET.SubElement(root, "style").text = _STYLE
    y, width = _MARGIN, 560.0
    for name, comparison in nodes.items():
        y, right = _node(root, name, comparison, y)
        width = max(width, right)
    for name, problem in (problems or {}).items():
        _text(root, _MARGIN, y + 16, f"{name}: {' '.join(problem.split())[:160]}", "told")
        y += 30
    y, right = _legend(root, y)
    width, height = round(max(width, right) + _MARGIN), round(y + _MARGIN)
    root.attrib |= {"width": str(width), "height": str(height), "viewBox": f"0 0 {width} {height}"}
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _node(root: ET.Element, name: str, comparison: Comparison, y: float) -> tuple[float, float]:
    """Draw one node from Y on: where the next may begin, and how far it reaches to the right."""
    count = len(comparison.differences)
    title = _text(root, _MARGIN, y + 16, name, "title")
    note = "no differences" if count == 0 else "1 difference" if count == 1 else f"{count} differences"
    ET.SubElement(title, "tspan", {"class": "faint" if count == 0 else "told faint", "dx": "12"}).text = note
    if comparison.left_out:
        ET.SubElement(title, "tspan", {"class": "faint", "dx": "12"}).text = f"{comparison.left_out} are left out"
    sides = (_declared(comparison), _real(comparison))
    sizes = {key: _size([side for side in sides if key in side.boxes], key) for key in comparison.pairs}
    lines = [(line.below, line.above) for line in comparison.lines]
    levels = {key: _level(pair.box) for key, pair in comparison.pairs.items()}
    layout = lay_out(sizes, lines, levels)
    heads = {layout.places[key].column: _COLUMNS[levels[key]] for key in sorted(levels, key=levels.__getitem__)}
    width, height = max(layout.width, 200.0) + 2 * _PANEL, layout.height + _TITLE + 2 * _PANEL
    x = _MARGIN
    for side in sides:
        _panel(root, side, layout, heads, (x, y + 32, width, height))
        x += width + _MARGIN
    return y + 32 + height + 36, x - _MARGIN


def _declared(comparison: Comparison) -> _Side:
    boxes = {key: pair.declared for key, pair in comparison.pairs.items() if pair.declared}
    marks = {key: Mark.OTHER if box.named else Mark.SAME for key, box in boxes.items()}
    lines = tuple(
        Line(line.below, line.above, Mark.SAME)
        for line in comparison.lines
        if line.above in boxes and line.below in (boxes[line.above].below or {})
    )
    return _Side("declared", boxes, {}, marks, lines, {})


def _real(comparison: Comparison) -> _Side:
    pairs = comparison.pairs
    boxes = {key: pair.box for key, pair in pairs.items() if pair.real or pair.mark is Mark.MISSING}
    told = {key: _sentences(comparison, pairs[key]) for key in boxes}
    marks = {key: pairs[key].mark for key in boxes}
    lines = tuple(
        replace(line, mark=Mark.EXTRA) if marks[line.above] is Mark.EXTRA else line
        for line in comparison.lines
        if line.above in boxes and line.below in boxes
    )
    taps: dict[str, str] = {}
    for line in lines:
        if line.label:
            taps[line.above] = f"{taps[line.above]}, {line.label}" if line.above in taps else f"by {line.label}"
    return _Side("real", boxes, told, marks, lines, taps)


def _sentences(comparison: Comparison, pair: Pair) -> list[str]:
    return [difference.sentence for difference in comparison.of(pair.key)]


def _level(box: Box) -> int:
    """The least column: see `lay_out`."""
    if box.is_guest:
        return 3
    return {"bridge": 2, "vlan": 1, "bond": 1, "vxlan": 1, "macvlan": 1}.get(box.kind, 0)


def _bar(box: Box) -> str:
    return ("bar-nic", "bar-bond" if box.kind == "bond" else "bar-vlan", "bar-bridge", "bar-guest")[_level(box)]


# --- drawing ---------------------------------------------------------------------------------------------------------


def _size(sides: Sequence[_Side], key: str) -> tuple[float, float]:
    """Room for the box on each side that shows it."""
    texts = [[side.boxes[key].name, words.kind(side.boxes[key]), *_more(side, key)] for side in sides]
    longest = max((_columns(line) for lines in texts for line in lines), default=0)
    most = max((len(lines) for lines in texts), default=1)
    return max(_LEAST, longest * _LETTER + 2 * _PAD + 6), _HEAD + _LINE * (most - 1) + _PAD


def _more(side: _Side, key: str) -> list[str]:
    taps = [side.taps[key]] if key in side.taps else []
    return [*words.details(side.boxes[key]), *taps, *side.told.get(key, ())]


def _panel(
    root: ET.Element,
    side: _Side,
    layout: Layout,
    heads: Mapping[int, str],
    frame: tuple[float, float, float, float],
) -> None:
    x, y, width, height = frame
    shape = {"x": _n(x), "y": _n(y), "width": _n(width), "height": _n(height), "rx": "10", "class": "panel"}
    ET.SubElement(root, "rect", shape)
    _text(root, x + _PANEL, y + 26, side.title, "side")
    left, top = x + _PANEL, y + _PANEL + _TITLE
    for number, (start, _) in enumerate(layout.columns):
        _text(root, left + start, top - 8, heads.get(number, ""), "faint")
    if not side.boxes:
        _text(root, left, top + 14, "nothing is declared" if side.title == "declared" else "nothing is known", "faint")
        return
    for line in side.lines:
        _line(root, line, layout.routes.get((line.below, line.above), ()), left, top)
    for key, box in side.boxes.items():
        _box(root, side, key, box, layout.places[key], left, top)


def _box(root: ET.Element, side: _Side, key: str, box: Box, place: Place, left: float, top: float) -> None:
    x, y = left + place.x, top + place.y
    group = ET.SubElement(root, "g", {"class": side.marks[key].value})
    ET.SubElement(group, "title").text = _printable("\n".join([box.name, words.kind(box), *_more(side, key)]))
    shape = {"x": _n(x), "y": _n(y), "width": _n(place.width), "height": _n(place.height), "rx": "6", "class": "box"}
    ET.SubElement(group, "rect", shape)
    bar = {"x": _n(x), "y": _n(y + 6), "width": "4", "height": _n(place.height - 12), "class": _bar(box)}
    ET.SubElement(group, "rect", bar)
    told = side.told.get(key, ())
    lines = [(box.name, "name"), (words.kind(box), "kind")]
    lines += [(line, "") for line in words.details(box)]
    lines += [(side.taps[key], "kind")] if key in side.taps else []
    lines += [(line, "told") for line in told]
    for number, (line, style) in enumerate(lines):
        _text(group, x + _PAD + 4, y + _HEAD - 4 + number * _LINE, line, style)


def _line(root: ET.Element, line: Line, route: Sequence[tuple[float, float]], left: float, top: float) -> None:
    if not route:
        return
    points = [(left + x, top + y) for x, y in route]
    path = [f"M {_n(points[0][0])} {_n(points[0][1])}"]
    for number, ((x1, y1), (x2, y2)) in enumerate(pairwise(points)):
        if number % 2:  # through a column
            path.append(f"L {_n(x2)} {_n(y2)}")
        else:
            half = (x1 + x2) / 2
            path.append(f"C {_n(half)} {_n(y1)} {_n(half)} {_n(y2)} {_n(x2)} {_n(y2)}")
    ET.SubElement(root, "path", {"d": " ".join(path), "class": f"line {line.mark.value}"})


def _legend(root: ET.Element, y: float) -> tuple[float, float]:
    """What the marks mean, at Y: its end, downward and to the right."""
    x = _MARGIN
    for mark, meaning in _LEGEND:
        group = ET.SubElement(root, "g", {"class": mark.value})
        ET.SubElement(group, "rect", {"x": _n(x), "y": _n(y), "width": "26", "height": "15", "rx": "4", "class": "box"})
        _text(root, x + 34, y + 12, meaning, "faint")
        x += 34 + len(meaning) * 6.2 + 28
    return y + 18, x - 28


def _text(parent: ET.Element, x: float, y: float, text: str, style: str) -> ET.Element:
    made = ET.SubElement(parent, "text", {"x": _n(x), "y": _n(y)})
    if style:
        made.set("class", style)
    made.text = _printable(text)
    return made


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _columns(text: str) -> int:
    """How many letters of a monospace face TEXT takes: wide ones count twice (UAX #11)."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _printable(text: str) -> str:
    """TEXT without what XML 1.0 can't hold (section 2.2)."""
    return "".join(
        letter
        if letter in "\t\n"
        or (letter >= " " and not "\ud800" <= letter <= "\udfff" and letter < "\ufffe")
        or letter > "\uffff"
        else "?"
        for letter in text
    )
