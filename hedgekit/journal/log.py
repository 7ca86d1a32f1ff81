"""The journal: what a session knew and decided, in order, sealed by a hash chain."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Literal, NamedTuple, Self

import msgspec
import pandas as pd

from hedgekit.errors import JournalError
from hedgekit.journal import frames, performance
from hedgekit.journal.codec import STAMPS, Entry, decode, first_link, next_link, raw
from hedgekit.journal.store import EVENTS, SessionInfo, Store, check_name
from hedgekit.journal.story import Ledger, Story, economic_digest, ledger
from hedgekit.journal.writer import Writer
from hedgekit.types import Event, Record, SessionStarted


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
    def open(cls, url_or_path: str | os.PathLike[str], session: str, mode: Literal["write", "read"] = "write") -> Self:
        """Open a session to write it on, or to read it.

        Parameters
        ----------
        url_or_path : str or path
            A file (SQLite, made if it is not there) or any SQLAlchemy URL.
        session : str
            The session's name: letters, digits, ``.``, ``_``, ``-``; at most 64.
        mode : {"write", "read"}
            ``write`` makes or continues the session, as its only writer.

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
                return cls(store, session, Writer(store, check_name(session)))
            store.info(session)
        except BaseException:
            store.engine.dispose()
            raise
        return cls(store, session, None)

    def close(self) -> None:
        """Let go of database and lock. What was appended and not committed is dropped."""
        try:
            if self._writer:
                self._writer.close()
        finally:
            self._store.engine.dispose()

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

    def commit(self, instant: int) -> str:
        """Make all that was appended durable in one transaction; return the chain's head.

        An instant that left no record is kept too, so that ``last_instant`` counts it after a restart.

        Raises
        ------
        JournalError
            If ``instant`` goes back, or the database fails; then nothing of it is written and the journal must be opened anew.
        """
        return self._writing().commit(instant)

    # ------------------------------------------------------------------ where it stands (committed)

    @property
    def count(self) -> int:
        """Number of committed records."""
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
        """Last instant that was committed, 0 if none."""
        if self._writer:
            return self._writer.instant
        row = self._store.tail(self.session)
        return max(row.instant if row else 0, self._store.idle(self.session))

    # ------------------------------------------------------------------ reading

    def entries(self, after: int = 0, types: Collection[type[Event]] | None = None) -> Iterator[Entry]:
        """Yield (id, instant, record) with ``id > after``, oldest first; ``types`` keeps only these event classes."""
        tags = None if types is None else [str(kind.__struct_config__.tag) for kind in types]
        for row in self._store.rows(self.session, after, (EVENTS.c.id, EVENTS.c.instant, EVENTS.c.body), tags):
            yield Entry(row[0], row[1], decode(row[2]))

    def records(self, after: int = 0, types: Collection[type[Event]] | None = None) -> Iterator[Record]:
        """Yield records with ``id > after``, oldest first; ``types`` keeps only these event classes.

        Without ``types``, the n-th record has the id ``after + n``.
        """
        return (entry.record for entry in self.entries(after, types))

    def verify(self, head: str | None = None) -> None:
        """Walk the whole chain.

        Parameters
        ----------
        head : str, optional
            A head noted earlier (for example in a report). The chain must pass through it: only so can missing last records be noticed.

        Raises
        ------
        JournalError
            Naming the first record that is missing, was changed, or does not follow from the one before it.
        """
        link = _Link(0, 0, first_link(self.session))
        columns = [EVENTS.c[name] for name in ("id", "instant", "ts_ns", "type", "body", "hash")]
        seen = head is None or head == link.tip.hex()
        for row in self._store.rows(self.session, 0, columns):
            link = self._follow(link, row)
            seen = seen or link.tip.hex() == head
        if not seen:
            msg = f"session {self.session!r}: {link.id} records do not reach head {head}; later records are missing, or it is another's"
            raise JournalError(msg)

    def _follow(self, link: _Link, row: tuple[Any, ...]) -> _Link:
        id_, instant, ts_ns, type_, body, hash_ = row
        wanted = link.id + 1
        tip = next_link(link.tip, self.session, wanted, raw(body))
        if id_ != wanted:
            wrong = "is missing"
        elif tip.hex() != hash_:
            wrong = f"was changed: its hash does not follow from record {link.id}"
        elif (type_, ts_ns) != _stamp(body):
            wrong = "was changed: its type or time is not that of its body"
        elif not isinstance(instant, int) or instant < link.instant:
            wrong = f"was changed: instant {instant} comes after instant {link.instant}"
        else:
            return _Link(id_, instant, tip)
        msg = f"{self._store.name}: record {wanted} of session {self.session!r} {wrong}"
        raise JournalError(msg)

    def digest(self) -> str:
        """Return the hash of the event log: the chain's head."""
        return self.head

    def economic_digest(self) -> str:
        """Return the hash of orders decided, fills, hedge ratios, final positions and cash, whatever the messages around them."""
        return economic_digest(self._story())

    def export(self, path: str | os.PathLike[str]) -> int:
        """Write the session as JSON lines (id, instant, hash, record) to ``path``; return how many."""
        columns = [EVENTS.c[name] for name in ("id", "instant", "body", "hash")]
        lines = 0
        try:
            with open(path, "wb") as file:  # noqa: PTH123 - path may be any PathLike
                for id_, instant, body, hash_ in self._store.rows(self.session, 0, columns):
                    file.write(
                        msgspec.json.encode({"id": id_, "instant": instant, "hash": hash_, "record": msgspec.Raw(raw(body))}) + b"\n"
                    )
                    lines += 1
        except OSError as error:
            msg = f"{os.fspath(path)}: cannot be written: {error.strerror}; choose another file"
            raise JournalError(msg) from None
        return lines

    # ------------------------------------------------------------------ projections

    def _story(self) -> Story:
        self._so_far.extend(self.entries(after=self._so_far.last))
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
        return frames.orders(self._story())

    def fills(self) -> pd.DataFrame:
        """One row per fill: :func:`hedgekit.journal.frames.fills`."""
        return frames.fills(self._story())

    def decisions(self) -> pd.DataFrame:
        """One row per journalled decision: :func:`hedgekit.journal.frames.decisions`."""
        return frames.decisions(self._story())

    def plans(self) -> pd.DataFrame:
        """One row per hedge plan: :func:`hedgekit.journal.frames.plans`."""
        return frames.plans(self._story())

    def equity(self) -> pd.DataFrame:
        """One row per bar: :func:`hedgekit.journal.performance.equity`."""
        return performance.equity(self._story())

    def trades(self) -> pd.DataFrame:
        """One row per trade: :func:`hedgekit.journal.performance.trades`."""
        return performance.trades(self._story())


class _Link(NamedTuple):
    id: int
    instant: int
    tip: bytes


def _stamp(body: str) -> tuple[str, int] | None:
    try:
        stamp = STAMPS.decode(body)
    except (msgspec.MsgspecError, UnicodeError):
        return None
    return stamp.type, stamp.ts_ns


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
        store.engine.dispose()
