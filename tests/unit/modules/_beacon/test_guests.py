"""Beacons of guests: what is told of two looks at containers, libvirt's words, and options that make no sense."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest

from modules._beacon import guests as beacon_guests
from modules._beacon import kinds as beacon_kinds
from modules._beacon.containers import changes
from modules._beacon.guests import EVENTS, detail_of
from saltern.errors import PermanentError


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({}, {"a": ("stopped", None)}, [{"name": "a", "old": None, "new": "stopped"}]),
        ({"a": ("running", 5)}, {}, [{"name": "a", "old": "running", "new": None}]),
        ({"a": ("running", 5)}, {"a": ("running", 5)}, []),
        ({"a": ("running", 5)}, {"a": ("frozen", 5)}, [{"name": "a", "old": "running", "new": "frozen"}]),
        (
            {"a": ("running", 5)},
            {"a": ("running", 6)},
            [{"name": "a", "old": "running", "new": "running", "restarted": True}],
        ),
    ],
)
def test_changes_of_containers(old: Any, new: Any, told: list[Any]) -> None:
    assert list(changes(old, new)) == told


@pytest.mark.parametrize(
    ("old", "new", "events"),
    [
        ({}, {"a": ("u", True)}, ["defined", "started"]),
        ({"a": ("u", True)}, {"a": ("u", False)}, ["stopped"]),
        ({"a": ("u", True)}, {}, ["stopped", "undefined"]),
        ({"a": ("u", False)}, {"a": ("u", False)}, []),
    ],
)
def test_what_became_of_guests_while_nobody_listened(old: Any, new: Any, events: list[str]) -> None:
    found = list(beacon_guests.changes(old, new))
    assert [one["event"] for one in found] == events
    assert {(one["name"], one["uuid"]) for one in found} <= {("a", "u")}


def test_events_have_the_numbers_that_libvirt_gives_them() -> None:
    assert [getattr(libvirt, f"VIR_DOMAIN_EVENT_{event.upper()}") for event in EVENTS] == list(range(len(EVENTS)))
    assert detail_of(vars(libvirt), "stopped", libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED) == "crashed"
    assert detail_of(vars(libvirt), "started", libvirt.VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT) == "from snapshot"
    assert detail_of(vars(libvirt), "started", 999) == "999"


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("libvirt", {"events": ["startd"]}, "Did you mean 'started'?"),
        ("libvirt", {"domains": "web"}, "`domains` is a list"),
        ("libvirt", {"domain": ["web"]}, "Did you mean 'domains'?"),
        ("libvirt", {"uri": 5}, "`uri` is a text"),
        ("lxc", {"containers": "web"}, "`containers` is a list"),
        ("lxc", {"path": "relative"}, "begins at the root"),
        ("lxc", {"container": []}, "Did you mean 'containers'?"),
    ],
)
def test_options_that_make_no_sense_are_errors(kind: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(PermanentError) as raised:
        beacon_kinds.make(kind, options)
    assert said in str(raised.value)
