"""What a change of a guest takes, and how it is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from modules._virt.domain_change import Change, Limits, changes, is_live, told
from modules._virt.domain_values import Disk, Graphics, Nic
from saltern.secret import Secret

LIMITS = Limits(max_memory=2048, max_vcpus=4, has_graphics=True)
NIC = Nic(mac="52:54:00:00:00:01", kind="bridge", source="br43")
DISK = Disk(source="/a", format="qcow2")
CD = Disk(device="cdrom", source="/a", bus="sata", readonly=True)


@pytest.mark.parametrize(
    ("key", "was", "wish", "live"),
    [
        ("memory", 1024, 2048, True),
        ("memory", 1024, 512, True),
        ("memory", 1024, 4096, False),
        ("memory", 2048, 1024, False),  # it still has all: perhaps it has no balloon driver
        ("max_memory", 2048, 4096, False),
        ("vcpus", 1, 4, True),
        ("vcpus", 1, 5, False),
        ("vcpus", 2, 1, False),
        ("machine", "pc", "q35", False),
        ("title", "a", "b", True),
        ("metadata", {}, {"a": "b"}, True),
        ("password", Secret("a"), Secret("b"), True),
        ("password", Secret("a"), None, False),
        ("graphics", Graphics(), Graphics(port=5901), False),
        ("interface m", NIC, replace(NIC, source="br46"), True),
        ("interface m", NIC, replace(NIC, link="down"), True),
        ("interface m", NIC, replace(NIC, model="e1000"), False),
        ("interface m", NIC, replace(NIC, kind="network"), False),
        ("interface m", NIC, None, True),
        ("interface m", None, NIC, True),
        ("interface m", None, replace(NIC, boot=1), False),
        ("disk vdb", None, DISK, True),
        ("disk vdb", DISK, None, True),
        ("disk hda", None, replace(DISK, bus="ide"), False),
        ("disk vdb", DISK, replace(DISK, source="/b"), False),
        ("disk vdb", DISK, replace(DISK, cache="none"), False),
        ("disk sda", CD, replace(CD, source="/b"), True),
        ("disk sda", CD, replace(CD, source=None), True),
        ("disk sda", CD, replace(CD, bus="ide"), False),
    ],
)
def test_what_can_be_changed_while_the_guest_runs(key: str, was: Any, wish: Any, live: bool) -> None:
    assert is_live(key, was, wish, LIMITS) is live


def test_a_guest_whose_balloon_driver_answers_is_asked_for_memory() -> None:
    assert is_live("memory", 2048, 1024, replace(LIMITS, has_balloon=True))


@pytest.mark.parametrize(
    ("config", "live", "wish", "found"),
    [
        (1024, None, 1024, None),
        (1024, None, 2048, {"config": True}),
        (1024, 1024, 2048, {"config": True, "live": True}),
        (2048, 1024, 2048, {"config": False, "live": True}),
        (1024, 2048, 2048, {"config": True}),
        (1024, 1024, 4096, {"config": True, "waits": True}),
        (4096, 1024, 4096, {"config": False, "waits": True}),
        (1024, 2048, 1024, {"config": False, "asked": True}),
    ],
)
def test_configuration_and_running_guest_are_told_apart(
    config: int, live: int | None, wish: int, found: dict[str, bool] | None
) -> None:
    got = changes({"memory": config}, None if live is None else {"memory": live}, {"memory": wish}, LIMITS)
    before = live if found and live is not None and not found["config"] else config
    assert got == (() if found is None else (Change("memory", before, wish, **found),))


@pytest.mark.parametrize(
    ("key", "before", "after", "sentence"),
    [
        ("memory", 1, 4096, "set memory of web1 to 4096 MiB"),
        ("vcpus", 1, 2, "set vcpus of web1 to 2"),
        ("boot", (), ("disk", "network"), "set boot of web1 to disk, network"),
        ("console", False, True, "give web1 a console"),
        ("disk vdb", None, DISK, "add disk vdb to web1 (/a)"),
        ("disk vdb", DISK, None, "remove disk vdb from web1"),
        ("disk sda", CD, replace(CD, source="/b"), "insert /b into disk sda of web1"),
        ("disk sda", CD, replace(CD, source=None), "eject disk sda of web1"),
        ("disk vdb", DISK, replace(DISK, cache="none"), "change disk vdb of web1 (cache: default → none)"),
        ("interface m", NIC, replace(NIC, source="br46"), "move interface m of web1 from br43 to br46"),
        ("interface m", NIC, replace(NIC, link="down"), "set interface m of web1 down"),
        ("password", None, Secret("hidden!"), "set the password of the display of web1"),
    ],
)
def test_a_change_is_said_in_one_sentence(key: str, before: Any, after: Any, sentence: str) -> None:
    assert told(key, before, after, "web1") == sentence
