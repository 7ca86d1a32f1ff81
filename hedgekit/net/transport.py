"""Bytes over the network: REST requests and WebSocket frames, by aiohttp.

Nothing here decides or waits for a time-out: answers and frames are handed to
the session's inbox, time-outs are timers of the session's scheduler. A request
for orders goes to loopback or to a venue's demo host, never elsewhere, and no
redirect is followed (L8).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Self
from urllib.parse import urlsplit

import aiohttp

from hedgekit.errors import LiveHostRefused, SessionError
from hedgekit.types import Login, Reply, Request

_NO_TIMEOUT = aiohttp.ClientTimeout(total=None)
_LOGIN_S = 10.0
GOODBYE_S = 2.0
"""Real seconds for a venue's answer to the end of a socket."""
LARGEST = 16 * 2**20
"""Bytes of an answer or a frame that are read; what is longer is no venue's."""

_REDIRECT = range(300, 400)
_LIMITS = ("retry-after", "x-ratelimit-remaining", "x-ratelimit-reset", "x-ratelimit-limit")
"""Headers by which venues speak of their rate limits; no other header is kept."""


def require_paper(url: str, demo_hosts: Iterable[str]) -> str:
    """Return ``url`` if orders may go there, else raise.

    Raises
    ------
    LiveHostRefused
        If the host is neither loopback nor one of the venue's demo hosts, or a demo host is to be reached unencrypted.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in demo_hosts and parts.scheme not in ("https", "wss"):
        msg = f"{parts.scheme}://{host} would carry your keys in the clear: write https://{host} (wss:// for a stream)"
        raise LiveHostRefused(msg)
    if host in demo_hosts or host == "localhost":
        return url
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        allowed = " or ".join(["the sandbox on 127.0.0.1", *sorted(demo_hosts)])
        msg = f"{host!r} is not a paper host: hedgekit sends orders and keys to {allowed} only"
        raise LiveHostRefused(msg)
    return url


async def _stay(_: aiohttp.ClientSession, __: object, params: aiohttp.TraceRequestRedirectParams) -> None:
    """Break off where aiohttp would follow a redirect of a WebSocket, and log in there (L8, L9)."""
    params.response.close()
    raise aiohttp.ClientConnectionError


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send a request once. aiohttp would repeat a GET or DELETE whose connection was lost, and the limiter would not know (A17)."""
    try:
        return await send(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError from error


async def body_of(response: aiohttp.ClientResponse) -> bytes:
    """Return an answer's body, or words of our own in place of one without an end."""
    body = b""
    while part := await response.content.readany():
        body += part
        if len(body) > LARGEST:
            response.close()
            return b'{"message":"the venue answered with more than 16 MiB; hedgekit reads no more of it"}'
    return body


class Count:
    """Numbers for requests, from 1."""

    def __init__(self) -> None:
        self.given = 0

    def next(self) -> int:
        """Return the next number."""
        self.given += 1
        return self.given


class Rest:
    """Sends numbered requests; each answer is handed to ``on_reply(number, reply)``.

    Parameters
    ----------
    base_url, quotes_url : str
        Scheme, host and port, of all requests and of those for quotes (by default the same).
    signed : callable
        Returns the headers that a request is signed with; kept out of every repr and error.
    on_reply : callable
        Called on the event loop.
    label : callable
        Turns a request's number into extra headers (the tape's barrier counts requests by them).
    count : Count, optional
        Numbers the requests; shared by all accounts of a session.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        base_url: str,
        signed: Callable[[Request], Mapping[str, str]],
        on_reply: Callable[[int, Reply], None],
        label: Callable[[int], dict[str, str]] = lambda _: {},
        *,
        quotes_url: str = "",
        count: Count | None = None,
    ) -> None:
        self._http = aiohttp.ClientSession(timeout=_NO_TIMEOUT, middlewares=(_once,))
        self._bases = (base_url.rstrip("/"), (quotes_url or base_url).rstrip("/"))
        self._signed, self._on_reply, self._label = signed, on_reply, label
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._count = count or Count()

    def send(self, request: Request) -> int:
        """Start a request and return its number (from 1).

        Raises
        ------
        LiveHostRefused
            If the request's path names a host of its own.
        """
        if not request.path.startswith("/") or request.path.startswith("//"):
            msg = f"request path {request.path!r} must begin with one slash: the host is the session's and no other"
            raise LiveHostRefused(msg)
        number = self._count.next()
        headers = {**self._signed(request), **self._label(number)}
        task = self._tasks[number] = asyncio.get_running_loop().create_task(self._exchange(number, request, headers))
        task.add_done_callback(lambda _: self._tasks.pop(number, None))
        return number

    def forget(self, number: int) -> None:
        """Stop waiting for an answer: its connection is closed, and it counts as lost."""
        if number in self._tasks:
            self._tasks[number].cancel()
            self._on_reply(number, Reply(0))

    async def _exchange(self, number: int, request: Request, headers: dict[str, str]) -> None:
        try:
            url = self._bases[request.purpose == "quotes"] + request.path
            async with self._http.request(request.method, url, data=request.body, headers=headers, allow_redirects=False) as response:
                told = {name: response.headers[name] for name in _LIMITS if name in response.headers}
                reply = Reply(response.status, await body_of(response), told)
        except (aiohttp.ClientError, OSError):
            reply = Reply(0)
        if reply.status in _REDIRECT:
            reply = Reply(reply.status, b'{"message":"the venue answered with a redirect; hedgekit follows none"}')
        self._on_reply(number, reply)

    async def close(self) -> None:
        """Drop what is under way and close the connections."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._http.close()


class Stream:
    """One WebSocket: logs in, then hands every frame to ``on_frame``."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, http: aiohttp.ClientSession, name: str) -> None:
        self._socket, self._http, self._name = socket, http, name
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        url: str,
        login: Login | None = None,
        *,
        name: str,
        headers: Mapping[str, str] | None = None,
        heartbeat_s: float | None = None,
    ) -> Self:
        """Connect and log in; with ``heartbeat_s``, ping so often, and take a socket without a pong for closed.

        Raises
        ------
        SessionError
            If nobody listens at ``url``.
        VenueError
            If the venue does not accept the login.
        """
        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(_stay)
        http = aiohttp.ClientSession(timeout=_NO_TIMEOUT, trace_configs=[trace])
        stream: Self | None = None
        try:
            stream = cls(await http.ws_connect(url, headers=headers, max_msg_size=LARGEST, heartbeat=heartbeat_s), http, name)
            if login is not None:
                await asyncio.wait_for(stream._log_in(login), _LOGIN_S)
        except BaseException as error:
            await (http.close() if stream is None else stream.close())
            if not isinstance(error, aiohttp.ClientError | OSError):
                raise
            msg = f"cannot open the {name} stream at {urlsplit(url).netloc}: {type(error).__name__}; is the venue running?"
            raise SessionError(msg) from None
        return stream

    async def _log_in(self, login: Login) -> None:
        try:
            message, waits = next(login)
            while True:
                if message is not None:
                    await self._socket.send_str(message.decode())
                message, waits = login.send(await self.receive() if waits else b"")
        except StopIteration:
            return

    async def receive(self) -> str | bytes:
        """Return the next frame.

        Raises
        ------
        SessionError
            If the connection is over.
        """
        message = await self._socket.receive()
        if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            error = f"the {self._name} stream was closed by the venue"
            raise SessionError(error)
        data: str | bytes = message.data
        return data

    async def send(self, text: str) -> None:
        """Send one text frame; a socket that is over swallows it, and who reads it is told of its end."""
        with suppress(ConnectionError):
            await self._socket.send_str(text)

    def pump(self, on_frame: Callable[[str | bytes], None], on_end: Callable[[Exception], None]) -> None:
        """Hand every frame to ``on_frame`` from now on, and the end to ``on_end``: a SessionError, or what ``on_frame`` raised."""

        async def read() -> None:
            try:
                while True:
                    on_frame(await self.receive())
            except Exception as error:  # noqa: BLE001 - nobody awaits this reader, and its frames come no more
                on_end(error)

        self._reader = asyncio.get_running_loop().create_task(read())

    def leave(self) -> None:
        """Stop reading at once: not a frame more is handed over."""
        if self._reader is not None:
            self._reader.cancel()

    async def close(self) -> None:
        """Stop reading and close the connection; whoever goes on sending instead of a goodbye is left after :data:`GOODBYE_S`."""
        self.leave()
        try:
            if self._reader is not None:
                await asyncio.gather(self._reader, return_exceptions=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_S):  # aiohttp's own begins anew with each frame
                    await self._socket.close()
        finally:
            await self._http.close()
