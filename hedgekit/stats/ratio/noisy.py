"""The ratio when both prices are noisy: total least squares.

Least squares takes the hedge's numbers for exact, and noise in them (stale quotes, bounce, a spread on either side)
pulls its ratio towards zero. Total least squares lets both err, but somebody has to say in what proportion: without the
ratio of the two error variances there is no answer.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Unpack

import numpy as np

from hedgekit.stats.checks import above
from hedgekit.stats.ratio.estimate import estimate
from hedgekit.stats.ratio.legs import Estimate, Legs
from hedgekit.stats.ratio.options import Options, documented

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array
    from hedgekit.stats.fit import On, RatioFit

LEVEL_BLOCKS = 10
"""Blocks of the jackknife on levels: long ones, because neighbouring rows say the same."""
UNITS_MATTER = (
    "total least squares on prices or changes depends on the units: multiplying a price by c multiplies its error variance by "
    "c squared, so error_variance_ratio must be stated in these units; on log prices or returns it need not"
)
CONDITIONAL = (
    "the standard error holds only if the prices are cointegrated, and is then still rough (10 blocks): look at the tests before using it"
)


@documented
def tls(
    primary: ArrayLike | pd.Series,
    hedge: ArrayLike | pd.Series,
    *,
    error_variance_ratio: float = 1.0,
    on: On = "log prices",
    **options: Unpack[Options],
) -> RatioFit:
    r"""Fit the ratio with errors in both legs (Deming regression; Pearson 1901, York 1966).

    .. math:: p_t = a + b\,\xi_t + u_t, \quad h_t = \xi_t + v_t, \quad \delta = var(u) / var(v)

    .. math:: b = \frac{S_{pp} - \delta S_{hh} + \sqrt{(S_{pp} - \delta S_{hh})^2 + 4 \delta S_{ph}^2}}{2 S_{ph}}

    With delta large it is least squares of primary on hedge, with delta near 0 the inverse of least squares of hedge on
    primary. Delta = 1 is orthogonal regression.

    Two traps. Delta is an assumption: it cannot be estimated from the same prices. And it has units: on ``prices`` and
    ``changes`` the ratio of rescaled prices is the rescaled ratio only if delta is rescaled as well, by the square; on log
    prices and returns a unit changes nothing. On returns u and v also contain everything the
    legs do not share, so that delta = 1 says that both legs have the same variance of their own: with rho < 1 the ratio is
    then *not* the minimum-variance hedge but lies further from zero (:func:`ols` is).

    Parameters
    ----------
    primary, hedge : array_like or Series, shape (n,)
        Prices, oldest first; above zero unless ``on`` is "changes" or "prices".
    error_variance_ratio : float
        delta, variance of the primary's error over that of the hedge's. Above 0.
    on : {"log prices", "prices", "log returns", "returns", "changes"}
        Dollars per dollar, but units per unit on prices and changes.
    {options}

    Returns
    -------
    RatioFit
        ``stderr`` by jackknife on blocks of rows left out in turn (Kunsch 1989): of about n^(1/3) rows on moves; 10 blocks on levels,
        where it is conditional on cointegration (95% intervals cover 93% if the errors are what the model says; 80 to 88% if
        the spread is slow, half-life 20 rows, and belongs to the primary alone, and the ratio is then too large). ``df`` = blocks - 1.
        ``details``: ``constant``, ``error_variance_ratio``, ``blocks``.

    Raises
    ------
    DataError
        As :func:`ols`, and if the two have no covariance, so that the slope is undetermined.
    ConfigError
        If an option is unknown or out of range.
    """
    delta = above("error_variance_ratio", error_variance_ratio, 0, "variance of the primary's error over that of the hedge's")

    def method(legs: Legs, _known: int) -> Estimate:
        return _tls(legs, delta)

    return estimate(method, primary, hedge, name=f"total least squares on {on}", on=on, options=options)


def deming(y: Array, x: Array, delta: float) -> float:
    """Return the slope of y on x with errors in both; NaN without covariance. Of two equal forms the one that does not cancel."""
    dy, dx = y - y.mean(), x - x.mean()
    scale = float(np.abs(dx).max()), float(np.abs(dy).max())
    if not min(scale) > 0:
        return float("nan")
    dx, dy, d = dx / scale[0], dy / scale[1], delta * (scale[0] / scale[1]) ** 2
    xy = float(dx @ dy)
    if xy == 0:
        return float("nan")
    gap = float(dy @ dy) - d * float(dx @ dx)
    root = float(np.hypot(gap, 2 * np.sqrt(d) * xy))
    slope = (gap + root) / (2 * xy) if gap > 0 else 2 * d * xy / (root - gap)
    return slope * scale[1] / scale[0]


def _tls(legs: Legs, delta: float) -> Estimate:
    y, x = legs.y, legs.x[:, 0]
    n = len(y)
    slope = deming(y, x, delta)
    blocks = LEVEL_BLOCKS if legs.levels else int(np.ceil(n / round(n ** (1 / 3))))
    edges = np.linspace(0, n, blocks + 1).astype(int)
    kept = [np.r_[0:a, b:n] for a, b in pairwise(edges)]
    without = np.array([deming(y[rows], x[rows], delta) for rows in kept])
    stderr = float(np.sqrt((blocks - 1) / blocks * ((without - without.mean()) ** 2).sum()))
    said = [text for text, holds in ((CONDITIONAL, legs.levels), (UNITS_MATTER, legs.on in ("prices", "changes"))) if holds]
    return Estimate(
        ratios=np.array([slope]),
        stderrs=np.array([stderr]),
        n=n,
        df=float(blocks - 1),
        details={"constant": float(y.mean() - slope * x.mean()), "error_variance_ratio": delta, "blocks": float(blocks)},
        warnings=tuple(said),
    )
