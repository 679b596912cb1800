"""The sources that the master's `ext_pillar` lists, made from its words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pillar.external import Checked, External
from saltern.errors import ConfigError, nearest


def externals(listed: Sequence[Any], folder: Path, nodegroups: Mapping[str, Any]) -> list[External]:
    """The sources that `ext_pillar` lists. FOLDER is where they may keep something. ConfigError with the place."""
    found: list[External] = []
    for number, item in enumerate(listed, 1):
        if not isinstance(item, Mapping) or len(item) != 1:
            raise ConfigError(f"ext_pillar {number} wants one `kind: options`, not {item!r}")
        [(kind, options)] = item.items()
        if kind not in KINDS:
            raise ConfigError(
                f"ext_pillar {number}: there is no kind {kind!r}.{nearest(str(kind), KINDS)} "
                f"There are {', '.join(KINDS)}."
            )
        found += KINDS[kind](f"ext_pillar {number} ({kind})", options, folder, nodegroups)
    return found


def _file_tree(place: str, options: Any, _: Path, nodegroups: Mapping[str, Any]) -> list[External]:
    from pillar.file_tree import FileTree

    return [FileTree(Checked(place, {"root_dir": options} if isinstance(options, str) else options), nodegroups)]


def _command(place: str, options: Any, form: str) -> list[External]:
    from pillar.command import Command

    if isinstance(options, str):
        raise ConfigError(f"{place} wants its command as a list, since there is no shell: [/usr/bin/inventory, '%s']")
    return [Command(Checked(place, {"command": options} if isinstance(options, list) else options), form)]


def _git(place: str, options: Any, folder: Path, _: Mapping[str, Any]) -> list[External]:
    from pillar.git import sources

    return [*sources(place, options, folder)]


def _http(place: str, options: Any, form: str) -> list[External]:
    from pillar.http import Http

    return [Http(Checked(place, {"url": options} if isinstance(options, str) else options), form)]


KINDS: Mapping[str, Callable[[str, Any, Path, Mapping[str, Any]], list[External]]] = {
    "file_tree": _file_tree,
    "cmd_yaml": lambda place, options, folder, groups: _command(place, options, "yaml"),
    "cmd_json": lambda place, options, folder, groups: _command(place, options, "json"),
    "git": _git,
    "http_json": lambda place, options, folder, groups: _http(place, options, "json"),
    "http_yaml": lambda place, options, folder, groups: _http(place, options, "yaml"),
}
