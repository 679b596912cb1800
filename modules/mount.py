"""Mounts: what is mounted now, what will be after a reboot (systemd mount units or /etc/fstab), and changing both."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from modules import _probe
from modules._file import safe
from modules._file import text as file_text
from modules._mount import fstab as mount_fstab
from modules._mount import holders
from modules._mount import options as mount_options
from modules._mount import table as mount_table
from modules._mount import unit as mount_unit
from modules._mount.fstab import Line
from modules._mount.options import MountOptionError
from modules._mount.table import Live
from modules._run import CommandError, checked, run
from saltern.converge.plan import UNSET, Unset
from saltern.errors import PermanentError
from saltern.marks import acting, reading

FSTAB = "/etc/fstab"
UNITS = "/etc/systemd/system"
WANTS = "multi-user.target.wants"
ATTEMPT_S = 30.0  # one attempt to mount
PATIENCE_S = 60.0  # how long an NFS server that does not answer, or does not export yet, is asked again
SEEN_S = 10.0  # how long systemd may take to notice what was mounted or unmounted beside it
LAYERS = 64  # of mounts over each other at one point
_PAUSE_S = 1.0
_NOT_YET = (  # what mount.nfs(8) says, and an attempt that was ended here, while a server is still starting
    "no such file",
    "access denied",
    "refused",
    "timed out",
    "in time",
    "unreachable",
    "no route",
    "not permitted",
)
_AWAY = ("timed out", "in time", "unreachable", "no route")


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
    state compares. UNIT and LINE: the systemd mount unit and the entry of /etc/fstab that mount it at boot. AUTOMOUNT:
    the unit that mounts it when it is used, and ARMED whether that one is at work. GUARDED: whether the directory under
    it can't be written to."""

    device: str | None
    fstype: str | Unset | None = UNSET
    options: frozenset[str] | Unset = UNSET
    unit: Unit | Unset | None = UNSET
    line: Line | Unset | None = UNSET
    automount: Unit | Unset | None = UNSET
    armed: bool | Unset = UNSET
    guarded: bool | Unset = UNSET


def point(name: str) -> str:
    """NAME as a mount point: absolute, no `..`, nothing that a line of fstab or a unit can't hold."""
    target = safe.absolute(name)
    if not target.isprintable() or any(char in target for char in "\\\"'") or target.endswith(" "):
        raise MountOptionError(f"not a mount point: {name!r} (no quote, backslash or line break may be in it)")
    if len(mount_table.unit_name(target)) > 255:
        raise MountOptionError(f"not a mount point: {name!r} is too long for the name of a systemd unit")
    return target


def device_word(device: str) -> str:
    """DEVICE as mount(8), fstab and a unit take it: not empty, no option of mount(8), no quote. Some have blanks (a
    share of CIFS) or commas (the monitors of Ceph)."""
    plain = device.isprintable() and not any(char in device for char in "\\\"'") and device == device.strip()
    if not device or device.startswith("-") or not plain:
        raise MountOptionError(f"not a device to mount: {device!r} (no quote, backslash or line break may be in it)")
    return device


def fstype_word(fstype: str) -> str:
    """FSTYPE as mount(8) takes it: `nfs4`, `ext4`, `fuse.sshfs`."""
    if (
        not fstype.isascii()
        or not fstype.replace(".", "").replace("_", "").replace("-", "").isalnum()
        or fstype[0] == "-"
    ):
        raise MountOptionError(f"not a file system type: {fstype!r}")
    return fstype


def without_links(target: str, found: Iterable[Live]) -> str:
    """TARGET as the kernel shows it once it is mounted, without the symbolic links that lead there; the place of one of
    the mounts FOUND is not touched. UnsafePath for a link that another user made."""
    if any(live.target == target for live in found):
        return target
    place, rest = target, ""
    while place != "/":
        try:
            with safe.parent_of(place, follow=True) as (folder, name):
                return f"{os.readlink(f'/proc/self/fd/{folder}').rstrip('/')}/{name}{rest}"
        except (FileNotFoundError, NotADirectoryError):
            place, _, last = place.rpartition("/")
            place, rest = place or "/", f"/{last}{rest}"
    return target


@reading
def mounts() -> list[Live]:
    """All mounts of this process, in the kernel's order."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return mount_table.parse(file.read())


@reading
def active() -> dict[str, dict[str, Any]]:
    """What is mounted, by mount point, in Salt's shape: device, fstype, opts."""
    return {
        live.target: {"device": live.device, "fstype": live.fstype, "opts": sorted(live.options)} for live in mounts()
    }


@reading
def is_mounted(name: str) -> bool:
    """Whether something is mounted at NAME. What is mounted is not touched, so a server that is away hangs nothing."""
    found = mounts()
    return mount_table.on_top(found, without_links(safe.absolute(name), found)) is not None


@reading
def fstab() -> dict[str, dict[str, Any]]:
    """The entries of /etc/fstab by mount point: device, fstype, opts, dump, pass."""
    return {
        target: {
            "device": entry.device,
            "fstype": entry.fstype,
            "opts": entry.options.split(","),
            "dump": str(entry.dump),
            "pass": str(entry.check),
        }
        for target, entry in mount_fstab.entries(file_text.read(FSTAB))
    }


@reading
def under_systemd() -> bool:
    """Whether systemd is the init of this system (sd_booted(3))."""
    return os.path.isdir("/run/systemd/system")


@reading
def unit_of(target: str, kind: str = "mount") -> Unit | None:
    """The unit of KIND ("mount", "automount") that an administrator (or this module) wrote for TARGET, or None."""
    name = mount_table.unit_name(target, kind)
    text = file_text.read(f"{UNITS}/{name}")
    return Unit(text, os.path.islink(f"{UNITS}/{WANTS}/{name}")) if text else None


@reading
def is_armed(target: str) -> bool:
    """Whether an automount point is at TARGET, in use or waiting."""
    return any(live.target == target and live.fstype == "autofs" for live in mounts())


@reading
def line_of(target: str) -> Line | None:
    """The entry of /etc/fstab for TARGET, or None."""
    return mount_fstab.find(file_text.read(FSTAB), target)


def loop_file(device: str) -> str:
    """The file behind the loop device DEVICE ("/dev/loop0"), or ""."""
    return file_text.read(f"/sys/block/{os.path.basename(device)}/loop/backing_file").strip()


@acting
def make_point(target: str) -> None:
    """Make the directory TARGET and those above it."""
    safe.make_folders(target)


@acting
def write_unit(target: str, text: str, kind: str = "mount") -> None:
    """Put the unit of KIND of TARGET in place and have systemd read it."""
    safe.write(f"{UNITS}/{mount_table.unit_name(target, kind)}", [text.encode()], mode=0o644)
    checked(["systemctl", "daemon-reload"])


@acting
def enable_unit(target: str, kind: str = "mount") -> None:
    """Have the unit of TARGET started at boot."""
    checked(["systemctl", "enable", "--quiet", "--", mount_table.unit_name(target, kind)])


@acting
def disable_unit(target: str, kind: str = "mount") -> None:
    """Have the unit of TARGET no longer started at boot."""
    checked(["systemctl", "disable", "--quiet", "--", mount_table.unit_name(target, kind)])


@acting
def remove_unit(target: str, kind: str = "mount") -> None:
    """Have the unit of TARGET no longer started at boot, and remove it."""
    name = mount_table.unit_name(target, kind)
    for path in (f"{UNITS}/{WANTS}/{name}", f"{UNITS}/{name}"):
        with suppress(FileNotFoundError):
            os.unlink(path)
    if under_systemd():
        checked(["systemctl", "daemon-reload"])


@acting
def arm(target: str) -> None:
    """Have TARGET mounted when it is used: start its automount unit. Nothing may be mounted there."""
    checked(["systemctl", "restart", "--", mount_table.unit_name(target, "automount")], timeout_s=ATTEMPT_S)


@acting
def disarm(target: str) -> None:
    """Have TARGET no longer mounted when it is used: stop its automount unit."""
    checked(["systemctl", "stop", "--", mount_table.unit_name(target, "automount")], timeout_s=ATTEMPT_S)


@acting
def write_line(target: str, entry: Line | None) -> None:
    """Put ENTRY for TARGET into /etc/fstab, or take it out where it is None. Other lines stay as they are."""
    safe.write(FSTAB, [mount_fstab.put(file_text.read(FSTAB), target, entry).encode("utf-8", "surrogateescape")])


@acting
def set_fstab(name: str, device: str, fstype: str, opts: str = "defaults", dump: int = 0, pass_num: int = 0) -> str:
    """Have /etc/fstab mount DEVICE at NAME: "new", "change" or "present"."""
    target = point(name)
    words = ",".join(mount_options.listed(opts)) or "defaults"
    entry = Line(device_word(device), fstype_word(fstype), words, int(dump), int(pass_num))
    old = line_of(target)
    if old == entry:
        return "present"
    write_line(target, entry)
    return "change" if old else "new"


@acting
def rm_fstab(name: str) -> bool:
    """Take NAME out of /etc/fstab. Whether it was there."""
    target = point(name)
    if line_of(target) is None:
        return False
    write_line(target, None)
    return True


@acting
def start_unit(target: str, fstype: str = "") -> None:
    """Mount TARGET by its unit. MountError says what mount(8) said."""
    name = mount_table.unit_name(target)
    what = mount_unit.parse(file_text.read(f"{UNITS}/{name}")).what
    if what.startswith("/dev/") and not os.path.exists(what):  # systemd would wait for it, systemd.device(5)
        raise MountError(f"{target} can't be mounted: there is no device {what}")

    def attempt() -> str | None:
        run(["systemctl", "reset-failed", "--", name], timeout_s=ATTEMPT_S)
        deadline = time.monotonic() + SEEN_S
        while True:
            ran = run(["systemctl", "start", "--", name], timeout_s=ATTEMPT_S)
            if ran.code != 0 or is_mounted(target) or time.monotonic() >= deadline:
                break
            time.sleep(0.1)  # systemd has not noticed yet that it was unmounted, so there was nothing to start
        if ran.code == 0:
            return None if is_mounted(target) else f"systemd says that {name} is started, yet nothing is mounted"
        said = run(["journalctl", "-u", name, "-n", "4", "-o", "cat", "--no-pager"], timeout_s=ATTEMPT_S).out
        return ran.late if ran.timed_out else (said or ran.err).strip()

    _persist(target, fstype, what, attempt)


@acting
def mount(name: str, device: str, mkmnt: bool = False, fstype: str = "", opts: str = "defaults") -> bool:
    """Mount DEVICE at NAME. MKMNT: make the directory first. True; MountError says what mount(8) said."""
    target = point(name)
    words = mount_options.listed(opts)
    if mkmnt:
        safe.make_folders(target)
    kind = ["-t", fstype_word(fstype)] if fstype else []
    argv = ["mount", *kind, *(["-o", ",".join(words)] if words else []), "--", device_word(device), target]

    def attempt() -> str | None:
        ran = run(argv, timeout_s=ATTEMPT_S, env={"LC_ALL": "C"})
        return None if ran.code == 0 else ran.late if ran.timed_out else ran.err.strip()

    _persist(target, fstype, device, attempt)
    return True


@acting
def remount(name: str, opts: str) -> bool:
    """Give the mount at NAME other options, without unmounting it."""
    target = point(name)
    live = mount_table.on_top(mounts(), target)
    if live is None:
        raise MountError(f"nothing is mounted at {target}")
    given = mount_options.listed(opts)
    words = ",".join(("remount", *(mount_options.keeping(given, live) if "bind" in given else given)))
    # with both device and directory, mount(8) takes nothing from /etc/fstab or from the options as they are
    return _quick(["mount", "-o", words, "--", live.device, target])


@acting
def umount(name: str) -> bool:
    """Unmount NAME, and what lies under it at the same point. MountError names what keeps it busy, as far as it can be
    seen."""
    target = point(name)
    if target == "/":
        raise MountError("the root file system can't be unmounted")
    for _ in range(LAYERS):
        try:
            _quick(["umount", "--", target])
        except MountError as error:
            if "busy" not in str(error):
                raise
            raise MountError(f"{target} is busy{holders.told(mounts(), target)}") from None
        if not is_mounted(target):
            return True
    raise MountError(f"{target} still has a mount after {LAYERS} were taken away")


def _quick(argv: list[str]) -> bool:
    try:
        checked(argv, timeout_s=ATTEMPT_S)
    except CommandError as error:
        raise MountError(str(error)) from None
    return True


def _persist(target: str, fstype: str, device: str, attempt: Callable[[], str | None]) -> None:
    """Run ATTEMPT (None: it worked, else why not). An NFS server may still be starting, so it is asked for a while; but
    one that was waited for in vain a moment ago gets one attempt."""
    server = _probe.server_of(device)
    patience = PATIENCE_S if fstype.startswith("nfs") and not _probe.recently_silent(server) else 0.0
    deadline = time.monotonic() + patience
    while (said := attempt()) is not None:
        later = any(word in said.lower() for word in _NOT_YET)
        if not later or time.monotonic() >= deadline:
            if patience and any(word in said.lower() for word in _AWAY):
                _probe.note_silent(server)
            raise MountError(f"{target} can't be mounted: {said}")
        time.sleep(_PAUSE_S)
