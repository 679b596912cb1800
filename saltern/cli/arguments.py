"""The words of a command line as arguments of a function, read as Salt reads them: each value is YAML.

`5` is a number, `[1, 2]` a list, `{a: b}` a mapping, `yes` is true, `'5'` a text. A value stays the text that it is
where YAML would lose or change something that was not meant as YAML: `a: b` without braces, `- a`, a comment, a date,
`12:30` (a number to the base of 60 in YAML 1.1), several lines, or what does not parse at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from saltern.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The plain words that YAML 1.1 reads as something else (https://yaml.org/type/bool.html, null.html), and Python's None.
_WORDS: dict[str, bool | None] = {
    form: value
    for word, value in (("yes", True), ("true", True), ("on", True), ("no", False), ("false", False), ("off", False))
    for form in (word, word.capitalize(), word.upper())
} | {"null": None, "Null": None, "NULL": None, "~": None, "None": None}


def parse(words: Iterable[str]) -> tuple[list[Any], dict[str, Any]]:
    """The positional and the keyword arguments (`name=value`) in WORDS. UsageError where a name comes twice."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name.isidentifier() or text.startswith("="):
            args.append(value(word))
        elif name in kwargs:
            raise UsageError(f"the argument {name}= is given twice")
        else:
            kwargs[name] = value(text)
    return args, kwargs


def value(text: str) -> Any:
    """What TEXT means as one argument. YAML is loaded only for what begins like a number, a quote or a collection."""
    if text in _WORDS:
        return _WORDS[text]
    first = text[:1]
    if not first or first not in "[{'\"+-.0123456789" or "\n" in text or (len(text) == 1 and not text.isdigit()):
        return text
    if first in "+-.0123456789":
        return _number(text)
    return _collection(text)


def _number(text: str) -> Any:
    """A number as YAML 1.1 writes it, else TEXT. Underscores, base 60, NaN and infinity stay text."""
    if re.fullmatch(r"[-+]?(0|[1-9][0-9]*)", text, re.ASCII):
        return int(text) if len(text) < 4000 else text  # int() refuses longer ones
    if re.fullmatch(r"[-+]?0[0-7]+", text, re.ASCII):
        return int(text, 8)
    if re.fullmatch(r"[-+]?0x[0-9a-fA-F]+", text, re.ASCII):
        return int(text, 16)
    if re.fullmatch(r"[-+]?0b[01]+", text, re.ASCII):
        return int(text, 2)
    if re.fullmatch(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?", text, re.ASCII):
        number = float(text)
        return number if number not in (float("inf"), float("-inf")) else text
    return text


def _collection(text: str) -> Any:
    """A list, a mapping or a quoted text; TEXT itself where it is none that JSON could carry."""
    import json

    import yaml

    try:
        loader = _loader()(text)
        node = loader.get_single_node()
        if node is None or node.end_mark.column < len(text.rstrip()):  # a comment behind it would be lost
            return text
        found = loader.construct_document(node)
        json.dumps(found, allow_nan=False)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError):
        return text
    return found if isinstance(found, str if text[0] in "'\"" else list | dict) else text


def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """The safe loader without dates: JSON has none, and a text that looks like one is meant as text."""

    Loader.yaml_implicit_resolvers = {
        first: [entry for entry in entries if entry[0] != "tag:yaml.org,2002:timestamp"]
        for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return Loader
