"""One conversation with the kernel for a run: it sees at once what anybody changed, and asks only for that."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from modules import bridge, link
from modules._network import netshared
from modules._network.netlink import look
from modules._network.netview import Address, Link, View
from saltern import kept
from saltern.marks import acting, permit_acting
from states import bridge as bridge_states
from states import veth as veth_states
from tests.integration.kernel import Node, ip, needs_root, network_namespace

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root, reason="needs root")]


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(netshared, "MAX_AGE_S", 3600.0)  # a slow machine asks no oftener for that
    with network_namespace(f"saltern-t-shared-{os.getpid()}"):
        for number in range(20):
            ip("link", "add", f"eth{number}", "type", "veth", "peer", "name", f"far{number}")
        yield


def reads(run: kept.Scope) -> int:
    return run.counts.get("netlink reads", 0)


@acting
def act_elsewhere() -> None:
    """An acting function that the conversation knows nothing of."""


def test_looks_of_a_run_ask_the_kernel_once() -> None:
    with kept.scope() as run:
        for _ in range(30):
            look(addresses=True, routes=True)
        assert run.counts == {"netlink reads": 3}


def test_looks_outside_of_a_run_ask_each_time() -> None:
    with kept.scope() as run:
        look()
    first = look()
    ip("link", "add", "new0", "type", "bridge")
    assert first.find("new0") is None
    assert look().find("new0") is not None
    assert reads(run) == 1


def picture(view: View) -> Any:
    """What VIEW has by each way to ask it, but for what the kernel settles in its own time: whether there is a carrier,
    and IPv6 link-local addresses."""

    def links(found: Iterable[Link | None]) -> list[Link]:
        return sorted((replace(link, operstate="") for link in found if link), key=lambda link: link.index)

    def addresses(found: Iterable[Address]) -> set[Address]:
        return {address for address in found if not address.is_link_local_6}

    each = {
        link.name: (
            links([view.find(link.name)]),
            links(view.ports(link.index)),
            links(view.carried(link.index)),
            addresses(view.addresses_of(link.index)),
        )
        for link in view.links
    }
    return links(view.links), addresses(view.addresses), each, view.having("10.0.0.1")


@pytest.mark.parametrize(
    "change",
    [
        ("link", "set", "eth3", "mtu", "1400"),
        ("link", "set", "eth3", "up"),
        ("link", "set", "eth3", "name", "other3"),
        ("link", "set", "eth3", "address", "02:00:00:00:00:77"),
        ("link", "delete", "eth3"),
        ("link", "add", "br9", "type", "bridge"),
        ("link", "set", "eth3", "master", "br0"),
        ("link", "set", "br0", "type", "bridge", "stp_state", "1"),
        ("addr", "add", "10.0.0.9/24", "dev", "eth3"),
        ("addr", "add", "2001:db8::9/64", "dev", "br0", "nodad"),
        ("addr", "delete", "10.0.0.1/24", "dev", "br0"),
        ("link", "delete", "br0"),
    ],
    ids=" ".join,
)
def test_what_somebody_else_changes_is_seen_by_asking_for_that_alone(change: tuple[str, ...]) -> None:
    ip("link", "add", "br0", "up", "type", "bridge")
    ip("addr", "add", "10.0.0.1/24", "dev", "br0")
    with kept.scope() as run:
        look(addresses=True)
        before = reads(run)
        ip(*change)
        seen = look(addresses=True)
        assert 0 <= reads(run) - before <= 3, "a few links, not all"
        again = look(addresses=True)
    fresh = look(addresses=True)
    assert picture(seen) == picture(again) == picture(fresh)


def test_routes_follow_too() -> None:
    ip("link", "set", "eth0", "up")
    ip("link", "set", "far0", "up")
    ip("addr", "add", "10.0.0.1/24", "dev", "eth0")
    with kept.scope():
        assert look(routes=True).default_routes == ()
        ip("route", "add", "default", "via", "10.0.0.254")
        assert [route.gateway for route in look(routes=True).default_routes] == ["10.0.0.254"]
        ip("link", "set", "eth0", "down")  # the kernel says nothing of the routes that this takes away
        assert look(routes=True).default_routes == ()


def test_options_of_a_bridge_that_is_down_are_known_after_our_own_change() -> None:
    ip("link", "add", "br0", "type", "bridge")
    with kept.scope() as run:
        assert look().find("br0").stp is False  # type: ignore[union-attr]
        before = reads(run)
        with permit_acting():
            bridge.change("br0", stp=True)  # no message tells of it while the bridge is down
        assert look().find("br0").stp is True  # type: ignore[union-attr]
        assert reads(run) - before == 1


def test_after_another_function_acted_everything_is_asked_for_again() -> None:
    ip("link", "add", "br0", "type", "bridge")
    with kept.scope():
        look()
        ip("link", "set", "br0", "type", "bridge", "stp_state", "1")
        with permit_acting():
            act_elsewhere()
        assert look().find("br0").stp is True  # type: ignore[union-attr]


def test_lost_messages_are_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(_: object) -> NoReturn:
        raise OSError(105, "No buffer space available")  # ENOBUFS

    with kept.scope():
        look()
        ip("link", "set", "eth0", "mtu", "1400")
        monkeypatch.setattr(netshared, "heard", lost)
        assert look().find("eth0").mtu == 1400  # type: ignore[union-attr]


def test_what_is_old_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    ip("link", "add", "br0", "type", "bridge")
    with kept.scope():
        look()
        ip("link", "set", "br0", "type", "bridge", "stp_state", "1")
        monkeypatch.setattr(netshared, "MAX_AGE_S", -1.0)
        assert look().find("br0").stp is True  # type: ignore[union-attr]


def test_a_refusal_of_the_kernel_leaves_the_conversation_usable() -> None:
    from modules._network.netlink import NetworkError

    with kept.scope() as run, permit_acting():
        with pytest.raises(NetworkError, match="exist"):
            bridge.add("eth0")
        link.set_mtu("eth0", 1400)
        assert look().find("eth0").mtu == 1400  # type: ignore[union-attr]
        assert run.counts["netlink writes"] == 2


def test_a_second_run_writes_nothing(tmp_path: Path) -> None:
    node = Node(tmp_path)
    wishes = [
        (bridge_states.present, f"br{n}", {"ports": [f"eth{n}"], "addresses": [f"10.{n}.0.1/24"]}) for n in range(9)
    ]
    pairs = [(veth_states.present, f"eth{n}", {"peer": f"far{n}", "mtu": 1500}) for n in range(20)]
    for state, name, arguments in [*wishes, *pairs]:
        node.apply(state, name, **arguments)  # type: ignore[arg-type]
    with kept.scope() as run:
        for state, name, arguments in [*wishes, *pairs]:
            assert node.plan(state, name, **arguments).steps == ()  # type: ignore[arg-type]
    assert (run.acts, run.counts) == (0, {"netlink reads": 2}), "one dump of links, one of addresses"
