"""No-trade bands: the published laws, and a Brownian target by Monte Carlo (METHODS sections 2 and 3)."""

from __future__ import annotations

import doctest
import math

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import norm

from hedgekit.errors import ConfigError
from hedgekit.stats.bands import (
    band_from_history,
    cost_of_band,
    discrete_band,
    fixed_cost_band,
    garleanu_pedersen,
    history,
    least_turnover,
    mixed_cost_band,
    one_period,
    proportional_band,
    whalley_wilmott,
    widths,
)

K, V, PENALTY, F = 0.002, 0.04, 1.5, 1e-4  # inputs of BAND-EDGE, BAND-FIXED

# vectors.json BAND-EDGE (Rogers 2004; Martin 2014): closed form.
EDGE_HALF_WIDTH, EDGE_COST_RATE, EDGE_TURNOVER = 0.043088693800637685, 0.0013924766500838332, 0.4641588833612778
CENTRE_HALF_WIDTH, CENTRE_COST_RATE, CENTRE_TO_EDGE = 0.06839903786706789, 0.0017544106429277196, 1.2599210498948732
METHODS_3_MC_EDGE, METHODS_3_MC_CENTRE = 0.001388, 0.001755  # Monte Carlo of METHODS section 3
FIXED_HALF_WIDTH, FIXED_COST_RATE = 0.07521206186172788, 0.0014142135623730952  # BAND-FIXED
WHALLEY_WILMOTT_1997_GAMMA, WHALLEY_WILMOTT_1997_DELTA, WHALLEY_WILMOTT_1997_WIDTH = (
    0.027358658565220986,
    0.5977344689084383,
    0.1030721096910271,
)
GARLEANU_PEDERSEN_2013_A, GARLEANU_PEDERSEN_2013_FRACTION = 2.2990733824371348, 0.45981467648742697  # GP
ONE_STEP_THRESHOLD, ONE_STEP_GAIN = 0.005333333333333333, 4.033333333333334e-05  # ONE-STEP

positive = st.floats(1e-6, 1e3)


def simulated(outer: float, inner: float, looks: int, dt: float, seed: int) -> tuple[float, float, float]:
    """Return mean squared deviation, turnover and trades for each unit of time, of a Brownian target with variance rate V."""
    return _simulated(outer, inner, looks, math.sqrt(V * dt), np.random.Generator(np.random.PCG64(seed)), dt)


@numba.njit
def _simulated(outer, inner, looks, step, rng, dt):  # noqa: ANN001, ANN202, PLR0913 - compiled
    x, square, turnover, trades = 0.0, 0.0, 0.0, 0
    for _ in range(looks):
        x += step * rng.standard_normal()
        if abs(x) > outer:
            goal = math.copysign(inner, x)
            turnover += abs(x - goal)
            trades += 1
            x = goal
        square += x * x
    return square / looks, turnover / (looks * dt), trades / (looks * dt)


def test_the_cube_root_law_and_trading_to_the_target_beside_it() -> None:
    band = proportional_band(K, V, PENALTY)
    assert band.half_width == pytest.approx(EDGE_HALF_WIDTH, rel=1e-9)
    assert band.cost_rate == pytest.approx(EDGE_COST_RATE, rel=1e-9)
    assert band.cost_rate == pytest.approx(3 * K * V / (4 * band.half_width), rel=1e-12)
    assert band.turnover_rate == pytest.approx(EDGE_TURNOVER, rel=1e-9)
    assert band.target.half_width == pytest.approx(CENTRE_HALF_WIDTH, rel=1e-9)
    assert band.target.cost_rate == pytest.approx(CENTRE_COST_RATE, rel=1e-9)
    assert band.target.cost_rate / band.cost_rate == pytest.approx(CENTRE_TO_EDGE, rel=1e-9)
    assert 1 + band.excess_frac == pytest.approx(CENTRE_TO_EDGE, rel=1e-12)
    assert band.edge.trades_rate == math.inf


def test_brownian_target_by_monte_carlo() -> None:
    """METHODS 3: objective within 5% of 3Kv/(4b*); trading to the target costs 26% more at best."""
    band, dt = proportional_band(K, V, PENALTY), 2e-5
    looks = 20_000_000
    square, turnover, _ = simulated(band.half_width, band.half_width, looks, dt, 1)
    edge = K * turnover + PENALTY / 2 * square
    assert edge == pytest.approx(3 * K * V / (4 * band.half_width), rel=0.05)
    assert edge == pytest.approx(METHODS_3_MC_EDGE, rel=0.03)
    square, turnover, _ = simulated(band.target.half_width, 0.0, looks, dt, 2)
    centre = K * turnover + PENALTY / 2 * square
    assert centre == pytest.approx(METHODS_3_MC_CENTRE, rel=0.03)
    assert centre / edge == pytest.approx(CENTRE_TO_EDGE, abs=0.05)


def test_fixed_cost() -> None:
    band = fixed_cost_band(F, V, PENALTY)
    assert band.half_width == pytest.approx(FIXED_HALF_WIDTH, rel=1e-9)
    assert band.cost_rate == pytest.approx(FIXED_COST_RATE, rel=1e-9)
    assert band.trades_rate == pytest.approx(V / band.half_width**2)
    assert band.return_to == 0


def test_both_costs_beat_every_other_band_and_meet_monte_carlo() -> None:
    band = mixed_cost_band(K, F, V, PENALTY)

    def objective(edges: np.ndarray) -> float:
        outer, inner = edges
        return PENALTY / 12 * (outer**2 + inner**2) + V * (F + K * (outer - inner)) / (outer**2 - inner**2)

    found = minimize(objective, [0.1, 0.01], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-16})
    assert band.cost_rate == pytest.approx(found.fun, rel=1e-9)
    assert [band.half_width, band.return_to] == pytest.approx(found.x, abs=1e-5)
    square, turnover, trades = simulated(band.half_width, band.return_to, 10_000_000, 5e-5, 3)
    assert K * turnover + F * trades + PENALTY / 2 * square == pytest.approx(band.cost_rate, rel=0.03)


def test_both_costs_end_in_the_two_pure_laws() -> None:
    assert mixed_cost_band(0.0, F, V, PENALTY).half_width == pytest.approx(FIXED_HALF_WIDTH, rel=1e-12)
    assert mixed_cost_band(0.0, F, V, PENALTY).return_to == pytest.approx(0, abs=1e-9)
    only = mixed_cost_band(K, 0.0, V, PENALTY)
    assert (only.half_width, only.return_to) == pytest.approx((EDGE_HALF_WIDTH, EDGE_HALF_WIDTH), rel=1e-12)
    assert mixed_cost_band(0.0, 0.0, V, PENALTY).cost_rate == 0


@settings(deadline=None, max_examples=50)
@given(positive, positive, positive, positive, st.floats(0.5, 2), st.floats(0, 1))
def test_no_other_band_is_better(cost: float, fixed: float, v: float, k: float, wide: float, back: float) -> None:  # noqa: PLR0913 - the model's letters
    best = mixed_cost_band(cost, fixed, v, k)
    other = cost_of_band(
        best.half_width * wide, variance_rate=v, penalty=k, cost=cost, fixed_cost=fixed, return_to=best.half_width * wide * back
    )
    assert best.cost_rate <= other.cost_rate * (1 + 1e-9)
    assert 0 <= best.return_to <= best.half_width


@settings(deadline=None, max_examples=50)
@given(positive, positive, positive, st.floats(0.1, 10))
def test_units_do_not_matter(cost: float, v: float, k: float, unit: float) -> None:
    """Positions in another unit: widths scale with it, money does not."""
    one, other = proportional_band(cost, v, k), proportional_band(cost / unit, v * unit**2, k / unit**2)
    assert other.half_width == pytest.approx(one.half_width * unit, rel=1e-9)
    assert other.cost_rate == pytest.approx(one.cost_rate, rel=1e-9)


def test_edges_of_the_law() -> None:
    assert proportional_band(0.0, V, PENALTY).half_width == 0
    still = proportional_band(K, 0.0, PENALTY)
    assert (still.half_width, still.cost_rate, still.turnover_rate) == (0, 0, 0)
    assert cost_of_band(0.0, variance_rate=V, penalty=PENALTY, cost=K).cost_rate == math.inf
    assert cost_of_band(0.1, variance_rate=V, penalty=PENALTY, fixed_cost=F).cost_rate == math.inf
    assert discrete_band(K, 0.0, PENALTY).half_width == 0


def clipped_chain(half: float, interval: float) -> float:
    """Second route: cost of a band looked at each interval, by a Markov chain on a grid."""
    step, points = math.sqrt(V * interval), 401
    x = np.linspace(-half, half, points)
    cells = np.r_[-np.inf, (x[:-1] + x[1:]) / 2, np.inf]
    moves = np.diff(norm.cdf((cells - x[:, None]) / step), axis=1)
    system, right = moves.T - np.eye(points), np.zeros(points)
    system[-1], right[-1] = 1, 1
    share = np.linalg.solve(system, right)
    beyond = sum(step * (norm.pdf(gap) - gap * norm.sf(gap)) for gap in ((half - x) / step, (half + x) / step))
    return float(share @ (K / interval * beyond + PENALTY / 2 * (x * x + V * interval / 2)))


@pytest.mark.parametrize("interval", [0.001, 0.005, 0.02, 0.1])
def test_one_look_a_bar_by_a_second_route(interval: float) -> None:
    band = discrete_band(K, V, PENALTY, look_interval=interval)
    assert clipped_chain(band.half_width, interval) == pytest.approx(band.cost_rate, rel=1e-4)
    assert all(clipped_chain(band.half_width * f, interval) > clipped_chain(band.half_width, interval) for f in (0.8, 1.25))
    assert band.half_width < proportional_band(K, V, PENALTY).half_width


def test_the_continuous_band_is_too_wide_for_one_look_a_bar() -> None:
    """The trap: at a band one step wide the continuous law costs a third more than the best."""
    smooth = proportional_band(K, V, PENALTY).half_width
    unavoidable = PENALTY * V * 0.05 / 4
    best = discrete_band(K, V, PENALTY, look_interval=0.05).cost_rate - unavoidable
    assert (clipped_chain(smooth, 0.05) - unavoidable) / best == pytest.approx(1.32, abs=0.01)


def test_one_look_a_bar_by_monte_carlo() -> None:
    band = discrete_band(K, V, PENALTY, look_interval=0.01)
    square, turnover, trades = simulated(band.half_width, band.half_width, 4_000_000, 0.01, 4)
    assert turnover == pytest.approx(band.turnover_rate, rel=0.01)
    assert trades == pytest.approx(band.trades_rate, rel=0.01)
    assert PENALTY / 2 * (square + V * 0.01 / 2) == pytest.approx(band.risk_rate, rel=0.01)


def test_the_limits_of_one_look_a_bar() -> None:
    often, edge = discrete_band(K, V, PENALTY, look_interval=1e-7), proportional_band(K, V, PENALTY).edge
    assert often.half_width == pytest.approx(edge.half_width, rel=2e-3)
    assert often.cost_rate == pytest.approx(edge.cost_rate, rel=1e-5)
    assert math.isfinite(often.trades_rate)
    seldom = discrete_band(K, V, PENALTY, look_interval=10.0)
    assert seldom.half_width == pytest.approx(K / (PENALTY * 10), rel=1e-2)
    below, above = (discrete_band(K, V, PENALTY, look_interval=(edge.half_width / w) ** 2 / V) for w in (59.0, 61.5))
    assert below.cost_rate == pytest.approx(above.cost_rate, rel=1e-4)  # quadrature and far law meet
    assert discrete_band(0.0, V, PENALTY).half_width == 0
    assert discrete_band(0.0, V, PENALTY).turnover_rate == pytest.approx(math.sqrt(V) * math.sqrt(2 / math.pi), rel=1e-6)


def test_whalley_wilmott_is_the_same_law() -> None:
    band = whalley_wilmott(100, 100, 0.5, 0.2, rate=0.05, cost_frac=0.01, risk_aversion=1)
    assert band.gamma == pytest.approx(WHALLEY_WILMOTT_1997_GAMMA, rel=1e-9)
    assert band.delta == pytest.approx(WHALLEY_WILMOTT_1997_DELTA, rel=1e-9)
    assert band.half_width == pytest.approx(WHALLEY_WILMOTT_1997_WIDTH, rel=1e-9)
    formula = (1.5 * math.exp(-0.05 * 0.5) * 0.01 * 100 * band.gamma**2 / 1) ** (1 / 3)
    assert band.law.half_width == pytest.approx(formula, rel=1e-12)
    assert (band.lower, band.upper) == pytest.approx((band.delta - band.half_width, band.delta + band.half_width))
    put = whalley_wilmott(100, 100, 0.5, 0.2, rate=0.05, cost_frac=0.01, risk_aversion=1, kind="put")
    assert (put.delta, put.half_width) == pytest.approx((band.delta - 1, band.half_width))


def riccati(rho: float, gamma: float, lam: float, phi: float) -> tuple[float, float]:
    """Second route: iterate the value function -a x^2/2 + b x f of one asset with a decaying target f, and read the trade off it."""
    a = b = 0.0
    keep = 1 - rho
    for _ in range(20_000):
        weight = gamma + lam + keep * a
        a, b = lam - lam * lam / weight, lam * (gamma + keep * (1 - phi) * b) / weight
    weight = gamma + lam + keep * a
    return 1 - lam / weight, (gamma + keep * (1 - phi) * b) / weight


def test_garleanu_pedersen_and_riccati() -> None:
    rule_ = garleanu_pedersen(cost=5, risk_aversion=2, discount=0.01)
    assert rule_.a == pytest.approx(GARLEANU_PEDERSEN_2013_A, rel=1e-9)
    assert rule_.trade_fraction == pytest.approx(GARLEANU_PEDERSEN_2013_FRACTION, rel=1e-9)
    assert rule_.aim_fraction == 1
    assert rule_.move(1.0, 3.0) == pytest.approx(1 + 2 * GARLEANU_PEDERSEN_2013_FRACTION)
    assert (1 - rule_.trade_fraction) ** rule_.half_life_periods == pytest.approx(0.5)


@pytest.mark.parametrize("rho", [0.0, 0.3])
@pytest.mark.parametrize("phi", [0.0, 0.2])
def test_the_riccati_route_agrees(rho: float, phi: float) -> None:
    """A period's utility counts after the discount as in the paper: position risk and cost scale alike."""
    keep = 1 - rho
    gamma, lam = 2.0, 5.0
    found = garleanu_pedersen(cost=lam, risk_aversion=gamma, discount=rho, signal_decay=phi)
    # In the paper returns of a period come after its trade and are discounted once more than its cost.
    fraction, pull = riccati(rho, gamma * keep, lam, phi)
    assert found.trade_fraction == pytest.approx(fraction, rel=1e-9)
    assert found.trade_fraction * found.aim_fraction == pytest.approx(pull, rel=1e-9)


def test_one_period_soft_threshold() -> None:
    far = one_period(0.02, 0.0, cost=K, penalty=PENALTY, horizon=0.25)
    assert far.threshold == pytest.approx(ONE_STEP_THRESHOLD, rel=1e-9)
    assert far.position == pytest.approx(ONE_STEP_THRESHOLD, rel=1e-9)
    assert far.gain == pytest.approx(ONE_STEP_GAIN, rel=1e-9)
    assert far.gain == pytest.approx(far.risk_removed - far.cost)
    assert 0 < far.gain_to_target < far.gain
    near = one_period(-0.003, 0.0, cost=K, penalty=PENALTY, horizon=0.25)
    assert (near.position, near.trade, near.gain) == (-0.003, 0, 0)
    assert near.gain_to_target < 0  # the trap of A16: trading to the target would cost more than it removes
    free = one_period(1.0, 0.0, cost=K, penalty=0.0, horizon=1.0)
    assert (free.position, free.threshold) == (1.0, math.inf)


@settings(deadline=None, max_examples=50)
@given(st.floats(-5, 5), st.floats(-5, 5), positive, positive, positive, st.floats(-10, 10))
def test_no_other_position_gains_more(x: float, target: float, cost: float, k: float, tau: float, other: float) -> None:  # noqa: PLR0913 - the model's letters
    best = one_period(x, target, cost=cost, penalty=k, horizon=tau)
    gain = k * tau / 2 * ((x - target) ** 2 - (other - target) ** 2) - cost * abs(other - x)
    assert gain <= best.gain + 1e-9 * (1 + k * tau * 100 + cost * 10)
    assert best.gain >= -1e-9 * (1 + k * tau * 100)


def test_examples_in_the_docstrings() -> None:
    for module in (widths, history):
        result = doctest.testmod(module)
        assert result.attempted
        assert not result.failed


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: proportional_band(-1, V, PENALTY), "cost=-1: must be a finite number, 0 or more"),
        (lambda: proportional_band(K, math.nan, PENALTY), "variance_rate=nan"),
        (lambda: proportional_band(K, V, 0), "penalty=0: must be a finite number above 0"),
        (lambda: fixed_cost_band(math.inf, V, PENALTY), "fixed_cost=inf"),
        (lambda: cost_of_band(0.1, variance_rate=V, penalty=1, return_to=0.2), "return_to=0.2 is beyond half_width=0.1"),
        (lambda: cost_of_band(-0.1, variance_rate=V, penalty=1), "half_width=-0.1"),
        (lambda: discrete_band(K, V, PENALTY, look_interval=0), "look_interval=0"),
        (lambda: whalley_wilmott(100, 100, 0, 0.2, cost_frac=0.01, risk_aversion=1), "years=0"),
        (lambda: whalley_wilmott(100, 100, 1, 0.2, cost_frac=0.01, risk_aversion=1, kind="straddle"), "kind='straddle'"),
        (lambda: garleanu_pedersen(cost=5, risk_aversion=2, discount=1.0), "discount=1: must be 0 or more and below 1"),
        (lambda: garleanu_pedersen(cost=0, risk_aversion=2), "cost=0"),
        (lambda: one_period(0, 1, cost=K, penalty=1, horizon=0), "horizon=0"),
        (lambda: least_turnover([0, 1], -1.0), "band is -1 at position 0: half-widths must be 0 or more"),
        (lambda: least_turnover([0, 1], 1.0, start=math.nan), "start=nan"),
        (lambda: band_from_history(np.arange(40.0), cost=K, hedge_variance=0, risk_aversion=1), "hedge_variance=0"),
    ],
)
def test_wrong_parameters(call: object, said: str) -> None:
    assert callable(call)
    with pytest.raises(ConfigError) as told:
        call()
    assert said in str(told.value)
