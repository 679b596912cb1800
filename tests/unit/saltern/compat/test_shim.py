"""The few modules that stand for Salt's do what their namesakes are used for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from saltern.compat.shim import exceptions
from saltern.compat.shim.utils import args, data, decorators, dictupdate, files, functools, hashutils, path, yaml
from saltern.compat.shim.utils import stringutils as strings
from saltern.compat.shim.utils.decorators import path as needs
from saltern.errors import SalternError

NESTED = {"a": {"b": [{"c": 1}, 2]}}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (data.traverse_dict(NESTED, "a:b"), [{"c": 1}, 2]),
        (data.traverse_dict(NESTED, "a:x", "no"), "no"),
        (data.traverse_dict_and_list(NESTED, "a:b:0:c"), 1),
        (data.traverse_dict_and_list(NESTED, "a:b:5", "no"), "no"),
        (data.repack_dictlist([{"a": 1}, "b"]), {"a": 1, "b": None}),
        (data.is_dictlist([{"a": 1}]), True),
        (data.is_dictlist([{"a": 1, "b": 2}]), False),
        (data.decode({b"a": [b"b"]}), {"a": ["b"]}),
        (data.compare_dicts({"a": 1, "b": 2}, {"a": 3, "c": 4}),
         {"a": {"old": 1, "new": 3}, "b": {"old": 2, "new": ""}, "c": {"old": "", "new": 4}}),
        ([data.is_true(x) for x in (True, 1, "true", "2", "no", 0, None)],
         [True, True, True, True, False, False, False]),
        (dictupdate.update({"a": {"b": 1}, "l": [1]}, {"a": {"c": 2}, "l": [2]}), {"a": {"b": 1, "c": 2}, "l": [2]}),
        (dictupdate.merge({"l": [1]}, {"l": [1, 2]}, merge_lists=True), {"l": [1, 2]}),
        (strings.to_unicode(b"\xc3\xa4"), "ä"),
        (strings.to_bytes("ä"), b"\xc3\xa4"),
        (strings.to_num("3.5"), 3.5),
        (path.join("/a", "/b", "../c"), "/a/c"),
        (path.which_bin(["no-such-program", "sh"]) is not None, True),
        (args.clean_kwargs(__pub_jid=1, a=2), {"a": 2}),
        (yaml.safe_load(yaml.safe_dump({"a": [1]})), {"a": [1]}),
        (hashutils.sha256_digest(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ],
)  # fmt: skip
def test_a_function_gives_what_its_namesake_gives(found: object, wanted: object) -> None:
    assert found == wanted


def test_merging_leaves_what_was_merged_as_it_is() -> None:
    one, other = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert dictupdate.merge(one, other) == {"a": {"b": 1, "c": 2}}
    assert (one, other) == ({"a": {"b": 1}}, {"a": {"c": 2}})


@pytest.mark.parametrize("value", [None, 3, ["a"]])
def test_what_is_neither_text_nor_bytes_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        strings.to_str(value)


def test_a_file_is_opened_as_utf_8_with_the_mode_that_is_wanted(tmp_path: Path) -> None:
    file = str(tmp_path / "f")
    with files.set_umask(0o077), files.fopen(file, "w") as opened:
        opened.write("ä")
    assert os.stat(file).st_mode & 0o777 == 0o600
    with files.fpopen(file, "rb", mode=0o640) as opened:
        assert opened.read() == "ä".encode()
    assert os.stat(file).st_mode & 0o777 == 0o640
    files.safe_rm(file)
    files.safe_rm(file)
    assert not os.path.exists(file)


def test_every_error_of_salt_is_one_that_a_user_may_see() -> None:
    kinds = [kind for kind in vars(exceptions).values() if isinstance(kind, type) and kind.__module__.endswith("ons")]
    assert len(kinds) > 5
    assert all(issubclass(kind, SalternError) and str(kind("why")) == "why" for kind in kinds)
    with pytest.raises(TypeError, match="a=1"):
        args.invalid_kwargs({"a": 1})


def test_a_function_that_needs_a_program_says_so_when_it_is_called() -> None:
    assert needs.which("sh")(lambda: 1)() == 1
    with pytest.raises(exceptions.CommandNotFoundError, match="no-such-program"):
        needs.which("no-such-program")(lambda: 1)()
    assert decorators.depends("nothing")(len) is len


def test_an_alias_is_the_function_under_another_name() -> None:
    def first(n: int = 2) -> int:
        return n

    alias = functools.alias_function(first, "second")  # type: ignore[arg-type]
    assert (alias.__name__, alias(), alias(3)) == ("second", 2, 3)
