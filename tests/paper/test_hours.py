"""L6: a closed or halted market is no outage. Opening hours by hand, the law of their changes, and what silence means while shut."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import ConfigError
from hedgekit.paper.hours import Hours, Tradable
from hedgekit.paper.pulse import Pulse
from hedgekit.types import NS, MarketStatus, Quote

NEW_YORK = Hours("XNYS")
KEYS = ("ALPACA:KO", "ALPACA:PEP")
DAY = 86_400 * NS

NYSE_2025 = (
    ("2025-03-07 09:30", "2025-03-07 16:00"),  # a Friday; the clocks go forward on the Sunday after
    ("2025-03-10 09:30", "2025-03-10 16:00"),
    ("2025-10-31 09:30", "2025-10-31 16:00"),  # a Friday; they go back on the Sunday after
    ("2025-11-03 09:30", "2025-11-03 16:00"),
    ("2025-11-26 09:30", "2025-11-26 16:00"),  # Thanksgiving follows: closed
    ("2025-11-28 09:30", "2025-11-28 13:00"),  # early close
    ("2025-12-01 09:30", "2025-12-01 16:00"),
)
"""Opening and close in New York's time, from the exchange's published hours and holidays."""

UTC_2025 = {
    "2025-03-07 16:00": "2025-03-07 21:00",
    "2025-03-10 09:30": "2025-03-10 13:30",
    "2025-10-31 09:30": "2025-10-31 13:30",
    "2025-11-03 09:30": "2025-11-03 14:30",
    "2025-11-28 13:00": "2025-11-28 18:00",
}


def at(text: str, zone: str = "America/New_York") -> int:
    return pd.Timestamp(text, tz=zone).value


@pytest.mark.parametrize(("opens", "closes"), NYSE_2025)
def test_it_opens_and_closes_to_the_nanosecond(opens: str, closes: str) -> None:
    first, last = at(opens), at(closes)
    assert [NEW_YORK.is_open(ns) for ns in (first - 1, first, last - 1, last)] == [False, True, True, False]
    assert NEW_YORK.next_change_ns(first - 1) == first
    assert NEW_YORK.next_change_ns(first) == NEW_YORK.next_change_ns(last - 1) == last


def test_over_a_weekend_and_a_holiday_it_is_shut() -> None:
    for before, after in ((0, 1), (2, 3), (4, 5), (5, 6)):
        assert NEW_YORK.next_change_ns(at(NYSE_2025[before][1])) == at(NYSE_2025[after][0])
    assert not NEW_YORK.is_open(at("2025-11-27 12:00"))
    assert not NEW_YORK.is_open(at("2025-12-25 12:00"))


@pytest.mark.parametrize(("local", "utc"), UTC_2025.items())
def test_times_are_utc_on_both_sides_of_a_change_of_the_clocks(local: str, utc: str) -> None:
    assert at(local) == at(utc, "UTC")
    assert NEW_YORK.next_change_ns(at(utc, "UTC") - 1) == at(utc, "UTC")


def test_a_lunch_break_is_shut_and_a_market_that_never_closes_is_not() -> None:
    tokyo = Hours("XTKS")
    noon = [at(f"2026-01-06 {time}", "Asia/Tokyo") for time in ("11:30", "12:30")]
    assert [tokyo.is_open(noon[0] - 1), tokyo.is_open(noon[0]), tokyo.is_open(noon[1])] == [True, False, True]
    assert tokyo.next_change_ns(noon[0]) == noon[1]
    always = Hours("24/7")
    assert always.is_open(at("2025-12-25 00:00", "UTC"))
    assert always.next_change_ns(at("2025-12-25 00:00", "UTC")) is None


def test_chicago_goes_from_one_session_into_the_next() -> None:
    """Its sessions touch at 17:00: neither a close nor an opening."""
    futures = Hours("CMES")
    touch = at("2025-01-02 17:00", "America/Chicago")
    assert futures.is_open(touch)
    assert futures.is_open(touch - 1)
    assert futures.next_change_ns(touch) == at("2025-01-03 17:00", "America/Chicago")


@given(st.sampled_from([1990, 2001, 2025]), st.integers(0, 364 * DAY), st.floats(0.0, 1.0, exclude_max=True))
def test_nothing_changes_before_the_next_change_and_everything_there(year: int, after_ns: int, share: float) -> None:
    now_ns = at(f"{year}-01-01") + after_ns
    change = NEW_YORK.next_change_ns(now_ns)
    assert change is not None
    assert now_ns < change <= now_ns + 8 * DAY  # the longest the exchange was shut in these years: seven days in 2001
    before = NEW_YORK.is_open(now_ns)
    assert NEW_YORK.is_open(now_ns + int(share * (change - now_ns))) == NEW_YORK.is_open(change - 1) == before
    assert NEW_YORK.is_open(change) != before


def test_errors_name_the_calendar_and_the_fix() -> None:
    with pytest.raises(ConfigError, match=r"calendar='XNYZ': exchange_calendars has none of that name; did you mean 'XN.*'XNYS'"):
        Hours("XNYZ")
    with pytest.raises(ConfigError, match=r"calendar='XKRX' does not reach 1950: .* 1956"):
        Hours("XKRX").is_open(at("1950-01-05"))


def test_who_names_no_calendar_does_not_load_one() -> None:
    code = (
        "import sys\nfrom hedgekit.paper import Session, SessionConfig\nfrom hedgekit.paper.hours import Tradable\n"
        "assert Tradable(['A:B']).look(0) == [] and 'exchange_calendars' not in sys.modules\n"
        "Tradable(['A:B'], 'XNYS')\nassert 'exchange_calendars' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------- what can be traded


def said(found: list[MarketStatus]) -> list[tuple[str, str]]:
    return [(one.instrument.removeprefix("ALPACA:"), one.status) for one in found]


def word(ns: int, status: str, key: str = KEYS[0]) -> MarketStatus:
    return MarketStatus(ts_ns=ns, instrument=key, status=status)  # type: ignore[arg-type] # as a test writes it


def test_a_close_is_said_once_and_a_halt_that_outlives_the_night_again_in_the_morning() -> None:
    market = Tradable(KEYS, "XNYS")
    shuts, opens = at("2025-11-26 16:00"), at("2025-11-28 09:30")
    assert market.look(shuts - 60 * NS) == []
    assert said(market.told(word(shuts - 30 * NS, "halted"))) == [("KO", "halted")]
    assert not market.shut  # the other leg trades
    assert said(market.look(shuts)) == [("KO", "closed"), ("PEP", "closed")]
    assert market.shut
    assert market.look(shuts + NS) == []
    assert market.next_ns(shuts + NS) == opens
    assert market.told(word(shuts + NS, "paused")) == []  # counts in the morning
    assert said(market.look(opens)) == [("KO", "paused"), ("PEP", "open")]
    assert said(market.told(word(opens + NS, "open"))) == [("KO", "open")]


def test_what_a_venue_said_before_its_stream_broke_is_not_held_on_to() -> None:
    market = Tradable(KEYS)
    assert said(market.told(word(1, "halted"))) == [("KO", "halted")]
    assert said(market.reopened(2)) == [("KO", "open")]
    assert market.reopened(3) == []


STEPS = st.lists(st.tuples(st.sampled_from(["look", "open", "halted", "paused"]), st.integers(0, 1), st.integers(1, DAY)), max_size=25)


@given(STEPS, st.integers(0, 25))
def test_a_restarted_session_says_what_one_that_was_not_would_have_said(steps: list[tuple[str, int, int]], killed: int) -> None:
    """By the journal alone; but a venue's word that was kept back over the close is lost with the process, as with a connection."""

    def play(*, restarts: bool) -> list[MarketStatus]:
        market, journal, now = Tradable(KEYS, "XNYS"), [], at("2025-11-26 12:00")
        for n, (what, leg, wait) in enumerate(steps):
            now += wait
            if restarts and n == killed % len(steps):
                market = Tradable(KEYS, "XNYS")
                for record in journal:
                    market.restore(record)
            if what == "look" or not NEW_YORK.is_open(now):
                journal += market.look(now)
            else:
                journal += market.look(now) + market.told(word(now, what, KEYS[leg]))
        return journal

    assert play(restarts=True) == play(restarts=False)


# ------------------------------------------------------- what silence means when

CLOSE, OPEN = at("2025-11-28 13:00"), at("2025-12-01 09:30")


def pulse(now_ns: int) -> Pulse:
    """Return a pulse of 45 s that has just heard a quote of each leg."""
    made = Pulse("ALPACA", 45.0, Tradable(KEYS, "XNYS"))
    assert made.signs([], [], now_ns) == []
    for key in KEYS:
        quote = Quote(ts_ns=now_ns, instrument=key, venue_ns=now_ns, bid=1.0, ask=2.0, bid_size=1.0, ask_size=1.0)
        assert made.heard(quote) == []
    return made


def states(told: list[object]) -> list[str]:
    return [getattr(one, "state", "") or getattr(one, "status", "") for one in told]


def test_while_shut_nobody_asks_and_an_answer_that_comes_late_says_nothing() -> None:
    watched = pulse(CLOSE - 10 * NS)
    assert watched.ask_ns(exposed=True) == CLOSE + 20 * NS
    assert watched.change_ns(CLOSE - 10 * NS) == CLOSE
    assert states(watched.signs([], [], CLOSE)) == ["closed", "closed"]
    assert watched.ask_ns(exposed=True) is None
    assert not watched.answers
    for n in (20, 60, 600):
        assert watched.latest(dict.fromkeys(KEYS, CLOSE + n * NS), CLOSE + n * NS) == []
    assert states(watched.signs([], [], OPEN)) == ["open", "open"]


def test_at_the_opening_silence_counts_anew() -> None:
    watched = pulse(CLOSE - 10 * NS)
    watched.signs([], [], CLOSE)
    assert states(watched.signs([], [], OPEN)) == ["open", "open"]
    assert watched.answers
    assert watched.ask_ns(exposed=True) == OPEN + 30 * NS
    assert watched.latest(dict.fromkeys(KEYS, OPEN + 29 * NS), OPEN + 30 * NS) == []  # once is no proof
    assert states(watched.latest(dict.fromkeys(KEYS, OPEN + 44 * NS), OPEN + 45 * NS)) == ["frozen"]


def test_a_socket_lost_over_night_is_told_at_the_opening_and_a_dead_api_at_once() -> None:
    watched = pulse(CLOSE - 10 * NS)
    watched.signs([], [], CLOSE)
    assert watched.signs(["md"], [], CLOSE + 3_600 * NS) == []
    assert states(watched.signs(["rest"], [], CLOSE + 7_200 * NS)) == ["down"]
    assert states(watched.signs([], ["rest"], CLOSE + 7_300 * NS)) == ["up"]
    assert states(watched.signs([], [], OPEN)) == ["open", "open", "frozen"]


def test_a_feed_that_was_frozen_before_the_close_is_not_well_because_of_it() -> None:
    watched = pulse(CLOSE - 100 * NS)
    assert states(watched.latest(dict.fromkeys(KEYS, CLOSE - 50 * NS), CLOSE - 50 * NS)) == ["frozen"]
    assert states(watched.signs([], [], CLOSE)) == ["closed", "closed"]
    assert states(watched.signs([], [], OPEN)) == ["open", "open"]


def test_a_restarted_pulse_knows_that_the_market_is_shut() -> None:
    watched = Pulse("ALPACA", 45.0, Tradable(KEYS, "XNYS"))
    for key in KEYS:
        watched.restore(Quote(ts_ns=CLOSE - NS, instrument=key, venue_ns=CLOSE - NS, bid=1.0, ask=2.0, bid_size=1.0, ask_size=1.0))
        watched.restore(word(CLOSE, "closed", key))
    assert watched.ask_ns(exposed=True) is None
    assert watched.signs([], [], CLOSE + NS) == []
    assert not watched.answers
