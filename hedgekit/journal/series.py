"""Points for a plot that never has too many: recent ones whole, older ones thinned so that extremes stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

CAPACITY = 5_000


class Series:
    """Columns of equal length that grow at their end.

    When there are more than twice ``capacity`` points, the older ones are thinned: of each stretch of time the first, the last
    and every column's lowest and highest point stay. So an append costs the same however long a session is.

    Parameters
    ----------
    columns : sequence of str
        The first one is the place on the axis, which is not looked at for extremes.
    capacity : int
        Points kept after thinning, half of them recent ones.
    """

    def __init__(self, columns: Sequence[str], capacity: int = CAPACITY) -> None:
        self._columns: dict[str, list[Any]] = {name: [] for name in columns}
        self._capacity = capacity
        self.total = 0
        """Points seen."""

    def __len__(self) -> int:
        """Return the number of points kept."""
        return len(next(iter(self._columns.values())))

    def columns(self) -> dict[str, list[Any]]:
        """Return copies of all columns."""
        return {name: list(values) for name, values in self._columns.items()}

    def extend(self, rows: Mapping[str, Sequence[Any]]) -> Literal["append", "replace"]:
        """Take new points; "replace" says that older ones were thinned, so that a plot must take all columns anew."""
        for name, values in self._columns.items():
            values.extend(rows[name])
        self.total += len(rows[next(iter(self._columns))])
        if len(self) <= 2 * self._capacity:
            return "append"
        keep = self._thin()
        self._columns = {name: [values[at] for at in keep] for name, values in self._columns.items()}
        return "replace"

    def _thin(self) -> list[int]:
        old = len(self) - self._capacity // 2
        numbers = [np.asarray(values[:old], dtype=np.float64) for values in list(self._columns.values())[1:] if not _is_text(values)]
        stretches = max(self._capacity // 2 // (2 * len(numbers) + 2), 1)
        keep = set(range(old, len(self)))
        for low, high in zip(edges := np.linspace(0, old, stretches + 1).astype(int), edges[1:], strict=False):
            keep |= {int(low), int(high) - 1}
            for column in numbers:
                part = column[low:high]
                if not np.isnan(part).all():
                    keep |= {int(low + np.nanargmin(part)), int(low + np.nanargmax(part))}
        return sorted(keep)


def _is_text(values: Sequence[Any]) -> bool:
    return bool(values) and isinstance(values[0], str)
