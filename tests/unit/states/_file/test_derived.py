"""Files that are made from data or from another file, and `file.touch`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from saltern.errors import SalternError
from saltern.marks import permit_acting
from saltern.secret import Secret
from states import file
from tests.plans import context, converge

DATA = {"b": {"x": [1, None]}, "a": "Ü"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"dataset": DATA}, "b:\n  x:\n  - 1\n  - null\na: Ü\n"),
        (
            {"dataset": DATA, "serializer": "json"},
            '{\n  "a": "Ü",\n  "b": {\n    "x": [\n      1,\n      null\n    ]\n  }\n}\n',
        ),
        ({"dataset": {"a": 1}, "formatter": "json", "serializer_opts": [{"indent": None}]}, '{"a": 1}\n'),
        ({"dataset": {"a": 1}, "serializer": "python"}, "{'a': 1}\n"),
        ({"dataset": {"Main": {"Key": 1}}, "serializer": "configparser"}, "[Main]\nKey = 1\n"),
        ({"dataset_pillar": "conf:inner", "serializer": "yaml"}, "p: 1\n"),
    ],
)
def test_data_is_written_as_text(tmp_path: Path, arguments: dict[str, Any], text: str) -> None:
    path = tmp_path / "f"
    converge(
        file.serialize, context(tmp_path, pillar={"conf": {"inner": {"p": 1}}}), str(path), mode="0600", **arguments
    )
    assert path.read_text() == text
    assert path.stat().st_mode & 0o7777 == 0o600


def test_data_is_laid_over_what_the_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text('{"kept": 1, "deep": {"a": 1}}')
    more = {"deep": {"b": 2}}
    converge(file.serialize, context(tmp_path), str(path), dataset=more, serializer="json", merge_if_exists=True)
    assert '"a": 1' in path.read_text()
    assert '"b": 2' in path.read_text()
    path.write_text("no: json")
    with pytest.raises(SalternError, match="not json"):
        file.serialize(context(tmp_path), str(path), dataset=more, serializer="json", merge_if_exists=True)


def test_a_secret_in_the_data_is_written_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "f"
    data = {"user": "u", "password": Secret("geheim")}
    plan = converge(file.serialize, context(tmp_path), str(path), dataset=data)
    assert "geheim" in path.read_text()
    assert "geheim" not in repr(plan)
    assert plan.wish.contents.hidden


@pytest.mark.parametrize(
    "arguments", [{}, {"dataset": {}, "dataset_pillar": "x"}, {"dataset": {}, "serializer": "jsn"}]
)
def test_data_that_can_not_be_written_is_an_error(tmp_path: Path, arguments: dict[str, Any]) -> None:
    with pytest.raises(SalternError, match=r"name one of|there is no way to write"):
        file.serialize(context(tmp_path), str(tmp_path / "f"), **arguments)


def test_a_copy_is_made_once_and_followed_only_by_force(tmp_path: Path) -> None:
    ctx, source, path = context(tmp_path), tmp_path / "s", tmp_path / "d/f"
    assert "no file" in str(file.copy(ctx, str(path), source=str(source), makedirs=True).unknown)
    source.write_text("one")
    source.chmod(0o751)
    converge(file.copy, ctx, str(path), source=str(source), makedirs=True, preserve=True)
    assert (path.read_text(), path.stat().st_mode & 0o7777) == ("one", 0o751)
    source.write_text("two")
    assert not file.copy(ctx, str(path), source=str(source)).steps
    converge(file.copy, ctx, str(path), source=str(source), force=True)
    converge(file.copy, ctx, str(path.parent), source=str(source))
    assert (path.read_text(), (path.parent / "s").read_text()) == ("two", "two")


def test_a_touched_file_is_there_with_its_times(tmp_path: Path) -> None:
    ctx, path = context(tmp_path), tmp_path / "d/f"
    converge(file.touch, ctx, str(path), mtime=1000, makedirs=True)
    assert path.stat().st_mtime == 1000
    plan = file.touch(ctx, str(path))
    assert plan.imperative
    with permit_acting():
        plan.steps[0].do()
    assert path.stat().st_mtime > 1000
    assert os.path.getsize(path) == 0
