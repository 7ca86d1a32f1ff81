"""Thresholds of an OU spread: vectors, and for each closed form a second route (quadrature, maximisation, simulation)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, linalg, optimize, special, stats

from hedgekit.errors import ConfigError
from hedgekit.params import Params
from hedgekit.stats.thresholds import (
    OU,
    CycleRule,
    SCutoffs,
    bertram,
    exit_time,
    leung_li,
    passage_time,
    s_score,
    stop_probability,
    zeng_lee,
)
from hedgekit.stats.thresholds.discount import log_solution

# Bertram 2010 (his example; exact values recomputed in METHODS: ArbitrageLab's variances are .024% low).
BERTRAM_2010 = OU(180.9670, 0.0, 0.1538)
BERTRAM_2010_ENTRY, BERTRAM_2010_ENTRY_SD = -0.004715176714235128, -0.5832521247439229
BERTRAM_2010_E_T, BERTRAM_2010_VAR_T = 0.017122394302005635, 0.00015441687151544666
BERTRAM_2010_RATE, BERTRAM_2010_RATE_VAR = 0.49235832791695294, 0.002186214808461927
ARBITRAGELAB_BERTRAM_SHARPE = 3.86293  # c = .001, rf = .01; 0.03% high for the same sqrt(2)
# Zeng & Lee 2014: ArbitrageLab 1.0 tests (theta 3.4241, mu .0237, sigma .0081, c .02), 0.02% high for sqrt(2).
ZENG_LEE_2014 = OU(0.0237, 3.4241, 0.0081)
ARBITRAGELAB_ZENG_ALWAYS, ARBITRAGELAB_ZENG_CONVENTIONAL = 0.00043061662, 0.0003012195
ARBITRAGELAB_ZENG_ALWAYS_VAR = 3.467078460345948e-05
# METHODS vectors.
OU_STOP_P, OU_STOP_PNL = 0.028895292813084963, 1.4133141215607452
OU_TIME_DOWN, OU_TIME_WAIT = 0.901814469623703, 4.37121571615713
LEUNG_LI_B, LEUNG_LI_D, LEUNG_LI_V = 0.36329845805759, 0.211051781179552, 0.298333369138
AVELLANEDA_LEE_2010 = {
    "kappa": 21.012165452640858,
    "m": 0.010000000000000005,
    "sigma": 0.13232587757956008,
    "sigma_eq": 0.020412414523193152,
    "s": -0.4898979485566359,
    "tau_days": 11.993052337607978,
}

UNIT = OU(1.0, 0.0, math.sqrt(2))
"""Stationary sd of 1, time in units of 1/kappa."""


# ------------------------------------------------------------------------- OU


def test_ou_is_exact_over_any_number_of_bars() -> None:
    ou = OU.from_half_life(20, 0.006, mean=1.0)
    assert (ou.half_life, ou.sd) == pytest.approx((20, 0.006))
    assert ou.phi(20) == pytest.approx(0.5)
    assert ou.shock_sd(3) ** 2 == pytest.approx(ou.shock_sd() ** 2 * (1 + ou.phi() ** 2 + ou.phi() ** 4))
    assert ou.shock_sd(1e6) == pytest.approx(ou.sd)
    assert ou.z(ou.level(-2.5)) == pytest.approx(-2.5)


def test_a_random_walk_is_a_legal_ou() -> None:
    walk = OU(0.0, 1.0, 0.5)
    assert not walk.reverts
    assert (walk.half_life, walk.sd, walk.phi(9)) == (math.inf, math.inf, 1.0)
    assert walk.shock_sd(4) == 1.0


@pytest.mark.parametrize(
    ("numbers", "message"),
    [((-0.1, 0, 1), "kappa=-0.1"), ((1, math.nan, 1), "mean=nan"), ((1, 0, 0), "sigma=0"), ((math.inf, 0, 1), "kappa=inf")],
)
def test_ou_refuses(numbers: tuple[float, float, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        OU(*numbers)


def test_ou_from_half_life_refuses() -> None:
    with pytest.raises(ConfigError, match="half_life=0"):
        OU.from_half_life(0, 1)


# ------------------------------------------------------------- passage times


def test_ou_time_vector() -> None:
    assert passage_time(UNIT, 2, 0.5).bars == pytest.approx(OU_TIME_DOWN, rel=1e-9)
    assert exit_time(UNIT, 0.5, -2, 2).bars == pytest.approx(OU_TIME_WAIT, rel=1e-9)
    slow = OU(0.04, 3.0, 0.7)
    assert passage_time(slow, 2, 0.5).bars == pytest.approx(OU_TIME_DOWN / 0.04, rel=1e-9)


def exit_by_collocation(x: float, low: float, high: float, power: int = 1) -> float:
    """E[T] (power 1) or E[T^2] (power 2): solve f'' - z f' = -power E[T^(power - 1)] on Chebyshev points."""
    n = 60
    grid = np.cos(np.pi * np.arange(n + 1) / n)
    weight = np.r_[2, np.ones(n - 1), 2] * (-1.0) ** np.arange(n + 1)
    gap = grid[:, None] - grid[None, :] + np.eye(n + 1)
    first = np.outer(weight, 1 / weight) / gap
    first -= np.diag(first.sum(axis=1))
    first *= 2 / (high - low)
    z = low + (grid + 1) * (high - low) / 2
    operator = (first @ first - z[:, None] * first)[1:-1, 1:-1]
    moment = np.ones(n - 1)
    for k in range(1, power + 1):
        moment = linalg.solve(operator, -k * moment)
    return float(np.polynomial.chebyshev.chebval((2 * x - low - high) / (high - low), _coefficients(grid, np.r_[0, moment, 0])))


def _coefficients(grid: np.ndarray, values: np.ndarray) -> np.ndarray:
    return linalg.solve(np.polynomial.chebyshev.chebvander(grid, len(grid) - 1), values)


@pytest.mark.parametrize(("x", "low", "high"), [(0.5, -2.0, 2.0), (-1.0, -3.0, 0.5), (2.0, 0.5, 3.5)])
def test_exit_time_by_the_differential_equation(x: float, low: float, high: float) -> None:
    assert exit_time(UNIT, x, low, high).bars == pytest.approx(exit_by_collocation(x, low, high), rel=1e-9)


@pytest.mark.parametrize(("start", "to"), [(-1.0, 0.5), (2.0, 0.5), (0.0, 2.0)])
def test_passage_moments_by_the_differential_equation(start: float, to: float) -> None:
    far = -7.0 if to > start else 7.0  # so far that it is never met first
    low, high = sorted((far, to))
    found = passage_time(UNIT, start, to)
    mean = exit_by_collocation(start, low, high)
    assert found.bars == pytest.approx(mean, rel=1e-6)
    assert found.bars_sd == pytest.approx(math.sqrt(exit_by_collocation(start, low, high, 2) - mean**2), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3))
def test_law_passages_add_and_mirror(a: float, b: float, c: float) -> None:
    a, b, c = sorted((a, b, c))
    parts = passage_time(UNIT, a, b), passage_time(UNIT, b, c)
    whole, mirror = passage_time(UNIT, a, c), passage_time(UNIT, -a, -c)
    assert whole.bars == pytest.approx(parts[0].bars + parts[1].bars, rel=1e-9, abs=1e-12)
    assert whole.bars_sd**2 == pytest.approx(parts[0].bars_sd ** 2 + parts[1].bars_sd ** 2, rel=1e-9, abs=1e-12)
    assert mirror == whole


def test_passage_far_out_neither_overflows_nor_cancels() -> None:
    inwards = passage_time(UNIT, -200.0, -100.0)
    assert inwards.bars == pytest.approx(math.log(2), rel=1e-3)  # z falls like exp(-t) where noise is nothing
    assert passage_time(UNIT, 0, 6).bars == pytest.approx(
        integrate.quad(lambda y: math.sqrt(2 * math.pi) * math.exp(y * y / 2) * stats.norm.cdf(y), 0, 6)[0]
    )
    assert passage_time(UNIT, 0, 60).bars == math.inf
    assert exit_time(UNIT, 0, -60, 60).p_high == 0.5
    assert exit_time(UNIT, 0, -60, 20).p_high == 1.0
    assert exit_time(UNIT, 0, -60, 20).bars == pytest.approx(passage_time(UNIT, 0, 20).bars)


def test_passage_edges() -> None:
    assert passage_time(UNIT, 1, 1).bars == 0
    assert passage_time(OU(0, 0, 1), 1, 0).bars == math.inf
    assert math.isnan(exit_time(OU(0, 0, 1), 0, -1, 1).bars)
    assert exit_time(UNIT, 1, 0, 1) == exit_time(UNIT, 1, 0, 1)
    assert (exit_time(UNIT, 1, 0, 1).bars, exit_time(UNIT, 1, 0, 1).p_high) == (0, 1)
    with pytest.raises(ConfigError, match="z_start=nan"):
        passage_time(UNIT, math.nan, 1)
    with pytest.raises(ConfigError, match="ascending order"):
        exit_time(UNIT, 3, -1, 1)


# ------------------------------------------------------------------- the stop


def test_ou_stop_vector() -> None:
    odds = stop_probability(UNIT, 2, 0.5, 3.5)
    assert odds.p_stop == pytest.approx(OU_STOP_P, rel=1e-9)
    assert odds.pnl_with_stop == pytest.approx(OU_STOP_PNL, rel=1e-9)
    assert odds.pnl_no_stop == pytest.approx(1.5, rel=1e-9)
    scaled = stop_probability(OU.from_half_life(20, 0.006), 2, 0.5, 3.5, cost=0.001)
    assert scaled.pnl_with_stop == pytest.approx(OU_STOP_PNL * 0.006 - 0.001, rel=1e-9)
    assert scaled.pnl_with_stop_sd == pytest.approx(OU_STOP_PNL - 1 / 6, rel=1e-9)
    assert scaled.pnl_no_stop_sd == pytest.approx(1.5 - 1 / 6, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.floats(-1, 1), st.floats(0.1, 2), st.floats(0.1, 3))
def test_law_a_stop_only_costs_while_the_model_holds(target: float, width: float, room: float) -> None:
    entry, stop = target + width, target + width + room
    odds = stop_probability(UNIT, entry, target, stop)
    ratio = integrate.quad(lambda y: math.exp(y * y / 2), target, entry)[0] / integrate.quad(lambda y: math.exp(y * y / 2), target, stop)[0]
    assert odds.p_stop == pytest.approx(ratio, rel=1e-8)
    assert odds.premium == pytest.approx(odds.pnl_no_stop - odds.pnl_with_stop, abs=1e-9)
    assert odds.premium > 0
    assert odds.bars_with_stop < odds.bars_no_stop
    assert stop_probability(UNIT, entry, target, stop + 0.5).premium < odds.premium or entry < 1  # a wider stop costs less, as a rule


def test_stop_edges() -> None:
    assert stop_probability(UNIT, 2, 0, 40).p_stop < 1e-300
    nothing = stop_probability(OU(0, 0, 1), 2, 0.5, 3.5)
    assert math.isnan(nothing.p_stop)
    assert "no reversion" in nothing.reason
    with pytest.raises(ConfigError, match="target < entry < stop"):
        stop_probability(UNIT, 2, 0.5, 1.5)
    with pytest.raises(ConfigError, match="cost=-1"):
        stop_probability(UNIT, 2, 0.5, 3.5, cost=-1)


# ------------------------------------------------------- Bertram, Zeng and Lee


def test_bertram_vector() -> None:
    rule = bertram(BERTRAM_2010, 0.001)
    assert (rule.entry, rule.exit) == pytest.approx((BERTRAM_2010_ENTRY, -BERTRAM_2010_ENTRY), rel=1e-6)
    assert -rule.z_entry == pytest.approx(BERTRAM_2010_ENTRY_SD, rel=1e-6)
    assert (rule.bars, rule.bars_var) == pytest.approx((BERTRAM_2010_E_T, BERTRAM_2010_VAR_T), rel=1e-6)
    assert (rule.rate, rule.rate_var) == pytest.approx((BERTRAM_2010_RATE, BERTRAM_2010_RATE_VAR), rel=1e-6)
    assert rule.tradable
    assert "net of cost" in rule.reason


def test_bertram_variance_by_the_papers_series() -> None:
    # Equation 10 with Psi(x) = digamma(x) - digamma(1) and sqrt(2) in full; plain digamma gives 2.09e-4.
    z = 0.5832521247439229

    def w1(x: float) -> float:
        k = np.arange(1, 60)
        terms = special.gamma(k / 2) * (math.sqrt(2) * x) ** k / special.factorial(k)
        return float((0.5 * terms.sum()) ** 2 - (0.5 * (terms * (-1.0) ** k).sum()) ** 2)

    def w2(x: float, shift: float) -> float:
        k = np.arange(1, 60)
        odd = 2 * k - 1
        return float(
            (special.gamma(odd / 2) * (special.digamma(odd / 2) - shift) * (math.sqrt(2) * x) ** odd / special.factorial(odd)).sum()
        )

    def variance(shift: float) -> float:
        return (w1(z) - w1(-z) - w2(z, shift) + w2(-z, shift)) / 180.9670**2

    assert variance(special.digamma(1)) == pytest.approx(bertram(BERTRAM_2010, 0.001).bars_var, rel=1e-9)
    assert variance(0.0) == pytest.approx(2.09e-4, rel=5e-3)


@pytest.mark.parametrize("cost", [0.01, 0.3, 2.0])
def test_bertram_is_the_best_of_all_pairs_of_levels(cost: float) -> None:
    def loss(levels: np.ndarray) -> float:
        low, high = levels
        return -(high - low - cost) / (passage_time(UNIT, low, high).bars + passage_time(UNIT, high, low).bars) if high > low else 0.0

    best = optimize.minimize(loss, [-0.7 * cost - 0.3, 0.6 * cost + 0.4], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-14})
    rule = bertram(UNIT, cost)
    assert rule.rate == pytest.approx(-best.fun, rel=1e-9)
    assert (-rule.z_entry, -rule.z_exit) == pytest.approx(tuple(best.x), abs=1e-4)


def test_bertram_sharpe() -> None:
    rule = bertram(BERTRAM_2010, 0.001, maximise="sharpe", risk_free=0.01)
    assert rule.sharpe == pytest.approx(ARBITRAGELAB_BERTRAM_SHARPE, rel=5e-4)

    def loss(levels: np.ndarray) -> float:
        low, high = levels
        up, down = passage_time(BERTRAM_2010, low, high), passage_time(BERTRAM_2010, high, low)
        profit, mean = (high - low) * BERTRAM_2010.sd - 0.001, up.bars + down.bars
        return -(profit - 0.01) / profit * math.sqrt(mean / (up.bars_sd**2 + down.bars_sd**2))

    best = optimize.minimize(loss, [-1.2, 1.5], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10})
    assert rule.sharpe == pytest.approx(-best.fun, rel=1e-8)
    assert rule.z_entry == pytest.approx(-best.x[0], abs=1e-3)


def test_bertram_sharpe_without_a_hurdle_has_no_answer() -> None:
    ratios = [bertram(replace(UNIT, kappa=1.0), cost).bars / bertram(UNIT, cost).bars_var for cost in (0.3, 0.1, 0.01)]
    assert ratios == sorted(ratios)  # the smaller the trade the better its E[T]/Var[T], whatever it earns
    rule = bertram(UNIT, 0.1, maximise="sharpe")
    assert not rule.tradable
    assert math.isnan(rule.z_entry)
    assert "give risk_free" in rule.reason


def test_zeng_lee_package_values() -> None:
    always, conventional = zeng_lee(ZENG_LEE_2014, 0.02), zeng_lee(ZENG_LEE_2014, 0.02, rule="conventional")
    assert always.rate == pytest.approx(ARBITRAGELAB_ZENG_ALWAYS, rel=3e-4)
    assert conventional.rate == pytest.approx(ARBITRAGELAB_ZENG_CONVENTIONAL, rel=3e-4)
    assert always.rate > conventional.rate
    assert 2 * always.rate_var == pytest.approx(ARBITRAGELAB_ZENG_ALWAYS_VAR, rel=1e-3)  # it counts the cycle twice (see the simulation)
    assert conventional.z_exit == 0
    assert always.z_exit == -always.z_entry


def test_zeng_lee_always_is_twice_bertram() -> None:
    one, two = bertram(ZENG_LEE_2014, 0.02), zeng_lee(ZENG_LEE_2014, 0.02)
    assert two.z_entry == one.z_entry
    assert two.rate == pytest.approx(2 * one.rate, rel=1e-12)
    assert two.bars_var == pytest.approx(one.bars_var / 2, rel=1e-9)


def test_zeng_lee_conventional_is_the_best_entry_by_passage_times() -> None:
    def loss(a: float) -> float:
        return -(a - 0.4) / (passage_time(UNIT, a, 0).bars + exit_time(UNIT, 0, -a, a).bars)

    best = optimize.minimize_scalar(loss, bounds=(0.4, 4), method="bounded", options={"xatol": 1e-9})
    rule = zeng_lee(UNIT, 0.4, rule="conventional")
    assert rule.z_entry == pytest.approx(best.x, abs=1e-6)
    assert rule.rate == pytest.approx(-best.fun, rel=1e-10)
    wait = exit_by_collocation(0, -rule.z_entry, rule.z_entry, 2) - exit_by_collocation(0, -rule.z_entry, rule.z_entry) ** 2
    assert rule.bars_var == pytest.approx(passage_time(UNIT, rule.z_entry, 0).bars_sd ** 2 + wait, rel=1e-8)


def follow(rule: CycleRule, *, two_sided: bool, bars: int, seed: int) -> np.ndarray:
    """Return the times of completed cycles of a rule on one exact path, entry to next entry."""
    rng = np.random.default_rng(seed)
    phi, sd = rule.ou.phi(), rule.ou.shock_sd() / rule.ou.sd
    z, side, opened, times, last = 0.0, 0, 0, [], 0
    for t, e in enumerate(rng.standard_normal(bars)):
        z = phi * z + sd * e
        if side and -side * z <= rule.z_exit:
            side = 0
        if not side and (z <= -rule.z_entry or (two_sided and z >= rule.z_entry)):
            side, opened = (1 if z < 0 else -1), t
            times.append(opened - last)
            last = opened
    return np.array(times[1:])


@pytest.mark.parametrize(("name", "two_sided"), [("bertram", False), ("always", True), ("conventional", True)])
def test_cycle_moments_by_simulation(name: str, two_sided: bool) -> None:  # noqa: FBT001 - a parameter of the table above
    ou = OU.from_half_life(400, 1.0)
    rule = bertram(ou, 0.5) if name == "bertram" else zeng_lee(ou, 0.5, rule="always" if name == "always" else "conventional")
    times = follow(rule, two_sided=two_sided, bars=1_500_000, seed=7)
    # a rule that looks once a bar sees every level .58 shocks later (Broadie, Glasserman & Kou 1997)
    late = 0.5826 * ou.shock_sd()
    a, b = rule.z_entry + late, rule.z_exit - late
    wait = exit_time(ou, b, -a, a).bars if name == "conventional" else passage_time(ou, -b, -a).bars if name == "bertram" else 0.0
    expected = passage_time(ou, a, b).bars + wait
    error = times.std() / math.sqrt(len(times))
    assert times.mean() == pytest.approx(expected, abs=3 * error)
    assert times.mean() > rule.bars  # later than continuous watching
    assert times.std() == pytest.approx(math.sqrt(rule.bars_var) * expected / rule.bars, rel=0.12)


@settings(max_examples=40, deadline=None)
@given(st.floats(1e-6, 8), st.floats(1e-3, 3), st.floats(1e-4, 1e4))
def test_law_a_higher_cost_widens_and_earns_less_and_units_do_not_matter(cost: float, kappa: float, unit: float) -> None:
    ou = OU(kappa, 0.0, unit * math.sqrt(2 * kappa))
    for make in (bertram, zeng_lee):
        rule, dearer = make(ou, cost * unit), make(ou, 1.1 * cost * unit)
        assert dearer.z_entry > rule.z_entry > cost / 2
        assert dearer.rate < rule.rate
        assert rule.z_entry == pytest.approx(make(UNIT, cost).z_entry, rel=1e-6)
        assert rule.rate == pytest.approx(make(UNIT, cost).rate * unit * kappa, rel=1e-6)


def test_tiny_cost_keeps_its_digits() -> None:
    assert bertram(UNIT, 1e-12).z_entry == pytest.approx((1.5e-12) ** (1 / 3), rel=1e-6)  # a^3 / 3 = c / 2


def test_not_worth_trading_is_an_answer() -> None:
    for make in (bertram, zeng_lee):
        walk = make(OU(0, 0, 1), 0.1)
        assert not walk.tradable
        assert math.isnan(walk.rate)
        assert "no reversion" in walk.reason
        dear = make(OU.from_half_life(20, 1.0), 12.0)
        assert not dear.tradable
        assert dear.rate > 0
        assert "the cost is 12 stationary sd: one trade in" in dear.reason
        assert make(UNIT, 200.0).rate == 0
        free = make(UNIT, 0.0)
        assert not free.tradable
        assert free.z_entry == 0
        assert free.rate == pytest.approx(make(UNIT, 1e-9).rate, rel=1e-3)
    assert zeng_lee(UNIT, 0, rule="conventional").rate == pytest.approx(zeng_lee(UNIT, 1e-9, rule="conventional").rate, rel=1e-3)


def test_rule_serves_as_params() -> None:
    rule = bertram(OU.from_half_life(20, 0.006, mean=0.1), 0.003)
    params = Params.make(entry=rule.z_entry, target=rule.z_exit, stop=3.5)
    assert (params.entry, params.target) == (rule.z_entry, -rule.z_entry)
    assert rule.entry_short - 0.1 == pytest.approx(0.1 - rule.entry)
    assert rule.exit_short == pytest.approx(rule.entry)
    frame = rule.frame()
    assert isinstance(frame, pd.Series)
    assert frame["rate"] == rule.rate


def test_cycle_rules_refuse() -> None:
    with pytest.raises(ConfigError, match="maximise='profit': write 'return' or 'sharpe'"):
        bertram(UNIT, 0.1, maximise="profit")
    with pytest.raises(ConfigError, match="rule='both'"):
        zeng_lee(UNIT, 0.1, rule="both")
    with pytest.raises(ConfigError, match=r"cost=-0\.1"):
        bertram(UNIT, -0.1)
    with pytest.raises(ConfigError, match="cost=nan"):
        zeng_lee(UNIT, math.nan)
    with pytest.raises(ConfigError, match="longest_bars=0"):
        bertram(UNIT, 0.1, longest_bars=0)


# ---------------------------------------------------------------- Leung and Li

LEUNG_LI = OU(16.0, 0.3, 0.16)


def test_leung_li_vector() -> None:
    rule = leung_li(LEUNG_LI, rate=0.05, cost=0.05)
    assert rule.exit == pytest.approx(LEUNG_LI_B, abs=1e-8)
    assert rule.entry == pytest.approx(LEUNG_LI_D, abs=1e-8)
    assert rule.value_at_mean == pytest.approx(LEUNG_LI_V, abs=1e-8)
    assert rule.z_entry_deepest == math.inf
    assert rule.tradable


@pytest.mark.parametrize(("nu", "z"), [(0.003, -4.0), (0.003, 3.0), (0.7, -2.0), (2.5, 1.5), (12.0, 0.3)])
def test_discount_solution_is_the_parabolic_cylinder_function(nu: float, z: float) -> None:
    cylinder = special.pbdv(-nu, -z)[0]
    assert log_solution(nu, z) == pytest.approx(special.gammaln(nu) + z * z / 4 + math.log(cylinder), abs=1e-9)


@pytest.mark.parametrize("nu", [0.001, 1.0, 80.0])
@pytest.mark.parametrize("z", [-300.0, -20.0, -1.0, 0.0, 2.0, 60.0])
def test_discount_solution_solves_its_equation_far_out(nu: float, z: float) -> None:
    zero, one, two = (log_solution(nu + k, z) for k in range(3))  # F' = F(nu + 1), F'' = F(nu + 2): no overflow anywhere
    assert math.exp(two - zero) - z * math.exp(one - zero) == pytest.approx(nu, rel=1e-7, abs=1e-8 * abs(z) ** 2)


def hit_value(  # noqa: PLR0913 - one boundary value problem
    rule_ou: OU, x: float, low: float, high: float, pays: tuple[float, float], rate: float
) -> float:
    """Discounted value of being paid at either end, by finite differences (a third route beside F and G)."""
    n = 4_000
    grid = np.linspace(low, high, n + 1)
    h = grid[1] - grid[0]
    drift, diffusion = rule_ou.kappa * (rule_ou.mean - grid[1:-1]), rule_ou.sigma**2 / 2
    lower, upper = diffusion / h**2 - drift / (2 * h), diffusion / h**2 + drift / (2 * h)
    bands = np.zeros((3, n - 1))
    bands[0, 1:], bands[1], bands[2, :-1] = upper[:-1], -2 * diffusion / h**2 - rate, lower[1:]
    right = np.zeros(n - 1)
    right[0], right[-1] = -lower[0] * pays[0], -upper[-1] * pays[1]
    return float(np.interp(x, grid, np.r_[pays[0], linalg.solve_banded((1, 1), bands, right), pays[1]]))


def test_leung_li_with_a_stop_by_finite_differences() -> None:
    rule = leung_li(LEUNG_LI, rate=0.05, cost=0.01, stop=3.5)
    stop = LEUNG_LI.level(-3.5)

    def value(x: float, b: float) -> float:
        return hit_value(LEUNG_LI, x, stop, b, (stop - 0.01, b - 0.01), 0.05)

    best = optimize.minimize_scalar(lambda b: -value(0.3, b), bounds=(0.31, 0.42), method="bounded", options={"xatol": 1e-7})
    assert rule.exit == pytest.approx(best.x, abs=2e-4)
    for level in (0.21, 0.25, 0.3, 0.34):
        assert rule.value(level) == pytest.approx(value(level, rule.exit), abs=2e-7)
    # the entry: the best level to wait for, from above and from the stop's side
    gain = {float(x): value(float(x), rule.exit) - float(x) - 0.01 for x in np.linspace(stop + 1e-4, 0.3, 400)}
    from_above = max(gain, key=lambda d: gain[d] * hit_value(LEUNG_LI, 0.31, d, 0.9, (1, 0), 0.05))
    assert rule.entry == pytest.approx(from_above, abs=5e-4)
    deepest = LEUNG_LI.level(-rule.z_entry_deepest)
    from_below = max(gain, key=lambda a: gain[a] * hit_value(LEUNG_LI, stop, -0.3, a, (0, 1), 0.05) if a > stop + 2e-4 else -1)
    assert deepest == pytest.approx(from_below, abs=5e-4)
    assert stop < deepest < rule.entry < LEUNG_LI.mean < rule.exit


def test_leung_li_a_stop_lowers_exit_and_value_and_a_far_one_does_nothing() -> None:
    free, near, far = (leung_li(LEUNG_LI, rate=0.05, cost=0.005, stop=s) for s in (None, 3.0, 20.0))
    assert near.exit < free.exit
    assert near.value_at_mean < free.value_at_mean
    assert near.entry_value_at_mean < free.entry_value_at_mean
    assert (far.exit, far.entry, far.value_at_mean) == pytest.approx((free.exit, free.entry, free.value_at_mean), abs=1e-10)
    assert far.z_entry_deepest < 20


def test_leung_li_values_are_continuous_and_smooth() -> None:
    rule = leung_li(LEUNG_LI, rate=0.05, cost=0.01, stop=3.5, entry_rate=0.08, entry_cost=0.005)
    low, high = LEUNG_LI.level(-rule.z_entry_deepest), rule.entry
    for curve, at, slope in ((rule.value, rule.exit, 1.0), (rule.entry_value, low, None), (rule.entry_value, high, None)):
        h = 1e-6
        before, after = (curve(at) - curve(at - h)) / h, (curve(at + h) - curve(at)) / h
        assert before == pytest.approx(after, abs=1e-3)
        assert slope is None or before == pytest.approx(slope, abs=1e-3)
    assert rule.value(rule.exit + 1) == pytest.approx(rule.exit + 1 - 0.01)
    for level in (LEUNG_LI.level(-3.4), 0.2, 0.3, 0.4):  # the right to buy is worth at least buying now
        assert rule.entry_value(level) >= rule.value(level) - level - 0.005 - 1e-12


def test_leung_li_without_an_answer() -> None:
    walk = leung_li(OU(0, 0, 1), rate=0.05, cost=0.05)
    assert not walk.tradable
    assert math.isnan(walk.z_entry)
    assert math.isnan(walk.value(0.1))
    assert "no reversion" in walk.reason
    dear = leung_li(LEUNG_LI, rate=0.05, cost=0.1, stop=3.0)
    assert "no level pays" in dear.reason
    assert math.isnan(dear.entry_value(0.3))
    assert math.isfinite(dear.exit)
    tight = leung_li(LEUNG_LI, rate=0.05, cost=0.01, stop=-1.0)
    assert "the stop lies where selling at once is already best" in tight.reason
    rare = leung_li(LEUNG_LI, rate=0.05, cost=0.05, longest_bars=5.0)
    assert not rare.tradable
    assert "longer than longest_bars=5" in rare.reason
    for name in ("rate", "cost", "entry_rate", "entry_cost"):
        with pytest.raises(ConfigError, match=f"{name}=-1"):
            leung_li(LEUNG_LI, **({"rate": 0.05, "cost": 0.05} | {name: -1}))


@settings(max_examples=15, deadline=None)
@given(st.floats(0.01, 2), st.floats(1e-4, 0.5), st.floats(0, 0.3), st.floats(-3, 3))
def test_law_leung_li_smooth_fit_at_any_level_and_interest(kappa: float, rate: float, cost: float, mean: float) -> None:
    ou = OU(kappa, mean, math.sqrt(2 * kappa))
    rule = leung_li(ou, rate=rate, cost=cost + 0.001)
    assert rule.exit > cost
    assert rule.exit > rule.entry
    h = 1e-5
    assert (rule.value(rule.exit) - rule.value(rule.exit - h)) / h == pytest.approx(1, abs=1e-3)
    assert rule.value(rule.exit - 0.5) >= rule.exit - 0.5 - cost - 0.001


# --------------------------------------------------------------------- s-score


def test_avellaneda_lee_vector() -> None:
    score = s_score(0.0008, 0.92, 6.4e-5)
    for name, value in AVELLANEDA_LEE_2010.items():
        assert getattr(score, name) == pytest.approx(value, rel=1e-9), name
    assert score.tradable
    assert score.ou is not None
    assert score.ou.sd == pytest.approx(score.sigma_eq)
    assert score.ou.phi() == pytest.approx(0.92)
    assert score.ou.shock_sd() ** 2 == pytest.approx(6.4e-5)


def test_avellaneda_lee_bound() -> None:
    bound = math.exp(-8.4 / 252)
    assert bound == pytest.approx(0.9672, abs=5e-5)
    assert s_score(0, bound - 1e-9, 1e-4).tradable
    slow = s_score(0, bound + 1e-9, 1e-4)
    assert not slow.tradable
    assert "not within max_days=30" in slow.reason
    assert s_score(0, bound + 1e-9, 1e-4, max_days=31).tradable


def test_s_score_positions_and_cutoffs() -> None:
    def at(s: float, **options: float) -> tuple[int, int, int]:
        sd = math.sqrt(6.4e-5 / (1 - 0.92**2))
        score = s_score(0, 0.92, 6.4e-5, x=s * sd, **options)
        return score.position(-1), score.position(0), score.position(1)

    assert at(1.3) == (-1, -1, -1)
    assert at(0.8) == (-1, 0, 0)
    assert at(0.7) == (0, 0, 0)
    assert at(-0.45) == (0, 0, 0)
    assert at(-0.55) == (0, 0, 1)
    assert at(-1.3) == (1, 1, 1)
    assert at(-1.3, cost=0.02) == (0, 0, 1)  # the way back does not pay for the round trip: nothing is opened
    score = s_score(0, 0.92, 6.4e-5, cost=0.001)
    assert score.edge == pytest.approx(0.75 * score.sigma_eq - 0.001)
    assert (score.z_entry, score.z_exit) == (1.25, 0.5)
    with pytest.raises(ConfigError, match="held=2"):
        score.position(2)


def test_modified_s_score_takes_the_drift_off() -> None:
    plain, rising = s_score(0.0008, 0.92, 6.4e-5), s_score(0.0008, 0.92, 6.4e-5, drift=1e-4)
    assert rising.s == pytest.approx(plain.s - 1e-4 * plain.tau_days / plain.sigma_eq)


def test_s_score_without_reversion() -> None:
    walk, bounce = s_score(0, 1.0, 1e-4), s_score(0, -0.3, 1e-4)
    assert (walk.tradable, bounce.tradable) == (False, False)
    assert walk.position(0) == walk.position(1) == 0
    assert "no reversion" in walk.reason
    assert "bounce" in bounce.reason
    with pytest.raises(ConfigError, match="var=0"):
        s_score(0, 0.9, 0)
    with pytest.raises(ConfigError, match="b=nan"):
        s_score(0, math.nan, 1)
    with pytest.raises(ConfigError, match="close_long=2: must lie inside the entry"):
        SCutoffs(close_long=2)


# -------------------------------------------------------------- into a strategy


def test_a_rule_gives_a_strategy_its_numbers() -> None:
    rule = bertram(UNIT, 0.1)
    numbers = Params.make(**rule.params | {"stop": 4.0})
    assert (numbers.signal, numbers.entry, numbers.target) == ("s-score", rule.z_entry, rule.z_exit)
    held = leung_li(LEUNG_LI, rate=0.05, cost=0.01, stop=3.5)
    assert Params.make(**held.params).stop == held.z_stop == 3.5
    with pytest.raises(ConfigError, match="the rule is not tradable: no reversion"):
        _ = leung_li(OU(0, 0, 1), rate=0.05, cost=0.05).params
