"""The Polymarket skin: the CLOB's REST API and sockets, and the data host's positions, before the simulated exchange.

One port serves what Polymarket has on three hosts. Not simulated: chain, relayer and bridge (so no split, merge, redemption or
conversion of what is held), wallets that are contracts (signature types 1 to 3), the sports delay, maker rebates, other traders' reaction.
"""

from __future__ import annotations

from functools import partial
from math import ceil
from typing import TYPE_CHECKING, ClassVar

import msgspec

from hedgekit.exchange.model import Executed
from hedgekit.sandbox.calls import Answer, Call
from hedgekit.sandbox.skin import Said, Skin
from hedgekit.sandbox.skins.polymarket_auth import Doorman
from hedgekit.sandbox.skins.polymarket_books import Books, custom
from hedgekit.sandbox.skins.polymarket_limits import Limits
from hedgekit.sandbox.skins.polymarket_markets import ONE, ZERO, Markets, exchange_of, native_of
from hedgekit.sandbox.skins.polymarket_orders import Orders
from hedgekit.sandbox.skins.polymarket_positions import Positions
from hedgekit.sandbox.skins.polymarket_public import Public
from hedgekit.sandbox.skins.polymarket_rest import Rest
from hedgekit.sandbox.skins.polymarket_streams import MarketStream, UserStream
from hedgekit.sandbox.skins.polymarket_wire import FAILURES, millis, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from decimal import Decimal

    from hedgekit.exchange.engine import Exchange
    from hedgekit.exchange.faults import Fault, Purpose
    from hedgekit.exchange.model import FillModel, Report, Reports
    from hedgekit.sandbox.channel import Channel
    from hedgekit.sandbox.floor import Floor
    from hedgekit.sandbox.record import Record
    from hedgekit.sandbox.recorded import Shown
    from hedgekit.sandbox.timeline import Timeline
    from hedgekit.sandbox.trouble import Trouble
    from hedgekit.types import Instrument, MarketStatus

_CANCELS = frozenset({"/order", "/orders", "/cancel-all", "/cancel-market-orders"})


class PolymarketSkin(Skin):
    """An exchange that speaks Polymarket: :class:`~hedgekit.sandbox.skin.Skin`, keys as :class:`hedgekit.venues.polymarket.Polymarket`.

    Raises
    ------
    ConfigError
        If a key is none, or the extra ``polymarket`` is not installed.
    """

    venue: ClassVar[str] = "POLYMARKET"
    paths: ClassVar[dict[str, str]] = {"rest": "", "stream": "/ws/user", "data": "/ws/market"}
    snapshots: ClassVar[bool] = True
    provisional: ClassVar[bool] = True

    @classmethod
    def exchange(cls, instruments: Sequence[Instrument], cash: Decimal, model: FillModel) -> Exchange:
        """Return the exchange behind it: :func:`~hedgekit.sandbox.skins.polymarket_markets.exchange_of`."""
        return exchange_of(instruments, cash, model)

    @classmethod
    def natives(cls, instruments: Sequence[Instrument]) -> dict[str, str]:
        """Return conditions and tokens, by instrument key."""
        return {one.key: native_of(one).text() for one in instruments}

    def __init__(  # noqa: PLR0913 - as the base has it
        self,
        floor: Floor,
        timeline: Timeline,
        trouble: Trouble,
        record: Record,
        *,
        md: Channel,
        trade: Channel,
        keys: Sequence[str],
        hours: Callable[[], tuple[bool, int, int]],
        budget: int,
        native: Mapping[str, str],
    ) -> None:
        super().__init__(floor, timeline, trouble, record, md=md, trade=trade, keys=keys, hours=hours, budget=budget, native=native)
        now, shift = partial(getattr, timeline, "now_ns"), partial(getattr, trouble, "shift_ns")
        self.markets = Markets(floor.exchange)
        self.books = Books(self.markets, floor.exchange.retick, shift)
        doorman = Doorman(keys, now)
        self.orders = Orders(
            floor,
            self.markets,
            doorman,
            timeline,
            ask=self._ask,
            shift=shift,
            publish=self.publish,
            note=record.reports,
            say=partial(self._later, trade),
        )
        public = Public(self.markets, self.books, lambda: now() + shift())
        positions = Positions(self.markets, self.orders.trades, doorman.address)
        self._rest = Rest(doorman, Limits(budget, now), self.orders, self.markets, public, positions, timeline)
        self._sockets: dict[str, MarketStream | UserStream] = {
            "/ws/market": MarketStream(md, self.markets, self.books),
            "/ws/user": UserStream(trade, self.markets, doorman.credentials),
        }

    def _ask(self, token: str) -> Decimal:
        depth = self.books.shown.get(token)
        return ONE if depth is None else depth.best[1]

    @property
    def sockets(self) -> Mapping[str, MarketStream | UserStream]:
        """Books, and the account's orders."""
        return self._sockets

    def answer(self, call: Call) -> Answer:
        """Do what a request asks, now."""
        return self._rest.answer(call)

    def purpose_of(self, call: Call) -> Purpose:
        """Return what a request is for, as faults count it."""
        if call.method == "POST" and call.path in {"/order", "/orders"}:
            return "submit"
        return "cancel" if call.method == "DELETE" and call.path in _CANCELS else "query"

    def failure(self, fault: Fault) -> Answer:
        """Return the answer of a failing venue, with Retry-After in whole seconds where the fault has a time."""
        status, words = FAILURES[fault.kind]
        return refusal(words, status, {"Retry-After": str(ceil(fault.seconds))} if fault.seconds else None)

    def unreadable(self, words: str) -> Answer:
        """Return Polymarket's 400."""
        return refusal(words)

    # ---------------------------------------------------------------- messages

    def quoted(self, row: list[Shown]) -> Iterable[Said]:
        """Say what has changed in each condition's books."""
        return self.books.quoted(row)

    def state(self, status: MarketStatus) -> None:
        """Take no orders for a market that cannot be traded; a question says so (``accepting_orders``)."""
        (self.markets.paused.discard if status.status == "open" else self.markets.paused.add)(
            self.markets.by_key[status.instrument].condition
        )
        super().state(status)

    def stated(self, status: MarketStatus) -> Iterable[Said]:
        """Say that a market that cannot be traded has no book: Polymarket has no other word for it; a book comes with the next row."""
        if status.status == "open":
            return []
        return self.books.emptied(self.markets.by_key[status.instrument], status.ts_ns + self.trouble.shift_ns)

    def reported(self, report: Report) -> Iterable[Said]:
        """Say what became of an order, and each trade of it."""
        return self.orders.reported(report)

    def publish(self, reports: Reports) -> None:
        """Write down what the exchange reports, say it on the account's stream, and each trade on the market's."""
        super().publish(reports)
        self._later(self._md, [said for report in reports if isinstance(report, Executed) for said in self._printed(report)])

    def _printed(self, report: Executed) -> list[Said]:
        trade = self.orders.trades[report.execution_id]
        at = millis(report.ts_ns + self.trouble.shift_ns)
        about = trade.data("", "")
        fields = {name: about[name] for name in ("market", "asset_id", "price", "size", "side", "fee_rate_bps")}
        message = msgspec.json.encode({"event_type": "last_trade_price", **fields, "timestamp": at})
        whole = self.books.again(trade.market, trade.token)
        return [(trade.token, message), *([] if whole is None else [whole])]

    # ------------------------------------------------------------ what becomes of it

    def settle(self, instrument: str, payout: Decimal) -> None:
        """Resolve the market of an instrument, which pays ``payout`` (0 to 1); what is held becomes collateral at once.

        Raises
        ------
        ConfigError
            As :meth:`hedgekit.exchange.engine.Exchange.settle`.
        """
        now_ns, market = self.timeline.now_ns, self.markets.by_key[instrument]
        own = payout if instrument == market.key else ONE - payout
        settlement = self.floor.exchange.settle(market.key, own, now_ns)
        market.payout = own
        self.settled(market.key, settlement)
        market.opposite = ZERO
        at_ns = now_ns + self.trouble.shift_ns
        won = {ONE: 0, ZERO: 1}.get(own)
        named = {} if won is None else {"winning_asset_id": market.tokens[won], "winning_outcome": market.names[won]}
        about = {"id": market.stem, "market": market.condition, "assets_ids": market.tokens, **named, "timestamp": millis(at_ns)}
        resolved = msgspec.json.encode({"event_type": "market_resolved", **about})
        self._later(self._md, [*self.books.emptied(market, at_ns), (custom(market.condition), resolved)])

    def reverse(self, trade_id: str) -> None:
        """Let a trade fail on the chain: :meth:`~hedgekit.sandbox.skins.polymarket_orders.Orders.reverse`."""
        self.orders.reverse(trade_id)

    def doom(self, execution_id: str) -> None:
        """Let a trade be retried on the chain instead of mined."""
        self.orders.trades[execution_id].doomed = True

    def take_back(self, execution_id: str) -> bool:
        """Let a trade that was retried fail on the chain, or be confirmed after all, if what it brought is gone or the market resolved."""
        trade = self.orders.trades[execution_id]
        if self.orders.can_fail(trade):
            self.orders.reverse(execution_id)
            return True
        trade.doomed = False
        self.orders.step(trade, "CONFIRMED")
        return False
