"""Returns that go elsewhere too: in order, whole, once, without keeping anybody waiting."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from master.returners.returner import Returner
from saltern.secret import Secret
from tests.integration.system import wait_for
from tests.unit.master.returners.places import Away, Kept


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "var" / "master.db")


def soon(sink: Away) -> Callable[[float], bool]:
    """A pause that is short and goes on."""
    return lambda _: sink.works.wait(0.01) and False


def test_what_could_not_be_delivered_is_delivered_later_once_and_in_order(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    sink = Away()
    returner = Returner("x", sink, secrets=[Secret("hunter2")], pause=soon(sink))
    returner.start(kept, kept.begin("x")["x"])
    jids = [kept.end() for _ in range(250)]
    returner.wake()
    wait_for("it was tried", lambda: returner.failures > 1)
    assert (sink.got, returner.counts()["problem"]) == ([], "connection refused for **********")
    sink.works.set()
    wait_for("all are there", lambda: returner.delivered == 250)
    assert sink.got == jids
    wait_for("that is noted", lambda: kept.begin("x")["x"] == 250)
    returner.close()
    assert "hunter2" not in caplog.text
    assert kept.connection.execute("SELECT count(*) FROM outbox").fetchone() == (0,)


def test_another_master_process_goes_on_where_the_last_one_was(kept: Kept) -> None:
    sink = Away()
    first = Returner("x", sink, ["state.*"])
    first.start(kept, kept.begin("x")["x"])
    jids = [kept.end("state.apply") for _ in range(3)]
    kept.end("test.ping")
    first.wake()
    wait_for("it was tried", lambda: first.failures)
    first.close()
    sink.works.set()
    second = Returner("x", sink, ["state.*"])
    second.start(kept, kept.begin("x")["x"])
    wait_for("all are there", lambda: second.delivered == 3)
    assert sink.got == jids
    second.close()


def test_a_return_that_is_refused_keeps_no_other_waiting(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    sink = Away(refused=["file.read"])
    sink.works.set()
    returner = Returner("x", sink)
    position = kept.begin("x")["x"]
    first, odd, last = kept.end(), kept.end("file.read"), kept.end()
    with caplog.at_level(logging.ERROR):
        returner.start(kept, position)
        wait_for("the others are there", lambda: returner.delivered == 2)
        returner.close()
    assert (sink.got, returner.dropped) == ([first, last], 1)
    assert f"the return of job {odd} on n1 is not taken there: no such thing here" in caplog.text


def test_what_the_store_forgot_is_counted(kept: Kept) -> None:
    sink = Away()
    sink.works.set()
    position = kept.begin("x", most=5)["x"]
    jids = [kept.end() for _ in range(8)]
    kept.connection.execute("DELETE FROM ends WHERE jid = ?", (jids[4],))
    returner = Returner("x", sink)
    returner.start(kept, position)
    wait_for("all is settled", lambda: returner.delivered + returner.dropped == 8)
    returner.close()
    assert (sink.got, returner.dropped) == ([jids[3], *jids[5:]], 4)
