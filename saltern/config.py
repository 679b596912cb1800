"""Settings of both ends, each with its unit, default and reason, and the places where things lie.

Files: `ROOT/etc/saltern/master` and `ROOT/etc/saltern/minion`, plus `*.conf` in `master.d` and `minion.d`, YAML, with
Salt's option names where Salt has one. An unknown option is an error with the nearest name. Nothing is ever read from
the current directory. ROOT is `/`, or what `--root DIR` gives.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from saltern.errors import ConfigError, nearest

CONTROL_PORT = 4515
FILES_PORT = 4516


@dataclass(frozen=True, slots=True)
class Paths:
    """Where things lie, by the Filesystem Hierarchy Standard, below ROOT."""

    root: Path = Path("/")

    @property
    def etc(self) -> Path:
        """Configuration: `/etc/saltern`."""
        return self.root / "etc/saltern"

    @property
    def srv(self) -> Path:
        """What the administrator writes: `/srv/saltern/{states,pillar}`."""
        return self.root / "srv/saltern"

    @property
    def var(self) -> Path:
        """What must be kept: `/var/lib/saltern/{master,minion}`."""
        return self.root / "var/lib/saltern"

    @property
    def run(self) -> Path:
        """Sockets and pid files: `/run/saltern`."""
        return self.root / "run/saltern"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of a minion (and of `saltern-call --local`)."""

    root: Path = Path("/")
    id: str = ""  # default: the fully qualified host name, else the host name
    master: str = ""  # address of the master: HOST, HOST:PORT, [V6]:PORT
    master_key: str = ""  # the master's public key, 64 hex digits, as `saltern-key finger` prints it
    grains: dict[str, Any] = field(default_factory=dict)  # static grains; they win over what is detected
    saltenv: str = "base"
    file_client: str = "remote"  # `local`: states come from file_roots
    file_roots: dict[str, list[str]] = field(default_factory=dict)
    pillar_roots: dict[str, list[str]] = field(default_factory=dict)
    log_level: str = "warning"
    worker_idle_s: float = 60.0  # how long a worker process is kept after a job, for the next one of a burst
    reconnect_min_s: float = 0.2
    reconnect_max_s: float = 30.0
    module_options: dict[str, Any] = field(default_factory=dict)

    @property
    def paths(self) -> Paths:
        """The places below `root`."""
        return Paths(self.root)


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterConfig:
    """The settings of a master."""

    root: Path = Path("/")
    interface: str = "0.0.0.0"  # noqa: S104 - a master serves its network; CURVE guards the door
    publish_address: str = ""  # what join tokens name; default: the address of the route that leads outside
    control_port: int = CONTROL_PORT
    files_port: int = FILES_PORT
    file_roots: dict[str, list[str]] = field(default_factory=dict)  # default: {"base": ["/srv/saltern/states"]}
    pillar_roots: dict[str, list[str]] = field(default_factory=dict)  # default: {"base": ["/srv/saltern/pillar"]}
    nodegroups: dict[str, Any] = field(default_factory=dict)
    users: list[str] = field(default_factory=list)  # who, beside root and the daemon's own user, may command it
    timeout: float = 0.0  # seconds until a job that is still running is reported as timed out; 0: never
    job_ttl_s: float = 3600.0  # a job that was not received within this time is never started
    keep_jobs_hours: float = 24.0
    log_level: str = "warning"

    @property
    def paths(self) -> Paths:
        """The places below `root`."""
        return Paths(self.root)


def load_minion(root: Path = Path("/"), directory: Path | None = None) -> Config:
    """The minion's settings from ROOT/etc/saltern (or DIRECTORY). ConfigError names file and option."""
    values = _read(directory or Paths(root).etc, "minion", Config)
    return Config(**{"root": root, **values})


def load_master(root: Path = Path("/"), directory: Path | None = None) -> MasterConfig:
    """The master's settings; see `load_minion`."""
    values = _read(directory or Paths(root).etc, "master", MasterConfig)
    config = MasterConfig(**{"root": root, **values})
    roots = {
        "file_roots": config.file_roots or {"base": [str(config.paths.srv / "states")]},
        "pillar_roots": config.pillar_roots or {"base": [str(config.paths.srv / "pillar")]},
    }
    return MasterConfig(**{**{f.name: getattr(config, f.name) for f in fields(config)}, **roots})


def _read(directory: Path, name: str, kind: type[Config] | type[MasterConfig]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    extra = sorted((directory / f"{name}.d").glob("*.conf")) if (directory / f"{name}.d").is_dir() else []
    for file in [directory / name, *extra]:
        try:
            status = file.stat()
        except FileNotFoundError:
            continue
        if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigError(f"{file}: refused, since others may write to it: chown root and chmod go-w it")
        values.update(_checked(file, kind))
    return values


def _checked(file: Path, kind: type[Config] | type[MasterConfig]) -> dict[str, Any]:
    import yaml  # only where a file exists: starting without one stays quick

    try:
        read = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file)
        raise ConfigError(f"{place}: {getattr(error, 'problem', None) or error}") from None
    if read is None:
        return {}
    if not isinstance(read, dict):
        raise ConfigError(f"{file}: expected options as `name: value` lines")
    known = {f.name: f for f in fields(kind) if f.name != "root"}
    defaults = kind()
    for key, value in read.items():
        if key not in known:
            raise ConfigError(f"{file}: unknown option {key!r}.{nearest(str(key), known)}")
        wanted = type(getattr(defaults, key))
        if wanted is float and type(value) is int:
            read[key] = float(value)
        elif not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise ConfigError(f"{file}: option {key} wants {_WORDS[wanted]}, not {value!r}")
    return read


_WORDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a mapping",
    bool: "true or false",
}
