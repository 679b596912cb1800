"""Checkouts that follow their repository, and what they never lose."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from modules._git import checkout as work
from saltern.context import Context
from saltern.converge.plan import Plan
from saltern.errors import SalternError
from saltern.marks import permit_acting
from saltern.secret import Secret
from states import git
from tests.plans import context, converge
from tests.repositories import Repository


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return context(tmp_path)


@pytest.fixture
def far(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "far")
    made.commit(a="1")
    return made


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "node/app"


def sentences(plan: Plan) -> list[str]:
    return [step.sentence.partition(" ")[0] for step in plan.steps]


def failing(plan: Plan) -> str:
    """What the first step that fails says."""
    with permit_acting():
        for step in plan.steps:
            try:
                step.do()
            except SalternError as error:
                return str(error)
    raise AssertionError("no step failed")


# --- latest


def test_a_new_checkout_is_on_the_remotes_branch_and_follows_it(ctx: Context, far: Repository, target: Path) -> None:
    plan = converge(git.latest, ctx, far.url, target=str(target))
    assert sentences(plan) == ["make", "set", "fetch", "check"]
    here = Repository(target)
    assert here.git("status", "--branch", "--porcelain") == "## main...origin/main"
    assert far.head()[:10] in plan.steps[-1].sentence
    old, new = far.head(), far.commit(a="2", b="1")
    plan = converge(git.latest, ctx, far.url, target=str(target))
    assert sentences(plan) == ["fetch", "move"]
    assert (plan.steps[-1].before, plan.steps[-1].after) == (old, new)
    assert (target / "a").read_text() == "2"


def test_planning_fetches_nothing(ctx: Context, far: Repository, target: Path) -> None:
    assert git.latest(ctx, far.url, target=str(target)).steps
    assert not target.parent.exists()
    converge(git.latest, ctx, far.url, target=str(target))
    new = far.commit(a="2")
    assert git.latest(ctx, far.url, target=str(target)).steps
    assert not work.has(str(target), new)


@pytest.mark.parametrize(
    ("arguments", "branch", "text"),
    [
        ({}, "main", "2"),
        ({"rev": "side"}, "side", "side"),
        ({"rev": "refs/heads/side"}, "side", "side"),
        ({"rev": "v1"}, "HEAD", "1"),
        ({"rev": "v1", "branch": "deploy"}, "deploy", "1"),
        ({"rev": "main", "depth": 1}, "main", "2"),
        ({"rev": "v1", "depth": 1}, "HEAD", "1"),
    ],
)
def test_a_rev_is_a_branch_or_a_tag_and_has_its_local_branch(
    ctx: Context, far: Repository, target: Path, arguments: dict[str, Any], branch: str, text: str
) -> None:
    far.git("tag", "-a", "v1", "-m", "x")
    far.commit(a="2")
    far.git("checkout", "--quiet", "-b", "side")
    far.commit(a="side")
    far.git("checkout", "--quiet", "main")
    converge(git.latest, ctx, far.url, target=str(target), **arguments)
    here = Repository(target)
    assert here.git("rev-parse", "--abbrev-ref", "HEAD") == branch
    assert (target / "a").read_text() == text
    if "depth" in arguments:
        assert here.git("rev-list", "--count", "HEAD") == "1"
        far.commit(a="3")
        converge(git.latest, ctx, far.url, target=str(target), **{**arguments, "rev": "main"})


def test_a_commit_that_is_there_asks_nobody(ctx: Context, far: Repository, target: Path, tmp_path: Path) -> None:
    first = far.head()
    far.commit(a="2")
    converge(git.latest, ctx, far.url, target=str(target), rev=first)
    assert (target / "a").read_text() == "1"
    far.folder.rename(tmp_path / "gone")
    assert not git.latest(ctx, far.url, target=str(target), rev=first).steps


def test_another_rev_moves_the_branch_that_is_there_forward(ctx: Context, far: Repository, target: Path) -> None:
    far.git("tag", "v1")
    converge(git.latest, ctx, far.url, target=str(target))
    far.commit(a="2")
    far.git("tag", "v2")
    converge(git.latest, ctx, far.url, target=str(target), rev="v2")
    assert Repository(target).git("rev-parse", "--abbrev-ref", "HEAD") == "main"
    with pytest.raises(SalternError, match="`force_reset: remote-changes`"):
        git.latest(ctx, far.url, target=str(target), rev="v1")
    converge(git.latest, ctx, far.url, target=str(target), rev="v1", force_reset="remote-changes")
    assert (target / "a").read_text() == "1"


def test_changed_files_are_named_and_kept_unless_they_may_be_lost(ctx: Context, far: Repository, target: Path) -> None:
    converge(git.latest, ctx, far.url, target=str(target))
    (target / "a").write_text("mine")
    plan = git.latest(ctx, far.url, target=str(target))
    assert (plan.steps, plan.comment) == (
        (),
        f"{target} is at main ({far.head()[:10]}), with changes that are not committed: a",
    )
    far.commit(b="2")
    for force in (False, "remote-changes"):
        with pytest.raises(SalternError, match=r"not committed, and is left as it is: a;"):
            git.latest(ctx, far.url, target=str(target), force_reset=force)
    assert (target / "a").read_text() == "mine"
    converge(git.latest, ctx, far.url, target=str(target), force_checkout=True)
    assert (target / "a").read_text() == "1"
    (target / "a").write_text("mine")
    plan = converge(git.latest, ctx, far.url, target=str(target), force_reset=True)
    assert [step.sentence for step in plan.steps] == [f"take back the changes of a in {target}"]


def test_a_file_that_git_does_not_know_is_never_written_over(ctx: Context, far: Repository, target: Path) -> None:
    converge(git.latest, ctx, far.url, target=str(target))
    (target / "b").write_text("mine")
    far.commit(b="theirs")
    assert "untracked" in failing(git.latest(ctx, far.url, target=str(target)))
    assert (target / "b").read_text() == "mine"


def test_commits_that_are_here_alone_are_lost_only_by_force(ctx: Context, far: Repository, target: Path) -> None:
    converge(git.latest, ctx, far.url, target=str(target))
    mine = Repository(target).commit(c="mine")
    new = far.commit(a="2")
    for force in (False, "remote-changes"):
        with pytest.raises(SalternError, match=f"{mine[:7]} c"):
            converge(git.latest, ctx, far.url, target=str(target), force_reset=force)
        assert Repository(target).head() == mine
    converge(git.latest, ctx, far.url, target=str(target), force_reset=True)
    assert Repository(target).head() == new


def test_a_branch_that_was_rewritten_is_followed_where_that_is_asked_for(
    ctx: Context, far: Repository, target: Path
) -> None:
    converge(git.latest, ctx, far.url, target=str(target))
    far.git("commit", "--quiet", "--amend", "-m", "another")
    assert "can't go forward" in failing(git.latest(ctx, far.url, target=str(target)))
    with pytest.raises(SalternError, match="can't go forward"):  # fetched now, so a preview knows
        git.latest(ctx, far.url, target=str(target))
    converge(git.latest, ctx, far.url, target=str(target), force_reset="remote-changes")
    Repository(target).commit(c="mine")
    far.git("commit", "--quiet", "--amend", "-m", "a third")
    assert "nowhere else" in failing(git.latest(ctx, far.url, target=str(target), force_reset="remote-changes"))


def test_a_shallow_checkout_goes_from_commit_to_commit(ctx: Context, far: Repository, target: Path) -> None:
    far.git("config", "uploadpack.allowAnySHA1InWant", "true")
    first, second = far.head(), far.commit(a="2")
    converge(git.latest, ctx, far.url, target=str(target), rev=second, depth=1)
    assert Repository(target).git("rev-list", "--count", "HEAD") == "1"
    converge(git.latest, ctx, far.url, target=str(target), rev=first, depth=1)
    far.git("checkout", "--quiet", "--orphan", "other")
    converge(git.latest, ctx, far.url, target=str(target), rev=far.commit(a="3"), depth=1)


def test_a_detached_head_with_commits_of_its_own_is_not_left(ctx: Context, far: Repository, target: Path) -> None:
    far.git("tag", "v1")
    converge(git.latest, ctx, far.url, target=str(target), rev="v1")
    Repository(target).commit(c="mine")
    far.commit(a="2")
    far.git("tag", "v2")
    assert "nowhere else" in failing(git.latest(ctx, far.url, target=str(target), rev="v2"))
    converge(git.latest, ctx, far.url, target=str(target), rev="v2", force_reset=True)


def test_a_checkout_that_was_cut_off_is_finished(ctx: Context, far: Repository, target: Path) -> None:
    plan = git.latest(ctx, far.url, target=str(target))
    for number in range(1, 4):
        with permit_acting():
            git.latest(ctx, far.url, target=str(target)).steps[0].do()
        (target / ".git/index.lock").touch()
        assert len(git.latest(ctx, far.url, target=str(target)).steps) == len(plan.steps) - number
    converge(git.latest, ctx, far.url, target=str(target))


def test_files_of_a_checkout_that_was_cut_off_are_finished_and_others_kept(
    ctx: Context, far: Repository, target: Path
) -> None:
    far.commit(b="whole", c="missing", d="é" * 9000)
    for _ in range(3):
        with permit_acting():
            git.latest(ctx, far.url, target=str(target)).steps[0].do()
    (target / ".git/index.lock").touch()
    (target / "b").write_text("whole")
    (target / "d").write_bytes(("é" * 9000).encode()[:8191])
    (target / "a").write_text("mine")
    assert "would overwrite: a; move them away" in failing(git.latest(ctx, far.url, target=str(target)))
    assert (target / "a").read_text() == "mine"
    (target / "a").unlink()
    (target / "other").write_text("mine")
    (target / ".git/index.lock").touch()
    converge(git.latest, ctx, far.url, target=str(target))
    assert Repository(target).git("status", "--porcelain") == "?? other"
    assert (target / "d").read_text() == "é" * 9000


def test_what_is_no_repository_is_deleted_only_by_force(ctx: Context, far: Repository, target: Path) -> None:
    target.mkdir(parents=True)
    converge(git.latest, ctx, far.url, target=str(target))
    other = target.parent / "other"
    other.mkdir()
    (other / "x").touch()
    with pytest.raises(SalternError, match="is no git repository; `force_clone: True`"):
        git.latest(ctx, far.url, target=str(other))
    converge(git.latest, ctx, far.url, target=str(other), force_clone=True)
    assert not (other / "x").exists()
    with pytest.raises(SalternError, match="a file, not a directory"):
        git.latest(ctx, far.url, target=str(other / "a"))


def test_a_repository_above_the_target_is_not_taken_for_it(ctx: Context, far: Repository, target: Path) -> None:
    Repository(target.parent).commit(z="1")
    (target / "sub").mkdir(parents=True)
    with pytest.raises(SalternError, match="no git repository"):
        git.latest(ctx, far.url, target=str(target))
    converge(git.latest, ctx, far.url, target=str(target / "sub"))


def test_the_remote_gets_its_new_address(ctx: Context, far: Repository, target: Path, tmp_path: Path) -> None:
    converge(git.latest, ctx, far.url, target=str(target))
    far.folder.rename(tmp_path / "moved")
    plan = converge(git.latest, ctx, str(tmp_path / "moved"), target=str(target))
    assert sentences(plan) == ["set"]


def test_a_tag_that_was_moved_needs_force_fetch(ctx: Context, far: Repository, target: Path) -> None:
    far.git("tag", "nightly")
    converge(git.latest, ctx, far.url, target=str(target), rev="nightly")
    far.commit(a="2")
    far.git("tag", "--force", "nightly")
    assert "`force_fetch: True` moves tags" in failing(git.latest(ctx, far.url, target=str(target), rev="nightly"))
    converge(git.latest, ctx, far.url, target=str(target), rev="nightly", force_fetch=True)


def test_head_stays_where_only_a_fetch_is_wanted(ctx: Context, far: Repository, target: Path) -> None:
    converge(git.latest, ctx, far.url, target=str(target))
    old, new = far.head(), far.commit(a="2")
    converge(git.latest, ctx, far.url, target=str(target), update_head=False)
    assert Repository(target).head() == old
    assert work.has(str(target), new)


def test_submodules_are_put_in_place(ctx: Context, far: Repository, target: Path, tmp_path: Path) -> None:
    part = Repository(tmp_path / "part")
    part.commit(p="1")
    far.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", part.url, "part")
    far.commit()
    converge(git.latest, ctx, far.url, target=str(target))
    assert not (target / "part/p").exists()
    plan = converge(git.latest, ctx, far.url, target=str(target), submodules=True)
    assert sentences(plan) == ["update"]
    part.commit(p="2")
    Repository(far.folder / "part").git("pull", "--quiet")
    far.commit()
    converge(git.latest, ctx, far.url, target=str(target), submodules=True)
    assert (target / "part/p").read_text() == "2"


@pytest.fixture
def http(tmp_path: Path) -> Iterator[str]:
    """The address by which a server gives out what is below the test's folder."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_what_comes_from_the_network_opens_no_files_of_the_node(
    ctx: Context, far: Repository, target: Path, tmp_path: Path, http: str
) -> None:
    part = Repository(tmp_path / "part")
    part.commit(p="1")
    far.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", f"file://{part.url}", "part")
    commit = far.commit()
    far.git("update-server-info")
    url = f"{http}/far/.git"
    converge(git.latest, ctx, url, target=str(target), rev=commit)
    assert (target / "a").read_text() == "1"
    assert "transport 'file' not allowed" in failing(
        git.latest(ctx, url, target=str(target), rev=commit, submodules=True)
    )
    assert not (target / "part/p").exists()


def test_ssh_gets_the_key_that_is_named_and_asks_nothing(
    ctx: Context, far: Repository, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh, key = tmp_path / "bin/ssh", tmp_path / "my key"
    ssh.parent.mkdir()
    ssh.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/words\nfor last; do :; done\nexec sh -c "$last"\n')
    ssh.chmod(0o755)
    key.touch()
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
    converge(git.latest, ctx, f"me@host:{far.url}", target=str(target), identity=str(key))
    for words in (tmp_path / "words").read_text().splitlines():
        assert words.startswith(f"-oBatchMode=yes -oConnectTimeout=30 -oIdentitiesOnly=yes -i {key} ")
        assert " me@host git-upload-pack " in words


def test_no_hook_runs(ctx: Context, far: Repository, target: Path) -> None:
    converge(git.latest, ctx, far.url, target=str(target))
    for name in ("post-checkout", "post-merge", "reference-transaction"):
        hook = target / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {target}/ran\n")
        hook.chmod(0o755)
    far.commit(a="2")
    converge(git.latest, ctx, far.url, target=str(target), branch="deploy")
    assert not (target / "ran").exists()


def test_variables_that_name_another_repository_lead_nowhere(
    ctx: Context, far: Repository, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    converge(git.latest, ctx, far.url, target=str(target))
    assert (target / "a").read_text() == "1"
    assert not (tmp_path / "elsewhere").exists()


def test_an_unknown_rev_is_told_with_the_nearest(ctx: Context, far: Repository, target: Path) -> None:
    with pytest.raises(SalternError, match=r"has no branch or tag 'mian'. Did you mean 'main'\?"):
        git.latest(ctx, far.url, target=str(target), rev="mian")
    with pytest.raises(SalternError, match="by all its 40 digits"):
        git.latest(ctx, far.url, target=str(target), rev=far.head()[:8])
    with pytest.raises(SalternError, match="can't be asked"):
        git.latest(ctx, f"{far.url}x", target=str(target))


def test_what_an_earlier_state_may_bring_is_unknown_yet(
    ctx: Context, far: Repository, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no user 'nix'" in str(git.latest(ctx, far.url, target=str(target), user="nix").unknown)
    assert "/nix (identity)" in str(git.cloned(ctx, far.url, target=str(target), identity="/nix").unknown)
    assert "no repository" in str(git.config_set(ctx, "a.b", value="1", repo=str(target)).unknown)
    monkeypatch.setenv("PATH", "/nix")
    assert "no git on this node" in str(git.latest(ctx, far.url, target=str(target)).unknown)
    assert "no git on this node" in str(git.present(ctx, str(target)).unknown)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("ext::sh -c true", {}, "not the address"),
        ("--upload-pack=x", {}, "not the address"),
        ("ssh://-oProxyCommand=x/y", {}, "not the address"),
        ("ftp://host/x", {}, "not the address"),
        ("https://me:CANARY@host/x.git", {}, "https_pass"),
        ("http://host/x.git", {}, "anybody on the way"),
        ("git://host/x.git", {"rev": "main"}, "anybody on the way"),
        ("/srv/x.git", {"rev": "--all"}, "not the name of"),
        ("/srv/x.git", {"rev": "a..b"}, "not the name of"),
        ("/srv/x.git", {"branch": "-x"}, "not the name of a branch"),
        ("/srv/x.git", {"remote": "-x"}, "not the name of a remote"),
        ("/srv/x.git", {"target": "srv"}, "full path"),
        ("/srv/x.git", {"depth": 0}, "1 or more"),
        ("https://host/x.git", {"https_user": "me"}, "belong together"),
        ("ssh://host/x.git", {"https_user": "me", "https_pass": Secret("CANARY")}, "for an https:// address"),
    ],
)
def test_what_cant_be_meant_is_refused_before_a_run(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SalternError, match=message) as caught:
        git._check_latest(name, **{"target": "/srv/x", **arguments})
    assert "CANARY" not in str(caught.value)


# --- cloned, detached, present


def test_cloned_fetches_once_and_checks_its_branch_out(ctx: Context, far: Repository, target: Path) -> None:
    converge(git.cloned, ctx, far.url, target=str(target))
    far.git("branch", "side")
    far.commit(a="2")
    assert not git.cloned(ctx, far.url, target=str(target)).steps
    converge(git.cloned, ctx, far.url, target=str(target), branch="side")
    plan = converge(git.cloned, ctx, far.url, target=str(target), branch="main")
    assert sentences(plan) == ["check"]
    assert (target / "a").read_text() == "1"
    with pytest.raises(SalternError, match="is a checkout of "):
        git.cloned(ctx, "/srv/other.git", target=str(target))


def test_detached_is_on_no_branch(ctx: Context, far: Repository, target: Path) -> None:
    converge(git.detached, ctx, far.url, rev="main", target=str(target))
    assert Repository(target).git("rev-parse", "--abbrev-ref", "HEAD") == "HEAD"
    far.commit(a="2")
    converge(git.detached, ctx, far.url, rev="main", target=str(target))
    assert (target / "a").read_text() == "2"
    Repository(target).git("checkout", "--quiet", "-b", "mine")
    converge(git.detached, ctx, far.url, rev="main", target=str(target))
    assert Repository(target).head("mine") == far.head()


def test_a_repository_is_made_bare_or_with_files(ctx: Context, tmp_path: Path) -> None:
    converge(git.present, ctx, str(tmp_path / "bare.git"))
    converge(git.present, ctx, str(tmp_path / "tree"), bare=False)
    assert (tmp_path / "bare.git/HEAD").exists()
    assert (tmp_path / "tree/.git/HEAD").exists()
    with pytest.raises(SalternError, match="not a bare repository; `force: True` deletes it"):
        git.present(ctx, str(tmp_path / "tree"))
    converge(git.present, ctx, str(tmp_path / "tree"), force=True)
    with pytest.raises(SalternError, match="is a bare repository and has no files"):
        git.latest(ctx, "/srv/x", target=str(tmp_path / "tree"), rev="0" * 40)


# --- settings


def test_settings_are_set_in_a_repository_and_for_a_user(ctx: Context, far: Repository, tmp_path: Path) -> None:
    converge(git.config_set, ctx, "user.email", value="a@b", repo=far.url)
    converge(git.config_set, ctx, "core.autocrlf", value=False, **{"global": True})
    converge(git.config_set, ctx, "x.Y y.z", multivar=["1", "-2"], repo=far.url)
    assert not git.config_set(ctx, "x.Y y.z", multivar=["1", -2], repo=far.url).steps
    assert "autocrlf = false" in (tmp_path / ".gitconfig").read_text()
    with pytest.raises(SalternError, match="has 2 such values"):
        git.config_unset(ctx, r"x\..*", repo=far.url)
    converge(git.config_unset, ctx, r"x\..*", value_regex="2", repo=far.url)
    assert far.git("config", "--get-all", "x.Y y.z") == "1"
    converge(git.config_unset, ctx, r"(x|user)\..*", repo=far.url, all=True)
    assert not git.config_unset(ctx, "user.email", repo=far.url).steps


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("user.email", {"value": "x"}, "one of `repo` and `global: True`"),
        ("user.email", {"value": "x", "repo": "/", "global": True}, "one of `repo` and `global: True`"),
        ("user.email", {"value": "x", "globl": True}, "no argument 'globl'. Did you mean 'global'"),
        ("user.email", {"value": "x", "global": "maybe"}, "`global` wants true or false"),
        ("user.email", {"repo": "/"}, "one of `value` and `multivar`"),
        ("--get", {"value": "x", "repo": "/"}, "not the key"),
        ("email", {"value": "x", "repo": "/"}, "not the key"),
    ],
)
def test_a_setting_that_cant_be_meant_is_refused_before_a_run(
    name: str, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(SalternError, match=message):
        git._check_config_set(name, **arguments)


def test_a_pattern_that_is_none_is_refused_before_a_run() -> None:
    with pytest.raises(SalternError, match="not a regular expression"):
        git._check_config_unset("a(", repo="/")
