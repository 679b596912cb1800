"""Users of the node, by useradd(8), usermod(8), userdel(8) and chpasswd(8); read through the name service."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Sequence
from typing import Any

from modules import _run
from saltern.errors import PermanentError
from saltern.marks import acting, reading
from saltern.secret import Secret

SHADOW = "/etc/shadow"


class UserError(PermanentError):
    """A user can't be looked at or changed."""


@reading
def info(name: str) -> dict[str, Any]:
    """The user NAME: name, uid, gid, groups (the supplementary ones, sorted), home, shell, fullname; {} for none."""
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return {}
    return {
        "name": found.pw_name,
        "uid": found.pw_uid,
        "gid": found.pw_gid,
        "groups": list_groups(name),
        "home": found.pw_dir,
        "shell": found.pw_shell,
        "fullname": found.pw_gecos.partition(",")[0],
    }


@reading
def list_users() -> list[str]:
    """The names of all users, sorted."""
    return sorted(found.pw_name for found in pwd.getpwall())


@reading
def getent() -> list[dict[str, Any]]:
    """All users, each as `info`."""
    return [info(name) for name in list_users()]


@reading
def list_groups(name: str) -> list[str]:
    """The groups that list NAME as a member, sorted; not its primary one."""
    return sorted(found.gr_name for found in grp.getgrall() if name in found.gr_mem)


@reading
def primary_group(name: str) -> str:
    """The name of the primary group of the user NAME, "" where either is missing."""
    try:
        return grp.getgrgid(pwd.getpwnam(name).pw_gid).gr_name
    except KeyError:
        return ""


@reading
def has_password_hash(name: str, wanted: str | Secret) -> bool:
    """Whether the password hash of the user NAME is WANTED (shadow(5), second field). For states."""
    text = wanted.reveal() if isinstance(wanted, Secret) else wanted
    try:
        with open(SHADOW, encoding="utf-8", errors="surrogateescape") as shadow:
            return any(line.split(":")[:2] == [name, text] for line in shadow)
    except OSError as error:
        raise UserError(f"can't read {SHADOW}: {error.strerror}") from None


@acting
def add(
    name: str,
    uid: int | None = None,
    gid: str | int | None = None,
    groups: Sequence[str] = (),
    home: str | None = None,
    shell: str | None = None,
    system: bool = False,
    fullname: str | None = None,
    createhome: bool = True,
    usergroup: bool | None = None,
) -> bool:
    """Add the user NAME. Without GID, a group of its own name is its primary one where there is such a group;
    USERGROUP makes one (True) or none (False), None leaves that to login.defs(5)."""
    if gid is None and usergroup is None and _is_group(name):
        gid = name
    words = ["--system"] if system else []
    words += ["--create-home" if createhome else "--no-create-home"]
    words += [] if usergroup is None or gid is not None else ["--user-group" if usergroup else "--no-user-group"]
    _run_checked(["useradd", *words, *_options(uid, gid, groups, home, shell, fullname), "--", name])
    return True


@acting
def change(
    name: str,
    *,
    uid: int | None = None,
    gid: str | int | None = None,
    groups: Sequence[str] | None = None,
    home: str | None = None,
    shell: str | None = None,
    fullname: str | None = None,
) -> bool:
    """Change the user NAME in one go; what is None stays. GROUPS are then all its supplementary ones. A home that
    exists is not moved."""
    words = _options(uid, gid, groups, home, shell, fullname)
    if words:
        _run_checked(["usermod", *words, "--", name])
    return True


@acting
def make_home(name: str) -> bool:
    """Make the home of the user NAME, where it is missing, with what /etc/skel holds where pam's helper is there."""
    found = pwd.getpwnam(name)
    if os.path.isdir(found.pw_dir):
        return True
    helper = _run.which("mkhomedir_helper", path="/usr/sbin:/sbin")
    if helper is not None:
        _run_checked([helper, name])
    else:
        from modules._file import safe

        safe.make_folders(found.pw_dir, uid=found.pw_uid, gid=found.pw_gid, mode=0o750)
    return True


@acting
def set_password(name: str, password: str | Secret) -> bool:
    """Set the password hash (crypt(5)) of the user NAME. It is given to chpasswd(8) by a pipe and seen nowhere."""
    text = password.reveal() if isinstance(password, Secret) else password
    if ":" in text or "\n" in text or ":" in name or "\n" in name:
        raise UserError("a password hash has no colon and no newline in it")
    ran = _run.run(["chpasswd", "--encrypted"], stdin=f"{name}:{text}\n", timeout_s=30.0)
    if ran.code != 0:
        raise UserError(f"can't set the password of {name}: {ran.err.strip()}")
    return True


@acting
def delete(name: str, remove: bool = False, force: bool = False) -> bool:
    """Delete the user NAME. REMOVE: with its home and mail. FORCE: even while it is logged in."""
    words = [*(["--remove"] if remove else []), *(["--force"] if force else [])]
    _run_checked(["userdel", *words, "--", name])
    return True


def _options(
    uid: int | None,
    gid: str | int | None,
    groups: Sequence[str] | None,
    home: str | None,
    shell: str | None,
    fullname: str | None,
) -> list[str]:
    """The options that useradd and usermod share, for those that are given."""
    given = {
        "--uid": None if uid is None else str(uid),
        "--gid": None if gid is None else str(gid),
        "--groups": None if groups is None or groups == () else ",".join(groups),
        "--home": home,  # useradd takes the beginning of its --home-dir
        "--shell": shell,
        "--comment": fullname,
    }
    return [f"{option}={value}" for option, value in given.items() if value is not None]


def _is_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _run_checked(argv: Sequence[str]) -> None:
    try:
        _run.checked(argv)
    except _run.CommandError as error:
        raise UserError(str(error)) from None
