"""A session's trades at mid beside at the book (L10): what its journal says, on the books that it was played on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hedgekit.backtest.executable import EXECUTIONS, trades_of
from hedgekit.errors import DataError
from hedgekit.types import Decision, Fill, Order

if TYPE_CHECKING:
    from hedgekit.data.books import Books
    from hedgekit.data.tape import Array
    from hedgekit.journal import Journal


def executable(journal: Journal, books: Books) -> pd.DataFrame:
    """Return one row for each trade of a session, valued at mid and at the book.

    Parameters
    ----------
    journal : Journal
        Of a session that was played on these books.
    books : Books
        With every instrument that it traded.

    Returns
    -------
    DataFrame
        :func:`hedgekit.backtest.executable.trades_of`: ``pnl_book = pnl_mid - delay - spread - fee``. What is left at the end is paid
        out if the books say what it paid.

    Raises
    ------
    DataError
        If the session traded what is not in the books, or before they begin.

    Notes
    -----
    A fill is laid on the last row that was recorded when the session heard of it: venues write times of executions in units as
    coarse as a second. ``level`` is 1 and how many levels of that row were better than what was paid.
    """
    decided: dict[str, tuple[Order, float]] = {}
    rows = []
    legs, mids = [instrument.key for instrument in books.instruments], _standing(books)
    for record in journal.records():
        if isinstance(record, Decision):
            decided |= {order.order_id: (order, _mid(record.mids[order.leg])) for order in record.orders}
        elif isinstance(record, Fill) and record.cause != "settlement":  # what is left is paid out below, as the books say
            if record.instrument not in legs or record.ts_ns < books.ts_ns[0]:
                msg = f"fill {record.fill_id} in {record.instrument} at {pd.Timestamp(record.ts_ns, tz='UTC')}: the books have no row of it"
                raise DataError(msg)
            order, mid = decided[record.order_id]
            rows.append(_row(record, order, mid, books, mids))
    frame = pd.DataFrame(rows, columns=list(EXECUTIONS)).astype({name: kind for name, kind in EXECUTIONS.items() if kind})
    return trades_of(frame.assign(ts=pd.to_datetime(frame["ts"].astype("int64"), unit="ns", utc=True)), books)


def _mid(mid: float | None) -> float:
    return np.nan if mid is None else mid


def _standing(books: Books) -> Array:
    """Return the mid that stood at each row: the last one that there was."""
    return pd.DataFrame(books.mid).ffill().to_numpy()


def _row(fill: Fill, order: Order, decided: float, books: Books, mids: Array) -> tuple[object, ...]:
    leg = [instrument.key for instrument in books.instruments].index(fill.instrument)
    row = int(np.searchsorted(books.ts_ns, fill.ts_ns, side="right")) - 1
    qty, price = float(fill.qty), float(fill.price)
    side = books.ask_px[row, leg] if qty > 0 else books.bid_px[row, leg]
    better = side < price if qty > 0 else side > price
    two_sided = not np.isnan(books.mid[row, leg])
    head = (int(books.ts_ns[row]), order.trade, order.order_id, leg, fill.instrument, qty, price)
    return (*head, 1 + int(better.sum()), mids[row, leg], decided, two_sided, float(fill.fee))
