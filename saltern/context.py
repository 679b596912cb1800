"""What a function may need of its surroundings, as one explicit argument.

A function of `modules/` or `states/` whose first parameter is named `ctx` gets it; the others don't.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from saltern import names
from saltern.asks import Ask
from saltern.config import Config

if TYPE_CHECKING:
    from saltern.converge.around import Around


class FileSource(Protocol):
    """The files of the state tree, by environment and path relative to its root ("nfs/init.sls")."""

    def environments(self) -> tuple[str, ...]:
        """The names of all environments, `base` first."""
        ...

    def list(self, saltenv: str = "base") -> tuple[str, ...]:
        """Every path of the environment, sorted."""
        ...

    def digest(self, path: str, saltenv: str = "base") -> str | None:
        """The SHA-256 of a file in hex, without fetching it; None where there is no such file."""
        ...

    def fetch(self, paths: tuple[str, ...], saltenv: str = "base") -> None:
        """Bring the files here in one batch. FileNotFoundError names the first that does not exist."""
        ...

    def local(self, path: str, saltenv: str = "base") -> Path:
        """A readable, verified local copy (fetched where needed). FileNotFoundError where there is no such file."""
        ...

    def mode(self, path: str, saltenv: str = "base") -> int:
        """The permission bits that the file has in the tree."""
        ...

    def hand_over(self, path: str, saltenv: str = "base") -> Path | None:
        """Bring the file and keep none: a verified copy, which the caller moves away or removes. None where it is here
        already (`local`). FileNotFoundError where there is no such file."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The surroundings of one job: who we are, what we know, what we may call."""

    id: str
    config: Config
    grains: Mapping[str, Any] = field(repr=False)
    pillar: Mapping[str, Any] = field(repr=False)  # a step that holds a context must not show what it knows
    files: FileSource
    saltenv: str = "base"
    test: bool = False
    jid: str = "local"
    call: Callable[..., Any] | None = None  # the execution functions: call("grains.get", "os"); set by the loader
    ask: Ask | None = None  # the way to the master; None: this node has none
    progress: Callable[[int, int, str], None] = lambda step, total, state_id: None
    extra: Mapping[str, Any] = field(default_factory=dict)
    around: Around | None = field(default=None, repr=False, compare=False)  # the state's run; None outside of one


def split_uri(uri: str, default_env: str = "base") -> tuple[str, str]:
    """`salt://web/nginx.conf?saltenv=dev` as ("web/nginx.conf", "dev"). ValueError for any other scheme or a path
    that leaves the tree."""
    scheme, found, rest = uri.partition("salt://")
    if scheme or not found:
        raise ValueError(f"not a file of the state tree (salt://PATH): {uri!r}")
    path, _, query = rest.partition("?saltenv=")
    parts = path.split("/")
    if not path or path.startswith("/") or "\0" in path or "\\" in path or any(p in ("", ".", "..") for p in parts):
        raise ValueError(f"not a path inside the state tree: {uri!r}")
    return path, names.saltenv(query) if query else default_env


def iter_under(files: FileSource, folder: str, saltenv: str) -> Iterator[str]:
    """The paths below FOLDER; all of them for ''."""
    prefix = folder.rstrip("/") + "/" if folder else ""
    return (path for path in files.list(saltenv) if path.startswith(prefix))
