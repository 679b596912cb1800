"""Groups of the node, by groupadd(8), groupmod(8), groupdel(8) and gpasswd(1); read through the name service."""

from __future__ import annotations

import grp
from collections.abc import Sequence
from typing import Any

from modules import _run
from saltern.errors import PermanentError
from saltern.marks import acting, reading


class GroupError(PermanentError):
    """A group can't be changed."""


@reading
def info(name: str) -> dict[str, Any]:
    """The group NAME: name, gid, members (sorted); {} for none."""
    try:
        found = grp.getgrnam(name)
    except KeyError:
        return {}
    return {"name": found.gr_name, "gid": found.gr_gid, "members": sorted(found.gr_mem)}


@reading
def getent() -> list[dict[str, Any]]:
    """All groups, each as `info`."""
    return [info(found.gr_name) for found in sorted(grp.getgrall(), key=lambda group: group.gr_name)]


@acting
def add(name: str, gid: int | None = None, system: bool = False) -> bool:
    """Add the group NAME."""
    words = [*(["--system"] if system else []), *([f"--gid={gid}"] if gid is not None else [])]
    return _checked(["groupadd", *words, "--", name])


@acting
def delete(name: str) -> bool:
    """Delete the group NAME."""
    return _checked(["groupdel", "--", name])


@acting
def chgid(name: str, gid: int) -> bool:
    """Give the group NAME the number GID. Files keep the old number."""
    return _checked(["groupmod", f"--gid={gid}", "--", name])


@acting
def members(name: str, members_list: Sequence[str]) -> bool:
    """Make MEMBERS_LIST all members of the group NAME."""
    return _checked(["gpasswd", "--members", ",".join(members_list), name])


@acting
def adduser(name: str, username: str) -> bool:
    """Add the user USERNAME to the group NAME."""
    return _checked(["gpasswd", "--add", username, name])


@acting
def deluser(name: str, username: str) -> bool:
    """Take the user USERNAME out of the group NAME."""
    return _checked(["gpasswd", "--delete", username, name])


def _checked(argv: Sequence[str]) -> bool:
    if any(word.startswith("-") for word in argv[2:] if argv[0] == "gpasswd"):
        raise GroupError(f"not a name of a group or user: {argv[2:]}")
    try:
        _run.checked(argv)
    except _run.CommandError as error:
        raise GroupError(str(error)) from None
    return True
