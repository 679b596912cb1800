"""A node that fell into wrong hands: its stolen disk, and what its key is good for against the others."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from saltern.wire import messages as m
from saltern.wire import sockets
from saltern.wire.keys import KeyPair, load_or_make
from tests.integration.curve import recorded
from tests.integration.system import Daemon, Peer, System, accepted_peer, hello, wait_for
from tests.integration.tap import Tap
from tests.patience import WAIT_S

OWN, OTHER = "canary-own-" + "c0ffee" * 4, "canary-other-" + "c0ffee" * 4


def keys_of(daemon: Daemon) -> KeyPair:
    """The key of the connection, as it lies on the node's disk."""
    return load_or_make(daemon.root / "var/lib/saltern/minion/keys/wire.key")


def plant(master: System) -> None:
    """A pillar of its own for n1 and for n2."""
    (master.pillar / "top.sls").write_text("base:\n  n1: [one]\n  n2: [two]\n")
    (master.pillar / "one.sls").write_text(f"word: {OWN}\n")
    (master.pillar / "two.sls").write_text(f"word: {OTHER}\n")


@pytest.fixture
def tapped(master: System) -> Iterator[tuple[Daemon, Tap]]:
    """A node n1 that reaches its master through a tap."""
    daemon = master.prepare("n1")
    joined = daemon.root / "var/lib/saltern/minion/keys/master"
    known = json.loads(joined.read_text())
    joined.write_text(json.dumps({**known, "address": f"127.0.0.2:{master.control_port}"}))
    tap = Tap(master.control_port, master.files_port)
    daemon.start()
    master.wait_up("n1")
    yield daemon, tap
    tap.close()


def test_the_keys_of_both_disks_open_nothing_of_a_recording(master: System, tapped: tuple[Daemon, Tap]) -> None:
    """Forward secrecy: what is said is sealed between keys that only memory had, and that are gone."""
    daemon, tap = tapped
    plant(master)
    assert OWN in str(master.publish("n1", "pillar.items")["n1"]["return"])
    session = recorded(bytes(tap.seen))
    assert len(session.messages) >= 6
    node = keys_of(daemon)
    owner = load_or_make(master.master.root / "var/lib/saltern/master/keys/master.key")
    node_secret, master_secret = (bytes.fromhex(pair.secret.reveal()) for pair in (node, owner))
    # The node's disk alone opens nothing at all; with the master's, the greeting opens, which shows that this can open.
    for box in (session.hello, session.welcome):
        assert box.opened(owner.public, node_secret) is None
        assert box.opened(session.transient, node_secret) is None
    assert session.hello.opened(session.transient, master_secret) == bytes(64)
    welcome = session.welcome.opened(session.transient, master_secret)
    assert welcome is not None
    masters_transient = welcome[:32]
    publics = (session.transient, masters_transient, node.public, owner.public)
    for box, public, secret in itertools.product(session.messages, publics, (node_secret, master_secret)):
        assert box.opened(public, secret) is None


def test_a_stolen_disk_tells_of_its_own_node_and_nothing_of_others(master: System) -> None:
    plant(master)
    stolen, other = master.minion("n1"), master.minion("n2")
    for name, word in (("n1", OWN), ("n2", OTHER)):
        assert word in str(master.publish(name, "pillar.items")[name]["return"])
    stolen.stop()
    keys = keys_of(stolen)
    told = b"".join(file.read_bytes() for file in stolen.root.rglob("*") if file.is_file())
    assert OTHER.encode() not in told
    assert keys_of(other).public not in told
    assert keys_of(other).public.hex().encode() not in told
    master.key("reject", match="n1", include=["accepted"])
    with Peer(master.control_port, master.master_key, keys) as thief:
        thief.send(hello())
        assert thief.receive(1.0) is None  # not even a handshake
    assert master.publish("n2", "test.ping")["n2"]["return"] is True
    assert master.runner("manage.up") == ["n2"]


def test_the_key_of_a_node_makes_no_master(master: System, tmp_path: Path) -> None:
    """The holder of n1's key listens where n2 looks for its master."""
    evil, other = keys_of(master.prepare("n1")), master.minion("n2")
    ran = tmp_path / "ran"
    master.master.stop()
    wait_for("it is away", lambda: "was cut" in other.log)
    context = zmq.Context()
    false = context.socket(zmq.ROUTER)
    try:
        false.linger = 0
        false.curve_server = True
        false.curve_publickey, false.curve_secretkey = evil.z85
        false.bind(sockets.endpoint_address("127.0.0.1", master.control_port))
        with Peer(master.control_port, evil.public) as one_that_trusts_it:
            one_that_trusts_it.send(hello())
            assert false.poll(int(WAIT_S * 1000))
            route, said = false.recv_multipart()
            assert isinstance(m.from_minion(said), m.Hello)
            job = m.Job("2" * 20, "cmd.run", json.dumps([f"touch {ran}"]).encode(), b"{}", "root", b"")
            false.send_multipart([route, m.encode(job)])
            assert one_that_trusts_it.expect(m.Job) == job
        wait_for("n2 names it", lambda: "does not hold the key that this minion trusts" in other.log)
        assert not false.poll(1000)  # n2 tried again meanwhile, and told nothing
    finally:
        context.destroy(linger=0)
    master.start()
    master.wait_up("n2")
    assert not ran.exists()
    assert "Traceback" not in other.log


def test_what_a_master_says_means_nothing_from_a_node(master: System) -> None:
    with accepted_peer(master, "evil") as evil, accepted_peer(master, "good") as good:
        for message in (
            m.Job("2" * 20, "test.ping", b"[]", b"{}", "root", b""),
            m.Stored(["2" * 20]),
            m.Welcome(m.PROTOCOL, "0", "good", 1),
            m.BundleReply(1, b"", ""),
            m.Denied("go away", True),
        ):
            evil.send(message)
            evil.send([good.keys.public, m.encode(message)])
        wait_for("they are dropped", lambda: master.master.log.count("was dropped") >= 10)
        jid = master.ask(op="publish", target="good", function="test.ping", **{"async": True})[0]["jid"]
        heard = good.receive(WAIT_S)
        assert isinstance(heard, m.Job), heard
        assert heard.jid == jid
    assert list(master.runner("jobs.list_jobs")) == [jid]
