"""Records to bytes and back, and the chain that seals them.

The bytes are canonical: struct fields in their order, dict keys sorted, money
as strings. A record is refused when it would not come back as itself (a NaN
becomes null, a list becomes a tuple): a journal that cannot be replayed is
worth nothing, and the moment of writing is when this can still be mended.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

import msgspec

from hedgekit.errors import JournalError
from hedgekit.types import Event, Record

_ENCODER = msgspec.json.Encoder(order="deterministic")
_DECODER: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


class Entry(NamedTuple):
    """A record with its place: ``id`` counts from 1, ``instant`` is its commit's barrier instant."""

    id: int
    instant: int
    record: Record


class Stamp(msgspec.Struct, frozen=True):
    """What the columns beside the body repeat; read to check that they do."""

    type: str
    ts_ns: int


_STAMPS: msgspec.json.Decoder[Stamp] = msgspec.json.Decoder(Stamp)


def tag(kind: type[Event]) -> str:
    """Return the name by which records of a class go."""
    return str(kind.__struct_config__.tag)


def encode(record: Record) -> bytes:
    """Return the canonical bytes of ``record``.

    Raises
    ------
    JournalError
        If the record cannot be written, or would not be read back as itself.
    """
    try:
        body = _ENCODER.encode(record)
        same = _DECODER.decode(body) == record
    except (TypeError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        msg = f"{type(record).__name__}: cannot be journalled: {error}; use finite Python numbers, Decimal for money, and valid text"
        raise JournalError(msg) from None
    if not same:
        msg = f"{type(record).__name__}: would not be read back as it is; use finite numbers, and tuples instead of lists"
        raise JournalError(msg)
    return body


def decode(body: str | bytes) -> Record:
    """Return the record that ``body`` holds.

    Raises
    ------
    JournalError
        If the body is not a record of this version of hedgekit.
    """
    try:
        return _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise _unreadable(error) from None


def stamp(body: str | bytes) -> Stamp:
    """Return type and time of a record, also of one that this version of hedgekit does not know.

    Raises
    ------
    JournalError
        If the body is no record.
    """
    try:
        return _STAMPS.decode(body)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise _unreadable(error) from None


def _unreadable(error: Exception) -> JournalError:
    return JournalError(f"a journal record cannot be read: {error}; run verify(), or read it with the version of hedgekit that wrote it")


def first_link(session: str) -> bytes:
    """Return the chain's start: the hash of the session's name."""
    return sha256(session.encode()).digest()


def next_link(previous: bytes, session: str, id_: int, body: bytes) -> bytes:
    """Return the hash of a record: of the link before it, its session, its id and its body."""
    return sha256(b"%b%b\0%d\0%b" % (previous, session.encode(), id_, body)).digest()


def raw(body: str | bytes) -> bytes:
    """Return the stored bytes of ``body`` exactly, also if somebody made them something else than UTF-8 text."""
    return body if isinstance(body, bytes) else body.encode("utf-8", "surrogateescape")
