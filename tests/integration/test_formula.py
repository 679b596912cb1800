"""The example formula, tried as its README says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.system import BIN
from tests.patience import WAIT_S

EXAMPLE = Path(__file__).parents[2] / "examples" / "formula"


def call(root: Path, *argv: str, **grains: Any) -> tuple[int, Any]:
    given = {"os_family": "Debian", "roles": ["edge"], "greeter_prefix": str(root / "out"), **grains}
    command = [str(BIN / "saltern-call"), "--local", "--root", str(root), "--id", "web1", "--out", "json"]
    command += ["--file-root", str(EXAMPLE / "states"), "--pillar-root", str(EXAMPLE / "pillar")]
    done = subprocess.run(
        [*command, "--grains", json.dumps(given), *argv], capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)["local"]


def test_it_is_applied_and_a_second_time_changes_nothing(tmp_path: Path) -> None:
    code, first = call(tmp_path, "state.apply")
    assert code == 0, first
    assert [one["__sls__"] for one in first.values()] == [
        "greeter.config.file",
        "greeter.config.greeting",
        "greeter.config.greeting",
    ]
    assert (tmp_path / "out/greeter.d/main.conf").read_text() == (
        "# for Debian, from greeter/files/Debian/greeter.conf.jinja\n"
        "repeat 2\nlanguages en de\nuser ann /bin/zsh\nuser bob /bin/sh\n"
    )
    assert (tmp_path / "out/greetings/bob").read_text() == "Good morning, bob\n"
    code, second = call(tmp_path, "state.apply")
    assert code == 0
    assert all(one["changes"] == {} for one in second.values())
    code, _ = call(tmp_path, "state.apply", "greeter.clean")
    assert code == 0
    assert not (tmp_path / "out/greetings").exists()


@pytest.mark.parametrize("family", ["RedHat", "FreeBSD"])
def test_another_node_gets_what_fits_it(tmp_path: Path, family: str) -> None:
    code, states = call(tmp_path, "state.apply", "greeter.config.file", os_family=family, roles=[])
    assert code == 0, states
    lines = (tmp_path / "out/greeter.conf").read_text().splitlines()
    assert lines[0] == "#" * 60
    assert lines[-4:] == ["evening = Good evening", "morning = Good morning", "repeat = 1", "languages = en"]


def test_the_pillar_of_the_command_line_wins(tmp_path: Path) -> None:
    code, low = call(tmp_path, "state.show_low_sls", "greeter", "pillar={greeter: {users: {bob: {greet: false}}}}")
    assert code == 0, low
    assert [one["__id__"] for one in low] == ["greeter-config-file-managed", "greeter-greeting-ann"]


def test_a_file_that_is_not_there_is_an_empty_text_for_templates(tmp_path: Path) -> None:
    template = "{{ salt['cp.cache_file']('salt://greeter/nix.yaml') | default('none', true) }}"
    assert call(tmp_path, "slsutil.renderer", f"string={template}") == (0, "none")
