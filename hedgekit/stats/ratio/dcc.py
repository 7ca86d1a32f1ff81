"""The ratio of a GARCH model with dynamic conditional correlation: offered, never the default.

It reacts to bursts of volatility, costs nine estimated constants, and out of sample seldom beats least squares (Wang, Wu &
Yang 2015). The variances are fitted by ``arch``; the correlation's two constants by our own quasi-likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

import numpy as np
from arch.univariate import GARCH, ConstantMean
from scipy.optimize import minimize

from hedgekit.errors import DataError
from hedgekit.stats.ratio.estimate import estimate
from hedgekit.stats.ratio.kernels import dcc_correlation, dcc_loglik, garch_variance
from hedgekit.stats.ratio.legs import Estimate, Legs
from hedgekit.stats.ratio.options import Options, documented, only_moves

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array
    from hedgekit.stats.fit import On, RatioFit

LEAST = 250
"""Fewest observations: GARCH constants from fewer are noise."""
PERCENT = 100.0
"""Returns are fitted in percent: the optimiser of arch fails on fractions (its DataScaleWarning)."""
STAYS = 0.9999
"""Largest a + b."""
LIFT = 3.0
"""Gain in log-likelihood over a constant correlation below which that is not called shown (2 x 3.0 = chi-square of 2 degrees, 5%)."""
NO_ERROR = "DCC has no standard error here: its nine constants are estimated in three steps; judge it out of sample"


@dataclass(frozen=True, eq=False, slots=True)
class Correlation:
    """Constants of a dynamic conditional correlation.

    Attributes
    ----------
    a, b : float
        Weight of the newest shock, and of the past.
    target : float64 array, shape (3,)
        Mean of z z': xx, xy, yy.
    loglik, still : float
        Correlation part of the quasi-log-likelihood, and that of a constant correlation (a = b = 0).
    """

    a: float
    b: float
    target: Array
    loglik: float
    still: float


@documented
def dcc(primary: ArrayLike | pd.Series, hedge: ArrayLike | pd.Series, *, on: On = "log returns", **options: Unpack[Options]) -> RatioFit:
    r"""Fit h = rho s_p / s_h of GARCH(1,1) variances and a dynamic correlation (Bollerslev 1986; Engle 2002).

    .. math:: s^2_{i,t} = \omega_i + \alpha_i e_{i,t-1}^2 + \beta_i s^2_{i,t-1}, \qquad z_{i,t} = e_{i,t} / s_{i,t}

    .. math:: Q_t = (1 - a - b) S + a z_{t-1} z_{t-1}' + b Q_{t-1}, \quad \rho_t = Q_{12,t} / \sqrt{Q_{11,t} Q_{22,t}},
        \qquad h_t = \rho_t s_{p,t} / s_{h,t}

    Each leg by ``arch`` with a constant mean, on 100 x its returns (divided by their own sd if they are not returns), started from
    the mean squared residual (the default start of arch moves omega by 8% on the published benchmark). S is the mean of z z'
    (targeting: slightly biased, Aielli 2013). Offered, never the default: look at ``out_of_sample`` beside the naive ratio.

    Parameters
    ----------
    primary, hedge : array_like or Series, shape (n + 1,)
        Prices, oldest first, at least 251; above zero unless ``on`` is "changes".
    on : {"log returns", "returns", "changes"}
        Dollars per dollar; units per unit on changes.
    {options}

    Returns
    -------
    RatioFit
        The ratio for the row after the last; ``path`` has at each row the ratio for the *next* one, known at its end. ``stderr`` is NaN.
        ``details``: ``omega_p``, ``alpha_p``, ``beta_p`` and ``.._h`` (of 100 x returns), ``a``, ``b``, ``rho`` (for the next row),
        ``loglik_gain`` over a constant correlation. Out of sample, all constants come from the first half only. An optimiser that did not
        converge is among the warnings.

    Raises
    ------
    DataError
        As :func:`ols`, with at least 250 observations.
    ConfigError
        If an option is unknown or out of range, or ``on`` is a level.
    """
    only_moves("dcc", on)
    return estimate(_dcc, primary, hedge, name=f"DCC-GARCH on {on}", on=on, options=options, least=LEAST)


def fit_correlation(z: Array) -> Correlation:
    """Return a and b of highest quasi-likelihood for standardised residuals, shape (n, 2).

    Searched as a + b and a's share of it, from a grid, because b is undetermined where a is 0 and the likelihood flat.
    """
    z = np.ascontiguousarray(z)
    target = np.array([np.mean(z[:, 0] ** 2), np.mean(z[:, 0] * z[:, 1]), np.mean(z[:, 1] ** 2)])

    def loss(point: Array) -> float:
        total, share = point
        value = -float(dcc_loglik(z, total * share, total * (1 - share), target)) / len(z)
        return value if np.isfinite(value) else 1e6

    grid = [np.array([total, share]) for total in (0.3, 0.7, 0.9, 0.97, 0.99, 0.997) for share in (0.005, 0.02, 0.05, 0.1, 0.25, 0.6)]
    start = min(grid, key=loss)
    found = minimize(loss, start, method="Nelder-Mead", bounds=[(0.0, STAYS), (0.0, 1.0)], options={"xatol": 1e-7, "fatol": 1e-11})
    total, share = found.x
    still = float(dcc_loglik(z, 0.0, 0.0, target))
    return Correlation(float(total * share), float(total * (1 - share)), target, -float(found.fun) * len(z), still)


@dataclass(frozen=True, eq=False, slots=True)
class _Variance:
    """A leg's GARCH constants, its residuals, and their variances (one more than residuals), all of 100 x returns."""

    omega: float
    alpha: float
    beta: float
    scale: float
    residuals: Array
    variances: Array
    said: tuple[str, ...]

    @property
    def z(self) -> Array:
        standard: Array = self.residuals / np.sqrt(self.variances[:-1])
        return standard


def _dcc(legs: Legs, known: int) -> Estimate:
    moves = (legs.y, legs.x[:, 0])
    p, h = (_garch(move, known, legs, name) for move, name in zip(moves, legs.panel.names, strict=True))
    z = np.column_stack([p.z, h.z])
    fitted = fit_correlation(z[:known])
    rho = dcc_correlation(z, fitted.a, fitted.b, fitted.target)
    ratio = rho * np.sqrt(p.variances / h.variances) * (h.scale / p.scale)
    path = np.column_stack([ratio[1:], np.full(len(z), np.nan)])
    constants = {f"{name}_{leg}": getattr(of, name) for leg, of in (("p", p), ("h", h)) for name in ("omega", "alpha", "beta")}
    gain = fitted.loglik - fitted.still
    said = (NO_ERROR, *p.said, *h.said)
    if gain < LIFT:
        said += (f"the correlation is not shown to move (log-likelihood {gain:.2f} above a constant one; {LIFT:g} would show it)",)
    return Estimate(
        ratios=path[-1, :1].copy(),
        stderrs=path[-1, 1:].copy(),
        n=len(z),
        details={**constants, "a": fitted.a, "b": fitted.b, "rho": float(rho[-1]), "loglik_gain": gain},
        warnings=said,
        path=path,
    )


def _garch(move: Array, known: int, legs: Legs, name: str) -> _Variance:
    """Fit one leg on its first ``known`` rows and run its variance over all."""
    sd = float(np.std(move[:known]))
    if not sd > 0:
        msg = f"{name} makes the same move at all positions, 1 to {known}: it has no variance; choose another window"
        raise DataError(msg)
    scale = PERCENT if legs.on != "changes" else 1 / sd
    past = np.ascontiguousarray(move[:known]) * scale
    model = ConstantMean(past, volatility=GARCH(1, 0, 1), rescale=False)
    first = float(np.var(past))
    try:
        result = model.fit(disp="off", backcast=first, show_warning=False)
    except (ValueError, np.linalg.LinAlgError) as error:
        msg = f"no GARCH of {name} over positions 1 to {known}: {error}; take another window"
        raise DataError(msg) from error
    mean, omega, alpha, beta = map(float, result.params)
    said = (
        [f"GARCH of {name} did not converge (code {result.convergence_flag}): do not trust its constants"]
        if result.convergence_flag
        else []
    )
    if alpha < 1e-6:  # noqa: PLR2004 - the optimiser's zero
        said.append(f"GARCH of {name} has alpha = 0: its variance is not shown to move")
    if alpha + beta > STAYS:
        said.append(f"GARCH of {name} has alpha + beta = {alpha + beta:.4f}: its variance has no mean to return to")
    residuals = np.ascontiguousarray(move * scale - mean)
    return _Variance(omega, alpha, beta, scale, residuals, garch_variance(residuals, omega, alpha, beta, first), tuple(said))
