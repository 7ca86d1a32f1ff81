"""A venue's own sandbox and the venue's own client, joined by real sockets on loopback and nothing else: what the contract is held over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import aiohttp
import numpy as np
import pytest

from hedgekit.data import Books, LiveFeed
from hedgekit.errors import HedgekitError
from hedgekit.exchange.model import FillModel
from hedgekit.net.transport import Rest, Stream
from hedgekit.sandbox.server import Options, Secrets, run
from hedgekit.types import NS, Execution, Feed, Fill, Instrument, Order, Priority, Quote, Reply, Request, Update, Word
from hedgekit.venues import client_of

TOKEN = "the control port's"  # noqa: S105 - of a sandbox that lives for one test
START_NS = 1_767_600_000 * NS
ROWS, SPEED, DEPTH = 400, 40.0, 5
TIMEOUT_S = 10.0
BUSY_S = 0.25
Level = tuple[str, str]


class Moving(NamedTuple):
    """Prices of which each row betters one side by a step, the bid first: a pair of best prices stands in one row and no other."""

    bid: Decimal
    ask: Decimal
    step: Decimal

    def at(self, row: int) -> tuple[float, float]:
        """Return the best prices of a row."""
        return float(self.bid + (row + 1) // 2 * self.step), float(self.ask - row // 2 * self.step)

    def row(self, bid: float, ask: float) -> int | None:
        """Return the row in which these prices were the best ones; None if they never were at once."""
        rows = [row for row in range(ROWS) if self.at(row) == (bid, ask)]
        return rows[0] if rows else None


def books(instruments: Sequence[Instrument], standing: tuple[Sequence[Level], Sequence[Level]], moving: Moving) -> Books:
    """Return what the market does: the first instrument stands, the second moves."""
    shape = (ROWS, 2, DEPTH)
    sides = {name: np.full(shape, np.nan) for name in ("bid_px", "bid_sz", "ask_px", "ask_sz")}
    for side, levels in zip(("bid", "ask"), standing, strict=True):
        for place, (price, size) in enumerate(levels):
            sides[f"{side}_px"][:, 0, place], sides[f"{side}_sz"][:, 0, place] = float(price), float(size)
    for row in range(ROWS):
        bid, ask = ((row + 1) // 2, row // 2)
        for place in range(DEPTH):
            sides["bid_px"][row, 1, place] = float(moving.bid + (bid - place) * moving.step)
            sides["ask_px"][row, 1, place] = float(moving.ask - (ask - place) * moving.step)
            sides["bid_sz"][row, 1, place] = sides["ask_sz"][row, 1, place] = 500
    times = START_NS + np.arange(ROWS, dtype=np.int64) * NS
    return Books(tuple(instruments), times, **sides, recorded=np.ones((ROWS, 2), dtype=bool))


class Heard:
    """A feed on a socket: all that it has told, and the errors that ended it."""

    def __init__(self, feed: Feed[Any], stream: Stream) -> None:
        self.feed, self.told = feed, list[Any]()
        self._stream, self._news, self._ended = stream, asyncio.Event(), list[Exception]()
        stream.pump(self._on_frame, self._on_end)

    def _on_frame(self, frame: bytes | str) -> None:
        try:
            self.told += self.feed.take(frame, time.time_ns())
        except HedgekitError as error:
            self._ended.append(error)
        self._say = [asyncio.ensure_future(self._stream.send(words.decode())) for words in self.feed.to_say()]
        self._news.set()

    def _on_end(self, error: Exception) -> None:
        self._ended.append(error)
        self._news.set()

    async def until(self, wanted: Callable[[Any], bool], number: int = 1, *, or_else: Callable[[Any], bool] = lambda _: False) -> list[Any]:
        """Return all that is wanted of what was told, once there is so much of it, or something else was told."""
        async with asyncio.timeout(TIMEOUT_S):
            while len(found := [one for one in self.told if wanted(one)]) < number and not any(map(or_else, self.told)):
                assert not self._ended, self._ended
                self._news.clear()
                await self._news.wait()
        return found

    async def close(self) -> None:
        """Leave."""
        await self._stream.close()


class Counter:
    """A client of a venue before the venue's sandbox: numbered orders, questions, both feeds, and the exchange's own ledger."""

    market: Heard

    def __init__(self, contract: Any, ready: dict[str, Any], control: aiohttp.ClientWebSocketResponse) -> None:
        self.contract, self.account = contract, ready["accounts"][contract.venue]
        self.client = self.another()
        self._control, self._sent, self._open = control, 0, list[Heard]()
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._early: dict[int, Reply] = {}
        self._rest = self.rest_of(self.client)

    def another(self, keys: Sequence[str] | None = None) -> Any:
        """Return another client of the account, or one with other keys."""
        return client_of(self.contract.venue)(keys or self.contract.keys, self.contract.listed, self.account.get("native", {}))

    def rest_of(self, client: Any) -> Rest:
        """Return what sends a client's requests."""

        def on_reply(number: int, reply: Reply) -> None:
            self._waiting.pop(number).set_result(reply)

        return Rest(self.account["rest"], lambda request: client.signed(request, time.time_ns()), on_reply)

    # ------------------------------------------------------------------ orders

    def order(  # noqa: PLR0913 - an order's parts
        self,
        qty: Decimal | str,
        limit: Decimal | str,
        *,
        tif: str = "ioc",
        kind: Literal["market", "limit"] = "limit",
        reduces: bool = False,
        age_ns: int = 0,
    ) -> Order:
        """Return a new order for the instrument that stands."""
        self._sent += 1
        price = Decimal(limit)
        return Order(
            f"c-1-{self._sent}",
            time.time_ns() - age_ns,
            0,
            self.contract.listed[0].key,
            Decimal(qty),
            price,
            Priority.PRIMARY,
            1,
            kind,
            None if kind == "market" else price,
            tif,
            reduces,
        )

    async def ask(self, request: Request, rest: Rest | None = None) -> Reply:
        """Send a request, once; return the answer, or that none came."""
        number = (rest or self._rest).send(request)
        answered = self._waiting[number] = asyncio.get_running_loop().create_future()
        return await asyncio.wait_for(answered, TIMEOUT_S)

    async def said(self, request: Request) -> tuple[Word, Reply]:
        """Send a request, again where the venue is busy, since it then has done nothing; return what the answer says."""
        while True:
            reply = await self.ask(request)
            if (word := self.client.word_of(request, reply)) is not Word.BUSY:
                return word, reply
            await asyncio.sleep(BUSY_S)

    async def place(self, order: Order) -> str:
        """Have an order taken; return the venue's id."""
        request = self.client.submit(order)
        word, reply = await self.said(request)
        assert word is Word.DONE, (word, reply)
        venue_id: str = self.client.state_of(request, reply).venue_id
        return venue_id

    async def held(self) -> tuple[dict[str, Decimal], Decimal]:
        """Ask what is held."""
        replies = []
        for request in self.client.holdings():
            word, reply = await self.said(request)
            assert word is Word.DONE, reply
            replies.append(reply)
        held: tuple[dict[str, Decimal], Decimal] = self.client.held_of(replies)
        return {key: qty for key, qty in held[0].items() if qty}, held[1]

    async def fills(self, since_ns: int = START_NS) -> tuple[list[Execution], int]:
        """Ask for all executions; return them, and how many pages that took.

        A page may begin with the last execution of the one before (Deribit's ``start_id``): then it is the same to the last digit.
        """
        found: dict[tuple[str, str], Execution] = {}
        page, pages = "", 0
        while True:
            word, reply = await self.said(self.contract.page(self.client.fills(since_ns, page)))
            assert word is Word.DONE, reply
            executions, page = self.client.fills_of(reply)
            assert all(found.setdefault(one.key, one) == one for one in executions)
            pages += 1
            if not page:
                return list(found.values()), pages

    # ------------------------------------------------------------------- feeds

    async def hear(self, name: Literal["market", "account"], client: Any = None) -> Heard:
        """Open one of the feeds."""
        feed = getattr(client or self.client, name)(time.time_ns())
        url = self.account["data" if name == "market" else "stream"]
        heard = Heard(feed, await Stream.open(url, feed.login(), name=name, headers=feed.headers))
        self._open.append(heard)
        return heard

    # --------------------------------------------------------------- the truth

    async def control(self, **words: Any) -> dict[str, Any]:
        """Say something to the control port."""
        await self._control.send_json(words)
        answer: dict[str, Any] = await self._control.receive_json(timeout=TIMEOUT_S)
        assert answer["op"] != "error", answer
        return answer

    async def fault(self, kind: str, **words: Any) -> None:
        """Let something go wrong."""
        await self.control(op="fault", kind=kind, **words)

    async def lost(self) -> int:
        """Return how many messages were lost so far."""
        return int((await self.control(op="faults"))["hits"]["lost"])

    async def ledger(self) -> dict[str, Any]:
        """Return the exchange's own books of the account."""
        ledger: dict[str, Any] = (await self.control(op="ledger"))["accounts"][self.contract.venue]
        return ledger

    async def booked(self) -> list[tuple[Any, ...]]:
        """Return the exchange's executions: instrument, quantity, price, fee."""
        return sorted(
            (one["instrument"], *(Decimal(one[name]) for name in ("qty", "price", "fee"))) for one in (await self.ledger())["fills"]
        )

    async def close(self) -> None:
        """Leave."""
        for heard in self._open:
            await heard.close()
        await self._rest.close()


def amounts(told: Sequence[Fill | Execution]) -> list[tuple[Any, ...]]:
    """Return executions as :meth:`Counter.booked` has them."""
    return sorted((one.instrument, one.qty, one.price, one.fee) for one in told)


def update(kind: type, order: Order) -> Callable[[Any], bool]:
    """Return what tells a kind of update of an order."""
    return lambda one: isinstance(one, Update) and isinstance(one.event, kind) and one.event.order_id == order.order_id


@asynccontextmanager
async def counter(contract: Any, feed: LiveFeed | None = None) -> AsyncIterator[Counter]:
    """Serve a sandbox on this loop, live, and stand before it; its market is the contract's, or a feed."""
    client = client_of(contract.venue)
    secrets = Secrets({contract.venue: contract.keys}, TOKEN, {contract.venue: contract.reader} if contract.reader else {})
    touch = FillModel("touch", ws_ns=0, up_ns=0, down_ns=0, max_age_ns=0 if feed is None else 60 * NS)
    options = Options(live=True, speed=SPEED if feed is None else None, cash=contract.cash, model=touch, budget=contract.budget)
    ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    source = books(contract.listed, contract.standing, contract.moving) if feed is None else feed
    serving = asyncio.create_task(run(source, secrets, options, ready.set_result))
    await asyncio.wait((serving, ready), return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        await serving
    assert client.name == contract.venue
    addresses, bearer = await ready, {"Authorization": f"Bearer {TOKEN}"}
    try:
        async with aiohttp.ClientSession() as http, http.ws_connect(addresses["control"], headers=bearer) as control:
            made = Counter(contract, addresses, control)
            try:
                made.market = await made.hear("market")
                await made.market.until(lambda one: isinstance(one, Quote) and one.instrument == contract.listed[0].key)
                yield made
            finally:
                await made.close()
    finally:
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(serving, TIMEOUT_S)
