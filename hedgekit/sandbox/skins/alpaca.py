"""The Alpaca skin: Alpaca's REST API and streams before the simulated exchange."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from hedgekit.errors import ConfigError
from hedgekit.exchange.model import Accepted, Cancelled, Executed, Rejected, Report, Status
from hedgekit.sandbox.calls import Answer, Call, Keys
from hedgekit.sandbox.skin import Said, Skin
from hedgekit.sandbox.skins.alpaca_rest import Rest, failure, purpose_of
from hedgekit.sandbox.skins.alpaca_streams import TRADE_UPDATES, DataStream, TradeStream, status_topic
from hedgekit.sandbox.skins.alpaca_wire import error, order_json, quote_json, rfc3339, status_json, symbol_of, text
from hedgekit.types import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from hedgekit.exchange.engine import Exchange
    from hedgekit.exchange.faults import Fault, Purpose
    from hedgekit.exchange.model import FillModel
    from hedgekit.sandbox.channel import Channel
    from hedgekit.sandbox.recorded import Shown
    from hedgekit.types import Instrument, MarketStatus

USUAL = 200
"""Requests that Alpaca allows in a minute."""


class AlpacaSkin(Skin):
    """An exchange that speaks Alpaca; its parameters are those of every :class:`~hedgekit.sandbox.skin.Skin`, keys being id and secret."""

    venue = "ALPACA"
    paths = {"rest": "", "stream": "/stream", "data": "/v2/sip"}  # noqa: RUF012 - declared in the base
    arrays = frozenset({"md"})
    binary = frozenset({"trade"})

    @classmethod
    def exchange(cls, instruments: Sequence[Instrument], cash: Decimal, model: FillModel) -> Exchange:
        """Return the exchange behind it; Alpaca's are shares only."""
        for instrument in instruments:
            if instrument.kind is not Kind.SPOT:
                what = instrument.kind.value.replace("_", " ")
                msg = f"{instrument.symbol} is a {what} contract: Alpaca has shares only; list it at another venue, or use run_events"
                raise ConfigError(msg)
        return super().exchange(instruments, cash, model)

    def __init__(self, *parts: Any, md: Channel, trade: Channel, **others: Any) -> None:  # noqa: ANN401 - the base's
        super().__init__(*parts, md=md, trade=trade, **others)
        keys, floor = Keys(*self._keys), self.floor
        self._rest = Rest(
            floor.exchange,
            keys,
            now=partial(getattr, self.timeline, "now_ns"),
            publish=self.publish,
            session=self._hours,
            budget=self._budget or USUAL,
            floor=floor,
            shift=partial(getattr, self.trouble, "shift_ns"),
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
