"""The layouts without decoration: one JSON or YAML document, `minion: value` lines, a table, Python's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from saltern.cli.output.safe import bounded, neutral_line
from saltern.cli.output.states import duration, is_run, results

CELL_WIDTH = 72  # columns of a table beyond which a text is folded
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def as_json(data: Any) -> str:
    """One JSON document, indented by 4; everything outside ASCII is escaped, so it is safe on any terminal."""
    import json

    try:
        return json.dumps(data, indent=4)
    except (RecursionError, TypeError):
        return json.dumps(bounded(data), indent=4)


def as_yaml(data: Any) -> str:
    """One YAML document in block style; what is not printable ASCII is escaped."""
    import yaml

    text = yaml.dump(bounded(data), Dumper=yaml.SafeDumper, default_flow_style=False, sort_keys=False)
    return str(text).removesuffix("...\n").rstrip("\n")


def as_python(data: Any) -> str:
    """Python's literal form, as Salt's `pprint`."""
    import pprint

    return pprint.pformat(bounded(data), sort_dicts=True)


def text_lines(returns: Mapping[str, Any]) -> Iterator[str]:
    """`minion: line` for each line of a text; any other value as one line of JSON. RETURNS are clean."""
    import json

    for minion, value in returns.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for line in text.splitlines() or [""]:
            yield f"{minion}: {line}".rstrip(" ")


def table_lines(returns: Mapping[str, Any], function: str) -> Iterator[str]:
    """A table. State runs: a row for each state. Mappings: a row for each minion, a column for each key. Lists of
    mappings: a row for each of them. Else: minion and value. RETURNS are clean."""
    if returns and all(is_run(value, function) for value in returns.values()):
        yield from _table(_state_rows(returns))
    elif returns and all(isinstance(value, Mapping) for value in returns.values()):
        yield from _table([{"minion": minion, **value} for minion, value in returns.items()])
    elif returns and all(_is_rows(value) for value in returns.values()):
        yield from _table([{"minion": minion, **row} for minion, value in returns.items() for row in value])
    else:
        yield from _table([{"minion": minion, "value": value} for minion, value in returns.items()])


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _state_rows(returns: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "minion": minion,
            "id": result.id,
            "function": result.function,
            "result": result.result,
            "changed": "yes" if result.changes else "no",
            "duration": " ".join(duration(result.duration_ms)),
            "comment": result.comment,
        }
        for minion, value in returns.items()
        for result in results(value)
    ]


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not rows:
        return
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_cell(row[column]) if column in row else [""] for column in columns] for row in rows]
    widths = [max(len(column), *(len(part) for line in cells for part in line[i])) for i, column in enumerate(columns)]
    for line in [[[column] for column in columns], [["-" * width] for width in widths], *cells]:
        for parts in zip_longest(*line, fillvalue=""):
            yield "  ".join(f"{part:<{width}}" for part, width in zip(parts, widths, strict=True)).rstrip(" ")


def _cell(value: object) -> list[str]:
    """The lines of a cell; long ones are folded between words."""
    if isinstance(value, str):
        return [part for line in value.splitlines() for part in _folded(neutral_line(line))] or [""]
    import json

    return [json.dumps(value, ensure_ascii=False)]


def _folded(line: str) -> list[str]:
    if len(line) <= CELL_WIDTH or " " not in line:
        return [line]
    import textwrap

    return textwrap.wrap(line, CELL_WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
