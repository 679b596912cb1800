"""Checkouts by `saltern-call`: previewed, made, followed, as another user, and with what is refused before a run."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import Ran, run
from tests.repositories import Repository

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or shutil.which("git") is None, reason="needs root and git")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may enter, which pytest's own is not."""
    made = Path(tempfile.mkdtemp(prefix="saltern-git-"))
    made.chmod(0o755)
    (made / "states").mkdir()
    yield made
    shutil.rmtree(made)


def applied(folder: Path, text: str, *words: str) -> Ran:
    """`state.apply` of an SLS with this TEXT."""
    (folder / "states/app.sls").write_text(text)
    trees = ("--file-root", str(folder / "states"), "--pillar-root", str(folder / "states"), "--out", "json")
    return run("saltern-call", folder / "root", "--local", *trees, "state.apply", "app", *words)


def results(ran: Ran) -> list[dict[str, Any]]:
    return list(ran.returns["local"].values())


def test_a_checkout_is_previewed_made_and_follows_its_repository(folder: Path) -> None:
    far, target = Repository(folder / "far"), folder / "app"
    old = far.commit(a="1")
    text = f"{far.url}:\n  git.latest:\n    - target: {target}\n"
    [planned] = results(applied(folder, text, "test=True"))
    assert planned["result"] is None
    assert f"check out main ({old[:10]}) in {target}, on the branch main" in planned["comment"]
    assert not target.exists()
    [made] = results(applied(folder, text))
    assert (made["result"], (target / "a").read_text()) == (True, "1")
    assert [one["changes"] for one in results(applied(folder, text))] == [{}]
    new = far.commit(a="2")
    [planned] = results(applied(folder, text, "test=True"))
    assert planned["changes"] == {"commit": {"old": old, "new": new}}
    [moved] = results(applied(folder, text))
    assert moved["changes"] == {"commit": {"old": old, "new": new}}
    (target / "a").write_text("mine")
    far.commit(a="3")
    ran = applied(folder, text)
    assert (ran.code, (target / "a").read_text()) == (1, "mine")
    assert "is left as it is: a;" in results(ran)[0]["comment"]


def test_a_checkout_belongs_to_its_user_and_root_runs_no_foreign_settings(folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    far, target = Repository(folder / "far"), folder / "srv/app"
    far.commit(a="1")
    subprocess.run(["chown", "-R", "nobody", far.url], check=True)
    text = f"{far.url}:\n  git.latest:\n    - target: {target}\n    - user: nobody\n"
    assert [one["result"] for one in results(applied(folder, text))] == [True]
    owners = {path.lstat().st_uid for path in [target, *target.rglob("*")]}
    assert owners == {nobody.pw_uid}
    assert target.parent.stat().st_uid == 0
    subprocess.run(
        ["git", "config", "-f", f"{target}/.git/config", "core.fsmonitor", f"touch {folder}/ran"], check=True
    )
    ran = applied(folder, f"/srv/x:\n  git.latest:\n    - target: {target}\n    - rev: '{'0' * 40}'\n")
    [refused] = results(ran)
    assert f"{target} belongs to nobody" in refused["comment"]
    assert "`user: nobody`" in refused["comment"]
    assert not (folder / "ran").exists()


def test_what_cant_be_meant_is_refused_before_the_first_change(folder: Path) -> None:
    text = f"{folder}/first:\n  file.touch: []\nfar:\n  git.latest:\n    - name: '{{}}'\n    - target: {folder}/app\n"
    for url, words in (("ext::sh -c true", "not the address of a repository"), ("http://h/x", "anybody on the way")):
        ran = applied(folder, text.format(url))
        assert ran.code == 1
        [told] = ran.returns["local"]
        assert told.startswith("app.sls:")
        assert words in told
    assert not (folder / "first").exists()


def test_settings_are_set_once(folder: Path) -> None:
    far = Repository(folder / "far")
    text = (
        f"made:\n  git.present: [{{name: {folder}/new.git}}, {{bare: false}}]\n"
        f"app.name:\n  git.config_set: [{{value: mine}}, {{repo: {folder}/new.git}}, {{require: [{{git: made}}]}}]\n"
        f"core.bare:\n  git.config_unset: [{{repo: {far.url}}}]\n"
    )
    planned = results(applied(folder, text, "test=True"))
    assert [one["result"] for one in planned] == [None, None, None]
    assert "Unknown until earlier states have run" in planned[1]["comment"]
    assert [one["result"] for one in results(applied(folder, text))] == [True, True, True]
    assert Repository(folder / "new.git").git("config", "--get", "app.name") == "mine"
