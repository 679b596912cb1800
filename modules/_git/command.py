"""How git(1) is run: as whom, with which proof for a server, and without what a repository could do to the node.

No hook runs, nothing is asked, and only the protocols that the address itself needs are open (`ext::` never is). A
repository that belongs to somebody else than who runs git is refused, by git's own rule (`safe.directory`), since its
settings could name commands; run it as its owner (`user`). A password reaches git by its environment and is given to
the one host that it is for.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from modules import _run
from modules._cmd import execute
from modules._git.values import GitError, https_place, protocols, without_credentials
from saltern.secret import Secret

LOOK_S = 300.0  # for a look at the node itself, where a large checkout may lie on a slow disk
ASK_S = 60.0  # for the refs of a server
WORK_S = 1800.0  # for a clone from a slow server
_SAFE = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "advice.detachedHead=false",
    "gc.autoDetach=false",  # nothing goes on behind our back
    "http.lowSpeedLimit=1",  # bytes a second: a server that stalled
    "http.lowSpeedTime=60",
)
_ELSEWHERE = (  # variables that would lead git to another repository than the one that is named (git(1))
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG",
)
_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$SALTERN_GIT_USER" "$SALTERN_GIT_PASSWORD"; }; f'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """As whom git runs (None: as we do), and how it proves that to a server: files with ssh keys, or a name and a
    password for https."""

    user: str | None = None
    identity: tuple[str, ...] = ()
    https_user: str | None = None
    https_pass: Secret | None = None


def who(
    user: str | None = None,
    identity: str | Sequence[str] | None = None,
    https_user: str | None = None,
    https_pass: Secret | str | None = None,
) -> Who:
    """WHO as users write it. GitError for an identity that is no full path."""
    files = (identity,) if isinstance(identity, str) else tuple(identity or ())
    for path in files:
        if not path.startswith("/"):
            raise GitError(
                f"identity wants the full path of a key on this node, not {path!r}; `file.managed` puts it there"
            )
    secret = Secret(https_pass) if isinstance(https_pass, str) else https_pass
    return Who(user=user, identity=files, https_user=https_user, https_pass=secret)


NOBODY_ELSE = Who()


class Said(NamedTuple):
    """How git ended: its code, output and errors."""

    code: int
    out: str
    err: str


def missing(who: Who) -> str | None:
    """Why git can't be run as WHO yet, or None: an earlier state may bring what is missing."""
    import pwd

    if _run.which("git") is None:
        return "there is no git on this node; `pkg.installed` of git brings it"
    if who.user is not None:
        try:
            pwd.getpwnam(who.user)
        except KeyError:
            return f"there is no user {who.user!r} on this node"
    return next((f"there is no file {path} (identity)" for path in who.identity if not os.path.isfile(path)), None)


def git(
    *words: str, target: str | None = None, who: Who = NOBODY_ELSE, url: str = "", timeout_s: float = LOOK_S
) -> Said:
    """Run git with WORDS in the repository TARGET itself, none above it. URL: whom it will speak with. GitError where
    it can't be run, takes too long, or TARGET belongs to somebody else."""
    settings = [*_SAFE, *_credentials(who, url)]
    argv = ["git", *[word for setting in settings for word in ("-c", setting)]]
    if target is not None:
        argv += ["-C", target]
    if led := [name for name in _ELSEWHERE if name in os.environ]:
        argv = ["env", *[word for name in led for word in ("-u", name)], *argv]
    try:
        ran = execute([*argv, *words], cwd="/", runas=who.user, env=_environment(who, url, target), timeout=timeout_s)
    except _run.CommandError as error:
        raise GitError(f"git {words[0]}: {without_credentials(str(error))}") from None
    if "detected dubious ownership" in ran.err:
        raise GitError(_foreign(target, ran.err))
    return Said(ran.code, ran.out, ran.err)


def checked(
    *words: str, target: str | None = None, who: Who = NOBODY_ELSE, url: str = "", timeout_s: float = LOOK_S
) -> str:
    """The output of `git`. GitError with what it said where it fails."""
    said = git(*words, target=target, who=who, url=url, timeout_s=timeout_s)
    if said.code != 0:
        raise GitError(f"git {words[0]} failed{f' in {target}' if target else ''}: {told(said)}")
    return said.out


def told(said: Said) -> str:
    """The last lines of what git said, without credentials and advice."""
    lines = [line for line in (said.err.strip() or said.out.strip()).splitlines() if not line.startswith("hint:")]
    words = [line.removeprefix("fatal: ").removeprefix("error: ") for line in lines[-8:]]
    return without_credentials("\n".join(words)) or f"it ended with {said.code}"


def _environment(who: Who, url: str, target: str | None) -> dict[str, str | Secret]:
    found: dict[str, str | Secret] = {
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_ALLOW_PROTOCOL": protocols(url),
    }
    if who.user is None and "HOME" not in os.environ:
        found["HOME"] = os.path.expanduser("~")  # a service has none, and git's settings of the user lie there
    if target is not None:
        found["GIT_CEILING_DIRECTORIES"] = os.path.dirname(os.path.realpath(target))
    if who.identity:
        keys = " ".join(f"-i {shlex.quote(path)}" for path in who.identity)
        found["GIT_SSH_COMMAND"] = f"ssh -oBatchMode=yes -oConnectTimeout=30 -oIdentitiesOnly=yes {keys}"
    if who.https_pass is not None:
        found |= {"SALTERN_GIT_USER": who.https_user or "", "SALTERN_GIT_PASSWORD": who.https_pass}
    return found


def _credentials(who: Who, url: str) -> list[str]:
    """The settings that give the password of WHO to the host of URL alone."""
    place = https_place(url)
    if who.https_pass is None or place is None:
        return []
    return ["credential.helper=", f"credential.{place}.helper={_HELPER}"]


def _foreign(target: str | None, said: str) -> str:
    """Whose a repository is that git refuses, and what to do."""
    from modules._file.owner import user_name

    quoted = said.partition("repository at '")[2].partition("'")[0]
    place = quoted or target or "the repository"
    try:
        owner = user_name(os.stat(place).st_uid)
    except OSError:
        owner = "another user"
    return (
        f"{place} belongs to {owner}, and git runs no foreign repository's settings: name `user: {owner}`, change "
        "its owner, or trust it by the setting safe.directory (`git.config_set` with `global: True`)"
    )
