"""Engle-Granger: MacKinnon's values, the trap of plain unit-root values, several hedges, and what a user may hand in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.datasets import macrodata
from statsmodels.tsa.adfvalues import mackinnoncrit
from statsmodels.tsa.stattools import adfuller, coint

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.reversion import engle_granger, holds
from hedgekit.stats.reversion.cointegration import residual

# MacKinnon 2010, QED working paper 1227, table 2: 1, 5 and 10% values.
MACKINNON_2010 = {
    (1, np.inf): (-3.43035, -2.86154, -2.56677),
    (2, np.inf): (-3.89644, -3.33613, -3.04445),
    (2, 100): (-4.0093117, -3.3979133, -3.087134),
    (2, 252): (-3.9404278716301335, -3.360483870622323, -3.0613229906777524),
    (2, 126): (-3.985471645250693, -3.3850526253464346, -3.078281645250693),
}
STATA_ADF_GDP_C, STATA_ADF_GDP_CT = 0.9750516118294851, -1.8566384063252017  # Stata prints .97505319 and -1.8566374
# tests/stats/pair_a.csv: Dickey-Fuller of the residual without constant, one lagged difference; numpy alone.
PAIR_A_EG_T_LAG1 = -3.561054181995023
# Share of "cointegrated" independent walks, n = 252 (Phillips 1986; simulated with 20,000 pairs).
SPURIOUS_T_ABOVE_196, SPURIOUS_ADF_CONST, SPURIOUS_ADF_NONE, SPURIOUS_MACKINNON = 0.854, 0.148, 0.557, 0.049


def walk_prices(n: int, columns: int, seed: int) -> np.ndarray:
    return 50 * np.exp(0.01 * np.cumsum(np.random.default_rng(seed).standard_normal((n, columns)), axis=0))


@pytest.mark.parametrize("case", MACKINNON_2010)
def test_mackinnons_values(case: tuple[int, float]) -> None:
    series, n = case
    assert mackinnoncrit(N=series, regression="c", nobs=n) == pytest.approx(MACKINNON_2010[case], abs=1e-5)


def test_adf_of_us_gdp_agrees_with_stata() -> None:
    gdp = macrodata.load_pandas().data["realgdp"].to_numpy()
    for trend, value in (("c", STATA_ADF_GDP_C), ("ct", STATA_ADF_GDP_CT)):
        assert adfuller(gdp, maxlag=4, autolag=None, regression=trend, result_object=False)[0] == pytest.approx(value, abs=1e-6)


def test_pair_a_lag_one() -> None:
    logs = pd.read_csv(Path(__file__).with_name("pair_a.csv"))
    found = engle_granger(np.exp(logs.p), np.exp(logs.h), lags=1)
    assert found.statistic == pytest.approx(PAIR_A_EG_T_LAG1, rel=1e-6)
    assert found.test == "Engle-Granger, log prices, constant, 1 lag"
    assert found.warnings == ()
    assert engle_granger(np.exp(logs.p), np.exp(logs.h)).test == "Engle-Granger, log prices, constant, AIC lags"


def test_plain_unit_root_values_find_cointegration_that_is_not_there() -> None:
    n, reps = 252, 8_000
    p, h = np.cumsum(np.random.default_rng(1).standard_normal((2, reps, n)), axis=2)
    p, h = p - p.mean(axis=1, keepdims=True), h - h.mean(axis=1, keepdims=True)
    slope = (p * h).sum(axis=1) / (h * h).sum(axis=1)
    e = p - slope[:, None] * h
    t_slope = slope / np.sqrt((e * e).sum(axis=1) / (n - 2) / (h * h).sum(axis=1))
    before, move = e[:, :-1], np.diff(e, axis=1)
    pull = (before * move).sum(axis=1) / (before * before).sum(axis=1)
    rest = move - pull[:, None] * before
    t = pull / np.sqrt((rest * rest).sum(axis=1) / (n - 2) / (before * before).sum(axis=1))
    walk = (np.exp(0.01 * np.cumsum(np.random.default_rng(2).standard_normal((n, 2)), axis=0))).T
    mine = engle_granger(*walk, lags=0)
    assert mine.statistic == pytest.approx(coint(*np.log(walk), maxlag=0, autolag=None)[0], rel=1e-9)
    assert np.mean(np.abs(t_slope) > 1.96) == pytest.approx(SPURIOUS_T_ABOVE_196, abs=0.015)
    assert np.mean(t < mackinnoncrit(N=1, regression="c", nobs=n)[1]) == pytest.approx(SPURIOUS_ADF_CONST, abs=0.015)
    assert np.mean(t < mackinnoncrit(N=1, regression="n", nobs=n)[1]) == pytest.approx(SPURIOUS_ADF_NONE, abs=0.015)
    assert np.mean(t < mackinnoncrit(N=2, regression="c", nobs=n - 1)[1]) == pytest.approx(SPURIOUS_MACKINNON, abs=0.015)


@pytest.mark.parametrize(("n", "hedges"), [(30, 1), (60, 1), (504, 1), (504, 3), (504, 7)])
def test_lags_by_aic_are_those_of_statsmodels(n: int, hedges: int) -> None:
    """All lags from one factor choose as a regression for each: to the last digit, for the same regression then follows."""
    rng = np.random.default_rng(n + hedges)
    walks = rng.normal(0, 0.01, (n, hedges + 1)).cumsum(axis=0)
    walks[:, 0] += 0.02 * np.sin(np.arange(n) / 3)  # so that some lags are needed
    mine = engle_granger(np.exp(walks[:, 0]), np.exp(walks[:, 1:]))
    y, x = walks[:, 0] - walks[0, 0], walks[:, 1:] - walks[0, 1:]
    design = np.column_stack([np.ones(n), x])
    theirs = adfuller(y - design @ np.linalg.lstsq(design, y)[0], autolag="aic", regression="n", result_object=False)
    assert mine.statistic == pytest.approx(theirs[0], rel=1e-9)
    if hedges == 1:
        assert mine.p_value == pytest.approx(coint(y, x[:, 0], autolag="aic")[1], rel=1e-9)
        assert theirs[2] > 0 or n < 504


@pytest.mark.parametrize("hedges", [2, 5])
def test_several_hedges_agree_with_statsmodels(hedges: int) -> None:
    prices = walk_prices(250, hedges + 1, seed=hedges)
    found = engle_granger(prices[:, 0], prices[:, 1:], lags=1)
    statistic, p_value, _ = coint(np.log(prices[:, 0]), np.log(prices[:, 1:]), maxlag=1, autolag=None)
    assert found.statistic == pytest.approx(statistic, rel=1e-8)
    assert found.p_value == pytest.approx(p_value, rel=1e-7)
    assert found.test == f"Engle-Granger, log prices, constant, {hedges} hedges, 1 lag"


def test_a_planted_relation_of_three_legs_is_found() -> None:
    prices = walk_prices(1_000, 3, seed=3)
    noise = 0.002 * np.random.default_rng(4).standard_normal(1_000)
    primary = np.exp(0.5 * np.log(prices[:, 1]) + 0.7 * np.log(prices[:, 2]) + noise)
    assert holds(engle_granger(primary, prices[:, 1:]), 0.01)
    assert not holds(engle_granger(primary, prices[:, 1]), 0.01)  # one hedge of the two is not enough


def test_seven_series_have_a_p_value_between_mackinnons() -> None:
    prices = walk_prices(300, 7, seed=5)
    found = engle_granger(prices[:, 0], prices[:, 1:], lags=0)
    e, _ = residual(np.log(prices[:, 0]), np.log(prices[:, 1:]))
    assert found.statistic == pytest.approx(adfuller(e, maxlag=0, autolag=None, regression="n", result_object=False)[0], rel=1e-7)
    critical = mackinnoncrit(N=7, regression="c", nobs=299)
    assert found.statistic is not None
    assert found.statistic > critical[-1]
    assert found.p_value == pytest.approx(0.10)
    assert "p is at least 0.1, from the critical values for 7" in found.warnings[0]
    planted = engle_granger(np.exp(np.log(prices[:, 1:]).mean(axis=1) + 0.001 * np.sin(7.0 * np.arange(300))), prices[:, 1:], lags=0)
    assert planted.p_value == pytest.approx(0.01)
    assert "p is at most 0.01" in planted.warnings[0]


def test_collinear_prices_say_nothing() -> None:
    prices = walk_prices(100, 8, seed=6)
    for hedge in (2 * prices[:, :1], np.column_stack([prices[:, 0] ** 2, prices[:, 1:]])):
        found = engle_granger(prices[:, 0], hedge, lags=1)
        assert (found.statistic, found.p_value) == (None, None)
        assert "perfectly collinear: the test says nothing about reversion" in found.warnings[-1]
        assert not holds(found, 0.999)


def test_prices_of_binary_contracts_warn() -> None:
    p = 0.5 + 0.1 * np.sin(np.arange(100) / 9.0)
    h = 0.4 + 0.1 * np.cos(np.arange(100) / 7.0) + 0.01 * np.sin(np.arange(100.0))
    found = engle_granger(p, h, on="prices", lags=1)
    assert found.test == "Engle-Granger, prices, constant, 1 lag"
    assert sum("between 0 and 1 throughout" in text for text in found.warnings) == 2
    assert engle_granger(100 * p, 100 * h, lags=1).warnings == ()


@given(a=st.floats(0.01, 100), b=st.floats(0.01, 100), seed=st.integers(0, 99))
@settings(deadline=None, max_examples=10)
def test_the_units_of_prices_do_not_matter(a: float, b: float, seed: int) -> None:
    p, h = walk_prices(80, 2, seed).T
    before, after = engle_granger(p, h, lags=1, on="prices"), engle_granger(a * p, b * h, lags=1, on="prices")
    assert after.statistic == pytest.approx(before.statistic, rel=1e-6)


def test_what_is_refused() -> None:
    p, h = walk_prices(60, 2, seed=7).T
    with pytest.raises(ConfigError, match="on='returns': must be 'log prices' or 'prices'"):
        engle_granger(p, h, on="returns")  # type: ignore[arg-type]  # a user's mistake
    for lags in (-1, 29):
        with pytest.raises(ConfigError, match="must be between 0 and 28 for 60 prices"):
            engle_granger(p, h, lags=lags)
    with pytest.raises(DataError, match="at least 30 are needed"):
        engle_granger(p[:29], h[:29])
    with pytest.raises(DataError, match="13 series are too many: critical values exist for 12"):
        engle_granger(p, walk_prices(60, 12, seed=8))
    with pytest.raises(DataError, match="hedge is -1 at position 5: logs and returns need prices above 0"):
        engle_granger(p, np.r_[h[:5], -1.0, h[6:]])
    assert engle_granger(p, np.r_[h[:5], -1.0, h[6:]], on="prices", lags=1).p_value is not None
    with pytest.raises(DataError, match="hedge is nan at position 3"):
        engle_granger(p, np.r_[h[:3], np.nan, h[4:]])
    with pytest.raises(DataError, match="primary never moves"):
        engle_granger(np.full(60, 2.0), h)
