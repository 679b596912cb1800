"""What the beacon `network_settings` tells of two looks, and options that make no sense."""

from __future__ import annotations

from typing import Any

import pytest

from modules._beacon.network import changes, wanted
from saltern.errors import PermanentError

BR0 = {"up": True, "mtu": 1500, "ipaddr": ["10.0.0.1/24"]}


def told(new: Any, interfaces: Any) -> list[Any]:
    return list(changes({"br0": BR0}, new, wanted({"interfaces": interfaces})))


def test_only_attributes_that_are_wanted_and_differ_are_told() -> None:
    new = {"br0": {**BR0, "mtu": 9000, "up": False}}
    mtu, up = {"mtu": {"old": 1500, "new": 9000}}, {"up": {"old": True, "new": False}}
    assert told(new, ["br*"]) == [{"interface": "br0", "change": {**up, **mtu}}]
    assert told(new, {"br0": {"mtu": None}}) == [{"interface": "br0", "change": mtu}]
    assert told(new, {"br0": ["ipaddr"]}) == []
    assert told(new, ["eth*"]) == []


def test_onvalue_is_the_only_value_that_is_told() -> None:
    for mtu, count in ((9000, 1), (1400, 0)):
        assert len(told({"br0": {**BR0, "mtu": mtu}}, {"br0": {"mtu": {"onvalue": 9000}}})) == count


def test_an_interface_that_is_gone_has_no_values() -> None:
    assert told({}, {"br0": ["mtu"]}) == [{"interface": "br0", "change": {"mtu": {"old": 1500, "new": None}}}]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"interface": ["br0"]}, "Did you mean 'interfaces'?"),
        ({"interfaces": "br0"}, "is a list of names"),
        ({"interfaces": {}}, "is a list of names"),
        ({"interfaces": {"br0": "mtu"}}, "stand attributes"),
        ({"interfaces": {"br0": ["mtuu"]}}, "Did you mean 'mtu'?"),
        ({"interfaces": {"br0": {"mtu": 9000}}}, "`onvalue: VALUE`"),
    ],
)
def test_options_that_make_no_sense_are_errors(options: dict[str, Any], said: str) -> None:
    with pytest.raises(PermanentError) as raised:
        wanted(options)
    assert said in str(raised.value)
