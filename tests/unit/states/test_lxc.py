"""The steps of the LXC states, from values."""

from __future__ import annotations

import pytest

from modules import lxc
from modules._lxc.config import Section
from modules.lxc import Container
from saltern.converge.plan import UNSET, Unset, call
from states._lxc.plan import Guest, at_start, observed, steps

AUTO = Section("key", "lxc.start.auto", (("lxc.start.auto", "1"),))
NET = Section("tree", "lxc.net", (("lxc.net.0.type", "veth"), ("lxc.net.0.link", "br43")))
OLD = "# mine\nlxc.net.0.type = veth\nlxc.net.0.link = br46\nlxc.start.auto = 1\n"
NEW = OLD.replace("br46", "br43")
HOW = ("template busybox", call(lxc.create, "c1", "busybox", path="/l"))


def said(
    text: str | None,
    sections: tuple[Section, ...],
    *,
    state: str = "STOPPED",
    outdated: bool = False,
    if_needed: bool = False,
) -> list[tuple[str, object, object]]:
    found = None if text is None else Container(text, state, None)
    asks: bool | Unset = False if if_needed else UNSET
    wish = Guest(observed(sections, None).settings, outdated=asks)
    current = None if text is None else Guest(observed(sections, text).settings, outdated=outdated)
    planned = steps("c1", "/l", found, current, wish, sections, HOW if found is None else None)
    return [(step.sentence, step.before, step.after) for step in planned]


def test_a_new_container_is_made_then_configured_and_not_started() -> None:
    assert said(None, (NET, AUTO)) == [
        ("create container c1 from template busybox", None, "c1"),
        (
            "write the configuration of c1",
            None,
            ["lxc.net.0.type = veth", "lxc.net.0.link = br43", "lxc.start.auto = 1"],
        ),
    ]


def test_a_new_container_without_a_word_on_its_configuration_is_only_made() -> None:
    assert [sentence for sentence, _, _ in said(None, ())] == ["create container c1 from template busybox"]


def test_only_what_differs_is_written_and_shown() -> None:
    assert said(OLD, (NET, AUTO)) == [
        ("write the configuration of c1", ["lxc.net.0.link = br46"], ["lxc.net.0.link = br43"])
    ]
    found = Container(OLD, "STOPPED", None)
    (step,) = steps("c1", "/l", found, observed((NET, AUTO), OLD), observed((NET, AUTO), None), (NET, AUTO), None)
    assert step.do == call(lxc.write_config, "c1", (NET,), path="/l")


@pytest.mark.parametrize(
    ("text", "state", "outdated", "if_needed", "wanted"),
    [
        (NEW, "RUNNING", False, True, []),
        (NEW, "RUNNING", True, False, []),
        (NEW, "RUNNING", True, True, ["restart"]),
        (NEW, "STOPPED", False, True, []),
        (OLD, "STOPPED", False, True, ["write"]),
        (OLD, "RUNNING", False, False, ["write later"]),
        (OLD, "RUNNING", False, True, ["write", "restart"]),
        (OLD, "FROZEN", False, False, ["write later"]),
        (NEW.replace("auto = 1", "auto = 0"), "RUNNING", False, True, ["write"]),
        (NEW.replace("auto = 1", "auto = 0"), "RUNNING", False, False, ["write"]),
    ],
)
def test_a_restart_happens_only_where_it_is_needed_and_allowed(
    text: str, state: str, outdated: bool, if_needed: bool, wanted: list[str]
) -> None:
    words = {
        "write": "write the configuration of c1",
        "write later": "write the configuration of c1 (takes effect at its next start)",
        "restart": "restart c1, so that its configuration takes effect",
    }
    planned = said(text, (NET, AUTO), state=state, outdated=outdated, if_needed=if_needed)
    assert [sentence for sentence, _, _ in planned] == [words[word] for word in wanted]


def test_what_counts_at_boot_is_not_what_counts_at_the_start() -> None:
    group = Section("key", "lxc.group", ())
    assert at_start([AUTO, NET, group]) == [NET]


def test_a_change_that_matters_at_boot_only_is_written_silently() -> None:
    off = NEW.replace("auto = 1", "auto = 0")
    current, wish = observed((NET, AUTO), off), observed((NET, AUTO), None)
    (step,) = steps("c1", "/l", Container(off, "RUNNING", 7), current, wish, (NET, AUTO), None)
    assert step.do == call(lxc.write_config, "c1", (AUTO,), path="/l", silent=True)


def test_what_is_not_named_is_not_managed() -> None:
    assert observed((), OLD) == Guest({})
    assert observed((AUTO,), OLD) == Guest({"lxc.start.auto": ("1",)})
