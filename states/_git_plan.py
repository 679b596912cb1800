"""How a checkout of a git repository gets from what it is to what it should be. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from modules._git import checkout as work
from modules._git.checkout import ALWAYS, IF_KNOWN, KEEP, Looked
from modules._git.command import Who
from modules._git.values import GitError, Rev, listed, short, without_credentials
from saltern.converge.plan import UNSET, Step, Unset, call

NEW_BRANCH = "main"  # what a repository without commits is on, where only a commit is wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A checkout: the COMMIT of HEAD, the local BRANCH that it is on (None: on none), the URL of the remote, files that
    were CHANGED, SUBMODULES that are not in place; whether the wanted commit was FETCHED, where HEAD is left alone."""

    commit: str | Unset | None = UNSET
    branch: str | Unset | None = UNSET
    url: str | Unset | None = UNSET
    changed: tuple[str, ...] | Unset = UNSET
    submodules: tuple[str, ...] | Unset = UNSET
    fetched: bool | Unset = UNSET


class Options(NamedTuple):
    """What is wanted of the checkout TARGET beside its commit. BRANCH: the local one; UNSET leaves that to what is
    there. LOSE: what may be lost of commits (see `move`). LOSE_FILES: whether changed files may be. REPLACE: what is no
    repository is deleted. MOVE: whether HEAD is moved at all."""

    target: str
    url: str
    who: Who
    remote: str = "origin"
    branch: str | Unset | None = UNSET
    lose: str = KEEP
    lose_files: bool = False
    replace: bool = False
    move: bool = True
    submodules: bool = False
    depth: int | None = None
    tags: bool = True
    force_fetch: bool = False


def checkouts(have: Looked, rev: Rev, options: Options) -> tuple[Checkout | None, Checkout]:
    """What is there and what is wanted. GitError where something else is in the way."""
    wish = Checkout(
        commit=rev.commit if options.move else UNSET,
        branch=options.branch if options.move else UNSET,
        url=options.url,
        changed=() if options.lose == ALWAYS and options.move else UNSET,
        submodules=() if options.submodules and options.move else UNSET,
        fetched=UNSET if options.move else True,
    )
    check_place(have, options)
    if have.kind != "repository":
        return None, wish
    current = Checkout(
        commit=have.commit,
        branch=have.branch,
        url=have.url,
        changed=have.changed,
        submodules=have.strays,
        fetched=have.has,
    )
    return current, wish


def check_place(have: Looked, options: Options) -> None:
    """GitError where something that is no repository is at the target, and must not be deleted."""
    if have.kind == "other" and not options.replace:
        raise GitError(
            f"{options.target} is there, is not empty and is no git repository; `force_clone: True` deletes what it "
            "holds"
        )


def steps(have: Looked, rev: Rev, options: Options) -> Iterator[Step]:
    """The steps to the commit of REV, in order. GitError where files would be lost that must not be."""
    target, who, url = options.target, options.who, options.url
    shown, new = without_credentials(url), have.kind != "repository"
    if new:
        branch = local_branch(have, rev, options) or NEW_BRANCH
        words = f"replace {target} by a repository" if have.kind == "other" else f"make the repository {target}"
        extra = {"replace": True} if have.kind == "other" else {}
        yield Step(words, None, target, do=call(work.make, target, branch, who, **extra))
    if have.url != url:
        do = call(work.set_remote, target, options.remote, url, who)
        yield Step(f"set the remote {options.remote} of {target} to {shown}", have.url, url, do=do)
    if not have.has:
        depth = options.depth if new else None
        do = call(
            work.fetch, target, options.remote, url, rev, who, depth=depth, tags=options.tags, force=options.force_fetch
        )
        yield Step(f"fetch {named(rev)} from {shown} into {target}", None, rev.commit, do=do)
    if options.move:
        moved = list(move_steps(have, rev, options))
        yield from moved
        if options.submodules and (moved or have.strays):
            do = call(work.update_submodules, target, url, who, depth=options.depth)
            yield Step(f"update the submodules of {target}", have.strays or None, "in place", do=do)


def move_steps(have: Looked, rev: Rev, options: Options) -> Iterator[Step]:
    """The one step that moves HEAD, where it is not there, or takes changes of files back."""
    target, who = options.target, options.who
    branch = local_branch(have, rev, options)
    if have.commit == rev.commit and have.branch == branch:
        if have.changed and options.lose == ALWAYS:
            yield _discard(have, options)
        return
    if have.changed and not options.lose_files:
        raise GitError(
            f"{target} has changes that are not committed, and is left as it is: {listed(have.changed)}; commit them, "
            "or `force_reset: True` loses them"
        )
    upstream = (options.remote, rev.ref) if rev.kind == "branch" else None
    extra = {"upstream": upstream} if branch is not None and upstream else {}
    if have.changed:
        yield _discard(have, options)
    do = call(work.move, target, rev.commit, branch, who, lose=options.lose, **extra)
    yield Step(_words(have, branch, rev, options), have.commit, rev.commit, do=do)


def _discard(have: Looked, options: Options) -> Step:
    words = f"take back the changes of {listed(have.changed)} in {options.target}"
    return Step(words, have.changed, (), do=call(work.discard, options.target, options.who))


def local_branch(have: Looked, rev: Rev, options: Options) -> str | None:
    """The local branch that HEAD is to be on, None for none: the one that is named; else the one it is on; in a new
    checkout that of the same name as the remote one."""
    if not isinstance(options.branch, Unset):
        return options.branch
    if have.kind == "repository" and have.commit is not None:
        return have.branch
    return rev.name if rev.kind == "branch" else None


def named(rev: Rev) -> str:
    """REV for people: "main (1234567890)", or the commit alone."""
    return f"{rev.name} ({short(rev.commit)})" if rev.ref else short(rev.commit)


def _words(have: Looked, branch: str | None, rev: Rev, options: Options) -> str:
    """What the move of HEAD is, for people."""
    where = f"{named(rev)} in {options.target}"
    lost = {ALWAYS: ", and lose what is there alone", IF_KNOWN: ", back too, where that loses no commit"}
    told = lost.get(options.lose, "") if have.commit is not None else ""
    if have.branch == branch and branch is not None and have.commit is not None:
        return f"move {branch} from {short(have.commit)} to {where}{told}"
    on = "on no branch" if branch is None else f"on the branch {branch}"
    old = "" if have.commit is None else f", instead of {short(have.commit)}"
    return f"check out {where}, {on}{old}{told}"
