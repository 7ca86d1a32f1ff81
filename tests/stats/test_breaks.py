"""Breaks: published run lengths and dates, the best delay there is, and what autocorrelation does to all of them."""

from __future__ import annotations

import doctest
import math
from itertools import combinations, pairwise

import numba
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.datasets import nile

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.breaks import (
    Cusum,
    CusumState,
    LikelihoodCusum,
    average_run_length,
    bai_perron,
    calibrate_reversion,
    cusum,
    likelihood_cusum,
    online,
    runlength,
    threshold_for,
)
from hedgekit.stats.breaks.argmax import argmax_cdf, argmax_quantile

# Montgomery, Statistical Quality Control, h = 4, k = .5; vectors.json CUSUM-ARL (400 states) to .3%.
MONTGOMERY_SHIFTS = [0, 0.25, 0.5, 0.75, 1, 1.5, 2]
MONTGOMERY_ARL = [168, 74.2, 26.6, 13.3, 8.38, 4.75, 3.34]
BROOK_EVANS_1972_ARL = [
    167.6810704149195,
    74.22349862186452,
    26.63018340263439,
    13.285105636820804,
    8.383145519170677,
    4.747173952144943,
    3.3427726917391056,
]

# vectors.json BREAK-DELAY (Page 1954; Moustakides 1986), tolerance 12%.
BREAK_DELAY_MEDIAN = {10: 48, 20: 78, 40: 125}
BREAK_DELAY_MEAN = {10: 64.5, 20: 106, 40: 172}

# vectors.json BP-NILE: R strucchange (Zeileis et al. 2003).
STRUCCHANGE_NILE_RSS = [2835156.75, 1597457.1944444478, 1552923.6157754008]
STRUCCHANGE_NILE_BIC = [1318.2418068761806, 1270.0837357395662, 1276.4667007553514]
STRUCCHANGE_NILE_OLS_CUSUM, STRUCCHANGE_NILE_SUP_F = 2.9517661026633726, 75.92976942748508
STRUCCHANGE_NILE_INTERVAL = (25, 32)  # confint(): observations 25 to 32, 1895 to 1902, are the last of the old regime
YAO_1987_QUANTILES = {0.95: 7.687, 0.975: 11.033}  # of the place of the maximum, as in Bai 1997


def noise(n: int, seed: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(n)


def reverting(n: int, b: float, seed: int) -> np.ndarray:
    e, x = noise(n, seed), np.zeros(n)
    x[0] = e[0] / math.sqrt(1 - b * b)
    for t in range(1, n):
        x[t] = b * x[t - 1] + e[t]
    return x


@pytest.mark.parametrize(("shift", "printed", "chain"), list(zip(MONTGOMERY_SHIFTS, MONTGOMERY_ARL, BROOK_EVANS_1972_ARL, strict=True)))
def test_average_run_length(shift: float, printed: float, chain: float) -> None:
    found = average_run_length(shift, k=0.5, h=4)
    assert found == pytest.approx(chain, rel=0.003)
    assert found == pytest.approx(printed, rel=0.003)
    assert average_run_length(-shift, k=0.5, h=4) == pytest.approx(found, rel=1e-12)


def by_markov_chain(shift: float, k: float, h: float, states: int = 600) -> float:
    """Second route, one side: Brook & Evans 1972."""
    width = 2 * h / (2 * states - 1)
    at = width * np.arange(states)
    moves = np.diff(norm.cdf(np.r_[-np.inf, at + width / 2] + k - shift - at[:, None]), axis=1)
    return float(np.linalg.solve(np.eye(states) - moves, np.ones(states))[0])


@pytest.mark.parametrize(("shift", "k", "h"), [(0.0, 0.5, 4.0), (0.7, 0.25, 6.0), (0.0, 1.0, 2.5), (1.0, 0.5, 0.5)])
def test_run_length_by_markov_chain(shift: float, k: float, h: float) -> None:
    both = 1 / (1 / by_markov_chain(shift, k, h) + 1 / by_markov_chain(-shift, k, h))
    assert average_run_length(shift, k=k, h=h) == pytest.approx(both, rel=2e-4)


@numba.njit
def _simulated_run(shift, k, h, runs, rng):  # noqa: ANN001, ANN202 - compiled
    total = 0
    for _ in range(runs):
        up = down = 0.0
        while up <= h and down <= h:
            z = shift + rng.standard_normal()
            up, down = max(0.0, up + z - k), max(0.0, down - z - k)
            total += 1
    return total / runs


def test_run_length_by_simulation() -> None:
    found = _simulated_run(0.0, 0.25, 5.0, 20_000, np.random.Generator(np.random.PCG64(1)))
    assert average_run_length(k=0.25, h=5.0) == pytest.approx(found, rel=0.03)


@settings(deadline=None, max_examples=6)
@given(st.floats(2.5, 1e5), st.floats(0.2, 1.0))
def test_threshold_is_the_inverse(arl: float, k: float) -> None:
    if arl > average_run_length(k=k, h=0.0):
        assert average_run_length(k=k, h=threshold_for(arl, k=k)) == pytest.approx(arl, rel=1e-6)


def test_ends_of_the_run_length() -> None:
    assert average_run_length(k=0.5, h=0.0) == pytest.approx(1 / (2 * norm.sf(0.5)))
    assert average_run_length(50.0) == pytest.approx(1)
    assert average_run_length(k=0.5, h=40.0) == math.inf


def test_cusum_bar_by_bar_is_cusum_at_once() -> None:
    x = 5 + 2 * np.r_[noise(300, 2), noise(60, 3) - 1.2, noise(60, 4) + 1.2]
    run = cusum(x, mean=5, sd=2, arl=200)
    state, alarms = CusumState(), []
    for t, value in enumerate(x):
        state = run.rule.update(state, (value - 5) / 2)
        assert (state.upper, state.lower) == pytest.approx(tuple(run.path.iloc[t]), abs=1e-9)
        if state.alarm:
            alarms.append((t, state.alarm, t + 1 - (state.upper_run if state.alarm > 0 else state.lower_run)))
    assert [tuple(row) for row in run.alarms[["position", "direction", "since"]].to_numpy()] == alarms
    assert {direction for _, direction, _ in alarms} == {1, -1}


def test_cusum_finds_a_planted_shift_and_says_what_alarms_are_worth() -> None:
    index = pd.date_range("2024-01-01", periods=1_200, freq="h", tz="UTC")
    run = cusum(pd.Series(np.r_[noise(1_000, 5), noise(200, 6) + 1], index=index), mean=0, sd=1, arl=5_000)
    assert run.arl0 == pytest.approx(5_000)
    assert run.expected_false_alarms == pytest.approx(1_200 / 5_000)
    first = run.alarms.iloc[0]
    assert 1_000 <= first["position"] < 1_030
    assert abs(first["since"] - 1_000) < 10
    assert (first["label"], first["since_label"]) == (index[first["position"]], index[first["since"]])
    assert (first["direction"], first["statistic"] > run.rule.h) == (1, True)


def test_false_alarms_come_as_often_as_stated() -> None:
    run = cusum(noise(100_000, 7), mean=0, sd=1, h=4.0)
    assert len(run.alarms) == pytest.approx(run.expected_false_alarms, abs=4 * math.sqrt(run.expected_false_alarms))
    assert run.warnings == ()


def test_autocorrelation_ruins_the_run_length_and_is_told() -> None:
    """The trap: a spread instead of its innovations."""
    b = 0.5
    spread = reverting(100_000, b, 8)
    raw = cusum(spread, mean=0, sd=1 / math.sqrt(1 - b * b))
    assert len(raw.alarms) > 3 * raw.expected_false_alarms
    assert "hang together (correlation 0.50" in raw.warnings[0]
    innovations = cusum(spread[1:] - b * spread[:-1], mean=0, sd=1)
    assert len(innovations.alarms) == pytest.approx(innovations.expected_false_alarms, rel=0.2)
    assert innovations.warnings == ()


def test_a_quiet_series_gives_an_empty_table() -> None:
    run = cusum([0.0, 0.0, 0.0], mean=0, sd=1)
    assert run.alarms.empty
    assert list(run.alarms.columns) == ["position", "label", "direction", "since", "since_label", "statistic"]
    assert math.isnan(run.autocorrelation)


@pytest.mark.parametrize("half_life", [10, 20, 40])
def test_best_possible_delay(half_life: int) -> None:
    """METHODS 3, OU to random walk: a detector that claims less at this false-alarm rate is leaking."""
    found = calibrate_reversion(half_life, arl=920, paths=8_000, seed=1)
    assert found.median_delay_bars == pytest.approx(BREAK_DELAY_MEDIAN[half_life], rel=0.12)
    assert found.mean_delay_bars == pytest.approx(BREAK_DELAY_MEAN[half_life], rel=0.12)
    assert 2.9 < found.median_delay_half_lives < 5.1
    assert found.arl0_stderr < 0.02 * 920
    assert found == calibrate_reversion(half_life, arl=920, paths=8_000, seed=1)


def test_the_calibrated_run_length_holds_on_one_long_spread() -> None:
    b = 0.5 ** (1 / 10)
    run = likelihood_cusum(3 + 0.2 * reverting(200_000, b, 9), half_life=10, mean=3, innovation_sd=0.2, arl=400)
    assert run.expected_false_alarms == pytest.approx(199_999 / 400)
    assert len(run.alarms) == pytest.approx(run.expected_false_alarms, rel=0.15)


def test_likelihood_cusum_finds_the_end_of_reversion() -> None:
    delays = []
    for seed in range(40):
        x = reverting(400, 0.5 ** (1 / 10), 100 + seed)
        x = np.r_[x, x[-1] + np.cumsum(noise(600, 200 + seed))]
        run = likelihood_cusum(pd.Series(x), half_life=10, mean=0, innovation_sd=1, arl=920)
        later = run.alarms[run.alarms["position"] >= 400]
        delays.append(int(later["position"].iloc[0]) - 399 if len(later) else 600)
    assert 30 <= np.median(delays) <= 75  # 48 at the model's best, 40 paths


def test_likelihood_cusum_bar_by_bar_is_the_same() -> None:
    x = 1 + 0.3 * np.r_[reverting(200, 0.9, 10), np.cumsum(noise(200, 11))]
    run = likelihood_cusum(x, half_life=7, mean=1, innovation_sd=0.3, arl=100)
    state = run.rule.start(float(x[0]))
    alarms = []
    for t in range(1, len(x)):
        state = run.rule.update(state, float(x[t]))
        assert state.statistic == pytest.approx(run.statistic.iloc[t], abs=1e-9)
        if state.alarm:
            alarms.append((t, t + 1 - state.run))
    assert alarms
    assert [tuple(row) for row in run.alarms[["position", "since"]].to_numpy()] == alarms


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


def test_examples_of_run_lengths() -> None:
    for module in (online, runlength):
        result = doctest.testmod(module)
        assert result.attempted
        assert not result.failed


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: average_run_length(k=0, h=4), "k=0: must be a finite number above 0"),
        (lambda: average_run_length(h=61), "h=61: must be at most 60"),
        (lambda: average_run_length(math.nan), "shift=nan"),
        (lambda: threshold_for(1.0), "arl=1: must be from 1.62"),
        (lambda: threshold_for(1e10), "arl=1e+10"),
        (lambda: threshold_for(1e9, k=0.01), "needs a threshold beyond 60 at k=0.01"),
        (lambda: Cusum(h=0), "h=0"),
        (lambda: cusum([1.0], mean=0, sd=0), "sd=0"),
        (lambda: cusum([1.0], mean=math.nan, sd=1), "mean=nan: must be a finite number"),
        (lambda: cusum([1.0], mean=0, sd=1, h=4, arl=100), "h=4 and arl=100: give one of them"),
        (lambda: calibrate_reversion(0), "half_life=0"),
        (lambda: calibrate_reversion(3_000), "half_life=3000: must be from 0 to 2000"),
        (lambda: calibrate_reversion(10, arl=5), "arl=5: must be from 10 to 100000"),
        (lambda: calibrate_reversion(10, paths=10), "paths=10: must be from 100"),
        (lambda: LikelihoodCusum(half_life=10, mean=math.inf, innovation_sd=1, threshold=1), "mean=inf"),
        (lambda: LikelihoodCusum(half_life=10, mean=0, innovation_sd=0, threshold=1), "innovation_sd=0"),
        (lambda: bai_perron(noise(50, 1), level=1.0), "level=1: must be between 0 and 1"),
        (lambda: bai_perron(noise(50, 1), max_breaks=0), "max_breaks=0"),
        (lambda: bai_perron(noise(50, 1), min_segment=1), "min_segment=1: must be more than the 1 coefficients"),
        (lambda: bai_perron(noise(50, 1), min_segment=20), "needs 120 rows, there are 50"),
    ],
)
def test_wrong_parameters_of_breaks(call: object, said: str) -> None:
    assert callable(call)
    with pytest.raises(ConfigError) as told:
        call()
    assert said in str(told.value)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: cusum([0.0, math.nan], mean=0, sd=1), "data is nan at position 1"),
        (lambda: Cusum().update(CusumState(), math.nan), "z is nan"),
        (lambda: likelihood_cusum([0.0], half_life=10, mean=0, innovation_sd=1), "1 values of spread are too few"),
        (lambda: LikelihoodCusum(half_life=10, mean=0, innovation_sd=1, threshold=1).start(math.inf), "spread is inf"),
        (lambda: bai_perron(np.ones(50)), "y never moves (1 at all 50 positions)"),
        (lambda: bai_perron(noise(50, 1), noise(49, 2)), "y has 50 rows, x 49"),
        (lambda: bai_perron(noise(50, 1), np.ones(50)), "x is collinear"),
        (lambda: bai_perron(pd.Series(noise(50, 1)), pd.Series(noise(50, 2), index=range(1, 51))), "different indexes"),
    ],
)
def test_wrong_data_of_breaks(call: object, said: str) -> None:
    assert callable(call)
    with pytest.raises(DataError) as told:
        call()
    assert said in str(told.value)
