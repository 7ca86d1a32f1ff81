"""A recorded market: plays a tape into the sandbox, one row ahead at a time."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from hedgekit.sandbox.timeline import TAPE
from hedgekit.types import NS, Quote

if TYPE_CHECKING:
    from collections.abc import Callable

    from hedgekit.data import Tape
    from hedgekit.sandbox.pace import Pace
    from hedgekit.sandbox.timeline import Timeline


class Player:
    """Calls ``on_row`` with the quotes of each row, in leg order, at the row's time.

    Parameters
    ----------
    tape : Tape
        What is played.
    timeline : Timeline
        Whose time the quotes carry.
    on_row : callable
        Gets the quotes.
    pace : Pace, optional
        Live: when the rows come. In step they come at their own times.
    """

    def __init__(self, tape: Tape, timeline: Timeline, on_row: Callable[[list[Quote]], None], pace: Pace | None = None) -> None:
        self._timeline, self._on_row, self._pace = timeline, on_row, pace
        self._keys = [i.key for i in tape.instruments]
        self._times: list[int] = tape.ts_ns.tolist()
        self._columns = (tape.bid, tape.ask, tape.bid_size, tape.ask_size)
        self._next = 0
        self._ask()

    @property
    def next_ns(self) -> int | None:
        """Time of the next row; None when the tape is over."""
        return self._when(self._times[self._next]) if self._next < len(self._times) else None

    @property
    def last_ns(self) -> int:
        """Time of the last row."""
        return self._when(self._times[-1])

    def _when(self, row_ns: int) -> int:
        return row_ns if self._pace is None else self._timeline.now_ns + round(self._pace.wait_s(row_ns) * NS)

    def _ask(self) -> None:
        if (at_ns := self.next_ns) is not None:
            self._timeline.call_at(at_ns, self._play, rank=TAPE)

    def _play(self) -> None:
        row, ts_ns = self._next, self._timeline.now_ns
        if self._pace is not None:
            self._pace.came(self._times[row])
        self._next += 1
        values = zip(self._keys, *(column[row].tolist() for column in self._columns), strict=True)
        quotes = [Quote(ts_ns=ts_ns, instrument=key, venue_ns=ts_ns, bid=b, ask=a, bid_size=p, ask_size=q) for key, b, a, p, q in values]
        self._on_row([quote for quote in quotes if not (isnan(quote.bid) and isnan(quote.ask))])
        self._ask()
