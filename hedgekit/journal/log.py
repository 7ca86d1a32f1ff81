"""The journal: what a session knew and decided, in order, sealed by a hash chain."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, Self

import msgspec

from hedgekit.errors import JournalError
from hedgekit.journal import batch, chain
from hedgekit.journal.codec import Entry, decode, first_link, tag
from hedgekit.journal.schema import EVENTS
from hedgekit.journal.store import SessionInfo, Store, check_name
from hedgekit.journal.story import Ledger, Story, economic_digest, ledger
from hedgekit.journal.writer import Gather, Writer, nowhere
from hedgekit.types import Event, Record, SessionStarted

if TYPE_CHECKING:
    import pandas as pd

_STORED = tuple(EVENTS.c[name] for name in ("id", "instant", "body", "packed"))
_SEALED = tuple(EVENTS.c[name] for name in chain.Row._fields)


class Journal:
    """One session's append-only events, by :meth:`Journal.open`.

    A writer is alone on its session and survives ``kill -9`` with whole instants. Readers are as many as you
    like, never block it, and see what is committed.

    Examples
    --------
    >>> with Journal.open("demo.db", "ko-pep", mode="read") as journal:  # doctest: +SKIP
    ...     journal.verify()
    ...     journal.fills()
    """

    def __init__(self, store: Store, session: str, writer: Writer | None) -> None:
        self.session = session
        self._store, self._writer = store, writer
        self._so_far = Story()

    @classmethod
    def open(
        cls,
        url_or_path: str | os.PathLike[str],
        session: str,
        mode: Literal["write", "read"] = "write",
        *,
        gather: Gather | None = None,
        at: Callable[[str], None] = nowhere,
    ) -> Self:
        """Open a session to write it on, or to read it.

        Parameters
        ----------
        url_or_path : str or path
            A file (SQLite, made if it is not there) or any SQLAlchemy URL.
        session : str
            The session's name: letters, digits, ``.``, ``_``, ``-``; at most 64.
        mode : {"write", "read"}
            ``write`` makes or continues the session, as its only writer; an older store is brought up to date.
        gather : Gather, optional
            Keep commits that need not be durable back, and write so many of them together.
        at : callable
            Called in a commit with "before insert", "after insert", "before commit" and "after commit"; tests kill the process there.

        Raises
        ------
        JournalError
            If the store cannot be reached, read or written, another process writes the session, or there is none to read.
        """
        if mode not in {"write", "read"}:
            msg = f"mode={mode!r}: write 'write' or 'read'"
            raise JournalError(msg)
        store = Store(url_or_path, write=mode == "write")
        try:
            if mode == "write":
                return cls(store, session, Writer(store, check_name(session), gather, at))
            store.info(session)
        except BaseException:
            store.close()
            raise
        return cls(store, session, None)

    def close(self) -> None:
        """Write what was kept back, let go of database and lock. What was appended and not committed is dropped."""
        try:
            if self._writer:
                self._writer.close()
        finally:
            self._store.close()

    def __enter__(self) -> Self:
        """Return the journal itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """Name the session and where it lies (a password is hidden)."""
        return f"<Journal {self.session!r} in {self._store.name}, {'write' if self._writer else 'read'}>"

    # ------------------------------------------------------------------ writing

    def _writing(self) -> Writer:
        if self._writer is None:
            msg = f"{self._store.name}: opened with mode='read'; only the session process writes"
            raise JournalError(msg)
        return self._writer

    def guard(self, secrets: Iterable[str]) -> None:
        """Refuse to journal any record that contains one of ``secrets`` (L9); no error ever shows them."""
        self._writing().guard(secrets)

    def append(self, record: Record) -> int:
        """Buffer a record; return the id that it will have.

        Raises
        ------
        JournalError
            If it contains a guarded secret, could not be read back as it is, stands in the wrong place
            (SessionStarted is first, nothing follows SessionEnded), or the journal may not be written.
        """
        return self._writing().append(record)

    def commit(self, instant: int, *, durable: bool = True, now_ns: int | None = None) -> str:
        """Commit all that was appended, in one transaction; return the chain's head in the database.

        An instant that left no record is kept too, so that ``last_instant`` counts it after a restart.

        Parameters
        ----------
        instant : int
            The barrier instant that the records belong to.
        durable : bool
            Whether it must outlive a power cut when this returns, with everything before it. Without, it is much cheaper, outlives
            the death of this process, and may be kept back if the journal gathers; an intent is refused.
        now_ns : int, optional
            The caller's time; a journal that gathers needs it when ``durable`` is False.

        Raises
        ------
        JournalError
            If ``instant`` goes back, an order is decided in a commit that is not durable, or the database fails; after a failure
            nothing of it is written and the journal must be opened anew.
        """
        return self._writing().commit(instant, durable=durable, now_ns=now_ns)

    def flush(self) -> None:
        """Write what the journal keeps back, as a commit that need not be durable."""
        self._writing().flush()

    @property
    def due_ns(self) -> int | None:
        """When what is kept back must be written: :meth:`flush` by then, unless a commit did it. None: nothing is kept back."""
        return self._writing().due_ns

    # ------------------------------------------------------------------ where it stands (in the database)

    @property
    def count(self) -> int:
        """Number of records in the database; what is kept back is not counted."""
        if self._writer:
            return self._writer.count
        row = self._store.tail(self.session)
        return row.id if row else 0

    @property
    def head(self) -> str:
        """Head of the hash chain (64 hex digits)."""
        if self._writer:
            return self._writer.tip.hex()
        row = self._store.tail(self.session)
        return row.hash if row else first_link(self.session).hex()

    @property
    def last_instant(self) -> int:
        """Last instant in the database, 0 if none; what is kept back is not counted."""
        if self._writer:
            return self._writer.instant
        row = self._store.tail(self.session)
        return max(row.instant if row else 0, self._store.idle(self.session))

    # ------------------------------------------------------------------ reading

    def entries(self, after: int = 0, types: Collection[type[Event]] | None = None) -> Iterator[Entry]:
        """Yield (id, instant, record) with ``id > after``, oldest first; ``types`` keeps only these event classes."""
        return map(Entry._make, self._placed(after, types))

    def _placed(self, after: int, types: Collection[type[Event]] | None) -> Iterator[tuple[int, int, Record]]:
        for id_, instant, body, packed in self._rows(after, types):
            if packed is None:
                yield id_, instant, decode(body)
            else:
                yield from (placed for placed in batch.records(id_, packed) if placed[0] > after)

    def _rows(self, after: int, kinds: Collection[type[Event]] | None) -> Iterator[Any]:
        return self._store.rows(self.session, after, _STORED, None if kinds is None else [tag(kind) for kind in kinds])

    def records(self, after: int = 0, types: Collection[type[Event]] | None = None) -> Iterator[Record]:
        """Yield records with ``id > after``, oldest first; ``types`` keeps only these event classes.

        Without ``types``, the n-th record has the id ``after + n``.
        """
        return (record for _, _, record in self._placed(after, types))

    def verify(self, head: str | None = None) -> None:
        """Walk the whole chain.

        Parameters
        ----------
        head : str, optional
            A head noted earlier (for example in a report). The chain must pass through it: only so can missing last records be noticed.

        Raises
        ------
        JournalError
            Naming the first record that is missing, was changed or added, or does not follow from the one before it.
        """
        last, seen = 0, head in {None, first_link(self.session).hex()}
        for sealed in self._sealed():
            last, seen = sealed.id, seen or sealed.head == head
        if not seen:
            msg = f"session {self.session!r}: {last} records do not reach head {head}; later records are missing, or it is another's"
            raise JournalError(msg)

    def _sealed(self) -> Iterator[chain.Sealed]:
        return chain.walk(self._store.name, self.session, self._store.rows(self.session, chain.BEGIN, _SEALED))

    def digest(self) -> str:
        """Return the hash of the event log: the chain's head."""
        return self.head

    def economic_digest(self) -> str:
        """Return the hash of orders decided, fills, hedge ratios, final positions and cash, whatever the messages around them."""
        return economic_digest(self._story())

    def lines(self, after: int = 0, types: Collection[type[Event]] | None = None) -> Iterator[bytes]:
        """Yield records as :meth:`entries` does, as JSON (id, instant, record): the stored bytes, whether or not this code knows them."""
        for row in self._rows(after, types):
            yield from (_line(piece) for piece in batch.pieces(*row) if piece.id > after)

    def export(self, path: str | os.PathLike[str]) -> int:
        """Write the session as JSON lines (id, instant, record, hash) to ``path``, walking the chain; return how many.

        Raises
        ------
        JournalError
            If the file cannot be written, or at the first record that does not follow from the one before it.
        """
        lines = 0
        try:
            with open(path, "wb") as file:  # noqa: PTH123 - path may be any PathLike
                for lines, sealed in enumerate(self._sealed(), 1):  # noqa: B007 - the count is the answer
                    file.write(_line(sealed, hash=sealed.head) + b"\n")
        except OSError as error:
            msg = f"{os.fspath(path)}: cannot be written: {error.strerror}; choose another file"
            raise JournalError(msg) from None
        return lines

    # ------------------------------------------------------------------ projections

    def _story(self) -> Story:
        self._so_far.extend(self._placed(self._so_far.last, None))
        return self._so_far

    @property
    def started(self) -> SessionStarted:
        """The first record: instruments in leg order, parameters, market."""
        return self._story().started

    def ledger(self) -> Ledger:
        """Return cash, positions and fees, exact; a repeated fill_id counts once."""
        return ledger(self._story())

    def orders(self) -> pd.DataFrame:
        """One row per decided order: :func:`hedgekit.journal.frames.orders`."""
        from hedgekit.journal.frames import orders

        return orders(self._story())

    def fills(self) -> pd.DataFrame:
        """One row per fill: :func:`hedgekit.journal.frames.fills`."""
        from hedgekit.journal.frames import fills

        return fills(self._story())

    def decisions(self) -> pd.DataFrame:
        """One row per journalled decision: :func:`hedgekit.journal.frames.decisions`."""
        from hedgekit.journal.frames import decisions

        return decisions(self._story())

    def plans(self) -> pd.DataFrame:
        """One row per hedge plan: :func:`hedgekit.journal.frames.plans`."""
        from hedgekit.journal.frames import plans

        return plans(self._story())

    def equity(self) -> pd.DataFrame:
        """One row per bar: :func:`hedgekit.journal.performance.equity`."""
        from hedgekit.journal.performance import equity

        return equity(self._story())

    def trades(self) -> pd.DataFrame:
        """One row per trade: :func:`hedgekit.journal.performance.trades`."""
        from hedgekit.journal.performance import trades

        return trades(self._story())


def _line(piece: batch.Piece | chain.Sealed, **more: str) -> bytes:
    return msgspec.json.encode({"id": piece.id, "instant": piece.instant, "record": msgspec.Raw(piece.body), **more})


def sessions(url_or_path: str | os.PathLike[str]) -> list[SessionInfo]:
    """Return what sessions a store has, by name.

    Raises
    ------
    JournalError
        If there is no journal there.
    """
    store = Store(url_or_path, write=False)
    try:
        return [store.info(name) for name in store.names()]
    finally:
        store.close()


def migrate(url_or_path: str | os.PathLike[str]) -> None:
    """Bring a store of an older schema version up to date; its records, their hashes and the chain's head stay as they are.

    Raises
    ------
    JournalError
        If there is no journal there, or it is of a newer version.
    """
    Store(url_or_path, write=True, make=False).close()
