"""What every venue's client and skin must hold to each other: one class for each venue in ``test_contract.py`` says only its facts.

The client's own objects speak to the venue's sandbox over real sockets; what is true is what the exchange's ledger says, which the
control port shows and no venue's protocol has a part in.
"""

# ruff: noqa: D102 - a test's name says what it proves
from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
import pytest

from hedgekit.data import LiveFeed
from hedgekit.errors import ConfigError, SessionError, VenueError
from hedgekit.types import NS, Ack, Cancelled, Fill, Instrument, MarketStatus, Quote, Request, Update, Word
from tests.venues.contract_quotes import Quotes
from tests.venues.counter import Counter, Moving, amounts, counter, update

NOTHING: list[tuple[Any, ...]] = []
PAUSE_S = 1.0


def _is_shut(one: Any) -> bool:
    """Whether the stream says that an instrument cannot be traded: in words, or by a book with nothing in it."""
    return (isinstance(one, MarketStatus) and one.status != "open") or (isinstance(one, Quote) and not (one.bid > 0 or one.ask > 0))


class Contract(Quotes):
    """The laws. A subclass says what the venue lists, what its account has, and where its rules end.

    Attributes
    ----------
    venue, keys, cash
        The account.
    listed : tuple of Instrument
        The first one stands at ``standing`` (bids, asks; price and size, best first), the second one moves.
    qty, deep : str
        A small quantity; one that takes more than the best level has.
    low, high : str
        Limits of a purchase: that rests, and that is filled two levels deep.
    floor : str
        Limit at which a sale is filled.
    rich : str
        A quantity that the account cannot pay for.
    off_tick, off_lot : (str, str)
        (quantity, limit) that break the venue's grid.
    many : int
        Executions that fill more than a page.
    paged : (bytes, bytes)
        What a question for executions says of its page, and what it should say, where no test has so many; empty otherwise.
    in_a_pause : Word
        What an order is answered while nothing can be traded.
    wrong : int
        Place of the key that is spoilt.
    names : frozenset of int
        Places of the keys that name the account and can sign nothing.
    reader : tuple of str
        A key that can only read, where live prices want one.
    timed : bool
        Whether the latest quotes that can be asked for have a time.
    """

    venue: ClassVar[str]
    keys: ClassVar[tuple[str, ...]]
    listed: ClassVar[tuple[Instrument, Instrument]]
    standing: ClassVar[tuple[Sequence[tuple[str, str]], Sequence[tuple[str, str]]]]
    moving: ClassVar[Moving]
    cash: ClassVar[Decimal] = Decimal(100_000)
    budget: ClassVar[int] = 0
    qty: ClassVar[str] = "10"
    deep: ClassVar[str] = "60"
    in_a_pause: ClassVar[Word] = Word.REFUSED
    low: ClassVar[str]
    high: ClassVar[str]
    floor: ClassVar[str]
    rich: ClassVar[str]
    off_tick: ClassVar[tuple[str, str]]
    off_lot: ClassVar[tuple[str, str]]
    many: ClassVar[int]
    paged: ClassVar[tuple[bytes, bytes]] = (b"", b"")
    wrong: ClassVar[int] = 1
    names: ClassVar[frozenset[int]] = frozenset({0})
    timed: ClassVar[bool] = True
    reader: ClassVar[tuple[str, ...]] = ()

    @pytest.fixture
    async def desk(self) -> AsyncIterator[Counter]:
        """Serve the venue for one test."""
        async with AsyncExitStack() as stack:
            yield await stack.enter_async_context(counter(self))

    def page(self, request: Request) -> Request:
        """Return a question for executions with pages so small that some are needed."""
        was, now = self.paged
        if not was:
            return request
        path, body = request.path.replace(was.decode(), now.decode()), request.body and request.body.replace(was, now)
        assert (path, body) != (request.path, request.body), "the question does not say how long a page is"
        return msgspec.structs.replace(request, path=path, body=body)

    # ------------------------------------------------------------------ orders

    async def test_the_same_order_is_the_same_bytes(self, desk: Counter) -> None:
        orders = [
            desk.order(self.qty, self.high),
            desk.order(f"-{self.qty}", self.floor, tif="gtc"),
            desk.order(self.qty, self.high, kind="market"),
        ]
        encoded = [[client.submit(order) for order in orders] for client in (desk.client, desk.another(), desk.client)]
        assert encoded[0] == encoded[1] == encoded[2]
        assert len({request.body for request in encoded[0]}) == 3
        assert [request.order_id for request in encoded[0]] == [order.order_id for order in orders]

    async def test_an_order_that_is_filled_is_told_and_booked_alike(self, desk: Counter) -> None:
        heard, order = await desk.hear("account"), desk.order(self.deep, self.high)
        request = desk.client.submit(order)
        word, reply = await desk.said(request)
        assert word is Word.DONE
        fills = [one.event for one in await heard.until(update(Fill, order), 2)]
        assert amounts(fills) == await desk.booked()
        assert {one.price for one in fills} == {Decimal(price) for price, _ in self.standing[1][:2]}
        assert sum(one.qty for one in fills) == Decimal(self.deep)
        assert len({one.key for one in fills}) == 2
        state = desk.client.state_of(request, reply)
        acks = [one.event for one in heard.told if update(Ack, order)(one)]
        assert state.venue_id or acks
        assert all(ack.venue_order_id == state.venue_id for ack in acks)
        assert state.filled in (0, Decimal(self.deep)), "the answer says how much, or leaves it to the feed"

    async def test_quantities_are_signed_and_money_is_exact(self, desk: Counter) -> None:
        heard, orders = await desk.hear("account"), []
        for sign, limit, reduces in (("", self.high, False), ("-", self.floor, True), ("-", self.floor, False), ("", self.high, True)):
            order = desk.order(f"{sign}{self.qty}", limit, reduces=reduces)
            await desk.place(order)
            orders.append(order)
            await heard.until(update(Fill, order))
            held, cash = await desk.held()
            ledger = await desk.ledger()
            assert held == {key: Decimal(qty) for key, qty in ledger["positions"].items()}
            assert cash == Decimal(ledger["cash"])
        told = [one.event for one in heard.told if isinstance(one, Update) and isinstance(one.event, Fill)]
        assert [fill.order_id for fill in told] == [order.order_id for order in orders]
        assert [fill.qty for fill in told] == [order.qty for order in orders]
        assert amounts(told) == await desk.booked()
        assert amounts((await desk.fills())[0]) == await desk.booked()

    async def test_an_order_that_rests_is_cancelled_and_a_second_cancel_comes_too_late(self, desk: Counter) -> None:
        heard, order = await desk.hear("account"), desk.order(self.qty, self.low, tif="gtc")
        other = await desk.place(desk.order(self.qty, self.low, tif="gtc"))
        venue_id = await desk.place(order)
        assert venue_id != other
        word, reply = await desk.said(desk.client.lookup(order))
        assert word is Word.DONE
        found = desk.client.state_of(desk.client.lookup(order), reply)
        assert (found.venue_id, found.over, found.filled) == (venue_id, False, 0)
        assert (await desk.said(desk.client.cancel(order, venue_id)))[0] is Word.DONE
        ended = await heard.until(update(Cancelled, order))
        assert [one.filled for one in ended] in ([0], [None])
        assert (await desk.said(desk.client.cancel(order, venue_id)))[0] is Word.ENDED
        assert await desk.booked() == NOTHING

    async def test_a_cancel_of_what_was_filled_comes_too_late(self, desk: Counter) -> None:
        heard, order = await desk.hear("account"), desk.order(self.qty, self.high, tif="gtc")
        venue_id = await desk.place(order)
        await heard.until(update(Fill, order))
        assert (await desk.said(desk.client.cancel(order, venue_id)))[0] is Word.ENDED
        assert len(await desk.booked()) == 1

    async def test_what_was_never_sent_is_missing(self, desk: Counter) -> None:
        await desk.place(desk.order(self.qty, self.low, tif="gtc"))
        assert (await desk.said(desk.client.lookup(desk.order(self.qty, self.low))))[0] is Word.MISSING

    # ------------------------------------------------------- once: rule L2

    async def test_no_order_executes_twice(self, desk: Counter) -> None:
        """Where an order may be posted again the second one is a duplicate; elsewhere one that is late is refused, and does nothing."""
        heard = await desk.hear("account")
        if desk.client.reposts:
            order = desk.order(self.qty, self.high)
            await desk.place(order)
            await heard.until(update(Fill, order))
            once = await desk.booked()
            assert (await desk.said(desk.client.submit(order)))[0] is Word.DUPLICATE
            assert await desk.booked() == once
            return
        late = desk.order(self.qty, self.high, age_ns=desk.client.late_ns + NS)
        word, reply = await desk.said(desk.client.submit(late))
        assert word is Word.REFUSED
        assert all(desk.client.error_of(reply))
        assert await desk.booked() == NOTHING

    async def test_a_void_takes_the_place_of_an_order(self, desk: Counter) -> None:
        order, other = desk.order(self.qty, self.high), desk.order(self.qty, self.high)
        if (void := desk.client.void(order)) is None:
            return
        assert (await desk.said(void))[0] is Word.DONE
        assert (await desk.said(desk.client.submit(order)))[0] is Word.DUPLICATE
        assert await desk.booked() == NOTHING
        await desk.place(other)
        assert (await desk.said(desk.client.void(other)))[0] is Word.DUPLICATE
        assert len(await desk.booked()) == 1

    # ---------------------------------------------------------------- executions

    async def test_pages_have_every_execution_once(self, desk: Counter) -> None:
        heard = await desk.hear("account")
        for number in range(self.many):
            await desk.place(desk.order(self.qty, self.high) if number % 2 == 0 else desk.order(f"-{self.qty}", self.floor, reduces=True))
        told = [one.event for one in await heard.until(lambda one: isinstance(one, Update) and isinstance(one.event, Fill), self.many)]
        found, pages = await desk.fills()
        assert pages > 1
        assert sorted(one.key for one in found) == sorted(one.key for one in told)
        assert amounts(found) == await desk.booked()

    # -------------------------------------------------------- refusals and limits

    async def test_what_the_account_cannot_pay_is_refused_with_code_and_words(self, desk: Counter) -> None:
        word, reply = await desk.said(desk.client.submit(desk.order(self.rich, self.high)))
        assert word is Word.REFUSED
        code, message = desk.client.error_of(reply)
        assert code
        assert len(message) > len("refused"), message
        assert message.isprintable()
        assert await desk.booked() == NOTHING

    @pytest.mark.parametrize("what", ["off_tick", "off_lot"])
    async def test_what_is_off_the_grid_is_refused_by_name(self, desk: Counter, what: str) -> None:
        """By the client before it is sent, or by the venue."""
        qty, limit = getattr(self, what)
        try:
            request = desk.client.submit(desk.order(qty, limit, tif="gtc"))
        except ConfigError as error:
            said = str(error)
        else:
            word, reply = await desk.said(request)
            assert word is Word.REFUSED, reply
            said = " ".join(desk.client.error_of(reply))
        names = {"off_tick": ("tick", "price", limit), "off_lot": ("lot", "amount", "count", "qty", "quantity", "fractional", qty)}[what]
        assert any(name in said for name in names), said
        assert await desk.booked() == NOTHING

    async def test_a_venue_that_is_busy_has_done_nothing(self, desk: Counter) -> None:
        order = desk.order(self.qty, self.high)
        await desk.fault("too_many", at="submit:1", seconds=3)
        request = desk.client.submit(order)
        reply = await desk.ask(request)
        assert desk.client.word_of(request, reply) is Word.BUSY
        wait_ns, left = desk.client.limits_of(reply, time.time_ns())
        assert wait_ns == 3 * NS
        assert all(isinstance(number, int) and number >= 0 for number in left.values())
        assert await desk.booked() == NOTHING
        await desk.place(order)
        assert len(await desk.booked()) == 1

    @pytest.mark.parametrize(
        ("kind", "done"), [("gateway_504_after", True), ("drop_reply", True), ("error_500", False), ("unavailable_503", False)]
    )
    async def test_no_answer_says_nothing_and_a_look_up_does(self, desk: Counter, kind: str, done: bool) -> None:  # noqa: FBT001 - a table's column
        order = desk.order(self.qty, self.low, tif="gtc")
        await desk.fault(kind, at="submit:1")
        request = desk.client.submit(order)
        assert desk.client.word_of(request, await desk.ask(request)) is Word.UNKNOWN
        word, reply = await desk.said(desk.client.lookup(order))
        assert word is (Word.DONE if done else Word.MISSING)
        if done:
            state = desk.client.state_of(desk.client.lookup(order), reply)
            assert (await desk.said(desk.client.cancel(order, state.venue_id)))[0] is Word.DONE

    # ------------------------------------------------------------------ a pause

    async def test_a_pause_fills_nothing_and_is_no_outage(self, desk: Counter) -> None:
        """Questions are answered, an order is refused or waits, the stream says so in the venue's own way; then all goes on."""
        order = desk.order(self.qty, self.high, tif="gtc")
        await desk.fault("pause", seconds=PAUSE_S)
        request = desk.client.submit(order)
        reply = await desk.ask(request)
        word = desk.client.word_of(request, reply)
        assert word is self.in_a_pause, reply
        assert (asked := desk.client.statuses()) is None or await self._statuses(desk, asked) == {"paused"}
        assert await desk.held() == ({}, self.cash)
        await desk.market.until(_is_shut, len(self.listed))
        assert await desk.booked() == NOTHING
        before = max(one.bid for one in desk.market.told if self._moves(one))
        await desk.market.until(lambda one: self._moves(one) and one.bid > before, 2)
        assert asked is None or await self._statuses(desk, asked) == {"open"}
        if word is not Word.DONE:
            await desk.place(order if word is Word.BUSY else desk.order(self.qty, self.high))
        while not await desk.booked():  # noqa: ASYNC110 - the control port tells it when it is asked
            await asyncio.sleep(0.01)
        assert len(await desk.booked()) == 1

    async def _statuses(self, desk: Counter, asked: Request) -> set[str]:
        found: set[str] = set()
        question: Request | None = asked
        while question is not None:
            word, reply = await desk.said(question)
            assert word is Word.DONE
            told, question = desk.client.statuses_of(question, reply, time.time_ns())
            found |= {one.status for one in told}
        return found

    # --------------------------------------------------------------- the account

    def _spoilt(self) -> tuple[str, ...]:
        return tuple(self.spoilt if place == self.wrong else key for place, key in enumerate(self.keys))

    spoilt: ClassVar[str]
    """Another account's key, which this one's is taken for."""

    async def test_wrong_keys_are_refused_by_rest_and_by_the_feed(self, desk: Counter) -> None:
        stranger = desk.another(self._spoilt())
        rest, question = desk.rest_of(stranger), stranger.holdings()[-1]
        try:
            reply = await desk.ask(question, rest)
        finally:
            await rest.close()
        assert stranger.word_of(question, reply) is Word.REFUSED, reply
        said = " ".join(stranger.error_of(reply))
        with pytest.raises((VenueError, SessionError, AssertionError)) as caught:
            await (await desk.hear("account", stranger)).until(lambda _: True)
        assert not any(key in f"{said} {caught.value}" for key in (*self._secrets(self.keys), *self._secrets(self._spoilt())))

    def _secrets(self, keys: Sequence[str]) -> list[str]:
        """Return the keys that sign, and the lines of them that are long enough to be known again."""
        return [
            line for place, key in enumerate(keys) if place not in self.names for line in key.splitlines() if not line.startswith("-----")
        ]

    async def test_no_repr_and_no_error_shows_a_key(self, desk: Counter) -> None:
        order = desk.order(self.qty, self.high)
        heard = await desk.hear("account")
        shown = [desk.client, heard.feed, desk.market.feed, desk.client.submit(order), *desk.client.holdings(), desk.client.lookup(order)]
        text = " ".join(repr(one) for one in shown)
        with pytest.raises(VenueError) as caught:
            heard.feed.take("no words", time.time_ns())
        text += f"{caught.value!r} {desk.client.account_id}"
        assert not [key for key in self._secrets(self.keys) if key in text]

    async def test_both_feeds_are_closed_and_opened_again(self, desk: Counter) -> None:
        first = await desk.hear("account")
        order, later = desk.order(self.qty, self.high), desk.order(self.qty, self.high)
        await desk.place(order)
        await first.until(update(Fill, order))
        await asyncio.gather(first.close(), desk.market.close())
        again, market = await desk.hear("account"), await desk.hear("market")
        await market.until(self._stands)
        await market.until(self._moves, 2)
        self._true(market.told)
        await desk.place(later)
        await again.until(update(Fill, later))
        assert not [one for one in again.told if update(Fill, order)(one)], "what was told is not told again"
        assert len(await desk.booked()) == 2

    # ------------------------------------------------------------------- a feed

    async def test_its_market_can_be_anothers_whose_orders_stay_there(self, desk: Counter) -> None:
        await desk.market.close()  # of Alpaca's an account may have one
        feed = LiveFeed(desk.account["data"], venue=self.venue, listed=self.listed, native=desk.account.get("native", {}))
        async with counter(self, feed) as other:
            await other.market.until(self._stands)
            await other.market.until(self._moves, 2)
            self._true(other.market.told)
            heard, order = await other.hear("account"), other.order(self.qty, self.high)
            await other.place(order)
            (fill, *_) = [one.event for one in await heard.until(update(Fill, order))]
            assert fill.price == Decimal(self.standing[1][0][0])
            assert amounts([fill]) == await other.booked()
        assert await desk.booked() == NOTHING
