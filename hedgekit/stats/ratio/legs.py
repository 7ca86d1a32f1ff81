"""Checked prices in the terms in which a ratio is fitted, and what a method returns from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.data import Array
from hedgekit.stats.fit import DOLLARS, UNIT
from hedgekit.stats.inputs import Panel
from hedgekit.types import Evidence

if TYPE_CHECKING:
    from hedgekit.stats.fit import On


@dataclass(frozen=True, eq=False, slots=True)
class Legs:
    """Prices of a primary and its hedges, and what a ratio is fitted on.

    Attributes
    ----------
    panel : Panel
        Prices, primary first.
    on : str
        What ``y`` and ``x`` are.
    y : float64 array, shape (m,)
        The primary: returns, changes, or levels (log prices less their first value).
    x : float64 array, shape (m, hedges)
        The hedges, alike.
    moves : float64 array, shape (n - 1, 1 + hedges)
        Log returns (ratio in dollars) or price changes (ratio in units), primary first: what hedging is judged on.
    """

    panel: Panel
    on: str
    y: Array
    x: Array
    moves: Array

    @property
    def names(self) -> str:
        """The legs for a message: primary and hedges."""
        return " and ".join(self.panel.names)

    @property
    def levels(self) -> bool:
        """Whether ``y`` and ``x`` are prices, not their differences."""
        return len(self.y) == len(self.panel)

    def first(self, rows: int) -> Legs:
        """Return the first ``rows`` price rows."""
        used = rows if self.levels else rows - 1
        return replace(self, panel=self.panel.rows(0, rows), y=self.y[:used], x=self.x[:used], moves=self.moves[: rows - 1])


def legs_of(panel: Panel, on: On) -> Legs:
    """Return checked prices in the terms in which a ratio is fitted."""
    prices = panel.data if on in ("changes", "prices") else panel.positive().data
    logs = np.log(prices / prices[0]) if UNIT[on] == DOLLARS else prices
    moves = np.diff(logs, axis=0)
    z = {"log prices": logs, "prices": prices, "log returns": moves, "changes": moves}.get(on)
    if z is None:
        z = np.diff(prices, axis=0) / prices[:-1]
    return Legs(panel, on, z[:, 0], z[:, 1:], moves)


@dataclass(frozen=True, eq=False, slots=True)
class Estimate:
    """What a method returns.

    ``path``, shape (m, 2), has ratio and standard error known at each row's end; NaN before there is one. Two more columns
    may follow: the same given all rows, which looks ahead.
    """

    ratios: Array
    stderrs: Array
    n: int
    df: float = float("inf")
    effective_n: float = float("nan")
    details: Mapping[str, float] = field(default_factory=dict)
    tests: tuple[Evidence, ...] = ()
    warnings: tuple[str, ...] = ()
    path: Array | None = None


Method = Callable[[Legs, int], Estimate]
"""From the legs, and the number of observations that constants may be estimated on, to an estimate."""
