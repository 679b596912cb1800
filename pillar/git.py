"""`ext_pillar: git`: a pillar tree, with a top file of its own, from a git repository.

    - git: {url: 'https://git.example/pillar.git', branch: main, root: pillar, env: base}
    - git: ['main https://git.example/pillar.git']

The repository is cloned below the master's own folder and fetched when the last look is `interval` seconds old. One
that can't be reached is used as it was fetched last, with an error in the log; one that never was is an error of the
pillar.
Links in it are plain files, its hooks are never run, and it is fetched by https, ssh or from a path.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from modules import _run
from modules._git.values import without_credentials
from pillar.external import Checked, ExternalError
from saltern.errors import ConfigError
from saltern.files import LocalFiles
from saltern.targeting import MinionView

logger = logging.getLogger(__name__)

INTERVAL_S, TIMEOUT_S = 60.0, 20.0  # by default
_URL = re.compile(r"(https://|ssh://|file:///|/|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:)[^\s\0]+")
_BRANCH = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._/-]{0,200}")
_SETTINGS = ("core.hooksPath=/dev/null", "core.symlinks=false", "core.fsmonitor=false", "submodule.recurse=false")
_ENVIRONMENT = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "https:ssh:file"}


def sources(place: str, options: Any, folder: Path) -> Iterator[Repository]:
    """The repositories that OPTIONS name: one mapping, or Salt's list of "BRANCH URL" texts."""
    for item in options if isinstance(options, list) else [options]:
        if isinstance(item, str):
            branch, _, url = item.strip().partition(" ")
            item = {"branch": branch, "url": url.strip()}
        yield Repository(Checked(place, item), folder)


class Repository:
    """One branch of one repository, cloned below FOLDER."""

    def __init__(self, options: Checked, folder: Path) -> None:
        self.place = options.place
        url, self._branch = options.text("url"), options.text("branch", "main")
        self._env, self._inside = options.text("env", "base"), options.text("root", "")
        self._interval_s = options.number("interval", INTERVAL_S)
        self._timeout_s = options.number("timeout", TIMEOUT_S, 1.0)
        options.done()
        if not _URL.fullmatch(url):
            raise ConfigError(f"{self.place}: url wants https://…, ssh://…, USER@HOST:PATH or a full path, not {url!r}")
        if not _BRANCH.fullmatch(self._branch):
            raise ConfigError(f"{self.place}: not the name of a branch or tag: {self._branch!r}")
        if self._inside.startswith("/") or ".." in self._inside.split("/"):
            raise ConfigError(f"{self.place}: root wants a folder of the repository, not {self._inside!r}")
        self._url = f"file://{url}" if url.startswith("/") else url
        name = hashlib.sha256(f"{self._branch} {self._url}".encode()).hexdigest()[:16]
        self._folder = folder / "git_pillar" / name
        self._commit = ""
        self._looked = folder / "git_pillar" / f"{name}.looked"  # its time is that of the last look
        self._problem = ""
        self._files = LocalFiles({})

    def refresh(self) -> None:
        """Fetch, where that is due."""
        if self._due():
            try:
                self._fetch()
                self._problem = ""
            except (_run.CommandError, OSError) as error:
                said = str(error).partition("\n")[2] or str(error)  # without the command line
                self._problem = f"{self.place}: {without_credentials(said)}"
                logger.error("%s", self._problem)
        if (self._folder / ".git").is_dir():
            commit = self._git("rev-parse", "--verify", "HEAD").strip()
            if commit != self._commit:
                self._commit = commit
                self._files = LocalFiles({self._env: [str(self._folder / self._inside)]})

    def _due(self) -> bool:
        """Whether it is time to look; a repository that was never fetched is looked for each time."""
        if not (self._folder / ".git").is_dir():
            return True
        try:
            age_s = time.time() - self._looked.stat().st_mtime
        except OSError:
            age_s = self._interval_s
        if 0 <= age_s < self._interval_s:
            return False
        self._looked.touch()
        return True

    def revision(self) -> str:
        """The commit."""
        return f"{self.place} {self._commit}"

    def of(self, minion: MinionView) -> LocalFiles:
        """The tree, the same for each."""
        if not self._commit:
            raise ExternalError(self._problem or f"{self.place}: the repository was not fetched yet")
        return self._files

    def _fetch(self) -> None:
        if not (self._folder / ".git").is_dir():
            self._folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new = self._folder.with_suffix(".new")
            shutil.rmtree(new, ignore_errors=True)
            words = ("clone", "--quiet", "--depth=1", "--single-branch", "--no-tags", f"--branch={self._branch}")
            self._run(*words, "--", self._url, str(new))
            os.rename(new, self._folder)
            self._looked.touch()
            return
        self._git("fetch", "--quiet", "--depth=1", "--no-tags", "--", self._url, self._branch)
        self._git("reset", "--quiet", "--hard", "FETCH_HEAD")
        self._git("clean", "--quiet", "-ffdx")

    def _git(self, *words: str) -> str:
        return self._run("-C", str(self._folder), *words)

    def _run(self, *words: str) -> str:
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        return _run.checked(["git", *settings, *words], timeout_s=self._timeout_s, env=_ENVIRONMENT)
