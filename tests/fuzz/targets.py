"""What is fuzzed: the parsers of all four clients, and the sandbox's four skins, asked by who holds the keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from hedgekit.errors import VenueError
from hedgekit.sandbox.calls import Answer
from hedgekit.types import Request
from tests.fuzz.mutate import spoilt, value
from tests.fuzz.skins import OPENED, asked
from tests.venues import test_alpaca, test_deribit_laws, test_kalshi_markets, test_polymarket_fuzz
from tests.venues.fuzz import LONGEST

PAYLOADS = Path(__file__).parents[1] / "venues" / "payloads"
ENOUGH = 20_000
"""Requests after which a skin is opened anew, so that a long campaign is no soak of one exchange."""
REFUSALS = range(200, 500)
Parser = Callable[[bytes], Any]


class Fault(Exception):
    """A target broke its word; the message says how."""


@dataclass(frozen=True)
class Parsers:
    """A venue's parsers: any bytes give what they say, or a VenueError in one printable line."""

    name: str
    corpus: list[bytes]
    parsers: list[Parser]

    def once(self, chance: Random) -> bytes:
        """Feed one input to all of them; return it."""
        data = spoilt(chance.choice(self.corpus), chance)
        self.feed(data)
        return data

    def feed(self, data: bytes) -> None:
        """Feed these bytes to all of them."""
        for number, parse in enumerate(self.parsers):
            try:
                parse(data)
            except VenueError as error:
                if not str(error).isprintable() or len(str(error)) > LONGEST:
                    raise Fault(f"{self.name} parser {number}: an error of {len(str(error))} characters: {data!r}") from error
            except Exception as error:
                raise Fault(f"{self.name} parser {number}: {type(error).__name__}: {data[:2_000]!r}") from error


class Skins:
    """A venue's skin without sockets: any request that is signed gets an answer, below 500, that can be written as JSON."""

    def __init__(self, name: str, opened: Callable[[], Callable[[Request], Answer]], asked: list[Request]) -> None:
        self.name, self._opened, self._asked, self._left = name, opened, asked, 0

    def once(self, chance: Random) -> bytes:
        """Ask one spoilt question; return its body."""
        request = self._spoilt(chance.choice(self._asked), chance)
        self._say(request)
        return request.body or b""

    @property
    def corpus(self) -> list[bytes]:
        """Bodies, each after a byte that says which question it is of."""
        return [bytes([number]) + (request.body or b"") for number, request in enumerate(self._asked)]

    def feed(self, data: bytes) -> None:
        """Ask a question with this body, by the first byte."""
        if data:
            self._say(msgspec.structs.replace(self._asked[data[0] % len(self._asked)], body=data[1:] or None))

    def _say(self, request: Request) -> None:
        if not self._left:
            self._ask, self._left = self._opened(), ENOUGH
        self._left -= 1
        try:
            answer = self._ask(request)
            written = answer.body if isinstance(answer.body, msgspec.Raw) else msgspec.json.encode(answer.body)
        except Exception as error:
            raise Fault(f"{self.name} skin: {type(error).__name__}: {request.method} {request.path} {request.body!r:.2000}") from error
        if answer.status not in REFUSALS:
            said = f"{answer.status} {bytes(written)[:200]!r}"
            raise Fault(f"{self.name} skin answers {said}: {request.method} {request.path} {request.body!r}")

    @staticmethod
    def _spoilt(request: Request, chance: Random) -> Request:
        body, path = request.body, request.path
        if body and chance.random() < 0.9:
            body = spoilt(body, chance)
        else:
            place, _, query = path.partition("?")
            words = [*parse_qsl(query, keep_blank_values=True), ("limit", "10")]
            at = chance.randrange(len(words))
            words[at] = (words[at][0], str(value(chance))) if chance.random() < 0.8 else (str(value(chance)), words[at][1])
            path = f"{place}?{'&'.join(f'{key}={word}' for key, word in words)}".replace("\x00", "%00").encode("ascii", "ignore").decode()
            if chance.random() < 0.1:
                path = path.replace(chance.choice(place.split("/")[1:]) or "/", chance.choice(("", "..", "%2e", "x" * 300)), 1)
        method = request.method if chance.random() < 0.95 else chance.choice(("GET", "POST", "DELETE", "PATCH", "PUT"))
        return msgspec.structs.replace(request, body=body, path=path, method=method)


def _corpus(venue: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(PAYLOADS.glob(f"{venue}_*.json"))]


def targets() -> list[Parsers | Skins]:
    """Return all of them."""
    polymarket = test_polymarket_fuzz
    return [
        Parsers("Alpaca", _corpus("alpaca"), test_alpaca.PARSERS),
        Parsers("Deribit", _corpus("deribit"), test_deribit_laws.PARSERS),
        Parsers("Kalshi", _corpus("kalshi"), test_kalshi_markets.PARSERS),
        Parsers("Polymarket", _corpus("polymarket"), [*polymarket.PARSERS, *polymarket.CERTAIN]),
        *(Skins(name, opened, asked(*about)) for name, (opened, *about) in OPENED.items()),
    ]
