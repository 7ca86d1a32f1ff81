"""Studentised intervals of ratios and differences: hand cases, theory, published standard errors, open ends, laws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from hedgekit import metrics as m
from hedgekit.stats.studentised import MIN_BLOCKS, Estimate, contrast, estimate, ratio
from hedgekit.stats.twins import means, sharpes, slopes, variances

HERE = Path(__file__).parent
LEDOIT_WOLF_2008_DIFFERENCE, LEDOIT_WOLF_2008_SE_IID = -0.02803477073059514, 0.044044558232420566  # vector LW: unhedged less hedged, pair_a


def estimated(rows: np.ndarray, figures: object = means, seed: int = 0, reps: int = 999) -> Estimate:
    return estimate(rows, figures, reps=reps, seed=(seed,))  # type: ignore[arg-type]


def gaussian(n: int, mean: tuple[float, float], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, 2)) + mean


# -------------------------------------------------------------------- intervals


def test_a_mean_has_the_interval_of_the_normal_law() -> None:
    found = []
    for seed in range(20):
        rows = gaussian(2000, (0.3, 5.0), seed)
        ends, se = contrast(estimated(rows, reps=499), (1, 0), 0.95), rows[:, 0].std() / np.sqrt(2000)
        found.append([(ends.lower - rows[:, 0].mean()) / se, (ends.upper - rows[:, 0].mean()) / se])
    assert np.mean(found, axis=0) == pytest.approx([-1.96, 1.96], rel=0.1)


def test_a_ratio_has_fiellers_interval() -> None:
    rows = gaussian(2000, (0.5, 0.2))
    a, b = rows.mean(axis=0)
    c = np.cov(rows.T) / 2000
    z = stats.norm.ppf(0.975)
    roots = np.sort(np.roots([b * b - z * z * c[1, 1], -2 * (a * b - z * z * c[0, 1]), a * a - z * z * c[0, 0]]).real)
    ends = ratio(estimated(rows), 0.95)
    assert [ends.lower, ends.upper] == pytest.approx(roots.tolist(), rel=0.12)
    assert ends.upper - a / b > a / b - ends.lower  # not symmetric: a small denominator makes a large ratio


def test_a_denominator_that_may_be_zero_has_no_upper_end() -> None:
    noise = gaussian(400, (0, 0))
    noise -= noise.mean(axis=0)
    ends = ratio(estimated(noise + np.array([0.5, 0.06])), 0.95)  # standard errors of .05
    assert 0 < ends.lower < 0.5 / 0.06
    assert ends.upper == np.inf
    both = ratio(estimated(noise + np.array([0.01, 0.02])), 0.95)
    assert (both.lower, both.upper) == (-np.inf, np.inf)


def test_a_denominator_below_zero_has_no_ratio() -> None:
    assert np.isnan(ratio(estimated(gaussian(400, (0.5, -0.5))), 0.95).lower)


def test_what_never_varies_has_no_width() -> None:
    rows = np.column_stack([np.full(50, 3.0), np.full(50, 4.0)])
    e = estimated(rows)
    assert ratio(e, 0.95).lower == ratio(e, 0.95).upper == pytest.approx(0.75, rel=1e-12)
    assert contrast(e, (1, -1), 0.95).lower == contrast(e, (1, -1), 0.95).upper == pytest.approx(-1.0, rel=1e-12)


def test_too_few_rows_have_no_interval() -> None:
    e = estimated(gaussian(9, (0.3, 5.0)))
    assert np.isnan(ratio(e, 0.95).lower)
    assert np.isnan(contrast(e, (1, 0), 0.95).upper)
    assert np.isnan(estimated(np.empty((0, 2))).values).all()


def test_one_resampled_figure_that_cannot_be_measured_counts_as_the_worst() -> None:
    rows = np.column_stack([np.r_[1.0, np.zeros(39)], np.ones(40)])  # blocks of 5, 8 to a history: 1 in 8 histories has no variance
    ends = contrast(estimated(rows), (1, 0), 0.95)
    assert ends.lower == -np.inf


def test_memory_makes_the_interval_wider_and_the_block_longer() -> None:
    e = np.random.default_rng(5).standard_normal(4000)
    slow = e.copy()
    for i in range(1, len(e)):
        slow[i] += 0.8 * slow[i - 1]
    slow /= slow.std()
    short, long = (estimated(np.column_stack([x, np.ones(4000)])) for x in (e, slow))
    assert long.block > 1.5 * short.block
    assert MIN_BLOCKS * long.block <= 4000
    width = [np.ptp([ends.lower, ends.upper]) for ends in (contrast(x, (1, 0), 0.95) for x in (short, long))]
    assert width[1] / width[0] == pytest.approx(3.0, rel=0.25)  # sqrt((1 + .8) / (1 - .8))


def test_the_standard_error_of_a_sharpe_difference_is_ledoit_and_wolfs() -> None:
    p, h = np.diff(pd.read_csv(HERE / "pair_a.csv")[["p", "h"]].to_numpy(), axis=0).T
    x = np.column_stack([p, p - 0.85 * h])
    x = x / x[:, 0].std()
    rows = np.column_stack([x, x * x])
    e, w = estimated(rows, sharpes), np.array([1.0, -1.0])
    assert w @ e.values == pytest.approx(LEDOIT_WOLF_2008_DIFFERENCE, rel=2e-3)  # noqa: PD011 - an array, no frame
    steep = w @ sharpes(rows.mean(axis=0)[None, :])[1][0]
    assert np.sqrt(steep @ np.cov(rows.T, ddof=0) @ steep / len(rows)) == pytest.approx(LEDOIT_WOLF_2008_SE_IID, rel=2e-3)
    assert 0.75 < np.sqrt(w @ e.cov @ w) / LEDOIT_WOLF_2008_SE_IID < 1.25  # the spread's returns reverse a little, so blocks give less


def test_same_seed_same_interval() -> None:
    rows = gaussian(100, (0.5, 1.0))
    assert ratio(estimated(rows), 0.9) == ratio(estimated(rows), 0.9)
    assert ratio(estimated(rows), 0.9) != ratio(estimated(rows, seed=1), 0.9)


# ---------------------------------------------------------------------- figures


@pytest.mark.parametrize(
    ("figures", "at"),
    [(sharpes, [0.3, -0.2, 1.4, 2.0]), (variances, [0.3, -0.2, 1.4, 2.0]), (slopes, [0.8, 0.1, 0.3, 1.2, 0.9])],
)
def test_gradients_are_those_of_the_figures(figures: object, at: list[float]) -> None:
    mu = np.array([at])
    steep = figures(mu)[1][0]  # type: ignore[operator]
    for k in range(len(at)):
        up, down = mu.copy(), mu.copy()
        up[0, k] += 1e-6
        down[0, k] -= 1e-6
        assert (figures(up)[0][0] - figures(down)[0][0]) / 2e-6 == pytest.approx(steep[:, k], abs=1e-7)  # type: ignore[operator]


def test_figures_are_the_metrics() -> None:
    x = gaussian(200, (0.3, 0.1))
    mu = np.array([[*x.mean(axis=0), *(x * x).mean(axis=0)]])
    factor = np.sqrt(252 * 199 / 200)
    assert sharpes(mu)[0][0] * factor == pytest.approx([m.sharpe(x[:, 0]), m.sharpe(x[:, 1])], rel=1e-9)
    assert variances(mu)[0][0] == pytest.approx(x.var(axis=0), rel=1e-9)
    moments = np.array([[1.0, *x.mean(axis=0), (x[:, 0] ** 2).mean(), (x[:, 0] * x[:, 1]).mean()]])
    sxy, sxx = slopes(moments)[0][0]
    assert sxy / sxx - 1 == pytest.approx(m.beta_error(x[:, 1], x[:, 0]), rel=1e-9)
    assert np.isnan(sharpes(np.array([[1.0, 1.0, 1.0, 2.0]]))[0][0, 0])  # never varies


# ------------------------------------------------------------------------- laws


@settings(deadline=None, max_examples=25)
@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.integers(0, 5))
def test_law_units_do_not_matter(c: float, d: float, seed: int) -> None:
    rows = gaussian(60, (0.5, 1.5), seed)
    one, other = ratio(estimated(rows, reps=199), 0.9), ratio(estimated(rows * [c, d], reps=199), 0.9)
    assert other.lower * d / c == pytest.approx(one.lower, rel=1e-6, abs=1e-9)
    assert other.upper * d / c == pytest.approx(one.upper, rel=1e-6, abs=1e-9)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.floats(-0.5, 1.0), st.floats(0.0, 1.0))
def test_law_the_interval_holds_the_figure_and_grows_with_the_level(seed: int, a: float, b: float) -> None:
    e = estimated(gaussian(80, (a, b), seed), reps=399)
    narrow, wide = (ratio(e, level) for level in (0.8, 0.99))
    over, under = e.values  # noqa: PD011 - an array, no frame
    if under > 0:
        at = over / under
        assert wide.lower - 1e-9 <= narrow.lower <= narrow.upper <= wide.upper + 1e-9
        assert wide.lower - 1e-9 <= at <= wide.upper + 1e-9
