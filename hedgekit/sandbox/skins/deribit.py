"""The Deribit skin: Deribit's JSON-RPC, over HTTP and on a WebSocket, before the simulated exchange.

Its clock for signatures and deadlines is the timeline's; a fault that skews the venue's clock moves time stamps alone.
The sandbox has no index and no other traders: index, mark and settlement price are the last mid, trades are the
account's own, prices have no bands. Funding is exchanged when the market says so: :meth:`DeribitSkin.fund`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from hedgekit.exchange.engine import Exchange
from hedgekit.exchange.model import Executed
from hedgekit.sandbox.skin import Said, Skin
from hedgekit.sandbox.skins.deribit_account import Account
from hedgekit.sandbox.skins.deribit_api import Api, SocketCall, failure, purpose_of
from hedgekit.sandbox.skins.deribit_auth import Gate
from hedgekit.sandbox.skins.deribit_board import Board, Sheet
from hedgekit.sandbox.skins.deribit_fills import Done, Executions
from hedgekit.sandbox.skins.deribit_limits import Limits
from hedgekit.sandbox.skins.deribit_log import Log
from hedgekit.sandbox.skins.deribit_orders import Desk
from hedgekit.sandbox.skins.deribit_private import Private
from hedgekit.sandbox.skins.deribit_public import Public
from hedgekit.sandbox.skins.deribit_socket import PATH, Begun, Stream
from hedgekit.sandbox.skins.deribit_told import Told
from hedgekit.sandbox.skins.deribit_wire import RpcError, answer, listed, notification, terms_of
from hedgekit.sandbox.timeline import DELIVERY
from hedgekit.sandbox.wall import WallTimeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from decimal import Decimal

    from hedgekit.exchange.faults import Fault, Purpose
    from hedgekit.exchange.model import FillModel, Funding, Report, Reports
    from hedgekit.sandbox.calls import Answer, Call
    from hedgekit.sandbox.channel import Channel
    from hedgekit.sandbox.floor import Floor
    from hedgekit.sandbox.record import Record
    from hedgekit.sandbox.recorded import Shown
    from hedgekit.sandbox.timeline import Timeline
    from hedgekit.sandbox.trouble import Trouble
    from hedgekit.types import Instrument, MarketStatus


class DeribitSkin(Skin):
    """An exchange that speaks Deribit: :class:`~hedgekit.sandbox.skin.Skin`. ``budget`` counts requests to the matching engine."""

    venue = "DERIBIT"
    paths: ClassVar[dict[str, str]] = {"rest": "", "stream": PATH, "data": PATH}
    snapshots = True

    @classmethod
    def exchange(cls, instruments: Sequence[Instrument], cash: Decimal, model: FillModel) -> Exchange:
        """Return the exchange behind it: perpetuals, with ``cash`` in each currency that one settles in, the first one's first.

        Raises
        ------
        ConfigError
            If an instrument is no perpetual, or not of the kind that its name says.
        """
        terms = terms_of(instruments)
        return Exchange(instruments, dict.fromkeys((one.currency for one in terms.values()), cash), model, terms=terms)

    def __init__(  # noqa: PLR0913 - the parts that it joins
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
        live = isinstance(timeline, WallTimeline)
        now, shift = partial(getattr, timeline, "now_ns"), partial(getattr, trouble, "shift_ns")
        exchange, limits = floor.exchange, Limits(budget)
        self._executions = Executions(exchange, shift)
        self._desk = Desk(floor, now, self.publish, timeline.call_at, self._executions)
        self._board = Board(exchange, self._executions)
        account = Account(exchange, limits)
        self._told = Told(self._desk, self._executions, account)
        self._public = Public(exchange, self._desk, self._board, self._executions, now=now, shift=shift)
        self._log = Log(exchange, shift)
        private = Private(exchange, self._desk, account, self._executions, self._log, now=now)
        self._api = Api(Gate(keys, live=live), limits, self._public, private, now=now, shift=shift)
        self._in_flight: dict[str, int] = {}
        carry = self._carry if live else None
        stream = Stream(self._api, md=md, trade=trade, carry=carry, begin=self._begin, cancel=self._abandon, later=timeline.call_at)
        self._sockets = {PATH: stream}

    @property
    def sockets(self) -> Mapping[str, Stream]:
        """The one WebSocket, for everything."""
        return self._sockets

    # ---------------------------------------------------------------- requests

    def answer(self, call: Call) -> Answer:
        """Do what a request asks, now."""
        return self._api.answer(call)

    def purpose_of(self, call: Call) -> Purpose:
        """Return what a request is for: :func:`~hedgekit.sandbox.skins.deribit_api.purpose_of`."""
        return purpose_of(call)

    def failure(self, fault: Fault) -> Answer:
        """Return the answer of a failing venue: :func:`~hedgekit.sandbox.skins.deribit_api.failure`."""
        return failure(fault, self._api.clock_ns)

    def unreadable(self, words: str) -> Answer:
        """Return Deribit's bad_request."""
        return answer(self._api.clock_ns, error=RpcError(11050, words))

    async def _carry(self, call: SocketCall) -> Answer | None:
        return await self._courier.carry(None, call, purpose_of(call))

    def _abandon(self, placed: set[str]) -> None:
        """Cancel what a connection has left behind."""
        orders = [state for state in self.floor.orders() if state.order_id in placed]
        self._desk.cancel_all(orders, "cancel_on_disconnect")

    # ------------------------------------------------------------------- market

    def quoted(self, row: list[Shown]) -> Iterable[Said]:
        """Say what is new of each book, and its ticker, on every channel that is subscribed to."""
        for shown in row:
            sheet = self._board.show(shown, self.trouble.shift_ns)
            yield from self._turned(shown.quote.instrument, sheet)

    def stated(self, status: MarketStatus) -> Iterable[Said]:
        """Say by its ticker whether an instrument can be traded; while it cannot, its book is empty."""
        key = status.instrument
        self._board.state[key] = self._desk.states[key] = status.status
        yield from self._turned(key, self._board.renew(key, status.ts_ns + self.trouble.shift_ns))

    def _turned(self, key: str, sheet: Sheet) -> Iterator[Said]:
        """Yield a new sheet's way to the streams: first it is there, then the channels tell it."""
        self._in_flight[key] = self.timeline.now_ns + self.floor.exchange.model.ws_ns
        yield "", partial(self._reach, key, sheet)
        for channel in sorted(self._md.topics):
            topic = self._board.topic(channel)
            if topic is not None and topic.what != "trades" and topic.keys[0] == key:
                yield channel, partial(self._board.tell, channel)

    def _reach(self, key: str, sheet: Sheet) -> bytes:
        self._board.told[key] = sheet
        return b""

    def fund(self, key: str, rate: Decimal) -> Funding:
        """Exchange funding on the position in a perpetual, at its mark, and say so; ``rate`` is that of the interval that ends now.

        Raises
        ------
        ConfigError
            As :meth:`hedgekit.exchange.engine.Exchange.fund`.
        """
        exchange, now_ns = self.floor.exchange, self.timeline.now_ns
        paid = exchange.fund(key, rate, exchange.marks[key], now_ns)
        self._log.funded(paid)
        self._record.funded(paid)
        self._public.fund(key, rate, now_ns)
        self.publish(paid.reports)
        self._later(self._md, self._turned(key, self._board.renew(key, now_ns + self.trouble.shift_ns)))
        currency = listed(exchange.instruments[key].symbol).settle
        self._later(self._trade, self._told.portfolios(currency, self._trade.topics))
        return paid

    # ------------------------------------------------------------------ account

    def publish(self, reports: Reports) -> None:
        """Take up what the exchange reports, write it down and say it; then take back what was to reduce and would not any more."""
        self._desk.take(reports)
        super().publish(reports)
        done = [(report, self._executions.of_id(report.execution_id)) for report in reports if isinstance(report, Executed)]
        for report, one in done:
            self._log.traded(report, one)
        traded = [one for _, one in done]
        topics = [
            (channel, topic) for channel in sorted(self._md.topics) if (topic := self._board.topic(channel)) and topic.what == "trades"
        ]
        said = [(channel, notification(channel, [one.public])) for one in traded for channel, topic in topics if one.key in topic.keys]
        self._later(self._md, said)
        self._desk.reduce(reports)

    def _traded(self, one: Done) -> Iterator[Said]:
        """Yield an execution as all are told of it."""
        for channel in sorted(self._md.topics):
            topic = self._board.topic(channel)
            if topic is not None and topic.what == "trades" and one.key in topic.keys:
                yield channel, notification(channel, [one.public])

    def reported(self, report: Report) -> Iterable[Said]:
        """Say what became of an order, on every channel that is subscribed to."""
        return list(self._told.of(report, self._trade.topics))

    # ------------------------------------------------------------ subscriptions

    def _begin(self, channel: str, logged_in: bool) -> Begun | None:  # noqa: FBT001 - of a callable that knows of nothing else
        """Return what a subscription begins with.

        Raises
        ------
        RpcError
            If it is of raw market data, and nobody has logged in.
        """
        if channel.startswith("user."):
            return Begun("trade", self._told.begin(channel)) if logged_in and self._told.knows(channel) else None
        topic = self._board.topic(channel)
        if topic is None:
            return None
        if topic.raw and not logged_in:
            raise RpcError(13778)
        first = self._board.begin(channel)
        due_ns = max((self._in_flight.get(key, 0) for key in topic.keys), default=0)
        if due_ns > self.timeline.now_ns and topic.what != "trades":
            self.timeline.call_at(due_ns, partial(self._catch_up, channel), rank=DELIVERY)
        return Begun("md", [] if first is None else [first])

    def _catch_up(self, channel: str) -> None:
        """Tell a channel, which was subscribed to while a row was on its way, of that row."""
        if self._md.listens(channel) and self._board.behind(channel):
            self.trouble.message(self._md, channel, self._board.tell(channel))
