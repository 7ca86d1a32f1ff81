"""What was paid: costs split by kind, and P&L before and after them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from hedgekit.errors import ConfigError, DataError
from hedgekit.metrics.frames import BPS, NAN, column

if TYPE_CHECKING:
    from collections.abc import Collection

COST_PARTS = ("fee", "half_spread", "slippage", "funding", "borrow")
"""Kinds of cost, as :func:`cost_split` wants its columns named."""


def fill_costs(fills: pd.DataFrame) -> pd.DataFrame:
    """Return fee, half-spread and slippage of each fill, money, + when paid, from the journal's ``fills()``.

    ``half_spread`` is the price against the mid of the quote that filled it. ``slippage`` is that mid against the touch that was
    decided on, so it starts at minus the half-spread that was expected anyway. Together with the fee they are
    all that the fill cost against the price decided on: ``fee + (price - expected) x quantity x multiplier``. Funding and borrow are
    no part of a fill: join them from the venue's statement and give the whole to :func:`cost_split`.

    Parameters
    ----------
    fills : DataFrame
        Columns ``fee, spread_cost, slippage``, money.

    Returns
    -------
    DataFrame
        Columns ``fee, half_spread, slippage``, index of ``fills``. NaN where the journal has NaN.
    """
    spread = column(fills, "spread_cost")
    parts = {"fee": column(fills, "fee"), "half_spread": spread, "slippage": column(fills, "slippage") - spread}
    return pd.DataFrame(parts, index=fills.index)


def cost_split(costs: pd.DataFrame, *, parts: Collection[str] = COST_PARTS, notional: float | None = None) -> pd.DataFrame:
    """Sum costs by kind.

    Parameters
    ----------
    costs : DataFrame
        One row for each fill, trade or bar; columns named in ``parts``, money, + when paid (funding received is negative).
    parts : collection of str
        Which kinds: by default all five. A kind that is wanted and not there is an error, not a zero.
    notional : float, optional
        Money that the basis points are of; above zero.

    Returns
    -------
    DataFrame
        Index ``part``, in the order of ``parts``, with ``total`` last. Columns ``money``; ``share_frac`` of the total, NaN
        unless the total is above zero; ``bps`` of ``notional``, NaN without one.

    Raises
    ------
    ConfigError
        For an unknown part, or a notional not above zero.
    DataError
        If a column is missing, or a cost is not a number.
    """
    unknown = [part for part in parts if part not in COST_PARTS]
    if unknown or not len(parts):
        msg = f"parts={list(parts)!r}: choose one or more of {', '.join(COST_PARTS)}"
        raise ConfigError(msg)
    if notional is not None and not notional > 0:
        msg = f"notional={notional!r}: must be above 0 (money)"
        raise ConfigError(msg)
    money = pd.Series({part: _paid(costs, part) for part in parts}, dtype="float64")
    money["total"] = total = float(money.sum())
    share = money / total if total > 0 else money * NAN
    bps = money * NAN if notional is None else money / notional * BPS
    return pd.DataFrame({"money": money, "share_frac": share, "bps": bps}).rename_axis("part")


def _paid(costs: pd.DataFrame, part: str) -> float:
    if part not in costs.columns:
        has = ", ".join(map(str, costs.columns))
        msg = f"no column {part!r} in a frame with {has}: add it, or leave {part!r} out of parts= if none is charged"
        raise DataError(msg)
    paid = column(costs, part)
    for row, value in enumerate(paid):
        if not abs(value) < float("inf"):
            msg = f"costs: {part} is {value} at row {row} ({costs.index[row]}); give what was paid, 0 if nothing was"
            raise DataError(msg)
    return float(paid.sum())


@dataclass(frozen=True, slots=True)
class GrossNet:
    """P&L of closed trades in money: gross at mids, the costs, and net at executable prices; of both legs and of the primary alone."""

    gross_hedged: float
    cost_hedged: float
    net_hedged: float
    gross_unhedged: float
    cost_unhedged: float
    net_unhedged: float


def gross_and_net(trades: pd.DataFrame) -> GrossNet:
    """Return P&L before and after costs: profit at mid prices never without profit at executable ones (L10).

    ``gross - cost = net``. The unhedged figures are the primary leg of the same trades. Open trades count if they are given. No trade gives
    zeros; NaN in a column gives NaN.

    Parameters
    ----------
    trades : DataFrame
        Columns ``gross_hedged, gross_unhedged, hedged, unhedged``, money.
    """
    sums = [float(column(trades, name).sum()) for name in ("gross_hedged", "hedged", "gross_unhedged", "unhedged")]
    return GrossNet(sums[0], sums[0] - sums[1], sums[1], sums[2], sums[2] - sums[3], sums[3])
