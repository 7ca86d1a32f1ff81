r"""Binary prices on the logit scale, where an efficient price is no martingale.

With :math:`dp = p (1 - p)\,s\,dW` the price is a martingale, and its logit drifts by :math:`s^2 (p - 1/2)` per unit
of time (Ito), away from even odds. A mean-reversion model of the logit needs this term, or it is misspecified.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from hedgekit.errors import DataError
from hedgekit.stats.bounded.prices import probabilities
from hedgekit.stats.reversion.halflife import half_life_table
from hedgekit.stats.reversion.stationarity import moving

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array
    from hedgekit.stats.reversion.halflife import HalfLifeTable


def logit(prices: ArrayLike | pd.Series) -> Array:
    """Return ln(p / (1 - p)), shape (n,); DataError for a price that is not strictly between 0 and 1."""
    return np.asarray(special.logit(probabilities(prices, inside=True)))


def price_per_logit(p: ArrayLike) -> Array:
    """Return dp for a small move of the logit: p (1 - p), elementwise."""
    x = np.asarray(p, dtype=np.float64)
    return np.asarray(x * (1 - x))


def logit_drift(p: ArrayLike, sd: ArrayLike) -> Array:
    r"""Return the drift of an efficient price's logit: :math:`s^2 (p - 1/2)` per unit of time, elementwise (Ito).

    :math:`dp = p (1 - p)\,s\,dW` is a martingale; its logit is not: it drifts away from 0. An OU process fitted to the
    logit without this term is misspecified.

    Parameters
    ----------
    p : array_like
        Prices in (0, 1).
    sd : array_like
        s: volatility of the logit per square root of time.
    """
    return np.asarray(np.asarray(sd, dtype=np.float64) ** 2 * (np.asarray(p, dtype=np.float64) - 0.5))


@dataclass(frozen=True, slots=True)
class LogitReversion:
    """Outcome of :func:`logit_reversion`.

    Attributes
    ----------
    b, b_without_drift : float
        Slope of the logit on its last value, with the martingale's drift taken out, and without doing so (misspecified).
    mean : float
        Price to which the logit would return; NaN if b is 1.
    sd : float
        s: volatility of the logit per quote.
    half_life_low, half_life_median, half_life_high : float
        Quotes; may be infinite.
    reverts : bool
        Whether the interval excludes b = 1.
    reason : str
        In words.
    n : int
        Quotes.
    level : float
        Confidence level.
    """

    b: float
    b_without_drift: float
    mean: float
    sd: float
    half_life_low: float
    half_life_median: float
    half_life_high: float
    reverts: bool
    reason: str
    n: int
    level: float


def logit_reversion(prices: ArrayLike | pd.Series, *, level: float = 0.95, seed: int = 1) -> LogitReversion:
    r"""Fit an AR(1) to the logit of a binary price, with the drift that an efficient price's logit has.

    .. math:: y_t - y_{t-1} - s^2 (p_{t-1} - 1/2) = a + (b - 1)\,y_{t-1} + e_t

    Null hypothesis: the price is efficient with a steady volatility of its logit (b = 1). The interval is that of
    :func:`hedgekit.stats.reversion.half_life_table`.

    Parameters
    ----------
    prices : array_like or Series, shape (n,)
        Prices strictly between 0 and 1, oldest first; at least 30.
    level : float
        Confidence level.
    seed : int
        Of the simulated law.

    Returns
    -------
    LogitReversion

    Raises
    ------
    DataError
        If a price is missing or not strictly between 0 and 1, the price never moves, or there are fewer than 30.

    Notes
    -----
    Near its resolution a price's logit moves more and more; s is then no constant and the test finds too little (2% at a
    nominal 5%, METHODS 4). Bounce looks like reversion here too. :func:`excess_movement` needs neither assumption.
    """
    p = moving(probabilities(prices, least=30, inside=True), 30)
    y = special.logit(p)
    change = np.diff(y)
    variance = float(np.mean(change**2))
    table = half_life_table(len(p), seed=seed, level=level)
    u = y[:-1] - y[:-1].mean()
    square = float(u @ u)
    if not square > 0:
        msg = "prices move only at their last position: choose a window in which the contract trades"
        raise DataError(msg)
    without = 1 + float(u @ change) / square
    free = change - logit_drift(p[:-1], math.sqrt(variance))
    b = 1 + float(u @ free) / square
    centre = float(y[:-1].mean() + free.mean() / (1 - b)) if b != 1 else math.nan
    return _told(b, without, float(special.expit(centre)), math.sqrt(variance), table)


def _told(b: float, without: float, mean: float, sd: float, table: HalfLifeTable) -> LogitReversion:
    lives = table.interval(b)
    reverts = bool(table.excludes_walk(b))
    reason = "the interval excludes an efficient price" if reverts else "no reversion shown: the interval includes an efficient price"
    span = (float(lives.low), float(lives.median), float(lives.high))
    return LogitReversion(b, without, mean, sd, *span, reverts, f"{reason} (slope {b:.4f})", table.n, table.level)
