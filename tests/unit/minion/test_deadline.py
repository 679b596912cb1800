"""The deadline of a job: taken out of its arguments, or the option's."""

from __future__ import annotations

import json

import pytest

from minion.deadline import taken
from saltern.errors import UsageError


@pytest.mark.parametrize(
    ("kwargs", "deadline_s", "rest"),
    [
        ({}, 60.0, {}),
        ({"test": True, "deadline": 5}, 5.0, {"test": True}),
        ({"deadline": "15m"}, 900.0, {}),
        ({"deadline": 0}, 0.0, {}),
        ({"deadline": 0.5}, 0.5, {}),
        ({"name": '"deadline"'}, 60.0, {"name": '"deadline"'}),
        ({"pillar": {"deadline": 5}}, 60.0, {"pillar": {"deadline": 5}}),
    ],
)
def test_a_deadline_is_taken_out_of_the_arguments(
    kwargs: dict[str, object], deadline_s: float, rest: dict[str, object]
) -> None:
    found, left = taken(json.dumps(kwargs).encode(), 60.0)
    assert (found, json.loads(left)) == (deadline_s, rest)


@pytest.mark.parametrize("given", [-1, True, "soon", None, [], 1e12])
def test_what_is_no_deadline_is_an_error(given: object) -> None:
    with pytest.raises(UsageError, match="deadline= takes"):
        taken(json.dumps({"deadline": given}).encode(), 60.0)
