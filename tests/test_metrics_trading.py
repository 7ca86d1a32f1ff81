"""Metrics that a trader expects, each against a table worked by hand, then their laws and every mistake that is named."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit import metrics as m
from hedgekit.errors import ConfigError, DataError

MONEY = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 2))
PNL = st.lists(MONEY, min_size=1, max_size=30)
START = pd.Timestamp("2024-01-02 15:00", tz="UTC")


def nets(*values: float) -> pd.DataFrame:
    return pd.DataFrame({"hedged": np.array(values, dtype=float)})


def at(*seconds: float) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([START + pd.Timedelta(seconds=s) for s in seconds])


# ----------------------------------------------------------------------- curves


def test_sortino_by_hand() -> None:
    # mean 1, shortfalls 0 -2 0 0: root of 4 / 4 is 1
    assert m.sortino([3, -2, 1, 2]) == pytest.approx(math.sqrt(252), rel=1e-15)
    assert m.sortino([3, -2, 1, 2], bars_per_year=12) == pytest.approx(math.sqrt(12), rel=1e-15)
    # above a target of 1: mean 0
    assert m.sortino([3, -2, 1, 2], target=1) == 0
    for none in ([], [1, 2], [0, 0], [1, math.nan]):
        assert math.isnan(m.sortino(none))


def test_calmar_by_hand() -> None:
    # 4 over 4 bars is 1 a bar, 252 a year; the deepest fall is 5 to 2
    assert m.calmar([5, 2, 3, 4]) == pytest.approx(252 / 3, rel=1e-15)
    assert m.calmar([-2, -4], bars_per_year=10) == pytest.approx(-2 * 10 / 4, rel=1e-15)
    assert math.isnan(m.calmar([1, 2, 3]))
    assert math.isnan(m.calmar([]))


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        # high 10 at bar 0; 4 at bar 1, back at bar 3 (12); later 5, never back
        ([10, 4, 8, 12, 5, 6], m.Drawdown(7, 3, 4, None, 2, under_water=True, longest_bars=3)),
        ([10, 4, 8, 12, 11, 12], m.Drawdown(6, 0, 1, 3, 3, under_water=False, longest_bars=3)),
        ([-3, -1, 0, 1], m.Drawdown(3, -1, 0, 2, 3, under_water=False, longest_bars=3)),  # from the start; back at 0 is recovered
        ([-3], m.Drawdown(3, -1, 0, None, 1, under_water=True, longest_bars=1)),
        ([5, 1, 4, 0, 5, 4, 4, 4, 4, 4], m.Drawdown(5, 0, 3, 4, 4, under_water=True, longest_bars=5)),  # the longest is not the deepest
        ([1, 2, 2], m.Drawdown(0, None, None, None, 0, under_water=False, longest_bars=0)),
        ([], m.Drawdown(0, None, None, None, 0, under_water=False, longest_bars=0)),
    ],
)
def test_drawdown_by_hand(curve: list[float], expected: m.Drawdown) -> None:
    assert m.drawdown(curve) == expected
    assert m.drawdown(curve).depth == m.max_drawdown(curve)


def test_drawdown_of_a_curve_with_nan_is_nan() -> None:
    found = m.drawdown([1, math.nan, 3])
    assert math.isnan(found.depth)
    assert found.peak is None


# ----------------------------------------------------------------------- trades


def test_hits_and_factors_by_hand() -> None:
    trades = nets(6, -4, 2, 0)
    assert m.hit_rate(trades) == 0.5  # breaking even is no hit
    assert m.profit_factor(trades) == 2.0
    assert m.best_trade_share(trades) == 1.5
    for metric in (m.hit_rate, m.profit_factor):
        assert math.isnan(metric(nets()))
        assert math.isnan(metric(nets(1, math.nan)))
    assert math.isnan(m.profit_factor(nets(1, 2)))
    assert m.profit_factor(nets(-1, -2)) == 0


def test_holding_time_by_hand() -> None:
    trades = pd.DataFrame({"opened": at(0, 10, 20), "closed": [*at(60, 40), pd.NaT], "bars": [6, 3, 99]})
    assert m.holding_time(trades) == m.Holding(4.5, 4.5, 6, 45, 45, 60, 2)
    none = m.holding_time(trades.iloc[2:])
    assert none.trades == 0
    assert math.isnan(none.mean_s)
    with pytest.raises(DataError, match="opened: timestamps are needed, not int64"):
        m.holding_time(trades.assign(opened=1))
    with pytest.raises(DataError, match="no column 'closed'"):
        m.holding_time(trades.drop(columns="closed"))


def test_excursions_of_trades_by_hand() -> None:
    equity = pd.DataFrame({"hedged": [0, 1, -2, 4, 3, 3, 0], "unhedged": 0.0}, index=at(*range(0, 70, 10)))
    # trade 1: bars 1 to 4, gains 0 -3 3 2; trade 2 from between bars 4 and 5: gains 0 0 -3; trade 3 is open
    trades = pd.DataFrame({"trade": [1, 2, 3], "opened": at(10, 45, 60), "closed": [*at(40, 60), pd.NaT]})
    found = m.trade_excursions(equity, trades)
    assert found.to_dict("list") == {
        "trade": [1, 2],
        "bars": [3, 2],
        "pnl": [2.0, -3.0],
        "mae": [3.0, 3.0],
        "mfe": [3.0, 0.0],
        "bars_to_mae": [1, 2],
        "bars_to_mfe": [2, 0],
    }
    assert (m.trade_excursions(equity, trades, curve="unhedged")[["mae", "mfe"]] == 0).all(axis=None)
    empty = m.trade_excursions(equity, trades.iloc[2:])
    assert empty.dtypes.to_dict() == found.dtypes.to_dict()


def test_wrong_frames_of_excursions_are_named() -> None:
    equity = pd.DataFrame({"hedged": [0.0, 1.0, np.nan]}, index=at(0, 10, 20))
    trades = pd.DataFrame({"trade": [7], "opened": at(0), "closed": at(20)})
    with pytest.raises(DataError, match="equity is not finite at row 2, during trade 7"):
        m.trade_excursions(equity, trades)
    with pytest.raises(DataError, match="trade 7 lies outside the bars of equity"):
        m.trade_excursions(equity, trades.assign(opened=at(-5)))
    with pytest.raises(DataError, match="its index must be increasing timestamps"):
        m.trade_excursions(equity.reset_index(), trades)
    with pytest.raises(DataError, match="no column 'net'"):
        m.trade_excursions(equity, trades, curve="net")


def test_turnover_by_hand() -> None:
    fills = pd.DataFrame({"qty": [10, -20, -10, 20], "price": [100.0, 50.0, 100.0, 50.0], "multiplier": 1.0})
    assert m.turnover(fills, capital=1000) == 4
    assert m.turnover(fills, capital=1000, years=2) == 2
    assert m.turnover(fills.iloc[:0], capital=1000) == 0
    with pytest.raises(ConfigError, match="capital=0: must be a finite number above 0"):
        m.turnover(fills, capital=0)
    with pytest.raises(ConfigError, match="years=nan"):
        m.turnover(fills, capital=1, years=math.nan)


# ------------------------------------------------------------------- naked legs


def filled(*rows: tuple[float, int, float], trade: int = 1) -> pd.DataFrame:
    seconds, legs, qty = zip(*rows, strict=True)
    frame = pd.DataFrame({"ts": at(*seconds), "trade": trade, "leg": legs, "qty": qty, "multiplier": 1.0})
    frame["price"] = np.where(frame["leg"] == 0, 100.0, 50.0)
    frame["instrument"] = np.where(frame["leg"] == 0, "A", "B")
    return frame


def test_naked_leg_by_hand() -> None:
    # the hedge comes 2 s late and leaves 3 s early: 1,000 x 5 s
    late = filled((0, 0, 10), (2, 1, -20), (60, 1, 20), (63, 0, -10))
    assert m.naked_exposure(late).to_dict("list") == {
        "trade": [1],
        "naked_s": [5.0],
        "exposure_money_s": [5000.0],
        "largest_money": [1000.0],
    }
    # filled to 60%: the two legs are there, so without a ratio nothing is naked; with ratio 1, 40% of 1,000 for 10 s and 2 s of all
    part = filled((0, 0, 10), (2, 1, -12), (12, 1, -8), (20, 1, 20), (20, 0, -10))
    assert m.naked_exposure(part)["exposure_money_s"].item() == 2000
    assert m.naked_exposure(part, ratio=1.0)["exposure_money_s"].item() == pytest.approx(2000 + 4000, rel=1e-12)
    assert m.naked_exposure(part, ratio=1.0)["naked_s"].item() == 12
    # ratio .5: half the money is the whole hedge
    assert m.naked_exposure(filled((0, 0, 10), (0, 1, -10), (9, 0, -10), (9, 1, 10)), ratio=0.5)["naked_s"].item() == 0


def test_naked_leg_two_on_the_same_side_add_up() -> None:
    assert m.naked_exposure(filled((0, 0, 10), (0, 1, 20), (3, 0, -10), (3, 1, -20)))["exposure_money_s"].item() == 6000


def test_naked_leg_each_trade_has_its_row_and_a_hedge_may_have_two_instruments() -> None:
    two = filled((0, 0, 10), (1, 1, -10), (1, 2, -10), (5, 1, 10), (5, 2, 10), (5, 0, -10), trade=4)
    two.loc[two["leg"] == 2, "instrument"] = "C"
    found = m.naked_exposure(pd.concat([two, filled((0, 0, 10), (9, 0, -10), trade=2)]))
    assert found["trade"].tolist() == [2, 4]
    assert found["naked_s"].tolist() == [9.0, 1.0]
    empty = m.naked_exposure(two.iloc[:0])
    assert empty.dtypes.to_dict() == found.dtypes.to_dict()


def test_naked_leg_at_the_end_needs_to_know_the_end() -> None:
    open_ = filled((0, 0, 10))
    with pytest.raises(DataError, match="trade 1 has one leg alone after its last fill, at 2024-01-02 15:00:00"):
        m.naked_exposure(open_)
    assert m.naked_exposure(open_, until=at(7)[0])["exposure_money_s"].item() == 7000
    with pytest.raises(DataError, match="is before the last fill of trade 1"):
        m.naked_exposure(open_, until=at(-1)[0])


def test_wrong_fills_of_naked_legs_are_named() -> None:
    with pytest.raises(ConfigError, match="ratio=0: must be a finite number above 0"):
        m.naked_exposure(filled((0, 0, 10)), ratio=0)
    with pytest.raises(DataError, match="fills: price is nan at row 0"):
        m.naked_exposure(filled((0, 0, 10)).assign(price=np.nan))
    with pytest.raises(DataError, match="no column 'instrument'"):
        m.naked_exposure(filled((0, 0, 10)).drop(columns="instrument"))


# ------------------------------------------------------------------------ costs


def test_cost_split_by_hand() -> None:
    costs = pd.DataFrame({"fee": [1.0, 2.0], "half_spread": [3.0, 3.0], "slippage": [-1.0, 2.0], "funding": [-2.0, 0.0], "borrow": 1.0})
    found = m.cost_split(costs, notional=10_000)
    assert found.index.tolist() == ["fee", "half_spread", "slippage", "funding", "borrow", "total"]
    assert found["money"].tolist() == [3, 6, 1, -2, 2, 10]
    assert found["share_frac"].tolist() == pytest.approx([0.3, 0.6, 0.1, -0.2, 0.2, 1.0])
    assert found["bps"].tolist() == pytest.approx([3, 6, 1, -2, 2, 10])
    assert m.cost_split(costs)["bps"].isna().all()
    assert m.cost_split(costs * 0)["share_frac"].isna().all()


def test_a_cost_that_is_not_there_is_an_error_not_a_zero() -> None:
    costs = pd.DataFrame({"fee": [1.0], "half_spread": [3.0], "slippage": [1.0]})
    with pytest.raises(
        DataError, match="no column 'funding' in a frame with fee, half_spread, slippage: add it, or leave 'funding' out of parts="
    ):
        m.cost_split(costs)
    assert m.cost_split(costs, parts=("fee", "half_spread"))["money"].tolist() == [1, 3, 4]
    with pytest.raises(DataError, match="costs: fee is nan at row 0"):
        m.cost_split(costs.assign(fee=np.nan), parts=["fee"])
    with pytest.raises(ConfigError, match=r"parts=\['fees'\]: choose one or more of fee, half_spread, slippage, funding, borrow"):
        m.cost_split(costs, parts=["fees"])
    with pytest.raises(ConfigError, match="notional=0: must be above 0"):
        m.cost_split(costs, parts=["fee"], notional=0)


def test_costs_of_fills_add_up_to_the_shortfall() -> None:
    # bought 10 at 101, expected 100, mid 100.4; fee .5
    fills = pd.DataFrame({"fee": [0.5], "spread_cost": [6.0], "slippage": [10.0]})
    costs = m.fill_costs(fills)
    assert costs.to_dict("list") == {"fee": [0.5], "half_spread": [6.0], "slippage": [4.0]}
    assert m.cost_split(costs, parts=costs.columns)["money"]["total"] == 10.5


def test_gross_and_net_by_hand() -> None:
    trades = pd.DataFrame({"gross_hedged": [5.0, 3.0], "hedged": [4.0, 1.0], "gross_unhedged": [9.0, -2.0], "unhedged": [8.5, -3.0]})
    assert m.gross_and_net(trades) == m.GrossNet(8, 3, 5, 7, 1.5, 5.5)
    assert m.gross_and_net(trades.iloc[:0]) == m.GrossNet(0, 0, 0, 0, 0, 0)


# ------------------------------------------------------------------------- laws


@settings(deadline=None)
@given(PNL, st.randoms(use_true_random=False))
def test_law_the_order_of_trades_does_not_matter(pnl: list[float], random: object) -> None:
    other = list(pnl)
    random.shuffle(other)  # type: ignore[attr-defined]
    for metric in (m.hit_rate, m.profit_factor, m.best_trade_share):
        one, two = metric(nets(*pnl)), metric(nets(*other))
        assert (math.isnan(one) and math.isnan(two)) or one == pytest.approx(two, rel=1e-6) or abs(sum(pnl)) < 1e-6


@settings(deadline=None)
@given(PNL, st.sampled_from([0.25, 0.5, 2.0, 1024.0]))
def test_law_the_size_of_money_leaves_ratios(pnl: list[float], c: float) -> None:
    scaled = [c * x for x in pnl]
    for metric in (m.hit_rate, m.profit_factor, m.best_trade_share):
        assert metric(nets(*pnl)) == pytest.approx(metric(nets(*scaled)), rel=1e-9, nan_ok=True)
    assert m.sortino(pnl) == pytest.approx(m.sortino(scaled), rel=1e-9, nan_ok=True)
    curve = np.cumsum(pnl)
    assert m.calmar(curve) == pytest.approx(m.calmar(c * curve), rel=1e-9, nan_ok=True)
    assert m.drawdown(c * curve).length_bars == m.drawdown(curve).length_bars
    assert m.drawdown(c * curve).longest_bars == m.drawdown(curve).longest_bars


@settings(deadline=None)
@given(PNL)
def test_law_drawdown_spells(pnl: list[float]) -> None:
    curve = np.cumsum(pnl)
    found = m.drawdown(curve)
    assert found.depth == m.max_drawdown(curve)
    assert found.length_bars <= found.longest_bars <= len(curve)
    if found.peak is not None and found.trough is not None:
        high = 0.0 if found.peak < 0 else curve[found.peak]
        assert high - curve[found.trough] == found.depth
        assert found.peak < found.trough
        assert found.recovered is None or (found.recovered > found.trough and curve[found.recovered] >= high)


@settings(deadline=None)
@given(PNL, st.floats(0.01, 1e6))
def test_law_a_further_loss_never_helps(pnl: list[float], loss: float) -> None:
    more = [*pnl, -loss]
    assert not m.hit_rate(nets(*more)) > m.hit_rate(nets(*pnl))
    assert not m.profit_factor(nets(*more)) > m.profit_factor(nets(*pnl))
    assert m.max_drawdown(np.cumsum(more)) >= m.max_drawdown(np.cumsum(pnl)) - 1e-6


@settings(deadline=None, max_examples=30)
@given(st.floats(0, 1000), st.floats(0, 1000), st.floats(0.1, 10))
def test_law_a_later_hedge_is_naked_for_longer(delay: float, more: float, c: float) -> None:
    def one(wait: float, size: float = 1.0) -> float:
        wait = round(wait, 3)
        return float(
            m.naked_exposure(filled((0, 0, 10 * size), (wait, 1, -20 * size), (5000, 1, 20 * size), (5000, 0, -10 * size)))[
                "exposure_money_s"
            ].item()
        )

    assert one(delay + more) >= one(delay) >= 0
    assert one(delay, c) == pytest.approx(c * one(delay), rel=1e-9)


@settings(deadline=None)
@given(st.lists(st.tuples(*[MONEY] * 5), min_size=1, max_size=10))
def test_law_parts_of_the_cost_add_up(rows: list[tuple[float, ...]]) -> None:
    costs = pd.DataFrame(rows, columns=list(m.COST_PARTS))
    found = m.cost_split(costs)
    assert found["money"]["total"] == pytest.approx(costs.to_numpy().sum(), rel=1e-9, abs=1e-6)
    assert found["money"].drop("total").sum() == pytest.approx(found["money"]["total"], rel=1e-9, abs=1e-6)
