"""Funding and borrowing: added up by hand from the fills, changing no decision."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.backtest import Backtest, run
from hedgekit.backtest.sweep import sweep
from hedgekit.data import Array, Carry, Tape
from hedgekit.errors import ConfigError, DataError
from hedgekit.exchange.model import FillModel
from hedgekit.types import NS, Fill
from tests.core.core_made import DAILY, INVERSE, daily_tape, inverse_tape, params
from tests.core.test_backtest import FAST, fast_tape

MODEL = FillModel()
YEAR_NS = 365 * 86_400 * NS


def charging(tape: Tape, seed: int, borrow: tuple[float, float], events: int) -> Tape:
    """Return the tape with funding at drawn times, one of them before all quotes, one after."""
    rng = np.random.Generator(np.random.PCG64(seed))
    low, high = int(tape.ts_ns[0]), int(tape.ts_ns[-1])
    carry = []
    for rate in borrow:
        drawn = rng.choice(np.append(tape.ts_ns, rng.integers(low, high, events)), events)
        ns = np.unique(np.concatenate([[low - NS], drawn, [high + 10 * 86_400 * NS]]))
        carry.append(Carry(rate, ns, 1e-3 * rng.standard_normal(len(ns))))
    return replace(tape, carry=tuple(carry))


def by_hand(done: Backtest) -> Array:
    """Return what was paid up to each bar, shape (2, bars, legs): funding and borrowing, each interval and each event on its own."""
    tape = done.tape
    assert tape is not None
    fills = [record for record in done.records if isinstance(record, Fill)]
    paid = np.zeros((2, len(done.bar_ns), len(tape.instruments)))
    for leg, (instrument, carry) in enumerate(zip(tape.instruments, tape.carry, strict=True)):
        times = [fill.venue_ns for fill in fills if fill.instrument == instrument.key]
        sizes = [float(fill.qty) for fill in fills if fill.instrument == instrument.key]

        def held(at: int, times: list[int] = times, sizes: list[float] = sizes) -> float:
            return round(sum(size for time, size in zip(times, sizes, strict=True) if time <= at), 9)

        quoted = ~np.isnan(tape.bid[:, leg])
        for at, rate in zip(carry.funding_ns, carry.funding_rate, strict=True):
            before = np.flatnonzero(quoted & (tape.ts_ns <= at))
            price = 1.0 if instrument.inverse or not before.size else float(tape.mid[before[-1], leg])
            paid[0, done.bar_ns >= at, leg] += held(int(at)) * float(instrument.multiplier) * price * rate
        for bar in range(1, len(done.bar_ns)):
            start, stop = int(done.bar_ns[bar - 1]), int(done.bar_ns[bar])
            price = 1.0 if instrument.inverse else float(done.bar_mids[bar - 1, leg])
            edges = [start, *(time for time in sorted(set(times)) if start < time < stop), stop]
            for left, right in pairwise(edges):
                short = max(-held(left), 0.0) * float(instrument.multiplier) * price
                paid[1, bar:, leg] += short * carry.borrow * (right - left) / YEAR_NS
    return paid


def check(tape: Tape, numbers: dict[str, Any], seed: int, borrow: tuple[float, float], events: int) -> Backtest:
    free = run(tape, params(**numbers), MODEL)
    done = run(charging(tape, seed, borrow, events), params(**numbers), MODEL)
    assert [msgspec.json.encode(record) for record in done.records] == [msgspec.json.encode(record) for record in free.records]
    funding, borrowed = by_hand(done)
    paid = funding + borrowed
    for mine, before, cost in (
        (done.curves.hedged, free.curves.hedged, paid.sum(axis=1)),
        (done.curves.unhedged, free.curves.unhedged, paid[:, 0]),
        (done.tables.equity["hedged"], free.tables.equity["hedged"], paid.sum(axis=1)),
        (done.tables.equity["unhedged"], free.tables.equity["unhedged"], paid[:, 0]),
        (done.tables.equity["funding_primary"], 0.0, -funding[:, 0]),
        (done.tables.equity["funding_hedge"], 0.0, -funding[:, 1]),
        (done.tables.equity["borrow_primary"], 0.0, -borrowed[:, 0]),
        (done.tables.equity["borrow_hedge"], 0.0, -borrowed[:, 1]),
    ):
        np.testing.assert_allclose(np.asarray(mine), np.asarray(before) - cost, rtol=1e-9, atol=1e-7)
    assert done.trades["funding"].sum() == pytest.approx(funding[-1].sum(), abs=1e-7)
    assert done.trades["borrow"].sum() == pytest.approx(borrowed[-1].sum(), abs=1e-7)
    net = free.trades["hedged"] - done.trades["funding"] - done.trades["borrow"]
    np.testing.assert_allclose(done.trades["hedged"], net, rtol=1e-9, atol=1e-7)
    assert done.tables.trades is done.trades
    return done


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 50), st.sampled_from([(0.0, 0.03), (0.5, 0.0), (0.02, 0.02), (0.0, 0.0)]), st.integers(0, 60))
def test_law_what_is_paid_is_the_sum_over_fills_and_times(seed: int, borrow: tuple[float, float], events: int) -> None:
    check(daily_tape(seed, 300), DAILY, seed, borrow, events)
    check(fast_tape(seed, 200), FAST, seed, borrow, events)
    check(inverse_tape(seed, 200), INVERSE, seed, borrow, events)


def test_the_law_is_of_something() -> None:
    done = check(daily_tape(1, 400), DAILY, 1, (0.03, 0.03), 60)
    assert (done.trades["borrow"] > 0).sum() > 5
    assert (done.trades["funding"] != 0).sum() > 5
    inverse = check(inverse_tape(1, 300), INVERSE, 1, (0.0, 0.0), 60)
    assert (inverse.trades["funding"] != 0).sum() > 3


def test_a_year_short_costs_the_rate() -> None:
    """One leg that is short for the whole of the tape pays rate x value x time, and a long one nothing."""
    tape = daily_tape(1, 400)
    done = run(replace(tape, carry=(Carry(borrow=0.05), Carry(borrow=0.05))), params(**DAILY), MODEL)
    equity, unit = done.tables.equity, 86_400 * NS / YEAR_NS
    days = np.diff(done.bar_ns) / (86_400 * NS)
    for whose, leg in (("primary", 0), ("hedge", 1)):
        held = equity[f"pos_{whose}"].to_numpy()
        steady = (held[:-1] == held[1:]) & (held[:-1] < 0)
        grown = np.diff(equity[f"borrow_{whose}"])
        assert steady.sum() > 10
        np.testing.assert_allclose(grown[steady], (-held[:-1] * done.bar_mids[:-1, leg] * 0.05 * days * unit)[steady], rtol=1e-9)
        assert (grown[(held[:-1] >= 0) & (held[1:] >= 0)] == 0).all()


def test_a_sweep_charges_it_and_the_verdict_sees_it() -> None:
    tape = daily_tape(4, 600)
    dear = replace(tape, carry=(Carry(borrow=0.5), Carry(borrow=0.5)))
    assert dear.digest != tape.digest
    one, two = (run(which, params(**DAILY), MODEL) for which in (tape, dear))
    assert two.tables.equity["hedged"].iloc[-1] < one.tables.equity["hedged"].iloc[-1]
    assert "funding" not in one.trades
    free, paid = (next(gauge.value for gauge in done.verdict(reps=200).gauges if gauge.rule == "A25") for done in (one, two))
    assert paid > free  # the hedge's borrowing is a cost of the hedge
    for kind in ("equity", "trades"):
        table = getattr(two.tables, kind)
        gross = table["gross_primary"] + table["gross_hedge"] if kind == "equity" else table["gross_hedged"]
        np.testing.assert_allclose(table["hedged"], gross - table["cost_primary"] - table["cost_hedge"], atol=1e-7)


@pytest.mark.usefixtures("own_home")
def test_a_sweep_charges_what_a_backtest_charges() -> None:
    dear = replace(daily_tape(4, 400), carry=(Carry(borrow=0.5), Carry(borrow=0.5)))
    swept = sweep(dear, {"lookback": [DAILY["lookback"]]}, params(**DAILY).model_dump(), progress=False)
    assert swept.table["pnl"].iloc[0] == run(dear, params(**DAILY), MODEL).curves.hedged[-1]


def test_funding_from_a_series() -> None:
    index = pd.date_range("2024-01-01", periods=3, freq="8h", tz="Asia/Tokyo")
    carry = Carry.of(pd.Series([1e-4, -2e-4, 0.0], index=index), borrow=0.01)
    assert carry.funding_ns.tolist() == [time.value for time in index]
    assert carry.borrow == 0.01
    assert all((Carry.of(borrow=0.01), Carry.of(pd.Series([0.0], index=index[:1])), not Carry()))


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Carry(-0.01), ConfigError, "borrow=-0.01: must be an annual rate"),
        (lambda: Carry(float("nan")), ConfigError, "borrow=nan"),
        (lambda: Carry(0.0, np.array([1, 1]), np.zeros(2)), DataError, "time does not increase at row 1"),
        (lambda: Carry(0.0, np.array([1, 2]), np.array([0.0, np.nan])), DataError, "the rate at row 1 is nan"),
        (lambda: Carry(0.0, np.array([1, 2]), np.zeros(3)), DataError, r"\(2,\) times for \(3,\) rates"),
        (lambda: Carry.of(pd.Series([0.1])), DataError, "give times with a zone"),
        (lambda: replace(daily_tape(1, 50), carry=(Carry(0.1),)), DataError, "1 carries for 2 legs"),
    ],
)
def test_what_is_wrong_is_named_with_the_fix(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()
