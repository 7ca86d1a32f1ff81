"""What the Engle-Granger statistic does when there is nothing, and when there is something: p-values and powers.

Read from tables made by ``simulate.py``. Between sizes the quantiles are linear in 1/n, between
fixed lags linear in the lags; beyond the last quantile (p = 0.00001) the normal score of p goes on in a straight line.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.tsa import adfvalues

from hedgekit.errors import ConfigError, DataError

if TYPE_CHECKING:
    from hedgekit.data import Array

AIC = -1
"""How lags chosen by AIC are told."""
LEAST, MOST_LAGS = 50, 12


@cache
def _null() -> tuple[Array, dict[int, tuple[Array, Array]]]:
    """Return normal scores of the levels, and for each lag rule the sizes and the quantiles (sizes, levels)."""
    table = _table("null.csv")
    levels = table.columns[2:].astype(float).to_numpy()
    rules: dict[int, tuple[Array, Array]] = {}
    for lags in table["lags"].unique():
        rows = table[table["lags"] == lags]
        rules[int(lags)] = (rows["n"].to_numpy(np.float64), rows.iloc[:, 2:].to_numpy(np.float64))
    return cast("Array", stats.norm.ppf(levels)), rules


def _table(name: str) -> pd.DataFrame:
    with (files("hedgekit.stats.screen") / "tables" / name).open() as file:
        return pd.read_csv(file)


@cache
def _quantiles(n: int, lags: int) -> Array:
    """Return the null quantiles for this history and lag rule."""
    if n < LEAST:
        msg = f"{n} prices are too few for a screen, at least {LEAST} are needed; load more history"
        raise DataError(msg)
    if not AIC <= lags <= MOST_LAGS:
        msg = f"lags={lags}: must be 0 to {MOST_LAGS}, or None for a choice by AIC"
        raise ConfigError(msg)
    _, rules = _null()
    if lags in rules:
        return _at_size(*rules[lags], n)
    below, above = (max(k for k in rules if 0 <= k < lags), min(k for k in rules if k > lags))
    share = (lags - below) / (above - below)
    return (1 - share) * _at_size(*rules[below], n) + share * _at_size(*rules[above], n)


def _at_size(sizes: Array, rows: Array, n: int) -> Array:
    inverse = 1 / np.maximum(n, sizes[0]) if n < sizes[-1] else 1 / sizes[-1]
    return np.array([np.interp(inverse, 1 / sizes[::-1], column[::-1]) for column in rows.T])


def p_value(statistic: Array, n: int, lags: int) -> Array:
    """Return the probability of a statistic this low for two independent random walks of ``n`` levels.

    NaN for a statistic that is not finite (collinear prices: no test).

    Parameters
    ----------
    statistic : float64 array, shape (k,)
        Engle-Granger t statistics.
    n : int
        Levels in each series, at least 50.
    lags : int
        Lagged differences, 0 to 12, or -1 if AIC chose them.
    """
    scores, _ = _null()
    quantiles = _quantiles(n, lags)
    z = np.interp(statistic, quantiles, scores)
    for end, beyond in ((0, statistic < quantiles[0]), (-1, statistic > quantiles[-1])):
        near = end + (1 if end == 0 else -1)
        slope = (scores[near] - scores[end]) / (quantiles[near] - quantiles[end])
        z = np.where(beyond, scores[end] + slope * (statistic - quantiles[end]), z)
    return np.where(np.isfinite(statistic), stats.norm.cdf(z), np.nan)


def critical(level: float, n: int, lags: int) -> float:
    """Return the statistic whose p-value is ``level``: the inverse of :func:`p_value`."""
    scores, _ = _null()
    quantiles = _quantiles(n, lags)
    z = stats.norm.ppf(level)
    slope = (quantiles[1] - quantiles[0]) / (scores[1] - scores[0])
    return float(np.interp(z, scores, quantiles)) if z >= scores[0] else float(quantiles[0] + slope * (z - scores[0]))


def mackinnon(statistic: Array) -> Array:
    """Return MacKinnon's (2010) asymptotic p-values for two series with a constant, as ``statsmodels.coint`` does, for many at once."""
    lowest, highest, star = (getattr(adfvalues, f"_tau_{name}")["c"][1] for name in ("mins", "maxs", "stars"))
    small, large = (np.polynomial.Polynomial(getattr(adfvalues, f"_tau_{name}ps")["c"][1]) for name in ("small", "large"))
    inside = np.clip(statistic, lowest, highest)
    p = stats.norm.cdf(np.where(inside <= star, small(inside), large(inside)))
    return cast("Array", np.where(statistic > highest, 1.0, np.where(statistic < lowest, 0.0, p)))


@cache
def _powers() -> pd.DataFrame:
    return _table("power.csv")


def power(level: float, lags: int) -> pd.DataFrame:
    """Return the share of truly reverting pairs that a test at this level finds, by simulation.

    Parameters
    ----------
    level : float
        p-value that a pair must reach, for example q / (pairs tried).
    lags : int
        As in :func:`p_value`; a fixed number of lags is answered with the table for one lag.

    Returns
    -------
    DataFrame
        Index: n (levels of history). Columns: half-life of the spread, bars. From 0 to 1.
    """
    table = _powers()
    rule = AIC if lags == AIC else 1
    rows = table[table["lags"] == rule]
    levels = rows.columns[3:].astype(float).to_numpy()
    share = [
        np.interp(critical(level, int(n), rule), row, levels, left=0.0, right=1.0)
        for n, row in zip(rows["n"], rows.iloc[:, 3:].to_numpy(), strict=True)
    ]
    grid = pd.DataFrame({"n": rows["n"].to_numpy(), "half_life": rows["half_life"].to_numpy(), "power": share})
    return grid.pivot_table(index="n", columns="half_life", values="power")


def break_p(statistic: Array) -> Array:
    """Return the p-value of Andrews' sup-LM (one coefficient, 15% trimming); a p below 0.00001 is told as that."""
    values, levels = _sup_lm()
    return cast("Array", np.interp(statistic, values, levels))


@cache
def _sup_lm() -> tuple[Array, Array]:
    table = _table("sup_lm.csv").iloc[::-1]
    return table["statistic"].to_numpy(np.float64), table["p"].to_numpy(np.float64)
