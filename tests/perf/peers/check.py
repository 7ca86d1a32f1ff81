"""Whether two contestants did the same: the same fills, the same money, to :data:`EQUAL`. Compared before any time is."""

from __future__ import annotations

import numpy as np

EQUAL = 1e-6
COLUMNS = ("row", "leg", "quantity", "price", "fee")
FIGURES = ("P&L", "Sharpe", "drawdown", "trades")
Answer = dict[str, np.ndarray]


def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return where numbers differ by more than ``EQUAL``, absolute for small ones and relative for large; NaN equals NaN only."""
    far = ~(np.abs(one - other) <= EQUAL * np.maximum(1.0, np.abs(one)))
    where: np.ndarray = far & ~(np.isnan(one) & np.isnan(other))
    return where


def trade_pnl(fills: np.ndarray) -> np.ndarray:
    """Return the P&L of each round trip, shape (closed trades,), from fills (row, leg, quantity, price, fee) in time order."""
    money = -fills[:, 2] * fills[:, 3] - fills[:, 4]
    held = np.column_stack([np.cumsum(np.where(fills[:, 1] == leg, fills[:, 2], 0.0)) for leg in range(2)])
    flat = np.flatnonzero(np.all(np.abs(held) < EQUAL, axis=1))
    return np.diff(np.cumsum(money)[flat], prepend=0.0)


def total_pnl(fills: np.ndarray, last: np.ndarray) -> float:
    """Return the P&L of all fills, what is still held being worth ``last``, the legs' last prices."""
    money = -fills[:, 2] * fills[:, 3] - fills[:, 4]
    return float(money.sum() + (fills[:, 2] * last[fills[:, 1].astype(int)]).sum())


def _first(kind: str, one: np.ndarray, other: np.ndarray, columns: tuple[str, ...]) -> list[str]:
    if one.shape != other.shape:
        return [f"{kind}: {len(one)} of ours, {len(other)} of theirs"]
    found = np.argwhere(apart(one, other))
    if not len(found):
        return []
    at = tuple(found[0])
    name = f" {columns[at[1]]}" if len(at) > 1 else ""
    return [f"{kind} {at[0]}:{name} {float(one[at])!r} of ours, {float(other[at])!r} of theirs; {len(found)} differences in all"]


def differences(ours: Answer, theirs: Answer, last: np.ndarray | None = None) -> list[str]:
    """Return what differs, in words; nothing if all is equal.

    Parameters
    ----------
    ours, theirs : dict of str to ndarray
        ``fills``, shape (n, 5), and if known ``pnl``, the contestant's own sums; or ``figures``, shape (combinations, 4).
    last : float64 array, shape (2,), optional
        Last prices of the legs; with fills only.
    """
    if "figures" in ours:
        return _first("combination", ours["figures"], theirs["figures"], FIGURES)
    assert last is not None, "fills are worth nothing without last prices"
    found = _first("fill", ours["fills"], theirs["fills"], COLUMNS)
    found += _first("P&L of trade", trade_pnl(ours["fills"]), trade_pnl(theirs["fills"]), ())
    for whose, answer in (("ours", ours), ("theirs", theirs)):
        own, counted = answer.get("pnl"), total_pnl(ours["fills"], last)
        if own is not None and apart(np.array(counted), own).any():
            found.append(f"P&L: our fills make {counted!r}, the books of {whose} say {own.tolist()!r}")
    return found
