"""The truth table of requisites: for each outcome of what is required, what the requiring state does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from saltern.converge.requisites import NO_CHANGES, NOT_ALL_CHANGED, NOT_CHANGED, NOT_FAILED, with_needs
from saltern.converge.result import Verdict
from saltern.errors import UsageError
from saltern.sls.keywords import REQUISITES
from saltern.sls.low import Low
from tests.unit.saltern.converge.node import Node, Thing, low, need

RUNS, FAILS = "runs", "fails"
FAILED = "One or more requisite failed: web."

# What is required, by name of its outcome. All but `would` are meant for an apply.
OUTCOMES: dict[str, Low] = {
    "changed": low("command", "changed"),
    "unchanged": low("present", "unchanged", colour="red"),
    "failed": low("fails", "failed"),
    "skipped": low("command", "skipped", options={"unless": True}),
    "would": low("command", "would"),
}

DOCUMENT = Path(__file__).parents[4] / "docs" / "requisites.md"
COLUMNS = {"changed": "changed", "unchanged": "unchanged", "failed": "failed", "skipped": "skipped"}
COLUMNS["would change"] = "would"

NOT_RUN = {
    "onchanges": NOT_CHANGED,
    "onchanges_any": NOT_CHANGED,
    "onchanges_all": NOT_ALL_CHANGED,
    "onfail": NOT_FAILED,
    "onfail_any": NOT_FAILED,
    "onfail_all": NOT_FAILED,
    "prereq": NO_CHANGES,
}


def table() -> Iterator[tuple[str, str, str]]:
    """Each cell of the table in the document: (requisite, outcome of what it names, what the state does)."""
    lines = DOCUMENT.read_text().splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("| requisite | changed |"))
    outcomes = [COLUMNS[cell.strip()] for cell in lines[begin].strip("|").split("|")[1:]]
    for line in lines[begin + 2 :]:
        if not line:
            return
        kind, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        for outcome, cell in zip(outcomes, cells, strict=True):
            yield kind.strip("`"), outcome, cell


def told(verdict: Verdict) -> str:
    """What a state did, in short, or why it did not."""
    if verdict.ran:
        return RUNS
    return FAILS if verdict.comment.startswith(FAILED) and verdict.result is False else verdict.comment


def test_the_document_has_every_requisite_that_the_language_has() -> None:
    assert {kind for kind, _, _ in table()} == set(REQUISITES) - {"use"}


@pytest.mark.parametrize(("kind", "outcome", "cell"), list(table()))
def test_a_requisite_does_what_the_document_says(node: Node, kind: str, outcome: str, cell: str) -> None:
    node.things["unchanged"] = Thing("red")
    states = [OUTCOMES[outcome], low("watchful", "it", need(kind, outcome))]
    result = node.run(*(reversed(states) if kind == "prereq" else states), test=outcome == "would")
    by_tag = {one.tag: one.verdict for one in result.results}
    own = by_tag["probe_|-it_|-it_|-watchful"]
    at_the_end = by_tag.get("probe_|-listener_it_|-it_|-mod_watch")
    did = {RUNS: "runs", FAILS: "fails", NOT_RUN.get(kind): "not run"}[told(own)]
    if "reaction" in own.changes:
        did += ", reacts"
    if at_the_end is not None:
        did += ", reacts at the end"
    assert did == cell


@pytest.mark.parametrize(
    ("kind", "outcomes", "expected"),
    [
        ("require", ("unchanged", "failed"), FAILS),
        ("require_any", ("unchanged", "failed"), RUNS),
        ("watch_any", ("changed", "failed"), RUNS),
        ("onchanges", ("unchanged", "changed"), RUNS),
        ("onchanges", ("changed", "failed"), FAILS),
        ("onchanges_any", ("changed", "failed"), RUNS),
        ("onchanges_any", ("unchanged", "failed"), NOT_CHANGED),
        ("onchanges_all", ("unchanged", "changed"), NOT_ALL_CHANGED),
        ("onfail", ("unchanged", "failed"), RUNS),
        ("onfail_all", ("unchanged", "failed"), NOT_FAILED),
    ],
)
def test_several_requirements_of_a_kind(node: Node, kind: str, outcomes: tuple[str, ...], expected: str) -> None:
    node.things["unchanged"] = Thing("red")
    it = low("watchful", "it", *(need(kind, name) for name in outcomes))
    assert told(node.verdicts(*(OUTCOMES[name] for name in outcomes), it)["it"]) == expected


@pytest.mark.parametrize(
    ("kind", "before", "expected"),
    [
        ("watch", "changed", ["restart it"]),
        ("watch", "unchanged", []),
        ("watch", "skipped", []),
        ("watch_any", "changed", ["restart it"]),
        ("require", "changed", []),
        ("onchanges", "changed", []),
        ("listen", "changed", ["restart it"]),
        ("listen", "unchanged", []),
        ("listen", "failed", []),
    ],
)
def test_only_what_is_watched_or_listened_to_makes_a_state_react(
    node: Node, kind: str, before: str, expected: list[str]
) -> None:
    node.things["unchanged"] = Thing("red")
    node.run(OUTCOMES[before], low("watchful", "it", need(kind, before)))
    assert [act for act in node.acts if act.startswith("restart")] == expected


def test_a_watcher_reacts_after_its_own_change_and_only_once(node: Node) -> None:
    states = [low("command", "a"), low("command", "b")]
    verdict = node.verdicts(*states, low("watchful", "it", need("watch", "a"), need("watch", "b"), colour="red"))["it"]
    assert node.acts == ["run a", "run b", "put it", "restart it"]
    assert verdict.comment == "Done:\n- set colour of it\nDone, since a, b changed:\n- restart it"
    assert verdict.changes == {"colour": {"old": None, "new": "red"}, "reaction": ["restart it"]}


def test_test_mode_tells_the_reaction_and_does_not_react(node: Node) -> None:
    verdict = node.verdicts(low("command", "a"), low("watchful", "it", need("watch", "a")), test=True)["it"]
    assert (verdict.result, verdict.changed, node.acts) == (None, True, [])
    assert verdict.comment.endswith("Would be done, since a would change:\n- restart it")


def test_a_chain_of_planned_changes_is_followed_in_test_mode(node: Node) -> None:
    found = node.verdicts(
        low("command", "a"),
        low("watchful", "b", need("watch", "a")),
        low("command", "c", need("onchanges", "b")),
        test=True,
    )
    assert found["c"].result is None


def test_watch_of_a_state_without_reaction_is_a_require_and_says_so(node: Node) -> None:
    result = node.run(low("command", "a"), low("present", "it", need("watch", "a"), size=1))
    assert result.ok
    assert result.warnings == ("web.sls:3: probe.present has no reaction, so its `watch` is only a `require`",)
    assert result.as_salt()["probe_|-it_|-it_|-present"]["warnings"] == list(result.warnings)


def test_a_listener_reacts_at_the_end_as_a_result_of_its_own(node: Node) -> None:
    result = node.run(low("watchful", "it", need("listen", "b")), low("command", "b"), low("command", "c"))
    assert node.acts == ["run b", "run c", "restart it"]
    assert list(result.as_salt())[-1] == "probe_|-listener_it_|-it_|-mod_watch"


def test_prereq_runs_first_and_only_if_the_other_would_change(node: Node) -> None:
    before = low("command", "stop", need("prereq", "a"))
    assert [*node.verdicts(before, low("present", "a", size=1))] == ["stop", "a"]
    assert node.acts == ["run stop", "put a"]
    assert node.verdicts(before, low("present", "a", size=1))["stop"] == Verdict(True, NO_CHANGES, ran=False)


def test_what_a_failed_prereq_should_have_prepared_does_not_run(node: Node) -> None:
    found = node.verdicts(low("fails", "stop", need("prereq", "a")), low("present", "a", size=1))
    assert found["a"] == Verdict(False, FAILED + "stop", ran=False)
    assert node.acts == []


def test_prereq_looks_through_a_chain(node: Node) -> None:
    states = [
        low("command", "a", need("prereq", "b")),
        low("command", "b", need("prereq", "c")),
        low("present", "c", size=1),
    ]
    node.run(*states)
    assert node.acts == ["run a", "run b", "put c"]
    node.acts.clear()
    node.run(*states)
    assert node.acts == []


@pytest.mark.parametrize(
    ("module", "ref"), [("probe", "a"), ("probe", "a*"), ("id", "a"), ("sls", "web"), ("sls", "we?")]
)
def test_a_requisite_names_by_id_glob_or_sls(node: Node, module: str, ref: str) -> None:
    found = node.verdicts(low("fails", "a"), low("present", "it", need("require", ref, module)))
    assert found["it"].comment == FAILED + "a"


def test_a_requisite_that_names_nothing_fails_its_state(node: Node) -> None:
    verdict = node.one(low("present", "it", need("require", "nobody"), size=1))
    assert verdict.result is False
    assert verdict.comment == "web.sls:7: require: there is no state probe: nobody in this run"
    assert node.acts == []


def test_an_id_is_run_with_all_that_it_needs() -> None:
    states = [
        low("present", "a"),
        low("present", "b"),
        low("present", "c", need("require", "b")),
        low("present", "d", need("watch", "c"), need("listen", "a")),
    ]
    found = with_needs(states, ["d"])
    assert [one.id for one in found] == ["b", "c", "d"]
    assert [need.kind for need in found[-1].requisites] == ["watch"]
    with pytest.raises(UsageError, match=r"there is no id 'dd' in these SLS. Did you mean 'd'\?"):
        with_needs(states, ["dd"])
