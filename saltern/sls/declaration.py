"""The forms in which an SLS may declare states, read into one: ids, each with its states and their arguments.

id: file.managed                      the short form
id: {file.managed: [arguments]}
id: {file: [managed, arguments]}      arguments are one-key mappings
"""

from __future__ import annotations

from typing import Any

from saltern.errors import SourceError
from saltern.sls.low import Place
from saltern.sls.problems import Problems
from saltern.sls.yaml_loader import Document

SPECIAL = ("include", "exclude", "extend")


class Argument:
    """One argument of a state: NAME and VALUE as written in HOLDER, a mapping of DOCUMENT."""

    __slots__ = ("document", "holder", "name", "value")

    def __init__(self, name: str, value: Any, document: Document, holder: Any) -> None:
        self.name, self.value, self.document, self.holder = name, value, document, holder

    def error(self, message: str, hint: str = "") -> SourceError:
        """A SourceError at this argument."""
        return self.document.error(message, self.holder, self.name, hint)

    @property
    def place(self) -> Place:
        """Where the argument stands."""
        return self.document.place(self.holder, self.name)


class StateDeclaration:
    """One state of an id: MODULE and FUN ("file", "managed") and its arguments, in the order of the file."""

    __slots__ = ("arguments", "document", "fun", "holder", "key", "module")

    def __init__(
        self, module: str, fun: str | None, arguments: list[Argument], document: Document, holder: Any, key: Any
    ) -> None:
        self.module, self.fun, self.arguments = module, fun, arguments
        self.document, self.holder, self.key = document, holder, key

    def error(self, message: str, hint: str = "") -> SourceError:
        """A SourceError where the function is named."""
        return self.document.error(message, self.holder, self.key, hint)


class Declaration:
    """An ID of the SLS of an environment and its states, by namespace."""

    __slots__ = ("document", "id", "key", "saltenv", "sls", "states")

    def __init__(self, id: str, key: Any, sls: str, saltenv: str, document: Document) -> None:
        self.id, self.key, self.sls, self.saltenv, self.document = id, key, sls, saltenv, document
        self.states: dict[str, StateDeclaration] = {}

    @property
    def place(self) -> Place:
        """Where the id stands."""
        return self.document.place(self.document.data, self.key)


def declarations(document: Document, sls: str, saltenv: str, problems: Problems) -> list[Declaration]:
    """The declarations of a rendered SLS, a mapping; what is not well formed goes to PROBLEMS."""
    found = []
    for key, body in document.data.items():
        if key in SPECIAL or (isinstance(key, str) and key.startswith("__")):
            continue
        declaration = Declaration(str(key), key, sls, saltenv, document)
        _states(declaration.states, body, document, document.data, key, problems)
        if declaration.states:
            found.append(declaration)
    return found


def extension(body: Any, document: Document, holder: Any, key: Any, problems: Problems) -> dict[str, StateDeclaration]:
    """What `extend` says of one id; functions may be left out."""
    states: dict[str, StateDeclaration] = {}
    _states(states, body, document, holder, key, problems, partial=True)
    return states


def _states(
    states: dict[str, StateDeclaration],
    body: Any,
    document: Document,
    holder: Any,
    key: Any,
    problems: Problems,
    partial: bool = False,
) -> None:
    if isinstance(body, str) and body:
        _add(states, body, None, document, holder, key, problems, partial)
        return
    if not isinstance(body, dict) or not body:
        what = "nothing" if not body and body is not False else _kind(body)
        hint = f"Write it as\n{key}:\n  NAMESPACE.FUNCTION:\n    - argument: value"
        problems.add(document.error(f"the id {str(key)!r} wants a mapping of states, not {what}", holder, key, hint))
        return
    for name, arguments in body.items():
        if isinstance(name, str) and name.startswith("__"):
            continue
        if not isinstance(name, str):
            problems.add(document.error(f"{name!r} is not the name of a state", body, name))
            continue
        _add(states, name, arguments, document, body, name, problems, partial)


def _add(
    states: dict[str, StateDeclaration],
    name: str,
    listed: Any,
    document: Document,
    holder: Any,
    key: Any,
    problems: Problems,
    partial: bool,
) -> None:
    """Read one state, NAME ("file.managed" or "file") with LISTED arguments, into STATES."""
    module, dot, function = name.partition(".")
    fun: str | None = function if dot else None
    if isinstance(listed, str):  # `file: managed`
        listed = [listed]
    if listed is None:
        listed = []
    if listed.__class__ is not list:
        hint = f"Write it as\n{name}:\n  - argument: value"
        problems.add(document.error(f"{name} wants a list of arguments, not {_kind(listed)}", holder, key, hint))
        return
    arguments: list[Argument] = []
    for number, item in enumerate(listed):
        if item.__class__ is dict:
            for argument, value in item.items():
                arguments.append(Argument(str(argument), value, document, item))
        elif isinstance(item, str) and fun is None:
            fun = item
        else:
            message = f"{item!r} is neither `argument: value` nor the one function of {name}"
            problems.add(document.error(message, listed, number, "Is a colon or a space after it missing?"))
            return
    if fun is None and not partial:
        hint = f"Write {module}.FUNCTION."
        problems.add(document.error(f"{name} names no function", holder, key, hint))
        return
    if module in states:
        message = f"the id has two states of {module}: {states[module].fun} and {fun}"
        problems.add(document.error(message, holder, key, "Give the second one an id of its own."))
        return
    states[module] = StateDeclaration(module, fun, arguments, document, holder, key)


def _kind(value: object) -> str:
    kinds = {dict: "a mapping", list: "a list", bool: "true or false", int: "a number", float: "a number"}
    return kinds.get(type(value), "a text" if isinstance(value, str) else type(value).__name__)
