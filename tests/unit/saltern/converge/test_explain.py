"""What is told of a state: where it stands, what it looks at, and how that would end."""

from __future__ import annotations

import pytest

from saltern.converge.explain import explained
from saltern.errors import UsageError
from saltern.sls.low import Low
from tests.unit.saltern.converge.node import Node, Thing, low, need


def told(node: Node, id: str, *lows: Low) -> dict[str, object]:
    (found,) = explained(lows, id, node.run(*lows, test=True))
    return found


def test_what_a_state_looks_at_is_told_with_its_end(node: Node) -> None:
    states = [
        low("command", "a"),
        low("watchful", "b", need("watch", "a")),
        low("command", "c", need("onchanges", "b")),
    ]
    found = told(node, "b", *states)
    assert found["would"] == "react"
    assert found["looks at"] == ["watch probe: a (web.sls:7): a would change"]
    assert found["is looked at by"] == ["probe: c (onchanges, web.sls:7)"]
    assert found["runs"] == "2 of 3"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (low("present", "it", size=1), "change"),
        (low("present", "there", colour="red"), "change nothing"),
        (low("command", "it", options={"unless": True}), "be skipped by its own condition"),
        (low("command", "it", need("onfail", "well")), "be left out"),
        (low("command", "it", need("require", "bad")), "fail without being run"),
        (low("fails", "it"), "fail"),
    ],
)
def test_how_a_state_would_end(node: Node, state: Low, expected: str) -> None:
    node.things["there"] = Thing("red")
    assert told(node, state.id, low("fails", "bad"), low("command", "well"), state)["would"] == expected


def test_a_state_that_is_not_there_is_told_with_the_nearest(node: Node) -> None:
    with pytest.raises(UsageError, match="Did you mean 'web'"):
        explained([low("command", "web")], "wob", node.run(low("command", "web"), test=True))
