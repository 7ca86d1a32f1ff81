"""A small fuzz campaign over all parsers and skins; the large one is ``python -m tests.fuzz``."""

from __future__ import annotations

from random import Random

import pytest

from hedgekit.errors import MOST, VenueError
from hedgekit.sandbox.calls import Answer
from hedgekit.types import Priority, Request
from tests.fuzz.__main__ import name_of, place_of
from tests.fuzz.targets import Fault, Parsers, Skins, targets

INPUTS = 600


@pytest.mark.parametrize("target", targets(), ids=name_of)
def test_nothing_that_comes_breaks_a_parser_or_a_skin(target: Parsers | Skins) -> None:
    chance = Random(7)  # noqa: S311 - a seed makes it again
    for _ in range(INPUTS):
        target.once(chance)


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
