"""One checkout of a remote repository: what it is, and the moves of it that lose nothing unless they are told to.

A new one is made by `git init` and a fetch, not by `git clone`: one that was cut off is then a repository that lacks
commits, and the next run goes on with it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass

from modules._file import remove as file_remove
from modules._file import safe
from modules._git.command import ASK_S, NOBODY_ELSE, WORK_S, Who, checked, git, told
from modules._git.resume import make_way
from modules._git.values import (
    GitError,
    Rev,
    changed_paths,
    is_commit,
    listed,
    parsed_refs,
    patterns,
    resolved,
    short,
    short_commit_hint,
    stray_submodules,
    without_credentials,
)
from saltern.errors import nearest
from saltern.marks import acting, reading

_KNOWN = "refs/saltern/known"  # the commit that was fetched last, and by its log those before
_COUNTED = 100  # commits that an error may name or count
KEEP, IF_KNOWN, ALWAYS = "keep", "remote-changes", "always"  # what may be lost: see `move`


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What is at a place: nothing, an "empty" folder, "other" things, or a "repository" with all that follows.

    COMMIT: that of HEAD (None: none yet). BRANCH: the local branch that HEAD is on, None where it is detached. URL: of
    the remote that was asked for, None where there is none. CHANGED: files that differ from COMMIT, without untracked
    ones. STRAYS: submodules that are not in place, where that was asked for. HAS: whether the commit that was asked for
    is there.
    """

    kind: str
    commit: str | None = None
    branch: str | None = None
    url: str | None = None
    changed: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()
    has: bool = False


@reading
def look(target: str, who: Who, remote: str = "origin", commit: str = "", submodules: bool = False) -> Looked:
    """What is at TARGET. GitError where it is a file, a bare repository, or somebody else's."""
    target = safe.absolute(target)
    try:
        found = os.stat(target)
    except (FileNotFoundError, NotADirectoryError):
        return Looked(kind="nothing")
    if not stat.S_ISDIR(found.st_mode):
        raise GitError(f"{target} is there and is {safe.kind_of(found.st_mode)}, not a directory")
    if not os.listdir(target):
        return Looked(kind="empty")
    inside = git("rev-parse", "--is-inside-work-tree", target=target, who=who)
    if inside.code != 0:
        if "not a git repository" in inside.err:
            return Looked(kind="other")
        raise GitError(f"{target} can't be read: {told(inside)}")
    if inside.out.strip() != "true":
        raise GitError(f"{target} is a bare repository and has no files")
    at = head(target, who)
    status = checked(
        "status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=all", target=target, who=who
    )
    strays = checked("submodule", "status", "--recursive", target=target, who=who) if submodules and at else ""
    return Looked(
        kind="repository",
        commit=at,
        branch=_line("symbolic-ref", "--quiet", "--short", "HEAD", target=target, who=who),
        url=_line("config", "--local", "--get", f"remote.{remote}.url", target=target, who=who),
        changed=changed_paths(status),
        strays=stray_submodules(strays),
        has=bool(commit) and has(target, commit, who),
    )


@reading
def resolve(url: str, rev: str, who: Who) -> Rev:
    """What REV is in the repository at URL, which is asked for its refs alone; for a commit, nobody is asked."""
    if is_commit(rev):
        return Rev("commit", "", rev)
    refs, head = parsed_refs(_refs(url, who, "--symref", *patterns(rev)))
    found = resolved(rev, refs, head)
    if found is not None:
        return found
    shown = without_credentials(url)
    if rev == "HEAD":
        raise GitError(f"{shown} has no commit that its HEAD stands for: name a `rev`")
    known, _ = parsed_refs(_refs(url, who, "--heads", "--tags"))
    names = [ref.split("/", 2)[2] for ref in known if not ref.endswith("^{}")]
    raise GitError(f"{shown} has no branch or tag {rev!r}.{nearest(rev, names)}{short_commit_hint(rev)}")


def _refs(url: str, who: Who, *words: str) -> str:
    options = [word for word in words if word.startswith("--")]
    others = [word for word in words if word not in options]
    said = git("ls-remote", *options, "--", url, *others, who=who, url=url, timeout_s=ASK_S)
    if said.code != 0:
        raise GitError(f"{without_credentials(url)} can't be asked: {told(said)}")
    return said.out


@reading
def has(target: str, commit: str, who: Who = NOBODY_ELSE) -> bool:
    """Whether COMMIT is in the repository TARGET."""
    return git("cat-file", "-e", f"{commit}^{{commit}}", target=target, who=who).code == 0


@reading
def head(target: str, who: Who = NOBODY_ELSE, name: str = "HEAD") -> str | None:
    """The commit that NAME stands for in the repository TARGET, or None."""
    return _line("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", target=target, who=who)


@reading
def leads_to(target: str, old: str, new: str, who: Who = NOBODY_ELSE) -> bool:
    """Whether the commit NEW of the repository TARGET comes after OLD, or is OLD."""
    return git("merge-base", "--is-ancestor", old, new, target=target, who=who).code == 0


@reading
def own_commits(target: str, commit: str, who: Who = NOBODY_ELSE, new: str = "") -> tuple[str, ...]:
    """The commits up to COMMIT that nobody else may have, the latest first, each with its subject: what no remote
    branch, no tag, and nothing that was ever fetched leads to, nor the commit NEW."""
    ours = "--glob=refs/saltern/*"
    fetched = checked("log", "--walk-reflogs", "--format=%H", ours, "--remotes", target=target, who=who).split()
    known = ["--remotes", "--tags", ours, *sorted({*fetched, *([new] if new else [])})]
    words = ("log", "--format=%h %s", f"--max-count={_COUNTED}", commit, "--not", *known, "--")
    return tuple(checked(*words, target=target, who=who).strip().splitlines())


@reading
def refusal(target: str, commit: str, branch: str | None, who: Who, lose: str = KEEP) -> str | None:
    """Why HEAD of TARGET must not be moved to the local BRANCH (None: to none) at COMMIT, which is there, as long as
    only that may be lost which LOSE says; None where it may. See `move`."""
    if lose == ALWAYS:
        return None
    if branch is None:
        old = head(target, who) if _on(target, who) is None else None
        forward = False
    else:
        old = head(target, who, f"refs/heads/{branch}")
        forward = old is not None and leads_to(target, old, commit, who)
    if old is None or forward:
        return None
    mine = own_commits(target, old, who, commit)
    if branch is not None and lose == KEEP:
        return _not_forward(target, branch, old, commit, mine)
    if mine:
        return (
            f"{target} has commits that are nowhere else, and would lose them: {listed(mine)}; push them, or "
            "`force_reset: True` loses them"
        )
    return None


@reading
def kind_of(path: str, who: Who) -> str | None:
    """What is at PATH, in words: "a bare repository", "a repository with files", "an empty directory", …; None where
    there is nothing."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISDIR(found.st_mode):
        return safe.kind_of(found.st_mode)
    if not os.listdir(path):
        return "an empty directory"
    bare = git("rev-parse", "--is-bare-repository", target=path, who=who)
    if bare.code != 0:
        return "a directory with other things"
    return "a bare repository" if bare.out.strip() == "true" else "a repository with files"


@acting
def make_kind(
    path: str, who: Who, *, bare: bool, template: str | None = None, shared: str | bool | None = None, replace: bool
) -> None:
    """Make PATH a repository without commits. REPLACE: delete what is there first. The rest as git-init(1)."""
    words = ["--bare"] if bare else []
    if template is not None:
        words.append(f"--template={template}")
    if shared not in (None, False):
        words.append("--shared" if shared is True else f"--shared={shared}")
    _make(path, words, who, replace)


@acting
def make(target: str, branch: str, who: Who, replace: bool = False) -> None:
    """Make TARGET a repository without commits, on BRANCH. REPLACE: delete what is there first."""
    _make(target, [f"--initial-branch={branch}"], who, replace)


def _make(target: str, words: Sequence[str], who: Who, replace: bool) -> None:
    target = safe.absolute(target)
    if replace:
        file_remove.remove(target)
    if not os.path.isdir(target):
        safe.make_folders(os.path.dirname(target))
        safe.make_folders(target, **({} if who.user is None else _ids(who.user)))
    checked("init", "--quiet", *words, target=target, who=who)


def _ids(user: str) -> dict[str, int]:
    import pwd

    entry = pwd.getpwnam(user)
    return {"uid": entry.pw_uid, "gid": entry.pw_gid}


@acting
def set_remote(target: str, remote: str, url: str, who: Who) -> None:
    """Make URL that of the REMOTE of TARGET."""
    known = _line("config", "--local", "--get", f"remote.{remote}.url", target=target, who=who) is not None
    verb = ["set-url"] if known else ["add"]
    checked("remote", *verb, "--", remote, url, target=target, who=who)


@acting
def fetch(
    target: str,
    remote: str,
    url: str,
    rev: Rev,
    who: Who,
    *,
    depth: int | None = None,
    tags: bool = True,
    force: bool = False,
) -> None:
    """Have the commit of REV in TARGET, from the REMOTE at URL. DEPTH: with so many commits of its history, and nothing
    else. TAGS: with all tags. FORCE: tags that were moved there are moved here."""
    words = ["fetch", *(["--force"] if force else [])]
    if depth is None:
        said = git(
            *words, *(["--tags"] if tags else []), "--", remote, target=target, who=who, url=url, timeout_s=WORK_S
        )
        if said.code != 0:
            more = "; `force_fetch: True` moves tags" if "would clobber existing tag" in said.err else ""
            raise GitError(f"can't fetch from {without_credentials(url)}: {told(said)}{more}")
    if not has(target, rev.commit, who):
        wanted = _refspec(remote, rev, depth is not None)
        less = [] if depth is None else [f"--depth={depth}", "--no-tags"]
        checked(*words, *less, "--", remote, wanted, target=target, who=who, url=url, timeout_s=WORK_S)
    if not has(target, rev.commit, who):
        raise GitError(
            f"{without_credentials(url)} does not give out {short(rev.commit)} any longer: {rev.name} has moved "
            "meanwhile; run the state again"
        )
    checked("update-ref", "--create-reflog", _KNOWN, rev.commit, target=target, who=who)


def _refspec(remote: str, rev: Rev, kept: bool) -> str:
    """What to fetch for REV; KEPT: under its name."""
    if not rev.ref:
        return rev.commit
    if not kept:
        return rev.ref
    place = f"refs/remotes/{remote}/{rev.name}" if rev.kind == "branch" else rev.ref
    return f"+{rev.ref}:{place}"


@acting
def move(
    target: str, commit: str, branch: str | None, who: Who, *, lose: str = KEEP, upstream: tuple[str, str] | None = None
) -> None:
    """Have HEAD of TARGET on the local BRANCH (None: on none), at COMMIT, which is there.

    LOSE: KEEP lets a branch only go forward and no changed file be lost; IF_KNOWN moves it anywhere where no commit is
    lost that is here alone; ALWAYS loses both. UPSTREAM: the remote and the ref that a new branch follows.
    """
    if reason := refusal(target, commit, branch, who, lose):
        raise GitError(reason)
    anyway = lose == ALWAYS or (head(target, who) is None and make_way(target, commit, who))
    force = ["--force"] if anyway else []
    if branch is None:
        checked("checkout", "--quiet", *force, "--detach", commit, "--", target=target, who=who)
        return
    tip = head(target, who, f"refs/heads/{branch}")
    if tip is None:
        checked("checkout", "--quiet", *force, "--no-track", "-B", branch, commit, "--", target=target, who=who)
        if upstream is not None:
            for key, value in zip(("remote", "merge"), upstream, strict=True):
                checked("config", "--local", f"branch.{branch}.{key}", value, target=target, who=who)
        return
    if _on(target, who) != branch:
        checked("checkout", "--quiet", *force, branch, "--", target=target, who=who)
    if lose == ALWAYS:
        checked("reset", "--quiet", "--hard", commit, "--", target=target, who=who)
    elif leads_to(target, tip, commit, who):
        checked("merge", "--quiet", "--ff-only", commit, target=target, who=who)
    else:
        checked("reset", "--quiet", "--keep", commit, target=target, who=who)


@acting
def switch(target: str, branch: str, who: Who, *, force: bool = False) -> None:
    """Have HEAD of TARGET on the local BRANCH, which is there. FORCE: lose changes of files."""
    checked("checkout", "--quiet", *(["--force"] if force else []), branch, "--", target=target, who=who)


@acting
def discard(target: str, who: Who) -> None:
    """Take back all changes of files that HEAD of TARGET knows."""
    checked("reset", "--quiet", "--hard", "HEAD", "--", target=target, who=who)


@acting
def update_submodules(target: str, url: str, who: Who, *, depth: int | None = None) -> None:
    """Have all submodules of TARGET, and theirs, at their commits."""
    less = [] if depth is None else [f"--depth={depth}"]
    words = ["submodule", "--quiet", "update", "--init", "--recursive", *less]
    checked(*words, target=target, who=who, url=url, timeout_s=WORK_S)


def _on(target: str, who: Who) -> str | None:
    return _line("symbolic-ref", "--quiet", "--short", "HEAD", target=target, who=who)


def _not_forward(target: str, branch: str, old: str, new: str, mine: tuple[str, ...]) -> str:
    lost = f", and would lose commits that are nowhere else: {listed(mine)}" if mine else ""
    remedy = "`force_reset: True`" if mine else "`force_reset: remote-changes` (or True)"
    return (
        f"the branch {branch} of {target} can't go forward from {short(old)} to {short(new)}, which does not come "
        f"after it{lost}; {remedy} sets it there"
    )


def _line(*words: str, target: str, who: Who) -> str | None:
    """What git says in one line, or None where it ends with 1: there is no such thing."""
    said = git(*words, target=target, who=who)
    if said.code not in (0, 1):
        raise GitError(f"git {words[0]} failed in {target}: {told(said)}")
    return said.out.strip() or None if said.code == 0 else None
