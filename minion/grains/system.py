"""The operating system: kernel, distribution, init, the process that runs us, locale."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping
from typing import Any

from minion.grains import read
from saltern.config import Config

_OS = {
    "debian": ("Debian", "Debian"),
    "ubuntu": ("Ubuntu", "Debian"),
    "raspbian": ("Raspbian", "Debian"),
    "devuan": ("Devuan", "Debian"),
    "kali": ("Kali", "Debian"),
    "linuxmint": ("Mint", "Debian"),
    "pop": ("Pop", "Debian"),
    "rhel": ("RedHat", "RedHat"),
    "centos": ("CentOS", "RedHat"),
    "fedora": ("Fedora", "RedHat"),
    "rocky": ("Rocky", "RedHat"),
    "almalinux": ("AlmaLinux", "RedHat"),
    "amzn": ("Amazon", "RedHat"),
    "ol": ("OEL", "RedHat"),
    "opensuse-leap": ("SUSE", "Suse"),
    "opensuse-tumbleweed": ("SUSE", "Suse"),
    "sles": ("SUSE", "Suse"),
    "arch": ("Arch", "Arch"),
    "manjaro": ("Manjaro", "Arch"),
    "alpine": ("Alpine", "Alpine"),
    "gentoo": ("Gentoo", "Gentoo"),
    "void": ("Void", "Void"),
    "nixos": ("NixOS", "NixOS"),
}
"""ID of os-release(5) → the grains `os` and `os_family`."""

_FAMILIES = {
    "debian": "Debian",
    "ubuntu": "Debian",
    "rhel": "RedHat",
    "fedora": "RedHat",
    "suse": "Suse",
    "arch": "Arch",
}
"""A word of ID_LIKE → the family of a distribution that `_OS` does not know."""

_DEBIAN_ARCH = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "i686": "i386",
    "i586": "i386",
    "armv7l": "armhf",
    "armv6l": "armhf",
    "ppc64le": "ppc64el",
    "loongarch64": "loong64",
}
"""Machine of uname(2) → the name of dpkg-architecture(1), where they differ."""


def kernel(config: Config) -> dict[str, Any]:
    """uname(2)."""
    name = os.uname()
    return {"kernel": name.sysname, "kernelrelease": name.release, "kernelversion": name.version}


def distribution(config: Config) -> dict[str, Any]:
    """os-release(5), in Salt's words."""
    release = read.text("/etc/os-release") or read.text("/usr/lib/os-release")
    return distribution_of(read.pairs(release), os.uname().machine)


def distribution_of(release: Mapping[str, str], machine: str) -> dict[str, Any]:
    """The grains for the fields of os-release(5) and the MACHINE of uname(2)."""
    id_, name = release.get("ID", "").lower(), release.get("NAME", "")
    known = _OS.get(id_)
    if known:
        system, family = known
    else:
        system = name or id_ or "Linux"
        like = (word for word in release.get("ID_LIKE", "").lower().split() if word in _FAMILIES)
        family = next((_FAMILIES[word] for word in like), system)
    if system == "CentOS" and "stream" in name.lower():
        system = "CentOS Stream"
    version = release.get("VERSION_ID", "")
    info = [
        int(part) if part.isascii() and part.isdigit() and len(part) < 19 else part
        for part in version.split(".")
        if part
    ]
    codename = release.get("VERSION_CODENAME", "") or _codename(release.get("VERSION", ""))
    finger = system if system in ("Debian", "Raspbian") else name or system
    whole = version if system == "Ubuntu" else str(info[0]) if info else ""
    grains: dict[str, Any] = {
        "os": system,
        "os_family": family,
        "osfullname": name or system,
        "osrelease": version,
        "osrelease_info": info,
        "oscodename": codename,
        "osfinger": f"{finger}-{whole}" if whole else finger,
        "cpuarch": machine,
        "osarch": _DEBIAN_ARCH.get(machine, machine) if family == "Debian" else machine,
        "lsb_distrib_id": system if known else name or system,
        "lsb_distrib_release": version,
        "lsb_distrib_codename": codename,
        "lsb_distrib_description": release.get("PRETTY_NAME", name),
    }
    if info:
        grains["osmajorrelease"] = info[0]
    return grains


def _codename(version: str) -> str:
    """The word in brackets of `VERSION="12 (bookworm)"`."""
    found = re.search(r"\(([^()]*)\)", version)
    return found[1] if found else ""


def init(config: Config) -> dict[str, Any]:
    """Which program is process 1 and, for systemd, its version: read from the name of its library."""
    if not os.path.isdir("/run/systemd/system"):
        return {"init": init_of(read.line("/proc/1/comm"))}
    multiarch = getattr(sys.implementation, "_multiarch", "")
    for folder in (f"/usr/lib/{multiarch}/systemd", "/usr/lib/systemd", "/lib/systemd", "/usr/lib64/systemd"):
        version = systemd_version(read.listing(folder))
        if version:
            return {"init": "systemd", "systemd": {"version": version}}
    return {"init": "systemd"}


def init_of(command: str) -> str:
    """The grain `init` for the name of process 1, where it is not systemd."""
    return {"systemd": "systemd", "init": "sysvinit", "upstart": "upstart", "openrc-init": "openrc"}.get(
        command, command or "unknown"
    )


def systemd_version(files: list[str]) -> str:
    """ "252" for a folder with `libsystemd-shared-252.so` (`-252.22-1.fc37.so` elsewhere), '' for one without."""
    for name in files:
        found = re.fullmatch(r"libsystemd-shared-(\d+)[\w.~+-]*\.so", name)
        if found:
            return found[1]
    return ""


def process(config: Config) -> dict[str, Any]:
    """The user, the search path and the Python that functions run with."""
    import grp
    import pwd

    from saltern import __version__

    uid, gid = os.geteuid(), os.getegid()
    path = read.plain(os.environ.get("PATH", ""))
    return {
        "path": path,
        "systempath": path.split(":") if path else [],
        "shell": read.plain(os.environ.get("SHELL", "/bin/sh")),
        "uid": uid,
        "gid": gid,
        "username": _name_of(pwd.getpwuid, uid),
        "groupname": _name_of(grp.getgrgid, gid),
        "pythonversion": list(sys.version_info),
        "pythonexecutable": read.plain(sys.executable or ""),
        "pythonpath": [read.plain(entry) for entry in sys.path],
        "saltern_version": __version__,
    }


def _name_of(look_up: Any, number: int) -> str:
    try:
        return read.plain(look_up(number)[0])
    except KeyError:
        return ""


def locale(config: Config) -> dict[str, Any]:
    """The locale of the environment (locale(7)) and the time zone."""
    named = next((os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)), "C")
    language, _, encoding = read.plain(named).partition(".")
    zone = time.tzname[max(0, time.localtime().tm_isdst)]
    return {
        "locale_info": {
            "defaultlanguage": language,
            "defaultencoding": encoding.partition("@")[0],
            "detectedencoding": sys.getdefaultencoding(),
            "timezone": zone,
        },
        "timezone": time_zone(read.link("/etc/localtime"), read.line("/etc/timezone")) or zone,
    }


def time_zone(localtime: str, timezone: str) -> str:
    """ "Europe/Prague" by where /etc/localtime leads, else by the line in /etc/timezone; '' where neither says."""
    _, found, name = localtime.partition("/zoneinfo/")
    return name if found else timezone
