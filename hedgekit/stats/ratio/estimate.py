"""From prices to a :class:`~hedgekit.stats.fit.RatioFit`: the part that all methods share.

A method is a function from :class:`~hedgekit.stats.ratio.legs.Legs` to an
:class:`~hedgekit.stats.ratio.legs.Estimate`. Checking, windows, units, the naive ratio, the
out-of-sample judgement, tests, dates and warnings are done here, once, so that every
method's figures can be compared.
"""

from __future__ import annotations

import warnings as library_warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hedgekit.errors import DataError
from hedgekit.stats.fit import DOLLARS, PATH_COLUMNS, UNIT, Effectiveness, RatioFit, check_on
from hedgekit.stats.inputs import Panel
from hedgekit.stats.inputs import legs as checked
from hedgekit.stats.ratio.judge import hedged, judge, naive_ratios
from hedgekit.stats.ratio.legs import Estimate, Legs, Method, legs_of
from hedgekit.stats.ratio.options import LEVELS, MIN_ROWS, Options, choose
from hedgekit.stats.reversion import MIN_BARS, engle_granger, messages
from hedgekit.types import Evidence

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from hedgekit.data import Array
    from hedgekit.stats.fit import On

CONDITION_MAX = 30.0
"""Condition number of the standardised hedges above which separate ratios are called undetermined (Belsley, Kuh & Welsch 1980)."""
MAGNITUDE_MAX = 1e30
"""Prices beyond this, or below its inverse, are refused: squares of squares of returns would not fit into a double."""
EXACT = 1e-12
"""A share of unhedged variance below this is rounding: the hedges are the primary."""


def estimate(  # noqa: PLR0913 - what, whom, and how
    method: Method,
    primary: ArrayLike | pd.Series,
    hedge: ArrayLike | pd.Series | pd.DataFrame,
    *,
    name: str,
    on: On,
    options: Options,
    least: int = MIN_ROWS,
    several: bool = False,
) -> RatioFit:
    """Run a method on a user's prices and judge it.

    Parameters
    ----------
    method : callable
        See :data:`Method`.
    primary, hedge : array_like, Series or DataFrame
        As the user gave them.
    name : str
        The method's name for people.
    on : str
        What the ratio is fitted on.
    options : Options
        The user's.
    least : int
        Fewest observations that the method can use.
    several : bool
        Whether it can take several hedges.

    Raises
    ------
    DataError, ConfigError
        If the prices or an option cannot be used.
    """
    check_on(on)
    chosen = choose(options)
    window = chosen["window"]
    panel = checked(primary, hedge, align=chosen["align"], missing=chosen["missing"])
    if panel.data.shape[1] > 2 and not several:  # noqa: PLR2004 - primary and one hedge
        msg = f"{name} takes one hedge, and got {panel.data.shape[1] - 1}; several at once: ols, dols, johansen"
        raise DataError(msg)
    extra = 0 if on in LEVELS else 1
    needed = extra + max(least, window or 0)
    panel = (panel if window is None else panel.rows(-min(len(panel), window + extra))).need(needed).moving()
    legs = legs_of(_sized(panel), on)
    _varying(legs)
    notes = (*panel.notes, *_collinear(legs))
    with heard() as said:
        found = method(legs, len(legs.y))
        _finite(legs, found)
        out = judge(method, legs, found, chosen["folds"], least) if chosen["folds"] else None
        tests = (*found.tests, *(_engle_granger(legs) if chosen["tested"] else ()))
        fit = _fit(legs, found, name, chosen["valid_days"], out, tests)
    if chosen["folds"] and out is None:
        notes = (*notes, f"{len(legs.y)} observations are too few to judge the hedge out of sample")
    if fit.r2 > 1 - EXACT:
        notes = (*notes, IDENTITY)
    told = dict.fromkeys((*notes, *found.warnings, *said, *(text for test in tests for text in test.warnings)))
    return replace(fit, warnings=tuple(told))


IDENTITY = (
    "the hedges make up the primary exactly: this is an identity, not an estimate; there is no risk left to hedge, and standard errors "
    "and tests mean nothing"
)


def _sized(panel: Panel) -> Panel:
    size = np.abs(panel.data)
    bad = np.argwhere((size > MAGNITUDE_MAX) | ((size < 1 / MAGNITUDE_MAX) & (size > 0)))
    if bad.size:
        row, column = bad[0]
        msg = (
            f"{panel.names[column]} is {panel.data[row, column]:g} at {panel.where(row)}: beyond {1 / MAGNITUDE_MAX:g} to "
            f"{MAGNITUDE_MAX:g} nothing can be computed; correct the price, or state it in another unit"
        )
        raise DataError(msg)
    return panel


def _varying(legs: Legs) -> None:
    """Refuse a leg whose every move is the same (but for rounding): it has no variance to hedge, or to hedge with."""
    prices = legs.panel.data
    levels = np.log(prices / prices[0]) if UNIT[legs.on] == DOLLARS else prices
    spread, noise = np.ptp(legs.moves, axis=0), 64 * np.finfo(np.float64).eps * np.abs(levels).max(axis=0)
    for name, own, least in zip(legs.panel.names, spread, noise, strict=True):
        if not own > least:
            msg = f"{name} makes the same move at all positions, 1 to {len(prices) - 1}: it has no variance; choose another window"
            raise DataError(msg)


def _finite(legs: Legs, found: Estimate) -> None:
    if not np.isfinite(found.ratios).all():
        last = len(legs.panel) - 1
        bad = legs.panel.names[1 + int(np.flatnonzero(~np.isfinite(found.ratios))[0])]
        msg = (
            f"no ratio of {legs.panel.names[0]} to {bad} at {legs.panel.where(last)}: the prices up to there do not determine one "
            "(the hedge does not move, or moves too little); take a longer window"
        )
        raise DataError(msg)


@contextmanager
def heard() -> Iterator[list[str]]:
    """Collect the warnings of the libraries as text."""
    said: list[str] = []
    with library_warnings.catch_warnings(record=True) as caught:
        library_warnings.simplefilter("always")
        yield said
    said.extend(messages(caught))


def _collinear(legs: Legs) -> tuple[str, ...]:
    """Say, or refuse, that several hedges are one."""
    if legs.x.shape[1] == 1:
        return ()
    condition = _condition(legs.x)
    names = ", ".join(legs.panel.names[1:])
    if not independent(legs.x):
        msg = f"the hedges {names} are linearly dependent: their ratios are not determined; leave one out"
        raise DataError(msg)
    if condition > CONDITION_MAX:
        return (f"the hedges {names} are nearly collinear (condition number {condition:.0f}): only a sum of their ratios is determined",)
    return ()


def _condition(moves: Array) -> float:
    return float(np.linalg.cond((moves - moves.mean(axis=0)) / moves.std(axis=0)))


def independent(moves: Array) -> bool:
    """Whether each hedge's moves are more than a sum of the others', shape (n, hedges): else their ratios are not determined."""
    return _condition(moves) < 1e8  # noqa: PLR2004 - half of the digits of a double are gone


def _engle_granger(legs: Legs) -> tuple[Evidence, ...]:
    prices = legs.panel.data
    if len(prices) < MIN_BARS or (prices <= 0).any():
        return ()
    return (engle_granger(prices[:, 0], prices[:, 1:] if prices.shape[1] > 2 else prices[:, 1]),)  # noqa: PLR2004 - several hedges


def _fit(  # noqa: PLR0913 - the parts of a fit
    legs: Legs, found: Estimate, name: str, valid_days: float, out: Effectiveness | None, tests: tuple[Evidence, ...]
) -> RatioFit:
    moves, k = legs.moves, legs.x.shape[1]
    var = float(np.var(moves[:, 0]))
    centred = moves - moves.mean(axis=0)
    best = np.linalg.lstsq(centred[:, 1:], centred[:, 0])[0]
    r2 = 1 - float(np.var(hedged(moves, best))) / var
    index = legs.panel.index
    at = None if index is None else index[-1]
    return RatioFit(
        method=name,
        on=legs.on,
        unit=UNIT[legs.on],
        primary=legs.panel.names[0],
        hedges=legs.panel.names[1:],
        ratios=tuple(map(float, found.ratios)),
        stderrs=tuple(map(float, found.stderrs)),
        df=found.df,
        n=found.n,
        effective_n=found.effective_n,
        r2=r2,
        effectiveness=1 - float(np.var(hedged(moves, found.ratios))) / var,
        expected_effectiveness=1 - (1 - r2) * (1 + k / (found.n - k - 2)) if found.n > k + 2 else float("nan"),
        naive_effectiveness=1 - float(np.var(hedged(moves, naive_ratios(legs)))) / var,
        prices=tuple(map(float, legs.panel.data[-1])),
        out_of_sample=out,
        fitted_at=at,
        valid_until=None if at is None else at + pd.Timedelta(days=valid_days),
        tests=tests,
        details=dict(found.details),
        path=_path(legs, found.path),
    )


def _path(legs: Legs, path: Array | None) -> pd.DataFrame | None:
    if path is None:
        return None
    values = legs.panel.data[len(legs.panel) - len(path) :]
    index = legs.panel.index
    rows = pd.RangeIndex(len(path)) if index is None else index[len(index) - len(path) :]
    columns = dict(zip(PATH_COLUMNS, path.T, strict=False))
    return pd.DataFrame({**columns, "price_ratio": values[:, 1] / values[:, 0]}, index=rows)
