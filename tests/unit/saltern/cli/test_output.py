"""The layouts, as golden texts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from saltern.cli.output import render, render_data, render_fleet
from saltern.cli.output.states import is_run

DIFF = "--- /etc/motd\n+++ /etc/motd\n@@ -1 +1 @@\n-old\n+new"


def state(number: int, result: bool | None, changes: dict[str, Any], comment: str, ms: float = 1.0) -> dict[str, Any]:
    return {
        "result": result,
        "changes": changes,
        "comment": comment,
        "start_time": "10:00:00.000001",
        "duration": ms,
        "__run_num__": number,
    }


RUN = {
    "bridge_|-br43_|-br43_|-present": state(1, True, {"ports": {"old": [], "new": ["eth1"]}}, "add port eth1", 2000.5),
    "file_|-motd_|-/etc/motd_|-managed": state(0, True, {"diff": DIFF}, "changed", 12.3),
    "test_|-c_|-c_|-nop": state(2, True, {}, "as wished"),
}
CLEAN = {"test_|-c_|-c_|-nop": state(0, True, {}, "as wished")}
FAILED = {"test_|-c_|-c_|-fail": state(0, False, {}, "line 1\nline 2")}
WOULD = {"test_|-c_|-c_|-nop": state(0, None, {"a": {"old": 1, "new": 2}}, "would change")}

GOLDEN_RUN = """\
on-node1:
----------
          ID: motd
    Function: file.managed
        Name: /etc/motd
      Result: True
     Comment: changed
     Started: 10:00:00.000001
    Duration: 12.300 ms
     Changes:
              ----------
              diff:
                  --- /etc/motd
                  +++ /etc/motd
                  @@ -1 +1 @@
                  -old
                  +new
----------
          ID: br43
    Function: bridge.present
      Result: True
     Comment: add port eth1
     Started: 10:00:00.000001
    Duration: 2000.500 ms
     Changes:
              ----------
              ports:
                  ----------
                  new:
                      - eth1
                  old:
----------
          ID: c
    Function: test.nop
      Result: True
     Comment: as wished
     Started: 10:00:00.000001
    Duration: 1.000 ms
     Changes:

Summary for on-node1
------------
Succeeded: 3 (changed=2)
Failed:    0
------------
Total states run:     3
Total run time:   2.014 s
"""


def test_a_state_run_is_shown_as_salt_shows_it() -> None:
    assert render({"on-node1": RUN}) == GOLDEN_RUN


def test_a_failed_state_shows_its_whole_comment_and_counts_as_failed() -> None:
    assert render({"local": FAILED}) == (
        """\
local:
----------
          ID: c
    Function: test.fail
      Result: False
     Comment: line 1
              line 2
     Started: 10:00:00.000001
    Duration: 1.000 ms
     Changes:

Summary for local
------------
Succeeded: 0
Failed:    1
------------
Total states run:     1
Total run time:   1.000 ms
"""
    )


def test_test_mode_counts_what_would_change_as_salt_does() -> None:
    shown = render({"local": WOULD})
    assert "      Result: None\n" in shown
    assert "Succeeded: 1 (unchanged=1, changed=1)\n" in shown


def test_a_warning_is_shown_and_counted() -> None:
    run = {"test_|-c_|-c_|-nop": {**CLEAN["test_|-c_|-c_|-nop"], "warnings": ["old spelling"]}}
    shown = render({"local": run})
    assert "    Warnings: old spelling\n" in shown
    assert "Warnings:  1\n" in shown


TERSE = {
    "motd": "  Name: /etc/motd - Function: file.managed - Result: Changed - Started: 10:00:00.000001 - Duration: 12.300"
    " ms",
    "c": "  Name: c - Function: test.nop - Result: Clean - Started: 10:00:00.000001 - Duration: 1.000 ms",
}


@pytest.mark.parametrize(("mode", "terse"), [("full", ""), ("terse", "motd c"), ("mixed", "motd c"), ("changes", "c")])
def test_the_state_output_says_which_states_are_shown_on_one_line(mode: str, terse: str) -> None:
    lines = render({"local": RUN}, state_output=mode).splitlines()
    assert {name for name, line in TERSE.items() if line in lines} == set(terse.split())


@pytest.mark.parametrize("mode", ["mixed", "changes", "full"])
def test_a_failed_state_is_shown_in_full_unless_all_is_terse(mode: str) -> None:
    assert "     Comment: line 1\n" in render({"local": FAILED}, state_output=mode)
    assert "Result: Failed" in render({"local": FAILED}, state_output="terse")


def test_a_terse_line_can_name_the_id() -> None:
    assert "  Name: motd - Function" in render({"local": RUN}, state_output="terse_id")


def test_without_verbose_states_that_are_right_and_unchanged_are_only_counted() -> None:
    shown = render({"local": RUN}, state_verbose=False)
    assert "ID: c" not in shown
    assert "ID: br43" in shown
    assert "Total states run:     3" in shown


def test_an_empty_run_still_has_its_summary() -> None:
    assert "Total states run:     0" in render({"local": {}}, function="state.apply")
    assert render({"local": {}}, function="grains.items") == "local:\n    ----------\n"


def test_a_run_that_did_not_compile_shows_its_errors_as_salt_does() -> None:
    errors = ["a.sls:3:5: unknown state", "b.sls:1: a tab"]
    assert render({"on-node1": errors}, function="state.apply", outcomes={"on-node1": "failed"}) == (
        "on-node1:\n    Data failed to compile:\n----------\n    a.sls:3:5: unknown state\n"
        "----------\n    b.sls:1: a tab\n"
    )


def test_state_runs_are_known_by_their_shape() -> None:
    assert is_run(RUN)
    assert not is_run({"a_|-b": {"result": True}})
    assert not is_run({"a_|-b_|-c_|-d": "text"})
    assert not is_run({"a_|-b_|-c_|-d": {"result": True}, "os": {}})
    assert not is_run({})
    assert not is_run(["a"])


def test_nested_shows_values_below_their_keys() -> None:
    value = {"os": "Debian", "n": [1, {"a": None}, ["x"], "two\nlines"], "empty": {}, "none": "", "ok": True}
    assert render({"on-node1": value, "on-node2": True}) == (
        """\
on-node1:
    ----------
    empty:
        ----------
    n:
        - 1
        |_
          ----------
          a:
              None
        |_
          - x
        - two
          lines
    none:

    ok:
        True
    os:
        Debian
on-node2:
    True
"""
    )


@pytest.mark.parametrize(
    ("outcome", "value", "text"),
    [
        ("offline", "Minion is offline (last seen 10:00:00)", "Minion is offline (last seen 10:00:00)"),
        ("offline", None, "Minion is offline"),
        ("refused", "no such function: test.pong", "no such function: test.pong"),
        ("timed out", None, "The minion has not returned in time; the job goes on"),
        ("lost contact", "", "The connection to the minion was lost; its return is stored when it comes back"),
    ],
)  # fmt: skip
def test_a_minion_that_did_not_return_is_told_in_a_sentence(outcome: str, value: object, text: str) -> None:
    shown = render({"on-node2": value}, function="state.apply", outcomes={"on-node2": outcome})
    assert shown == f"on-node2:\n    {text}\n"


def test_the_summary_of_the_fleet_shows_changed_0_for_each_minion_that_was_right() -> None:
    returns = {"on-node1": RUN, "on-filer1": CLEAN, "on-node2": FAILED, "on-node3": "Minion is offline"}
    assert render_fleet(returns, {"on-node3": "offline"}) == (
        """\
Summary for 4 minions
------------------------------------------------------------
on-filer1:   Succeeded: 1   Changed: 0   Failed: 0   Time: 1.000 ms
on-node1:    Succeeded: 3   Changed: 2   Failed: 0   Time: 2.014 s
on-node2:    Succeeded: 0   Changed: 0   Failed: 1   Time: 1.000 ms
on-node3:    offline
------------------------------------------------------------
4 minions: 2 converged, 1 failed, 1 offline; 2 states changed
"""
    )


def test_the_summary_of_a_test_says_what_would_change() -> None:
    shown = render_fleet({"a": WOULD, "b": CLEAN}, {})
    assert "a:   Succeeded: 1   Would change: 1   Failed: 0" in shown
    assert "2 minions: 1 converged, 1 would change; 1 state would change" in shown


def test_a_job_that_failed_is_not_counted_as_converged_though_its_states_are_right() -> None:
    assert "1 converged, 1 failed" in render_fleet({"a": CLEAN, "b": CLEAN}, {"a": "failed"})


def test_one_minion_or_no_states_have_no_summary_of_a_fleet() -> None:
    assert render_fleet({"a": RUN}, {}) == ""
    assert render_fleet({"a": True, "b": {"os": "Debian"}}, {}) == ""


def test_json_is_one_document_of_all_minions() -> None:
    assert render({"a": True, "b": [1]}, out="json") == '{\n    "a": true,\n    "b": [\n        1\n    ]\n}\n'


def test_yaml_is_one_document_of_all_minions() -> None:
    assert render({"a": True, "b": {"c": [1], "d": "x: y"}}, out="yaml") == "a: true\nb:\n  c:\n  - 1\n  d: 'x: y'\n"


def test_txt_names_the_minion_on_every_line() -> None:
    assert render({"a": "x\ny", "b": {"c": None}, "d": ""}, out="txt") == 'a: x\na: y\nb: {"c": null}\nd:\n'


def test_pprint_is_pythons_literal() -> None:
    assert render({"a": True, "b": None}, out="pprint") == "{'a': True, 'b': None}\n"


def test_quiet_shows_nothing() -> None:
    assert render({"a": True}, out="quiet") == ""
    assert render_data({"a": True}, out="quiet") == ""


def test_a_table_has_a_row_for_each_minion_and_a_column_for_each_key() -> None:
    shown = render({"a": {"os": "Debian", "n": 2}, "bcd": {"os": "Ubuntu"}}, out="table")
    assert shown == "minion  os      n\n------  ------  -\na       Debian  2\nbcd     Ubuntu\n"


def test_a_table_of_states_has_a_row_for_each_state() -> None:
    lines = render({"a": RUN}, out="table").splitlines()
    assert lines[0].split() == ["minion", "id", "function", "result", "changed", "duration", "comment"]
    assert lines[2].split() == ["a", "motd", "file.managed", "true", "yes", "12.300", "ms", "changed"]
    assert len(lines) == 5


def test_a_table_of_single_values_and_of_nothing_is_a_table_too() -> None:
    assert render({"a": True}, out="table") == "minion  value\n------  -----\na       true\n"
    assert render({}, out="table") == ""


def test_a_long_text_in_a_table_is_folded_and_its_lines_stay() -> None:
    rows = [{"minion": "a", "said": "one\n" + "word " * 20}, {"minion": "b", "said": "two"}]
    lines = render_data(rows, out="table").splitlines()
    assert [line[:6].strip() for line in lines] == ["minion", "------", "a", "", "", "b"]
    assert (lines[2].split(), lines[5].split()) == (["a", "one"], ["b", "two"])
    assert max(map(len, lines)) <= 8 + 72
    assert render_data([], out="table") == "nothing\n"


def test_nested_can_be_asked_for_a_state_run() -> None:
    assert "Summary for" not in render({"a": RUN}, out="nested")
    assert "Summary for" in render({"a": RUN}, out="highstate")


def test_colours_are_there_only_where_asked_for() -> None:
    for value in (RUN, {"a": [1, "x"]}, FAILED, WOULD):
        assert "\x1b" not in render({"m": value})
        painted = render({"m": value}, colour=True)
        assert "\x1b[0;" in painted
        assert painted.replace("\x1b[0m", "") != painted


def test_a_diff_is_red_and_green() -> None:
    painted = render({"m": RUN}, colour=True)
    assert "\x1b[0;31m-old\x1b[0m" in painted
    assert "\x1b[0;32m+new\x1b[0m" in painted


def test_json_never_has_colours() -> None:
    assert json.loads(render({"m": RUN}, out="json", colour=True)) == {"m": RUN}


def test_other_data_is_shown_in_the_layout_asked_for() -> None:
    assert render_data(["on-node1", "on-node2"]) == "- on-node1\n- on-node2\n"
    assert render_data({"up": ["a"]}) == "up:\n    - a\n"
    assert json.loads(render_data(["a"], out="json")) == ["a"]
    assert render_data({"a": 1}, out="txt") == "a: 1\n"
