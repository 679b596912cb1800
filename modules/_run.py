"""Runs a program: an argument list, never a shell; bounded in time and output; ended with all that it started."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from modules._file import identity
from saltern.errors import PermanentError

if TYPE_CHECKING:
    import select
    from subprocess import Popen

OUTPUT_BYTES = 10 << 20  # of each stream; what comes after is read and dropped
ENDED_S = 3.0  # what a killed program gets to be gone; one that waits in the kernel (a dead NFS server) is left behind
_CHUNK = 1 << 16
_TURNS, _TURN_S = 250, 0.02  # counted, not measured: where this process stood still, so did its reader


class CommandError(PermanentError):
    """A program is missing, ended with an error, or took too long."""


class Ran(NamedTuple):
    """How a program ended. `timed_out`: it was killed, and `code` is -9. `hangs`: even that did not end it, since it
    waits in the kernel for a device or a server, so it was left behind; what it does is not known."""

    code: int
    out: str
    err: str
    pid: int
    timed_out: bool = False
    hangs: bool = False

    @property
    def late(self) -> str:
        """What to say of one that did not end in time, after "NAME"."""
        if self.hangs:
            return "hangs in the kernel and can't be ended: what it waits for, a server or a disk, does not answer"
        return "did not end in time"


def run(
    argv: Sequence[str],
    *,
    timeout_s: float | None = 60.0,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | bytes | None = None,
    user: int | None = None,
    group: int | None = None,
    groups: Sequence[int] | None = None,
    umask: int = -1,
    merge: bool = False,
    pass_fds: Sequence[int] = (),
    starts_s: float = 0.0,
) -> Ran:
    """Run ARGV in a session of its own and wait. ENV is added to this process's environment (LC_ALL stays as given
    there). Output is UTF-8, undecodable bytes replaced, cut after OUTPUT_BYTES and then said to be cut; MERGE puts
    errors into the output. After TIMEOUT_S seconds (None: never) its whole process group is killed, and what has not
    ended ENDED_S after that is left behind. STARTS_S is for a program whose first byte of output says that it has
    started: that may take so long, and TIMEOUT_S counts from there. PASS_FDS are descriptors that the program
    inherits. Where USER is not given, the program runs as whom this thread has taken on (`_file.identity`), if anybody.

    CommandError where the program can't be started.
    """
    import subprocess
    import threading

    if user is None and (owner := identity.current()) is not None:
        user, group, groups = owner.uid, owner.gid, ()
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=pipe if stdin is not None else subprocess.DEVNULL,
            stdout=pipe,
            stderr=subprocess.STDOUT if merge else pipe,
            cwd=cwd,
            env={**os.environ, **env} if env else None,
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=groups,
            umask=umask,
            pass_fds=pass_fds,
        )
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise CommandError(_start_error(argv, cwd, error)) from None
    out, err = Reader(process.stdout), Reader(process.stderr)
    threads = [threading.Thread(target=reader.read, daemon=True) for reader in (out, err) if reader.stream]
    if stdin is not None:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        threads.append(threading.Thread(target=_feed, args=(process.stdin, data), daemon=True))
    for thread in threads:
        thread.start()
    timed_out = hangs = False
    try:
        if starts_s and not out.begun.wait(starts_s):
            timeout_s = 0.0
        code = process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        timed_out, code = True, -9
        hangs = not ended(process)
    except BaseException:
        ended(process)
        raise
    for thread in threads:
        thread.join(0.5)
    for reader in (out, err):
        reader.settle()
    return Ran(code, out.text(), err.text(), process.pid, timed_out, hangs)


def checked(argv: Sequence[str], *, timeout_s: float = 60.0, env: Mapping[str, str] | None = None) -> str:
    """The output of ARGV. CommandError with the last lines of what it said where it fails or takes too long."""
    ran = run(argv, timeout_s=timeout_s, env={"LC_ALL": "C", **(env or {})})
    if ran.timed_out:
        late = ran.late if ran.hangs else f"did not end within {timeout_s:g} s"
        raise CommandError(f"{argv[0]} {late}: {' '.join(argv)}")
    if ran.code != 0:
        said = (ran.err.strip() or ran.out.strip()).splitlines()[-12:]
        raise CommandError("\n".join([f"{' '.join(argv)} ended with {ran.code}", *said]))
    return ran.out


def which(name: str, path: str | None = None) -> str | None:
    """The full path of the program NAME on PATH (default: this process's), or None."""
    import shutil

    return shutil.which(name, path=path)


def _start_error(argv: Sequence[str], cwd: str | None, error: Exception) -> str:
    if cwd is not None and not os.path.isdir(cwd):
        return f"can't run {argv[0]}: there is no directory {cwd}"
    if isinstance(error, FileNotFoundError):
        return f"there is no program {argv[0]!r} on this node"
    return f"can't run {argv[0]}: {getattr(error, 'strerror', None) or error}"


class Reader:
    """Reads a stream to its end and keeps the first OUTPUT_BYTES. `begun` is set at its first byte, or its end."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        import threading

        self.begun = threading.Event()
        self.stream = stream
        self.kept: list[bytes] = []
        self.count = 0
        self._waits = False  # for more: all that came until then is kept
        self._ended = stream is None

    def read(self) -> None:
        assert self.stream is not None
        with self.stream as stream:
            more = _poll(stream.fileno())
            while True:
                self._waits = True
                more.poll()
                self._waits = False
                chunk = os.read(stream.fileno(), _CHUNK)
                self.begun.set()
                if not chunk:
                    break
                if self.count < OUTPUT_BYTES:
                    self.kept.append(chunk[: OUTPUT_BYTES - self.count])
                self.count += len(chunk)
        self._ended = True

    def settle(self) -> None:
        """Wait, once the program has ended, until all that it wrote is kept, however late the reader gets its turn. A
        daemon that was left behind may hold the pipe open: it is not waited for, and one that goes on writing is given
        up after some turns."""
        for _ in range(_TURNS):
            if self._ended or (self._is_empty() and self._waits):
                return
            time.sleep(_TURN_S)

    def _is_empty(self) -> bool:
        assert self.stream is not None
        try:
            return not _poll(self.stream.fileno()).poll(0)
        except ValueError:  # closed: it ends
            return False

    def text(self) -> str:
        text = b"".join(self.kept).decode("utf-8", "replace")
        if self.count > OUTPUT_BYTES:
            text += f"\n[cut here: {self.count - OUTPUT_BYTES} more bytes]"
        return text


def _poll(descriptor: int) -> select.poll:
    """What waits until something can be read of DESCRIPTOR."""
    import select

    made = select.poll()
    made.register(descriptor, select.POLLIN)
    return made


def _feed(stream: IO[bytes] | None, data: bytes) -> None:
    assert stream is not None
    try:
        stream.write(data)
        stream.close()
    except OSError:
        pass  # it ended before it read all: its exit code tells what that means


def ended(process: Popen[bytes]) -> bool:
    """Kill PROCESS with its group and wait for its end, ENDED_S at most. Whether it ended."""
    import subprocess
    import threading

    _kill_group(process.pid)
    try:
        process.wait(ENDED_S)
    except subprocess.TimeoutExpired:
        threading.Thread(target=process.wait, daemon=True).start()  # no zombie is left once it can end
        return False
    return True


def _kill_group(pid: int) -> None:
    import signal
    from contextlib import suppress

    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def told(value: Any, code: int) -> Any:
    """VALUE; with a CODE that is not 0 marked as a failure, so that the job's own code says so."""
    if code == 0:
        return value
    from saltern.runner import Returned

    return Returned(value, code)
