"""The states of files that are made from something else: `file.serialize` from data, `file.copy` from another file;
and `file.touch`."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from typing import Any

from modules import file, slsutil
from modules._file.contents import Contents
from modules._file.owner import NoSuchOwner
from modules._file.safe import absolute, kind_of
from saltern import merging
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, call
from saltern.converge.state import state
from saltern.secret import Secret
from states._file import managed as _managed
from states._file.contents import HOLDS_A_SECRET, looked_up
from states._file.shared import (
    Attributes,
    File,
    FileStateError,
    Mode,
    Owner,
    as_file,
    missing_parent,
    observed,
    unknown,
    wished,
)

_WRITE: Mapping[str, Mapping[str, Any]] = {"json": {"indent": 2, "sort_keys": True}, "yaml": {}, "python": {}}


@state
def serialize(
    ctx: Context,
    name: str,
    *,
    dataset: Any = None,
    dataset_pillar: str | None = None,
    serializer: str | None = None,
    formatter: str | None = None,
    serializer_opts: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    merge_if_exists: bool = False,
    user: Owner = UNSET,
    group: Owner = UNSET,
    mode: Mode = UNSET,
    makedirs: bool = False,
    dir_mode: Mode = UNSET,
    create: bool = True,
    backup: str | None = None,
    show_changes: bool = True,
) -> Plan:
    """The file NAME holds the data DATASET (or the pillar value DATASET_PILLAR) as text, and has this owner and MODE.

    serializer (or formatter): yaml (default), json, python, or configparser for a mapping of sections. serializer_opts:
    its options (json: indent, sort_keys; yaml: default_flow_style). merge_if_exists: the data is laid over what the
    file holds. The rest as `file.managed`.
    """
    form = (serializer or formatter or "yaml").removesuffix(".serialize").lower()
    if (dataset is None) == (dataset_pillar is None):
        raise FileStateError("name one of `dataset` and `dataset_pillar`")
    path = absolute(name)
    status = file.status(path)
    _managed.check_kind(path, status)
    if status is None and not create:
        return Plan(None, None, comment=f"{path} is not there, and `create: False` makes no file")
    data = looked_up(ctx.pillar, "pillar", dataset_pillar, ":") if dataset_pillar is not None else dataset
    plain, has_secret = _revealed(data)
    if merge_if_exists and status is not None:
        plain = _merged(path, form, plain)
    text = _written(form, plain, serializer_opts)
    hidden = HOLDS_A_SECRET if has_secret else None if show_changes else _managed.SHOW_NOTHING
    body = Contents(text.encode(), hidden=hidden)
    kept = str(ctx.config.root / "var/cache/saltern/file_backup") if backup == "minion" else None
    return _held(path, body, wished(user, group, mode), makedirs=makedirs, dir_mode=dir_mode, backup=kept)


@state
def copy(
    ctx: Context,
    name: str,
    *,
    source: str,
    force: bool = False,
    makedirs: bool = False,
    preserve: bool = False,
    subdir: bool = False,
    user: Owner = UNSET,
    group: Owner = UNSET,
    mode: Mode = UNSET,
    dir_mode: Mode = UNSET,
) -> Plan:
    """There is a file NAME; where not, it is a copy of the file SOURCE of the node.

    force: what is there is made the same as SOURCE. preserve: owner and mode are those of SOURCE. subdir: NAME is a
    directory for the copy.
    """
    path, origin = absolute(name), absolute(source)
    if subdir or os.path.isdir(path):
        path = f"{path}/{os.path.basename(origin)}"
    status, found = file.status(path), file.status(origin)
    if status is not None and not force:
        there = f"The target file {path!r} exists and will not be overwritten"
        return Plan(_there(path, origin if preserve else None, wished(user, group, mode)), File(), comment=there)
    if found is None:
        return unknown(f"there is no file {origin} to copy")
    if not stat.S_ISREG(found.st_mode):
        raise FileStateError(f"{origin} is {kind_of(found.st_mode)}; file.copy copies files, file.recurse folders")
    _managed.check_kind(path, status)
    wish = _owned_as(origin) if preserve else wished(user, group, mode)
    return _held(path, Contents(path=origin, size=found.st_size), wish, makedirs=makedirs, dir_mode=dir_mode)


def _owned_as(path: str) -> Attributes:
    """Owner and mode of the file PATH, to be wished for another."""
    have = file.stats(path)
    return wished(have["user"], have["group"], have["mode"])


def _there(path: str, preserved: str | None, wish: Attributes) -> File | None:
    """The file PATH as it is, as far as a copy that was just made of it is looked at."""
    status = file.status(path)
    if preserved is not None and file.status(preserved) is not None:
        wish = _owned_as(preserved)
    have = observed(status, wish)
    return None if status is None or have is None else as_file(Contents(path=path, size=status.st_size), have)


@state
def touch(
    ctx: Context, name: str, *, atime: int | None = None, mtime: int | None = None, makedirs: bool = False
) -> Plan:
    """The file NAME is there, and its times are set to now in each run; or they are ATIME and MTIME (seconds since
    1970)."""
    path = absolute(name)
    status = file.status(path)
    if status is None and (reason := missing_parent(path, makedirs)):
        return unknown(reason)
    if atime is None and mtime is None:
        do = call(file.touch, path, makedirs=makedirs)
        return Plan(None, None, [Step(f"touch {path}", None, None, do=do)], imperative=True)
    wish = {"atime": mtime if atime is None else atime, "mtime": atime if mtime is None else mtime}
    current = None if status is None else {"atime": int(status.st_atime), "mtime": int(status.st_mtime)}
    if current == wish:
        return Plan(current, wish, comment=f"File {name} has these times")
    step = Step(f"set the times of {path}", current, wish, do=call(file.touch, path, makedirs=makedirs, **wish))
    return Plan(current, wish, [step])


def _held(
    path: str, body: Contents, wish: Attributes, *, makedirs: bool, dir_mode: Mode, backup: str | None = None
) -> Plan:
    """The plan after which the file PATH holds BODY and has the attributes WISH."""
    status = file.status(path)
    try:
        have = observed(status, wish)
    except NoSuchOwner as error:
        return unknown(str(error))
    if status is None or have is None:
        if reason := missing_parent(path, makedirs):
            return unknown(reason)
        current = None
    else:
        held = file.held(path, status.st_size, body)
        if body.hidden:
            held.hidden = body.hidden
        current = as_file(held, have)
    wanted = as_file(body, wish)
    if current == wanted:
        return Plan(current, wanted, comment=f"File {path} is in the correct state")
    return Plan(current, wanted, _managed.steps(path, current, wanted, dir_mode=dir_mode, backup=backup))


def _written(form: str, data: Any, options: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None) -> str:
    """DATA as a text of the FORM, ending with a newline."""
    given: dict[str, Any] = {}
    for part in [options] if isinstance(options, Mapping) else options or ():
        given.update(part)
    text = slsutil.serialize(form, data, **{**_WRITE.get(form, {}), **given})
    return text if text.endswith("\n") else text + "\n"


def _merged(path: str, form: str, data: Any) -> Any:
    """DATA laid over what the file PATH holds."""
    text = file.read(path)
    have = slsutil.deserialize(form, text) if text.strip() else {}
    if not isinstance(have, Mapping) or not isinstance(data, Mapping):
        raise FileStateError(f"`merge_if_exists` wants mappings, in {path} and in the data")
    return merging.merge(have, data)


def _revealed(data: Any) -> tuple[Any, bool]:
    """DATA with its secrets opened, and whether there were any."""
    if isinstance(data, Secret):
        return data.reveal(), True
    if isinstance(data, Mapping):
        found = {key: _revealed(value) for key, value in data.items()}
        return {key: value for key, (value, _) in found.items()}, any(secret for _, secret in found.values())
    if isinstance(data, list | tuple):
        members = [_revealed(value) for value in data]
        return [value for value, _ in members], any(secret for _, secret in members)
    return data, False
