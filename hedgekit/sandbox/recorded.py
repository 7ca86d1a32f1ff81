"""A recorded market: plays books, or a tape, into the sandbox, one row ahead at a time."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from functools import partial
from math import nan
from typing import TYPE_CHECKING, NamedTuple

from hedgekit.data import Books, Tape
from hedgekit.exchange.book import Level
from hedgekit.exchange.model import exact
from hedgekit.sandbox.timeline import TAPE
from hedgekit.types import NS, Quote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hedgekit.sandbox.pace import Pace
    from hedgekit.sandbox.timeline import Timeline


class Shown(NamedTuple):
    """News of one instrument: what the stream says of it, and the depth that the exchange gets, best level first.

    The quote's ``ts_ns`` is when it reaches the exchange, ``venue_ns`` the time stamp that the stream says.
    """

    quote: Quote
    bids: Sequence[Level]
    asks: Sequence[Level]


class Due(NamedTuple):
    """Funding that is to be exchanged: when, on which perpetual, at which rate."""

    at_ns: int
    key: str
    rate: Decimal


class Player:
    """Calls ``on_row`` with the news of each row, in leg order, at the row's time.

    The exchange gets every level, the stream says the best ones; a side that was empty is NaN there. A crossed book goes
    as it was recorded to both: the exchange fills nothing on it and the session acts on no such quote. Of a locked one (bid
    at the ask), on which :attr:`Books.crossed` lets nothing trade either, both are told that there is no market, since an
    exchange would fill at it and a session believe it. So both do what an event replay of the same books does.

    Parameters
    ----------
    market : Books or Tape
        What is played; a tape is books of one level.
    timeline : Timeline
        Whose time the quotes carry.
    on_row : callable
        Gets the news.
    pace : Pace, optional
        Live: when the rows come. In step they come at their own times.
    on_funded : callable, optional
        Gets a perpetual and a rate, of a tape that charges for holding: in step at its time, live after the row before it.
    on_settled : callable, optional
        Gets a contract and what it pays, of books whose outcome is known: in step at the time of the settlement, live after the last row.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        market: Books | Tape,
        timeline: Timeline,
        on_row: Callable[[list[Shown]], None],
        pace: Pace | None = None,
        on_settled: Callable[[str, Decimal], None] = lambda _, __: None,
        on_funded: Callable[[str, Decimal], object] = lambda _, __: None,
    ) -> None:
        books = market if isinstance(market, Books) else Books.of_tape(market)
        self._timeline, self._on_row, self._pace, self._on_settled = timeline, on_row, pace, on_settled
        paid = {} if books.payout is None else dict(zip((one.key for one in books.instruments), map(Decimal, books.payout), strict=True))
        self._payouts = dict([*paid.items()][:1]) if books.complementary else paid  # what one pays, the other does not
        self._on_funded, self._funding = on_funded, deque(_fundings(market) if isinstance(market, Tape) else ())
        self._settle_ns = books.settle_ns
        self._keys = [i.key for i in books.instruments]
        self._times: list[int] = books.ts_ns.tolist()
        self._recorded = books.recorded
        self._bids, self._asks = (books.bid_px, books.bid_sz), (books.ask_px, books.ask_sz)
        self._next = 0
        self._ask()

    @property
    def next_ns(self) -> int | None:
        """Time of the next row; None when the tape is over."""
        return self._when(self._times[self._next]) if self._next < len(self._times) else None

    def hours(self) -> tuple[bool, int, int]:
        """Return whether the market is open, when it opens and closes next: open to the last row, the sandbox knows no hours."""
        following, last = self.next_ns, self._when(self._times[-1])
        return following is not None, following if following is not None else last, last

    def _when(self, row_ns: int) -> int:
        return row_ns if self._pace is None else self._timeline.now_ns + round(self._pace.wait_s(row_ns) * NS)

    def _ask(self) -> None:
        if (at_ns := self.next_ns) is not None:
            self._timeline.call_at(at_ns, self._play, rank=TAPE)
        elif self._payouts:
            now_ns = self._timeline.now_ns
            self._timeline.call_at(
                now_ns if self._pace is not None or self._settle_ns is None else self._settle_ns, self._settle, rank=TAPE
            )

    def _settle(self) -> None:
        for key, payout in self._payouts.items():
            self._on_settled(key, payout)

    def _play(self) -> None:
        row, ts_ns = self._next, self._timeline.now_ns
        if self._pace is not None:
            self._pace.came(self._times[row])
        self._next += 1
        self._on_row([self._shown(row, leg, ts_ns) for leg in range(len(self._keys)) if self._recorded[row, leg]])
        self._fund(row)
        self._ask()

    def _fund(self, row: int) -> None:
        """Let the funding come that falls between a row and the next; what falls before the first row or after the last does not."""
        following = self._times[row + 1] if row + 1 < len(self._times) else self._times[row] + 1
        while self._funding and self._funding[0].at_ns < following:
            due = self._funding.popleft()
            if due.at_ns >= self._times[row]:
                at_ns = due.at_ns if self._pace is None else self._timeline.now_ns
                self._timeline.call_at(at_ns, partial(self._on_funded, due.key, due.rate), rank=TAPE)

    def _shown(self, row: int, leg: int, ts_ns: int) -> Shown:
        bids, asks = (_levels(px[row, leg].tolist(), sz[row, leg].tolist()) for px, sz in (self._bids, self._asks))
        if bids and asks and bids[0].price == asks[0].price:
            bids, asks = [], []
        (bid, bid_size), (ask, ask_size) = _best(bids), _best(asks)
        quote = Quote(ts_ns=ts_ns, instrument=self._keys[leg], venue_ns=ts_ns, bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size)
        return Shown(quote, bids, asks)


def _fundings(tape: Tape) -> list[Due]:
    """Return what a tape charges for perpetuals, in order of time."""
    each = zip(tape.instruments, tape.carry, strict=bool(tape.carry))
    due = [
        Due(at_ns, one.key, Decimal(repr(rate)))
        for one, carry in each
        for at_ns, rate in zip(carry.funding_ns.tolist(), carry.funding_rate.tolist(), strict=True)
    ]
    return sorted(due)


def _levels(prices: list[float], sizes: list[float]) -> list[Level]:
    pairs = ((exact(price), exact(size)) for price, size in zip(prices, sizes, strict=True))
    return [Level(price, size) for price, size in pairs if price is not None and size is not None]


def _best(levels: list[Level]) -> tuple[float, float]:
    return (float(levels[0].price), float(levels[0].size)) if levels else (nan, 0.0)
