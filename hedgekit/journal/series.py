"""A curve of any length in few points: the newest whole, older ones thinned so that what shows in a plot stays.

Old points are kept by stretches of equal numbers of points: the lowest, the
highest and an undefined one of every column in each. When the old points grow
too many, stretches of double length take their place; as these are made of
whole old ones, the extremes kept are those of all points ever seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from hedgekit.errors import ConfigError
from hedgekit.journal.news import Floats

Ints = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

CAPACITY = 5_000


def extremes(columns: Sequence[Floats], stretch: Ints) -> Ints:
    """Return which points to keep, sorted: in each stretch the lowest and highest of each column, and one that is NaN.

    Parameters
    ----------
    columns : sequence of arrays, each of shape (n,)
        What is drawn.
    stretch : array of int, shape (n,)
        Which stretch each point is in; never falling.
    """
    if not len(stretch):
        return np.empty(0, dtype=np.int64)
    first = np.flatnonzero(np.diff(stretch, prepend=stretch[0] - 1))
    last = np.append(first[1:], len(stretch)) - 1
    keep = [np.empty(0, dtype=np.int64)]
    for values in columns:
        rising, falling = np.lexsort((values, stretch)), np.lexsort((-values, stretch))  # NaN stands last in both
        keep += [rising[first], falling[first], rising[last][np.isnan(values[rising[last]])]]
    return np.unique(np.concatenate(keep))


class Series:
    """Columns of points for a plot, at most ``capacity`` of them.

    The cost of a point does not depend on how many came before.

    Parameters
    ----------
    columns : sequence of str
        Names; the first is the axis, and extremes of the others are kept.
    capacity : int
        Most points kept; at least 100 for each column, so that thinned stretches are still many.

    Examples
    --------
    >>> series = Series(("ts", "z"), capacity=1_000)
    >>> series.extend({"ts": [1.0, 2.0], "z": [0.5, -0.5]})
    'append'
    """

    def __init__(self, columns: Sequence[str], capacity: int = CAPACITY) -> None:
        self.names = tuple(columns)
        least = 100 * len(self.names)
        if not self.names or capacity < least:
            msg = f"columns={self.names!r}, capacity={capacity}: give at least one column, and a capacity of {least} or more"
            raise ConfigError(msg)
        self._capacity = capacity
        self._row = np.empty(0, dtype=np.int64)
        self._table: Floats = np.empty((len(self.names), 0))
        self._width = 1
        self.total = 0
        """Points seen."""

    def __len__(self) -> int:
        """Return how many points are kept."""
        return len(self._row)

    def columns(self) -> dict[str, Floats]:
        """Return what is kept, in order, as copies."""
        return {name: values.copy() for name, values in zip(self.names, self._table, strict=True)}

    def extend(self, arrays: Mapping[str, Sequence[float] | Floats]) -> Literal["append", "replace"]:
        """Take further points.

        Parameters
        ----------
        arrays : mapping of str to array of float, each of shape (new points,)
            All columns of the series; others are left out.

        Returns
        -------
        "append" or "replace"
            Whether a plot of it only needs these points added, or must be drawn anew from :meth:`columns`.

        Raises
        ------
        ConfigError
            If a column is missing or the columns are not of one length.
        """
        try:
            new = np.array([np.asarray(arrays[name], dtype=np.float64) for name in self.names]).reshape(len(self.names), -1)
        except (KeyError, ValueError) as error:
            msg = f"a series of {', '.join(self.names)} needs each of them, of one length: {error}"
            raise ConfigError(msg) from None
        self._row = np.append(self._row, np.arange(self.total, self.total + new.shape[1]))
        self._table = np.concatenate([self._table, new], axis=1)
        self.total += new.shape[1]
        if len(self._row) <= self._capacity:
            return "append"
        self._thin()
        return "replace"

    def _thin(self) -> None:
        """Thin all but the newest eighth of the room, to at most five eighths of it: so there is room for a while."""
        old = len(self._row) - self._capacity // 8
        while True:
            kept = extremes(list(self._table[1:, :old]), self._row[:old] // self._width)
            if len(kept) <= 5 * self._capacity // 8:
                break
            self._width *= 2
        keep = np.concatenate([kept, np.arange(old, len(self._row))])
        self._row, self._table = self._row[keep], self._table[:, keep]
