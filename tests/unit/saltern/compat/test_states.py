"""A state that was made for Salt claims its own result: it is asked with test=True in a preview, shown as a claim."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from saltern.compat.states import claimed, signature_of
from saltern.custom.errors import CustomFailed
from saltern.secret import Secret
from tests.unit.saltern.custom.trees import put, ran

MARK = """
import os


def made(name, word="x", **kwargs):
    ret = {"name": name, "changes": {}, "result": True, "comment": "there"}
    if os.path.exists(name):
        return ret
    ret["changes"] = {"old": None, "new": word}
    if __opts__["test"]:
        ret["result"] = None
        ret["comment"] = "would make it"
        return ret
    with open(name, "w") as file:
        file.write(word)
    ret["comment"] = ["made", "it"]
    return ret


def mod_watch(name, sfun=None, **kwargs):
    with open(name + ".watched", "a") as file:
        file.write(sfun + "\\n")
    return {"name": name, "changes": {"seen": True}, "result": True, "comment": "looked"}
"""


def run(tmp_path: Path, sls: str, *, test: bool = False, **kw: Any) -> dict[str, dict[str, Any]]:
    """The results of SLS by state id."""
    put(tmp_path, {"t.sls": sls})
    given = ran(tmp_path, "state.apply", "t", test=test, **kw).value
    assert isinstance(given, dict), given
    return {one["__id__"]: one for one in given.values()}


def test_a_preview_asks_with_test_and_changes_nothing(tmp_path: Path) -> None:
    put(tmp_path, {"_states/mark.py": MARK})
    result = run(tmp_path, f"{tmp_path}/m:\n  mark.made:\n    - word: hi\n", test=True)[f"{tmp_path}/m"]
    assert result["result"] is None
    assert result["changes"] == {"old": None, "new": "hi"}
    assert result["comment"] == "would make it\n(as _states/mark.py says; not verified)"
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("def made(name):\n    return act(name)\n", False),
        ("def made(name):\n    return act(name) if not __opts__.get('test') else act(name)\n", True),
        (
            "def made(name):\n    return _own(name)\n\ndef _own(name):\n    __opts__['test']\n    return act(name)\n",
            True,
        ),
        ("def made(name):\n    return act(name)\n\ndef other(name):\n    __opts__['test']\n", False),
        ("def made(name):\n    __states__\n    return act(name)\n", True),
    ],
    ids=["never", "itself", "through another", "another does", "through states"],
)
def test_a_state_that_does_not_look_at_test_mode_is_not_called_in_it(tmp_path: Path, text: str, asked: bool) -> None:
    act = (
        "def act(name):\n    open(name, 'w').close()\n    return dict(name=name, changes={}, result=True, comment='')\n"
    )
    put(tmp_path, {"_states/mark.py": f"{text}\n{act}"})
    result = run(tmp_path, f"{tmp_path}/m:\n  mark.made: []\n", test=True)[f"{tmp_path}/m"]
    assert (tmp_path / "m").exists() is asked
    assert ("does not look at test mode" in result["comment"]) is not asked
    assert result["result"] is (True if asked else None)


def test_an_apply_shows_what_it_claims_and_that_nobody_verified_it(tmp_path: Path) -> None:
    put(tmp_path, {"_states/mark.py": MARK})
    sls = f"{tmp_path}/m:\n  mark.made: []\n"
    result = run(tmp_path, sls)[f"{tmp_path}/m"]
    assert result["result"] is True
    assert result["comment"] == "made\nit\n(as _states/mark.py says; not verified)"
    again = run(tmp_path, sls)[f"{tmp_path}/m"]
    assert (again["result"], again["changes"]) == (True, {})


@pytest.mark.parametrize("before", [False, True], ids=["changes itself", "is as declared"])
def test_a_watch_calls_mod_watch_only_where_the_state_itself_changed_nothing(tmp_path: Path, before: bool) -> None:
    put(tmp_path, {"_states/mark.py": MARK, **({"m": ""} if before else {})})
    sls = (
        f"other:\n  file.managed:\n    - name: {tmp_path}/o\n    - contents: a\n"
        f"m:\n  mark.made:\n    - name: {tmp_path}/m\n    - watch:\n      - file: other\n"
    )
    result = run(tmp_path, sls)["m"]
    assert result["result"] is True, result
    assert (tmp_path / "m.watched").exists() is before


def test_a_prereq_on_it_asks_what_it_would_do(tmp_path: Path) -> None:
    put(tmp_path, {"_states/mark.py": MARK, "there": ""})
    sls = "first:\n  test.succeed_with_changes:\n    - prereq:\n      - mark: m\nm:\n  mark.made:\n    - name: {}\n"
    assert not run(tmp_path, sls.format(tmp_path / "there"))["first"]["changes"]
    assert run(tmp_path, sls.format(tmp_path / "new"))["first"]["changes"]


def test_a_failure_and_an_error_fail_that_state_alone(tmp_path: Path) -> None:
    text = (
        "def says(name):\n    return {'name': name, 'changes': {}, 'result': False, 'comment': 'no way'}\n"
        "def breaks(name):\n    return {}['k']\n"
    )
    put(tmp_path, {"_states/bad.py": text})
    results = run(tmp_path, "a:\n  bad.says: []\nb:\n  bad.breaks: []\nc:\n  test.nop: []\n")
    assert results["a"]["result"] is False
    assert "no way" in results["a"]["comment"]
    assert "_states/bad.py:4: KeyError: 'k'" in results["b"]["comment"]
    assert results["c"]["result"] is True


def test_a_secret_argument_is_a_text_for_the_state_and_masked_in_its_result(tmp_path: Path) -> None:
    text = (
        "def put(name, word):\n    assert word == 'hunter2'\n"
        "    return {'name': name, 'changes': {'word': word}, 'result': True, 'comment': 'put ' + word}\n"
    )
    put(tmp_path, {"_states/keep.py": text})
    sls = "#!py\ndef run():\n    return {'a': {'keep.put': [{'word': __pillar__['pw']}]}}\n"
    results = run(tmp_path, sls, pillar={"pw": Secret("hunter2")})
    assert results["a"]["result"] is True, results
    assert "hunter2" not in repr(results)


def test_what_salts_engine_calls_of_it_is_no_state(tmp_path: Path) -> None:
    put(tmp_path, {"_states/mark.py": MARK + "\n\ndef mod_init(low):\n    return True\n"})
    assert ran(tmp_path, "sys.list_state_functions", "mark").value == ["mark.made"]


def test_a_listen_calls_mod_watch_at_the_end(tmp_path: Path) -> None:
    put(tmp_path, {"_states/mark.py": MARK, "m": ""})
    sls = (
        f"m:\n  mark.made:\n    - name: {tmp_path}/m\n    - listen:\n      - file: other\n"
        f"other:\n  file.managed:\n    - name: {tmp_path}/o\n    - contents: a\n"
    )
    run(tmp_path, sls)
    assert (tmp_path / "m.watched").read_text() == "made\n"


def test_other_states_run_through_it(tmp_path: Path) -> None:
    text = "def both(name):\n    return __states__['file.managed'](name, contents='in')\n"
    put(tmp_path, {"_states/outer.py": text})
    sls = f"{tmp_path}/f:\n  outer.both: []\n"
    assert run(tmp_path, sls, test=True)[f"{tmp_path}/f"]["result"] is None
    assert not (tmp_path / "f").exists()
    assert run(tmp_path, sls)[f"{tmp_path}/f"]["result"] is True
    assert (tmp_path / "f").read_text() == "in\n"


@pytest.mark.parametrize(
    ("returned", "why"),
    [
        (None, "returned NoneType and no result of a state"),
        ({"name": "x"}, "a result without changes, result, comment"),
        ({"name": "x", "changes": {}, "result": "yes", "comment": ""}, "returned the result 'yes'"),
        ({"name": "x", "changes": [1], "result": True, "comment": ""}, "changes that are no mapping"),
    ],
)
def test_what_is_no_result_is_told(returned: object, why: str) -> None:
    with pytest.raises(CustomFailed, match=why):
        claimed(returned, "_states/x.py: x.y")


def test_a_state_takes_its_arguments_by_name_whatever_it_calls_its_first() -> None:
    def state(named, size, unit="MB", *more, **rest):  # type: ignore[no-untyped-def]
        pass

    assert str(signature_of(state)) == "(ctx, name, *, size, unit='MB', **rest)"
