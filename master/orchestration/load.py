"""Compiles an orchestration: SLS of the master's tree, rendered with what an orchestration may know.

Rendering takes time, so the master has this done in another process (`apart`). A template knows `pillar` (what the
command gave), `opts`, `saltenv` and `salt['saltutil.runner']`, which calls runners that only tell; it has no grains,
since there is no minion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saltern import names
from saltern.config import Config, MasterConfig
from saltern.context import Context
from saltern.errors import SourceError, UsageError
from saltern.files import LocalFiles
from saltern.orchestration import words
from saltern.orchestration.asked import Asked
from saltern.orchestration.missing import missing_sls
from saltern.sls.check import Signatures
from saltern.sls.low import Low
from saltern.sls.problems import Problems
from saltern.sls.render import Renderer
from saltern.sls.state_tree import StateTree

_TOLD = ("interface", "control_port", "files_port", "file_roots", "pillar_roots", "nodegroups", "timeout", "log_level")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The SLS MODS of SALTENV, with PILLAR for its templates; TEST: nothing is to change. EXCLUDE: SLS or ids that are
    left out, as `state.apply` takes them."""

    mods: Sequence[str]
    saltenv: str = "base"
    pillar: Mapping[str, Any] = field(default_factory=dict)
    test: bool = False
    exclude: str | Sequence[Any] = ()


def wanted(mods: object, saltenv: object, test: object, pillar: object, exclude: object) -> Wanted:
    """What the arguments of `state.orchestrate` say. UsageError."""
    listed = mods.split(",") if isinstance(mods, str) else mods
    if not isinstance(listed, list | tuple) or not all(isinstance(one, str) and one.strip() for one in listed):
        raise UsageError(f"mods wants the names of SLS, like orch.platform, not {mods!r}")
    if not listed:
        raise UsageError("which SLS? state.orchestrate SLS")
    if pillar is not None and not isinstance(pillar, Mapping):
        raise UsageError(f"pillar wants a mapping, like pillar='{{release: 5}}', not {pillar!r}")
    if test is not None and not isinstance(test, bool):
        raise UsageError(f"test wants true or false, not {test!r}")
    if exclude is not None and not isinstance(exclude, str | list | tuple):
        raise UsageError(f"exclude wants names of SLS, not {exclude!r}")
    return Wanted(
        mods=[one.strip() for one in listed],
        saltenv=names.saltenv(saltenv or "base"),
        pillar=dict(pillar or {}),
        test=bool(test),
        exclude=exclude or (),
    )


def compiled(config: MasterConfig, asked: Wanted, call: Callable[..., Any], check: Callable[[Low], None]) -> list[Low]:
    """The states of the orchestration in their order. CALL is what templates have as `saltutil.runner`; CHECK raises
    UsageError for a state that can't be done on this master. SourceError for all that is wrong."""
    return checked(*read(settings(config), asked, call), check)


def settings(config: MasterConfig) -> dict[str, Any]:
    """What of CONFIG an orchestration may know, by name, and where the master's files lie."""
    return {"root": str(config.root), **{name: getattr(config, name) for name in _TOLD}}


def read(told: Mapping[str, Any], asked: Wanted, call: Callable[..., Any]) -> tuple[list[Low], list[SourceError]]:
    """The states, and which SLS they name that are not there. TOLD are `settings`. SourceError."""
    root = Path(told["root"])
    ctx = Context(
        id="master",
        config=Config(root=root, id="master"),
        grains={},
        pillar=asked.pillar,
        files=LocalFiles(told["file_roots"]),
        saltenv=asked.saltenv,
        test=asked.test,
        extra={},
    )
    opts = {**told, "id": "master", "saltenv": asked.saltenv, "test": asked.test}
    functions = {"saltutil.runner": call}
    globals = {"opts": {**opts, "pillar": asked.pillar}}
    ctx = _with_renderer(ctx, lambda it: Renderer(it, sandboxed=True, functions=functions, globals=globals))
    states = StateTree(ctx, Signatures(words.find))
    lows = states.low(asked.mods, asked.saltenv, exclude=asked.exclude)
    if not lows:
        raise SourceError(f"the SLS {', '.join(asked.mods)} has no states: there is nothing to do")
    return lows, list(missing_sls(states.tree, lows))


def checked(lows: list[Low], missing: Sequence[SourceError], check: Callable[[Low], None]) -> list[Low]:
    """LOWS, where CHECK raises no UsageError for one and none is MISSING. SourceError."""
    problems = Problems()
    for low in lows:
        place = low.place
        try:
            check(low)
        except UsageError as wrong:
            problems.add(SourceError(str(wrong), file=place.file, line=place.line, column=place.column))
    for error in missing:
        problems.add(error)
    problems.check()
    return lows


def asked_by(low: Low) -> Asked:
    """What the state LOW asks for."""
    return words.find(f"{low.module}.{low.fun}")(low.name, **low.args)


def _with_renderer(ctx: Context, make: Callable[[Context], Renderer]) -> Context:
    """CTX, whose templates are rendered by what MAKE makes (see `saltern.sls.render.renderer_of`)."""
    assert isinstance(ctx.extra, dict)
    ctx.extra["renderer"] = make(ctx)
    return ctx
