"""Alpaca's two WebSockets: ``/stream`` (trade updates) and ``/v2/sip`` (quotes).

Handshakes are answered at once. Market data is JSON, or msgpack to who asks for it in
the handshake (:mod:`~hedgekit.sandbox.skins.alpaca_packed`). One socket of each kind for the account: a second one
is refused (429 on ``/stream``, error 406 on ``/v2/sip``) while the first answers
pings, and takes its place if it does not.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import WSMessage, WSMsgType, web

from hedgekit.sandbox.calls import UNREADABLE, Keys
from hedgekit.sandbox.skins.alpaca_packed import Packed, wants_packed
from hedgekit.sandbox.skins.alpaca_wire import error

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hedgekit.sandbox.channel import Channel

TRADE_UPDATES = "trade_updates"
AUTH_S = 10.0
"""Real seconds to authenticate on the market-data socket before error 404."""

ERRORS = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    406: "connection limit exceeded",
}


def _object(data: str | bytes) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except UNREADABLE:
        return None


def _asked(socket: web.WebSocketResponse, message: WSMessage) -> dict[str, Any]:
    """Return what the client says on a market-data socket, in the form that it chose; empty if it cannot be read."""
    return (Packed.read(message.data) if isinstance(socket, Packed) else _object(message.data)) or {}


def _keys(message: dict[str, Any], key: str, secret: str) -> Keys:
    return Keys(str(message.get(key, "")), str(message.get(secret, "")))


class _Stream:
    """What both sockets share: pings, pongs and the seat."""

    def __init__(self, channel: Channel, keys: Keys) -> None:
        self._channel, self._keys = channel, keys

    async def _say(self, socket: web.WebSocketResponse, message: object) -> None:
        await self._channel.send(socket, msgspec.json.encode(message))

    async def _receive(self, socket: web.WebSocketResponse) -> WSMessage | None:
        """Return the next data frame, None when the socket is over."""
        async for message in socket:
            if message.type is WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self._channel.pong(socket)
            else:
                return message
        return None


class TradeStream(_Stream):
    """``/stream``: authenticate (both forms), listen, then one BINARY frame for each trade update."""

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one connection."""
        if await self._channel.occupied():
            return web.json_response(error(42910000, "one trade stream for an account: another one is connected"), status=429)
        socket = web.WebSocketResponse(compress=False, autoping=False)
        await socket.prepare(request)
        self._channel.join(socket, request.transport)
        known = False
        try:
            while message := await self._receive(socket):
                known = await self._on(socket, _object(message.data) or {}, known=known)
        except ConnectionError:
            pass
        finally:
            self._channel.leave(socket)
        return socket

    async def _on(self, socket: web.WebSocketResponse, message: dict[str, Any], *, known: bool) -> bool:
        action = message.get("action")
        if action in ("authenticate", "auth"):  # a tuple: what a client sends may have no hash
            known = await self._login(socket, message)
        elif action != "listen":
            await self._say(socket, {"stream": "error", "data": {"error": f"unknown action {action!r}; use authenticate or listen"}})
        elif not known:
            await self._say(socket, {"stream": "authorization", "data": {"status": "unauthorized", "action": "listen"}})
        else:
            await self._listen(socket, message)
        return known

    async def _login(self, socket: web.WebSocketResponse, message: dict[str, Any]) -> bool:
        data = message.get("data")
        given = _keys(data, "key_id", "secret_key") if isinstance(data, dict) else _keys(message, "key", "secret")
        known = self._keys.match(given.key, given.secret) and await self._channel.seat(socket)
        status = "authorized" if known else "unauthorized"
        await self._say(socket, {"stream": "authorization", "data": {"status": status, "action": "authenticate"}})
        return known

    async def _listen(self, socket: web.WebSocketResponse, message: dict[str, Any]) -> None:
        data = message.get("data")
        streams = data.get("streams") if isinstance(data, dict) else None
        wanted = {TRADE_UPDATES} if isinstance(streams, list) and TRADE_UPDATES in streams else set()
        self._channel.topics = frozenset(wanted)
        await self._say(socket, {"stream": "listening", "data": {"streams": sorted(wanted)}})


def status_topic(symbol: str) -> str:
    """Return the topic of an instrument's trading statuses; that of its quotes is its symbol."""
    return f"status of {symbol}"


class DataStream(_Stream):
    """``/v2/sip``: connected, auth, subscribe to quotes and statuses, then arrays of both; only a live feed halts."""

    def __init__(self, channel: Channel, keys: Keys, symbols: Iterable[str]) -> None:
        super().__init__(channel, keys)
        self._symbols = tuple(symbols)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one connection."""
        socket = (Packed if wants_packed(request) else web.WebSocketResponse)(compress=False, autoping=False)
        await socket.prepare(request)
        self._channel.join(socket, request.transport)
        try:
            await self._say(socket, [{"T": "success", "msg": "connected"}])
            if await self._login(socket):
                while message := await self._receive(socket):
                    await self._on(socket, _asked(socket, message))
        except ConnectionError:
            pass
        finally:
            self._channel.leave(socket)
        return socket

    async def _fail(self, socket: web.WebSocketResponse, code: int, why: str | None = None) -> None:
        await self._say(socket, [{"T": "error", "code": code, "msg": why or ERRORS[code]}])

    async def _login(self, socket: web.WebSocketResponse) -> bool:
        """Wait for the right keys and the seat; False if the socket is to close."""
        try:
            async with asyncio.timeout(AUTH_S):
                while message := await self._receive(socket):
                    asked = _asked(socket, message)
                    if asked.get("action") == "auth":
                        return await self._admit(socket, asked)
                    await self._fail(socket, 401 if "action" in asked else 400)
        except TimeoutError:
            await self._fail(socket, 404)
        return False

    async def _admit(self, socket: web.WebSocketResponse, asked: dict[str, Any]) -> bool:
        given = _keys(asked, "key", "secret")
        if not self._keys.match(given.key, given.secret):
            await self._fail(socket, 402)
            return False
        if not await self._channel.seat(socket):
            await self._fail(socket, 406)
            return False
        await self._say(socket, [{"T": "success", "msg": "authenticated"}])
        return True

    async def _on(self, socket: web.WebSocketResponse, asked: dict[str, Any]) -> None:
        action, quotes, statuses = asked.get("action"), asked.get("quotes", []), asked.get("statuses", [])
        other = set(asked) - {"action", "quotes", "statuses"}
        lists = isinstance(quotes, list) and isinstance(statuses, list)
        if action == "auth":
            await self._fail(socket, 403)
        elif action not in ("subscribe", "unsubscribe") or not lists or any(asked[name] for name in other):
            await self._fail(socket, 400, "invalid syntax: the sandbox streams quotes; subscribe with quotes and statuses alone")
        elif unknown := sorted({str(name) for name in [*quotes, *statuses]} - {"*", *self._symbols}):
            await self._fail(socket, 400, f"invalid syntax: no symbol {', '.join(unknown)}; there are {', '.join(self._symbols)}")
        else:
            chosen, halts = (self._symbols if "*" in names else names for names in (quotes, statuses))
            named = frozenset(chosen) | {status_topic(symbol) for symbol in halts}
            self._channel.topics = self._channel.topics | named if action == "subscribe" else self._channel.topics - named
            quoted = sorted(self._channel.topics & set(self._symbols))
            told = {"T": "subscription", "trades": [], "quotes": quoted, "bars": [], "statuses": statuses}
            await self._say(socket, [told])
