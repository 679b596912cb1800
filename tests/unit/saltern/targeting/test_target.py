"""What each form of target matches."""

from __future__ import annotations

import ast
import signal
import time
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saltern.secret import Secret
from saltern.targeting import FORMS, MinionView, TargetError, budget, compile_target, matches
from saltern.targeting.errors import EndlessTarget
from saltern.targeting.expression import And, Node, Not, Or, Term, unparse

WEB1 = MinionView(
    id="web1.example.org",
    grains={
        "os": "Debian",
        "osrelease": "12",
        "num_cpus": 4,
        "kvm_usable": True,
        "role": ["web", "Cache"],
        "bridges": [],
        "systemd": {"version": "252"},
        "ip4_interfaces": {"br43": ["192.168.43.1"], "lo": ["127.0.0.1"]},
        "odd:key": {"x": "y"},
        "disks": [{"name": "sda", "size": 10}, {"name": "sdb", "size": 20}],
        "ipv4": ["127.0.0.1", "192.168.43.1"],
        "ipv6": ["::1", "fe80::1"],
        "empty": "",
        "path": "/usr/bin:/bin",
    },
    pillar={"vlans": {43: {"mtu": 9000}}, "role": "frontend", "key": Secret("hush"), "star*": "a*"},
)


@pytest.mark.parametrize(
    ("form", "expression", "wanted"),
    [
        ("glob", "*", True),
        ("glob", "web1.example.org", True),
        ("glob", "web1", False),
        ("glob", "WEB1*", False),
        ("glob", "web[0-9].*", True),
        ("glob", "web[!0-9].*", False),
        ("glob", "web?.example.org", True),
        ("pcre", "web", True),  # anchored at the start only
        ("pcre", "example", False),
        ("pcre", r"web\d\.(example|test)\.org$", True),
        ("list", "a,web1.example.org", True),
        ("list", "a, web1.example.org ,b", True),
        ("list", "web*", False),
        ("grain", "os:Debian", True),
        ("grain", "os:debian", True),
        ("grain", "os:Deb*", True),
        ("grain", "os:Deb", False),
        ("grain", "os:", False),
        ("grain", "empty:", True),
        ("grain", "num_cpus:4", True),
        ("grain", "kvm_usable:true", True),
        ("grain", "role:cache", True),
        ("grain", "role:c*", True),
        ("grain", "role:db", False),
        ("grain", "bridges:*", False),
        ("grain", "systemd:version", True),
        ("grain", "systemd:version:252", True),
        ("grain", "systemd:*", True),
        ("grain", "missing:*", False),
        ("grain", "ip4_interfaces:br43:192.168.43.*", True),
        ("grain", "ip4_interfaces:*:192.168.43.1", True),
        ("grain", "ip4_interfaces:br4*:192.168.43.1", False),  # keys are names, not globs
        ("grain", "ip4_interfaces:br43:0:192.168.43.1", True),
        ("grain", "ip4_interfaces:br43:1:192.168.43.1", False),
        ("grain", "odd:key:x:y", True),
        ("grain", "disks:name:sdb", True),
        ("grain", "disks:1:size:20", True),
        ("grain", "disks:name:sdc", False),
        ("grain", "path:/usr/bin:/bin", True),
        ("grain", "ipv6:fe80::1", True),
        ("grain_pcre", "os:(Debian|Ubuntu)", True),
        ("grain_pcre", "os:deb", True),
        ("grain_pcre", r"osrelease:\d+$", True),
        ("grain_pcre", r"osrelease:\D", False),
        ("grain_pcre", "os:(?:Debian)", True),
        ("pillar", "role:front*", True),
        ("pillar", "vlans:43:mtu:9000", True),
        ("pillar", "vlans:44:mtu:9000", False),
        ("pillar", "key:*", False),  # a secret is never compared
        ("pillar", "key:hush", False),
        ("pillar", "key:[*]*", False),
        ("pillar_pcre", "role:f.*d$", True),
        ("pillar_exact", "role:frontend", True),
        ("pillar_exact", "role:front*", False),
        ("pillar_exact", "vlans:*:mtu:9000", False),
        ("pillar_exact", "star*:a*", True),
        ("ipcidr", "192.168.43.1", True),
        ("ipcidr", "192.168.43.0/24", True),
        ("ipcidr", "10.0.0.0/8", False),
        ("ipcidr", "0.0.0.0/0", True),
        ("ipcidr", "fe80::/10", True),
        ("ipcidr", "fe80::1", True),
        ("ipcidr", "fd00::/8", False),
        ("compound", "G@os:Debian and web*", True),
        ("compound", "G@os:Debian and not web*", False),
        ("compound", "web9* or ( P@os:deb and S@192.168.43.0/24 )", True),
        ("compound", "web9* or (P@os:deb and S@10.0.0.0/24)", False),
        ("compound", "L@a,web1.example.org and J@role:f", True),
        ("compound", "G|@systemd|version|252 and I/@role/frontend", True),
        ("compound", r"E@web\d and N@fronts", True),
    ],
)
def test_a_form_matches_what_it_says(form: str, expression: str, wanted: bool) -> None:
    assert matches(expression, form, WEB1, nodegroups={"fronts": "G@role:web"}) is wanted


def test_another_delimiter_parts_the_keys() -> None:
    assert matches("ip4_interfaces|br43|192.168.43.1", "grain", WEB1, delimiter="|")
    assert matches("G@ipv6|fe80::1", "compound", WEB1, delimiter="|")
    assert not matches("os:Debian|x", "grain", WEB1, delimiter="|")


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("expression", ["", "  ", []])
def test_an_empty_target_matches_nothing(form: str, expression: str | list[str]) -> None:
    target = compile_target(expression, form)
    assert not target.matches(WEB1)
    assert target.exact_ids() == frozenset()


def test_a_list_of_commas_matches_nothing() -> None:
    assert not matches(",,", "list", MinionView(""))


@pytest.mark.parametrize(
    ("form", "expression", "ids"),
    [
        ("glob", "web1", {"web1"}),
        ("glob", "web*", None),
        ("list", "a,b", {"a", "b"}),
        ("pcre", "web1", None),
        ("grain", "id:web1", None),
        ("compound", "web1 or L@a,b", {"web1", "a", "b"}),
        ("compound", "web1 and L@a,b", None),
        ("compound", "not web1", None),
        ("nodegroup", "two", {"a", "b"}),
        ("compound", "N@two or c", {"a", "b", "c"}),
        ("compound", "N@wild or c", None),
    ],
)
def test_the_ids_that_a_target_names_are_known(form: str, expression: str, ids: set[str] | None) -> None:
    target = compile_target(expression, form, nodegroups={"two": ["a", "b"], "wild": "web*"})
    assert target.exact_ids() == (None if ids is None else frozenset(ids))


def test_words_and_ids_may_come_as_a_sequence() -> None:
    assert matches(["G@os:Debian", "and", "web*"], "compound", WEB1)
    assert matches(["a", "web1.example.org"], "list", WEB1)


def test_lazy_pillar_is_rendered_only_when_a_target_looks_at_it() -> None:
    asked: list[str] = []

    def pillar() -> Mapping[str, Any]:
        asked.append("pillar")
        return {"role": "db"}

    minion = MinionView("db1", {"os": "Debian"}, pillar)
    assert not matches("G@os:Windows and I@role:db", "compound", minion)
    assert asked == []
    assert matches("I@role:db", "compound", minion)
    assert asked == ["pillar"]


# Nodegroups


def test_a_nodegroup_is_an_expression_its_words_or_its_members() -> None:
    groups = {
        "text": "L@a,b and not b",
        "words": ["G@os:Debian", "and", "not", "web2*"],
        "members": ["db1", "web1*", "N@text"],
        "none": [],
    }
    assert [matches(name, "nodegroup", MinionView("a"), nodegroups=groups) for name in groups] == [
        True, False, True, False,
    ]  # fmt: skip
    assert [matches(name, "nodegroup", WEB1, nodegroups=groups) for name in groups] == [False, True, True, False]


def test_a_loop_of_nodegroups_is_shown_as_a_path() -> None:
    groups = {"a": "N@b or x", "b": ["y", "N@c"], "c": "not N@b"}
    with pytest.raises(TargetError, match="contain each other: b → c → b"):
        compile_target("a", "nodegroup", nodegroups=groups)


def test_an_unknown_nodegroup_is_answered_with_the_nearest() -> None:
    with pytest.raises(TargetError, match=r"no nodegroup 'filer'. Did you mean 'filers'") as caught:
        compile_target("web* or N@filer", "compound", nodegroups={"filers": "x"})
    assert caught.value.column == 11


def test_an_error_in_a_nodegroup_is_shown_in_its_definition() -> None:
    with pytest.raises(TargetError) as caught:
        compile_target("web* or N@filers", "compound", nodegroups={"filers": "a or X@b"})
    assert caught.value.expression == "a or X@b"
    assert caught.value.column == 6
    assert "(in nodegroup 'filers')" in str(caught.value)


def test_a_nodegroup_of_another_kind_is_refused() -> None:
    with pytest.raises(TargetError, match="neither a compound expression nor a list"):
        compile_target("n", "nodegroup", nodegroups={"n": {"a": 1}})  # type: ignore[dict-item]


def test_a_nodegroup_used_often_is_read_once() -> None:
    groups = {"g0": "web*"} | {f"g{n}": f"N@g{n - 1} or N@g{n - 1}" for n in range(1, 40)}
    target = compile_target("g39", "nodegroup", nodegroups=groups)
    assert target.matches(WEB1)


# Errors of single forms


@pytest.mark.parametrize(
    ("form", "expression", "column", "problem", "hint"),
    [
        ("glob", "a,b", 2, "',' stands in no minion id", "-L"),
        ("glob", "G@os:Debian", 2, "'@' stands in no minion id", "-C"),
        ("glob", "web* or db*", 5, "' ' stands in no minion id", "-C"),
        ("glob", "os:Debian", 3, "':' stands in no minion id", "-G"),
        ("glob", "web(1|2)", 4, "'(' stands in no minion id", "-E"),
        ("glob", "wëb", 2, "stands in no minion id", "wildcards"),
        ("pcre", "web(1|2", 4, "missing )", ""),
        ("pcre", "x" * 2000, 1025, "more than 1024", ""),
        ("grain", "os", 3, "':' and a value are missing", "KEY:VALUE"),
        ("grain", ":os", 1, "the key is missing", "KEY:VALUE"),
        ("grain", "a:" * 100 + "b", 200, "more than 100 keys", ""),
        ("grain_pcre", "os:Deb(", 7, "missing )", ""),
        ("grain_pcre", "os:", 4, "regular expression is missing", ""),
        ("ipcidr", "192.168.43.1/24", 13, "not the first address", "Write 192.168.43.0/24."),
        ("ipcidr", "192.168.43.0/33", 14, "not the length", "number of bits"),
        ("ipcidr", "br43", 1, "not an IP address", "fd00::/8"),
        ("compound", "web1 and P@os:Deb(", 18, "missing )", ""),
        ("compound", "web1 and S@10.0.0.300", 12, "not an IP address", ""),
        ("compound", "web1 and os:Debian", 12, "':' stands in no minion id", "G@"),
        ("compound", "a or L@,", 8, "no id in this list", ""),
    ],
)
def test_an_error_of_a_form_points_at_the_character(
    form: str, expression: str, column: int, problem: str, hint: str
) -> None:
    with pytest.raises(TargetError) as caught:
        compile_target(expression, form)
    assert problem in caught.value.problem
    assert hint in caught.value.hint
    assert (caught.value.column, caught.value.expression) == (column, expression)


def test_an_unknown_form_is_answered_with_the_nearest() -> None:
    with pytest.raises(TargetError, match=r"'compund'. Did you mean 'compound'"):
        compile_target("a", "compund")


def test_a_regular_expression_is_not_tried_on_a_huge_value() -> None:
    assert matches("motd:.*a", "grain_pcre", MinionView("a", {"motd": "a" * 1024}))
    assert not matches("motd:.*a", "grain_pcre", MinionView("a", {"motd": "a" * 1025}))


# Hostile and odd grains

_scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=3))
_grains = st.dictionaries(
    st.sampled_from(["a", "b", "a:b", "1", "ipv4", "ipv6"]),
    st.recursive(
        _scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "a:b", "*"]), inner, max_size=3)
        ),
        max_leaves=10,
    ),
)


@given(_grains, st.sampled_from(sorted(FORMS)), st.text(alphabet="ab:*1[(.,/@ GINor", max_size=12))
@settings(max_examples=300)
def test_nothing_but_a_target_error_is_raised(grains: dict[str, Any], form: str, text: str) -> None:
    try:
        target = compile_target(text, form, nodegroups={"a": "N@b", "b": ["*"]})
    except TargetError as error:
        shown = str(error)
    else:
        assert target.matches(MinionView("ab", grains, grains)) in (True, False)
        return
    assert shown.startswith("can't read the target: ")


def test_grains_of_any_depth_or_size_are_harmless() -> None:
    deep: Any = "x"
    for _ in range(50_000):
        deep = {"a": [deep]}
    minion = MinionView("m", {"a": deep, "n": 10**6000, "l": [[["x"]]], "ipv4": "10.0.0.1", "ipv6": 7})
    assert not matches("a:" * 99 + "x", "grain", minion)
    assert not matches("n:1*", "grain", minion)
    assert not matches("l:x", "grain", minion)
    assert not matches("10.0.0.1", "ipcidr", minion)
    assert not matches("::1", "ipcidr", minion)
    while isinstance(deep, dict):  # take it apart by hand: freeing it recursively is the interpreter's trouble
        deep = deep.pop("a").pop()


def test_grains_are_compared_and_never_rendered_or_evaluated() -> None:
    minion = MinionView("m", {"os": "{{ 7*7 }}", "x": "*", "y": "(a+)+$"})
    assert not matches("os:49", "grain", minion)
    assert not matches("x:anything", "grain", minion)
    assert matches("y:(a+)+$", "pillar_exact", MinionView("m", {}, minion.grains))


@pytest.mark.parametrize(
    ("form", "expression"),
    [
        ("pcre", "(a+)+$"),
        ("grain_pcre", "long:(a+)+$"),
        ("pillar_pcre", "long:(a|a)*$"),
        ("grain_pcre", r"deep:x:(a*)*\1$"),
        ("compound", "db* or E@(a+)+$"),
        ("nodegroup", "loops"),
    ],
)
def test_a_regular_expression_without_an_end_is_ended_with_the_minion_where_it_was(
    monkeypatch: pytest.MonkeyPatch, form: str, expression: str
) -> None:
    monkeypatch.setattr(budget, "LIMIT_S", 0.1)
    long = "a" * 60 + "b"
    target = compile_target(expression, form, nodegroups={"loops": "G@os:x or E@(a+)+$"})
    minion = MinionView(long, {"long": long, "deep": {"x": long}}, {"long": long})
    before = signal.getsignal(signal.SIGPROF)
    with pytest.raises(EndlessTarget, match=f"take more than 0.1 s of processor time, the last at {long}"):
        target.matches(minion)
    with pytest.raises(EndlessTarget):  # the time of one target is one time, however many minions there are
        target.matches(minion)
    assert (signal.getsignal(signal.SIGPROF), signal.getitimer(signal.ITIMER_PROF)) == (before, (0.0, 0.0))


def test_a_large_fleet_and_what_is_read_only_now_cost_nothing_of_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "LIMIT_S", 0.2)

    class Slow(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:  # as grains that are looked up when they are asked for
            until = time.thread_time() + 0.3
            while time.thread_time() < until:
                pass
            return super().get(key, default)

    many = MinionView("m", {"l": [str(number) for number in range(2000)]})
    target = compile_target("l:^1999$", "grain_pcre")
    began = time.thread_time()
    while time.thread_time() - began < 0.4:
        assert target.matches(many)
    assert compile_target("a:^b", "grain_pcre").matches(MinionView("m", Slow(a="b")))


# The compound language against a plain evaluation

_atoms = st.sampled_from(["a*", "*b", "G@k:1", "G@k:2", "E@^a.*b$", "L@ab,b", "*"])


def _tree(text: str) -> Term:
    letter, found, pattern = text.partition("@")
    return Term(letter, "", pattern) if found else Term("", "", text)


_trees: st.SearchStrategy[Node] = st.recursive(
    _atoms.map(_tree),
    lambda kids: st.one_of(
        st.builds(Not, kids),
        st.builds(And, st.lists(kids, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(kids, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


def _reference(node: Node, minion: MinionView) -> bool:
    plain: dict[str, bool] = {
        "a*": minion.id.startswith("a"),
        "*b": minion.id.endswith("b"),
        "*": True,
        "k:1": minion.grains["k"] == 1,
        "k:2": minion.grains["k"] == 2,
        "^a.*b$": minion.id.startswith("a") and minion.id.endswith("b") and len(minion.id) > 1,
        "ab,b": minion.id in ("ab", "b"),
    }
    match node:
        case Term(pattern=pattern):
            return plain[pattern]
        case Not(item):
            return not _reference(item, minion)
        case And(items):
            return all(_reference(item, minion) for item in items)
        case Or(items):
            return any(_reference(item, minion) for item in items)


@given(_trees, st.sampled_from(["a", "b", "ab", "cb", "ac"]), st.sampled_from([1, 2]))
def test_a_compound_target_means_what_its_tree_says(tree: Node, id: str, k: int) -> None:
    minion = MinionView(id, {"k": k})
    target = compile_target(unparse(tree), "compound")
    assert target.matches(minion) is _reference(tree, minion)
    named = target.exact_ids()
    if named is not None:
        assert target.matches(minion) is (id in named)


def _python_reads(text: str) -> bool:
    """Whether TEXT is a logical expression of Python: `()` and `a(b)` are other things there."""
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError:
        return False
    return not any(isinstance(node, ast.Tuple | ast.Call) for node in ast.walk(tree))


@given(st.lists(st.sampled_from(["a", "b", "and", "or", "not", "(", ")"]), max_size=9))
@settings(max_examples=300)
def test_precedence_is_that_of_python(words: list[str]) -> None:
    text = " ".join(words)
    try:
        target = compile_target(text, "compound")
    except TargetError:
        assert not _python_reads(text)
        return
    if not words:
        return
    for id in ("a", "b", "c"):
        names = {"a": id == "a", "b": id == "b"}
        assert target.matches(MinionView(id)) is bool(eval(text, {}, names))
