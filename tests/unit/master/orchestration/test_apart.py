"""An orchestration that is compiled in another process is the same, and one without an end is ended there."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

from master.orchestration import apart, load
from master.orchestration.load import Wanted
from saltern.config import MasterConfig
from saltern.errors import SalternError, SourceError, UsageError
from saltern.sls.low import Low
from saltern.sls.problems import SourceErrors

EXAMPLE = Path(__file__).parents[4] / "examples" / "opennebula" / "states"


def config_of(folder: Path) -> MasterConfig:
    return MasterConfig(root=folder, file_roots={"base": [str(folder)]}, nodegroups={"nodes": "node*"})


def compiled(folder: Path, text: str, call: Any = None, check: Any = lambda low: None) -> list[Low]:
    (folder / "a.sls").write_text(text)
    return apart.compiled(config_of(folder), Wanted(mods=["a"]), call, check)


def plain(lows: list[Low]) -> list[Any]:
    return [(low.tag, low.place, dict(low.arg_places), low.args, low.options, low.requisites) for low in lows]


def test_the_states_are_the_same_as_in_this_process() -> None:
    asked = load.wanted("orch.platform", "base", None, {"at_once": 1}, None)
    ways = (apart.compiled, load.compiled)
    first, second = (plain(way(config_of(EXAMPLE), asked, lambda name: {}, lambda low: None)) for way in ways)
    assert first == second


def test_runners_are_called_here_and_what_they_refuse_is_told_with_its_line(tmp_path: Path) -> None:
    def call(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "no.such":
            raise UsageError("there is no such runner")
        return {"x": f"{name}-{args[0]}-{kwargs['c']}"} if name != "odd" else (lambda: None)

    [low] = compiled(
        tmp_path, "{{ salt['saltutil.runner']('a.b', 1, c=2).x }}:\n  salt.runner: [name: manage.up]\n", call
    )
    assert low.id == "a.b-1-2"
    for name, why in (("no.such", "there is no such runner"), ("odd", "no plain data")):
        with pytest.raises(SourceError, match=why) as caught:
            compiled(tmp_path, f"\n{{{{ salt['saltutil.runner']('{name}') }}}}", call)
        assert (caught.value.file, caught.value.line) == ("a.sls", 2)


def test_all_that_is_wrong_is_told_with_its_places(tmp_path: Path) -> None:
    def check(low: Low) -> None:
        raise UsageError("no such group")

    text = "x:\n  salt.state: [tgt: n, sls: nosuch]\ny:\n  salt.runner: [nam: 1]\n"
    with pytest.raises(SourceError) as caught:
        compiled(tmp_path, text)
    assert (caught.value.file, caught.value.line) == ("a.sls", 4)
    with pytest.raises(SourceErrors) as both:
        compiled(tmp_path, text.replace("nam: 1", "name: manage.up"), check=check)
    assert {error.line for error in both.value.errors} == {1, 2, 3}


def test_a_template_without_an_end_is_ended_and_costs_this_process_nothing(tmp_path: Path) -> None:
    began = time.process_time()
    with pytest.raises(SourceError, match="takes more than 5 s of processor time") as caught:
        compiled(tmp_path, "\n{% set x = ('a' * 60 ~ 'b') | regex_match('(a+)+$') %}")
    assert caught.value.line == 2
    assert time.process_time() - began < 3


def test_a_process_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(SalternError, match="ended by itself"):
        compiled(tmp_path, "")
