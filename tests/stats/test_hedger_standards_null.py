"""What a correct hedger must not find where there is nothing (METHODS, section 3): bounded prices, random walks, efficient binaries."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from numba import njit

from hedgekit import FillModel, Params, run_backtest
from hedgekit.data import SyntheticBinary
from hedgekit.rules.signal import zscore
from hedgekit.types import Fill

Floats = npt.NDArray[np.float64]

AUGENBLICK_RABIN_2021_MOVEMENT, AUGENBLICK_RABIN_2021_BOUNCE = 0.21, 0.6098
CAVALIERE_XU_2014_REJECTS = {"reflect_05": 0.136, "reflect_10": 0.425, "digital_price": 0.077, "digital_logit": 0.017}
LOOKAHEAD_SHARPE = {"full": 0.76, "centred": 1.94, "trailing": 0.02}
MACKINNON_2010_DF_5PCT_N252 = -2.8729


# ----------------------------------------------------- row 10: efficient binary


def test_movement_of_an_efficient_binary_is_its_uncertainty_and_bounce_adds_to_it() -> None:
    """QV, 6,000 contracts: standard error .0022. Bounce has a mark: moves that follow each other have covariance -s^2."""
    fair = np.concatenate([SyntheticBinary(p_primary=0.3, p_hedge=0.3, rho=0.0, seed=seed).fair() for seed in range(3_000)], axis=1)
    assert fair.shape == (2_001, 6_000)
    assert set(fair[-1]) == {0.0, 1.0}
    assert np.mean(np.sum(np.diff(fair, axis=0) ** 2, axis=0)) == pytest.approx(AUGENBLICK_RABIN_2021_MOVEMENT, abs=0.0075)
    prints = fair.copy()
    prints[1:-1] += 0.01 * np.random.Generator(np.random.PCG64(18)).choice([-1.0, 1.0], (1_999, 6_000))
    moves = np.diff(prints, axis=0)
    assert np.mean(np.sum(moves**2, axis=0)) == pytest.approx(AUGENBLICK_RABIN_2021_BOUNCE, abs=0.0075)
    assert np.mean(moves[2:-1] * moves[1:-2]) == pytest.approx(-(0.01**2), rel=0.02)
    assert abs(np.mean(np.diff(fair, axis=0)[1:] * np.diff(fair, axis=0)[:-1])) < 2e-6


# -------------------------------------- BOUNDED-ADF: bounds look like reversion


def dickey_fuller(paths: Floats) -> Floats:
    """T-statistics of b - 1 in x_t = a + b x_{t-1} + e, shape (paths,), for paths (paths, n)."""
    x, dx = paths[:, :-1], np.diff(paths, axis=1)
    x = x - x.mean(axis=1, keepdims=True)
    square = np.sum(x * x, axis=1)
    rate = np.sum(x * dx, axis=1) / square
    rest = dx - dx.mean(axis=1, keepdims=True) - rate[:, None] * x
    return np.asarray(rate / np.sqrt(np.sum(rest**2, axis=1) / (x.shape[1] - 2) / square), np.float64)


def rejects(paths: Floats) -> float:
    return float(np.mean(dickey_fuller(paths) < MACKINNON_2010_DF_5PCT_N252))


@pytest.mark.parametrize(("name", "sd"), [("reflect_05", 0.05), ("reflect_10", 0.1)])
def test_a_reflecting_walk_looks_like_reversion(name: str, sd: float) -> None:
    steps = sd * np.random.Generator(np.random.PCG64(19)).standard_normal((20_000, 252))
    assert rejects(_reflected(steps)) == pytest.approx(CAVALIERE_XU_2014_REJECTS[name], abs=0.012)


@njit
def _reflected(steps: Floats) -> Floats:
    out = np.empty_like(steps)
    for path in range(steps.shape[0]):
        x = 0.5
        for t in range(steps.shape[1]):
            x = abs(x + steps[path, t])
            x = x if x <= 1.0 else 2.0 - x
            out[path, t] = x
    return out


def test_an_efficient_digital_over_rejects_in_price_and_under_rejects_in_logit() -> None:
    """252 quotes to 95% of life, 8,000 contracts: standard errors .003 and .0017.

    2% of the contracts are so sure that a double says 1; their logit is that of 1 - 1e-12 (dropping them changes nothing).
    """
    fair = np.concatenate([SyntheticBinary(rho=0.0, rows=252, resolve_row=265, seed=seed).fair()[:252] for seed in range(4_000)], axis=1).T
    assert rejects(fair) == pytest.approx(CAVALIERE_XU_2014_REJECTS["digital_price"], abs=0.012)
    inside = np.clip(fair, 1e-12, 1 - 1e-12)
    assert rejects(np.log(inside / (1 - inside))) == pytest.approx(CAVALIERE_XU_2014_REJECTS["digital_logit"], abs=0.012)


# --------------------------------------------- row 11: random walks, look-ahead


@njit
def _sharpes(walks: Floats, z: Floats) -> Floats:
    """Annualised Sharpe of: against z beyond 2, out inside .5; decided at a bar's close, earned on the next move; NaN without a trade."""
    out = np.full(walks.shape[0], np.nan)
    for path in range(walks.shape[0]):
        side, total, square, n = 0.0, 0.0, 0.0, walks.shape[1] - 1
        for t in range(n):
            if abs(z[path, t]) > 2.0 and side == 0.0:
                side = -np.sign(z[path, t])
            elif abs(z[path, t]) < 0.5:
                side = 0.0
            earned = side * (walks[path, t + 1] - walks[path, t])
            total += earned
            square += earned * earned
        variance = square / n - (total / n) ** 2
        if variance > 0:
            out[path] = total / n / np.sqrt(variance) * np.sqrt(252.0)
    return out


@njit
def _window_z(walks: Floats, before: int, after: int) -> Floats:
    """Score by the product's z over a window that ends ``after`` bars late; NaN where it is not full."""
    size = before + after + 1
    out, ratio = np.full(walks.shape, np.nan), np.zeros(1)
    window = np.zeros((1, walks.shape[1]))
    for path in range(walks.shape[0]):
        window[0] = walks[path]
        for t in range(before, walks.shape[1] - after):
            z, sd = zscore(window, t + after + 1, walks.shape[1], size, ratio, 1, np.zeros(size))
            mean = window[0, t + after] - z * sd
            out[path, t] = (window[0, t] - mean) / sd
    return out


def test_random_walks_pay_nothing_to_an_honest_z_and_much_to_one_that_looks_ahead() -> None:
    """LOOKAHEAD, 4,000 walks of 1,000 bars: standard errors below .01. A signal path that yields more than .1 here leaks.

    Walks on which the full-sample z never reaches 2 (15%) have no Sharpe ratio, and are left out.
    """
    walks = np.random.Generator(np.random.PCG64(20)).standard_normal((4_000, 1_000)).cumsum(axis=1)
    whole = (walks - walks.mean(axis=1, keepdims=True)) / walks.std(axis=1, keepdims=True)
    signals = {"trailing": _window_z(walks, 59, 0), "centred": _window_z(walks, 30, 30), "full": whole}
    sharpe = {name: float(np.nanmean(_sharpes(walks, z))) for name, z in signals.items()}
    assert abs(sharpe["trailing"]) < 0.1
    for name, expected in LOOKAHEAD_SHARPE.items():
        assert sharpe[name] == pytest.approx(expected, abs=0.08)


# ------------------------------- row 12: nothing to earn on an efficient binary


EFFICIENT = SyntheticBinary(rows=1_000, resolve_row=2_000, half_spread=0.002, tick="0.001", fee_per_contract="0.001")


def binary_result(market: SyntheticBinary) -> tuple[float, float, float, int]:
    """Backtest to the resolution: P&L, costs against the fair price, fees (not in the costs), number of fills."""
    params = Params.make(
        bar_s=60, bar_offset_s=1, lookback=20, fit_bars=60, refit_bars=120, notional=1_000, slippage_buffer=0, entry=1.5, stop=3.0,
        evidence_override="measures costs where nothing can be earned", max_quote_age_s=30,
    )  # fmt: skip
    tape, truth = market.tape(), market.truth()
    fair, payout = truth[["fair_primary", "fair_hedge"]].to_numpy(), truth[["payout_primary", "payout_hedge"]].to_numpy()[0]
    legs = {instrument.key: leg for leg, instrument in enumerate(tape.instruments)}
    fills = [record for record in run_backtest(tape, params, FillModel()).records if isinstance(record, Fill)]
    pnl = cost = fees = 0.0
    for fill in fills:
        leg, row = legs[fill.instrument], int(np.searchsorted(tape.ts_ns, fill.venue_ns))
        pnl += float(fill.qty) * (payout[leg] - float(fill.price)) - float(fill.fee)
        cost += float(fill.qty) * (float(fill.price) - fair[row, leg])
        fees += float(fill.fee)
    return pnl, cost, fees, len(fills)


def binary_results(market: SyntheticBinary, count: int) -> Floats:
    """P&L, costs, fees and fills of ``count`` seeds, shape (4, count)."""
    return np.array([binary_result(msgspec.structs.replace(market, seed=100 + k)) for k in range(count)]).T


def mean_and_error(values: Floats) -> tuple[float, float]:
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))


def test_an_efficient_binary_earns_minus_costs() -> None:
    """P&L is that of holding what is left to the payout. No trade is better than fair, and the sum is minus costs."""
    pnl, cost, fees, fills = binary_results(EFFICIENT, 80)
    mean, error = mean_and_error(pnl + cost + fees)
    assert fills.sum() > 1_000
    assert ((cost > 0) == (fills > 0)).all()
    assert (fees[fills > 0] > 0).all()
    assert abs(mean) < 3 * error


def test_with_noise_there_is_something_to_earn() -> None:
    """The generator can tell: on prices that stray far from fair the same rule buys below and sells above fair."""
    _, cost, _, fills = binary_results(msgspec.structs.replace(EFFICIENT, resolve_row=10_000, noise_sd=0.6), 30)
    mean, error = mean_and_error(cost)
    assert fills.sum() > 1_000
    assert mean < -3 * error
