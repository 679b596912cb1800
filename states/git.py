"""Git repositories: checkouts that follow a branch, tag or commit, and git's settings.

Nothing that is on the node alone is lost unless the state says so: a branch only goes forward, and a checkout with
changed files is left as it is. A preview asks the server for its refs and fetches nothing. Addresses are https://,
ssh://, USER@HOST:PATH, file:/// and full paths; http:// and git:// are for a commit by all its digits. No hook is run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from modules._file.safe import absolute
from modules._git import checkout as work
from modules._git import config as settings
from modules._git.checkout import ALWAYS, IF_KNOWN, KEEP
from modules._git.command import missing, who
from modules._git.values import (
    GitError,
    Rev,
    checked_key,
    checked_ref,
    checked_remote,
    checked_url,
    https_place,
    is_commit,
    listed,
)
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, call
from saltern.converge.state import check, state
from saltern.errors import nearest
from saltern.secret import Secret
from states import _git_plan
from states._git_plan import Checkout, Options

Identity = str | Sequence[str] | None


@state
def latest(
    ctx: Context,
    name: str,
    *,
    target: str,
    rev: str = "HEAD",
    branch: str | None = None,
    user: str | None = None,
    depth: int | None = None,
    submodules: bool = False,
    force_reset: bool | Literal["remote-changes"] = False,
    force_checkout: bool = False,
    force_clone: bool = False,
    force_fetch: bool = False,
    fetch_tags: bool = True,
    update_head: bool = True,
    remote: str = "origin",
    identity: Identity = None,
    https_user: str | None = None,
    https_pass: Secret | None = None,
) -> Plan:
    """The directory TARGET is a checkout of the repository NAME (its address) at the newest commit of REV.

    rev: a branch, a tag, or a commit by all its digits; default: what the remote's HEAD is.
    branch: the local branch to be on; default: the one it is on, and in a new checkout that of REV, or none for a tag
    or commit.
    user: who runs git and owns the files.
    depth: how many commits a new checkout gets.
    submodules: they are in place too.
    force_reset: true loses commits and changed files that are here alone; remote-changes follows a branch that was
    rewritten, and loses neither.
    force_checkout: a move loses changed files.
    force_clone: what is at TARGET and is no repository is deleted.
    force_fetch: tags that were moved are moved here.
    fetch_tags: false leaves out tags that no branch leads to.
    update_head: false fetches and moves nothing.
    remote: its name here.
    identity: the file of an ssh key, or several.
    https_user, https_pass: for https://.
    """
    options = Options(
        target=absolute(target),
        url=name,
        who=who(user, identity, https_user, https_pass),
        remote=remote,
        branch=UNSET if branch is None else branch,
        lose={True: ALWAYS, False: KEEP}[force_reset] if isinstance(force_reset, bool) else IF_KNOWN,
        lose_files=force_checkout or force_reset is True,
        replace=force_clone,
        move=update_head,
        submodules=submodules,
        depth=depth,
        tags=fetch_tags,
        force_fetch=force_fetch,
    )
    return _converged(options, rev)


@check(of=latest)
def _check_latest(name: str, *, target: str, rev: str = "HEAD", branch: str | None = None, **others: Any) -> None:
    _checked(name, rev, target, others)
    if branch is not None:
        checked_ref(branch, "a branch")
    if (depth := others.get("depth")) is not None and depth < 1:
        raise GitError(f"depth is a number of commits, 1 or more, not {depth}")


@state
def detached(
    ctx: Context,
    name: str,
    *,
    rev: str,
    target: str,
    remote: str = "origin",
    user: str | None = None,
    force_clone: bool = False,
    force_checkout: bool = False,
    hard_reset: bool = False,
    submodules: bool = False,
    identity: Identity = None,
    https_user: str | None = None,
    https_pass: Secret | None = None,
) -> Plan:
    """The directory TARGET is a checkout of the repository NAME (its address) at REV (a branch, a tag, or a commit by
    all its digits), on no local branch. hard_reset: loses commits and changed files that are here alone. The rest as
    `git.latest`."""
    options = Options(
        target=absolute(target),
        url=name,
        who=who(user, identity, https_user, https_pass),
        remote=remote,
        branch=None,
        lose=ALWAYS if hard_reset else KEEP,
        lose_files=force_checkout or hard_reset,
        replace=force_clone,
        submodules=submodules,
    )
    return _converged(options, rev)


@check(of=detached)
def _check_detached(name: str, *, rev: str, target: str, remote: str = "origin", **others: Any) -> None:
    _checked(name, rev, target, {**others, "remote": remote})


@state
def cloned(
    ctx: Context,
    name: str,
    *,
    target: str,
    branch: str | None = None,
    user: str | None = None,
    identity: Identity = None,
    https_user: str | None = None,
    https_pass: Secret | None = None,
) -> Plan:
    """The directory TARGET is a checkout of the repository NAME (its address); where it is, nothing is fetched. branch:
    the branch to be on, by default the remote's own in a new checkout and any later. The rest as `git.latest`."""
    options = Options(
        target=absolute(target),
        url=name,
        who=who(user, identity, https_user, https_pass),
        branch=UNSET if branch is None else branch,
    )
    if reason := missing(options.who):
        return Plan(None, None, unknown=reason)
    have = work.look(options.target, options.who)
    _git_plan.check_place(have, options)
    if have.kind != "repository" or have.commit is None:
        fresh = Checkout(branch=options.branch, url=name)
        return Plan(None, fresh, _git_plan.steps(have, work.resolve(name, branch or "HEAD", options.who), options))
    if have.url != name:
        raise GitError(
            f"{options.target} is a checkout of {have.url or 'no remote'}; `git.latest` makes it one of {name}"
        )
    current, wish = Checkout(branch=have.branch, url=have.url), Checkout(branch=options.branch, url=name)
    if branch is None or have.branch == branch:
        return Plan(current, wish, comment=f"{options.target} is a checkout of {name}")
    if work.head(options.target, options.who, f"refs/heads/{branch}"):
        do = call(work.switch, options.target, branch, options.who)
        steps = [Step(f"check out {branch} in {options.target}", have.branch, branch, do=do)]
    else:
        rev = work.resolve(name, branch, options.who)
        have = work.look(options.target, options.who, commit=rev.commit)
        steps = list(_git_plan.steps(have, rev, options))
    return Plan(current, wish, steps)


@check(of=cloned)
def _check_cloned(name: str, *, target: str, branch: str | None = None, **others: Any) -> None:
    _checked(name, branch or "HEAD", target, others)


@state
def present(
    ctx: Context,
    name: str,
    *,
    bare: bool = True,
    template: str | None = None,
    shared: str | bool | None = None,
    user: str | None = None,
    force: bool = False,
) -> Plan:
    """The directory NAME is a git repository, made by `git init` where it is none: BARE, or with files. force: what is
    there and is no repository is deleted. template, shared: as git-init(1) has them."""
    path, me = absolute(name), who(user)
    if reason := missing(me):
        return Plan(None, None, unknown=reason)
    wish = "a bare repository" if bare else "a repository with files"
    have = work.kind_of(path, me)
    if have == wish:
        return Plan(have, wish, comment=f"{path} is {wish}")
    if have not in (None, "an empty directory") and not force:
        raise GitError(f"{path} is {have}, not {wish}; `force: True` deletes it")
    do = call(work.make_kind, path, me, bare=bare, template=template, shared=shared, replace=have is not None)
    return Plan(have, wish, [Step(f"make {path} {wish}", have, wish, do=do)])


@state
def config_set(
    ctx: Context,
    name: str,
    *,
    value: str | int | float | bool | None = None,
    multivar: Sequence[str | int | float | bool] | None = None,
    repo: str | None = None,
    user: str | None = None,
    **options: Any,
) -> Plan:
    """The git setting NAME ("user.email") has this VALUE, or the values MULTIVAR in their order and no others: in the
    repository REPO, or with `global: True` for USER."""
    place = _place(repo, user, options)
    if reason := settings.missing(place):
        return Plan(None, None, unknown=reason)
    given = [value] if multivar is None else multivar
    wanted = tuple(settings.value_of(one) for one in given if one is not None)
    have = settings.values(name, place)
    if have == wanted:
        return Plan({name: have}, {name: wanted}, comment=f"{name} is {', '.join(wanted)}")
    step = Step(f"set {name} to {', '.join(wanted)} {place}", have, wanted, do=call(settings.put, name, wanted, place))
    return Plan({name: have}, {name: wanted}, [step])


@check(of=config_set)
def _check_config_set(name: str, *, value: Any = None, multivar: Any = None, **others: Any) -> None:
    checked_key(name)
    if (value is None) == (multivar is None):
        raise GitError("git.config_set wants one of `value` and `multivar`")
    _check_place(others)


@state
def config_unset(
    ctx: Context,
    name: str,
    *,
    value_regex: str | None = None,
    repo: str | None = None,
    user: str | None = None,
    **options: Any,
) -> Plan:
    """The git settings whose keys NAME, a regular expression, matches as a whole are not there: in the repository REPO,
    or with `global: True` for USER. value_regex: only those values that it is found in. `all: True`: also where one has
    several values."""
    every = options.get("all", False) is True
    place = _place(repo, user, options)
    if reason := settings.missing(place):
        return Plan(None, None, unknown=reason)
    current = settings.matching(name, place)
    steps = []
    for key, have in current.items():
        left = settings.without(have, value_regex)
        gone = len(have) - len(left)
        if gone > 1 and not every:
            raise GitError(f"{key} has {gone} such values {place}: `all: True` takes them all away")
        if gone:
            steps.append(Step(f"unset {key} {place}", have, left or None, do=call(settings.put, key, left, place)))
    wish = {key: settings.without(have, value_regex) or None for key, have in current.items()}
    return Plan(current, wish, steps)


@check(of=config_unset)
def _check_config_unset(name: str, *, value_regex: str | None = None, **others: Any) -> None:
    for pattern in (name, value_regex or ""):
        settings.checked_pattern(pattern)
    _check_place(others, "all")


def _place(repo: str | None, user: str | None, options: Mapping[str, Any]) -> settings.Place:
    """Where a setting is; `global` can't be the name of a parameter, so it is one of OPTIONS."""
    return settings.Place(who(user), None if options.get("global") is True or repo is None else absolute(repo))


def _check_place(given: Mapping[str, Any], *further: str) -> None:
    known = ("repo", "user", "global", *further)
    for name, value in given.items():
        if name not in known:
            raise GitError(f"there is no argument {name!r}.{nearest(name, known)} It takes {', '.join(known)}")
        if name in ("global", *further) and not isinstance(value, bool):
            raise GitError(f"`{name}` wants true or false, not {value!r}")
    if given.get("global", False) == (given.get("repo") is not None):
        raise GitError("name one of `repo` and `global: True`")


def _checked(url: str, rev: str, target: str, others: Mapping[str, Any]) -> None:
    checked_url(url, pinned=is_commit(rev))
    checked_ref(rev)
    checked_remote(others.get("remote", "origin"))
    if not os.path.isabs(target) and not target.startswith("~"):
        raise GitError(f"target wants a full path, not {target!r}")
    if (others.get("https_user") is None) != (others.get("https_pass") is None):
        raise GitError("`https_user` and `https_pass` belong together: name both")
    if others.get("https_pass") is not None and https_place(url) is None:
        raise GitError("`https_pass` is for an https:// address alone, where nobody on the way reads it")


def _converged(options: Options, rev: str) -> Plan:
    """The plan of a checkout that follows REV."""
    if reason := missing(options.who):
        return Plan(None, None, unknown=reason)
    found = work.resolve(options.url, rev, options.who)
    have = work.look(options.target, options.who, options.remote, commit=found.commit, submodules=options.submodules)
    current, wish = _git_plan.checkouts(have, found, options)
    steps = list(_git_plan.steps(have, found, options))
    if have.has and options.move and have.commit != found.commit:  # else it is known only after the fetch
        branch = _git_plan.local_branch(have, found, options)
        if reason := work.refusal(options.target, found.commit, branch, options.who, options.lose):
            raise GitError(reason)
    return Plan(current, wish, steps, comment=_unchanged(have.changed, found, options))


def _unchanged(changed: tuple[str, ...], rev: Rev, options: Options) -> str:
    words = f"{options.target} is at {_git_plan.named(rev)}"
    return f"{words}, with changes that are not committed: {listed(changed)}" if changed else words
