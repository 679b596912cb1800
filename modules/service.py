"""Services as systemd keeps them: whether they run, start at boot, and what went wrong.

A name without a suffix is that of a `.service` unit. Every look is one `systemctl show`; its fields are those of
org.freedesktop.systemd1(5).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

from modules import _run
from saltern.errors import PermanentError
from saltern.marks import acting, reading

BOOTED = "/run/systemd/system"  # there exactly where systemd is process 1, sd_booted(3)
JOURNAL_LINES = 12
STAY_S = 0.5  # how long a unit that says nothing of its readiness is watched after a start
JOB_TIMEOUT_S = 660.0  # a start waits for the unit's own TimeoutStartSec, 90 s by default; this is only for what hangs

_SUFFIXES = (".service", ".socket", ".mount", ".automount", ".swap", ".target", ".path", ".timer", ".slice", ".scope")
_NAME = re.compile(r"[A-Za-z0-9:_.\\@-]{1,255}")
_ASKED = (
    "Id",
    "LoadState",
    "LoadError",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "NeedDaemonReload",
    "Type",
    "Result",
)


class ServiceError(PermanentError):
    """A unit can't be looked at or brought to what was asked."""


class NoSystemd(ServiceError):
    """systemd is not process 1 of this node."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as `systemctl show` tells it. ACTIVE is the ActiveState, FILE the UnitFileState ("" has no file)."""

    name: str
    load: str
    active: str
    sub: str
    file: str
    needs_reload: bool = False
    type: str = ""
    result: str = ""
    load_error: str = ""

    @property
    def exists(self) -> bool:
        """Whether there is such a unit; a masked one counts."""
        return self.load != "not-found"

    @property
    def is_running(self) -> bool:
        """Whether it is up: active, or just reading its settings anew."""
        return self.active in ("active", "reloading", "refreshing")

    @property
    def is_masked(self) -> bool:
        """Whether it is barred from being started."""
        return self.load == "masked" or self.file.startswith("masked")


def unit_name(name: str) -> str:
    """NAME with its suffix ("ssh" is "ssh.service"). ServiceError where it can't be the name of a unit."""
    if not _NAME.fullmatch(name) or name.startswith("-"):
        raise ServiceError(f"not the name of a unit: {name!r}")
    return name if name.endswith(_SUFFIXES) else f"{name}.service"


def parse_show(text: str, name: str) -> Unit:
    """The unit NAME from the `Key=value` lines of `systemctl show`."""
    found = dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)
    return Unit(
        name=name,
        load=found.get("LoadState", "not-found"),
        active=found.get("ActiveState", "inactive"),
        sub=found.get("SubState", "dead"),
        file=found.get("UnitFileState", ""),
        needs_reload=found.get("NeedDaemonReload") == "yes",
        type=found.get("Type", ""),
        result=found.get("Result", ""),
        load_error=found.get("LoadError", "").strip(' "'),
    )


def starts_at_boot(file_state: str, wished: bool) -> bool:
    """Whether a unit of this UnitFileState is enabled, as systemctl(1) `is-enabled` lists them. One that can't be
    switched (static, indirect, transient, generated) counts as WISHED; one enabled until the next boot as its
    opposite."""
    if file_state in ("static", "indirect", "transient", "generated"):
        return wished
    if file_state == "enabled-runtime":
        return not wished
    return file_state in ("enabled", "alias")


@reading
def unit(name: str) -> Unit:
    """The unit NAME. NoSystemd where systemd is not process 1."""
    full = unit_name(name)
    return parse_show(_systemctl("show", f"--property={','.join(_ASKED)}", "--", full), full)


@reading
def available(name: str) -> bool:
    """Whether there is a unit NAME."""
    return unit(name).exists


@reading
def missing(name: str) -> bool:
    """Whether there is no unit NAME."""
    return not unit(name).exists


@reading
def status(name: str) -> bool:
    """Whether the unit NAME runs."""
    return unit(name).is_running


@reading
def enabled(name: str) -> bool:
    """Whether the unit NAME starts at boot (one that can't be switched counts)."""
    return starts_at_boot(unit(name).file, True)


@reading
def disabled(name: str) -> bool:
    """Whether the unit NAME does not start at boot."""
    return not enabled(name)


@reading
def masked(name: str) -> bool:
    """Whether the unit NAME is barred from being started."""
    return unit(name).is_masked


@reading
def show(name: str) -> dict[str, str]:
    """All that systemd tells of the unit NAME."""
    text = _systemctl("show", "--", unit_name(name))
    return dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)


@reading
def get_all() -> list[str]:
    """The services that have a unit file, without their suffix, sorted."""
    return _services(())


@reading
def get_enabled() -> list[str]:
    """The services that start at boot."""
    return _services(("enabled",))


@reading
def get_disabled() -> list[str]:
    """The services that don't start at boot."""
    return _services(("disabled",))


@reading
def get_running() -> list[str]:
    """The services that run now."""
    text = _systemctl("list-units", "--type=service", "--state=running", "--no-legend", "--plain", "--full")
    return sorted(line.split()[0].removesuffix(".service") for line in text.splitlines() if line.strip())


@acting
def start(name: str) -> bool:
    """Start the unit NAME, and see that it stays up."""
    return _job("start", name, stay=True)


@acting
def stop(name: str) -> bool:
    """Stop the unit NAME."""
    return _job("stop", name)


@acting
def restart(name: str) -> bool:
    """Stop and start the unit NAME, and see that it stays up."""
    return _job("restart", name, stay=True)


@acting
def reload(name: str) -> bool:
    """Have the unit NAME read its settings anew; one that can't is restarted."""
    return _job("reload-or-restart", name, stay=True)


@acting
def enable(name: str) -> bool:
    """Have the unit NAME start at boot."""
    return _job("enable", name)


@acting
def disable(name: str) -> bool:
    """Have the unit NAME not start at boot."""
    return _job("disable", name)


@acting
def mask(name: str) -> bool:
    """Bar the unit NAME from being started."""
    return _job("mask", name)


@acting
def unmask(name: str) -> bool:
    """Let the unit NAME be started again."""
    return _job("unmask", name)


@acting
def systemctl_reload() -> bool:
    """Have systemd read all unit files anew."""
    _systemctl("daemon-reload")
    return True


def _services(states: Iterable[str]) -> list[str]:
    only = [f"--state={','.join(states)}"] if states else []
    text = _systemctl("list-unit-files", "--type=service", *only, "--no-legend", "--full")
    return sorted(line.split()[0].removesuffix(".service") for line in text.splitlines() if line.strip())


def _systemctl(*words: str, timeout_s: float = 30.0) -> str:
    if not os.path.isdir(BOOTED):
        raise NoSystemd(f"no systemd here: services are run by systemd as process 1, and there is no {BOOTED}")
    return _run.checked(["systemctl", "--no-pager", *words], timeout_s=timeout_s)


def _job(verb: str, name: str, *, stay: bool = False) -> bool:
    """`systemctl VERB NAME`, after systemd has read its files anew if they changed. ServiceError with the last lines of
    the journal where it fails; with STAY also where the unit does not stay up."""
    full = unit_name(name)
    if unit(full).needs_reload:
        _systemctl("daemon-reload")
    try:
        _systemctl(verb, "--", full, timeout_s=JOB_TIMEOUT_S)
    except _run.CommandError as error:
        if verb not in ("start", "restart", "reload-or-restart", "stop"):
            raise ServiceError(f"can't {verb} {full}: {error}") from None
        raise _failure(verb, full) from None
    if stay and not _stays(full):
        raise _failure(verb, full)
    return True


def _stays(name: str) -> bool:
    """Whether the unit is up, and, where its type is up as soon as it is started, still is STAY_S seconds later."""
    deadline = time.monotonic() + STAY_S
    while True:
        found = unit(name)
        if found.active == "failed" or found.sub == "auto-restart":
            return False
        if found.type not in ("simple", "exec", "idle") or time.monotonic() >= deadline:
            return True
        time.sleep(0.1)


def _failure(verb: str, name: str) -> ServiceError:
    found = unit(name)
    words = [f"can't {verb} {name}: it is {found.active} ({found.sub}), result {found.result or 'unknown'}"]
    if lines := journal(name):
        words += ["the last lines of its journal:", *(f"  {line}" for line in lines)]
    return ServiceError("\n".join(words))


def journal(name: str) -> list[str]:
    """The last lines that the unit NAME wrote to the journal; none where they can't be read."""
    try:
        return _run.checked(
            ["journalctl", f"--unit={name}", f"--lines={JOURNAL_LINES}", "--no-pager", "--output=cat"], timeout_s=10.0
        ).splitlines()
    except _run.CommandError:
        return []
