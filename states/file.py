"""Files, directories and symbolic links.

A property that is not named is left as it is. Paths are absolute. A new file without a `mode` gets 0644, a new
directory 0755, both the agent's own user; what is there keeps what it has.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from typing import Any

from modules import file
from modules._file.contents import Contents
from modules._file.owner import NoSuchOwner
from modules._file.safe import absolute, kind_of
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, state
from states._file import managed as _managed
from states._file.accumulated import accumulated, accumulator
from states._file.check import check_arguments, check_directory
from states._file.contents import Checked
from states._file.derived import copy, serialize, touch
from states._file.lines import append, blockreplace, comment, keyvalue, line, prepend, replace, uncomment
from states._file.shared import (
    FileStateError,
    Mode,
    Owner,
    as_file,
    environment,
    missing_parent,
    observed,
    parent_steps,
    unknown,
    wished,
)

# states of this namespace that lie in other files
__all__ = [
    "accumulated",
    "append",
    "blockreplace",
    "comment",
    "copy",
    "keyvalue",
    "line",
    "prepend",
    "replace",
    "serialize",
    "touch",
    "uncomment",
]


@state
def managed(
    ctx: Context,
    name: str,
    *,
    source: str | Sequence[Any] | None = None,
    source_hash: str = "",
    source_hash_name: str = "",
    skip_verify: bool = False,
    keep_source: bool = True,
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
    check_cmd: str | Sequence[str] = (),
    tmp_ext: str = "",
    saltenv: str | Unset = UNSET,
) -> Plan:
    """The file NAME holds what its SOURCE does, or the CONTENTS, and has this owner and MODE.

    source: `salt://PATH`, the absolute path of a file on the node, or http(s)://…; of a list, the first that exists.
    Without any source or contents the file is made empty where missing, and what it holds is not managed.
    source_hash: the checksum of a source from the network (`sha256:…`), or where a list of them lies (there it is that
    of SOURCE_HASH_NAME). skip_verify: https:// will do without one.
    keep_source is taken for Salt's sake: what was fetched is kept.
    contents: a text, or a list of lines. contents_pillar, contents_grains: the key ("a:b") of such a value.
    contents_newline: the last line ends with a newline. allow_empty: False refuses empty contents.
    template: `jinja` renders source or contents with CONTEXT, and DEFAULTS where CONTEXT says nothing; `accumulator`
    is what `file.accumulated` gathers for NAME, lists by accumulator.
    mode: octal digits ('0644'), or `keep`: as the source has it.
    makedirs: make missing directories above, with DIR_MODE (default: MODE, made searchable).
    replace: False leaves the contents of a file that is there. create: False makes no new file.
    backup: `minion` keeps a copy of the old file below /var/cache/saltern/file_backup.
    show_changes: False hides the diff. follow_symlinks: False replaces a link by a file.
    check_cmd: commands that get the path of a file with the new contents (it ends with TMP_EXT) as their last word;
    where one fails, NAME is left as it was.
    """
    path = absolute(name)
    sourced = _managed.Sourced(
        source=source,
        checked=Checked(source_hash, source_hash_name, skip_verify),
        contents=contents,
        contents_pillar=contents_pillar,
        contents_grains=contents_grains,
        delimiter=contents_delimiter,
        newline=contents_newline,
        template=template,
        variables={**(defaults or {}), **(context or {}), **(accumulator(ctx) if template else {})},
        saltenv=environment(ctx, saltenv),
        show_changes=show_changes,
        allow_empty=allow_empty,
        given={
            key: None if isinstance(value, Unset) else value
            for key, value in (("user", user), ("group", group), ("mode", mode))
        }
        if template
        else {},
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
        body = UNSET  # it is only read where the file was just made, to see that it holds what it should
        current = as_file(Contents(path=path, size=status.st_size), have)
    wanted = as_file(body, wish)
    if current == wanted:
        return Plan(current, wanted, comment=f"File {name} is in the correct state")
    kept = str(ctx.config.root / "var/cache/saltern/file_backup") if backup == "minion" else None
    return Plan(
        current,
        wanted,
        _managed.steps(
            path,
            current,
            wanted,
            dir_mode=dir_mode,
            follow=follow_symlinks,
            backup=kept,
            approve={"check_cmd": check_cmd, "tmp_ext": tmp_ext} if check_cmd else {},
        ),
    )


@state
def directory(
    ctx: Context,
    name: str,
    *,
    user: Owner = UNSET,
    group: Owner = UNSET,
    mode: Mode = UNSET,
    dir_mode: Mode = UNSET,
    file_mode: Mode = UNSET,
    recurse: Sequence[str] = (),
    max_depth: int | None = None,
    clean: bool = False,
    exclude_pat: str | Sequence[str] | None = None,
    makedirs: bool = False,
    force: bool = False,
    allow_symlink: bool = False,
) -> Plan:
    """The directory NAME exists and has this owner and MODE.

    recurse: which of `user`, `group`, `mode` holds for all that lies below, too, down to MAX_DEPTH levels;
    `ignore_files` and `ignore_dirs` leave those out. Links are left alone.
    mode (or dir_mode): of directories. file_mode: of files, where `mode` is recursed; default: as of directories.
    clean: delete what is in NAME, but for what other states of the run name or bring there, what EXCLUDE_PAT matches
    (globs of paths below NAME, or `E@` and a regular expression) and other file systems; links are deleted, not
    followed. It does not go with `max_depth`.
    makedirs: make missing directories above. force: delete a file or link in its place. allow_symlink: a link to a
    directory will do.
    """
    from states._file import directory as _directory

    path = absolute(name)
    if isinstance(mode, Unset):
        mode = dir_mode
    wish = wished(user, group, mode)
    deep = _directory.recursion(recurse, wish, wished(UNSET, UNSET, file_mode).mode, max_depth)
    own = file.status(path, follow=False)
    in_the_way = _directory.check_place(path, own, force=force, allow_symlink=allow_symlink)
    status = None if in_the_way else file.status(path)
    try:
        have = observed(status, wish)
        below = _directory.scan(path, deep) if deep is not None and have is not None else None
    except NoSuchOwner as error:
        return unknown(str(error))
    if have is None and (reason := missing_parent(path, makedirs)):
        return unknown(reason)
    if have is None:
        new = _directory.Directory(*wish)
        return Plan(None, new, _directory.steps(path, None, new, makedirs=makedirs, in_the_way=in_the_way))
    surplus = None
    if clean:
        from states._file.kept import surplus as surplus_of

        surplus = surplus_of(ctx, path, exclude_pat)
    return _directory.plan(path, have, wish, below, surplus)


@state
def absent(ctx: Context, name: str) -> Plan:
    """Nothing is at NAME: a file or link is deleted, a directory with all that it holds. A link is never followed; `/`,
    a mount point and what holds one are refused."""
    from modules._file.remove import check_removable
    from states._file.link import Entry

    path = absolute(name)
    status = file.status(path, follow=False)
    if status is None:
        return Plan(None, None, comment=f"File {name} is not present")
    check_removable(path)
    current = Entry(kind_of(status.st_mode))
    return Plan(current, None, [Step(f"delete {path}", current.kind, None, do=call(file.remove, path))])


@state
def symlink(
    ctx: Context,
    name: str,
    *,
    target: str,
    force: bool = False,
    makedirs: bool = False,
    user: Owner = UNSET,
    group: Owner = UNSET,
    dir_mode: Mode = UNSET,
) -> Plan:
    """NAME is a symbolic link to TARGET, which is kept as it is written and need not exist.

    force: delete a file or directory in its place. makedirs: make missing directories above, with DIR_MODE. user,
    group: of the link itself.
    """
    from states._file.link import Link

    path = absolute(name)
    status = file.status(path, follow=False)
    is_link = status is not None and stat.S_ISLNK(status.st_mode)
    if status is not None and not is_link and not force:
        raise FileStateError(f"{path} is there and is {kind_of(status.st_mode)}; `force: True` replaces it")
    wish = wished(user, group, UNSET)
    try:
        have = observed(status, wish)
    except NoSuchOwner as error:
        return unknown(str(error))
    if status is None and (reason := missing_parent(path, makedirs)):
        return unknown(reason)
    current = None
    if status is not None and have is not None:
        current = Link(file.readlink(path) if is_link else kind_of(status.st_mode), have.user, have.group)
    wanted = Link(target, wish.user, wish.group)
    if current == wanted:
        return Plan(current, wanted, comment=f"Symlink {name} is present and owned as it should be")
    extra = {"replace": True} if status is not None else {}
    do = call(file.symlink, target, path, **wish.arguments, **extra)
    before = None if current is None else current.target
    return Plan(
        current, wanted, [*parent_steps(path, wish, dir_mode), Step(f"link {path} to {target}", before, target, do=do)]
    )


@state
def recurse(
    ctx: Context,
    name: str,
    *,
    source: str,
    user: Owner = UNSET,
    group: Owner = UNSET,
    dir_mode: Mode = UNSET,
    file_mode: Mode = UNSET,
    include_pat: str | Sequence[str] | None = None,
    exclude_pat: str | Sequence[str] | None = None,
    max_depth: int | None = None,
    maxdepth: int | None = None,
    template: str | None = None,
    context: Mapping[str, Any] | None = None,
    defaults: Mapping[str, Any] | None = None,
    replace: bool = True,
    include_empty: bool = False,
    clean: bool = False,
    makedirs: bool = True,
    saltenv: str | Unset = UNSET,
) -> Plan:
    """The directory NAME holds the files of the folder SOURCE (`salt://…`) of the state tree.

    file_mode: of the files, or `keep`: as in the tree. dir_mode: of the directories. include_pat, exclude_pat: globs
    of paths below SOURCE (`*` matches `/` too), or `E@` and a regular expression. maxdepth: 0 takes only the files
    right in SOURCE. clean: delete what is in NAME and not in SOURCE, but for what other states of the run name or bring
    there, what EXCLUDE_PAT matches and other file systems; links are deleted, not followed. include_empty is taken for
    Salt's sake: a tree has files alone.
    template, context, defaults, replace: as `file.managed`.
    """
    from states._file import recurse as _recurse

    path = absolute(name)
    keep = file_mode == "keep"
    asked = _recurse.Recursed(
        source=source,
        saltenv=environment(ctx, saltenv),
        files=wished(user, group, UNSET if keep else file_mode),
        folders=wished(user, group, dir_mode),
        keep_mode=keep,
        include=include_pat,
        exclude=exclude_pat,
        max_depth=maxdepth if max_depth is None else max_depth,
        template=template,
        variables={**(defaults or {}), **(context or {})},
        replace=replace,
    )
    if reason := missing_parent(path, makedirs):
        return unknown(reason)
    surplus = None
    if clean and file.status(path) is not None:
        from states._file.kept import surplus as surplus_of

        surplus = surplus_of(ctx, path, exclude_pat, _recurse.wanted_paths(ctx, asked)[2])
    try:
        current, wish = _recurse.compare(ctx, path, asked, surplus)
    except NoSuchOwner as error:
        return unknown(str(error))
    return Plan(current, wish, _recurse.steps(path, current, wish, surplus), comment=surplus and surplus.comment(path))


@state
def exists(ctx: Context, name: str) -> Plan:
    """There is something at NAME; nothing is done about it."""
    if file.path_exists(name):
        return Plan(None, None, comment=f"Path {name} exists")
    return unknown(f"there is nothing at {name}")


@state
def missing(ctx: Context, name: str) -> Plan:
    """There is nothing at NAME; nothing is done about it."""
    if not file.path_exists(name):
        return Plan(None, None, comment=f"Path {name} is missing")
    raise FileStateError(f"{name} exists, and should not")


check_arguments(managed, absent, symlink, append, prepend, replace, recurse, copy, serialize, touch)
check_arguments(blockreplace, comment, keyvalue, uncomment)
check(of=directory)(check_directory)
