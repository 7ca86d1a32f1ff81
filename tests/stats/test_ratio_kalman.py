"""Kalman ratios: published vectors, planted truths recovered, and nothing known before its time."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.datasets import nile
from statsmodels.tsa.statespace.structural import UnobservedComponents

from hedgekit.errors import ConfigError
from hedgekit.stats import ratio
from hedgekit.stats.ratio.kernels import kalman_filter, kalman_loglik, kalman_smooth, rolling_ols
from hedgekit.stats.ratio.walk import fit_walk
from tests.stats.ratio_made import pair_moves, prices_of

# Vector KF-NILE: Durbin & Koopman 2012, chapter 2.
DURBIN_KOOPMAN_2012_Q, DURBIN_KOOPMAN_2012_R = 1469.1, 15099.0
DURBIN_KOOPMAN_2012_LAST, DURBIN_KOOPMAN_2012_P, DURBIN_KOOPMAN_2012_LOGLIK = 798.3702926083641, 4032.157941808477, -632.5456251156736
DURBIN_KOOPMAN_2012_MLE = (1469.18, 15098.52)

# Vector KF-BETA: pair_rw, beta0 = .9 known, q = 4e-4; a dense Gaussian posterior agrees.
KF_BETA_R, KF_BETA_LAST, KF_BETA_P, KF_BETA_LOGLIK = 3.53833123209e-05, 1.1271210790055692, 0.010108100519170642, 3670.2024704145338

# METHODS section 3, row 2: variance beyond the residual's, ratio walking with sd .02 a bar.
METHODS_KALMAN_EXTRA, METHODS_BEST_WINDOW_EXTRA, METHODS_250_EXTRA = 0.042, 0.050, 0.127

INF = float("inf")


def walking(n: int, seed: int, step: float = 0.02) -> tuple[np.ndarray, np.ndarray]:
    """Return returns whose ratio starts at .9 and walks: the market of METHODS 3 with independent residuals."""
    rng = np.random.default_rng(seed)
    beta = 0.9 + step * rng.standard_normal(n).cumsum()
    x = 0.012 * rng.standard_normal(n)
    return beta * x + np.sqrt(KF_BETA_R) * rng.standard_normal(n), x


# ----------------------------------------------------------------------- Kalman


def test_nile() -> None:
    flow = nile.load().data["volume"].to_numpy(dtype=np.float64)
    ones = np.ones(len(flow))
    last = kalman_filter(flow, ones, DURBIN_KOOPMAN_2012_Q, DURBIN_KOOPMAN_2012_R, 0.0, INF)[-1]
    assert last == pytest.approx([DURBIN_KOOPMAN_2012_LAST, DURBIN_KOOPMAN_2012_P], rel=1e-9)
    loglik = kalman_loglik(flow, ones, DURBIN_KOOPMAN_2012_Q, DURBIN_KOOPMAN_2012_R, 0.0, INF)[0]
    assert loglik == pytest.approx(DURBIN_KOOPMAN_2012_LOGLIK, rel=1e-9)
    walk = fit_walk(flow, ones)
    assert (walk.q, walk.r) == pytest.approx(DURBIN_KOOPMAN_2012_MLE, rel=2e-4)
    assert walk.q_low < walk.q < walk.q_high
    assert walk.p_value < 0.001  # Durbin & Koopman's chapter 2 is about a level that moves


def test_smoothed_nile_agrees_with_statsmodels() -> None:
    flow = nile.load().data["volume"].to_numpy(dtype=np.float64)
    states = kalman_filter(flow, np.ones(len(flow)), DURBIN_KOOPMAN_2012_Q, DURBIN_KOOPMAN_2012_R, 0.0, INF)
    model = UnobservedComponents(flow, "llevel", use_exact_diffuse=True).smooth([DURBIN_KOOPMAN_2012_R, DURBIN_KOOPMAN_2012_Q])
    smooth = kalman_smooth(states, DURBIN_KOOPMAN_2012_Q)
    assert smooth[:, 0] == pytest.approx(model.smoothed_state[0], rel=1e-8)
    assert smooth[:, 1] == pytest.approx(model.smoothed_state_cov[0, 0], rel=1e-8)


def test_random_walk_beta_vector() -> None:
    p, h = prices_of(*pair_moves("pair_rw.csv"))
    fit = ratio.kalman(p, h, q=4e-4, r=KF_BETA_R, beta0=0.9, folds=0, tested=False)
    assert fit.ratio == pytest.approx(KF_BETA_LAST, rel=1e-8)
    assert fit.stderr**2 == pytest.approx(KF_BETA_P, rel=1e-8)
    assert fit.details["loglik"] == pytest.approx(KF_BETA_LOGLIK, rel=1e-8)
    assert set(fit.details) == {"q", "r", "loglik"}


def test_constants_are_estimated_whichever_are_missing() -> None:
    y, x = pair_moves("pair_rw.csv")
    p, h = prices_of(y, x)
    free = ratio.kalman(p, h, folds=0, tested=False)
    assert free.details["q_low"] < 4e-4 < free.details["q_high"]
    assert free.details["r"] == pytest.approx(KF_BETA_R, rel=0.1)
    assert free.details["q_p_value"] < 1e-6
    assert free.warnings == ()
    for known in ({"q": free.details["q"]}, {"r": free.details["r"]}):
        again = ratio.kalman(p, h, folds=0, tested=False, **known)  # type: ignore[arg-type]  # one of two options by name
        assert again.details["q"] == pytest.approx(free.details["q"], rel=1e-3)
        assert again.details["r"] == pytest.approx(free.details["r"], rel=1e-3)
    started = ratio.kalman(p, h, beta0=0.9, p0=0.01, folds=0, tested=False)
    for q in (0.97, 1.03):
        for r in (0.97, 1.03):
            off = kalman_loglik(y, x, started.details["q"] * q, started.details["r"] * r, 0.9, 0.01)[0]
            assert started.details["loglik"] > off


def test_profile_interval_is_where_the_likelihood_falls_by_1_92() -> None:
    y, x = walking(800, 3)
    walk = fit_walk(y, x, r=KF_BETA_R)
    for end in (walk.q_low, walk.q_high):
        assert walk.loglik - kalman_loglik(y, x, end, KF_BETA_R, 0.0, INF)[0] == pytest.approx(1.9207, abs=1e-3)


def test_planted_walk_is_recovered() -> None:
    fits = [fit_walk(*walking(1_000, seed)) for seed in range(60)]
    assert np.mean([fit.q for fit in fits]) == pytest.approx(4e-4, rel=0.2)
    covered = np.mean([fit.q_low <= 4e-4 <= fit.q_high for fit in fits])
    assert 0.88 <= covered <= 1


def test_a_ratio_that_stands_still_is_not_said_to_move() -> None:
    """The half chi-square is conservative: more than half of the walks with q = 0 have their top at zero."""
    fits = [fit_walk(*walking(300, seed, step=0.0)) for seed in range(300)]
    assert np.mean([fit.p_value < 0.05 for fit in fits]) == pytest.approx(0.04, abs=0.03)
    assert 0.55 <= np.mean([fit.q == 0 for fit in fits]) <= 0.8
    y, x = walking(300, next(i for i, fit in enumerate(fits) if fit.q == 0), step=0.0)
    fit = ratio.kalman(*prices_of(y, x), folds=0)
    assert fit.ratio == pytest.approx((x @ y) / (x @ x), rel=1e-6)  # q = 0 is least squares
    assert fit.effective_n == pytest.approx(300, rel=1e-6)
    assert "q = 0 is not rejected" in " ".join(fit.warnings)


def test_following_a_moving_ratio_is_worth_what_methods_says() -> None:
    """300 paths of 2,250 bars; the extra variance's standard error is about .0006."""
    paths = [walking(2_250, 1_000 + seed) for seed in range(300)]

    def extra(ratios: list[np.ndarray]) -> float:
        left = [(y - np.r_[np.nan, b[:-1]] * x)[251:] for (y, x), b in zip(paths, ratios, strict=True)]
        return float(np.mean(np.square(left)) / KF_BETA_R - 1)

    kalman = extra([kalman_filter(y, x, 4e-4, KF_BETA_R, 0.0, INF)[:, 0] for y, x in paths])
    windows = {n: extra([rolling_ols(y, x, n)[:, 0] for y, x in paths]) for n in (20, 40, 50, 60, 120, 250)}
    best = min(windows, key=windows.__getitem__)
    assert kalman == pytest.approx(METHODS_KALMAN_EXTRA, abs=0.004)
    assert kalman <= 0.05
    assert 40 <= best <= 60
    assert windows[best] == pytest.approx(METHODS_BEST_WINDOW_EXTRA, abs=0.005)
    assert windows[250] == pytest.approx(METHODS_250_EXTRA, abs=0.02)
    assert kalman < windows[best]


def test_out_of_sample_constants_come_from_the_first_half() -> None:
    y, x = walking(800, 9)
    altered = y.copy()
    altered[400:] += 0.05 * np.random.default_rng(1).standard_normal(400)
    walk = fit_walk(y[:400], x[:400])
    out = ratio.kalman(*prices_of(altered, x), folds=5, tested=False).out_of_sample
    known = np.r_[np.nan, kalman_filter(altered, x, walk.q, walk.r, 0.0, INF)[:-1, 0]]
    assert out is not None
    assert out.hedged == pytest.approx(1 - np.var((altered - known * x)[400:]) / np.var(altered[400:]), rel=1e-6)


def test_smoothed_path_stands_beside_and_is_never_the_ratio() -> None:
    p, h = prices_of(*pair_moves("pair_rw.csv"))
    plain, both = (ratio.kalman(p, h, smoothed=smoothed, tested=False) for smoothed in (False, True))
    assert plain == both
    assert both.path is not None
    assert list(both.path) == ["ratio", "stderr", "smoothed", "smoothed_stderr", "price_ratio"]
    assert (both.path.smoothed_stderr <= both.path.stderr + 1e-15).all()
    assert both.path.smoothed.iloc[-1] == both.ratio
    units = both.in_units()
    assert units.path is not None
    assert units.path.smoothed.iloc[-1] == pytest.approx(units.ratio)


def test_diffuse_start_waits_for_the_first_move() -> None:
    y, x = walking(200, 5)
    x[:3] = 0.0
    states = kalman_filter(y, x, 1e-4, KF_BETA_R, 0.0, INF)
    assert np.isnan(states[:3]).all()
    assert states[3] == pytest.approx([y[3] / x[3], KF_BETA_R / x[3] ** 2])
    wide = kalman_filter(y, x, 1e-4, KF_BETA_R, 0.0, 1e9)
    assert states[50:] == pytest.approx(wide[50:], rel=1e-6)
    assert kalman_smooth(states, 1e-4)[:3, 0] == pytest.approx([kalman_smooth(states, 1e-4)[3, 0]] * 3)


def test_kalman_mistakes() -> None:
    prices = prices_of(*pair_moves("pair_a.csv"))
    for options, text in (
        ({"q": -1.0}, "q=-1: must be a finite number, 0 or more"),
        ({"r": 0.0}, "r=0: must be a finite number above 0"),
        ({"p0": 1.0}, "p0=1 without beta0"),
        ({"beta0": INF}, "beta0=inf: must be a finite ratio"),
        ({"on": "log prices"}, "kalman works on moves"),
    ):
        with pytest.raises(ConfigError, match=text):
            ratio.kalman(*prices, **options)  # type: ignore[arg-type]  # wrong on purpose
