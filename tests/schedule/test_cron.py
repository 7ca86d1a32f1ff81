"""When a job is due: cron expressions by hand, the days on which clocks change by hand and by counting every minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.errors import ConfigError
from hedgekit.schedule.cron import Cron, due_after, zone_of

NEW_YORK, BERLIN, LORD_HOWE = ZoneInfo("America/New_York"), ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe")
MINUTE = timedelta(minutes=1)


def dues(text: str, zone: ZoneInfo, first: str, until: str) -> list[str]:
    """Return the moments from ``first`` (UTC, and not itself) up to ``until``, as the wall shows them with its offset."""
    cron, at, end = Cron.read(text), datetime.fromisoformat(first), datetime.fromisoformat(until)
    found = []
    while (at := due_after(cron, zone, at) or end) < end:
        found.append(at.astimezone(zone).strftime("%a %d %H:%M:%S%z"))
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 7 * * *", ["Sun 29 07:30:00+0000", "Mon 30 07:30:00+0000", "Tue 01 07:30:00+0000", "Wed 02 07:30:00+0000"]),
        ("30 7 * * 1-5", ["Mon 30 07:30:00+0000", "Tue 01 07:30:00+0000", "Wed 02 07:30:00+0000"]),  # crontab(5): 1 is Monday
        ("0 9 * * 0", ["Sun 29 09:00:00+0000"]),
        ("0 9 * * 7", ["Sun 29 09:00:00+0000"]),
        ("0 9 * * tue,SUN", ["Sun 29 09:00:00+0000", "Tue 01 09:00:00+0000"]),
        ("0 9 1 * 1", ["Mon 30 09:00:00+0000", "Tue 01 09:00:00+0000"]),  # crontab(5): both kinds of day restricted, either will do
        ("0 9 */2 * 1", []),  # a star is no restriction: odd days that are Mondays
        ("15 0-23/12 30 nov *", ["Mon 30 00:15:00+0000", "Mon 30 12:15:00+0000"]),
        ("50/5 23 2 12 *", ["Wed 02 23:50:00+0000", "Wed 02 23:55:00+0000"]),
        ("*/30 59 23 2 12 *", ["Wed 02 23:59:00+0000", "Wed 02 23:59:30+0000"]),
        ("0 9 * * 5/2", []),  # from Friday on, and a week ends on Saturday
        ("@weekly", []),
        ("@monthly", ["Tue 01 00:00:00+0000"]),
    ],
)
def test_expressions_mean_what_crontab_says(text: str, expected: list[str]) -> None:
    assert dues(text, ZoneInfo("UTC"), "2026-11-29T00:00:00Z", "2026-12-03T00:00:00Z") == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "30 7 * *",
            "1 2 3 4 5 6 7",
            "60 7 * * *",
            "30 24 * * *",
            "0 0 0 * *",
            "0 0 1 13 *",
            "0 0 * * 8",
            "5-1 * * * *",
            "*/0 * * * *",
        ),
        *("0 0 30 2 *", "0 0 31 4,6 *", "x * * * *", "1;2 * * * *", "0 0 * * mon-", "@reboot", "0 0 last * *", "² * * * *", "-1 * * * *"),
    ],
)
def test_what_is_no_expression_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match=r"cron expression .*; write for example '30 7 \* \* 1-5'"):
        Cron.read(text)


def test_a_leap_day_is_found() -> None:
    assert due_after(Cron.read("0 0 29 2 *"), ZoneInfo("UTC"), datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2028, 2, 29, tzinfo=UTC)


def test_a_skipped_time_runs_once_when_the_clock_has_been_put_forward() -> None:
    """New York, 8 March 2026: 02:00 is followed by 03:00."""
    assert dues("30 2 * * *", NEW_YORK, "2026-03-07T06:00:00Z", "2026-03-10T00:00:00Z") == [
        "Sat 07 02:30:00-0500",
        "Sun 08 03:00:00-0400",
        "Mon 09 02:30:00-0400",
    ]
    assert dues("0,30 2,3 * * *", NEW_YORK, "2026-03-08T05:00:00Z", "2026-03-08T12:00:00Z") == [
        "Sun 08 03:00:00-0400",
        "Sun 08 03:30:00-0400",
    ]


def test_a_time_that_comes_twice_runs_the_first_time() -> None:
    """Berlin, 25 October 2026: 03:00 is followed by 02:00."""
    assert dues("30 2 * * *", BERLIN, "2026-10-24T12:00:00Z", "2026-10-27T00:00:00Z") == ["Sun 25 02:30:00+0200", "Mon 26 02:30:00+0100"]
    assert dues("0 3 * * *", BERLIN, "2026-10-24T12:00:00Z", "2026-10-26T00:00:00Z") == ["Sun 25 03:00:00+0100"]


def test_stars_go_by_the_wall() -> None:
    autumn = dues("30 * * * *", BERLIN, "2026-10-24T23:00:00Z", "2026-10-25T02:00:00Z")
    assert autumn == ["Sun 25 01:30:00+0200", "Sun 25 02:30:00+0200", "Sun 25 02:30:00+0100"]
    spring = dues("*/30 * * * *", NEW_YORK, "2026-03-08T06:15:00Z", "2026-03-08T08:00:00Z")
    assert spring == ["Sun 08 01:30:00-0500", "Sun 08 03:00:00-0400", "Sun 08 03:30:00-0400"]
    half = dues("0 * * * *", LORD_HOWE, "2026-10-03T14:00:00Z", "2026-10-03T17:00:00Z")  # half an hour forward at 02:00
    assert half == ["Sun 04 01:00:00+1030", "Sun 04 03:00:00+1100"]


CHANGES = [
    (NEW_YORK, "2026-03-08"),
    (NEW_YORK, "2026-11-01"),
    (BERLIN, "2026-03-29"),
    (BERLIN, "2026-10-25"),
    (LORD_HOWE, "2026-04-05"),
    (LORD_HOWE, "2026-10-04"),
    (ZoneInfo("America/Santiago"), "2026-09-06"),  # at midnight
    (ZoneInfo("Asia/Kolkata"), "2026-03-08"),
]


@given(
    where=st.sampled_from(CHANGES),
    minutes=st.sets(st.integers(0, 59), min_size=1, max_size=4),
    hours=st.sets(st.integers(0, 4) | st.just(23), min_size=1, max_size=4),
    star=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_on_the_days_of_a_change_every_minute_is_counted(
    where: tuple[ZoneInfo, str],
    minutes: set[int],
    hours: set[int],
    star: bool,  # noqa: FBT001 - drawn
) -> None:
    zone, day = where
    begin = datetime.fromisoformat(f"{day}T00:00:00Z") - timedelta(hours=16)
    every = [begin + n * MINUTE for n in range(1, 40 * 60)]
    shown = [at.astimezone(zone).replace(tzinfo=None, fold=0) for at in every]
    if star:  # whenever the wall shows one of these minutes
        expected = [at for at, wall in zip(every, shown, strict=True) if wall.minute in minutes]
    else:  # each time of the wall once, at the first moment when the wall shows it or has gone past it
        expected, passed = [], begin.astimezone(zone).replace(tzinfo=None, fold=0)
        for at, wall in zip(every, shown, strict=True):
            new = [passed + n * MINUTE for n in range(1, 1 + (wall - passed) // MINUTE)]
            passed = max(passed, wall)
            if any(each.hour in hours and each.minute in minutes for each in new):
                expected.append(at)
    cron = Cron.read(f"{','.join(map(str, minutes))} {'*' if star else ','.join(map(str, hours))} * * *")
    found, at = [], begin
    while (at := due_after(cron, zone, at) or every[-1] + MINUTE) <= every[-1]:
        found.append(at)
    assert found == expected


def test_a_zone_is_an_iana_name() -> None:
    assert zone_of("Europe/Berlin").key == "Europe/Berlin"
    with pytest.raises(ConfigError, match=r"no time zone 'Europe/Berln' \(did you mean 'Europe/Berlin'\?\)"):
        zone_of("Europe/Berln")
    for name in ("../../etc/passwd", "/etc/passwd", "", "CEST-2\n"):
        with pytest.raises(ConfigError, match="no time zone"):
            zone_of(name)
