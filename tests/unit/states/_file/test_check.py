"""Arguments of file states that can't be right are refused before anything runs."""

from __future__ import annotations

import pytest

from saltern.converge.state import check_of
from states import file
from states._file.check import WrongArgument


@pytest.mark.parametrize(
    ("state", "name", "arguments", "argument"),
    [
        (file.managed, "rel/path", {}, "name"),
        (file.absent, "/a/../b", {}, "name"),
        (file.managed, "/x", {"mode": "0999"}, "mode"),
        (file.managed, "/x", {"mode": 99999}, "mode"),
        (file.directory, "/x", {"file_mode": "rw"}, "file_mode"),
        (file.recurse, "/x", {"source": "salt://x", "dir_mode": "1"}, ""),
        (file.managed, "/x", {"template": "jnja"}, "template"),
        (file.managed, "/x", {"mode": "keep", "template": "jinja", "dir_mode": ""}, ""),
        (file.line, "/x", {"mode": "ensure"}, ""),
    ],
)
def test_an_argument_that_can_not_be_right_is_named(
    state: object, name: str, arguments: dict[str, object], argument: str
) -> None:
    check = check_of(state)
    if not argument:
        if check is not None:
            check(name, **arguments)
        return
    assert check is not None
    with pytest.raises(WrongArgument) as caught:
        check(name, **arguments)
    assert caught.value.argument == argument
