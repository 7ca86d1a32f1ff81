"""The Alpaca skin: joins exchange, timeline, market and faults to Alpaca's REST API and streams."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from hedgekit.errors import SessionError
from hedgekit.exchange.faults import FaultKind
from hedgekit.exchange.model import Accepted, Cancelled, Executed, Rejected, Report, Reports, Status
from hedgekit.sandbox.calls import Answer, Call, Keys
from hedgekit.sandbox.courier import Courier
from hedgekit.sandbox.skins.alpaca_rest import FAULTS, Rest, failure, purpose_of
from hedgekit.sandbox.skins.alpaca_streams import TRADE_UPDATES, DataStream, TradeStream, status_topic
from hedgekit.sandbox.skins.alpaca_wire import error, order_json, quote_json, rfc3339, status_json, symbol_of, text
from hedgekit.sandbox.timeline import DELIVERY

if TYPE_CHECKING:
    from collections.abc import Callable

    from hedgekit.exchange.engine import Exchange
    from hedgekit.exchange.faults import Fault
    from hedgekit.sandbox.channel import Channel
    from hedgekit.sandbox.floor import Floor
    from hedgekit.sandbox.record import Record
    from hedgekit.sandbox.recorded import Shown
    from hedgekit.sandbox.timeline import Timeline
    from hedgekit.sandbox.trouble import Trouble
    from hedgekit.types import MarketStatus

LABEL = "X-Hedgekit-Request"


class AlpacaSkin:
    """An exchange that speaks Alpaca; :meth:`on_row` and :meth:`on_status` tell it what the market does.

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
        Where quotes and trade updates go.
    keys : Keys
        The account's.
    hours : callable
        Returns (is open, next open, next close).
    budget : int
        Requests in a minute.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        floor: Floor,
        timeline: Timeline,
        trouble: Trouble,
        record: Record,
        *,
        md: Channel,
        trade: Channel,
        keys: Keys,
        hours: Callable[[], tuple[bool, int, int]],
        budget: int = 200,
    ) -> None:
        self._floor, self._timeline, self._trouble, self._record = floor, timeline, trouble, record
        self._md, self._trade = md, trade
        self._rest = Rest(
            floor.exchange,
            keys,
            now=partial(getattr, timeline, "now_ns"),
            publish=self._publish,
            session=hours,
            budget=budget,
            floor=floor,
            shift=partial(getattr, trouble, "shift_ns"),
        )
        self._courier = Courier(timeline, floor.exchange.model, trouble, record, act=self._act, refuse=failure)
        self._sockets: dict[str, TradeStream | DataStream] = {
            "/stream": TradeStream(trade, keys),
            "/v2/sip": DataStream(md, keys, (i.symbol for i in floor.exchange.instruments.values())),
        }

    # ---------------------------------------------------------------- requests

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one HTTP request of the venue port, or one of its WebSockets."""
        if socket := self._sockets.get(request.path):
            return _response(FAULTS[FaultKind.UNAVAILABLE_503]) if self._trouble.out else await socket.serve(request)
        try:
            call = _call(request, await request.read())
        except ConnectionError as bad:
            return _response(Answer(400, error(40010000, str(bad))))
        try:
            answer = await self._courier.carry(request.headers.get(LABEL), call, purpose_of(call))
        except SessionError as bad:
            answer = Answer(400, error(40010000, str(bad)))
            self._record.request(self._timeline.now_ns, call, n=None, ticket=None, fault=None, result=None, status=400)
        if answer is None and request.transport is not None:
            request.transport.close()
        return web.Response() if answer is None else _response(answer)

    def _act(self, call: Call, fault: Fault | None) -> Answer:
        """Do what a request asks, with what befalls its order."""
        with self._floor.befalls(fault):
            answer = self._rest.answer(call)
        if fault is not None and fault.kind is FaultKind.REJECT_HEDGE and self._floor.accepted is not None:
            refuse = partial(self._refuse, fault, self._floor.accepted.order_id)
            self._timeline.call_at(self._timeline.now_ns + fault.ns, refuse)
        return answer

    def _refuse(self, fault: Fault, order_id: str) -> None:
        self._publish(self._floor.refuse(fault, order_id, self._timeline.now_ns))

    # ---------------------------------------------------------------- messages

    def on_row(self, row: list[Shown]) -> None:
        """Let books come to the exchange, and the best of each to the stream."""
        self._trouble.row()
        for shown in row:
            self._publish(self._floor.on_book(shown))
        self._later(self._md, [(symbol_of(quote.instrument), quote_json(quote, self._trouble.shift_ns)) for quote, _, _ in row])

    def on_status(self, status: MarketStatus) -> None:
        """Say whether an instrument can be traded; while it cannot, the exchange has no book of it."""
        if status.status != "open":
            self._publish(self._floor.shut(status.instrument, status.ts_ns))
        self._later(self._md, [(status_topic(symbol_of(status.instrument)), status_json(status, self._trouble.shift_ns))])

    def _publish(self, reports: Reports) -> None:
        self._record.reports(reports)
        updates = (trade_update(report, self._trouble.shift_ns) for report in reports)
        self._later(self._trade, [(TRADE_UPDATES, update) for update in updates if update])

    def _later(self, channel: Channel, items: list[tuple[str, bytes]]) -> None:
        def deliver() -> None:
            for topic, message in items:
                self._trouble.message(channel, topic, message)

        if items:
            self._timeline.call_at(self._timeline.now_ns + self._floor.exchange.model.ws_ns, deliver, rank=DELIVERY)


def _call(request: web.BaseRequest, body: bytes) -> Call:
    auth = Keys(request.headers.get("APCA-API-KEY-ID", ""), request.headers.get("APCA-API-SECRET-KEY", ""))
    return Call(request.method, request.rel_url.raw_path, request.query, body, auth, request.path_qs)


def _response(answer: Answer) -> web.Response:
    body = b"" if answer.body is None else msgspec.json.encode(answer.body)
    return web.Response(status=answer.status, body=body, headers=answer.headers, content_type="application/json")


def trade_update(report: Report, shift_ns: int = 0) -> bytes | None:
    """Return a trade update as JSON; None for a refusal before acceptance, which Alpaca tells by HTTP alone."""
    if report.order is None or (isinstance(report, Rejected) and report.order.status is not Status.REJECTED):
        return None
    data: dict[str, object] = {"event": _event(report)}
    if isinstance(report, Executed):
        data |= {"execution_id": report.execution_id, "price": text(report.price), "qty": text(abs(report.qty))}
        data |= {"position_qty": text(report.position), "fee": text(report.fee)}
    data |= {"timestamp": rfc3339(report.ts_ns + shift_ns), "order": order_json(report.order)}
    return msgspec.json.encode({"stream": TRADE_UPDATES, "data": data})


def _event(report: Report) -> str:
    match report:
        case Accepted():
            return "new"
        case Executed():
            return "fill" if report.order.status is Status.FILLED else "partial_fill"
        case Cancelled():
            return "expired" if report.order.status is Status.EXPIRED else "canceled"
        case Rejected():
            return "rejected"


def ledger_frame(exchange: Exchange) -> bytes:
    """Return the exact ledger: the control port's answer to ``ledger``.

    ``order_id`` is the client's id, as everywhere in hedgekit; ``qty`` is signed.
    """
    ledger = exchange.ledger
    fills = [
        {
            "order_id": fill.order_id,
            "execution_id": fill.fill_id,
            "symbol": symbol_of(fill.instrument),
            "qty": text(fill.qty),
            "price": text(fill.price),
            "fee": text(fill.fee),
            "ts_ns": fill.venue_ns,
        }
        for fill in ledger.fills
    ]
    positions = {symbol_of(key): text(qty) for key, qty in ledger.positions().items()}
    return msgspec.json.encode({"op": "ledger", "cash": text(ledger.cash), "positions": positions, "fills": fills})
