"""The completion scripts, tried in a real shell where there is one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from saltern.cli import completion, saltern
from tests.patience import WAIT_S


def complete(tmp_path: Path, *words: str) -> list[str]:
    """What bash offers for the last of WORDS."""
    file = tmp_path / "saltern.bash"
    file.write_text(completion.script("bash", saltern.OPTIONS))
    name = words[0]
    program = (
        'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        f"_{name.replace('-', '_')}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    argv = ["bash", "--norc", "-c", program, "bash", str(file), *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=WAIT_S, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_options(tmp_path: Path) -> None:
    assert complete(tmp_path, "saltern", "--gr") == ["--grain", "--grain-pcre"]


def test_bash_completes_the_values_of_an_option(tmp_path: Path) -> None:
    assert complete(tmp_path, "saltern", "--out", "js") == ["json"]
    assert complete(tmp_path, "saltern-key", "--output", "y") == ["yaml"]


def test_bash_completes_functions_behind_the_target_and_counts_no_value_of_an_option(tmp_path: Path) -> None:
    offered = complete(tmp_path, "saltern", "-t", "5", "-G", "os:Debian", "")
    assert offered == completion.functions()
    assert complete(tmp_path, "saltern", "") == []


def test_bash_completes_actions_and_runners(tmp_path: Path) -> None:
    assert complete(tmp_path, "saltern-key", "acc") == ["accept"]
    runners = ["manage.up", "manage.down", "manage.status", "manage.returners"]
    assert complete(tmp_path, "saltern-run", "manage.") == runners


def test_functions_are_found_without_importing_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "funcs_for_completion"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "test_.py").write_text(
        "@reading\ndef ping():\n    pass\n@acting\ndef list_():\n    pass\ndef hidden():\n    pass\n1 / 0\n"
    )
    (folder / "_private.py").write_text("@reading\ndef no():\n    pass\n")
    (folder / "_web").mkdir()
    (folder / "_web/sites.py").write_text("@reading\ndef sites():\n    pass\ndef words():\n    pass\n")
    (folder / "web.py").write_text("from funcs_for_completion._web.sites import sites, words\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert completion.functions("funcs_for_completion") == ["test.ping", "test.list", "web.sites"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_accept_their_scripts(shell: str, tmp_path: Path) -> None:
    text = completion.script(shell, saltern.OPTIONS)
    assert "saltern-key" in text
    if shutil.which(shell):
        file = tmp_path / "script"
        file.write_text(text)
        subprocess.run([shell, "-n", str(file)], check=True, timeout=WAIT_S)
