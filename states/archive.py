"""What is in archives, unpacked where it belongs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from modules import archive, file
from modules._archive.members import Kind, tops
from modules._archive.survey import How, Notes, Survey, identity_of, notes
from modules._file import owner as file_owner
from modules._file.owner import NoSuchOwner
from modules._file.safe import absolute, kind_of
from modules.archive import Seen
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, state
from saltern.secret import Secret
from states._archive_tree import SHOWN, Paths, Tree, strip_of
from states._file.check import WrongArgument
from states._file.contents import Checked, origin
from states._file.shared import Attributes, FileStateError, Owner, environment, unknown, wished


class _Source(NamedTuple):
    """An archive: IDENTITY tells it from others without reading it, LOCAL brings it to the node; FETCHED: it is from a
    URL."""

    identity: str
    local: Callable[[], str]
    fetched: bool = False


@state
def extracted(
    ctx: Context,
    name: str,
    *,
    source: str | Sequence[Any],
    source_hash: str = "",
    source_hash_name: str = "",
    source_hash_update: bool = False,
    skip_verify: bool = False,
    skip_files_list_verify: bool = False,
    keep_source: bool = True,
    keep: bool = True,
    archive_format: str | None = None,
    options: str | None = None,
    password: Secret | None = None,
    enforce_toplevel: bool = True,
    if_missing: str | None = None,
    overwrite: bool = False,
    force: bool = False,
    clean: bool = False,
    clean_parent: bool = False,
    user: Owner = UNSET,
    group: Owner = UNSET,
    extract_perms: bool = True,
    trim_output: bool | int = False,
    use_cmd_unzip: bool | None = None,
    saltenv: str | Unset = UNSET,
) -> Plan:
    """All that the archive SOURCE holds is in the folder NAME, which is made where it is missing.

    Where one path is missing, all are unpacked anew; what else is there stays.
    source, source_hash, source_hash_name: as `file.managed`. skip_verify: https:// will do without a checksum, and none
    counts. archive_format: tar or zip; default: what it looks like. options: `--strip-components=N`; letters that say
    how to unpack (`xvzf`) are taken and not needed.
    source_hash_update: also unpack an archive that is another than the last. skip_files_list_verify: only then.
    enforce_toplevel: False takes an archive with more than one folder at its top.
    if_missing: a path; where it is there, nothing is done. overwrite: files hold what the archive's do, too.
    force: what is of another kind in the place of a path goes. clean: what is at the top of the archive goes from NAME
    before. clean_parent: NAME goes before.
    user, group: whose the paths are; default: Saltern's own user, and then an owner that is there is not managed.
    extract_perms: False gives 0644 and 0755. password: of a zip archive. trim_output: of the paths that come, show so
    many (True: 100). keep_source (or keep): False deletes the copy of an archive from a URL. use_cmd_unzip is taken for
    Salt's sake.
    """
    path, wish = absolute(name), wished(user, group, UNSET)
    how = How(archive.known_format(archive_format), strip_of(options), extract_perms, overwrite)
    kept = notes(ctx, path, str(source))
    limit = 100 if trim_output is True else int(trim_output) or SHOWN
    try:
        look = _Look(path, wish, limit, None if if_missing is None else absolute(if_missing))
        if look.flag is not None and os.path.lexists(look.flag) and not source_hash_update:
            return _left_alone(kept, how, look)
    except NoSuchOwner as error:
        return unknown(str(error))
    if isinstance(source, str) and source.startswith("/") and not os.path.exists(source):
        return unknown(f"there is no file {source} to unpack")
    checked = Checked("" if skip_verify else source_hash, source_hash_name, skip_verify)
    found = _source(ctx, source, checked, environment(ctx, saltenv))
    survey = kept.surveyed(found.identity, found.local, how, archive.secret_bytes(password))
    if enforce_toplevel:
        _check_top(survey, source)
    seen, current = look.at(survey, kept.unpacked)
    if seen.wrong and not (force or clean or clean_parent):
        first, status = next(iter(seen.wrong.items()))
        raise FileStateError(f"{path}/{first} is there and is {kind_of(status.st_mode)}; `force: True` puts it away")
    wanted = Tree(
        paths=UNSET if skip_files_list_verify else Paths.of(survey.members, limit),
        user=wish.user,
        group=wish.group,
        source=found.identity if source_hash_update or skip_files_list_verify else UNSET,
        if_missing=UNSET if look.flag is None else look.flag,
    )
    if not wanted.lacks(current):
        plan = _owner_steps(path, seen, wish)
        return Plan(current, wanted, plan, comment=f"{name} has all that is in {source}")
    do = call(
        archive.unpack,
        found.local(),
        path,
        how,
        **wish.arguments,
        force=force,
        clean=clean,
        afresh=clean_parent,
        password=password,
        notes=kept,
        identity=found.identity,
        forget=found.fetched and not (keep_source and keep),
    )
    words = f"unpack {source} into {path}: {len(survey.members)} paths, of which {len(seen.missing)} are missing"
    return Plan(current, wanted, [Step(words, current.paths, wanted.paths, do=do)])


class _Look:
    """Observes the folder PATH with the owner of WISH; FLAG is the path of `if_missing`. NoSuchOwner."""

    def __init__(self, path: str, wish: Attributes, limit: int, flag: str | None) -> None:
        self._path, self._wish, self._limit, self.flag = path, wish, limit, flag
        self._uid = None if isinstance(wish.user, Unset) else file_owner.uid(wish.user)
        self._gid = None if isinstance(wish.group, Unset) else file_owner.gid(wish.group)

    def at(self, survey: Survey, unpacked: str | None) -> tuple[Seen, Tree]:
        """What differs there from SURVEY, and the tree as it is; UNPACKED is the archive that came last."""
        seen = archive.look(self._path, survey.members, survey.sums, self._uid, self._gid)
        user, group = self._wish.user, self._wish.group
        for uid, gid in seen.owner.values():
            user = user if self._uid in (None, uid) else file_owner.user_name(uid)
            group = group if self._gid in (None, gid) else file_owner.group_name(gid)
        words: Mapping[str, str] = {
            **dict.fromkeys(seen.differ, "holds something else"),
            **{path: f"is {kind_of(status.st_mode)}" for path, status in seen.wrong.items()},
        }
        paths = Paths.of(survey.members, self._limit, without=frozenset(seen.missing), words=words)
        there: str | Unset | None = UNSET if self.flag is None else self.flag if os.path.lexists(self.flag) else None
        return seen, Tree(paths=paths, user=user, group=group, source=unpacked, if_missing=there)


def _left_alone(kept: Notes, how: How, look: _Look) -> Plan:
    """The plan that does nothing, since the path of `if_missing` is there; with what is there, where that is known."""
    comment = f"{look.flag} exists"
    unpacked = kept.unpacked
    if unpacked is None:
        return Plan(None, None, comment=comment)
    try:
        tree = look.at(kept.surveyed(unpacked, _nowhere, how), unpacked)[1]
    except FileNotFoundError:
        return Plan(None, None, comment=comment)
    return Plan(tree, tree, comment=comment)


def _nowhere() -> str:
    raise FileNotFoundError


def _source(ctx: Context, source: str | Sequence[Any], checked: Checked, saltenv: str) -> _Source:
    """The archive that is meant; one from a URL whose checksum is given is not fetched for that."""
    fetched = isinstance(source, str) and source.startswith(("http://", "https://"))
    if fetched and checked.source_hash:
        from modules import _download

        if (wanted := _download.sum_of(checked.source_hash)) is not None:
            return _Source(str(wanted), lambda: origin(ctx, source, saltenv, checked).local(ctx), True)
    found = origin(ctx, source, saltenv, checked)
    if found.digest is not None:
        return _Source(f"sha256:{found.digest}", lambda: found.local(ctx))
    if found.url:
        return _Source(f"sha256:{file.get_hash(found.path)}", lambda: found.path, True)
    return _proved(found.path, checked.source_hash)


def _proved(path: str, source_hash: str) -> _Source:
    """The file PATH of the node, which must have the checksum SOURCE_HASH, if one is given, when it is read."""
    if not source_hash:
        return _Source(identity_of(path), lambda: path)
    from modules import _download

    wanted = _download.sum_of(source_hash)
    if wanted is None:
        raise FileStateError(f"not a checksum: {source_hash!r}; write sha256:… with hex digits for a file of the node")

    def local() -> str:
        if (found := file.get_hash(path, wanted.algorithm)) != wanted.value:
            raise FileStateError(f"{path} is not what was meant: its {wanted.algorithm} is {found}, not {wanted.value}")
        return path

    return _Source(f"{wanted} {identity_of(path)}", local)


def _check_top(survey: Survey, source: Any) -> None:
    """FileStateError where there is not just one folder at the top of the archive."""
    names = tops(member.path for member in survey.members)
    only = next((member for member in survey.members if member.path == names[0]), None)
    if len(names) > 1 or only is None or only.kind is not Kind.FOLDER:
        some = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        raise FileStateError(
            f"{source} has not one folder at its top, but {some}: it would strew them about. "
            "`enforce_toplevel: False` unpacks it all the same"
        )


def _owner_steps(path: str, seen: Seen, wish: Attributes) -> list[Step]:
    """The step that gives what is there its owner, if one is another."""
    if not seen.owner:
        return []
    arguments = wish.arguments
    changes = [(one, arguments) for one in seen.owner]
    words = ", ".join(f"{key} {value}" for key, value in arguments.items())
    do = call(file.set_tree, path, changes)
    return [Step(f"set {words} of {len(changes)} paths below {path}", None, arguments, do=do)]


@check(of=extracted)
def _check(name: str, **arguments: Any) -> None:
    for key, text in (("name", name), ("if_missing", arguments.get("if_missing"))):
        if text is not None:
            _judge(key, absolute, text)
    _judge("archive_format", archive.known_format, arguments.get("archive_format"))
    _judge("options", strip_of, arguments.get("options"))
    if arguments.get("clean") and arguments.get("clean_parent"):
        raise WrongArgument("`clean` and `clean_parent` say two different things: name one of them", "clean_parent")


def _judge(argument: str, judge: Callable[[Any], Any], value: Any) -> None:
    from saltern.errors import PermanentError

    try:
        judge(value)
    except PermanentError as error:
        raise WrongArgument(str(error), argument) from None
