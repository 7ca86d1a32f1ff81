"""Alpaca's two WebSockets over real sockets: logins, subscriptions, errors, one seat each."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
import pytest

from tests.sandbox.desk import TIMEOUT_S, binary, desk, inside, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Socket = aiohttp.ClientWebSocketResponse


@asynccontextmanager
async def opened(path: str) -> AsyncIterator[Socket]:
    async with inside() as process, aiohttp.ClientSession() as http, http.ws_connect(process.ready[path]) as socket:
        if path == "data":
            assert await text(socket) == [{"T": "success", "msg": "connected"}]
        yield socket


async def told(socket: Socket, message: Any) -> Any:
    """Send to the market-data socket and return the one message it answers."""
    await (socket.send_str(message) if isinstance(message, str) else socket.send_json(message))
    (item,) = await text(socket)
    return item


GOOD = {"action": "auth", "key": "AK", "secret": "AS-secret"}


@pytest.mark.parametrize("login", [{"action": "authenticate", "data": {"key_id": "AK", "secret_key": "AS-secret"}}, GOOD])
@pytest.mark.parametrize("as_binary", [False, True])
async def test_trade_stream_takes_both_logins_in_both_frames(login: dict[str, Any], as_binary: bool) -> None:  # noqa: FBT001 - a table's column
    async with opened("stream") as socket:
        raw = json.dumps(login)
        await (socket.send_bytes(raw.encode()) if as_binary else socket.send_str(raw))
        assert await binary(socket) == {"stream": "authorization", "data": {"status": "authorized", "action": "authenticate"}}
        await socket.send_json({"action": "listen", "data": {"streams": ["trade_updates", "other"]}})
        assert await binary(socket) == {"stream": "listening", "data": {"streams": ["trade_updates"]}}


async def test_trade_stream_refuses_strangers() -> None:
    async with opened("stream") as socket:
        await socket.send_json({"action": "listen", "data": {"streams": ["trade_updates"]}})
        assert (await binary(socket))["data"] == {"status": "unauthorized", "action": "listen"}
        await socket.send_json({"action": "auth", "key": "AK", "secret": "no"})
        assert (await binary(socket))["data"]["status"] == "unauthorized"
        await socket.send_str("nonsense")
        assert (await binary(socket))["stream"] == "error"


async def test_data_is_msgpack_to_who_asks_for_it() -> None:
    packed = {"headers": {"Content-Type": "application/msgpack"}}

    async def told(socket: Socket) -> Any:
        frame = await socket.receive(TIMEOUT_S)
        assert frame.type is aiohttp.WSMsgType.BINARY, frame
        return msgspec.msgpack.decode(frame.data)

    options = {"live": True, "speed": 50.0}
    async with inside(**options) as process, aiohttp.ClientSession() as http, http.ws_connect(process.ready["data"], **packed) as socket:
        assert await told(socket) == [{"T": "success", "msg": "connected"}]
        await socket.send_bytes(b"\xc1 no msgpack")
        assert (await told(socket))[0]["code"] == 400
        await socket.send_bytes(msgspec.msgpack.encode(GOOD))
        assert await told(socket) == [{"T": "success", "msg": "authenticated"}]
        await socket.send_bytes(msgspec.msgpack.encode({"action": "subscribe", "quotes": ["KO"]}))
        assert (await told(socket))[0]["quotes"] == ["KO"]
        before = time.time()
        quotes = [(await told(socket))[0] for _ in range(2)]
        assert [(quote["T"], quote["S"]) for quote in quotes] == [("q", "KO")] * 2
        moments = [quote["t"].timestamp() for quote in quotes]
        assert before - 5 < moments[0] < moments[1] < time.time() + 5


async def test_data_stream_errors_before_login() -> None:
    async with opened("data") as socket:
        assert (await told(socket, "nonsense"))["code"] == 400
        assert await told(socket, {"action": "subscribe", "quotes": ["KO"]}) == {"T": "error", "code": 401, "msg": "not authenticated"}
        assert await told(socket, GOOD | {"secret": "no"}) == {"T": "error", "code": 402, "msg": "auth failed"}
        assert (await socket.receive(TIMEOUT_S)).type is aiohttp.WSMsgType.CLOSE


async def test_data_stream_subscriptions() -> None:
    async with opened("data") as socket:
        assert await told(socket, GOOD) == {"T": "success", "msg": "authenticated"}
        assert await told(socket, GOOD) == {"T": "error", "code": 403, "msg": "already authenticated"}
        assert (await told(socket, {"action": "subscribe", "quotes": ["PEP"]}))["quotes"] == ["PEP"]
        assert (await told(socket, {"action": "subscribe", "quotes": ["*"]}))["quotes"] == ["KO", "PEP"]
        assert (await told(socket, {"action": "unsubscribe", "quotes": ["PEP"]}))["quotes"] == ["KO"]
        assert (await told(socket, {"action": "subscribe", "quotes": ["KO"], "statuses": ["KO"]}))["statuses"] == ["KO"]
        assert (await told(socket, {"action": "subscribe", "statuses": ["IBM"]}))["code"] == 400
        for wrong in ({"action": "subscribe", "quotes": ["IBM"]}, {"action": "subscribe", "trades": ["KO"]}, {"action": "dance"}, {}, [1]):
            assert (await told(socket, wrong))["code"] == 400


async def test_data_stream_sends_what_is_subscribed() -> None:
    async with inside() as process, desk(process.ready) as client:
        assert (await told(client.data, {"action": "unsubscribe", "quotes": ["KO"]}))["quotes"] == ["PEP"]
        seen = await client.advance()
        assert [(q["T"], q["S"]) for q in seen.quotes] == [("q", "PEP")]
        assert seen.answer["md"] == 1


async def test_a_second_socket_is_refused_while_the_first_is_alive() -> None:
    async with inside() as process, desk(process.ready) as client:
        # a client answers pings while it reads, as a session always does
        readers = [asyncio.ensure_future(socket.receive()) for socket in (client.trade, client.data)]
        with pytest.raises(aiohttp.WSServerHandshakeError, match="429"):
            await client.http.ws_connect(process.ready["stream"])
        async with client.http.ws_connect(process.ready["data"]) as second:
            await text(second)
            assert await told(second, GOOD) == {"T": "error", "code": 406, "msg": "connection limit exceeded"}
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)


async def test_a_silent_socket_gives_way() -> None:
    """The first client reads no more (it hangs, or its machine is gone), so it answers no ping."""
    async with inside() as process, desk(process.ready), desk(process.ready, 2) as heir:
        assert len((await heir.advance()).quotes) == 2
