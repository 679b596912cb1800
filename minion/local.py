"""Where `saltern-call` comes in, and the surroundings of a job that runs on this node without an agent (`--local`).

Grains, pillar and files are looked at when they are first asked for, so a function that needs none of them is quick.
"""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from minion.custom import in_tree
from minion.grains import LazyGrains, own_id
from minion.transactions import offered
from saltern.asks import MasterAway
from saltern.config import Config, load_minion
from saltern.context import Context
from saltern.errors import UsageError
from saltern.files import LocalFiles
from saltern.jid import jid_of
from saltern.lazy import LazyMapping
from saltern.runner import FunctionResult, run_function

_ONLY_LOCAL = {"file_roots": "--file-root", "pillar_roots": "--pillar-root", "grains": "--grains"}


def build_context(
    *,
    root: Path = Path("/"),
    directory: Path | None = None,
    id: str = "",
    file_roots: Sequence[str] = (),
    pillar_roots: Sequence[str] = (),
    grains: Mapping[str, Any] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    offer_custom: bool = True,
) -> Context:
    """The context of a local job. DIRECTORY holds the file `minion` (default: ROOT/etc/saltern); the other arguments
    win over what it says: FILE_ROOTS and PILLAR_ROOTS for the environment `base`, GRAINS one by one. PROGRESS is told
    of each state that is about to run. OFFER_CUSTOM: the code in the trees may be run. ConfigError."""
    config = load_minion(root, directory)
    changed: dict[str, Any] = {}
    if id:
        changed["id"] = id
    if file_roots:
        changed["file_roots"] = {**config.file_roots, "base": list(file_roots)}
    elif not config.file_roots:
        changed["file_roots"] = {"base": [str(config.paths.srv / "states")]}
    if pillar_roots:
        changed["pillar_roots"] = {**config.pillar_roots, "base": list(pillar_roots)}
    elif not config.pillar_roots:
        changed["pillar_roots"] = {"base": [str(config.paths.srv / "pillar")]}
    if grains:
        changed["grains"] = {**config.grains, **grains}
    config = replace(config, **changed)
    name = own_id(config)
    if not config.id:
        config = replace(config, id=name)
    files = LocalFiles(config.file_roots)
    custom = in_tree(config, files) if offer_custom else None
    facts = LazyGrains(config, custom)
    compile_pillar = partial(_pillar, config, facts)
    return Context(
        id=name,
        config=config,
        grains=facts,
        pillar=LazyMapping(compile_pillar),
        files=files,
        saltenv=config.saltenv,
        test=config.module_options.get("test") is True,
        jid=jid_of(time.time()),
        ask=_agent_wanted if config.file_client != "local" and _has_master(config) else None,
        progress=progress or (lambda step, total, state_id: None),
        extra={
            "pillar_of": lambda override, pillarenv, fresh: compile_pillar(override, pillarenv),
            "renew_pillar": compile_pillar,
            "renew_grains": partial(LazyGrains, config, custom),
            "custom": custom,
            **offered(None),
        },
    )


def run(
    function: str, args: Sequence[Any], kwargs: Mapping[str, Any], *, local: bool, **settings: Any
) -> FunctionResult:
    """Run FUNCTION here: without an agent where LOCAL or the configuration (`file_client: local`) says so, else with
    the trees and the pillar that the running agent has from its master. SETTINGS as `build_context`. ConfigError,
    UsageError, and as `minion.by_agent.run`."""
    ctx = build_context(**settings)
    if local or ctx.config.file_client == "local":
        return run_function(function, args, kwargs, ctx)
    for setting, option in _ONLY_LOCAL.items():
        if settings.get(setting):
            raise UsageError(f"{option} goes with --local: without it, the master says what holds here")
    from minion import by_agent  # late: a local call is quick without it

    return by_agent.run(function, args, kwargs, ctx)


def _has_master(config: Config) -> bool:
    """Whether this node has joined a master, or is told of one."""
    return bool(config.master) or os.path.exists(config.paths.var / "minion/keys/master")


def _agent_wanted(what: str, args: Mapping[str, Any], /) -> Any:
    """`Context.ask` of a call by `--local` on a node that has a master."""
    raise MasterAway("this node's master is not asked by --local: call it without")


def _pillar(
    config: Config, grains: Mapping[str, Any], override: Mapping[str, Any] | None = None, pillarenv: str | None = None
) -> Mapping[str, Any]:
    """The pillar of this node from its own pillar_roots, of one environment where the configuration or PILLARENV says
    so. What is sealed there stays closed."""
    if not any(os.path.isdir(root) for roots in config.pillar_roots.values() for root in roots):
        return dict(override or {})
    from saltern.closed import Closed

    compiler = importlib.import_module("pillar.compiler")  # late: a minion has it on its disk only for local work
    compiled: Mapping[str, Any] = compiler.compile_pillar(
        LocalFiles(config.pillar_roots),
        config.id,
        grains,
        saltenv=pillarenv or config.pillarenv or None,
        override=override,
        nodegroups=config.module_options.get("nodegroups", {}),
        strategy=config.pillar_source_merging_strategy,
        merge_lists=config.pillar_merge_lists,
        opener=lambda minions, box: Closed(minions),
    )
    return compiled
