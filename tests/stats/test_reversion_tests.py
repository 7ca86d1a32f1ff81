"""KPSS, the variance ratio and Hurst's exponent: reference numbers, their nulls, and what a user may hand in."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import norm
from statsmodels.datasets import macrodata, nile

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.reversion import anis_lloyd, hurst, kpss, variance_ratio
from hedgekit.stats.reversion.memory import _windows

# Kwiatkowski et al. 1992, level, Bartlett weights, Nile flow; own formula and statsmodels agree.
KPSS_NILE = {4: 0.9654349077526526, 8: 0.6815135277752875}
# Lo & MacKinlay 1988 on log US real GDP: ratio, M1, M2.
LO_MACKINLAY_GDP = {
    2: (1.292172552283751, 4.152552186573487, 3.4878481615951933),
    4: (1.7099147039712173, 5.393216245743676, 4.624009600790847),
    8: (1.8147022042970264, 3.9144481924664625, 3.450111387851201),
}
ANIS_LLOYD_1976 = {16: 4.035530681292289, 64: 8.965567522183642}


def steps(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n)


def reverting_series(b: float, n: int, seed: int) -> np.ndarray:
    return np.asarray(lfilter([1.0], [1.0, -b], steps(n, seed)))


@pytest.mark.parametrize("lags", KPSS_NILE)
def test_kpss_of_the_nile(lags: int) -> None:
    assert kpss(nile.load_pandas().data["volume"], lags=lags).statistic == pytest.approx(KPSS_NILE[lags], abs=1e-8)


def test_kpss_by_hand() -> None:
    x = steps(60, 1)
    e = x - x.mean()
    long_run = (e @ e + 2 * sum((1 - k / 4) * (e[k:] @ e[:-k]) for k in (1, 2, 3))) / 60
    assert kpss(x, lags=3).statistic == pytest.approx(np.sum(np.cumsum(e) ** 2) / 60**2 / long_run, rel=1e-10)


def test_kpss_outside_its_table_is_a_bound_and_says_so() -> None:
    walk, noise = kpss(np.cumsum(steps(500, 2))), kpss(steps(500, 3))
    assert (walk.p_value, walk.p_bound) == (0.01, "<=")
    assert (noise.p_value, noise.p_bound) == (0.10, ">=")
    assert "InterpolationWarning" in walk.warnings[0]
    assert "smaller than the p-value returned" in walk.warnings[0]
    assert walk.finding().says == "it does not come back to a fixed level"
    assert noise.finding(0.2).says == "coming back to a fixed level is not ruled out"
    inside = kpss(nile.load_pandas().data["volume"], lags=8)
    assert inside.p_bound == "="
    assert 0.01 < inside.p_value < 0.025
    assert inside.warnings == ()


def test_kpss_rejects_too_often_for_slow_reversion() -> None:
    fast, slow = ([kpss(reverting_series(b, 250, seed)).p_value <= 0.05 for seed in range(200)] for b in (0.3, 0.97))
    assert np.mean(fast) < 0.12
    assert np.mean(slow) > 0.2


@pytest.mark.parametrize("robust", [False, True])
def test_variance_ratios_of_us_gdp(robust: bool) -> None:  # noqa: FBT001 - the two statistics
    found = variance_ratio(np.log(macrodata.load_pandas().data["realgdp"]), horizons=(2, 4, 8), robust=robust)
    for q, ratio, z in zip(found.horizons, found.ratios, found.statistics, strict=True):
        assert (ratio, z) == pytest.approx((LO_MACKINLAY_GDP[q][0], LO_MACKINLAY_GDP[q][2 if robust else 1]), rel=1e-9)
    assert found.joint_statistic == max(found.statistics)
    assert found.joint_p_value == pytest.approx(1 - (1 - min(found.p_values)) ** 3, rel=1e-6)
    assert "trend" in found.finding().says
    assert list(found.frame().columns) == ["ratio", "statistic", "p_value"]
    assert found.frame().loc[4, "ratio"] == found.ratios[1]


def test_joint_p_allows_for_looking_at_many_horizons() -> None:
    tests = [variance_ratio(np.cumsum(steps(400, seed))) for seed in range(400)]
    assert np.mean([t.joint_p_value < 0.05 for t in tests]) < 0.05 + 3 * 0.011
    assert np.mean([min(t.p_values) < 0.05 for t in tests]) > 0.08  # without the correction


def test_changing_variance_misleads_m1_only() -> None:
    rejected = {True: 0, False: 0}
    for seed in range(200):
        volatility = np.exp(1.5 * reverting_series(0.9, 400, 1_000 + seed) * np.sqrt(1 - 0.81))
        x = np.cumsum(volatility * steps(400, seed))
        for robust in rejected:
            rejected[robust] += variance_ratio(x, horizons=2, robust=robust).joint_p_value < 0.05
    assert rejected[True] < 0.12 * 200
    assert rejected[False] > 0.2 * 200


def test_reversion_lowers_the_ratio() -> None:
    found = variance_ratio(reverting_series(0.8, 500, 5), horizons=[16])
    assert found.ratios[0] < 0.6
    assert found.finding().says.startswith("not a random walk: changes undo each other (reversion or bounce)")
    assert found.p_values[0] == pytest.approx(2 * norm.sf(abs(found.statistics[0])))


@pytest.mark.parametrize("n", ANIS_LLOYD_1976)
def test_anis_lloyd(n: int) -> None:
    assert anis_lloyd(n) == pytest.approx(ANIS_LLOYD_1976[n], rel=1e-10)
    changes = np.random.default_rng(n).standard_normal((20_000, n))
    path = np.cumsum(changes - changes.mean(axis=1, keepdims=True), axis=1)
    ranges = (np.maximum(path.max(axis=1), 0) - np.minimum(path.min(axis=1), 0)) / changes.std(axis=1)
    assert ranges.mean() == pytest.approx(anis_lloyd(n), abs=4 * ranges.std() / np.sqrt(20_000))


def test_hurst_of_independent_changes_is_a_half_and_raw_is_not() -> None:
    found = [hurst(np.cumsum(steps(512, seed))) for seed in range(300)]
    assert np.mean([f.h for f in found]) == pytest.approx(0.5, abs=0.02)
    assert np.mean([f.raw for f in found]) > 0.55  # the trap: a trend that is not there
    assert found[0].raw_null > 0.55
    assert np.mean([f.p_value < 0.05 for f in found]) == pytest.approx(0.05, abs=0.038)
    assert np.mean([f.low <= f.h <= f.high for f in found]) == pytest.approx(0.95, abs=0.038)
    said = [f.says for f in found if f.low <= f.h <= f.high]
    assert all(text.startswith("not distinguishable from a random walk's increments") for text in said)


def test_hurst_sees_strong_memory_only() -> None:
    assert "reversion or bounce" in hurst(reverting_series(0.5, 2_000, 7)).says
    assert "trend" in hurst(np.cumsum(reverting_series(0.9, 2_000, 8))).says
    assert hurst(reverting_series(0.5, 2_000, 7)).p_value == pytest.approx(2 / 1_000)


def test_hurst_by_hand_in_one_window_length() -> None:
    assert _windows(31) == (8,)
    assert _windows(64) == (8, 16, 32)
    long = np.cumsum(steps(64, 10))
    found = hurst(long)
    d = np.diff(long)
    logs = []
    for w in found.windows:
        parts = d[: len(d) // w * w].reshape(-1, w)
        path = np.cumsum(parts - parts.mean(axis=1, keepdims=True), axis=1)
        ranges = np.maximum(path.max(axis=1), 0) - np.minimum(path.min(axis=1), 0)
        logs.append(np.log(np.mean(ranges / parts.std(axis=1))))
    assert found.raw == pytest.approx(np.polyfit(np.log(found.windows), logs, 1)[0], rel=1e-9)


def test_still_windows_are_told() -> None:
    x = np.cumsum(steps(200, 11))
    x[40:60] = x[40]
    found = hurst(x)
    assert found.warnings == ("2 of 24 windows of 8 changes are left out: nothing moves in them",)
    with pytest.raises(DataError, match="x stands still in all 7 windows of 8 changes"):
        hurst(np.r_[np.zeros(63), 1.0])


def test_what_these_tests_refuse() -> None:
    x = np.cumsum(steps(100, 12))
    for test in (kpss, variance_ratio, hurst):
        with pytest.raises(DataError, match="x never moves"):
            test(np.ones(100))
        with pytest.raises(DataError, match="x is nan at position 0"):
            test(np.r_[np.nan, x])
        with pytest.raises(DataError, match="values of x are too few"):
            test(x[:19])
    with pytest.raises(ConfigError, match="lags=100: must be between 0 and 99"):
        kpss(x, lags=100)
    for horizons in ((), 1, (2, 2), 51, (2.5,)):
        with pytest.raises(ConfigError, match="give different whole numbers from 2 to 50"):
            variance_ratio(x, horizons=horizons)  # type: ignore[arg-type]  # a user's mistakes among them
    with pytest.raises(DataError, match="moves by the same amount at every position"):
        variance_ratio(np.arange(50.0))
    with pytest.raises(ConfigError, match="level must be between 0 and 1, reps at least 99"):
        hurst(x, level=1)
    with pytest.raises(ConfigError, match="n=1: must be at least 2"):
        anis_lloyd(1)
