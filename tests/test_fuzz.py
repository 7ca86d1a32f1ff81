"""A small fuzz campaign over all parsers and skins; the large one is ``python -m tests.fuzz``."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from aiohttp import web

from hedgekit.errors import MOST, VenueError
from hedgekit.sandbox.calls import Answer
from hedgekit.types import Priority, Request
from tests.fuzz.__main__ import name_of, place_of
from tests.fuzz.lines import TALKS, Lines
from tests.fuzz.targets import Fault, Parsers, Skins, targets

INPUTS, FRAMES = 600, 60


@pytest.mark.parametrize("target", targets(), ids=name_of)
def test_nothing_that_comes_breaks_a_parser_or_a_skin(target: Parsers | Skins) -> None:
    chance = Random(7)  # noqa: S311 - a seed makes it again
    for _ in range(INPUTS):
        target.once(chance)


@pytest.mark.parametrize("name", TALKS)
def test_nothing_that_comes_breaks_a_socket(name: str) -> None:
    line, chance = Lines(name, TALKS[name]), Random(7)  # noqa: S311 - as above
    try:
        for _ in range(FRAMES):
            line.once(chance)
    finally:
        line.close()


class Fragile(Lines):
    """A server whose handler raises at its third frame, on each connection."""

    async def _open(self) -> None:
        async def serve(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            seen = [await socket.receive() for _ in range(3)]
            raise KeyError(len(seen))

        app = web.Application()
        app.router.add_get("/", serve)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.listen()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}/"

    async def _end(self) -> None:
        await super()._end()
        await self.runner.cleanup()


def test_a_handler_that_raises_is_found() -> None:
    line, chance = Fragile("x", TALKS["control"]), Random(1)  # noqa: S311 - as above
    try:
        with pytest.raises(Fault, match=r"x socket: .*KeyError") as broken:  # noqa: PT012 - at which of them is not said
            for _ in range(5):
                line.once(chance)
        assert isinstance(broken.value.__cause__, KeyError)
    finally:
        line.close()


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Alpaca trades", {"action": [[]]}),
        ("Alpaca trades", {"action": "listen", "data": {"streams": [{}, "trade_updates"]}}),
        ("Alpaca data", {"action": {"a": 1}}),
        ("Kalshi", {"id": 1, "cmd": {"a": 1}, "params": {}}),
        ("Kalshi", {"id": 1, "cmd": "subscribe", "params": {"channels": [{}]}}),
        ("Kalshi", {"id": 1, "cmd": "subscribe", "params": {"channels": ["ticker"], "market_ticker": {}}}),
        ("Deribit", b'{"jsonrpc":"2.0","id":1,"method":"public/unsubscribe","params":{"channels":["\xff"]}}'),
    ],
)
def test_frames_that_broke_a_handler_once(name: str, word: Any) -> None:
    line = Lines(name, TALKS[name])
    try:
        line.say(word)
    finally:
        line.close()


def test_a_campaign_asks_what_is_answered_and_what_is_refused() -> None:
    """A fuzz whose every request dies at the lock would prove nothing."""
    for target in targets():
        if isinstance(target, Skins):
            ask, statuses = target._opened(), {200: 0}
            for request in target._asked:
                status = ask(request).status
                statuses[status] = statuses.get(status, 0) + 1
            assert sum(statuses.get(good, 0) for good in (200, 201, 204, 207)) >= len(target._asked) / 3, (target.name, statuses)


def test_a_broken_word_is_found() -> None:
    """An exception of another kind, an endless error, an answer of 500."""
    chance = Random(1)  # noqa: S311 - as above
    with pytest.raises(Fault, match="KeyError") as broken:
        Parsers("x", [b"{}"], [lambda data: {}[data]]).once(chance)
    assert place_of(broken.value) == "an answer"

    class Endless(VenueError):
        def __str__(self) -> str:
            return "x" * 10_000

    def endless(_: bytes) -> None:
        raise Endless("x")

    with pytest.raises(Fault, match="10000 characters"):
        Parsers("x", [b"{}"], [endless]).once(chance)
    with pytest.raises(Fault, match="answers 500"):
        Skins("x", lambda: lambda _: Answer(500, {}), [Request("GET", "/a", "", Priority.QUERY)]).once(chance)


def test_a_venues_words_in_an_error_are_printable_and_bounded() -> None:
    error = VenueError("bad: " + "\x1b[2J" + "9" * 100_000, status=400)
    assert str(error).isprintable()
    assert str(error).startswith("bad: \\x1b[2J999")
    assert len(str(error)) < MOST + 40
    assert "100,012 characters" in str(error)
    assert str(VenueError("short, with an \N{EM DASH}")) == "short, with an \N{EM DASH}"
