"""The steps of `route.present` and `route.absent` as tables, and what they refuse before the kernel is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modules import route
from modules._network.netvalues import BadValue
from modules.route import Hop, Route
from saltern.converge.plan import Call, call
from states import route as states
from states.route import Key
from tests.plans import context

NET, DEFAULT_6 = Key("10.5.0.0/16", 0), Key("::/0", 1024)
VIA = Route(gateway="10.0.0.9", interface="eth0")


@pytest.mark.parametrize(
    ("key", "current", "wish", "expected"),
    [
        (NET, None, Route(gateway="10.0.0.9"), [call(route.replace, "10.5.0.0/16", gateway="10.0.0.9")]),
        (NET, VIA, VIA, []),
        (NET, VIA, Route(gateway="10.0.0.9"), []),
        (NET, VIA, Route(gateway=None, interface="eth0"), [call(route.replace, "10.5.0.0/16", interface="eth0")]),
        (
            NET,
            VIA,
            Route(gateway="10.0.0.9", interface="eth1"),
            [call(route.replace, "10.5.0.0/16", gateway="10.0.0.9", interface="eth1")],
        ),
        (
            NET,
            Route(gateway="10.0.0.9", interface="eth0", others=frozenset({"via 10.1.0.9 dev eth1"})),
            Route(gateway="10.0.0.9"),
            [call(route.replace, "10.5.0.0/16", gateway="10.0.0.9")],
        ),
        (
            Key("0.0.0.0/0", 50, 100),
            None,
            Route(gateway="10.0.0.9"),
            [call(route.replace, "0.0.0.0/0", gateway="10.0.0.9", metric=50, table=100)],
        ),
        (DEFAULT_6, None, Route(gateway="fe80::1"), [call(route.replace, "::/0", gateway="fe80::1")]),
    ],
)
def test_only_what_differs_is_changed(key: Key, current: Route | None, wish: Route, expected: list[Call]) -> None:
    assert [step.do for step in states.steps(key, current, wish)] == expected


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (NET, "10.5.0.0/16"),
        (Key("0.0.0.0/0", 0), "default"),
        (DEFAULT_6, "default (IPv6)"),
        (Key("10.0.0.1/32", 7), "10.0.0.1 (metric 7)"),
        (Key("2001:db8::/32", 1024, 100), "2001:db8::/32 (table 100)"),
    ],
)
def test_a_route_is_called_by_what_it_is_known_by(key: Key, words: str) -> None:
    assert key.words == words


def test_each_route_is_deleted_by_a_step_of_its_own() -> None:
    one = Hop(destination="0.0.0.0/0", gateway="10.0.0.9", interface="eth0", metric=0)
    two = Hop(destination="0.0.0.0/0", gateway=None, interface="ppp0", metric=7)
    assert [(step.sentence, step.do) for step in states.absent_steps(100, [(one,), (two, one)])] == [
        (
            "delete the route to default (table 100) via 10.0.0.9 dev eth0",
            call(route.delete, "0.0.0.0/0", "via 10.0.0.9 dev eth0", 0, table=100),
        ),
        (
            "delete the route to default (metric 7, table 100) dev ppp0 and via 10.0.0.9 dev eth0",
            call(route.delete, "0.0.0.0/0", "dev ppp0 and via 10.0.0.9 dev eth0", 7, table=100),
        ),
    ]


def test_the_next_hop_that_is_wished_counts_wherever_it_stands() -> None:
    hops = [
        Hop(destination="10.5.0.0/16", gateway=gateway, interface="eth0", metric=0)
        for gateway in ("10.0.0.8", "10.0.0.9")
    ]
    read = route.read([hops], "10.5.0.0/16", 0, Route(gateway="10.0.0.9"))
    others = frozenset({"via 10.0.0.8 dev eth0"})
    assert read == Route(gateway="10.0.0.9", interface="eth0", source=None, onlink=False, others=others)
    assert route.read([hops], "10.5.0.0/16", 5, Route(gateway="10.0.0.9")) is None


def test_tables_have_their_names_from_rt_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rt_tables"
    file.write_text("# reserved\n255\tlocal\n\n100 guests # of the platform\nbroken\n0x1 x\n")
    monkeypatch.setattr(route, "_TABLE_FILES", (str(file), str(tmp_path / "missing")))
    assert [route.table_number(given) for given in ("guests", "main", 7, "7", 4294967295)] == [
        100, 254, 7, 7, 4294967295,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "leads nowhere"),
        ({"destination": "10.5.0.1/16", "gateway": "10.0.0.9"}, r"the network of that address is 10\.5\.0\.0/16"),
        ({"gateway": "10.0.0.9/24"}, "not the address of a gateway"),
        ({"gateway": "fe80::1", "destination": "10.5.0.0/16"}, "one family"),
        ({"interface": "a b"}, "contains ' '"),
        ({"gateway": "10.0.0.9", "metric": -1}, "metric -1"),
        ({"gateway": "10.0.0.9", "metric": 1 << 32}, "metric 4294967296"),
        ({"gateway": "10.0.0.9", "table": 0}, "table 0"),
        ({"gateway": "10.0.0.9", "table": "local"}, "kernel's own"),
    ],
)
def test_what_can_be_no_route_is_refused_before_the_kernel_is_asked(
    arguments: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route, "look", None)
    with pytest.raises(BadValue, match=words):
        states.present(context(tmp_path), "default", **arguments)
