"""A git repository that tests write to and clone from."""

from __future__ import annotations

import subprocess
from pathlib import Path

SETTINGS = ("user.name=T", "user.email=t@example.org", "commit.gpgSign=false", "core.hooksPath=/dev/null")


class Repository:
    """A repository with files in FOLDER, on the branch `main`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / ".git").exists():
            self.git("init", "--quiet", "--initial-branch=main")

    @property
    def url(self) -> str:
        """Its address."""
        return str(self.folder)

    def git(self, *words: str) -> str:
        """What git says."""
        settings = [word for setting in SETTINGS for word in ("-c", setting)]
        argv = ["git", *settings, "-C", str(self.folder), *words]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def commit(self, **files: str) -> str:
        """Commit FILES with their texts: the commit."""
        for name, text in files.items():
            (self.folder / name).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", " ".join(files) or "empty")
        return self.head()

    def head(self, name: str = "HEAD") -> str:
        """The commit of NAME."""
        return self.git("rev-parse", f"{name}^{{commit}}")
