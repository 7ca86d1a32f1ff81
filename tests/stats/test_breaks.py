"""Alarms: published run lengths, the best delay there is, and what autocorrelation does to all of them."""

from __future__ import annotations

import doctest
import math

import numba
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

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
from tests.stats.breaks_made import noise, reverting

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
