"""Ratios of levels: Johansen's published eigenvalues, size of his test, and agreement with other libraries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from arch.data import crude
from scipy import stats
from statsmodels.datasets import danish_data
from statsmodels.tsa.vector_ar.vecm import VECM, coint_johansen

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats import johansen as module
from hedgekit.stats import ratio
from hedgekit.stats.johansen import MACKINNON_HAUG_MICHELIS_1999, reduced_rank, trace_test

# Vector JOH-DK: Johansen & Juselius 1990, Table 2 (.433 .178 .113 .043; 49.14 19.06 8.69 2.35); digits from R urca.
JOHANSEN_JUSELIUS_1990_EIGENVALUES = [0.4331654194943987, 0.17758363940200952, 0.11279052152651109, 0.043411299668677746]
JOHANSEN_JUSELIUS_1990_TRACE = [49.14436518314998, 19.056913746253525, 8.69496373619208, 2.352233286848926]
JOHANSEN_JUSELIUS_1990_MAX = [30.08745143689645, 10.361950010061449, 6.342730449343152, 2.352233286848926]
JOHANSEN_JUSELIUS_1990_BETA = [1.0, -1.0329488256346162, 5.206918662249926, -4.215879390220238, -6.05993169972616]

# Vector PAIR-A, one lagged difference.
PAIR_A_JOH_BETA = 0.7768062008518217
PAIR_A_JOH_CI_TRACE, PAIR_A_JOH_C_TRACE = [20.01035362405997, 4.853126713055196], [19.681691394575513, 4.673557968915072]
PAIR_A_DOLS_2_2, PAIR_A_TLS = 0.8006194437945925, 0.8450342209834187

# Vector JOH-SIZE, T = 252, no lags: rejections of "no relation" at 5% between walks without drift.
MACKINNON_HAUG_MICHELIS_SIZE = {"unrestricted constant": 0.121, "restricted constant": 0.063}

# JUPYTER.md section 1, log WTI on log Brent.
CRUDE_OLS, CRUDE_DOLS, CRUDE_JOHANSEN = 0.9072, 0.9073, 0.9035

PEARSON_1901_X = [0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4]
PEARSON_1901_Y = [5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5]
PEARSON_1901_SLOPE, PEARSON_1901_INTERCEPT = -0.5455611975209648, 5.784043774530086
PEARSON_1901_OLS, PEARSON_1901_INVERSE_OLS = -0.5395772749840421, -0.5658889254025629


def danish() -> tuple[np.ndarray, np.ndarray]:
    """Return the Danish money-demand data and centred quarterly seasonals."""
    levels = danish_data.load().data[["lrm", "lry", "ibo", "ide"]].to_numpy()
    quarter = np.arange(len(levels)) % 4
    return levels, (quarter[:, None] == np.arange(3)) - 0.25


def pair_a_logs() -> pd.DataFrame:
    return pd.read_csv(Path(__file__).with_name("pair_a.csv"))


def tied(n: int, seed: int, beta: float = 0.85, half_life: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    """Return prices tied by beta, whose spread has a short half-life."""
    rng = np.random.default_rng(seed)
    h, x, keep = 0.012 * rng.standard_normal(n).cumsum(), np.zeros(n), 0.5 ** (1 / half_life)
    shocks = 0.004 * rng.standard_normal(n)
    for t in range(1, n):
        x[t] = keep * x[t - 1] + shocks[t]
    return np.exp(beta * h + x), np.exp(h)


# -------------------------------------------------------------- Johansen: vectors


def test_danish_money_demand() -> None:
    levels, seasons = danish()
    found = reduced_rank(levels, 1, "restricted constant", seasons)
    assert found.n == 53
    assert found.eigenvalues == pytest.approx(JOHANSEN_JUSELIUS_1990_EIGENVALUES, rel=1e-6)
    logs = -found.n * np.log1p(-found.eigenvalues)
    assert logs == pytest.approx(JOHANSEN_JUSELIUS_1990_MAX, rel=1e-6)
    assert logs[::-1].cumsum()[::-1] == pytest.approx(JOHANSEN_JUSELIUS_1990_TRACE, rel=1e-6)
    assert found.beta[:, 0] / found.beta[0, 0] == pytest.approx(JOHANSEN_JUSELIUS_1990_BETA, rel=1e-6)


def test_standard_errors_are_those_of_the_vecm() -> None:
    levels, seasons = danish()
    second = VECM(levels, k_ar_diff=1, coint_rank=1, deterministic="ci", seasons=4).fit()
    errors = reduced_rank(levels, 1, "restricted constant", seasons).stderr()
    assert errors[:4] == pytest.approx(second.stderr_beta.ravel(), rel=1e-6)
    assert errors[4] == pytest.approx(second.stderr_det_coef_coint.item(), rel=1e-6)


def test_pair_a_by_both_constants() -> None:
    logs = pair_a_logs()
    inside, outside = trace_test(logs), trace_test(logs, deterministic="unrestricted constant")
    assert inside.trace == pytest.approx(PAIR_A_JOH_CI_TRACE, rel=1e-6)
    assert outside.trace == pytest.approx(PAIR_A_JOH_C_TRACE, rel=1e-6)
    assert -inside.beta[1, 0] == pytest.approx(PAIR_A_JOH_BETA, rel=1e-6)
    assert (inside.rank(), inside.rank(0.10), outside.rank()) == (0, 1, 2)
    assert inside.names == ("p", "h")


@pytest.mark.parametrize(("order", "deterministic"), [(0, "unrestricted constant"), (-1, "none")])
def test_other_constants_agree_with_statsmodels(order: int, deterministic: module.Deterministic) -> None:
    logs = pair_a_logs()
    levels = logs - logs.mean() if order == 0 else logs
    mine, theirs = trace_test(levels, lags=2, deterministic=deterministic), coint_johansen(levels, order, 2)
    assert mine.trace == pytest.approx(theirs.trace_stat, rel=1e-8)
    assert mine.max_eig == pytest.approx(theirs.max_eig_stat, rel=1e-8)
    assert mine.trace_critical == pytest.approx(theirs.trace_stat_crit_vals)
    assert mine.max_eig_critical == pytest.approx(theirs.max_eig_stat_crit_vals)


@pytest.mark.parametrize("deterministic", MACKINNON_HAUG_MICHELIS_SIZE)
def test_size_on_walks_without_drift(deterministic: module.Deterministic) -> None:
    """JOH-SIZE: the unrestricted constant finds what is not there in one of eight; 2,000 pairs, standard error .007 and .005."""
    rng = np.random.default_rng(21)
    walks = rng.standard_normal((2_000, 252, 2)).cumsum(axis=1)
    rejects = np.mean([trace_test(walk, lags=0, deterministic=deterministic).rank() > 0 for walk in walks])
    assert rejects == pytest.approx(MACKINNON_HAUG_MICHELIS_SIZE[deterministic], abs=0.02)


# --------------------------------------------------- Johansen: the trace's distribution


def test_gamma_agrees_with_the_published_quantiles() -> None:
    for m, published in enumerate(MACKINNON_HAUG_MICHELIS_1999, start=1):
        limit = module._gamma(m, "restricted constant")
        assert limit.ppf(0.95) == pytest.approx(published, rel=0.006)
        assert limit.ppf(0.95) < published
    for deterministic in ("unrestricted constant", "none"):
        for m in range(1, 13):
            values = module._gamma(m, deterministic).isf(module.LEVELS)
            assert values == pytest.approx(module._critical(m, deterministic), rel=0.025)
    assert module._gamma(1, "unrestricted constant").ppf(0.95) == pytest.approx(stats.chi2.ppf(0.95, 1), rel=1e-9)


@pytest.mark.parametrize("m", [1, 2, 3])
def test_gamma_and_table_agree_with_the_simulated_limit(m: int) -> None:
    """4,000 walks of 400 steps: relative standard error about 1.5% of the 95% quantile, .6 to 1% of the mean."""
    rng = np.random.default_rng(40 + m)
    dw = rng.standard_normal((4_000, 400, m))
    past = np.concatenate([np.zeros((4_000, 1, m)), dw[:, :-1].cumsum(axis=1)], axis=1) / 20
    f = np.concatenate([past, np.ones((4_000, 400, 1))], axis=2).transpose(0, 2, 1)
    s = f @ dw
    values = np.linalg.eigvalsh(s.transpose(0, 2, 1) @ np.linalg.solve(f @ f.transpose(0, 2, 1), s))
    trace, limit = values.sum(axis=1), module._gamma(m, "restricted constant")
    assert trace.mean() == pytest.approx(limit.mean(), rel=0.03)
    assert trace.var() == pytest.approx(limit.var(), rel=0.12)
    assert np.quantile(trace, 0.95) == pytest.approx(MACKINNON_HAUG_MICHELIS_1999[m - 1], rel=0.045)
    assert np.quantile(values[:, -1], 0.95) == pytest.approx(module.SIMULATED_MAX_EIG[m - 1][1], rel=0.045)


def test_p_values_fall_as_the_statistic_rises_and_meet_the_table() -> None:
    test = trace_test(pair_a_logs())
    assert test.p_values[0] == pytest.approx(0.0526, abs=5e-4)  # 20.01 against 20.16 (gamma) and 20.26 (table)
    assert test.trace[0] < test.trace_critical[0, 1]
    assert (np.diff(test.trace_critical, axis=1) > 0).all()


# ------------------------------------------------------------------ Johansen: use


def test_ratio_is_that_of_the_primary_whatever_the_order() -> None:
    p, h = tied(600, 1)
    forward, back = ratio.johansen(p, h, folds=0), ratio.johansen(h, p, folds=0)
    assert forward.ratio == pytest.approx(1 / back.ratio, rel=1e-9)
    assert forward.ratio == pytest.approx(0.85, abs=4 * forward.stderr)
    assert forward.tests[0].test == "Johansen trace, fewer than 1 relation, restricted constant, 1 lag"
    assert forward.tests[0].p_value is not None
    assert forward.tests[0].p_value < 0.01
    assert forward.warnings == ()


def test_trace_that_finds_nothing_is_told() -> None:
    p, h = np.exp(0.01 * np.random.default_rng(0).standard_normal((2, 500)).cumsum(axis=1))
    fit = ratio.johansen(p, h, folds=0)
    assert "finds 0 relations, and the fit assumes 1" in " ".join(fit.warnings)
    rng = np.random.default_rng(1)
    still = ratio.johansen(*np.exp(0.01 * rng.standard_normal((2, 500))), folds=0)
    assert "do not wander at all" in " ".join(still.warnings)


def test_several_relations_are_one_choice_of_many() -> None:
    rng = np.random.default_rng(3)
    common = 0.01 * rng.standard_normal(800).cumsum()
    legs = np.exp(common[:, None] + 0.004 * rng.standard_normal((800, 3)))
    fit = ratio.johansen(legs[:, 0], legs[:, 1:], rank=2, folds=0)
    assert np.isnan(fit.stderrs).all()
    assert fit.details["rank_found"] == 2
    assert "one choice of many" in " ".join(fit.warnings)
    with pytest.raises(ConfigError, match="rank=3: 3 prices can have 1 to 2 relations"):
        ratio.johansen(legs[:, 0], legs[:, 1:], rank=3)


def test_johansen_mistakes() -> None:
    p, h = tied(200, 1)
    with pytest.raises(ConfigError, match="on='log returns': johansen fits a relation of levels"):
        ratio.johansen(p, h, on="log returns")
    with pytest.raises(ConfigError, match="deterministic='constant': must be one of 'restricted constant'"):
        ratio.johansen(p, h, deterministic="constant")  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ConfigError, match=r"lags=1\.5: must be a whole number, 0 or more"):
        ratio.johansen(p, h, lags=1.5)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ConfigError, match=r"level=0\.2: must be one of 0\.1, 0\.05, 0\.01"):
        trace_test(np.column_stack([p, h])).rank(0.2)
    with pytest.raises(DataError, match="15 rows are too few for 2 series and 1 lags, at least"):
        trace_test(np.column_stack([p, h])[:15])
    with pytest.raises(DataError, match="13 series: there are critical values for 1 to 12"):
        trace_test(np.random.default_rng(0).standard_normal((300, 13)).cumsum(axis=0))
    with pytest.raises(DataError, match="b is an exact combination of the series before it"):
        trace_test(pd.DataFrame({"a": p, "b": 2 * p}))


# ----------------------------------------------------------------------------- DOLS


def test_dols_of_pair_a_and_its_search() -> None:
    p, h = np.exp(pair_a_logs()).to_numpy().T
    fit = ratio.dols(p, h, folds=0)
    assert fit.ratio == pytest.approx(PAIR_A_DOLS_2_2, rel=1e-6)
    assert fit.n == 500 - 5
    assert 0 < fit.effective_n < 100  # neighbouring levels say the same
    found = ratio.dols(p, h, leads=None, lags=None, folds=0)
    assert found.ratio == pytest.approx(PAIR_A_DOLS_2_2, abs=0.01)
    assert 0 <= found.details["leads"] <= 4


def test_dols_mends_what_least_squares_on_levels_biases() -> None:
    """The spread's shocks are tied to the hedge's: least squares is biased by about 1/n, dynamic least squares is not."""
    ols, dols = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        dh = 0.012 * rng.standard_normal(200)
        shocks = 0.5 * dh + 0.004 * rng.standard_normal(200)
        x = np.zeros(200)
        for t in range(1, 200):
            x[t] = 0.5 * x[t - 1] + shocks[t]
        p, h = np.exp(0.85 * dh.cumsum() + x), np.exp(dh.cumsum())
        ols.append(ratio.ols(p, h, on="log prices", folds=0, tested=False).ratio)
        dols.append(ratio.dols(p, h, lags=6, leads=2, folds=0, tested=False).ratio)
    assert np.mean(ols) - 0.85 > 0.015
    assert abs(np.mean(dols) - 0.85) < 0.01


def test_dols_interval_covers_where_the_library_s_alone_does_not() -> None:
    """Half-life 20 rows, 500 of them: the library's kernel covers about .62 of 200 ratios, ours .91."""
    plain, wide = [], []
    for seed in range(100):
        fit = ratio.dols(*tied(500, seed, half_life=20.0), folds=0, tested=False)
        off = abs(fit.ratio - 0.85) / fit.stderr
        wide.append(off < 1.96)
        plain.append(off * fit.details["widened"] < 1.96)
    assert np.mean(plain) < 0.8
    assert 0.82 <= np.mean(wide) <= 0.99


def test_dols_mistakes() -> None:
    p, h = tied(200, 1)
    with pytest.raises(ConfigError, match="on='returns': dols fits a relation of levels; say 'log prices' or 'prices', or use ols"):
        ratio.dols(p, h, on="returns")
    with pytest.raises(ConfigError, match="leads=-1: must be a whole number, 0 or more"):
        ratio.dols(p, h, leads=-1)
    with pytest.raises(DataError, match="30 prices are too few, at least 38 are needed"):
        ratio.dols(p[:30], h[:30])


def test_wti_and_brent() -> None:
    prices = crude.load()
    assert ratio.ols(prices.WTI, prices.Brent, on="log prices", folds=0).ratio == pytest.approx(CRUDE_OLS, abs=1e-4)
    fit = ratio.dols(prices.WTI, prices.Brent, leads=1, lags=1, folds=0)
    assert fit.ratio == pytest.approx(CRUDE_DOLS, abs=1e-4)
    johansen = ratio.johansen(prices.WTI, prices.Brent, folds=0)
    assert johansen.ratio == pytest.approx(CRUDE_JOHANSEN, abs=2e-4)
    assert johansen.primary == "WTI"
    assert str(johansen.fitted_at.tz) == "UTC"


# ------------------------------------------------------------------------------ TLS


def test_pearsons_line() -> None:
    fit = ratio.tls(PEARSON_1901_Y, PEARSON_1901_X, on="prices", folds=0)
    assert fit.ratio == pytest.approx(PEARSON_1901_SLOPE, rel=1e-9)
    assert fit.details["constant"] == pytest.approx(PEARSON_1901_INTERCEPT, rel=1e-9)
    assert "depends on the units" in " ".join(fit.warnings)
    assert "only if the prices are cointegrated" in " ".join(fit.warnings)


def test_tls_lies_between_the_two_least_squares() -> None:
    slopes = {d: ratio.tls(PEARSON_1901_Y, PEARSON_1901_X, error_variance_ratio=d, on="prices", folds=0).ratio for d in (1e-12, 1, 1e12)}
    assert slopes[1e12] == pytest.approx(PEARSON_1901_OLS, rel=1e-9)
    assert slopes[1e-12] == pytest.approx(PEARSON_1901_INVERSE_OLS, rel=1e-9)


def test_tls_of_pair_a() -> None:
    p, h = np.exp(pair_a_logs()).to_numpy().T
    assert ratio.tls(p, h, folds=0).ratio == pytest.approx(PAIR_A_TLS, rel=1e-6)


def test_tls_recovers_what_noise_in_the_hedge_hides() -> None:
    """Bounce on both legs: least squares on returns sees .85 x .144 / (.144 + 2 x .09); delta = 1 is right here."""
    rng = np.random.default_rng(6)
    h, noise = 0.012 * rng.standard_normal(4_001).cumsum(), 0.009 * rng.standard_normal((2, 4_001))
    p, seen = np.exp(0.85 * h + noise[0]), np.exp(h + noise[1])
    plain, both = ratio.ols(p, seen, folds=0, tested=False), ratio.tls(p, seen, on="log returns", folds=0, tested=False)
    assert plain.ratio == pytest.approx(0.85 * 0.144 / (0.144 + 0.162), abs=0.03)
    assert both.ratio == pytest.approx(0.85, abs=4 * both.stderr)
    assert both.stderr < 0.04
    assert both.warnings == ()


def test_tls_interval_on_returns_covers() -> None:
    covered = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        h, noise = 0.012 * rng.standard_normal(301), 0.005 * rng.standard_normal((2, 301))
        fit = ratio.tls(np.exp((0.85 * h + noise[0]).cumsum()), np.exp((h + noise[1]).cumsum()), on="log returns", folds=0, tested=False)
        low, high = fit.interval()
        covered.append(low <= 0.85 <= high)
    assert 0.88 <= np.mean(covered) <= 0.99


def test_tls_mistakes() -> None:
    with pytest.raises(ConfigError, match="error_variance_ratio=0: must be a finite number above 0"):
        ratio.tls(PEARSON_1901_Y, PEARSON_1901_X, error_variance_ratio=0)
    x = np.tile([1.0, 2.0, 1.0, 0.0], 5)
    y = np.tile([2.0, 1.0, 0.0, 1.0], 5)
    with pytest.raises(DataError, match="no ratio of primary to hedge at position 19"):
        ratio.tls(y, x, on="prices")
