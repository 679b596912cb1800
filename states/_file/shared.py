"""What the states of files share: a file as a value, its owner and mode, and the steps from one to the other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from modules import file
from modules._file import owner as file_owner
from modules._file.contents import Contents
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.errors import PermanentError

Owner = str | int | Unset
Mode = str | int | Unset


class FileStateError(PermanentError):
    """The arguments of a file state don't fit together, or something else is in its place."""


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is, or as it should be. MODE is four octal digits; owners are names (numbers where nameless)."""

    contents: Contents | Unset = UNSET
    user: str | Unset = UNSET
    group: str | Unset = UNSET
    mode: str | Unset = UNSET


class Attributes(NamedTuple):
    """The managed ones of owner, group and mode, ready to be compared and to be passed on."""

    user: str | Unset = UNSET
    group: str | Unset = UNSET
    mode: str | Unset = UNSET

    @property
    def arguments(self) -> dict[str, Any]:
        """Those that are managed, as keyword arguments of `file.put`, `file.mkdir` and `file.set_attributes`."""
        named = (("user", self.user), ("group", self.group), ("mode", self.mode))
        return {name: value for name, value in named if not isinstance(value, Unset)}


def wished(user: Owner, group: Owner, mode: Mode) -> Attributes:
    """The attributes that were asked for; "" counts as not asked for, as Salt takes it. BadMode for a mode that is
    none."""
    return Attributes(
        UNSET if isinstance(user, Unset) or user == "" else str(user),
        UNSET if isinstance(group, Unset) or group == "" else str(group),
        UNSET if isinstance(mode, Unset) or mode == "" else file_owner.mode(mode),
    )


def observed(status: os.stat_result | None, wish: Attributes) -> Attributes | None:
    """The attributes that WISH manages, as STATUS has them (None has none); an owner that is the wished one gets the
    wished spelling (0 and root are the same). NoSuchOwner where a wished one does not exist."""
    user, group, mode = wish.user, wish.group, wish.mode
    uid = None if isinstance(user, Unset) else file_owner.uid(user)
    gid = None if isinstance(group, Unset) else file_owner.gid(group)
    if status is None:
        return None
    if uid is not None and uid != status.st_uid:
        user = file_owner.user_name(status.st_uid)
    if gid is not None and gid != status.st_gid:
        group = file_owner.group_name(status.st_gid)
    if not isinstance(mode, Unset):
        mode = file_owner.mode_of(status.st_mode)
    return wish if (user, group, mode) == (wish.user, wish.group, wish.mode) else Attributes(user, group, mode)


def unknown(reason: str) -> Plan:
    """The plan that says that nothing can be said until an earlier state has run."""
    return Plan(None, None, unknown=reason)


def missing_parent(path: str, makedirs: bool) -> str | None:
    """Why PATH can't be made yet, or None."""
    parent = os.path.dirname(path)
    if makedirs or os.path.isdir(parent):
        return None
    return f"there is no directory {parent} for {path}; `makedirs: True` makes it"


def parent_steps(path: str, wish: Attributes, dir_mode: Mode = UNSET) -> Iterator[Step]:
    """The step that makes the folder of PATH, where it is missing, with the owner of WISH."""
    parent = os.path.dirname(path)
    if os.path.isdir(parent):
        return
    arguments = wish.arguments
    arguments.pop("mode", None)
    if not isinstance(dir_mode, Unset):
        arguments["mode"] = file_owner.mode(dir_mode)
    elif not isinstance(wish.mode, Unset):
        arguments["mode"] = searchable(wish.mode)
    yield Step(f"make directory {parent}", None, parent, do=call(file.mkdir, parent, **arguments))


def searchable(mode: str) -> str:
    """The mode of a folder that is made for files of MODE ("0640" gives "0750"): who may do anything with the files may
    search it, by Salt's rule that every digit but 0 becomes odd."""
    return "0" + "".join(digit if digit == "0" else str(int(digit) | 1) for digit in mode[-3:])


def attribute_steps(path: str, have: Attributes, wish: Attributes, *, follow: bool = True) -> Iterator[Step]:
    """The one step that mends owner, group and mode of PATH, if any of them differs."""
    differing = {key: value for key, value in wish.arguments.items() if getattr(have, key) != value}
    if not differing:
        return
    if "mode" not in differing and not isinstance(wish.mode, Unset):
        differing["mode"] = wish.mode  # a change of owner clears the set-user-id bit
    before = {key: getattr(have, key) for key in differing}
    words = ", ".join(f"{key} {value}" for key, value in differing.items())
    extra: Mapping[str, Any] = {} if follow else {"follow_symlinks": False}
    yield Step(f"set {words} of {path}", before, differing, do=call(file.set_attributes, path, **differing, **extra))


def as_file(contents: Contents | Unset, attributes: Attributes) -> File:
    """CONTENTS and ATTRIBUTES as one value."""
    return File(contents, attributes.user, attributes.group, attributes.mode)


def environment(ctx: Context, saltenv: str | Unset) -> str:
    """The environment of the tree that `salt://` means."""
    return ctx.saltenv if isinstance(saltenv, Unset) else saltenv
