"""The Ornstein-Uhlenbeck fit and its half-life: published numbers, planted half-lives, and how often the interval is right."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.ou import OU
from hedgekit.stats.reversion import half_life_of, half_life_table, ou

# van den Berg, "Calibrating the Ornstein-Uhlenbeck model" (sitmo 2011), dt = .25; prints mu .9075, sigma .5831 and .5532.
VAN_DEN_BERG_2011 = [3.0, 1.76, 1.2693, 1.196, 0.9468, 0.9532, 0.6252, 0.8604, 1.0984, 1.431, 1.3019]
VAN_DEN_BERG_2011 += [1.4005, 1.2686, 0.7147, 0.9237, 0.7297, 0.7105, 0.8683, 0.7406, 0.7314, 0.6232]
VAN_DEN_BERG_2011_FIT = {
    "b": 0.45740638208382833,
    "kappa": 3.1287321781238533,
    "mu": 0.9074878882833085,
    "sigma_ml": 0.5531545334518957,
    "sigma_ls": 0.583076074585264,
    "half_life_raw": 0.22154251022393091,
    "loglik": 4.148699589363205,
    "b_bias_corrected": 0.5760173393964025,
}
# Half-life 20, n = 252, least squares with a constant (Kendall 1954; Monte Carlo, 4,000 series).
KENDALL_1954_BIAS, SIMULATED_BIAS = -0.015467495979264034, -0.0174
MEDIAN_HALF_LIFE_RAW, MEDIAN_HALF_LIFE_CORRECTED = 14.2, 21.0
ADF_POWER = {126: 0.101, 252: 0.265, 504: 0.756}  # 5% Dickey-Fuller test with a constant, half-life 20
DF_5_PERCENT = {126: -2.884, 252: -2.873, 504: -2.867}  # MacKinnon 2010


def ar_paths(half_life: float, n: int, reps: int, seed: int) -> np.ndarray:
    """Return stationary AR(1) series with this half-life (a random walk if infinite), shape (reps, n)."""
    b = 2 ** (-1 / half_life) if math.isfinite(half_life) else 1.0
    shocks = np.random.default_rng(seed).standard_normal((reps, n))
    if b < 1:
        shocks[:, 0] /= np.sqrt(1 - b * b)
    return np.asarray(lfilter([1.0], [1.0, -b], shocks, axis=1))


def fitted_residuals(x: np.ndarray, seed: int) -> np.ndarray:
    """Return what is left of 2 h + x once it was regressed on h and a constant; h are independent random walks."""
    h = np.cumsum(np.random.default_rng(seed).standard_normal(x.shape), axis=1)
    h -= h.mean(axis=1, keepdims=True)
    y = 2 * h + x - x.mean(axis=1, keepdims=True)
    return np.asarray(y - ((y * h).sum(axis=1) / (h * h).sum(axis=1))[:, None] * h)


def ls_slopes(x: np.ndarray) -> np.ndarray:
    u, v = x[:, :-1], x[:, 1:]
    u = u - u.mean(axis=1, keepdims=True)
    return np.asarray((u * v).sum(axis=1) / (u * u).sum(axis=1))


def test_van_den_bergs_series() -> None:
    fit = ou(VAN_DEN_BERG_2011, dt=0.25)
    assert {name: getattr(fit, name) for name in VAN_DEN_BERG_2011_FIT} == pytest.approx(VAN_DEN_BERG_2011_FIT, rel=1e-6)


def test_the_half_life_is_not_the_euler_steps() -> None:
    fit = ou(VAN_DEN_BERG_2011)
    euler = math.log(2) / (1 - fit.b)
    assert euler == pytest.approx(1.277, abs=0.001)
    assert fit.half_life_raw == pytest.approx(0.886, abs=0.001)
    assert euler / fit.half_life_raw == pytest.approx(1.44, abs=0.005)


def test_bias_and_its_correction() -> None:
    x = ar_paths(20, 252, 4_000, seed=1)
    true, b = 2 ** (-1 / 20), ls_slopes(x)
    assert -(1 + 3 * true) / 252 == pytest.approx(KENDALL_1954_BIAS, abs=1e-9)
    assert b.mean() - true == pytest.approx(SIMULATED_BIAS, abs=0.002)
    assert np.median(half_life_of(b)) == pytest.approx(MEDIAN_HALF_LIFE_RAW, abs=0.8)
    assert np.median(half_life_of(b + (1 + 3 * b) / 251)) == pytest.approx(MEDIAN_HALF_LIFE_CORRECTED, abs=1.5)
    assert np.median(half_life_table(252).interval(b).median) == pytest.approx(20, abs=1.5)  # median-unbiased (Andrews 1993)
    assert ou(x[0]).b == pytest.approx(b[0], rel=1e-10)
    assert ou(x[0]).b_bias_corrected == pytest.approx(b[0] + (1 + 3 * b[0]) / 251, rel=1e-10)


@pytest.mark.parametrize("n", ADF_POWER)
def test_half_a_year_cannot_show_a_half_life_of_a_month(n: int) -> None:
    x = ar_paths(20, n, 4_000, seed=n)
    u = x[:, :-1] - x[:, :-1].mean(axis=1, keepdims=True)
    v = x[:, 1:] - x[:, 1:].mean(axis=1, keepdims=True)
    b = ls_slopes(x)
    e = v - b[:, None] * u
    t = (b - 1) / np.sqrt((e * e).sum(axis=1) / (n - 3) / (u * u).sum(axis=1))
    assert np.mean(t < DF_5_PERCENT[n]) == pytest.approx(ADF_POWER[n], abs=0.03 if n > 126 else 0.02)


@pytest.mark.parametrize("fitted", [0, 1])
@pytest.mark.parametrize("n", [126, 252])
@pytest.mark.parametrize("half_life", [5, 20])
def test_the_interval_covers_as_often_as_it_says(half_life: int, n: int, fitted: int) -> None:
    x = ar_paths(half_life, n, 2_000, seed=10 * n + half_life + fitted)
    b = ls_slopes(fitted_residuals(x, seed=n + half_life) if fitted else x)
    found = half_life_table(n, fitted_ratio=fitted).interval(b)
    assert 0.935 < np.mean((found.low <= half_life) & (half_life <= found.high)) < 0.965  # 3 standard errors
    assert np.mean(found.median <= half_life) == pytest.approx(0.5, abs=0.035)


@pytest.mark.parametrize("fitted", [0, 1])
@pytest.mark.parametrize("n", [126, 252])
def test_a_random_walk_is_seldom_said_to_revert(n: int, fitted: int) -> None:
    x = ar_paths(math.inf, n, 2_000, seed=n + fitted)
    b = ls_slopes(fitted_residuals(x, seed=n) if fitted else x)
    assert half_life_table(n, fitted_ratio=fitted).excludes_walk(b).mean() == pytest.approx(0.025, abs=0.012)


def test_not_saying_that_the_ratio_was_fitted_finds_what_is_not_there() -> None:
    b = ls_slopes(fitted_residuals(ar_paths(math.inf, 252, 2_000, seed=3), seed=4))
    assert half_life_table(252).excludes_walk(b).mean() > 0.06
    three = ar_paths(math.inf, 252, 600, seed=5)
    h = np.cumsum(np.random.default_rng(6).standard_normal((600, 252, 3)), axis=1)
    left = np.array([y - d @ np.linalg.lstsq(d, y)[0] for y, d in zip(three, np.dstack([np.ones((600, 252)), h]), strict=True)])
    assert half_life_table(252, fitted_ratio=3).excludes_walk(ls_slopes(left)).mean() == pytest.approx(0.025, abs=0.02)
    assert half_life_table(252).excludes_walk(ls_slopes(left)).mean() > 0.2


def test_long_histories_follow_the_scaling_limit() -> None:
    for fitted in (0, 1):
        for half_life in (20.0, 300.0, 2_000.0):
            x = ar_paths(half_life, 6_000, 400, seed=int(half_life) + fitted)
            b = ls_slopes(fitted_residuals(x, seed=9) if fitted else x)
            found = half_life_table(6_000, fitted_ratio=fitted).interval(b)
            assert np.mean((found.low <= half_life) & (half_life <= found.high)) == pytest.approx(0.95, abs=0.034)
            assert np.mean(found.median <= half_life) == pytest.approx(0.5, abs=0.075)


def test_power_says_what_simulation_says() -> None:
    table = half_life_table(252, fitted_ratio=1)
    for half_life in (5.0, 20.0):
        b = ls_slopes(fitted_residuals(ar_paths(half_life, 252, 2_000, seed=21), seed=22))
        assert table.power(half_life) == pytest.approx(table.excludes_walk(b).mean(), abs=0.03)
    assert table.found[-1] == pytest.approx(0.025, abs=0.001)
    assert 0.09 < table.power(20) < 0.2
    with pytest.raises(ConfigError, match="half_life=0: must be above 0"):
        table.power(0.0)


def test_a_planted_spread_is_recovered() -> None:
    planted = OU.from_half_life(5, 0.02, mean=0.3)
    x = 0.3 + 0.02 * np.sqrt(1 - 2 ** (-2 / 5)) * ar_paths(5, 4_000, 1, seed=31)[0]
    fit = ou(x)
    assert fit.reverts
    assert fit.reason.startswith("the interval excludes a random walk")
    assert fit.ou is not None
    assert fit.ou.half_life == pytest.approx(5, abs=1.0)  # a standard error is .25
    assert fit.ou.mean == pytest.approx(0.3, abs=0.004)
    assert fit.ou.sd == pytest.approx(planted.sd, rel=0.1)
    assert fit.half_life == pytest.approx(fit.ou.half_life)
    assert fit.half_life_low < 5 < fit.half_life_high
    assert ou(x, fitted_ratio=True).half_life == ou(x, fitted_ratio=True).half_life_median


def test_no_reversion_is_an_answer() -> None:
    walk = ou(ar_paths(math.inf, 300, 1, seed=41)[0])
    assert (walk.reverts, walk.ou, walk.half_life, walk.half_life_high) == (False, None, math.inf, math.inf)
    assert walk.reason.startswith("no reversion")
    trend = ou(np.exp(0.05 * np.arange(60.0)))
    assert (trend.reverts, trend.half_life, trend.half_life_raw) == (False, math.inf, math.inf)
    assert "the slope is 1 or more once its bias is corrected" in trend.reason
    assert trend.kappa < 0


def test_noise_around_a_level_is_no_ou_spread() -> None:
    fit = ou(np.tile([1.0, -1.0, 0.5, -0.7], 20))
    assert (fit.reverts, fit.ou, fit.half_life, fit.half_life_low) == (False, None, 0.0, 0.0)
    assert "gone within one bar" in fit.reason
    assert math.isnan(fit.kappa)
    assert math.isnan(fit.sigma_ml)


def test_half_lives_of_any_slope() -> None:
    assert half_life_of(np.array([-0.5, 0.0, 0.5, 1.0, 1.2])).tolist() == [0.0, 0.0, 1.0, math.inf, math.inf]
    assert math.isnan(half_life_of(math.nan))
    found = half_life_table(100).interval(np.array([0.2, 0.9, 1.5]))
    assert found.high.tolist()[1:] == [math.inf, math.inf]
    assert not half_life_table(100).excludes_walk(math.nan)


@given(shift=st.floats(-1e3, 1e3), scale=st.floats(0.01, 100), dt=st.floats(0.01, 10), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=20)
def test_units_do_not_matter(shift: float, scale: float, dt: float, seed: int) -> None:
    x = ar_paths(5, 150, 1, seed)[0]
    one, other = ou(x), ou(shift + scale * x, dt=dt)
    assert other.b == pytest.approx(one.b, abs=1e-6)
    assert other.half_life_high == pytest.approx(one.half_life_high * dt, rel=1e-3)
    assert other.mu == pytest.approx(shift + scale * one.mu, abs=1e-5 * (abs(shift) + scale))
    assert one.half_life_low <= one.half_life_median <= one.half_life_high


def test_same_arguments_same_table() -> None:
    assert half_life_table(80, seed=5) is half_life_table(80, seed=5)
    assert not np.array_equal(half_life_table(80, seed=5).lower, half_life_table(80, seed=6).lower)
    with pytest.raises(ValueError, match="read-only"):
        half_life_table(80).lower[0] = 1


def test_prices_between_zero_and_one_warn() -> None:
    assert "excess_movement" in ou(0.5 + 0.1 * np.sin(np.arange(50.0))).warnings[0]
    assert ou(np.sin(np.arange(50.0))).warnings == ()


def test_what_is_refused() -> None:
    x = ar_paths(5, 50, 1, seed=1)[0]
    with pytest.raises(DataError, match="9 values of spread are too few, at least 10"):
        ou(x[:9])
    with pytest.raises(DataError, match="spread is nan at position 4"):
        ou(np.r_[x[:4], np.nan, x[5:]])
    with pytest.raises(DataError, match="spread never moves"):
        ou(np.ones(50))
    with pytest.raises(DataError, match="spread moves only at its last position"):
        ou(np.r_[np.ones(49), 2.0])
    with pytest.raises(DataError, match="give one series"):
        ou(np.column_stack([x, x]))
    with pytest.raises(ConfigError, match="dt=0: must be a finite number above 0"):
        ou(x, dt=0)
    with pytest.raises(ConfigError, match=r"level=1: must be at least 0\.5 and below 1"):
        ou(x, level=1.0)
    with pytest.raises(ConfigError, match="reps=10: must be at least 200"):
        ou(x, reps=10)
    with pytest.raises(ConfigError, match="n=9: must be at least 10"):
        half_life_table(9)
    with pytest.raises(ConfigError, match="fitted_ratio=-1: must be at least 0"):
        half_life_table(50, fitted_ratio=-1)
    with pytest.raises(ConfigError, match="n=10 is too few for 6 fitted hedges"):
        half_life_table(10, fitted_ratio=6)
