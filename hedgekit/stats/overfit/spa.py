"""Does any trial beat the benchmark? Hansen's test for superior predictive ability, studentised, and White's reality check.

``arch`` 8.0.0 has a class SPA that never divides by the variance (its ``studentize=True`` and ``False`` give the same p-value), so that a
noisy worthless trial hides a quiet good one: p = .447 on a history where Hansen's own statistic gives .0003 (METHODS 2). Hence this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.bootstrap import block_length, resample
from hedgekit.stats.checks import at_least, series
from hedgekit.stats.inputs import whole_number
from hedgekit.stats.overfit.returns import trial_returns

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

CHUNK = 2**22
"""Numbers held at once."""

LOOKED_AT = 10
"""Trials that choose the block length."""


@dataclass(frozen=True, eq=False, slots=True)
class Spa:
    """p-values of H0: no trial has a higher expected return than the benchmark.

    Attributes
    ----------
    statistic : float
        T = max(0, max over trials of sqrt(n) mean / omega): in standard errors.
    lower, consistent, upper : float
        p-values; ``consistent`` is the one to use. "lower" lets every trial that looks bad drop out of the null (too small), "upper" keeps
        all at the edge of it (too large if there are many bad ones).
    reality_check : float
        White's p-value: not studentised, all trials at the edge of the null.
    adjusted : float64 array, shape (trials,)
        p-value of each trial that allows for all others (single step, consistent): the smallest is ``consistent``.
    best : int
        Position of the trial with the highest statistic.
    tried : int
        Trials that ever differ from the benchmark.
    n : int
        Bars.
    block : float
        Mean block length used.
    reps : int
        Histories.
    """

    statistic: float
    lower: float
    consistent: float
    upper: float
    reality_check: float
    adjusted: Array
    best: int
    tried: int
    n: int
    block: float
    reps: int


def spa(
    returns: ArrayLike | pd.DataFrame,
    benchmark: ArrayLike | pd.Series | None = None,
    *,
    block: float | None = None,
    reps: int = 1_000,
    seed: int = 0,
) -> Spa:
    r"""Test whether any trial beats the benchmark, allowing for the search and for trials that hang together.

    With d_k = return of trial k - return of the benchmark, T = max(0, max_k sqrt(n) mean(d_k) / omega_k), omega_k^2 the variance of
    sqrt(n) mean(d_k) under the stationary bootstrap: gamma_0 + 2 sum_i kappa_i gamma_i,
    kappa_i = (n-i)/n (1-q)^i + i/n (1-q)^(n-i), q = 1 / block. The null's histories are centred at
    g_k: "upper" mean(d_k), "lower" max(mean(d_k), 0), "consistent" mean(d_k) where it is
    at least -omega_k sqrt(2 ln ln n / n), else 0. p = share of histories whose T* is above T.

    Parameters
    ----------
    returns : DataFrame or array_like, shape (n, trials)
        Bar returns, n at least 10; higher is better. For forecasts give minus the losses.
    benchmark : array_like or Series, shape (n,), optional
        Returns of the benchmark at the same bars, for example of the naive 1:1 hedge; 0, doing nothing, by default.
    block : float, optional
        Mean block length, 1 or more, rounded. By default the median of the automatic lengths (Politis & White 2004) of the ten
        trials with the highest mean / sd: the longest of many is noise, and too long blocks reject too often. For positions held
        over several bars give the mean holding time if it is longer.
    reps : int
        Histories, at least 99. A p-value of p has a Monte Carlo error of sqrt(p (1 - p) / reps).
    seed : int
        Same seed, same figures.

    Returns
    -------
    Spa
        p-values are 1 and the statistic 0 if no trial has a higher mean than the benchmark. A trial that never
        differs from the benchmark cannot beat it: its p-value is 1.

    Raises
    ------
    DataError
        If returns are missing, lengths or indexes differ, or no trial ever differs from the benchmark.
    ConfigError
        If an option is out of range.

    References
    ----------
    Hansen 2005, "A test for superior predictive ability", JBES 23:365; White 2000, Econometrica 68:1097; Politis & Romano 1994.
    """
    whole_number("reps", reps, 99)
    table = trial_returns(returns)
    gains = table.data - _benchmark(returns, benchmark, len(table))[:, None]
    live = np.ptp(gains, axis=0) > 0
    if not live.any():
        msg = "no trial ever differs from the benchmark: nothing was traded; check signals, costs and the benchmark"
        raise DataError(msg)
    d = np.ascontiguousarray(gains[:, live])
    length = _length(d) if block is None else at_least("block", block, 1, "bars in a mean block")
    means = d.mean(axis=0)
    omega = np.sqrt(_variances(d - means, round(length)))
    return _tested(d, means, omega, live, round(length), reps, seed)


def _benchmark(returns: object, benchmark: ArrayLike | pd.Series | None, n: int) -> Array:
    if benchmark is None:
        return np.zeros(n)
    x = series(benchmark, "benchmark")
    if len(x) != n:
        msg = f"benchmark has {len(x)} bars, returns {n}: give it for the same bars"
        raise DataError(msg)
    one, two = getattr(returns, "index", None), getattr(benchmark, "index", None)
    if hasattr(returns, "columns") and hasattr(benchmark, "to_frame") and one is not None and not one.equals(two):
        msg = "benchmark and returns have different indexes: align them first, for example benchmark.reindex(returns.index)"
        raise DataError(msg)
    return x


def _length(d: Array) -> float:
    best = np.argsort(-d.mean(axis=0) / d.std(axis=0), kind="stable")[:LOOKED_AT]
    return float(np.median([block_length(x) for x in d[:, best].T]))


def _variances(c: Array, block: int) -> Array:
    """Return omega^2 of centred columns; lags whose weight is below rounding are left out."""
    n, keep = len(c), 1 - 1 / block
    total = np.mean(c * c, axis=0)
    for lag in range(1, n):
        weight = (n - lag) / n * keep**lag + lag / n * keep ** (n - lag)
        if weight > 1e-12:  # noqa: PLR2004 - rounding
            total += 2 * weight / n * np.einsum("ij,ij->j", c[lag:], c[:-lag])
    return np.asarray(total)


def _tested(d: Array, means: Array, omega: Array, live: Array, block: int, reps: int, seed: int) -> Spa:  # noqa: PLR0913 - one step of spa
    n, root = len(d), float(np.sqrt(len(d)))
    if not (omega > 0).all():
        msg = f"block={block}: the bars of a trial cancel within blocks, so it has no standard error; give another block length"
        raise ConfigError(msg)
    t = root * means / omega
    cut = -float(np.sqrt(2 * np.log(max(np.log(n), 1.0))))
    centres = {"lower": np.maximum(t, 0), "consistent": np.where(t >= cut, t, 0.0), "upper": t}
    top = {name: np.empty(reps) for name in (*centres, "reality")}
    for at, drawn in _bootstrap_means(d, block, reps, seed):
        here = slice(at, at + len(drawn))
        scores = root * drawn / omega
        for name, centre in centres.items():
            top[name][here] = (scores - centre).max(axis=1)
        top["reality"][here] = root * (drawn - means).max(axis=1)
    statistic = max(0.0, float(t.max()))
    adjusted = np.ones(len(live))
    adjusted[live] = [_share(top["consistent"], x) for x in t]
    real = _share(top["reality"], root * float(means.max()))
    lower, consistent, upper = (_share(top[name], statistic) for name in centres)
    best = int(np.flatnonzero(live)[t.argmax()])
    return Spa(statistic, lower, consistent, upper, real, adjusted, best, int(live.sum()), n, float(block), reps)


def _share(draws: Array, value: float) -> float:
    """Return the share of histories with max(0, T*) above the value; 1 for a value of 0 or less, which beats nothing."""
    return float(np.mean(draws > value)) if value > 0 else 1.0


def _bootstrap_means(d: Array, block: int, reps: int, seed: int) -> list[tuple[int, Array]]:
    """Return the trials' means in ``reps`` histories, in parts: how often each bar was drawn, then one product."""
    n = len(d)
    size = max(1, min(reps, CHUNK // max(n, d.shape[1])))
    rows = np.arange(n, dtype=np.float64)[:, None]

    def counts(drawn: Array) -> Array:
        return np.bincount(drawn[:, 0].astype(np.intp), minlength=n).astype(np.float64)

    parts = []
    for at in range(0, reps, size):
        weights = resample(rows, counts, block=block, reps=min(size, reps - at), seed=(seed, at))
        parts.append((at, np.asarray(weights @ d / n)))
    return parts
