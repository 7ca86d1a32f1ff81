"""The corridor's figures and their standard errors, from sums over groups of histories.

Every figure is a function of sums over histories, so leaving a group out is a subtraction, and one jackknife serves
means, sds, ratios and differences alike, whatever hangs together inside a history.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from hedgekit.data import Array
from hedgekit.stats.thresholds.histories import COLUMNS

MODELS: Final = ("intact", "broken")
_GROUPS = 50
Rows = np.ndarray[tuple[int], np.dtype[np.intp]]
"""Positions of rules."""
_NAMES = (*COLUMNS, "pnl_squares", "histories")


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over histories, in stationary sd.

    Attributes
    ----------
    groups : float64 array, shape (groups, rules, columns + 2)
        For each group of histories; the last two columns are the squared P&L of a history and the number of histories.
    gap_worst : float64 array, shape (rules,)
        Largest overshoot of a stop.
    bars : int
        In a history.
    """

    groups: Array
    gap_worst: Array
    bars: int


def group_sums(rows: Array, bars: int) -> Sums:
    """Return the sums of rows of shape (histories, rules, columns), in 50 groups of neighbours."""
    extra = np.stack([rows[..., 0] ** 2, np.ones(rows.shape[:2])], axis=-1)
    whole = np.concatenate([rows, extra], axis=-1)
    starts = np.linspace(0, len(rows), _GROUPS, endpoint=False).astype(np.int64)
    return Sums(np.add.reduceat(whole, starts, axis=0), rows[..., COLUMNS.index("gap_worst")].max(axis=0), bars)


@dataclass(frozen=True, slots=True)
class Totals:
    """Named sums; every array has shape (rules,) or (groups, rules)."""

    sums: Array
    bars: int

    def __getitem__(self, name: str) -> Array:
        """Return one column's sums."""
        return self.sums[..., _NAMES.index(name)]


def _ratio(above: Array, below: Array) -> Array:
    """Quotient; NaN where the denominator is 0."""
    quotient: Array = np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below != 0)
    return quotient


def _sd(total: Array, squares: Array, n: Array) -> Array:
    """Sample sd with n - 1; NaN below two."""
    return np.sqrt(np.maximum(_ratio(squares - _ratio(total * total, n), np.maximum(n - 1, 0)), 0))


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure: how it is made of sums, and whether it is money."""

    of: Callable[[Totals], Array]
    money: bool = False


def _bar_sharpe(t: Totals) -> Array:
    n = t["histories"] * t.bars
    return _ratio(t["pnl"] / n, _sd(t["pnl"], t["squares"], n))


FIGURES: Final[dict[str, Figure]] = {
    "pnl": Figure(lambda t: _ratio(t["pnl"], t["histories"]), money=True),
    "pnl_sd": Figure(lambda t: _sd(t["pnl"], t["pnl_squares"], t["histories"]), money=True),
    "sharpe_history": Figure(lambda t: _ratio(t["pnl"] / t["histories"], _sd(t["pnl"], t["pnl_squares"], t["histories"]))),
    "pnl_per_bar": Figure(lambda t: t["pnl"] / (t["histories"] * t.bars), money=True),
    "sharpe_bar": Figure(_bar_sharpe),
    "trades": Figure(lambda t: _ratio(t["trades"], t["histories"])),
    "trade_pnl": Figure(lambda t: _ratio(t["pnl"], t["trades"]), money=True),
    "trade_sd": Figure(lambda t: _sd(t["pnl"], t["trade_squares"], t["trades"]), money=True),
    "sharpe_trade": Figure(lambda t: _ratio(_ratio(t["pnl"], t["trades"]), _sd(t["pnl"], t["trade_squares"], t["trades"]))),
    "drawdown": Figure(lambda t: _ratio(t["drawdown"], t["histories"]), money=True),
    "share_stopped": Figure(lambda t: _ratio(t["stopped"], t["trades"])),
    "gap_loss": Figure(lambda t: _ratio(t["gap"], t["stopped"]), money=True),
    "gap_per_history": Figure(lambda t: _ratio(t["gap"], t["histories"]), money=True),
    "held": Figure(lambda t: _ratio(t["held"], t["trades"])),
    "share_timed_out": Figure(lambda t: _ratio(t["timed_out"], t["trades"])),
    "share_unfinished": Figure(lambda t: _ratio(t["unfinished"], t["trades"])),
}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure of every rule, and its standard error."""

    value: Array
    error: Array


def jackknife(sums: Sums, of: Callable[[Totals], Array], rules: Rows | None = None, less: Rows | None = None) -> Estimate:
    """Return a figure of all rules, or the differences between the figures of ``rules`` and ``less``, with standard errors.

    Delete-a-group jackknife: sqrt((g - 1) / g x the sum of squared deviations). NaN if a group left out leaves no figure.
    """
    total = sums.groups.sum(axis=0)
    value, left = of(Totals(total, sums.bars)), of(Totals(total - sums.groups, sums.bars))
    if rules is not None and less is not None:
        value, left = value[rules] - value[less], left[:, rules] - left[:, less]
    g = len(left)
    return Estimate(value, np.sqrt((g - 1) / g * ((left - left.mean(axis=0)) ** 2).sum(axis=0)))
