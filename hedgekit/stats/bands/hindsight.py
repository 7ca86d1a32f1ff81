r"""The best that any band could have done on a path that is now known: bounds to hold a band of one's own against.

Both answers are exact. *Fewest changes*: the targets :math:`\pm b` are intervals, and one position serves
a run of bars exactly while their intersection is not empty, so going as far as possible each time is
optimal (interval piercing). *Least turnover*: move only when forced, and only to the edge (the play
operator, Lochowski & Milos); by induction the cost of ending at y is :math:`C_t + |y - g_t|` with
:math:`g_t` the play path, so nothing turns over less. Both proofs hold for a band that changes with time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hedgekit.compiled import kernel
from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.checks import labels, series

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from hedgekit.data import Array


@dataclass(frozen=True, eq=False, slots=True)
class HeldPath:
    """A path of positions that stays within the band.

    Attributes
    ----------
    held : Series, shape (n,)
        Position after each look, on the index of the path (or positions 0, 1, ...).
    changes : int
        Looks at which the position changed, the first look counted only against a ``start``.
    turnover : float
        Sum of the absolute changes, likewise.
    """

    held: pd.Series
    changes: int
    turnover: float


@dataclass(frozen=True, slots=True)
class BandEfficiency:
    """How near a path of positions came to the bounds of hindsight.

    Attributes
    ----------
    changes, fewest_changes : int
        Changes made, and the fewest that stay in the band.
    turnover, least_turnover : float
        Units traded, and the least that stays in the band.
    changes_efficiency, turnover_efficiency : float
        Bound / actual: 1 is perfect hindsight. 1 if nothing was needed and nothing done. Above 1 (infinite if nothing
        was done) only for a path that left the band.
    outside : int
        Looks after which the position was outside the band (by more than rounding).
    outside_frac : float
        The same as a share of all looks.
    worst : float
        Largest distance beyond the edge, target unit.
    """

    changes: int
    fewest_changes: int
    turnover: float
    least_turnover: float
    changes_efficiency: float
    turnover_efficiency: float
    outside: int
    outside_frac: float
    worst: float


def fewest_changes(path: ArrayLike | pd.Series, band: ArrayLike, *, start: float | None = None) -> HeldPath:
    """Return positions that stay within ``band`` of the path with the fewest changes, knowing all of it.

    Parameters
    ----------
    path : array_like or Series, shape (n,)
        Targets, for example hedge ratios, oldest first; finite.
    band : array_like, shape () or (n,)
        Half-width, 0 or more, in the unit of the path; may change with time.
    start : float, optional
        Position before the first look; leaving it is a change. None: the first position is free.

    Returns
    -------
    HeldPath
        Of all optimal paths the one whose every run is as long as possible, each run as near as possible to the one before.
        Its turnover is not the least possible.

    Raises
    ------
    DataError
        If a target or half-width is not finite, or their numbers differ.
    ConfigError
        If a half-width is negative, or the start is not finite.

    Notes
    -----
    A bound, not a strategy: each position depends on targets still to come. Touching the edge is inside.
    """
    low, high = _edges(path, band)
    held = np.empty_like(low)
    _pierce(low, high, _start(start), held)
    return _held(held, start, labels(path, len(low)))


def least_turnover(path: ArrayLike | pd.Series, band: ArrayLike, *, start: float | None = None) -> HeldPath:
    """Return positions that stay within ``band`` of the path with the least turnover: the play operator.

    The path needs no look ahead: move only if outside, and only to the edge. So trading to the edge of a band is
    the cheapest way to keep it if cost is proportional, whatever the path.

    Parameters
    ----------
    path, band, start
        As in :func:`fewest_changes`, but None starts at the first target, without a trade.

    Returns
    -------
    HeldPath

    Raises
    ------
    DataError, ConfigError
        As in :func:`fewest_changes`.
    """
    low, high = _edges(path, band)
    first = low[0] + (high[0] - low[0]) / 2 if start is None else start
    held = np.empty_like(low)
    _play(low, high, _start(first), held)
    return _held(held, start, labels(path, len(low)))


def band_efficiency(held: ArrayLike | pd.Series, path: ArrayLike | pd.Series, band: ArrayLike) -> BandEfficiency:
    """Compare positions that were really held with the bounds of hindsight for the same start.

    Parameters
    ----------
    held : array_like or Series, shape (n,)
        Positions after each look. The first is the given start: both bounds start there too, and no trade is counted at it.
    path : array_like or Series, shape (n,)
        Targets at the same looks.
    band : array_like, shape () or (n,)
        Half-width that was to be kept.

    Returns
    -------
    BandEfficiency

    Raises
    ------
    DataError
        If numbers differ in count or index, or are not finite.
    ConfigError
        If a half-width is negative.
    """
    low, high = _edges(path, band)
    actual = series(held, "held")
    if len(actual) != len(low):
        msg = f"held has {len(actual)} values, path {len(low)}: give one position for each target"
        raise DataError(msg)
    if isinstance(held, pd.Series) and isinstance(path, pd.Series) and not held.index.equals(path.index):
        msg = "held and path have different indexes: align them first, for example with DataFrame({...}).dropna()"
        raise DataError(msg)
    beyond = np.maximum(low - actual, actual - high)
    done = _held(actual, None, pd.RangeIndex(len(actual)))
    later = slice(1, None)  # the bounds start where the positions did; the first look is given
    fewest, least = 0, 0.0
    if len(actual) > 1:
        best = np.empty_like(low[later])
        _pierce(low[later], high[later], actual[0], best)
        fewest = _held(best, float(actual[0]), pd.RangeIndex(len(best))).changes
        _play(low[later], high[later], actual[0], best)
        least = _held(best, float(actual[0]), pd.RangeIndex(len(best))).turnover
    outside = int((beyond > _rounding(low, high)).sum())
    return BandEfficiency(
        changes=done.changes,
        fewest_changes=fewest,
        turnover=done.turnover,
        least_turnover=least,
        changes_efficiency=_share(fewest, done.changes),
        turnover_efficiency=_share(least, done.turnover),
        outside=outside,
        outside_frac=outside / len(actual),
        worst=max(0.0, float(beyond.max())),
    )


def _edges(path: ArrayLike | pd.Series, band: ArrayLike) -> tuple[Array, Array]:
    target = series(path, "path")
    half = np.asarray(band, dtype=np.float64)
    if half.ndim and half.shape != target.shape:
        msg = f"band has shape {half.shape}, path {target.shape}: give one half-width, or one for each target"
        raise DataError(msg)
    half = np.broadcast_to(half, target.shape)
    for bad, kind, what in ((~np.isfinite(half), DataError, "finite"), (half < 0, ConfigError, "0 or more")):
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            msg = f"band is {half[row]:g} at position {row}: half-widths must be {what}"
            raise kind(msg)
    return target - half, target + half


def _start(start: float | None) -> float:
    """Return the start for a kernel, NaN for a free one."""
    if start is None:
        return math.nan
    if not math.isfinite(start):
        msg = f"start={start}: give a finite position, or None"
        raise ConfigError(msg)
    return float(start)


def _rounding(low: Array, high: Array) -> float:
    return 4 * float(np.finfo(np.float64).eps * max(np.abs(low).max(), np.abs(high).max()))


def _share(bound: float, actual: float) -> float:
    if actual == 0:
        return 1.0 if bound == 0 else math.inf
    return bound / actual


def _held(held: Array, start: float | None, index: pd.Index) -> HeldPath:
    moves = np.abs(np.diff(held if start is None else np.r_[start, held]))
    return HeldPath(held=pd.Series(held, index=index, name="held"), changes=int((moves > 0).sum()), turnover=float(moves.sum()))


@kernel
def _play(low: Array, high: Array, start: float, held: Array) -> None:
    """Write the play path: the position, pushed along by the edges."""
    position = start
    for t in range(len(low)):
        position = min(max(position, low[t]), high[t])
        held[t] = position


@kernel
def _pierce(low: Array, high: Array, start: float, held: Array) -> None:
    """Write the greedy path: each run goes on while all its intervals meet; a start (NaN: none) is the first run's position."""
    begin = 0
    previous = start
    floor = ceiling = start
    if np.isnan(start):
        floor, ceiling = low[0], high[0]
    for t in range(len(low)):
        if max(floor, low[t]) > min(ceiling, high[t]):
            if t > begin:
                _fill(held, begin, t, previous, floor, ceiling)
                previous = held[begin]
            begin, floor, ceiling = t, low[t], high[t]
        floor, ceiling = max(floor, low[t]), min(ceiling, high[t])
    _fill(held, begin, len(low), previous, floor, ceiling)


@kernel
def _fill(held: Array, begin: int, end: int, previous: float, floor: float, ceiling: float) -> None:  # noqa: PLR0913 - flat arguments
    """Hold one position for the run: the one nearest to the previous, or the middle if there was none."""
    position = 0.5 * (floor + ceiling)
    if not np.isnan(previous):
        position = min(max(previous, floor), ceiling)
    for t in range(begin, end):
        held[t] = position
