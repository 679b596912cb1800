"""Questions of minions: a closed table, a turn for each, and no way to keep others waiting."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from master import asks, keys, store
from master.asking import Arguments
from master.events import Bus
from master.presence import Minion, Presence
from saltern.wire import messages as m

T = TypeVar("T")


class Now:
    """A store without a thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        await asyncio.sleep(0)
        return work(self._connection)


def record(number: int) -> keys.Record:
    return keys.Record(public=bytes([number]) * 32, id=f"n{number}", state=keys.ACCEPTED, seal=b"s" * 32, since=0.0)


def made(
    folder: Path, pillar: Mapping[str, Any] | None = None, **more: Any
) -> tuple[asks.Asks, Presence, list[m.Answer]]:
    presence, answers = Presence(), list[m.Answer]()
    for number in (1, 2):
        presence.put(record(number))

    async def give(_minion: Minion) -> Mapping[str, Any]:
        return pillar or {}

    there = Now(store.connect(folder / "master.db"))
    return asks.Asks(presence, there, give, lambda _, answer: answers.append(answer), Bus(), **more), presence, answers  # type: ignore[arg-type]


def test_every_question_has_typed_arguments_that_refuse_the_unknown() -> None:
    for name, entry in asks.TABLE.items():
        assert issubclass(entry.arguments, Arguments), name
        assert entry.arguments.__struct_config__.forbid_unknown_fields, name
        m.from_minion(m.encode(m.Ask(1, name, b"{}")))  # a name that the message type lets through


def test_questions_of_one_minion_wait_in_a_bounded_line_and_slowly_after_a_burst(tmp_path: Path) -> None:
    async def main() -> None:
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)

        questions, presence, answers = made(tmp_path, clock=lambda: 0.0, sleep=sleep)
        one, two = presence.minions.values()
        for number in range(asks.MOST_WAITING + 5):
            questions.take(one, m.Ask(number, "vnet.leases", b"{}"))
        questions.take(two, m.Ask(1000, "vnet.leases", b"{}"))
        assert [answer.id for answer in answers] == list(range(asks.MOST_WAITING, asks.MOST_WAITING + 5))
        assert all("wait already" in answer.error for answer in answers)
        while len(answers) < asks.MOST_WAITING + 6:
            await asyncio.sleep(0)
        order = [answer.id for answer in answers[5:]]
        assert order.index(1000) < 5  # the other minion did not wait for the first one's line
        assert pauses == []
        for _ in range(12):
            for number in range(asks.MOST_WAITING):
                questions.take(one, m.Ask(number, "vnet.leases", b"{}"))
            while questions._turns[one.record.public].task:
                await asyncio.sleep(0)
        put = asks.MOST_WAITING * 13
        assert len(pauses) == put - asks.BURST
        assert max(pauses) == (put - asks.BURST) / asks.RATE_S

    asyncio.run(main())


def test_a_key_that_was_taken_back_gets_no_answer_any_more(tmp_path: Path) -> None:
    async def main() -> None:
        questions, presence, answers = made(tmp_path)
        one = next(iter(presence.minions.values()))
        questions.take(one, m.Ask(1, "vnet.leases", b"{}"))
        presence.forget(one.record.public)
        for _ in range(20):
            await asyncio.sleep(0)
        assert answers == []

    asyncio.run(main())


@settings(max_examples=150)
@given(
    what=st.sampled_from(sorted(asks.TABLE)),
    args=st.binary(max_size=40)
    | st.dictionaries(
        st.sampled_from(["vnet", "guest", "nic", "address", "minion", "x"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.integers(), max_size=2),
    ).map(msgspec.json.encode),
)
def test_no_arguments_make_a_question_fail_as_a_bug(tmp_path: Path, what: str, args: bytes) -> None:
    async def main() -> None:
        net = {"bridge": "br0", "network": "10.0.0.0/24", "range": "10.0.0.10+5"}
        questions, presence, _ = made(tmp_path, {"vnet": {"private": net}})
        answer = await questions.answer(next(iter(presence.minions.values())), m.Ask(1, what, args))
        assert "an error of Saltern itself" not in answer.error

    asyncio.run(main())


def test_a_pillar_that_is_wrong_is_told_with_its_place(tmp_path: Path) -> None:
    async def main() -> None:
        questions, presence, _ = made(tmp_path, {"vnet": {"private": {"bridge": "br0"}}})
        one = next(iter(presence.minions.values()))
        args = msgspec.json.encode({"vnet": "private", "guest": "web"})
        answer = await questions.answer(one, m.Ask(1, "vnet.offer", args))
        assert answer.error == "pillar vnet:private: network is missing"

    asyncio.run(main())
