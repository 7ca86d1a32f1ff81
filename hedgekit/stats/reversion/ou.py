r"""The Ornstein-Uhlenbeck spread, fitted by its exact discretisation, with "no reversion" as a legal answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hedgekit.errors import DataError
from hedgekit.stats.checks import above, series
from hedgekit.stats.ou import OU
from hedgekit.stats.reversion.findings import bounded_note
from hedgekit.stats.reversion.halflife import LEAST, half_life_of, half_life_table

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array
    from hedgekit.stats.reversion.halflife import HalfLifeTable


@dataclass(frozen=True, slots=True)
class OUFit:
    """A fitted Ornstein-Uhlenbeck spread. Times are in units of ``dt`` = one bar, so in bars if dt is 1.

    Attributes
    ----------
    n : int
        Observations; n - 1 steps.
    dt : float
        Length of a bar.
    fitted_ratio : int
        Hedges fitted in the same sample to make the spread (0: the spread was given).
    level : float
        Confidence level of the half-life's interval.
    b, b_stderr : float
        Least-squares slope of x[t] on x[t-1], and its textbook standard error (never an interval near b = 1).
    kappa, mu, sigma_ml, sigma_ls : float
        Reversion per time, mean, volatility per square root of time, from ``b`` as it is, with shocks' variance
        divided by n - 1 (maximum likelihood) or n - 3 (least squares). kappa and both sigma are NaN if b <= 0: no OU
        process has such a slope. kappa is negative if b > 1.
    loglik : float
        Gaussian log likelihood of the n - 1 steps, given the first value.
    half_life_raw : float
        ln 2 / kappa, exact; biased low. Infinite if b >= 1, 0 if b <= 0.
    b_bias_corrected : float
        b + (1 + 3 b) / (n - 1) (Kendall 1954, Marriott & Pope 1954): for a given spread. Too little for a fitted one.
    b_median : float
        Median-unbiased slope (Andrews 1993), from the simulated law; also right for a fitted ratio.
    half_life : float
        The estimate to use: of ``b_bias_corrected`` for a given spread, of ``b_median`` for a fitted one. Infinite if
        no reversion is shown; 0 if deviations are gone within a bar.
    half_life_low, half_life_median, half_life_high : float
        Interval at ``level`` and median-unbiased estimate, from the simulated law; each may be infinite.
    reverts : bool
        Whether reversion is shown: the interval excludes a random walk, and the corrected slope lies between 0 and 1.
    reason : str
        Why ``reverts`` is what it is.
    ou : OU or None
        The spread for thresholds, in bars whatever dt; from the corrected slope. None unless ``reverts``.
    warnings : tuple of str
        Anything else to know.
    """

    n: int
    dt: float
    fitted_ratio: int
    level: float
    b: float
    b_stderr: float
    kappa: float
    mu: float
    sigma_ml: float
    sigma_ls: float
    loglik: float
    half_life_raw: float
    b_bias_corrected: float
    b_median: float
    half_life: float
    half_life_low: float
    half_life_median: float
    half_life_high: float
    reverts: bool
    reason: str
    ou: OU | None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Line:
    """Regression of x[t] on a constant and x[t-1]: slope, constant, slope's standard error, sum of squares, steps."""

    b: float
    a: float
    stderr: float
    squares: float
    steps: int


def ou(  # noqa: PLR0913 - options of one fit, each with its default
    spread: ArrayLike | pd.Series,
    *,
    fitted_ratio: int = False,
    level: float = 0.95,
    dt: float = 1.0,
    seed: int = 1,
    reps: int = 2_000,
) -> OUFit:
    r"""Fit an Ornstein-Uhlenbeck process and say how long its half-life is, or that it shows none.

    .. math:: dx = \kappa (m - x) dt + \sigma dW, \qquad
        x_{t+1} = m + (x_t - m) e^{-\kappa\,dt} + \epsilon_t, \quad b = e^{-\kappa\,dt}

    Least squares of x[t+1] on x[t] is maximum likelihood given the first value (van den Berg 2011). b is biased
    towards reversion: at a true half-life of 20 bars and n = 252 the raw half-life reads 14. It is corrected, and
    its interval comes from the simulated small-sample law of b (:func:`half_life_table`).

    Parameters
    ----------
    spread : array_like or Series, shape (n,)
        The spread, oldest first, equally spaced; at least 10 values.
    fitted_ratio : bool or int
        True if the spread is the residual of a **level regression** of the primary on one hedge and a constant in this
        same sample; a number for that many hedges. The regression makes any residual look as if it reverted, and the
        law then accounts for it. False for a ratio known beforehand, or fitted on other bars or on returns.
    level : float
        Confidence level of the interval. ``reverts`` then claims reversion of a random walk with probability (1 - level)/2.
    dt : float
        Time of one bar, in any unit; times in the result are in it.
    seed, reps : int
        Of the simulated law.

    Returns
    -------
    OUFit
        "No reversion" is an answer (``reverts`` False with the ``reason``, ``half_life`` infinite), never an error.

    Raises
    ------
    DataError
        If a value is missing or not finite, the spread never moves, or there are fewer than 10 values.
    ConfigError
        If ``level``, ``dt``, ``reps`` or ``fitted_ratio`` is out of range.

    Notes
    -----
    The half-life is ln 2 / -ln b. The Euler step's ln 2 / (1 - b) is another number: 44% off at b = .457. Bid-ask bounce in
    the spread shortens it: see :func:`hedgekit.stats.reversion.bounce`. Nothing here allows for lagged differences.
    """
    x = series(spread, "spread", LEAST)
    if (x == x[0]).all():
        msg = f"spread never moves ({x[0]:g} at all {len(x)} positions): choose a window in which it trades"
        raise DataError(msg)
    above("dt", dt, 0, "time of one bar")
    table = half_life_table(len(x), fitted_ratio=fitted_ratio, seed=seed, reps=reps, level=level)
    line = _line(x)
    kappa = -math.log(line.b) / dt if line.b > 0 else math.nan
    scale = line.squares * (_variance_scale(line.b) / dt if line.b > 0 else math.nan)
    corrected, median = line.b + (1 + 3 * line.b) / line.steps, float(table.slope(line.b, table.middle))
    used = median if fitted_ratio else corrected
    reverts, reason = _judged(line.b, used, table)
    range_ = table.interval(line.b)
    return OUFit(
        n=len(x),
        dt=dt,
        fitted_ratio=int(fitted_ratio),
        level=level,
        b=line.b,
        b_stderr=line.stderr,
        kappa=kappa,
        mu=_mean(line),
        sigma_ml=math.sqrt(scale / line.steps),
        sigma_ls=math.sqrt(scale / (line.steps - 2)),
        loglik=-line.steps / 2 * (math.log(2 * math.pi * line.squares / line.steps) + 1) if line.squares > 0 else math.inf,
        half_life_raw=float(half_life_of(line.b)) * dt,
        b_bias_corrected=corrected,
        b_median=median,
        half_life=float(half_life_of(used)) * dt if reverts or used <= 0 else math.inf,
        half_life_low=float(range_.low) * dt,
        half_life_median=float(range_.median) * dt,
        half_life_high=float(range_.high) * dt,
        reverts=reverts,
        reason=reason,
        ou=_object(line, used, _mean(line)) if reverts else None,
        warnings=bounded_note(x, "spread"),
    )


def _line(x: Array) -> _Line:
    before, after = x[:-1], x[1:]
    steps = len(before)
    u = before - before.mean()
    square = float(u @ u)
    if not square > 0:
        msg = f"spread moves only at its last position ({steps}): choose a window in which it trades"
        raise DataError(msg)
    b = float(u @ (after - after.mean())) / square
    e = (after - after.mean()) - b * u
    squares = float(e @ e)
    return _Line(b, float(after.mean() - b * before.mean()), math.sqrt(squares / (steps - 2) / square), squares, steps)


def _variance_scale(b: float) -> float:
    """Return 2 kappa / (1 - b^2): variance of the shock of a step to sigma squared, per bar; 1 for a random walk."""
    return 1.0 if b == 1 else -2 * math.log(b) / (1 - b * b)


def _mean(line: _Line) -> float:
    """Return the level to which the line returns; NaN if its slope is exactly 1."""
    return line.a / (1 - line.b) if line.b != 1 else math.nan


def _object(line: _Line, b: float, mean: float) -> OU | None:
    variance = line.squares / (line.steps - 2)
    return OU(-math.log(b), mean, math.sqrt(variance * _variance_scale(b))) if variance > 0 else None


def _judged(b: float, used: float, table: HalfLifeTable) -> tuple[bool, str]:
    """Say whether reversion is shown, and why."""
    low, high = float(table.slope(b, table.upper)), float(table.slope(b, table.lower))
    where = f"slope {b:.4f}, corrected {used:.4f}, {table.level:.0%} interval {low:.4f} to {high:.4f}"
    if used >= 1:
        return False, f"no reversion: the slope is 1 or more once its bias is corrected ({where})"
    if not table.excludes_walk(b):
        return False, f"no reversion shown: the interval includes a random walk ({where})"
    if used <= 0:
        return False, f"deviations are gone within one bar: no OU spread does that; look for bounce, or use shorter bars ({where})"
    return True, f"the interval excludes a random walk ({where})"
