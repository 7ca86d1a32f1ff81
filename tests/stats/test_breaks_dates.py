"""Dates of breaks: published ones, planted ones, their intervals, and what autocorrelation does to them."""

from __future__ import annotations

import math
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.datasets import nile

from hedgekit.stats.breaks import bai_perron
from hedgekit.stats.breaks.argmax import argmax_cdf, argmax_quantile
from tests.stats.breaks_made import noise, reverting

# vectors.json BP-NILE: R strucchange (Zeileis et al. 2003).
STRUCCHANGE_NILE_RSS = [2835156.75, 1597457.1944444478, 1552923.6157754008]
STRUCCHANGE_NILE_BIC = [1318.2418068761806, 1270.0837357395662, 1276.4667007553514]
STRUCCHANGE_NILE_OLS_CUSUM, STRUCCHANGE_NILE_SUP_F = 2.9517661026633726, 75.92976942748508
STRUCCHANGE_NILE_INTERVAL = (25, 32)  # confint(): observations 25 to 32, 1895 to 1902, are the last of the old regime
YAO_1987_QUANTILES = {0.95: 7.687, 0.975: 11.033}  # of the place of the maximum, as in Bai 1997


def test_nile_against_strucchange() -> None:
    years = pd.Series(nile.load_pandas().data["volume"].to_numpy(), index=pd.RangeIndex(1871, 1971))
    found = bai_perron(years, max_breaks=2, min_segment=15)
    assert found.criteria["rss"].tolist() == pytest.approx(STRUCCHANGE_NILE_RSS, rel=1e-9)
    assert found.criteria["bic"].tolist() == pytest.approx(STRUCCHANGE_NILE_BIC, rel=1e-9)
    assert found.sup_f == pytest.approx(STRUCCHANGE_NILE_SUP_F, rel=1e-9)
    assert found.ols_cusum == pytest.approx(STRUCCHANGE_NILE_OLS_CUSUM, rel=1e-9)
    assert (found.n_breaks, found.sup_f_position) == (1, 28)
    row = found.breaks.iloc[0]
    assert (row["position"], row["label"]) == (28, 1899)  # first year of the new regime; strucchange names the year before
    assert (row["low"], row["high"]) == STRUCCHANGE_NILE_INTERVAL
    assert found.segments["mean"].tolist() == pytest.approx([1097.75, 849.9722222222222])
    assert "every bar" in found.note
    assert found.ols_cusum_p_value < 1e-6


def test_ols_cusum_and_sup_f_p_values_at_published_critical_values() -> None:
    from scipy.special import kolmogorov  # noqa: PLC0415 - beside the number that it proves

    from hedgekit.stats.breaks.dating import _sup_f_p_value  # noqa: PLC0415 - a formula held against a table

    assert kolmogorov(1.358) == pytest.approx(0.05, abs=1e-4)
    for q, five_percent in ((1, 8.68), (2, 11.72), (3, 14.13)):  # Andrews 2003 (corrigendum), trimming .15
        assert _sup_f_p_value(five_percent, q, 0.15) == pytest.approx(0.05, abs=0.006)
    assert _sup_f_p_value(0.5, 1, 0.15) == 1


def test_dates_of_planted_ratios() -> None:
    n = 1_000
    hedge = noise(n, 12)
    ratio = np.where(np.arange(n) < 300, 0.8, np.where(np.arange(n) < 700, 1.1, 0.6))
    index = pd.date_range("2024-01-01", periods=n, freq="D")
    found = bai_perron(
        pd.Series(ratio * hedge + 0.3 * noise(n, 13), index=index), pd.Series(hedge, index=index, name="hedge"), min_segment=60
    )
    assert found.n_breaks == 2
    assert found.breaks["position"].tolist() == pytest.approx([300, 700], abs=15)
    assert found.breaks["label"].tolist() == [index[p] for p in found.breaks["position"]]
    assert found.segments["hedge"].tolist() == pytest.approx([0.8, 1.1, 0.6], abs=0.06)
    assert found.segments["n"].sum() == n
    assert found.warnings == ()
    assert found.sup_f_p_value < 1e-3


def by_trying_all(y: np.ndarray, x: np.ndarray, m: int, shortest: int) -> float:
    """Second route: every set of dates."""
    best = np.inf
    for cuts in combinations(range(shortest, len(y)), m):
        edges = [0, *cuts, len(y)]
        if min(np.diff(edges)) >= shortest:
            fits = [(y[a:b], x[a:b]) for a, b in pairwise(edges)]
            best = min(best, sum(float(np.sum((v - d @ np.linalg.lstsq(d, v)[0]) ** 2)) for v, d in fits))
    return best


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 10_000))
def test_the_dynamic_programme_tries_all_dates(seed: int) -> None:
    y, x = noise(22, seed), noise(22, seed + 1)
    found = bai_perron(y, x, max_breaks=3, min_segment=4)
    for m in range(4):
        assert found.criteria["rss"].iloc[m] == pytest.approx(by_trying_all(y, np.column_stack([np.ones(22), x]), m, 4), rel=1e-8)


def test_a_far_level_costs_no_digits() -> None:
    y = noise(200, 14) + np.where(np.arange(200) < 90, 0.0, 3.0)
    near, far = (bai_perron(y + level, max_breaks=2, min_segment=20) for level in (0.0, 1e7))
    assert far.criteria["rss"].tolist() == pytest.approx(near.criteria["rss"].tolist(), rel=1e-5)
    assert far.breaks["position"].tolist() == near.breaks["position"].tolist()


def test_no_break_is_an_answer() -> None:
    found = bai_perron(noise(400, 15))
    assert (found.n_breaks, len(found.breaks), len(found.segments)) == (0, 0, 1)
    assert list(found.breaks.columns) == ["position", "label", "low", "high", "low_label", "high_label"]
    assert found.ols_cusum_p_value > 0.05


def test_a_reverting_spread_has_breaks_that_are_not_there_and_is_told() -> None:
    """The trap: BIC on autocorrelated numbers."""
    found = bai_perron(reverting(500, 0.95, 16))
    assert found.n_breaks > 0
    assert "autocorrelated" in found.warnings[0]


def test_an_exact_step() -> None:
    found = bai_perron(np.r_[np.zeros(30), np.ones(30)], max_breaks=2, min_segment=10)
    assert found.n_breaks == 1
    assert found.breaks.iloc[0][["position", "low", "high"]].tolist() == [30, 30, 30]
    assert math.isnan(found.autocorrelation)


def test_without_an_intercept() -> None:
    x = noise(300, 17)
    found = bai_perron(np.where(np.arange(300) < 150, 1.0, 2.0) * x + 0.2 * noise(300, 18), x, intercept=False)
    assert found.n_breaks == 1
    assert list(found.segments.columns) == ["start", "stop", "n", "sd", "x0"]
    assert math.isnan(found.ols_cusum)


def test_five_thousand_bars_in_seconds() -> None:
    n = 5_000
    x = noise(n, 19)
    found = bai_perron(np.where(np.arange(n) < 2_000, 0.8, 1.1) * x + 0.3 * noise(n, 20), x)
    assert found.breaks["position"].tolist() == pytest.approx([2_000], abs=20)


def test_law_of_the_date() -> None:
    for p, printed in YAO_1987_QUANTILES.items():
        assert argmax_quantile(p) == pytest.approx(printed, abs=1e-3)
        assert argmax_quantile(1 - p) == pytest.approx(-printed, abs=1e-3)
    assert argmax_cdf(-1e-12, xi=1.5, phi=0.7) == pytest.approx(argmax_cdf(1e-12, xi=1.5, phi=0.7), abs=1e-5)


def test_law_of_the_date_by_simulation() -> None:
    xi, phi, dt, n, paths = 1.5, 0.7, 0.01, 3_000, 2_000
    rng = np.random.Generator(np.random.PCG64(21))
    places = np.empty(paths)
    for i in range(paths):
        left = np.cumsum(math.sqrt(dt) * rng.standard_normal(n) - dt / 2)
        right = np.cumsum(math.sqrt(dt * phi) * rng.standard_normal(n) - xi * dt / 2)
        places[i] = -(left.argmax() + 1) * dt if left.max() > right.max() else (right.argmax() + 1) * dt
    for x in (-6.0, -1.0, 0.5, 2.0):
        assert np.mean(places <= x) == pytest.approx(argmax_cdf(x, xi=xi, phi=phi), abs=0.04)


def test_intervals_cover_the_date() -> None:
    hit = 0
    for seed in range(200):
        e = noise(200, 1_000 + seed)
        y = np.where(np.arange(200) < 90, 2.0 * e, 1.0 + 0.7 * e)  # noise before is three times the noise after
        row = bai_perron(y, max_breaks=1, min_segment=20).breaks
        hit += bool(len(row)) and bool(row["low"].iloc[0] <= 90 <= row["high"].iloc[0])
    assert 0.85 < hit / 200 <= 1
