"""Sizing: excursion quantiles, binary caps and exposures, Kelly, fees, deltas."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.sizing import (
    binary_cap,
    binary_pair_ratio,
    binary_pnl,
    digital_delta,
    exclusive_exposure,
    excursions,
    kelly,
    kelly_exclusive,
    mae_quantile,
    net_exposure,
    quadratic_fee,
)

# METHODS vectors (payoff algebra; Kelly 1956 and Thorp 2006; Black-Scholes; p = Phi(W / sqrt(T - t))).
BIN_CAP_M1, BIN_CAP_PNL1_YES, BIN_CAP_PNL2_YES = 833.3333333333334, 566.6666666666666, 26.470588235294088
KELLY_1956_F, KELLY_1956_GROWTH, KELLY_FEE_F, KELLY_F3 = 0.2, 0.020135513550688863, 0.17098445595854925, 0.10256410256410256
KALSHI_FEES = [(100, "0.50", "1.75"), (100, "0.10", "0.63"), (100, "0.25", "1.32"), (1, "0.50", "0.02"), (100, "0.05", "0.34")]
DIGITAL_PRICE, DIGITAL_DELTA = 0.3491438095966902, 0.02340516214141384
BIN_PAIR_V1, BIN_PAIR_V2, BIN_PAIR_H = 0.7726850669937211, 0.4917116105387005, 1.2571353621643335


# ------------------------------------------------------------------ excursions


def test_excursions_by_hand() -> None:
    path = [0.0, 2.0, 3.0, 1.0, 0.5, -1.0, 0.0]
    table = excursions(path, [1, 1, 5], [4, 4, 5], [-1, 1, 1])
    assert table.to_dict("list") == {
        "entry": [1, 1, 5],
        "exit": [4, 4, 5],
        "side": [-1, 1, 1],
        "pnl": [1.5, -1.5, 0.0],
        "mae": [1.0, 1.5, 0.0],
        "mfe": [1.5, 1.0, 0.0],
        "bars_to_mae": [1, 3, 0],
        "bars_to_mfe": [3, 1, 0],
    }


def test_no_trades_are_an_empty_table_of_the_same_types() -> None:
    table = excursions([1.0, 2.0], [], [], [])
    assert len(table) == 0
    assert table.dtypes.to_dict() == excursions([1.0, 2.0], [0], [1], 1).dtypes.to_dict()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1_000))
def test_law_the_other_side_swaps_adverse_and_favourable(seed: int) -> None:
    rng = np.random.default_rng(seed)
    path, ends = rng.standard_normal(60).cumsum(), np.sort(rng.integers(0, 60, (10, 2)), axis=1)
    long, short = excursions(path, ends[:, 0], ends[:, 1], 1), excursions(path, ends[:, 0], ends[:, 1], -1)
    np.testing.assert_allclose(long.mae, short.mfe)
    np.testing.assert_allclose(long.pnl, -short.pnl)
    assert (long.mae >= -long.pnl - 1e-12).all()
    assert (long.mae >= 0).all()


def test_excursions_say_what_is_wrong() -> None:
    path = [0.0, 1.0, 2.0]
    with pytest.raises(DataError, match=r"trade 1 \(entry 2, exit 1, side 1\): exits is before its entry"):
        excursions(path, [0, 2], [1, 1], 1)
    with pytest.raises(DataError, match="side is not"):
        excursions(path, [0], [1], 2)
    with pytest.raises(DataError, match="exits is 3 for trade 0: the path has positions 0 to 2"):
        excursions(path, [0], [3], 1)
    with pytest.raises(DataError, match="whole positions"):
        excursions(path, [0.5], [1], 1)
    with pytest.raises(DataError, match="2 entries, 1 exits"):
        excursions(path, [0, 1], [1], 1)
    with pytest.raises(DataError, match="path"):
        excursions([0.0, np.nan, 1.0], [0], [1], 1)


def test_mae_quantile_by_hand() -> None:
    # n = 59, q = .95: .95^59 = .0485 is the classic one-sided 95% bound by the largest of 59 (Wilks 1941).
    found = mae_quantile(np.arange(1.0, 60.0), 0.95, level=0.90)
    assert found.high == 59.0
    assert found.value == 57.0  # 57/59 = .966 is the first share of at least .95
    assert mae_quantile(np.arange(1.0, 59.0), 0.95, level=0.90).needed == 59
    few = mae_quantile(np.arange(1.0, 59.0), 0.95, level=0.90)
    assert math.isnan(few.high)
    assert "58 trades are too few for the upper end at level 0.9: 59 are needed" in few.reason


def test_mae_median_interval_is_the_sign_test() -> None:
    # n = 10, median: order statistics 2 and 9 cover 1 - 22/1024 = .97852 (tables of the sign test).
    found = mae_quantile(np.arange(1.0, 11.0), 0.5)
    assert (found.low, found.high) == (2.0, 9.0)
    assert found.coverage == pytest.approx(1 - 22 / 1024)
    assert found.reason == ""


def test_one_trade_has_no_interval() -> None:
    found = mae_quantile([3.0], 0.95)
    assert found.value == 3.0
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert math.isnan(found.coverage)
    assert "lower and upper" in found.reason


@pytest.mark.parametrize(("n", "q"), [(40, 0.5), (200, 0.95), (100, 0.8)])
def test_mae_interval_covers(n: int, q: float) -> None:
    rng = np.random.default_rng(5)
    truth = stats.expon.ppf(q)
    found = [mae_quantile(rng.exponential(size=n), q) for _ in range(2_000)]
    covered = np.mean([f.low <= truth <= f.high for f in found])
    assert found[0].coverage >= 0.95
    assert covered == pytest.approx(found[0].coverage, abs=0.015)


def test_mae_quantile_refuses() -> None:
    with pytest.raises(DataError, match="mae is -2: excursions are 0 or more"):
        mae_quantile([1.0, -2.0], 0.9)
    with pytest.raises(ConfigError, match="quantile=95: must be above 0 and below 1"):
        mae_quantile([1.0], 95)
    with pytest.raises(DataError, match="mae"):
        mae_quantile([], 0.9)


# --------------------------------------------------------------------- binary


def test_bin_cap_vector() -> None:
    first = binary_cap(2000, 0.5, 0.52, 600)
    assert first.contracts == pytest.approx(BIN_CAP_M1, rel=1e-9)
    assert first.pnl.if_yes == pytest.approx(BIN_CAP_PNL1_YES, rel=1e-9)
    assert first.pnl.if_no == pytest.approx(-600, rel=1e-9)
    second = binary_cap(1000 / 0.85, 0.85, 0.15, 150)
    assert second.contracts == pytest.approx(1000, rel=1e-9)
    assert (second.pnl.if_no, second.pnl.if_yes) == pytest.approx((-150, BIN_CAP_PNL2_YES), rel=1e-9)
    for found in (first, second):
        assert found.partial_sale
        assert "no insurance but a sale of" in found.note


def test_the_articles_150_dollars_sell_15_percent() -> None:
    seed = binary_pnl(2000, 300, 0.5, 0.5)
    assert (seed.worst, seed.best) == pytest.approx((-850, 850), rel=1e-9)
    assert (binary_pnl(2000, 0, 0.5, 0.5).worst, binary_pnl(2000, 0, 0.5, 0.5).best) == (-1000, 1000)
    assert "sale of 15.0% of the position" in binary_cap(2000, 0.5, 0.5, 850).note


def test_cap_with_fees_holds_to_the_cent() -> None:
    found = binary_cap(1000, 0.45, 0.56, 100, fee_yes=0.0173, fee_no=0.0172)
    assert found.pnl.worst == pytest.approx(-100)
    assert found.contracts == pytest.approx((1000 * 0.4673 - 100) / (1 - 0.5772))
    assert found.contracts > binary_cap(1000, 0.45, 0.56, 100).contracts
    assert found.set_cost == pytest.approx(1.0445)


def test_cap_that_cannot_be_reached_or_is_not_needed() -> None:
    never = binary_cap(1000, 0.5, 0.52, 10)
    assert not never.reached
    assert math.isnan(never.contracts)
    assert never.pnl.worst == pytest.approx(-20)
    assert "cannot be reached: a NO for every YES still loses 20" in never.note
    idle = binary_cap(100, 0.3, 0.7, 40)
    assert (idle.contracts, idle.reached) == (0.0, True)
    assert "no NO is needed" in idle.note
    other = binary_cap(1000, 0.5, 0.2, 100)
    assert not other.partial_sale
    assert "do not add up to 1" in other.note


@settings(max_examples=60, deadline=None)
@given(st.floats(1, 1e4), st.floats(0.02, 0.98), st.floats(0.02, 0.9), st.floats(0, 5e3), st.floats(0, 0.05))
def test_law_a_reached_cap_holds_and_fewer_contracts_break_it(n: float, p: float, q: float, cap: float, fee: float) -> None:
    found = binary_cap(n, p, q, cap, fee_yes=fee, fee_no=fee)
    if found.reached:
        assert found.pnl.worst >= -cap * (1 + 1e-9) - 1e-6
        if found.contracts > 1e-3:
            assert binary_pnl(n, 0.999 * found.contracts, p, q, fee_yes=fee, fee_no=fee).if_no < -cap
    else:
        grid = [binary_pnl(n, m, p, q, fee_yes=fee, fee_no=fee).worst for m in np.linspace(0, 2 * n, 41)]
        assert max(grid) <= found.pnl.worst + 1e-6
        assert max(grid) < -cap


def test_bin_sign_vector() -> None:
    holding = net_exposure(100, 40)
    assert (holding.net_yes, holding.locked_dollars) == (60, 40)
    assert net_exposure(100, -100).net_yes == 200


@given(st.integers(-50, 50), st.integers(-50, 50))
def test_law_net_exposure_pays_what_the_holding_pays(yes: int, no: int) -> None:
    net = net_exposure(yes, no)
    assert net.locked_dollars + max(net.net_yes, 0) == yes
    assert net.locked_dollars + max(-net.net_yes, 0) == no
    exclusive = exclusive_exposure([yes, 0], [no, 0])
    np.testing.assert_array_equal(exclusive.payoffs, [yes, no])


def test_negrisk_vector() -> None:
    found = exclusive_exposure([0, 0, 0], [1, 1, 0])
    np.testing.assert_array_equal(found.payoffs, [1, 1, 2])
    np.testing.assert_array_equal(found.net_yes, [0, 0, 1])
    assert found.locked_dollars == 1


def test_digital_vector_and_its_derivative() -> None:
    found = digital_delta(100, 105, 0.1, 0.5)
    assert found.price == pytest.approx(DIGITAL_PRICE, rel=1e-9)
    assert found.delta == pytest.approx(DIGITAL_DELTA, rel=1e-9)
    assert found.hedge_units(1000) == pytest.approx(-1000 * DIGITAL_DELTA, rel=1e-9)
    up, down = (digital_delta(s, 105, 0.1, 0.5, rate=0.04).price for s in (100.001, 99.999))
    assert digital_delta(100, 105, 0.1, 0.5, rate=0.04).delta == pytest.approx((up - down) / 0.002, rel=1e-6)
    assert digital_delta(100, 100, 1e-8, 0.5).delta > 50  # no bound near the strike and the end


def test_bin_pair_vector() -> None:
    found = binary_pair_ratio(0.6, 0.3, 0.25, 0.5, 0.8)
    assert (found.volatility_1, found.volatility_2, found.ratio) == pytest.approx((BIN_PAIR_V1, BIN_PAIR_V2, BIN_PAIR_H), rel=1e-9)
    assert found.variance_left == pytest.approx(0.36, rel=1e-9)


def test_bin_pair_hedges_simulated_information() -> None:
    rng = np.random.default_rng(2)
    first = rng.standard_normal(200_000)
    second = 0.8 * first + 0.6 * rng.standard_normal(200_000)
    found, dt = binary_pair_ratio(0.6, 0.3, 0.25, 0.5, 0.8), 1e-5
    moves = [
        stats.norm.cdf((stats.norm.ppf(p) * math.sqrt(left) + math.sqrt(dt) * e) / math.sqrt(left - dt)) - p
        for p, left, e in ((0.6, 0.25, first), (0.3, 0.5, second))
    ]
    slope = np.cov(moves[0], moves[1])[0, 1] / np.var(moves[1])
    assert slope == pytest.approx(found.ratio, rel=0.01)
    assert np.var(moves[0] - found.ratio * moves[1]) / np.var(moves[0]) == pytest.approx(found.variance_left, rel=0.02)


def test_binary_refuses() -> None:
    with pytest.raises(ConfigError, match="price_yes=55: must be above 0 and below 1"):
        binary_pnl(1, 0, 55, 0.5)
    with pytest.raises(ConfigError, match="a NO must cost less than the 1"):
        binary_cap(100, 0.5, 0.99, 10, fee_no=0.01)
    with pytest.raises(ConfigError, match="n_yes=0"):
        binary_cap(0, 0.5, 0.5, 10)
    with pytest.raises(ConfigError, match="finite numbers of contracts"):
        net_exposure(math.inf, 0)
    with pytest.raises(DataError, match="at least two"):
        exclusive_exposure([1], [1])
    with pytest.raises(DataError, match="nan, n_no 0 at position 1"):
        exclusive_exposure([1, math.nan], [1, 0])
    with pytest.raises(ConfigError, match="correlation=2"):
        binary_pair_ratio(0.5, 0.5, 1, 1, 2)
    with pytest.raises(ConfigError, match="time_left_2=0"):
        binary_pair_ratio(0.5, 0.5, 1, 0, 0.5)
    with pytest.raises(ConfigError, match="strike=0"):
        digital_delta(1, 0, 1, 1)
    with pytest.raises(ConfigError, match="rate=nan"):
        digital_delta(1, 1, 1, 1, rate=math.nan)


# ---------------------------------------------------------------------- kelly


def test_kelly_vector() -> None:
    plain = kelly(0.6, 0.5)
    assert (plain.stake, plain.growth) == pytest.approx((KELLY_1956_F, KELLY_1956_GROWTH), rel=1e-9)
    assert kelly(0.6, 0.5, fee=0.0175).stake == pytest.approx(KELLY_FEE_F, rel=1e-9)
    assert kelly(0.30, 0.22).stake == pytest.approx(KELLY_F3, rel=1e-9)


def test_kelly_is_the_best_growth() -> None:
    found = kelly(0.6, 0.5, fee=0.0175)
    cost = 0.5175

    def loss(f: float) -> float:
        return -(0.6 * math.log(1 + f * (1 - cost) / cost) + 0.4 * math.log(1 - f))

    best = optimize.minimize_scalar(loss, bounds=(0, 0.9), method="bounded", options={"xatol": 1e-10})
    assert found.full_stake == pytest.approx(best.x, abs=1e-6)
    assert found.full_growth == pytest.approx(-best.fun, rel=1e-10)


def test_fractional_kelly_and_no_edge() -> None:
    half = kelly(0.6, 0.5, fraction=0.5)
    assert half.stake == pytest.approx(0.1)
    assert 0.7 * half.full_growth < half.growth < half.full_growth  # half the stake keeps about three quarters of the growth
    none = kelly(0.51, 0.5, fee=0.0175)
    assert (none.stake, none.growth) == (0, 0)
    assert none.edge == pytest.approx(-0.0075)
    assert "no edge: it costs 0.5175 with its fee and is worth 0.51" in none.reason
    assert kelly(0.99, 0.98, fee=0.05).stake == 0


def best_growth(p: np.ndarray, cost: np.ndarray) -> float:
    """Log growth of the best joint bet, by a general optimiser."""

    def loss(f: np.ndarray) -> float:
        wealth = np.r_[1 - f.sum() + f / cost, 1 - f.sum()]
        return -float(np.r_[p, max(0.0, 1 - p.sum())] @ np.log(np.maximum(wealth, 1e-12)))

    cap = {"type": "ineq", "fun": lambda f: 1 - 1e-9 - f.sum()}
    runs = [
        optimize.minimize(loss, start, bounds=[(0, 1)] * len(p), constraints=[cap], method="SLSQP", options={"ftol": 1e-14, "maxiter": 500})
        for start in (np.full(len(p), 0.01), p / 2)
    ]
    return -min(run.fun for run in runs)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_exclusive_kelly_is_the_numerical_optimum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    k = int(rng.integers(2, 6))
    p = rng.dirichlet(np.ones(k + 1))[:k] * 0.98 + 0.001
    prices = np.clip(rng.dirichlet(np.ones(k + 1) * 3)[:k] * 1.15, 0.01, 0.9)
    found = kelly_exclusive(p, prices, fee=0.005)
    assert found.full_growth == pytest.approx(best_growth(p, prices + 0.005), abs=2e-7)


def test_exclusive_kelly_of_one_outcome_is_kelly() -> None:
    one = kelly_exclusive([0.6], [0.5], fee=0.0175, fraction=0.5)
    alone = kelly(0.6, 0.5, fee=0.0175, fraction=0.5)
    assert one.stakes[0] == pytest.approx(alone.stake, rel=1e-12)
    assert one.growth == pytest.approx(alone.growth, rel=1e-12)
    assert one.full_growth == pytest.approx(alone.full_growth, rel=1e-12)


def test_an_outcome_without_an_edge_of_its_own_can_deserve_a_stake() -> None:
    found = kelly_exclusive([0.5, 0.29], [0.3, 0.30])
    assert kelly(0.29, 0.30).stake == 0
    assert found.stakes[1] > 0.05
    assert found.growth > kelly(0.5, 0.3).growth


def test_exclusive_kelly_without_edge_and_with_an_arbitrage() -> None:
    none = kelly_exclusive([0.3, 0.3, 0.4], [0.32, 0.32, 0.42])
    assert not none.stakes.any()
    assert none.growth == 0
    assert none.reason.startswith("no edge")
    sure = kelly_exclusive([0.5, 0.5], [0.45, 0.45])
    assert sure.reserve == 0
    np.testing.assert_allclose(sure.stakes, [0.5, 0.5])
    assert sure.growth == pytest.approx(math.log(0.5 / 0.45))


def test_kelly_refuses() -> None:
    with pytest.raises(ConfigError, match="probability=1:"):
        kelly(1, 0.5)
    with pytest.raises(ConfigError, match="fraction=2: must be from 0 to 1"):
        kelly(0.6, 0.5, fraction=2)
    with pytest.raises(DataError, match=r"add up to 1\.2"):
        kelly_exclusive([0.6, 0.6], [0.5, 0.5])
    with pytest.raises(DataError, match=r"prices is 1\.5 at position 1"):
        kelly_exclusive([0.5, 0.5], [0.5, 1.5])
    with pytest.raises(DataError, match="2 probabilities, 1 prices"):
        kelly_exclusive([0.5, 0.5], [0.5])
    with pytest.raises(DataError, match="fee="):
        kelly_exclusive([0.5, 0.4], [0.5, 0.5], fee=[0.1, 0.1, 0.1])
    with pytest.raises(DataError, match="one number for each outcome"):
        kelly_exclusive([], [])


@pytest.mark.parametrize(("contracts", "price", "fee"), KALSHI_FEES)
def test_kalshi_fee_vector(contracts: int, price: str, fee: str) -> None:
    assert quadratic_fee(contracts, price, rate="0.07", quantum="0.01") == Decimal(fee)
    assert quadratic_fee(contracts, float(price), rate=0.07, quantum=0.01) == Decimal(fee)


def test_fee_rounding_is_data() -> None:
    assert quadratic_fee(100, "0.25", rate="0.07", quantum="0.0001") == Decimal("1.3125")
    assert quadratic_fee(100, "0.25", rate="0.07", quantum="0.01", rounding="down") == Decimal("1.31")
    assert quadratic_fee(1, "0.5", rate="0.10", quantum="0.01", rounding="nearest") == Decimal("0.03")
    assert quadratic_fee(100, 1, rate="0.07", quantum="0.01") == 0
    assert math.ceil(0.07 * 100 * 0.1 * 0.9 * 100) / 100 == 0.64  # what floats would charge for 0.63


def test_fee_refuses() -> None:
    with pytest.raises(ConfigError, match=r"price=1.5: must be from 0 to 1"):
        quadratic_fee(1, "1.5", rate="0.07", quantum="0.01")
    with pytest.raises(ConfigError, match="quantum=0: must be above 0"):
        quadratic_fee(1, "0.5", rate="0.07", quantum=0)
    with pytest.raises(ConfigError, match="rate='seven': must be a finite number"):
        quadratic_fee(1, "0.5", rate="seven", quantum="0.01")
    with pytest.raises(ConfigError, match="contracts=-1"):
        quadratic_fee(-1, "0.5", rate="0.07", quantum="0.01")
    with pytest.raises(ConfigError, match="rounding='even'"):
        quadratic_fee(1, "0.5", rate="0.07", quantum="0.01", rounding="even")
