"""Sharpe inference: published digits, an exact match with Ledoit & Wolf's own program, planted truth, and the laws of units and signs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats import sharpe as sr
from hedgekit.stats.bootstrap import block_length

# Vector MEMMEL: S .10 and .12 a trade, correlation .8 (Jobson & Korkie 1981, Memmel 2003).
MEMMEL_2003_SE_200, MEMMEL_2003_POWER_50, MEMMEL_2003_POWER_200 = 0.04497332542741308, 0.05568281732473259, 0.07294729449196931
MEMMEL_2003_NEEDED = 7937.572075347241

# Vector LW: unhedged dp and hedged dp - .85 dh of pair_a: difference, standard error, statistic, p-value.
LEDOIT_WOLF_2008_IID = [-0.02803477073059514, 0.044044558232420566, -0.6365092954879304, 0.5244445242512291]
LEDOIT_WOLF_2008_HAC = [-0.02803477073059514, 0.04254064587198113, -0.6590114032344746, 0.5098884460893895]

LO_2002_ETA_12 = {-0.2: 4.170848014103785, 0.0: 3.464101615137755, 0.2: 2.87884869052744, 0.5: 2.12128797552083}
LO_2002_ETA_252_AT_03 = 15.407042467166146

BETA_N = {0.5: 1155, 0.7: 402, 0.8: 219, 0.9: 93, 0.95: 44}
BAILEY_2012_PSR_NORMAL, BAILEY_2012_PSR_NONNORMAL = 0.9816749190910771, 0.913361083860933  # published .982, .913
BAILEY_2012_MINTRL_YEARS = [2.7309842751596634, 2.828833586945237, 3.239800696444647, 4.991258223875627]  # published to .01
BAILEY_2014_SR0, BAILEY_2014_DSR_100, BAILEY_2014_DSR_46 = 0.11317200186513214, 0.9003968344493903, 0.9505017068755787
BAILEY_2014_EMAX = {10: 1.57459830134575, 100: 2.5306028932016846, 1000: 3.255121513652723}
EMAX_EXACT = {10: 1.5387527308351727, 100: 2.5075936364416833, 1000: 3.2414357691334246}
BAILEY_2014_MINBTL_45 = 4.998087004443404  # 5 years allow 45 trials
MAGDON_ISMAIL_2004_MEAN, MAGDON_ISMAIL_2004_CV = 1.2533141373155001, 0.41
POLITIS_WHITE_2009_STATIONARY, POLITIS_WHITE_2009_LITERAL = 13.635665, 14.4025


def hedged_pair() -> tuple[np.ndarray, np.ndarray]:
    logs = pd.read_csv(Path(__file__).with_name("pair_a.csv"))
    dp, dh = np.diff(logs.p), np.diff(logs.h)
    return dp, dp - 0.85 * dh


def draws(seed: int, n: int, k: int = 1) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).standard_normal((n, k))


def ar1(seed: int, n: int, rho: float) -> np.ndarray:
    x = draws(seed, n)[:, 0]
    for t in range(1, n):
        x[t] += rho * x[t - 1]
    return x


# ------------------------------------------------------------------ difference


def test_memmel() -> None:
    assert sr.memmel(0.10, 0.12, 0.8, 200) == pytest.approx(MEMMEL_2003_SE_200, rel=1e-12)
    assert sr.power(0.10, 0.12, 0.8, 50) == pytest.approx(MEMMEL_2003_POWER_50, rel=1e-9)
    assert sr.power(0.10, 0.12, 0.8, 200) == pytest.approx(MEMMEL_2003_POWER_200, rel=1e-9)
    assert sr.trades_needed(0.10, 0.12, 0.8) == pytest.approx(MEMMEL_2003_NEEDED, rel=1e-9)
    assert sr.power(0.10, 0.12, 0.8, 7938) == pytest.approx(0.8, abs=1e-4)
    assert sr.trades_needed(0.1, 0.1, 0.8) == np.inf


def test_ledoit_wolf_is_the_authors_program() -> None:
    for errors, published in (("iid", LEDOIT_WOLF_2008_IID), ("hac", LEDOIT_WOLF_2008_HAC)):
        found = sr.ledoit_wolf(*hedged_pair(), errors=errors)  # type: ignore[arg-type]  # one of the two words
        assert [found.difference, found.stderr, found.statistic, found.p_value] == pytest.approx(published, rel=1e-8)
        assert found.low < found.difference < found.high
        assert found.n == 499


def test_prewhitening_and_bootstrap_agree_with_them() -> None:
    pair = hedged_pair()
    assert sr.ledoit_wolf(*pair, prewhiten=True).stderr == pytest.approx(LEDOIT_WOLF_2008_HAC[1], rel=0.05)
    found = sr.ledoit_wolf_bootstrap(*pair, block=5, reps=2_000, seed=1)
    assert found.p_value == pytest.approx(LEDOIT_WOLF_2008_HAC[3], abs=0.05)
    assert found == sr.ledoit_wolf_bootstrap(*pair, block=5, reps=2_000, seed=1)
    assert found.low < found.difference < found.high
    assert "block 5" in found.method


def test_prewhitening_sees_what_hangs_together() -> None:
    # Two independent AR(1) of .6: the long-run variance of a mean is 4 times (1 / (1 - .6)^2 x (1 - .6^2) = 4) the plain one.
    x = np.column_stack((ar1(1, 20_000, 0.6), ar1(2, 20_000, 0.6)))
    plain = sr.ledoit_wolf(*x.T, errors="iid").stderr
    assert sr.ledoit_wolf(*x.T, prewhiten=True).stderr / plain == pytest.approx(2, rel=0.1)
    assert sr.ledoit_wolf(*x.T).stderr / plain == pytest.approx(2, rel=0.15)


def test_bootstrap_holds_its_size_in_small_samples_of_fat_tails() -> None:
    rng = np.random.Generator(np.random.PCG64(5))
    hits = 0
    for i in range(300):
        common, own = rng.standard_t(5, 60), rng.standard_t(5, (60, 2))
        x = 0.1 + common[:, None] + own
        hits += sr.ledoit_wolf_bootstrap(*x.T, block=1, reps=199, seed=i).p_value <= 0.05
    assert hits / 300 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


def test_a_real_difference_is_seen() -> None:
    x = draws(3, 2_000, 2) + np.array([0.2, 0.0])
    assert sr.ledoit_wolf(*x.T).p_value < 0.001
    assert sr.ledoit_wolf_bootstrap(*x.T, reps=499).p_value == pytest.approx(1 / 500)
    assert sr.ledoit_wolf_bootstrap(*x.T, reps=499).low > 0


def test_equal_series_have_no_statistic() -> None:
    x = draws(4, 100)[:, 0]
    for found in (sr.ledoit_wolf(x, x), sr.ledoit_wolf_bootstrap(x, x, reps=99)):
        assert found.difference == 0
        assert np.isnan([found.statistic, found.p_value]).all()


@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 50))
@settings(max_examples=10, deadline=None)
def test_units_do_not_matter_and_order_changes_the_sign(scale: float, seed: int) -> None:
    x = draws(seed, 80, 2) + 0.1
    one, other = sr.ledoit_wolf(x[:, 0], x[:, 1]), sr.ledoit_wolf(x[:, 1] * scale, x[:, 0])
    assert other.difference == pytest.approx(-one.difference, rel=1e-9)
    assert other.stderr == pytest.approx(one.stderr, rel=0.2)  # Andrews' bandwidth depends on the unit: by up to 16% on these draws
    turned = sr.ledoit_wolf(x[:, 1], x[:, 0])
    assert [turned.stderr, turned.p_value] == pytest.approx([one.stderr, one.p_value], rel=1e-9)
    first, second = sr.ledoit_wolf(*x.T, errors="iid"), sr.ledoit_wolf(x[:, 1] * scale, x[:, 0], errors="iid")
    assert second.p_value == pytest.approx(first.p_value, rel=1e-6)


def test_resampling_and_one_ratio_do_not_depend_on_the_unit() -> None:
    x = draws(12, 120, 2) + 0.1
    one, other = (sr.ledoit_wolf_bootstrap(*(x * [scale, 1]).T, block=4, reps=199) for scale in (1.0, 1e-4))
    assert [other.p_value, other.low, other.high] == pytest.approx([one.p_value, one.low, one.high], rel=1e-6)
    assert sr.estimate(x[:, 0] * 1e-4).stderr_hac == pytest.approx(sr.estimate(x[:, 0]).stderr_hac, rel=1e-6)


# ------------------------------------------------------------------- one ratio


def test_standard_errors_of_one_ratio() -> None:
    x = draws(6, 5_000)[:, 0] + 0.1
    found = sr.estimate(x)
    assert found.sharpe == pytest.approx(x.mean() / x.std(ddof=1))
    assert found.stderr_normal == pytest.approx(np.sqrt((1 + found.sharpe**2 / 2) / 5_000))
    assert found.stderr_iid == pytest.approx(found.stderr_normal, rel=0.02)
    assert found.stderr_hac == pytest.approx(found.stderr_normal, rel=0.1)
    assert found.low < 0.1 < found.high
    assert found.effective_n <= found.n


def test_hac_sees_autocorrelation() -> None:
    found = sr.estimate(ar1(7, 20_000, 0.5))  # a mean's variance is (1 + .5) / (1 - .5) = 3 times the plain one
    assert (found.stderr_hac / found.stderr_iid) ** 2 == pytest.approx(3, rel=0.15)
    assert found.effective_n == pytest.approx(20_000 / 3, rel=0.15)


def test_fat_tails_and_skew_widen_it() -> None:
    rng = np.random.Generator(np.random.PCG64(8))
    x = 0.5 - rng.exponential(1.0, 3_000) + 1  # skew -2: small gains, rare large losses
    found = sr.estimate(x)
    assert found.skew == pytest.approx(-2, abs=0.3)
    assert found.stderr_iid > 1.2 * found.stderr_normal


def test_annual_factor() -> None:
    for rho, eta in LO_2002_ETA_12.items():
        assert sr.annual_factor(12, rho) == pytest.approx(eta, rel=1e-9)
    assert sr.annual_factor(252, 0.03) == pytest.approx(LO_2002_ETA_252_AT_03, rel=1e-9)
    assert sr.annual_factor(12, [0.2**k for k in range(1, 12)]) == pytest.approx(LO_2002_ETA_12[0.2], rel=1e-9)
    assert sr.annual_factor(12, [0.2]) > sr.annual_factor(12, 0.2)
    assert sr.annual_factor(1, 0.5) == 1


def test_annualised_allows_for_stale_marks() -> None:
    x = ar1(9, 4_000, 0.3) + 0.1
    plain = sr.annualised(x, 252, lags=0)
    assert plain == pytest.approx(x.mean() / x.std(ddof=1) * np.sqrt(252))
    assert sr.annualised(x, 252) / plain == pytest.approx(np.sqrt(0.7 / 1.3), rel=0.05)
    assert sr.annualised(x, 252, lags=5) / plain == pytest.approx(np.sqrt(0.7 / 1.3), rel=0.1)


# --------------------------------------------------------------------- deflated


def test_psr() -> None:
    assert sr.psr(0.458, 24) == pytest.approx(BAILEY_2012_PSR_NORMAL, abs=1e-9)
    assert sr.psr(0.458, 24, skew=-2.448, kurtosis=10.164) == pytest.approx(BAILEY_2012_PSR_NONNORMAL, abs=1e-9)


def test_min_track_record() -> None:
    found = [sr.min_track_record(2 / q**0.5, benchmark=1 / q**0.5) / q for q in (252, 52, 12)]
    found.append(sr.min_track_record(2 / 12**0.5, benchmark=1 / 12**0.5, skew=-0.72, kurtosis=5.78) / 12)
    assert found == pytest.approx(BAILEY_2012_MINTRL_YEARS, abs=1e-6)
    assert sr.min_track_record(0.1, benchmark=0.1) == np.inf


@given(sharpe=st.floats(0.05, 0.5), skew=st.floats(-2, 1), extra=st.floats(0, 10))
@settings(max_examples=20, deadline=None)
def test_psr_after_the_minimum_track_record_is_the_confidence(sharpe: float, skew: float, extra: float) -> None:
    kurtosis = 1 + skew**2 + extra
    n = sr.min_track_record(sharpe, benchmark=0.02, skew=skew, kurtosis=kurtosis, confidence=0.9)
    assert sr.psr(sharpe, n, benchmark=0.02, skew=skew, kurtosis=kurtosis) == pytest.approx(0.9, abs=1e-9)


def test_dsr() -> None:
    for trials, published in ((100, BAILEY_2014_DSR_100), (46, BAILEY_2014_DSR_46)):
        found = sr.dsr(2.5 / 250**0.5, 1250, trials=trials, trial_variance=0.5 / 250, skew=-3, kurtosis=10)
        assert found.dsr == pytest.approx(published, abs=1e-6)
    assert sr.dsr(2.5 / 250**0.5, 1250, trials=100, trial_variance=0.5 / 250).benchmark == pytest.approx(BAILEY_2014_SR0, abs=1e-6)
    assert sr.dsr(0.1, 500, trials=1, trial_variance=0.0).dsr == sr.psr(0.1, 500)


def test_expected_max() -> None:
    for n in (10, 100, 1000):
        assert sr.expected_max(n) == pytest.approx(BAILEY_2014_EMAX[n], abs=1e-6)
        assert sr.expected_max(n, exact=True) == pytest.approx(EMAX_EXACT[n], abs=1e-8)
    assert sr.expected_max(1) == 0
    assert sr.expected_max(1, exact=True) == 0
    assert sr.expected_max(2, exact=True) == pytest.approx(1 / np.sqrt(np.pi), abs=1e-9)
    assert 0 < sr.expected_max(1.5) < sr.expected_max(2)
    assert sr.min_backtest_length(45) == pytest.approx(BAILEY_2014_MINBTL_45, abs=1e-6)


# ------------------------------------------------------------------------- luck


def test_driftless_drawdown() -> None:
    law = sr.driftless_drawdown(1.0, 1.0)
    assert law.mean == pytest.approx(MAGDON_ISMAIL_2004_MEAN, abs=1e-12)
    assert law.cv == pytest.approx(MAGDON_ISMAIL_2004_CV, abs=0.02)
    depths = np.linspace(0, 8, 4_001)
    chances = np.array([law.chance(d) for d in depths])
    assert (np.diff(chances) <= 1e-12).all()
    assert np.trapezoid(chances, depths) == pytest.approx(law.mean, abs=1e-5)  # the law's own mean and second moment
    assert np.sqrt(np.trapezoid(2 * depths * chances, depths) - law.mean**2) == pytest.approx(law.sd, abs=1e-4)
    assert sr.driftless_drawdown(0.02, 250).mean == pytest.approx(0.02 * np.sqrt(250) * law.mean)


def test_drawdown_of_simulated_paths() -> None:
    paths = np.cumsum(draws(10, 1_000, 4_000), axis=0)
    paths = np.vstack((np.zeros(4_000), paths))
    deepest = np.max(np.maximum.accumulate(paths, axis=0) - paths, axis=0)
    law = sr.driftless_drawdown(1.0, 1_000)
    seen_once_a_bar = law.mean - 2 * 0.5826
    assert deepest.mean() == pytest.approx(seen_once_a_bar, abs=4 * law.sd / np.sqrt(4_000))
    assert deepest.std() / deepest.mean() == pytest.approx(law.cv, abs=0.03)
    assert np.mean(deepest >= 50) == pytest.approx(law.chance(50 + 2 * 0.5826), abs=0.03)


def test_beta_bars() -> None:
    assert {rho: sr.beta_bars(rho) for rho in BETA_N} == BETA_N
    assert sr.beta_bars(-0.8) == 219
    assert sr.beta_bars(1.0) == 2


def test_block_length_is_politis_and_whites() -> None:
    rng = np.random.RandomState(0)  # the recipe of arch's own test, checked there against R np
    x = rng.standard_normal(10_100)
    for t in range(1, len(x)):
        x[t] += 0.3 * x[t - 1]
    assert block_length(x[100:]) == pytest.approx(POLITIS_WHITE_2009_STATIONARY, rel=1e-6)
    assert block_length(x[100:]) == pytest.approx(POLITIS_WHITE_2009_LITERAL, rel=0.06)


# ----------------------------------------------------------------------- errors

GOOD = draws(11, 40)[:, 0]


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: sr.estimate(GOOD[:5]), DataError, "5 values of returns are too few, at least 10 are needed"),
        (lambda: sr.estimate(np.full(20, 0.01)), DataError, r"returns never vary \(0.01 at all 20 positions\)"),
        (lambda: sr.estimate(np.append(GOOD, np.nan)), DataError, "position 40"),
        (lambda: sr.estimate(GOOD, level=1.0), ConfigError, "level=1: must lie between 0 and 1"),
        (lambda: sr.annual_factor(0), ConfigError, "periods=0: must be a whole number, 1 or more"),
        (lambda: sr.annual_factor(12, 1.0), ConfigError, "autocorrelation=1.0: every one must lie between -1 and 1"),
        (lambda: sr.annual_factor(12, [-0.9]), ConfigError, "give fewer lags, or an AR"),
        (lambda: sr.annualised(GOOD, 252, lags=-1), ConfigError, "lags=-1"),
        (lambda: sr.memmel(0.1, 0.1, 1.5, 50), ConfigError, "correlation=1.5: must lie between -1 and 1"),
        (lambda: sr.memmel(np.inf, 0.1, 0.5, 50), ConfigError, "sharpe_1=inf"),
        (lambda: sr.power(0.1, 0.2, 0.5, 50, significance=0), ConfigError, "significance=0"),
        (lambda: sr.trades_needed(0.1, 0.2, 0.5, power=1), ConfigError, "power=1"),
        (lambda: sr.ledoit_wolf(GOOD, GOOD[1:]), DataError, "same length"),
        (lambda: sr.ledoit_wolf(GOOD, np.zeros(40)), DataError, "the second returns never vary"),
        (lambda: sr.ledoit_wolf(GOOD, GOOD, errors="nw"), ConfigError, "errors='nw': must be 'hac' or 'iid'"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: sr.ledoit_wolf_bootstrap(GOOD, GOOD, reps=10), ConfigError, "reps=10: must be a whole number, 99 or more"),
        (lambda: sr.ledoit_wolf_bootstrap(GOOD, GOOD, block=30), ConfigError, "block=30: 40 periods make fewer than two blocks"),
        (lambda: sr.psr(0.1, 1), ConfigError, "n=1: must be a finite number above 1"),
        (lambda: sr.psr(0.1, 100, kurtosis=0.2), ConfigError, "kurtosis is not excess: 3 for a normal variable"),
        (lambda: sr.min_track_record(0.1, confidence=0.5), ConfigError, "confidence=0.5"),
        (lambda: sr.dsr(0.1, 100, trials=0, trial_variance=0.1), ConfigError, "trials=0"),
        (lambda: sr.dsr(0.1, 100, trials=5, trial_variance=-1), ConfigError, "trial_variance=-1"),
        (lambda: sr.min_backtest_length(10, sharpe=0), ConfigError, "sharpe=0"),
        (lambda: sr.driftless_drawdown(0, 10), ConfigError, "volatility=0"),
        (lambda: sr.driftless_drawdown(1, 1).chance(float("nan")), ConfigError, "depth=nan"),
        (lambda: sr.beta_bars(0), ConfigError, "without correlation there is no beta to check"),
    ],
)
def test_errors_say_the_fix(call, error: type[Exception], said: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - a lambda
    with pytest.raises(error, match=said):
        call()
