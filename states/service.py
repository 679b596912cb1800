"""Services: running or stopped now, and started at boot or not.

`enable` is only managed where it is named. `running` reacts to `watch` with a restart, or with a reload where
`reload: True`; `dead` with a stop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modules import service
from modules.service import ServiceError, Unit
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import reaction, state

SETTLE_S = 10.0  # for a unit that is still on its way up or down when its job is done


@dataclass(frozen=True, slots=True)
class Service:
    """A service as it is, or as it should be: up now, started at boot, barred from being started."""

    running: bool | Unset = UNSET
    enabled: bool | Unset = UNSET
    masked: bool | Unset = UNSET


@state
def running(
    ctx: Context,
    name: str,
    *,
    enable: bool | Unset = UNSET,
    reload: bool = False,
    unmask: bool = False,
    sig: str | Unset = UNSET,
) -> Plan:
    """The service NAME runs.

    enable: it starts at boot (True) or does not (False). reload: a change of what it watches makes it read its
    settings anew rather than restart. unmask: lift its bar, if it is masked. sig: taken for SLS files that name it;
    systemd knows what it runs.
    """
    found = service.unit(name)
    if not found.exists:
        return _unknown(found)
    wish = Service(True, enable, False if unmask else UNSET)
    if found.is_masked and not unmask:
        raise ServiceError(f"{found.name} is masked, so it can't be started; `unmask: True` lifts that")
    return _plan(found, wish)


@reaction(running)
def refresh(
    ctx: Context,
    name: str,
    *,
    enable: bool | Unset = UNSET,
    reload: bool = False,
    unmask: bool = False,
    sig: str | Unset = UNSET,
) -> Iterator[Step]:
    """Restart the service, or have it read its settings anew; one that does not run is started by the plan anyway."""
    found = service.unit(name)
    if found.is_running and reload:
        yield Step(f"reload {found.name}", None, None, do=call(service.reload, found.name))
    elif found.is_running:
        yield Step(f"restart {found.name}", None, None, do=call(service.restart, found.name))


@state
def dead(ctx: Context, name: str, *, enable: bool | Unset = UNSET, sig: str | Unset = UNSET) -> Plan:
    """The service NAME does not run; one that does not exist is fine. enable: as `service.running`."""
    found = service.unit(name)
    if not found.exists:
        return Plan(None, None, comment=f"there is no unit {found.name}")
    return _plan(found, Service(False, enable))


@reaction(dead)
def stop_now(ctx: Context, name: str, *, enable: bool | Unset = UNSET, sig: str | Unset = UNSET) -> Iterator[Step]:
    """Nothing beyond the plan: it stops the service anyway."""
    return iter(())


@state
def enabled(ctx: Context, name: str) -> Plan:
    """The service NAME starts at boot."""
    found = service.unit(name)
    return _plan(found, Service(enabled=True)) if found.exists else _unknown(found)


@state
def disabled(ctx: Context, name: str) -> Plan:
    """The service NAME does not start at boot; one that does not exist is fine."""
    found = service.unit(name)
    if not found.exists:
        return Plan(None, None, comment=f"there is no unit {found.name}")
    return _plan(found, Service(enabled=False))


@state
def masked(ctx: Context, name: str) -> Plan:
    """The service NAME is barred from being started."""
    return _plan(service.unit(name), Service(masked=True))


@state
def unmasked(ctx: Context, name: str) -> Plan:
    """The service NAME is not barred from being started."""
    return _plan(service.unit(name), Service(masked=False))


def _unknown(found: Unit) -> Plan:
    return Plan(None, None, unknown=f"there is no unit {found.name}; a package or file of this run may bring it")


def _plan(found: Unit, wish: Service) -> Plan:
    if found.load in ("bad-setting", "error") and not found.needs_reload:  # else its file is a new one, read by a step
        raise ServiceError(f"systemd can't read the unit {found.name}: {found.load_error or found.load}")
    current = as_seen(found, wish)
    return Plan(current, wish, steps(found.name, current, wish), settle_s=SETTLE_S)


def as_seen(found: Unit, wish: Service) -> Service:
    """What FOUND is, in the terms of WISH."""
    boots = isinstance(wish.enabled, bool) and service.starts_at_boot(found.file, wish.enabled)
    return Service(
        UNSET if isinstance(wish.running, Unset) else found.is_running,
        UNSET if isinstance(wish.enabled, Unset) else boots,
        UNSET if isinstance(wish.masked, Unset) else found.is_masked,
    )


def steps(name: str, current: Service, wish: Service) -> Iterator[Step]:
    """The steps from CURRENT to WISH: the bar first, then boot, then now."""
    if current.masked != wish.masked:
        do = call(service.mask if wish.masked else service.unmask, name)
        yield Step(f"{'mask' if wish.masked else 'unmask'} {name}", current.masked, wish.masked, do=do)
    if current.enabled != wish.enabled:
        do = call(service.enable if wish.enabled else service.disable, name)
        yield Step(f"{'enable' if wish.enabled else 'disable'} {name}", current.enabled, wish.enabled, do=do)
    if current.running != wish.running:
        do = call(service.start if wish.running else service.stop, name)
        yield Step(f"{'start' if wish.running else 'stop'} {name}", current.running, wish.running, do=do)
