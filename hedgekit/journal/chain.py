"""The hash chain, walked over stored rows: what was changed, lost, added or moved does not follow from what is before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any, NamedTuple, NoReturn

from hedgekit.errors import JournalError
from hedgekit.journal import batch
from hedgekit.journal.codec import first_link, next_link, stamp

BEGIN = -(2**63)
"""Below every id: a row that was put before the first is seen too."""


class Row(NamedTuple):
    """What a walk wants of each row; anything may stand in it."""

    id: Any
    instant: Any
    ts_ns: Any
    type: Any
    body: Any
    hash: Any
    records: Any
    packed: Any


class Sealed(NamedTuple):
    """A record as it was stored, and the chain's head after it."""

    id: int
    instant: int
    body: bytes
    head: str


def walk(name: str, session: str, rows: Iterable[Iterable[Any]]) -> Iterator[Sealed]:
    """Yield a session's records as long as each follows from the one before it.

    Parameters
    ----------
    name, session : str
        The store's and the session's.
    rows : iterable
        All rows of the session by id, each with the columns of :class:`Row`.

    Raises
    ------
    JournalError
        Naming the first record that is missing, was changed or added. The records of a batch share one hash and are named together.
    """
    chain = Chain(name, session)
    for row in rows:
        yield from chain.links(Row(*row))


class Chain:
    """The chain as far as it was walked: the last record's id and instant, and the hash that the next one follows."""

    def __init__(self, name: str, session: str) -> None:
        self.name, self.session = name, session
        self.id, self.instant, self.tip = 0, 0, first_link(session)

    def links(self, row: Row) -> list[Sealed]:
        """Return a row's records, each with the chain's head after it; errors as :func:`walk`."""
        self._place(row)
        which = f"record {row.id}" if row.packed is None else f"one of the records {self.id + 1} to {row.id}, a batch,"
        pieces = self._pieces(which, row)
        tip, sealed = self.tip, []
        for piece in pieces:
            tip = next_link(tip, self.session, piece.id, piece.body)
            sealed.append(Sealed(*piece, tip.hex()))
        instants = [self.instant, *(piece.instant for piece in pieces), row.instant]
        if tip.hex() != row.hash:
            self._refuse(which, f"was changed: its hash does not follow from record {self.id}")
        if not _as_stamped(row, pieces):
            self._refuse(which, "was changed: its type or time is not that of its body")
        if any(not isinstance(instant, int) for instant in instants) or instants != sorted(instants):
            self._refuse(which, f"was changed: instant {row.instant} comes after instant {self.instant}")
        self.id, self.instant, self.tip = row.id, row.instant, tip
        return sealed

    def _place(self, row: Row) -> None:
        """Check that a row stands right after the last one."""
        wanted = self.id + 1
        if not isinstance(row.id, int) or not isinstance(row.records, int) or row.records < 1 or (row.packed is None and row.records > 1):
            self._refuse(f"record {wanted}", f"was changed: its row holds {row.records!r} records and ends with {row.id!r}")
        first = row.id - row.records + 1
        if first > wanted:
            self._refuse(f"record {wanted}", "is missing")
        if first < wanted:
            which = f"record {min(row.id, wanted)}"
            self._refuse(which, f"was added or changed: its row holds {row.records} records and ends with {row.id}, after record {self.id}")

    def _pieces(self, which: str, row: Row) -> list[batch.Piece]:
        try:
            pieces = batch.pieces(row.id, row.instant, row.body, row.packed)
        except JournalError as error:
            self._refuse(which, f"was changed: {error}")
        if row.packed is not None and (sha256(row.packed).hexdigest() != row.body or len(pieces) != row.records):
            self._refuse(which, "was changed: this is not what was packed")
        return pieces

    def _refuse(self, which: str, why: str) -> NoReturn:
        msg = f"{self.name}: {which} of session {self.session!r} {why}"
        raise JournalError(msg) from None


def _as_stamped(row: Row, pieces: list[batch.Piece]) -> bool:
    """Return whether the columns beside the body say what it says: the type of each record, the time of the last and latest."""
    try:
        said = [stamp(piece.body) for piece in pieces]
    except JournalError:
        return False
    return {one.type for one in said} == {row.type} and said[-1].ts_ns == row.ts_ns == max(one.ts_ns for one in said)
