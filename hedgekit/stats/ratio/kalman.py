"""The ratio as a random walk, followed by a Kalman filter whose constants come from the data.

A filter with hand-picked q is a moving average with a hidden window. Here q and r are estimated by maximum likelihood
from an exact diffuse start, with an interval; and when q = 0 is not rejected the fit says that the ratio is not shown to move.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Unpack

import numpy as np

from hedgekit.errors import ConfigError
from hedgekit.stats.checks import above, at_least
from hedgekit.stats.ratio.estimate import estimate
from hedgekit.stats.ratio.kernels import kalman_filter, kalman_smooth
from hedgekit.stats.ratio.legs import Estimate, Legs
from hedgekit.stats.ratio.options import Options, documented, only_moves
from hedgekit.stats.ratio.walk import WalkFit, fit_walk

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.stats.fit import On, RatioFit

LEAST = 30
"""Fewest observations: two variances are estimated."""


@documented
def kalman(  # noqa: PLR0913 - whom, on what, and how
    primary: ArrayLike | pd.Series,
    hedge: ArrayLike | pd.Series,
    *,
    q: float | None = None,
    r: float | None = None,
    beta0: float | None = None,
    p0: float | None = None,
    smoothed: bool = False,
    on: On = "log returns",
    **options: Unpack[Options],
) -> RatioFit:
    r"""Follow a ratio that walks (Durbin & Koopman 2012, chapters 2 and 5).

    .. math:: y_t = \beta_t x_t + e_t, \quad e_t \sim N(0, r), \qquad \beta_t = \beta_{t-1} + \eta_t, \quad \eta_t \sim N(0, q)

    .. math:: P^-_t = P_{t-1} + q, \quad F_t = x_t^2 P^-_t + r, \quad K_t = P^-_t x_t / F_t,
        \quad \beta_t = \beta_{t-1} + K_t (y_t - \beta_{t-1} x_t), \quad P_t = P^-_t r / F_t

    There is no constant: moves have a mean near zero. Levels are refused: with a moving ratio on levels every move of
    beta would be a jump of the price.

    On a ratio that walks with sd .02 a bar, with the true q, the hedged variance is 4.2% above the least possible; the best fixed window
    (40 to 60 bars) is 5.0% above, 250 bars 12.7% (METHODS 3). On a ratio that stands still it is no better than :func:`ols`.

    Parameters
    ----------
    primary, hedge : array_like or Series, shape (n + 1,)
        Prices, oldest first; above zero unless ``on`` is "changes".
    q : float, optional
        Variance of the ratio's step a row, 0 or more; by maximum likelihood if None.
    r : float, optional
        Variance of the error a row, above 0; by maximum likelihood if None.
    beta0, p0 : float, optional
        The ratio before the first row, and its variance (0, if only ``beta0`` is given: known exactly). Without them the start
        is exactly diffuse: nothing is known, and the first move alone gives the first ratio.
    smoothed : bool
        Add ``smoothed`` and ``smoothed_stderr`` to the path: the ratio given *all* rows. It looks ahead; it is for pictures of the
        past, and nothing here ever trades on it or judges by it.
    on : {"log returns", "returns", "changes"}
        Dollars per dollar; units per unit on changes.
    {options}

    Returns
    -------
    RatioFit
        The ratio after the last row, which is also the forecast for the next; ``path`` has every row's, known at its end. ``stderr``
        is the square root of P: conditional on q and r. ``effective_n`` = r / (P mean x^2). ``details``: ``q``, ``r``, ``loglik``; if q was
        estimated also ``q_low``, ``q_high`` (95%, profile likelihood), ``q_p_value`` (null hypothesis: q = 0, the ratio stands
        still; half a chi-square, conservative). Out of sample, q and r come from the first half only.

    Raises
    ------
    DataError
        As :func:`ols`, with at least 30 observations.
    ConfigError
        If an option is unknown or out of range, ``on`` is a level, or ``p0`` comes without ``beta0``.
    """
    only_moves("kalman", on)
    given_q = None if q is None else at_least("q", q, 0, "variance of the ratio's step a row")
    given_r = None if r is None else above("r", r, 0, "variance of the error a row")
    b, p = _start(beta0, p0)

    def method(legs: Legs, known: int) -> Estimate:
        x = np.ascontiguousarray(legs.x[:, 0])
        walk = fit_walk(legs.y[:known], x[:known], q=given_q, r=given_r, b0=b, p0=p)
        return _estimate(legs, walk, b, p, smoothed=smoothed)

    return estimate(method, primary, hedge, name=f"Kalman filter on {on}", on=on, options=options, least=LEAST)


def _start(beta0: float | None, p0: float | None) -> tuple[float, float]:
    if beta0 is None:
        if p0 is not None:
            msg = f"p0={p0:g} without beta0: give beta0 as well, or neither (the start is then diffuse)"
            raise ConfigError(msg)
        return 0.0, math.inf
    if not math.isfinite(beta0):
        msg = f"beta0={beta0:g}: must be a finite ratio; leave it out for a diffuse start"
        raise ConfigError(msg)
    return float(beta0), 0.0 if p0 is None else at_least("p0", p0, 0, "variance of beta0")


def _estimate(legs: Legs, walk: WalkFit, b: float, p: float, *, smoothed: bool) -> Estimate:
    x = np.ascontiguousarray(legs.x[:, 0])
    states = kalman_filter(np.ascontiguousarray(legs.y), x, walk.q, walk.r, b, p)
    variance = float(states[-1, 1])
    path = states if not smoothed else np.hstack([states, kalman_smooth(states, walk.q)])
    path[:, 1::2] = np.sqrt(path[:, 1::2])
    details = {"q": walk.q, "r": walk.r, "loglik": walk.loglik}
    if not math.isnan(walk.p_value):
        details |= {"q_low": walk.q_low, "q_high": walk.q_high, "q_p_value": walk.p_value}
    return Estimate(
        ratios=path[-1, :1].copy(),
        stderrs=path[-1, 1:2].copy(),
        n=len(path),
        effective_n=walk.r / (variance * float(np.mean(x**2))) if variance > 0 else float("nan"),
        details=details,
        warnings=_doubts(walk),
        path=path,
    )


def _doubts(walk: WalkFit) -> tuple[str, ...]:
    said = []
    if walk.p_value >= 0.05:  # noqa: PLR2004 - the usual level
        said.append(
            f"q = 0 is not rejected (p = {walk.p_value:.2f}): the ratio is not shown to move, and ols over all rows is then as good"
        )
    if walk.at_bound:
        said.append("the likelihood still rises where r is next to nothing: the filter then follows every move; give r, or use ols")
    return tuple(said)
