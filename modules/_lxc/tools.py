"""What the LXC tools print, as values; and how they are called: bounded, with the lines of their log that matter."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from modules._lxc.config import LxcError
from modules._run import Ran, run, which

LXCPATH = "/var/lib/lxc"  # where containers are unless /etc/lxc/lxc.conf says otherwise, lxc.system.conf(5)
SYSTEM_CONFIG = "/etc/lxc/lxc.conf"
TEMPLATES = "/usr/share/lxc/templates"
PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TOOL_S = 30.0  # for a tool that only asks or tells the container's monitor
SHOWN = 8  # lines of a log
_LOG = re.compile(r"^\S+ \S+ [\d.]+ +(ERROR|CRIT|ALERT|FATAL) +\S+ +- +\S+ - (.*)$")
_SAID = re.compile(r"^lxc-[a-z]+: \S+: \S+: \w+: \d+ (.*)$")
_NOISE = ("To get more details", "Additional information", "The container failed to start", "An error occurred in an")


def parse_info(text: str) -> dict[str, Any]:
    """The lines `Key:  value` of `lxc-info -H` by key; IP as a list, the links as a list of mappings, sizes in bytes,
    "CPU use" in nanoseconds."""
    found: dict[str, Any] = {"IP": []}
    links: list[dict[str, Any]] = []
    for line in text.splitlines():
        key, colon, value = (part.strip() for part in line.partition(":"))
        number: Any = int(value) if value.isdecimal() else value
        if not colon:
            continue
        if key == "Link":
            links.append({"name": value})
        elif line.startswith(" ") and links:
            links[-1][key] = number
        elif key == "IP":
            found["IP"].append(value)
        elif key == "Name":
            found[key] = value
        else:
            found[key] = number
    return {**found, "links": links}


def parse_table(text: str) -> list[dict[str, str]]:
    """The rows of `lxc-ls -f` by the names of its columns; values may hold blanks, so the header gives the places.
    A lone `-` is no value."""
    lines = text.splitlines()
    if not lines:
        return []
    starts = [match.start() for match in re.finditer(r"\S+", lines[0])]
    names = lines[0].split()
    rows = []
    for line in lines[1:]:
        cells = [line[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
        rows.append({name: "" if cell == "-" else cell for name, cell in zip(names, cells, strict=True)})
    return rows


def reasons(log: str, said: str) -> list[str]:
    """The lines of a LOG of LXC, or else of what a tool SAID, that tell why it failed; each once, the last few."""
    lines = [match[2] for line in log.splitlines() if (match := _LOG.match(line))]
    if not lines:
        lines = [match[1] if (match := _SAID.match(line)) else line for line in said.splitlines() if line.strip()]
    kept = [line for line in dict.fromkeys(lines) if not line.startswith(_NOISE)] or lines
    return kept[-SHOWN:]


def installed() -> bool:
    """Whether the LXC tools are on this node."""
    return which("lxc-info", PROGRAMS) is not None


def tool(
    name: str,
    container: str,
    path: str,
    *words: str,
    timeout_s: float = TOOL_S,
    with_log: bool = False,
    accept: Sequence[int] = (0,),
) -> Ran:
    """Run the tool `lxc-NAME` on CONTAINER below PATH with further WORDS. LxcError with the reasons where it ends with
    a code that is not in ACCEPT, or not within TIMEOUT_S. WITH_LOG: take the reasons from its log, which lies in a
    private folder meanwhile."""
    import tempfile

    argv = [f"lxc-{name}", "-P", path, "-n", container]
    env = {"LC_ALL": "C", "PATH": PROGRAMS}
    if not with_log:
        return _judged(run([*argv, *words], timeout_s=timeout_s, env=env), "", name, container, timeout_s, accept)
    with tempfile.TemporaryDirectory(prefix="saltern-lxc-", ignore_cleanup_errors=True) as folder:
        file = os.path.join(folder, "log")
        ran = run([*argv, "-o", file, "-l", "INFO", *words], timeout_s=timeout_s, env=env)
        return _judged(ran, read_text(file), name, container, timeout_s, accept)


def _judged(ran: Ran, log: str, name: str, container: str, timeout_s: float, accept: Sequence[int]) -> Ran:
    if ran.timed_out:
        why = [f"lxc-{name} of {container} did not end within {timeout_s:g} s"]
    elif ran.code in accept:
        return ran
    else:
        why = [f"lxc-{name} of {container} failed"]
    raise LxcError("\n  ".join(why + reasons(log, ran.err or ran.out)))


def read_text(path: str) -> str:
    """The text of a file, '' where there is none. LxcError where it can't be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise LxcError(f"{path}: {error.strerror}") from None


def started_after(pid: int, moment_s: float) -> bool:
    """Whether the process PID started after MOMENT_S (Unix time), by proc_pid_stat(5) field 22, which counts whole
    1/100 s; True where it is gone or MOMENT_S lies in the future, so that a clock set back is no reason to act."""
    import time

    try:
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - started_s(pid)
    except LookupError:
        return True
    now = time.time()
    return moment_s > now + 1 or now - age_s > moment_s - 0.01


def started_s(pid: int) -> float:
    """When the process PID started, in seconds since boot. LookupError where it is gone."""
    fields = read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")
