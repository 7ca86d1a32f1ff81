"""The Alpaca skin: Alpaca's REST API and streams before the simulated exchange."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from hedgekit.exchange.model import Accepted, Cancelled, Executed, Rejected, Report, Status
from hedgekit.sandbox.calls import Answer, Call, Keys
from hedgekit.sandbox.skin import Said, Skin
from hedgekit.sandbox.skins.alpaca_rest import Rest, failure, purpose_of
from hedgekit.sandbox.skins.alpaca_streams import TRADE_UPDATES, DataStream, TradeStream, status_topic
from hedgekit.sandbox.skins.alpaca_wire import error, order_json, quote_json, rfc3339, status_json, symbol_of, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hedgekit.exchange.engine import Exchange
    from hedgekit.exchange.faults import Fault, Purpose
    from hedgekit.sandbox.channel import Channel
    from hedgekit.sandbox.floor import Floor
    from hedgekit.sandbox.record import Record
    from hedgekit.sandbox.recorded import Shown
    from hedgekit.sandbox.timeline import Timeline
    from hedgekit.sandbox.trouble import Trouble
    from hedgekit.types import MarketStatus


class AlpacaSkin(Skin):
    """An exchange that speaks Alpaca.

    Parameters
    ----------
    floor, timeline, trouble, record, md, trade
        As for every :class:`~hedgekit.sandbox.skin.Skin`.
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
        super().__init__(floor, timeline, trouble, record, md=md, trade=trade)
        self._rest = Rest(
            floor.exchange,
            keys,
            now=partial(getattr, timeline, "now_ns"),
            publish=self.publish,
            session=hours,
            budget=budget,
            floor=floor,
            shift=partial(getattr, trouble, "shift_ns"),
        )
        symbols = (instrument.symbol for instrument in floor.exchange.instruments.values())
        self._sockets: dict[str, TradeStream | DataStream] = {"/stream": TradeStream(trade, keys), "/v2/sip": DataStream(md, keys, symbols)}

    @property
    def sockets(self) -> Mapping[str, TradeStream | DataStream]:
        """Trade updates and market data."""
        return self._sockets

    def answer(self, call: Call) -> Answer:
        """Do what a request asks, now."""
        return self._rest.answer(call)

    def purpose_of(self, call: Call) -> Purpose:
        """Return what a request is for: :func:`~hedgekit.sandbox.skins.alpaca_rest.purpose_of`."""
        return purpose_of(call)

    def failure(self, fault: Fault) -> Answer:
        """Return the answer of a failing venue: :func:`~hedgekit.sandbox.skins.alpaca_rest.failure`."""
        return failure(fault)

    def unreadable(self, words: str) -> Answer:
        """Return Alpaca's 400."""
        return Answer(400, error(40010000, words))

    def quoted(self, row: list[Shown]) -> Iterable[Said]:
        """Say the best of each book; by REST its last quote has the same time stamp."""
        self._rest.shifts |= {quote.instrument: self.trouble.shift_ns for quote, _, _ in row}
        return [(symbol_of(quote.instrument), quote_json(quote, self.trouble.shift_ns)) for quote, _, _ in row]

    def stated(self, status: MarketStatus) -> Iterable[Said]:
        """Say a trading status."""
        return [(status_topic(symbol_of(status.instrument)), status_json(status, self.trouble.shift_ns))]

    def reported(self, report: Report) -> Iterable[Said]:
        """Say a trade update, if Alpaca says one."""
        update = trade_update(report, self.trouble.shift_ns)
        return [] if update is None else [(TRADE_UPDATES, update)]


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
