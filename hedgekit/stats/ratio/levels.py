"""Ratios fitted on log prices, for a spread that must come back: dynamic least squares, and Johansen's reduced rank.

Both assume what they do not prove: that there is a relation. So both come with a test (Engle-Granger, Johansen's
trace), and its verdict is among the warnings when it is against them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import numpy as np
import pandas as pd
from arch.unitroot.cointegration import DynamicOLS

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.inputs import whole_number
from hedgekit.stats.johansen import RESTRICTED, Deterministic, JohansenTest, trace_test
from hedgekit.stats.ratio.estimate import estimate
from hedgekit.stats.ratio.legs import Estimate, Legs
from hedgekit.stats.ratio.options import Options, documented, only_levels
from hedgekit.types import Evidence

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from hedgekit.data import Array
    from hedgekit.stats.fit import On, RatioFit

SEARCH_MAX = 4
"""Most leads and lags that a search by BIC tries (the default search of arch takes a second; this takes 15 ms, same ratio)."""


@documented
def dols(
    primary: ArrayLike | pd.Series,
    hedge: ArrayLike | pd.Series | pd.DataFrame,
    *,
    leads: int | None = 2,
    lags: int | None = 2,
    on: On = "log prices",
    **options: Unpack[Options],
) -> RatioFit:
    r"""Fit the ratio of a cointegrated spread by dynamic least squares (Saikkonen 1991; Stock & Watson 1993).

    .. math:: p_t = a + b\,h_t + \sum_{j=-lags}^{leads} c_j\,\Delta h_{t+j} + e_t

    The leads and lags take out what the hedge's moves and the spread have in common, which biases plain least squares
    on levels. Means nothing unless the prices are cointegrated: look at ``tests`` first. Computed by ``arch``.

    Parameters
    ----------
    primary : array_like or Series, shape (n,)
        Prices, oldest first; above zero on log prices.
    hedge : array_like, Series or DataFrame, shape (n,) or (n, hedges)
        Prices of the hedge, or of several: then one ratio for each.
    leads, lags : int or None
        Leads and lags of the hedge's moves: fixed, because a search is slow and seldom changes the ratio. None (either):
        search this one by BIC, up to 4.
    on : {"log prices", "prices"}
        Dollars per dollar, or units per unit.
    {options}

    Returns
    -------
    RatioFit
        ``stderr`` is that of ``arch``, robust to heteroskedastic and autocorrelated spreads (Bartlett kernel, automatic
        bandwidth, small samples adjusted), times ``details["widened"]``: the kernel alone is far too narrow for a slow spread (half-life
        of 20 rows: its 95% interval covers 60% at 250 rows, 65% at 1,000), so the long-run variance of the spread's
        AR(1) is used where that is larger (Andrews & Monahan 1992), and the interval then covers 91 to 94%. Valid if there is
        cointegration. ``details`` has also ``leads``, ``lags``, ``autocorrelation``
        and ``constant`` (log prices count from their first value).

    Raises
    ------
    DataError
        As :func:`ols`, and if there are too few rows for the leads and lags.
    ConfigError
        If an option is unknown or out of range, or ``on`` is not a level.
    """
    only_levels("dols", on)
    for name, value in (("leads", leads), ("lags", lags)):
        if value is not None:
            whole_number(name, value, 0)

    def method(legs: Legs, _known: int) -> Estimate:
        return _dols(legs, leads, lags)

    most = sum(SEARCH_MAX if count is None else count for count in (leads, lags))
    return estimate(method, primary, hedge, name=f"DOLS on {on}", on=on, options=options, least=_least(hedge, most), several=True)


@documented
def johansen(  # noqa: PLR0913 - whom, on what, and how
    primary: ArrayLike | pd.Series,
    hedge: ArrayLike | pd.Series | pd.DataFrame,
    *,
    lags: int = 1,
    rank: int = 1,
    deterministic: Deterministic = "restricted constant",
    on: On = "log prices",
    **options: Unpack[Options],
) -> RatioFit:
    r"""Fit the ratio of a cointegrated spread by Johansen's reduced-rank regression, normalised on the *primary*.

    .. math:: \Delta x_t = \alpha\,(p_{t-1} - b\,h_{t-1} - a) + \sum_{i=1}^{lags} \Gamma_i \Delta x_{t-i} + e_t,
        \qquad x = (p, h)

    Best used as a check of :func:`dols`. Two traps: other libraries normalise on the first column, whichever that is, so
    that the ratio comes out as its inverse when the columns are swapped; and their constant is outside the relation, which
    is right only for prices that drift (see :func:`hedgekit.stats.johansen.trace_test`). In short samples the estimate
    has heavy tails: with a half-life of 20 rows and 250 of them it is off by whole numbers now and then, and its 95% interval covers
    only 58% (1,000 rows: 82%). :func:`dols` is the safer one there.

    Parameters
    ----------
    primary : array_like or Series, shape (n,)
        Prices, oldest first; above zero on log prices.
    hedge : array_like, Series or DataFrame, shape (n,) or (n, hedges)
        Prices of the hedge, or of several: then one ratio for each.
    lags : int
        Lagged differences.
    rank : int
        Number of relations assumed, 1 to ``hedges``. With more than one, every mixture of them comes back as well, so the
        ratios are one choice of many (the most strongly tied relation) and have no standard error.
    deterministic : {"restricted constant", "unrestricted constant", "none"}
        As in :func:`hedgekit.stats.johansen.trace_test`.
    on : {"log prices", "prices"}
        Dollars per dollar, or units per unit.
    {options}

    Returns
    -------
    RatioFit
        ``tests[0]`` is the trace test, null hypothesis: fewer than ``rank`` relations. ``stderr`` is the mixed-normal one of a
        VECM. ``details``: ``eigenvalue``, ``rank_found`` (at 5%), ``constant`` (restricted; log prices count from their first value).

    Raises
    ------
    DataError
        As :func:`ols`, and if one price is an exact combination of the others.
    ConfigError
        If an option is unknown or out of range, or ``on`` is not a level.
    """
    only_levels("johansen", on)
    whole_number("lags", lags, 0)
    whole_number("rank", rank, 1)

    def method(legs: Legs, _known: int) -> Estimate:
        return _johansen(legs, lags, rank, deterministic)

    name = f"Johansen on {on}"
    return estimate(method, primary, hedge, name=name, on=on, options=options, least=_least(hedge, 2 * lags), several=True)


def _least(hedge: ArrayLike | pd.Series | pd.DataFrame, shifts: int) -> int:
    """Return rows enough for a regression with this many shifted moves of every hedge."""
    shape = np.shape(hedge)
    series = 1 + (shape[1] if len(shape) > 1 else 1)
    return 20 + shifts + (shifts + 3) * series


def _dols(legs: Legs, leads: int | None, lags: int | None) -> Estimate:
    y, x = pd.Series(legs.y), pd.DataFrame(legs.x)
    max_lag, max_lead = (SEARCH_MAX if count is None else None for count in (lags, leads))
    try:
        model = DynamicOLS(y, x, trend="c", lags=lags, leads=leads, max_lag=max_lag, max_lead=max_lead, method="bic")
        fit = model.fit(cov_type="robust", df_adjust=True)
    except (ValueError, np.linalg.LinAlgError) as error:
        msg = (
            f"no dynamic least squares of {legs.names} over positions 0 to {len(legs.y) - 1}: {error}; "
            "take another window, or fewer leads and lags"
        )
        raise DataError(msg) from error
    k = legs.x.shape[1]
    params, errors = np.asarray(fit.params, dtype=np.float64), np.asarray(fit.std_errors, dtype=np.float64)
    residual = np.asarray(fit.resid, dtype=np.float64)
    keep, wide = _persistence(residual)
    widened = max(1.0, float(np.sqrt(wide / fit.long_run_variance))) if fit.long_run_variance > 0 else 1.0
    n = len(residual)
    return Estimate(
        ratios=params[:k],
        stderrs=errors[:k] * widened,
        n=n,
        effective_n=n * float(residual.var()) / wide if wide > 0 else float("nan"),
        details={
            "leads": float(fit.leads),
            "lags": float(fit.lags),
            "constant": float(params[k]),
            "autocorrelation": keep,
            "widened": widened,
        },
    )


def _persistence(e: Array) -> tuple[float, float]:
    """Return the autocorrelation of a spread, corrected for its bias, and the long-run variance that an AR(1) of it has.

    Prewhitening (Andrews & Monahan 1992), with b raised by (1 + 3b)/n (Marriott & Pope 1954) and at most 1 - 1/n.
    """
    past, now = e[:-1], e[1:]
    square = float(past @ past)
    if not square > 0:
        return float("nan"), 0.0
    b = float(past @ now) / square
    b = min(b + (1 + 3 * b) / len(e), 1 - 1 / len(e))
    return b, float(np.var(now - b * past)) / (1 - b) ** 2


def _johansen(legs: Legs, lags: int, rank: int, deterministic: Deterministic) -> Estimate:
    test = trace_test(np.column_stack([legs.y, legs.x]), lags=lags, deterministic=deterministic, names=legs.panel.names)
    k = legs.x.shape[1]
    if rank > k:
        msg = f"rank={rank}: {k + 1} prices can have 1 to {k} relations and still wander"
        raise ConfigError(msg)
    relation = test.beta[:, 0]
    constant = {"constant": -float(relation[-1])} if deterministic == RESTRICTED else {}
    return Estimate(
        ratios=-relation[1 : k + 1],
        stderrs=test.stderr[1 : k + 1] if rank == 1 else np.full(k, np.nan),
        n=test.n,
        details={"eigenvalue": float(test.eigenvalues[0]), "rank_found": float(test.rank()), **constant},
        tests=(_evidence(test, rank),),
        warnings=_doubts(test, rank),
    )


def _evidence(test: JohansenTest, rank: int) -> Evidence:
    name = f"Johansen trace, fewer than {rank} relation{'s' * (rank != 1)}, {test.deterministic}, {test.lags} lag{'s' * (test.lags != 1)}"
    return Evidence(test=name, statistic=float(test.trace[rank - 1]), p_value=float(test.p_values[rank - 1]), n=test.n)


def _doubts(test: JohansenTest, rank: int) -> tuple[str, ...]:
    found, k = test.rank(), len(test.names)
    said = []
    if found == k:
        said.append("Johansen's trace at 5% says that the prices do not wander at all: any mixture of them comes back")
    elif found != rank:
        said.append(f"Johansen's trace at 5% finds {found} relation{'s' * (found != 1)}, and the fit assumes {rank}")
    if rank > 1:
        said.append(f"with {rank} relations the ratios are one choice of many (the most strongly tied), so no standard error is given")
    return tuple(said)
