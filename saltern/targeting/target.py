"""A target: compiled once, then asked for each minion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from saltern.errors import nearest
from saltern.targeting import budget, patterns
from saltern.targeting.budget import Budget, Spent
from saltern.targeting.errors import EndlessTarget, TargetError
from saltern.targeting.expression import LETTERS, MAX_LENGTH, And, Node, Not, Or, Term, parse
from saltern.targeting.nested import MAX_WORDS, Test, match_nested

FORMS = frozenset({"glob", "compound", "pillar_exact", *LETTERS.values()})
"""The forms of a target, as the wire, top files (`match: grain`) and `tgt_type` name them."""

Nodegroups: TypeAlias = Mapping[str, "str | Sequence[str]"]
"""Group name → a compound expression, a list of its words, or a list of members (ids, globs, `G@...`) of which any
will do."""

_ALIASES = {"grains": "grain", "grains_pcre": "grain_pcre", "subnet": "ipcidr", "re": "pcre"}


@dataclass(frozen=True, slots=True)
class MinionView:
    """What is known of one minion. PILLAR may be a function, which is then called whenever a target looks at pillar:
    one that renders should keep what it gave."""

    id: str
    grains: Mapping[str, Any] = field(default_factory=dict)
    pillar: Mapping[str, Any] | Callable[[], Mapping[str, Any]] = field(default_factory=dict)


Predicate: TypeAlias = Callable[[MinionView], bool]


@dataclass(frozen=True, slots=True)
class Target:
    """A target that was read without an error."""

    expression: str
    form: str
    _matches: Predicate
    _exact: frozenset[str] | None

    def matches(self, minion: MinionView) -> bool:
        """Whether the target means MINION. EndlessTarget where its regular expressions have taken too long, at this
        minion or those before; nothing else that a minion's grains or pillar hold makes it raise."""
        try:
            return self._matches(minion)
        except Spent:
            raise _endless(self, minion) from None

    def exact_ids(self) -> frozenset[str] | None:
        """The ids, where the target names all its minions (a list, a glob without wildcards, such ones joined by
        `or`), so that those which do not exist can be told; None where it does not."""
        return self._exact


def _endless(target: Target, minion: MinionView) -> EndlessTarget:
    return EndlessTarget(
        f"its regular expressions take more than {budget.LIMIT_S:g} s of processor time, the last at {minion.id}",
        target.expression,
        1,
        "A repeat inside a repeat, like (a+)+, or many of .* may never come to an end: write fewer repeats.",
    )


def matches(
    expression: str | Sequence[str],
    form: str,
    minion: MinionView,
    *,
    nodegroups: Nodegroups | None = None,
    delimiter: str = ":",
) -> bool:
    """Whether EXPRESSION, read as FORM, means MINION. See `compile_target`."""
    return compile_target(expression, form, nodegroups=nodegroups, delimiter=delimiter).matches(minion)


def compile_target(
    expression: str | Sequence[str], form: str, *, nodegroups: Nodegroups | None = None, delimiter: str = ":"
) -> Target:
    """Read EXPRESSION as FORM (one of FORMS).

    A sequence of texts is the list of ids of form `list`, and the words of form `compound`. A blank expression matches
    nothing. DELIMITER parts the keys of grains and pillar. TargetError points at the character at fault.
    """
    form = _ALIASES.get(form, form)
    if form not in FORMS:
        raise TargetError(f"there is no form of target {form!r}.{nearest(form, FORMS)}", "", 1)
    if not delimiter:
        raise TargetError("the delimiter is empty", "", 1, "Leave it out for ':'.")
    if not isinstance(expression, str):
        expression = ("," if form == "list" else " ").join(str(word) for word in expression)
    if len(expression) > MAX_LENGTH:
        raise TargetError(f"it is longer than {MAX_LENGTH} characters", "", 1)
    if not expression.strip():
        return Target(expression, form, _nothing, frozenset())
    compiler = _Compiler(nodegroups or {}, delimiter)
    if form == "compound":
        node = parse(expression)
        if node is None:  # pragma: no cover - a blank expression was answered above
            return Target(expression, form, _nothing, frozenset())
        return Target(expression, form, *compiler.node(node, expression))
    return Target(expression, form, *compiler.form(form, expression, delimiter))


Compiled: TypeAlias = tuple[Predicate, "frozenset[str] | None"]


class _Compiler:
    """Turns trees and single patterns into predicates. PATH holds the nodegroups that are being read."""

    def __init__(self, nodegroups: Nodegroups, delimiter: str) -> None:
        self.nodegroups, self.delimiter = nodegroups, delimiter
        self.path: tuple[str, ...] = ()
        self.groups: dict[str, Compiled] = {}
        self.budget = Budget()

    def node(self, node: Node, expression: str) -> Compiled:
        match node:
            case Term():
                return self.term(node, expression)
            case Not(item):
                test, _ = self.node(item, expression)
                return (lambda minion: not test(minion)), None
            case And(items):
                tests = [self.node(item, expression)[0] for item in items]
                return (lambda minion: all(test(minion) for test in tests)), None
            case Or(items):
                return _any([self.node(item, expression) for item in items])

    def term(self, term: Term, expression: str) -> Compiled:
        form = LETTERS[term.letter] if term.letter else "glob"
        try:
            if form == "list" and not _ids(term.pattern):
                raise TargetError("no id in this list", term.pattern, 1)
            return self.form(form, term.pattern, term.delimiter or self.delimiter)
        except _InNodegroup:
            raise
        except TargetError as error:
            raise error.inside(expression, term.offset) from None

    def form(self, form: str, text: str, delimiter: str) -> Compiled:
        match form:
            case "glob":
                test = patterns.id_glob(text)
                return (lambda minion: test(minion.id)), frozenset({text}) if patterns.is_exact(text) else None
            case "pcre":
                test = patterns.pcre(text)
                return (lambda minion: self.budget.spend(test, minion.id)), None
            case "list":
                ids = _ids(text)
                return (lambda minion: minion.id in ids), ids
            case "ipcidr":
                contains = patterns.subnet(text.strip())
                key = "ipv6" if ":" in text else "ipv4"
                return (lambda minion: contains(minion.grains.get(key))), None
            case "nodegroup":
                return self.nodegroup(text)
            case "grain" | "grain_pcre":
                search = self.search(text, delimiter, form)
                return (lambda minion: search(minion.grains)), None
            case _:
                search = self.search(text, delimiter, form)
                return (lambda minion: search(_pillar(minion))), None

    def search(self, text: str, delimiter: str, form: str) -> Callable[[Any], bool]:
        """`_search`, in bounded time where there are regular expressions."""
        search = _search(text, delimiter, form)
        if not form.endswith("_pcre"):
            return search
        key = text.partition(delimiter)[0]

        def bounded(data: Any) -> bool:
            if isinstance(data, Mapping):
                data.get(key)  # what is read or rendered only now takes its own time
            return self.budget.spend(search, data)

        return bounded

    def nodegroup(self, name: str) -> Compiled:
        if name not in self.nodegroups:
            raise TargetError(f"there is no nodegroup {name!r}.{nearest(name, self.nodegroups)}", name, 1)
        if name in self.path:
            loop = " → ".join((*self.path[self.path.index(name) :], name))
            raise TargetError(f"nodegroups that contain each other: {loop}", name, 1)
        if name not in self.groups:
            self.path = (*self.path, name)
            try:
                self.groups[name] = self.definition(name, self.nodegroups[name])
            finally:
                self.path = self.path[:-1]
        return self.groups[name]

    def definition(self, name: str, definition: object) -> Compiled:
        if len(self.path) > _MAX_NESTING:
            raise TargetError(f"more than {_MAX_NESTING} nodegroups within each other", name, 1)
        if isinstance(definition, str):
            return self.text(name, definition)
        if not isinstance(definition, Sequence) or not all(isinstance(word, str) for word in definition):
            raise TargetError(f"nodegroup {name!r} is neither a compound expression nor a list of texts", name, 1)
        if any(word in ("and", "or", "not", "(", ")") for word in definition):
            return self.text(name, " ".join(definition))
        return _any([self.text(name, word) for word in definition])

    def text(self, name: str, expression: str) -> Compiled:
        try:
            node = parse(expression)
            return self.node(node, expression) if node else (_nothing, frozenset())
        except _InNodegroup:
            raise
        except TargetError as error:
            problem = f"{error.problem} (in nodegroup {name!r})"
            raise _InNodegroup(problem, error.expression, error.column, error.hint) from None


class _InNodegroup(TargetError):
    """An error in the definition of a nodegroup: its place is in that text, not in the one that named the group."""


_MAX_NESTING = 50


def _any(compiled: list[Compiled]) -> Compiled:
    tests = [test for test, _ in compiled]
    exact: frozenset[str] | None = frozenset()
    for _, ids in compiled:
        exact = None if exact is None or ids is None else exact | ids
    return (lambda minion: any(test(minion) for test in tests)), exact


def _nothing(minion: MinionView) -> bool:
    return False


def _ids(text: str) -> frozenset[str]:
    return frozenset(word for word in (part.strip() for part in text.split(",")) if word)


def _search(text: str, delimiter: str, form: str) -> Callable[[Any], bool]:
    """The search for `key:pattern` in grains or pillar. Letter case does not matter in the value, as in Salt."""
    words = patterns.words_of(text, delimiter, MAX_WORDS)
    test_of, wildcards = _glob_test, True
    if form == "pillar_exact":
        test_of, wildcards = _exact_test, False
    elif form.endswith("_pcre"):
        test_of = _pcre_test
        offset = len(words[0] + delimiter)
        try:  # which words are keys depends on the data, but all behind the first must make sense as the pattern
            patterns.pcre(text[offset:])
        except TargetError as error:
            raise error.inside(text, offset) from None
    cache: dict[str, Test] = {}

    def cached(pattern: str) -> Test:
        if pattern not in cache:
            cache[pattern] = test_of(pattern)
        return cache[pattern]

    def search(data: Any) -> bool:
        return isinstance(data, Mapping) and match_nested(data, words, cached, delimiter, wildcards=wildcards)

    return search


def _glob_test(pattern: str) -> Test:
    return patterns.glob(pattern, ignore_case=True)


def _exact_test(pattern: str) -> Test:
    lower = pattern.lower()
    return lambda text: text.lower() == lower


def _pcre_test(pattern: str) -> Test:
    try:
        return patterns.pcre(pattern, ignore_case=True)
    except TargetError:  # the rest of a pattern that itself holds the delimiter, such as "(?:a)"
        return lambda text: False


def _pillar(minion: MinionView) -> Mapping[str, Any]:
    return minion.pillar() if callable(minion.pillar) else minion.pillar
