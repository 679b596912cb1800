"""Mounts: what is mounted now, what will be after a reboot (systemd mount units or /etc/fstab), and changing both."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from modules import _fstab, _mount_options, _mountinfo, _safe
from modules._fstab import Line
from modules._mountinfo import Live
from modules._run import CommandError, checked, run
from saltern.converge.plan import UNSET, Unset
from saltern.errors import PermanentError
from saltern.marks import acting, reading

FSTAB = "/etc/fstab"
UNITS = "/etc/systemd/system"
WANTS = "multi-user.target.wants"
ATTEMPT_S = 30.0  # one attempt to mount
PATIENCE_S = 60.0  # how long an NFS server that does not answer, or does not export yet, is asked again
_PAUSE_S = 1.0
_NOT_YET = ("no such file", "access denied", "refused", "timed out", "unreachable", "no route", "not permitted")


class MountError(PermanentError):
    """Something can't be mounted or unmounted; the message says what and why."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The text of a systemd mount unit, and whether it is started at boot."""

    text: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount point as it is, or as it should be. DEVICE None: nothing is mounted there. OPTIONS are those that the
    state compares. PERSISTENT: the unit or the line of /etc/fstab that mounts it at boot, or None."""

    device: str | None
    fstype: str | Unset | None = UNSET
    options: frozenset[str] | Unset = UNSET
    persistent: Unit | Line | Unset | None = UNSET


@reading
def mounts() -> list[Live]:
    """All mounts of this process, in the kernel's order."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return _mountinfo.parse(file.read())


@reading
def active() -> dict[str, dict[str, Any]]:
    """What is mounted, by mount point, in Salt's shape: device, fstype, opts."""
    return {
        live.target: {"device": live.device, "fstype": live.fstype, "opts": sorted(live.options)} for live in mounts()
    }


@reading
def is_mounted(name: str) -> bool:
    """Whether something is mounted at NAME. It does not touch NAME, so a server that is away does not hang it."""
    return _mountinfo.on_top(mounts(), _safe.absolute(name)) is not None


@reading
def fstab() -> dict[str, dict[str, Any]]:
    """The entries of /etc/fstab by mount point."""
    found = {}
    for line in _read(FSTAB).splitlines():
        words = line.split()
        if len(words) >= 4 and not words[0].startswith("#"):
            target = _mountinfo.unescaped(words[1])
            found[target] = {"device": _mountinfo.unescaped(words[0]), "fstype": words[2], "opts": words[3].split(",")}
    return found


@reading
def under_systemd() -> bool:
    """Whether systemd is the init of this system (sd_booted(3))."""
    return os.path.isdir("/run/systemd/system")


@reading
def unit_of(target: str) -> Unit | None:
    """The mount unit that an administrator (or this module) wrote for TARGET, or None."""
    name = _mountinfo.unit_name(target)
    text = _read(f"{UNITS}/{name}")
    return Unit(text, os.path.islink(f"{UNITS}/{WANTS}/{name}")) if text else None


@reading
def line_of(target: str) -> Line | None:
    """The entry of /etc/fstab for TARGET, or None."""
    return _fstab.find(_read(FSTAB), target)


@acting
def make_point(target: str) -> None:
    """Make the directory TARGET and those above it."""
    _safe.make_folders(target)


@acting
def write_unit(target: str, text: str) -> None:
    """Put the mount unit of TARGET in place and have systemd read it."""
    _safe.write(f"{UNITS}/{_mountinfo.unit_name(target)}", [text.encode()], mode=0o644)
    checked(["systemctl", "daemon-reload"])


@acting
def enable_unit(target: str) -> None:
    """Have the unit of TARGET started at boot."""
    checked(["systemctl", "enable", "--quiet", "--", _mountinfo.unit_name(target)])


@acting
def remove_unit(target: str) -> None:
    """Have the unit of TARGET no longer started at boot, and remove it."""
    name = _mountinfo.unit_name(target)
    checked(["systemctl", "disable", "--quiet", "--", name])
    if os.path.exists(f"{UNITS}/{name}"):
        os.unlink(f"{UNITS}/{name}")
    checked(["systemctl", "daemon-reload"])


@acting
def write_line(target: str, entry: Line | None) -> None:
    """Put ENTRY for TARGET into /etc/fstab, or take it out where it is None. Other lines stay as they are."""
    _safe.write(FSTAB, [_fstab.put(_read(FSTAB), target, entry).encode("utf-8", "surrogateescape")])


@acting
def start_unit(target: str, fstype: str = "") -> None:
    """Mount TARGET by its unit. MountError says what mount(8) said."""
    name = _mountinfo.unit_name(target)

    def attempt() -> str | None:
        run(["systemctl", "reset-failed", "--", name], timeout_s=ATTEMPT_S)
        ran = run(["systemctl", "start", "--", name], timeout_s=ATTEMPT_S)
        if ran.code == 0:
            return None
        said = run(["journalctl", "-u", name, "-n", "4", "-o", "cat", "--no-pager"], timeout_s=ATTEMPT_S).out
        return "did not end in time" if ran.timed_out else (said or ran.err).strip()

    _persist(target, fstype, attempt)


@acting
def mount(name: str, device: str, mkmnt: bool = False, fstype: str = "", opts: str = "defaults") -> bool:
    """Mount DEVICE at NAME. MKMNT: make the directory first. True; MountError says what mount(8) said."""
    target = _safe.absolute(name)
    words = _mount_options.listed(opts)
    if mkmnt:
        _safe.make_folders(target)
    argv = ["mount", *(["-t", fstype] if fstype else []), *(["-o", ",".join(words)] if words else [])]

    def attempt() -> str | None:
        ran = run([*argv, "--", device, target], timeout_s=ATTEMPT_S, env={**os.environ, "LC_ALL": "C"})
        return None if ran.code == 0 else "did not end in time" if ran.timed_out else ran.err.strip()

    _persist(target, fstype, attempt)
    return True


@acting
def remount(name: str, opts: str) -> bool:
    """Give the mount at NAME other options, without unmounting it."""
    return _quick(["mount", "-o", ",".join(("remount", *_mount_options.listed(opts))), "--", _safe.absolute(name)])


@acting
def umount(name: str) -> bool:
    """Unmount NAME. MountError names the processes that keep it busy, as far as they can be seen."""
    target = _safe.absolute(name)
    try:
        return _quick(["umount", "--", target])
    except MountError as error:
        if "busy" not in str(error):
            raise
        holders = _holders(target)
        raise MountError(f"{target} is busy{': ' + holders + ' use it' if holders else ''}") from None


def _quick(argv: list[str]) -> bool:
    try:
        checked(argv, timeout_s=ATTEMPT_S)
    except CommandError as error:
        raise MountError(str(error)) from None
    return True


def _persist(target: str, fstype: str, attempt: Any) -> None:
    """Run ATTEMPT (None: it worked, else why not). An NFS server may still be starting, so it is asked for a while."""
    deadline = time.monotonic() + (PATIENCE_S if fstype.startswith("nfs") else 0)
    while (said := attempt()) is not None:
        later = any(word in said.lower() for word in _NOT_YET)
        if not later or time.monotonic() >= deadline:
            raise MountError(f"{target} can't be mounted: {said}")
        time.sleep(_PAUSE_S)


def _holders(target: str) -> str:
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for kind in ("cwd", "root"):
            try:
                place = os.readlink(f"/proc/{pid}/{kind}")
            except OSError:
                continue
            if place == target or place.startswith(target + "/"):
                found.add(f"{_read(f'/proc/{pid}/comm').strip()!r} ({pid})")
    return ", ".join(sorted(found)[:5])


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""
