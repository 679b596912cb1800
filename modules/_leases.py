"""The leases that this node keeps in a file: what its master gave, for the time when the master is away, and what the
node leased by itself where it has no master.

One JSON document, replaced at once and durably; a lock beside it keeps two workers from giving the same address.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from saltern.errors import PermanentError
from saltern.vnet import Lease

_MOST_BYTES = 16 * 1024 * 1024


class LeaseFileError(PermanentError):
    """The file with the leases can't be read or written; the message says which and why."""


class LeaseFile:
    """The leases in `<var>/minion/leases`; VAR is the minion's `/var/lib/saltern`."""

    def __init__(self, var: Path) -> None:
        self._file = var / "minion" / "leases"

    def all(self) -> tuple[Lease, ...]:
        """The leases, by network, guest and number of the interface."""
        import msgspec

        try:
            fd = os.open(self._file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise LeaseFileError(f"{self._file}: the leases can't be read: {error.strerror}") from None
        with os.fdopen(fd, "rb") as stream:
            try:
                return msgspec.json.decode(stream.read(_MOST_BYTES), type=tuple[Lease, ...])
            except (msgspec.MsgspecError, ValueError) as error:
                raise LeaseFileError(f"{self._file}: damaged: {error}. Move it away to begin anew.") from None

    def find(self, vnet: str, guest: str, nic: int) -> Lease | None:
        """The lease of a guest's interface, or None."""
        return next((lease for lease in self.all() if _key(lease) == (vnet, guest, nic)), None)

    def put(self, lease: Lease) -> None:
        """Keep LEASE, in the place of an older one."""
        self._write([other for other in self.all() if _key(other) != _key(lease)] + [lease])

    def drop(self, vnet: str | None, guest: str) -> None:
        """Forget what GUEST has, on one network or all."""
        old = self.all()
        kept = [lease for lease in old if lease.guest != guest or vnet not in (None, lease.vnet)]
        if len(kept) != len(old):
            self._write(kept)

    def replace(self, leases: tuple[Lease, ...]) -> None:
        """Keep just these."""
        if sorted(leases, key=_key) != list(self.all()):
            self._write(list(leases))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone with the file inside the block. Each holder is quick, so this is waited for."""
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(self._file.with_name("leases.lock"), flags, 0o600)
        except OSError as error:
            raise LeaseFileError(f"{self._file}: the leases can't be locked: {error.strerror}") from None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _write(self, leases: list[Lease]) -> None:
        import msgspec

        from saltern.wire.private import write_file

        data = msgspec.json.format(msgspec.json.encode(sorted(leases, key=_key)), indent=1)
        try:
            write_file(self._file, data + b"\n")
        except OSError as error:
            raise LeaseFileError(f"{self._file}: the leases can't be written: {error.strerror}") from None


def _key(lease: Lease) -> tuple[str, str, int]:
    return lease.vnet, lease.guest, lease.nic
