"""The backtest against a slow driver, its own past, other units, and planted truth."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.backtest import Backtest, run
from hedgekit.data import Market, Tape
from hedgekit.errors import ConfigError, DataError
from hedgekit.exchange.model import FillModel
from hedgekit.hedger import Hedger, routine
from hedgekit.params import Params
from hedgekit.types import NS, Action, Cancelled, Decision, Fill, Phase, PlanRevised, Reason
from tests.core.core_made import DAILY, T0, daily_tape, legs, ou_pair, params, tape_of
from tests.core.slow_driver import SlowDriver

MODEL = FillModel()


def same(record: Any) -> Any:
    """Return a record without what a driver may name as it likes."""
    return msgspec.structs.replace(record, fill_id="") if isinstance(record, Fill) else record


def as_bytes(records: list[Any]) -> list[bytes]:
    return [msgspec.json.encode(same(record)) for record in records]


def check_parity(tape: Tape, strategy: Params) -> list[Any]:
    """Assert that both drivers say the same, byte for byte, and that what was heard, replayed, says it again; return the records."""
    driver, done = SlowDriver(tape, strategy), run(tape, strategy, MODEL)
    check_money(done)
    fast, slow = done.records, driver.run()
    again = Hedger(driver.session, tape.instruments, strategy)
    said = [decision for event in driver.events if not routine(decision := again.on(event))]
    assert as_bytes(said) == as_bytes([record for record in slow if isinstance(record, Decision)])
    for mine, theirs in zip(as_bytes(fast), as_bytes(slow), strict=False):
        assert mine == theirs
    assert len(fast) == len(slow)
    return fast


def check_money(done: Backtest) -> None:
    """Assert that curves and trades, made from the compiled log of fills, are those of the told story."""
    told = done.tables
    bars = told.equity.loc[pd.DatetimeIndex(done.bar_ns, tz="UTC")]  # a bar on stale quotes is told, and is none of the curves'
    for name in ("hedged", "unhedged"):
        assert np.allclose(getattr(done.curves, name), bars[name], rtol=1e-9, atol=1e-6)
    pd.testing.assert_frame_equal(done.trades, told.trades, rtol=1e-9, atol=1e-6)


def fast_tape(seed: int, rows: int, *, lot: str = "1", sizes: tuple[int, int] = (1, 30)) -> Tape:
    """Return rows 1 ms to 300 ms apart, so that orders, Acks, fills and cancels overtake each other; sizes are tiny."""
    rng = np.random.default_rng(seed)
    gaps = rng.choice([1, 3, 5, 10, 20, 25, 30, 60, 300], rows) * 1_000_000
    return tape_of(
        ou_pair(seed, rows, half_life=8.0) * np.array([1.0, 1.0]),
        T0 + np.cumsum(gaps),
        rng.integers(*sizes, (rows, 2, 2)).astype(float),
        legs(lot=Decimal(lot)),
    )


FAST: dict[str, Any] = {
    "bar_s": 0.1,
    "fit_bars": 30,
    "refit_bars": 15,
    "lookback": 5,
    "entry": 1.2,
    "target": 0.3,
    "stop": 1.7,
    "interval_s": 0.02,
    "tolerance": 0.01,
    "risk_aversion": 1e6,
    "notional": 5_000.0,
    "max_quote_age_s": 0.5,
}


# ------------------------------------------------------------------ L1: parity


def test_parity_on_daily_bars_with_partial_fills() -> None:
    rng = np.random.default_rng(3)
    rows = 800
    daily = daily_tape(3, rows, fees="0.00005")
    sizes = rng.integers(20, 1500, (rows, 2, 2)).astype(float)
    tape = Tape(daily.instruments, daily.ts_ns, daily.bid, daily.ask, sizes[:, :, 0], sizes[:, :, 1], "made")
    records = check_parity(tape, params(**DAILY | {"notional": 100_000.0, "patience_s": 0.0}))
    by_order: dict[str, int] = {}
    for record in records:
        if isinstance(record, Fill):
            by_order[record.order_id] = by_order.get(record.order_id, 0) + 1
    assert max(by_order.values()) > 2
    assert sum(isinstance(record, Cancelled) for record in records) > 3


@pytest.mark.parametrize("seed", range(6))
def test_parity_when_messages_overtake_each_other(seed: int) -> None:
    records = check_parity(fast_tape(seed, 800), params(**FAST))
    assert sum(isinstance(record, Fill) for record in records) > 100
    assert sum(isinstance(record, Cancelled) for record in records) > 10


@pytest.mark.parametrize("lot", ["10", "0.01"])
def test_parity_with_other_lots(lot: str) -> None:
    records = check_parity(fast_tape(11, 800, lot=lot, sizes=(5, 60)), params(**FAST))
    assert sum(isinstance(record, Fill) for record in records) > 50


def test_parity_where_a_leg_is_not_quoted_in_every_row() -> None:
    tape = fast_tape(5, 800)
    hole = np.random.default_rng(5).random((800, 2)) < 0.3
    bid, ask = np.where(hole, np.nan, tape.bid), np.where(hole, np.nan, tape.ask)
    check_parity(Tape(tape.instruments, tape.ts_ns, bid, ask, tape.bid_size, tape.ask_size, "made"), params(**FAST))


def test_parity_on_real_prices() -> None:
    market = Market(first="1992-01-01", last="1995-03-01", size_notional=60_000.0)
    check_parity(market.tape(), params(**DAILY | {"notional": 100_000.0}))


def test_the_slow_driver_replays_bit_for_bit() -> None:
    driver = SlowDriver(fast_tape(1, 400), params(**FAST))
    said = [record for record in driver.run() if isinstance(record, Decision)]
    again = Hedger("backtest", driver.tape.instruments, driver.params)
    replayed = [decision for event in driver.events if not routine(decision := again.on(event))]
    assert as_bytes(replayed) == as_bytes(said)


def test_no_order_fills_on_the_quote_that_triggered_it() -> None:
    result = run(daily_tape(1, 400), params(**DAILY), MODEL)
    sent = {order.order_id: order.ts_ns for decision in result.decisions for order in decision.orders}
    fills = [record for record in result.records if isinstance(record, Fill)]
    assert fills
    assert all(fill.venue_ns >= sent[fill.order_id] + MODEL.up_ns for fill in fills)


# ------------------------------------------------------------- laws of the spec


def told(decision: Decision, factor: tuple[float, float] = (1, 1)) -> Any:
    """Return what a decision does, with its figures rounded to nine digits."""
    orders = tuple((order.order_id, order.leg, order.qty, round(float(order.expected) / factor[order.leg], 6)) for order in decision.orders)
    head = (decision.ts_ns, decision.action, decision.reason, decision.phase, decision.trade, decision.positions, decision.targets)
    return head, orders, decision.cancels


def same_decisions(a: list[Decision], b: list[Decision], factor: tuple[float, float]) -> None:
    assert [told(d) for d in a] == [told(d, factor) for d in b]
    for one, other in zip(a, b, strict=True):
        assert (one.z is None) == (other.z is None)
        assert one.z is None or one.z == pytest.approx(other.z, abs=1e-9)


@pytest.fixture(scope="module")
def real_run() -> tuple[Tape, Params, list[Decision]]:
    market = Market(first="1995-01-01", last="2003-01-01")
    strategy = Params.make(bar_s=86_400, bar_offset_s=75_601, slippage_buffer=0.0, evidence_override="KO and PEP are not cointegrated")
    tape = market.tape()
    return tape, strategy, run(tape, strategy, MODEL).decisions


def test_prices_in_cents_change_no_decision(real_run: tuple[Tape, Params, list[Decision]]) -> None:
    tape, strategy, decisions = real_run
    assert sum(d.action is Action.OPEN for d in decisions) > 30
    assert sum(d.action is Action.REBALANCE for d in decisions) > 2
    same_decisions(decisions, run(tape.requoted(100), strategy, MODEL).decisions, (100, 100))


@pytest.mark.parametrize("leg", [0, 1])
def test_one_leg_in_cents_changes_no_decision(real_run: tuple[Tape, Params, list[Decision]], leg: int) -> None:
    tape, strategy, decisions = real_run
    cents = tape.requoted(100)
    pick = [cents if at == leg else tape for at in (0, 1)]
    mixed = Tape(
        instruments=tuple(pick[at].instruments[at] for at in (0, 1)),
        ts_ns=tape.ts_ns,
        bid=np.column_stack([pick[at].bid[:, at] for at in (0, 1)]),
        ask=np.column_stack([pick[at].ask[:, at] for at in (0, 1)]),
        bid_size=tape.bid_size,
        ask_size=tape.ask_size,
    )
    same_decisions(decisions, run(mixed, strategy, MODEL).decisions, (100 if leg == 0 else 1, 100 if leg == 1 else 1))


def test_the_market_recipe_in_cents_changes_no_decision() -> None:
    strategy = Params.make(bar_s=86_400, bar_offset_s=75_601, slippage_buffer=0.0, evidence_override="KO and PEP are not cointegrated")
    plain, cents = (run(Market(last="1993-01-01", price_factor=f).tape(), strategy, MODEL).decisions for f in (1.0, 100.0))
    same_decisions(plain, cents, (100, 100))


CUT_TAPE = fast_tape(21, 600)


@cache
def whole_run() -> list[Any]:
    return run(CUT_TAPE, params(**FAST), MODEL).records


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(1, 599))
def test_cutting_the_future_changes_no_past(cut: int) -> None:
    records = run(CUT_TAPE.rows(0, cut), params(**FAST), MODEL).records
    last_ns = int(CUT_TAPE.ts_ns[cut - 1]) + MODEL.ws_ns
    next_ns = int(CUT_TAPE.ts_ns[cut]) + MODEL.ws_ns
    past = [record for record in records if record.ts_ns <= last_ns and not (isinstance(record, Decision) and record.reason is Reason.HALT)]
    assert as_bytes(past) == as_bytes([record for record in whole_run() if record.ts_ns <= last_ns][: len(past)])
    stop = next(i for i, r in enumerate(records) if isinstance(r, Decision) and r.reason is Reason.HALT)
    before = [record for record in records[:stop] if record.ts_ns < next_ns]
    assert as_bytes(before) == as_bytes([record for record in whole_run() if record.ts_ns < next_ns][: len(before)])
    assert sum(record.ts_ns <= last_ns for record in whole_run()) <= len(before)


def test_the_stop_at_the_end_ends_every_order_and_holds_the_rest() -> None:
    result = run(CUT_TAPE.rows(0, 300), params(**FAST), MODEL)
    halts = [d for d in result.decisions if d.reason is Reason.HALT]
    assert [d.phase for d in halts] == [Phase.HALTED] * len(halts)
    over = [r.order_id for r in result.records if isinstance(r, Cancelled) and r.ts_ns > halts[0].ts_ns]
    assert sorted(over) == sorted(halts[0].cancels)


def test_the_unhedged_yardstick_takes_the_same_trades_and_no_hedge() -> None:
    tape = daily_tape(4, 900)
    pair, alone = (run(tape, params(**DAILY | {"structure": s, "slippage_buffer": 0.003}), MODEL) for s in ("pairs", "unhedged"))
    turns = (Action.OPEN, Action.CLOSE)
    ins_outs = [[(d.ts_ns, d.action, d.reason, d.trade) for d in r.decisions if d.action in turns] for r in (pair, alone)]
    vetoes = [[d.ts_ns for d in r.decisions if d.reason is Reason.EDGE_BELOW_COST] for r in (pair, alone)]
    assert ins_outs[0] == ins_outs[1]
    assert len(ins_outs[0]) > 10
    assert vetoes[0] == vetoes[1] != []
    assert {order.leg for d in alone.decisions for order in d.orders} == {0}
    assert {order.leg for d in pair.decisions for order in d.orders} == {0, 1}
    assert not any(d.action in (Action.REBALANCE, Action.SKIP) for d in alone.decisions)


# ----------------------------------------------------------------- planted truth


def gross(tape: Tape, records: list[Any]) -> float:
    """Return P&L at mids: what costs and fees would be taken from."""
    rows = {int(ts): row for row, ts in enumerate(tape.ts_ns)}
    legs_of = {instrument.key: leg for leg, instrument in enumerate(tape.instruments)}
    held, cash = np.zeros(2), 0.0
    for fill in (record for record in records if isinstance(record, Fill)):
        leg = legs_of[fill.instrument]
        held[leg] += float(fill.qty)
        cash -= float(fill.qty) * tape.mid[rows[fill.venue_ns], leg]
    return float(cash + held @ tape.mid[-1])


def test_a_planted_reverting_spread_is_earned() -> None:
    earned = [
        gross(tape := daily_tape(seed, 1000), run(tape, params(**DAILY | {"lookback": 40, "refit_bars": 200}), MODEL).records)
        for seed in range(8)
    ]
    assert np.mean(earned) > 3 * np.std(earned, ddof=1) / np.sqrt(len(earned)) > 0


def test_on_random_walks_nothing_is_earned() -> None:
    earned = [
        gross(tape := daily_tape(seed, 1000, reverting=False), run(tape, params(**DAILY | {"refit_bars": 200}), MODEL).records)
        for seed in range(100, 116)
    ]
    assert abs(np.mean(earned)) < 3 * np.std(earned, ddof=1) / np.sqrt(len(earned))


# ------------------------------------------------------------------------ edges


def test_plans_rest_on_past_bars_at_their_time() -> None:
    result = run(daily_tape(2, 300), params(**DAILY), MODEL)
    plans = [record for record in result.records if isinstance(record, PlanRevised)]
    assert [int(np.searchsorted(result.bar_ns, p.ts_ns)) + 1 for p in plans] == list(range(61, 301, 20))
    assert all(p.plan.fitted_at_ns == p.ts_ns for p in plans)
    assert np.all(np.diff(result.bar_ns) == 86_400 * NS)


def test_another_fill_model_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'touch'.*'next_quote'"):
        run(daily_tape(1, 100), params(**DAILY), FillModel(name="touch"))


def test_a_tape_with_more_rows_than_there_are_numbers_for_is_refused() -> None:
    tape = daily_tape(1, 100)
    object.__setattr__(tape, "ts_ns", np.broadcast_to(np.int64(0), 2**31))
    with pytest.raises(DataError, match=r"2,147,483,648 rows.*cut it"):
        run(tape, params(**DAILY), MODEL)


def test_a_market_too_thin_for_the_orders_is_refused_and_not_a_crash() -> None:
    rows = 3000
    hedge = np.cumsum(0.001 * np.random.default_rng(0).standard_normal(rows))
    mids = np.log(100.0) + np.column_stack([hedge + 0.002 * np.arange(rows), hedge])  # a dearer primary every row: more hedge each time
    first = np.full((rows, 2, 2), 1e9)
    first[100:, 1] = 0.0  # and soon nobody who sells or buys one
    tape = tape_of(mids, T0 + np.arange(rows) * 50_000_000, first, legs())
    strategy = params(**FAST | {"target": -9.0, "stop": 99.0, "notional": 1e6})
    with pytest.raises(DataError, match="orders wait on one leg"):
        run(tape, strategy, MODEL)


@pytest.mark.parametrize("quotes", [1, 3, 7])
def test_bars_of_quotes_close_on_every_so_manieth_quote_of_the_primary(quotes: int) -> None:
    tape = fast_tape(3, 400)
    bid, ask = tape.bid.copy(), tape.ask.copy()
    silent = np.random.default_rng(1).random((400, 2)) < 0.3
    bid[silent], ask[silent] = np.nan, np.nan
    tape = replace(tape, bid=bid, ask=ask)
    numbers = params(**FAST | {"bar_ticks": quotes, "max_quote_age_s": 60.0})
    done = run(tape, numbers, MODEL)
    check_parity(tape, numbers)
    spoken = np.flatnonzero(~silent[:, 0])
    rows = spoken[quotes - 1 :: quotes]
    heard = tape.ts_ns[rows] + MODEL.ws_ns
    mids = pd.DataFrame(tape.mid).ffill().to_numpy()[rows]
    known = np.isin(heard, done.bar_ns)  # all but those before the hedge's first quote
    assert known[2:].all()
    assert done.bar_ns.tolist() == heard[known].tolist()
    assert np.array_equal(done.bar_mids, mids[known])
    bars = done.tables.equity
    assert len(bars) == len(heard)
    assert done.curves.trades > 0


@pytest.mark.parametrize("bars", [0, 1, 3])
def test_a_latency_of_so_many_bars_fills_so_many_quotes_later(bars: int) -> None:
    """Each order of a tape with one row a bar fills on the quote so many rows after the one that meets it without the latency."""
    numbers = params(**DAILY | {"bar_offset_s": float(T0 // NS % 86_400 + 1), "tolerance": 1.0})
    tape = tape_of(ou_pair(3, 500, half_life=8.0), T0 + np.arange(500) * 86_400 * NS, np.full((500, 2, 2), 1e6), legs())
    records = run(tape, numbers, MODEL.later(bars, 86_400.0)).records
    made = {order.order_id: order.ts_ns for record in records if isinstance(record, Decision) for order in record.orders}
    fills = [record for record in records if isinstance(record, Fill)]
    rows = np.searchsorted(tape.ts_ns, [[made[fill.order_id], fill.venue_ns] for fill in fills])
    assert len(fills) > 20
    assert set((rows[:, 1] - rows[:, 0]).tolist()) == {bars}


@pytest.mark.parametrize(("bars", "bar_s"), [(-1, 60.0), (1, -1.0), (1, float("nan"))])
def test_a_latency_below_nothing_is_refused(bars: int, bar_s: float) -> None:
    with pytest.raises(ConfigError, match="a latency must be 0 or more bars"):
        MODEL.later(bars, bar_s)
