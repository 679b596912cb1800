"""The steps of pools, networks and volumes, from values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from modules import file
from modules._disk import files as disk
from modules._virt import pool as virt_pool
from modules._virt import volume as virt_volume
from modules._virt.kept import Kept
from modules._virt.network_xml import Definition as NetworkDefinition
from modules._virt.pool_xml import Definition
from modules._virt.volume import Place
from saltern.converge.plan import UNSET, call
from saltern.converge.state import is_state
from saltern.loader import find
from states._file.shared import Attributes
from states._virt import kept as virt_kept
from states._virt import network as networks
from states._virt import pool as pools
from states._virt import volume as volumes
from states._virt.volume import Volume

DIR, OTHER = Definition("dir", "/a"), Definition("dir", "/b")
POOL = pools.Wanted(DIR, True, True, False, True, UNSET, UNSET, UNSET)
NET, OTHER_NET = NetworkDefinition("bridge", "br43"), NetworkDefinition("bridge", "br46")
NETWORK = networks.Wanted(NET, True, True, False)
PLACE = Place("dir", "/a/v", True, 0)
M = 1 << 20
LATER = "(takes effect at its next start)"


def of_pool(current: pools.Wanted | None, wish: pools.Wanted, there: bool = True) -> list[str]:
    return [s.sentence for s in pools.steps("p", current, wish, "<x/>", "u", Attributes() if there else None)]


def test_a_new_pool_is_defined_its_directory_made_and_started_last() -> None:
    assert of_pool(None, POOL, there=False) == [
        "define pool p",
        "make directory /a",
        "let pool p start with the node",
        "start pool p",
    ]
    assert of_pool(None, replace(POOL, running=UNSET, autostart=UNSET)) == ["define pool p"]
    assert of_pool(POOL, POOL) == []


@pytest.mark.parametrize(
    ("current", "outdated", "said"),
    [
        (replace(POOL, definition=OTHER, outdated=True), UNSET, [f"redefine pool p {LATER}"]),
        (replace(POOL, definition=OTHER, outdated=True), False, ["redefine pool p", "stop pool p", "start pool p"]),
        (replace(POOL, outdated=True), UNSET, []),
        (replace(POOL, outdated=True), False, ["stop pool p", "start pool p"]),
        (replace(POOL, definition=OTHER, running=False), False, ["redefine pool p", "start pool p"]),
    ],
)
def test_a_running_pool_is_restarted_only_where_that_is_allowed(
    current: pools.Wanted, outdated: bool, said: list[str]
) -> None:
    assert of_pool(current, replace(POOL, outdated=outdated)) == said


def test_the_steps_of_a_pool_call_what_they_say() -> None:
    wish = replace(POOL, mode="0711")
    have = Attributes(UNSET, UNSET, "0755")
    current = replace(POOL, definition=OTHER, running=False, autostart=False, mode="0755")
    assert [step.do for step in pools.steps("p", current, wish, "<x/>", "u", have)] == [
        call(virt_pool.define, "<x/>", uri="u"),
        call(file.set_attributes, "/a", mode="0711"),
        call(virt_pool.set_autostart, "p", True, uri="u"),
        call(virt_pool.start, "p", uri="u"),
    ]


@pytest.mark.parametrize(
    ("current", "outdated", "said"),
    [
        (None, UNSET, ["define network n", "let network n start with the node", "start network n"]),
        (NETWORK, False, []),
        (replace(NETWORK, running=False), UNSET, ["start network n"]),
        (replace(NETWORK, autostart=False), UNSET, ["let network n start with the node"]),
        (replace(NETWORK, definition=OTHER_NET, outdated=True), UNSET, [f"redefine network n {LATER}"]),
        (
            replace(NETWORK, definition=OTHER_NET, outdated=True),
            False,
            ["redefine network n", "stop network n", "start network n"],
        ),
        (replace(NETWORK, outdated=True), False, ["stop network n", "start network n"]),
    ],
)
def test_a_network_is_defined_and_restarted_only_where_that_is_allowed(
    current: networks.Wanted | None, outdated: bool, said: list[str]
) -> None:
    wish = replace(NETWORK, outdated=outdated)
    assert [step.sentence for step in networks.steps("n", current, wish, "<x/>", "u")] == said


def test_what_is_transient_is_stopped_and_what_is_stopped_undefined() -> None:
    running = Kept("<x/>", "<x/>", False, False)
    assert [s.sentence for s in virt_kept.going(networks.NETWORK, "n", running, "u")] == ["stop network n"]
    stopped = Kept("<x/>", None, False, True)
    assert [s.sentence for s in virt_kept.going(pools.POOL, "p", stopped, "u")] == ["undefine pool p"]


def of_volume(current: Volume | None, wish: Volume, place: Place = PLACE, guest: str | None = None) -> list[str]:
    return [step.sentence for step in volumes.steps("v", "p", place, current, wish, "<x/>", "u", guest)]


def test_a_volume_is_made_or_grown_and_libvirt_looks_again_where_its_list_is_old() -> None:
    wish = Volume(8 * M, "qcow2")
    unlisted = replace(PLACE, listed=False)
    assert of_volume(None, wish, unlisted) == ["make volume v in pool p (qcow2, 8 MiB)"]
    assert of_volume(None, wish) == ["refresh pool p", "make volume v in pool p (qcow2, 8 MiB)"]
    assert of_volume(replace(wish, listed=False), wish, unlisted) == ["refresh pool p"]
    assert of_volume(wish, wish) == []


def test_a_volume_may_be_declared_by_salts_word() -> None:
    assert find("virt.volume_defined", "states", is_state) is volumes.volume_present


def test_a_volume_of_a_running_guest_grows_through_the_guest() -> None:
    have, wish = Volume(8 * M, "qcow2"), Volume(16 * M, "qcow2")
    (step,) = volumes.steps("v", "p", PLACE, have, wish, "<x/>", "u")
    assert step.do == call(virt_volume.grow, "p", "v", 16 * M, uri="u")
    (step,) = volumes.steps("v", "p", PLACE, have, wish, "<x/>", "u", "web")
    assert step.sentence == "grow volume v from 8 MiB to 16 MiB while web runs"
    assert step.do == call(disk.grow, "/a/v", 16 * M, format="qcow2", guest="web", uri="u")
