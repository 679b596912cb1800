"""Master and minion as processes: presence, the life of a job, and what a kill or a cut may not break."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from pathlib import Path

import pytest

from minion.connection import Connection
from minion.identity import Identity
from saltern.wire import messages as m
from saltern.wire import sockets
from tests.integration.system import BIN, Peer, System, accepted_peer, hello, join, wait_for
from tests.patience import WAIT_S


def test_a_minion_that_joined_by_token_answers(master: System) -> None:
    master.minion("n1")
    assert master.publish("*", "test.ping")["n1"]["return"] is True


def test_who_is_away_is_said_at_once(master: System) -> None:
    daemon = master.minion("n1")
    daemon.stop()
    master.wait_down("n1")
    answer = master.publish("n1", "test.ping")["n1"]
    assert answer["outcome"] == "offline"
    assert "last seen" in answer["return"]


def test_a_killed_minion_is_seen_to_be_away(master: System) -> None:
    daemon = master.minion("n1")
    daemon.stop(signal.SIGKILL)
    master.wait_down("n1")


def test_a_minion_comes_back_to_a_master_that_was_killed(master: System) -> None:
    master.minion("n1")
    master.master.stop(signal.SIGKILL)
    master.start()
    master.wait_up("n1")
    assert master.publish("*", "test.ping")["n1"]["return"] is True


def test_a_connection_tells_once_that_it_broke(master: System) -> None:
    with accepted_peer(master, "n1") as peer:
        keys = peer.keys
    broken = list[str]()

    async def until_it_breaks() -> None:
        context = sockets.new_context()
        there = asyncio.Event()
        connection = Connection(
            context,
            Identity(
                id="n1", wire=keys, seal=keys, host="127.0.0.1", port=master.control_port, master_key=master.master_key
            ),
            hello=hello,
            on_ready=lambda welcome: there.set(),
            on_message=lambda message: None,
            on_broken=broken.append,
            retry=False,
        )
        try:
            connection.open()
            await asyncio.wait_for(there.wait(), WAIT_S)
            assert broken == []
            master.master.stop(signal.SIGKILL)
            async with asyncio.timeout(WAIT_S):
                while not connection.problem:
                    await asyncio.sleep(0.01)
        finally:
            connection.close()
            context.destroy(linger=0)

    asyncio.run(until_it_breaks())
    assert broken == [f"the connection to the master at 127.0.0.1:{master.control_port} was cut"]


def test_a_return_survives_the_master_being_killed_before_it_came(master: System) -> None:
    with accepted_peer(master, "n1") as peer:
        jid = master.ask(op="publish", target="n1", function="test.echo", args=["x"], **{"async": True})[0]["jid"]
        peer.expect(m.Job)
        peer.send(m.Received(jid))
        keys = peer.keys
        master.master.stop(signal.SIGKILL)
    master.start()
    with Peer(master.control_port, master.master_key, keys) as peer:
        peer.send(hello([jid]))
        peer.expect(m.Welcome)
        peer.send(m.Return(jid, "done", True, 0, b'"x"', 1.0))
        assert peer.expect(m.Stored).jids == [jid]
    assert master.runner("jobs.lookup_jid", jid)["Result"]["n1"]["return"] == "x"


def test_a_job_that_never_arrived_is_sent_again_and_one_that_did_is_not(master: System) -> None:
    with accepted_peer(master, "n1") as peer:
        first = master.ask(op="publish", target="n1", function="test.echo", args=[1], **{"async": True})[0]["jid"]
        second = master.ask(op="publish", target="n1", function="test.echo", args=[2], **{"async": True})[0]["jid"]
        keys = peer.keys
    with Peer(master.control_port, master.master_key, keys) as peer:
        peer.send(hello([second]))
        assert peer.expect(m.Job).jid == first
        peer.send(m.Return(first, "done", True, 0, b"1", 1.0))
        peer.expect(m.Stored)
        assert peer.receive(0.5) is None


def test_a_job_whose_minion_lost_its_memory_is_lost_and_not_repeated(master: System) -> None:
    with accepted_peer(master, "n1") as peer:
        jid = master.ask(op="publish", target="n1", function="test.echo", args=[1], **{"async": True})[0]["jid"]
        peer.expect(m.Job)
        peer.send(m.Received(jid))
        keys = peer.keys
        wait_for(
            "it is received", lambda: master.runner("jobs.active").get(jid, {}).get("Running") == {"n1": "received"}
        )
    with Peer(master.control_port, master.master_key, keys) as peer:
        peer.send(hello([]))
        wait_for("it is lost", lambda: master.runner("jobs.lookup_jid", jid)["Result"]["n1"]["outcome"] == "lost")
        while (message := peer.receive(0.3)) is not None:
            assert not isinstance(message, m.Job)


def test_a_return_that_comes_twice_is_stored_once_and_confirmed_twice(master: System) -> None:
    with accepted_peer(master, "n1") as peer:
        jid = master.ask(op="publish", target="n1", function="test.echo", args=[1], **{"async": True})[0]["jid"]
        peer.expect(m.Job)
        for value in (b"1", b"2"):
            peer.send(m.Return(jid, "done", True, 0, value, 1.0))
            assert peer.expect(m.Stored).jids == [jid]
    assert master.runner("jobs.lookup_jid", jid)["Result"]["n1"]["return"] == 1


def test_whoever_speaks_before_hello_is_told_to_say_it(master: System) -> None:
    """Else a minion whose connection the master gave up would wait for a minute until it notices."""
    with accepted_peer(master, "n1") as first, Peer(master.control_port, master.master_key, first.keys) as again:
        again.send(m.Grains({"os": "Debian"}))
        assert again.expect(m.Denied) == m.Denied("say hello first", False)
        again.send(hello())
        again.expect(m.Welcome)
        again.send(m.Grains({"role": "mended"}))
        wait_for("it is heard", lambda: "n1" in master.runner("manage.up"))


def test_another_protocol_version_is_refused_with_the_side_to_upgrade(master: System) -> None:
    for version, side in ((m.PROTOCOL - 1, "minion"), (m.PROTOCOL + 1, "master")):
        with Peer(master.control_port, master.master_key) as peer:
            peer.send(join("n1", protocol=version))
            assert f"upgrade the {side}" in peer.expect(m.Denied).reason
    assert master.key("list") == {"accepted": [], "pending": [], "rejected": []}


def test_a_key_waits_until_it_is_accepted_by_hand(master: System, tmp_path: Path) -> None:
    root = tmp_path / "n1"
    (root / "etc/saltern").mkdir(parents=True)
    (root / "etc/saltern/minion").write_text(
        f"id: n1\nmaster: 127.0.0.1:{master.control_port}\nmaster_key: '{master.master_key.hex()}'\n"
    )
    shown = subprocess.run(
        [str(BIN / "saltern-minion"), "--root", str(root), "fingerprint"], capture_output=True, text=True, check=True
    ).stdout.split()
    process = subprocess.Popen([str(BIN / "saltern-minion"), "--root", str(root)], stderr=subprocess.DEVNULL)
    try:
        wait_for("its key waits", lambda: master.key("list")["pending"])
        [waiting] = master.key("list")["pending"]
        assert [waiting["id"], waiting["fingerprint"]] == shown
        master.key("accept", fingerprint=waiting["fingerprint"])
        master.wait_up("n1")
    finally:
        process.terminate()
        process.wait(WAIT_S)


def test_a_minion_does_not_speak_to_a_master_with_another_key(master: System) -> None:
    daemon = master.minion("n1")
    daemon.stop()
    joined = daemon.root / "var/lib/saltern/minion/keys/master"
    other = json.loads(joined.read_text())
    other["master_key"] = "ab" * 32
    joined.write_text(json.dumps(other))
    daemon.start()
    wait_for("it says so", lambda: "does not hold the key that this minion trusts" in daemon.log)
    assert "Traceback" not in daemon.log
    assert master.runner("manage.up") == []


def test_a_master_that_is_not_there_is_said_once(tmp_path: Path, master: System) -> None:
    daemon = master.minion("n1")
    master.master.stop()
    wait_for("it says so", lambda: "no master answers" in daemon.log)
    master.start()
    master.wait_up("n1")
    assert daemon.log.count("no master answers") == 1


@pytest.mark.parametrize("text", ["", "saltern1.", "saltern1.AAAA", "x" * 100, "saltern1.%%%"])
def test_a_damaged_token_is_one_clear_message(tmp_path: Path, text: str) -> None:
    done = subprocess.run(
        [str(BIN / "saltern-minion"), "--root", str(tmp_path), "--id", "n1", "join", text],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("saltern-minion: ")
    assert len(done.stderr.splitlines()) == 1
