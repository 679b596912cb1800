"""What git(1) is told and what it prints: addresses, names, and the lists of refs, changes and submodules. Pure.

Sources: git-check-ref-format(1), gitremote-helpers(7) and "GIT URLS" of git-fetch(1), git-ls-remote(1), git-status(1),
git-submodule(1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from saltern.errors import PermanentError

_URL = re.compile(
    r"(?P<scheme>https|http|git|ssh|file)://(?:(?P<user>[^-/@\s:][^/@\s:]*)?(?P<password>:[^/@\s]*)?@)?"
    r"(?P<host>[A-Za-z0-9_\[][^/\s@]*)?/\S+"
    r"|(?P<path>/\S+)"
    r"|(?P<scp>(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9_][A-Za-z0-9_.-]*:(?!/{2})[^\s:]\S*)"
)
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHORT_COMMIT = re.compile(r"[0-9a-f]{7,63}")
_REF = re.compile(r"(?!.*(?:\.\.|//|/\.|@\{|\.lock(?:/|$)))[A-Za-z0-9_][A-Za-z0-9._/+@#=-]{0,250}(?<![./])")
_REMOTE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(?:\.[^\n\0]+)?\.[A-Za-z][A-Za-z0-9-]*")
_SHOWN = 5  # names in an error


class GitError(PermanentError):
    """A repository can't be read or changed as asked, or what was given is no address, name or commit."""


class Rev(NamedTuple):
    """What a revision is in a remote repository: KIND "branch", "tag" or "commit" alone; its full REF ("" for a commit)
    and the COMMIT that it stands for."""

    kind: str
    ref: str
    commit: str

    @property
    def name(self) -> str:
        """The name of the branch or tag; of a commit its first digits."""
        return self.ref.split("/", 2)[2] if self.ref else short(self.commit)


def checked_url(url: str, *, pinned: bool = False) -> str:
    """URL if git may be sent there. PINNED: only what has a known commit is taken, so that nobody on the way can change
    it. GitError otherwise."""
    found = _URL.fullmatch(url) if isinstance(url, str) and url.isprintable() else None
    if found is None or not (found["path"] or found["scp"] or found["host"] or found["scheme"] == "file"):
        raise GitError(
            f"not the address of a repository: {without_credentials(str(url))!r}; it is https://…, ssh://…, "
            "USER@HOST:PATH, file:///… or a full path"
        )
    if found["password"] is not None:
        raise GitError(
            f"an address must not hold a password, since it is shown: {without_credentials(url)}; "
            "give `https_user` and `https_pass` beside it"
        )
    if found["scheme"] in ("http", "git") and not pinned:
        raise GitError(
            f"{url}: anybody on the way could change what comes by {found['scheme']}://; use https:// or ssh://, or "
            "name the commit by all its digits as `rev`"
        )
    return url


def protocols(url: str) -> str:
    """What GIT_ALLOW_PROTOCOL says for URL, its redirects and its submodules: never `ext::`, and files of the node only
    where URL is one of them."""
    found = _URL.fullmatch(url)
    scheme = (found["scheme"] or ("file" if found["path"] else "ssh")) if found else ""
    further = [scheme] if scheme in ("file", "http", "git") else []
    return ":".join(["https", "ssh", *further])


def https_place(url: str) -> str | None:
    """The `https://HOST[:PORT]` of URL, for credentials that no other place may get; None where it is none."""
    found = _URL.fullmatch(url)
    return f"https://{found['host']}" if found and found["scheme"] == "https" and found["host"] else None


def without_credentials(text: str) -> str:
    """TEXT without what an http(s) address may hold before its host."""
    return re.sub(r"(https?://)[^/@\s]+@", r"\1", text)


def is_commit(rev: str) -> bool:
    """Whether REV is a commit by all its digits (SHA-1 or SHA-256)."""
    return _COMMIT.fullmatch(rev) is not None


def short(commit: str) -> str:
    """The first digits of COMMIT, for people."""
    return commit[:10]


def checked_ref(name: str, what: str = "a branch, tag or commit") -> str:
    """NAME if it can be that of a branch or tag. GitError otherwise."""
    if not isinstance(name, str) or not _REF.fullmatch(name):
        raise GitError(f"not the name of {what}: {name!r}")
    return name


def checked_remote(name: str) -> str:
    """NAME if it can be that of a remote. GitError otherwise."""
    if not isinstance(name, str) or not _REMOTE.fullmatch(name) or ".." in name or name.endswith(".lock"):
        raise GitError(f"not the name of a remote: {name!r}")
    return name


def checked_key(name: str) -> str:
    """NAME if it can be the key of a setting ("user.email"). GitError otherwise."""
    if not isinstance(name, str) or not _KEY.fullmatch(name):
        raise GitError(f"not the key of a git setting: {name!r}; it reads SECTION.NAME, like user.email")
    return name


def patterns(rev: str) -> list[str]:
    """What to ask ls-remote for, to learn what REV is."""
    if rev == "HEAD":
        return ["HEAD"]
    if rev.startswith("refs/"):
        return [rev, f"{rev}^{{}}"]
    return [f"refs/heads/{rev}", f"refs/tags/{rev}", f"refs/tags/{rev}^{{}}"]


def parsed_refs(said: str) -> tuple[dict[str, str], str]:
    """The commits by ref that `ls-remote --symref` SAID, and the ref that HEAD stands for ("": none is said)."""
    refs: dict[str, str] = {}
    head = ""
    for line in said.splitlines():
        value, tab, ref = line.partition("\t")
        if not tab:
            continue
        if value.startswith("ref: "):
            head = value.removeprefix("ref: ") if ref == "HEAD" else head
        elif is_commit(value):
            refs[ref] = value
    return refs, head


def resolved(rev: str, refs: Mapping[str, str], head: str) -> Rev | None:
    """What REV is in a repository that has REFS and whose HEAD stands for the ref HEAD; None where it is nothing there.
    A branch comes before a tag of the same name, and a commit is believed to be there."""
    if rev == "HEAD":
        return _as_rev(head, refs["HEAD"]) if "HEAD" in refs else None
    for ref in [rev] if rev.startswith("refs/") else [f"refs/heads/{rev}", f"refs/tags/{rev}"]:
        if ref in refs:
            return _as_rev(ref, refs.get(f"{ref}^{{}}", refs[ref]))
    return Rev("commit", "", rev) if is_commit(rev) else None


def _as_rev(ref: str, commit: str) -> Rev:
    for prefix, kind in (("refs/heads/", "branch"), ("refs/tags/", "tag")):
        if ref.startswith(prefix):
            return Rev(kind, ref, commit)
    return Rev("commit", "", commit)


def short_commit_hint(rev: str) -> str:
    """What to add where REV was not found and looks like a part of a commit."""
    return " A commit is named by all its 40 digits." if _SHORT_COMMIT.fullmatch(rev) else ""


def changed_paths(said: str) -> tuple[str, ...]:
    """The paths that `git status --porcelain -z` SAID, sorted; of a renamed one the new name."""
    found = []
    parts = iter(said.split("\0"))
    for part in parts:
        if len(part) > 3:
            found.append(part[3:])
            if part[0] in "RC":
                next(parts, None)  # the old name
    return tuple(sorted(found))


def stray_submodules(said: str) -> tuple[str, ...]:
    """The paths of the submodules that `git submodule status` SAID are missing or at another commit, sorted."""
    return tuple(sorted(_strays(said)))


def _strays(said: str) -> Iterator[str]:
    for line in said.splitlines():
        if line[:1] in ("-", "+", "U"):
            _, _, rest = line[1:].partition(" ")
            yield re.sub(r" \([^()]*\)$", "", rest)


def listed(names: tuple[str, ...]) -> str:
    """The first of NAMES, for an error, and how many more there are."""
    left = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {left} more" if left > 0 else "")
