"""Evidence that a pair's spread comes back: what is tested before a ratio is trusted."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.stats import norm
from statsmodels.tsa.adfvalues import mackinnoncrit
from statsmodels.tsa.stattools import adfuller, coint

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.inputs import Panel, legs
from hedgekit.stats.reversion.findings import bounded_note, messages
from hedgekit.types import Evidence

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

MIN_BARS = 30
"""Fewest prices for an Engle-Granger test; below this its table of values means nothing."""

MOST_SERIES = 12
"""Most series (primary and hedges) for which MacKinnon (2010) has critical values."""

P_VALUE_SERIES = 6
"""Most series for which MacKinnon (1994) has p-values; above this p comes from the three critical values."""

COLLINEAR = 1 - 100 * float(np.sqrt(np.finfo(np.float64).eps))
"""An R squared above this is (almost) perfect collinearity: the limit of statsmodels' ``coint``."""

TABLE = (0.01, 0.05, 0.10)

Levels = Literal["log prices", "prices"]


def engle_granger(
    primary: ArrayLike | pd.Series,
    hedge: ArrayLike | pd.Series | pd.DataFrame,
    *,
    lags: int | None = None,
    on: Levels = "log prices",
) -> Evidence:
    r"""Test for cointegration of a primary and one or more hedges (Engle & Granger 1987).

    Null hypothesis: no linear combination of the series comes back to a mean; the residual
    of

    .. math:: y_t = a + \sum_j b_j x_{j,t} + e_t

    (y, x: log prices, or prices) is a random walk. The residual's Dickey-Fuller regression has no
    constant, and its statistic is compared with MacKinnon's (2010) values for this number of
    series, because the residual was fitted. The values of a plain unit-root test find
    cointegration that is not there: in 15% of independent walks with a constant, in 56% without (METHODS 4).

    Parameters
    ----------
    primary : array_like or Series, shape (n,)
        Prices, oldest first.
    hedge : array_like, Series or DataFrame, shape (n,) or (n, hedges)
        Prices at the same times; at most 11 hedges.
    lags : int, optional
        Lagged differences in the Dickey-Fuller regression. None lets AIC choose
        (slower; for a whole sample); a fixed number suits tests made often.
    on : {"log prices", "prices"}
        Log prices need prices above zero. Prices are for what has no logarithm: spreads, probabilities.

    Returns
    -------
    Evidence
        ``statistic`` and ``p_value`` are None if the series are so nearly collinear that
        the test has no meaning (statsmodels then returns p = 0); ``warnings`` says so. With seven
        series or more p is interpolated between MacKinnon's 1, 5 and 10% values, and bounded by 0.01 and 0.10
        outside them (``warnings`` says so). Series between 0 and 1 throughout get a warning: the test
        over-rejects on the prices of binary contracts.

    Raises
    ------
    DataError
        If the prices differ in number or index, are fewer than 30, are not all finite (and above zero
        under logs), a series never moves, or there are more than 12 series.
    ConfigError
        If ``lags`` is negative or too many for n, or ``on`` is unknown.

    Notes
    -----
    Low power: at a half-life of 20 bars a 5% Dickey-Fuller test sees reversion in 10% of samples of 126 bars,
    27% of 252 and 76% of 504. "Not found" is not "not there".
    """
    if on not in {"log prices", "prices"}:
        msg = f"on={on!r}: must be 'log prices' or 'prices'"
        raise ConfigError(msg)
    checked = levels(primary, hedge, on)
    n, width = checked.data.shape
    if lags is not None and not 0 <= lags <= n // 2 - 2:
        msg = f"lags={lags}: must be between 0 and {n // 2 - 2} for {n} prices, or None to let AIC choose"
        raise ConfigError(msg)
    y, x = level_columns(checked, on)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        statistic, p_value = _statistic(y, x, lags)
    said = (*messages(caught), *checked.notes, *_bounded(checked))
    name = _name(on, width - 1, lags)
    if not np.isfinite(statistic):
        what = "the two prices are" if width == 2 else f"the {width} prices are"  # noqa: PLR2004 - a pair
        said = (*said, f"{what} almost perfectly collinear: the test says nothing about reversion")
        return Evidence(test=name, statistic=None, p_value=None, n=n, warnings=said)
    if p_value is None:
        p_value, how = _interpolated(statistic, width, n)
        said = (*said, how)
    return Evidence(test=name, statistic=float(statistic), p_value=float(p_value), n=n, warnings=said)


def holds(evidence: Evidence, significance: float) -> bool:
    """Say whether the evidence is there: a p-value, and below ``significance``. No p-value is no evidence."""
    return evidence.p_value is not None and evidence.p_value < significance


def levels(primary: ArrayLike | pd.Series, hedge: ArrayLike | pd.Series | pd.DataFrame, on: Levels) -> Panel:
    """Return primary and hedges as a checked panel, primary first; DataError as :func:`engle_granger`."""
    checked = legs(primary, hedge).need(MIN_BARS)
    if checked.data.shape[1] > MOST_SERIES:
        msg = f"{checked.data.shape[1]} series are too many: critical values exist for {MOST_SERIES}; give at most {MOST_SERIES - 1} hedges"
        raise DataError(msg)
    return (checked.positive() if on == "log prices" else checked).moving()


def level_columns(checked: Panel, on: Levels) -> tuple[Array, Array]:
    """Return (y, x): log prices or prices less their first values, so that no unit matters; x has shape (n,) for one hedge."""
    first = checked.data[0]
    if on == "log prices":
        columns = [np.log(column / start) for column, start in zip(checked.data.T, first, strict=True)]
    else:
        columns = [(column - start) / column.std() for column, start in zip(checked.data.T, first, strict=True)]
    return columns[0], columns[1] if len(columns) == 2 else np.column_stack(columns[1:])  # noqa: PLR2004 - a pair


def residual(y: Array, x: Array) -> tuple[Array, float]:
    """Return the residual of y on a constant and x, and R squared."""
    design = np.column_stack([np.ones(len(y)), x])
    e: Array = y - design @ np.linalg.lstsq(design, y)[0]
    return e, 1 - float(e @ e / np.sum((y - y.mean()) ** 2))


def _statistic(y: Array, x: Array, lags: int | None) -> tuple[float, float | None]:
    width = 1 + (1 if x.ndim == 1 else x.shape[1])
    e, r2 = residual(y, x)
    lags = _chosen(e) if lags is None and r2 < COLLINEAR else lags
    if width <= P_VALUE_SERIES:
        statistic, p_value, _ = coint(y, x, trend="c", maxlag=lags, autolag=None)
        return float(statistic), float(p_value)
    if r2 >= COLLINEAR:  # coint looks up a p-value that its tables do not have, and fails
        return -np.inf, None
    return float(adfuller(e, maxlag=lags, autolag=None, regression="n", result_object=False)[0]), None


def _chosen(e: Array) -> int:
    """Return the lags that AIC chooses, as statsmodels would, but from one factor for all of them: seconds less at 7,000 bars."""
    from hedgekit.stats.screen.kernels import best_lags  # noqa: PLC0415 - the screen builds on this room
    from hedgekit.stats.screen.simulate import most_lags  # noqa: PLC0415 - as above

    most = most_lags(len(e))
    d = np.diff(e, prepend=e[0])
    work = np.zeros((2, most + 2, most + 2))
    return int(best_lags(e, d, most, float(d @ d), work[0], work[1]))


def _interpolated(statistic: float, width: int, n: int) -> tuple[float, str]:
    """Return p from MacKinnon's critical values, straight lines of the normal quantile between them."""
    critical = mackinnoncrit(N=width, regression="c", nobs=n - 1)
    p_value = float(norm.cdf(np.interp(statistic, critical, norm.ppf(TABLE))))
    p_value = min(max(p_value, TABLE[0]), TABLE[-1])
    where = "at most " if statistic < critical[0] else "at least " if statistic > critical[-1] else "about "
    return p_value, f"p-values end at {P_VALUE_SERIES} series: p is {where}{p_value:.3g}, from the critical values for {width}"


def _bounded(checked: Panel) -> tuple[str, ...]:
    return tuple(note for name, x in zip(checked.names, checked.data.T, strict=True) for note in bounded_note(x, name))


def _name(on: str, hedges: int, lags: int | None) -> str:
    many = "" if hedges == 1 else f"{hedges} hedges, "
    return f"Engle-Granger, {on}, constant, {many}{'AIC lags' if lags is None else f'{lags} lag' + 's' * (lags != 1)}"
