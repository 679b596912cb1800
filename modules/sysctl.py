"""Kernel parameters below /proc/sys, now and at boot (sysctl.d(5)).

A name is written with dots ("net.ipv4.ip_forward") or with slashes, as for sysctl(8): the first of the two separates,
the other stands for itself or, after a dot, for the other: "net.ipv4.conf.eno1/43.forwarding" and
"net/ipv4/conf/eno1.43/forwarding" are one. Those below `net` are of this network namespace.
"""

from __future__ import annotations

import os
import re
from typing import Any

from modules._file import safe
from modules._file import text as file_text
from saltern.errors import PermanentError, nearest
from saltern.marks import acting, reading

CONFIG = "/etc/sysctl.d/90-saltern.conf"
PROC = "/proc/sys"
_PART = re.compile(r"[A-Za-z0-9_.:@+-]{1,64}")  # what parameters, and interfaces among them, are named by
_SWAP = str.maketrans("./", "/.")


class SysctlError(PermanentError, ValueError):
    """A parameter's name or value is none, or the kernel has no such parameter or refuses the value."""


def path_of(name: object) -> str:
    """The path of the parameter NAME below /proc/sys: "net/ipv4/ip_forward". SysctlError where it can be none."""
    text = name if isinstance(name, str) else ""
    separator = re.search(r"[./]", text)
    path = text.translate(_SWAP) if separator and separator.group() == "." else text
    parts = path.split("/")
    if not separator or any(not _PART.fullmatch(part) or part in (".", "..") or part[0] == "-" for part in parts):
        raise SysctlError(f"not the name of a kernel parameter: {name!r}; write it like net.ipv4.ip_forward")
    return path


def name_of(path: str) -> str:
    """The usual name of the parameter at PATH: dots between its parts."""
    return path.translate(_SWAP)


def value_of(value: object) -> str:
    """A parameter's value as one line with single spaces: the kernel separates some by tabs. true and false are 1 and
    0."""
    if isinstance(value, bool):
        return str(int(value))
    if not isinstance(value, str | int) or (isinstance(value, str) and "\0" in value):
        raise SysctlError(f"not the value of a kernel parameter: {value!r}; give a number or a text")
    return " ".join(str(value).split())


def config_path(path: object) -> str:
    """The file to persist in, checked: an absolute path that ends in `.conf`, since nothing else is read at boot."""
    if not isinstance(path, str) or not path.endswith(".conf"):
        raise SysctlError(f"not a file that is read at boot: {path!r}; it must end in .conf, like {CONFIG}")
    return safe.absolute(path)


def parse(text: str) -> dict[str, str]:
    """The parameters of a file, by path: "NAME = VALUE" a line; `#` and `;` begin comments, a `-` before the name only
    says that the kernel may refuse it. The last line of a name counts; lines with patterns are not understood."""
    found = {}
    for line in text.splitlines():
        path = _assigned(line)
        if path is not None:
            found[path] = " ".join(line.partition("=")[2].split())
    return found


def with_parameter(text: str, path: str, value: str) -> str:
    """The TEXT of a file with the parameter at PATH set to VALUE: in its own line where there is one, else at the end.
    Its further lines go, all others stay as they are."""
    line, done, lines = f"{name_of(path)} = {value}\n", False, []
    for old in text.splitlines(keepends=True):
        if _assigned(old) != path:
            lines.append(old)
        elif not done:
            lines.append(line)
            done = True
    if not done:
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        lines.append(line)
    return "".join(lines)


def _assigned(line: str) -> str | None:
    """The path of the parameter that LINE sets, or None."""
    words = line.strip()
    if not words or words[0] in "#;" or "=" not in words:
        return None
    try:
        return path_of(words.partition("=")[0].strip().removeprefix("-"))
    except SysctlError:
        return None


def live(path: str) -> str | None:
    """The value now of the parameter at PATH, None where the kernel has none such. SysctlError where it can't be
    read or written."""
    full = f"{PROC}/{path}"
    try:
        status = os.stat(full)
        if os.path.isdir(full):
            raise SysctlError(f"{name_of(path)} is a group of kernel parameters, not one")
        if not status.st_mode & 0o222:
            raise SysctlError(f"the kernel parameter {name_of(path)} can't be changed")
        if not status.st_mode & 0o444:
            raise SysctlError(f"the kernel parameter {name_of(path)} can't be read: it only starts something")
        with open(full, encoding="utf-8", errors="surrogateescape") as file:
            return " ".join(file.read().split())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SysctlError(f"the kernel parameter {name_of(path)} can't be read: {error.strerror}") from None


def missing(path: str) -> str:
    """What to say where the kernel has no parameter at PATH."""
    folder, _, last = path.rpartition("/")
    try:
        near = nearest(last, os.listdir(f"{PROC}/{folder}"))
    except OSError:
        near = ""
    return f"this kernel has no parameter {name_of(path)} (is its module loaded?).{near}"


def saved(config: str) -> dict[str, str]:
    """The parameters that the file CONFIG sets, by path; none where it is missing."""
    return parse(file_text.read(config))


@reading
def get(name: str) -> str:
    """The value now of the kernel parameter NAME."""
    path = path_of(name)
    full = f"{PROC}/{path}"
    try:
        with open(full, encoding="utf-8", errors="surrogateescape") as file:
            return " ".join(file.read().split())
    except FileNotFoundError:
        raise SysctlError(missing(path)) from None
    except OSError as error:
        raise SysctlError(f"the kernel parameter {name} can't be read: {error.strerror}") from None


@reading
def show(config_file: str = CONFIG) -> dict[str, Any]:
    """The kernel parameters that CONFIG_FILE sets, by name."""
    return {name_of(path): value for path, value in saved(config_path(config_file)).items()}


@acting
def assign(name: str, value: str | int) -> dict[str, str]:
    """Set the kernel parameter NAME to VALUE now; until the next boot. Its value then."""
    path = path_of(name)
    try:
        # By one write, as the kernel asks for; the file is the kernel's own, so nothing can be swapped in between.
        fd = os.open(f"{PROC}/{path}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, (value_of(value) + "\n").encode("utf-8", "surrogateescape"))
        finally:
            os.close(fd)
    except FileNotFoundError:
        raise SysctlError(missing(path)) from None
    except OSError as error:
        raise SysctlError(f"the kernel refuses {value_of(value)!r} for {name_of(path)}: {error.strerror}") from None
    return {name_of(path): get(name)}


@acting
def persist(name: str, value: str | int, config: str = CONFIG) -> bool:
    """Have the kernel parameter NAME set to VALUE at each boot by the file CONFIG. Whether that changed."""
    config = config_path(config)
    before = file_text.read(config)
    after = with_parameter(before, path_of(name), value_of(value))
    if after == before:
        return False
    os.makedirs(os.path.dirname(config), mode=0o755, exist_ok=True)
    safe.write(config, [after.encode("utf-8", "surrogateescape")])
    return True
