"""The Alpaca skin: joins exchange, timeline and market to Alpaca's REST API and streams."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from hedgekit.errors import SessionError
from hedgekit.exchange.model import Accepted, Cancelled, Executed, Rejected, Report, Reports, Status
from hedgekit.sandbox.control import DELIVERY
from hedgekit.sandbox.recorded import Player
from hedgekit.sandbox.skins.alpaca_rest import Answer, Call, Keys, Rest
from hedgekit.sandbox.skins.alpaca_streams import TRADE_UPDATES, DataStream, TradeStream
from hedgekit.sandbox.skins.alpaca_wire import error, order_json, quote_json, rfc3339, symbol_of, text

if TYPE_CHECKING:
    from hedgekit.data import Tape
    from hedgekit.exchange.engine import Exchange
    from hedgekit.sandbox.channel import Channel
    from hedgekit.sandbox.control import Timeline
    from hedgekit.types import Quote

LABEL = "X-Hedgekit-Request"


class AlpacaSkin:
    """An exchange that speaks Alpaca.

    Parameters
    ----------
    exchange : Exchange
        Where orders go.
    tape : Tape
        What the market does.
    timeline : Timeline
        What time it is.
    md, trade : Channel
        Where quotes and trade updates go.
    keys : Keys
        The account's.
    budget : int
        Requests in a minute.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self, exchange: Exchange, tape: Tape, timeline: Timeline, *, md: Channel, trade: Channel, keys: Keys, budget: int = 200
    ) -> None:
        self._exchange, self._timeline, self._md, self._trade = exchange, timeline, md, trade
        self._player = Player(tape, timeline, self._on_row)
        now = partial(getattr, timeline, "now_ns")
        self._rest = Rest(exchange, keys, now=now, publish=self._publish, session=self._session, budget=budget)
        self._sockets: dict[str, TradeStream | DataStream] = {
            "/stream": TradeStream(trade, keys),
            "/v2/sip": DataStream(md, keys, (i.symbol for i in tape.instruments)),
        }

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one HTTP request of the venue port, or one of its WebSockets."""
        if socket := self._sockets.get(request.path):
            return await socket.serve(request)
        try:
            call = _call(request, await request.read())
            answer = await self._timeline.carry(request.headers.get(LABEL), partial(self._rest.answer, call))
        except (SessionError, ConnectionError) as bad:
            answer = Answer(400, error(40010000, str(bad)))
        body = b"" if answer.body is None else msgspec.json.encode(answer.body)
        return web.Response(status=answer.status, body=body, headers=answer.headers, content_type="application/json")

    def _on_row(self, quotes: list[Quote]) -> None:
        for quote in quotes:
            self._publish(self._exchange.on_quote(quote))
        items = [(symbol_of(quote.instrument), quote_json(quote)) for quote in quotes]
        self._later(self._md, items)

    def _publish(self, reports: Reports) -> None:
        self._later(self._trade, [(TRADE_UPDATES, update) for report in reports if (update := trade_update(report))])

    def _later(self, channel: Channel, items: list[tuple[str, bytes]]) -> None:
        def deliver() -> None:
            for topic, message in items:
                channel.push(topic, message)

        if items:
            self._timeline.call_at(self._timeline.now_ns + self._exchange.model.ws_ns, deliver, rank=DELIVERY)

    def _session(self) -> tuple[bool, int, int]:
        """Open from start to the tape's last row: the sandbox knows no market hours."""
        following, last = self._player.next_ns, self._player.last_ns
        return following is not None, following if following is not None else last, last


def _call(request: web.BaseRequest, body: bytes) -> Call:
    auth = Keys(request.headers.get("APCA-API-KEY-ID", ""), request.headers.get("APCA-API-SECRET-KEY", ""))
    return Call(request.method, request.rel_url.raw_path, request.query, body, auth)


def trade_update(report: Report) -> bytes | None:
    """Return a trade update as JSON; None for a refusal before acceptance, which Alpaca tells by HTTP alone."""
    if report.order is None or (isinstance(report, Rejected) and report.order.status is not Status.REJECTED):
        return None
    data: dict[str, object] = {"event": _event(report)}
    if isinstance(report, Executed):
        data |= {"execution_id": report.execution_id, "price": text(report.price), "qty": text(abs(report.qty))}
        data |= {"position_qty": text(report.position), "fee": text(report.fee)}
    data |= {"timestamp": rfc3339(report.ts_ns), "order": order_json(report.order)}
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
