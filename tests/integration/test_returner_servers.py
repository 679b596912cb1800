"""Returns to a real PostgreSQL and a real Redis: nothing is lost while they, or the master, are away."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis import Redis

from tests.integration.kernel import needs_root
from tests.integration.servers import PASSWORD, Server, postgresql, redis
from tests.integration.system import System, wait_for

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root, reason="needs root, to become postgres")]
QUERY = "SELECT jid, id, fun, outcome, success, retcode, return, extract(epoch FROM at) FROM saltern_returns ORDER BY 1"


class Place:
    """A system whose master has both returners, and both servers, which are away at first."""

    def __init__(self, system: System, base: Server, cache: Server) -> None:
        self.system, self.base, self.cache = system, base, cache

    def configure(self, **base: Any) -> None:
        postgres = f"postgresql://saltern:{PASSWORD}@127.0.0.1:{self.base.port}/postgres"
        self.system.configure(
            returners={
                "base": {"postgresql": postgres, "timeout": 2, **base},
                "cache": {"redis": f"redis://127.0.0.1:{self.cache.port}/0", "password": PASSWORD, "timeout": 2},
            }
        )

    def rows(self) -> list[tuple[Any, ...]]:
        """What is in the table."""
        where = f"host=127.0.0.1 port={self.base.port} user=saltern dbname=postgres password={PASSWORD}"
        with psycopg.connect(where, connect_timeout=60) as connection:
            return connection.execute(QUERY).fetchall()

    def documents(self) -> dict[str, Any]:
        """What is in Redis, by jid."""
        with Redis("127.0.0.1", self.cache.port, password=PASSWORD, socket_timeout=60) as client:
            keys = sorted(client.keys("saltern:ret:*"))
            assert all(0 < client.ttl(key) <= 7 * 86400 for key in keys)
            return {key.decode().rpartition(":")[2]: client.hgetall(key) for key in keys}

    def counts(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What the master says of both."""
        found = self.system.runner("manage.returners")
        return found["base"], found["cache"]

    def settled(self) -> None:
        """Wait until nothing waits any more."""
        wait_for("both have all", lambda: all(not one["waiting"] for one in self.counts()))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with postgresql() as base, redis() as cache:
        system = System(tmp_path)
        made = Place(system, base, cache)
        made.configure()
        try:
            system.start()
            yield made
        finally:
            system.close()


def test_what_ends_while_servers_and_master_are_away_is_there_later_once(place: Place) -> None:
    place.system.minion("n1")

    def echo(value: Any) -> None:
        assert place.system.publish("n1", "test.echo", value)["n1"]["return"] == value

    values: list[Any] = ["early", {"nul": "a\0b"}, [1, None, 2.5, True]]
    for value in values:
        echo(value)
    wait_for("both were tried", lambda: all(one["failures"] for one in place.counts()))
    assert all("efused" in one["problem"] and one["waiting"] >= 3 for one in place.counts())

    place.system.master.stop(signal.SIGKILL)
    place.base.start()
    place.cache.start()
    place.system.start()
    place.system.wait_up("n1")
    place.settled()
    assert [row[6] for row in place.rows() if row[2] == "test.echo"] == [
        "early",
        {"nul": "a\ufffdb"},
        [1, None, 2.5, True],
    ]

    place.base.kill()
    place.cache.kill()
    echo("between")
    wait_for("both failed", lambda: all(one["problem"] for one in place.counts()))
    place.base.start()
    place.cache.start()
    place.settled()
    with place.base.frozen(), place.cache.frozen():
        echo("frozen")
        wait_for("both are given up for now", lambda: all(one["problem"] for one in place.counts()))
    place.settled()

    rows, documents = place.rows(), place.documents()
    assert [row[6] for row in rows if row[2] == "test.echo"][3:] == ["between", "frozen"]
    assert [row[0] for row in rows] == sorted(documents)
    for jid, minion, function, outcome, success, retcode, value, at in rows:
        document = json.loads(documents[jid][minion.encode()])
        assert (document["fun"], document["outcome"], document["success"]) == (function, outcome, success)
        assert (document["retcode"], document["id"], at > 1.7e9) == (retcode, minion, True)
        assert value == document["return"] or function == "test.echo"
    with Redis("127.0.0.1", place.cache.port, password=PASSWORD) as client:
        assert client.smembers("saltern:minions") == {b"n1"}
        assert client.hget("saltern:last:n1", "test.echo") == rows[-1][0].encode()
    assert PASSWORD not in place.system.master.log


def test_a_wrong_password_is_told_without_the_password_and_mended_by_a_restart(place: Place) -> None:
    place.base.start()
    place.cache.start()
    place.system.master.stop()
    place.configure(password="wrong-battery")
    place.system.start()
    place.system.minion("n1")
    place.system.publish("n1", "test.ping")
    wait_for("it is told", lambda: place.counts()[0]["problem"])
    assert "password authentication failed" in place.counts()[0]["problem"]
    assert not {PASSWORD, "wrong-battery"} & set(place.system.master.log.split())
    assert "wrong-battery" not in place.system.master.log + str(place.counts())
    place.system.master.stop()
    place.configure()
    place.system.start()
    place.settled()
    wait_for("it is there", lambda: any(row[2] == "test.ping" for row in place.rows()))
    assert [(row[1], row[6]) for row in place.rows() if row[2] == "test.ping"] == [("n1", True)]
