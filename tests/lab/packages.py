"""Packages of the distribution that need not be installed: downloaded from its mirror and unpacked."""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.apart import outside
from tests.lab.channel import LabError
from tests.patience import patient

LOCK = "/tmp/saltern-tests-apt.lock"
_GET = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=5"]  # the mirror may be busy


def unpack(packages: Sequence[str], debs: Path, into: Path) -> None:
    """Download PACKAGES to the new folder DEBS and unpack them below INTO. LabError where that fails."""
    debs.mkdir()
    try:
        _run([*_GET, "download", *packages], cwd=debs)
    except LabError:  # a list of packages that is older than what the mirror has
        update()
        _run([*_GET, "download", *packages], cwd=debs)
    for deb in sorted(debs.iterdir()):
        _run(["dpkg", "-x", str(deb), str(into)])


def update() -> None:
    """Read the mirror's lists of packages. LabError where that fails."""
    with _turn():
        _run([*_GET, "update"])


def path() -> str:
    """Where programs are looked for: root's are there too."""
    return os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


@contextmanager
def _turn() -> Iterator[None]:
    """One after the other: apt-get gives up at once where another one reads the lists."""
    lock = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _run(argv: Sequence[str], cwd: Path | None = None) -> None:
    done = subprocess.run(
        outside(argv),
        capture_output=True,
        text=True,
        timeout=patient(120.0),
        cwd=cwd,
        env={"PATH": path(), "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-800:]
        raise LabError(f"packages can't be had: `{' '.join(argv)}`: {said}")
