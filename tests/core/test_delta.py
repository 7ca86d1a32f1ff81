"""A8: the dynamic delta hedge by hand, by its formulas, and over whole tapes; baskets; the inverse perpetual; the glide."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from hedgekit.backtest import loop, run
from hedgekit.backtest.lean import passed
from hedgekit.backtest.passes import Pass
from hedgekit.data import Tape
from hedgekit.errors import ConfigError
from hedgekit.exchange.model import FillModel
from hedgekit.params import Params, instant_ns
from hedgekit.stats.binary import binary_pair_ratio, digital_delta
from hedgekit.stats.revise import Reviser
from hedgekit.structures import delta
from hedgekit.structures.delta import BETA, DIGITAL, INFORMATION, LINEAR, YEAR_NS, normal_quantile
from hedgekit.types import Action, Decision, Instrument, Kind, PlanRevised, Timer
from tests.core.core_made import DAILY, DAY_NS, INVERSE, NS, Desk, basket_tape, daily_tape, inverse_tape, legs, params, perpetual, plan
from tests.core.test_backtest import FAST, check_parity, fast_tape
from tests.core.test_backtest_laws import STRATEGIES

MODEL = FillModel()


# ------------------------------------------------------------------ ratios


@given(st.floats(1e-12, 1 - 1e-12))
def test_law_the_normal_quantile_is_scipys(p: float) -> None:
    assert normal_quantile(p) == pytest.approx(float(stats.norm.ppf(p)), rel=1e-12, abs=1e-14)


def test_the_ratio_of_each_model() -> None:
    year = YEAR_NS
    assert delta.ratio(BETA, 0.8, 0.4, 100.0, year, year, 0.6, 1.0) == 0.8
    assert delta.ratio(LINEAR, 0.8, 0.4, 100.0, year, year, 0.6, 1.0) == 1.0
    digital = digital_delta(spot=60_000.0, strike=65_000.0, years=0.25, volatility=0.6)
    ours = delta.ratio(DIGITAL, 0.8, digital.price, 60_000.0, year // 4, 0, 0.6, 1.0)
    assert ours * digital.price / 60_000.0 == pytest.approx(digital.delta, rel=1e-9)  # dollars for a dollar, to units for a contract
    assert delta.ratio(DIGITAL, 0.8, digital.price, 60_000.0, year // 4, 0, 0.6, -1.0) == -ours
    pair = binary_pair_ratio(0.3, 0.6, 0.5, 0.25, 0.7)
    news = delta.ratio(INFORMATION, 0.8, 0.3, 0.6, year // 2, year // 4, 0.0, 0.7)
    assert news * 0.3 / 0.6 == pytest.approx(pair.ratio, rel=1e-9)


def test_after_its_end_a_contract_moves_with_nothing() -> None:
    assert delta.ratio(DIGITAL, 0.8, 0.4, 100.0, 0, 0, 0.6, 1.0) == 0.0
    assert delta.ratio(DIGITAL, 0.8, 1.0, 100.0, YEAR_NS, 0, 0.6, 1.0) == 0.0
    assert delta.ratio(INFORMATION, 0.8, 0.4, 0.5, YEAR_NS, 0, 0.6, 1.0) == 0.0


# ------------------------------------------------------------------ what it asks for


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"delta_model": "digital"}, "expiry=None: delta_model='digital' needs it"),
        ({"delta_model": "digital", "expiry": "2026-12-31"}, "volatility=0.0: delta_model='digital' needs it"),
        ({"delta_model": "information", "expiry": "2026-12-31"}, "hedge_expiry=None"),
        ({"expiry": "soon"}, "expiry='soon': is no time; write for example 2026-12-31T00:00:00 (UTC)"),
    ],
)
def test_what_is_missing_is_said_with_an_example(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Params.make(structure="delta", **values)
    assert words in str(caught.value)


def test_a_digital_needs_a_contract_and_a_delta_hedge_one_instrument() -> None:
    digital = {"structure": "delta", "delta_model": "digital", "expiry": "2026-12-31", "volatility": 0.6}
    with pytest.raises(ConfigError, match="T:KO is none"):
        Desk(**digital)
    three = (*legs(), Instrument("T", "MNST"))
    with pytest.raises(ConfigError, match="needs 2 instruments"):
        Desk(structure="delta", instruments=three)
    with pytest.raises(ConfigError, match="1 hedge ratios for 2 hedges"):
        Desk(instruments=three)


def test_a_time_is_utc() -> None:
    assert instant_ns("1970-01-02") == DAY_NS
    assert instant_ns("1970-01-01T02:00:00Z") == 7_200 * NS
    with pytest.raises(ValueError, match="no UTC time"):
        instant_ns("1970-01-01T02:00:00+02:00")


# ------------------------------------------------------------------ by hand


def test_a_digital_hedge_follows_the_price_of_its_contract() -> None:
    ends = "1991-01-01T00:00:00"
    both = (Instrument("T", "YES", kind=Kind.BINARY), Instrument("T", "BTC", lot=Decimal("0.001")))
    desk = Desk(
        structure="delta", delta_model="digital", expiry=ends, volatility=0.6, signal="price", lookback=30, entry=1.5, stop=100.0,
        instruments=both, notional=10_000.0, tolerance=0.02, rebalance_to="target", risk_aversion=1e6,
    )  # fmt: skip
    for i in range(29):
        desk.bar(0.5 + 0.01 * math.sin(0.7 * i), 100.0 + math.sin(i))
    entry = desk.bar(0.4, 100.0)
    assert entry.action is Action.OPEN
    qty = {order.leg: float(order.qty) for order in entry.orders}

    def units(p: float) -> float:
        left = (instant_ns(ends) - desk.now_ns) / YEAR_NS
        return float(stats.norm.pdf(stats.norm.ppf(p))) / (100.0 * 0.6 * math.sqrt(left))

    assert qty[0] == 25_000  # long the contract that fell
    assert qty[1] == pytest.approx(-25_000 * units(0.4), abs=0.001)
    for order in entry.orders:
        desk.fill(order)
    desk.now_ns += NS // 4
    looked = desk.quote(0, 0.2)
    assert looked.action is Action.REBALANCE
    assert float(looked.orders[0].qty) - 25_000 * units(0.4) == pytest.approx(-25_000 * units(0.2), abs=0.002)
    assert looked.delta == pytest.approx(25_000 * (units(0.2) - units(0.4)) * 100.0 / 10_000.0, rel=1e-3)


def test_an_inverse_perpetual_moves_like_its_coins() -> None:
    desk = Desk(structure="delta", delta_model="linear", signal="price", lookback=30, entry=1.5, stop=100.0, instruments=perpetual(),
                notional=100_000.0, tolerance=0.001, rebalance_to="target", risk_aversion=1e6, ratio=0.5)  # fmt: skip
    for i in range(29):
        desk.bar(50_000.0 + 100 * math.sin(0.7 * i), 50_000.0 + 100 * math.sin(i))
    entry = desk.bar(49_500.0, 50_000.0)
    qty = {order.leg: order.qty for order in entry.orders}
    assert qty == {0: Decimal("2.0202"), 1: Decimal(-10_000)}  # 2.0202 x 49,500 = 99,999.9: 10,000 contracts of 10 dollars
    for order in entry.orders:
        desk.fill(order)
    desk.now_ns += NS // 4
    desk.quote(0, 49_500.0, 0.25)  # a look; the next is due when both prices are new
    desk.now_ns += NS // 10
    desk.quote(0, 60_000.0, 0.25)
    desk.quote(1, 60_000.0, 0.25)
    said = desk.hedger.on(Timer(ts_ns=desk.hedger.wakeup_ns or 0))
    coins = 100_000 / 49_999.995
    assert said.action is Action.REBALANCE
    assert said.delta == pytest.approx((2.0202 - coins) * 60_000.0 / 100_000.0, rel=1e-6)  # not 2.0202 x 60,000 - 100,000 dollars
    assert said.orders[0].qty == -round((2.0202 - coins) * 60_000.0 / 10)


# ------------------------------------------------------------------ whole tapes


def test_parity_and_money_of_an_inverse_hedge() -> None:
    tape = inverse_tape(1, 700)
    records = check_parity(tape, params(**INVERSE))
    assert sum(isinstance(r, Decision) and r.action is Action.REBALANCE for r in records) > 5
    done = run(tape, params(**INVERSE), MODEL)
    equity = done.tables.equity
    for mine, theirs in (("hedged", done.curves.hedged), ("unhedged", done.curves.unhedged)):
        assert np.allclose(equity[mine], theirs, rtol=1e-9, atol=1e-6)
    cash, coins, held, total = 0.0, 0.0, 0.0, {}
    for fill in done.tables.fills[done.tables.fills["leg"] == 1].itertuples():  # contract by contract: coins for dollars
        row = int(np.searchsorted(tape.ts_ns, fill.venue_ts.value))
        coins += fill.qty * 10.0 / fill.price
        cash -= fill.qty * 10.0 + fill.fee
        held += fill.qty
        if held == 0:
            cash, coins = cash + coins * tape.mid[row, 1], 0.0
        total[fill.ts.value] = cash
    flat = equity[(equity["pos_hedge"] == 0) & (equity.index.asi8 > max(total))]
    assert len(total) > 20
    hedge = equity["gross_hedge"] - equity["cost_hedge"]
    assert len(flat) == 0 or hedge.loc[flat.index[0]] == pytest.approx(cash, abs=20.0)  # costs are counted at the mid of their fill
    assert done.curves.trades > 10


def test_the_hedge_of_a_coin_by_its_inverse_perpetual_removes_the_coins_risk() -> None:
    done = run(inverse_tape(2, 700, "0"), params(**INVERSE | {"rebalance_to": "target", "risk_aversion": 1e6}), MODEL)
    moves = {name: np.diff(getattr(done.curves, name)) for name in ("hedged", "unhedged")}
    assert np.var(moves["hedged"]) < 0.15 * np.var(moves["unhedged"])


def test_a_basket_trades_all_its_hedges_alike_in_both_drivers() -> None:
    tape, strategy = basket_tape(4, 600), params(**DAILY | {"notional": 100_000.0})
    records = check_parity(tape, strategy)
    entries = [r for r in records if isinstance(r, Decision) and r.action is Action.OPEN]
    assert len(entries) > 5
    assert all({order.leg for order in entry.orders} == {0, 1, 2} for entry in entries)
    done = run(tape, strategy, MODEL)
    last = done.tables.equity.iloc[-1]
    assert (last["ratio"], last["ratio_2"]) == (pytest.approx(0.5, abs=0.15), pytest.approx(0.4, abs=0.15))
    assert np.allclose(done.tables.equity["hedged"], done.curves.hedged, rtol=1e-9, atol=1e-6)
    assert {"hedge_2", "gross", "net"} <= set(done.tables.exposure)
    assert done.verdict(reps=200).table() is not None
    for entry in entries[:3]:
        first, second = (abs(float(entry.orders[leg].qty)) * float(entry.mids[leg]) / 100_000.0 for leg in (1, 2))  # type: ignore[arg-type]
        assert (first, second) == (pytest.approx(0.5, abs=0.2), pytest.approx(0.4, abs=0.2))


def test_hedges_that_move_as_one_keep_the_last_ratio_and_open_nothing() -> None:
    tape = basket_tape(4, 400)
    bid, ask = tape.bid.copy(), tape.ask.copy()
    bid[150:260, 2], ask[150:260, 2] = bid[150:260, 1], ask[150:260, 1]  # one price for both hedges, longer than a window
    done = run(replace(tape, bid=bid, ask=ask), params(**DAILY | {"notional": 100_000.0}), MODEL)
    plans = [record.plan for record in done.records if isinstance(record, PlanRevised)]
    blind = [plan for plan in plans if plan.evidence.test == "none"]
    before = [plan for plan in plans if plan.fitted_at_ns < blind[0].fitted_at_ns]
    assert blind
    assert all(plan.ratios == before[-1].ratios and plan.override is None for plan in blind)
    assert len(plans) > len(before) + len(blind)  # and it goes on when they part


def test_net_delta_of_a_basket_is_that_of_the_hedge_that_is_furthest_off() -> None:
    desk = Desk(instruments=(*legs(), Instrument("T", "MNST")), ratio=None, notional=10_000.0)
    desk.plan(replace_ratios(0.5, 0.4))
    state = desk.hedger._s
    for leg, price in enumerate((100.0, 100.0, 100.0)):
        desk.quote(leg, price)
    state["pos"][:3] = (100.0, -48.0, -45.0)
    assert desk.quote(0, 100.0).delta == pytest.approx(-0.05)  # 0.02 short of the first, 0.05 too much of the second


def replace_ratios(first: float, second: float) -> Any:
    import msgspec  # noqa: PLC0415 - one use

    return msgspec.structs.replace(plan(first), others=(second,))


# ------------------------------------------------------------------ the glide


def endings(tape: Tape, strategy: Params) -> tuple[bytes, bytes, int, int]:
    """Return the ends of a pass that glides and of one that takes every step, and the steps of each."""
    shared: dict[Any, Any] = {}
    quick, plans = passed(tape, strategy, MODEL, shared)
    slow = Pass(tape, strategy, MODEL, words=True)
    due, left = Reviser(strategy), iter(plans)
    while slow.go(due.next_fit) == loop.REVISE:
        due.passed()
        slow.revise(next(left))
    return quick.ending, slow.ending, int(quick.c["decided"]), int(slow.c["decided"])


ANY = st.fixed_dictionaries(
    {"structure": st.sampled_from(["pairs", "delta", "synthetic", "unhedged"]), "delta_model": st.sampled_from(["beta", "linear"])}
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STRATEGIES, ANY, st.integers(0, 50), st.booleans())
def test_law_the_glide_decides_nothing(strategy: dict[str, Any], more: dict[str, Any], seed: int, daily: bool) -> None:  # noqa: FBT001 - drawn
    tape, base = (daily_tape(seed, 400), DAILY) if daily else (fast_tape(seed, 400), FAST)
    quick, slow, _, _ = endings(tape, params(**base | strategy | more))
    assert quick == slow


def test_law_of_the_glide_with_holes_baskets_and_inverse_legs() -> None:
    for tape, strategy in (
        (basket_tape(3, 500), params(**DAILY)),
        (inverse_tape(3, 500), params(**INVERSE)),
        (inverse_tape(4, 500), params(**INVERSE | {"structure": "pairs"})),
    ):
        holes = np.random.default_rng(5).random(tape.bid.shape) < 0.1
        holed = replace(tape, bid=np.where(holes, np.nan, tape.bid), ask=np.where(holes, np.nan, tape.ask))
        for market in (tape, holed):
            quick, slow, taken, all_steps = endings(market, strategy)
            assert quick == slow
            assert taken < 0.7 * all_steps  # or it would not be there


def test_when_little_happens_few_steps_are_taken() -> None:
    tape, strategy = daily_tape(2, 3_000), params(**DAILY | {"entry": 3.0, "stop": 9.0, "refit_bars": 10_000})
    _, _, taken, all_steps = endings(tape, strategy)
    assert taken < 0.1 * all_steps
