"""What git is told, what it prints, and the functions of `git`."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules import git
from modules._git import command as git_command
from modules._git import values
from modules._git.values import GitError, Rev
from saltern.marks import permit_acting
from saltern.secret import Secret
from tests.repositories import Repository

ONE, TWO, THREE = "1" * 40, "2" * 40, "3" * 40
REFS = f"""ref: refs/heads/main\tHEAD
{ONE}\tHEAD
{ONE}\trefs/heads/v1
{TWO}\trefs/tags/v1
{TWO}\trefs/tags/v2
{THREE}\trefs/tags/v2^{{}}
"""


@pytest.mark.parametrize(
    ("url", "open_ones"),
    [
        ("https://git.example:8443/a/b.git", "https:ssh"),
        ("https://me@git.example/b.git", "https:ssh"),
        ("ssh://git@host:22/~/b", "https:ssh"),
        ("git@host:a/b.git", "https:ssh"),
        ("host:b", "https:ssh"),
        ("/srv/b.git", "https:ssh:file"),
        ("file:///srv/b.git", "https:ssh:file"),
        ("ssh://[::1]/b", "https:ssh"),
    ],
)
def test_an_address_opens_its_own_protocol_alone(url: str, open_ones: str) -> None:
    assert values.checked_url(url) == url
    assert values.protocols(url) == open_ones


@pytest.mark.parametrize(
    "url",
    [
        "", "a", "a/b", "ext::sh -c x", "ext::sh", "fd::17", "-x", "--upload-pack=x:y", "-oProxyCommand=x:y",
        "https://", "https:///x", "ssh://-x/y", "ssh://-o@h/y", "http+unix://x/y", "/a b", "/a\nb", "host::x", "a:",
        "transport::/x", "https://a:b@host/x", "https://:b@host/x",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(GitError):
        values.checked_url(url, pinned=True)


def test_an_open_protocol_is_for_a_known_commit() -> None:
    for url in ("http://host/x", "git://host/x"):
        with pytest.raises(GitError, match="anybody on the way"):
            values.checked_url(url)
        assert values.checked_url(url, pinned=True) == url


@settings(max_examples=25, deadline=None)  # each starts a process
@given(st.text(alphabet="ab-./@{}\\^~:?*[ \x00\n", min_size=1, max_size=8))
def test_a_name_that_is_let_through_is_one_that_git_takes(name: str) -> None:
    try:
        values.checked_ref(name)
    except GitError:
        return
    assert not name.startswith("-")
    ran = subprocess.run(["git", "check-ref-format", f"refs/heads/{name}"], check=False, timeout=60)
    assert ran.returncode == 0


@pytest.mark.parametrize(
    ("rev", "found"),
    [
        ("HEAD", Rev("branch", "refs/heads/main", ONE)),
        ("v1", Rev("branch", "refs/heads/v1", ONE)),
        ("refs/tags/v1", Rev("tag", "refs/tags/v1", TWO)),
        ("v2", Rev("tag", "refs/tags/v2", THREE)),
        (THREE, Rev("commit", "", THREE)),
        ("v3", None),
    ],
)
def test_a_rev_is_looked_up_as_a_branch_then_a_tag_then_a_commit(rev: str, found: Rev | None) -> None:
    assert values.resolved(rev, *values.parsed_refs(REFS)) == found


def test_changes_and_submodules_are_read() -> None:
    assert values.changed_paths(" M b c\0R  new\0old\0A  a\0") == ("a", "b c", "new")
    said = f" {ONE} in/place (v1)\n+{TWO} moved (heads/main)\n-{ONE} missing one\n"
    assert values.stray_submodules(said) == ("missing one", "moved")
    assert values.listed(tuple("abcdefg")) == "a, b, c, d, e and 2 more"


def test_a_password_goes_to_its_host_alone() -> None:
    who, url = git_command.who(https_user="me", https_pass="p'w$`%s"), "https://git.example:8443/x.git"
    words = [word for one in git_command._credentials(who, url) for word in ("-c", one)]
    assert "p'w" not in str(words) + repr(who)
    given = {
        name: v.reveal() if isinstance(v, Secret) else v for name, v in git_command._environment(who, url, None).items()
    }

    def filled(host: str) -> tuple[int, str]:
        ran = subprocess.run(
            ["git", *words, "credential", "fill"],
            input=f"protocol=https\nhost={host}\n\n",
            env={**os.environ, **given, "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nix"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return ran.returncode, ran.stdout

    code, told = filled("git.example:8443")
    assert code == 0
    assert "username=me\npassword=p'w$`%s\n" in told
    code, told = filled("evil.example")
    assert code != 0
    assert "p'w" not in told


def test_an_identity_is_a_path_of_the_node() -> None:
    with pytest.raises(GitError, match="full path"):
        git_command.who(identity="salt://key")
    command = str(git_command._environment(git_command.who(identity=["/k 1", "/k2"]), "h:x", None)["GIT_SSH_COMMAND"])
    assert command.endswith("-i '/k 1' -i /k2")


def test_a_service_without_a_home_has_its_users(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "HOME" not in git_command._environment(git_command.who(), "", None)
    monkeypatch.delenv("HOME")
    assert git_command._environment(git_command.who(), "", None)["HOME"] == pwd.getpwuid(os.getuid()).pw_dir
    assert "HOME" not in git_command._environment(git_command.who("nobody"), "", None)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A checkout of a repository with one commit and the tag v1."""
    monkeypatch.setenv("HOME", str(tmp_path))
    far = Repository(tmp_path / "far")
    commit = far.commit(a="1")
    far.git("tag", "v1")
    with permit_acting():
        assert git.clone(str(tmp_path / "here"), far.url) == commit
    return Repository(tmp_path / "here")


def test_a_repository_is_read(here: Repository, tmp_path: Path) -> None:
    cwd, far = here.url, str(tmp_path / "far")
    assert git.rev_parse(cwd) == git.revision(cwd, "v1") == here.head()
    assert here.head().startswith(git.revision(cwd, short=True))
    assert git.current_branch(cwd) == "main"
    assert (git.list_branches(cwd), git.list_branches(cwd, remote=True)) == (["main"], ["origin/main"])
    assert (git.list_tags(cwd), git.describe(cwd)) == (["v1"], "v1")
    assert git.remotes(cwd) == {"origin": {"fetch": far, "push": far}}
    assert git.remote_get(cwd) == {"fetch": far, "push": far}
    assert git.ls_remote(far, "main") == {"refs/heads/main": here.head()}
    assert (git.is_worktree(cwd), git.is_worktree(str(tmp_path))) == (True, False)
    assert git.version()[0].isdigit()


def test_changes_are_told_by_kind(here: Repository) -> None:
    here.commit(b="1", c="1", d="1")
    here.git("mv", "b", "moved")
    (here.folder / "a").write_text("2")
    (here.folder / "c").unlink()
    (here.folder / "e f").touch()
    assert git.status(here.url) == {
        "deleted": ["c"],
        "modified": ["a"],
        "renamed": ["moved"],
        "untracked": ["e f"],
    }


def test_a_repository_is_fetched_pulled_and_checked_out(here: Repository, tmp_path: Path) -> None:
    cwd, far = here.url, Repository(tmp_path / "far")
    old, new = far.head(), far.commit(a="2")
    with permit_acting():
        git.fetch(cwd)
        assert git.rev_parse(cwd, "origin/main") == new
        assert git.rev_parse(cwd) == old
        assert git.pull(cwd) == new
        assert git.checkout(cwd, "v1") == old
        assert git.current_branch(cwd) == ""
        with pytest.raises(GitError, match="no branch that follows"):
            git.pull(cwd)
        assert git.config_set("a.b", "1", cwd=cwd) == ["1"]
        assert git.config_get("a.b", cwd=cwd) == "1"
        assert git.config_unset("a.b", cwd=cwd) is True
        assert git.config_get("a.b", cwd=cwd) == ""
        assert git.init(str(tmp_path / "new"), bare=True)
        assert git.init(cwd)
    assert (tmp_path / "new/HEAD").exists()


@pytest.mark.parametrize("rev", ["--all", "-x", "nix"])
def test_a_revision_that_is_none_is_refused(here: Repository, rev: str) -> None:
    with pytest.raises(GitError):
        git.rev_parse(here.url, rev)
    with permit_acting(), pytest.raises(GitError):
        git.checkout(here.url, rev)
