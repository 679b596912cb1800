"""What is told of an orchestration before anything runs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master import runners
from master.orchestrate import _check
from master.orchestration.load import Wanted, asked_by, compiled, wanted
from master.orchestration.parts import Parts
from saltern.config import MasterConfig
from saltern.errors import SalternError, SourceError, UsageError
from saltern.orchestration.asked import OnMinions
from saltern.orchestration.words import WORDS
from saltern.sls.low import Low
from saltern.sls.state_tree import StateTree

EXAMPLE = Path(__file__).parents[4] / "examples" / "opennebula" / "states"


def lows(folder: Path, asked: Wanted, call: Any = None) -> list[Low]:
    nothing: Any = None
    config = MasterConfig(root=folder, file_roots={"base": [str(folder)]}, nodegroups={"nodes": "node*"})
    parts = Parts(config, nothing, runners.check, nothing, runners.TELLING)
    return compiled(config, asked, call, lambda low: _check(low, parts))


def test_the_example_runs_the_filer_then_the_nodes_then_the_front_end() -> None:
    found = lows(EXAMPLE, wanted("orch.platform", "base", None, {"at_once": 1}, None))
    assert [low.id for low in found][:4] == ["everybody is here", "filer", "nodes", "front end"]
    nodes = asked_by(found[2])
    assert isinstance(nodes, OnMinions)
    assert (nodes.batch, nodes.tgt) == ("1", "on-node*")


def test_a_template_knows_the_pillar_some_settings_and_runners_that_tell(tmp_path: Path) -> None:
    (tmp_path / "a.sls").write_text(
        "{{ pillar.p }}{{ opts.test }}{{ opts.nodegroups.nodes }}{{ salt['saltutil.runner']('x.y', 1, a=2) }}:\n"
        "  salt.runner: [name: manage.up]\n"
    )
    asked = wanted("a", "base", True, {"p": "P"}, None)
    [low] = lows(tmp_path, asked, lambda name, arg, a: f"{name}{arg}{a}")
    assert low.id == "PTruenode*x.y12"


@pytest.mark.parametrize(
    "text",
    [
        "{{ opts.returners }}",  # a password may stand there
        "{{ salt['cmd.run']('id') }}",
        "#!py\ndef run():\n    return {}\n",
        "x:\n  salt.state: [tgt: nodes, tgt_type: nodegroup, sls: nosuch]\n",
        "x:\n  salt.state: [tgt: nosuch, tgt_type: nodegroup, highstate: True]\n",
        "x:\n  salt.state: [tgt: a, sls: a, saltenv: dev]\n",
        "x:\n  salt.parallel_runners: [runners: {y: {name: no.such}}]\n",
    ],
)
def test_what_is_not_there_is_an_error_with_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.sls").write_text(text)
    with pytest.raises(SourceError, match=r"a\.sls:[12]"):
        lows(tmp_path, wanted("a", "base", None, None, None))


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.sls").write_text("x:\n  salt.runner: [name: a.b]\ny:\n  salt.runner: [name: c.d]\n")
    with pytest.raises(SourceError, match=r"2 errors:\na\.sls:1:1: .*\na\.sls:3:1: "):
        lows(tmp_path, wanted("a", "base", None, None, None))


@pytest.mark.parametrize(
    "given",
    [
        {"mods": 5},
        {"mods": []},
        {"mods": "a,,b"},
        {"saltenv": "../x"},
        {"test": "yes"},
        {"pillar": [1]},
        {"exclude": 5},
    ],
)
def test_arguments_of_the_wrong_kind_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        wanted(**{"mods": "a", "saltenv": "base", "test": None, "pillar": None, "exclude": None, **given})


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["*", "a.b", "25%"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
ARGUMENTS = st.sampled_from(
    [
        *("name", "tgt", "tgt_type", "sls", "highstate", "arg", "kwarg", "batch", "subset", "timeout", "allow_fail"),
        *("fail_minions", "runners", "match", "id_list", "event_id", "pillar", "require", "order", "retry", "failhard"),
    ]
)


@given(st.sampled_from(sorted(WORDS)), st.dictionaries(ARGUMENTS, VALUES, max_size=5))
def test_whatever_stands_in_a_state_is_understood_or_refused(word: str, arguments: dict[str, Any]) -> None:
    from saltern.config import Config
    from saltern.context import Context
    from saltern.files import LocalFiles
    from saltern.orchestration import words
    from saltern.sls.check import Signatures

    ctx = Context(id="master", config=Config(), grains={}, pillar={}, files=LocalFiles({}))
    with suppress(SalternError):  # nothing else may come
        for low in StateTree(ctx, Signatures(words.find)).data({"x": {word: [{k: v} for k, v in arguments.items()]}}):
            assert WORDS[word](low.name, **low.args) == asked_by(low)
