"""The state tree of a job: what the top files give the minion, and the high and low state of any SLS.

tree = StateTree(ctx)
tree.low(["net", "nfs"])      # state.apply net,nfs
tree.low(None)                # state.highstate
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from saltern.context import Context
from saltern.errors import SourceError, nearest
from saltern.sls.check import Signatures
from saltern.sls.compile import compiled
from saltern.sls.declaration import Declaration, StateDeclaration
from saltern.sls.high import Collector, High
from saltern.sls.low import Low
from saltern.sls.problems import Problems
from saltern.sls.render import renderer_of
from saltern.sls.single import single_document
from saltern.sls.tree import Tree


class StateTree:
    """The state tree that the job CTX sees. Nothing is read before it is needed. SIGNATURES: of other states than those
    of `states/`. TOP_FILE: the name of the top files, where it is another than the minion's option `state_top`."""

    def __init__(self, ctx: Context, signatures: Signatures | None = None, top_file: str = "") -> None:
        self.ctx, self._signatures, self._top_file = ctx, signatures, top_file
        self.tree = Tree(ctx.files, renderer_of(ctx))

    def top(self, saltenv: str | None = None) -> dict[str, list[str]]:
        """The SLS that the top files give this minion, by environment (only SALTENV where given). SourceError."""
        from saltern.sls.top import TOP, TopFiles, top_for
        from saltern.targeting import MinionView

        ctx = self.ctx
        return top_for(
            self.tree,
            MinionView(ctx.id, ctx.grains, ctx.pillar),
            nodegroups=_option(ctx, "nodegroups", {}),
            saltenv=saltenv,
            strategy=_option(ctx, "top_file_merging_strategy", "merge"),
            files=TopFiles(
                self._top_file or _option(ctx, "state_top", TOP),
                _option(ctx, "env_order", ()),
                _option(ctx, "default_top", "base"),
                _option(ctx, "state_top_saltenv", None),
            ),
        )

    def high(
        self, sls: Sequence[str] | None = None, saltenv: str | None = None, *, exclude: Iterable[Any] | str = ()
    ) -> dict[str, Any]:
        """The high state of these SLS (None: of the highstate) in Salt's shape: {id: {module: [fun, {argument: value},
        …, {"order": N}], "__sls__": …, "__env__": …}}, plain data. SourceError for all that is wrong with the SLS."""
        problems = Problems()
        high = self._collect(sls, saltenv, exclude, problems)
        problems.check()
        return _shown(high)

    def low(
        self,
        sls: Sequence[str] | None = None,
        saltenv: str | None = None,
        *,
        exclude: Iterable[Any] | str = (),
        ids: Iterable[str] | None = None,
    ) -> list[Low]:
        """The low state of these SLS (None: of the highstate), in the order in which it runs.

        EXCLUDE: ids, {"sls": name} or {"id": id}, or SLS names as one text with commas. IDS: of the low state only
        these ids (or names), without what they require. SourceError (SourceErrors for several) names every mistake in
        what the user wrote; then nothing is to be run.
        """
        problems = Problems()
        with _uncollected():
            high = self._collect(sls, saltenv, exclude, problems)
            found = compiled(high, problems, self._signatures)
        problems.check()
        return found if ids is None else _only(found, list(ids))

    def single(self, fun: str, name: str, kwargs: Mapping[str, Any] | None = None) -> list[Low]:
        """The low state of one call, as `state.single` makes it. Requisites have nothing to name here."""
        return self.data({name: {fun: [{key: value} for key, value in (kwargs or {}).items()]}}, "state.single")

    def data(self, data: Mapping[str, Any], file: str = "state.high") -> list[Low]:
        """The low state of high DATA that was not read from a file; FILE is what errors call it."""
        from saltern.sls.declaration import declarations

        problems, high = Problems(), High()
        document = single_document(data, file)
        for declaration in declarations(document, "", self.ctx.saltenv, problems):
            high.declarations[declaration.id] = declaration
        found = compiled(high, problems)
        problems.check()
        return found

    def text(self, text: str, file: str = "template", saltenv: str | None = None) -> list[Low]:
        """The low state of an SLS that is not in the tree, as `state.template_str` takes it."""
        from saltern.sls.declaration import declarations

        env = saltenv or self.ctx.saltenv
        problems, high = Problems(), High()
        document = self.tree.renderer.document(text, file=file, saltenv=env, sls=file)
        if isinstance(document.data, dict):
            for declaration in declarations(document, file, env, problems):
                high.declarations[declaration.id] = declaration
        elif document.data is not None:
            problems.add(document.error(f"{file} is no mapping of ids"))
        found = compiled(high, problems)
        problems.check()
        return found

    def _collect(
        self, sls: Sequence[str] | None, saltenv: str | None, exclude: Iterable[Any] | str, problems: Problems
    ) -> High:
        collector = Collector(self.tree, problems)
        if sls is None:
            for env, names in self.top(saltenv).items():
                collector.add(names, env)
        else:
            collector.add(list(dict.fromkeys(sls)), saltenv or self.ctx.saltenv)
        return collector.finish(_excluded(exclude))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collection: compiling makes many objects that stay, and to look through them again and again for
    garbage would take a third of its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _excluded(exclude: Iterable[Any] | str) -> list[Any]:
    if isinstance(exclude, str):
        return [{"sls": name.strip()} for name in exclude.split(",") if name.strip()]
    return list(exclude)


def _only(found: list[Low], ids: list[str]) -> list[Low]:
    known = [low.id for low in found]
    for id in ids:
        if id not in known and not any(low.name == id for low in found):
            raise SourceError(f"there is no id {id!r} in these SLS.{nearest(id, known)}")
    return [low for low in found if low.id in ids or low.name in ids]


def _shown(high: High) -> dict[str, Any]:
    """HIGH in Salt's shape."""
    number = 10000
    shown: dict[str, Any] = {}
    for declaration in high.declarations.values():
        body: dict[str, Any] = {}
        for state in declaration.states.values():
            body[state.module] = _shown_state(declaration, state, number)
            number += 1
        shown[declaration.id] = {**body, "__sls__": declaration.sls, "__env__": declaration.saltenv}
    return shown


def _shown_state(declaration: Declaration, state: StateDeclaration, number: int) -> list[Any]:
    arguments: list[Any] = [{argument.name: argument.value} for argument in state.arguments]
    ordered = any(argument.name == "order" for argument in state.arguments)
    return [*arguments, state.fun, *([] if ordered else [{"order": number}])]


def _option(ctx: Context, name: str, default: Any) -> Any:
    """An option of the minion that has a field of its own or stands among the others."""
    return getattr(ctx.config, name, None) or ctx.config.module_options.get(name, default)
