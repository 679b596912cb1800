"""Functions that templates and formulas use: merging, defaults, matching, random values, settings, files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modules import config, cp, defaults, grains, match, pillar, random_, slsutil, state, sys_, test
from saltern.config import Config
from saltern.context import Context
from saltern.errors import SalternError
from saltern.loader import find
from saltern.marks import permit_acting
from saltern.runner import Returned, with_calls
from saltern.secret import Secret
from tests.plans import context


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    found = context(
        tmp_path,
        grains={"os": "Debian", "ipv4": ["10.1.2.3"], "ipv6": [], "roles": ["web"], "tune": {"a": 1, "b": 1}},
        pillar={"web": {"port": 81}, "role": "db", "tune": {"b": 2, "l": [1]}, "key": Secret("hush")},
    )
    (tmp_path / "tree/web/conf/deep").mkdir(parents=True)
    for name, text in {
        "web/defaults.yaml": "port: 80\nuser: www\n",
        "web/conf/a.conf": "hello {{ who }} on {{ grains.os }}\n",
        "web/conf/deep/b.txt": "b\n",
        "one.sls": "a:\n  test.nop: []\n",
        "bad.sls": "a:\n  test.nopp: []\n",
    }.items():
        (tmp_path / "tree" / name).write_text(text)
    return with_calls(found)


@pytest.fixture
def permit() -> Iterator[None]:
    with permit_acting():
        yield


@pytest.mark.parametrize(
    ("strategy", "options", "wanted"),
    [
        ("smart", {}, {"a": {"x": 1, "y": 2}, "l": [3], "k": 0}),
        ("recurse", {"merge_lists": True}, {"a": {"x": 1, "y": 2}, "l": [1, 3], "k": 0}),
        ("aggregate", {}, {"a": {"x": 1, "y": 2}, "l": [1, 3], "k": 0}),
        ("overwrite", {}, {"a": {"y": 2}, "l": [3], "k": 0}),
    ],
)
def test_merge_joins_by_its_strategy_and_changes_neither(strategy: str, options: Any, wanted: Any) -> None:
    below, above = {"a": {"x": 1}, "l": [1], "k": 0}, {"a": {"y": 2}, "l": [3]}
    assert slsutil.merge(below, above, strategy, **options) == wanted
    assert (below, above) == ({"a": {"x": 1}, "l": [1], "k": 0}, {"a": {"y": 2}, "l": [3]})
    assert slsutil.merge_all([below, above], strategy, **options) == wanted


def test_an_unknown_strategy_is_told_with_the_nearest() -> None:
    with pytest.raises(SalternError, match="recurse"):
        slsutil.merge({}, {}, "recurs")


def test_update_changes_what_the_template_holds() -> None:
    own = {"a": {"x": 1}}
    assert slsutil.update(own, {"a": {"y": 2}}) == {"a": {"x": 1, "y": 2}} == own
    assert slsutil.update({"a": {"x": 1}}, {"a": {"y": 2}}, recursive_update=False) == {"a": {"y": 2}}


def test_renderer_renders_texts_and_files_of_the_tree(ctx: Context) -> None:
    assert slsutil.renderer(ctx, string="{{ n }}: {{ grains.os }}", n=1) == {1: "Debian"}
    assert slsutil.renderer(ctx, "salt://web/defaults.yaml") == {"port": 80, "user": "www"}
    assert slsutil.renderer(ctx, string='{"a": 1}', default_renderer="json") == {"a": 1}
    with pytest.raises(SalternError, match="wants a path, or a string"):
        slsutil.renderer(ctx)


@pytest.mark.parametrize("form", ["yaml", "json", "python"])
def test_what_is_serialized_comes_back(form: str) -> None:
    data = {"b": [1, "ä"], "a": {"x": None}}
    assert slsutil.deserialize(form, slsutil.serialize(form, data)) == data


def test_serialize_keeps_the_order_and_refuses_secrets() -> None:
    assert slsutil.serialize("yaml", {"b": 1, "a": [1]}) == "b: 1\na:\n- 1"
    assert slsutil.serialize("json", {"b": 1, "a": 2}, sort_keys=True) == '{"a": 2, "b": 1}'
    for form in ("yaml", "json"):
        with pytest.raises(SalternError) as caught:
            slsutil.serialize(form, {"a": Secret("hush")})
        assert "hush" not in str(caught.value)
    assert "hush" not in slsutil.serialize("python", {"a": Secret("hush")})


def test_a_banner_is_a_box_of_its_width() -> None:
    lines = slsutil.banner(width=40, commentchar="//", title="MINE", text="hands off, all of you, this is managed")
    assert {len(line) for line in lines.split("\n")} == {40}
    assert lines.startswith("//####")
    assert "MINE" in lines
    assert slsutil.banner(blockstart="/*", blockend="*/").startswith("/*\n#")


@pytest.mark.parametrize(("value", "wanted"), [(True, "yes"), ("on", "yes"), ("False", "no"), (0, "no"), (None, "no")])
def test_boolstr(value: Any, wanted: str) -> None:
    assert slsutil.boolstr(value, "yes", "no") == wanted


def test_paths_of_the_tree_are_found(ctx: Context) -> None:
    assert slsutil.file_exists(ctx, "one.sls")
    assert not slsutil.file_exists(ctx, "web")
    assert slsutil.dir_exists(ctx, "web/conf")
    assert not slsutil.dir_exists(ctx, "one.sls")
    assert slsutil.findup(ctx, "web/conf/deep", ["defaults.yaml", "nix"]) == "web/defaults.yaml"
    with pytest.raises(SalternError, match="none of nix"):
        slsutil.findup(ctx, "web", "nix")


def test_defaults_come_after_pillar(ctx: Context) -> None:
    assert defaults.get(ctx, "web:port") == 81
    assert defaults.get(ctx, "web:user") == "www"
    assert defaults.get(ctx, "web:nix", "x") == defaults.get(ctx, "nix:a", "x") == "x"


def test_defaults_merge_and_update_change_what_the_template_holds() -> None:
    own: dict[str, Any] = {"a": {"x": 1}, "l": [1]}
    assert defaults.merge(own, {"a": {"y": 2}, "l": [2]}) == {"a": {"x": 1, "y": 2}, "l": [2]} == own
    own = {"a": 1}
    assert defaults.merge(own, {"b": 2}, in_place=False) == {"a": 1, "b": 2}
    assert own == {"a": 1}
    nodes: dict[str, Any] = {"n1": {"port": 1, "l": [2]}, "n2": None}
    assert defaults.update(nodes, {"port": 0, "l": [1]}) == {
        "n1": {"port": 1, "l": [1, 2]},
        "n2": {"port": 0, "l": [1]},
    }


@pytest.mark.parametrize(
    ("function", "target", "wanted"),
    [
        ("glob", "te*", True),
        ("glob", "x*", False),
        ("pcre", "te?st", True),
        ("list", "a,test", True),
        ("list", ["a", "b"], False),
        ("grain", "os:Deb*", True),
        ("grain_pcre", "os:Deb|Ubu", True),
        ("pillar", "role:d*", True),
        ("pillar_exact", "role:d*", False),
        ("pillar_pcre", "role:d.", True),
        ("ipcidr", "10.1.0.0/16", True),
        ("ipcidr", "10.2.0.0/16", False),
        ("compound", "G@os:Debian and not x*", True),
        ("nodegroup", "mine", True),
    ],
)
def test_match_asks_targeting(ctx: Context, function: str, target: Any, wanted: bool) -> None:
    ctx = replace(ctx, config=Config(module_options={"nodegroups": {"mine": "te* or x*"}}))
    assert find(f"match.{function}")(ctx, target) is wanted


def test_match_filter_by_and_search_by(ctx: Context) -> None:
    assert match.filter_by(ctx, {"x*": 1, "G@os:Debian": {"a": 1}}, merge={"b": 2}) == {"a": 1, "b": 2}
    assert match.filter_by(ctx, {"x*": 1, "default": 9}) == 9
    assert match.search_by(ctx, {"web": ["x*", "te*"], "db": ["x"]}) == ["web"]
    assert match.glob(ctx, "other", minion_id="other")


def test_a_seed_gives_the_same_twice(ctx: Context) -> None:
    assert random_.rand_int(1, 10**9, seed="a") == random_.rand_int(1, 10**9, seed="a")
    assert random_.sample([1, 2, 3, 4], 2, seed=1) == random_.sample([1, 2, 3, 4], 2, seed=1)
    assert sorted(random_.shuffle("c,a,b", seed=1).split(",")) == ["a", "b", "c"]
    assert random_.seed(ctx, 60) == random_.seed(ctx, 60) < 60
    assert random_.seed(ctx, 10**9) != random_.seed(replace(ctx, id="other"), 10**9)


def test_random_texts_are_of_their_kinds() -> None:
    text = random_.get_str(200, punctuation=False, uppercase=False)
    assert len(text) == 200
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789")
    assert set(random_.get_str(50, chars="ab")) <= {"a", "b"}
    assert random_.hash_("a", "sha256").startswith("ca978112ca1bbd")
    assert random_.shadow_hash("salt", "secret").startswith("$6$salt$")
    for wrong in (lambda: random_.get_str(0), lambda: random_.rand_int(2, 1), lambda: random_.sample([1], 2)):
        with pytest.raises(SalternError):
            wrong()


def test_config_get_takes_options_then_grains_then_pillar(ctx: Context) -> None:
    assert config.get(ctx, "tune") == {"a": 1, "b": 1}
    assert config.get(ctx, "tune", omit_grains=True) == {"b": 2, "l": [1]}
    assert config.get(ctx, "tune", {"z": 0}, merge="recurse") == {"z": 0, "a": 1, "b": 1, "l": [1]} | {"b": 1}
    assert config.merge(ctx, "tune")["l"] == [1]
    assert config.get(ctx, "role") == "db"
    assert config.get(ctx, "role", "none", omit_pillar=True) == "none"
    assert config.items(ctx)["saltenv"] == "base"
    with pytest.raises(SalternError, match="overwrite"):
        config.get(ctx, "tune", merge="overwrit")


def test_pillar_is_shown_obscured(ctx: Context) -> None:
    assert pillar.obfuscate(ctx, "web", "key") == {"web": {"port": "<int>"}, "key": "<str>"}
    assert pillar.obfuscate(ctx)["tune"] == {"b": "<int>", "l": ["<int>"]}


def test_pillar_items_takes_values_over_it(ctx: Context) -> None:
    assert pillar.items(ctx, "web", pillar={"web": {"a": 1}}) == {"web": {"port": 81, "a": 1}}
    assert pillar.fetch(ctx, "web:port") == 81
    assert pillar.filter_by(ctx, {"d*": "found", "default": "no"}, "role") == "found"
    with pytest.raises(SalternError, match="wants a mapping"):
        pillar.items(ctx, pillar="a")  # type: ignore[arg-type]


@pytest.mark.usefixtures("permit")
def test_a_grain_that_is_a_list_is_replaced_by_force_alone(ctx: Context) -> None:
    grains.set_(ctx, "tags", ["a"])
    with pytest.raises(SalternError, match="force=True"):
        grains.set_(ctx, "tags", "b")
    assert grains.set_(ctx, "tags", "b", force=True) == {"tags": "b"}


def test_files_are_cached_by_list_folder_and_pattern(ctx: Context, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    assert cp.cache_files(ctx, "one.sls,web/conf/a.conf") == [str(tree / "one.sls"), str(tree / "web/conf/a.conf")]
    assert cp.cache_dir(ctx, "web/conf", include_pat="*.txt") == [str(tree / "web/conf/deep/b.txt")]
    assert cp.cache_dir(ctx, "web/conf", exclude_pat=r"E@\.txt$") == [str(tree / "web/conf/a.conf")]
    assert len(cp.cache_master(ctx)) == 5
    assert cp.envs(ctx) == ["base"]
    assert cp.stat_file(ctx, "one.sls") == f"{(tree / 'one.sls').stat().st_mode & 0o7777:04o}"
    for wrong in (
        lambda: cp.cache_dir(ctx, "nix"),
        lambda: cp.cache_files(ctx, ["nix"]),
        lambda: cp.get_url(ctx, "x:/"),
    ):
        with pytest.raises(SalternError):
            wrong()


@pytest.mark.usefixtures("permit")
def test_a_folder_and_a_template_are_written(ctx: Context, tmp_path: Path) -> None:
    assert cp.get_dir(ctx, "web/conf", str(tmp_path / "out")) == [
        str(tmp_path / "out/conf/a.conf"),
        str(tmp_path / "out/conf/deep/b.txt"),
    ]
    cp.get_template(ctx, "salt://web/conf/a.conf", str(tmp_path / "a"), who="you")
    assert (tmp_path / "a").read_text() == "hello you on Debian\n"


def test_functions_of_test_that_salt_users_expect(ctx: Context) -> None:
    found = test.retcode(3)
    assert (found.value, found.retcode) == (True, 3)
    assert test.cross_test(ctx, "test.echo", "hi") == test.try_(ctx, "test.echo", "hi") == "hi"
    assert test.try_(ctx, "test.exception", "no") is None
    assert "no" in test.try_(ctx, "test.exception", "no", return_try_exception=True)
    assert test.get_opts(ctx)["saltenv"] == "base"
    assert test.versions_report().startswith("Saltern: ")
    assert test.arg(1, a=2) == {"args": [1], "kwargs": {"a": 2}}
    assert test.kwarg(a=2) == {"a": 2}
    with pytest.raises(SalternError, match="not true"):
        test.assertion(False)


def test_sys_tells_of_random_match_and_renderers() -> None:
    assert {"random.get_str", "match.list", "state.run_request"} <= set(sys_.list_functions("random", "match", "state"))
    assert sys_.list_renderers("j*") == ["jinja", "json"]
    assert sys_.argspec("state.request")["state.request"]["args"][:2] == ["mods", "name"]
    assert sys_.state_doc("test.nop")["test.nop"]


@pytest.mark.usefixtures("permit")
def test_a_request_is_previewed_noted_run_and_forgotten(ctx: Context) -> None:
    shown = state.request(ctx, "one", pillar={"a": 1})
    assert isinstance(shown, Returned)
    assert shown.retcode == 0
    waiting = state.check_request(ctx)
    assert waiting["default"]["arguments"] == {"mods": "one", "pillar": {"a": 1}}
    assert json.loads(json.dumps(waiting)) == waiting
    assert state.run_request(ctx).value
    assert state.check_request(ctx, "default") == {}
    with pytest.raises(SalternError, match="there is no request 'default'"):
        state.run_request(ctx)


@pytest.mark.usefixtures("permit")
def test_what_does_not_compile_is_no_request(ctx: Context) -> None:
    assert state.request(ctx, "bad").retcode == 1
    assert state.check_request(ctx) == {}
    state.request(ctx, "one", name="mine")
    assert state.clear_request(ctx, "other")
    assert list(state.check_request(ctx)) == ["mine"]
    assert state.clear_request(ctx)
    assert state.check_request(ctx) == {}
