"""The sandbox's WebSockets on real connections: whatever frame comes is answered or ends the connection, and breaks no handler."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp
import msgspec

from hedgekit.data import Market, SyntheticBinary, SyntheticMarket
from hedgekit.exchange import FillModel
from hedgekit.sandbox.options import Options
from hedgekit.sandbox.server import Secrets, run
from hedgekit.sandbox.skins.alpaca_packed import CONTENT
from hedgekit.venues.kalshi.signing import Signer
from tests.fuzz.mutate import spoilt
from tests.fuzz.targets import Fault
from tests.sandbox.desk import MARKET
from tests.sandbox.kalshi_made import ED25519, FED, LISTED
from tests.venues.polymarket_made import KEYS

WAIT_S = 30.0
TOKEN = "tok"  # noqa: S105 - of a sandbox that lives for one campaign
SPOT, KALSHI = ("AK", "AS-secret"), ("an-id", ED25519)
BINARY = SyntheticBinary(venue="POLYMARKET", rows=300, resolve_row=20_000)
TOUCH = FillModel("touch", ws_ns=0, up_ns=0, down_ns=0)
Json = dict[str, Any]


class _Heard(logging.Handler):
    """Keeps what a server says of handlers that raised."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[BaseException | str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.errors.append(record.exc_info[1] if record.exc_info and record.exc_info[1] else record.getMessage())


@dataclass(frozen=True)
class Talk:
    """What is said on one kind of socket: where it is, how a client comes in, and what it may say then."""

    venue: str
    market: Callable[[], Any]
    keys: tuple[str, ...]
    place: str
    login: tuple[Json, ...]
    words: tuple[Json, ...]
    headers: Callable[[], Mapping[str, str]] = dict
    packed: bool = False


@dataclass
class Lines:
    """One kind of socket of a sandbox in this process, fed frame by frame."""

    name: str
    talk: Talk
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    heard: _Heard = field(default_factory=_Heard)
    sandbox: asyncio.Task[None] | None = None
    http: aiohttp.ClientSession | None = None
    socket: aiohttp.ClientWebSocketResponse | None = None
    url: str = ""
    beats: int = 0

    def once(self, chance: Random) -> bytes:
        """Send one frame and wait until it was dealt with; return it."""
        return self.say(spoilt(self._encoded(chance.choice(self.talk.words)), chance))

    def _encoded(self, word: object) -> bytes:
        return (msgspec.msgpack if self.talk.packed else msgspec.json).encode(word)

    def say(self, word: object) -> bytes:
        """Send one frame, of bytes or to be encoded, and wait until it was dealt with; return it."""
        data = word if isinstance(word, bytes) else self._encoded(word)
        self.loop.run_until_complete(self._say(data))
        if self.heard.errors:
            error = self.heard.errors.pop()
            self.heard.errors.clear()
            raise Fault(f"{self.name} socket: {data[:2_000]!r}: {error!r}") from error if isinstance(error, BaseException) else None
        return data

    def listen(self) -> None:
        """Hear of handlers that raise."""
        logging.getLogger("aiohttp.server").addHandler(self.heard)

    def close(self) -> None:
        """End the sandbox and everything that belongs to it."""
        self.loop.run_until_complete(self._end())
        self.loop.close()

    async def _say(self, data: bytes) -> None:
        socket = self.socket = self.socket if self.socket and not self.socket.closed else await self._connect()
        try:
            try:
                await socket.send_str(data.decode()) if not self.talk.packed else await socket.send_bytes(data)
            except UnicodeDecodeError:
                await socket.send_bytes(data)
            await self._dealt(socket)
        except ConnectionError:
            await socket.close()
        except TimeoutError:
            raise Fault(f"{self.name} socket: no word for {WAIT_S:g} s after {data[:2_000]!r}") from None

    async def _dealt(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Wait for the pong to a ping: frames are dealt with in their order."""
        self.beats += 1
        mine = str(self.beats).encode()
        await socket.ping(mine)
        while True:
            message = await socket.receive(WAIT_S)
            if message.type is aiohttp.WSMsgType.PING:
                await socket.pong(message.data)
            if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.ERROR):
                await socket.close()
                return
            if message.type is aiohttp.WSMsgType.PONG and bytes(message.data) == mine:
                return

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        if self.http is None:
            await self._open()
            self.http = aiohttp.ClientSession()
        until = time.monotonic() + WAIT_S
        while True:
            try:
                socket = await self.http.ws_connect(self.url, headers=self.talk.headers(), autoping=False, max_msg_size=0)
                break
            except aiohttp.WSServerHandshakeError as refused:  # the last connection's seat is not free yet
                if time.monotonic() > until:
                    raise Fault(f"{self.name} socket: no new connection: {refused.status}") from refused
                await asyncio.sleep(0.01)
        for word in self.talk.login:
            await (socket.send_bytes(self._encoded(word)) if self.talk.packed else socket.send_json(word))
        await self._dealt(socket)
        return socket

    async def _open(self) -> None:
        self.listen()
        ready: asyncio.Future[Json] = self.loop.create_future()
        secrets = Secrets({self.talk.venue: self.talk.keys}, TOKEN)
        live = Options(live=True, speed=0.2, model=TOUCH, budget=10**9)
        self.sandbox = self.loop.create_task(run(self.talk.market(), secrets, live, ready.set_result))
        await asyncio.wait((self.sandbox, ready), return_when=asyncio.FIRST_COMPLETED)
        if self.sandbox.done():
            await self.sandbox
        told = await ready
        self.url = told["control"] if self.talk.place == "control" else told["accounts"][self.talk.venue][self.talk.place]

    async def _end(self) -> None:
        logging.getLogger("aiohttp.server").removeHandler(self.heard)
        if self.socket is not None:
            await self.socket.close()
        if self.http is not None:
            await self.http.close()
        if self.sandbox is not None:
            self.sandbox.cancel()
            await asyncio.gather(self.sandbox, return_exceptions=True)


def _rpc(method: str, **params: Any) -> Json:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def _cmd(cmd: str, **params: Any) -> Json:
    return {"id": 1, "cmd": cmd, "params": params}


def _alpaca() -> Any:
    return Market(**MARKET).tape()


def _deribit() -> Any:
    from tests.paper.deribit_rig import PERPS  # noqa: PLC0415 - pytest's rigs, which a campaign of parsers does without

    return PERPS.tape()


def _kalshi() -> Any:
    return SyntheticMarket(listed=LISTED, primary_price=0.45, hedge_price=0.4, hedge_vol=0.002, rows=300, min_half_spread=0.001).tape()


_FOUND = BINARY.tape().instruments[0].symbol
_BUY = {"instrument_name": "BTC-PERPETUAL", "amount": 10, "type": "limit", "price": 50_000, "label": "a"}
_ORDER = "ETH-1"
_AUTH = dict(zip(("apiKey", "secret", "passphrase"), KEYS[1:], strict=True))
_IN = {"action": "auth", "key": SPOT[0], "secret": SPOT[1]}

TALKS = {
    "Alpaca trades": Talk(
        *("ALPACA", _alpaca, SPOT, "stream"),
        login=({"action": "authenticate", "data": {"key_id": SPOT[0], "secret_key": SPOT[1]}},),
        words=({"action": "listen", "data": {"streams": ["trade_updates"]}}, _IN, {"action": "authenticate", "data": {"key_id": "x"}}),
    ),
    "Alpaca data": Talk(
        *("ALPACA", _alpaca, SPOT, "data"),
        login=(_IN,),
        words=(
            {"action": "subscribe", "quotes": ["KO"], "statuses": ["*"]},
            {"action": "unsubscribe", "quotes": ["*"]},
            {"action": "subscribe", "trades": [], "quotes": ["KO", "PEP"], "bars": []},
        ),
    ),
    "Alpaca packed": Talk(
        *("ALPACA", _alpaca, SPOT, "data"),
        login=(_IN,),
        words=({"action": "subscribe", "quotes": ["KO"], "statuses": ["*"]}, {"action": "unsubscribe", "quotes": ["*"]}),
        headers=lambda: {"Content-Type": CONTENT},
        packed=True,
    ),
    "Deribit": Talk(
        *("DERIBIT", _deribit, ("did", "dsecret"), "stream"),
        login=(_rpc("public/auth", grant_type="client_credentials", client_id="did", client_secret="dsecret"),),  # noqa: S106 - made up
        words=(
            _rpc("public/subscribe", channels=["book.BTC-PERPETUAL.100ms", "ticker.BTC-PERPETUAL.raw"]),
            _rpc("private/subscribe", channels=["user.orders.any.any.raw", "user.portfolio.btc"]),
            _rpc("public/unsubscribe", channels=["book.BTC-PERPETUAL.100ms"]),
            _rpc("private/unsubscribe_all"),
            _rpc("public/set_heartbeat", interval=10),
            _rpc("public/test"),
            _rpc("public/hello", client_name="x", client_version="1"),
            _rpc("private/enable_cancel_on_disconnect", scope="connection"),
            _rpc("private/buy", **_BUY),
            _rpc("private/sell", instrument_name="BTC-PERPETUAL", amount=10, type="market"),
            _rpc("private/cancel", order_id=_ORDER),
            _rpc("private/cancel_all"),
            _rpc("private/get_open_orders"),
            _rpc("private/get_position", instrument_name="BTC-PERPETUAL"),
            _rpc("public/get_order_book", instrument_name="BTC-PERPETUAL", depth=5),
            _rpc("public/auth", grant_type="client_credentials", client_id="did", client_secret="dsecret"),  # noqa: S106 - as above
        ),
    ),
    "Kalshi": Talk(
        *("KALSHI", _kalshi, KALSHI, "data"),
        login=(),
        words=(
            _cmd("subscribe", channels=["orderbook_delta"], market_tickers=[FED], use_yes_price=True),
            _cmd("subscribe", channels=["user_orders", "fill", "market_positions", "market_lifecycle_v2"]),
            _cmd("subscribe", channels=["ticker"], market_ticker=FED),
            _cmd("unsubscribe", sids=[1, 2]),
            _cmd("update_subscription", sid=1, action="get_snapshot", market_tickers=[FED]),
            _cmd("update_subscription", sids=[1], action="add_markets", market_tickers=[FED]),
            _cmd("list_subscriptions"),
        ),
        headers=lambda: Signer(*KALSHI).headers("GET", "/trade-api/ws/v2", time.time_ns()),
    ),
    "Polymarket books": Talk(
        *("POLYMARKET", BINARY.tape, KEYS, "data"),
        login=({"type": "market", "assets_ids": [_FOUND]},),
        words=(
            {"type": "market", "assets_ids": [_FOUND], "custom_feature_enabled": True},
            {"operation": "subscribe", "assets_ids": [_FOUND]},
            {"operation": "unsubscribe", "assets_ids": [_FOUND]},
        ),
    ),
    "Polymarket account": Talk(
        *("POLYMARKET", BINARY.tape, KEYS, "stream"),
        login=({"type": "user", "auth": _AUTH, "markets": []},),
        words=(
            {"type": "user", "auth": _AUTH, "markets": [_FOUND]},
            {"operation": "subscribe", "markets": [_FOUND]},
            {"operation": "unsubscribe", "markets": [_FOUND]},
        ),
    ),
    "control": Talk(
        *("ALPACA", _alpaca, SPOT, "control"),
        login=(),
        words=(
            {"op": "attach", "epoch": 1, "done": 0},
            {"op": "redeliver"},
            {"op": "advance", "done": 1, "requests": 0, "timer": 631_152_000_000_000_000, "wait": 0.1, "silence": 30.0},
            {"op": "ledger"},
            {"op": "fault", "kind": "delay", "at": 10**9, "seconds": 1.0},
            {"op": "faults"},
        ),
        headers=lambda: {"Authorization": f"Bearer {TOKEN}"},
    ),
}


def lines() -> list[Lines]:
    """Return all of them; none is open yet."""
    return [Lines(name, talk) for name, talk in TALKS.items()]
