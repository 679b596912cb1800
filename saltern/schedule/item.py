"""One item of a schedule as a typed value, read from what configuration, pillar or `schedule.add` say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any

from saltern.errors import ConfigError, nearest

_UNITS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}
_KEYS = {
    *("function", "args", "kwargs", "job_args", "job_kwargs", "cron", "when", "once", "range", "skip_during_range"),
    *("after", "until", "splay", "maxrunning", "jid_include", "run_on_start", "return_job", "metadata", "enabled"),
    *("catch_up", "name", *_UNITS),
}
CATCH_UP = ("skip", "once")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NAME = re.compile(r"[A-Za-z0-9_.:/@+ -]{1,128}")
_LONGEST_S = 366 * 86400
_DEFAULTS = (datetime(2000, 1, 1), datetime(2001, 2, 2))  # what a text leaves out comes from these, and so is told


class ScheduleError(ConfigError):
    """An item of a schedule can't be understood; the message names the item and what is wrong."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of day, on each day (WEEKDAY None) or on one of the week (0 is Monday)."""

    at: time
    weekday: int | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """From START to END of each day, over midnight where END is earlier; INVERT: the rest of the day."""

    start: time
    end: time
    invert: bool = False

    def holds(self, now: time) -> bool:
        """Whether the time of day NOW lies inside. The end does not."""
        over_midnight = self.end < self.start
        inside = (now >= self.start or now < self.end) if over_midnight else self.start <= now < self.end
        return inside is not self.invert


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """FUNCTION with ARGS and KWARGS, by one of INTERVAL_S, CRON (five fields), MOMENTS, ONCE (local times), or only by
    RUN_ON_START.

    SPLAY: (least, most) seconds after the time that is due, the same each time on one minion. WINDOWS: it runs only
    inside all of them. AFTER, UNTIL: local times. CATCH_UP: what becomes of runs that were due while nothing ran:
    `skip` leaves them out, `once` makes up for all of them by one run.
    """

    name: str
    function: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    interval_s: int | None = None
    cron: str | None = None
    moments: tuple[Moment, ...] = ()
    once: tuple[datetime, ...] = ()
    splay: tuple[int, int] | None = None
    windows: tuple[Window, ...] = ()
    after: datetime | None = None
    until: datetime | None = None
    maxrunning: int = 1
    jid_include: bool = True
    run_on_start: bool = False
    return_job: bool = True
    metadata: Mapping[str, Any] = field(default_factory=dict)
    enabled: bool = True
    catch_up: str = "skip"


def parse(name: str, data: Any) -> Item:
    """The item NAME from its mapping. ScheduleError."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ScheduleError(f"schedule: {name!r} is no name for an item: letters, digits and _ . : / @ + - only")
    reader = _Reader(name, data)
    function = reader.text("function")
    if function is None or not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", function):
        raise reader.error("wants `function: MODULE.FUNCTION`")
    moments, once = reader.times()
    interval = reader.interval()
    cron = reader.cron()
    run_on_start = reader.flag("run_on_start", False)
    ways = [way for way, given in (("seconds/minutes/hours/days", interval), ("cron", cron)) if given]
    ways += [way for way, given in (("when/once", moments or once),) if given]
    if len(ways) > 1:
        raise reader.error(f"says when by {' and by '.join(ways)}: take one")
    if not ways and not run_on_start:
        raise reader.error("does not say when: give seconds, minutes, hours, days, cron, when, once or run_on_start")
    return Item(
        name=name,
        function=function,
        args=tuple(reader.listed("args", "job_args")),
        kwargs=reader.mapping("kwargs", "job_kwargs"),
        interval_s=interval,
        cron=cron,
        moments=moments,
        once=once,
        splay=reader.splay(),
        windows=reader.windows(),
        after=reader.moment_of("after"),
        until=reader.moment_of("until"),
        maxrunning=reader.count("maxrunning", 1),
        jid_include=reader.flag("jid_include", True),
        run_on_start=run_on_start,
        return_job=reader.flag("return_job", True),
        metadata=reader.mapping("metadata"),
        enabled=reader.flag("enabled", True),
        catch_up=reader.choice("catch_up", CATCH_UP),
    )


class _Reader:
    """Takes values out of the mapping of the item NAME, each checked."""

    def __init__(self, name: str, data: Any) -> None:
        self._name = name
        if not isinstance(data, Mapping):
            raise self.error(f"is a mapping with a `function`, not {data!r}")
        for key in data:
            if key not in _KEYS:
                raise self.error(f"has no option {key!r}.{nearest(str(key), _KEYS)}")
        self._data = data

    def error(self, message: str) -> ScheduleError:
        """The error that tells MESSAGE of this item."""
        return ScheduleError(f"schedule: the item {self._name!r} {message}")

    def text(self, key: str) -> str | None:
        value = self._data.get(key)
        if value is not None and not isinstance(value, str):
            raise self.error(f"wants a text as {key}, not {value!r}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self._data.get(key, default)
        if not isinstance(value, bool):
            raise self.error(f"wants true or false as {key}, not {value!r}")
        return value

    def choice(self, key: str, known: Sequence[str]) -> str:
        value = self._data.get(key, known[0])
        if value not in known:
            raise self.error(f"wants one of {', '.join(known)} as {key}, not {value!r}.{nearest(str(value), known)}")
        return str(value)

    def count(self, key: str, default: int) -> int:
        value = self._data.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self.error(f"wants a number from 1 as {key}, not {value!r}")
        return value

    def listed(self, *keys: str) -> Sequence[Any]:
        for key in keys:
            value = self._data.get(key)
            if value is not None:
                if not isinstance(value, list | tuple):
                    raise self.error(f"wants a list as {key}, not {value!r}")
                return value
        return ()

    def mapping(self, *keys: str) -> Mapping[str, Any]:
        for key in keys:
            value = self._data.get(key)
            if value is not None:
                if not isinstance(value, Mapping):
                    raise self.error(f"wants a mapping as {key}, not {value!r}")
                return dict(value)
        return {}

    def interval(self) -> int | None:
        total = 0
        for unit, factor in _UNITS.items():
            value = self._data.get(unit)
            if value is None:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise self.error(f"wants a whole number as {unit}, not {value!r}")
            total += value * factor
        if any(unit in self._data for unit in _UNITS) and not 1 <= total <= _LONGEST_S:
            raise self.error("wants an interval from 1 second to 366 days")
        return total or None

    def cron(self) -> str | None:
        text = self.text("cron")
        if text is None:
            return None
        from croniter import croniter

        if len(text.split()) != 5 or not croniter.is_valid(text):
            raise self.error(f"has a cron that is none: {text!r}. It is five fields: minute hour day month weekday")
        try:
            croniter(text, datetime(2026, 1, 1)).get_next(datetime)
        except Exception:
            raise self.error(f"has a cron that never comes: {text!r}") from None
        return text

    def splay(self) -> tuple[int, int] | None:
        value = self._data.get("splay")
        if value is None:
            return None
        if isinstance(value, Mapping) and set(value) == {"start", "end"}:
            least, most = value["start"], value["end"]
        else:
            least, most = 0, value
        if (
            not all(isinstance(one, int) and not isinstance(one, bool) for one in (least, most))
            or not 0 <= least <= most
        ):
            raise self.error(f"wants seconds, or start and end in seconds, as splay, not {value!r}")
        return least, most

    def windows(self) -> tuple[Window, ...]:
        found = []
        for key, turned in (("range", False), ("skip_during_range", True)):
            value = self._data.get(key)
            if value is None:
                continue
            if not isinstance(value, Mapping) or not {"start", "end"} <= set(value) <= {"start", "end", "invert"}:
                raise self.error(f"wants `start` and `end` in {key}, not {value!r}")
            start, end = (self._time_of_day(value[end], key) for end in ("start", "end"))
            found.append(Window(start, end, bool(value.get("invert", False)) is not turned))
        return tuple(found)

    def times(self) -> tuple[tuple[Moment, ...], tuple[datetime, ...]]:
        """What `when` and `once` say."""
        moments: list[Moment] = []
        once: list[datetime] = []
        listed = self._data.get("when")
        for value in listed if isinstance(listed, list | tuple) else [listed]:
            if value is not None:
                found = self._when(value, "when")
                (moments if isinstance(found, Moment) else once).append(found)  # type: ignore[arg-type]
        if (single := self.moment_of("once")) is not None:
            once.append(single)
        return tuple(moments), tuple(once)

    def moment_of(self, key: str) -> datetime | None:
        """The local time that KEY names, with its date."""
        value = self._data.get(key)
        if value is None:
            return None
        found = self._when(value, key)
        if isinstance(found, Moment):
            raise self.error(f"wants a date as {key}, like 2026-11-21 05:00, not {value!r}")
        return found

    def _time_of_day(self, value: Any, key: str) -> time:
        found = self._when(value, key)
        if not isinstance(found, Moment) or found.weekday is not None:
            raise self.error(f"wants times of day in {key}, like 8:00am, not {value!r}")
        return found.at

    def _when(self, value: Any, key: str) -> Moment | datetime:
        """A time of day, one of a day of the week, or a date with a time. All local."""
        if isinstance(value, datetime):
            return value
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1440:
            return Moment(time(value // 60, value % 60))  # YAML 1.1 reads 12:30 as a number to the base of 60
        if not isinstance(value, str):
            raise self.error(f"has no time as {key}: {value!r}")
        from dateutil import parser

        words = value.split()
        weekday = next((_DAYS.index(day) for day in _DAYS for word in words if _is_day(word, day)), None)
        rest = " ".join(word for word in words if not any(_is_day(word, day) for day in _DAYS))
        try:
            one, other = (parser.parse(rest, default=default) for default in _DEFAULTS)
        except (ValueError, OverflowError):
            raise self.error(
                f"has no time as {key}: {value!r}. Write 5:00pm, Monday 5:00pm or 2026-11-21 05:00"
            ) from None
        if one.tzinfo is not None:
            raise self.error(f"has a time zone in {key}: {value!r}. Times are local")
        if (one.date(), other.date()) == tuple(default.date() for default in _DEFAULTS):
            return Moment(one.time(), weekday)
        if one != other:
            raise self.error(f"has half a date as {key}: {value!r}. Write the year, month and day")
        if weekday is not None:
            raise self.error(f"names a date and a day of the week in {key}: {value!r}")
        return one


def _is_day(word: str, day: str) -> bool:
    word = word.lower().rstrip(",")
    return word in (day, day[:3])
