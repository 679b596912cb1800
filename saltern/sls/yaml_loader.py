"""YAML as Salt reads it, with the position of every key and list item, and without its traps.

The text is read as libyaml's events and built here in one pass: that is quicker than PyYAML's own constructor, gives
positions for nothing, and lets each oddity be refused where it stands. What differs from YAML 1.1 is what Salt's users
know: `0644` is the number 644 (not octal), and a date stays the text that was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

from saltern.errors import SourceError
from saltern.sls.low import Place
from saltern.sls.source import Source

NODE_LIMIT = 1_000_000  # nodes after all aliases are written out: more than any tree needs, less than hurts
DEPTH_LIMIT = 100

Position = tuple[int, int]  # line and column, both from 0
_TAG = "tag:yaml.org,2002:"


class Document:
    """DATA (plain dicts, lists and scalars) and where each part stood in SOURCE."""

    __slots__ = ("_marks", "data", "source")

    def __init__(self, data: Any, source: Source, marks: dict[int, tuple[Any, dict[Any, Any]]]) -> None:
        self.data, self.source, self._marks = data, source, marks

    def position(self, container: object, key: object = None) -> Position:
        """Where KEY of a dict (or item number KEY of a list) of this document stands; where CONTAINER itself begins if
        KEY is None; the start of the document for anything that is not of it."""
        known = self._marks.get(id(container))
        if known is None:
            return (0, 0)
        mark = known[0] if key is None else known[1].get(key, known[0])
        return (mark.line, mark.column)

    def place(self, container: object, key: object = None) -> Place:
        """`position` as a place in what the user wrote."""
        return self.source.place(*self.position(container, key))

    def error(self, message: str, container: object = None, key: object = None, hint: str = "") -> SourceError:
        """A SourceError at `position`."""
        return self.source.error(message, *self.position(container, key), hint=hint)


class Spot:
    """A position of a document that an error may have to name later."""

    __slots__ = ("container", "document", "key")

    def __init__(self, document: Document, container: object, key: object) -> None:
        self.document, self.container, self.key = document, container, key

    @property
    def place(self) -> Place:
        """Where it is, in what the user wrote."""
        return self.document.place(self.container, self.key)

    def error(self, message: str, hint: str = "") -> SourceError:
        """A SourceError there."""
        return self.document.error(message, self.container, self.key, hint)


def load(source: Source) -> Document:
    """The one document of SOURCE's rendered text. SourceError says what is wrong, where, and what to do."""
    import yaml

    try:
        builder = _Builder(
            getattr(yaml, "CSafeLoader", yaml.SafeLoader)(source.rendered).get_event, source, yaml.events
        )
        return Document(builder.document(), source, builder.marks)
    except yaml.YAMLError as error:
        raise _explained(error, source) from None


class _Builder:
    """Builds plain data from events; `marks` maps id(container) to its mark and those of its keys or items."""

    def __init__(self, event: Callable[[], Any], source: Source, events: Any) -> None:
        self.event, self.source, self.kinds = event, source, events
        self.marks: dict[int, tuple[Any, dict[Any, Any]]] = {}
        self.kept: list[Any] = []  # keeps every container alive, so that an id never names two
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.open_anchors: set[str] = set()
        self.scalars: dict[str, Any] = {}
        self.count = 0
        self.depth = 0

    def document(self) -> Any:
        kinds = self.kinds
        self.event()  # start of stream
        first = self.event()
        if isinstance(first, kinds.StreamEndEvent):
            return None
        data = self.node(self.event())
        self.event()  # end of document
        after = self.event()
        if not isinstance(after, kinds.StreamEndEvent):
            self.fail("a second YAML document begins here", after, "Put everything below one `---`, or in two files.")
        return data

    def node(self, event: Any) -> Any:
        kinds = self.kinds
        kind = event.__class__
        self.count += 1
        if kind is kinds.ScalarEvent:
            value = self.scalar(event)
            if event.anchor is not None:
                self.anchors[event.anchor] = (value, 1)
            return value
        if kind is kinds.AliasEvent:
            return self.alias(event)
        before = self.count
        anchor = event.anchor
        if anchor is not None:
            self.open_anchors.add(anchor)
            self.anchors.pop(anchor, None)
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            self.fail(f"nested more than {DEPTH_LIMIT} levels deep", event, "Write it flatter.")
        value = self.mapping(event) if kind is kinds.MappingStartEvent else self.sequence(event)
        self.depth -= 1
        if anchor is not None:
            self.open_anchors.discard(anchor)
            self.anchors[anchor] = (value, self.count - before + 1)
        return value

    def alias(self, event: Any) -> Any:
        name = event.anchor
        if name in self.open_anchors and name not in self.anchors:
            self.fail(f"the alias *{name} stands inside what it names", event, "An alias can't contain itself.")
        if name not in self.anchors:
            hint = f"Quote a text that begins with an asterisk: '*{name}'. An alias needs its anchor &{name} above it."
            self.fail(f"there is no anchor &{name}", event, hint)
        value, size = self.anchors[name]
        self.count += size
        if self.count > NODE_LIMIT:
            self.fail(f"the aliases multiply the document beyond {NODE_LIMIT} nodes", event, "Write out what is meant.")
        return value

    def mapping(self, start: Any) -> Any:
        end = self.kinds.MappingEndEvent
        next_event, scalar_kind = self.event, self.kinds.ScalarEvent
        found: dict[Any, Any] = {}
        marks: dict[Any, Any] = {}
        merged: list[Any] = []
        while (event := next_event()).__class__ is not end:
            mark = event.start_mark
            if event.__class__ is scalar_kind and event.value == "<<" and event.implicit[0] and event.tag is None:
                merged.append((self.node(next_event()), event))
                continue
            key = self.node(event)
            if key.__class__ is not str:
                self.check_key(key, event)
            if key in found:
                self.duplicate(key, marks[key], event)
            marks[key] = mark
            found[key] = self.node(next_event())
        if merged:
            found, marks = self.merge(merged, found, marks)
        self.marks[id(found)] = (start.start_mark, marks)
        self.kept.append(found)
        tag = start.tag
        if tag is not None and tag != "!" and tag != _TAG + "map" and tag != _TAG + "omap":
            return self.tagged_mapping(found, start)
        return found

    def tagged_mapping(self, found: dict[Any, Any], start: Any) -> Any:
        if start.tag == _TAG + "set":
            return list(found)
        return self.refuse_tag(start)

    def sequence(self, start: Any) -> Any:
        end = self.kinds.SequenceEndEvent
        next_event, node = self.event, self.node
        found: list[Any] = []
        marks: dict[Any, Any] = {}
        while (event := next_event()).__class__ is not end:
            marks[len(found)] = event.start_mark
            found.append(node(event))
        self.marks[id(found)] = (start.start_mark, marks)
        self.kept.append(found)
        tag = start.tag
        if tag is None or tag == "!" or tag == _TAG + "seq":
            return found
        if tag in (_TAG + "omap", _TAG + "pairs") and all(isinstance(item, dict) for item in found):
            return {key: value for item in found for key, value in item.items()} if tag.endswith("omap") else found
        return self.refuse_tag(start)

    def merge(
        self, merged: list[Any], own: dict[Any, Any], own_marks: dict[Any, Any]
    ) -> tuple[dict[Any, Any], dict[Any, Any]]:
        """OWN over what `<<` brings in; of several, the earlier wins."""
        found: dict[Any, Any] = {}
        marks: dict[Any, Any] = {}
        for value, event in merged:
            parts = value if isinstance(value, list) else [value]
            for part in reversed(parts):
                if not isinstance(part, dict):
                    self.fail("`<<` wants a mapping or a list of mappings", event, "Write `<<: *name`.")
                found.update(part)
                marks.update(self.marks[id(part)][1] if id(part) in self.marks else {})
        return {**found, **own}, {**marks, **own_marks}

    def scalar(self, event: Any) -> Any:
        value = event.value
        tag = event.tag
        if tag is None:
            if not event.implicit[0]:
                return value
            known = self.scalars.get(value, self)
            if known is self:
                known = self.scalars[value] = plain(value)
            return known
        if tag == "!" or tag == _TAG + "str" or tag == _TAG + "timestamp":
            return value
        return self.tagged_scalar(event)

    def tagged_scalar(self, event: Any) -> Any:
        import base64

        converters: dict[str, Callable[[str], Any]] = {
            "int": lambda text: _int(text.replace("_", "")),
            "float": _float,
            "bool": lambda text: _WORDS[text.lower()],
            "null": lambda text: None,
            "binary": lambda text: base64.b64decode(text, validate=False),
        }
        converter = converters.get(event.tag.removeprefix(_TAG))
        if converter is None:
            return self.refuse_tag(event)
        try:
            return converter(event.value)
        except (ValueError, KeyError):
            self.fail(f"{event.value!r} is no {event.tag.removeprefix(_TAG)}", event, "")

    def refuse_tag(self, event: Any) -> NoReturn:
        shown = "!!" + event.tag.removeprefix(_TAG) if event.tag.startswith(_TAG) else event.tag
        hint = "Quote a text that begins with an exclamation mark. Only YAML's own types are read, no objects."
        self.fail(f"the tag {shown} is not allowed", event, hint)

    def check_key(self, key: Any, event: Any) -> None:
        if isinstance(key, dict | list):
            hint = "Quote a text that begins with { or [, as in '{{ name }}'."
            self.fail("a mapping or a list can't be a key", event, hint)

    def duplicate(self, key: Any, first: Any, event: Any) -> NoReturn:
        above = self.source.place(first.line, first.column)
        self.fail(
            f"the key {key!r} stands here again, first at line {above.line}", event, "Merge the two, or rename one."
        )

    def fail(self, message: str, event: Any, hint: str) -> NoReturn:
        mark = event.start_mark
        raise self.source.error(message, mark.line, mark.column, hint)


_WORDS: Final[dict[str, bool]] = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_PLAIN: Final[dict[str, Any]] = {
    **{form: value for word, value in _WORDS.items() for form in (word, word.capitalize(), word.upper())},
    **dict.fromkeys(["", "~", "null", "Null", "NULL"]),
}
_NUMERIC_START: Final = frozenset("+-.0123456789")
_INT: Final = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]+|0|[1-9][0-9_]*(?::[0-5]?[0-9])*)", re.ASCII)
_FLOAT: Final = re.compile(
    r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?"
    r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    re.ASCII,
)
_DIGITS_LIMIT: Final = 4000  # int() itself refuses more than 4300 digits


def plain(text: str) -> Any:
    """What a plain (unquoted) scalar means: a bool, None, a number, or the text itself."""
    if text in _PLAIN:
        return _PLAIN[text]
    if text[0] in _NUMERIC_START and len(text) < _DIGITS_LIMIT:
        if _INT.fullmatch(text):
            return _int(text.replace("_", ""))
        if _FLOAT.fullmatch(text):
            return _float(text)
    return text


def _int(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    if digits.startswith(("0b", "0x")):
        return sign * int(digits, 0) if len(digits) > 2 else 0
    if ":" in digits:
        return sign * int(_sexagesimal(digits))
    return sign * int(digits.lstrip("0") or "0")  # as Salt: `mode: 0644` is 644


def _float(text: str) -> float:
    text = text.replace("_", "").lower()
    if text.endswith((".inf", ".nan")):
        return float(text.replace(".", ""))
    if ":" in text:
        sign = -1.0 if text.startswith("-") else 1.0
        return sign * _sexagesimal(text.lstrip("+-"))
    return float(text)


def _sexagesimal(text: str) -> float:
    total = 0.0
    for part in text.split(":"):
        total = total * 60 + float(part)
    return total


def _explained(error: Any, source: Source) -> SourceError:
    """A parser's error as a SourceError with a hint in plain words."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    if mark is None:
        line, column = _of_offset(source.rendered, getattr(error, "position", 0) or 0)
        return source.error(f"not YAML: {problem}", line, column, "Only printable characters may stand here.")
    line, column = mark.line, mark.column
    lines = source.rendered.splitlines()
    for number in (line, line - 1):
        indent = re.match(r"[ ]*\t", lines[number]) if 0 <= number < len(lines) else None
        if indent:
            place = source.place(number)
            hint = f"YAML is indented by spaces; line {place.line} has a tab."
            return source.error("a tab in the indentation", number, indent.end() - 1, hint)
    return source.error(f"not YAML: {problem}", line, column, _hint(problem, lines[line] if line < len(lines) else ""))


_HINTS: Final = (
    ("mapping values are not allowed", "Is the line above indented as it should be? Quote a text that holds `: `."),
    ("could not find expected ':'", "A line in a mapping reads `key: value`. Is a colon missing, here or just above?"),
    ("did not find expected key", "The indentation fits no line above. Lines of one level begin in the same column."),
    ("did not find expected '-' indicator", "The items of one list begin in the same column, each with `- `."),
    ("did not find expected ',' or", "A bracket is not closed. Quote a text that begins with { or [."),
    ("found unexpected end of stream", "A quote is not closed."),
    ("found unknown escape", "In double quotes, write a backslash twice, or use single quotes."),
    ("cannot start any token", "Quote a text that begins with %, @ or a backtick."),
    ("did not find expected alphabetic", "Quote a text that begins with * or &."),
    ("undefined alias", "Quote a text that begins with an asterisk."),
    ("did not find expected <document start>", "Is this line indented as the lines above?"),
)


def _hint(problem: str, line: str) -> str:
    if re.search(r":\s+[*%@`]", line) or line.lstrip("- ").startswith(("*", "%", "@", "`")):
        return "Quote a text that begins with *, %, @ or a backtick."
    return next((hint for words, hint in _HINTS if words in problem), "")


def _of_offset(text: str, offset: int) -> Position:
    before = text[:offset]
    return before.count("\n"), offset - (before.rfind("\n") + 1)
