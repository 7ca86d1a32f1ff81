"""What only looks like reversion: bounce of the quotes and stale prices, planted and found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.reversion import bounce, lead_lag, ou, staleness, variance_ratio

# Lo & MacKinlay 1990, J. Econometrics 45:181: slope of same-bar returns and on the hedge's earlier return, true ratio .85.
LO_MACKINLAY_1990 = {(0.3, 0.0): (0.595, 0.1785), (0.0, 0.3): (0.595, 0.0), (0.3, 0.5): (0.35, 0.105)}


def bouncing(n: int, seed: int, *, half_spread: float, half_life: float = np.inf) -> np.ndarray:
    """Return a walk (or AR(1)) with steps of sd 1, printed half a spread above or below."""
    rng = np.random.default_rng(seed)
    b = 2 ** (-1 / half_life)
    mid = lfilter([1.0], [1.0, -b], rng.standard_normal(n))
    return np.asarray(mid + half_spread * rng.choice([-1.0, 1.0], n))


def stale_returns(n: int, pi: tuple[float, float], seed: int, beta: float = 0.85) -> np.ndarray:
    """Return log prices (n, 2) of a pair whose legs fail to refresh with these probabilities."""
    rng = np.random.default_rng(seed)
    h = 0.01 * rng.standard_normal(n)
    logs = np.cumsum(np.column_stack([beta * h + 0.003 * rng.standard_normal(n), h]), axis=0)
    fresh = rng.random((n, 2)) >= np.array(pi)
    fresh[0] = True
    return np.asarray(pd.DataFrame(np.where(fresh, logs, np.nan)).ffill())


def test_one_tick_bounce_on_a_walk_is_bounce_and_no_reversion() -> None:
    """A tick of .02, steps of a quarter tick: most of what a print does is bounce."""
    walks = [0.005 * bouncing(500, seed, half_spread=2.0) for seed in range(100)]
    assert np.mean([ou(x).reverts for x in walks]) > 0.7  # the trap
    assert np.mean([variance_ratio(x).joint_p_value < 0.05 for x in walks]) > 0.95  # the trap
    found = [bounce(x, tick=0.02, reps=299) for x in walks]
    assert np.mean([f.verdict == "bounce" for f in found]) > 0.88  # at least .95 - 3 standard errors
    assert all(f.verdict != "no bounce shown" for f in found)
    assert np.mean([f.implied_ticks for f in found]) == pytest.approx(1, abs=0.05)
    assert np.mean([f.spread_low <= 0.02 <= f.spread_high for f in found]) > 0.88
    assert np.median([f.explained for f in found]) > 0.7
    assert found[0].says.startswith("bounce (implied spread 0.0")


def test_a_true_spread_with_bounce_still_passes() -> None:
    found = [bounce(bouncing(1_000, seed, half_spread=0.5, half_life=20), reps=299) for seed in range(60)]
    assert np.mean([f.verdict == "reversion beyond bounce" for f in found]) > 0.9
    assert np.median([f.half_life for f in found]) < 15  # shortened by the bounce
    assert np.median([f.half_life_free for f in found]) == pytest.approx(19, abs=3)


def test_without_bounce_none_is_shown() -> None:
    found = [bounce(bouncing(500, seed, half_spread=0.0), reps=299) for seed in range(100)]
    assert np.mean([f.verdict == "no bounce shown" for f in found]) > 0.88
    assert np.mean([f.p_value < 0.05 for f in found]) < 0.05 + 3 * 0.022


def test_bounce_in_the_residual_of_a_fitted_ratio() -> None:
    p_values = []
    for seed in range(100):
        x = bouncing(252, seed, half_spread=2.0)
        design = np.column_stack([np.ones(252), np.cumsum(np.random.default_rng(1_000 + seed).standard_normal(252))])
        e = x - design @ np.linalg.lstsq(design, x)[0]
        p_values.append([bounce(e, fitted_ratio=k, reps=299).p_value for k in (0, 1)])
    as_given, as_fitted = np.mean(np.array(p_values) < 0.05, axis=0)
    assert as_fitted < 0.05 + 3 * 0.022
    assert as_given > as_fitted


def test_roll_by_hand() -> None:
    x = np.tile([10.0, 11.0], 20)
    found = bounce(x)
    d = np.diff(x) - np.diff(x).mean()
    assert found.autocovariance == pytest.approx(np.mean(d[1:] * d[:-1]))
    assert found.implied_spread == pytest.approx(2, abs=0.01)  # prints alternate: twice Roll's independent sides
    assert found.verdict == "bounce"
    assert np.isnan(found.implied_ticks)


def test_a_trend_implies_no_spread() -> None:
    found = bounce(np.cumsum(np.convolve(np.random.default_rng(1).standard_normal(301), [1, 0.9], "valid")))
    assert found.autocovariance > 0
    assert np.isnan(found.implied_spread)
    assert (found.spread_low, found.verdict) == (0.0, "no bounce shown")
    assert "no spread implied" in found.says


@given(shift=st.floats(-1e3, 1e3), scale=st.floats(0.01, 100), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=10)
def test_units_and_level_do_not_matter(shift: float, scale: float, seed: int) -> None:
    x = bouncing(120, seed, half_spread=1.0)
    one, other = bounce(x, reps=99), bounce(shift + scale * x, reps=99)
    assert (other.verdict, other.p_value) == (one.verdict, one.p_value)
    assert other.implied_spread == pytest.approx(scale * one.implied_spread, rel=1e-6, nan_ok=True)


def test_what_bounce_refuses() -> None:
    x = bouncing(50, 1, half_spread=1.0)
    with pytest.raises(ConfigError, match="tick=0: must be a finite number above 0"):
        bounce(x, tick=0)
    for wrong in ({"significance": 0.6}, {"reps": 50}, {"fitted_ratio": -1}):
        with pytest.raises(ConfigError, match=r"significance must be between 0 and 0\.5, reps at least 99, fitted_ratio 0 or more"):
            bounce(x, **wrong)  # type: ignore[arg-type]  # a user's mistakes
    with pytest.raises(DataError, match="x never moves"):
        bounce(np.ones(50))
    with pytest.raises(DataError, match="29 values of x are too few"):
        bounce(x[:29])


@pytest.mark.parametrize("pi", LO_MACKINLAY_1990)
def test_stale_quotes_bias_the_ratio_and_the_sum_over_lags_restores_it(pi: tuple[float, float]) -> None:
    logs = stale_returns(300_000, pi, seed=1)
    plain, earlier = LO_MACKINLAY_1990[pi]
    found = lead_lag(*np.exp(logs - logs.mean(axis=0)).T, lags=8)
    assert found.plain == pytest.approx(plain, abs=0.006)
    d = np.diff(logs, axis=0)
    assert np.cov(d[1:, 0], d[:-1, 1])[0, 1] / np.var(d[:, 1]) == pytest.approx(earlier, abs=0.006)
    assert found.total == pytest.approx(0.85, abs=0.02)
    assert "returns are related across bars" in found.warnings[0]
    for column, probability in enumerate(pi):
        measured = staleness(logs[:, column])
        assert measured.pi == pytest.approx(probability, abs=0.003)
        assert measured.beta_factor == pytest.approx(1 - probability, abs=0.003)
        assert bool(measured.warnings) == (probability > 0)


def test_fresh_quotes_show_no_lag() -> None:
    found = [lead_lag(*np.exp(stale_returns(400, (0, 0), seed)).T) for seed in range(100)]
    assert np.mean([bool(f.warnings) for f in found]) < 0.01 + 3 * 0.01
    assert np.mean([f.finding().p_value < 0.05 for f in found]) < 0.05 + 3 * 0.022  # type: ignore[operator]  # it has a p
    assert np.mean([abs(f.total - 0.85) < 1.96 * f.total_stderr for f in found]) == pytest.approx(0.95, abs=0.066)
    assert np.mean([abs(f.plain - 0.85) < 1.96 * f.plain_stderr for f in found]) == pytest.approx(0.95, abs=0.066)
    assert list(found[0].frame().index) == [-3, -2, -1, 0, 1, 2, 3]


def test_the_side_that_follows_is_named() -> None:
    found = lead_lag(*np.exp(stale_returns(2_000, (0.4, 0.0), seed=3)).T)
    assert "lags 1, 2" in found.warnings[0]
    assert found.frame()["correlation"].drop(index=0).idxmax() == 1
    other = lead_lag(*np.exp(stale_returns(2_000, (0.0, 0.4), seed=3)).T)
    assert other.frame()["correlation"].drop(index=0).idxmax() == -1


def test_runs_by_hand() -> None:
    x = np.r_[1.0, 2.0, 2.0, 2.0, 3.0, 3.0, np.arange(4.0, 24.0)]
    found = staleness(x)
    assert (found.unchanged, found.longest, found.longest_at) == (3 / 25, 2, 1)
    assert "longest run 2 bars, from position 1" in found.warnings[0]
    assert staleness(x, limit=0.2).warnings == ()
    assert staleness(np.arange(30.0)).longest == 0
    assert found.finding("KO").test == "staleness of KO"


def test_a_coarse_tick_is_no_staleness() -> None:
    x = 0.02 * np.round(100 + np.cumsum(np.random.default_rng(5).standard_normal(20_000)))  # steps of one tick
    plain, aware = staleness(x), staleness(x, tick=0.02)
    assert plain.unchanged > 0.3
    assert plain.warnings
    assert aware.pi == pytest.approx(0, abs=0.03)
    assert aware.warnings == ()


def test_what_staleness_refuses() -> None:
    x = np.exp(stale_returns(100, (0, 0), seed=1))
    with pytest.raises(ConfigError, match="limit=2: must be between 0 and 1"):
        staleness(x[:, 0], limit=2)
    with pytest.raises(ConfigError, match="tick=-1: must be a finite number above 0"):
        staleness(x[:, 0], tick=-1)
    with pytest.raises(ConfigError, match="lags=0: must be at least 1"):
        lead_lag(x[:, 0], x[:, 1], lags=0)
    with pytest.raises(DataError, match="hedge has 2 columns: give one"):
        lead_lag(x[:, 0], x)
    with pytest.raises(DataError, match="31 prices are too few, at least 32"):
        lead_lag(x[:31, 0], x[:31, 1])
    with pytest.raises(DataError, match="x never moves"):
        staleness(np.ones(30))
