# ruff: noqa: E501 - one edit, one line
"""What the states that work on lines and blocks make of a file; each settles, so a second run changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saltern.converge.plan import Plan
from saltern.errors import SalternError
from states import file
from tests.plans import context, converge

State = Callable[..., Plan]
SSHD = "Port 22\n#PermitRootLogin yes\n  # UsePAM yes\nMatch all\n"
ZONE = "#-- start managed zone --\n{}#-- end managed zone --\n"
INI = "[a]\n# size = 1\nsize = 2\nname=x # y\n"


@pytest.mark.parametrize(
    ("state", "old", "arguments", "new"),
    [
        (file.comment, SSHD, {"regex": "^Port"}, SSHD.replace("Port 22", "#Port 22")),
        (file.comment, "a x\n", {"regex": "x$", "char": "//"}, "//a x\n"),
        (file.comment, SSHD, {"regex": "^PermitRootLogin"}, SSHD),
        (file.comment, SSHD, {"regex": "^Nix", "ignore_missing": True}, SSHD),
        (file.uncomment, SSHD, {"regex": "PermitRootLogin"}, SSHD.replace("#Permit", "Permit")),
        (file.uncomment, SSHD, {"regex": "^UsePAM.*$"}, SSHD.replace("# UsePAM", "UsePAM")),
        (file.uncomment, SSHD, {"regex": "Port"}, SSHD),
        (file.line, "a\nb\n", {"mode": "delete", "content": "b"}, "a\n"),
        (file.line, "a\nb1\nb2\n", {"mode": "delete", "match": "^b"}, "a\n"),
        (file.line, "a\n  b = 1\n", {"mode": "replace", "match": "^ *b", "content": "b = 2"}, "a\n  b = 2\n"),
        (file.line, "  b\n", {"mode": "replace", "match": "b", "content": "c", "indent": False}, "c\n"),
        (file.line, "a\nc\n", {"mode": "ensure", "content": "b", "after": "^a"}, "a\nb\nc\n"),
        (file.line, "a\n  c\n", {"mode": "ensure", "content": "b", "before": "c"}, "a\n  b\n  c\n"),
        (file.line, "a\nb\nc\n", {"mode": "ensure", "content": "x", "after": "a", "before": "c"}, "a\nx\nc\n"),
        (file.line, "a\nb\nc\n", {"mode": "insert", "content": "x", "after": "a", "before": "c"}, "a\nb\nx\nc\n"),
        (file.line, "a\n", {"mode": "insert", "content": "x", "location": "start"}, "x\na\n"),
        (file.line, "a\n", {"mode": "ensure", "content": "x", "location": "end"}, "a\nx\n"),
        (file.blockreplace, "a\n" + ZONE.format("old\n"), {"content": "new"}, "a\n" + ZONE.format("new\n")),
        (file.blockreplace, "a\n" + ZONE.format("old\n"), {"content": ""}, "a\n" + ZONE.format("")),
        (file.blockreplace, "a", {"content": "b\n", "append_if_not_found": True}, "a\n" + ZONE.format("b\n")),
        (file.blockreplace, "a\n", {"content": "b", "prepend_if_not_found": True}, ZONE.format("b\n") + "a\n"),
        (file.blockreplace, "a\nc\n", {"content": "b", "insert_after_match": "^a"}, f"a\n{ZONE.format('b' + chr(10))}c\n"),
        (file.keyvalue, INI, {"key": "size", "value": 3, "separator": " = "}, INI.replace("= 2", "= 3")),
        (file.keyvalue, INI, {"key": "size", "value": 3, "uncomment": "#"}, INI.replace("= 2", "= 3")),
        (file.keyvalue, "#a=1\n", {"key": "a", "value": True, "uncomment": "#"}, "a=true\n"),
        (file.keyvalue, "a=1\n", {"key_values": {"a": 2, "b": 3}, "append_if_not_found": True}, "a=2\nb=3\n"),
        (file.keyvalue, SSHD, {"key": "Port", "value": 23, "separator": " "}, SSHD.replace("22", "23")),
        (file.keyvalue, "a=1\na=1\n", {"key": "a", "value": 2, "count": -1}, "a=2\na=2\n"),
        (file.keyvalue, "A=X\n", {"key": "a", "value": "x", "key_ignore_case": True, "value_ignore_case": True}, "A=X\n"),
    ],
)  # fmt: skip
def test_a_file_is_edited_once(tmp_path: Path, state: State, old: str, arguments: dict[str, Any], new: str) -> None:
    path = tmp_path / "f"
    path.write_text(old)
    converge(state, context(tmp_path), str(path), **arguments)
    assert path.read_text() == new


@pytest.mark.parametrize(
    ("state", "arguments", "message"),
    [
        (file.comment, {"regex": "^nix"}, "no line matches"),
        (file.comment, {"regex": "("}, "not a regular expression"),
        (file.uncomment, {"regex": "nix"}, "no line matches"),
        (file.line, {"mode": "enshure", "content": "x"}, "Did you mean 'ensure'"),
        (file.line, {"mode": "ensure", "content": "x"}, "wants `before`, `after` or `location`"),
        (file.line, {"mode": "ensure", "content": "x", "after": "a|b"}, "2 lines match"),
        (file.line, {"mode": "ensure", "content": "x", "before": "a", "after": "c"}, "stands above"),
        (file.line, {"mode": "ensure", "content": "x", "location": "middle"}, "start or end"),
        (file.line, {"mode": "replace", "match": "nix", "content": "x"}, "no line matches"),
        (file.line, {"mode": "insert", "content": "x\ny", "location": "end"}, "one line"),
        (file.blockreplace, {"content": "x"}, "there is no block"),
        (file.blockreplace, {"content": "x", "marker_start": "a"}, "has no end"),
        (file.keyvalue, {"key": "nix", "value": 1}, "no line with the key"),
        (file.keyvalue, {}, "name one of"),
    ],
)
def test_what_is_not_as_taken_for_granted_is_an_error(
    tmp_path: Path, state: State, arguments: dict[str, Any], message: str
) -> None:
    (tmp_path / "f").write_text("a\nb\nc\n")
    with pytest.raises(SalternError, match=message):
        state(context(tmp_path), str(tmp_path / "f"), **arguments)
    assert (tmp_path / "f").read_text() == "a\nb\nc\n"


def test_a_file_that_is_not_there_is_unknown_yet(tmp_path: Path) -> None:
    ctx = context(tmp_path)
    assert "no file" in str(file.comment(ctx, str(tmp_path / "f"), regex="a").unknown)
    converge(file.line, ctx, str(tmp_path / "f"), mode="ensure", content="x", location="end", create=True)
    assert (tmp_path / "f").read_text() == "x\n"


def test_a_block_may_come_from_a_template(tmp_path: Path) -> None:
    ctx = context(tmp_path, grains={"id": "web1"})
    (tmp_path / "tree/block").write_text("{{ grains.id }} {{ port }} from {{ source }}\n")
    (tmp_path / "f").write_text("")
    converge(
        file.blockreplace,
        ctx,
        str(tmp_path / "f"),
        source="salt://block",
        context={"port": 1},
        append_if_not_found=True,
    )
    assert (tmp_path / "f").read_text() == ZONE.format("web1 1 from salt://block\n")


def test_what_is_appended_may_come_from_several_templates(tmp_path: Path) -> None:
    ctx = context(tmp_path)
    (tmp_path / "tree/a").write_text("a {{ x }}\n")
    (tmp_path / "tree/b").write_text("b {{ y }}\n")
    names: dict[str, Any] = {"template": "jinja", "context": {"x": 1}, "defaults": {"x": 0, "y": 2}}
    converge(file.append, ctx, str(tmp_path / "f"), sources=["salt://a", "salt://b"], **names)
    assert (tmp_path / "f").read_text() == "a 1\nb 2\n"
