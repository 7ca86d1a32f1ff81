"""What is new of a session, in one short read: a few queries, each fetched whole.

Quotes are nine records of ten, and a panel only counts them: their bodies are
not fetched, nor their batches opened, except where a read begins or ends inside
one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, bindparam, case, func, select

from hedgekit.errors import JournalError
from hedgekit.journal import batch
from hedgekit.journal.codec import stamp, tag
from hedgekit.journal.schema import EVENTS
from hedgekit.types import Quote

QUOTE = tag(Quote)

_E = EVENTS.c
_MINE = _E.session == bindparam("session")
_AFTER: BindParameter[int] = bindparam("after")
_UPTO: BindParameter[int] = bindparam("upto")
_LAST = select(_E.id).where(_MINE).order_by(_E.id.desc()).limit(1)
_FIRST = _E.id - _E.records + 1
_ROWS = (
    select(_E.id, _E.instant, _E.body, _E.packed, _E.ts_ns, _E.type, _E.records, _E.recorded_ns)
    .where(_MINE, _E.id > _AFTER, _E.id < _UPTO + batch.LARGEST, _FIRST <= _UPTO)
    .where((_E.type != QUOTE) | (_FIRST <= _AFTER) | (_E.id > _UPTO))
    .order_by(_E.id)
    .limit(bindparam("bodies"))
)
"""Rows of other records than quotes, and batches that are to be read in part."""

_QUOTES = case((_E.type == QUOTE, _E.records), else_=0)
_SUMS = select(
    func.coalesce(func.sum(_E.records), 0).label("records"),
    func.coalesce(func.sum(_QUOTES), 0).label("quotes"),
    func.max(_E.ts_ns).label("last_ns"),
    func.max(_E.recorded_ns).label("recorded_ns"),
    func.max(case((_E.type == QUOTE, _E.recorded_ns))).label("quote_recorded_ns"),
).where(_MINE, _E.id > _AFTER, _E.id <= _UPTO, _FIRST > _AFTER)
"""Sums over rows that are read whole."""


class Row(NamedTuple):
    """A record that is not a quote."""

    id: int
    ts_ns: int
    type: str
    body: str | bytes


class Stretch(NamedTuple):
    """Some records in order, up to id ``upto``; ``behind`` more are there. The times are the newest in it, None if it has none."""

    upto: int
    behind: int = 0
    rows: tuple[Row, ...] = ()
    quotes: int = 0
    last_ns: int | None = None
    recorded_ns: int | None = None
    quote_recorded_ns: int | None = None


class _Batch(NamedTuple):
    """Of a batch, the records that may be read now."""

    first: int
    last: int
    recorded_ns: int
    rows: list[Row]


def read(conn: Connection, name: str, session: str, after: int, limit: int, bodies: int) -> Stretch:  # noqa: PLR0913 - where, whose, what
    """Return at most ``limit`` records with ``id > after``, of which at most ``bodies`` are no quotes.

    Raises
    ------
    JournalError
        If records are missing, or a batch cannot be read.
    """
    last = conn.execute(_LAST, {"session": session}).scalar() or 0
    if last < after:
        msg = f"{name}: session {session!r} has {last} records, but {after} were read before; it was cut off or replaced"
        raise JournalError(msg)
    if last == after:
        return Stretch(after)
    upto = min(last, after + limit)
    found = conn.execute(_ROWS, {"session": session, "after": after, "upto": upto, "bodies": bodies}).all()
    if len(found) == bodies:
        upto = min(upto, found[-1].id)
    rows, batches = _opened(found, after, upto)
    if len(rows) >= bodies:
        rows, upto = rows[:bodies], rows[bodies - 1].id
    whole: Any = conn.execute(_SUMS, {"session": session, "after": after, "upto": upto}).one()
    parts = [one for one in batches if one.first <= after or one.last > upto]
    loose = [(row, part.recorded_ns) for part in parts for row in part.rows if row.id <= upto]
    there = whole.records + len(loose)
    if there != upto - after:
        msg = f"{name}: of records {after + 1} to {upto} of session {session!r} only {there} are there; run verify()"
        raise JournalError(msg)
    quotes = [recorded_ns for row, recorded_ns in loose if row.type == QUOTE]
    return Stretch(
        upto,
        last - upto,
        tuple(rows),
        whole.quotes + len(quotes),
        _newest(whole.last_ns, (row.ts_ns for row, _ in loose)),
        _newest(whole.recorded_ns, (recorded_ns for _, recorded_ns in loose)),
        _newest(whole.quote_recorded_ns, quotes),
    )


def _opened(found: Sequence[Any], after: int, upto: int) -> tuple[list[Row], list[_Batch]]:
    """Return the records that are no quotes, and the batches, of what is after ``after`` and up to ``upto``."""
    rows: list[Row] = []
    batches: list[_Batch] = []
    for id_, instant, body, packed, ts_ns, type_, records, recorded_ns in found:
        if packed is None:
            rows.append(Row(id_, ts_ns, type_, body))
            continue
        pieces = batch.pieces(id_, instant, body, packed)
        mine = [Row(piece.id, stamp(piece.body).ts_ns, type_, piece.body) for piece in pieces if after < piece.id <= upto]
        batches.append(_Batch(id_ - records + 1, id_, recorded_ns, mine))
        rows += mine if type_ != QUOTE else []
    return rows, batches


def _newest(one: int | None, others: Iterable[int]) -> int | None:
    return max((ns for ns in (one, *others) if ns is not None), default=None)
