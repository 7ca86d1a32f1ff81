"""Many records of a feed in one compressed row.

Quotes come by the thousand and look alike; nothing is decided on most of them.
Consecutive ones that are written together share a row, whatever commits they
are of. Nothing else knows of it: ids, instants and the hash chain count every
record as if each had a row of its own. Of a batch's row

- ``type`` is that of all its records, so that a search by type need not open it;
- ``packed`` is zlib of JSON, ``[[instant, [record, record, ...]], ...]``: every
  language can read it without this code;
- ``body`` is the SHA-256 of ``packed``: a changed byte shows even where zlib
  would read the same text (a bit of its header, or of its padding);
- ``id``, ``instant``, ``ts_ns`` and ``hash`` are those of the last record, and
  no time in it is later.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from hedgekit.errors import JournalError
from hedgekit.journal.codec import raw, tag
from hedgekit.types import Quote, Record, Timer

MARKET = frozenset({tag(Quote), tag(Timer)})
"""What may share a row: what comes often, and mostly without a decision of its own."""

FEWEST, LARGEST = 8, 1_000
"""Records in a batch. Fewer cost more time to compress than a row each, and more save nothing (``tests/perf/journal_writes.py``)."""

LEVEL = 1
"""zlib's: level 6 takes twice the time for a fifth less on disk."""

_RAW: msgspec.json.Decoder[list[tuple[int, list[msgspec.Raw]]]] = msgspec.json.Decoder(list[tuple[int, list[msgspec.Raw]]])
_RECORDS: msgspec.json.Decoder[list[tuple[int, list[Record]]]] = msgspec.json.Decoder(list[tuple[int, list[Record]]])


class Item(NamedTuple):
    """A record that is to be written, with its link of the chain."""

    instant: int
    id: int
    ts_ns: int
    type: str
    body: bytes
    link: bytes


class Piece(NamedTuple):
    """A record as it was stored."""

    id: int
    instant: int
    body: bytes


def rows(session: str, items: Iterable[Item], now_ns: int) -> Iterator[tuple[Any, ...]]:
    """Yield rows of the table ``events`` for consecutive records; the columns are in its order."""
    for part in _parts(items):
        if len(part) >= FEWEST:
            yield _batch(session, part, now_ns)
            continue
        for item in part:
            place = (session, item.id, item.instant, item.ts_ns, item.type)
            yield (*place, item.body.decode(), item.link.hex(), now_ns, 1, None)


def _parts(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield consecutive records of one type of feed, in the order of their times; each of the others by itself."""
    part: list[Item] = []
    for item in items:
        if part and (item.type != part[-1].type or item.type not in MARKET or item.ts_ns < part[-1].ts_ns or len(part) == LARGEST):
            yield part
            part = []
        part.append(item)
    if part:
        yield part


def _batch(session: str, part: Sequence[Item], now_ns: int) -> tuple[Any, ...]:
    last = part[-1]
    instants = groupby(part, key=attrgetter("instant"))
    text = b",".join(b"[%d,[%b]]" % (instant, b",".join([item.body for item in group])) for instant, group in instants)
    packed = zlib.compress(b"[%b]" % text, LEVEL)
    place = (session, last.id, last.instant, last.ts_ns, last.type)
    return (*place, sha256(packed).hexdigest(), last.link.hex(), now_ns, len(part), packed)


def pieces(id_: int, instant: int, body: str | bytes, packed: bytes | None) -> list[Piece]:
    """Return the records of a row, the last of which has its id.

    Raises
    ------
    JournalError
        If a batch cannot be read.
    """
    if packed is None:
        return [Piece(id_, instant, raw(body))]
    found = _opened(id_, packed, _RAW)
    first = id_ + 1 - sum(len(bodies) for _, bodies in found)
    flat = ((when, bytes(one)) for when, bodies in found for one in bodies)
    return [Piece(n, when, one) for n, (when, one) in enumerate(flat, first)]


def records(id_: int, packed: bytes) -> list[tuple[int, int, Record]]:
    """Return the records of a batch, as :func:`pieces`, decoded."""
    found = _opened(id_, packed, _RECORDS)
    first = id_ + 1 - sum(len(group) for _, group in found)
    flat = ((instant, record) for instant, group in found for record in group)
    return [(n, instant, record) for n, (instant, record) in enumerate(flat, first)]


def _opened(last: int, packed: bytes, decoder: msgspec.json.Decoder[Any]) -> list[tuple[int, list[Any]]]:
    try:
        found: list[tuple[int, list[Any]]] = decoder.decode(zlib.decompress(packed))
    except (zlib.error, TypeError, UnicodeError, msgspec.MsgspecError) as error:
        msg = f"the batch of records up to {last} cannot be read: {error}; run verify(), or read it with the hedgekit that wrote it"
        raise JournalError(msg) from None
    return found
