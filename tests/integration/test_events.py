"""The event bus, followed by the public command."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.system import BIN, System, wait_for
from tests.patience import WAIT_S


class Follower:
    """A running `saltern-run state.event`."""

    def __init__(self, made: System, *argv: str) -> None:
        command = [str(BIN / "saltern-run"), "--root", str(made.master.root), "state.event", *argv]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        wait_for("somebody follows", lambda: made.runner("event.followers"))

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        text, _ = self.process.communicate(timeout=WAIT_S)
        return [(line.partition("\t")[0], json.loads(line.partition("\t")[2])) for line in text.splitlines()]


@pytest.fixture
def follow(master: System) -> Iterator[Any]:
    made: list[Follower] = []

    def begin(*argv: str) -> Follower:
        made.append(Follower(master, *argv))
        return made[-1]

    yield begin
    for one in made:
        one.process.kill()
        one.process.communicate()


def test_a_job_is_told_from_its_beginning_to_its_end(master: System, follow: Any) -> None:
    master.minion("n1")
    seen = follow("salt/job/*", "count=2")
    wait_for("events come", lambda: (master.publish("n1", "test.echo", "hi"), seen.process.poll() is not None)[1])
    (new, begun), (ret, ended) = seen.events()
    assert (new.split("/")[-1], begun["fun"], begun["arg"], begun["minions"]) == ("new", "test.echo", ["hi"], ["n1"])
    assert (ret, ended["return"], ended["success"]) == (f"salt/job/{begun['jid']}/ret/n1", "hi", True)


def test_a_minion_speaks_only_as_itself(master: System, follow: Any) -> None:
    master.minion("n1")
    seen = follow("*evil*", "count=1")
    sent: list[Any] = []

    def send() -> bool:
        sent.append(master.publish("n1", "event.send", "salt/evil", {"id": "n2"}, a="{{ 1 + 1 }}")["n1"])
        return seen.process.poll() is not None

    wait_for("it came", send)
    [(tag, data)] = seen.events()
    assert sent[0]["return"] == tag == "minion/n1/salt/evil"
    assert (data["id"], data["data"]) == ("n1", {"id": "n2", "a": "{{ 1 + 1 }}"})


def test_presence_and_keys_are_told(master: System, follow: Any) -> None:
    seen = follow("salt/[mpa]*[!n]?", "count=4")  # but not salt/presence/present, which comes every minute
    minion = master.minion("n1")
    minion.stop()
    tags = [tag for tag, _ in seen.events()]
    assert tags == ["salt/auth", "salt/minion/n1/start", "salt/presence/change", "salt/presence/change"]


def test_a_tag_that_is_none_is_told(master: System) -> None:
    master.minion("n1")
    returned = master.publish("n1", "event.send", "no tag")["n1"]
    assert (returned["success"], "a tag is words with slashes" in returned["return"]) == (False, True)
    command = [str(BIN / "saltern-run"), "--root", str(master.master.root), "event.send", "salt/x"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert (done.returncode, "are the master's own" in done.stderr) == (2, True)
