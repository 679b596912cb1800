"""What `file.managed` does to real files, and what it leaves alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from modules import file as module
from modules._file.contents import Contents
from modules._file.owner import BadMode
from modules._file.safe import UnsafePath
from saltern.context import Context
from saltern.converge.plan import UNSET, call
from saltern.errors import SalternError
from saltern.marks import ActedWhilePlanning, permit_acting
from saltern.secret import Secret
from states import file
from states._file.managed import steps
from states._file.shared import File
from tests.plans import context, converge

NEW = Contents(b"new\n")
OLD = Contents(b"old\n")


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return context(tmp_path, pillar={"motd": {"text": "from pillar"}, "password": Secret("hunter2")})


@pytest.mark.parametrize(
    ("current", "wish", "expected"),
    [
        (None, File(NEW), [call(module.put, "/etc/x", NEW)]),
        (None, File(), [call(module.put, "/etc/x", Contents(b""))]),
        (
            None,
            File(NEW, "root", "adm", "0640"),
            [call(module.put, "/etc/x", NEW, user="root", group="adm", mode="0640")],
        ),
        (File(OLD), File(NEW), [call(module.put, "/etc/x", NEW)]),
        (File(OLD, mode="0600"), File(NEW, mode="0644"), [call(module.put, "/etc/x", NEW, mode="0644")]),
        (File(OLD, mode="0600"), File(OLD, mode="0644"), [call(module.set_attributes, "/etc/x", mode="0644")]),
        (
            File(OLD, user="bob", mode="4755"),
            File(OLD, user="root", mode="4755"),
            [call(module.set_attributes, "/etc/x", user="root", mode="4755")],
        ),
        (File(OLD), File(OLD), []),
        (File(UNSET, mode="0644"), File(UNSET, mode="0644"), []),
    ],
)
def test_each_difference_has_the_one_step_that_mends_it(current: File | None, wish: File, expected: list[Any]) -> None:
    assert [step.do for step in steps("/etc/x", current, wish)] == expected


def test_a_missing_folder_is_made_first_and_searchable(tmp_path: Path) -> None:
    path = f"{tmp_path}/a/b/x"
    first, second = steps(path, None, File(NEW, user="bob", mode="0640"))
    assert first.do == call(module.mkdir, f"{tmp_path}/a/b", user="bob", mode="0750")
    assert second.do == call(module.put, path, NEW, user="bob", mode="0640")


def test_contents_are_written_once_and_then_left_alone(ctx: Context, tmp_path: Path) -> None:
    path = tmp_path / "motd"
    converge(file.managed, ctx, str(path), contents="hello", mode="0600")
    assert path.read_text() == "hello\n"
    assert path.stat().st_mode & 0o7777 == 0o600
    before = path.stat()
    assert not converge(file.managed, ctx, str(path), contents="hello", mode="0600").steps
    assert path.stat() == before


def test_planning_touches_nothing(ctx: Context, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "motd"
    plan = file.managed(ctx, str(path), contents="hello", makedirs=True)
    assert [step.sentence for step in plan.steps] == [f"make directory {path.parent}", f"create {path}"]
    assert not path.parent.exists()
    with pytest.raises(ActedWhilePlanning):
        plan.steps[0].do()


def test_drift_is_repaired_and_shown_as_a_diff(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "tree/motd").write_text("one\ntwo\n")
    path = tmp_path / "motd"
    converge(file.managed, ctx, str(path), source="salt://motd", mode="0644")
    path.write_text("one\n2\n")
    path.chmod(0o666)
    plan = converge(file.managed, ctx, str(path), source="salt://motd", mode="0644")
    assert plan.current.contents.diff(plan.wish.contents) == "--- \n+++ \n@@ -1,2 +1,2 @@\n one\n-2\n+two\n"
    assert (plan.current.mode, plan.wish.mode) == ("0666", "0644")
    assert len(plan.steps) == 1
    assert path.read_text() == "one\ntwo\n"


def test_what_is_not_named_is_kept(ctx: Context, tmp_path: Path) -> None:
    path = tmp_path / "motd"
    path.write_text("mine\n")
    path.chmod(0o604)
    converge(file.managed, ctx, str(path), contents="new")
    assert path.stat().st_mode & 0o7777 == 0o604
    converge(file.managed, ctx, str(path), mode="0600")
    assert path.read_text() == "new\n"


def test_without_source_or_contents_an_empty_file_is_made(ctx: Context, tmp_path: Path) -> None:
    converge(file.managed, ctx, str(tmp_path / "empty"))
    assert (tmp_path / "empty").read_bytes() == b""
    assert (tmp_path / "empty").stat().st_mode & 0o7777 == 0o644


def test_replace_false_leaves_contents_but_not_the_mode(ctx: Context, tmp_path: Path) -> None:
    path = tmp_path / "motd"
    converge(file.managed, ctx, str(path), contents="first", replace=False)
    converge(file.managed, ctx, str(path), contents="second", replace=False, mode="0600")
    assert path.read_text() == "first\n"
    assert path.stat().st_mode & 0o7777 == 0o600


def test_create_false_makes_no_file(ctx: Context, tmp_path: Path) -> None:
    converge(file.managed, ctx, str(tmp_path / "x"), contents="x", create=False)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("contents", "newline", "held"),
    [
        ("a", True, "a\n"),
        ("a\n", True, "a\n"),
        ("a\nb\n\n", True, "a\nb\n\n"),
        ("a\r\nb", True, "a\nb\n"),
        ("a\n\n", False, "a"),
        (["a", "b"], True, "a\nb\n"),
        (["a", "b\n"], False, "a\nb"),
        ([1, "x"], True, "1\nx\n"),
        (42, True, "42\n"),
        ("", True, ""),
        ("a\0b", True, "a\0b"),
    ],
)
def test_contents_become_lines(ctx: Context, tmp_path: Path, contents: Any, newline: bool, held: str) -> None:
    converge(file.managed, ctx, str(tmp_path / "x"), contents=contents, contents_newline=newline)
    assert (tmp_path / "x").read_bytes() == held.encode()


def test_contents_come_from_pillar_and_a_missing_key_is_named(ctx: Context, tmp_path: Path) -> None:
    converge(file.managed, ctx, str(tmp_path / "x"), contents_pillar="motd:text")
    assert (tmp_path / "x").read_text() == "from pillar\n"
    with pytest.raises(SalternError, match=r"pillar has no 'mod'.*'motd'"):
        file.managed(ctx, str(tmp_path / "x"), contents_pillar="mod")


def test_a_secret_is_written_and_never_shown(ctx: Context, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("hunter1\n")
    plan = converge(file.managed, ctx, str(path), contents_pillar="password", mode="0600")
    assert path.read_text() == "hunter2\n"
    shown = f"{plan!r} {[str(step.do) for step in plan.steps]} {plan.current.contents.diff(plan.wish.contents)}"
    assert "hunter" not in shown
    assert "holds a secret" in shown


def test_show_changes_false_hides_the_diff(ctx: Context, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old\n")
    plan = converge(file.managed, ctx, str(path), contents="new", show_changes=False)
    assert plan.current.contents.diff(plan.wish.contents) == "<show_changes=False>"


def test_the_first_source_that_exists_is_taken(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "tree/b").write_text("b\n")
    (tmp_path / "local").write_text("local\n")
    converge(file.managed, ctx, str(tmp_path / "x"), source=["salt://a", "salt://b"])
    assert (tmp_path / "x").read_text() == "b\n"
    converge(file.managed, ctx, str(tmp_path / "x"), source=[f"{tmp_path}/nix", f"{tmp_path}/local"])
    assert (tmp_path / "x").read_text() == "local\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source": "salt://mtod"}, "no source file salt://mtod.*Did you mean 'salt://motd'"),
        ({"source": "salt://../x"}, "not a path inside the state tree"),
        ({"source": "ftp://example.org/x"}, "scheme ftp:// is not supported"),
        ({"source": "motd"}, "is not a source"),
        ({"source": "salt://motd", "contents": "x"}, "source and contents say two different things"),
        ({"contents": {"a": 1}}, "contents are a text or a list"),
        ({"contents": "", "allow_empty": False}, "are empty"),
        ({"contents": "x", "template": "mako"}, "no template engine 'mako'"),
    ],
)
def test_what_cant_be_meant_is_refused(ctx: Context, tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    (tmp_path / "tree/motd").write_text("x")
    with pytest.raises(SalternError, match=message):
        file.managed(ctx, str(tmp_path / "x"), **arguments)


def test_something_else_in_the_place_of_a_file_is_refused(ctx: Context, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, kind in [("pipe", "a named pipe"), ("tree", "a directory")]:
        with pytest.raises(SalternError, match=f"is {kind}, not a file"):
            file.managed(ctx, str(tmp_path / name), contents="x")


def test_a_missing_folder_or_user_is_unknown_until_a_state_makes_it(ctx: Context, tmp_path: Path) -> None:
    assert "there is no directory" in str(file.managed(ctx, str(tmp_path / "a/x"), contents="x").unknown)
    assert "no user 'nobody-here'" in str(file.managed(ctx, str(tmp_path / "x"), user="nobody-here").unknown)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("0644", "0644"), ("644", "0644"), (644, "0644"), ("0o755", "0755"), (1777, "1777"), (0, "0000")],
)
def test_modes_are_octal_digits_however_they_are_written(
    ctx: Context, tmp_path: Path, written: str | int, meant: str
) -> None:
    plan = file.managed(ctx, str(tmp_path / "x"), contents="x", mode=written)
    assert plan.wish.mode == meant


@pytest.mark.parametrize("mode", ["u+x", "0888", "77777", "rw", 493, True])
def test_a_mode_that_is_none_is_refused(ctx: Context, tmp_path: Path, mode: Any) -> None:
    with pytest.raises(BadMode, match="octal"):
        file.managed(ctx, str(tmp_path / "x"), mode=mode)


def test_mode_keep_is_that_of_the_source(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "tree/run").write_text("#!/bin/true\n")
    (tmp_path / "tree/run").chmod(0o750)
    converge(file.managed, ctx, str(tmp_path / "run"), source="salt://run", mode="keep")
    assert (tmp_path / "run").stat().st_mode & 0o7777 == 0o750


def test_a_link_is_followed_unless_told_otherwise(ctx: Context, tmp_path: Path) -> None:
    link, target = tmp_path / "link", tmp_path / "target"
    target.write_text("old\n")
    link.symlink_to("target")
    converge(file.managed, ctx, str(link), contents="new")
    assert link.is_symlink()
    assert target.read_text() == "new\n"
    converge(file.managed, ctx, str(link), contents="mine", follow_symlinks=False)
    assert not link.is_symlink()
    assert target.read_text() == "new\n"


def test_a_large_source_is_copied_without_a_diff(ctx: Context, tmp_path: Path) -> None:
    big = os.urandom(3 << 20)
    (tmp_path / "tree/big").write_bytes(big)
    plan = converge(file.managed, ctx, str(tmp_path / "big"), source="salt://big")
    assert (tmp_path / "big").read_bytes() == big
    (tmp_path / "big").write_bytes(big[:-1])
    plan = converge(file.managed, ctx, str(tmp_path / "big"), source="salt://big")
    assert "too long to compare" in plan.current.contents.diff(plan.wish.contents)


def test_backup_keeps_the_old_file(ctx: Context, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old\n")
    converge(file.managed, ctx, str(path), contents="new", backup="minion")
    (kept,) = (tmp_path / "root/var/cache/saltern/file_backup").rglob("x_*")
    assert kept.read_text() == "old\n"


@pytest.fixture
def render(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A renderer that replaces NAME, counts, and says another thing each time where the text wants it."""
    calls: list[str] = []

    def fake(ctx: Context, text: str, template: str, context: Any, *, place: str, saltenv: str) -> Contents:
        calls.append(place)
        return Contents(text.replace("NAME", str(context.get("name"))).replace("TIME", str(len(calls))).encode())

    monkeypatch.setattr("states._file.managed.rendered_file", fake)
    return calls


def test_a_template_gets_context_over_defaults(ctx: Context, tmp_path: Path, render: list[str]) -> None:
    (tmp_path / "tree/t").write_text("hello NAME\n")
    path = tmp_path / "x"
    converge(file.managed, ctx, str(path), source="salt://t", template="jinja", defaults={"name": "a"})
    assert path.read_text() == "hello a\n"
    arguments: dict[str, Any] = {
        "source": "salt://t",
        "template": "jinja",
        "defaults": {"name": "a"},
        "context": {"name": "b"},
    }
    converge(file.managed, ctx, str(path), **arguments)
    assert path.read_text() == "hello b\n"
    assert set(render) == {"t"}


def test_a_template_that_says_another_thing_each_time_still_converges(
    ctx: Context, tmp_path: Path, render: list[str]
) -> None:
    converge(file.managed, ctx, str(tmp_path / "x"), settled=False, contents="at TIME", template="jinja")
    assert (tmp_path / "x").read_text() == "at 1\n"


def test_a_relative_path_is_refused(ctx: Context) -> None:
    for path in ("etc/motd", "/etc/../x", "/a\0b", ""):
        with pytest.raises(UnsafePath):
            file.managed(ctx, path, contents="x")


def test_a_template_is_rendered_by_jinja_and_its_errors_name_the_line(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "tree/t").write_text("port {{ port }}\n{% if tls %}tls\n{% endif %}")
    converge(
        file.managed, ctx, str(tmp_path / "x"), source="salt://t", template="jinja", context={"port": 1, "tls": True}
    )
    assert (tmp_path / "x").read_text() == "port 1\ntls\n"
    with pytest.raises(SalternError, match=r"t:2.*tls"):
        file.managed(ctx, str(tmp_path / "x"), source="salt://t", template="jinja", context={"port": 1})


def test_new_contents_are_only_written_where_the_check_approves(ctx: Context, tmp_path: Path) -> None:
    path, asked = tmp_path / "sudoers", tmp_path / "asked"
    approve = "grep -q ALL"
    converge(file.managed, ctx, str(path), contents="root ALL", check_cmd=approve, mode="0440")
    for command, message in (("echo no good >&2; false", "no good"), ([approve, "grep -q nix"], "grep -q nix")):
        plan = file.managed(ctx, str(path), contents="ann ALL", check_cmd=command)
        with permit_acting(), pytest.raises(SalternError, match=f"is left as it was, since .*{message}"):
            plan.steps[0].do()
        assert path.read_text() == "root ALL\n"
    suffix: dict[str, Any] = {"check_cmd": f"echo >{asked}", "tmp_ext": ".conf"}
    converge(file.managed, ctx, str(path), contents="x", **suffix)
    assert asked.read_text().strip().endswith(".conf")
    assert not Path(asked.read_text().strip()).exists()
