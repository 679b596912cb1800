"""`--help` behind a function tells of the function, and asks nobody."""

from __future__ import annotations

import pytest

from saltern.cli import call, run, saltern


def test_of_a_function_its_documentation_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for main, argv in ((call.main, ["--local", "test.ping"]), (saltern.main, ["*", "test.ping"])):
        assert main([*argv, "--help"]) == 0
        assert "the node is there and runs functions" in capsys.readouterr().out


def test_of_a_runner_its_line_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["jobs.why", "--help"]) == 0
    assert capsys.readouterr().out.startswith("jobs.why: why the state runs of a minion fail")
    assert run.main(["jobs.wy", "--help"]) == 2
    assert "Did you mean 'jobs.why'?" in capsys.readouterr().err


def test_a_word_of_a_function_that_only_holds_it_is_the_functions(capsys: pytest.CaptureFixture[str]) -> None:
    assert call.main(["--local", "--out", "json", "test.echo", "ls --help"]) == 0
    assert "ls --help" in capsys.readouterr().out
