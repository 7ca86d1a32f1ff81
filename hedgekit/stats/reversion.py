"""Evidence that a pair's spread comes back: what is tested before a ratio is trusted."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from statsmodels.tsa.stattools import coint

from hedgekit.errors import DataError
from hedgekit.types import Evidence

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

MIN_BARS = 30
"""Fewest prices for an Engle-Granger test; below this its table of values means nothing."""


def engle_granger(primary: ArrayLike, hedge: ArrayLike, *, lags: int | None = None) -> Evidence:
    r"""Test for cointegration of two log prices (Engle & Granger 1987).

    The null hypothesis is *no* cointegration: the residual of

    .. math:: \ln P_t = a + b \ln H_t + e_t

    is a random walk. Its Dickey-Fuller statistic is compared with MacKinnon's (2010)
    values for two series, because the residual was fitted; the values of a plain
    unit-root test would find cointegration that is not there (METHODS 4).

    Parameters
    ----------
    primary, hedge : array_like, shape (n,)
        Prices above zero, oldest first, at the same times.
    lags : int, optional
        Lagged differences in the Dickey-Fuller regression. None lets AIC choose
        (slower; for a whole sample); a fixed number suits tests made often.

    Returns
    -------
    Evidence
        ``statistic`` and ``p_value`` are None if the two are so nearly collinear that
        the test has no meaning (statsmodels then returns p = 0); ``warnings`` says so.

    Raises
    ------
    DataError
        If the prices differ in number, are fewer than 30, or are not all finite and above zero.
    """
    p, h = log_prices(primary, hedge, MIN_BARS)
    name = f"Engle-Granger, log prices, constant, {'AIC lags' if lags is None else f'{lags} lag' + 's' * (lags != 1)}"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        statistic, p_value, _ = coint(p, h, trend="c", maxlag=lags, autolag="aic" if lags is None else None)
    said = messages(caught)
    if not np.isfinite(statistic):
        said = (*said, "the two prices are almost perfectly collinear: the test says nothing about reversion")
        return Evidence(test=name, statistic=None, p_value=None, n=len(p), warnings=said)
    return Evidence(test=name, statistic=float(statistic), p_value=float(p_value), n=len(p), warnings=said)


def holds(evidence: Evidence, significance: float) -> bool:
    """Say whether the evidence is there: a p-value, and below ``significance``. No p-value is no evidence."""
    return evidence.p_value is not None and evidence.p_value < significance


def log_prices(primary: ArrayLike, hedge: ArrayLike, least: int) -> tuple[Array, Array]:
    """Return both log prices, checked, each less its first value so that its unit does not matter.

    Raises
    ------
    DataError
        If they differ in number, are fewer than ``least``, or are not all finite and above zero.
    """
    p, h = (np.array(x, dtype=np.float64) for x in (primary, hedge))
    if p.ndim != 1 or p.shape != h.shape:
        msg = f"primary has shape {p.shape}, hedge {h.shape}: give two series of the same length, aligned by time"
        raise DataError(msg)
    if len(p) < least:
        msg = f"{len(p)} prices are too few, at least {least} are needed; load more history"
        raise DataError(msg)
    for name, x in (("primary", p), ("hedge", h)):
        bad = np.flatnonzero(~(np.isfinite(x) & (x > 0)))
        if bad.size:
            msg = f"{name} is {x[bad[0]]:g} at position {bad[0]}: prices must be finite and above 0"
            raise DataError(msg)
        if (x == x[0]).all():
            msg = f"{name} never moves ({x[0]:g} at all {len(x)} positions): choose a window in which it trades"
            raise DataError(msg)
    return np.log(p / p[0]), np.log(h / h[0])


def messages(caught: list[warnings.WarningMessage]) -> tuple[str, ...]:
    """Return the texts of library warnings, each once, on one line, in order."""
    return tuple(dict.fromkeys(f"{w.category.__name__}: {' '.join(str(w.message).split())}" for w in caught))
