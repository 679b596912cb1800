"""Which events an orchestration that waits for some takes."""

from __future__ import annotations

import asyncio

import pytest

from master.events import Bus
from master.orchestration.awaited import Awaited
from saltern.orchestration.asked import AwaitEvent


class Clock:
    """Time that stands still between two events."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def heard(asked: AwaitEvent, events: list[tuple[float, str, dict[str, object]]], since: float) -> bool | None:
    """Whether all came, where EVENTS (at, tag, data) were before the waiting began."""

    async def go() -> bool | None:
        bus, clock = Bus(), Clock()
        awaited = Awaited(bus, asked, clock)
        for clock.now, tag, data in events:
            bus.fire(tag, data)
        try:
            return (await awaited.wait(since)).result
        finally:
            awaited.close()
            assert bus.listeners == []

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("pattern", "tag", "result"),
    [
        ("salt/minion/*/start", "salt/minion/n1/start", True),
        ("salt/minion/*/start", "salt/minion/n1/stop", False),
        ("*/start", "minion/n1/start", False),  # what a minion says passes for nothing else
        ("minion/*/start", "minion/n1/start", True),
    ],
)
def test_the_tag_is_a_glob_and_a_minion_speaks_as_itself(pattern: str, tag: str, result: bool) -> None:
    assert heard(AwaitEvent(pattern=pattern, timeout_s=0.01), [(1.0, tag, {})], 1.0) is result


@pytest.mark.parametrize(("since", "result"), [(1.0, True), (1.5, False), (2.5, False)])
def test_what_came_before_does_not_count(since: float, result: bool) -> None:
    asked = AwaitEvent(pattern="a", ids=("n1", "n2"), timeout_s=0.01)
    events: list[tuple[float, str, dict[str, object]]] = [(1.0, "a", {"id": "n1"}), (2.0, "a", {"id": "n2"})]
    assert heard(asked, events, since) is result


def test_ids_are_looked_for_where_event_id_says() -> None:
    asked = AwaitEvent(pattern="a", ids=("vm1",), event_id="data:name", timeout_s=0.01)
    assert heard(asked, [(1.0, "a", {"id": "vm1", "data": {"name": "vm2"}})], 0.0) is False
    assert heard(asked, [(1.0, "a", {"id": "n1", "data": {"name": "vm1"}})], 0.0) is True


def test_it_goes_on_as_soon_as_the_event_comes() -> None:
    async def go() -> None:
        bus = Bus()
        awaited = Awaited(bus, AwaitEvent(pattern="a", ids=("1",), timeout_s=60))
        waiting = asyncio.ensure_future(awaited.wait(0.0))
        await asyncio.sleep(0)
        bus.fire("a", {"id": 2})
        await asyncio.sleep(0)
        assert not waiting.done()
        bus.fire("a", {"id": 1})
        assert (await waiting).result is True
        awaited.close()

    asyncio.run(go())
