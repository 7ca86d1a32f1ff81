"""Bertram, Zeng and Lee: published values, and for each rule the best found by another route and a simulation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from hedgekit.errors import ConfigError
from hedgekit.params import Params
from hedgekit.stats.thresholds import OU, CycleRule, bertram, exit_time, passage_time, zeng_lee
from tests.stats.ou_made import UNIT, exit_by_collocation

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


# -------------------------------------------------------- Bertram, Zeng and Lee


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
