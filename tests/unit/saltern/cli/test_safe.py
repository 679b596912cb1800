"""Nothing that a minion says reaches a terminal as a control sequence."""

from __future__ import annotations

import json
import unicodedata

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from saltern.cli import output, progress
from saltern.cli.output.safe import MAX_DEPTH, bounded, clean, neutral, neutral_line

ATTACKS = [
    "\x1b[2J\x1b[H",  # clear the screen
    "\x1b]0;owned\x07",  # set the title
    "\x1b]52;c;cm0gLXJmIC8=\x07",  # write the clipboard
    "\x9b31m",  # the one-byte form of CSI
    "\x90q\x9c",  # DCS
    "ok\rEVIL",  # overwrite the line
    "a\x08b",  # backspace
    "\x7f",
    "\x00",
    "user\u202egpj.exe",  # reverse the reading order
    "\u2066x\u2069",
    "a\u2028b",
    "zero\u200bwidth",
    "\ud800",  # a lone surrogate can't be encoded
    "\U000e0041",  # an invisible tag
]


def is_harmless(text: str) -> bool:
    """Newlines and tabs aside there is no control, format, surrogate or separator character."""
    return all(c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in text)


def state_run(text: str) -> dict[str, object]:
    return {
        f"file_|-{text}_|-{text}_|-managed": {
            "result": False,
            "comment": text,
            "changes": {text: {"old": text, "new": [text]}, "diff": f"--- a\n+++ b\n+{text}"},
            "start_time": text,
            "duration": text,
            "__id__": text,
            "name": text,
            "__run_num__": 0,
            "warnings": [text],
        }
    }


@pytest.mark.parametrize("text", ATTACKS)
@pytest.mark.parametrize("out", [None, *output.FORMATS])
def test_no_layout_lets_an_escape_sequence_through(text: str, out: str | None) -> None:
    returns = {
        "on-node1": text,
        f"id{text}": {text: [text, {text: text}]},
        "states": state_run(text),
        "errors": [text],
        "away": text,
    }
    outcomes = {"away": "offline", "on-node1": "failed"}
    for state_output in ("full", "terse_id"):
        shown = output.render(returns, function="state.apply", out=out, outcomes=outcomes, state_output=state_output)
        assert is_harmless(shown)
    assert is_harmless(output.render_fleet(returns, outcomes, function="state.apply"))
    assert is_harmless(output.render_data(returns, out=out))
    assert is_harmless("\n".join(progress.lines({text: (1, 2, text)}, 80)))


def test_what_was_made_harmless_can_still_be_seen() -> None:
    assert neutral("a\x1b[1mb\x9b\u202e\U000e0041") == "a\\x1b[1mb\\x9b\\u202e\\U000e0041"


def test_newlines_and_tabs_stay_and_windows_line_ends_become_newlines() -> None:
    assert neutral("a\r\nb\tc\n") == "a\nb\tc\n"


def test_what_must_stay_on_one_line_does() -> None:
    assert neutral_line("a\r\nb\tc\rd") == "a\\nb\\tc\\x0dd"


def test_letters_of_all_languages_stay() -> None:
    assert neutral("Größe 大きさ حجم 😀") == "Größe 大きさ حجم 😀"


@given(st.text())
def test_any_text_becomes_harmless_and_stays_so(text: str) -> None:
    shown = neutral(text)
    visible = "".join(c for c in shown if unicodedata.category(c) not in ("Cf",))
    assert is_harmless(visible)
    assert neutral(shown) == shown


@given(st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=10))  # fmt: skip # noqa: E501
def test_every_text_inside_a_value_becomes_harmless(value: object) -> None:
    def texts(part: object) -> list[str]:
        if isinstance(part, dict):
            return [text for key, inner in part.items() for text in (key, *texts(inner))]
        if isinstance(part, list):
            return [text for inner in part for text in texts(inner)]
        return [part] if isinstance(part, str) else []

    assert all(neutral(text) == text for text in texts(clean(value)))


def deep(levels: int) -> object:
    value: object = "x"
    for _ in range(levels):
        value = {"a": [value]}
    return value


@pytest.mark.parametrize("out", [None, *output.FORMATS])
def test_a_return_nested_too_deep_is_cut_off_and_hides_no_other(out: str | None) -> None:
    shown = output.render({"bad": deep(400), "good": "fine"}, out=out)
    assert out == "quiet" or "fine" in shown
    assert bounded(deep(MAX_DEPTH // 2 - 1)) == deep(MAX_DEPTH // 2 - 1)


def test_json_and_yaml_give_back_what_was_said() -> None:
    returns = {"on-node1": ATTACKS[:-2], "on-node2": {"a": None, "ä": 1.5, "b": True}}
    assert json.loads(output.render(returns, out="json")) == returns
    assert yaml.safe_load(output.render(returns, out="yaml")) == returns


def test_a_secret_stays_masked_in_every_layout() -> None:
    from saltern.secret import Secret

    for out in (None, *output.FORMATS):
        assert "canary" not in output.render({"local": {"password": Secret("canary"), "set": {1}}}, out=out)
