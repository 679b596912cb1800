"""The text of a systemd mount unit, systemd.mount(5): writing one, and whether one that is there means the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WANTED_BY = "multi-user.target"


@dataclass(frozen=True, slots=True)
class Content:
    """What a mount unit says: what is mounted where, and which targets start it."""

    what: str
    where: str
    fstype: str
    options: frozenset[str]
    wanted_by: frozenset[str]


def text(target: str, device: str, fstype: str, opts: Sequence[str]) -> str:
    """The unit that mounts DEVICE at TARGET. `%` is a specifier in units, so it is doubled."""
    what, where, words = (word.replace("%", "%%") for word in (device, target, ",".join(opts) or "defaults"))
    return (
        f"# Managed by Saltern\n[Unit]\nDescription=Mount of {where}\n\n[Mount]\nWhat={what}\nWhere={where}\n"
        f"Type={fstype}\nOptions={words}\n\n[Install]\nWantedBy={WANTED_BY}\n"
    )


def automount(target: str, idle_s: int = 0) -> str:
    """The unit that has TARGET mounted when it is used, systemd.automount(5), and unmounted again after IDLE_S seconds
    without use (0: never)."""
    where = target.replace("%", "%%")
    return (
        f"# Managed by Saltern\n[Unit]\nDescription=Automount of {where}\n\n[Automount]\nWhere={where}\n"
        f"TimeoutIdleSec={idle_s}\n\n[Install]\nWantedBy={WANTED_BY}\n"
    )


def parse(unit: str) -> Content:
    """What UNIT says. A key that is given twice counts as the last; lists are joined."""
    values: dict[tuple[str, str], str] = {}
    section = ""
    for line in unit.replace("\\\n", " ").split("\n"):
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
        elif line and line[0] not in "#;" and "=" in line:
            key, _, value = line.partition("=")
            place = (section, key.strip())
            joined = f"{values.get(place, '')} {value.strip()}" if place[0] == "Install" else value.strip()
            values[place] = joined.replace("%%", "%")
    options = values.get(("Mount", "Options"), "").split(",")
    return Content(
        values.get(("Mount", "What"), ""),
        values.get(("Mount", "Where"), "").rstrip("/") or "/",
        values.get(("Mount", "Type"), ""),
        frozenset(word for word in options if word and word != "defaults"),
        frozenset(values.get(("Install", "WantedBy"), "").split()),
    )


def same(one: str, other: str) -> bool:
    """Whether two units mount the same thing in the same way; order, comments and descriptions do not matter."""
    return one == other or parse(one) == parse(other)
