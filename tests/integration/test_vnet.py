"""Addresses of virtual networks, leased by a real master to real minions, one of which may be an enemy."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from master import asks
from saltern.wire import messages as m
from tests.integration.system import Daemon, Peer, System, accepted_peer, wait_for
from tests.patience import WAIT_S

PILLAR = """
vnet:
  private:
    bridge: br46
    vlan: 46
    network: 10.1.16.0/20
    range: [10.1.16.10, 10.1.16.12]
    gateway: 10.1.16.1
    dns: [10.1.16.1]
"""


def give_pillar(master: System, text: str = PILLAR, target: str = "n*") -> None:
    (master.pillar / "top.sls").write_text(f"base:\n  '{target}':\n    - nets\n")
    (master.pillar / "nets.sls").write_text(text)


@pytest.fixture
def n1(master: System) -> Daemon:
    """A connected minion whose pillar has the network."""
    give_pillar(master)
    return with_grace(master, 60)


def with_grace(master: System, seconds: float) -> Daemon:
    """A connected minion n1 that waits so long for a master that has just gone."""
    daemon = master.prepare("n1")
    with (daemon.root / "etc/saltern/minion").open("a") as file:
        file.write(f"master_grace_s: {seconds}\n")
    daemon.start()
    master.wait_up("n1")
    return daemon


def on(master: System, minion: str, function: str, *args: Any, **kwargs: Any) -> Any:
    """What a function returns; AssertionError where it fails."""
    end = master.publish(minion, function, *args, **kwargs)[minion]
    assert end["success"], end
    return end["return"]


def failure(master: System, minion: str, function: str, *args: Any, **kwargs: Any) -> str:
    """Why a function fails."""
    end = master.publish(minion, function, *args, **kwargs)[minion]
    assert not end["success"], end
    return str(end["return"])


def test_a_guest_keeps_its_address_until_it_is_released(master: System, n1: Daemon) -> None:
    offer = on(master, "n1", "vnet.offer", "private", "web")
    assert offer == {
        "vnet": "private",
        "guest": "web",
        "nic": 0,
        "address": "10.1.16.10",
        "prefix": 20,
        "gateway": "10.1.16.1",
        "dns": ["10.1.16.1"],
        "mac": "02:00:0a:01:10:0a",
        "bridge": "br46",
        "vlan": 46,
        "held": False,
    }
    assert on(master, "n1", "vnet.leases") == []
    held = {**offer, "held": True}
    for _ in range(2):
        assert on(master, "n1", "vnet.lease", "private", "web", 0, "10.1.16.10") == held
    assert on(master, "n1", "vnet.offer", "private", "web") == held
    assert on(master, "n1", "vnet.offer", "private", "db")["address"] == "10.1.16.11"
    on(master, "n1", "vnet.release", "private", "web")
    assert on(master, "n1", "vnet.leases") == []
    assert on(master, "n1", "vnet.offer", "private", "db")["address"] == "10.1.16.11"
    assert on(master, "n1", "vnet.offer", "private", "mail")["address"] == "10.1.16.10"


def test_two_minions_that_race_for_the_last_address_end_with_one_lease(master: System, n1: Daemon) -> None:
    master.minion("n2")
    for guest, address in (("a", "10.1.16.10"), ("b", "10.1.16.11")):
        on(master, "n1", "vnet.lease", "private", guest, 0, address)
    ends: dict[str, dict[str, Any]] = {}

    def take(minion: str) -> None:
        args = ("private", f"last-{minion}", 0, "10.1.16.12")
        ends[minion] = master.publish(minion, "vnet.lease", *args)[minion]

    threads = [threading.Thread(target=take, args=(minion,)) for minion in ("n1", "n2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner, loser = sorted(ends.values(), key=lambda end: not end["success"])
    assert (winner["success"], loser["success"]) == (True, False)
    assert "10.1.16.12 of vnet private is leased already" in loser["return"]
    assert "has no free address" in failure(master, "n2", "vnet.offer", "private", "more")
    rows = [row for row in master.runner("vnet.leases", "private") if row["address"] == "10.1.16.12"]
    assert [row["minion"] for row in rows] == [winner["minion"]]


def test_a_network_that_is_not_in_the_minions_pillar_is_refused(master: System) -> None:
    give_pillar(master, target="n1")
    with accepted_peer(master, "n2") as peer:
        for what, more in (("vnet.offer", {}), ("vnet.lease", {"nic": 0, "address": "10.1.16.10"})):
            answer = ask(peer, what, {"vnet": "private", "guest": "web", **more})
            assert not answer.ok
            assert "no virtual network 'private'" in answer.error
    assert master.runner("vnet.leases") == []


def ask(peer: Peer, what: str, args: Any) -> m.Answer:
    peer.send(m.Ask(7, what, args if isinstance(args, bytes) else json.dumps(args).encode()))
    answer: m.Answer = peer.expect(m.Answer)
    assert answer.id == 7
    return answer


BAD = [
    ("vnet.nothing", {}, "no question"),
    ("vnet.offer", {"vnet": "private"}, "missing required field"),
    ("vnet.offer", {"vnet": "private", "guest": "web", "minion": "n1"}, "unknown field"),
    ("vnet.offer", {"vnet": "private", "guest": 1}, "Expected"),
    ("vnet.offer", {"vnet": "../x", "guest": "web"}, "not the name of a virtual network"),
    ("vnet.offer", {"vnet": "private", "guest": "<&;"}, "not the name of a guest"),
    ("vnet.lease", {"vnet": "private", "guest": "web", "nic": -1, "address": "10.1.16.10"}, "nic is"),
    ("vnet.lease", {"vnet": "private", "guest": "web", "nic": 0, "address": "10.1.16.1"}, "does not give"),
    ("vnet.lease", {"vnet": "private", "guest": "web", "nic": 0, "address": "x"}, "not an IPv4 address"),
    ("vnet.offer", b"{" * 5000, "arguments are wrong"),
    ("vnet.offer", b"\xff", "arguments are wrong"),
]


def test_a_question_out_of_the_table_or_with_wrong_arguments_is_refused(master: System) -> None:
    give_pillar(master)
    with accepted_peer(master, "n1") as peer:
        for what, args, why in BAD:
            answer = ask(peer, what, args)
            assert (answer.ok, answer.value) == (False, b"")
            assert why in answer.error
        dropped = master.master.log.count("was dropped")
        peer.send(m.encode(m.Ask(1, "vnet.offer", b"x" * 70_000)))  # more than the message type allows
        wait_for("it is dropped", lambda: master.master.log.count("was dropped") > dropped)
        assert ask(peer, "vnet.leases", {}).ok
    assert master.runner("vnet.leases") == []


def test_a_minion_can_not_take_or_release_what_another_holds(master: System, n1: Daemon) -> None:
    on(master, "n1", "vnet.lease", "private", "web", 0, "10.1.16.10")
    with accepted_peer(master, "n2") as peer:
        for what, more in (("vnet.offer", {}), ("vnet.lease", {"nic": 0, "address": "10.1.16.10"})):
            answer = ask(peer, what, {"vnet": "private", "guest": "web", **more})
            assert "vnet.move private web n2" in answer.error
        assert ask(peer, "vnet.release", {"vnet": None, "guest": "web"}).value == b"[]"
        assert ask(peer, "vnet.move", {"vnet": None, "guest": "web", "minion": "n2"}).value == b"[]"
    assert [row["minion"] for row in master.runner("vnet.leases")] == ["n1"]


def test_a_flood_of_questions_is_refused_and_others_are_served(master: System, n1: Daemon) -> None:
    with accepted_peer(master, "n2") as peer:
        began = time.monotonic()
        for number in range(1000):
            peer.send(m.Ask(number, "vnet.offer", b'{"vnet": "private", "guest": "web"}'))
        assert on(master, "n1", "vnet.lease", "private", "web", 0, "10.1.16.10")["held"]
        answers = [peer.expect(m.Answer) for _ in range(1000)]
        most = asks.MOST_WAITING + asks.BURST + asks.RATE_S * (time.monotonic() - began)
    assert sum("questions of this minion wait already" in answer.error for answer in answers) >= 1000 - most


def test_a_lease_outlives_the_masters_death_and_is_served_while_it_is_away(master: System) -> None:
    give_pillar(master)
    n1 = with_grace(master, 0.2)
    held = on(master, "n1", "vnet.lease", "private", "web", 0, "10.1.16.10")
    master.master.stop(signal.SIGKILL)
    assert call(n1, "vnet.offer", "private", "web") == held
    assert call(n1, "vnet.leases") == [held]
    assert "the master is not connected" in call(n1, "vnet.offer", "private", "db", code=1)
    assert call(n1, "--local", "vnet.offer", "private", "web") == held
    assert "is not asked by --local" in call(n1, "--local", "vnet.offer", "private", "db", code=1)
    master.start()
    master.wait_up("n1")
    assert on(master, "n1", "vnet.offer", "private", "web") == held
    assert on(master, "n1", "vnet.offer", "private", "db")["address"] == "10.1.16.11"


def call(daemon: Daemon, *words: str, code: int = 0) -> Any:
    """`saltern-call` on a minion: what it returns."""
    import subprocess

    from tests.integration.system import BIN

    argv = [str(BIN / "saltern-call"), "--root", str(daemon.root), "--out", "json", *words]
    ran = subprocess.run(argv, capture_output=True, text=True, timeout=WAIT_S)
    assert ran.returncode == code, ran
    return json.loads(ran.stdout)["local"]


def test_a_master_that_is_killed_in_the_middle_gives_no_address_twice(master: System, n1: Daemon) -> None:
    give_pillar(master, PILLAR.replace("10.1.16.12", "10.1.16.99"))
    stop = threading.Event()
    told: list[tuple[str, str]] = []

    def lease_on(peer: Peer, name: str) -> None:
        for number in range(80):
            if stop.is_set():
                return
            guest = f"{name}-{number}"
            peer.send(m.Ask(number, "vnet.offer", json.dumps({"vnet": "private", "guest": guest}).encode()))
            offered = peer.receive(3)
            while offered is not None and not isinstance(offered, m.Answer):
                offered = peer.receive(3)
            if offered is None or not offered.ok:
                continue
            address = json.loads(offered.value)["address"]
            args = {"vnet": "private", "guest": guest, "nic": 0, "address": address}
            peer.send(m.Ask(number, "vnet.lease", json.dumps(args).encode()))
            answer = peer.receive(3)
            while answer is not None and not isinstance(answer, m.Answer):
                answer = peer.receive(3)
            if answer is not None and answer.ok:
                told.append((guest, address))

    with accepted_peer(master, "n2") as one, accepted_peer(master, "n3") as two:
        threads = [threading.Thread(target=lease_on, args=(peer, name)) for peer, name in ((one, "n2"), (two, "n3"))]
        for thread in threads:
            thread.start()
        wait_for("some are leased", lambda: len(told) > 10)
        master.master.stop(signal.SIGKILL)
        stop.set()
        for thread in threads:
            thread.join()
    master.start()
    rows = master.runner("vnet.leases")
    kept = {(row["guest"], row["address"]) for row in rows}
    assert set(told) <= kept  # what was told is durable
    assert len({address for _, address in kept}) == len(rows)


def test_a_run_goes_on_when_its_master_is_killed_and_started_in_the_middle(master: System, n1: Daemon) -> None:
    import subprocess

    from tests.integration.system import BIN

    give_pillar(master, PILLAR.replace("10.1.16.12", "10.1.19.99"))
    states = "".join(f"g{number}:\n  vnet.leased:\n    - vnet: private\n" for number in range(60))
    (master.states / "guests.sls").write_text(states)
    argv = [str(BIN / "saltern-call"), "--root", str(n1.root), "--out", "quiet", "state.apply", "guests"]
    run = subprocess.Popen(argv)
    try:
        wait_for("it leases", lambda: len(master.runner("vnet.leases")) > 3)
        master.master.stop(signal.SIGKILL)
        master.start()
        assert run.wait(WAIT_S) == 0
    finally:
        run.kill()
        run.wait()
    rows = master.runner("vnet.leases")
    assert len({row["address"] for row in rows}) == len(rows) == 60


def test_runners_reserve_move_and_release(master: System, n1: Daemon) -> None:
    assert "10.1.16.12" in str(master.runner("vnet.reserve", "private", "db", "10.1.16.12"))
    assert on(master, "n1", "vnet.offer", "private", "db")["address"] == "10.1.16.12"
    assert "not 10.1.16.10" in failure(master, "n1", "vnet.lease", "private", "db", 0, "10.1.16.10")
    assert on(master, "n1", "vnet.lease", "private", "db", 0, "10.1.16.12")["held"]
    master.minion("n2")
    assert master.runner("vnet.move", "private", "db", "n2")
    assert "on n2" in failure(master, "n1", "vnet.offer", "private", "db")
    assert on(master, "n2", "vnet.offer", "private", "db")["held"]
    on(master, "n2", "vnet.move", "private", "db", "n1")
    assert [row["minion"] for row in master.runner("vnet.leases")] == ["n1"]
    assert master.runner("vnet.release", "private", "db") == ["10.1.16.12"]
    assert master.runner("vnet.leases") == []
    events = master.ask(op="runner", function="vnet.reserve", args=["nope", "db", "10.1.16.12"], kwargs={})
    assert "has a virtual network 'nope'" in events[0]["message"]


def test_a_single_node_leases_for_itself(tmp_path: Path) -> None:
    (tmp_path / "etc/saltern").mkdir(parents=True)
    (tmp_path / "etc/saltern/minion").write_text("id: n1\n")
    pillar = tmp_path / "srv/saltern/pillar"
    pillar.mkdir(parents=True)
    (pillar / "top.sls").write_text("base:\n  '*':\n    - nets\n")
    (pillar / "nets.sls").write_text(PILLAR)
    node = Daemon(tmp_path, [])
    local = ("--local",)
    for guest, address in (("a", "10.1.16.10"), ("b", "10.1.16.11"), ("c", "10.1.16.12")):
        assert call(node, *local, "vnet.offer", "private", guest)["address"] == address
        assert call(node, *local, "vnet.lease", "private", guest, "0", address)["held"]
    assert "no free address" in call(node, *local, "vnet.offer", "private", "d", code=1)
    assert "leased already" in call(node, *local, "vnet.lease", "private", "d", "0", "10.1.16.10", code=1)
    call(node, *local, "vnet.release", "private", "b")
    assert call(node, *local, "vnet.offer", "private", "d")["address"] == "10.1.16.11"
    assert [lease["guest"] for lease in call(node, *local, "vnet.leases")] == ["a", "c"]
