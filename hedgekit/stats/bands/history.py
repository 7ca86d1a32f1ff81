"""From a path of estimated ratios to a band: what matters is how fast the target moves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.stats.bands.looks import discrete_band
from hedgekit.stats.bands.widths import Band, proportional_band
from hedgekit.stats.checks import above, at_least, series

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

MIN_RATIOS = 30
"""Fewest ratios: the band's standard error is then below 10%."""
_BROWNIAN = 2.0  # variance ratios between 1/2 and 2 move the band by less than 26%
_WINDOWS = 4  # a lag must fit so many times into the path


@dataclass(frozen=True, slots=True)
class HistoryBand:
    """A band for a hedge ratio, from how its estimates moved.

    Attributes
    ----------
    half_width : float
        Let the ratio drift so far from its estimate, then trade to the edge (dollars of hedge per dollar of primary).
    band : Band
        The best band with one look a bar; rates for each bar and one dollar of primary.
    excess_to_target : float
        What trading to the target with its own best band costs more, as a share: .26.
    variance_rate : float
        v, mean squared change of the ratio for each bar.
    variance_rate_stderr : float
        Its standard error, as if changes were independent and normal; jumps (refits) make it larger.
    n : int
        Changes used.
    scale_bars : int
        Bars that a ratio needs to cross the band: the scale on which v matters.
    variance_ratio : float
        Variance of changes over ``scale_bars`` / (``scale_bars`` x v). 1 for the model's Brownian target; below 1 the
        estimates jump about and come back (noise: the band is too wide); above 1 they trend. NaN if the path is too short to say.
    warnings : tuple of str
        What makes the band doubtful.
    """

    half_width: float
    band: Band
    excess_to_target: float
    variance_rate: float
    variance_rate_stderr: float
    n: int
    scale_bars: int
    variance_ratio: float
    warnings: tuple[str, ...]


def band_from_history(
    ratios: ArrayLike | pd.Series,
    *,
    cost: float,
    hedge_variance: float,
    risk_aversion: float,
) -> HistoryBand:
    r"""Return the no-trade band for a hedge ratio from a path of its estimates, one for each bar.

    .. math:: \hat v = \frac{1}{n} \sum_t (h_t - h_{t-1})^2, \qquad k = \gamma \sigma_h^2

    Parameters
    ----------
    ratios : array_like or Series, shape (n + 1,)
        Ratio estimates, one for each bar, oldest first: for example a rolling or Kalman path. Bars between refits repeat the
        ratio. Dollars of hedge for each dollar of primary.
    cost : float
        K, cost of trading one dollar of hedge as a fraction (2 bp is .0002).
    hedge_variance : float
        Variance of the hedge's return for each bar; above 0.
    risk_aversion : float
        For one dollar of primary, as ``Params.risk_aversion``; above 0.

    Returns
    -------
    HistoryBand
        A path that never moves has v = 0 and no use for a band (half-width 0): a warning says so.

    Raises
    ------
    DataError
        If there are fewer than 30 ratios, or one is not finite.
    ConfigError
        If a parameter is out of range.

    Notes
    -----
    An estimate's noise is movement too. If the path is nervous (``variance_ratio`` well below 1) the target itself moves
    less than v says: smooth the estimate, or read the band as an upper limit.

    Examples
    --------
    >>> import numpy as np
    >>> steps = np.random.Generator(np.random.PCG64(1)).standard_normal(1_000)
    >>> ratios = 0.85 + 0.01 * np.cumsum(steps)
    >>> found = band_from_history(ratios, cost=0.0002, hedge_variance=0.012**2, risk_aversion=10)
    >>> round(found.half_width, 3), round(found.variance_ratio, 1), found.warnings
    (0.022, 1.0, ())
    """
    path = series(ratios, "ratios", MIN_RATIOS)
    at_least("cost", cost, 0, "fraction of the money traded")
    penalty = above("risk_aversion", risk_aversion, 0, "for one dollar of primary") * above(
        "hedge_variance", hedge_variance, 0, "variance of the hedge's return for each bar"
    )
    changes = np.diff(path)
    v = float(np.mean(changes * changes))
    band = discrete_band(cost, v, penalty)
    scale = max(1, round(band.crossing_time)) if v > 0 else 1
    ratio = _variance_ratio(path, scale, v)
    return HistoryBand(
        half_width=band.half_width,
        band=band,
        excess_to_target=proportional_band(cost, v, penalty).excess_frac,
        variance_rate=v,
        variance_rate_stderr=v * math.sqrt(2 / len(changes)),
        n=len(changes),
        scale_bars=scale,
        variance_ratio=ratio,
        warnings=_doubts(v, scale, ratio, len(changes)),
    )


def _variance_ratio(path: Array, lag: int, v: float) -> float:
    if v == 0 or lag * _WINDOWS > len(path) - 1:
        return math.nan
    moved = path[lag:] - path[:-lag]
    return float(np.mean(moved * moved)) / (lag * v)


def _doubts(v: float, scale: int, ratio: float, n: int) -> tuple[str, ...]:
    if v == 0:
        return ("the ratio never moves: there is no drift for a band to hold back",)
    if math.isnan(ratio):
        return (f"{n} changes are too few to see how the ratio moves over the {scale} bars that the band spans: variance_ratio is NaN",)
    if ratio < 1 / _BROWNIAN:
        return (f"variance ratio {ratio:.2f} over {scale} bars: estimates jump about and come back, so the band is too wide; smooth them",)
    if ratio > _BROWNIAN:
        return (f"variance ratio {ratio:.2f} over {scale} bars: the ratio trends, so the band is too narrow; the model has no drift",)
    return ()
