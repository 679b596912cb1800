"""Settings of both ends, each with its unit, default and reason, and the places where things lie.

Files: `ROOT/etc/saltern/master` and `ROOT/etc/saltern/minion`, plus `*.conf` in `master.d` and `minion.d`, YAML, with
Salt's option names where Salt has one. An unknown option is an error with the nearest name. Nothing is ever read from
the current directory. ROOT is `/`, or what `--root DIR` gives.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
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
    pillarenv: str = ""  # the one environment that the pillar comes from; none: all of them
    pillarenv_from_saltenv: bool = False  # a run with `saltenv` has that one
    file_client: str = "remote"  # `local`: states come from file_roots
    file_roots: dict[str, list[str]] = field(default_factory=dict)
    pillar_roots: dict[str, list[str]] = field(default_factory=dict)
    log_level: str = "warning"
    job_deadline: float = 0.0  # seconds after which a job is ended that has no `deadline=` of its own; 0: never
    worker_idle_s: float = 60.0  # how long a worker process is kept after a job, for the next one of a burst
    reconnect_min_s: float = 0.2
    reconnect_max_s: float = 6.0  # so that all are back within ten seconds of a master that comes back
    master_grace_s: float = 10.0  # how long after a break a question to the master waits for the next connection
    stale_after_hours: float = 24.0  # without the master for so long, runs say that they are old; 0: never
    network_confirm_s: float = 40.0  # from the first step of a network transaction until it is rolled back; the way
    # back takes seconds, so the node answers again within a minute
    libvirt_uri: str = "qemu:///system"  # which libvirt makes the KVM guests of this node
    failhard: bool = False  # whether the first state that fails ends a run
    state_aggregate: bool | list[str] = False  # join what states of one kind do: True, or the namespaces ([pkg])
    pillar_source_merging_strategy: str = "smart"  # as the master's, for a pillar that is compiled here
    pillar_merge_lists: bool = False
    network_persist: str = "auto"  # who keeps the network for the next boot: as the argument `persist` of a state
    mine_functions: dict[str, Any] = field(default_factory=dict)  # what this node tells into the mine; pillar too
    mine_interval: float = 60.0  # minutes between two tellings; 0: only when it is asked to
    beacons: dict[str, Any] = field(default_factory=dict)  # what this node watches; pillar too
    schedule: dict[str, Any] = field(default_factory=dict)  # what this node runs by itself; pillar too
    custom_modules: bool = True  # whether code of the state tree (_modules, _states, _grains) runs on this node
    startup_states: str = ""  # what runs once the agent has its master: highstate, sls (see sls_list), top (top_file)
    sls_list: list[str] = field(default_factory=list)
    top_file: str = ""
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
    pillar_source_merging_strategy: str = "smart"  # how values of several SLS are joined, see saltern/merging.py
    pillar_merge_lists: bool = False  # append lists instead of replacing them
    ext_pillar: list[Any] = field(default_factory=list)  # further sources, `kind: options`, see pillar/ext_pillar.py
    ext_pillar_first: bool = False  # before pillar_roots, whose templates then see their values
    nodegroups: dict[str, Any] = field(default_factory=dict)
    peer: dict[str, Any] = field(default_factory=dict)  # which minions may have which functions run where
    schedule: dict[str, Any] = field(default_factory=dict)  # runners that the master calls by itself, and when
    reactor: list[Any] = field(default_factory=list)  # tag globs and the SLS that react to them
    returners: dict[str, Any] = field(default_factory=dict)  # where returns go beside the store
    users: list[str] = field(default_factory=list)  # who, beside root and the daemon's own user, may command it
    timeout: float = 0.0  # seconds until a job that is still running is reported as timed out; 0: never
    job_ttl_s: float = 3600.0  # a job that was not received within this time is never started
    keep_jobs_hours: float = 24.0
    keep_jobs_most: int = 1_000_000  # results; beyond, the oldest jobs are forgotten (about 1 GB where each has 1 KB)
    log_level: str = "warning"

    @property
    def paths(self) -> Paths:
        """The places below `root`."""
        return Paths(self.root)


def load_minion(root: Path = Path("/"), directory: Path | None = None) -> Config:
    """The minion's settings from ROOT/etc/saltern (or DIRECTORY). ConfigError names file and option."""
    values = _read(directory or Paths(root).etc, "minion", Config)
    salts = {key: values.pop(key) for key in list(values) if key not in Config.__dataclass_fields__}
    if salts:
        values["module_options"] = {**salts, **values.get("module_options", {})}
    if root == Path("/") and isinstance(salts.get("root_dir"), str):
        root = Path(salts["root_dir"])
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
    """The options of the file NAME in DIRECTORY; over them those of what it includes by default (`NAME.d/*.conf`), and
    over those what its option `include` names, as Salt joins them: an option as a whole."""
    values = _file(directory / name, kind)
    default = values.get("default_include", f"{name}.d/*.conf")
    for pattern in (*_listed(default), *_listed(values.get("include"))):
        for file in _matching(directory, pattern):
            values.update(_file(file, kind))
    return values


def _file(file: Path, kind: type[Config] | type[MasterConfig]) -> dict[str, Any]:
    source = _text_of(file)
    return {} if source is None else _checked(source, file, kind)


def _matching(directory: Path, pattern: str) -> list[Path]:
    """The files that PATTERN means, sorted; a relative one lies below DIRECTORY. ConfigError where it names a file that
    is not there."""
    place = directory / pattern
    if not any(char in pattern for char in "*?["):
        if not place.exists():
            raise ConfigError(f"{place}: included, but there is no such file")
        return [place]
    folder, names = place.parent, place.name
    if any(char in str(folder) for char in "*?["):
        folder, names = Path(place.anchor), str(place.relative_to(place.anchor))
    try:
        return sorted(folder.glob(names)) if folder.is_dir() else []
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}") from None


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _text_of(file: Path) -> str | None:
    """The text of FILE, None where there is none. ConfigError where it can't be read or others may write to it."""
    try:
        with file.open("rb") as opened:
            status = os.fstat(opened.fileno())
            if status.st_uid not in (0, os.geteuid()) or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise ConfigError(f"{file}: refused, since others may write to it: chown root and chmod go-w it")
            return opened.read().decode()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8 at byte {error.start}") from None


def _checked(source: str, file: Path, kind: type[Config] | type[MasterConfig]) -> dict[str, Any]:
    import yaml  # only where a file exists: starting without one stays quick

    try:
        loader = yaml.SafeLoader(source)
        root = loader.get_single_node()
        if root is None or root.tag == "tag:yaml.org,2002:null":
            return {}
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError(f"{file}: expected options as `name: value` lines")
        read: dict[Any, Any] = loader.construct_document(root)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else str(file)
        raise ConfigError(f"{place}: {getattr(error, 'problem', None) or error}") from None
    except ConfigError:
        raise
    except (ValueError, RecursionError) as error:  # such as the date 2024-99-99
        raise ConfigError(f"{file}: {error}") from None
    lines = {str(key.value): key.start_mark.line + 1 for key, _ in root.value}
    known = {f.name: f for f in fields(kind) if f.name != "root"}
    defaults = kind()
    for key, value in read.items():
        place = f"{file}:{lines.get(str(key), 1)}"
        if key not in known and kind is Config and _is_salts(key, value, place):
            continue
        if key not in known:
            raise ConfigError(f"{place}: unknown option {key!r}.{nearest(str(key), known)}")
        wanted = type(getattr(defaults, key))
        if wanted is float and type(value) is int:
            value = read[key] = float(value)
        if key in _ALSO and isinstance(value, _ALSO[key]):
            continue
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise ConfigError(f"{place}: option {key} wants {_WORDS[wanted]}, not {value!r}")
        problem = _CHECKS[key](value) if key in _CHECKS else ""
        if problem:
            raise ConfigError(f"{place}: option {key} wants {problem}, not {value!r}")
    return read


def _is_salts(key: object, value: Any, place: str) -> bool:
    """Whether KEY is an option of Salt's minion file. ConfigError where its VALUE asks for what there is not."""
    from saltern.salt_options import FIXED, KNOWN

    if key in FIXED and value != FIXED[str(key)]:
        raise ConfigError(f"{place}: option {key}: there is only {FIXED[str(key)]!r}, not {value!r}")
    if key in ("include", "default_include") and not isinstance(value, str) and _texts(value):
        raise ConfigError(f"{place}: option {key} wants a file or a list of files, not {value!r}")
    return key in KNOWN


def _environment(value: str) -> str:
    from saltern import names

    try:
        names.saltenv(value or "base")
    except names.InvalidName:
        return "the name of an environment (1-64 of a-z, 0-9, '_', '-')"
    return ""


def _roots(value: dict[Any, Any]) -> str:
    texts = all(isinstance(name, str) and _texts(folders) == "" for name, folders in value.items())
    return "" if texts else "lists of folders by environment (base: [/srv/saltern/states])"


def _texts(value: Any) -> str:
    return "" if isinstance(value, list) and all(isinstance(word, str) for word in value) else "a list of texts"


def _strategy(value: str) -> str:
    from saltern.merging import STRATEGIES

    return "" if value in STRATEGIES else f"one of {', '.join(STRATEGIES)}"


def _port(value: int) -> str:
    return "" if 0 < value < 65536 else "a port from 1 to 65535"


def _confirm_time(value: float) -> str:
    return "" if 5 <= value <= 600 else "a number of seconds from 5 to 600"


def _duration(value: float) -> str:
    return "" if 0 <= value < float("inf") else "a number from 0"


def _count(value: int) -> str:
    return "" if value > 0 else "a whole number from 1"


def _startup(value: str) -> str:
    return "" if value in ("", "highstate", "sls", "top") else "highstate, sls or top"


def _keeper(value: str) -> str:
    known = ("auto", "networkd", "ifupdown", "networkmanager", "saltern", "none")
    return "" if value in known else f"one of {', '.join(known)}"


# Option → what its value should have been, '' where it is right.
_CHECKS: dict[str, Callable[[Any], str]] = {
    "file_roots": _roots,
    "pillar_roots": _roots,
    "users": _texts,
    "pillar_source_merging_strategy": _strategy,
    "pillarenv": _environment,
    "control_port": _port,
    "files_port": _port,
    "worker_idle_s": _duration,
    "job_deadline": _duration,
    "reconnect_min_s": _duration,
    "reconnect_max_s": _duration,
    "mine_interval": _duration,
    "stale_after_hours": _duration,
    "network_confirm_s": _confirm_time,
    "timeout": _duration,
    "job_ttl_s": _duration,
    "keep_jobs_hours": _duration,
    "keep_jobs_most": _count,
    "network_persist": _keeper,
    "startup_states": _startup,
    "sls_list": _texts,
}

_ALSO: dict[str, type] = {"state_aggregate": list, "pillarenv": type(None)}  # option → a further type that it may have

_WORDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a mapping",
    bool: "true or false",
}
