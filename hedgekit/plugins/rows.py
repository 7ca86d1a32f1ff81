"""The bars so far, in one array that grows without being copied at each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hedgekit.plugins.checks import Array

_FIRST = 256


class Rows:
    """Mids of closed bars, oldest first."""

    def __init__(self) -> None:
        self._room: Array = np.empty((0, 0))
        self._count = 0

    def __len__(self) -> int:
        """Return the number of bars."""
        return self._count

    @property
    def mids(self) -> Array:
        """All of them, shape (bars, legs): a view, valid until more are added."""
        return self._room[: self._count]

    def add(self, rows: Array) -> None:
        """Add bars, shape (bars, legs)."""
        count = self._count + len(rows)
        if count > len(self._room):
            room = np.empty((max(_FIRST, 2 * count), rows.shape[1]))
            if self._count:
                room[: self._count] = self.mids
            self._room = room
        self._room[self._count : count] = rows
        self._count = count
