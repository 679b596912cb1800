"""A tree with every construct of the state language, tried by the public command as a user of Salt would.

What each SLS of `language/` is for stands in it; here is what has to come of it.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.system import BIN
from tests.patience import WAIT_S

TREE = Path(__file__).parent / "language"
GRAINS = {"os": "Debian", "ip4_interfaces": {"eth0": ["10.0.0.1"]}, "ipv4": ["10.0.0.1"]}

# What comes of a state: it succeeded with (`changed`) or without a change (`ok`), was left out, or failed.
REQUISITES = {
    "ok": [
        *("unchanged", "require-changed", "takes-require-changed", "takes-watch-changed"),
        *("onchanges-changed", "onfail-failed", "takes-listen-changed"),
        *("takes-require-failed", "require_any", "onchanges_any", "onfail_any", "before-prereq"),
        *("by-id", "by-glob", "by-name", "by-sls", "by-sls-glob"),
    ],
    "changed": [
        *("changed", "changes-later", "changes-behind-it", "runs-before-it"),
        *("watch-changed", "watch_any", "listen-changed"),
    ],
    "left out": [
        "onchanges-unchanged",
        "takes-onchanges-changed",
        "takes-onfail-failed",
        "onfail-changed",
        "onfail_all",
    ],
    "failed": ["failed", "require-failed", "onchanges_all"],
}
OPTIONS = {
    "changed": [
        *("unless-list", "onlyif-function-get-return", "onlyif-function-positional", "creates-some"),
        *("check-cmd-holds", "retried", "parallel-one", "parallel-two", "run-as", "with-umask"),
    ],
    "left out": [
        *("unless-command", "unless-all", "onlyif-command", "onlyif-list", "unless-function", "onlyif-function"),
        *("creates-one", "creates-all"),
    ],
    "ok": ["retried-listed"],
    "failed": ["check-cmd-fails", "failing-hard"],
}


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """The folder of a minion's configuration, in Salt's option names."""
    roots = {"base": [str(TREE / "states/base")], "dev": [str(TREE / "states/dev")]}
    minion = {
        "id": "web1",
        "file_client": "local",
        "file_roots": roots,
        "pillar_roots": {"base": [str(TREE / "pillar")]},
        "nodegroups": {"edge": "web* or db*"},
    }
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/minion").write_text(yaml.safe_dump(minion))
    (tmp_path / "root").mkdir()
    return tmp_path / "conf"


def call(conf: Path, *argv: str) -> tuple[int, Any]:
    command = [str(BIN / "saltern-call"), "--local", "-c", str(conf), "--root", str(conf.parent / "root")]
    command += ["--grains", json.dumps({**GRAINS, "dir": str(conf.parent / "root")}), "--out", "json", *argv]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)["local"]


def by_id(states: dict[str, Any]) -> dict[str, Any]:
    return {one["__id__"]: one for one in sorted(states.values(), key=lambda one: one["__run_num__"])}


def outcome(one: dict[str, Any]) -> str:
    words = ("was not run", "condition is", "exist")
    if not one["result"]:
        return "failed"
    if one["changes"]:
        return "changed"
    return "left out" if any(word in one["comment"] for word in words) else "ok"


@pytest.mark.parametrize(
    ("file", "arguments"),
    [("pairs/jinja.sls", []), ("pairs/quirks.yaml", ["default_renderer=yaml"]), ("pairs/functions.sls", [])],
)
def test_each_expression_is_what_stands_beside_it(conf: Path, file: str, arguments: list[str]) -> None:
    code, pairs = call(conf, "slsutil.renderer", f"salt://{file}", *arguments)
    assert code == 0, pairs
    assert len(pairs) > 20
    assert [found for found, _ in pairs] == [wanted for _, wanted in pairs]


def test_the_forms_and_the_order_of_declarations(conf: Path) -> None:
    code, states = call(conf, "state.sls", "forms")
    assert code == 0, states
    ran = sorted(states.items(), key=lambda item: item[1]["__run_num__"])
    assert [key.split("_|-")[1] for key, _ in ran] == [
        *("first-of-all", "numbered", "short-form", "mapping-form", "old-form", "old-string-form", "dotted-arguments"),
        *("two-namespaces", "two-namespaces", "named", "named", "named", "used", "uses", "used-inward", "uses-inward"),
        *("next-to-last", "last-of-all"),
    ]
    comments = {one["name"]: one["comment"] for one in states.values()}
    assert (comments["one"], comments["two"], comments["three"]) == ("for all", "its own", "as a mapping")
    assert (comments["uses"], comments["uses-inward"]) == ("taken over", "pushed over")
    assert comments["dotted-arguments"] == "Ünïcödé → ok"


@pytest.mark.parametrize(("sls", "wanted"), [("requisites", REQUISITES), ("options", OPTIONS)])
def test_requisites_and_options_of_every_form(conf: Path, sls: str, wanted: dict[str, list[str]]) -> None:
    code, states = call(conf, "state.sls", sls)
    assert code == 1
    found = by_id(states)
    expected = {id: kind for kind, ids in wanted.items() for id in ids}
    assert {id: outcome(found[id]) for id in expected} == expected
    ran = list(found)
    if sls == "requisites":
        assert ran.index("before-prereq") < ran.index("changes-later")
        assert ran.index("runs-before-it") < ran.index("changes-behind-it")
        assert ran.index("by-sls") > ran.index("last-of-all")
        assert "requisites.failed" in found["require-failed"]["comment"]
    else:
        assert "never-reached" not in found, "`failhard` ended the run"
        assert (conf.parent / "root/tries").read_text() == "x\n" * 3


def test_include_extend_exclude_and_the_names_of_an_sls(conf: Path) -> None:
    code, states = call(conf, "state.sls", "extending")
    assert code == 0, states
    found = by_id(states)
    ran = list(found)
    assert ran.index("extended-in") < ran.index("short-form")
    assert found["dotted-arguments"]["comment"] == "replaced"
    assert {"old-form", "gone"}.isdisjoint(found)
    assert found["there-dev"]["__sls__"] == "there"
    assert "net.links|net|net|net|net|net/links.sls|net|net|base" in found
    assert found["tplpath"]["comment"] == str(TREE / "states/base/net/links.sls")


def test_pipelines_of_renderers(conf: Path) -> None:
    code, states = call(conf, "state.sls", "pipes.plain")
    assert code == 0, states
    names = ["from json", "from pipes.text", "web1 web web1 base pipes.python", "called", "{{ not rendered }}"]
    assert list(by_id(states)) == names


def test_every_matcher_of_a_top_file(conf: Path) -> None:
    code, top = call(conf, "state.show_top")
    assert code == 0, top
    matchers = ["glob", "pcre", "grain", "grain_pcre", "pillar", "pillar_pcre", "pillar_exact", "list", "ipcidr"]
    assert top == {"base": [f"matched.{name}" for name in [*matchers, "compound", "nodegroup"]], "dev": ["there"]}
    code, states = call(conf, "state.highstate", "test=True")
    assert (code, len(states)) == (0, 12)


def test_what_formulas_do_with_files_converges_once(conf: Path) -> None:
    root = conf.parent / "root"
    code, states = call(conf, "state.sls", "files")
    assert code == 0, states
    assert (root / "files/conf").read_text() == (
        "first\nPort 23\nLogin no\n#Root yes\nLevel=3\none\ntwo\n"
        "#-- start managed zone --\ninside\n#-- end managed zone --\n"
    )
    assert (root / "files/managed").read_text() == "# by salt://lib/head.txt for managed 640 root\nport 80\n"
    assert (root / "files/copy").read_text() == (root / "files/managed").read_text()
    assert json.loads((root / "files/serialized").read_text()) == {"a": {"a": {"b": [1, 2]}}, "b": [1, 2]}
    assert (root / "hosts").read_text() == "10.0.0.1\tkvm1 kvm2\n"
    assert yaml.safe_load((root / "etc/saltern/grains").read_text()) == {"site": {"room": "b"}, "roles": ["kvm"]}
    code, again = call(conf, "state.sls", "files")
    assert code == 0
    assert [one["__id__"] for one in again.values() if one["changes"]] == []
