"""Ratios fitted on returns, which stand still: one to one, and ordinary least squares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack, cast

import numpy as np
from statsmodels.regression.linear_model import OLS

from hedgekit.stats.inputs import whole_number
from hedgekit.stats.ratio.estimate import estimate
from hedgekit.stats.ratio.judge import naive_ratios
from hedgekit.stats.ratio.legs import Estimate, Legs
from hedgekit.stats.ratio.options import LEVELS, MIN_ROWS, Options, documented, only_moves

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array
    from hedgekit.stats.fit import On, RatioFit

SPURIOUS = (
    "least squares on levels: with two unrelated random walks |t| > 1.96 comes up in 85% of samples of 252 (Granger & Newbold 1974), "
    "so no standard error is given; use dols or johansen for a spread that must come back, and look at the tests"
)


@documented
def naive(
    primary: ArrayLike | pd.Series, hedge: ArrayLike | pd.Series | pd.DataFrame, *, on: On = "log returns", **options: Unpack[Options]
) -> RatioFit:
    """Hedge one dollar with one dollar; several hedges in equal parts.

    The benchmark that every other estimate must beat, and often does not (Wang, Wu & Yang 2015: 18 models, 24 futures).
    One to one means *dollars*: in units, on price changes, it is P_primary / P_hedge of the last row. It has no
    standard error (NaN). Its sign is that of two instruments that move together.

    Parameters
    ----------
    primary, hedge, on
        As in :func:`ols`.
    {options}

    Returns
    -------
    RatioFit

    Raises
    ------
    DataError, ConfigError
        As :func:`ols`.
    """
    return estimate(_naive, primary, hedge, name="naive one to one", on=on, options=options, several=True)


@documented
def ols(
    primary: ArrayLike | pd.Series,
    hedge: ArrayLike | pd.Series | pd.DataFrame,
    *,
    on: On = "log returns",
    dimson: int = 0,
    **options: Unpack[Options],
) -> RatioFit:
    r"""Fit the minimum-variance hedge ratio by ordinary least squares (Ederington 1979; A4).

    .. math:: y_t = a + h\,x_t + e_t

    with y and x the log returns of primary and hedge (by default), so that h = cov(y, x) / var(x) is in dollars of
    hedge for each dollar of primary. Position (primary, hedge) = (+1, -h); residual move = dp - h dh. On
    ``changes`` or ``prices`` it is in units for each unit; ``fit.in_dollars()`` and ``fit.in_units()`` convert.
    Multiplying a price by a constant changes no dollar ratio but in the last digits.

    On levels (``log prices``, ``prices``) this is the first step of Engle & Granger (1987). It is
    consistent if the two are cointegrated and means nothing if they are not; it comes with that warning and
    without a standard error.

    Parameters
    ----------
    primary : array_like or Series, shape (n + 1,)
        Prices, oldest first; above zero unless ``on`` is "changes" or "prices".
    hedge : array_like, Series or DataFrame, shape (n + 1,) or (n + 1, hedges)
        Prices of the hedge, or of several: then one ratio for each.
    on : {"log returns", "returns", "changes", "log prices", "prices"}
        What is regressed. Returns and log prices give dollars per dollar, changes and prices units per unit.
    dimson : int
        For stale quotes: so many leads and lags of the hedge's moves are regressed on as well, and the ratio is the sum of
        their coefficients (Dimson 1979). A leg that fails to refresh with probability 0.3 a bar makes the plain ratio 0.7 of
        the truth; k lags leave 0.3^(k+1) missing. Lags mend a stale primary, leads a stale hedge. Moves only. The
        ratio is that of the true moves: on the stale ones ``effectiveness`` looks worse than the plain ratio's.
    {options}

    Returns
    -------
    RatioFit
        ``stderr`` is HAC (Newey & West 1987, Bartlett kernel, floor(4 (n/100)^(2/9)) lags, small-sample corrected);
        ``df`` = n - 1 - hedges; ``details["lags"]``.

    Raises
    ------
    DataError
        If the prices do not match in length or index, are not finite, not above zero where that is needed, do not
        move, are too few (10 observations), or the hedges are linearly dependent.
    ConfigError
        If an option is unknown or out of range.

    Examples
    --------
    >>> from hedgekit import load_sample
    >>> from hedgekit.stats import ratio
    >>> closes = load_sample("eq_daily")
    >>> fit = ratio.ols(closes["KO"], closes["PEP"], window=250)
    >>> f"{fit.ratio:.3f} {fit.unit}"
    '0.825 dollar per dollar'
    """
    whole_number("dimson", dimson, 0)
    if dimson:
        only_moves("dimson", on)

    def method(legs: Legs, _known: int) -> Estimate:
        return _level_ols(legs) if on in LEVELS else _return_ols(legs, dimson)

    name = f"OLS on {on}" + (f", {dimson} leads and lags" if dimson else "")
    least = MIN_ROWS if not dimson else 2 * dimson + (2 * dimson + 1) * _columns(hedge) + MIN_ROWS
    return estimate(method, primary, hedge, name=name, on=on, options=options, least=least, several=True)


def _columns(hedge: ArrayLike | pd.Series | pd.DataFrame) -> int:
    shape = np.shape(hedge)
    return shape[1] if len(shape) > 1 else 1


def _naive(legs: Legs, _known: int) -> Estimate:
    k = legs.x.shape[1]
    return Estimate(ratios=naive_ratios(legs), stderrs=np.full(k, np.nan), n=len(legs.y))


def _return_ols(legs: Legs, dimson: int) -> Estimate:
    k = legs.x.shape[1]
    y, x = _shifted(legs, dimson)
    n, columns = x.shape
    lags = int(4 * (n / 100) ** (2 / 9))
    plain = OLS(y, np.column_stack([np.ones(n), x])).fit()
    model = plain.get_robustcov_results(cov_type="HAC", maxlags=lags, use_correction=True, use_t=True)
    if not dimson:
        ratios, stderrs, iid = np.asarray(model.params[1:]), np.asarray(model.bse[1:]), float(plain.bse[1])
    else:
        add = np.hstack([np.zeros((k, 1)), np.tile(np.eye(k), columns // k)])
        ratios = add @ model.params
        stderrs, first = np.sqrt(np.diag(add @ model.cov_params() @ add.T)), add @ plain.cov_params() @ add.T
        iid = float(np.sqrt(first[0, 0]))
    worth = (iid / float(stderrs[0])) ** 2 if stderrs[0] > 0 else float("nan")
    return Estimate(ratios=ratios, stderrs=stderrs, n=n, df=float(n - 1 - columns), effective_n=n * worth, details={"lags": lags})


def _shifted(legs: Legs, k: int) -> tuple[Array, Array]:
    """Return the primary, and the hedges with k leads and lags of each (all hedges of one shift side by side)."""
    if not k:
        return legs.y, legs.x
    n = len(legs.y)
    return legs.y[k : n - k], np.hstack([legs.x[shift : n - 2 * k + shift] for shift in range(2 * k + 1)])


def _level_ols(legs: Legs) -> Estimate:
    n, k = legs.x.shape
    x = np.column_stack([np.ones(n), legs.x])
    beta = cast("Array", np.linalg.lstsq(x, legs.y)[0])
    residual = legs.y - x @ beta
    b = float(residual[1:] @ residual[:-1] / (residual[:-1] @ residual[:-1]))
    return Estimate(
        ratios=beta[1:],
        stderrs=np.full(k, np.nan),
        n=n,
        effective_n=max(1.0, n * (1 - b) / (1 + b)),
        details={"constant": float(beta[0]), "autocorrelation": b},
        warnings=(SPURIOUS,),
    )
