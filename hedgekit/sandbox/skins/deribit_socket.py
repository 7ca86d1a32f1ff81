"""Deribit's WebSocket, ``/ws/api/v2``: all methods, subscriptions, heartbeats, cancel on disconnect.

An account may have many connections at Deribit. Here one of them at a time is told market data, and one (the same, or
another) what becomes of orders: a second one is refused while the first answers pings.

**In step** a request on a socket has no place in a tape's time, so what goes to the matching engine is refused there:
post it over HTTP. What belongs to the connection is answered at once; heartbeats are agreed to and not sent.

**Live** a request takes the way that one over HTTP takes, with all that may befall it. Where the connection of one over HTTP
would be closed without an answer, this one is. After ``too_many_requests`` Deribit ends the session; so does this.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
from aiohttp import WSMsgType, web

from hedgekit.sandbox.calls import Answer
from hedgekit.sandbox.skins import deribit_params as ask
from hedgekit.sandbox.skins.deribit_api import ROOT, SocketCall, asked_of
from hedgekit.sandbox.skins.deribit_heart import Heart
from hedgekit.sandbox.skins.deribit_limits import MATCHING
from hedgekit.sandbox.skins.deribit_wire import RpcError, answer, encoded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hedgekit.sandbox.channel import Channel
    from hedgekit.sandbox.skins.deribit_api import Api, Asked
    from hedgekit.sandbox.skins.deribit_auth import Login

PATH = "/ws/api/v2"


@dataclass(eq=False)
class Connection:
    """One socket, and what was agreed on it."""

    number: int
    socket: web.WebSocketResponse
    transport: asyncio.BaseTransport | None
    login: Login | None = None
    guarded: bool = False
    placed: set[str] = field(default_factory=set)
    heart: Heart | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class Begun(NamedTuple):
    """What a subscription begins with: whether it is the market's ("md") or the account's ("trade"), and its first messages."""

    seat: Literal["md", "trade"]
    messages: list[bytes]


class Told(Exception):
    """The connection ends after this answer."""


class Stream:
    """Serves connections.

    Parameters
    ----------
    api : Api
        Answers what does not belong to a connection.
    md, trade : Channel
        Where what the market and the account's orders do is said.
    carry : callable or None
        Brings a call to the exchange and its answer back; None in step.
    begin : callable
        Gets a channel's name, and whether the connection has logged in; returns what it begins with, None for one that is not known.
    cancel : callable
        Cancels the orders of a connection that is over.
    later : callable
        Calls a function at a time of the timeline.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        api: Api,
        *,
        md: Channel,
        trade: Channel,
        carry: Callable[[SocketCall], Awaitable[Answer | None]] | None,
        begin: Callable[[str, bool], Begun | None],
        cancel: Callable[[set[str]], None],
        later: Callable[[int, Callable[[], object]], None],
    ) -> None:
        self._api, self._carry, self._begin, self._cancel, self._later = api, carry, begin, cancel, later
        self._channels = {"md": md, "trade": trade}
        self._seated: dict[str, Connection] = {}
        self._count = 0
        self._guard_all = False
        self._own: dict[str, tuple[type[ask.Nothing], Callable[[Connection, Any], Awaitable[object]]]] = {
            "public/auth": (ask.Auth, self._auth),
            "public/set_heartbeat": (ask.Heartbeat, self._set_heartbeat),
            "public/disable_heartbeat": (ask.Nothing, self._no_heartbeat),
            "public/subscribe": (ask.Channels, self._subscribe),
            "public/unsubscribe": (ask.Channels, self._unsubscribe),
            "public/unsubscribe_all": (ask.Nothing, partial(self._unsubscribe_all, "md")),
            "private/subscribe": (ask.Channels, self._subscribe),
            "private/unsubscribe": (ask.Channels, self._unsubscribe),
            "private/unsubscribe_all": (ask.Nothing, partial(self._unsubscribe_all, "trade")),
            "private/enable_cancel_on_disconnect": (ask.Guard, self._guard),
            "private/disable_cancel_on_disconnect": (ask.Guard, self._no_guard),
            "private/get_cancel_on_disconnect": (ask.Guard, self._guarded),
            "private/logout": (ask.Logout, self._logout),
        }

    # --------------------------------------------------------------- connection

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one connection."""
        socket = web.WebSocketResponse(compress=False, autoping=False)
        await socket.prepare(request)
        self._count += 1
        one = Connection(self._count, socket, request.transport, guarded=self._guard_all)
        for channel in self._channels.values():
            channel.join(socket, request.transport)
        try:
            async for message in socket:
                if message.type is WSMsgType.PING:
                    await socket.pong(message.data)
                elif message.type is WSMsgType.PONG:
                    for channel in self._channels.values():
                        channel.pong(socket)
                else:
                    await self._on(one, message.data)
        except (ConnectionError, Told):
            pass
        finally:
            self._over(one)
        await socket.close()
        return socket

    def _over(self, one: Connection) -> None:
        for channel in self._channels.values():
            channel.leave(one.socket)
        for task in one.tasks:
            task.cancel()
        one.heart = None
        if one.guarded and one.placed:
            self._cancel(one.placed)

    async def _on(self, one: Connection, data: str | bytes) -> None:
        body = data.encode() if isinstance(data, str) else data
        if one.heart is not None:
            one.heart.heard(self._api.now_ns)
        call = SocketCall("POST", ROOT, {}, body, {}, ROOT, one)
        try:
            asked = asked_of(call)
        except RpcError as bad:
            await self._say(one, answer(self._api.clock_ns, error=bad))
            return
        if asked.method in self._own:
            await self._answer_own(one, asked)
        elif self._carry is None:
            told = self._api.answer(call) if asked.method not in MATCHING else self._refused(asked)
            await self._say(one, told)
        else:
            task = asyncio.get_running_loop().create_task(self._carried(one, asked, call, self._carry))
            one.tasks.add(task)
            task.add_done_callback(one.tasks.discard)

    def _refused(self, asked: Asked) -> Answer:
        error = RpcError(10033, "in step a request on a socket has no place in the tape's time: post it over HTTP")
        return answer(self._api.clock_ns, asked.number, error=error)

    async def _carried(
        self, one: Connection, asked: Asked, call: SocketCall, carry: Callable[[SocketCall], Awaitable[Answer | None]]
    ) -> None:
        told = await carry(call)
        if told is None or not isinstance(told.body, msgspec.Raw):
            if one.transport is not None:
                one.transport.close()
            return
        if told.status in _FAILED and asked.number is not None:
            whole = msgspec.json.decode(bytes(told.body), type=dict[str, msgspec.Raw])
            told = Answer(told.status, msgspec.Raw(msgspec.json.encode(whole | {"id": asked.number})))
        try:
            await self._say(one, told)
        except Told:
            await one.socket.close()

    async def _say(self, one: Connection, told: Answer) -> None:
        assert isinstance(told.body, msgspec.Raw)  # noqa: S101 - of our own making
        await self._channels["trade"].send(one.socket, bytes(told.body))
        if told.status == 429:  # noqa: PLR2004 - too many requests: the session is over
            raise Told

    # ------------------------------------------------------- what belongs to it

    async def _answer_own(self, one: Connection, asked: Asked) -> None:
        kind, act = self._own[asked.method]
        try:
            self._api.admit(asked.method, one.login)
            result = await act(one, asked.read(kind))
        except RpcError as refused:
            await self._say(one, answer(self._api.clock_ns, asked.number, error=refused))
            return
        await self._say(one, answer(self._api.clock_ns, asked.number, result=result))

    async def _auth(self, one: Connection, asked: ask.Auth) -> object:
        one.login = self._api.gate.login(asked, self._api.now_ns, one.number)
        granted = self._api.gate.granted(one.login, self._api.now_ns)
        return granted if asked.state is None else granted | {"state": asked.state}

    async def _set_heartbeat(self, one: Connection, asked: ask.Heartbeat) -> object:
        if self._carry is not None:
            first, one.heart = one.heart is None, Heart(asked.interval, self._api.now_ns)
            if first:
                self._beat(one)
        return "ok"

    async def _no_heartbeat(self, one: Connection, _: ask.Nothing) -> object:
        one.heart = None
        return "ok"

    def _beat(self, one: Connection) -> None:
        """Say what a heart says now, and come back when it beats next."""
        if one.heart is None or one.socket.closed:
            return
        types = one.heart.beat(self._api.now_ns)
        if types is None:
            if one.transport is not None:
                one.transport.close()
            return
        for kind in types:
            beat = encoded({"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": kind}})
            task = asyncio.get_running_loop().create_task(self._channels["trade"].send(one.socket, beat))
            one.tasks.add(task)
            task.add_done_callback(one.tasks.discard)
        self._later(one.heart.due_ns, lambda: self._beat(one))

    async def _guard(self, one: Connection, asked: ask.Guard) -> object:
        one.guarded = True
        self._guard_all |= asked.scope == "account"
        return "ok"

    async def _no_guard(self, one: Connection, asked: ask.Guard) -> object:
        one.guarded = False
        self._guard_all &= asked.scope != "account"
        return "ok"

    async def _guarded(self, one: Connection, asked: ask.Guard) -> object:
        return {"scope": asked.scope, "enabled": one.guarded if asked.scope == "connection" else self._guard_all}

    async def _logout(self, one: Connection, asked: ask.Logout) -> object:
        if asked.invalidate_token and one.login is not None:
            self._api.gate.forget(one.login)
        one.guarded = False
        raise Told

    # ------------------------------------------------------------ subscriptions

    async def _subscribe(self, one: Connection, asked: ask.Channels) -> object:
        granted = []
        for channel in dict.fromkeys(asked.channels):
            begun = self._begin(channel, one.login is not None)
            if begun is None:
                continue
            await self._seat(one, begun.seat)
            granted.append(channel)
            seat = self._channels[begun.seat]
            seat.topics |= {channel}
            for message in begun.messages:
                seat.push(channel, message)
        return granted

    async def _seat(self, one: Connection, name: str) -> None:
        """Give a connection the seat of a channel; its subscriptions are its own, not those of the connection before it."""
        channel = self._channels[name]
        if self._seated.get(name) is one and channel.connected:
            return
        if not await channel.seat(one.socket):
            raise RpcError(10033, f"the sandbox has one connection for an account's {name} channels, and another one is alive")
        others = [seat for seat in self._channels if seat != name and self._seated.get(seat) is not one]
        for other in others:
            self._channels[other].leave(one.socket)
        channel.join(one.socket, one.transport)
        self._seated[name], channel.topics = one, frozenset()

    async def _unsubscribe(self, one: Connection, asked: ask.Channels) -> object:
        gone = []
        for name, channel in self._channels.items():
            mine = [topic for topic in asked.channels if topic in channel.topics] if self._seated.get(name) is one else []
            channel.topics -= frozenset(mine)
            gone += mine
        return gone

    async def _unsubscribe_all(self, name: str, one: Connection, _: ask.Nothing) -> object:
        if self._seated.get(name) is one:
            self._channels[name].topics = frozenset()
        return "ok"


_FAILED = range(400, 600)
