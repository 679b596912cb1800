"""The steps between what a checkout is and what it should be."""

from __future__ import annotations

from typing import Any

import pytest

from modules._git import checkout as work
from modules._git.checkout import ALWAYS, Looked
from modules._git.command import NOBODY_ELSE
from modules._git.values import Rev
from saltern.converge.compare import differences
from saltern.converge.plan import call
from saltern.errors import SalternError
from states._git_plan import Options, checkouts, steps

OLD, NEW, URL, AT = "1" * 40, "2" * 40, "/srv/far.git", "/srv/app"
MAIN, TAG, COMMIT = Rev("branch", "refs/heads/main", NEW), Rev("tag", "refs/tags/v1", NEW), Rev("commit", "", NEW)
THERE: dict[str, Any] = {"kind": "repository", "commit": OLD, "branch": "main", "url": URL, "has": True}


def moved(have: Looked, rev: Rev, **more: Any) -> list[Any]:
    """The calls of the steps; there are some where, and only where, something differs."""
    options = Options(target=AT, url=URL, who=NOBODY_ELSE, **more)
    current, wish = checkouts(have, rev, options)
    found = list(steps(have, rev, options))

    assert bool(found) == bool(differences(current, wish))
    return [step.do for step in found]


def move(branch: str | None, **more: Any) -> Any:
    return call(work.move, AT, NEW, branch, NOBODY_ELSE, **{"lose": "keep", **more})


@pytest.mark.parametrize(
    ("there", "rev", "more", "wanted"),
    [
        ({"commit": NEW}, MAIN, {}, []),
        ({"commit": NEW, "changed": ("a",)}, MAIN, {}, []),
        ({"commit": NEW, "strays": ("p",)}, MAIN, {}, []),
        ({}, MAIN, {}, [move("main", upstream=("origin", "refs/heads/main"))]),
        ({"branch": "mine"}, TAG, {}, [move("mine")]),
        ({"branch": None}, COMMIT, {}, [move(None)]),
        ({"commit": NEW}, TAG, {"branch": "deploy"}, [move("deploy")]),
        ({"commit": NEW}, TAG, {"branch": None}, [move(None)]),
        ({"has": True}, TAG, {"move": False}, []),
        ({"commit": NEW, "url": "/x"}, TAG, {}, [call(work.set_remote, AT, "origin", URL, NOBODY_ELSE)]),
        (
            {"commit": NEW, "changed": ("a",)},
            TAG,
            {"lose": ALWAYS, "lose_files": True},
            [call(work.discard, AT, NOBODY_ELSE)],
        ),
        (
            {"changed": ("a",)},
            TAG,
            {"lose_files": True},
            [call(work.discard, AT, NOBODY_ELSE), move("main")],
        ),
        (
            {"commit": NEW, "strays": ("p",)},
            TAG,
            {"submodules": True},
            [call(work.update_submodules, AT, URL, NOBODY_ELSE, depth=None)],
        ),
    ],
)
def test_only_what_differs_is_moved(there: dict[str, Any], rev: Rev, more: dict[str, Any], wanted: list[Any]) -> None:
    assert moved(Looked(**{**THERE, **there}), rev, **more) == wanted


@pytest.mark.parametrize(
    ("rev", "branch", "named"),
    [(MAIN, "main", "main"), (TAG, "main", None), (Rev("branch", "refs/heads/a/b", NEW), "a/b", "a/b")],
)
def test_a_new_checkout_is_made_fetched_and_moved(rev: Rev, branch: str, named: str | None) -> None:
    for kind, extra in (("nothing", {}), ("empty", {}), ("other", {"replace": True})):
        make, remote, fetch, last = moved(Looked(kind=kind), rev, depth=1, replace=kind == "other")
        assert make == call(work.make, AT, branch, NOBODY_ELSE, **extra)
        assert remote == call(work.set_remote, AT, "origin", URL, NOBODY_ELSE)
        assert fetch == call(work.fetch, AT, "origin", URL, rev, NOBODY_ELSE, depth=1, tags=True, force=False)
        assert last.args == (AT, NEW, named, NOBODY_ELSE)


def test_what_is_in_the_way_is_named() -> None:
    with pytest.raises(SalternError, match="left as it is: a, b;"):
        moved(Looked(**{**THERE, "changed": ("a", "b")}), MAIN)
    with pytest.raises(SalternError, match="is no git repository"):
        moved(Looked(kind="other"), MAIN)
