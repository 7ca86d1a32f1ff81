"""An OU spread, its passage times and its stop: vectors, and for each closed form a second route."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from hedgekit.errors import ConfigError
from hedgekit.stats.thresholds import OU, exit_time, passage_time, stop_probability
from tests.stats.ou_made import UNIT, exit_by_collocation

# METHODS vectors.
OU_STOP_P, OU_STOP_PNL = 0.028895292813084963, 1.4133141215607452
OU_TIME_DOWN, OU_TIME_WAIT = 0.901814469623703, 4.37121571615713


# --------------------------------------------------------------------------- OU


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


# ---------------------------------------------------------------- passage times


def test_ou_time_vector() -> None:
    assert passage_time(UNIT, 2, 0.5).bars == pytest.approx(OU_TIME_DOWN, rel=1e-9)
    assert exit_time(UNIT, 0.5, -2, 2).bars == pytest.approx(OU_TIME_WAIT, rel=1e-9)
    slow = OU(0.04, 3.0, 0.7)
    assert passage_time(slow, 2, 0.5).bars == pytest.approx(OU_TIME_DOWN / 0.04, rel=1e-9)


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


# --------------------------------------------------------------------- the stop


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
