"""When a job is due: a cron expression, in a time zone, to moments.

Five fields as in crontab(5), minute, hour, day of month, month, day of week, or six with seconds first; names, steps, lists, ``@daily`` and
its kin. As there, Sunday is 0 or 7, and where both kinds of day are restricted, either will do (APScheduler's own reading of a crontab
line differs in both). The next time of the clock on the wall is APScheduler's to find.

The clocks change, so what the wall shows may not exist, or exist twice. As in Debian's cron:

* A job at fixed times (07:30) runs once for each: a time that is skipped runs when the clock has been put forward, one that comes twice
  runs the first time only.
* A job whose second, minute or hour starts with ``*`` runs by what the wall shows: what is skipped does not run, what comes twice
  runs twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from apscheduler.triggers.cron import CronTrigger

from hedgekit.errors import ConfigError, meant

FIELDS = {"second": (0, 59), "minute": (0, 59), "hour": (0, 23), "day of month": (1, 31), "month": (1, 12), "day of week": (0, 7)}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_NAMES = {"month": {name: i for i, name in enumerate(MONTHS, 1)}, "day of week": {name: i for i, name in enumerate(DAYS)}}
_PART = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d+))?", re.ASCII)
_SIX = len(FIELDS)
_LONGEST = {month: 29 if month == 2 else 30 if month in {4, 6, 9, 11} else 31 for month in range(1, 13)}  # noqa: PLR2004 - the calendar
_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)
_EXAMPLE = "write for example '30 7 * * 1-5', 07:30 from Monday to Friday"


@dataclass(frozen=True)
class Cron:
    """A cron expression, read.

    Attributes
    ----------
    text : str
        As it was written.
    fields : tuple of frozenset of int
        What each of the six fields allows; Sunday is 0.
    stars : tuple of bool
        Which fields start with ``*``.
    """

    text: str
    fields: tuple[frozenset[int], ...]
    stars: tuple[bool, ...]

    @classmethod
    def read(cls, text: str) -> Cron:
        """Read an expression.

        Raises
        ------
        ConfigError
            If it is none, or of a day that no year has.
        """
        plain = " ".join(text.split())
        words = NICKNAMES.get(plain.lower(), plain).split()
        if len(words) == _SIX - 1:
            words = ["0", *words]
        if len(words) != _SIX:
            msg = (
                f"cron expression {text!r}: five fields (minute, hour, day of month, month, day of week) or six (seconds first); {_EXAMPLE}"
            )
            raise ConfigError(msg)
        fields = tuple(_field(name, word, text) for name, word in zip(FIELDS, words, strict=True))
        made = cls(plain, fields, tuple(word.startswith("*") for word in words))
        if made.stars[5] and min(made.fields[3]) > max(_LONGEST[month] for month in made.fields[4]):
            msg = f"cron expression {text!r}: no year has such a day; {_EXAMPLE}"
            raise ConfigError(msg)
        return made

    @property
    def days_of_either_kind(self) -> bool:
        """Whether a day of the month or a day of the week will do: both are restricted."""
        return not (self.stars[3] or self.stars[5])

    @property
    def by_the_wall(self) -> bool:
        """Whether it runs whenever the wall shows it, also twice; else once for each of its times."""
        return any(self.stars[:3])

    @cached_property
    def _triggers(self) -> tuple[CronTrigger, ...]:
        seconds, minutes, hours, days, months = (",".join(map(str, sorted(field))) for field in self.fields[:5])
        named = ",".join(DAYS[day] for day in sorted(self.fields[5]))  # by name: its numbers are others
        time = {"second": seconds, "minute": minutes, "hour": hours, "month": months, "timezone": UTC}
        if self.days_of_either_kind:
            return CronTrigger(day=days, **time), CronTrigger(day_of_week=named, **time)
        return (CronTrigger(day=days, day_of_week=named, **time),)

    def walls(self, after: datetime) -> Iterator[datetime]:
        """Yield what the wall shows, without a zone, each time later than ``after``."""
        while True:
            start = (after + _SECOND).replace(microsecond=0, tzinfo=UTC)
            found = [at for trigger in self._triggers if (at := trigger.get_next_fire_time(None, start)) is not None]
            if not found:
                return
            after = min(found).replace(tzinfo=None)
            yield after


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        asked = meant(name, available_timezones())
        msg = f"there is no time zone {name!r}{f' ({asked})' if asked else ''}; write for example Europe/Berlin, America/New_York or UTC"
        raise ConfigError(msg) from None


def due_after(cron: Cron, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Return the first moment later than ``after`` at which a job is due.

    Parameters
    ----------
    cron : Cron
    zone : ZoneInfo
        Whose clocks it goes by.
    after : datetime
        With a zone.

    Returns
    -------
    datetime or None
        In UTC; None if there is no more.
    """
    at = after.astimezone(UTC)
    return _by_the_wall(cron, zone, at) if cron.by_the_wall else _once_each(cron, zone, at)


def _once_each(cron: Cron, zone: ZoneInfo, after: datetime) -> datetime | None:
    for wall in cron.walls(_wall(after, zone)):
        at = _first(wall, zone)
        if at > after:
            return at
    return None


def _first(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the first moment at which the wall shows this, or has gone past it."""
    at = wall.replace(tzinfo=zone).astimezone(UTC)
    if _wall(at, zone) == wall:
        return at
    return _change(at - _DAY, at, zone) or at  # skipped: the moment of the change


def _by_the_wall(cron: Cron, zone: ZoneInfo, after: datetime) -> datetime | None:
    while True:
        wall = next(cron.walls(_wall(after, zone)), None)
        if wall is None:
            return None
        at = after + (wall - _wall(after, zone))
        change = _change(after, at, zone)
        if change is None:
            return at
        shown = _wall(change, zone)
        if shown == next(cron.walls(shown - _SECOND), None):
            return change
        after = change


def _wall(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def _change(after: datetime, until: datetime, zone: ZoneInfo) -> datetime | None:
    """Return the first moment later than ``after``, and not later than ``until``, from which the clocks differ from UTC by another time."""
    low, offset = after, _offset(after, zone)
    while low < until:
        high = min(low + _DAY, until)
        if _offset(high, zone) == offset:
            low = high
            continue
        while high - low > timedelta(microseconds=1):
            middle = low + (high - low) / 2
            low, high = (middle, high) if _offset(middle, zone) == offset else (low, middle)
        return high
    return None


def _offset(at: datetime, zone: ZoneInfo) -> timedelta | None:
    return at.astimezone(zone).utcoffset()


def _field(name: str, word: str, text: str) -> frozenset[int]:
    low, high = FIELDS[name]
    found: set[int] = set()
    for part in word.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise _wrong(text, name, part)
        star, first, last, step = match.groups()
        begin = low if star else _number(name, first, text)
        end = high - (name == "day of week") if star or (step and not last) else _number(name, last or first, text)
        if begin > end or (step is not None and int(step) == 0):
            raise _wrong(text, name, part)
        found.update(range(begin, end + 1, int(step or 1)))
    return frozenset(0 if name == "day of week" and value == high else value for value in found)


def _number(name: str, word: str, text: str) -> int:
    low, high = FIELDS[name]
    value = _NAMES.get(name, {}).get(word.lower(), int(word) if word.isdigit() else -1)
    if not low <= value <= high:
        raise _wrong(text, name, word)
    return value


def _wrong(text: str, name: str, part: str) -> ConfigError:
    low, high = FIELDS[name]
    names = f" or {', '.join(_NAMES[name])}" if name in _NAMES else ""
    return ConfigError(f"cron expression {text!r}: {part!r} is no {name} ({low} to {high}{names}); {_EXAMPLE}")
