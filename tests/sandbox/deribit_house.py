"""A Deribit skin without sockets, for tests: calls go in, answers and messages come out, and time moves when it is told to."""

from __future__ import annotations

import hashlib
import hmac
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

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
from hedgekit.sandbox.skins.deribit import DeribitSkin
from hedgekit.sandbox.trouble import Trouble
from hedgekit.types import NS, Fees, Instrument, Kind, Quote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hedgekit.exchange.faults import Fault

KEYS = ("did", "dsecret")
T0 = 1_764_000_000 * NS
RATE = Fees(rate=Decimal("0.0005"), quantum=Decimal("0.00000001"))
BTC = Instrument("DERIBIT", "BTC-PERPETUAL", Kind.INVERSE_PERP, Decimal("0.5"), Decimal(1), Decimal(10), RATE)
ETH = Instrument("DERIBIT", "ETH-PERPETUAL", Kind.INVERSE_PERP, Decimal("0.05"), Decimal(1), Decimal(1), RATE)
SOL = Instrument("DERIBIT", "SOL_USDC-PERPETUAL", Kind.LINEAR_PERP, Decimal("0.01"), Decimal(1), Decimal("0.1"), RATE)
AT_ONCE = FillModel(name="touch", ws_ns=0, up_ns=0, down_ns=0)

Json = Any
Side = list[tuple[float, float]]


class Steps:
    """A timeline that moves when it is told to."""

    def __init__(self, now_ns: int = T0) -> None:
        self._scheduler = Scheduler(now_ns)
        self.call_at = self._scheduler.call_at

    @property
    def now_ns(self) -> int:
        """The time."""
        return self._scheduler.now_ns

    def to(self, at_ns: int) -> None:
        """Let it become that late."""
        self._scheduler.advance(at_ns)

    def ticket(self, _: str | None) -> None:
        """Want no label."""

    def send(self, _: object, leave: Callable[[], None]) -> None:
        """Let a request leave at once."""
        leave()

    def answered(self, _: object) -> None:
        """Count nothing."""


class House:
    """A skin and all that it stands on."""

    def __init__(
        self,
        *instruments: Instrument,
        model: FillModel = AT_ONCE,
        cash: str = "10",
        faults: Sequence[Fault] = (),
        budget: int = 0,
    ) -> None:
        self.time = Steps()
        self.md, self.trade = Channel("md", resends=False), Channel("trade")
        record = Record(Files(), "DERIBIT")
        self.trouble = Trouble(Faults(faults), lambda: self.time.now_ns, md=self.md, trade=self.trade, record=record)
        self.exchange = DeribitSkin.exchange(instruments or (BTC, ETH), Decimal(cash), model)
        record.opened(self.exchange)
        self.floor = Floor(self.exchange, self.trouble.order_hit)
        self.skin = DeribitSkin(
            self.floor,
            self.time,
            self.trouble,
            record,
            md=self.md,
            trade=self.trade,
            keys=KEYS,
            hours=lambda: (True, 0, 0),
            budget=budget,
            native={},
        )

    # ------------------------------------------------------------------ market

    def show(
        self, instrument: Instrument, bids: Sequence[tuple[float, float]], asks: Sequence[tuple[float, float]], after_ns: int = 0
    ) -> None:
        """Let a book come, sizes in contracts."""
        self.time.to(self.time.now_ns + after_ns)
        sides = [[Level(Decimal(repr(price)), Decimal(repr(size))) for price, size in side] for side in (bids, asks)]
        best = [side[0] if side else (float("nan"), 0.0) for side in (bids, asks)]
        now_ns = self.time.now_ns
        quote = Quote(
            ts_ns=now_ns,
            instrument=instrument.key,
            venue_ns=now_ns,
            bid=best[0][0],
            ask=best[1][0],
            bid_size=best[0][1],
            ask_size=best[1][1],
        )
        self.skin.on_row([Shown(quote, sides[0], sides[1])])
        self.time.to(self.time.now_ns + self.exchange.model.ws_ns)

    # ----------------------------------------------------------------- requests

    def post(self, method: str, **params: Json) -> Answer:
        """Call a method by a signed POST; return the answer."""
        return self.skin.answer(self.call(method, **params))

    def call(self, method: str, **params: Json) -> Call:
        """Make a signed POST."""
        body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).encode()
        return signed("POST", f"/api/v2/{method}", body, self.time.now_ns)

    def get(self, method: str, **params: Json) -> Answer:
        """Call a method by a signed GET."""
        return self.skin.answer(self.getting(method, **params))

    def getting(self, method: str, **params: Json) -> Call:
        """Make a signed GET."""
        query = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in params.items()}
        return signed("GET", f"/api/v2/{method}", b"", self.time.now_ns, query)

    def result(self, method: str, **params: Json) -> Json:
        """Call a method and return its result; it must not be refused."""
        told = body_of(self.post(method, **params))
        assert "error" not in told, told
        return told["result"]

    def error(self, method: str, **params: Json) -> Json:
        """Call a method and return its refusal."""
        told = body_of(self.post(method, **params))
        assert "result" not in told, told
        return told["error"]

    def buy(self, amount: float, **params: Json) -> Json:
        """Place an order to buy BTC-PERPETUAL; return the result."""
        return self.result("private/buy", **{"instrument_name": "BTC-PERPETUAL", "amount": amount, **params})

    def sell(self, amount: float, **params: Json) -> Json:
        """Place an order to sell it."""
        return self.result("private/sell", **{"instrument_name": "BTC-PERPETUAL", "amount": amount, **params})

    # ----------------------------------------------------------------- messages

    def listen(self, *channels: str) -> list[Json]:
        """Subscribe without a socket; return what it begins with."""
        first = []
        for name in channels:
            begun = self.skin._begin(name, logged_in=True)
            assert begun is not None, name
            channel = self.md if begun.seat == "md" else self.trade
            channel.topics |= {name}
            first += [json.loads(message) for message in begun.messages]
        return first

    def heard(self, seat: str = "md") -> list[Json]:
        """Return, once, what was said on the market's or the account's side."""
        return [json.loads(message) for message in self.frames(seat)]

    def frames(self, seat: str = "md") -> list[bytes]:
        """Return the same as bytes."""
        self.time.to(self.time.now_ns)
        channel = self.md if seat == "md" else self.trade
        said, channel._pending = channel._pending, []
        return [message for _, message in said]


def body_of(answer: Answer) -> Json:
    """Return an answer's body, read."""
    assert isinstance(answer.body, msgspec.Raw), answer.body
    return json.loads(bytes(answer.body))


def signed(method: str, path: str, body: bytes, now_ns: int, query: dict[str, str] | None = None, **changes: str) -> Call:
    """Make a request signed by the words of Deribit's documents; ``changes`` to id, ts, nonce, sig or the secret."""
    target = path + (f"?{urlencode(query)}" if query else "")
    at, nonce = changes.get("ts", str(now_ns // 1_000_000)), changes.get("nonce", "abcd1234")
    lines = f"{at}\n{nonce}\n{method}\n{target}\n{body.decode()}\n"
    sig = changes.get("sig", hmac.new(changes.get("secret", KEYS[1]).encode(), lines.encode(), hashlib.sha256).hexdigest())
    header = f"deri-hmac-sha256 id={changes.get('id', KEYS[0])},ts={at},nonce={nonce},sig={sig}"
    return Call(method, path, query or {}, body, {"Authorization": header, "Content-Type": "application/json"}, target)
