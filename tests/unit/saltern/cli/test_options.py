"""How the command lines of `saltern`, `saltern-key` and `saltern-run` are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from saltern.cli import key, run, saltern
from saltern.cli.options import Option, help_text, parse
from saltern.errors import UsageError


def request(*argv: str) -> dict[str, object]:
    return saltern.request(parse(saltern.OPTIONS, argv, words=2))


@pytest.mark.parametrize(
    ("option", "form"),
    [
        ("-E", "pcre"),
        ("--pcre", "pcre"),
        ("-L", "list"),
        ("--list", "list"),
        ("-G", "grain"),
        ("--grain", "grain"),
        ("-P", "grain_pcre"),
        ("--grain-pcre", "grain_pcre"),
        ("-I", "pillar"),
        ("--pillar", "pillar"),
        ("-J", "pillar_pcre"),
        ("--pillar-pcre", "pillar_pcre"),
        ("-S", "ipcidr"),
        ("--ipcidr", "ipcidr"),
        ("-N", "nodegroup"),
        ("--nodegroup", "nodegroup"),
        ("-C", "compound"),
        ("--compound", "compound"),
    ],
)
def test_each_target_option_has_salts_letter_and_name(option: str, form: str) -> None:
    assert request(option, "x", "test.ping")["form"] == form


def test_the_request_carries_all_that_was_given() -> None:
    assert request("-G", "--delimiter=|", "-t5", "os|Debian", "cmd.run", "ls -l", "cwd=/tmp", "[1, 2]") == {
        "op": "publish",
        "target": "os|Debian",
        "form": "grain",
        "delimiter": "|",
        "function": "cmd.run",
        "args": ["ls -l", [1, 2]],
        "kwargs": {"cwd": "/tmp"},
        "timeout": 5.0,
        "async": False,
    }


def test_the_target_is_a_glob_where_no_option_says_otherwise() -> None:
    assert request("*", "test.ping")["form"] == "glob"


@pytest.mark.parametrize("argv", [["-t", "3", "-s", "*", "test.ping"], ["*", "-t", "3", "-s", "test.ping"]])
def test_options_stand_before_or_behind_the_target(argv: list[str]) -> None:
    given = parse(saltern.OPTIONS, argv, words=2)
    assert (given.words, given.values) == (["*", "test.ping"], {"timeout": "3", "static": True})


def test_what_follows_the_function_is_the_functions_even_where_it_begins_with_a_dash() -> None:
    given = parse(saltern.OPTIONS, ["*", "cmd.run_bin", "ls", "-l", "-G", "--all", "-", "-1", "--x=/x"], words=2)
    assert given.rest == ["ls", "-l", "-G", "--all", "-", "-1", "--x=/x"]
    assert given.values == {}


@pytest.mark.parametrize("behind", [["--out", "json"], ["--out=json"], ["--output=json"]])
def test_long_output_options_are_taken_behind_the_function_too(behind: list[str]) -> None:
    given = parse(saltern.OPTIONS, ["*", "grains.item", "os", *behind, "id"], words=2)
    assert (given.values["out"], given.rest) == ("json", ["os", "id"])


def test_the_root_behind_a_function_never_means_another_master() -> None:
    for table, words in ((saltern.OPTIONS, ["*", "state.apply"]), (run.OPTIONS, ["manage.up"])):
        given = parse(table, [*words, "--root", "/x"], words=len(words))
        assert (given.text("root"), given.rest) == ("/x", [])


def test_two_dashes_end_the_options_everywhere() -> None:
    given = parse(saltern.OPTIONS, ["*", "test.echo", "--", "--out=json", "--"], words=2)
    assert (given.values, given.rest) == ({}, ["--out=json", "--"])
    assert parse(saltern.OPTIONS, ["--", "-x", "test.ping"], words=2).words == ["-x", "test.ping"]


def test_short_flags_join_and_the_last_may_take_a_value() -> None:
    assert parse(saltern.OPTIONS, ["-vst5"], words=2).values == {"verbose": True, "static": True, "timeout": "5"}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "TARGET and FUNCTION are missing"),
        (["*"], "FUNCTION is missing"),
        (["--grian", "x", "y"], "there is no option --grian. Did you mean '--grain'?"),
        (["-Z", "x", "y"], "there is no option -Z"),
        (["*", "test.ping", "--out=jsn"], "--out takes one of nested, highstate, json, yaml, .*Did you mean 'json'?"),
        (["-G", "-C", "x", "y"], "-G and -C exclude each other"),
        (["x", "y", "--timeout"], "--timeout needs a value: --timeout S"),
        (["--static=yes", "x", "y"], "--static takes no value, but 'yes' was given"),
        (["-t", "soon", "x", "y"], "--timeout takes a number of seconds, not 'soon'"),
        (["-t", "-1", "x", "y"], "--timeout takes a number of seconds, not '-1'"),
        (["-t", "nan", "x", "y"], "--timeout takes a number of seconds, not 'nan'"),
        (["*", "test.ping,grains.item"], "one function at a time"),
        (["*", "f.g", "a=1", "a=2"], "the argument a= is given twice"),
    ],
)
def test_a_wrong_command_line_is_told_in_one_sentence(argv: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        request(*argv)


def test_one_target_option_given_twice_is_no_contradiction() -> None:
    assert request("-G", "--grain", "os:Debian", "test.ping")["form"] == "grain"


@pytest.mark.parametrize("table", [saltern.OPTIONS, key.OPTIONS, run.OPTIONS])
def test_no_option_name_is_given_out_twice(table: tuple[Option, ...]) -> None:
    names = [name for option in table for name in option.names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("module", [saltern, key, run])
def test_help_names_every_option_and_keeps_to_100_columns_and_a_bit(module: object) -> None:
    sections = getattr(module, "SECTIONS", (("options", module.OPTIONS),))  # type: ignore[attr-defined]
    text = help_text(module.USAGE, module.PURPOSE, sections, module.TAIL)  # type: ignore[attr-defined]
    assert all(name in text for option in module.OPTIONS for name in option.names)  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 120


def test_the_formats_offered_are_those_that_exist() -> None:
    from saltern.cli import output
    from saltern.cli.output import highstate

    assert saltern.FORMATS == run.FORMATS == output.FORMATS
    assert sorted(saltern.STATE_OUTPUTS) == sorted(highstate.STATE_OUTPUTS)


@pytest.mark.parametrize("table", [saltern.OPTIONS, key.OPTIONS, run.OPTIONS])
def test_the_reference_names_every_long_option(table: tuple[Option, ...]) -> None:
    text = (Path(__file__).parents[4] / "docs/commands.md").read_text()
    for option in table:
        assert any(name in text for name in option.names if name.startswith("--")), option.names
