"""What a user says of a container's network, mounts and limits, as lines of lxc.container.conf(5). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from modules import _netvalues as net
from modules._lxc_config import MOUNT_KEY, LxcError, Pair, Section, config_value
from modules._mountinfo import escaped
from saltern.errors import nearest

NETWORK_KEYS = ("bridge", "vlan", "address", "gateway", "hwaddr", "name", "mtu", "pair")
MOUNT_KEYS = ("source", "target", "fstype", "options")
LIMIT_KEYS = ("memory", "cpus", "cpuset", "pids")
CPU_PERIOD_US = 100_000  # the kernel's default, Documentation/scheduler/sched-bwc.rst
_UNITS = {"K": 10, "M": 20, "G": 30, "T": 40}
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT])(?:iB?|B)?", re.IGNORECASE)
_HWADDR = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_WORD = re.compile(r"[A-Za-z0-9_.,=:@%/+-]+")
_CPUSET = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")


def network_section(interfaces: Sequence[Mapping[str, Any]], known: Sequence[Pair], seed: str) -> Section:
    """The lines of `lxc.net` for INTERFACES, a veth each; none of them: the container has the loopback only.

    An interface without `hwaddr` keeps the one that it has in KNOWN, the lines that are there; a new one gets one
    made of SEED, so that it stays the same at every start and differs between nodes.
    """
    if not interfaces:
        return Section("tree", "lxc.net", (("lxc.net.0.type", "empty"),))
    lines: list[Pair] = []
    for index, one in enumerate(interfaces):
        base = f"lxc.net.{index}"
        kept = dict(known).get(f"{base}.hwaddr", "").lower()
        default = kept if _HWADDR.fullmatch(kept) else made_hwaddr(f"{seed}/{index}")
        lines += [(f"{base}.{key}", value) for key, value in _interface(one, default)]
    _refuse_twice(lines)
    return Section("tree", "lxc.net", tuple(lines))


def made_hwaddr(seed: str) -> str:
    """A MAC address of the range that LXC itself uses (00:16:3e), made of SEED."""
    import hashlib

    digest = hashlib.sha256(seed.encode()).digest()
    return "00:16:3e:" + ":".join(f"{byte:02x}" for byte in digest[:3])


def hwaddr(value: object) -> str:
    """A MAC address in small letters; LxcError for a group address, since no interface can have it."""
    text = value.lower() if isinstance(value, str) else ""
    if not _HWADDR.fullmatch(text) or int(text[:2], 16) & 1 or text == "00:00:00:00:00:00":
        raise LxcError(f"not the MAC address of an interface: {value!r}; write it like 00:16:3e:12:34:56, in quotes")
    return text


def _interface(one: Mapping[str, Any], default_hwaddr: str) -> list[Pair]:
    _check_keys(one, NETWORK_KEYS, "network interface")
    if "bridge" not in one:
        raise LxcError(f"a network interface needs its bridge: {dict(one)!r}")
    lines = [("type", "veth"), ("link", net.interface_name(one["bridge"], "bridge")), ("flags", "up")]
    if one.get("name") is not None:
        lines.append(("name", net.interface_name(one["name"])))
    lines.append(("hwaddr", default_hwaddr if one.get("hwaddr") is None else hwaddr(one["hwaddr"])))
    if one.get("mtu") is not None:
        lines.append(("mtu", str(net.mtu(one["mtu"]))))
    if one.get("pair") is not None:
        lines.append(("veth.pair", net.interface_name(one["pair"])))
    if one.get("vlan") is not None:
        lines += [("veth.vlan.id", str(net.vlan_id(one["vlan"])))]
    addresses = [net.interface_address(address) for address in _listed(one.get("address"))]
    net.interface_addresses(addresses)  # the same one with two prefix lengths is refused
    lines += [(f"ipv{_version(address)}.address", address) for address in addresses]
    seen: set[int] = set()
    for given in _listed(one.get("gateway")):
        gateway = net.gateway_address(given, [a for a in addresses if _version(a) == _version(str(given))])
        version = _version(gateway)
        if version in seen:
            raise LxcError(f"an interface has one IPv{version} gateway, not two: {one['gateway']!r}")
        seen.add(version)
        lines.append((f"ipv{version}.gateway", gateway))
    return lines


def _refuse_twice(lines: Sequence[Pair]) -> None:
    """No address, MAC or interface name may be given to two interfaces of one container."""
    owners: dict[tuple[str, str], str] = {}
    for key, value in lines:
        index, _, field = key.removeprefix("lxc.net.").partition(".")
        if field in ("name", "hwaddr", "veth.pair", "ipv4.address", "ipv6.address"):
            plain = value.partition("/")[0]
            if owners.setdefault((field, plain), index) != index:
                raise LxcError(f"two network interfaces have the same {field}: {plain}")


def bridges(section: Section) -> list[str]:
    """The bridges that the interfaces of SECTION are ports of, each once."""
    return list(dict.fromkeys(value for key, value in section.pairs if key.endswith(".link")))


def mounts_section(mounts: Sequence[Mapping[str, Any]]) -> Section:
    """The mount entries for MOUNTS: {source, target, fstype: none, options: [bind, create=dir]}."""
    lines = tuple((MOUNT_KEY, _entry(one)) for one in mounts)
    targets = [value.split(" ")[1] for _, value in lines]
    for target in targets:
        if targets.count(target) > 1:
            raise LxcError(f"two mounts have the same target: /{target}")
    return Section("mounts", MOUNT_KEY, lines)


def _entry(one: Mapping[str, Any]) -> str:
    _check_keys(one, MOUNT_KEYS, "mount")
    source, target = one.get("source"), one.get("target")
    if not isinstance(source, str) or not isinstance(target, str):
        raise LxcError(f"a mount needs a source and a target: {dict(one)!r}")
    inner = target.strip("/")  # LXC reads it relative to the root of the container
    if not inner or any(part in ("", ".", "..") for part in inner.split("/")):
        raise LxcError(f"not a path inside a container to mount at: {target!r}")
    fstype = str(one.get("fstype") or "none")
    options = [str(option) for option in _listed(one.get("options"))]
    if fstype == "none":
        options = options or ["create=dir"]
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


def limit_sections(limits: Mapping[str, Any], *, unified: bool, host_kib: int, host_cpus: int) -> tuple[Section, ...]:
    """The cgroup lines for LIMITS. `memory`: a size ('512M'; a mere number is MiB); `cpus`: how many at once, also
    parts of one; `cpuset`: which ('0-3,8'); `pids`: processes; nothing (null) lifts one.

    UNIFIED: the node has cgroup v2 alone. HOST_KIB, HOST_CPUS: what the node has; more than that is refused.
    """
    _check_keys(limits, LIMIT_KEYS, "limit")
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


def _version(address: str) -> int:
    return 6 if ":" in address else 4


def _listed(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


def _check_keys(given: object, known: Sequence[str], what: str) -> None:
    if not isinstance(given, Mapping):
        raise LxcError(f"a {what} must be a mapping of {', '.join(known)}, not {given!r}")
    for key in given:
        if key not in known:
            raise LxcError(f"a {what} has no {key!r}.{nearest(str(key), known) or ' It has ' + ', '.join(known) + '.'}")
