"""That a mount is what it says, and that nothing is written in its place while it is away.

The proof asks the file system itself, in bounded time. The guard makes the directory under the mount point immutable
(chattr(1) `+i`): while the mount is away nobody, root included, can create a file there, so nothing fills the disk
below; mounting on it works all the same. Mode 000 would not hold root back, who runs what writes there.
"""

from __future__ import annotations

from modules._probe import Answer, ask, server_of
from saltern.errors import PermanentError
from saltern.marks import acting, reading

NETWORK = ("nfs", "cifs", "smb", "9p", "ceph", "gluster", "fuse")


class Unproven(PermanentError):
    """Something is mounted, but it can't be used as declared."""


def is_network(fstype: str) -> bool:
    """Whether a file system of this type may stop answering because something elsewhere does."""
    return fstype.startswith(NETWORK)


@reading
def look(target: str, device: str, *, write: bool) -> Answer:
    """Whether TARGET, where DEVICE is mounted, can be read, and with WRITE whether its server would let it be written.
    Nothing is written."""
    return ask("may_write" if write else "readable", target, server=server_of(device))


def objection(target: str, device: str, answer: Answer, *, write: bool) -> str | None:
    """What ANSWER has against the mount of DEVICE at TARGET, as a sentence, or None. Pure."""
    if answer.error is None:
        return None
    if answer.error == "ETIMEDOUT":
        return f"{device} is mounted at {target}, but {answer.said}: is its server away?"
    if write and answer.error in ("EACCES", "EPERM", "EROFS"):
        return (
            f"{device} is mounted at {target}, but it can't be written there ({answer.said}): is it exported `ro`, or "
            "does it belong to root while root is squashed? With `prove: read` this is not asked"
        )
    return f"{device} is mounted at {target}, but it can't be read ({answer.said})"


@acting
def prove(target: str, device: str, write: bool) -> None:
    """Read the directory TARGET where DEVICE is mounted, and with WRITE make, sync and remove a file in it. Unproven
    says what failed. A full file system is proven: what fills it is another question."""
    answer = ask("write" if write else "readable", target, server=server_of(device))
    if (said := objection(target, device, answer, write=write)) is not None:
        raise Unproven(said)


@reading
def below(target: str) -> tuple[bool, bool | None] | None:
    """The directory TARGET under what is mounted there: whether it is empty, and whether it is guarded (None: its file
    system has no such flag). None where it is not there or can't be asked."""
    answer = ask("below", target)
    if answer.error is not None:
        return None
    return bool(answer.value["empty"]), answer.value["guarded"]


@acting
def guard(target: str, on: bool) -> None:
    """Make the directory TARGET under what is mounted there immutable, or give it back."""
    answer = ask("guard", target, "1" if on else "0")
    if answer.error is not None:
        raise Unproven(f"the directory {target} can't be {'guarded' if on else 'given back'}: {answer.said}")


@acting
def guard_if_possible(target: str) -> None:
    """Make the directory TARGET immutable, where its file system knows such a thing."""
    ask("guard", target, "1")
