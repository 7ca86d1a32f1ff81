"""Each metric against a table worked by hand, then the laws that it must obey on any history."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit import metrics as m
from hedgekit.errors import DataError
from tests.histories import history

MEMMEL_2003 = (0.10, 0.12, 0.8, 200, 0.04497332542741308)  # Sharpe ratios a bar, correlation, bars, standard error (own recomputation)
MONEY = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 2))
CURVE = st.lists(MONEY, min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("curve", "depth"),
    [
        ([], 0),
        ([5, 7, 9], 0),
        ([-3], 3),  # the start is a high
        ([10, 4, 12, 5, 6], 7),  # 12 to 5, not 10 to 4
        ([10, 4, 12, 9, 3, 20], 9),
        ([-1, -2, -3], 3),
    ],
)
def test_max_drawdown(curve: list[float], depth: float) -> None:
    assert m.max_drawdown(curve) == depth


def test_sharpe() -> None:
    # mean 2, deviations -1 0 1, sd (ddof 1) 1: 2 x sqrt(252)
    assert m.sharpe([1, 2, 3]) == pytest.approx(2 * math.sqrt(252), rel=1e-15)
    assert m.sharpe([1, 2, 3], bars_per_year=12) == pytest.approx(2 * math.sqrt(12), rel=1e-15)
    assert m.sharpe([-1, 1]) == 0
    for none in ([], [5], [3, 3, 3], [0.1] * 7, [0, 0]):
        assert math.isnan(m.sharpe(none))


def test_steps_count_from_zero() -> None:
    assert m.steps([3, 1, 1]).tolist() == [3, -2, 0]


def test_hedge_ratio_accuracy() -> None:
    # held at the end of bars 1 to 3, so the returns of bars 2 to 4 count. Ratio 2; the hedge moves .01 -.02 .01,
    # so ratio x hedge is .02 -.04 .02; the primary moves .03 -.06 .03: slope 1.5, half too large.
    dp, dh = [0.5, 0.1, 0.03, -0.06, 0.03, 0.9], [-0.5, 0.3, 0.01, -0.02, 0.01, -0.7]
    equity = pd.DataFrame(
        {
            "mid_primary": 100 * np.exp(np.cumsum(dp)),
            "mid_hedge": 50 * np.exp(np.cumsum(dh)),
            "pos_primary": [0, 10, 10, 10, 0, 0],
            "pos_hedge": [0, -20, -20, -20, 0, 0],
            "ratio": 2.0,
        }
    )
    assert m.hedge_ratio_accuracy(equity) == pytest.approx(0.5, rel=1e-12)
    assert math.isnan(m.hedge_ratio_accuracy(equity.assign(pos_primary=0, pos_hedge=0)))
    assert math.isnan(m.hedge_ratio_accuracy(equity.assign(mid_hedge=50.0)))


def test_hedge_ratio_accuracy_follows_a_changing_ratio() -> None:
    rng = np.random.default_rng(0)
    ratio, dh = rng.uniform(0.2, 2.0, 500), 0.01 * rng.standard_normal(500)
    dp = np.r_[0.0, ratio[:-1]] * dh  # the ratio at the start of each bar was exactly right
    mids = {"mid_primary": np.exp(np.cumsum(dp)), "mid_hedge": np.exp(np.cumsum(dh))}
    equity = pd.DataFrame({**mids, "pos_primary": 1, "pos_hedge": -1, "ratio": ratio})
    assert m.hedge_ratio_accuracy(equity) == pytest.approx(0, abs=1e-9)


def test_delta_neutrality() -> None:
    equity = pd.DataFrame({"pos_primary": [0, 5, 5, 0, 5], "pos_hedge": [0, -5, 0, -5, -5], "delta": [np.nan, 0.02, -0.04, -0.85, 0.06]})
    # flat bar left out; a hedge without its primary counts like any exposure: (.02 + .04 + .85 + .06) / 4
    assert m.delta_neutrality(equity) == pytest.approx(0.2425, rel=1e-12)
    assert math.isnan(m.delta_neutrality(equity.assign(pos_primary=0, pos_hedge=0)))


def test_hedge_cost_drag() -> None:
    trades = pd.DataFrame({"cost_hedge": [10.0, 20.0], "gross_hedged": [500.0, -200.0], "notional": [1e5, 2e5]})
    assert m.hedge_cost_drag(trades) == pytest.approx(0.1, rel=1e-15)  # 30 of 300
    assert m.hedge_cost_bps(trades) == pytest.approx(1.0, rel=1e-15)  # 30 of 300,000
    for gross in (-300.0, 0.0):
        assert math.isnan(m.hedge_cost_drag(trades.assign(gross_hedged=[gross, 0.0])))
    assert math.isnan(m.hedge_cost_drag(trades.iloc[:0]))
    assert math.isnan(m.hedge_cost_bps(trades.iloc[:0]))


def test_slippage() -> None:
    # bought 10 at 101, expected 100, mid 100.4: 10 adverse, 6 of it spread
    # sold 20 at 51, expected 50, mid 51.1: 20 better, though 2 of spread were paid
    fills = pd.DataFrame(
        {"qty": [10, -20], "expected": [100.0, 50.0], "multiplier": [1.0, 1.0], "slippage": [10.0, -20.0], "spread_cost": [6.0, 2.0]}
    )
    split = m.slippage_split(fills)
    assert m.slippage(fills) == split.mean == pytest.approx(-0.005, rel=1e-12)  # -10 of 2,000
    assert split.absolute == pytest.approx(0.015, rel=1e-12)
    assert split.spread == pytest.approx(0.004, rel=1e-12)
    assert split.delay == pytest.approx(-0.009, rel=1e-12)
    assert m.slippage(fills.assign(multiplier=0.01, slippage=[0.1, -0.2])) == pytest.approx(-0.005, rel=1e-12)  # cents: same fraction
    assert math.isnan(m.slippage(fills.iloc[:0]))
    assert math.isnan(m.slippage_split(fills.iloc[:0]).delay)


def test_drawdown_reduction() -> None:
    assert m.drawdown_reduction([0, -3, 5], [0, -4, 5]) == 0.25
    assert m.drawdown_reduction([0, -8, 5], [0, -4, 5]) == -1
    assert m.drawdown_reduction([1, 2], [0, -4]) == 1
    assert math.isnan(m.drawdown_reduction([0, -3], [1, 2]))


def test_sharpe_improvement_and_difference() -> None:
    unhedged, hedged = np.cumsum([1, 2, 3]), np.cumsum([2, 3, 4])  # Sharpe ratios 2 and 3 a bar
    assert m.sharpe_improvement(hedged, unhedged) == pytest.approx(1.5, rel=1e-12)
    assert m.sharpe_difference(hedged, unhedged) == pytest.approx(math.sqrt(252), rel=1e-12)
    assert math.isnan(m.sharpe_improvement(hedged, -unhedged))
    assert math.isnan(m.sharpe_improvement(hedged, np.cumsum([-1, 1])))
    assert m.sharpe_difference(hedged, -unhedged) == pytest.approx(5 * math.sqrt(252), rel=1e-12)


def test_memmel_standard_error() -> None:
    s1, s2, rho, n, expected = MEMMEL_2003
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, 2))
    x -= x.mean(axis=0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T  # exactly uncorrelated, sd 1
    x = x @ np.linalg.cholesky(np.array([[1, rho], [rho, 1]])).T + [s1, s2]
    curves = np.cumsum(x[:, 0]), np.cumsum(x[:, 1])
    assert m.sharpe_difference_stderr(*curves, bars_per_year=1) == pytest.approx(expected, rel=1e-9)
    assert m.sharpe_difference_stderr(*curves) == pytest.approx(expected * math.sqrt(252), rel=1e-9)


def test_variance_effectiveness_and_best_trade() -> None:
    assert m.variance_effectiveness(np.cumsum([1, -1]), np.cumsum([2, -2])) == 0.75
    assert m.variance_effectiveness(np.cumsum([3, -3]), np.cumsum([1, -1])) == -8
    assert math.isnan(m.variance_effectiveness([1, 2], [2, 4]))
    assert m.best_trade_share(pd.DataFrame({"hedged": [6.0, -4.0, 2.0]})) == 1.5
    assert math.isnan(m.best_trade_share(pd.DataFrame({"hedged": [6.0, -7.0]})))


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="no column 'gross_hedged' in a frame with gross; give the journal"):
        m.hedge_cost_drag(pd.DataFrame({"gross": [1.0]}))


def test_planted_hedge_gives_its_theory() -> None:
    h = history(400, beta=0.8, ratio=0.8, noise=0.004, cost_bps=0).equity
    # residual variance / total variance = .004^2 / (.8^2 x .012^2 + .004^2)
    assert m.variance_effectiveness(h["hedged"], h["unhedged"]) == pytest.approx(1 - 1.6e-5 / (0.64 * 1.44e-4 + 1.6e-5), abs=0.01)
    assert m.hedge_ratio_accuracy(h) == pytest.approx(0, abs=0.03)
    wrong = history(400, beta=0.8, ratio=0.4, noise=0.004, cost_bps=0).equity
    assert m.hedge_ratio_accuracy(wrong) == pytest.approx(1.0, abs=0.05)


# ------------------------------------------------------------------------ laws


@given(CURVE, st.integers(0, 39), st.floats(0, 1e6))
def test_law_a_deeper_loss_never_reduces_drawdown(curve: list[float], at: int, loss: float) -> None:
    at %= len(curve)
    deeper = curve[:at] + [x - loss for x in curve[at:]]  # one bar loses more; what follows is as before
    trough = int(np.argmax(np.maximum.accumulate([0.0, *curve]) - [0.0, *curve]))
    peak = int(np.argmax([0.0, *curve][: trough + 1]))
    if peak <= at < trough or m.max_drawdown(curve) == 0:
        assert m.max_drawdown(deeper) >= m.max_drawdown(curve) - 1e-6
    at_end = [*curve, curve[-1] - loss]
    assert m.max_drawdown(at_end) >= m.max_drawdown(curve)


@given(CURVE, st.floats(0.01, 100))
def test_law_drawdown_scales_and_is_bounded(curve: list[float], k: float) -> None:
    depth = m.max_drawdown(curve)
    assert 0 <= depth <= max(0, *curve) - min(0, *curve)
    assert m.max_drawdown([k * x for x in curve]) == pytest.approx(k * depth, rel=1e-9, abs=1e-9)
    assert m.max_drawdown([*curve, max(0, *curve) + 1]) == depth  # a new high costs nothing


@given(st.lists(MONEY, min_size=3, max_size=30), st.floats(0.01, 100))
def test_law_size_does_not_change_a_sharpe_ratio(pnl: list[float], k: float) -> None:
    one, other = m.sharpe(pnl), m.sharpe([k * x for x in pnl])
    if not math.isnan(one) and not math.isnan(other):
        assert other == pytest.approx(one, rel=1e-6, abs=1e-9)
        assert m.sharpe([-x for x in pnl]) == pytest.approx(-one, rel=1e-9, abs=1e-12)


@given(st.lists(MONEY, min_size=2, max_size=30))
def test_law_no_hedge_changes_nothing(pnl: list[float]) -> None:
    curve = np.cumsum(pnl)
    for value, neutral in (
        (m.drawdown_reduction(curve, curve), 0),
        (m.sharpe_improvement(curve, curve), 1),
        (m.variance_effectiveness(curve, curve), 0),
        (m.sharpe_difference(curve, curve), 0),
    ):
        assert math.isnan(value) or value == pytest.approx(neutral, abs=1e-12)


@given(st.lists(st.tuples(st.floats(1, 1e3), st.floats(1, 1e3), st.floats(-50, 50)), min_size=1, max_size=20), st.floats(0.1, 100))
def test_law_worse_prices_raise_slippage(rows: list[tuple[float, float, float]], worse: float) -> None:
    fills = pd.DataFrame(rows, columns=["qty", "expected", "slippage"]).assign(multiplier=1.0)
    assert m.slippage(fills.assign(slippage=fills["slippage"] + worse)) > m.slippage(fills)


@given(st.floats(1, 1e4), st.floats(0, 1e4), st.floats(0.01, 1e4))
def test_law_a_dearer_hedge_has_more_drag(gross: float, cost: float, more: float) -> None:
    frame = pd.DataFrame({"cost_hedge": [cost], "gross_hedged": [gross], "notional": [1e5]})
    dearer = frame.assign(cost_hedge=cost + more)
    assert m.hedge_cost_drag(dearer) > m.hedge_cost_drag(frame)
    assert m.hedge_cost_bps(dearer) > m.hedge_cost_bps(frame)
