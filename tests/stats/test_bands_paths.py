"""Bands along a path: fewest changes and least turnover by second routes, and what a history of ratios tells."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from hedgekit.errors import DataError
from hedgekit.rules import cost as rule
from hedgekit.stats.bands import (
    band_efficiency,
    band_from_history,
    cost_aware_ratio,
    discrete_band,
    fewest_changes,
    least_turnover,
    one_period,
    proportional_band,
)

K = 0.002  # BAND-EDGE's cost
CENTRE_TO_EDGE = 1.2599210498948732  # BAND-EDGE

# MIN-TRADES (interval piercing; Lochowski & Milos).
MIN_TRADES_PATH = [0, 1, 2, 3, 2.5, 1, 0, -1, -2, -1, 0, 4, 4.2, 3.9]
MIN_TRADES_PLAY = [0.0, 0.0, 1.0, 2.0, 2.0, 2.0, 1.0, 0.0, -1.0, -1.0, -1.0, 3.0, 3.2, 3.2]
short_paths = st.lists(st.integers(-6, 6), min_size=1, max_size=9)


def test_rules_and_bands_say_the_same() -> None:
    removed = rule.risk_removed(0.02, 0.005, 10.0, 2.0, 0.3, 4.0)
    assert rule.net_gain(0.02, 0.005, K, 10.0 / 2.0 * 0.3, 4.0) == pytest.approx(removed - K * 0.015)


def test_cost_aware_ratio_along_a_path_is_the_play_operator() -> None:
    model = {"cost": 0.0002, "hedge_variance": 0.012**2, "risk_aversion": 10.0, "horizon": 5.0}
    estimates = 0.85 + 0.05 * np.cumsum(np.random.Generator(np.random.PCG64(5)).standard_normal(60))
    held, path = float(estimates[0]), []
    for estimate in estimates:
        held = cost_aware_ratio(held, float(estimate), **model).position
        path.append(held)
    threshold = 0.0002 / (10 * 0.012**2 * 5)
    assert path == pytest.approx(least_turnover(estimates, threshold).held.to_numpy(), abs=1e-12)


def test_min_trades() -> None:
    few = fewest_changes(MIN_TRADES_PATH, 1.0)
    assert few.changes == 3
    assert np.abs(few.held - MIN_TRADES_PATH).max() <= 1
    least = least_turnover(MIN_TRADES_PATH, 1.0, start=0.0)
    assert least.turnover == pytest.approx(9.2, abs=1e-12)
    assert least.held.tolist() == pytest.approx(MIN_TRADES_PLAY, abs=1e-12)


def test_trading_to_the_target_is_far_from_the_bounds() -> None:
    held, x = [], 0.0
    for target in MIN_TRADES_PATH:
        x = float(target) if abs(x - target) > 1 else x
        held.append(x)
    found = band_efficiency(held, MIN_TRADES_PATH, 1.0)
    assert (found.changes, found.turnover) == (5, 12.0)  # MIN-TRADES: to_target
    assert (found.fewest_changes, found.least_turnover) == (3, pytest.approx(9.2))
    assert found.changes_efficiency == pytest.approx(0.6)
    assert found.turnover_efficiency == pytest.approx(9.2 / 12)
    assert (found.outside, found.worst) == (0, 0)


def test_leaving_the_band_is_told() -> None:
    lazy = band_efficiency(np.zeros(14), MIN_TRADES_PATH, 1.0)
    assert lazy.changes == 0
    assert lazy.changes_efficiency == lazy.turnover_efficiency == math.inf
    assert (lazy.outside, lazy.outside_frac, lazy.worst) == (7, 0.5, pytest.approx(3.2))
    quiet = band_efficiency(np.zeros(3), np.zeros(3), 1.0)
    assert (quiet.changes_efficiency, quiet.turnover_efficiency) == (1, 1)
    assert band_efficiency([0.0], [0.0], 1.0).changes_efficiency == 1


def by_dynamic_programme(path: list[int], band: float, start: float | None) -> int:
    """Second route: fewest changes over all positions on a grid that holds every edge."""
    grid = np.arange(-40, 41) / 4
    count = np.zeros(len(grid)) if start is None else (grid != start).astype(float)
    for t, target in enumerate(path):
        if t:
            count = np.minimum(count, count.min() + 1)
        count = np.where(np.abs(grid - target) <= band, count, np.inf)
    return int(count.min())


@settings(deadline=None, max_examples=60)
@given(short_paths, st.sampled_from([0.25, 0.5, 1.0, 2.25]), st.sampled_from([None, 0.0, 3.0]))
def test_fewest_changes_by_dynamic_programme(path: list[int], band: float, start: float | None) -> None:
    found = fewest_changes(path, band, start=start)
    assert found.changes == by_dynamic_programme(path, band, start)
    assert np.abs(found.held - path).max() <= band + 1e-12


@settings(deadline=None, max_examples=25)
@given(short_paths, st.lists(st.floats(0, 3), min_size=9, max_size=9), st.floats(-3, 3))
def test_least_turnover_by_linear_program(path: list[int], bands: list[float], start: float) -> None:
    n, half = len(path), np.array(bands[: len(path)])
    found = least_turnover(path, half, start=start)
    # variables: x (n), u (n) with u >= |x_t - x_{t-1}|
    step = np.eye(n) - np.eye(n, k=-1)
    edge = np.r_[start, np.zeros(n - 1)]
    rows = np.block([[step, -np.eye(n)], [-step, -np.eye(n)]])
    bounds = [*zip(np.array(path) - half, np.array(path) + half, strict=True), *([(0, None)] * n)]
    program = linprog(np.r_[np.zeros(n), np.ones(n)], A_ub=rows, b_ub=np.r_[edge, -edge], bounds=bounds)
    assert found.turnover == pytest.approx(program.fun, abs=1e-6)


def test_any_band_keeps_the_bounds() -> None:
    """METHODS 3, any band b: changes at least the greedy minimum, turnover at least the play operator's."""
    target = np.cumsum(np.random.Generator(np.random.PCG64(6)).standard_normal(3_000))
    for band in (0.5, 2.0, 8.0):
        for inner in (0.0, 0.5, 1.0):
            x, held = target[0], []
            for want in target:
                x = want + math.copysign(inner * band, x - want) if abs(x - want) > band else x
                held.append(x)
            found = band_efficiency(held, target, band)
            assert found.outside == 0
            assert 0 < found.changes_efficiency <= 1
            assert 0 < found.turnover_efficiency <= 1 + 1e-12
            if inner == 1.0:
                assert found.turnover_efficiency == pytest.approx(1)


def test_labels_and_a_changing_band() -> None:
    index = pd.date_range("2024-01-01", periods=3, freq="h", tz="UTC")
    found = least_turnover(pd.Series([0.0, 2.0, 2.0], index=index), [1.0, 1.0, 0.5])
    assert found.held.index.equals(index)
    assert found.held.tolist() == [0.0, 1.0, 1.5]
    assert (found.changes, found.turnover) == (2, 1.5)
    assert all(abs(b - a) in (0, 1, 0.5) for a, b in pairwise(found.held))


def test_band_from_history_finds_the_planted_variance() -> None:
    steps = np.random.Generator(np.random.PCG64(7)).standard_normal(5_000)
    found = band_from_history(0.85 + 0.01 * np.cumsum(steps), cost=0.0002, hedge_variance=0.012**2, risk_aversion=10)
    assert found.variance_rate == pytest.approx(1e-4, abs=3 * found.variance_rate_stderr)
    assert found.half_width == pytest.approx(discrete_band(0.0002, found.variance_rate, 10 * 0.012**2).half_width)
    assert found.half_width < proportional_band(0.0002, 1e-4, 10 * 0.012**2).half_width
    assert found.excess_to_target == pytest.approx(CENTRE_TO_EDGE - 1)
    assert found.warnings == ()


def test_noise_of_the_estimate_is_no_drift() -> None:
    noise = 0.01 * np.random.Generator(np.random.PCG64(8)).standard_normal(2_000)
    model = {"cost": 0.01, "hedge_variance": 0.012**2, "risk_aversion": 10.0}
    assert "jump about" in band_from_history(0.85 + noise, **model).warnings[0]
    assert "trends" in band_from_history(0.85 + 0.01 * np.arange(2_000.0), **model).warnings[0]
    short = band_from_history(0.85 + noise[:30], **(model | {"cost": 0.1}))
    assert math.isnan(short.variance_ratio)
    assert "too few" in short.warnings[0]
    still = band_from_history(np.full(50, 0.85), **model)
    assert still.half_width == 0
    assert "never moves" in still.warnings[0]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: one_period(math.nan, 1, cost=K, penalty=1, horizon=1), "position is nan"),
        (lambda: fewest_changes([0, math.nan], 1.0), "path is nan at position 1"),
        (lambda: fewest_changes([], 1.0), "0 values of path are too few"),
        (lambda: fewest_changes([[0, 1], [1, 2]], 1.0), "path has shape (2, 2): give one series"),
        (lambda: least_turnover([0, 1], [1.0, math.nan]), "band is nan at position 1: half-widths must be finite"),
        (lambda: least_turnover([0, 1], [1.0]), "band has shape (1,), path (2,)"),
        (lambda: band_efficiency([0.0], [0.0, 1.0], 1.0), "held has 1 values, path 2"),
        (lambda: band_efficiency(pd.Series([0.0], index=[1]), pd.Series([0.0], index=[2]), 1.0), "different indexes"),
        (lambda: band_from_history([1.0] * 29, cost=K, hedge_variance=1, risk_aversion=1), "29 values of ratios are too few"),
    ],
)
def test_wrong_data(call: object, said: str) -> None:
    assert callable(call)
    with pytest.raises(DataError) as told:
        call()
    assert said in str(told.value)
