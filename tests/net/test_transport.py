"""Transport against real servers on loopback: what is refused, what is lost, what is kept secret."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import msgspec
import pytest
from aiohttp import WSMsgType, web

from hedgekit.errors import LiveHostRefused, SessionError, VenueError
from hedgekit.net.transport import LARGEST, Count, Rest, Stream, require_paper
from hedgekit.types import Login, Priority, Reply, Request
from hedgekit.venues.alpaca import Alpaca
from tests.net.orders_made import VENUE, order

SECRET = "hunter2-very-secret"  # noqa: S105 - what must not be seen
GET = Request("GET", "/v2/account", "account", Priority.QUERY)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Serve every path by one handler on a free port; yield the address without its scheme."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def signed(request: Request) -> Mapping[str, str]:
    return Alpaca(("key", SECRET), ()).signed(request, 0)


def login(secret: str = SECRET) -> Login:
    return Alpaca(("key", secret), ()).account(0).login()


@asynccontextmanager
async def rest_to(address: str, **options: object) -> AsyncIterator[tuple[Rest, asyncio.Queue[tuple[int, Reply]]]]:
    """Yield a Rest and the queue of its answers."""
    answers: asyncio.Queue[tuple[int, Reply]] = asyncio.Queue()
    rest = Rest(f"http://{address}", signed, lambda n, reply: answers.put_nowait((n, reply)), **options)  # type: ignore[arg-type]
    try:
        yield rest, answers
    finally:
        await rest.close()


# --------------------------------------------------------- L8: paper hosts only


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080",
        "http://127.9.9.9",
        "http://[::1]:8080",
        "http://localhost:1",
        "ws://127.0.0.1/stream",
        "https://paper-api.alpaca.markets",
        "https://PAPER-API.alpaca.markets:443/v2",
    ],
)
def test_loopback_and_demo_hosts_may_get_orders(url: str) -> None:
    assert require_paper(url, Alpaca.order_hosts) == url


@pytest.mark.parametrize(
    "url",
    [
        "https://api.alpaca.markets",
        "https://api.alpaca.markets:443/v2/orders",
        "https://paper-api.alpaca.markets@api.alpaca.markets",
        "https://127.0.0.1@api.alpaca.markets",
        "https://paper-api.alpaca.markets.evil.com",
        "https://evil.com/paper-api.alpaca.markets",
        "https://localhost.evil.com",
        "http://0.0.0.0:8080",
        "http://10.0.0.1",
        "http://[::]:80",
        "http://169.254.169.254",
        "http://2130706433",
        "",
        "api.alpaca.markets",
        "file:///etc/passwd",
    ],
)
def test_every_other_host_is_refused_and_the_error_says_where_to_go(url: str) -> None:
    with pytest.raises(LiveHostRefused, match=r"not a paper host: .*127\.0\.0\.1 or paper-api\.alpaca\.markets only"):
        require_paper(url, Alpaca.order_hosts)


@pytest.mark.parametrize("url", ["http://paper-api.alpaca.markets", "ws://paper-api.alpaca.markets/stream"])
def test_a_demo_host_gets_its_keys_encrypted_or_not_at_all(url: str) -> None:
    with pytest.raises(LiveHostRefused, match="https"):
        require_paper(url, Alpaca.order_hosts)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_of_a_request_is_followed(status: int) -> None:
    visitors: list[str] = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        visitors.append(request.path)
        return web.Response()

    async with serving(elsewhere) as other:

        async def redirect(_: web.Request) -> web.StreamResponse:
            return web.Response(status=status, headers={"Location": f"http://{other}/v2/orders"})

        async with serving(redirect) as address, rest_to(address) as (rest, answers):
            rest.send(Request("POST", "/v2/orders", "submit", Priority.PRIMARY, b"{}", "s-1-0"))
            number, reply = await answers.get()
    assert (number, reply.status) == (1, status)
    assert "redirect" in Alpaca.error_of(reply)[1]
    assert visitors == []


async def test_no_redirect_of_a_socket_is_followed() -> None:
    heard: list[str] = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        return await talk(request, heard)

    async with serving(elsewhere) as other:

        async def redirect(_: web.Request) -> web.StreamResponse:
            return web.Response(status=302, headers={"Location": f"http://{other}/stream"})

        async with serving(redirect) as address:
            with pytest.raises(SessionError, match=f"cannot open the trades stream at {address}"):
                await Stream.open(f"ws://{address}/stream", login(), name="trades")
    assert heard == []


@pytest.mark.parametrize("path", ["http://{}/v2/orders", "//{}/v2/orders"])
async def test_a_request_cannot_name_a_host(path: str) -> None:
    visitors: list[str] = []

    async def note(request: web.Request) -> web.StreamResponse:
        visitors.append(request.host)
        return web.Response()

    async with serving(note) as other, serving(note) as address, rest_to(address) as (rest, _):
        with pytest.raises(LiveHostRefused, match="path"):
            rest.send(Request("GET", path.format(other), "account", Priority.QUERY))
    assert visitors == []


# ------------------------------------------------------------- answers and losses


async def test_requests_are_numbered_labelled_and_answered() -> None:
    seen: list[tuple[str, str, str, bytes]] = []

    async def echo(request: web.Request) -> web.StreamResponse:
        seen.append((request.method, request.path_qs, request.headers["X-Number"], await request.read()))
        assert request.headers["APCA-API-SECRET-KEY"] == SECRET
        return web.Response(status=207, body=b"hello")

    async with (
        serving(echo) as address,
        rest_to(address, label=lambda n: {"X-Number": str(n)}, count=(count := Count())) as (rest, answers),
    ):
        assert rest.send(GET) == 1
        assert await answers.get() == (1, Reply(207, b"hello"))
        assert rest.send(Request("POST", "/v2/orders", "submit", Priority.PRIMARY, b"{}")) == 2
        assert (await answers.get())[0] == 2
        rest.send(VENUE.lookup(msgspec.structs.replace(order(1), order_id="a b&c-1-0")))
        await answers.get()
        assert count.given == 3
    assert seen[:2] == [("GET", "/v2/account", "1", b""), ("POST", "/v2/orders", "2", b"{}")]
    assert seen[2][1] == "/v2/orders:by_client_order_id?client_order_id=a%20b%26c-1-0"


async def test_nobody_listening_is_an_unknown_outcome() -> None:
    async with rest_to(f"127.0.0.1:{free_port()}") as (rest, answers):
        rest.send(GET)
        assert await answers.get() == (1, Reply(0))


async def test_a_connection_that_breaks_is_an_unknown_outcome() -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    async def none(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    for handler in (half, none):
        async with serving(handler) as address, rest_to(address) as (rest, answers):
            rest.send(Request("POST", "/v2/orders", "submit", Priority.PRIMARY, b"{}"))
            assert await answers.get() == (1, Reply(0))


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
async def test_a_request_whose_connection_breaks_is_sent_once(method: str) -> None:
    """A17: what is repeated is repeated by the sender, through the limiter."""
    arrived: list[str] = []

    async def second_breaks(request: web.Request) -> web.StreamResponse:
        arrived.append(request.method)
        if len(arrived) > 1:
            assert request.transport is not None
            request.transport.close()
        return web.Response()

    async with serving(second_breaks) as address, rest_to(address) as (rest, answers):
        for status in (200, 0):  # the connection that breaks is one that was used before
            rest.send(Request(method, "/v2/orders/v1", "cancel", Priority.CLOSE))
            assert (await answers.get())[1].status == status
    assert arrived == [method, method]


async def test_an_answer_without_an_end_is_broken_off() -> None:
    gone = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 2**20)
        except ConnectionError:
            gone.set()
        return response

    async def large(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * LARGEST)

    async with serving(endless) as address, rest_to(address) as (rest, answers):
        rest.send(GET)
        _, reply = await answers.get()
        assert (reply.status, b"more than 16 MiB" in reply.body) == (200, True)
        await gone.wait()
    async with serving(large) as address, rest_to(address) as (rest, answers):
        rest.send(GET)
        assert len((await answers.get())[1].body) == LARGEST


async def test_no_proxy_of_the_environment_gets_a_request_or_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await talk(request, []) if request.path == "/stream" else web.Response(text="straight")

    async with serving(handler) as address:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "ws_proxy", "WS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
        async with rest_to(address) as (rest, answers):
            rest.send(GET)
            assert (await answers.get())[1].body == b"straight"
        await (await Stream.open(f"ws://{address}/stream", login(), name="trades")).close()


async def test_closing_does_not_wait_for_answers() -> None:
    arrived = asyncio.Event()

    async def never(_: web.Request) -> web.StreamResponse:
        arrived.set()
        await asyncio.sleep(60)
        return web.Response()

    async with serving(never) as address:
        async with rest_to(address) as (rest, answers):
            rest.send(GET)
            await arrived.wait()
        assert answers.empty()


# ----------------------------------------------------------------------- sockets


async def talk(request: web.Request, heard: list[str]) -> web.WebSocketResponse:
    """Play Alpaca's trade-updates socket, in binary frames; note what is heard."""
    ws = web.WebSocketResponse()
    await ws.prepare(request)
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            heard.append(message.data)
            if "authenticate" in message.data:
                good = SECRET in message.data
                await ws.send_bytes(b'{"stream":"authorization","data":{"status":"%s"}}' % (b"authorized" if good else b"unauthorized"))
            else:
                await ws.send_bytes(b'{"stream":"listening","data":{"streams":["trade_updates"]}}')
                await ws.send_bytes(b"one")
                await ws.send_str("two")
                await ws.close()
    return ws


async def test_a_stream_logs_in_and_hands_over_every_frame_and_its_end() -> None:
    heard: list[str] = []
    frames: list[bytes | str] = []
    ended: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    async def handler(request: web.Request) -> web.StreamResponse:
        return await talk(request, heard)

    async with serving(handler) as address:
        stream = await Stream.open(f"ws://{address}/stream", login(), name="trades")
        stream.pump(frames.append, ended.set_result)
        error = await ended
        await stream.send("too late")
        await stream.close()
    assert frames == [b"one", "two"]
    assert "the trades stream was closed by the venue" in str(error)
    assert len(heard) == 2


async def test_whatever_ends_the_reader_is_told() -> None:
    ended: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    def choke(frame: bytes | str) -> None:
        raise ValueError(frame)

    async def handler(request: web.Request) -> web.StreamResponse:
        return await talk(request, [])

    async with serving(handler) as address:
        stream = await Stream.open(f"ws://{address}/stream", login(), name="trades")
        stream.pump(choke, ended.set_result)
        error = await asyncio.wait_for(ended, 10.0)
        await stream.close()
    assert isinstance(error, ValueError)
    assert error.args == (b"one",)


async def test_a_refused_login_says_what_the_venue_said() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await talk(request, [])

    async with serving(handler) as address:
        with pytest.raises(VenueError, match=r"alpaca refused the login: .*unauthorized"):
            await Stream.open(f"ws://{address}/stream", login("wrong"), name="trades")


async def test_nobody_listening_is_said_in_one_line() -> None:
    port = free_port()
    with pytest.raises(SessionError, match=f"cannot open the trades stream at 127.0.0.1:{port}: .*is the venue running"):
        await Stream.open(f"ws://127.0.0.1:{port}/stream", name="trades")


async def test_a_server_that_is_no_socket_is_said_in_one_line() -> None:
    async def page(_: web.Request) -> web.StreamResponse:
        return web.Response(text="hello")

    async with serving(page) as address:
        with pytest.raises(SessionError, match="cannot open the trades stream"):
            await Stream.open(f"ws://{address}/stream", name="trades")


# ------------------------------------------------------------------- L9: secrets


async def test_no_repr_and_no_error_has_the_secret() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await talk(request, [])

    def mistaken() -> Login:
        message, waits = next(login())
        answer = yield message, waits
        msg = f"refused: {answer!r}"
        raise VenueError(msg)

    async with serving(handler) as address:
        stream = await Stream.open(f"ws://{address}/stream", login(), name="trades")
        async with rest_to(address) as (rest, _):
            assert SECRET not in f"{rest!r} {rest} {stream!r} {stream}"
        await stream.close()
        with pytest.raises(VenueError) as caught:
            await Stream.open(f"ws://{address}/stream", mistaken(), name="trades")
    assert SECRET not in repr(caught.value)
