"""The fast loops of a screen against the libraries' slow ones, and the tables behind its p-values against fresh simulation."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.regression.linear_model import OLS
from statsmodels.tools.sm_exceptions import CollinearityWarning
from statsmodels.tsa.adfvalues import mackinnonp
from statsmodels.tsa.stattools import coint
from statsmodels.tsa.vector_ar.vecm import coint_johansen

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.screen import null, simulate
from hedgekit.stats.screen.blocks import traces
from hedgekit.stats.screen.kernels import engle_granger_pairs
from hedgekit.stats.screen.moves import TRIM, break_pairs, hedge_pairs
from hedgekit.stats.screen.simulate import code_of, standardised

EQUAL = 1e-8

# MacKinnon 2010, QED WP 1227, table 2: 1%, 5% and 10% values for two series with a constant, at n = 126, 252 and 100.
MACKINNON_2010 = {126: (-3.98547, -3.38505, -3.07828), 252: (-3.94043, -3.36048, -3.06132), 100: (-4.00931, -3.39791, -3.08713)}
ANDREWS_2003_SUP_LM_5, ANDREWS_2003_SUP_LM_1 = 8.68, 12.16  # Econometrica 71:395, table I (corrected), p = 1, trimming .15


def universe(symbols: int, n: int, seed: int) -> np.ndarray:
    """Return random walks, shape (symbols, n); the second follows the first, the third nearly equals the fourth."""
    rng = np.random.default_rng(seed)
    x = 0.01 * rng.standard_normal((symbols, n)).cumsum(axis=1) + rng.uniform(1, 5, (symbols, 1))
    x[1] = 0.8 * x[0] + 0.01 * rng.standard_normal(n)
    x[2] = x[3] + 1e-3 * rng.standard_normal(n)
    return x


def statistics_of(x: np.ndarray, lags: int) -> np.ndarray:
    z, dz = standardised(x)
    first, second = np.triu_indices(len(x), 1)
    out = np.empty((len(first), 5))
    engle_granger_pairs(z, dz, first, second, code_of(lags, x.shape[1]), out)
    return out


@pytest.mark.parametrize(("lags", "n"), [(0, 60), (1, 300), (4, 500), (12, 300), (null.AIC, 126), (null.AIC, 500)])
def test_engle_granger_equals_statsmodels(lags: int, n: int) -> None:
    x = universe(6, n, lags + n)
    options = {"autolag": "aic"} if lags == null.AIC else {"maxlag": lags, "autolag": None}
    for k, (i, j) in enumerate(zip(*np.triu_indices(6, 1), strict=True)):
        statistic, p, _ = coint(x[i], x[j], **options)
        ours = statistics_of(x, lags)[k]
        assert ours[0] == pytest.approx(statistic, abs=EQUAL)
        assert null.mackinnon(ours[:1])[0] == pytest.approx(p, abs=EQUAL)
        fit = OLS(x[i], np.column_stack([x[j], np.ones(n)])).fit()
        assert ours[3] == pytest.approx(fit.rsquared, abs=EQUAL)
        slope = np.polyfit(fit.resid[:-1], fit.resid[1:], 1)[0]
        assert ours[4] == pytest.approx(slope, abs=EQUAL)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(50, 400), st.sampled_from([0, 1, 3]), st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_law_units_change_no_statistic(seed: int, n: int, lags: int, scale: float, shift: float) -> None:
    x = universe(4, n, seed)
    assert statistics_of(x * scale + shift, lags)[:, 0] == pytest.approx(statistics_of(x, lags)[:, 0], rel=1e-7, abs=1e-7)


def test_collinear_pairs_are_flagged_as_the_library_flags_them() -> None:
    x = universe(5, 300, 1)
    x[2] = 3 * x[3] + 1
    out = statistics_of(x, 1)
    pairs = list(zip(*np.triu_indices(5, 1), strict=True))
    for k, (i, j) in enumerate(pairs):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            statistic = coint(x[i], x[j], maxlag=1, autolag=None)[0]
        flagged = any(issubclass(w.category, CollinearityWarning) for w in caught)
        assert np.isinf(out[k, 0]) == flagged == ((i, j) == (2, 3))
        assert out[k, 0] == pytest.approx(statistic, abs=EQUAL)
    assert np.isnan(null.p_value(np.array([-np.inf]), 300, 1)[0])


def test_johansen_equals_statsmodels() -> None:
    x = universe(6, 400, 3)
    z, dz = standardised(x)
    first, second = np.triu_indices(6, 1)
    ours = traces(dz, z, first, second, restricted=False)
    theirs = [coint_johansen(x[[i, j]].T, 0, 1).lr1 for i, j in zip(first, second, strict=True)]
    assert ours == pytest.approx(np.array(theirs), rel=EQUAL, abs=EQUAL)


def test_johansen_with_a_restricted_constant_by_canonical_correlations() -> None:
    x = universe(5, 300, 4)
    z, dz = standardised(x)
    first, second = np.triu_indices(5, 1)
    ours = traces(dz, z, first, second, restricted=True)
    for k, (i, j) in enumerate(zip(first, second, strict=True)):
        pair = x[[i, j]].T
        d = np.diff(pair, axis=0)
        lag, levels = d[:-1], np.column_stack([pair[1:-1], np.ones(298)])
        r0, r1 = (a - lag @ np.linalg.lstsq(lag, a)[0] for a in (d[1:], levels))
        q0, q1 = np.linalg.qr(r0)[0], np.linalg.qr(r1)[0]
        squared = np.linalg.svd(q0.T @ q1, compute_uv=False) ** 2
        assert ours[k] == pytest.approx([-298 * np.log1p(-squared).sum(), -298 * np.log1p(-squared[1])], abs=1e-6)


def test_mackinnon_p_values_equal_statsmodels_everywhere() -> None:
    grid = np.array([-25.0, -6.0, -3.9, -3.0, -1.7, -1.5, 0.0, 0.5, 1.1, 3.0])
    assert null.mackinnon(grid) == pytest.approx([mackinnonp(t, "c", 2) for t in grid], abs=1e-14)


@pytest.mark.parametrize("n", MACKINNON_2010)
def test_our_null_table_has_mackinnons_critical_values(n: int) -> None:
    ours = [null.critical(level, n, 0) for level in (0.01, 0.05, 0.10)]
    assert ours == pytest.approx(MACKINNON_2010[n], abs=0.025)


@pytest.mark.parametrize(("n", "lags"), [(126, 1), (252, null.AIC), (504, 4)])
def test_the_null_table_can_be_made_again(n: int, lags: int) -> None:
    """Other batches of walks give the same quantiles: a p-value of 5% or 1% is one, within three standard errors."""
    draws = np.concatenate([simulate._null_batch(n, lags, 10_000 + batch) for batch in range(20)])
    for level in (0.01, 0.05, 0.5):
        by_batch = (null.p_value(draws, n, lags) < level).reshape(20, -1).mean(axis=1)
        assert by_batch.mean() == pytest.approx(level, abs=3 * by_batch.std(ddof=1) / np.sqrt(20) + 0.03 * level)


def test_aic_needs_its_own_p_values() -> None:
    """The trap: with lags by AIC at n = 126, MacKinnon's 1% is passed by more than twice as many walks."""
    draws = np.concatenate([simulate._null_batch(126, null.AIC, 20_000 + batch) for batch in range(10)])
    assert np.mean(null.mackinnon(draws) < 0.01) > 0.015
    assert np.mean(null.p_value(draws, 126, null.AIC) < 0.01) == pytest.approx(0.01, abs=0.004)


@given(st.floats(1e-9, 0.9), st.integers(50, 9_000), st.sampled_from([null.AIC, 0, 1, 2, 7, 12]))
def test_law_critical_value_and_p_value_are_inverse(level: float, n: int, lags: int) -> None:
    assert null.p_value(np.array([null.critical(level, n, lags)]), n, lags)[0] == pytest.approx(level, rel=1e-6)


@given(st.lists(st.floats(-12, 6), min_size=2, max_size=20), st.integers(50, 9_000), st.sampled_from([null.AIC, 1, 3]))
def test_law_a_lower_statistic_has_a_lower_p(values: list[float], n: int, lags: int) -> None:
    p = null.p_value(np.sort(np.array(values)), n, lags)
    assert (np.diff(p) >= 0).all()
    assert ((p >= 0) & (p <= 1)).all()


def test_the_power_table_is_what_simulation_finds() -> None:
    """With 252 prices, half-life 10 and one lag, at 5% and at the level of 1,000 pairs."""
    draws = simulate._power_batch(252, 10, 1, 77, 4_000)
    for level in (0.05, 5e-5):
        found = np.mean(null.p_value(draws, 252, 1) < level)
        assert null.power(level, 1).loc[252, 10] == pytest.approx(found, abs=3 * np.sqrt(0.25 / 4_000))


def test_power_falls_with_the_number_tried_and_rises_with_history() -> None:
    few, many = null.power(0.05, null.AIC), null.power(0.05 / 44_850, null.AIC)
    assert (few > many).all(axis=None)
    assert (few.diff().dropna() > 0).all(axis=None)
    assert few.loc[1250, 5] > 0.99
    assert many.loc[252, 20] < 0.01


def test_the_break_test_has_andrews_critical_values() -> None:
    assert null.break_p(np.array([ANDREWS_2003_SUP_LM_5]))[0] == pytest.approx(0.05, abs=0.004)
    assert null.break_p(np.array([ANDREWS_2003_SUP_LM_1]))[0] == pytest.approx(0.01, abs=0.0015)


def test_the_break_test_holds_its_size_under_changing_volatility_and_finds_a_break() -> None:
    rng = np.random.default_rng(0)
    h = rng.standard_normal((1_000, 500)) * np.where(np.arange(500) < 250, 1.0, 1.5)
    still = 0.8 * h + rng.standard_normal((1_000, 500)) * 0.5
    moved = np.where(np.arange(500) < 300, 0.8, 1.2) * h + rng.standard_normal((1_000, 500)) * 0.5
    rows = np.arange(1_000)
    shares = []
    for p in (still, moved):
        moves = np.concatenate([p, h])
        out = np.empty((1_000, 2))
        break_pairs(moves - moves.mean(axis=1, keepdims=True), rows, rows + 1_000, TRIM, out)
        shares.append(np.mean(null.break_p(out[:, 0]) < 0.05))
        where = np.median(out[:, 1])
    assert shares[0] < 0.075
    assert shares[1] > 0.95
    assert where == pytest.approx(300, abs=15)


def test_hedging_out_of_sample_by_hand() -> None:
    rng = np.random.default_rng(5)
    h = rng.standard_normal(400)
    p = 0.7 * h + rng.standard_normal(400)
    out = np.empty((1, 6))
    hedge_pairs(np.stack([p, h]), np.array([0]), np.array([1]), 100, 21, np.array([1.0]), out)
    ratios = np.array([np.polyfit(h[a - 100 : a], p[a - 100 : a], 1)[0] for a in range(100, 400, 21)])
    each = np.repeat(ratios, 21)[:300]
    tail_p, tail_h = p[100:], h[100:]
    by_hand = [tail_p.var(), (tail_p - each * tail_h).var(), (tail_p - tail_h).var(), np.polyfit(h[300:], p[300:], 1)[0]]
    assert out[0, :4] == pytest.approx(by_hand, rel=1e-10)
    assert out[0, 4] == pytest.approx(np.abs(each).mean(), rel=1e-12)
    assert out[0, 5] == pytest.approx(np.abs(np.diff(ratios)).sum() / 300, rel=1e-10)


def test_wrong_sizes_say_the_fix() -> None:
    with pytest.raises(DataError, match="49 prices are too few for a screen, at least 50"):
        null.p_value(np.array([-3.0]), 49, 0)
    with pytest.raises(ConfigError, match="lags=13: must be 0 to 12"):
        null.critical(0.05, 100, 13)
