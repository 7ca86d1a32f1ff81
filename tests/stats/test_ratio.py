"""The hedge ratio on returns and on levels: published numbers, planted truth, and the law that units do not matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hedgekit.data import SyntheticMarket
from hedgekit.errors import DataError
from hedgekit.stats import ratio
from hedgekit.stats.ratio.judge import hedged
from hedgekit.stats.reversion import engle_granger
from tests.stats.ratio_made import market, quick

# Hull, Options, Futures and Other Derivatives, Table 3.2: monthly changes of jet fuel and heating oil.
HULL_JET = [0.029, 0.02, -0.044, 0.008, 0.026, -0.019, -0.01, -0.007, 0.043, 0.011, -0.036, -0.018, 0.009, -0.032, 0.023]
HULL_OIL = [0.021, 0.035, -0.046, 0.001, 0.044, -0.029, -0.026, -0.029, 0.048, -0.006, -0.036, -0.011, 0.019, -0.027, 0.029]
HULL_CONTRACTS, HULL_RHO, HULL_STDERR = 37.03098448767502, 0.9283723458682627, 0.08634287246758368  # published 37.03 and .928
HULL_RATIO, HULL_EFFECTIVENESS = 0.7776506742411754, 0.8618752125729411  # published .778 and .928 squared

# tests/stats/pair_a.csv: log prices of a synthetic pair (true ratio .85); values computed with numpy alone.
PAIR_A_RETURN_OLS, PAIR_A_EFFECTIVENESS = 0.8474457939569845, 0.7285463314618335
PAIR_A_OLS_LEVEL, PAIR_A_OLS_CONST = 0.8024628807895764, 1.4749053735438609

# Vector BOUND: rho = .8, windows of 20 and 60, a ratio wrong by 10%, a hedge filled to 60% (Ederington 1979).
EDERINGTON_1979_OOS = {20: 0.3811764705882352, 60: 0.3663157894736841}
EDERINGTON_1979_ERROR_10, EDERINGTON_1979_FILL_60 = 0.3664, 0.4624

# Vector SPURIOUS, 20,000 simulations: Granger & Newbold 1974.
GRANGER_NEWBOLD_1974_SHARE = {50: 0.676, 252: 0.854}

# Vector NONTRADE: plain beta, and the part that one lag finds; beta = .85.
LO_MACKINLAY_1990_NONTRADE = {(0.3, 0.0): (0.595, 0.1785), (0.0, 0.3): (0.595, 0.0), (0.3, 0.5): (0.35, 0.105)}


def from_returns(returns: list[float]) -> np.ndarray:
    return 30 * np.exp(np.r_[0.0, np.cumsum(returns)])


def pair_a() -> tuple[pd.Series, pd.Series]:
    logs = pd.read_csv(Path(__file__).with_name("pair_a.csv"))
    return np.exp(logs.p), np.exp(logs.h)


# ------------------------------------------------------------------- on returns


def test_hull_jet_fuel_hedge() -> None:
    fit = ratio.ols(from_returns(HULL_JET), from_returns(HULL_OIL))
    assert fit.ratio == pytest.approx(HULL_RATIO, rel=1e-9)
    assert fit.effectiveness == pytest.approx(HULL_EFFECTIVENESS, rel=1e-9)
    assert fit.r2 == pytest.approx(fit.effectiveness, rel=1e-12)
    assert fit.n == 15
    assert fit.expected_effectiveness == pytest.approx(1 - (1 - HULL_EFFECTIVENESS) * 13 / 12, rel=1e-9)
    assert fit.ratio * 2_000_000 / 42_000 == pytest.approx(HULL_CONTRACTS, rel=1e-9)
    assert np.sqrt(fit.r2) == pytest.approx(HULL_RHO, rel=1e-9)
    assert fit.stderr * np.sqrt(fit.effective_n / fit.n) == pytest.approx(HULL_STDERR, rel=1e-9)  # of independent errors


def test_naive_ratio_is_shown_beside_it() -> None:
    fit = ratio.ols(from_returns(HULL_JET), from_returns(HULL_OIL))
    naive = 1 - np.var(np.subtract(HULL_JET, HULL_OIL)) / np.var(HULL_JET)
    assert fit.naive_effectiveness == pytest.approx(naive, rel=1e-9)
    assert fit.naive_effectiveness < fit.effectiveness
    assert ratio.naive(from_returns(HULL_JET), from_returns(HULL_OIL)).effectiveness == pytest.approx(naive, rel=1e-9)


def test_pair_a_agrees_with_numpy() -> None:
    p, h = pair_a()
    fit = ratio.ols(p, h)
    assert fit.ratio == pytest.approx(PAIR_A_RETURN_OLS, rel=1e-6)
    assert fit.effectiveness == pytest.approx(PAIR_A_EFFECTIVENESS, rel=1e-6)
    level = ratio.ols(p, h, on="log prices")
    assert level.ratio == pytest.approx(PAIR_A_OLS_LEVEL, rel=1e-6)
    shift = np.log(p[0]) - level.ratio * np.log(h[0])  # log prices count from their first value
    assert level.details["constant"] + shift == pytest.approx(PAIR_A_OLS_CONST, rel=1e-6)


def test_newey_west_standard_error_by_hand() -> None:
    p, h = market(100, 3)
    fit = ratio.ols(p, h)
    dp, dh = np.diff(np.log(p)), np.diff(np.log(h))
    x = np.column_stack([np.ones(100), dh])
    scores = x * (dp - x @ np.linalg.lstsq(x, dp)[0])[:, None]
    middle = scores.T @ scores
    for lag in range(1, 5):
        cross = scores[lag:].T @ scores[:-lag]
        middle += (1 - lag / 5) * (cross + cross.T)
    bread = np.linalg.inv(x.T @ x)
    assert fit.details["lags"] == 4
    assert fit.df == 98
    assert fit.stderr == pytest.approx(np.sqrt((bread @ middle @ bread)[1, 1] * 100 / 98), rel=1e-9)


def test_planted_ratio_is_recovered_and_the_interval_covers() -> None:
    fits = [quick(*market(250, seed)) for seed in range(200)]
    mean = np.mean([fit.ratio for fit in fits])
    assert mean == pytest.approx(0.85, abs=4 * np.std([fit.ratio for fit in fits]) / np.sqrt(200))
    covered = np.mean([fit.interval()[0] <= 0.85 <= fit.interval()[1] for fit in fits])
    assert 0.88 <= covered <= 0.99


@pytest.mark.parametrize("n", [20, 60])
def test_out_of_sample_loss_is_the_formula(n: int) -> None:
    p, h = market(1500 * n, 11)
    ratios = np.array([quick(p[i : i + n + 1], h[i : i + n + 1]).ratio for i in range(0, 1500 * n, n)])
    true_r2 = 0.85**2 * 0.012**2 / np.var(np.diff(np.log(p)))
    extra = np.mean((ratios - 0.85) ** 2) * 0.012**2 / np.var(np.diff(np.log(p)))
    assert true_r2 == pytest.approx(0.7462, abs=0.01)
    assert (1 - true_r2) + extra == pytest.approx({20: 0.2679, 60: 0.2582}[n], abs=0.01)
    assert extra == pytest.approx((1 - true_r2) / (n - 3), rel=0.15)


def exact_moves(n: int, rho: float) -> tuple[np.ndarray, np.ndarray]:
    """Return prices whose log returns have sample correlation rho exactly, both with mean 0 and variance 1e-4."""
    q = np.linalg.qr(np.column_stack([np.ones(n), np.random.default_rng(5).standard_normal((n, 2))]))[0][:, 1:] * np.sqrt(n) * 0.01
    return from_returns(list(rho * q[:, 0] + np.sqrt(1 - rho**2) * q[:, 1])), from_returns(list(q[:, 0]))


@pytest.mark.parametrize("n", [20, 60])
def test_bound_and_what_is_to_be_expected_out_of_sample(n: int) -> None:
    p, h = exact_moves(n, 0.8)
    fit = ratio.ols(p, h, folds=0)
    assert 1 - fit.r2 == pytest.approx(0.36, rel=1e-9)
    assert 1 - fit.expected_effectiveness == pytest.approx(EDERINGTON_1979_OOS[n], rel=1e-9)
    moves = np.diff(np.log(np.column_stack([p, h])), axis=0)
    for share, left in ((1.1, EDERINGTON_1979_ERROR_10), (0.6, EDERINGTON_1979_FILL_60)):
        assert np.var(hedged(moves, np.array([share * fit.ratio]))) / np.var(moves[:, 0]) == pytest.approx(left, rel=1e-9)


def test_out_of_sample_effectiveness_is_that_of_ratios_known_before() -> None:
    p, h = market(1_000, 4)
    out = ratio.ols(p, h, folds=1).out_of_sample
    moves = np.diff(np.log(np.column_stack([p, h])), axis=0)
    past = quick(p[:501], h[:501]).ratio
    assert out is not None
    assert out.n == 500
    assert out.hedged == pytest.approx(1 - np.var(moves[500:, 0] - past * moves[500:, 1]) / np.var(moves[500:, 0]), rel=1e-12)
    assert out.naive == pytest.approx(1 - np.var(moves[500:, 0] - moves[500:, 1]) / np.var(moves[500:, 0]), rel=1e-12)
    assert out.low < out.hedged < out.high
    assert out.gain_low < out.hedged - out.naive < out.gain_high


def test_what_comes_after_changes_no_ratio_that_was_known_before() -> None:
    """Out of sample is out of sample: the past's ratio hedges a future that was altered."""
    p, h = market(600, 4)
    crash = p.copy()
    crash[500:] *= 0.5
    before, after = ratio.ols(p, h, folds=1, tested=False), ratio.ols(crash, h, folds=1, tested=False)
    assert before.ratio != after.ratio
    assert before.out_of_sample is not None
    assert after.out_of_sample is not None
    moves = np.diff(np.log(np.column_stack([crash, h])), axis=0)[300:]
    past = quick(p[:301], h[:301]).ratio
    assert after.out_of_sample.hedged == pytest.approx(1 - np.var(moves[:, 0] - past * moves[:, 1]) / np.var(moves[:, 0]), rel=1e-9)


def test_window_uses_the_last_returns_only() -> None:
    p, h = market(400, 5)
    assert ratio.ols(p, h, window=250) == ratio.ols(p[-251:], h[-251:])
    assert ratio.ols(p, h, window=250) != ratio.ols(p, h)


@settings(max_examples=40, deadline=None)
@given(st.floats(1e-3, 1e4), st.floats(1e-3, 1e4), st.integers(0, 20))
def test_law_units_change_neither_ratio_nor_evidence(a: float, b: float, seed: int) -> None:
    p, h = market(250, seed)
    fit, scaled = quick(p, h), quick(p * a, h * b)
    before, after = engle_granger(p, h, lags=1), engle_granger(p * a, h * b, lags=1)
    assert scaled.ratio == pytest.approx(fit.ratio, abs=1e-12)
    assert scaled.stderr == pytest.approx(fit.stderr, abs=1e-12)
    assert after.p_value == pytest.approx(before.p_value, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-3, 1e4), st.floats(1e-3, 1e4), st.sampled_from([ratio.ols, ratio.tls, ratio.dols, ratio.johansen]))
def test_law_on_prices_a_ratio_scales_with_the_units(a: float, b: float, method: object) -> None:
    p, h = market(250, 3)
    options = {"folds": 0, "tested": False, "on": "prices"}
    fit = method(p, h, **options)  # type: ignore[operator]  # one of four functions of the same call
    more = {"error_variance_ratio": (a / b) ** 2} if method is ratio.tls else {}
    scaled = method(p * a, h * b, **options, **more)  # type: ignore[operator]  # as above
    assert scaled.ratio == pytest.approx(fit.ratio * a / b, rel=1e-6)
    assert scaled.in_dollars().ratio == pytest.approx(fit.in_dollars().ratio, rel=1e-6)


def test_same_input_same_bits() -> None:
    p, h = market(250, 1)
    assert ratio.ols(p, h) == replace(ratio.ols(p.copy(), list(h)))


# ----------------------------------------------------- levels, and stale quotes


@pytest.mark.parametrize("n", [50, 252])
def test_least_squares_on_levels_finds_what_is_not_there_and_says_so(n: int) -> None:
    """SPURIOUS: |t| > 1.96 between unrelated walks, by the shortest code; standard error of the share .006."""
    rng = np.random.default_rng(12)
    y, x = rng.standard_normal((2, 6_000, n)).cumsum(axis=2)
    y, x = y - y.mean(axis=1, keepdims=True), x - x.mean(axis=1, keepdims=True)
    xx = (x * x).sum(axis=1)
    slope = (x * y).sum(axis=1) / xx
    rest = ((y - slope[:, None] * x) ** 2).sum(axis=1)
    share = np.mean(np.abs(slope) / np.sqrt(rest / (n - 2) / xx) > 1.96)
    assert share == pytest.approx(GRANGER_NEWBOLD_1974_SHARE[n], abs=0.02)
    fit = ratio.ols(np.exp(0.01 * y[0]), np.exp(0.01 * x[0]), on="log prices", folds=0)
    assert fit.ratio == pytest.approx(slope[0], rel=1e-9)
    assert np.isnan(fit.stderr)
    assert "Granger & Newbold" in " ".join(fit.warnings)


@pytest.mark.parametrize("stale", LO_MACKINLAY_1990_NONTRADE)
def test_dimson_restores_the_ratio_of_stale_quotes(stale: tuple[float, float]) -> None:
    plain, _ = LO_MACKINLAY_1990_NONTRADE[stale]
    rows = SyntheticMarket.textbook(rows=50_001, seed=14, stale_primary=stale[0], stale_hedge=stale[1])
    p, h = np.exp(rows.log_prices(observed=True)).T
    one, five = (ratio.ols(p, h, dimson=k, folds=0, tested=False) for k in (0, 8))
    assert one.ratio == pytest.approx(plain, abs=0.012)
    assert five.ratio == pytest.approx(0.85, abs=4 * five.stderr)
    assert five.stderr < 0.02
    assert five.n == 50_000 - 16


def test_dimson_one_lag_finds_the_share_of_one_lag() -> None:
    rows = SyntheticMarket.textbook(rows=50_001, seed=14, stale_primary=0.3)
    p, h = np.exp(rows.log_prices(observed=True)).T
    fit = ratio.ols(p, h, dimson=1, folds=0, tested=False)
    assert fit.ratio == pytest.approx(sum(LO_MACKINLAY_1990_NONTRADE[0.3, 0.0]), abs=0.01)


def test_dimson_with_several_hedges_by_hand() -> None:
    rng = np.random.default_rng(3)
    x = 0.01 * rng.standard_normal((400, 2))
    y = x @ [0.5, 0.3] + np.r_[[[0, 0]], x[:-1]] @ [0.2, 0.1] + 0.002 * rng.standard_normal(400)
    hedges = np.vstack([np.ones(2), np.exp(x.cumsum(axis=0))])
    fit = ratio.ols(np.r_[1.0, np.exp(y.cumsum())], hedges, dimson=1, folds=0)
    columns = np.column_stack([np.ones(398), x[:-2], x[1:-1], x[2:]])
    beta = np.linalg.lstsq(columns, y[1:-1])[0]
    assert fit.ratios == pytest.approx([beta[1] + beta[3] + beta[5], beta[2] + beta[4] + beta[6]], rel=1e-9)
    assert fit.ratios == pytest.approx([0.7, 0.4], abs=4 * max(fit.stderrs))
    assert fit.df == 398 - 7


# --------------------------------------------------------------- several hedges


def currencies(noise: float, n: int = 400) -> pd.DataFrame:
    """Return EURUSD = GBPUSD x EURGBP, but for noise in EURUSD."""
    rng = np.random.default_rng(8)
    moves = 0.005 * rng.standard_normal((n, 2)).cumsum(axis=0)
    times = pd.date_range("2020-01-01", periods=n, tz="UTC")
    legs = pd.DataFrame({"GBPUSD": 1.3 * np.exp(moves[:, 0]), "EURGBP": 0.85 * np.exp(moves[:, 1])}, index=times)
    return legs.assign(EURUSD=legs.GBPUSD * legs.EURGBP * np.exp(noise * rng.standard_normal(n)))


@pytest.mark.parametrize("method", [ratio.ols, ratio.dols, ratio.johansen])
def test_three_leg_relation_is_recovered(method: object) -> None:
    frame = currencies(0.0005)
    fit = method(frame.EURUSD, frame[["GBPUSD", "EURGBP"]], tested=False)  # type: ignore[operator]  # one of three functions of the same call
    assert fit.hedges == ("GBPUSD", "EURGBP")
    assert fit.ratios == pytest.approx([1.0, 1.0], abs=0.03)
    for i in range(2):
        low, high = fit.interval(0.999, hedge=i)
        assert low < 1 < high
    assert fit.interval(hedge="EURGBP") == fit.interval(hedge=1)
    assert fit.fitted_at == frame.index[-1]
    assert fit.size(1_000.0).dollars.to_list() == pytest.approx([1_000, -1_000 * fit.ratios[0], -1_000 * fit.ratios[1]])
    with pytest.raises(DataError, match="ratio is of one hedge, and this fit has 2"):
        _ = fit.ratio


@pytest.mark.parametrize("method", [ratio.ols, ratio.dols, ratio.johansen, ratio.naive])
def test_an_exact_identity_is_refused_or_told(method: object) -> None:
    frame = currencies(0.0)
    try:
        fit = method(frame.EURUSD, frame[["GBPUSD", "EURGBP"]])  # type: ignore[operator]  # as above
    except DataError as error:
        assert "exact" in str(error)  # noqa: PT017 - refused or told: both are right
    else:
        assert "identity" in " ".join(fit.warnings)


def test_warnings_of_the_libraries_are_heard() -> None:
    p, _ = market(300, 2)
    fit = ratio.ols(p, 3 * p)
    assert any(text.startswith("CollinearityWarning") for text in fit.warnings)
    assert "this is an identity, not an estimate" in " ".join(fit.warnings)
    assert fit.ratio == pytest.approx(1.0, rel=1e-12)
    assert fit.tests[0].p_value is None


def test_nearly_collinear_hedges_are_told_and_equal_ones_refused() -> None:
    frame = currencies(0.0005)
    twin = frame.GBPUSD * np.exp(1e-4 * np.random.default_rng(1).standard_normal(len(frame)))
    fit = ratio.ols(frame.EURUSD, frame[["GBPUSD"]].assign(twin=twin), folds=0)
    assert "nearly collinear" in " ".join(fit.warnings)
    with pytest.raises(DataError, match="GBPUSD, twin are linearly dependent"):
        ratio.ols(frame.EURUSD, frame[["GBPUSD"]].assign(twin=frame.GBPUSD * 2))
    with pytest.raises(DataError, match="rolling OLS, 60 rows, on log returns takes one hedge, and got 2"):
        ratio.rolling(frame.EURUSD, frame[["GBPUSD", "EURGBP"]])
