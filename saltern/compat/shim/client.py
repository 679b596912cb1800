"""`salt.client`: how a runner made for Salt has functions run on minions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from saltern.compat.shim.exceptions import SaltException

if TYPE_CHECKING:
    from saltern.custom.master import Master

MASTER: ContextVar[Master | None] = ContextVar("saltern_runner_master", default=None)


class LocalClient:
    """The master that this runner runs for, whatever configuration is named."""

    def __init__(self, *_: Any, **__: Any) -> None:
        found = MASTER.get()
        if found is None:
            raise SaltException("salt.client is for runners: a module on a minion has no master to command")
        self._master = found

    def cmd(
        self,
        tgt: Any,
        fun: str,
        arg: Sequence[Any] = (),
        timeout: float | None = None,
        tgt_type: str = "glob",
        ret: str = "",
        jid: str = "",
        full_return: bool = False,
        kwarg: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        """Run FUN on the minions that TGT matches: what each returned, by id; FULL_RETURN: as {"ret", "retcode"}."""
        target = ",".join(tgt) if isinstance(tgt, list | tuple) else str(tgt)
        form = "list" if isinstance(tgt, list | tuple) else tgt_type
        ended = self._master.publish(target, fun, list(arg), dict(kwarg or {}), form, timeout or 0)
        if full_return:
            return {id: {"ret": one.value, "retcode": 0 if one.success else 1} for id, one in ended.items()}
        return {id: one.value for id, one in ended.items() if one.outcome in ("done", "failed")}

    def __enter__(self) -> LocalClient:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def get_local_client(*_: Any, **__: Any) -> LocalClient:
    """The client."""
    return LocalClient()
