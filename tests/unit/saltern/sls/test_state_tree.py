"""The rules by which SLS files become a low state."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from saltern.config import Config
from saltern.errors import SourceError
from saltern.sls.low import Low
from saltern.sls.problems import SourceErrors
from saltern.sls.state_tree import StateTree
from tests.unit.saltern.sls.files import DictFiles, context

_FOLDERS = itertools.count()


def low(tmp_path: Path, tree: dict[str, Any] | str, *names: str, **given: Any) -> list[Low]:
    """The low state of NAMES (`a` where none is given); a text is the file a.sls."""
    texts = {"a.sls": tree} if isinstance(tree, str) else tree
    return StateTree(context(tmp_path / str(next(_FOLDERS)), texts)).low(names or ("a",), **given)


def ids(found: list[Low]) -> list[str]:
    return [each.id for each in found]


def needs(found: list[Low], id: str) -> list[str]:
    """The requisites of a state, as "kind module:ref"."""
    return [f"{r.kind} {r.module}:{r.ref}" for each in found if each.id == id for r in each.requisites]


@pytest.mark.parametrize(
    "text",
    [
        "x: test.nop\n",
        "x:\n  test.nop\n",
        "x:\n  test.nop: []\n",
        "x:\n  test.nop:\n",
        "x:\n  test: nop\n",
        "x:\n  test:\n    - nop\n",
        "x:\n  test:\n    - order: 10000\n    - nop\n",
        "#!yaml\nx: test.nop\n",
        "#!json\n" + json.dumps({"x": {"test.nop": []}}),
        "#!py\ndef run():\n    return {'x': {'test.nop': []}}\n",
        "__note: ignored\nx:\n  __note: ignored\n  test.nop: []\n",
    ],
)
def test_every_form_of_a_declaration_is_the_same_state(tmp_path: Path, text: str) -> None:
    (found,) = low(tmp_path, text)
    assert (found.tag, found.sls, found.saltenv, found.order) == ("test_|-x_|-x_|-nop", "a", "base", 10000)
    assert found.args == {}


def test_arguments_options_and_places_are_told_apart(tmp_path: Path) -> None:
    text = """\
    run it:
      cmd.run:
        - name: echo 1
        - cwd: /
        - creates: /x
        - unless: 'true'
        - failhard: true
        - retry: {attempts: 3}
        - require: []
    """
    (found,) = low(tmp_path, text)
    assert found.name == "echo 1"
    assert found.args == {"cwd": "/", "creates": "/x"}
    assert found.options == {"creates": "/x", "unless": "true", "failhard": True, "retry": {"attempts": 3}}
    assert str(found.place) == "a.sls:1:1"
    assert {name: str(place) for name, place in found.arg_places.items()} == {
        "cwd": "a.sls:4:7",
        "creates": "a.sls:5:7",
        "unless": "a.sls:6:7",
        "failhard": "a.sls:7:7",
        "retry": "a.sls:8:7",
    }


def test_an_option_that_is_no_argument_stays_an_option(tmp_path: Path) -> None:
    (found,) = low(tmp_path, "x:\n  test.nop:\n    - creates: /x\n    - runas: one\n")
    assert (found.args, found.options) == ({}, {"creates": "/x", "runas": "one"})


def test_an_argument_without_a_value_counts_as_not_given(tmp_path: Path) -> None:
    (found,) = low(tmp_path, "x:\n  cmd.run:\n    - shell:\n    - name: id\n")
    assert found.args == {}


def test_names_give_one_state_each_with_arguments_of_their_own(tmp_path: Path) -> None:
    text = "x:\n  cmd.run:\n    - cwd: /\n    - names:\n      - one\n      - two:\n        - cwd: /tmp\n      - 3\n"
    text += "y: test.nop\n"
    found = low(tmp_path, text)
    assert [(each.id, each.name, each.args.get("cwd")) for each in found] == [
        *(("x", "one", "/"), ("x", "two", "/tmp"), ("x", "3", "/")),
        ("y", "y", None),
    ]


def test_the_order_of_the_file_is_kept(tmp_path: Path) -> None:
    found = low(tmp_path, "c: test.nop\na: test.nop\nb: test.nop\n")
    assert ids(found) == ["c", "a", "b"]
    assert [each.order for each in found] == [10000, 10001, 10002]


def test_order_moves_states(tmp_path: Path) -> None:
    text = "a: {test.nop: [order: last]}\nb: test.nop\nc: {test.nop: [order: 1]}\nd: {test.nop: [order: first]}\n"
    assert ids(low(tmp_path, text)) == ["d", "c", "b", "a"]


def test_requisites_win_over_the_order_of_the_file_and_over_order(tmp_path: Path) -> None:
    text = "a: {test.nop: [require: [test: c]]}\nb: test.nop\nc: {test.nop: [order: last]}\n"
    assert ids(low(tmp_path, text)) == ["b", "c", "a"]


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        *((kind, ["y", "x"]) for kind in ("require", "watch", "onchanges", "onfail", "require_any", "onfail_all")),
        ("prereq", ["x", "y"]),
        ("listen", ["x", "y"]),
    ],
)
def test_a_requisite_orders_as_its_kind_says(tmp_path: Path, kind: str, order: list[str]) -> None:
    found = low(tmp_path, f"x: {{test.nop: [{kind}: [test: y]]}}\ny: test.nop\n")
    assert ids(found) == order
    assert needs(found, "x") == [f"{kind} test:y"]


@pytest.mark.parametrize("kind", ["require", "watch", "onchanges", "onfail", "prereq", "listen"])
def test_an_in_form_is_turned_round(tmp_path: Path, kind: str) -> None:
    turned = low(tmp_path, f"y: {{test.nop: [{kind}_in: [test: x]]}}\nx: test.nop\n")
    straight = low(tmp_path, f"y: test.nop\nx: {{test.nop: [{kind}: [test: y]]}}\n")
    assert needs(turned, "x") == needs(straight, "x") == [f"{kind} test:y"]
    assert needs(turned, "y") == []
    assert ids(turned) == ids(straight)


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("test: one", ["require test:one"]),
        ("test: the name", ["require test:the name"]),
        ("one", ["require id:one"]),
        ("the name", ["require test:one"]),
        ("test: t*", ["require test:one", "require test:two"]),
        ("sls: b", ["require sls:b"]),
        ("sls: 'b*'", ["require sls:b"]),
        ("sls: empty", []),
    ],
)
def test_a_requisite_names_ids_names_globs_and_sls(tmp_path: Path, reference: str, found: list[str]) -> None:
    tree = {
        "a.sls": f"include: [b, empty]\nx:\n  test.nop:\n    - require:\n      - {reference}\n",
        "b.sls": "one: {test.nop: [name: the name]}\ntwo: test.nop\n",
        "empty.sls": "# nothing yet\n",
    }
    states = low(tmp_path, tree)
    assert needs(states, "x") == found
    assert ids(states) == ["one", "two", "x"]


def test_a_requisite_on_its_own_sls_means_the_other_states(tmp_path: Path) -> None:
    assert ids(low(tmp_path, "x: {test.nop: [require: [sls: a]]}\ny: test.nop\nz: test.nop\n")) == ["y", "z", "x"]


def test_require_in_on_an_sls_reaches_each_of_its_states(tmp_path: Path) -> None:
    tree = {"a.sls": "include: [b]\nx: {test.nop: [require_in: [sls: b]]}\n", "b.sls": "y: test.nop\nz: test.nop\n"}
    found = low(tmp_path, tree)
    assert ids(found) == ["x", "y", "z"]
    assert needs(found, "y") == needs(found, "z") == ["require test:x"]


def test_use_copies_arguments_that_are_missing(tmp_path: Path) -> None:
    text = """\
    x:
      cmd.run:
        - name: id
        - cwd: /x
        - use: [cmd: y]
    y:
      cmd.run:
        - name: other
        - cwd: /y
        - shell: /bin/sh
        - onlyif: 'true'
        - require: [z]
    z: test.nop
    """
    found = next(each for each in low(tmp_path, text) if each.id == "x")
    assert (found.name, found.args, found.options) == ("id", {"cwd": "/x", "shell": "/bin/sh"}, {"onlyif": "true"})
    assert found.requisites == ()


def test_what_is_included_comes_first_and_once(tmp_path: Path) -> None:
    tree = {
        "a.sls": "include: [b, c]\na: test.nop\n",
        "b.sls": "include: [c]\nb: test.nop\n",
        "c.sls": "c: test.nop\n",
    }
    assert ids(low(tmp_path, tree)) == ["c", "b", "a"]
    assert ids(low(tmp_path, tree, "c", "b", "a", "b")) == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("including", "wanted"),
    [
        ("web/app.sls", "web.other"),
        ("web/app.sls", ".other"),
        ("web/init.sls", ".other"),
        ("web/deep/init.sls", "..other"),
        ("web/deep/x.sls", "..other"),
        ("x.sls", "web.oth*"),
        ("x.sls", "{base: web.other}"),
    ],
)
def test_an_include_is_found_from_where_it_is_said(tmp_path: Path, including: str, wanted: str) -> None:
    tree = {"web/other.sls": "other: test.nop\n", including: f"include:\n  - {wanted}\nx: test.nop\n"}
    name = including.removesuffix(".sls").removesuffix("/init").replace("/", ".")
    assert ids(low(tmp_path, tree, name)) == ["other", "x"]


def test_an_include_may_name_another_environment(tmp_path: Path) -> None:
    tree = {"base": {"a.sls": "include:\n  - dev: b\n  - c\na: test.nop\n"}, "dev": {"b.sls": "b: test.nop\n"}}
    tree["qa"] = {"c.sls": "c: test.nop\n"}
    found = low(tmp_path, tree)
    assert [(each.id, each.saltenv) for each in found] == [("b", "dev"), ("c", "qa"), ("a", "base")]


def test_extend_replaces_arguments_and_adds_requisites(tmp_path: Path) -> None:
    tree = {
        "a.sls": """\
            include: [b]
            extend:
              x:
                cmd:
                  - cwd: /new
                  - require:
                    - z
              by name:
                cmd.run:
                  - shell: /bin/sh
            z: test.nop
            """,
        "b.sls": """\
            x: {cmd.run: [{name: id}, {cwd: /old}, {require: [y]}]}
            y: test.nop
            q: {cmd.run: [{name: by name}]}
            """,
    }
    found = low(tmp_path, tree)
    extended = next(each for each in found if each.id == "x")
    assert extended.args == {"cwd": "/new"}
    assert str(extended.arg_places["cwd"]) == "a.sls:5:9"
    assert needs(found, "x") == ["require id:y", "require id:z"]
    assert next(each for each in found if each.id == "q").args == {"shell": "/bin/sh"}


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("[sls: b]", ["x"]),
        ("[id: y]", ["z", "x"]),
        ("[y]", ["z", "x"]),
        ("[id: '[yz]']", ["x"]),
        ("[]", ["y", "z", "x"]),
    ],
)
def test_exclude_takes_ids_and_sls_away(tmp_path: Path, said: str, left: list[str]) -> None:
    tree = {"a.sls": f"include: [b]\nexclude: {said}\nx: test.nop\n", "b.sls": "y: test.nop\nz: test.nop\n"}
    assert ids(low(tmp_path, tree)) == left


def test_exclude_may_come_from_outside(tmp_path: Path) -> None:
    tree = {"a.sls": "include: [b]\nx: test.nop\n", "b.sls": "y: test.nop\n"}
    assert ids(low(tmp_path, tree, exclude="b")) == ["x"]
    assert ids(low(tmp_path, tree, exclude=[{"id": "x"}])) == ["y"]


def test_ids_picks_from_the_whole(tmp_path: Path) -> None:
    assert ids(low(tmp_path, "x: test.nop\ny: test.nop\n", ids=["y"])) == ["y"]
    with pytest.raises(SourceError, match=r"there is no id 'yy' in these SLS. Did you mean 'y'"):
        low(tmp_path, "x: test.nop\ny: test.nop\n", ids=["yy"])


def test_the_highstate_is_what_the_top_file_gives(tmp_path: Path) -> None:
    tree = {"top.sls": "base: {'m*': [b, a]}\n", "a.sls": "a: test.nop\n", "b.sls": "b: test.nop\n"}
    assert ids(StateTree(context(tmp_path, tree)).low()) == ["b", "a"]


def test_a_single_state_needs_no_file(tmp_path: Path) -> None:
    tree = StateTree(context(tmp_path, {}))
    (found,) = tree.single("cmd.run", "id", {"cwd": "/"})
    assert (found.tag, found.args) == ("cmd_|-id_|-id_|-run", {"cwd": "/"})
    with pytest.raises(SourceError, match=r"^state.single: cmd.run takes no argument 'cwdd'. Did you mean 'cwd'"):
        tree.single("cmd.run", "id", {"cwdd": "/"})


def test_a_text_may_be_an_sls(tmp_path: Path) -> None:
    assert ids(StateTree(context(tmp_path, {})).text("{{ grains.os }}: test.nop\n")) == ["Debian"]


def test_the_high_state_has_salts_shape(tmp_path: Path) -> None:
    tree = {"a.sls": "x:\n  cmd.run:\n    - name: id\n    - require: [y]\ny: {test: [nop, order: 1]}\n"}
    assert json.loads(json.dumps(StateTree(context(tmp_path, tree)).high(["a"]))) == {
        "x": {"cmd": [{"name": "id"}, {"require": ["y"]}, "run", {"order": 10000}], "__sls__": "a", "__env__": "base"},
        "y": {"test": [{"order": 1}, "nop"], "__sls__": "a", "__env__": "base"},
    }


BAD = [
    ("x:\n\ttest.nop: []\n", "a.sls:2:1", "line 2 has a tab"),
    ("x: test.nop\nx: test.nop\n", "a.sls:2:1", "first at line 1"),
    ("x:\n  test.nopp: []\n", "a.sls:2:3", "there is no state 'test.nopp'. Did you mean 'test.nop'?"),
    ("x:\n  tset.nop: []\n", "a.sls:2:3", "no namespace 'tset'. Did you mean 'test'?"),
    ("x: test.ping.pong\n", "a.sls:1:1", "is not the name of a state"),
    ("x:\n  cmd.run:\n    - cwdd: /\n", "a.sls:3:7", "cmd.run takes no argument 'cwdd'. Did you mean 'cwd'?"),
    ("x:\n  cmd.run:\n    - reqire: [y]\n", "a.sls:3:7", "Did you mean 'require'?"),
    ("x:\n  cmd.run:\n    - timeout: soon\n", "a.sls:3:7", "'timeout' of cmd.run wants"),
    ("x:\n  test.nop:\n    - require:\n      - test: yy\nyyy: test.nop\n", "a.sls:4:9", "Did you mean 'yyy'?"),
    ("x:\n  test.nop:\n    - require: [yy]\nyyy: test.nop\n", "a.sls:3:17", "require names 'yy', which no state is."),
    ("x:\n  test.nop:\n    - require:\n      - cmd: y\ny: test.nop\n", "a.sls:4:9", "There is test: y."),
    ("x:\n  test.nop:\n    - require:\n      - test.nop: y\n", "a.sls:4:9", "Write `- test: y`."),
    ("x:\n  test.nop:\n    - require:\n      - sls: b\n", "a.sls:4:9", "Is it included?"),
    ("x:\n  test.nop:\n    - require: y\n", "a.sls:3:7", "wants a list of requisites"),
    ("x:\n  test.nop:\n    - require:\n      - test: [y]\n", "a.sls:4:9", "wants `NAMESPACE: id`"),
    ("x:\n  test.nop:\n    - require_in: [y]\n", "a.sls:3:20", "require_in names 'y'"),
    ("x:\n  test.nop:\n    - use: [y]\n", "a.sls:3:13", "use names 'y'"),
    ("x:\n  test.nop:\n    - require: [x]\n", "a.sls:2:3", "in a circle: test: x → test: x"),
    ("x:\n  test.nop:\n    - order: soon\n", "a.sls:3:7", "order wants a number, first or last"),
    ("x: {{ nope }}\n", "a.sls:1:7", "the variable 'nope' is undefined"),
    ("x: [test.nop]\n", "a.sls:1:1", "wants a mapping of states, not a list"),
    ("x:\n", "a.sls:1:1", "wants a mapping of states, not nothing"),
    ("x:\n  test.nop: {a: 1}\n", "a.sls:2:3", "wants a list of arguments, not a mapping"),
    ("x:\n  test.nop:\n    - a\n", "a.sls:3:7", "'a' is neither `argument: value`"),
    ("x:\n  test:\n    - a: 1\n", "a.sls:2:3", "test names no function"),
    ("x:\n  test.nop: []\n  test: [nop]\n", "a.sls:3:3", "two states of test"),
    ("x:\n  5: []\n", "a.sls:2:3", "5 is not the name of a state"),
    ("x:\n  test.nop:\n    - names: one\n", "a.sls:3:7", "names wants a list"),
    ("x:\n  test.nop:\n    - name: [one]\n", "a.sls:3:7", "name wants a text"),
    ("x:\n  test.nop:\n    - fun: one\n", "a.sls:3:7", "can't be the name of an argument"),
    ("- x\n", "a.sls:1:1", "is no mapping of ids"),
    ("include: b\n", "a.sls:1:1", "include wants a list"),
    ("include:\n  - bb\n", "a.sls:2:5", "there is no SLS 'bb' in environment 'base'. Did you mean 'b'?"),
    ("include:\n  - ..b\n", "a.sls:2:5", "leads out of the tree"),
    ("include:\n  - c/d\n", "a.sls:2:5", "Write it with dots: c.d."),
    ("include:\n  - both\n", "a.sls:2:5", "is there twice: both.sls and both/init.sls"),
    ("include:\n  - bse: b\n", "a.sls:2:5", "there is no environment 'bse'. Did you mean 'base'?"),
    ("include:\n  - x*\n", "a.sls:2:5", "no SLS of environment 'base' matches 'x*'"),
    ("include:\n  - [b]\n", "a.sls:2:5", "include wants names of SLS"),
    ("include:\n  - b\nyes it is: test.nop\nyyy: test.nop\n", "a.sls:4:1", "declared twice, first at b.sls:1:1"),
    ("extend:\n  y: {test: [a: 1]}\n", "a.sls:2:3", "there is no id 'y' to extend"),
    ("extend: [y]\n", "a.sls:1:1", "extend wants a mapping"),
    ("x: test.nop\nextend:\n  x:\n    cmd:\n      - cwd: /\n", "a.sls:4:5", "has no state of 'cmd' to extend"),
    ("exclude: y\n", "a.sls:1:1", "exclude wants a list"),
    ("exclude:\n  - file: y\n", "a.sls:2:5", "exclude wants `- sls: name`"),
    ("include:\n  - loop\n", "loop.sls:2:5", "a loop of includes: a → loop → a"),
]


@pytest.mark.parametrize(("text", "place", "words"), BAD)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, place: str, words: str) -> None:
    tree = {
        "a.sls": text,
        "b.sls": "yyy: test.nop\n",
        "c/d.sls": "",
        "both.sls": "",
        "both/init.sls": "",
        "loop.sls": "include:\n  - a\n",
    }
    with pytest.raises(SourceError) as caught:
        low(tmp_path, tree)
    error = caught.value.errors[0] if isinstance(caught.value, SourceErrors) else caught.value
    assert str(error).startswith(place + ": ")
    assert words in str(error)


def test_a_circle_is_shown_as_a_path_with_places(tmp_path: Path) -> None:
    text = "a: {test.nop: [require: [b]]}\nb: {test.nop: [watch: [c]]}\nc: {test.nop: [prereq_in: [a], require: [a]]}\n"
    with pytest.raises(SourceError) as caught:
        low(tmp_path, "a: {test.nop: [require: [b]]}\nb: {test.nop: [watch: [c]]}\nc: {test.nop: [require: [a]]}\n")
    assert "requisites in a circle: test: a → test: b → test: c → test: a" in str(caught.value)
    assert "a at a.sls:1:1; b at a.sls:2:1; c at a.sls:3:1" in str(caught.value)
    with pytest.raises(SourceError, match="in a circle"):
        low(tmp_path, text)


def test_a_requisite_that_is_excluded_says_where(tmp_path: Path) -> None:
    text = "exclude:\n  - y\nx: {test.nop: [require: [y]]}\ny: test.nop\n"
    with pytest.raises(SourceError, match=r"'y', which is excluded(.|\n)*See a.sls:2:5"):
        low(tmp_path, text)


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_the_files(tmp_path: Path) -> None:
    tree = {
        "a.sls": "include: [b, c]\nx:\n  test.nop:\n    - require: [nope]\n    - argh: 1\n",
        "b.sls": "y:\n  test.nopp: []\n",
        "c.sls": "z: {{ undefined_thing }}\n",
    }
    with pytest.raises(SourceErrors) as caught:
        low(tmp_path, tree)
    places = [(error.file, error.line) for error in caught.value.errors]
    assert sorted(places) == [("a.sls", 4), ("a.sls", 5), ("b.sls", 2), ("c.sls", 1)]
    assert str(caught.value).startswith("4 errors:\n")


def test_many_errors_fit_one_screen(tmp_path: Path) -> None:
    text = "".join(f"x{n}:\n  test.nopp: []\n" for n in range(40))
    with pytest.raises(SourceErrors, match="… and 28 more") as caught:
        low(tmp_path, text)
    assert len(str(caught.value).splitlines()) < 60


def test_an_sls_that_is_no_text_is_refused(tmp_path: Path) -> None:
    ctx = context(tmp_path, {"a.sls": ""})
    (tmp_path / "base/a.sls").write_bytes(b"x: \xff\n")
    with pytest.raises(SourceError, match=r"^a.sls: not UTF-8"):
        StateTree(ctx).low(["a"])


def test_files_are_fetched_in_few_batches(tmp_path: Path) -> None:
    names = [f"s{n}" for n in range(5)]
    tree = {f"web/{name}.sls": f"{name}: test.nop\n" for name in names} | {"web/map.jinja": "", "big.iso": ""}
    tree["top.sls"] = "base: {'*': [all]}\n"
    tree["all.sls"] = "include:\n" + "".join(f"  - web.{name}\n" for name in names)
    ctx = context(tmp_path, tree)
    StateTree(ctx).low()
    assert isinstance(ctx.files, DictFiles)
    web = tuple(sorted(["web/map.jinja", *(f"web/{name}.sls" for name in names)]))
    assert ctx.files.fetched == [("base", ("top.sls",)), ("base", ("all.sls",)), ("base", web)]


def test_opts_come_from_the_configuration(tmp_path: Path) -> None:
    ctx = context(tmp_path, {"a.sls": "{{ opts.custom }}: test.nop\n"}, config=Config(module_options={"custom": "c"}))
    assert ids(StateTree(ctx).low(["a"])) == ["c"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "x:\n  nfs_export.present:\n    - name: /a,b\n    - clients: {h: ro}\n",
            "a.sls:2:3: not a path to export: '/a,b'",
        ),
        ("/a:\n  nfs_export.present:\n    - clients: {'h,i': ro}\n", "a.sls:3:7: not a client of an export: 'h,i'"),
        ("/a:\n  nfs_export.present:\n    - clients: {h: rwx}\n", "a.sls:3:7: not an option of an export: 'rwx'"),
    ],
)
def test_what_a_state_says_of_its_values_is_said_before_the_run_with_the_place(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(SourceError) as raised:
        low(tmp_path, text)
    assert str(raised.value).startswith(str(raised.value.file))
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("retry: {attemps: 3}", "there is no option 'attemps'. Did you mean 'attempts'?"),
        ("onlyif: {a: 1}", "onlyif: a condition is a command, or a mapping with `fun`, not {'a': 1}"),
        ("unless: [{fun: test.pong}]", "unless: there is no function 'test.pong'. Did you mean 'test.ping'?"),
        ("check_cmd: {fun: test.echo, txt: a}", "check_cmd: test.echo has no argument 'txt'. Did you mean 'text'?"),
        ("creates: [1]", "creates wants the paths of files, not 1"),
    ],
)
def test_a_condition_that_could_not_be_asked_is_refused_before_anything_runs(
    tmp_path: Path, argument: str, message: str
) -> None:
    tree = StateTree(context(tmp_path, {"a.sls": f"a:\n  test.nop: []\nb:\n  test.nop:\n    - {argument}\n"}))
    with pytest.raises(SourceError) as caught:
        tree.low(["a"])
    assert message in caught.value.message
    assert (caught.value.file, caught.value.line) == ("a.sls", 5)
