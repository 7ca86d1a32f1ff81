"""Johansen's test for the number of relations that tie prices together, with the constant where prices need it.

Prices of traded instruments do not drift by a rule, so a constant belongs *inside* the relation (``"restricted
constant"``, the default). ``statsmodels.coint_johansen`` cannot do this case, and its constant outside the relation
finds cointegration in 12% of pairs of unrelated walks at a stated 5% (METHODS, vector JOH-SIZE). The reduced-rank
regression is our own: canonical correlations from QR factors, so that nothing is squared before it must be.

The asymptotic distribution of the trace is taken as a gamma with Doornik's (1998) mean and variance. What was checked,
in tests/stats/test_ratio_levels.py but for the simulation's full size: its 95% quantile is 0.04% to 0.5% below MacKinnon,
Haug & Michelis (1999) for the restricted constant, n - r = 1 to 12; for the other two cases it is at most 1.5% off the
tables in statsmodels at 5%, and 2.4% at 1%. Our own simulation of the limit (60,000 paths of 1,000 steps, n - r = 1, 2, 3)
agrees within 0.5% in mean, 1.5% in variance and 0.6% in the 95% quantile; its 1% point for n - r = 2 is 2% above the gamma's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from scipy import stats
from statsmodels.tsa.coint_tables import c_sja, c_sjt

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.inputs import panel, whole_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

Deterministic = Literal["restricted constant", "unrestricted constant", "none"]
"""Where the constant is: in the relation; beside it (the prices drift); nowhere."""

RESTRICTED, UNRESTRICTED, NONE = get_args(Deterministic)
LEVELS = (0.10, 0.05, 0.01)
MAX_SERIES = 12

MACKINNON_HAUG_MICHELIS_1999 = (
    9.164546,
    20.26184,
    35.19275,
    54.07904,
    76.97277,
    103.8473,
    134.6780,
    169.5991,
    208.4374,
    251.2650,
    298.1594,
    348.9784,
)
"""5% critical values of the trace, constant restricted to the relation (their case II), for n - r = 1 to 12."""

SIMULATED_MAX_EIG = (
    (7.55, 9.15, 12.65),
    (13.89, 15.88, 20.39),
    (20.01, 22.26, 26.99),
    (26.00, 28.41, 33.35),
    (31.93, 34.55, 39.89),
    (37.92, 40.68, 46.45),
)
"""10, 5 and 1% of the largest eigenvalue, restricted constant, n - r = 1 to 6.

60,000 simulated paths of 1,000 steps; standard error .05 at 5%, .15 at 1%.
"""

_DOORNIK = {
    RESTRICTED: ((2.01, 0.0, 0.06, 0.05), (3.60, 0.75, -0.40, -0.30)),
    UNRESTRICTED: ((1.05, -1.55, -0.50, -0.23), (1.80, 0.0, -2.80, -1.10)),
    NONE: ((-1.00, 0.07, 0.07, 0.0), (-0.33, -0.55, 0.0, 0.0)),
}
"""Doornik 1998: mean 2m^2 + a m + b + c 1(m=1) + d 1(m=2), and variance 3m^2 + ... alike, for m = n - r."""


@dataclass(frozen=True, eq=False, slots=True)
class ReducedRank:
    """A reduced-rank regression of differences on levels.

    Attributes
    ----------
    eigenvalues : float64 array, shape (k,)
        Squared canonical correlations, largest first.
    beta : float64 array, shape (k + 1 or k, k)
        One relation in each column, beta' S11 beta = I; the last row is the constant, where it is restricted.
    levels : float64 array, shape (n, k + 1 or k)
        Lagged levels (and the constant), short-run terms projected out.
    n : int
        Rows used.
    """

    eigenvalues: Array
    beta: Array
    levels: Array
    n: int

    def stderr(self) -> Array:
        """Return the standard errors of the first relation normalised on its first entry (0 there), if there is one relation.

        The usual mixed-normal formula: ((R2'R2)^-1 / (alpha' Omega^-1 alpha))^1/2, R2 being the other columns of
        ``levels``. ``statsmodels`` VECM gives the same.
        """
        first = self.eigenvalues[0]
        strength = self.beta[0, 0] ** 2 * first / (1 - first)
        spread = np.linalg.inv(np.linalg.qr(self.levels[:, 1:])[1])
        errors: Array = np.r_[0.0, np.sqrt((spread**2).sum(axis=1) / strength)]
        return errors


@dataclass(frozen=True, eq=False, slots=True)
class JohansenTest:
    """Johansen's trace and maximum-eigenvalue test.

    Attributes
    ----------
    names : tuple of str
        The series, in the order of the columns.
    deterministic : str
        Where the constant is.
    lags, n : int
        Lagged differences; rows used.
    eigenvalues : float64 array, shape (k,)
        Largest first.
    trace, max_eig : float64 array, shape (k,)
        Row r tests "at most r relations": -n sum_{i>r} ln(1 - eigenvalue_i), and -n ln(1 - eigenvalue_{r+1}).
    trace_critical, max_eig_critical : float64 array, shape (k, 3)
        At 10, 5 and 1%. Restricted constant: the trace's 5% by MacKinnon, Haug & Michelis (1999), its 10 and 1% by
        Doornik's gamma (1% is low by about 2%); the maximum eigenvalue's by our own simulation for k - r up to 6, NaN beyond.
        Other cases: the tables of ``statsmodels`` (MacKinnon, Haug & Michelis).
    p_values : float64 array, shape (k,)
        Of the trace, by Doornik's (1998) gamma approximation.
    beta : float64 array, shape (k + 1 or k, k)
        One relation in each column, normalised on the first series; the last row is the constant, where it is
        restricted. Only the first ``rank()`` columns mean something.
    stderr : float64 array, shape (k + 1 or k,)
        Of the first column of ``beta``, if there is exactly one relation.
    """

    names: tuple[str, ...]
    deterministic: str
    lags: int
    n: int
    eigenvalues: Array
    trace: Array
    max_eig: Array
    trace_critical: Array
    max_eig_critical: Array
    p_values: Array
    beta: Array
    stderr: Array

    def rank(self, level: float = 0.05) -> int:
        """Return the number of relations: the first r whose trace is below its critical value at ``level`` (10, 5 or 1%)."""
        if level not in LEVELS:
            msg = f"level={level!r}: must be one of {', '.join(map(str, LEVELS))}"
            raise ConfigError(msg)
        below = self.trace < self.trace_critical[:, LEVELS.index(level)]
        return int(np.argmax(below)) if below.any() else len(self.trace)


def trace_test(
    levels: ArrayLike | pd.DataFrame,
    *,
    lags: int = 1,
    deterministic: Deterministic = "restricted constant",
    names: Sequence[str] | None = None,
) -> JohansenTest:
    r"""Test how many relations tie several series together (Johansen 1988, 1991; Johansen & Juselius 1990).

    .. math:: \Delta x_t = \alpha (\beta' x_{t-1} + c) + \sum_{i=1}^{lags} \Gamma_i \Delta x_{t-i} + e_t

    The null hypothesis of row r is *at most r relations*, against more. Rank 0: nothing ties them together. Full rank: the
    series do not wander at all.

    The trap: with ``"unrestricted constant"`` the usual table (15.49 for two series at 5%) is right only if the series
    *drift*. On walks without drift it rejects in 10.7% (n = 400) to 12.1% (n = 252); the restricted constant with 20.26
    rejects in 5 to 6%. Few rows and many lags reject too often in every case.

    Parameters
    ----------
    levels : array_like or DataFrame, shape (rows, k)
        1 to 12 series, oldest first: log prices for a ratio in dollars (take the logs first).
    lags : int
        Lagged differences: one less than the lags of a VAR in levels (urca's K - 1).
    deterministic : {"restricted constant", "unrestricted constant", "none"}
        Where the constant is: in the relation; beside it, so that the series drift; nowhere.

    names : sequence of str, optional
        Names of the columns of an array.

    Returns
    -------
    JohansenTest

    Raises
    ------
    DataError
        If there are too few rows, missing values, a series that never moves, or series that are exactly dependent.
    ConfigError
        If an option is unknown or out of range.
    """
    checked = panel(levels, names=names).moving()
    rank = reduced_rank(checked.data, lags, deterministic, names=checked.names)
    k = checked.data.shape[1]
    logs = -rank.n * np.log1p(-rank.eigenvalues)
    trace = np.cumsum(logs[::-1])[::-1]
    left = range(k, 0, -1)
    return JohansenTest(
        names=checked.names,
        deterministic=deterministic,
        lags=lags,
        n=rank.n,
        eigenvalues=rank.eigenvalues,
        trace=trace,
        max_eig=logs,
        trace_critical=np.array([_critical(m, deterministic) for m in left]),
        max_eig_critical=np.array([_max_critical(m, deterministic) for m in left]),
        p_values=np.array([_gamma(m, deterministic).sf(value) for m, value in zip(left, trace, strict=True)]),
        beta=rank.beta / rank.beta[0],
        stderr=rank.stderr(),
    )


def reduced_rank(
    levels: Array, lags: int, deterministic: str, exog: Array | None = None, *, names: tuple[str, ...] | None = None
) -> ReducedRank:
    """Return the reduced-rank regression behind :func:`trace_test`.

    Parameters
    ----------
    levels : float64 array, shape (rows, k)
        Finite.
    lags, deterministic
        As in :func:`trace_test`.
    exog : float64 array, shape (rows, j), optional
        Unrestricted columns beside the lagged differences, for example centred seasonal dummies.
    names : tuple of str, optional
        Of the series, for errors.
    """
    _check(levels, lags, deterministic, 0 if exog is None else exog.shape[1])
    moves = np.diff(levels, axis=0)
    n = len(moves) - lags
    short = [moves[lags - i : len(moves) - i] for i in range(1, lags + 1)]
    if exog is not None:
        short.append(exog[lags + 1 :])
    ones = np.ones((n, 1))
    if deterministic == UNRESTRICTED:
        short.append(ones)
    past = levels[lags:-1]
    if deterministic == RESTRICTED:
        past = np.hstack([past, ones])
    left, right = moves[lags:], past
    if short:
        q = np.linalg.qr(np.hstack(short))[0]
        left, right = left - q @ (q.T @ left), right - q @ (q.T @ right)
    (q0, r0), (q1, r1) = (np.linalg.qr(side) for side in (left, right))
    for factor in (r0, r1):
        _independent(factor, names)
    _, s, vt = np.linalg.svd(q0.T @ q1)
    if not s[0] ** 2 < 1 - _EXACT:
        msg = "the series tie each other exactly: there is nothing to estimate; leave one out"
        raise DataError(msg)
    beta = np.linalg.solve(r1, vt[: len(s)].T) * np.sqrt(n)
    return ReducedRank(s**2, beta, right, n)


_EXACT = 1e-12


def _check(levels: Array, lags: int, deterministic: str, extra: int) -> None:
    rows, k = levels.shape
    if deterministic not in _DOORNIK:
        msg = f"deterministic={deterministic!r}: must be one of {', '.join(map(repr, _DOORNIK))}"
        raise ConfigError(msg)
    whole_number("lags", lags, 0)
    if not 1 <= k <= MAX_SERIES:
        msg = f"{k} series: there are critical values for 1 to {MAX_SERIES}; test fewer at once"
        raise DataError(msg)
    least = lags + 1 + (lags + 2) * k + extra + 10
    if rows < least:
        msg = f"{rows} rows are too few for {k} series and {lags} lags, at least {least} are needed; load more history"
        raise DataError(msg)


def _independent(factor: Array, names: tuple[str, ...] | None) -> None:
    """Refuse columns that are exactly dependent, from the triangular factor."""
    whole = np.sqrt((factor**2).sum(axis=0))
    for i, (own, all_) in enumerate(zip(np.abs(np.diag(factor)), whole, strict=True)):
        if not own > _EXACT * all_:
            called = names if names is not None else tuple(f"column {j}" for j in range(i + 1))
            what = (
                f"{called[i]} is an exact combination of the series before it"
                if i < len(called)
                else f"a mixture of {', '.join(called)} stands still"
            )
            msg = f"{what}, at all positions: such a relation is no estimate; leave one series out, or take another window"
            raise DataError(msg)


def _gamma(m: int, deterministic: str) -> Any:  # noqa: ANN401 - scipy has no public name for a frozen distribution
    (a, b, c, d), (e, f, g, h) = _DOORNIK[deterministic]
    one, two = float(m == 1), float(m == 2)  # noqa: PLR2004 - the approximation's own corrections
    mean = 2 * m * m + a * m + b + c * one + d * two
    var = 3 * m * m + e * m + f + g * one + h * two
    return stats.gamma(mean * mean / var, scale=var / mean)


def _critical(m: int, deterministic: str) -> Array:
    if deterministic != RESTRICTED:
        return np.asarray(c_sjt(m, _ORDER[deterministic]), dtype=np.float64)
    limit = _gamma(m, deterministic)
    return np.array([limit.isf(LEVELS[0]), MACKINNON_HAUG_MICHELIS_1999[m - 1], limit.isf(LEVELS[2])])


def _max_critical(m: int, deterministic: str) -> Array:
    if deterministic == RESTRICTED:
        return np.array(SIMULATED_MAX_EIG[m - 1]) if m <= len(SIMULATED_MAX_EIG) else np.full(3, np.nan)
    return np.asarray(c_sja(m, _ORDER[deterministic]), dtype=np.float64)


_ORDER = {UNRESTRICTED: 0, NONE: -1}
"""What statsmodels calls them."""


def trace_p_value(trace: Array, unrelated: int, deterministic: str = RESTRICTED) -> Array:
    """Return the p-values of trace statistics, shape (k,), for ``unrelated`` = series - rank: Doornik's (1998) gamma approximation."""
    return np.asarray(_gamma(unrelated, deterministic).sf(trace), dtype=np.float64)
