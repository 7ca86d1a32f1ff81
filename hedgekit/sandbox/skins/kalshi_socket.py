"""Kalshi's WebSocket: one path for market and account, told apart by what a client subscribes to.

A socket takes the account's seat of a kind (market: books, tickers, trades, lifecycles; account: orders, fills, positions) at its
first subscription to one; it may have both. While the socket that has it answers pings, another one's subscription fails with a channel
error, where Kalshi would serve it too. Subscription ids count from 1 on each socket. A second subscription to a channel adds its markets
to the first one, and has its id.

What a subscription brings by itself, the snapshots, is numbered and told like all that follows it; acknowledgements are told at once, and
without a number. Live, a ping with the body "heartbeat" goes out every 10 s; in step, where it would be an instant of its own, none does.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import WSMessage, WSMsgType, web

from hedgekit.sandbox.calls import UNREADABLE
from hedgekit.sandbox.skins.kalshi_books import Book, Change, levels, price_of
from hedgekit.sandbox.skins.kalshi_gate import Verifier, unauthorised
from hedgekit.sandbox.skins.kalshi_wire import MS, count, moment, uuid
from hedgekit.sandbox.timeline import DELIVERY
from hedgekit.sandbox.wall import WallTimeline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hedgekit.exchange.faults import ChannelName
    from hedgekit.sandbox.channel import Channel
    from hedgekit.sandbox.skin import Said
    from hedgekit.sandbox.timeline import Timeline

BEAT_S = 10.0
BOOKS, TICKERS, TRADES, LIVES = MARKET = ("orderbook_delta", "ticker", "trade", "market_lifecycle_v2")
ORDERS, FILLS, POSITIONS = ACCOUNT = ("user_orders", "fill", "market_positions")
KINDS: dict[str, ChannelName] = {**dict.fromkeys(MARKET, "md"), **dict.fromkeys(ACCOUNT, "trade")}
TYPES = {ORDERS: "user_order", POSITIONS: "market_position"}
"""The type of a channel's messages, where it is not the channel's name."""

NUMBERED = frozenset({BOOKS, TRADES, LIVES})
ERRORS = {
    1: "Unable to process message",
    2: "Params required",
    3: "Channels required",
    4: "Subscription IDs required",
    5: "Unknown command",
    7: "Unknown subscription ID",
    8: "Unknown channel name",
    10: "Channel error",
    11: "Invalid parameter",
    12: "Exactly one subscription ID is required",
    13: "Unsupported action",
    14: "Market Ticker required",
    15: "Action required",
}
_SUBSCRIBES = {"channels", "market_ticker", "market_tickers", "market_id", "market_ids", "send_initial_snapshot"}
_SUBSCRIBES |= {"skip_ticker_ack", "use_yes_price"}
_UPDATES = {"sid", "sids", "market_ticker", "market_tickers", "market_id", "market_ids", "send_initial_snapshot", "action"}


class Problem(Exception):
    """A command that fails, with one of the venue's codes."""

    def __init__(self, code: int, why: str = "") -> None:
        super().__init__(why)
        self.told = {"code": code, "msg": f"{ERRORS[code]}: {why}" if why else ERRORS[code]}


@dataclass(slots=True)
class Subscription:
    """One of a socket's subscriptions."""

    sid: int
    channel: str
    tickers: list[str]
    yes_price: bool = False
    quiet: bool = False
    seq: int = 0

    def number(self) -> dict[str, int]:
        """Count a message; return its fields that say which it is."""
        self.seq += 1
        return {"sid": self.sid, "seq": self.seq} if self.channel in NUMBERED else {"sid": self.sid}


@dataclass(slots=True, eq=False)
class _Line:
    """A socket, what it has subscribed to, and the seats that it has."""

    socket: web.WebSocketResponse
    transport: asyncio.BaseTransport | None
    sids: int = 0
    seats: set[ChannelName] = field(default_factory=set)


def topic(channel: str, ticker: str) -> str:
    """Return what a message is about, as channels know it."""
    return f"{channel} {ticker}"


class Stream:
    """The venue's socket, and the messages of the subscriptions on it.

    Parameters
    ----------
    verifier : Verifier
        Who may connect.
    channels : mapping of str to Channel
        "md" and "trade".
    books : mapping of str to Book
        By ticker.
    timeline : Timeline
        What time it is.
    shift : callable
        Returns by how many nanoseconds the venue's clock is off.
    ws_ns : int
        How long a message takes.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        verifier: Verifier,
        channels: Mapping[ChannelName, Channel],
        books: Mapping[str, Book],
        timeline: Timeline,
        shift: Callable[[], int],
        ws_ns: int,
    ) -> None:
        self._ws_ns = ws_ns
        self._verifier, self._channels, self._books, self._timeline, self._shift = verifier, channels, books, timeline, shift
        self._ids = {uuid("market", ticker): ticker for ticker in books}
        self._open: dict[str, Subscription] = {}

    # ------------------------------------------------------------------ messages

    def message(self, channel: str, ticker: str, body: Callable[[], Mapping[str, object]]) -> Said:
        """Return a message of a channel about a market, made when it leaves: nothing, and not counted, for who has not subscribed to it."""

        def leaves() -> bytes:
            told, content = self._open.get(channel), body()
            if told is None or ticker not in told.tickers:
                return b""
            return self._encode({"type": TYPES.get(channel, channel), **told.number(), "sending_ts_ms": self._now_ms(), "msg": content})

        return topic(channel, ticker), leaves

    def change(self, ticker: str, change: Change) -> Said:
        """Return a book's change, which is told when it leaves."""

        def body() -> Mapping[str, object]:
            self._books[ticker].tell(change)
            told = self._open.get(BOOKS)
            return {
                "market_ticker": ticker,
                "market_id": uuid("market", ticker),
                "clock": change.clock,
                "price_dollars": price_of(change.price, bid=change.bid, yes_price=told is not None and told.yes_price),
                "delta_fp": count(change.by),
                "side": "yes" if change.bid else "no",
                "ts": moment(change.ts_ns // MS * MS),
                "ts_ms": change.ts_ns // MS,
            }

        return self.message(BOOKS, ticker, body)

    def _snapshot(self, told: Subscription, ticker: str, reply_to: Mapping[str, object]) -> bytes:
        book = self._books[ticker]
        sides = {"yes_dollars_fp": (book.told[0], True), "no_dollars_fp": (book.told[1], False)}
        shown = {name: levels(sizes, bid=bid, yes_price=told.yes_price) for name, (sizes, bid) in sides.items() if sizes}
        body = {"market_ticker": ticker, "market_id": uuid("market", ticker), "clock": book.told_clock, **shown}
        head = {"type": "orderbook_snapshot", **reply_to, **told.number(), "sending_ts_ms": self._now_ms()}
        return self._encode(head | {"msg": body})

    def _now_ms(self) -> int:
        return (self._timeline.now_ns + self._shift()) // MS

    @staticmethod
    def _encode(message: Mapping[str, object]) -> bytes:
        return msgspec.json.encode(message)

    # ------------------------------------------------------------------- sockets

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one connection."""
        problem = self._verifier.problem(request.headers, request.method, request.path)
        if problem:
            answer = unauthorised(problem)
            return web.json_response(answer.body, status=answer.status)
        socket = web.WebSocketResponse(compress=False, autoping=False)
        await socket.prepare(request)
        line = _Line(socket, request.transport)
        for channel in self._channels.values():
            channel.join(socket, request.transport)
        beat = asyncio.ensure_future(_beat(socket)) if isinstance(self._timeline, WallTimeline) else None
        try:
            while message := await self._receive(socket):
                await self._on(line, message.data)
        except ConnectionError:
            pass
        finally:
            if beat is not None:
                beat.cancel()
            for channel in self._channels.values():
                channel.leave(socket)
        return socket

    async def _receive(self, socket: web.WebSocketResponse) -> WSMessage | None:
        """Return the next data frame, None when the socket is over."""
        async for message in socket:
            if message.type is WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                for channel in self._channels.values():
                    channel.pong(socket)
            else:
                return message
        return None

    async def _on(self, line: _Line, data: str | bytes) -> None:
        """Carry out a command."""
        asked = _object(data)
        number = asked.get("id") if asked else None
        reply_to = {"id": number} if isinstance(number, int) else {}
        try:
            if asked is None or (number is not None and not reply_to):
                raise Problem(1)  # noqa: TRY301 - the one place where all of them are told
            await self._command(line, asked, reply_to)
        except Problem as problem:
            await self._say(line, {**reply_to, "type": "error", "msg": problem.told})

    async def _say(self, line: _Line, message: Mapping[str, object]) -> None:
        await self._channels["md"].send(line.socket, self._encode({**message, "sending_ts_ms": self._now_ms()}))

    async def _command(self, line: _Line, asked: Mapping[str, Any], reply_to: Mapping[str, object]) -> None:
        name, params = asked.get("cmd"), asked.get("params")
        if name == "list_subscriptions":
            mine = [{"channel": one.channel, "sid": one.sid} for one in self._mine(line)]
            await self._say(line, {**reply_to, "type": "ok", "msg": mine})
            return
        acts = {"subscribe": self._subscribe, "unsubscribe": self._unsubscribe, "update_subscription": self._update}
        if not isinstance(name, str) or name not in acts:
            raise Problem(5, str(name)[:60])
        if not isinstance(params, dict):
            raise Problem(2)
        act = acts[name]
        await act(line, params, reply_to)

    def _mine(self, line: _Line) -> list[Subscription]:
        return [one for one in self._open.values() if KINDS[one.channel] in line.seats]

    # ------------------------------------------------------------- subscriptions

    async def _subscribe(self, line: _Line, params: dict[str, Any], reply_to: Mapping[str, object]) -> None:
        channels = params.get("channels")
        if not isinstance(channels, list) or not channels:
            raise Problem(3)
        for channel in channels:
            if not isinstance(channel, str) or channel not in KINDS:
                raise Problem(8, f"{str(channel)[:60]} is none, or not simulated; there are {', '.join(KINDS)}")
        _known(params, _SUBSCRIBES)
        named = self._named(params, by_id=channels == [TICKERS])
        if BOOKS in channels and not named:
            raise Problem(14)
        for channel in channels:
            await self._seat(line, channel)
            await self._begin(line, channel, list(self._books) if channel == LIVES or not named else named, params, reply_to)

    async def _seat(self, line: _Line, name: str) -> None:
        """Take the account's seat for a channel."""
        kind = KINDS[name]
        if kind in line.seats:
            return
        channel = self._channels[kind]
        if not await channel.seat(line.socket):
            raise Problem(10, f"another connection of the account is subscribed to {name} or its like; the sandbox serves one")
        channel.topics = frozenset()
        self._open = {name: one for name, one in self._open.items() if KINDS[name] != kind}
        for other, idle in self._channels.items():
            if other not in line.seats | {kind}:
                idle.leave(line.socket)  # what befalls that channel does not befall this socket
        channel.join(line.socket, line.transport)
        line.seats.add(kind)

    async def _begin(self, line: _Line, name: str, tickers: list[str], params: Mapping[str, Any], reply_to: Mapping[str, object]) -> None:
        """Begin a subscription, or add to the one that there is."""
        yes_price = params.get("use_yes_price", False)
        told = self._open.get(name)
        if told is not None and told.yes_price != yes_price:
            raise Problem(11, "use_yes_price differs from that of the subscription that there is")
        if told is None:
            line.sids += 1
            told = Subscription(line.sids, name, [], yes_price, params.get("skip_ticker_ack", False))
        await self._say(line, {**reply_to, "type": "subscribed", "msg": {"channel": name, "sid": told.sid}})
        self._open[name] = told
        self._add(told, [ticker for ticker in tickers if ticker not in told.tickers], {})

    def _add(self, told: Subscription, tickers: Sequence[str], reply_to: Mapping[str, object]) -> None:
        """Listen to markets, and say the snapshots with which that begins; nothing comes between."""
        channel = self._channels[KINDS[told.channel]]
        channel.topics |= {topic(told.channel, ticker) for ticker in tickers}
        told.tickers += tickers
        self._snapshots(told, tickers, reply_to)

    def _snapshots(self, told: Subscription, tickers: Iterable[str], reply_to: Mapping[str, object]) -> None:
        if told.channel == BOOKS:
            for ticker in tickers:
                self._channels["md"].begin(topic(BOOKS, ticker), self._snapshot(told, ticker, reply_to))
            self._timeline.call_at(self._timeline.now_ns + self._ws_ns, self._channels["md"].ask, rank=DELIVERY)

    async def _unsubscribe(self, line: _Line, params: dict[str, Any], reply_to: Mapping[str, object]) -> None:
        sids = params.get("sids")
        if not isinstance(sids, list) or not sids:
            raise Problem(4)
        _known(params, {"sids"})
        for one in {found.sid: found for found in [self._mine_by(line, sid) for sid in sids]}.values():
            self._drop(one, one.tickers)
            del self._open[one.channel]
            one.seq += 1
            await self._say(line, {**reply_to, "sid": one.sid, "seq": one.seq, "type": "unsubscribed"})

    async def _update(self, line: _Line, params: dict[str, Any], reply_to: Mapping[str, object]) -> None:
        sids = params.get("sids", [params["sid"]] if "sid" in params else None)
        if not isinstance(sids, list) or len(sids) != 1 or {"sid", "sids"} <= set(params):
            raise Problem(12)
        one = self._mine_by(line, sids[0])
        if "action" not in params:
            raise Problem(15)
        _known(params, _UPDATES)
        action = params["action"]
        if action not in ("add_markets", "delete_markets", "get_snapshot") or (action == "get_snapshot" and one.channel != BOOKS):
            raise Problem(13, str(action)[:60])
        tickers = self._named(params, by_id=one.channel == TICKERS)
        if not tickers:
            raise Problem(14)
        if action == "get_snapshot":
            self._snapshots(one, tickers, reply_to)
            return
        if action == "delete_markets":
            self._drop(one, tickers)
            one.tickers = [ticker for ticker in one.tickers if ticker not in tickers]
        new = [ticker for ticker in tickers if ticker not in one.tickers] if action == "add_markets" else []
        left = {} if one.quiet else {"msg": {"market_tickers": [*one.tickers, *new]}}
        await self._say(line, {**reply_to, "sid": one.sid, "type": "ok", **left})
        self._add(one, new, {})

    def _mine_by(self, line: _Line, sid: object) -> Subscription:
        found = next((one for one in self._mine(line) if one.sid == sid), None)
        if found is None:
            raise Problem(7)
        return found

    def _drop(self, one: Subscription, tickers: Iterable[str]) -> None:
        channel = self._channels[KINDS[one.channel]]
        channel.topics -= {topic(one.channel, ticker) for ticker in tickers}

    def _named(self, params: Mapping[str, Any], *, by_id: bool) -> list[str]:
        """Return the markets that a command names; none for all."""
        given = [name for name in ("market_ticker", "market_tickers", "market_id", "market_ids") if name in params]
        if not given:
            return []
        name, value = given[0], params[given[0]]
        names = value if name.endswith("s") else [value]
        listed = isinstance(names, list) and all(isinstance(one, str) for one in names)
        if len(given) > 1 or not listed or (name.startswith("market_id") and not by_id):
            raise Problem(11, ", ".join(given))
        found = [self._ids.get(one, "") if name.startswith("market_id") else one for one in names]
        if unknown := [str(one)[:60] for one, ticker in zip(names, found, strict=True) if ticker not in self._books]:
            raise Problem(11, f"no market {', '.join(unknown)}")
        return list(dict.fromkeys(found))


def _known(params: Mapping[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(params) - known):
        raise Problem(11, f"{', '.join(unknown)[:120]} is unknown")
    for name in ("use_yes_price", "skip_ticker_ack", "send_initial_snapshot"):
        if not isinstance(params.get(name, False), bool):
            raise Problem(11, f"{name} must be true or false")


def _object(data: str | bytes) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except UNREADABLE:
        return None


async def _beat(socket: web.WebSocketResponse) -> None:
    with suppress(ConnectionError):
        while not socket.closed:
            await asyncio.sleep(BEAT_S)
            await socket.ping(b"heartbeat")
