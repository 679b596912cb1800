"""The surroundings of a runner that was made for Salt."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from saltern.compat.imports import import_
from saltern.compat.shim import client
from saltern.compat.surroundings import Utils

if TYPE_CHECKING:
    from saltern.custom.custom import Custom
    from saltern.custom.master import Master


class RunnerBridge:
    """What `dress` puts in: as `Bridge`, for the MASTER."""

    def __init__(self, custom: Custom, master: Master, roots: Mapping[str, Sequence[str]]) -> None:
        self.custom = custom
        self.inside: ContextVar[bool] = ContextVar("saltern_inside_bridge", default=False)
        client.MASTER.set(master)
        self.names: dict[str, Any] = {
            "__salt__": _Runners(master),
            "__opts__": {
                "root_dir": master.root,
                "conf_file": f"{master.root.rstrip('/')}/etc/saltern/master",
                "file_roots": {env: list(folders) for env, folders in roots.items()},
                "__role": "master",
            },
            "__context__": {},
            "__grains__": {},
            "__pillar__": {},
            "__utils__": Utils(self),
            "__builtins__": {**vars(builtins), "__import__": import_},
        }

    def reveal(self, value: Any) -> Any:
        """VALUE: a runner is given no secrets."""
        return value

    def mask(self, value: Any) -> Any:
        """VALUE."""
        return value


class _Runners(Mapping[str, Callable[..., Any]]):
    """`__salt__` on the master: its runners."""

    def __init__(self, master: Master) -> None:
        self._master = master

    def __getitem__(self, name: str) -> Callable[..., Any]:
        if name not in self.known():
            raise KeyError(f"there is no runner {name!r}")
        return lambda *args, **kwargs: self._master.call(name, *args, **kwargs)

    def known(self) -> Mapping[str, str]:
        """The runners and what they do."""
        found: Mapping[str, str] = self._master.call("doc.runner")
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.known())

    def __len__(self) -> int:
        return len(self.known())
