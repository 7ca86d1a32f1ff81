"""A Kalshi skin without sockets, on a barrier's virtual time, and what a client of it signs with."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hedgekit.exchange import FillModel
from hedgekit.exchange.book import Level
from hedgekit.exchange.faults import Fault, Faults
from hedgekit.sandbox.barrier import Barrier
from hedgekit.sandbox.calls import Answer, Call
from hedgekit.sandbox.channel import Channel
from hedgekit.sandbox.floor import Floor
from hedgekit.sandbox.record import Files, Record
from hedgekit.sandbox.recorded import Shown
from hedgekit.sandbox.skins.kalshi import KalshiSkin
from hedgekit.sandbox.skins.kalshi_socket import _Line
from hedgekit.sandbox.trouble import Trouble
from hedgekit.types import NS, Instrument, Kind, Quote
from hedgekit.venues.kalshi.signing import Signer

D = Decimal
FED, OTHER = "FED-23DEC-T3.00", "FED-23DEC-T3.25"
KEY = f"KALSHI:{FED}"
LISTED = tuple(Instrument("KALSHI", name, Kind.BINARY, tick=D("0.001"), lot=D("0.01")) for name in (FED, OTHER))
START_NS = 1_767_600_000 * NS
ROOT, ORDERS = "/trade-api/v2", "/portfolio/events/orders"
TOUCH = FillModel("touch", ws_ns=0, up_ns=0, down_ns=0)


def pem_of(key: Any) -> str:
    """Return a private key as Kalshi hands it out."""
    text: str = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return text


ED25519 = pem_of(Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
RSA = pem_of(generate_private_key(65537, 2048))


def levels(*pairs: tuple[str, str]) -> list[Level]:
    """Return price and size of each level, best first."""
    return [Level(D(price), D(size)) for price, size in pairs]


def order(side: str = "bid", count: str = "10", price: str = "0.600", tif: str = "good_till_canceled", **more: Any) -> dict[str, Any]:
    """Return an order's body."""
    fields = {"ticker": FED, "side": side, "count": count, "price": price, "time_in_force": tif}
    return fields | {"self_trade_prevention_type": "taker_at_cross"} | more


class Shop:
    """A skin, what it stands on, and a client's pen."""

    def __init__(
        self, model: FillModel = TOUCH, *, cash: str = "1000", budget: int = 0, pem: str = ED25519, faults: Sequence[Fault] = ()
    ) -> None:
        self.timeline = Barrier(start_ns=START_NS, first_ns=START_NS)
        self.md, self.trade = Channel("md", resends=False), Channel("trade")
        record = Record(Files(None), "KALSHI")
        trouble = Trouble(Faults(faults), lambda: self.timeline.now_ns, md=self.md, trade=self.trade, record=record)
        self.exchange = KalshiSkin.exchange(LISTED, D(cash), model)
        floor = Floor(self.exchange, trouble.order_hit)
        self.is_open = True
        self.skin = KalshiSkin(
            floor,
            self.timeline,
            trouble,
            record,
            md=self.md,
            trade=self.trade,
            keys=("an-id", pem),
            hours=lambda: (self.is_open, START_NS, START_NS + 3600 * NS),
            budget=budget,
            native={},
        )
        self.signer, self.named, self.line = Signer("an-id", pem), 0, _Line(None, None)  # type: ignore[arg-type] # nobody is there to hear

    @property
    def now_ns(self) -> int:
        """Virtual now."""
        return self.timeline.now_ns

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.timeline._scheduler.advance(self.now_ns + round(seconds * NS))

    def show(self, bids: list[Level], asks: list[Level], ticker: str = FED) -> None:
        """Let a book come."""
        self.wait(1)
        best = [(float(side[0].price), float(side[0].size)) if side else (float("nan"), 0.0) for side in (bids, asks)]
        (bid, bid_size), (ask, ask_size) = best
        times = {"ts_ns": self.now_ns, "venue_ns": self.now_ns}
        quote = Quote(instrument=f"KALSHI:{ticker}", bid=bid, ask=ask, bid_size=bid_size, ask_size=ask_size, **times)
        self.skin.on_row([Shown(quote, bids, asks)])
        self.wait(0)

    def ask(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask, signed as it should be unless there are headers."""
        target = ROOT + path
        raw = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        signed = self.signer.headers(method, target, self.now_ns) if headers is None else headers
        plain, _, query = target.partition("?")
        answer = self.skin.answer(Call(method, plain, dict(parse_qsl(query)), raw, signed, target))
        self.wait(0)
        return Answer(answer.status, msgspec.json.decode(msgspec.json.encode(answer.body)), answer.headers)

    def place(self, *words: str, **fields: Any) -> Answer:
        """Place an order under a new name."""
        self.named += 1
        self.wait(0.2)
        return self.ask("POST", ORDERS, order(*words, **{"client_order_id": f"c{self.named}", **fields}))

    def get(self, path: str) -> Any:
        """Ask for what is there."""
        self.wait(1)
        answer = self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.body

    @property
    def balance(self) -> Decimal:
        """What the account can spend."""
        return D(self.get("/portfolio/balance")["balance_dollars"])

    def command(self, cmd: str, **params: Any) -> None:
        """Say something on the WebSocket."""
        message = msgspec.json.encode({"id": 1, "cmd": cmd, "params": params})
        asyncio.run(self.skin.sockets["/trade-api/ws/v2"]._on(self.line, message))
        self.wait(0)

    def said(self, channel: Channel | None = None) -> list[Any]:
        """Take what has been said on a channel, the market's by default."""
        source = channel or self.md
        frames = [frame for topic, frame in source._pending if topic in source.topics]
        source._pending.clear()
        return [msgspec.json.decode(frame) for frame in frames]


def quoted(**changes: Any) -> Shop:
    """Return a shop with a book of two levels a side: 100 and 50 at 0.50 and 0.49, 100 and 50 at 0.52 and 0.53."""
    shop = Shop(**changes)
    shop.show(levels(("0.500", "100"), ("0.490", "50")), levels(("0.520", "100"), ("0.530", "50")))
    return shop
