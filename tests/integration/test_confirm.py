"""`Confirm`: the proof that the master is reached, over a connection of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from saltern.wire import messages as m
from saltern.wire.confirm import confirmed
from saltern.wire.keys import new_pair
from tests.integration.system import Peer, System, accepted_peer, free_port, system
from tests.patience import WAIT_S


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with system(tmp_path_factory.mktemp("confirm")) as made:
        yield made


def test_the_master_confirms_with_the_nonce_and_the_first_connection_goes_on(master: System) -> None:
    with accepted_peer(master, "n1") as first, Peer(master.control_port, master.master_key, first.keys) as second:
        second.send(m.Confirm(b"n" * 16))
        assert second.expect(m.Confirmed).nonce == b"n" * 16
        second.send(m.Grains({"x": 1}))  # it has not said hello, so it may say nothing else
        assert master.runner("manage.up") == ["n1"]
        jid = master.ask(op="publish", target="n1", function="test.ping", **{"async": True})[0]["jid"]
        assert first.expect(m.Job).jid == jid
        assert second.expect(m.Denied).reason == "say hello first"
        assert second.receive(0.2) is None


def test_only_the_master_that_is_trusted_can_confirm(master: System) -> None:
    with accepted_peer(master, "n2") as peer:
        assert confirmed(peer.keys, master.master_key, "127.0.0.1", master.control_port, WAIT_S)
        assert not confirmed(peer.keys, new_pair().public, "127.0.0.1", master.control_port, 1)
    assert not confirmed(new_pair(), master.master_key, "127.0.0.1", master.control_port, 1)


def test_what_does_not_answer_confirms_nothing_and_takes_no_longer_than_asked(master: System) -> None:
    assert not confirmed(new_pair(), master.master_key, "127.0.0.1", free_port(), 0.3)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert not confirmed(new_pair(), master.master_key, "127.0.0.1", silent.getsockname()[1], 0.3)


def test_a_nonce_of_another_length_is_no_message() -> None:
    for nonce in (b"", b"n" * 15, b"n" * 17):
        with pytest.raises(m.BadMessage):
            m.from_minion(m.encode(m.Confirm(nonce)))
