"""Going on with a first checkout that was cut off (kill -9, power): its files are there in part, and so may be a lock.

Git writes its files one after another, so each is whole, missing, or the beginning of what it should be. What is none
of these was put there by somebody, and is kept.
"""

from __future__ import annotations

import os

from modules._file import remove as file_remove
from modules._git.command import Who, checked, git
from modules._git.values import GitError, listed


def make_way(target: str, commit: str, who: Who) -> bool:
    """Whether TARGET, whose HEAD has no commit yet, has files of a checkout of COMMIT that was cut off, so that it may
    be forced. GitError where a file there is somebody's own."""
    lock = checked("rev-parse", "--git-path", "index.lock", target=target, who=who).strip()
    file_remove.remove(os.path.join(target, lock))  # one run at a time, and nobody works where no commit is yet
    if os.listdir(target) == [".git"]:
        return False
    checked("read-tree", commit, target=target, who=who)
    said = checked("status", "--porcelain", "-z", "--untracked-files=no", target=target, who=who)
    differing = [part[3:] for part in said.split("\0") if part[1:2] in ("M", "T")]
    if mine := tuple(path for path in differing if not _began(target, commit, path, who)):
        checked("read-tree", "--empty", target=target, who=who)
        raise GitError(
            f"{target} has no commit yet, and files that a checkout would overwrite: {listed(mine)}; move them away"
        )
    return True


def _began(target: str, commit: str, path: str, who: Who) -> bool:
    """Whether the file PATH is the beginning of what COMMIT has there."""
    whole = git("cat-file", "blob", f"{commit}:{path}", target=target, who=who)
    there = os.path.join(target, path)
    if whole.code != 0 or os.path.islink(there) or not os.path.isfile(there):
        return False
    with open(there, "rb") as file:
        began = file.read().decode("utf-8", "replace")
    return whole.out.startswith(began.rstrip("\ufffd"))  # a character may be cut too
