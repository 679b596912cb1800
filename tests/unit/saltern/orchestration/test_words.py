"""What the words of an orchestration make of what an SLS says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.errors import UsageError
from saltern.orchestration import words
from saltern.orchestration.asked import Allowed, AwaitEvent, OnMaster, OnMinions, Together, WordError, allowed


def test_a_state_run_is_a_call_of_state_sls() -> None:
    found = words.state("x", tgt=["a", "b"], sls=["net,nfs", "kvm"], pillar={"p": 1}, queue=True, batch="25%")
    assert found == OnMinions(
        function="state.sls",
        tgt="a,b",
        form="list",
        args=(["net", "nfs", "kvm"],),
        kwargs={"pillar": {"p": 1}, "queue": True},
        states=True,
        batch="25%",
    )
    assert words.state("x", tgt="*", highstate=True, saltenv="dev").kwargs == {"saltenv": "dev"}


@pytest.mark.parametrize(
    ("options", "argument", "said"),
    [
        ({"sls": ["a"], "highstate": True}, None, "not both"),
        ({}, None, "salt.state wants one of"),
        ({"sls": ["a"], "tgt": ""}, "tgt", "names no minions"),
        ({"sls": ["a"], "tgt_type": "grains"}, "tgt_type", "Did you mean 'grain'?"),
        ({"sls": ["a"], "batch": "0"}, "batch", "like 10 or 25%"),
        ({"sls": ["a"], "batch": "101%"}, "batch", "like 10 or 25%"),
        ({"sls": ["a"], "allow_fail": "many"}, "allow_fail", "like 2 or 25%"),
        ({"sls": ["a"], "timeout": -1.0}, "timeout", "a number from 0"),
    ],
)
def test_what_can_not_be_is_told_of_its_argument(options: dict[str, Any], argument: str | None, said: str) -> None:
    with pytest.raises(WordError, match=said) as error:
        words.state("x", **{"tgt": "*", **options})
    assert error.value.argument == argument


def test_runners_take_arguments_in_each_of_salts_forms() -> None:
    expected = OnMaster(kind="runner", function="a.b", args=[1], kwargs={"c": 2, "d": 3})
    assert words.runner("a.b", arg=1, kwarg={"c": 2}, d=3) == expected
    assert words.parallel_runners("x", runners={"a.b": [{"arg": [1]}, {"kwarg": {"c": 2}}, {"d": 3}]}) == Together(
        runners={"a.b": expected}
    )
    kinds: list[dict[str, Any]] = [{}, {"a.b": 5}, {"a.b": {"kwarg": 5}}, {"x": {}}]
    for wrong in kinds:
        with pytest.raises(WordError):
            words.parallel_runners("x", runners=wrong)


def test_events_are_waited_for_on_the_master_and_not_for_ever() -> None:
    assert words.wait_for_event("t", id_list="a,b", timeout=5.0) == AwaitEvent(
        pattern="t", ids=("a", "b"), timeout_s=5.0
    )
    options: list[dict[str, Any]] = [{"node": "minion"}, *({"timeout": s} for s in (0.0, float("inf"), float("nan")))]
    for wrong in options:
        with pytest.raises(WordError):
            words.wait_for_event("t", **wrong)


def test_keys_are_changed_only_where_one_is_named() -> None:
    assert words.wheel("key.accept", match="n1").kwargs == {"match": "n1"}
    assert words.wheel("key.list").kwargs == {}
    for name in ("key.accept", "key.token", "config.apply"):
        with pytest.raises(WordError):
            words.wheel(name)


@pytest.mark.parametrize(
    ("name", "said"), [("salt.stat", "Did you mean 'salt.state'"), ("file.managed", "for minions")]
)
def test_what_is_no_state_of_orchestrations_is_named(name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        words.find(name)


@given(st.integers(0, 100), st.integers(0, 10_000))
def test_a_percentage_allows_no_more_than_that(percentage: int, total: int) -> None:
    found = allowed(f"{percentage}%").of(total)
    assert found * 100 <= percentage * total < (found + 1) * 100


@given(st.text(max_size=8))
def test_allow_fail_is_read_or_refused(text: str) -> None:
    try:
        assert isinstance(allowed(text), Allowed)
    except WordError:
        assert not text.strip().isascii() or not text.strip().removesuffix("%").isdigit() or len(text) > 3
