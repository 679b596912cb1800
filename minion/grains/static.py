"""Static grains: what the administrator says of a node, in its configuration or in `ROOT/etc/saltern/grains`."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from saltern.config import Config
from saltern.errors import ConfigError

MAX_DEPTH = 50


def static_grains(config: Config) -> dict[str, Any]:
    """The grains of the file over those of the configuration. ConfigError says what is wrong where."""
    option = f"{config.paths.etc / 'minion'}: option grains"
    return {**checked(config.grains, option), **read_file(config.paths.etc / "grains")}


def read_file(file: Path) -> dict[str, Any]:
    """The grains in FILE, none where there is no such file."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
    if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise ConfigError(f"{file}: refused, since others may write to it: chown root and chmod go-w it")
    try:
        return parse(file.read_text(), str(file))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None


def parse(source: str, name: str) -> dict[str, Any]:
    """The grains in the YAML text SOURCE. ConfigError as NAME:line:column."""
    import yaml  # only where there is such a file

    try:
        loader = yaml.SafeLoader(source)
        root = loader.get_single_node()
        if root is None or root.tag == "tag:yaml.org,2002:null":
            return {}
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError(f"{_place(name, root)}: expected grains as `name: value` lines")
        seen: set[str] = set()
        for key, _ in root.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if key.tag != "tag:yaml.org,2002:str":
                hint = f"write {key.value!r} in quotes" if isinstance(key.value, str) else "write a plain name"
                raise ConfigError(f"{_place(name, key)}: the name of a grain must be a text: {hint}")
            if key.value == "id":
                raise ConfigError(f"{_place(name, key)}: {_NO_ID}")
            if key.value in seen:
                raise ConfigError(f"{_place(name, key)}: grain {key.value!r} is given twice")
            seen.add(key.value)
        values = loader.construct_document(root)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise ConfigError(f"{place}: {getattr(error, 'problem', None) or error}") from None
    except (RecursionError, ValueError, TypeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{name}: {error}") from None
    return checked(values, name)


_NO_ID = "'id' is no static grain: set the option `id` of the minion's configuration"


def _place(name: str, node: Any) -> str:
    return f"{name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def checked(values: dict[Any, Any], place: str) -> dict[str, Any]:
    """VALUES as plain data. ConfigError for a name that is no text, for `id`, and for what no grain can be."""
    for name in values:
        if not isinstance(name, str):
            raise ConfigError(f"{place}: the name of a grain must be a text, not {name!r}: write it in quotes")
    if "id" in values:
        raise ConfigError(f"{place}: {_NO_ID}")
    return {name: _plain(value, f"{place}: grain {name!r}", MAX_DEPTH) for name, value in values.items()}


def _plain(value: Any, place: str, depth: int) -> Any:
    if depth == 0:
        raise ConfigError(f"{place} is more than {MAX_DEPTH} levels deep")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {
            key if isinstance(key, str) else str(key): _plain(item, place, depth - 1) for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(item, place, depth - 1) for item in value]
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    raise ConfigError(f"{place} has a value that no grain can have: {type(value).__name__}")
