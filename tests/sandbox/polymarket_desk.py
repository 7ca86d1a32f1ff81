"""The Polymarket skin without sockets, and a wallet that signs for it: what its tests share."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from hedgekit.clock import Scheduler
from hedgekit.exchange.book import Level
from hedgekit.exchange.faults import Faults
from hedgekit.exchange.model import FillModel
from hedgekit.sandbox.calls import Answer, Call
from hedgekit.sandbox.channel import Channel
from hedgekit.sandbox.floor import Floor
from hedgekit.sandbox.record import Files, Record
from hedgekit.sandbox.recorded import Shown
from hedgekit.sandbox.skins.polymarket import PolymarketSkin
from hedgekit.sandbox.trouble import Trouble
from hedgekit.types import NS, Fees, Instrument, Kind, Priority, Quote, Reply, Request
from hedgekit.venues.polymarket import Polymarket
from hedgekit.venues.polymarket.signing import Wallet
from tests.venues.polymarket_made import KEYS

NOW = 1_764_000_000 * NS
AT_ONCE = FillModel("touch", ws_ns=0, up_ns=0, down_ns=0)
WAITS = FillModel("next_quote", ws_ns=0, up_ns=0, down_ns=0)
YES = Instrument("POLYMARKET", "RAIN", Kind.BINARY, fees=Fees(rate=Decimal("0.04")))
UP, DOWN = (Instrument("POLYMARKET", f"BTC-{name}", Kind.BINARY, tick=Decimal("0.001")) for name in ("UP", "DOWN"))
ALICE = Instrument("POLYMARKET", "CUP/ALICE", Kind.BINARY)
ENVIRONMENT = dict(zip(Polymarket.key_env, KEYS, strict=True)) | {"HEDGEKIT_CONTROL_TOKEN": "tok-secret"}
WALLET = Wallet(KEYS[0])
ZERO = "0x" + "00" * 32
Sides = dict[str, str]
Message = dict[str, Any]


class Timeline(Scheduler):
    """Time that the test moves."""

    def ticket(self, _: str | None) -> None:
        """Ask for no label."""

    def send(self, _: None, leave: Callable[[], None]) -> None:
        """Let a request leave at once."""
        leave()

    def answered(self, _: None) -> None:
        """Count nothing."""


def levels(side: Sides, *, falling: bool) -> list[Level]:
    """Return price to size as levels, best first."""
    return [Level(Decimal(price), Decimal(side[price])) for price in sorted(side, key=Decimal, reverse=falling)]


class Venue:
    """A skin, its exchange, and what it says."""

    def __init__(self, *instruments: Instrument, model: FillModel = AT_ONCE, cash: str = "1000", budget: int = 0) -> None:
        listed = instruments or (YES,)
        self.time = Timeline(NOW)
        self.md, self.trade = Channel("md", resends=False), Channel("trade")
        record = Record(Files(), "POLYMARKET")
        exchange = PolymarketSkin.exchange(listed, Decimal(cash), model)
        record.opened(exchange)
        trouble = Trouble(Faults(), lambda: self.time.now_ns, md=self.md, trade=self.trade, record=record)
        self.native = PolymarketSkin.natives(listed)
        self.skin = PolymarketSkin(
            Floor(exchange, trouble.order_hit),
            self.time,
            trouble,
            record,
            md=self.md,
            trade=self.trade,
            keys=KEYS,
            hours=lambda: (True, NOW, NOW),
            budget=budget,
            native=self.native,
        )
        self.exchange, self.trouble = exchange, trouble
        self.client = Polymarket(KEYS, listed, self.native)
        self.market = next(iter(self.skin.markets.all.values()))
        self.yes, self.no = self.market.tokens
        self.trade.topics = frozenset(self.skin.markets.all)
        self._salt = 0

    # ------------------------------------------------------------------ market

    def row(self, bids: Sides, asks: Sides, key: str | None = None, *, after_s: float = 0.0) -> list[Message]:
        """Let one book come; return what the market stream says of it."""
        self.time.advance(self.time.now_ns + round(after_s * NS))
        now_ns = self.time.now_ns
        quote = Quote(ts_ns=now_ns, instrument=key or self.market.key, venue_ns=now_ns, bid=0.0, ask=0.0, bid_size=0.0, ask_size=0.0)
        self.skin.on_row([Shown(quote, levels(bids, falling=True), levels(asks, falling=False))])
        self.time.advance(now_ns)
        return self.heard(self.md)

    def open(self, bids: Sides | None = None, asks: Sides | None = None) -> Venue:
        """Show a first book: 100 at 0.48, 100 at 0.52."""
        self.row(bids or {"0.48": "100"}, asks or {"0.52": "100"})
        self.heard(self.md)
        return self

    def heard(self, channel: Channel) -> list[Message]:
        """Return what a channel has said since."""
        self.time.advance(self.time.now_ns)
        said, channel._pending = channel._pending, []
        return [msgspec.json.decode(message) for _, message in said]

    def listen(self, *tokens: str, custom: bool = True) -> None:
        """Subscribe to books."""
        asked = {"type": "market", "assets_ids": tokens or self.market.tokens, "custom_feature_enabled": custom}
        assert self.skin.sockets["/ws/market"]._on(msgspec.json.encode(asked))

    # ---------------------------------------------------------------- requests

    def call(self, method: str, path: str, body: Any = None, *, headers: Message | None = None, **query: str) -> Answer:
        """Make one signed call."""
        raw = None if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        signed = self.client.signed(Request(method, path, "", Priority.QUERY, raw), self.time.now_ns)
        return self.skin.answer(Call(method, path, query, raw or b"", {**signed, **(headers or {})}))

    def get(self, path: str, **query: str) -> Any:
        """Return what a question is answered."""
        answer = self.call("GET", path, **query)
        assert answer.status == 200, answer
        return msgspec.json.decode(msgspec.json.encode(answer.body))

    def body(  # noqa: PLR0913 - an order's words
        self, side: str, size: str, price: str, token: str | None = None, kind: str = "GTC", *, neg_risk: bool | None = None, **fields: Any
    ) -> Message:
        """Return the body of a signed order; ``fields`` change what is signed, or beside it."""
        self._salt += 1
        money, shares = (str(int(Decimal(amount) * 1_000_000)) for amount in (Decimal(size) * Decimal(price), size))
        order = {
            "salt": self._salt,
            "maker": WALLET.address,
            "signer": WALLET.address,
            "tokenId": token or self.yes,
            "makerAmount": money if side == "BUY" else shares,
            "takerAmount": shares if side == "BUY" else money,
            "side": side,
            "signatureType": 0,
            "timestamp": str(self.time.now_ns // 1_000_000),
            "metadata": ZERO,
            "builder": ZERO,
        }
        beside = {name: fields.pop(name) for name in ("owner", "orderType", "postOnly", "deferExec", "extra") if name in fields}
        unsigned = {"expiration": fields.pop("expiration", "0")}
        order |= fields
        risk = self.market.neg_risk if neg_risk is None else neg_risk
        signature = WALLET.sign(WALLET.order_hash(order, neg_risk=risk))
        return {"order": {**order, **unsigned, "signature": signature}, "owner": KEYS[1], "orderType": kind, "postOnly": False, **beside}

    def hash_of(self, body: Message) -> str:
        """Return the id of an order."""
        return f"0x{WALLET.order_hash(body['order'], neg_risk=self.market.neg_risk).hex()}"

    def post(self, side: str, size: str, price: str, token: str | None = None, kind: str = "GTC", **fields: Any) -> Answer:
        """Post an order."""
        return self.call("POST", "/order", self.body(side, size, price, token, kind, **fields))

    def taken(self, side: str, size: str, price: str, token: str | None = None, kind: str = "GTC", **fields: Any) -> Message:
        """Post an order that has to be taken; return the answer."""
        answer = self.post(side, size, price, token, kind, **fields)
        assert answer.status == 200, answer.body
        assert isinstance(answer.body, dict)
        return answer.body

    def ask(self, question: Request) -> Reply:
        """Return the answer to one of the client's questions."""
        path, _, query = question.path.partition("?")
        answer = self.call(question.method, path, question.body, **dict(parse_qsl(query)))
        return Reply(answer.status, msgspec.json.encode(answer.body))

    def held(self) -> tuple[str, str, str]:
        """Return what the API says of both tokens and collateral, in whole units."""
        asked: list[Message] = [{"asset_type": "CONDITIONAL", "token_id": token} for token in self.market.tokens]
        asked.append({"asset_type": "COLLATERAL"})
        found = [self.get("/balance-allowance", **one)["balance"] for one in asked]
        yes, no, money = (format((Decimal(one) / 1_000_000).normalize(), "f") for one in found)
        return yes, no, money


def error(answer: Answer) -> tuple[int, str]:
    """Return status and words of a refusal."""
    assert isinstance(answer.body, dict)
    return answer.status, answer.body["error"]
