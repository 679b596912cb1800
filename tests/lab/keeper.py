"""Keep one program alive for as long as the lab lives, and not a moment longer.

Run as a script, with nothing but the standard library: `python keeper.py GRACE_S PROGRAM [ARGUMENT...]`. Its standard
input is a pipe that only the lab holds. When that pipe ends, because the lab stopped the program or because the lab
itself was killed, the program gets SIGTERM and after GRACE_S seconds SIGKILL. As the first process of a PID namespace
its own end takes everything else in the namespace with it; so nothing that a lab started ever outlives it.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys

NICE = -20


def main(arguments: list[str]) -> int:
    """Run the program until it or standard input ends; its exit code, 128 + N where signal N ended it."""
    grace_s, argv = float(arguments[0]), arguments[1:]
    inherited = [int(fd) for fd in os.listdir("/dev/fd") if int(fd) > 2]
    child = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, start_new_session=True, pass_fds=_open(inherited), preexec_fn=_prefer
    )
    ended = os.pidfd_open(child.pid)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(0, select.POLLIN)
    while True:
        ready = {fd for fd, _ in poll.poll()}
        if ended in ready:
            break
        if not os.read(0, 4096):
            _end(child.pid, ended, grace_s)
            break
    code = child.wait()
    _signal(child.pid, signal.SIGKILL)
    return code if code >= 0 else 128 - code


def _prefer() -> None:
    """Get a larger share of the processors than what is tested beside the lab: the hosts keep time, as real ones do,
    and what one waits for from another comes late where many processes share two processors. sched(7): between sessions
    the nice value of their autogroups decides, within one that of the process."""
    with contextlib.suppress(OSError):  # where it is not allowed, the shares are equal
        os.nice(NICE)
        with open("/proc/self/autogroup", "w") as group:
            group.write(str(NICE))


def _end(pid: int, ended: int, grace_s: float) -> None:
    if grace_s > 0:
        _signal(pid, signal.SIGTERM)
        select.select([ended], [], [], grace_s)
    _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def _open(fds: list[int]) -> tuple[int, ...]:
    """FDS that are really open: listing a directory shows the descriptor of the listing too."""
    found = []
    for fd in fds:
        with contextlib.suppress(OSError):
            os.fstat(fd)
            found.append(fd)
    return tuple(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
