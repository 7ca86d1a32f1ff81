"""The Kalshi skin: Kalshi's Trade API v2 before the simulated exchange.

Contracts are YES contracts, and what is sold short is NO: one signed number for each market. The fee is that of a ``quadratic`` series
to a direct member. Books are told as they were recorded, every level, in hundredths of a contract: neither the account's own orders nor
what they took of a level show in them.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from hedgekit.errors import ConfigError
from hedgekit.exchange.binary import BinaryMarket
from hedgekit.exchange.contract import Terms
from hedgekit.exchange.engine import Exchange
from hedgekit.exchange.fees import Kalshi
from hedgekit.exchange.model import Executed, Report
from hedgekit.sandbox.skin import Said, Skin
from hedgekit.sandbox.skins.kalshi_books import Book
from hedgekit.sandbox.skins.kalshi_gate import Buckets, Verifier
from hedgekit.sandbox.skins.kalshi_markets import MarketData, trade
from hedgekit.sandbox.skins.kalshi_orders import Orders
from hedgekit.sandbox.skins.kalshi_portfolio import Portfolio
from hedgekit.sandbox.skins.kalshi_rest import Rest, failure, purpose_of
from hedgekit.sandbox.skins.kalshi_socket import FILLS, LIVES, ORDERS, POSITIONS, TICKERS, TRADES, Stream
from hedgekit.sandbox.skins.kalshi_wire import (
    MS,
    ONE,
    SOCKET,
    VENUE,
    ZERO,
    cents,
    count,
    dollars,
    moment,
    refusal,
    seconds,
    ticker_of,
    user_order,
    uuid,
)
from hedgekit.types import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hedgekit.exchange.faults import Fault, Purpose
    from hedgekit.exchange.model import FillModel, Reports
    from hedgekit.sandbox.calls import Answer, Call
    from hedgekit.sandbox.channel import Channel
    from hedgekit.sandbox.recorded import Shown
    from hedgekit.types import Instrument, MarketStatus

LEAST_TICK, LEAST_LOT = Decimal("0.0001"), Decimal("0.01")


class KalshiSkin(Skin):
    """An exchange that speaks Kalshi; its parameters are those of every :class:`~hedgekit.sandbox.skin.Skin`, keys being id and PEM.

    A second id and PEM name a key that can only read.
    """

    venue = VENUE
    paths = {"rest": "", "stream": SOCKET, "data": SOCKET}  # noqa: RUF012 - declared in the base
    snapshots = True

    @classmethod
    def exchange(cls, instruments: Sequence[Instrument], cash: Decimal, model: FillModel) -> Exchange:
        """Return the exchange behind it: a market of one contract for each instrument, on Kalshi's fee formula.

        Raises
        ------
        ConfigError
            If an instrument is no contract as Kalshi has them.
        """
        for instrument in instruments:
            if problem := _problem(instrument):
                msg = f"{instrument.key}: {problem}"
                raise ConfigError(msg)
        keys = [instrument.key for instrument in instruments]
        terms = {key: Terms(fees=Kalshi(), signed=True) for key in keys}
        return Exchange(instruments, cash, model, markets=map(BinaryMarket, keys), terms=terms)

    def __init__(self, *parts: Any, md: Channel, trade: Channel, **others: Any) -> None:  # noqa: ANN401 - the base's
        super().__init__(*parts, md=md, trade=trade, **others)
        now, shift = partial(getattr, self.timeline, "now_ns"), partial(getattr, self.trouble, "shift_ns")
        exchange, verifier = self.floor.exchange, Verifier(self._keys, now)
        self._books = {key: Book() for key in exchange.instruments}
        self._orders = Orders(self.floor, self.timeline, self.publish, shift)
        self._portfolio = Portfolio(exchange, shift)
        data = MarketData(exchange.instruments, self._books, self._orders, self._portfolio, now, shift, self._hours)
        self._rest = Rest(verifier, Buckets(self._budget), self._orders, self._portfolio, data, now, shift)
        books = {ticker_of(key): book for key, book in self._books.items()}
        self._stream = Stream(verifier, {"md": md, "trade": trade}, books, self.timeline, shift, exchange.model.ws_ns)

    @property
    def sockets(self) -> Mapping[str, Stream]:
        """The one WebSocket."""
        return {SOCKET: self._stream}

    def answer(self, call: Call) -> Answer:
        """Do what a request asks, now."""
        return self._rest.answer(call)

    def purpose_of(self, call: Call) -> Purpose:
        """Return what a request is for: :func:`~hedgekit.sandbox.skins.kalshi_rest.purpose_of`."""
        return purpose_of(call)

    def failure(self, fault: Fault) -> Answer:
        """Return the answer of a failing venue: :func:`~hedgekit.sandbox.skins.kalshi_rest.failure`."""
        return failure(fault)

    def unreadable(self, words: str) -> Answer:
        """Return Kalshi's 400."""
        return refusal(400, "bad_request", "bad request", words)

    # -------------------------------------------------------------------- market

    def quoted(self, row: list[Shown]) -> Iterable[Said]:
        """Say every level of each book that has changed, and the ticker."""
        said: list[Said] = []
        for quote, bids, asks in row:
            book, ticker = self._books[quote.instrument], ticker_of(quote.instrument)
            best = book.best()
            at_ns = quote.venue_ns + self.trouble.shift_ns
            said += [self._stream.change(ticker, change) for change in book.show(bids, asks, at_ns)]
            if book.best() != best:
                said.append(self._ticker(quote.instrument, at_ns))
        return said

    def _ticker(self, key: str, at_ns: int) -> Said:
        ticker, (bid, bid_size, ask, ask_size) = ticker_of(key), self._books[key].best()
        traded, last = self._portfolio.traded(key), self._portfolio.last(key)
        body = {
            "market_id": uuid("market", ticker),
            "market_ticker": ticker,
            "price_dollars": dollars(ZERO if last is None else last.price),
            "yes_bid_dollars": dollars(bid),
            "yes_ask_dollars": dollars(ask or ONE),
            "volume_fp": count(traded.contracts),
            "open_interest_fp": count(ZERO),
            "dollar_volume": cents(traded.spent) // 100,
            "dollar_open_interest": 0,
            "yes_bid_size_fp": count(bid_size),
            "yes_ask_size_fp": count(ask_size),
            "last_trade_size_fp": count(ZERO if last is None else abs(last.qty)),
            "ts": seconds(at_ns),
            "ts_ms": at_ns // MS,
            "time": moment(at_ns // MS * MS),
        }
        return self._stream.message(TICKERS, ticker, lambda: body)

    def state(self, status: MarketStatus) -> None:
        """Pause a market, or open it again: orders that want to be are cancelled at its pause."""
        self._orders.pause(status.instrument, paused=status.status != "open")
        super().state(status)

    def stated(self, status: MarketStatus) -> Iterable[Said]:
        """Say a market's pause, or its end."""
        is_open = status.status == "open"
        news = {"event_type": "activated" if is_open else "deactivated", "is_deactivated": not is_open}
        return [self._life(status.instrument, news)]

    def _life(self, key: str, news: Mapping[str, object]) -> Said:
        body = {"market_ticker": ticker_of(key), **news}
        return self._stream.message(LIVES, ticker_of(key), lambda: body)

    def settle(self, key: str, payout: Decimal) -> None:
        """Determine and settle a market at what YES pays, now: its orders end, its position becomes cash.

        Raises
        ------
        ConfigError
            If there is no such market, it is settled already, or the payout is not from 0 to 1.
        """
        entered = {each: self.floor.exchange.ledger.cost(each) for each in self._books}
        done = self.floor.exchange.settle(key, payout, self.timeline.now_ns)
        self._orders.closing(done.cancelled)
        self.settled(key, done)
        self._portfolio.settle(done, entered)
        at_s = seconds(done.ts_ns + self.trouble.shift_ns)
        result = {ONE: "yes", ZERO: "no"}.get(payout, "scalar")
        determined = {"event_type": "determined", "determination_ts": at_s, "result": result, "settlement_value": dollars(payout)}
        self._later(self._md, [self._life(key, determined), self._life(key, {"event_type": "settled", "settled_ts": at_s})])
        if done.positions[key]:
            self._later(self._trade, [self._position(key)])

    # ------------------------------------------------------------------- account

    def publish(self, reports: Reports) -> None:
        """Write down and say what the exchange reports; a fill is a public trade too."""
        super().publish(reports)
        self._later(self._md, [self._traded(report) for report in reports if isinstance(report, Executed)])

    def reported(self, report: Report) -> Iterable[Said]:
        """Say a fill, the order that it is of, and the position after it."""
        ticket = self._orders.note(report)
        said: list[Said] = []
        if isinstance(report, Executed):
            self._portfolio.note(report)
            said.append(self._account(FILLS, report.order.request.instrument, self._portfolio.told_fill(report)))
        if report.order is None or ticket is None:
            return said
        key = report.order.request.instrument
        said.append(self._account(ORDERS, key, user_order(report, ticket, self.trouble.shift_ns)))
        return [*said, self._position(key)] if isinstance(report, Executed) else said

    def _account(self, channel: str, key: str, body: Mapping[str, object]) -> Said:
        return self._stream.message(channel, ticker_of(key), lambda: body)

    def _position(self, key: str) -> Said:
        return self._account(POSITIONS, key, self._portfolio.told_position(key))

    def _traded(self, fill: Executed) -> Said:
        body = trade(fill)
        ticker, at_ns = str(body.pop("ticker")), fill.ts_ns + self.trouble.shift_ns
        body |= {"market_ticker": ticker, "ts": seconds(at_ns), "ts_ms": at_ns // MS}
        return self._stream.message(TRADES, ticker, lambda: body)


def _problem(instrument: Instrument) -> str:
    """Return why Kalshi cannot list an instrument; empty if it can."""
    if instrument.kind is not Kind.BINARY:
        return f"Kalshi has binary contracts only, and this is {instrument.kind.value.replace('_', ' ')}"
    if instrument.multiplier != 1:
        return f"a contract pays 1 dollar and is quoted in dollars; multiplier {instrument.multiplier} must be 1"
    if instrument.tick % LEAST_TICK or 1 % instrument.tick:
        return f"tick {instrument.tick} must be a multiple of {LEAST_TICK}, and 1 a multiple of it"
    return f"lot {instrument.lot} must be a multiple of {LEAST_LOT}" if instrument.lot % LEAST_LOT else ""
