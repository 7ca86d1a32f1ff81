"""What a session's journal holds about its executions: orders with their ends, fills, and the quotes in force at the venue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hedgekit.journal.frames import column, times
from hedgekit.journal.story import leg_of
from hedgekit.types import Cancelled, Decision, Quote, Reject

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hedgekit.data.tape import Array, Stamps
    from hedgekit.journal import Journal
    from hedgekit.types import Instrument

NAT = np.iinfo(np.int64).min
"""How a missing time looks as int nanoseconds."""


@dataclass(frozen=True, eq=False, slots=True)
class Quotes:
    """Quotes of one instrument, by the venue's time.

    Attributes
    ----------
    ts_ns, venue_ns : int64 arrays, shape (n,)
        When they were heard, and when the venue had them (not decreasing).
    bid, ask, bid_size, ask_size : float64 arrays, shape (n,)
    """

    ts_ns: Stamps
    venue_ns: Stamps
    bid: Array
    ask: Array
    bid_size: Array
    ask_size: Array

    @classmethod
    def of(cls, quotes: Sequence[Quote]) -> Quotes:
        """Return quotes as arrays; those of one venue time stay in the order heard."""
        venue_ns = np.array([quote.venue_ns for quote in quotes], dtype=np.int64)
        order = np.argsort(venue_ns, kind="stable")
        ts_ns = np.array([quote.ts_ns for quote in quotes], dtype=np.int64)
        sides = (np.array([getattr(quote, name) for quote in quotes], dtype=np.float64)[order] for name in _SIDES)
        return cls(ts_ns[order], venue_ns[order], *sides)

    @property
    def mid(self) -> Array:
        """Mid prices, shape (n,)."""
        return 0.5 * (self.bid + self.ask)

    def matchable(self) -> Quotes:
        """Return those that an order could meet: both sides there, and not crossed."""
        keep = (self.bid > 0) & (self.bid < self.ask)  # False also where either is NaN; a side that is not there is 0
        return Quotes(self.ts_ns[keep], self.venue_ns[keep], *(getattr(self, name)[keep] for name in _SIDES))


_SIDES = ("bid", "ask", "bid_size", "ask_size")


@dataclass(frozen=True, eq=False, slots=True)
class Executions:
    """All that a calibration needs of a session.

    Attributes
    ----------
    session : str
    instruments : tuple of Instrument
        In leg order.
    orders : DataFrame
        :func:`hedgekit.journal.frames.orders`, with ``ended`` (when the session heard that the order was cancelled or refused; NaT if it
        did not) and ``mid_decided`` (mid of its instrument in the decision; NaN if there was none).
    fills : DataFrame
        :func:`hedgekit.journal.frames.fills`.
    trades : DataFrame
        :func:`hedgekit.journal.performance.trades`.
    quotes : dict of str to Quotes
        By instrument key; those heard.
    last_ns : int
        Time of the last order, fill, quote or order's end: until then the orders were watched.
    """

    session: str
    instruments: tuple[Instrument, ...]
    orders: pd.DataFrame
    fills: pd.DataFrame
    trades: pd.DataFrame
    quotes: dict[str, Quotes]
    last_ns: int


def ns(column: pd.Series) -> Stamps:
    """Return a column of UTC times as int nanoseconds; NaT is :data:`NAT`."""
    found: Stamps = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy(dtype="M8[ns]").astype(np.int64)
    return found


def read(journal: Journal) -> Executions:
    """Read a journal, running or ended.

    Raises
    ------
    JournalError
        If it has no record yet.
    """
    started, decisions, fills = journal.started, journal.decisions(), journal.fills()
    ended = {
        record.order_id: record.ts_ns for record in journal.records(types=[Cancelled, Reject]) if isinstance(record, Cancelled | Reject)
    }
    orders = journal.orders()
    mids = _mids(journal)
    orders = orders.assign(
        ended=times(ended.get(name) for name in orders["order_id"]),
        mid_decided=column([mids.get(name) for name in orders["order_id"]], "float"),
    )
    quotes = quotes_of(journal)
    known = [*(ns(frame[name]).max(initial=NAT) for frame, name in ((orders, "ts"), (fills, "ts"), (decisions, "ts"), (orders, "ended")))]
    last = max([*map(int, known), *(int(q.ts_ns.max(initial=NAT)) for q in quotes.values()), started.ts_ns])
    return Executions(journal.session, started.instruments, orders, fills, journal.trades(), quotes, last)


def quotes_of(journal: Journal) -> dict[str, Quotes]:
    """Return the quotes that a session heard, by instrument key; an instrument without one is there, empty."""
    heard: dict[str, list[Quote]] = {instrument.key: [] for instrument in journal.started.instruments}
    for record in journal.records(types=[Quote]):
        if isinstance(record, Quote):
            heard.setdefault(record.instrument, []).append(record)
    return {key: Quotes.of(quotes) for key, quotes in heard.items()}


def _mids(journal: Journal) -> dict[str, float | None]:
    """Return for each order the mid of its leg in the decision that it is part of."""
    decisions = (record for record in journal.records(types=[Decision]) if isinstance(record, Decision))
    return {order.order_id: leg_of(decision.mids, order.leg) for decision in decisions for order in decision.orders}
