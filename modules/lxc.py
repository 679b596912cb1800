"""LXC containers: what there is and runs, and making, configuring, starting, stopping and deleting them.

By the tools of the package `lxc` and the container's own file, PATH/NAME/config (lxc.container.conf(5)). PATH is where
the containers are: by default what /etc/lxc/lxc.conf says, else /var/lib/lxc. Every call is bounded in time; TIMEOUT
is in seconds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from modules._file.safe import UnsafePath
from modules._lxc import config as file
from modules._lxc import root as inner
from modules._lxc import tools
from modules._lxc import wish as wished
from modules._lxc.config import LxcError, Section, container_name
from modules._lxc.tools import read_text, tool
from modules._run import Ran, told
from modules._run import run as _run
from saltern.errors import nearest
from saltern.marks import acting, reading

Command = str | Sequence[str]


@dataclass(frozen=True, slots=True)
class Container:
    """A container as it is: the TEXT of its file, its STATE ("RUNNING", "STOPPED", "FROZEN", …), the PID of its init
    while it runs."""

    text: str
    state: str
    pid: int | None = None

    @property
    def is_running(self) -> bool:
        """Whether it has processes, frozen or not."""
        return self.state != "STOPPED"


def lxcpath(path: str | None = None) -> str:
    """The folder of the containers: PATH if given, else the system's."""
    if path is None:
        found = file.values(read_text(tools.SYSTEM_CONFIG), "lxc.lxcpath")
        path = found[-1] if found else tools.LXCPATH
    if not path.startswith("/") or not path.isprintable() or ".." in path.split("/") or ":" in path:
        raise LxcError(f"not an absolute path of a folder of containers: {path!r}")
    return path.rstrip("/") or "/"


def config_path(name: str, path: str | None = None) -> str:
    """The file of the container NAME."""
    return os.path.join(lxcpath(path), container_name(name), "config")


@reading
def ls(path: str | None = None) -> list[str]:
    """The names of all containers, sorted."""
    folder = lxcpath(path)
    try:
        found = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(name for name in found if not name.startswith(".") and _defined(folder, name))


@reading
def list_(path: str | None = None, extra: bool = False) -> dict[str, Any]:
    """The containers by their state: {"running": […], "stopped": […], "frozen": […]}. EXTRA: for each name its PID,
    addresses and whether it starts at boot."""
    folder = lxcpath(path)
    found: dict[str, dict[str, Any]] = {"running": {}, "stopped": {}, "frozen": {}}
    for row in _table(folder) if ls(folder) else []:
        about = {
            "pid": int(row["PID"]) if row["PID"].isdecimal() else None,
            "autostart": row["AUTOSTART"] == "1",
            "ipv4": [word for word in row["IPV4"].split(", ") if word],
            "ipv6": [word for word in row["IPV6"].split(", ") if word],
        }
        found.setdefault(row["STATE"].lower(), {})[row["NAME"]] = about
    return found if extra else {state: sorted(names) for state, names in found.items()}


@reading
def exists(name: str, path: str | None = None) -> bool:
    """Whether there is a container NAME; one that was never made to its end is none."""
    return _defined(lxcpath(path), container_name(name))


@reading
def state(name: str, path: str | None = None) -> str | None:
    """The state of the container NAME in small letters ("running"), or None where there is none."""
    found = get(name, path)
    return found.state.lower() if found else None


@reading
def get(name: str, path: str | None = None) -> Container | None:
    """The container NAME as it is, or None."""
    folder = lxcpath(path)
    if not _defined(folder, container_name(name)):
        return None
    found = tools.parse_info(tool("info", name, folder, "-s", "-p", "-H").out)
    pid = found.get("PID")
    return Container(
        read_text(config_path(name, folder)),
        str(found.get("State", "STOPPED")),
        pid if isinstance(pid, int) and pid > 0 else None,
    )


@reading
def info(name: str, path: str | None = None) -> dict[str, Any]:
    """What there is to know of the container NAME: state, PID, addresses, links with their counters, memory in bytes,
    CPU time in seconds, its interfaces and mounts as its file has them, and whether it starts at boot."""
    current = _must(name, path)
    found = tools.parse_info(tool("info", name, lxcpath(path), "-H").out)
    network: dict[str, dict[str, Any]] = {}
    for key, value in file.pairs(current.text):
        if key.startswith("lxc.net.") and key.count(".") > 2:
            _, _, index, field = key.split(".", 3)
            network.setdefault(index, {}).setdefault(field, []).append(value)
    return {
        "name": name,
        "state": current.state.lower(),
        "pid": current.pid,
        "ips": found["IP"],
        "links": found["links"],
        "memory": found.get("Memory use"),
        "cpu_s": found["CPU use"] / 1e9 if isinstance(found.get("CPU use"), int) else None,
        "autostart": file.values(current.text, "lxc.start.auto")[-1:] == ("1",),
        "network": [
            {field: given[0] if len(given) == 1 else given for field, given in one.items()}
            for _, one in sorted(network.items())
        ],
        "mounts": list(file.values(current.text, file.MOUNT_KEY)),
        "rootfs": (file.values(current.text, "lxc.rootfs.path") or (None,))[-1],
        "config": config_path(name, path),
    }


def outdated(name: str, current: Container, path: str | None = None) -> bool:
    """Whether the container runs since before its file was last changed, but for what `write_config` keeps silent."""
    if current.pid is None:
        return False
    try:
        changed_s = os.stat(config_path(name, path)).st_mtime
    except FileNotFoundError:
        return False
    return not tools.started_after(current.pid, changed_s)


def others(name: str, path: str | None = None) -> dict[str, str]:
    """The configurations of all containers but NAME, by their names."""
    folder = lxcpath(path)
    return {other: read_text(config_path(other, folder)) for other in ls(folder) if other != name}


def unusable_link(links: Sequence[str], filtered: Sequence[str]) -> str | None:
    """Why interfaces can't be at these LINKS of the node, of which those FILTERED must be bridges that filter VLANs;
    None where they can."""
    import socket

    there = [link for _, link in socket.if_nameindex()] if links else []
    for link in links:
        if link not in there:
            return f"there is no bridge {link!r} on this node.{nearest(link, there)}"
    for link in filtered:
        if read_text(f"/sys/class/net/{link}/bridge/vlan_filtering").strip() != "1":
            return f"{link} is no bridge that filters VLANs, so no interface on it can be in one (vlan_filtering: true)"
    return None


def is_unified() -> bool:
    """Whether the node has control groups of version 2 alone."""
    return os.path.exists("/sys/fs/cgroup/cgroup.controllers")


def limit_sections(limits: Mapping[str, Any]) -> tuple[Section, ...]:
    """The lines for LIMITS on this node, by the cgroup version and the memory and CPUs that it has."""
    import re

    total = re.search(r"MemTotal:\s+(\d+)", read_text("/proc/meminfo"))
    return wished.limit_sections(
        limits,
        unified=is_unified(),
        host_kib=int(total[1]) if total else 1 << 40,
        host_cpus=os.cpu_count() or 1,
    )


def template_missing(template: str) -> str | None:
    """Why the template can't be used now, None where it can."""
    named = wished.template_name(template)
    script = named if named.startswith("/") else os.path.join(tools.TEMPLATES, f"lxc-{named}")
    if os.access(script, os.X_OK):
        return None
    try:
        known = [name[4:] for name in os.listdir(tools.TEMPLATES) if name.startswith("lxc-")]
    except OSError:
        known = []
    more = (
        ""
        if "debian" in known
        else " Those of distributions come with the package lxc-templates, and need debootstrap."
    )
    return f"there is no LXC template {template!r} on this node ({script}).{nearest(template, known) or more}"


@acting
def create(
    name: str,
    template: str,
    release: str | None = None,
    options: Mapping[str, Any] | None = None,
    path: str | None = None,
    timeout: float = 1800.0,
) -> bool:
    """Make the container NAME from TEMPLATE, which gets `--release RELEASE` and `--KEY VALUE` for each of OPTIONS. It
    is not started. What a failed attempt left is removed again. True."""
    folder = lxcpath(path)
    _must_be_free(name, folder)
    words = wished.template_arguments(release, options or {})
    if (missing := template_missing(template)) is not None:
        raise LxcError(missing)
    os.makedirs(folder, mode=0o711, exist_ok=True)
    argv = ["-t", template, *(["--", *words] if words else [])]
    try:
        tool("create", name, folder, *argv, timeout_s=timeout)
    except BaseException:
        with suppress(LxcError, UnsafePath, OSError):
            _remove_rest(name, folder)
        raise
    if not _defined(folder, name):
        raise LxcError(f"the template {template} ended well, but made no container {name} in {folder}")
    return True


@acting
def unpack(
    name: str, archive: str, sha256: str | None = None, path: str | None = None, timeout: float = 1800.0
) -> bool:
    """Make the container NAME with the content of the tar file ARCHIVE as its root, and the system's default
    configuration. It is there as a whole or not at all. SHA256: what the archive must be. True."""
    from modules._lxc import archive as lxc_archive

    folder = lxcpath(path)
    _must_be_free(name, folder)
    lxc_archive.unpack(name, folder, archive, sha256, timeout)
    return True


@acting
def write_config(name: str, sections: Sequence[Section], path: str | None = None, silent: bool = False) -> bool:
    """Make the file of the container NAME say what SECTIONS want; all its other lines stay. SILENT: the file keeps its
    time, since nothing of it matters to a container that runs. True."""
    from modules._file import safe

    _must(name, path)
    target = config_path(name, path)
    before = os.stat(target)
    safe.write(target, [file.put(read_text(target), sections).encode("utf-8", "surrogateescape")], follow=False)
    if silent:
        os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns), follow_symlinks=False)
    return True


@acting
def put_file(name: str, file: str, contents: str, mode: str = "0644", path: str | None = None) -> bool:
    """Make the FILE of the container NAME, whether it runs or not, hold CONTENTS; it belongs to the container's root.
    Links that lie in the container are not followed. True."""
    return inner.write(_root(name, path), file, contents, inner.file_mode(file, mode))


@acting
def add_ssh_keys(name: str, keys: Sequence[str], path: str | None = None) -> bool:
    """Let root of the container NAME in by these KEYS, each a line of a public key; others stay. True."""
    return inner.add_keys(_root(name, path), keys)


@acting
def start(name: str, path: str | None = None, timeout: float = 60.0) -> bool:
    """Start the container NAME; one that is frozen goes on. True when it runs."""
    current = _must(name, path)
    if current.state == "FROZEN":
        tool("unfreeze", name, lxcpath(path))
    elif not current.is_running:
        tool("start", name, lxcpath(path), "-d", timeout_s=timeout, with_log=True)
    return True


@acting
def stop(name: str, path: str | None = None, kill: bool = False, timeout: float = 60.0) -> bool:
    """Shut the container NAME down and wait for TIMEOUT. KILL: end its processes at once instead. True."""
    current = _must(name, path)
    if not current.is_running:
        return True
    folder = lxcpath(path)
    if kill:
        tool("stop", name, folder, "-k", timeout_s=timeout, accept=(0, 2))  # 2: not running (any more)
        return True
    if current.state == "FROZEN":
        tool("unfreeze", name, folder)
    try:
        tool("stop", name, folder, "--nokill", "-t", str(max(1, round(timeout))), timeout_s=timeout + 10, accept=(0, 2))
    except LxcError as error:
        if (now := get(name, path)) is None or not now.is_running:
            return True
        raise LxcError(f"{name} did not shut down within {timeout:g} s; kill: true ends it hard\n{error}") from None
    return True


@acting
def restart(name: str, path: str | None = None, kill: bool = False, timeout: float = 60.0) -> bool:
    """Stop the container NAME, where it runs, and start it. True."""
    return stop(name, path, kill, timeout) and start(name, path, timeout)


@acting
def freeze(name: str, path: str | None = None) -> bool:
    """Halt all processes of the container NAME where they are. True."""
    if _must(name, path).state == "RUNNING":
        tool("freeze", name, lxcpath(path))
    return True


@acting
def unfreeze(name: str, path: str | None = None) -> bool:
    """Let the processes of the container NAME go on. True."""
    if _must(name, path).state == "FROZEN":
        tool("unfreeze", name, lxcpath(path))
    return True


@acting
def destroy(name: str, path: str | None = None, stop: bool = False, timeout: float = 60.0) -> bool:
    """Delete the container NAME with its files. One that runs is refused, unless STOP ends it first. True."""
    from modules._file import remove as file_remove

    folder, current = lxcpath(path), _must(name, path)
    if current.is_running and not stop:
        raise LxcError(f"{name} runs, so it is not deleted; stop it first, or say stop=True")
    if current.is_running:
        tool("stop", name, folder, "-t", str(max(1, round(timeout))), timeout_s=timeout + 10, accept=(0, 2))
    file_remove.check_removable(os.path.join(folder, name))  # what is mounted below is not the container's own
    tool("destroy", name, folder, timeout_s=max(timeout, 300))
    return True


@acting
def run(
    name: str, cmd: Command, path: str | None = None, env: Mapping[str, Any] | None = None, timeout: float | None = 60.0
) -> Any:
    """Run CMD in the running container NAME and give its output, errors among it. A list is run as it is, a text by
    the container's /bin/sh -c. ENV is added to a clean environment. The job fails with the command's code."""

    ran = _attach(name, cmd, path, env, timeout, merge=True)
    return told(ran.out.rstrip("\n"), ran.code)


@acting
def attach(
    name: str, cmd: Command, path: str | None = None, env: Mapping[str, Any] | None = None, timeout: float | None = 60.0
) -> Any:
    """As `lxc.run`, with all that there is to know: {"pid", "retcode", "stdout", "stderr"}."""
    from modules._cmd import as_dict

    ran = _attach(name, cmd, path, env, timeout, merge=False)
    return told(as_dict(ran), ran.code)


def _attach(
    name: str, cmd: Command, path: str | None, env: Mapping[str, Any] | None, timeout: float | None, *, merge: bool
) -> Ran:
    if _must(name, path).state != "RUNNING":
        raise LxcError(f"the container {name} does not run")
    words = ["/bin/sh", "-c", cmd] if isinstance(cmd, str) else [str(word) for word in cmd]
    if not words or not words[-1]:
        raise LxcError("there is no command to run")
    given = [f"--set-var={key}={value}" for key, value in {"HOME": "/root", **(env or {})}.items()]
    argv = ["lxc-attach", "-P", lxcpath(path), "-n", name, "--clear-env", *given, "--", *words]
    ran = _run(argv, timeout_s=timeout, env={"PATH": tools.PROGRAMS}, merge=merge)
    if ran.timed_out:
        raise LxcError(f"the command did not end within {timeout} s in {name}: {' '.join(words)}")
    return ran


def _table(folder: str) -> list[dict[str, str]]:
    argv = ["lxc-ls", "-P", folder, "-f", "-F", "NAME,STATE,AUTOSTART,PID,IPV4,IPV6"]
    ran = _run(argv, timeout_s=tools.TOOL_S, env={"LC_ALL": "C", "PATH": tools.PROGRAMS})
    if ran.code != 0:
        raise LxcError("\n  ".join(["lxc-ls failed", *tools.reasons("", ran.err)]))
    return tools.parse_table(ran.out)


def _defined(folder: str, name: str) -> bool:
    home = os.path.join(folder, name)
    return os.path.isfile(os.path.join(home, "config")) and not os.path.exists(os.path.join(home, "partial"))


def _must(name: str, path: str | None) -> Container:
    """The container NAME; LxcError with the nearest name where there is none."""
    found = get(name, path)
    if found is None:
        raise LxcError(f"there is no container {name!r} in {lxcpath(path)}.{nearest(name, ls(path))}")
    return found


def _root(name: str, path: str | None) -> str:
    root = inner.root_of(_must(name, path).text)
    if root is None:
        raise LxcError(f"the root of {name} is no folder, so no file in it can be managed from the node")
    return root


def _must_be_free(name: str, folder: str) -> None:
    """LxcError where something is in the place of the container NAME; what a cut off attempt left there goes."""
    home = os.path.join(folder, container_name(name))
    if os.path.exists(os.path.join(home, "partial")):
        _remove_rest(name, folder)
    elif os.path.lexists(home):
        raise LxcError(f"{home} is there already; nothing is put over it")


def _remove_rest(name: str, folder: str) -> None:
    """Delete what lxc-create has left of NAME. Its file `partial` is locked while one works (lxc's create_partial)."""
    import fcntl

    from modules._file import remove as file_remove

    home = os.path.join(folder, name)
    try:
        with open(os.path.join(home, "partial"), "r+b") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LxcError(f"the container {name} is being made by another process") from None
    except FileNotFoundError:
        pass
    else:
        file_remove.remove(home)
