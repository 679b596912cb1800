"""The time zone of the node."""

from __future__ import annotations

from dataclasses import dataclass

from modules import timezone
from saltern.context import Context
from saltern.converge.plan import Plan, Step, call
from saltern.converge.state import state


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone by its name."""

    name: str


@state
def system(ctx: Context, name: str, *, utc: bool = True) -> Plan:
    """The time zone of the node is NAME ("Europe/Berlin"). utc is taken for Salt's sake: the hardware clock is left
    alone."""
    timezone.checked(name)
    have = timezone.get_zone()
    if have == name:
        return Plan(Zone(have), Zone(name), comment=f"The time zone is {name}")
    step = Step(f"set the time zone {name}", have, name, do=call(timezone.set_zone, name))
    return Plan(Zone(have), Zone(name), [step])
