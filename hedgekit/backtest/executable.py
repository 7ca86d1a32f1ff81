"""Profit at mid prices beside profit at executable prices, trade by trade (L10: never the one without the other).

The same trades are valued twice. At mid: every order is done at once, in full, at the mid on which it was decided, for
nothing; that is what a backtest on mid prices shows. At the book: as it was filled. The difference is told in parts:

    pnl_book = pnl_mid - delay - spread - fee

``delay`` is what the mid moved against the order between decision and fill, ``spread`` the way from the mid to the price
paid at that moment, on every level that was walked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from hedgekit.data.books import Books

EXECUTIONS = {
    "ts": "",
    "trade": "int64",
    "order_id": "",
    "leg": "int64",
    "instrument": "",
    "qty": "float64",
    "price": "float64",
    "level": "int64",
    "mid": "float64",
    "mid_decided": "float64",
    "two_sided": "bool",
    "fee": "float64",
}
"""Columns of ``EventReplay.executions`` and their types."""

REFUSALS = {"ts": "", "order_id": "", "instrument": "", "left": "float64", "why": ""}
"""Columns of ``EventReplay.refusals`` and their types."""

TRADES = ("opened", "closed", "exit", "qty", "left", "fills", "levels", "pnl_mid", "delay", "spread", "fee", "pnl_book")
"""Columns of :func:`trades_of`."""


def trades_of(executions: pd.DataFrame, books: Books) -> pd.DataFrame:
    """Return one row for each trade, valued at mid and at the book.

    Parameters
    ----------
    executions : DataFrame
        Of an :class:`~hedgekit.backtest.events.EventReplay`.
    books : Books
        What was replayed: multipliers, payout, and the last mids and levels.

    Returns
    -------
    DataFrame
        Index ``trade``. ``opened``, ``closed`` (UTC): first and last fill. ``exit``: ``traded``, ``settled`` (what was left
        was paid out) or ``open`` (valued at the end of the books). ``qty``: largest position of the primary, signed; of
        the first leg that traded, if the primary did not. ``left``: its quantity at the end. ``fills``; ``levels``: the
        deepest level that was reached, 1 for the touch. Money in the quote currency: ``pnl_mid``, ``delay``, ``spread``,
        ``fee``, ``pnl_book``.

    Notes
    -----
    What is left pays the same in both columns if it is settled. If it is ``open``, ``pnl_mid`` takes the last mid and
    ``pnl_book`` what walking the last recorded book would give; the difference counts as spread. NaN where that book
    could not take it all: no price was there.
    """
    rows = {int(trade): _trade(executions[executions["trade"] == trade], books) for trade in np.unique(executions["trade"].to_numpy())}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=list(TRADES))
    for name in ("opened", "closed"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    kinds = {name: "int64" if name in {"fills", "levels"} else "float64" for name in TRADES[3:]}
    return frame.astype(kinds).rename_axis("trade")


def _trade(fills: pd.DataFrame, books: Books) -> list[object]:
    unit = np.array([float(books.instruments[leg].multiplier) for leg in fills["leg"].tolist()])
    qty, price, mid, decided = (fills[name].to_numpy() for name in ("qty", "price", "mid", "mid_decided"))
    fee = float(fills["fee"].sum())
    delay, spread = float((qty * (mid - decided) * unit).sum()), float((qty * (price - mid) * unit).sum())
    pnl_mid = -float((qty * decided * unit).sum())
    legs = fills["leg"].to_numpy()
    left = {int(leg): _clean(float(qty[legs == leg].sum()), books, int(leg)) for leg in np.unique(legs)}
    still_held = {leg: held for leg, held in left.items() if held}
    for leg, held in still_held.items():
        at_mid, at_book = _worth(books, leg, held)
        pnl_mid, spread = pnl_mid + at_mid, spread + at_mid - at_book
    shown = min(left)
    path = fills.loc[fills["leg"] == shown, "qty"].cumsum()
    largest = float(path.iloc[int(np.argmax(np.abs(path.to_numpy())))])
    how = "traded" if not still_held else "open" if books.payout is None else "settled"
    head = [fills["ts"].iloc[0], fills["ts"].iloc[-1], how, largest, left[shown], len(fills), int(fills["level"].max())]
    return [*head, pnl_mid, delay, spread, fee, pnl_mid - delay - spread - fee]


def _clean(held: float, books: Books, leg: int) -> float:
    """Take the dust of binary sums off a sum of whole lots."""
    lot = float(books.instruments[leg].lot)
    return 0.0 if abs(held) < lot / 2 else held


def _worth(books: Books, leg: int, held: float) -> tuple[float, float]:
    """Return what a position is worth at the end, at mid and at the book."""
    if books.payout is not None:
        paid = held * books.payout[leg]
        return paid, paid
    unit = float(books.instruments[leg].multiplier)
    mids = books.mid[:, leg]
    there = np.flatnonzero(~np.isnan(mids))
    walk = books.walk(int(np.flatnonzero(books.recorded[:, leg])[-1]), leg, -held)
    price = walk.price if walk.filled >= abs(held) * (1 - 1e-12) else np.nan
    return held * float(mids[there[-1]]) * unit if there.size else np.nan, held * price * unit
