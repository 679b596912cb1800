"""Collects the high state: the SLS asked for and what they include, in order, then `extend` and `exclude`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from saltern.errors import SourceError, nearest
from saltern.sls.declaration import Declaration, StateDeclaration, declarations, extension
from saltern.sls.keywords import is_requisite
from saltern.sls.problems import Problems
from saltern.sls.tree import Tree
from saltern.sls.yaml_loader import Document, Spot

_Sls = tuple[str, str]  # environment and name


class High:
    """The declarations by id, in order, and every SLS that was read, as (environment, name)."""

    def __init__(self) -> None:
        self.declarations: dict[str, Declaration] = {}
        self.read: dict[_Sls, Document | None] = {}
        self.excluded: dict[str, str] = {}  # id → what said so


class Collector:
    """Collects into `high`; errors go to PROBLEMS, so that one broken SLS does not hide what is wrong in the next."""

    def __init__(self, tree: Tree, problems: Problems) -> None:
        self.tree, self.problems, self.high = tree, problems, High()
        self._extensions: list[tuple[str, dict[str, StateDeclaration], Document, Any, _Sls]] = []
        self._excludes: list[tuple[str, str, str]] = []  # "sls" or "id", glob, where

    def add(self, names: Sequence[str], saltenv: str) -> None:
        """Read these SLS, in this order."""
        self.tree.fetch(names, saltenv)
        for name in names:
            self._sls(name, saltenv, None, ())

    def finish(self, exclude: Iterable[Any] = ()) -> High:
        """Apply `extend` and `exclude`, and EXCLUDE (`{"sls": …}`, `{"id": …}` or ids) from outside."""
        for item in exclude:
            for kind, pattern in item.items() if isinstance(item, dict) else [("id", item)]:
                self._excludes.append((kind, str(pattern), "the command line"))
        for id, states, document, holder, sls in self._extensions:
            self._extend(id, states, document, holder, sls)
        for kind, pattern, where in self._excludes:
            for id, declaration in list(self.high.declarations.items()):
                if fnmatchcase(declaration.sls if kind == "sls" else id, pattern):
                    del self.high.declarations[id]
                    self.high.excluded[id] = where
        return self.high

    def _sls(self, name: str, saltenv: str, asked: Spot | None, above: tuple[_Sls, ...]) -> None:
        sls = (saltenv, name)
        if sls in above:
            loop = " → ".join(part for _, part in (*above[above.index(sls) :], sls))
            assert asked is not None  # what the command line names is not included
            self.problems.add(asked.error(f"a loop of includes: {loop}", "Remove one of these includes."))
            return
        if sls in self.high.read:
            return
        self.high.read[sls] = None
        try:
            document = self.tree.document(name, saltenv, asked)
        except SourceError as error:
            self.problems.add(error)
            return
        self.high.read[sls] = document
        if document.data is None:
            return
        if not isinstance(document.data, dict):
            self.problems.add(document.error(f"the SLS {name} is no mapping of ids", hint="Write `id:` on the left."))
            return
        for env, included, spot in self._included(document, sls):
            self._sls(included, env, spot, (*above, sls))
        self._own(document, sls)

    def _own(self, document: Document, sls: _Sls) -> None:
        self._note_extend(document, sls)
        self._note_exclude(document)
        for declaration in declarations(document, sls[1], sls[0], self.problems):
            other = self.high.declarations.get(declaration.id)
            if other is None:
                self.high.declarations[declaration.id] = declaration
                continue
            message = f"the id {declaration.id!r} is declared twice, first at {other.place}"
            hint = "Ids are unique over all SLS of a run: rename one, or use `name` or `extend`."
            self.problems.add(document.error(message, document.data, declaration.key, hint))

    def _included(self, document: Document, sls: _Sls) -> list[tuple[str, str, Spot]]:
        """What the SLS includes, as (environment, name, where it says so)."""
        listed = document.data.get("include")
        if "include" not in document.data or listed == []:
            return []
        if not isinstance(listed, list):
            self.problems.add(document.error("include wants a list", document.data, "include", "Write `- name`."))
            return []
        found: list[tuple[str, str, Spot]] = []
        for number, item in enumerate(listed):
            spot = Spot(document, listed, number)
            if isinstance(item, dict) and len(item) == 1:
                (env, wanted), explicit = next(iter(item.items())), True
            else:
                env, wanted, explicit = sls[0], item, False
            try:
                for name in self._resolve(wanted, str(env), sls, spot):
                    found.append((str(env) if explicit else self._home(name, sls[0]), name, spot))
            except SourceError as error:
                self.problems.add(error)
        for env in dict.fromkeys(env for env, _, _ in found):
            self.tree.fetch([name for other, name, _ in found if other == env], env)
        return found

    def _resolve(self, wanted: Any, env: str, sls: _Sls, spot: Spot) -> list[str]:
        """The names that WANTED (absolute, relative, or a glob) means in environment ENV, as SLS says it."""
        if not isinstance(wanted, str) or not wanted:
            raise spot.error(f"include wants names of SLS, not {wanted!r}")
        if wanted.startswith("."):
            levels = len(wanted) - len(wanted.lstrip("."))
            parts = sls[1].split(".")
            if self.tree.is_init(sls[1], sls[0]):
                parts.append("init")
            if levels > len(parts):
                raise spot.error(f"{wanted!r} leads out of the tree: {sls[1]} lies {len(parts)} deep")
            rest = wanted.lstrip(".")
            wanted = ".".join([*parts[:-levels], *([rest] if rest else [])])
        found = self.tree.matching(wanted, env)
        if not found:
            near = nearest(wanted, self.tree.names(env))
            raise spot.error(f"no SLS of environment {env!r} matches {wanted!r}.{near}")
        return [name for name in found if name != sls[1] or found == [wanted]]

    def _home(self, name: str, saltenv: str) -> str:
        """The environment of an SLS: the including one, or the only other one that has it."""
        if name in self.tree.names(saltenv):
            return saltenv
        others = [env for env in self.tree.files.environments() if name in self.tree.names(env)]
        return others[0] if len(others) == 1 else saltenv

    def _note_extend(self, document: Document, sls: _Sls) -> None:
        body = document.data.get("extend")
        if "extend" not in document.data:
            return
        if not isinstance(body, dict):
            self.problems.add(document.error("extend wants a mapping of ids", document.data, "extend"))
            return
        for id, states in body.items():
            read = extension(states, document, body, id, self.problems)
            self._extensions.append((str(id), read, document, body, sls))

    def _note_exclude(self, document: Document) -> None:
        listed = document.data.get("exclude")
        if "exclude" not in document.data:
            return
        if not isinstance(listed, list):
            self.problems.add(document.error("exclude wants a list", document.data, "exclude", "Write `- sls: name`."))
            return
        for number, item in enumerate(listed):
            where = str(document.place(listed, number))
            if isinstance(item, str):
                self._excludes.append(("id", item, where))
            elif isinstance(item, dict) and len(item) == 1 and next(iter(item)) in ("sls", "id"):
                kind, pattern = next(iter(item.items()))
                self._excludes.append((kind, str(pattern), where))
            else:
                message = "exclude wants `- sls: name`, `- id: name` or an id"
                self.problems.add(document.error(message, listed, number))

    def _extend(self, id: str, states: dict[str, StateDeclaration], document: Document, holder: Any, sls: _Sls) -> None:
        target = self.high.declarations.get(id)
        for module, extended in states.items():
            found = target or self._by_name(module, id)
            if found is None:
                message = f"there is no id {id!r} to extend.{nearest(id, self.high.declarations)}"
                self.problems.add(document.error(message, holder, id, "Include the SLS that declares it."))
            elif module not in found.states:
                found.states[module] = extended
                if extended.fun is None:
                    near = nearest(module, found.states)
                    self.problems.add(extended.error(f"the id {id!r} has no state of {module!r} to extend.{near}"))
                    del found.states[module]
            else:
                _merge(found.states[module], extended)

    def _by_name(self, module: str, name: str) -> Declaration | None:
        """The one declaration whose state of MODULE has `name: NAME`."""
        found = [
            declaration
            for declaration in self.high.declarations.values()
            if module in declaration.states
            and any(a.name == "name" and a.value == name for a in declaration.states[module].arguments)
        ]
        return found[0] if len(found) == 1 else None


def _merge(state: StateDeclaration, extended: StateDeclaration) -> None:
    """Requisites of EXTENDED are added to those of STATE; other arguments replace, or are added."""
    if extended.fun is not None:
        state.fun = extended.fun
    for argument in extended.arguments:
        if is_requisite(argument.name):
            state.arguments.append(argument)
            continue
        for number, old in enumerate(state.arguments):
            if old.name == argument.name:
                state.arguments[number] = argument
                break
        else:
            state.arguments.append(argument)
