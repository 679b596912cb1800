"""A return as a row of PostgreSQL: whatever JSON a minion may send, jsonb takes it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from master.returners.outbox import Return
from master.returners.postgresql import _row

TEXTS = st.text(st.characters(codec=None), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_a_row_holds_no_text_that_jsonb_refuses(value: object) -> None:
    head = {"jid": "1", "id": "n1", "fun": "test.echo", "outcome": "done", "success": True, "retcode": 0}
    line = json.dumps({**head, "at": "2026-11-21T00:00:00Z", "return": value}).encode()
    row = _row(Return("1", "n1", "test.echo", line))
    assert (row[:6], row[7]) == (list(head.values()), "2026-11-21T00:00:00Z")
    written = json.dumps(json.loads(row[6]), ensure_ascii=False)
    written.encode()  # no half of a pair
    assert "\\u0000" not in written
    json.loads(row[6], parse_constant=_none)


def _none(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")
