"""Users, groups and permission bits, between how people write them and how the kernel keeps them."""

from __future__ import annotations

import grp
import pwd

from saltern.errors import PermanentError


class NoSuchOwner(PermanentError):
    """A user or group does not exist on this node (yet)."""


class BadMode(PermanentError, ValueError):
    """A text or number is not the permissions of a file."""


def uid(user: str | int) -> int:
    """The number of USER, a name or a number (also as a text: "1000"). NoSuchOwner where no such name exists."""
    if isinstance(user, int):
        return user
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        if user.isascii() and user.isdigit():
            return int(user)
        raise NoSuchOwner(f"there is no user {user!r} on this node") from None


def gid(group: str | int) -> int:
    """The number of GROUP, a name or a number (also as a text). NoSuchOwner where no such name exists."""
    if isinstance(group, int):
        return group
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        if group.isascii() and group.isdigit():
            return int(group)
        raise NoSuchOwner(f"there is no group {group!r} on this node") from None


def user_name(number: int) -> str:
    """The name of the user NUMBER, or the number as a text where it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def group_name(number: int) -> str:
    """The name of the group NUMBER, or the number as a text where it has none."""
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def mode(written: str | int) -> str:
    """Permissions as four octal digits ("0644"). WRITTEN is a text ("644", "0644", "0o644") or a number whose decimal
    digits are the octal ones (644), as Salt takes it. BadMode for all else."""
    text = str(written).strip().strip("'\"")
    digits = text.removeprefix("0o").lstrip("0")
    if isinstance(written, bool) or not text or len(digits) > 4 or any(char not in "01234567" for char in digits):
        raise BadMode(f"not the permissions of a file: {written!r}; write octal digits in quotes, like '0644'")
    return digits.zfill(4)


def bits(written: str | int) -> int:
    """Permissions as the kernel's number: `bits("0644")` is 0o644. BadMode as `mode`."""
    return int(mode(written), 8)


def mode_of(st_mode: int) -> str:
    """The permissions in a `st_mode` as four octal digits."""
    return f"{st_mode & 0o7777:04o}"
