"""Kernel modules: which are there, loading and unloading them, and which are loaded at boot (/etc/modules).

A module that is built into the kernel counts as loaded. Names mean the same with `-` and `_`, as for modprobe(8); here
they are written with `_`.
"""

from __future__ import annotations

import os
import re
from typing import Any

from modules._file import safe
from modules._file import text as file_text
from modules._run import checked
from saltern.errors import PermanentError, nearest
from saltern.marks import acting, reading

MODULES_FILE = "/etc/modules"  # read at boot by systemd-modules-load(8) and by kmod's init script
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}")
_TIMEOUT_S = 60.0


class ModuleError(PermanentError, ValueError):
    """A kernel module's name is none, or the module is not there."""


def plain(name: object) -> str:
    """NAME with `_` for `-`. ModuleError where no module can have it."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ModuleError(f"not the name of a kernel module: {name!r}; letters, digits, '_' and '-' are possible")
    return name.replace("-", "_")


def parse_loaded(text: str) -> dict[str, tuple[int, int, tuple[str, ...]]]:
    """/proc/modules as name → (size in bytes, users, modules that use it), proc(5)."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 4:
            users = tuple(name for name in words[3].split(",") if name not in ("", "-"))
            found[words[0]] = (int(words[1]), int(words[2]), users)
    return found


def parse_files(text: str) -> frozenset[str]:
    """The names in modules.dep or modules.builtin: the first path of each line, without folder and suffixes."""
    return frozenset(
        re.split(r"\.ko", line.partition(":")[0].rpartition("/")[2])[0].replace("-", "_")
        for line in text.splitlines()
        if line.strip()
    )


def parse_at_boot(text: str) -> tuple[str, ...]:
    """The modules of /etc/modules, modules(5): one a line, then its options; `#` and `;` begin comments."""
    words = (line.split() for line in text.splitlines())
    return tuple(parts[0].replace("-", "_") for parts in words if parts and parts[0][0] not in "#;")


def with_module(text: str, name: str) -> str:
    """The text of /etc/modules with NAME in it. All other lines stay as they are."""
    if name in parse_at_boot(text):
        return text
    return f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{name}\n"


def without_module(text: str, name: str) -> str:
    """The text of /etc/modules without NAME. All other lines stay as they are."""
    return "".join(line for line in text.splitlines(keepends=True) if parse_at_boot(line) != (name,))


def folder() -> str:
    """Where the running kernel's modules lie."""
    return f"/lib/modules/{os.uname().release}"


def loaded() -> frozenset[str]:
    """The modules in the kernel now, without the built-in ones."""
    return frozenset(parse_loaded(file_text.read("/proc/modules")))


def builtin() -> frozenset[str]:
    """The modules built into the kernel, where it came with their list."""
    return parse_files(file_text.read(f"{folder()}/modules.builtin"))


@reading
def is_loaded(name: str) -> bool:
    """Whether the module NAME is in the kernel: loaded or built in."""
    name = plain(name)
    if os.path.isdir(f"/sys/module/{name}"):  # loaded, or built in with parameters
        return file_text.read(f"/sys/module/{name}/initstate").strip() in ("", "live")
    return name in loaded() or name in builtin()


@reading
def is_available(name: str) -> bool:
    """Whether the module NAME is in the kernel or could be loaded."""
    name = plain(name)
    return is_loaded(name) or name in parse_files(file_text.read(f"{folder()}/modules.dep"))


@reading
def available() -> list[str]:
    """All modules that the running kernel has: loadable and built in."""
    return sorted(builtin() | parse_files(file_text.read(f"{folder()}/modules.dep")))


@reading
def check_available(mod: str) -> bool:
    """Whether the module MOD is in the kernel or could be loaded."""
    return is_available(mod)


@reading
def lsmod() -> list[dict[str, Any]]:
    """The loaded modules: module, size (bytes), depcount (users), deps (modules that use it)."""
    return [
        {"module": name, "size": str(size), "depcount": str(users), "deps": list(by)}
        for name, (size, users, by) in parse_loaded(file_text.read("/proc/modules")).items()
    ]


@reading
def mod_list(only_persist: bool = False) -> list[str]:
    """The loaded modules; with ONLY_PERSIST those that are loaded at boot."""
    return sorted(at_boot() if only_persist else loaded())


@acting
def load(mod: str, persist: bool = False) -> list[str]:
    """Load the module MOD with what it needs, and with PERSIST at each boot too. The modules that came."""
    before = loaded()
    checked(["modprobe", "--", plain(mod)], timeout_s=_TIMEOUT_S)
    if persist:
        set_at_boot(mod)
    return sorted(loaded() - before)


@acting
def remove(mod: str, persist: bool = False) -> list[str]:
    """Unload the module MOD and what nothing else needs then; with PERSIST not at boot either. The modules that
    went."""
    before = loaded()
    checked(["modprobe", "--remove", "--", plain(mod)], timeout_s=_TIMEOUT_S)
    if persist:
        unset_at_boot(mod)
    return sorted(before - loaded())


def at_boot() -> tuple[str, ...]:
    """The modules that /etc/modules names."""
    return parse_at_boot(file_text.read(MODULES_FILE))


@acting
def set_at_boot(mod: str) -> bool:
    """Have the module MOD loaded at boot. Whether the file changed."""
    return _rewrite(with_module(file_text.read(MODULES_FILE), plain(mod)))


@acting
def unset_at_boot(mod: str) -> bool:
    """Have the module MOD not loaded at boot by /etc/modules. Whether the file changed."""
    return _rewrite(without_module(file_text.read(MODULES_FILE), plain(mod)))


def missing(name: str) -> str:
    """What to say where the kernel has no module NAME."""
    return f"the kernel {os.uname().release} has no module {name!r}.{nearest(name, available())}"


def _rewrite(text: str) -> bool:
    if text == file_text.read(MODULES_FILE):
        return False
    safe.write(MODULES_FILE, [text.encode("utf-8", "surrogateescape")])
    return True
