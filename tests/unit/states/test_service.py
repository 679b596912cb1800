"""The plans of service states, and their whole course against a stand-in for systemctl."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modules import service as module
from saltern.context import Context
from saltern.converge.plan import UNSET, Unset, call
from saltern.converge.state import reaction_of
from saltern.errors import SalternError
from saltern.marks import permit_acting
from states import service
from states.service import Service, steps
from tests.plans import context, converge


@pytest.mark.parametrize(
    ("current", "wish", "expected"),
    [
        (Service(True), Service(True), []),
        (Service(False), Service(True), [call(module.start, "x.service")]),
        (Service(True), Service(False), [call(module.stop, "x.service")]),
        (
            Service(False, False),
            Service(True, True),
            [call(module.enable, "x.service"), call(module.start, "x.service")],
        ),
        (Service(True, True), Service(True, False), [call(module.disable, "x.service")]),
        (
            Service(False, False, True),
            Service(True, True, False),
            [call(module.unmask, "x.service"), call(module.enable, "x.service"), call(module.start, "x.service")],
        ),
        (Service(masked=False), Service(masked=True), [call(module.mask, "x.service")]),
    ],
)
def test_each_difference_has_its_step(current: Service, wish: Service, expected: list[Any]) -> None:
    assert [step.do for step in steps("x.service", current, wish)] == expected


@pytest.mark.parametrize("load", ["bad-setting", "error"])
def test_a_unit_that_systemd_could_not_read_is_an_error_until_its_file_changed(
    load: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = module.Unit(name="x.service", load=load, active="inactive", sub="dead", file="", load_error="no ExecStart")
    monkeypatch.setattr(module, "unit", lambda name: broken)
    with pytest.raises(SalternError, match="no ExecStart"):
        service.running(context(tmp_path), "x")
    monkeypatch.setattr(module, "unit", lambda name: replace(broken, needs_reload=True))
    assert [step.do for step in service.running(context(tmp_path), "x").steps] == [call(module.start, "x.service")]


SYSTEMCTL = """#!/bin/sh
# Keeps a unit as a folder: files `active`, `enabled`, `masked`; `broken` makes it fail a moment after its start.
echo "$*" >> "$UNITS/log"
shift
verb=$1
for unit; do :; done
here=$UNITS/$unit
[ "$verb" = show ] || [ -d "$here" ] || { echo "Unit $unit not found." >&2; exit 5; }
case $verb in
show)
    load=not-found; [ -d "$here" ] && load=loaded; [ -e "$here/masked" ] && load=masked
    active=inactive; [ -e "$here/active" ] && active=active; [ -e "$here/failed" ] && active=failed
    if [ -e "$here/broken" ] && [ -e "$here/active" ]; then rm "$here/active"; touch "$here/failed"; fi
    file=disabled; [ -e "$here/enabled" ] && file=enabled
    printf 'LoadState=%s\\nActiveState=%s\\nSubState=x\\nUnitFileState=%s\\nType=simple\\nResult=exit-code\\n' \
        $load $active $file ;;
start|restart|reload-or-restart) touch "$here/active" ;;
stop) rm "$here/active" ;;
enable) touch "$here/enabled" ;;
disable) rm "$here/enabled" ;;
mask) touch "$here/masked" ;;
unmask) rm "$here/masked" ;;
*) exit 1 ;;
esac
"""


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the stand-in's units; `x` is one of them."""
    programs, folder = tmp_path / "bin", tmp_path / "units"
    programs.mkdir()
    (folder / "x.service").mkdir(parents=True)
    for name, text in [("systemctl", SYSTEMCTL), ("journalctl", "#!/bin/sh\necho 'cannot bind to port 80'\n")]:
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("UNITS", str(folder))
    monkeypatch.setattr(module, "BOOTED", str(folder))
    monkeypatch.setattr(module, "STAY_S", 0.15)
    return folder


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return context(tmp_path)


def test_a_service_is_started_and_enabled_once(ctx: Context, units: Path) -> None:
    plan = converge(service.running, ctx, "x", enable=True)
    assert [step.sentence for step in plan.steps] == ["enable x.service", "start x.service"]
    log = (units / "log").read_text()
    assert not converge(service.running, ctx, "x", enable=True).steps
    added = (units / "log").read_text().removeprefix(log).splitlines()
    assert all(" show " in line for line in added), added


def test_what_is_not_named_is_left_alone(ctx: Context, units: Path) -> None:
    (units / "x.service/enabled").touch()
    plan = converge(service.running, ctx, "x")
    assert isinstance(plan.wish.enabled, Unset)
    converge(service.dead, ctx, "x")
    assert (units / "x.service/enabled").exists()
    converge(service.dead, ctx, "x", enable=False)
    converge(service.enabled, ctx, "x")
    converge(service.disabled, ctx, "x")
    assert not (units / "x.service/enabled").exists()


def test_a_missing_unit_is_unknown_for_running_and_fine_for_dead(ctx: Context, units: Path) -> None:
    assert "there is no unit y.service; a package" in str(service.running(ctx, "y").unknown)
    assert "no unit y.service" in str(service.enabled(ctx, "y").unknown)
    assert service.dead(ctx, "y", enable=False).steps == ()
    assert service.disabled(ctx, "y").unknown is None


def test_a_unit_that_dies_after_its_start_fails_with_its_journal(ctx: Context, units: Path) -> None:
    (units / "x.service/broken").touch()
    (step,) = service.running(ctx, "x").steps
    with permit_acting(), pytest.raises(SalternError, match=r"(?s)can't start x.service: it is failed.*port 80"):
        step.do()


def test_a_masked_unit_needs_to_be_unmasked_by_name(ctx: Context, units: Path) -> None:
    converge(service.masked, ctx, "x")
    with pytest.raises(SalternError, match="`unmask: True` lifts that"):
        service.running(ctx, "x")
    converge(service.running, ctx, "x", unmask=True)
    converge(service.unmasked, ctx, "x")


def test_a_watch_restarts_or_reloads_what_runs_and_only_that(ctx: Context, units: Path) -> None:
    react = reaction_of(service.running)
    assert react is not None
    assert list(react(ctx, "x")) == []
    converge(service.running, ctx, "x", enable=UNSET)
    assert [step.do for step in react(ctx, "x")] == [call(module.restart, "x.service")]
    assert [step.do for step in react(ctx, "x", reload=True)] == [call(module.reload, "x.service")]
