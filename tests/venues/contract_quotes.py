"""What every venue's market feed must hold to: the part of the contract that is about quotes."""

# ruff: noqa: D102 - a test's name says what it proves
from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from hedgekit.errors import VenueError
from hedgekit.types import NS, Gap, Instrument, Quote, Word
from tests.venues.counter import ROWS, Counter, Moving


def _is_gap(one: Any) -> bool:
    return isinstance(one, Gap)


class Quotes:
    """The laws of a market feed; the facts are those of :class:`tests.venues.contract.Contract`."""

    listed: ClassVar[tuple[Instrument, Instrument]]
    standing: ClassVar[tuple[Sequence[tuple[str, str]], Sequence[tuple[str, str]]]]
    moving: ClassVar[Moving]
    timed: ClassVar[bool] = True

    async def test_quotes_are_the_best_of_the_book(self, desk: Counter) -> None:
        (first,) = (await desk.market.until(self._stands))[:1]
        (bid, bid_size), (ask, ask_size) = (self.standing[side][0] for side in (0, 1))
        assert (first.bid, first.ask, first.bid_size, first.ask_size) == tuple(map(float, (bid, ask, bid_size, ask_size)))
        await desk.market.until(self._moves, 20)
        self._true(desk.market.told)

    async def test_a_lost_message_is_never_a_wrong_quote(self, desk: Counter) -> None:
        """Whatever is lost: each quote is one that stood, until the feed says that it has a gap; opened anew, it tells again."""
        await desk.market.until(self._moves, 3)
        for lost in (1, 2, 3, 4):
            hits, count = await desk.lost(), sum(map(self._moves, desk.market.told))
            await desk.fault("lost", at="now", count=lost)
            while await desk.lost() < hits + lost:  # noqa: ASYNC110 - the control port tells it when it is asked
                await asyncio.sleep(0.01)
            await desk.market.until(self._moves, count + 5, or_else=_is_gap)
            self._true(desk.market.told)
            if any(map(_is_gap, desk.market.told)):
                await desk.market.close()
                desk.market = await desk.hear("market")
                await desk.market.until(self._moves, 3)

    def _stands(self, one: Any) -> bool:
        return isinstance(one, Quote) and one.instrument == self.listed[0].key

    def _moves(self, one: Any) -> bool:
        return isinstance(one, Quote) and one.instrument == self.listed[1].key

    def _true(self, told: Sequence[Any]) -> None:
        """Hold quotes of the one that moves against the market: each stood, in its order; none comes after a gap."""
        gap = next((place for place, one in enumerate(told) if _is_gap(one)), len(told))
        assert not [one for one in told[gap:] if isinstance(one, Quote)]
        rows = [self.moving.row(one.bid, one.ask) for one in told[:gap] if self._moves(one)]
        assert None not in rows, [(one.bid, one.ask) for one in told if self._moves(one)]
        assert rows == sorted(rows, key=int)
        assert len(set(rows)) > 1 or gap < len(told)

    async def test_the_latest_quotes_have_a_time_or_cannot_be_asked(self, desk: Counter) -> None:
        if (question := desk.client.latest()) is None:
            return
        word, reply = await desk.said(question)
        assert word is Word.DONE
        latest, now_ns = desk.client.latest_of(reply), time.time_ns()
        assert bool(latest) is self.timed
        assert set(latest) <= {instrument.key for instrument in self.listed}
        assert all(now_ns - ROWS * NS < at_ns <= now_ns for at_ns in latest.values())

    @pytest.mark.parametrize("name", ["market", "account"])
    async def test_what_cannot_be_read_is_an_error_that_quotes_it(self, desk: Counter, name: str) -> None:
        for junk in ("no words of a venue", '{"an unknown": "message"}'):
            with pytest.raises(VenueError, match=junk[2:12]):
                getattr(desk.another(), name)(time.time_ns()).take(junk, time.time_ns())
