"""Git repositories on the node, by git(1).

CWD is the repository's own directory, or for `clone` the one to make. USER runs git and owns the files; IDENTITY is the
file of an ssh key, or several; HTTPS_USER and HTTPS_PASS are for https://. No hook runs, and nothing is ever asked. A
repository that belongs to somebody else than who runs git is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modules._file.safe import absolute
from modules._git import checkout as work
from modules._git import config as settings
from modules._git.command import ASK_S, WORK_S, checked, git, told, who
from modules._git.values import (
    GitError,
    checked_key,
    checked_ref,
    checked_remote,
    checked_url,
    is_commit,
    parsed_refs,
    without_credentials,
)
from saltern.errors import nearest
from saltern.marks import acting, reading
from saltern.secret import Secret

Identity = str | Sequence[str] | None


@reading
def version() -> str:
    """The version of git."""
    return checked("version").removeprefix("git version ").strip()


@reading
def rev_parse(cwd: str, rev: str = "HEAD", user: str | None = None) -> str:
    """The commit (or other object) that REV stands for."""
    if rev.startswith("-"):
        raise GitError(f"not a revision: {rev!r}")
    return checked("rev-parse", "--verify", "--end-of-options", rev, target=absolute(cwd), who=who(user)).strip()


@reading
def revision(cwd: str, rev: str = "HEAD", short: bool = False, user: str | None = None) -> str:
    """The commit that REV stands for; SHORT: by its first digits."""
    found = rev_parse(cwd, f"{rev}^{{commit}}", user)
    words = ("rev-parse", "--short", found)
    return checked(*words, target=absolute(cwd), who=who(user)).strip() if short else found


@reading
def current_branch(cwd: str, user: str | None = None) -> str:
    """The local branch that HEAD is on, "" where it is on none."""
    said = git("symbolic-ref", "--quiet", "--short", "HEAD", target=absolute(cwd), who=who(user))
    if said.code > 1:
        raise GitError(f"{cwd} can't be read: {told(said)}")
    return said.out.strip()


@reading
def list_branches(cwd: str, remote: bool = False, user: str | None = None) -> list[str]:
    """The local branches, or those of remotes as they were fetched last."""
    return _names(cwd, "refs/remotes" if remote else "refs/heads", user)


@reading
def list_tags(cwd: str, user: str | None = None) -> list[str]:
    """The tags."""
    return _names(cwd, "refs/tags", user)


@reading
def describe(cwd: str, rev: str = "HEAD", user: str | None = None) -> str:
    """REV by the nearest tag before it, or by its commit where there is none."""
    return checked("describe", "--tags", "--always", checked_ref(rev), target=absolute(cwd), who=who(user)).strip()


@reading
def status(cwd: str, user: str | None = None) -> dict[str, list[str]]:
    """What was changed since HEAD and not committed: {"modified": [PATH, …], "deleted": …, "new": …, "untracked": …,
    "renamed": …, "conflict": …}; kinds without a file are left out."""
    said = checked("status", "--porcelain", "-z", "--untracked-files=all", target=absolute(cwd), who=who(user))
    found: dict[str, list[str]] = {}
    parts = iter(said.split("\0"))
    for part in parts:
        if len(part) > 3:
            found.setdefault(_kind(part[:2]), []).append(part[3:])
            if part[0] in "RC":
                next(parts, None)
    return {kind: sorted(paths) for kind, paths in sorted(found.items())}


@reading
def is_worktree(cwd: str, user: str | None = None) -> bool:
    """Whether CWD lies in a checkout."""
    said = git("rev-parse", "--is-inside-work-tree", target=absolute(cwd), who=who(user))
    return said.code == 0 and said.out.strip() == "true"


@reading
def remotes(cwd: str, user: str | None = None) -> dict[str, dict[str, str]]:
    """The remotes as {name: {"fetch": URL, "push": URL}}, without passwords."""
    found: dict[str, dict[str, str]] = {}
    for line in checked("remote", "--verbose", target=absolute(cwd), who=who(user)).splitlines():
        name, _, rest = line.partition("\t")
        url, _, use = rest.rpartition(" ")
        found.setdefault(name, {})[use.strip("()")] = without_credentials(url)
    return found


@reading
def remote_get(cwd: str, remote: str = "origin", user: str | None = None) -> dict[str, str]:
    """The addresses of REMOTE: {"fetch": URL, "push": URL}."""
    found = remotes(cwd, user)
    if checked_remote(remote) not in found:
        raise GitError(f"{cwd} has no remote {remote!r}.{nearest(remote, found)}")
    return found[remote]


@reading
def ls_remote(
    remote: str,
    ref: str | None = None,
    user: str | None = None,
    identity: Identity = None,
    https_user: str | None = None,
    https_pass: Secret | str | None = None,
) -> dict[str, str]:
    """The refs of the repository at the address REMOTE with their commits, or those that end with REF."""
    me, url = who(user, identity, https_user, https_pass), checked_url(remote, pinned=True)
    words = [] if ref is None else [checked_ref(ref)]
    refs, _ = parsed_refs(checked("ls-remote", "--", url, *words, who=me, url=url, timeout_s=ASK_S))
    return refs


@reading
def config_get(key: str, cwd: str | None = None, user: str | None = None, all: bool = False, **options: Any) -> Any:
    """The value of the setting KEY ("" where there is none; with ALL a list), of the repository CWD or with
    `global=True` of USER."""
    found = settings.values(key, _place(cwd, user, options))
    return list(found) if all else found[-1] if found else ""


@acting
def config_set(
    key: str,
    value: str | int | bool | None = None,
    multivar: Sequence[str] | None = None,
    cwd: str | None = None,
    user: str | None = None,
    **options: Any,
) -> list[str]:
    """Make VALUE, or each of MULTIVAR, the value of the setting KEY and the only one: the values."""
    wanted = multivar if multivar is not None else [] if value is None else [settings.value_of(value)]
    if not wanted:
        raise GitError("name a `value`, or several as `multivar`")
    place = _place(cwd, user, options)
    settings.put(key, tuple(map(str, wanted)), place)
    return list(settings.values(key, place))


@acting
def config_unset(key: str, cwd: str | None = None, user: str | None = None, **options: Any) -> bool:
    """Take the setting KEY away, with all its values. Whether it was there."""
    place = _place(cwd, user, options)
    had = bool(settings.values(checked_key(key), place))
    settings.put(key, (), place)
    return had


@acting
def init(cwd: str, bare: bool = False, template: str | None = None, user: str | None = None) -> bool:
    """Make CWD a repository; one that is there stays as it is."""
    path, me = absolute(cwd), who(user)
    have = work.kind_of(path, me)
    if have not in (None, "an empty directory", "a directory with other things"):
        return True
    work.make_kind(path, me, bare=bare, template=template, replace=False)
    return True


@acting
def clone(
    cwd: str,
    url: str,
    rev: str = "HEAD",
    depth: int | None = None,
    user: str | None = None,
    identity: Identity = None,
    https_user: str | None = None,
    https_pass: Secret | str | None = None,
) -> str:
    """Make CWD, which is missing or empty, a checkout of URL at REV (a branch, tag or commit): the commit."""
    path, me = absolute(cwd), who(user, identity, https_user, https_pass)
    have = work.look(path, me)
    if have.kind not in ("nothing", "empty"):
        raise GitError(f"{cwd} is there already and is not empty")
    checked_url(url, pinned=is_commit(rev))
    found = work.resolve(url, checked_ref(rev), me)
    branch = found.name if found.kind == "branch" else None
    work.make(path, branch or "main", me)
    work.set_remote(path, "origin", url, me)
    work.fetch(path, "origin", url, found, me, depth=depth)
    work.move(path, found.commit, branch, me, upstream=("origin", found.ref) if branch else None)
    return found.commit


@acting
def fetch(
    cwd: str,
    remote: str = "origin",
    force: bool = False,
    user: str | None = None,
    identity: Identity = None,
    https_user: str | None = None,
    https_pass: Secret | str | None = None,
) -> bool:
    """Fetch from REMOTE. FORCE: tags that were moved there are moved here."""
    path, me = absolute(cwd), who(user, identity, https_user, https_pass)
    url = _url(path, remote, me.user)
    words = ["fetch", "--quiet", *(["--force"] if force else []), "--", remote]
    checked(*words, target=path, who=me, url=url, timeout_s=WORK_S)
    return True


@acting
def checkout(cwd: str, rev: str, force: bool = False, user: str | None = None) -> str:
    """Check out REV: a local branch, or any commit or tag on no branch. FORCE: lose changed files. The commit."""
    path, me = absolute(cwd), who(user)
    words = ["checkout", "--quiet", *(["--force"] if force else []), checked_ref(rev), "--"]
    checked(*words, target=path, who=me)
    return rev_parse(cwd, "HEAD", user)


@acting
def pull(
    cwd: str,
    user: str | None = None,
    identity: Identity = None,
    https_user: str | None = None,
    https_pass: Secret | str | None = None,
) -> str:
    """Fetch what the branch of HEAD follows, and go forward to it; a branch that can't is left as it is. The commit."""
    path, me = absolute(cwd), who(user, identity, https_user, https_pass)
    branch = current_branch(cwd, user)
    remote = settings.values(f"branch.{branch}.remote", settings.Place(me, path)) if branch else ()
    if not remote:
        raise GitError(f"{cwd} is on no branch that follows a remote one")
    url = _url(path, remote[-1], me.user)
    checked("pull", "--quiet", "--ff-only", target=path, who=me, url=url, timeout_s=WORK_S)
    return rev_parse(cwd, "HEAD", user)


def _url(path: str, remote: str, user: str | None) -> str:
    found = settings.values(f"remote.{checked_remote(remote)}.url", settings.Place(who(user), path))
    if not found:
        raise GitError(f"{path} has no remote {remote!r}")
    return checked_url(found[-1], pinned=True)


def _names(cwd: str, prefix: str, user: str | None) -> list[str]:
    words = ("for-each-ref", "--format=%(refname:strip=2)", prefix)
    found = checked(*words, target=absolute(cwd), who=who(user)).split()
    return sorted(name for name in found if not name.endswith("/HEAD"))


def _kind(code: str) -> str:
    """What the two letters of `git status` say of a file."""
    if code == "??":
        return "untracked"
    if "U" in code or code in ("AA", "DD"):
        return "conflict"
    letters = {"A": "new", "D": "deleted", "R": "renamed", "C": "new"}
    return next((letters[letter] for letter in code if letter in letters), "modified")


def _place(cwd: str | None, user: str | None, options: dict[str, Any]) -> settings.Place:
    everywhere = options.pop("global", False)
    if options:
        raise GitError(f"git has no option {next(iter(options))!r} here; it takes cwd, user, global")
    if everywhere is not True and cwd is None:
        raise GitError("name a repository (`cwd`), or `global=True`")
    return settings.Place(who(user), absolute(cwd) if everywhere is not True and cwd is not None else None)
