"""Which minions a target means: globs, PCRE, lists, grains, pillar, subnets, nodegroups and compound expressions.

Whoever asks gives what it holds of a minion (`MinionView`), so targets are evaluated where the grains are: on the
master for jobs and pillar, on the minion for a top file. An empty target matches nothing. Nothing is imported before
it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saltern.targeting.errors import TargetError
    from saltern.targeting.target import FORMS, MinionView, Target, compile_target, matches

__all__ = ["FORMS", "MinionView", "Target", "TargetError", "compile_target", "matches"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = import_module("saltern.targeting." + ("errors" if name == "TargetError" else "target"))
    return getattr(module, name)
