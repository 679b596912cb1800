"""The limits of a container that runs: read and set in its control groups, by `lxc-cgroup`."""

from __future__ import annotations

from collections.abc import Sequence

from modules._lxc.config import LxcError, Section
from modules._lxc.tools import tool
from saltern.marks import acting

# What a lifted limit is written as: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/. A cpuset of v1 can't be
# lifted while the container runs.
LIFTED = {
    "memory.max": "max",
    "cpu.max": "max 100000",
    "cpuset.cpus": "",
    "pids.max": "max",
    "memory.limit_in_bytes": "-1",
    "cpu.cfs_quota_us": "-1",
    "cpu.cfs_period_us": "100000",
}
WORDS = {"memory": "memory limit", "cpu": "CPU limit", "cpuset": "set of CPUs", "pids": "limit of processes"}
_UNLIMITED = 1 << 62  # what v1 shows where there is no limit: the largest number of whole pages


def wanted(sections: Sequence[Section], unified: bool) -> dict[str, str]:
    """The values that a running container's control group must have for the SECTIONS of its limits."""
    prefix = "lxc.cgroup2." if unified else "lxc.cgroup."
    found: dict[str, str] = {}
    for section in sections:
        if section.name.startswith(prefix):
            key = section.name.removeprefix(prefix)
            value = section.pairs[-1][1] if section.pairs else LIFTED.get(key)
            if value is not None and (section.pairs or unified or key != "cpuset.cpus"):
                found[key] = canonical(key, value)
    return found


def current(name: str, path: str, keys: Sequence[str]) -> dict[str, str]:
    """The values that the container NAME, which runs, has now; a key whose controller it does not have is left out."""
    found: dict[str, str] = {}
    for key in keys:
        ran = tool("cgroup", name, path, "--", key, accept=(0, 1))
        if ran.code == 0:
            found[key] = canonical(key, ran.out.strip())
    return found


def canonical(key: str, value: str) -> str:
    """VALUE of KEY in one spelling."""
    if key == "memory.limit_in_bytes" and value.isdecimal() and int(value) >= _UNLIMITED:
        return "-1"
    if key == "cpuset.cpus" and value:
        return ranges(value)
    return value


def ranges(value: str) -> str:
    """A set of numbers like `0,1,2,8` as the kernel prints it: `0-2,8`."""
    numbers: set[int] = set()
    for part in value.split(","):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


@acting
def set_limit(name: str, key: str, value: str, path: str) -> bool:
    """Set KEY of the control group of the container NAME, which runs, to VALUE. LxcError where the kernel refuses."""
    try:
        tool("cgroup", name, path, "--", key, value)
    except LxcError as error:
        why = "it uses more than that now" if key.startswith("memory") else "the kernel refused it"
        raise LxcError(
            f"{key} of {name} can't be set to {value or 'nothing'} while it runs: {why}\n  {error}"
        ) from None
    return True
