"""The hedge ratio: published numbers, planted truth, and the law that units do not matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.data import Market, load_sample
from hedgekit.errors import DataError
from hedgekit.params import Params
from hedgekit.stats.ratio import REFIT_LAGS, engle_granger, ols_returns, plan_at
from hedgekit.stats.reversion import holds
from hedgekit.types import NS, Evidence

# Hull, Options, Futures and Other Derivatives, Table 3.2: monthly changes of jet fuel and heating oil.
HULL_JET = [0.029, 0.02, -0.044, 0.008, 0.026, -0.019, -0.01, -0.007, 0.043, 0.011, -0.036, -0.018, 0.009, -0.032, 0.023]
HULL_OIL = [0.021, 0.035, -0.046, 0.001, 0.044, -0.029, -0.026, -0.029, 0.048, -0.006, -0.036, -0.011, 0.019, -0.027, 0.029]
HULL_RATIO, HULL_EFFECTIVENESS = 0.7776506742411754, 0.8618752125729411  # published .778 and .928 squared

# tests/stats/pair_a.csv: log prices of a synthetic pair (true ratio .85); values computed with numpy alone.
PAIR_A_RETURN_OLS, PAIR_A_EFFECTIVENESS, PAIR_A_EG_T_LAG1 = 0.8474457939569845, 0.7285463314618335, -3.561054181995023

KAPPA = np.log(2) / 20  # half-life of 20 bars
REASON = "written down for the test"


def market(n: int, seed: int, beta: float = 0.85) -> tuple[np.ndarray, np.ndarray]:
    """Return prices of METHODS' default synthetic market: hedge sd .012 a bar, OU spread with sd .006 a bar (rho2 = .7462)."""
    rng = np.random.default_rng(seed)
    dh, noise = 0.012 * rng.standard_normal(n), rng.standard_normal(n)
    b, sd = np.exp(-KAPPA), 0.006 / np.sqrt(2 * KAPPA)
    x = np.empty(n + 1)
    x[0] = sd * rng.standard_normal()
    for t in range(n):
        x[t + 1] = b * x[t] + sd * np.sqrt(1 - b * b) * noise[t]
    h = np.r_[0.0, np.cumsum(dh)]
    return 100 * np.exp(beta * h + x - x[0]), 50 * np.exp(h)


def from_returns(returns: list[float]) -> np.ndarray:
    return 30 * np.exp(np.r_[0.0, np.cumsum(returns)])


def test_hull_jet_fuel_hedge() -> None:
    fit = ols_returns(from_returns(HULL_JET), from_returns(HULL_OIL))
    assert fit.ratio == pytest.approx(HULL_RATIO, rel=1e-9)
    assert fit.effectiveness == pytest.approx(HULL_EFFECTIVENESS, rel=1e-9)
    assert fit.r2 == fit.effectiveness
    assert fit.n == 15
    assert fit.expected_effectiveness == pytest.approx(1 - (1 - HULL_EFFECTIVENESS) * 13 / 12, rel=1e-9)


def test_naive_ratio_is_shown_beside_it() -> None:
    fit = ols_returns(from_returns(HULL_JET), from_returns(HULL_OIL))
    naive = 1 - np.var(np.subtract(HULL_JET, HULL_OIL)) / np.var(HULL_JET)
    assert fit.naive_effectiveness == pytest.approx(naive, rel=1e-9)
    assert fit.naive_effectiveness < fit.effectiveness


def test_pair_a_agrees_with_numpy() -> None:
    logs = pd.read_csv(Path(__file__).with_name("pair_a.csv"))
    fit, evidence = ols_returns(np.exp(logs.p), np.exp(logs.h)), engle_granger(np.exp(logs.p), np.exp(logs.h), lags=1)
    assert fit.ratio == pytest.approx(PAIR_A_RETURN_OLS, rel=1e-6)
    assert fit.effectiveness == pytest.approx(PAIR_A_EFFECTIVENESS, rel=1e-6)
    assert evidence.statistic == pytest.approx(PAIR_A_EG_T_LAG1, rel=1e-6)
    assert evidence.p_value is not None
    assert 0.01 < evidence.p_value < 0.05  # MacKinnon 2010 at n=500: 5% at -3.35, 1% at -3.92


def test_newey_west_standard_error_by_hand() -> None:
    p, h = market(100, 3)
    fit = ols_returns(p, h)
    dp, dh = np.diff(np.log(p)), np.diff(np.log(h))
    x = np.column_stack([np.ones(100), dh])
    scores = x * (dp - x @ np.linalg.lstsq(x, dp)[0])[:, None]
    middle = scores.T @ scores
    for lag in range(1, 5):
        cross = scores[lag:].T @ scores[:-lag]
        middle += (1 - lag / 5) * (cross + cross.T)
    bread = np.linalg.inv(x.T @ x)
    assert fit.lags == 4
    assert fit.stderr == pytest.approx(np.sqrt((bread @ middle @ bread)[1, 1] * 100 / 98), rel=1e-9)


def test_planted_ratio_is_recovered_and_the_interval_covers() -> None:
    fits = [ols_returns(*market(250, seed)) for seed in range(200)]
    mean = np.mean([fit.ratio for fit in fits])
    assert mean == pytest.approx(0.85, abs=4 * np.std([fit.ratio for fit in fits]) / np.sqrt(200))
    covered = np.mean([fit.interval()[0] <= 0.85 <= fit.interval()[1] for fit in fits])
    assert 0.88 <= covered <= 0.99


@pytest.mark.parametrize("n", [20, 60])
def test_out_of_sample_loss_is_the_formula(n: int) -> None:
    p, h = market(1500 * n, 11)
    ratios = np.array([ols_returns(p[i : i + n + 1], h[i : i + n + 1]).ratio for i in range(0, 1500 * n, n)])
    true_r2 = 0.85**2 * 0.012**2 / np.var(np.diff(np.log(p)))
    extra = np.mean((ratios - 0.85) ** 2) * 0.012**2 / np.var(np.diff(np.log(p)))
    assert true_r2 == pytest.approx(0.7462, abs=0.01)
    assert (1 - true_r2) + extra == pytest.approx({20: 0.2679, 60: 0.2582}[n], abs=0.01)
    assert extra == pytest.approx((1 - true_r2) / (n - 3), rel=0.15)


def test_window_uses_the_last_returns_only() -> None:
    p, h = market(400, 5)
    assert ols_returns(p, h, window=250) == ols_returns(p[-251:], h[-251:])
    assert ols_returns(p, h, window=250) != ols_returns(p, h)


@settings(max_examples=40, deadline=None)
@given(st.floats(1e-3, 1e4), st.floats(1e-3, 1e4), st.integers(0, 20))
def test_law_units_change_neither_ratio_nor_evidence(a: float, b: float, seed: int) -> None:
    p, h = market(250, seed)
    fit, scaled = ols_returns(p, h), ols_returns(p * a, h * b)
    before, after = engle_granger(p, h, lags=1), engle_granger(p * a, h * b, lags=1)
    assert scaled.ratio == pytest.approx(fit.ratio, abs=1e-12)
    assert scaled.stderr == pytest.approx(fit.stderr, abs=1e-12)
    assert after.p_value == pytest.approx(before.p_value, abs=1e-9)


def test_same_input_same_bits() -> None:
    p, h = market(250, 1)
    assert ols_returns(p, h) == ols_returns(p.copy(), list(h))
    assert engle_granger(p, h) == engle_granger(pd.Series(p), h[::-1][::-1])


def test_ko_and_pep_are_not_cointegrated() -> None:
    # statsmodels 0.15 p = .4295 (9 lags by AIC); arch 8.0's own implementation gives the same statistic, p = .4272.
    closes = load_sample("eq_daily")
    evidence = engle_granger(closes.KO, closes.PEP)
    assert evidence.statistic == pytest.approx(-2.19006356, abs=1e-6)
    assert evidence.p_value == pytest.approx(0.43, abs=0.02)
    assert not holds(evidence, 0.05)
    assert evidence.n == 6805
    assert evidence.warnings == ()
    assert ols_returns(closes.KO, closes.PEP).r2 == pytest.approx(0.272, abs=5e-4)


def test_independent_walks_are_rejected_at_the_stated_rate() -> None:
    # Granger & Newbold 1974; with MacKinnon's cointegration values 4.9% of independent walks pass (20,000 simulations).
    rng = np.random.default_rng(4)
    walks = np.exp(0.01 * rng.standard_normal((600, 2, 252)).cumsum(axis=2))
    passed = np.mean([holds(engle_granger(p, h, lags=0), 0.05) for p, h in walks])
    assert passed == pytest.approx(0.049, abs=0.027)  # 3 standard errors


def test_collinear_prices_are_told_and_are_no_evidence() -> None:
    p, _ = market(300, 2)
    evidence = engle_granger(p, 3 * p)
    assert evidence.p_value is None
    assert evidence.statistic is None
    assert "collinear" in " ".join(evidence.warnings)
    assert any(text.startswith("CollinearityWarning") for text in evidence.warnings)
    assert not holds(evidence, 0.5)


def test_plan_of_a_refit() -> None:
    mid = Market(last="1992-06-30").tape().mid
    params = Params.make(evidence_override=REASON)
    plan = plan_at(mid[:400, 0], mid[:400, 1], 7 * NS, params)
    fit = ols_returns(mid[149:400, 0], mid[149:400, 1])
    assert (plan.ratio, plan.stderr, plan.n) == (fit.ratio, fit.stderr, 250)
    assert plan.evidence == engle_granger(mid[149:400, 0], mid[149:400, 1], lags=REFIT_LAGS)
    assert plan.fitted_at_ns == 7 * NS
    assert plan.valid_until_ns == 7 * NS + 90 * 86_400 * NS
    assert plan.unit == "dollar per dollar"


def test_plan_carries_the_override_only_if_the_evidence_fails() -> None:
    params = Params.make(evidence_override=REASON)
    walk = np.exp(0.01 * np.random.default_rng(0).standard_normal((2, 251)).cumsum(axis=1))
    fails = plan_at(walk[0], walk[1], 0, params)
    rng = np.random.default_rng(1)
    h = np.exp(0.01 * rng.standard_normal(251).cumsum())
    passes = plan_at(h * np.exp(0.002 * rng.standard_normal(251)), h, 0, params)
    assert fails.override == REASON
    assert not holds(fails.evidence, params.significance)
    assert passes.override is None
    assert holds(passes.evidence, params.significance)
    assert plan_at(walk[0], walk[1], 0, Params.make()).override is None


def test_plan_ignores_what_is_older_than_its_window() -> None:
    p, h = market(400, 8)
    params = Params.make()
    assert plan_at(p, h, 1, params) == plan_at(p[-251:], h[-251:], 1, params)


def test_library_warnings_travel_with_the_plan() -> None:
    p, h = market(100, 2)
    fit = ols_returns(p, h)
    noisy = type(fit)(**{name: getattr(fit, name) for name in fit.__slots__ if name != "warnings"}, warnings=("a", "b"))
    plan = noisy.to_plan(1, 2, Evidence("t", -3.0, 0.01, 9, warnings=("a",)), "because of the test")
    assert plan.evidence.warnings == ("a", "b")
    assert plan.override == "because of the test"


def test_wrong_prices_say_what_and_where() -> None:
    p, h = market(100, 0)
    bad = p.copy()
    bad[17] = np.nan
    with pytest.raises(DataError, match="primary is nan at position 17"):
        ols_returns(bad, h)
    with pytest.raises(DataError, match="hedge is -1 at position 0"):
        engle_granger(p, np.r_[-1.0, h[1:]])
    with pytest.raises(DataError, match="hedge never moves"):
        ols_returns(p, np.full(101, 5.0))
    with pytest.raises(DataError, match=r"primary has shape \(100,\), hedge \(101,\)"):
        ols_returns(p[1:], h)
    with pytest.raises(DataError, match="101 prices are too few, at least 251"):
        plan_at(p, h, 0, Params.make())
    with pytest.raises(DataError, match="different indexes"):
        ols_returns(pd.Series(p), pd.Series(h, index=range(1, 102)))
