"""Any bytes give what they say or a VenueError, whatever the venue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from hypothesis import strategies as st

from hedgekit.errors import VenueError

LONGEST = 1_200
"""Characters of an error that quotes what it could not read."""

JUNK = (
    b"null",
    b"{}",
    b"[]",
    b"-1",
    b"true",
    b'""',
    b'"NaN"',
    b'"Infinity"',
    b"1e400",
    b'"1e-999999"',
    b'"\\u0000"',
    b'"\xd9\xa1"',
    b"9" * 30,
)


def refuses_or_reads(parsers: Iterable[Callable[[bytes], Any]], data: bytes) -> None:
    """Hold every parser to its word: it reads, or raises a VenueError in one printable line; nothing else may come."""
    for parse in parsers:
        try:
            parse(data)
        except VenueError as error:
            if not str(error).isprintable() or len(str(error)) > LONGEST:
                pytest.fail(f"an error of {len(str(error))} characters, printable or not: {str(error)[:300]!a}")


@st.composite
def spoilt(draw: st.DrawFn, payload: Callable[[str], bytes], names: Sequence[str]) -> bytes:
    """Draw one of a venue's payloads of which a few bytes are others."""
    data = payload(draw(st.sampled_from(names)))
    at, cut = draw(st.integers(0, 2_000)) % len(data), draw(st.integers(0, 20))
    return data[:at] + draw(st.binary(max_size=6) | st.sampled_from(JUNK)) + data[at + cut :]
