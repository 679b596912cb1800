"""Files, directories and symbolic links.

A property that is not named is left as it is. Paths are absolute. A new file without a `mode` gets 0644, a new
directory 0755, both the agent's own user; what is there keeps what it has.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from typing import Any

from modules import file
from modules._owner import NoSuchOwner
from modules._safe import absolute
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Unset
from saltern.converge.state import state
from states import _file_managed as _managed
from states._file import (
    Mode,
    Owner,
    as_file,
    environment,
    missing_parent,
    observed,
    unknown,
    wished,
)


@state
def managed(
    ctx: Context,
    name: str,
    *,
    source: str | Sequence[str] | None = None,
    contents: Any = None,
    contents_pillar: str | None = None,
    contents_grains: str | None = None,
    contents_delimiter: str = ":",
    contents_newline: bool = True,
    allow_empty: bool = True,
    template: str | None = None,
    context: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
    user: Owner = UNSET,
    group: Owner = UNSET,
    mode: Mode = UNSET,
    makedirs: bool = False,
    dir_mode: Mode = UNSET,
    replace: bool = True,
    create: bool = True,
    backup: str | None = None,
    show_changes: bool = True,
    follow_symlinks: bool = True,
    saltenv: str | Unset = UNSET,
) -> Plan:
    """The file NAME holds what its SOURCE does, or the CONTENTS, and has this owner and MODE.

    source: `salt://PATH`, or the absolute path of a file on the node; of a list, the first that exists is taken.
    Without any source or contents the file is made empty where missing, and what it holds is not managed.
    contents: a text, or a list of lines. contents_pillar, contents_grains: the key ("a:b") of such a value.
    contents_newline: the last line ends with a newline. allow_empty: False refuses empty contents.
    template: `jinja` renders source or contents with CONTEXT, and DEFAULTS where CONTEXT says nothing.
    mode: octal digits ('0644'), or `keep`: as the source has it.
    makedirs: make missing directories above, with DIR_MODE (default: MODE, made searchable).
    replace: False leaves the contents of a file that is there. create: False makes no new file.
    backup: `minion` keeps a copy of the old file below /var/cache/saltern/file_backup.
    show_changes: False hides the diff. follow_symlinks: False replaces a link by a file.
    """
    path = absolute(name)
    sourced = _managed.Sourced(
        source=source,
        contents=contents,
        contents_pillar=contents_pillar,
        contents_grains=contents_grains,
        delimiter=contents_delimiter,
        newline=contents_newline,
        template=template,
        variables={**(defaults or {}), **(context or {})} if defaults or context else None,
        saltenv=environment(ctx, saltenv),
        show_changes=show_changes,
        allow_empty=allow_empty,
    )
    status = file.status(path, follow_symlinks)
    _managed.check_kind(path, status)
    if status is None and not create:
        return Plan(None, None, comment=f"{path} is not there, and `create: False` makes no file")
    if status is not None and not follow_symlinks and stat.S_ISLNK(status.st_mode):
        status = None
    found = _managed.origin_of(ctx, sourced)
    if mode == "keep":
        mode = f"{found.mode(ctx):04o}" if found is not None else UNSET
    wish = wished(user, group, mode)
    try:
        have = observed(status, wish)
    except NoSuchOwner as error:
        return unknown(str(error))
    if status is None or have is None:
        if reason := missing_parent(path, makedirs):
            return unknown(reason)
        current = None
        body = _managed.wished_contents(ctx, path, sourced, found, None)[1]
    elif replace:
        held, body = _managed.wished_contents(ctx, path, sourced, found, status)
        current = as_file(held, have)
    else:
        body = UNSET
        current = as_file(body, have)
    wanted = as_file(body, wish)
    if current == wanted:
        return Plan(current, wanted, comment=f"File {name} is in the correct state")
    kept = str(ctx.config.root / "var/cache/saltern/file_backup") if backup == "minion" else None
    return Plan(
        current,
        wanted,
        _managed.steps(path, current, wanted, dir_mode=dir_mode, follow=follow_symlinks, backup=kept),
    )
