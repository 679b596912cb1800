"""What would fail in a state tree, found in one pass and without a run: every template is compiled, every top file
read, every SLS rendered and compiled by itself, every file that a state names looked for.

What only a node can tell (a grain, a pillar value, the output of a command) is no mistake of the tree; it is told
apart.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from saltern.context import Context
from saltern.converge.state import is_state
from saltern.errors import NoValue, SalternError, SourceError, nearest
from saltern.files import LocalFiles
from saltern.loader import find
from saltern.marks import forbid_acting
from saltern.orchestration.missing import missing_sls
from saltern.runner import with_calls
from saltern.sls.check import Signatures
from saltern.sls.compile import compiled
from saltern.sls.high import Collector
from saltern.sls.lint_files import broken_templates, missing_sources
from saltern.sls.lint_guess import sure_errors
from saltern.sls.lint_pillar import given_keys, unknown_keys
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
    ctx = ctx if ctx.call else with_calls(ctx)
    tree, problems = Tree(ctx.files, Renderer(ctx, may_act=False)), Problems()
    wanted = None if only is None else set(only)
    count = 0
    with forbid_acting(), _custom(ctx, problems if wanted is None else None):
        for saltenv in ctx.files.environments():
            names = [name for name in tree.names(saltenv) if wanted is None or name in wanted]
            count += len(names)
            if wanted is None:
                _templates(tree, saltenv, problems)
                check_top(tree, saltenv, ctx.config.module_options.get("nodegroups", {}), problems)
            for name in names:
                _sls(tree, name, saltenv, problems)
        _pillar_keys(tree, wanted, problems)
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
    from saltern.custom.kinds import KINDS
    from saltern.custom.source import TreeSource
    from saltern.custom.stubs import Stubs

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
                    text = file.read()
                tree.renderer.compile(text, file=path, saltenv=saltenv)
            except UnicodeDecodeError as error:
                problems.add(SourceError(f"not UTF-8: byte {error.start}", file=path))
            except SourceError as error:
                problems.add(error)


def _pillar_keys(tree: Tree, wanted: Container[str] | None, problems: Problems) -> None:
    """Pillar keys that nobody gives; nothing where there is no pillar to compare with."""
    ctx = tree.renderer.ctx
    known = given_keys(LocalFiles(ctx.config.pillar_roots)) | {str(key) for key in ctx.pillar}
    told = {(error.file, error.line) for error in problems.found}
    for saltenv in ctx.files.environments() if known else ():
        for path in ctx.files.list(saltenv):
            name = path.removesuffix(".sls").removesuffix("/init").replace("/", ".")
            if path.endswith(_TEMPLATES) and (wanted is None or name in wanted):
                with open(ctx.files.local(path, saltenv), encoding="utf-8", errors="replace") as file:
                    text = file.read()
                for error in unknown_keys(path, text, known):
                    if (error.file, error.line) not in told:
                        problems.add(error)


def check_top(tree: Tree, saltenv: str, nodegroups: Any, problems: Problems) -> None:
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
            for missing in (*missing_sources(tree, lows), *broken_templates(tree, lows), *missing_sls(tree, lows)):
                problems.add(missing)
        elif any(isinstance(error, NoValue) for error in own.found):
            for error in sure_errors(tree.renderer.ctx, name, saltenv):
                problems.add(error)
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
