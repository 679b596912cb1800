"""What would fail in a state tree, found in one pass and without a run: every template is compiled, every top file
read, every SLS rendered and compiled by itself, every file that a state names looked for.

What only a node can tell (a grain, a pillar value, the output of a command) is no mistake of the tree; it is told
apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from saltern.context import Context, split_uri
from saltern.converge.state import is_state
from saltern.errors import NoValue, SalternError, SourceError, nearest
from saltern.loader import find
from saltern.marks import forbid_acting
from saltern.sls.check import Signatures
from saltern.sls.compile import compiled
from saltern.sls.high import Collector
from saltern.sls.low import Low
from saltern.sls.problems import Problems
from saltern.sls.render import Renderer
from saltern.sls.top import TOP, check_target, read_top, resolved
from saltern.sls.tree import Tree

_TEMPLATES = (".sls", ".jinja", ".j2")


@dataclass(frozen=True, slots=True)
class Report:
    """SLS: how many were looked at. ERRORS would end a run; UNKNOWN are the places where a value is missing here that a
    node may have."""

    sls: int
    errors: tuple[SourceError, ...]
    unknown: tuple[SourceError, ...]


def lint(ctx: Context, only: Iterable[str] | None = None) -> Report:
    """Look through all environments of the tree that CTX sees, or through the SLS ONLY. Nothing is changed anywhere: a
    template that would act is told as unknown."""
    tree, problems = Tree(ctx.files, Renderer(ctx, may_act=False)), Problems()
    wanted = None if only is None else set(only)
    count = 0
    with forbid_acting(), _custom(ctx, problems if wanted is None else None):
        for saltenv in ctx.files.environments():
            names = [name for name in tree.names(saltenv) if wanted is None or name in wanted]
            count += len(names)
            if wanted is None:
                _templates(tree, saltenv, problems)
                _top(tree, saltenv, ctx.config.module_options.get("nodegroups", {}), problems)
            for name in names:
                _sls(tree, name, saltenv, problems)
    if wanted is not None:
        _known(tree, wanted, problems)
    found = problems.found
    return Report(
        count,
        tuple(error for error in found if not isinstance(error, NoValue)),
        tuple(error for error in found if isinstance(error, NoValue)),
    )


@contextmanager
def _custom(ctx: Context, problems: Problems | None) -> Iterator[None]:
    """Let the block know the modules and states that the tree brings, by what their text says unless this is a job that
    may run them. What is wrong with them goes to PROBLEMS."""
    from saltern.custom.custom import KINDS
    from saltern.custom.source import TreeSource
    from saltern.custom.stubs import Stubs
    from saltern.runner import with_calls

    if problems is not None:
        source = TreeSource(ctx.files)
        for origin in (one for kind in (*KINDS, "runners") for one in source.origins(kind) if one.problem):
            line, found, message = origin.problem.removeprefix(f"{origin.path}:").partition(": ")
            if found and line.isdecimal():
                problems.add(SourceError(message, file=origin.path, line=int(line)))
            else:
                problems.add(SourceError((line + found + message).strip(), file=origin.path))
    with nullcontext() if ctx.extra.get("custom") else Stubs(ctx.files).offered(with_calls(ctx)):
        yield


def _known(tree: Tree, wanted: Iterable[str], problems: Problems) -> None:
    known = [name for saltenv in tree.files.environments() for name in tree.names(saltenv)]
    for name in sorted(set(wanted) - set(known)):
        problems.add(SourceError(f"there is no SLS {name!r}.{nearest(name, known)}"))


def _templates(tree: Tree, saltenv: str, problems: Problems) -> None:
    """Compile every template, also those that nothing imports."""
    for path in tree.files.list(saltenv):
        if path.endswith(_TEMPLATES):
            try:
                with open(tree.files.local(path, saltenv), encoding="utf-8") as file:
                    tree.renderer.compile(file.read(), file=path, saltenv=saltenv)
            except UnicodeDecodeError as error:
                problems.add(SourceError(f"not UTF-8: byte {error.start}", file=path))
            except SourceError as error:
                problems.add(error)


def _top(tree: Tree, saltenv: str, nodegroups: Any, problems: Problems) -> None:
    """Every target of the top file is one, and every SLS that it names is there."""
    if TOP not in tree.files.list(saltenv):
        return
    for entry in read_top(tree, saltenv, problems):
        try:
            check_target(entry, nodegroups)
        except SourceError as error:
            problems.add(error)
        for pattern, number in entry.sls:
            try:
                resolved(tree, entry, pattern, number)
            except SourceError as error:
                problems.add(error)


def _sls(tree: Tree, name: str, saltenv: str, problems: Problems) -> None:
    """NAME as `state.apply NAME` would compile it."""
    try:
        own = Problems()
        collector = Collector(tree, own)
        collector.add([name], saltenv)
        lows = compiled(collector.finish(), own, Signatures(_state))
        for error in own.found:
            problems.add(error)
        if not own.found:
            for missing in _sources(tree, lows):
                problems.add(missing)
    except SourceError as error:
        problems.add(error)
    except SalternError as error:
        problems.add(SourceError(str(error), file=name))


def _state(name: str) -> Callable[..., Any]:
    """The state NAME, of a minion's run or of an orchestration, whose SLS lie in the same tree."""
    if name.startswith("salt."):
        from saltern.orchestration import words

        return words.find(name)
    return find(name, "states", is_state)


def _sources(tree: Tree, lows: Iterable[Low]) -> Iterator[SourceError]:
    """The `salt://` files that states name and that are not in the tree. A folder counts as one."""
    for low in lows:
        for argument, value in low.args.items():
            listed = value if isinstance(value, list | tuple) else [value]
            for item in listed:
                if not isinstance(item, str) or not item.startswith("salt://"):
                    continue
                place = low.arg_places.get(argument, low.place)
                message = _missing(tree, item, low.saltenv)
                if message and len(listed) == 1:
                    yield SourceError(message, file=place.file, line=place.line, column=place.column)


def _missing(tree: Tree, uri: str, saltenv: str) -> str | None:
    try:
        path, env = split_uri(uri, saltenv)
    except ValueError as error:
        return str(error)
    known = tree.files.list(env) if env in tree.files.environments() else ()
    folder = path.rstrip("/") + "/"
    if path in known or any(other.startswith(folder) for other in known):
        return None
    return f"there is no file {path!r} in environment {env!r}.{nearest(path, known)}"
