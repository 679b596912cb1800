"""`saltern-lint` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.patience import WAIT_S

EXAMPLE = Path(__file__).parents[2] / "examples" / "opennebula"


def lint(*argv: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "saltern-lint"), *argv]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)


def test_the_example_is_clean_for_each_of_its_hosts_but_for_the_image_that_an_administrator_brings() -> None:
    for id, errors in (("on-filer1", 1), ("on-master1", 0), ("on-node1", 0), ("on-node2", 0)):
        found = lint(str(EXAMPLE), "--id", id)
        assert (found.returncode, found.stderr) == (min(errors, 1), "")
        assert f", {errors} error" in found.stdout
    first = lint(str(EXAMPLE), "--id", "on-filer1").stdout.splitlines()[0]
    assert first.startswith("error images.sls:")
    assert "there is no file 'images/debian-11.qcow2'" in first


def test_what_is_wrong_is_told_with_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "web.sls").write_text("x:\n  test.nopp: []\n")
    found = lint(str(tmp_path))
    assert found.returncode == 1
    assert found.stdout.startswith("error web.sls:2:3: there is no state 'test.nopp'")
    assert found.stdout.endswith("1 SLS, 1 error\n")


def test_json_is_one_document(tmp_path: Path) -> None:
    (tmp_path / "web.sls").write_text("{{ pillar.a }}:\n  test.nop\n")
    found = lint(str(tmp_path), "--out", "json")
    assert found.returncode == 0
    shown = json.loads(found.stdout)
    assert shown["sls"] == 1
    assert [(one["severity"], one["file"], one["line"]) for one in shown["findings"]] == [("unknown", "web.sls", 1)]
    assert lint(str(tmp_path), "--strict").returncode == 1


def test_a_pillar_that_does_not_render_is_told(tmp_path: Path) -> None:
    for name, text in (("states/web.sls", ""), ("pillar/top.sls", "base: {'*': [a]}"), ("pillar/a.sls", "a: [")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = lint(str(tmp_path))
    assert (found.returncode, found.stdout[:18]) == (1, "error pillar/a.sls")


def test_the_pillar_of_every_minion_is_looked_at_and_nothing_sealed_is_opened(tmp_path: Path) -> None:
    box = "SEALED[db*:AAAAAAAA]"
    tree = {
        "states/web.sls": "{{ pillar.word }}:\n  test.nop: []\n",
        "pillar/top.sls": "base:\n  '*': [all]\n  'db1': [own, none]\n",
        "pillar/all.sls": "word: a\n",
        "pillar/own.sls": f"key: {box}\nrack: {{{{ grains.rack }}}}\n",
        "pillar/spare.sls": "a: 1\na: 2\n",
        "pillar/loop.sls": "include: [loop]\n",
    }
    for name, text in tree.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = json.loads(lint(str(tmp_path), "--out", "json").stdout)["findings"]
    assert [(one["severity"], one["file"], one["line"]) for one in found] == [
        ("error", "pillar/top.sls", 3),
        ("error", "pillar/loop.sls", 1),
        ("error", "pillar/spare.sls", 2),
        ("unknown", "pillar/own.sls", 2),
    ]
    (tmp_path / "pillar/top.sls").write_text("base: {'*': [all, sealed]}\n")
    (tmp_path / "pillar/sealed.sls").write_text("key: SEALED[*:AAAAAAAA]\n")
    (tmp_path / "pillar/spare.sls").unlink()
    (tmp_path / "pillar/loop.sls").unlink()
    assert lint(str(tmp_path)).returncode == 0


def test_a_tree_that_is_not_there_is_a_usage_error() -> None:
    found = lint("/nonexistent")
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("saltern-lint: there is no directory /nonexistent")
