"""Polymarket's two WebSockets: ``/ws/market`` (books) and ``/ws/user`` (the account's orders and trades).

Neither acknowledges a subscription. A text ``PING`` is answered ``PONG`` in its turn, so who hears it knows that what was asked before
is in force. The venue serves several sockets of a kind; the sandbox one, and a second is closed while the first answers pings.
What is asked wrongly is answered ``INVALID OPERATION``; a wrong key ends the socket.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from aiohttp import WSMessage, WSMsgType, web

from hedgekit.sandbox.calls import UNREADABLE
from hedgekit.sandbox.skins.polymarket_books import Books, custom

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hedgekit.sandbox.channel import Channel
    from hedgekit.sandbox.skins.polymarket_auth import Credentials
    from hedgekit.sandbox.skins.polymarket_markets import Markets

INVALID = b"INVALID OPERATION"
Names = Annotated[list[str], msgspec.Meta(max_length=10_000)]


class _Market(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="market"):
    assets_ids: Names
    custom_feature_enabled: bool = False


class _MarketMore(msgspec.Struct, forbid_unknown_fields=True):
    operation: Literal["subscribe", "unsubscribe"]
    assets_ids: Names
    custom_feature_enabled: bool | None = None


class _Auth(msgspec.Struct, forbid_unknown_fields=True, rename={"key": "apiKey"}):
    key: str
    secret: str
    passphrase: str


class _User(msgspec.Struct, forbid_unknown_fields=True, tag_field="type", tag="user"):
    auth: _Auth
    markets: Names | None = None


class _UserMore(msgspec.Struct, forbid_unknown_fields=True):
    operation: Literal["subscribe", "unsubscribe"]
    markets: Names


class _Stream(ABC):
    """What both sockets share."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one connection."""
        socket = web.WebSocketResponse(compress=False, autoping=False)
        await socket.prepare(request)
        self._channel.join(socket, request.transport)
        seated = False
        try:
            while (message := await self._receive(socket)) is not None:
                if message.data in ("PING", b"PING"):
                    await self._channel.send(socket, b"PONG")
                    continue
                words = message.data if isinstance(message.data, str | bytes) else b""
                if not seated and not (seated := self._known(words) and await self._channel.seat(socket)):
                    break
                if not self._on(words):
                    await self._channel.send(socket, INVALID)
            if not seated:
                await socket.close()
        except ConnectionError:
            pass
        finally:
            self._channel.leave(socket)
        return socket

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

    @abstractmethod
    def _known(self, words: str | bytes) -> bool:
        """Whether what a socket begins with lets it in."""

    @abstractmethod
    def _on(self, words: str | bytes) -> bool:
        """Do what a frame asks; False if it cannot be done."""


def _read(words: str | bytes, *kinds: Any) -> Any:  # noqa: ANN401 - one of the kinds, or None
    for kind in kinds:
        try:
            return msgspec.json.decode(words, type=kind)
        except UNREADABLE:
            continue
    return None


class MarketStream(_Stream):
    """``/ws/market``: subscribe to tokens; the first answer is the whole book of each that has one.

    Parameters
    ----------
    channel : Channel
        Of market data.
    markets : Markets
        What there is.
    books : Books
        As they were told.
    """

    def __init__(self, channel: Channel, markets: Markets, books: Books) -> None:
        super().__init__(channel)
        self._markets, self._books = markets, books

    def _known(self, words: str | bytes) -> bool:
        return _read(words, _Market) is not None

    def _on(self, words: str | bytes) -> bool:
        asked: _Market | _MarketMore | None = _read(words, _Market, _MarketMore)
        if asked is None or set(asked.assets_ids) - self._markets.by_token.keys():
            return False
        topics = self._channel.topics
        tokens, customs = topics & self._markets.by_token.keys(), any(topic.startswith(custom("")) for topic in topics)
        if isinstance(asked, _Market):
            tokens, customs = frozenset(), asked.custom_feature_enabled
        elif asked.custom_feature_enabled is not None:
            customs = asked.custom_feature_enabled
        leaves = isinstance(asked, _MarketMore) and asked.operation == "unsubscribe"
        wanted = tokens - set(asked.assets_ids) if leaves else tokens | set(asked.assets_ids)
        self._channel.topics = self._heard(wanted, customs=customs)
        for token in dict.fromkeys(asked.assets_ids) if not leaves else ():
            if token not in tokens and (snapshot := self._books.snapshot(token)) is not None:
                self._channel.push(token, snapshot)
        return True

    def _heard(self, tokens: Iterable[str], *, customs: bool) -> frozenset[str]:
        """Return the topics of tokens: their books, the changes of their conditions, and, if wished, what is told of both besides."""
        names = {*tokens, *self._markets.conditions(tokens)}
        return frozenset(names | {custom(name) for name in names} if customs else names)


class UserStream(_Stream):
    """``/ws/user``: the API key, and which conditions to tell of; all of them if none is named.

    Parameters
    ----------
    channel : Channel
        Of the account.
    markets : Markets
        What there is.
    credentials : Credentials
        The API key.
    """

    def __init__(self, channel: Channel, markets: Markets, credentials: Credentials) -> None:
        super().__init__(channel)
        self._markets, self._credentials = markets, credentials

    def _known(self, words: str | bytes) -> bool:
        asked: _User | None = _read(words, _User)
        return asked is not None and self._credentials.match(asked.auth.key, asked.auth.secret, asked.auth.passphrase)

    def _on(self, words: str | bytes) -> bool:
        asked: _User | _UserMore | None = _read(words, _User, _UserMore)
        named = None if asked is None else asked.markets
        wanted = {name.lower() for name in named} if named is not None else set(self._markets.all)
        if asked is None or wanted - self._markets.all.keys() or (isinstance(asked, _User) and not self._known(words)):
            return False
        topics = frozenset[str]() if isinstance(asked, _User) else self._channel.topics
        leaves = isinstance(asked, _UserMore) and asked.operation == "unsubscribe"
        self._channel.topics = topics - wanted if leaves else topics | wanted
        return True
