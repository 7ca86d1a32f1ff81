"""The Deribit client over real sockets on loopback: what aiohttp sends is what was signed, and the logins work."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType, web

from hedgekit.net.transport import Rest, Stream
from hedgekit.types import Order, Quote, Reply, Request
from tests.venues.deribit_made import BTC, ETH, LINEAR, ORDER, SECRET, answer, client, payload

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Serve every path by one handler on a free port; yield the address without its scheme."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()


def odd(name: str) -> Order:
    """Return an order whose id no path may carry as it stands."""
    return msgspec.structs.replace(ORDER, order_id=name)


def _requests() -> list[Request]:
    made = client(BTC, ETH, LINEAR)
    orders = [odd("s1-1-0"), odd("a/b?c=d&e%2F ü+1-1-0")]
    return [
        *(made.submit(order) for order in orders),
        *(made.lookup(order) for order in orders),
        made.cancel(ORDER, "BTC-1/../2"),
        made.fills(1, "ETH:ETH-15"),
        *made.holdings(),
    ]


@pytest.mark.parametrize("request_", _requests())
async def test_what_is_sent_is_what_was_signed(request_: Request) -> None:
    async def checked(request: web.Request) -> web.Response:
        scheme, _, rest = request.headers["Authorization"].partition(" ")
        told = dict(item.split("=", 1) for item in rest.split(","))
        lines = [told["ts"], told["nonce"], request.method, request.raw_path, (await request.read()).decode(), ""]
        right = hmac.new(SECRET.encode(), "\n".join(lines).encode(), hashlib.sha256).hexdigest()
        json = request.content_type == "application/json"
        return web.Response(status=200 if (scheme, told["sig"], json) == ("deri-hmac-sha256", right, True) else 401)

    answers: asyncio.Queue[Reply] = asyncio.Queue()
    async with serving(checked) as address:
        made = client()
        rest = Rest(
            f"http://{address}", lambda one: made.signed(one, 1_764_000_000_000_000_000), lambda _, reply: answers.put_nowait(reply)
        )
        rest.send(request_)
        assert (await answers.get()).status == 200
        await rest.close()


@pytest.mark.parametrize("which", ["market", "account"])
async def test_a_feed_logs_in_and_answers_over_a_socket(which: str) -> None:
    """The server tells a book (or an execution) before it answers the subscription, and asks whether anybody is there."""
    heard: list[str] = []
    early = payload("book_snapshot" if which == "market" else "user_trades").decode()

    async def venue(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                heard.append(msgspec.json.decode(message.data)["method"])
                if heard[-1].endswith("/subscribe"):
                    await socket.send_str(early)
                await socket.send_str(answer(message.data.encode()).decode())
                if heard[-1].endswith("/subscribe"):
                    await socket.send_str(payload("test_request").decode())
        return socket

    made = client()
    feed: Any = made.market(1) if which == "market" else made.account(1)
    async with serving(venue) as address:
        stream = await Stream.open(f"ws://{address}/ws/api/v2", feed.login(), name="test", headers=feed.headers)
        (told,) = feed.take(await stream.receive(), 2)
        assert isinstance(told, Quote) is (which == "market")
        for message in feed.to_say():
            await stream.send(message.decode())
        assert feed.take(await stream.receive(), 3) == []
        await stream.close()
    assert heard[-2:] == ["public/subscribe" if which == "market" else "private/subscribe", "public/test"]
    assert len(heard) == (3 if which == "market" else 5)
