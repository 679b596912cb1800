"""Starts the network guard: outside of everything that may end together with the minion.

Where systemd runs this node, that is a unit of its own (the installed `saltern-guard.service`, else a transient one);
elsewhere a process in a session of its own. This file imports nothing heavy: the agent has it.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from modules._transaction.store import Store, TransactionError, folder_of
from saltern.wire.private import sync_folder

logger = logging.getLogger(__name__)

UNIT = "saltern-guard.service"
_FOLDERS = ("/etc/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
_MARK = "Written by Saltern: a change of the network is guarded by it. Remove this line to keep your own version."
_TEXT = """\
# {mark}
[Unit]
Description=Saltern network guard
DefaultDependencies=no
ConditionPathExists=/var/lib/saltern/minion/network/pending
RequiresMountsFor=/var/lib/saltern /etc
After=local-fs.target
Wants=network-pre.target
Before=network-pre.target systemd-networkd.service NetworkManager.service networking.service saltern-network.service
Before=shutdown.target
Conflicts=shutdown.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={command} --boot
Restart=on-failure
RestartSec=100ms
TimeoutStartSec=60
OOMScoreAdjust=-1000

[Install]
WantedBy=sysinit.target
"""
ARM_S = 30.0  # a small host under load takes seconds to load Python and pyroute2
_SYSTEMD_S = 30.0
_POLL_S = 0.02
_AGAIN_S = 1.0


def arm(root: Path, var: Path, transaction: str) -> str:
    """Have a guard armed for TRANSACTION, and say how it runs. TransactionError where none is in time."""
    store = Store(folder_of(var))
    how, process = start(root)
    began = time.monotonic()
    deadline, again = began + ARM_S, began + _AGAIN_S
    while store.armed() != transaction:
        if process is not None and process.poll() is not None:
            raise TransactionError(f"the network guard ended at once ({how}, exit code {process.returncode})")
        if time.monotonic() > deadline:
            raise TransactionError(f"the network guard was not ready within {ARM_S:.0f} s ({how})")
        if process is None and time.monotonic() > again:
            how, process = start(root)  # a unit that was about to end, of the transaction before, was not started
            again = time.monotonic() + _AGAIN_S
        time.sleep(_POLL_S)
    return how


def start(root: Path) -> tuple[str, subprocess.Popen[bytes] | None]:
    """Start a guard and don't wait: how it runs, and its process where that is a child of this one."""
    for how, argv in _ways(root):
        if _ran(argv):
            return how, None
    return "a process of its own", subprocess.Popen(
        guard_argv(root),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )


def guard_argv(root: Path) -> list[str]:
    """The command of the guard."""
    return [sys.executable, "-P", "-m", "minion.guard", str(root)]


def _ways(root: Path) -> Sequence[tuple[str, list[str]]]:
    """How systemd may run it, the best first; nothing where systemd does not run this node's network namespace."""
    if not os.path.isdir("/run/systemd/system") or not _same_namespaces():
        return ()
    transient = [
        "systemd-run",
        "--quiet",
        "--collect",
        f"--unit=saltern-guard-{os.getpid()}-{time.monotonic_ns()}",
        "--service-type=notify",
        "--property=NotifyAccess=main",
        "--property=Restart=on-failure",
        "--property=RestartSec=100ms",
        "--property=StartLimitIntervalSec=0",
        "--property=OOMScoreAdjust=-1000",
        "--",
        *guard_argv(root),
    ]
    ways = [("a unit of systemd for this change alone", transient)]
    if root != Path("/"):
        return ways
    install()
    return [(UNIT, ["systemctl", "start", UNIT]), *ways]


def unit() -> str:
    """The text of the unit, for the installation that runs now."""
    return _TEXT.format(mark=_MARK, command=" ".join(guard_argv(Path("/"))))


def install() -> None:
    """Have the unit installed and enabled: it is what takes an uncommitted change back at the next boot. One that an
    administrator or a package put there stays as it is. Where it can't be written, the change is guarded all the same
    so long as the node runs."""
    file = f"{_FOLDERS[0]}/{UNIT}"
    wanted = f"{_FOLDERS[0]}/sysinit.target.wants/{UNIT}"
    try:
        there = next((f"{folder}/{UNIT}" for folder in _FOLDERS if os.path.exists(f"{folder}/{UNIT}")), None)
        if there is None or (there == file and _differs(file)):
            _write(file, unit())
            there = file
            _ran(["systemctl", "daemon-reload"])
        if not os.path.lexists(wanted):
            os.makedirs(os.path.dirname(wanted), mode=0o755, exist_ok=True)
            os.symlink(there, wanted)
            for folder in (_FOLDERS[0], os.path.dirname(wanted)):  # or a power cut takes what guards against it
                sync_folder(Path(folder))
    except OSError as error:
        logger.warning("%s can't be installed, so nothing would take a change back at boot: %s", UNIT, error)


def _differs(file: str) -> bool:
    """Whether FILE is of an earlier installation of ours."""
    text = Path(file).read_text(errors="replace")
    return text.startswith(f"# {_MARK}") and text != unit()


def _write(file: str, text: str) -> None:
    temporary = f"{file}.new"
    with open(temporary, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.chmod(temporary, 0o644)
    os.replace(temporary, file)


def _same_namespaces() -> bool:
    try:
        return os.readlink("/proc/1/ns/net") == os.readlink("/proc/self/ns/net")
    except OSError:
        return False


def _ran(argv: Sequence[str]) -> bool:
    try:
        ran = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SYSTEMD_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ran.returncode == 0
