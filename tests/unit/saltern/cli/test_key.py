"""The decisions of `saltern-key`."""

from __future__ import annotations

import pytest

from saltern.cli import key
from saltern.cli.options import parse
from saltern.errors import UsageError

MARK_1 = ":".join(["a1"] * 32)
MARK_2 = ":".join(["b2"] * 32)
KEYS = {
    "accepted": [{"id": "on-node1", "fingerprint": MARK_1, "since": "2026-11-21"}],
    "pending": [{"id": "on-node22", "fingerprint": MARK_2, "since": "2026-11-21"}],
    "rejected": [],
}


def asked(*argv: str) -> tuple[str, str]:
    return key.asked(parse(key.OPTIONS, argv, words=None))


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        ([], ("list", "all")),
        (["list"], ("list", "all")),
        (["list", "pending"], ("list", "pending")),
        (["-L"], ("list", "all")),
        (["-l", "pre"], ("list", "pre")),
        (["accept", "on-*"], ("accept", "on-*")),
        (["-a", "on-*"], ("accept", "on-*")),
        (["-A"], ("accept", "*")),
        (["reject", "x", "-y"], ("reject", "x")),
        (["-r", "x"], ("reject", "x")),
        (["-R"], ("reject", "*")),
        (["delete", "x"], ("delete", "x")),
        (["-d", "x"], ("delete", "x")),
        (["-D"], ("delete", "*")),
        (["finger"], ("finger", "*")),
        (["finger", "x"], ("finger", "x")),
        (["-f", "x"], ("finger", "x")),
        (["-F"], ("finger", "*")),
        (["token", "--minion", "on-*"], ("token", "")),
    ],
)
def test_subcommands_and_salts_options_mean_the_same(argv: list[str], meant: tuple[str, str]) -> None:
    assert asked(*argv) == meant


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["acept", "x"], "Did you mean 'accept'"),
        (["accept"], "accept which keys"),
        (["accept", "x", "y"], "'y' is not understood"),
        (["-a", "x", "-d", "y"], "one action at a time"),
        (["-A", "-D"], "exclude each other"),
    ],
)
def test_a_wrong_command_line_is_told(argv: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        asked(*argv)


@pytest.mark.parametrize(
    ("match", "found"),
    [
        ("on-node1", ["on-node1"]),
        ("on-node*", ["on-node1", "on-node22"]),
        ("on-node?", ["on-node1"]),
        ("ON-NODE1", []),
        (MARK_2, ["on-node22"]),
        (MARK_2.upper(), ["on-node22"]),
        (MARK_2.replace(":", ""), ["on-node22"]),
        ("b2:b2:b2:b2", ["on-node22"]),
        ("b2:b2:b2", []),  # too short to mean one key
        ("b2b2b2b2", []),  # may be an id
    ],
)
def test_keys_are_chosen_by_id_glob_or_fingerprint(match: str, found: list[str]) -> None:
    assert [one["id"] for one in key.select(KEYS, ("accepted", "pending"), match)] == found


def test_only_keys_of_the_states_asked_for_are_chosen() -> None:
    assert [one["id"] for one in key.select(KEYS, ("pending",), "*")] == ["on-node22"]


def test_the_list_shows_ids_and_fingerprints_by_state() -> None:
    assert key.list_text(KEYS, "all") == (
        f"Accepted Keys:\non-node1   {MARK_1}\nUnaccepted Keys:\non-node22  {MARK_2}\nRejected Keys:\n"
    )
    assert key.list_text(KEYS, "rejected") == "Rejected Keys:\n"


def test_an_id_with_escape_sequences_is_listed_harmlessly() -> None:
    shown = key.list_text({"pending": [{"id": "a\x1b[1A\nb", "fingerprint": MARK_1}]}, "pending")
    assert shown == f"Unaccepted Keys:\na\\x1b[1A\\nb  {MARK_1}\n"
