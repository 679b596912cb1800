"""Compiling is a pure function: the same tree, grains and pillar give the same bytes, whatever order they come in."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saltern.errors import SalternError
from saltern.sls.state_tree import StateTree
from tests.patience import WAIT_S
from tests.unit.saltern.sls.files import context
from tests.unit.saltern.sls.test_formula import FORMULA

SEEDS = 20
STATES = {
    **FORMULA,
    "top.sls": "base:\n  '*': [web, many]\n  'os:Debian':\n    - match: grain\n    - extra.*\n",
    "many.sls": """\
        {% for name in ['a', 'b', 'c', 'a'] | unique | union(['d']) %}
        {{ name }}: {test.nop: [require_in: [test: 'z*', id: zz], watch: ['y*']]}
        {% endfor %}
        y1: test.nop
        y2: {test.nop: [names: [n1, n2]]}
        zz: {test.nop: [use: [y1, y2]]}
        z1: test.nop
        """,
    "extra/one.sls": "e1: {test.nop: [require: [sls: many], onchanges: [test: y1]]}\n",
    "extra/two.sls": "include: [extra.one]\nextend:\n  e1: {test: [prereq: [test: e2]]}\ne2: test.nop\n",
}
PILLAR = {
    "top.sls": "base:\n  '*': [one, two]\n  'G@os:Debian or L@m1,m2': ['w*']\n",
    "one.sls": "include:\n  - w2: {key: 'deep:er'}\na: {x: 1, l: [1, 2]}\n",
    "two.sls": "a: {y: {{ grains.os | json }}}\nseen: {{ ['b', 'a'] | union(['c']) | json }}\n",
    "w1.sls": "w: {one: 1}\n",
    "w2.sls": "w: {two: 2}\n",
}
CODE = """
import sys
from pillar.compiler import compile_pillar
from saltern.config import Config
from saltern.context import Context
from saltern.files import LocalFiles
from saltern.sls.state_tree import StateTree

folder, grains = sys.argv[1], {"os": "Debian", "id": "m1", "roles": ["a", "b"]}
found = compile_pillar(LocalFiles({"base": [folder + "/pillar/base"]}), "m1", grains, strategy="aggregate")
files = LocalFiles({"base": [folder + "/states/base"]})
ctx = Context(id="m1", config=Config(), grains=grains, pillar=found, files=files)
tree = StateTree(ctx)
print(found, tree.top(), [(x.tag, x.order, x.sls, x.requisites, x.args, x.options, x.place) for x in tree.low()])
"""
_FOLDERS = itertools.count()


def test_the_same_bytes_come_out_under_any_hash_seed(tmp_path: Path) -> None:
    for name, tree in (("states", STATES), ("pillar", PILLAR)):
        context(tmp_path / name, {path: dedent(text) for path, text in tree.items()})
    shown = set()
    for first in range(0, SEEDS, 4):  # a few at a time: most of it is starting
        started = [
            subprocess.Popen(
                [sys.executable, "-c", CODE, str(tmp_path)],
                env={**os.environ, "PYTHONHASHSEED": str(seed)},
                stdout=subprocess.PIPE,
                text=True,
            )
            for seed in range(first, first + 4)
        ]
        for process in started:
            shown.add(process.communicate(timeout=WAIT_S)[0])
            assert process.returncode == 0
    assert len(shown) == 1
    [only] = shown
    assert "test_|-e1_|-e1_|-nop" in only
    assert "'deep': {'er': {'w': {'two': 2}}}" in only


def _shuffled(value: Any, chance: random.Random) -> Any:
    """VALUE with the keys of its mappings in another order."""
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: _shuffled(value[key], chance) for key in keys}
    return [_shuffled(inner, chance) for inner in value] if isinstance(value, list) else value


def _compiled(folder: Path, order: random.Random) -> Any:
    grains = {"os": "Debian", "id": "m1", "more": {"a": 1, "b": [{"c": 1, "d": 2}]}}
    pillar = {"web": {"ports": [80, 81], "user": "w"}, "other": {"x": 1, "y": 2}}
    place = folder / str(next(_FOLDERS))
    ctx = context(place, _shuffled(STATES, order), grains=_shuffled(grains, order), pillar=_shuffled(pillar, order))
    return [(low.tag, low.order, low.sls, low.requisites, low.args) for low in StateTree(ctx).low()]


@settings(max_examples=12)
@given(st.integers(0, 10**6))
def test_no_order_of_files_and_mappings_matters(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    folder = tmp_path_factory.mktemp("trees")
    assert _compiled(folder, random.Random(seed)) == _compiled(folder, random.Random(seed + 1))


EDGES = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda e: e[0] != e[1]), max_size=14)


def _has_circle(edges: list[tuple[int, int]]) -> bool:
    """Whether what is left after taking away, again and again, the states that wait for nothing."""
    left = set(edges)
    while left:
        waiting = {who for who, _ in left}
        rest = {(who, what) for who, what in left if what in waiting}
        if rest == left:
            return True
        left = rest
    return False


@settings(max_examples=60)
@given(EDGES, st.data())
def test_a_graph_of_requisites_is_ordered_or_refused_with_its_circle(
    tmp_path_factory: pytest.TempPathFactory, edges: list[tuple[int, int]], data: st.DataObject
) -> None:
    edges = list(dict.fromkeys(edges))
    lines = []
    for state in range(8):
        lines.append(f"s{state}:\n  test.nop:\n    - order: {data.draw(st.integers(1, 9))}\n")
        for who, what in edges:
            kind = data.draw(st.sampled_from(["require", "watch", "onchanges", "onfail", "require_any"]))
            if who == state:
                lines.append(f"    - {kind}:\n      - test: s{what}\n")
    ctx = context(tmp_path_factory.mktemp("graph"), {"a.sls": "".join(lines)})
    if _has_circle(edges):
        with pytest.raises(SalternError, match=r"requisites in a circle: test: s[0-7] → "):
            StateTree(ctx).low(["a"])
        return
    place = {low.id: number for number, low in enumerate(StateTree(ctx).low(["a"]))}
    assert all(place[f"s{what}"] < place[f"s{who}"] for who, what in edges)
