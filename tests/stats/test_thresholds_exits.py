"""Leung and Li with and without a stop, the s-score of Avellaneda and Lee, and the numbers a rule gives a strategy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, optimize, special

from hedgekit.errors import ConfigError
from hedgekit.params import Params
from hedgekit.stats.thresholds import OU, SCutoffs, bertram, leung_li, s_score
from hedgekit.stats.thresholds.discount import log_solution
from tests.stats.ou_made import UNIT

LEUNG_LI_B, LEUNG_LI_D, LEUNG_LI_V = 0.36329845805759, 0.211051781179552, 0.298333369138
AVELLANEDA_LEE_2010 = {
    "kappa": 21.012165452640858,
    "m": 0.010000000000000005,
    "sigma": 0.13232587757956008,
    "sigma_eq": 0.020412414523193152,
    "s": -0.4898979485566359,
    "tau_days": 11.993052337607978,
}


# ----------------------------------------------------------------- Leung and Li


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


# ---------------------------------------------------------------------- s-score


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
