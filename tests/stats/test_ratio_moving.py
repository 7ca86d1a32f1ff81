"""Ratios that move: exact sums, published filters, and what following a moving ratio is worth."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from arch import arch_model
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from statsmodels.regression.linear_model import OLS

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats import ratio
from hedgekit.stats.inputs import legs
from hedgekit.stats.ratio.dcc import _dcc, fit_correlation
from hedgekit.stats.ratio.kernels import dcc_correlation, ewma_moments, garch_variance, rolling_ols
from hedgekit.stats.ratio.legs import legs_of
from tests.stats.ratio_made import pair_moves, prices_of

# Vector EWMA: lambda .94, start = mean of the first 60 products, after the last return of pair_a.
RISKMETRICS_1996_EWMA = 0.7432880437264626


# ---------------------------------------------------------------------- rolling


def test_rolling_is_least_squares_of_each_window() -> None:
    y, x = pair_moves("pair_a.csv")
    out = rolling_ols(y, x, 60)
    assert np.isnan(out[:59]).all()
    for t in (59, 60, 118, 119, 120, 179, 300, len(y) - 1):
        window = slice(t - 59, t + 1)
        plain = OLS(y[window], np.column_stack([np.ones(60), x[window]])).fit()
        assert out[t] == pytest.approx([plain.params[1], plain.bse[1]], rel=1e-10)
    fit = ratio.rolling(*prices_of(y, x))
    assert (fit.ratio, fit.stderr) == pytest.approx(tuple(out[-1]), rel=1e-9)
    assert (fit.n, fit.df) == (60, 58)


def longdouble_slopes(y: np.ndarray, x: np.ndarray, span: int, rows: np.ndarray) -> np.ndarray:
    slopes = []
    for t in rows:
        a, b = (side[t - span + 1 : t + 1].astype(np.longdouble) for side in (x, y))
        a, b = a - a.mean(), b - b.mean()
        slopes.append(float((a @ b) / (a @ a)))
    return np.array(slopes)


@pytest.mark.parametrize("level", [0.0, 1e4])
def test_rolling_keeps_its_digits_over_a_million_bars(level: float) -> None:
    """Against 80-bit floats; pandas' rolling moments lose up to half of the digits, and an outlier long gone does the rest."""
    rng = np.random.default_rng(0)
    x = level + 0.01 * rng.standard_normal(1_000_000).cumsum()
    y = 0.8 * x + 0.02 * rng.standard_normal(1_000_000)
    y[500_000] += 1e6
    rows = np.r_[rng.integers(60, 500_000, 300), rng.integers(500_100, 1_000_000, 300)]
    truth = longdouble_slopes(y, x, 60, rows)
    mine = np.abs(rolling_ols(y, x, 60)[rows, 0] - truth).max()
    sx, sy = pd.Series(x), pd.Series(y)
    theirs = np.abs((sx.rolling(60).cov(sy) / sx.rolling(60).var()).to_numpy()[rows] - truth).max()
    assert mine < 1e-12
    assert mine < theirs / 100


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, st.tuples(st.integers(12, 50), st.just(2)), elements=st.floats(-1e3, 1e3)), st.integers(10, 12))
def test_law_rolling_window_sees_its_own_rows_only(data: np.ndarray, span: int) -> None:
    y, x = np.ascontiguousarray(data.T)
    whole, last = rolling_ols(y, x, span), rolling_ols(y[-span:].copy(), x[-span:].copy(), span)[-1]
    if np.ptp(x[-span:]) > 1e-3:
        assert whole[-1] == pytest.approx(last, rel=1e-6, abs=1e-6)
    assert len(whole) == len(y)
    assert np.isnan(whole[: span - 1]).all()


def test_rolling_path_and_intervals_are_known_at_each_rows_end() -> None:
    y, x = pair_moves("pair_a.csv")
    times = pd.date_range("2025-01-01", periods=500, tz="UTC")
    p, h = (pd.Series(side, times) for side in prices_of(y, x))
    fit, early = ratio.rolling(p, h, span=40), ratio.rolling(p[:301], h[:301], span=40)
    assert fit.path is not None
    assert early.path is not None
    assert (fit.path.index == times[1:]).all()
    pd.testing.assert_frame_equal(fit.path[:300], early.path)
    intervals = fit.intervals(0.9)
    assert intervals.iloc[-1].to_list() == pytest.approx([fit.interval(0.9)[0], fit.ratio, fit.interval(0.9)[1]])
    assert intervals.iloc[:39].isna().to_numpy().all()
    units = fit.in_units()
    assert units.path is not None
    assert units.path.ratio.iloc[-1] == pytest.approx(units.ratio)


def test_rolling_on_levels_has_no_standard_error_and_says_why() -> None:
    fit = ratio.rolling(*prices_of(*pair_moves("pair_a.csv")), on="log prices")
    assert np.isnan(fit.stderr)
    assert "Granger & Newbold" in " ".join(fit.warnings)


def test_rolling_where_the_hedge_stands_still() -> None:
    y, x = pair_moves("pair_a.csv")
    quiet = x.copy()
    quiet[100:200] = 0.0
    fit = ratio.rolling(*prices_of(y, quiet), tested=False)
    assert fit.path is not None
    assert fit.path.ratio.isna().sum() == 59 + 41
    with pytest.raises(DataError, match=r"no ratio of primary to hedge at position 200: .*take a longer window"):
        ratio.rolling(*prices_of(y[:200], quiet[:200]), tested=False)
    with pytest.raises(ConfigError, match="span=9: must be a whole number, 10 or more"):
        ratio.rolling(*prices_of(y, x), span=9)
    with pytest.raises(DataError, match="50 prices are too few, at least 61"):
        ratio.rolling(*(side[:50] for side in prices_of(y, x)))


# ------------------------------------------------------------------------- EWMA


def test_ewma_vector() -> None:
    y, x = pair_moves("pair_a.csv")
    fit = ratio.ewma(*prices_of(y, x))
    assert fit.ratio == pytest.approx(RISKMETRICS_1996_EWMA, rel=1e-9)
    assert fit.effective_n == pytest.approx(1.94 / 0.06, rel=1e-6)
    assert ratio.ewma(*prices_of(y[:60], x[:60]), folds=0).ratio == pytest.approx((x[:60] @ y[:60]) / (x[:60] @ x[:60]), rel=1e-9)


def test_ewma_standard_error_is_that_of_its_weights_and_covers() -> None:
    rng = np.random.default_rng(2)
    covered = []
    for _ in range(400):
        x = 0.01 * rng.standard_normal(200)
        y = 0.85 * x + 0.006 * rng.standard_normal(200)
        value, error = ewma_moments(y, x, 0.94, 60)[-1]
        covered.append(abs(value - 0.85) < 2.04 * error)  # t with 31 degrees of freedom
    assert 0.91 <= np.mean(covered) <= 0.98


def test_ewma_mistakes() -> None:
    prices = prices_of(*pair_moves("pair_a.csv"))
    with pytest.raises(ConfigError, match=r"decay=1\.0: must be between 0 and 1"):
        ratio.ewma(*prices, decay=1.0)
    with pytest.raises(ConfigError, match="on='prices': ewma works on moves; say 'log returns'"):
        ratio.ewma(*prices, on="prices")
    with pytest.raises(ConfigError, match="start=2: must be a whole number, 10 or more"):
        ratio.ewma(*prices, start=2)


# -------------------------------------------------------------------------- DCC


def correlated(n: int, seed: int, a: float = 0.05, b: float = 0.92) -> tuple[np.ndarray, np.ndarray]:
    """Return residuals with unit variance whose correlation follows a DCC around .8, and that correlation."""
    rng = np.random.default_rng(seed)
    target = np.array([1.0, 0.8, 1.0])
    q, z, rho = target.copy(), np.empty((n, 2)), np.empty(n)
    for t, (u, v) in enumerate(rng.standard_normal((n, 2))):
        rho[t] = q[1] / np.sqrt(q[0] * q[2])
        z[t] = u, rho[t] * u + np.sqrt(1 - rho[t] ** 2) * v
        q = (1 - a - b) * target + a * np.array([z[t, 0] ** 2, z[t, 0] * z[t, 1], z[t, 1] ** 2]) + b * q
    return z, rho


def garch_moves(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return returns of two GARCH legs with a moving correlation, and the true ratio of each row."""
    z, rho = correlated(n, seed)
    s2, out, sd = np.array([1.0, 1.0]), np.empty((n, 2)), np.empty((n, 2))
    for t in range(n):
        sd[t] = np.sqrt(s2)
        out[t] = sd[t] * z[t]
        s2 = np.array([0.05, 0.03]) + np.array([0.08, 0.06]) * out[t] ** 2 + np.array([0.87, 0.91]) * s2
    return out[:, 0] / 100, out[:, 1] / 100, rho * sd[:, 0] / sd[:, 1]


def test_planted_correlation_is_recovered() -> None:
    z, rho = correlated(6_000, 1)
    found = fit_correlation(z)
    assert found.a == pytest.approx(0.05, abs=0.015)
    assert found.b == pytest.approx(0.92, abs=0.03)
    assert found.loglik - found.still > 20
    path = dcc_correlation(z, found.a, found.b, found.target)
    assert np.corrcoef(path[:-1], rho)[0, 1] > 0.95
    assert path[:-1].mean() == pytest.approx(rho.mean(), abs=0.02)


def test_variance_recursion_is_that_of_arch() -> None:
    y, _, _ = garch_moves(800, 2)
    past = 100 * y
    result = arch_model(past, rescale=False).fit(disp="off", backcast=float(np.var(past)))
    mean, omega, alpha, beta = result.params
    variance = garch_variance(past - mean, omega, alpha, beta, float(np.var(past)))
    assert np.sqrt(variance[:-1]) == pytest.approx(result.conditional_volatility, rel=1e-10)
    assert variance[-1] == pytest.approx(result.forecast(horizon=1).variance.to_numpy().item(), rel=1e-10)


def test_dcc_follows_the_true_ratio() -> None:
    y, x, truth = garch_moves(2_500, 3)
    fit = ratio.dcc(*prices_of(y, x), tested=False)
    assert fit.path is not None
    ahead = fit.path.ratio.to_numpy()[:-1]  # a row's path is the ratio for the next row
    assert np.corrcoef(ahead[500:], truth[501:])[0, 1] > 0.85
    assert fit.details["beta_h"] == pytest.approx(0.91, abs=0.06)
    assert fit.details["loglik_gain"] > 3
    assert np.isnan(fit.stderr)
    assert "no standard error" in " ".join(fit.warnings)
    assert fit.out_of_sample is not None


def test_dcc_sees_no_future() -> None:
    """Constants come from the first 350 rows, and a row's ratio from the rows up to it."""
    y, x, _ = garch_moves(700, 4)
    altered = y.copy()
    altered[500:] *= 3
    one, two = (_dcc(legs_of(legs(*prices_of(side, x)), "log returns"), 350) for side in (y, altered))
    assert one.details["a"] == two.details["a"]
    assert one.path is not None
    assert two.path is not None
    assert one.path[:500, 0] == pytest.approx(two.path[:500, 0], rel=1e-9)
    assert abs(one.path[500, 0] - two.path[500, 0]) > 1e-3


def test_dcc_scale_is_its_own_business() -> None:
    """The trap of arch: returns as fractions. No warning of the library is met, and units of the changes do not matter."""
    y, x, _ = garch_moves(400, 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = ratio.dcc(*prices_of(y, x), folds=0, tested=False)
    assert not [text for text in fit.warnings if "Warning" in text]
    p, h = prices_of(y, x)
    one, large = (ratio.dcc(c * p, c * h, on="changes", folds=0, tested=False) for c in (1.0, 1e5))
    assert large.ratio == pytest.approx(one.ratio, rel=1e-4)


def test_what_dcc_does_not_show_is_told() -> None:
    fit = ratio.dcc(*prices_of(*pair_moves("pair_a.csv")), tested=False)
    said = " ".join(fit.warnings)
    assert "correlation is not shown to move" in said
    assert "has alpha = 0: its variance is not shown to move" in said
    with pytest.raises(DataError, match="200 prices are too few, at least 251"):
        ratio.dcc(*(side[:200] for side in prices_of(*pair_moves("pair_a.csv"))))
    with pytest.raises(ConfigError, match="dcc works on moves"):
        ratio.dcc(*prices_of(*pair_moves("pair_a.csv")), on="prices")
