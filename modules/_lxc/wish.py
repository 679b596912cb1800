"""What a user says of a container's mounts, limits and start, as lines of lxc.container.conf(5). Pure.

Its interfaces: `_lxc.network`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from modules._lxc.config import MOUNT_KEY, LxcError, Section, config_value
from modules._mount.table import escaped
from modules._network import netvalues as net
from saltern.errors import nearest

MOUNT_KEYS = ("source", "target", "fstype", "options", "ro", "create")
START_KEYS = ("order", "delay")
LIMIT_KEYS = ("memory", "cpus", "cpuset", "pids")
CPU_PERIOD_US = 100_000  # the kernel's default, Documentation/scheduler/sched-bwc.rst
_UNITS = {"K": 10, "M": 20, "G": 30, "T": 40}
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT])(?:iB?|B)?", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9_.,=:@%/+-]+")
_CPUSET = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")


def mounts_section(mounts: Sequence[Mapping[str, Any]]) -> Section:
    """The mount entries for MOUNTS: {source, target, fstype: none, options: [bind, create=dir]}."""
    lines = tuple((MOUNT_KEY, _entry(one)) for one in mounts)
    targets = [value.split(" ")[1] for _, value in lines]
    for target in targets:
        if targets.count(target) > 1:
            raise LxcError(f"two mounts have the same target: /{target}")
    return Section("mounts", MOUNT_KEY, lines)


def _entry(one: Mapping[str, Any]) -> str:
    check_keys(one, MOUNT_KEYS, "mount")
    source, target = one.get("source"), one.get("target")
    if not isinstance(source, str) or not isinstance(target, str):
        raise LxcError(f"a mount needs a source and a target: {dict(one)!r}")
    inner = target.strip("/")  # LXC reads it relative to the root of the container
    if not inner or any(part in ("", ".", "..") for part in inner.split("/")):
        raise LxcError(f"not a path inside a container to mount at: {target!r}")
    fstype = str(one.get("fstype") or "none")
    options = [str(option) for option in listed(one.get("options"))]
    create = one.get("create", None if options else "dir" if fstype == "none" else None)
    if create not in (None, "dir", "file"):
        raise LxcError(f"a mount's target is created as dir or file, not as {create!r}")
    if one.get("ro") not in (None, True, False):
        raise LxcError(f"ro of a mount is true or false, not {one['ro']!r}")
    options += [word for word in ("ro" if one.get("ro") else "", f"create={create}" if create else "") if word]
    if fstype == "none":
        if not {"bind", "rbind"} & set(",".join(options).split(",")):
            options = ["bind", *options]
        if not source.startswith("/") or "/../" in source + "/":
            raise LxcError(f"the source of a bind mount must be an absolute path: {source!r}")
    options = options or ["defaults"]
    for word in (fstype, *options):
        if not _WORD.fullmatch(word):
            raise LxcError(f"not a type or option of a mount: {word!r}")
    config_value("a mount's source", source)
    config_value("a mount's target", target)
    return f"{escaped(source)} {escaped(inner)} {fstype} {','.join(options)} 0 0"


def start_sections(autostart: object) -> tuple[Section, ...]:
    """Whether it starts with the node: true, false, or {order, delay}: containers with a higher order start first, and
    DELAY is how many seconds the next one waits (lxc-autostart(1))."""
    given = autostart if isinstance(autostart, Mapping) else {}
    if not isinstance(autostart, bool):
        check_keys(autostart, START_KEYS, "start with the node")
    found = [Section("key", "lxc.start.auto", (("lxc.start.auto", "0" if autostart is False else "1"),))]
    for key in START_KEYS:
        if key in given:
            number = net.whole_number(given[key], f"the {key} of autostart", 0, 1 << 20)
            found.append(Section("key", f"lxc.start.{key}", ((f"lxc.start.{key}", str(number)),)))
    return tuple(found)


def limit_sections(limits: Mapping[str, Any], *, unified: bool, host_kib: int, host_cpus: int) -> tuple[Section, ...]:
    """The cgroup lines for LIMITS. `memory`: a size ('512M'; a mere number is MiB); `cpus`: how many at once, also
    parts of one; `cpuset`: which ('0-3,8'); `pids`: processes; nothing (null) lifts one.

    UNIFIED: the node has cgroup v2 alone. HOST_KIB, HOST_CPUS: what the node has; more than that is refused.
    """
    check_keys(limits, LIMIT_KEYS, "limit")
    found: list[Section] = []
    for limit, given in limits.items():
        old, new = _limit(limit, given, host_kib, host_cpus)
        for key, value in {**old, **new}.items():
            mine = (key in new) == unified
            found.append(Section("key", key, ((key, value),) if value and mine else ()))
    return tuple(found)


def _limit(limit: str, given: Any, host_kib: int, host_cpus: int) -> tuple[dict[str, str], dict[str, str]]:
    """The keys and values of LIMIT for cgroup v1 and for v2; empty values where nothing is GIVEN."""
    v1, v2 = "lxc.cgroup", "lxc.cgroup2"
    if limit == "memory":
        size = "" if given is None else str(memory_bytes(given, host_kib))
        return {f"{v1}.memory.limit_in_bytes": size}, {f"{v2}.memory.max": size}
    if limit == "cpus":
        quota = "" if given is None else str(cpu_quota_us(given, host_cpus))
        period = str(CPU_PERIOD_US) if quota else ""
        old = {f"{v1}.cpu.cfs_period_us": period, f"{v1}.cpu.cfs_quota_us": quota}
        return old, {f"{v2}.cpu.max": f"{quota} {period}" if quota else ""}
    if limit == "cpuset":
        chosen = "" if given is None else _cpuset(given, host_cpus)
        return {f"{v1}.cpuset.cpus": chosen}, {f"{v2}.cpuset.cpus": chosen}
    count = "" if given is None else str(net.whole_number(given, "the limit of pids", 1, 1 << 22))
    return {f"{v1}.pids.max": count}, {f"{v2}.pids.max": count}


def memory_bytes(given: object, host_kib: int) -> int:
    """GIVEN ('512M', '1.5 GiB', a number of MiB) in bytes, down to whole pages; LxcError beyond what the host has."""
    match = _MEMORY.fullmatch(given.strip()) if isinstance(given, str) else None
    if match:
        size = int(float(match[1]) * (1 << _UNITS[match[2].upper()]))
    elif isinstance(given, str) and given.strip().isdecimal():
        size = int(given) << 20
    elif isinstance(given, int) and not isinstance(given, bool):
        size = given << 20
    else:
        raise LxcError(f"not an amount of memory: {given!r}; write it like 512M or 2G, or as a number of MiB")
    if size < 1 << 20:
        raise LxcError(f"a container can't run with {given} of memory")
    if size > host_kib << 10:
        raise LxcError(f"the limit of {given} of memory is more than this node has ({host_kib >> 10} MiB)")
    return size & ~0xFFF


def cpu_quota_us(given: object, host_cpus: int) -> int:
    """The microseconds of CPU time in each period for GIVEN CPUs (0.01 and more)."""
    try:
        count = float(given) if isinstance(given, int | float | str) and not isinstance(given, bool) else -1.0
    except ValueError:
        count = -1.0
    if not 0.01 <= count < 1 << 20:
        raise LxcError(f"not a number of CPUs: {given!r}; write it like 2 or 0.5")
    if count > host_cpus:
        raise LxcError(f"the limit of {given} CPUs is more than this node has ({host_cpus})")
    return round(count * CPU_PERIOD_US)


def _cpuset(given: object, host_cpus: int) -> str:
    text = str(given)
    if isinstance(given, bool) or not _CPUSET.fullmatch(text):
        raise LxcError(f"not a set of CPUs: {given!r}; write it like '0-3,8'")
    if (most := max(int(number) for number in re.findall(r"\d+", text))) >= host_cpus:
        raise LxcError(f"the node has no CPU {most}: its CPUs are 0-{host_cpus - 1}")
    return text


def template_arguments(release: str | None, options: Mapping[str, Any]) -> tuple[str, ...]:
    """The arguments of a template: `--release RELEASE`, and `--KEY VALUE` for each of OPTIONS (true: a flag)."""
    words: list[str] = []
    for key, value in {**({"release": release} if release is not None else {}), **options}.items():
        if not isinstance(key, str) or not re.fullmatch(r"[a-z][a-z0-9-]*", key):
            raise LxcError(f"not an option of a template: {key!r}")
        if value is False or value is None:
            continue
        words.append(f"--{key}")
        if value is not True:
            text = config_value(f"the template's option {key}", value)
            if text.startswith("-"):
                raise LxcError(f"the template's option {key} can't be {value!r}: it would be read as another option")
            words.append(text)
    return tuple(words)


def template_name(template: str) -> str:
    """TEMPLATE if it is the name of one ('debian') or the absolute path of its script."""
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", template) or re.fullmatch(
        r"(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+", template
    ):
        return template
    raise LxcError(f"not an LXC template: {template!r} (a name like debian, or the absolute path of its script)")


def sha256_of(text: str) -> str:
    """The digest in TEXT, `sha256=HEX`, `sha256:HEX` or bare."""
    found = re.fullmatch(r"(?:sha256[=:])?([0-9a-f]{64})", text.strip().lower())
    if found is None:
        raise LxcError(f"not a SHA-256: {text!r}; write it as sha256= and 64 hexadecimal digits")
    return found[1]


def listed(value: Any) -> list[Any]:
    """VALUE as a list: itself, alone, or empty for None."""
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


def check_keys(given: object, known: Sequence[str], what: str) -> None:
    """LxcError where GIVEN is no mapping with keys of KNOWN alone."""
    if not isinstance(given, Mapping):
        raise LxcError(f"a {what} must be a mapping of {', '.join(known)}, not {given!r}")
    for key in given:
        if key not in known:
            raise LxcError(f"a {what} has no {key!r}.{nearest(str(key), known) or ' It has ' + ', '.join(known) + '.'}")
