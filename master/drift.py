"""Drift: what a node is that its states say otherwise, since when. From the highstates that are stored, by hand or by
schedule, in test mode or not; so a report asks nobody."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from saltern.jid import moment

SEPARATOR = "_|-"
_MOST_TEXT = 500
_MOST_STATES = 2000  # of one minion


def note(connection: sqlite3.Connection, minion: str, jid: str, value: bytes, test: bool) -> None:
    """Take in a highstate of MINION (its return VALUE, JSON). One that is older than what is known says nothing, and
    neither does one that did not get as far as its states."""
    last = connection.execute("SELECT jid FROM checks WHERE minion = ?", (minion,)).fetchone()
    if last and last[0] >= jid:
        return
    read = msgspec.json.decode(value)
    if not isinstance(read, dict) or any(not isinstance(one, dict) for one in read.values()):
        return
    found = {tag: text for tag, one in results(read) if (text := differs(one, test))}
    known = dict(connection.execute("SELECT tag, first FROM drift WHERE minion = ?", (minion,)).fetchall())
    connection.execute("DELETE FROM drift WHERE minion = ?", (minion,))
    connection.executemany(
        "INSERT INTO drift VALUES (?, ?, ?, ?, ?)",
        [(minion, tag, known.get(tag, jid), jid, text) for tag, text in list(found.items())[:_MOST_STATES]],
    )
    connection.execute("INSERT OR REPLACE INTO checks VALUES (?, ?)", (minion, jid))


def results(read: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The results of a state run by their tags; nothing where it is none."""
    if isinstance(read, Mapping):
        yield from ((str(tag), one) for tag, one in read.items() if isinstance(one, Mapping) and "result" in one)


def differs(one: Mapping[str, Any], test: bool) -> str:
    """What differs at a state after a run, '' where nothing does. Changes of an apply that went well are no more."""
    result = one.get("result")
    if result is False or result is None or (test and one.get("changes")):
        return str(one.get("comment") or one.get("changes"))[:_MOST_TEXT] or "it differs"
    return ""


def named(tag: str, one: Mapping[str, Any]) -> str:
    """The state as people call it: `bridge.present br0`."""
    parts = tag.split(SEPARATOR)
    if len(parts) != 4:
        return tag
    return f"{parts[0]}.{parts[3]} {one.get('__id__') or parts[1]}"


def report(connection: sqlite3.Connection, minions: Iterable[str]) -> list[dict[str, str]]:
    """What differs on MINIONS, by minion and the time it was first seen; a line too for each that was never checked."""
    lines = []
    checked = dict(connection.execute("SELECT minion, jid FROM checks").fetchall())
    for minion in minions:
        if minion not in checked:
            lines.append(_line(minion, "", "not checked yet: no highstate of it is known", "", ""))
        query = "SELECT tag, text, first, last FROM drift WHERE minion = ? ORDER BY first, tag"
        for tag, text, first, last in connection.execute(query, (minion,)):
            lines.append(_line(minion, named(tag, {}), text, moment(first), moment(last)))
    return lines


def _line(minion: str, state: str, difference: str, since: str, seen: str) -> dict[str, str]:
    return {"minion": minion, "state": state, "difference": difference, "since": since, "last_seen": seen}
