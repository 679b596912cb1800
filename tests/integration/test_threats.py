"""Attacks on the wire that must not succeed: what a stranger, and what a minion that was taken over, can't do."""

from __future__ import annotations

import math
import os
import socket
import struct
import time
from typing import get_args

import msgspec
import pytest

from master.router import ROLES, STRANGER, Router
from saltern.wire import messages as m
from saltern.wire.keys import new_pair
from tests.integration.system import Peer, System, accepted_peer, hello, join, wait_for

FAKE_JID = "20260101000000000001"

NOT_FOR_STRANGERS = [
    hello(grains={"id": "root"}),
    m.Grains({"id": "root"}),
    m.Received(FAKE_JID),
    m.Progress(FAKE_JID, 1, 2, "x"),
    m.Return(FAKE_JID, "done", True, 0, b"1", 0.0),
    m.Called(FAKE_JID, "test.ping", b"[]", "done", True, 0, b"1", 0.0),
    m.WantBundle(1, None),
    m.Ask(1, "vnet.leases", b"{}"),
    m.Pong(b"12345678"),
    m.Confirm(b"1" * 16),
]


def jobs_of(master: System) -> dict[str, object]:
    found: dict[str, object] = master.runner("jobs.list_jobs")
    return found


@pytest.mark.parametrize("message", NOT_FOR_STRANGERS, ids=lambda message: type(message).__name__)
def test_a_stranger_can_only_ask_to_join(master: System, message: object) -> None:
    with Peer(master.control_port, master.master_key) as peer:
        peer.send(message)
        assert isinstance(peer.expect(m.Denied), m.Denied)
    assert master.runner("manage.up") == []
    assert jobs_of(master) == {}


def test_every_message_has_a_role_and_only_join_is_for_strangers() -> None:
    kinds = set(get_args(m.FromMinion))
    assert set(ROLES) == kinds
    assert [kind for kind, role in ROLES.items() if role == STRANGER] == [m.Join]


def test_attribute_names_of_the_handlers_are_no_messages(master: System) -> None:
    with Peer(master.control_port, master.master_key) as peer:
        for name in dir(Router):
            peer.send(msgspec.msgpack.encode([name, "x"]))
            peer.send(msgspec.msgpack.encode({"cmd": name, "load": {}}))
        peer.send(join("n1"))
        peer.expect(m.Pending)
    assert master.runner("manage.up") == []


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../b", "..", "n\0", "x" * 255, "nа1", "\x1b[2J", ""])
def test_an_id_with_a_path_in_it_is_refused(master: System, name: str) -> None:
    with Peer(master.control_port, master.master_key) as peer:
        peer.send(join(name))
        reply = peer.receive(2)
        assert reply is None or isinstance(reply, m.Denied)
    assert master.key("list")["pending"] == []


def test_a_minion_can_not_return_for_a_job_it_was_not_given(master: System) -> None:
    with accepted_peer(master, "good") as good, accepted_peer(master, "evil") as evil:
        jid = master.ask(op="publish", target="good", function="test.echo", args=[1], **{"async": True})[0]["jid"]
        good.expect(m.Job)
        evil.send(m.Return(jid, "done", True, 0, b'"forged"', 0.0))
        evil.send(m.Called(jid, "test.echo", b"[]", "done", True, 0, b'"forged"', 0.0))
        evil.expect(m.Stored)
        good.send(m.Return(jid, "done", True, 0, b'"true"', 0.0))
        good.expect(m.Stored)
    result = master.runner("jobs.lookup_jid", jid)
    assert {name: end["return"] for name, end in result["Result"].items()} == {"good": "true"}
    wait_for("it is said", lambda: "which it was not given" in master.master.log)


def test_a_minion_is_who_its_key_is_whatever_its_grains_say(master: System) -> None:
    with accepted_peer(master, "evil") as evil:
        evil.send(m.Grains({"id": "good", "os": "Debian"}))
        evil.send(hello(grains={"id": "good"}))
        evil.expect(m.Welcome)
        assert master.runner("manage.up") == ["evil"]
        [event] = [e for e in master.ask(op="publish", target="good", function="test.ping") if e["event"] == "error"]
        assert "no minion matches" in event["message"]


def test_a_replayed_job_is_not_run_again(master: System) -> None:
    """The minion's side of replay: the same job id, sent again by the master itself, is not started again."""
    daemon = master.minion("n1")
    counter = daemon.root / "count"
    first = master.publish("n1", "cmd.run", f"echo x >> {counter}")
    assert first["n1"]["success"], first
    jid = next(iter(jobs_of(master)))
    import sqlite3

    master.master.stop()
    with sqlite3.connect(master.master.root / "var/lib/saltern/master/master.db") as db:
        db.execute("UPDATE ends SET state = 'sent'")
    db.close()
    master.start()
    master.wait_up("n1")
    assert master.publish("n1", "test.ping")["n1"]["return"] is True
    assert counter.read_text() == "x\n"
    assert jid in jobs_of(master)


def test_a_rejected_key_is_cut_off_at_once(master: System) -> None:
    with accepted_peer(master, "evil") as evil, accepted_peer(master, "good") as good:
        master.key("reject", match="evil", include=["accepted"])
        assert "was rejected" in evil.expect(m.Denied).reason
        evil.send(m.Grains({"x": 1}))
        assert master.runner("manage.up") == ["good"]
        assert "test.ping" in str(good_answer(master, good))
    with Peer(master.control_port, master.master_key, evil.keys) as again:
        again.send(hello())
        assert again.receive(1.0) is None  # not even a handshake


def good_answer(master: System, good: Peer) -> object:
    jid = master.ask(op="publish", target="good", function="test.ping", **{"async": True})[0]["jid"]
    job = good.expect(m.Job)
    assert job.jid == jid
    return job.function


def test_a_deleted_key_is_cut_and_its_id_is_free_for_another(master: System) -> None:
    with accepted_peer(master, "n1") as old:
        master.key("delete", match="n1")
        old.expect(m.Denied)
        assert master.key("list")["accepted"] == []
    with accepted_peer(master, "n1") as new:
        assert new.keys.public != old.keys.public
        assert master.runner("manage.up") == ["n1"]


def test_a_key_that_is_not_accepted_does_not_get_to_the_files_port(master: System) -> None:
    with Peer(master.control_port, master.master_key) as peer:
        peer.send(join("n1"))
        peer.expect(m.Pending)
        with Peer(master.files_port, master.master_key, peer.keys) as files:
            files.send(m.Want(["0" * 64], 1))
            assert files.receive(1.0) is None


def test_random_bytes_on_both_ports_change_nothing(master: System) -> None:
    with accepted_peer(master, "good") as good:
        for port in (master.control_port, master.files_port):
            for size in (0, 1, 10, 64, 1000, 100_000):
                with socket.create_connection(("127.0.0.1", port)) as raw:
                    raw.sendall(os.urandom(size))
            halves = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]  # half-open handshakes
            for raw in halves:
                raw.sendall(b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f")
            assert good_answer(master, good) == "test.ping"
            for raw in halves:
                raw.close()


BOMBS = [
    b"",
    b"\xdd\xff\xff\xff\xff",  # an array of 4 G elements
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\x91" * 100_000,  # nested without end
    struct.pack(">BI", 0xC9, 0xFFFFFFFF),
    b"\x00" * 1_000_000,
]


def test_messages_that_do_not_decode_are_dropped_and_counted(master: System) -> None:
    with accepted_peer(master, "evil") as evil, accepted_peer(master, "good") as good:
        for bomb in BOMBS:
            evil.send(bomb)
        evil.send([b"a", b"b", b"c"])
        for _ in range(20_000):
            evil.send(os.urandom(20))
        assert good_answer(master, good) == "test.ping"
    assert "was dropped" in master.master.log
    assert "Traceback" not in master.master.log
    assert master.master.log.count("was dropped") < 500


def test_an_unauthenticated_zmq_peer_gets_nothing(master: System) -> None:
    import zmq

    context = zmq.Context()
    for kind in (zmq.DEALER, zmq.REQ):
        plain = context.socket(kind)
        plain.linger = 0
        plain.connect(f"tcp://127.0.0.1:{master.control_port}")
        plain.send(m.encode(join("n1")))
        assert not plain.poll(500)
        plain.close()
    context.destroy(linger=0)
    assert master.key("list")["pending"] == []


def test_nothing_readable_by_others_lies_in_the_state_folders(master: System) -> None:
    daemon = master.minion("n1")
    master.publish("n1", "test.ping")
    for root in (master.master.root, daemon.root):
        for folder, _, files in os.walk(root / "var"):
            for name in files:
                assert os.stat(os.path.join(folder, name)).st_mode & 0o077 == 0, os.path.join(folder, name)


def test_a_flood_of_keys_does_not_stop_the_others(master: System) -> None:
    with accepted_peer(master, "good") as good:
        peers = [Peer(master.control_port, master.master_key, new_pair()) for _ in range(40)]
        asked_at = [-math.inf]

        def all_wait() -> bool:
            """Whether each is known. Who is not asks again after a while, as a minion does whose connection was cut."""
            waiting = {entry["id"] for entry in master.key("list")["pending"]}
            if time.monotonic() - asked_at[-1] > 5:
                asked_at.append(time.monotonic())
                for number, peer in enumerate(peers):
                    if f"s{number}" not in waiting:
                        peer.send(join(f"s{number}"))
            return len(waiting) == len(peers)

        wait_for("they wait", all_wait)
        assert good_answer(master, good) == "test.ping"
        for peer in peers:
            peer.close()
