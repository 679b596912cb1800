"""The compound language: what it reads, how it binds, where its errors point."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.targeting import TargetError
from saltern.targeting.expression import MAX_DEPTH, And, Node, Not, Or, Term, end_of_pattern, parse, unparse


def glob(pattern: str) -> Term:
    return Term("", "", pattern)


A, B, C = glob("a"), glob("b"), glob("c")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("web*", glob("web*")),
        ("G@os:Debian", Term("G", "", "os:Debian")),
        ("G|@key|value", Term("G", "|", "key|value")),
        ("J/@a/b:c/x", Term("J", "/", "a/b:c/x")),
        ("a and b or c", Or((And((A, B)), C))),
        ("a or b and c", Or((A, And((B, C))))),
        ("not a and b", And((Not(A), B))),
        ("not a or b", Or((Not(A), B))),
        ("not not a", Not(Not(A))),
        ("not ( a and b )", Not(And((A, B)))),
        ("a and not b", And((A, Not(B)))),
        ("a and ( b or c )", And((A, Or((B, C))))),
        ("a and (b or c)", And((A, Or((B, C))))),
        ("(a)", A),
        ("((a or b)and c)", And((Or((A, B)), C))),
        ("not(a)", Not(A)),
        ("  a\tand\nb  ", And((A, B))),
        ("a and (b and c)", And((A, And((B, C))))),
        ("E@web(1|2)", Term("E", "", "web(1|2)")),
        ("(E@web(1|2))", Term("E", "", "web(1|2)")),
        ("(E@web(1|2) or a)", Or((Term("E", "", "web(1|2)"), A))),
        (r"(E@a\) or b)", Or((Term("E", "", r"a\)"), B))),
        ("(E@a[)(] or b)", Or((Term("E", "", "a[)(]"), B))),
        ("(E@a[^])] or b)", Or((Term("E", "", "a[^])]"), B))),
        ("L@a,b and not c", And((Term("L", "", "a,b"), Not(C)))),
        ("android", glob("android")),
        ("or1 and not-2", And((glob("or1"), glob("not-2")))),
        ("S@fd00::/8", Term("S", "", "fd00::/8")),
        ("N@filers", Term("N", "", "filers")),
        ("I@user:root@node", Term("I", "", "user:root@node")),
    ],
)
def test_an_expression_is_read_as_documented(text: str, tree: Node) -> None:
    assert parse(text) == tree


@pytest.mark.parametrize("text", ["", "   ", "\t\n"])
def test_a_blank_expression_has_no_tree(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "column", "problem", "hint"),
    [
        ("web* and X@foo", 10, "unknown letter 'X'", "S (ipcidr)"),
        ("g@os:Debian", 1, "unknown letter 'g'", "Write G@"),
        ("E|@a", 2, "E@ takes no delimiter", "G, I, J, P"),
        ("a b", 3, "'and' or 'or' is missing", ""),
        ("a AND b", 3, "'and' or 'or' is missing", "Write 'and'"),
        ("a not b", 3, "'and' or 'or' is missing", ""),
        ("a and", 6, "something to match is missing here", ""),
        ("a and or b", 7, "missing before 'or'", ""),
        ("or b", 1, "missing before 'or'", ""),
        ("not", 4, "something to match is missing here", ""),
        ("( a or b", 1, "never closed", "Add a ')'"),
        ("a or ()", 7, "missing before ')'", ""),
        ("a )", 3, "closes nothing", "Remove it"),
        ("(a b)", 4, "'and', 'or' or ')' is missing", ""),
        ("G@ and b", 3, "pattern after 'G@' is missing", ""),
        ("web@foo", 4, "'@' stands in no minion id", "The letters are"),
        ("(" * 200 + "a", MAX_DEPTH + 1, "more than 100 levels", ""),
        ("not " * 200 + "a", 4 * MAX_DEPTH + 1, "more than 100 levels", ""),
    ],
)
def test_an_error_points_at_the_character(text: str, column: int, problem: str, hint: str) -> None:
    with pytest.raises(TargetError) as caught:
        parse(text)
    assert problem in caught.value.problem
    assert hint in caught.value.hint
    assert caught.value.column == column
    assert caught.value.expression == text


def test_the_message_shows_the_expression_a_caret_and_a_hint() -> None:
    with pytest.raises(TargetError) as caught:
        parse("web* and X@foo")
    first, excerpt, caret, hint = str(caught.value).splitlines()
    assert first == "can't read the target: unknown letter 'X'"
    assert excerpt == "  web* and X@foo"
    assert caret.index("^") == excerpt.index("X")
    assert hint.startswith("The letters are G (grain)")
    assert caught.value.exit_code == 2


def test_a_long_expression_is_shown_around_the_fault() -> None:
    with pytest.raises(TargetError) as caught:
        parse("web1 or " * 50 + "X@y" + " or web2" * 50)
    _, excerpt, caret, _ = str(caught.value).splitlines()
    assert len(excerpt) < 82
    assert excerpt[caret.index("^")] == "X"


def test_control_characters_are_not_shown() -> None:
    with pytest.raises(TargetError) as caught:
        parse("a\x1b[31m X@b")
    assert "\x1b" not in str(caught.value)


def test_reading_is_linear_in_the_length() -> None:
    assert end_of_pattern("[" * 500_000, 0) == 500_000
    assert isinstance(parse(" or ".join(["web1"] * 50_000)), Or)


_word = st.from_regex(r"[a-z][a-z0-9.*?-]{0,8}", fullmatch=True).filter(lambda word: word not in ("and", "or", "not"))
_pattern = st.one_of(_word, st.sampled_from(["a(b|c)", "[)]x", r"\(y", "a:b:c", "(?:z)", "x@y", "[a-z]*"]))
_terms = st.one_of(
    st.builds(Term, st.just(""), st.just(""), _word),
    st.builds(Term, st.sampled_from("ELSN"), st.just(""), _pattern),
    st.builds(Term, st.sampled_from("GPIJ"), st.sampled_from(["", "|", "/", ":", "%"]), _pattern),
)


def _branches(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(children, min_size=2, max_size=3).map(tuple)
    return st.one_of(st.builds(Not, children), st.builds(And, several), st.builds(Or, several))


trees: st.SearchStrategy[Node] = st.recursive(_terms, _branches, max_leaves=12)


@given(trees)
def test_what_is_printed_is_read_as_the_same_tree(tree: Node) -> None:
    assert parse(unparse(tree)) == tree


@given(trees)
def test_parentheses_may_stand_close(tree: Node) -> None:
    assert parse(unparse(tree).replace("( ", "(").replace(" )", ")")) == tree


@given(st.one_of(st.text(), st.text(alphabet="GPELX@():|&[]\\ andort,*", max_size=40)))
def test_arbitrary_text_is_read_or_refused_at_a_place(text: str) -> None:
    column = 1
    try:
        parse(text)
    except TargetError as error:
        column = error.column
    assert 1 <= column <= len(text) + 1
