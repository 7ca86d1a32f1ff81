"""Intervals hold what they should, and textbook numbers come out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.random import PCG64, Generator

from hedgekit.tca.estimates import exponential_mean, median, ratio, share, survival_median

FREIREICH_1963_TIMES = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
FREIREICH_1963_DONE = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
"""Weeks of remission under 6-MP (Freireich et al. 1963), as in Lawless 2003 and every text on survival: 9 of 21 ended, 359 weeks in all."""


def test_survival_by_the_textbook() -> None:
    """Kaplan-Meier median 23 weeks; exponential mean 359 / 9."""
    assert survival_median(FREIREICH_1963_TIMES, FREIREICH_1963_DONE, 0.95).value == 23
    found = exponential_mean(FREIREICH_1963_TIMES, FREIREICH_1963_DONE, 0.95)
    assert found.value == pytest.approx(359 / 9)
    assert (found.low, found.high) == pytest.approx((2 * 359 / 34.16961, 2 * 359 / 8.230746))  # chi-square: 0.975 of 20, 0.025 of 18


def test_median_of_ten_by_the_table() -> None:
    """Conover 1999, table A3: of 10 values the 2nd and the 9th hold the median with 97.9%."""
    found = median(np.arange(1.0, 11.0), 0.95)
    assert (found.value, found.low, found.high, found.n) == (5.5, 2.0, 9.0, 10)


def test_wilson_by_hand() -> None:
    """Wilson 1927 for 0 of 10 at 95%: 0 to z^2 / (n + z^2) = 0.2775."""
    found = share(0, 10, 0.95)
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(1.959964**2 / (10 + 1.959964**2), rel=1e-6)


@pytest.mark.parametrize("n", [1, 5])
def test_five_values_do_not_bound_a_median(n: int) -> None:
    found = median(np.arange(float(n)), 0.95)
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert survival_median(np.arange(1.0, n + 1), np.ones(n), 0.95).high == math.inf


def test_nothing_gives_nothing() -> None:
    for found in (
        median([], 0.95),
        share(0, 0, 0.95),
        survival_median([], [], 0.95),
        exponential_mean([], [], 0.95),
        ratio(np.zeros(0), np.zeros(0), [], level=0.95, reps=100, seed=(0,)),
    ):
        assert math.isnan(found.value)
        assert math.isnan(found.low)
        assert found.n == 0


def test_nothing_that_ended_bounds_from_below_only() -> None:
    found = exponential_mean([10.0, 20.0], [0, 0], 0.95)
    assert (found.value, found.high) == (math.inf, math.inf)
    assert found.low == pytest.approx(30 / -math.log(0.025))
    assert survival_median([10.0, 20.0], [0, 0], 0.95).value == math.inf


def test_times_that_are_all_one() -> None:
    """Every order at its first quote: there is nothing to be unsure of, and no division by zero."""
    found = survival_median(np.ones(40), np.ones(40), 0.95)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)
    assert survival_median(np.zeros(40), np.ones(40), 0.95).value == 0.0


def held(found: list[tuple[float, float]], truth: float) -> float:
    return float(np.mean([low <= truth <= high for low, high in found]))


def test_intervals_of_censored_times_hold_the_truth_and_are_not_biased() -> None:
    """400 samples of 60 exponential times of mean 1, cut by uniform times to 2: 95% of intervals, within three standard errors."""
    rng = Generator(PCG64(2))
    means, intervals, medians = [], [], []
    for _ in range(400):
        time, cut = rng.exponential(1.0, 60), rng.uniform(0, 2.0, 60)
        mean, half = (estimate(np.minimum(time, cut), time <= cut, 0.95) for estimate in (exponential_mean, survival_median))
        means.append(1 / mean.value)
        intervals.append((mean.low, mean.high))
        medians.append((half.low, half.high))
    assert abs(np.mean(means) - 1.0) < 4 * np.std(means) / 20
    assert 0.92 < held(intervals, 1.0) <= 1.0
    assert 0.91 < held(medians, math.log(2)) <= 1.0


def test_intervals_of_a_ratio_hold_the_truth() -> None:
    """40 trades of 3 fills that share their trade's luck: an interval that took fills one by one would hold it 75 times in 100."""
    rng, truth, whole, single = Generator(PCG64(4)), 0.002, [], []
    trades = np.repeat(np.arange(40), 3)
    for k in range(200):
        worth = rng.uniform(50, 150, 120)
        paid = worth * (truth + 0.01 * np.repeat(rng.standard_normal(40), 3))
        by_trade, by_fill = (ratio(paid, worth, groups, level=0.95, reps=400, seed=(k,)) for groups in (trades, np.arange(120)))
        whole.append((by_trade.low, by_trade.high))
        single.append((by_fill.low, by_fill.high))
    assert 0.89 < held(whole, truth) < 0.99
    assert held(single, truth) < 0.82


def test_a_ratio_of_few_clusters_has_no_interval() -> None:
    found = ratio(np.ones(9), np.full(9, 2.0), np.arange(9), level=0.95, reps=100, seed=(0,))
    assert (found.value, found.n) == (0.5, 9)
    assert math.isnan(found.low)
