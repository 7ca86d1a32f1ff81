"""A skin: what every venue's protocol needs to stand before the simulated exchange.

It brings requests to the exchange and answers back (with the faults that befall both), books to exchange and market stream, and the
exchange's reports to record and account stream. The words are the venue's: see ``skins/``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

import msgspec
from aiohttp import web

from hedgekit.errors import ConfigError, SessionError
from hedgekit.exchange.engine import Exchange
from hedgekit.exchange.faults import Fault, FaultKind
from hedgekit.exchange.model import Executed
from hedgekit.sandbox.calls import Answer, Call
from hedgekit.sandbox.courier import Courier
from hedgekit.sandbox.recorded import Shown
from hedgekit.sandbox.timeline import DELIVERY
from hedgekit.types import MarketStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from hedgekit.exchange.binary import Settlement
    from hedgekit.exchange.faults import Purpose
    from hedgekit.exchange.model import FillModel, Funding, Report, Reports
    from hedgekit.sandbox.channel import Channel
    from hedgekit.sandbox.floor import Floor
    from hedgekit.sandbox.record import Record
    from hedgekit.sandbox.timeline import Timeline
    from hedgekit.sandbox.trouble import Trouble
    from hedgekit.types import Instrument

LABEL = "X-Hedgekit-Request"
Said = tuple[str, bytes | Callable[[], bytes]]
"""A message and its topic, which a client has subscribed to or not.

A callable is called when the message leaves, whether or not a fault then loses it: what it counts (a sequence) counts on, and
what it remembers as told (a book) is what a subscription that comes then begins with.
"""


class Socket(Protocol):
    """One WebSocket of the venue."""

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve a client from its handshake to its end."""


class Skin(ABC):
    """An exchange that speaks a venue's protocol; :meth:`on_row` and :meth:`on_status` tell it what the market does.

    Parameters
    ----------
    floor : Floor
        Where orders go.
    timeline : Timeline
        What time it is.
    trouble : Trouble
        What goes wrong.
    record : Record
        Where it is written down.
    md, trade : Channel
        Where what the market and the account's orders do is said.
    keys : sequence of str
        The account's, in the order of the client's ``key_env``.
    hours : callable
        Returns (is open, next open, next close), nanoseconds UTC.
    budget : int
        Requests in a minute; 0 for what the venue allows.
    native : mapping of str to str
        The venue's own ids, by instrument key, where the symbol does not say all.

    Attributes
    ----------
    venue : str
        First part of its instruments' keys.
    paths : dict
        Of the printed addresses: "rest", "stream" (the account's socket) and "data" (the market's).
    arrays, binary : frozenset of str
        Which of "md" and "trade" put an instant's messages into one JSON array, and which are WebSocket BINARY frames.
    snapshots : bool
        Whether a subscription to market data begins with a snapshot, pushed to the channel like all that follows it. Then the last
        instant's messages are not said again to a session that was killed: its new snapshots include them.
    provisional : bool
        Whether an execution is told before it is final, so that it may be booked back (:meth:`take_back`).
    """

    venue: ClassVar[str]
    paths: ClassVar[dict[str, str]]
    arrays: ClassVar[frozenset[str]] = frozenset()
    binary: ClassVar[frozenset[str]] = frozenset()
    snapshots: ClassVar[bool] = False
    provisional: ClassVar[bool] = False

    @classmethod
    def exchange(cls, instruments: Sequence[Instrument], cash: Decimal, model: FillModel) -> Exchange:
        """Return the exchange behind it: instruments on the venue's terms.

        Raises
        ------
        ConfigError
            If the venue has no such instruments.
        """
        return Exchange(instruments, cash, model)

    @classmethod
    def natives(cls, instruments: Sequence[Instrument]) -> dict[str, str]:  # noqa: ARG003 - where there are any
        """Return the venue's own ids, by instrument key, as its client wants them; empty where symbols are all it wants."""
        return {}

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
        self.floor, self.timeline, self.trouble = floor, timeline, trouble
        self._keys, self._hours, self._budget, self._native = tuple(keys), hours, budget, native
        self._record, self._md, self._trade = record, md, trade
        self._stated: dict[str, MarketStatus] = {}
        self._paused_ns: int | None = None
        trouble.on_pause = self.pause
        self._courier = Courier(timeline, floor.exchange.model, trouble, record, act=self._act, refuse=self.failure)

    # ---------------------------------------------------------- the venue's words

    @property
    @abstractmethod
    def sockets(self) -> Mapping[str, Socket]:
        """WebSockets by path."""

    @abstractmethod
    def answer(self, call: Call) -> Answer:
        """Do what a request asks, now."""

    @abstractmethod
    def purpose_of(self, call: Call) -> Purpose:
        """Return what a request is for, as faults count it."""

    @abstractmethod
    def failure(self, fault: Fault) -> Answer:
        """Return the answer of a venue, or a gateway before it, that fails so."""

    @abstractmethod
    def unreadable(self, words: str) -> Answer:
        """Return the answer to a request that cannot be read, or has no place in a tape's time."""

    @abstractmethod
    def quoted(self, row: list[Shown]) -> Iterable[Said]:
        """Return what the market stream says of new books."""

    @abstractmethod
    def stated(self, status: MarketStatus) -> Iterable[Said]:
        """Return what the market stream says of whether an instrument can be traded."""

    @abstractmethod
    def reported(self, report: Report) -> Iterable[Said]:
        """Return what the account's stream says of a report."""

    def fund(self, key: str, rate: Decimal) -> Funding:  # noqa: ARG002 - where there are perpetuals
        """Exchange funding on the position in a perpetual now; ``rate`` is that of the interval that ends.

        Raises
        ------
        ConfigError
            If there is no such perpetual, or the rate is no number.
        """
        msg = f"{self.venue} has no perpetual {key!r} to exchange funding on"
        raise ConfigError(msg)

    def settle(self, key: str, payout: Decimal) -> None:  # noqa: ARG002 - where contracts do
        """Resolve a contract now: what is held of it becomes what it pays, and its orders end.

        Raises
        ------
        ConfigError
            If there is no such contract, it has settled, or the payout is not from 0 to 1.
        """
        msg = f"{self.venue} has no contract {key!r} that settles"
        raise ConfigError(msg)

    def settled(self, key: str, settlement: Settlement) -> None:
        """Write down that a contract was settled, then say which orders that has ended."""
        self._record.settled(settlement, key)
        self.publish(settlement.cancelled)

    def doom(self, execution_id: str) -> None:  # noqa: B027 - nothing to do where executions are final
        """Note that an execution that was just told will be taken back."""

    def take_back(self, execution_id: str) -> bool:  # noqa: ARG002 - where executions are provisional
        """Book an execution back, and say so; return whether it could be."""
        return False

    # ------------------------------------------------------------------ requests

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one HTTP request of the venue port, or one of its WebSockets."""
        if socket := self.sockets.get(request.path):
            return response(self.failure(Fault(FaultKind.UNAVAILABLE_503))) if self.trouble.out else await socket.serve(request)
        try:
            body = await request.read()
        except ConnectionError as bad:
            return response(self.unreadable(str(bad)))
        call = Call(request.method, request.rel_url.raw_path, request.query, body, request.headers, request.path_qs)
        try:
            answer = await self._courier.carry(request.headers.get(LABEL), call, self.purpose_of(call))
        except SessionError as bad:
            answer = self.unreadable(str(bad))
            self._record.request(self.timeline.now_ns, call, n=None, ticket=None, fault=None, result=None, status=answer.status)
        if answer is None and request.transport is not None:
            request.transport.close()
        return web.Response() if answer is None else response(answer)

    def _act(self, call: Call, fault: Fault | None) -> Answer:
        """Do what a request asks, with what befalls its order."""
        with self.floor.befalls(fault):
            answer = self.answer(call)
        if fault is not None and fault.kind is FaultKind.REJECT_HEDGE and self.floor.accepted is not None:
            refuse = partial(self._refuse, fault, self.floor.accepted.order_id)
            self.timeline.call_at(self.timeline.now_ns + fault.ns, refuse)
        return answer

    def _refuse(self, fault: Fault, order_id: str) -> None:
        self.publish(self.floor.refuse(fault, order_id, self.timeline.now_ns))

    # ------------------------------------------------------------------ messages

    def on_row(self, row: list[Shown]) -> None:
        """Let books come to the exchange, and what is said of them to the market stream."""
        self.trouble.row()
        if self._paused_ns is not None:
            row = [Shown(shown.quote, [], []) for shown in row]
        for shown in row:
            self.publish(self.floor.on_book(shown))
        self._later(self._md, self.quoted(row))

    def on_status(self, status: MarketStatus) -> None:
        """Take from the market whether an instrument can be traded; what it says in a pause of the whole venue counts when that ends."""
        self._stated[status.instrument] = status
        if self._paused_ns is None:
            self.state(status)

    def pause(self, fault: Fault) -> None:
        """Pause whatever can be traded for the time of a fault; of several pauses at once, until the last ends."""
        began, until_ns = self._paused_ns is None, self.timeline.now_ns + fault.ns
        self._paused_ns = max(self._paused_ns or 0, until_ns)
        if began:
            self._restate("paused")
        self.timeline.call_at(until_ns, self._resume)

    def _resume(self) -> None:
        if self._paused_ns is not None and self.timeline.now_ns >= self._paused_ns:
            self._paused_ns = None
            self._restate("open")

    def _restate(self, word: Literal["paused", "open"]) -> None:
        """Say a status of all that have not settled, and of which the market itself has not said another."""
        markets = self.floor.exchange.markets
        for key in (key for key in self.floor.exchange.instruments if key not in markets.settled):
            stated = self._stated.get(key)
            if stated is None or stated.status == "open":
                self.state(MarketStatus(ts_ns=self.timeline.now_ns, instrument=key, status=word))
            elif word == "open":
                self.state(stated)

    def state(self, status: MarketStatus) -> None:
        """Say whether an instrument can be traded; while it cannot, the exchange has no book of it."""
        if status.status != "open":
            self.publish(self.floor.shut(status.instrument, status.ts_ns))
        self._later(self._md, self.stated(status))

    def publish(self, reports: Reports) -> None:
        """Write down what the exchange reports, and say it on the account's stream."""
        self._record.reports(reports)
        self._later(self._trade, [said for report in reports for said in self.reported(report)])
        for report in reports:
            if isinstance(report, Executed) and (fault := self.floor.doomed.pop(report.order.request.client_id, None)):
                self.doom(report.execution_id)
                self.timeline.call_at(self.timeline.now_ns + fault.ns, partial(self._fail, fault, report))

    def _fail(self, fault: Fault, report: Executed) -> None:
        if self.take_back(report.execution_id):
            self.trouble.order_hit(fault, report.order.request.client_id)

    def _later(self, channel: Channel, said: Iterable[Said]) -> None:
        items = list(said)

        def deliver() -> None:
            for topic, message in items:
                self.trouble.message(channel, topic, message if isinstance(message, bytes) else message())

        if items:
            self.timeline.call_at(self.timeline.now_ns + self.floor.exchange.model.ws_ns, deliver, rank=DELIVERY)


def response(answer: Answer) -> web.Response:
    """Return an answer as HTTP."""
    body = b"" if answer.body is None else msgspec.json.encode(answer.body)
    return web.Response(status=answer.status, body=body, headers=answer.headers, content_type="application/json")
