"""Train and test rows that do not know of each other: purged, embargoed K-fold, walk-forward, and CPCV.

A row's *label* may rest on later bars: a trade entered at row i is decided when it is closed, at row ``ends[i]``. A training row whose
label reaches into the test rows, or a test label that reaches into the training rows, would leak; such training rows are purged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.inputs import whole_number

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

    Rows = np.ndarray[tuple[int], np.dtype[np.intp]]

MAX_FOLDS = 200_000


@dataclass(frozen=True, eq=False, slots=True)
class Fold:
    """One split.

    Attributes
    ----------
    number : int
        From 0, in the order in which splits are made.
    train, test : int array
        Positions of the rows, increasing. ``train`` may be empty if purging leaves nothing.
    groups : tuple of int
        The groups that are tested (walk-forward: the fold's own number).
    purged : int
        Rows that are in neither: too near to a test row.
    """

    number: int
    train: Rows
    test: Rows
    groups: tuple[int, ...]
    purged: int


def splits(  # noqa: PLR0913 - what to cut, and the gaps
    n: int, groups: int, test_groups: int = 1, *, purge: int = 0, embargo: int = 0, ends: ArrayLike | None = None
) -> Iterator[Fold]:
    """Yield the splits of combinatorial purged cross-validation (CPCV), or of purged K-fold with ``test_groups=1``.

    The n rows are cut into N = ``groups`` runs of nearly equal length. Each choice of k = ``test_groups`` is tested once, so there are
    C(N, k) splits, every row is tested k C(N, k) / N times, and that many whole paths can be assembled (:func:`paths`).
    For each run s..e-1 of neighbouring test rows, training row i (with label end u_i) is purged if u_i >= s - purge and
    i <= max(u_s..u_{e-1}) + purge + embargo. So no training row, nor its label, is within ``purge`` bars of a test row or its label.

    Parameters
    ----------
    n : int
        Rows, at least one for each group.
    groups : int
        N, at least 2.
    test_groups : int
        k, at least 1 and less than N.
    purge : int
        Bars left out on both sides of test rows: at least the longest window that a feature looks back (z-score window,
        estimation lag).
    embargo : int
        Bars left out after test rows in addition, for what dies away slowly.
    ends : array_like of int, shape (n,), optional
        Position of the last row that row i's label rests on, i or later, for example the exit of the trade entered at i.
        By default each row ends in itself.

    Yields
    ------
    Fold

    Raises
    ------
    ConfigError
        If a number is out of range, or there are more than 200,000 splits.
    DataError
        If ``ends`` has another length, or ends before its row or after the last one.

    References
    ----------
    Lopez de Prado 2018, "Advances in Financial Machine Learning", chapters 7 and 12.
    """
    last = _checked(n, purge, embargo, ends)
    _combination(groups, test_groups)
    whole_number("n", n, groups)
    parts = np.array_split(np.arange(n), groups)
    return (
        _fold(number, chosen, np.concatenate([parts[g] for g in chosen]), last, purge, embargo)
        for number, chosen in enumerate(combinations(range(groups), test_groups))
    )


def walk_forward(  # noqa: PLR0913 - lengths and gaps
    n: int, *, train: int, test: int, purge: int = 0, anchored: bool = False, ends: ArrayLike | None = None
) -> Iterator[Fold]:
    """Yield walk-forward splits: fit on the past, test on what follows, step on by the length of the test.

    Test runs follow each other without gap or overlap from row ``train + purge`` on; the last one may be shorter. A training row whose
    label ends within ``purge`` bars of the test run, or in it, is purged. Since training rows are never later than test rows there is
    nothing to embargo.

    Parameters
    ----------
    n : int
        Rows, more than ``train + purge``.
    train, test : int
        Rows to fit on (with ``anchored`` in the first fold) and rows to test on, at least 1.
    purge : int
        Bars left out between the two.
    anchored : bool
        Fit on the whole past, not on its last ``train`` rows.
    ends : array_like of int, shape (n,), optional
        As in :func:`splits`.

    Yields
    ------
    Fold

    Raises
    ------
    ConfigError, DataError
        As :func:`splits`.
    """
    last = _checked(n, purge, 0, ends)
    whole_number("train", train, 1)
    whole_number("test", test, 1)
    if n <= train + purge:
        msg = f"n={n}: train={train} and purge={purge} leave no row to test; load more history or shorten them"
        raise ConfigError(msg)
    return (_past(number, start, n, train, test, purge, anchored, last) for number, start in enumerate(range(train + purge, n, test)))


def paths(groups: int, test_groups: int) -> np.ndarray:
    """Return which split tests each group on each path, shape (paths, groups): k C(N, k) / N paths through all groups.

    Parameters
    ----------
    groups, test_groups : int
        As in :func:`splits`.

    Raises
    ------
    ConfigError
        If a number is out of range.
    """
    _combination(groups, test_groups)
    tested: list[list[int]] = [[] for _ in range(groups)]
    for number, chosen in enumerate(combinations(range(groups), test_groups)):
        for g in chosen:
            tested[g].append(number)
    return np.array(tested, dtype=np.intp).T


def assemble(folds: Sequence[Fold], results: Sequence[ArrayLike]) -> Array:
    """Return the out-of-sample results as whole paths, shape (paths, n): each path has every row once.

    Parameters
    ----------
    folds : sequence of Fold
        All splits of :func:`splits`, in any order.
    results : sequence of array_like
        For each fold one number (a return, a prediction) for each of its test rows.

    Raises
    ------
    DataError
        If a result has another length than its test rows, or the folds do not test every row equally often.
    """
    if len(results) != len(folds) or not folds:
        msg = f"{len(results)} results for {len(folds)} folds: give one for each"
        raise DataError(msg)
    pairs = sorted(zip(folds, results, strict=True), key=lambda pair: pair[0].number)
    n = max(len(fold.train) + len(fold.test) + fold.purged for fold in folds)
    seen = np.zeros(n, dtype=np.intp)
    for fold in folds:
        seen[fold.test] += 1
    if (seen != seen[0]).any():
        row = int(np.flatnonzero(seen != seen[0])[0])
        msg = f"row {row} is tested {seen[row]} times, row 0 {seen[0]} times: give all folds of one call of splits, each once"
        raise DataError(msg)
    out, level = np.full((seen[0], n), np.nan), np.zeros(n, dtype=np.intp)
    for fold, result in pairs:
        values = np.asarray(result, dtype=np.float64)
        if values.shape != fold.test.shape:
            msg = f"result of fold {fold.number} has shape {values.shape}, its test rows {fold.test.shape}: give one number for each"
            raise DataError(msg)
        out[level[fold.test], fold.test] = values
        level[fold.test] += 1
    return out


def _checked(n: int, purge: int, embargo: int, ends: ArrayLike | None) -> Rows:
    whole_number("n", n, 2)
    whole_number("purge", purge, 0)
    whole_number("embargo", embargo, 0)
    own = np.arange(n)
    if ends is None:
        return own
    last = np.asarray(ends)
    if last.shape != (n,) or not np.issubdtype(last.dtype, np.integer):
        msg = f"ends has shape {last.shape} and type {last.dtype}: give {n} whole numbers, the row in which each row's label is decided"
        raise DataError(msg)
    wrong = np.flatnonzero((last < own) | (last >= n))
    if wrong.size:
        i = int(wrong[0])
        msg = f"ends is {last[i]} at position {i}: must lie from {i} to {n - 1}; a label ends in its own row or later"
        raise DataError(msg)
    return last.astype(np.intp)


def _combination(groups: int, test_groups: int) -> None:
    whole_number("groups", groups, 2)
    whole_number("test_groups", test_groups, 1)
    if test_groups >= groups:
        msg = f"test_groups={test_groups}: must be less than groups={groups}, or nothing is left to fit on"
        raise ConfigError(msg)
    if comb(groups, test_groups) > MAX_FOLDS:
        msg = f"groups={groups}, test_groups={test_groups}: {comb(groups, test_groups):,} splits; at most {MAX_FOLDS:,}, give fewer groups"
        raise ConfigError(msg)


def _fold(  # noqa: PLR0913 - one step of splits
    number: int, groups: tuple[int, ...], test: Rows, last: Rows, purge: int, embargo: int
) -> Fold:
    n = len(last)
    free = np.ones(n, dtype=np.bool_)
    free[test] = False
    for run in np.split(test, np.flatnonzero(np.diff(test) > 1) + 1):
        until = int(last[run].max()) + purge + embargo
        free[: until + 1] &= last[: until + 1] < run[0] - purge
    train = np.flatnonzero(free)
    return Fold(number, train, test, groups, n - len(train) - len(test))


def _past(number: int, start: int, n: int, train: int, test: int, purge: int, anchored: bool, last: Rows) -> Fold:  # noqa: FBT001, PLR0913 - one step of walk_forward
    end = start - purge
    rows = np.arange(0 if anchored else end - train, end)
    kept = rows[last[rows] < start - purge]
    return Fold(number, kept, np.arange(start, min(start + test, n)), (number,), len(rows) - len(kept) + purge)
