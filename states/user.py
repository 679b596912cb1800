"""Users."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from modules import user
from modules._file import owner as file_owner
from modules.user import UserError
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import state
from saltern.secret import Secret

AS_GIVEN, ANOTHER = "as given", "another"


@dataclass(frozen=True, slots=True)
class User:
    """A user as it is, or as it should be. GROUP is the primary one, GROUPS the supplementary ones. PASSWORD says only
    whether it is the one that was given."""

    uid: int | Unset = UNSET
    group: str | Unset = UNSET
    groups: frozenset[str] | Unset = UNSET
    home: str | Unset = UNSET
    shell: str | Unset = UNSET
    fullname: str | Unset = UNSET
    has_home: bool | Unset = UNSET
    password: str | Unset = UNSET


@state
def present(
    ctx: Context,
    name: str,
    *,
    uid: int | Unset = UNSET,
    gid: str | int | Unset = UNSET,
    groups: Sequence[str] | Unset = UNSET,
    optional_groups: Sequence[str] = (),
    remove_groups: bool = True,
    home: str | Unset = UNSET,
    createhome: bool = True,
    shell: str | Unset = UNSET,
    fullname: str | Unset = UNSET,
    password: str | Secret | Unset = UNSET,
    system: bool = False,
    usergroup: bool | None = None,
    allow_uid_change: bool = False,
    allow_gid_change: bool = False,
) -> Plan:
    """The user NAME exists.

    uid: its number. gid: its primary group, name or number. groups: the supplementary ones; others are left only where
    `remove_groups: False`. optional_groups: those that are taken only where they exist. home, shell, fullname.
    createhome: its home exists. password: the hash (crypt(5)) of its password. system: a new one gets a low number.
    usergroup: a new one gets a group of its own (True) or none (False).
    allow_uid_change, allow_gid_change: change the number of a user that is there; its files keep the old one.
    """
    found = user.info(name)
    wanted_groups = _groups(found, groups, optional_groups, remove_groups)
    primary: str | Unset = UNSET
    try:
        if not isinstance(gid, Unset):
            primary = file_owner.group_name(file_owner.gid(gid))
        for group in () if isinstance(groups, Unset) else groups:
            file_owner.gid(group)
    except file_owner.NoSuchOwner as error:
        return Plan(None, None, unknown=str(error))
    wish = User(
        uid,
        primary,
        wanted_groups,
        home,
        shell,
        fullname,
        True if createhome else UNSET,
        UNSET if isinstance(password, Unset) else AS_GIVEN,
    )
    if not found:
        return Plan(None, wish, create_steps(name, wish, gid, password, system, createhome, usergroup))
    current = as_seen(found, wish, password)
    _check_numbers(name, current, wish, allow_uid_change, allow_gid_change)
    return Plan(current, wish, change_steps(name, current, wish, gid, password))


@state
def absent(ctx: Context, name: str, *, purge: bool = False, force: bool = False) -> Plan:
    """There is no user NAME. purge: its home and mail go with it. force: even while it is logged in."""
    if not (found := user.info(name)):
        return Plan(None, None, comment=f"User {name} is not present")
    options = {key: True for key, value in (("remove", purge), ("force", force)) if value}
    do = call(user.delete, name, **options)
    return Plan(User(found["uid"], home=found["home"]), None, [Step(f"delete user {name}", name, None, do=do)])


def _groups(
    found: dict[str, Any], groups: Sequence[str] | Unset, optional: Sequence[str], remove: bool
) -> frozenset[str] | Unset:
    """The supplementary groups that the user should have, or UNSET."""
    if isinstance(groups, Unset) and not optional:
        return UNSET
    wanted = frozenset(() if isinstance(groups, Unset) else groups)
    for group in optional:
        try:
            file_owner.gid(group)
        except file_owner.NoSuchOwner:
            continue
        wanted |= {group}
    return wanted if remove else wanted | frozenset(found.get("groups", ()))


def as_seen(found: dict[str, Any], wish: User, password: str | Secret | Unset) -> User:
    """The user that `user.info` FOUND, as far as WISH manages it."""
    seen = {
        "uid": found["uid"],
        "group": file_owner.group_name(found["gid"]),
        "groups": frozenset(found["groups"]),
        "home": found["home"],
        "shell": found["shell"],
        "fullname": found["fullname"],
        "has_home": os.path.isdir(found["home"] if isinstance(wish.home, Unset) else wish.home),
    }
    managed = {key: value for key, value in seen.items() if not isinstance(getattr(wish, key), Unset)}
    if not isinstance(password, Unset):
        managed["password"] = AS_GIVEN if user.has_password_hash(found["name"], password) else ANOTHER
    return User(**managed)


def _check_numbers(name: str, current: User, wish: User, allow_uid: bool, allow_gid: bool) -> None:
    """UserError where a number would change without leave: files would be left to nobody."""
    if current.uid != wish.uid and not allow_uid:
        raise UserError(
            f"the user {name} has the uid {current.uid}, not {wish.uid}; `allow_uid_change: True` changes it"
        )
    if current.group != wish.group and not allow_gid:
        raise UserError(
            f"the user {name} has the primary group {current.group}, not {wish.group}; "
            "`allow_gid_change: True` changes it"
        )


def create_steps(
    name: str,
    wish: User,
    gid: str | int | Unset,
    password: str | Secret | Unset,
    system: bool = False,
    createhome: bool = True,
    usergroup: bool | None = None,
) -> Iterator[Step]:
    """The steps that add a user."""
    options = _given(wish, User(), gid)
    options |= {"system": True} if system else {}
    options |= {} if createhome else {"createhome": False}
    options |= {} if usergroup is None else {"usergroup": usergroup}
    yield Step(f"add user {name}", None, name, do=call(user.add, name, **options))
    if not isinstance(password, Unset):
        yield _password_step(name, password)


def change_steps(
    name: str, current: User, wish: User, gid: str | int | Unset, password: str | Secret | Unset
) -> Iterator[Step]:
    """The steps from CURRENT to WISH: all that usermod does at once, then the home, then the password."""
    options = _given(wish, current, gid)
    if options:
        words = ", ".join(f"{key} {','.join(value) if key == 'groups' else value}" for key, value in options.items())
        yield Step(f"change user {name}: {words}", current, wish, do=call(user.change, name, **options))
    if current.has_home != wish.has_home:
        yield Step(f"make the home of user {name}", None, wish.home or None, do=call(user.make_home, name))
    if current.password != wish.password and not isinstance(password, Unset):
        yield _password_step(name, password)


def _password_step(name: str, password: str | Secret) -> Step:
    hidden = password if isinstance(password, Secret) else Secret(password)
    return Step(f"set the password of user {name}", ANOTHER, AS_GIVEN, do=call(user.set_password, name, hidden))


def _given(wish: User, current: User, gid: str | int | Unset) -> dict[str, Any]:
    """What differs, as arguments of `user.add` and `user.change`."""
    options: dict[str, Any] = {}
    for key in ("uid", "home", "shell", "fullname"):
        value = getattr(wish, key)
        if not isinstance(value, Unset) and value != getattr(current, key):
            options[key] = value
    if not isinstance(gid, Unset) and wish.group != current.group:
        options["gid"] = gid
    if not isinstance(wish.groups, Unset) and wish.groups != current.groups:
        options["groups"] = sorted(wish.groups)
    return options
