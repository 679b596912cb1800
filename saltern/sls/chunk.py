"""A state call on its way from the high state to the low state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from saltern.errors import SourceError
from saltern.secret import Secret
from saltern.sls.declaration import Argument, Declaration, StateDeclaration
from saltern.sls.keywords import OPTIONS, SHARED_OPTIONS, is_requisite
from saltern.sls.low import Place, Requisite
from saltern.sls.problems import Problems
from saltern.sls.yaml_loader import Document, Spot

FIRST_ORDER = 10000  # of the first state, as Salt's
_NO_NAME = "a secret can't be (part of) the name of a state, which everybody sees"
_OTHER_WAY = "Give it by an argument: a command takes it by `env` or `stdin`."


class Chunk:
    """One call: FUN of MODULE for NAME. `args` and `options` are as written; `notes` says where each stands."""

    __slots__ = (
        *("args", "declaration", "fun", "id", "module", "name"),
        *("notes", "options", "position", "raw", "requisites", "state", "turned"),
    )

    def __init__(self, declaration: Declaration, state: StateDeclaration, name: str, position: float) -> None:
        self.declaration, self.state = declaration, state
        self.id, self.module, self.name = declaration.id, state.module, name
        self.fun = state.fun or ""
        self.position = position  # the place in the order that the tree gives, before requisites
        self.args: dict[str, Any] = {}
        self.options: dict[str, Any] = {}
        self.notes: dict[str, tuple[Document, Any]] = {}
        self.raw: list[Argument] = []  # requisites as written
        self.turned: list[tuple[Requisite, Spot]] = []  # from `_in` forms of others
        self.requisites: list[Requisite] = []

    def __str__(self) -> str:
        return f"{self.module}: {self.id}"

    def error(self, message: str, argument: str | None = None, hint: str = "") -> SourceError:
        """A SourceError at ARGUMENT where it is known, else where the function is named."""
        if argument in self.notes:
            document, holder = self.notes[argument]
            return document.error(message, holder, argument, hint)
        return self.state.error(message, hint)


class ArgumentPlaces(Mapping[str, Place]):
    """Where each argument stands, found when it is asked for."""

    __slots__ = ("_notes",)

    def __init__(self, notes: Mapping[str, tuple[Document, Any]]) -> None:
        self._notes = notes

    def __getitem__(self, name: str) -> Place:
        document, holder = self._notes[name]
        return document.place(holder, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._notes)

    def __len__(self) -> int:
        return len(self._notes)


def chunks(declarations: Mapping[str, Declaration], problems: Problems) -> list[Chunk]:
    """The calls that the declarations stand for, in the order of the tree; `names` gives one for each name."""
    found: list[Chunk] = []
    position = FIRST_ORDER
    for declaration in declarations.values():
        for state in declaration.states.values():
            found += _of_state(declaration, state, position, problems)
            position += 1
    return found


def _of_state(declaration: Declaration, state: StateDeclaration, position: int, problems: Problems) -> list[Chunk]:
    chunk = Chunk(declaration, state, declaration.id, position)
    names: Argument | None = None
    for argument in state.arguments:
        if argument.name == "names":
            names = argument
        else:
            _put(chunk, argument, problems)
    if names is None:
        return [chunk]
    return _of_names(chunk, names, problems)


def _put(chunk: Chunk, argument: Argument, problems: Problems) -> None:
    """Sort ARGUMENT into what it is; a later one of the same name wins, as in Salt."""
    name, value = argument.name, argument.value
    if is_requisite(name):
        chunk.raw.append(argument)
        return
    if name == "name":
        if isinstance(value, dict | list) or value is None:
            problems.add(argument.error(f"name wants a text, not {value!r}"))
        if isinstance(value, Secret):
            problems.add(argument.error(_NO_NAME, _OTHER_WAY))
        chunk.name = value if isinstance(value, str) else str(value)
        return
    if name == "fun" or name == "state" or name.startswith("__"):
        problems.add(argument.error(f"{name!r} can't be the name of an argument"))
        return
    if name in OPTIONS:
        chunk.options[name] = value
    else:
        if name in SHARED_OPTIONS:
            chunk.options[name] = value
        chunk.args[name] = value
    chunk.notes[name] = (argument.document, argument.holder)


def _of_names(chunk: Chunk, names: Argument, problems: Problems) -> list[Chunk]:
    """A copy of CHUNK for each of NAMES, with the arguments that the name itself brings."""
    if not isinstance(names.value, list):
        problems.add(names.error(f"names wants a list, not {names.value!r}", "Write `- name` items below it."))
        return []
    found = []
    for number, item in enumerate(names.value):
        own: Any = []
        if isinstance(item, dict) and len(item) == 1:
            item, own = next(iter(item.items()))
        if isinstance(item, Secret):
            problems.add(names.document.error(_NO_NAME, names.value, number, _OTHER_WAY))
            continue
        if isinstance(item, dict | list) or not isinstance(own, list | dict):
            message = "names wants texts, each with a list of arguments of its own if it has any"
            problems.add(names.document.error(message, names.value, number))
            continue
        copy = Chunk(chunk.declaration, chunk.state, str(item), chunk.position + number / 10000)
        copy.args, copy.options, copy.notes = dict(chunk.args), dict(chunk.options), dict(chunk.notes)
        copy.raw = list(chunk.raw)
        for holder in [own] if isinstance(own, dict) else own:
            if not isinstance(holder, dict):
                problems.add(names.document.error(f"{holder!r} is no `argument: value`", names.value, number))
                continue
            for name, value in holder.items():
                _put(copy, Argument(str(name), value, names.document, holder), problems)
        found.append(copy)
    return found
