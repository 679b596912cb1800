"""The times at which an item is due, as seconds since the epoch. Pure: the zone and the minion come in.

Intervals count real seconds from the epoch, so they survive restarts and know no daylight saving. Times of day are
local: one that a change of the clocks leaves out comes right after it, one that comes twice is due the first time only.
A cron whose hour is `*` counts real hours, as cron(8) does for wildcard jobs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo

from saltern.schedule.item import Item, Moment

_DAY = timedelta(days=1)
_GIVE_UP = 4000  # slots that may fall outside of the windows before the next one is said to be far away


def following(item: Item, after: float, *, minion: str, zone: tzinfo) -> float | None:
    """The first time after AFTER at which ITEM is due on MINION, or None where there is none."""
    delay = _delay(item, minion)
    for tried, base in enumerate(_bases(item, after - delay, minion, zone)):
        if tried > _GIVE_UP:
            return None
        due = base + delay
        local = datetime.fromtimestamp(due, zone)
        naive = local.replace(tzinfo=None)
        if item.until is not None and naive > item.until:
            return None
        if item.after is not None and naive < item.after:
            continue
        if all(window.holds(naive.time()) for window in item.windows):
            return due
    return None


def _bases(item: Item, after: float, minion: str, zone: tzinfo) -> Iterator[float]:
    """The times after AFTER, before any splay."""
    if item.interval_s is not None:
        return _interval(item, after, minion, zone)
    if item.cron is not None:
        fields = item.cron.split()
        return _real_cron(item.cron, after, zone) if fields[1] == "*" else _local_cron(item.cron, after, zone)
    return _moments(item, after, zone)


def _interval(item: Item, after: float, minion: str, zone: tzinfo) -> Iterator[float]:
    """Multiples of the interval; without a splay, at a phase of the minion's own, so that a fleet does not come at
    once."""
    assert item.interval_s is not None
    period = item.interval_s
    phase = 0 if item.splay is not None else _draw(minion, item.name, period)
    if item.after is not None:
        after = max(after, _epoch(item.after, zone) - 1)  # no walk through years of slots that are too early
    number = int((after - phase) // period) + 1
    while True:
        yield float(number * period + phase)
        number += 1


def _local_cron(text: str, after: float, zone: tzinfo) -> Iterator[float]:
    """The times of a cron whose hours are named, by the clock on the wall."""
    from croniter import CroniterBadDateError, croniter

    walk = croniter(text, _naive(after, zone))
    last = after
    while True:
        try:
            slot = _epoch(walk.get_next(datetime), zone)
        except CroniterBadDateError:
            return
        if slot > last:
            last = slot
            yield slot


def _real_cron(text: str, after: float, zone: tzinfo) -> Iterator[float]:
    """The times of a cron that comes every hour, also in the hour that comes twice."""
    from croniter import CroniterBadDateError, croniter

    last = after
    while True:
        offset = _offset(last, zone)
        try:
            slot = croniter(text, datetime.fromtimestamp(last, offset)).get_next(float)
            if _offset(slot, zone) != offset:  # the clocks change in between
                slot = croniter(text, datetime.fromtimestamp(last, _offset(slot, zone))).get_next(float)
        except CroniterBadDateError:
            return
        last = float(slot)
        yield last


def _moments(item: Item, after: float, zone: tzinfo) -> Iterator[float]:
    """The times of day and the single times, in order."""
    single = sorted(_epoch(one, zone) for one in item.once)
    single = [one for one in single if one > after]
    if not item.moments:
        yield from single
        return
    day = _naive(after, zone).replace(hour=0, minute=0, second=0, microsecond=0) - _DAY
    while True:
        due = [_epoch(datetime.combine(day, moment.at), zone) for moment in item.moments if _is_on(moment, day)]
        end = _epoch(day + _DAY, zone)
        due += [one for one in single if one < end]
        single = [one for one in single if one >= end]
        yield from sorted({one for one in due if one > after})
        day += _DAY


def _is_on(moment: Moment, day: datetime) -> bool:
    return moment.weekday is None or moment.weekday == day.weekday()


def _delay(item: Item, minion: str) -> int:
    """Seconds by which MINION comes later, the same each time."""
    if item.splay is None:
        return 0
    least, most = item.splay
    return least + _draw(minion, item.name, most - least + 1)


def _draw(minion: str, name: str, below: int) -> int:
    """A number from 0 to BELOW - 1 that is MINION's own for the item NAME."""
    digest = hashlib.sha256(f"{minion}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % below


def _epoch(local: datetime, zone: tzinfo) -> float:
    """The local time as seconds since the epoch: the first of two that read so; one that never is, as far behind the
    change of the clocks as it lies in the gap (PEP 495, fold=0)."""
    return local.replace(tzinfo=zone, fold=0).timestamp()


def _naive(epoch: float, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(epoch, zone).replace(tzinfo=None, fold=0)


def _offset(epoch: float, zone: tzinfo) -> timezone:
    """The zone's distance from UTC at a time, as a zone of its own."""
    found = datetime.fromtimestamp(epoch, zone).utcoffset()
    return timezone(found if found is not None else timedelta())
