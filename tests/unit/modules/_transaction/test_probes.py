"""What a node depends on, and whether it answers."""

from __future__ import annotations

import socket
import threading

import pytest

from modules._network.netview import DefaultRoute, Link, View
from modules._transaction import probes as transaction_probes
from modules._transaction.probes import Probe, answering, name_servers, nfs_servers, probes, silent
from tests.patience import WAIT_S

LINK = Link(index=2, name="eno1", kind=None, is_up=True, mtu=1500, hwaddr=None)
MOUNTS = (
    "29 1 0:40 / /store rw - nfs4 filer:/images rw,vers=4.2,addr=10.0.0.9\n"
    "30 1 0:41 / /other rw - nfs filer:/system rw,addr=10.0.0.9\n"
    "31 1 0:42 / /own rw - nfs4 localhost:/x rw,addr=127.0.0.1\n"
    "32 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
)


def view(*routes: tuple[str | None, int]) -> View:
    return View((LINK,), (), tuple(DefaultRoute(family=f, index=2, gateway=g, metric=0) for g, f in routes))


def test_gateways_name_servers_and_nfs_servers_are_what_a_node_depends_on() -> None:
    found = probes(view(("10.0.0.1", 2), ("fe80::1", 10), (None, 2)), "nameserver 10.0.0.53\n", MOUNTS)
    assert [(probe.kind, probe.address) for probe in found] == [
        ("gateway", "10.0.0.1"),
        ("gateway", "fe80::1%eno1"),
        ("name server", "10.0.0.53"),
        ("NFS server", "10.0.0.9"),
    ]


def test_name_servers_on_this_node_don_t_count() -> None:
    text = "# nameserver 9.9.9.9\nsearch x\n"
    text += "nameserver 127.0.0.53\nnameserver ::1\nnameserver\nnameserver 2001:db8::53 # x\n"
    assert name_servers(text) == ["2001:db8::53"]
    assert nfs_servers(MOUNTS) == ["10.0.0.9"]


def test_a_name_server_answers_and_one_that_is_not_there_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, socket.socket() as nfs:
        server.bind(("127.0.0.1", 0))
        nfs.bind(("127.0.0.1", 0))
        nfs.listen()
        monkeypatch.setattr(transaction_probes, "_DNS_PORT", server.getsockname()[1])
        monkeypatch.setattr(transaction_probes, "_NFS_PORT", nfs.getsockname()[1])

        def serve() -> None:
            query, asker = server.recvfrom(512)
            server.sendto(query[:2] + b"\x81\x80", asker)

        thread = threading.Thread(target=serve)
        thread.start()
        wanted = [
            Probe("name server", "127.0.0.1"),
            Probe("NFS server", "127.0.0.1"),
            Probe("NFS server", "127.0.0.77"),
        ]
        assert answering(wanted, WAIT_S) == wanted[:2]
        thread.join()


def test_a_changed_gateway_is_asked_in_the_place_of_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new, other = (Probe("gateway", address) for address in ("10.0.0.1", "10.0.0.2", "fe80::1%eno1"))
    dns = Probe("name server", "10.0.0.53")

    def good(*probes: Probe) -> None:
        monkeypatch.setattr(
            transaction_probes, "answering", lambda wanted, timeout_s: [p for p in wanted if p in probes]
        )

    good(new, dns)
    assert silent([old, dns], [new], 1.0) == []
    assert silent([old, other, dns], [new], 1.0) == [other]  # there is no gateway of its family any more
    good(new)
    assert silent([old, dns], [new], 1.0) == [dns]
    good()
    assert silent([old], [new], 1.0) == [new]
    assert silent([old], [], 1.0) == [old]


def test_the_checksum_is_the_internet_s() -> None:
    assert (
        transaction_probes._checksum(bytes.fromhex("45000073000040004011 0000 c0a80001c0a800c7".replace(" ", "")))
        == b"\xb8\x61"
    )
