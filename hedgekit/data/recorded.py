"""A market that a user has recorded: one file, whose columns say what is in it.

========================================= ===================================================================
columns, beside ``ts`` and ``symbol``     what it is
========================================= ===================================================================
``bid_px1, bid_sz1, ask_px1, ...``        order books, best level first; an empty cell is a level that is not there
``bid, ask, bid_size, ask_size``          top of the book: books of one level; a side of price 0 and size 0, as quote
                                          streams write it, is one that is not there
``close`` (also ``open, high, ...``)      bars: quotes are made around the closes, as for :class:`Market`
========================================= ===================================================================

One row for each time and symbol, in order of time. Closes are here too, and in rows of the same form, because a bar is a
record of a market like the others; what its quotes are is an assumption, so the recipe's ``describe`` says it. A table with
one column of closes for each symbol is :func:`load_closes`'.

Nothing is filled, sorted or repaired. A file that cannot be used as it stands is refused with the row that is wrong.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from hedgekit.data.books import Books, books_of
from hedgekit.data.closes import _did_you_mean
from hedgekit.data.market import described, listed_pair, spot_pair
from hedgekit.data.ranges import ABOVE_ZERO, FROM_ZERO, check_numbers, check_whole
from hedgekit.data.table import LEVEL, TOP, Table
from hedgekit.data.tape import CLOSE_S, Tape, tape_from_closes
from hedgekit.errors import ConfigError, DataError
from hedgekit.types import NS, Instrument

if TYPE_CHECKING:
    import pandas as pd


_QUOTES = {"half_spread_bps": FROM_ZERO, "min_half_spread": FROM_ZERO, "size_notional": ABOVE_ZERO, "size_sigma": FROM_ZERO}
_BARS = ("open", "high", "low", "close", "volume")
_DAY_NS = 86_400 * NS


class Recorded(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="file"):
    """A recipe for a market from a file of one's own, passed between processes as JSON.

    Attributes
    ----------
    path : str
        CSV, plain or ``.gz``, or ``.parquet`` (needs pyarrow). Times are UTC, or say their zone: ISO 8601, or nanoseconds
        since 1970. Rows of other symbols are left alone; ``side`` may stand for ``symbol``.
    primary, hedge : str
        Symbols of the two legs.
    sha256 : str or None
        The hash (hex) that the file must have; None for any. :meth:`pinned` fills it in.
    tick, lot, multiplier, fee_rate, venue
        Of both legs, decimals as text. Every price must be a whole number of ticks.
    listed : tuple of Instrument
        The two legs as they are traded, primary first, each with its venue, symbol, kind, tick, lot, multiplier and fees. Empty: both as
        the fields here say.
    first, last : str or None
        Dates or times (UTC), inclusive, that cut the file; a ``last`` date is the whole day.
    half_spread_bps, min_half_spread, size_notional, size_sigma, size_seed
        For closes alone: how quotes are made around them, as in :class:`Market`. Where all times are dates, a row is
        stamped 21:00 UTC of its day; else a bar is known at its own time, so ``ts`` must be when it ended.
    """

    path: str
    primary: str
    hedge: str
    sha256: str | None = None
    tick: str = "0.01"
    lot: str = "1"
    multiplier: str = "1"
    fee_rate: str = "0.00005"
    venue: str = "ALPACA"
    listed: tuple[Instrument, ...] = ()
    first: str | None = None
    last: str | None = None
    half_spread_bps: float = 1.0
    min_half_spread: float = 0.01
    size_notional: float = 500_000.0
    size_sigma: float = 1.5
    size_seed: int = 7

    def instruments(self) -> tuple[Instrument, Instrument]:
        """Return the two legs, primary first."""
        listed, names = listed_pair(self), (self.primary, self.hedge)
        if listed is not None and tuple(instrument.symbol for instrument in listed) != names:
            found = ", ".join(instrument.symbol for instrument in listed)
            msg = f"listed has {found}, primary and hedge are {', '.join(names)}: name them alike"
            raise ConfigError(msg)
        return listed or spot_pair(self)

    def books(self) -> Books:
        """Return all that was recorded, level by level; the top of the book and closes are books of one level.

        Raises
        ------
        DataError
            If the file cannot be read, is not the one that ``sha256`` names, or holds what cannot be used; says where.
        ConfigError
            If a field of the recipe is wrong.
        """
        return self._read().books

    def tape(self) -> Tape:
        """Return the top of the book, for the compiled backtest; what a tape cannot hold is left out and counted (:meth:`Books.tape`).

        Raises
        ------
        DataError, ConfigError
            As :meth:`books`.
        """
        return self._read().tape

    def describe(self, tape: Tape) -> dict[str, str]:
        """Return what the prices are, read anew: the digest is that of the whole depth.

        Raises
        ------
        DataError
            If the file does not give this tape, or not any more.
        """
        read = self._read()
        if read.tape.digest != tape.digest:
            msg = f"{self._name}: the file gives another tape than the one to be described; read it again"
            raise DataError(msg)
        told = described(msgspec.structs.replace(self, sha256=read.sha256), read.story, tape)
        if not read.made:
            told = {name: value for name, value in told.items() if name not in {*_QUOTES, "size_seed"}}
        return told | {"digest": read.books.digest, "levels": str(read.books.levels)}

    def pinned(self) -> Recorded:
        """Return the same recipe with the file's whole path and its present hash, so that another process reads the same bytes.

        Raises
        ------
        DataError
            If the file cannot be read, or is not the one that ``sha256`` names.
        """
        return msgspec.structs.replace(self, path=str(Path(self.path).resolve()), sha256=self._bytes()[1])

    # --------------------------------------------------------------- internals

    @property
    def _name(self) -> str:
        return Path(self.path).name

    def _check(self) -> None:
        check_numbers(self, _QUOTES)
        check_whole("size_seed", self.size_seed, 0, 2**63 - 1)

    def _bytes(self) -> tuple[bytes, str]:
        """Return what is in the file, and its hash."""
        if self.sha256 is not None and not re.fullmatch("[0-9a-f]{64}", self.sha256):
            msg = f"sha256={self.sha256!r}: must be 64 hex digits in lower case; `sha256sum {self._name}` says them"
            raise ConfigError(msg)
        try:
            content = Path(self.path).read_bytes()
        except OSError as error:
            msg = f"{self.path} cannot be read ({error.strerror}); check the path"
            raise DataError(msg) from None
        found = hashlib.sha256(content).hexdigest()
        if self.sha256 not in {None, found}:
            msg = f"{self._name} has changed: its sha256 is {found}, the recipe names {self.sha256}; restore the file, or give the new hash"
            raise DataError(msg)
        return content, found

    def _read(self) -> _Read:
        self._check()
        instruments = self.instruments()
        content, sha256 = self._bytes()
        whole = Table.read(content, self._name)
        table = self._chosen(self._cut(whole))
        form = table.form()
        notes = [f"{len(table.rows):,} of {len(whole.rows):,} rows"]
        if unused := [name for name in table.columns if name not in {"ts", "side"} and not _uses(form, name)]:
            notes.append(f"columns not used: {', '.join(unused)}")
        if form == "closes":
            books, tape = self._made(table, instruments, sha256)
            story = f"Closes from {self._name} ({'; '.join(notes)}). Quotes and displayed sizes are made from them by the recipe below"
            return _Read(books, tape, story, sha256, made=True)
        rows = table.levels(float(instruments[0].tick)) if form == "books" else table.top(float(instruments[0].tick))
        what = "Order books" if form == "books" else "Top of the book"
        said = f"{what} from {self._name}, sha256 {sha256}"
        books = books_of(rows, {instrument.symbol: instrument for instrument in instruments}, description=said)
        tape, there = books.tape(), int(books.recorded.sum())
        left_out = there - int((~np.isnan(tape.bid)).sum())
        notes.append(f"{left_out:,} of {there:,} quotes one-sided or crossed: kept in the books, left out of the tape")
        return _Read(books, tape, f"{what} from {self._name}, {books.levels} a side, as recorded ({'; '.join(notes)})", sha256, made=False)

    def _made(self, table: Table, instruments: tuple[Instrument, Instrument], sha256: str) -> tuple[Books, Tape]:
        """Return quotes around closes."""
        import pandas as pd

        rows = table.numbers(["close"]).rows
        closes = rows.pivot_table(index="ts", columns="side", values="close", dropna=False)[[self.primary, self.hedge]]
        whole_days = not (pd.DatetimeIndex(closes.index).asi8 % _DAY_NS).any()
        tape = tape_from_closes(
            closes,
            instruments,
            half_spread_bps=self.half_spread_bps,
            min_half_spread=self.min_half_spread,
            size_notional=self.size_notional,
            size_sigma=self.size_sigma,
            size_seed=self.size_seed,
            close_s=CLOSE_S if whole_days else None,
            description=f"quotes made from closes of {self._name}, sha256 {sha256}",
        )
        return Books.of_tape(tape), tape

    def _chosen(self, table: Table) -> Table:
        """Return the rows of the two symbols; refuse a symbol that has none, and a time that has two of one."""
        there = sorted(set(table.rows["side"]))
        for name in (self.primary, self.hedge):
            if name not in there:
                msg = f"{self._name}: no row of symbol {name!r}{_did_you_mean(name, there)}"
                raise DataError(msg)
        chosen = table.where(table.rows["side"].isin([self.primary, self.hedge]))
        chosen.refuse(chosen.rows.duplicated(["ts", "side"]), "is there twice; keep one row for each time and symbol")
        return chosen

    def _cut(self, table: Table) -> Table:
        """Return the rows from first to last, both inclusive."""
        import pandas as pd

        ts = table.rows["ts"]
        kept = pd.Series(data=True, index=ts.index)
        if self.first is not None:
            kept &= ts >= _edge("first", self.first)
        if self.last is not None:
            edge = _edge("last", self.last)
            kept &= ts < edge + pd.Timedelta(days=1) if _is_date(self.last) else ts <= edge
        if not kept.any():
            msg = f"first={self.first}, last={self.last}: no row left; {self._name} has {ts.iloc[0]} to {ts.iloc[-1]}"
            raise DataError(msg)
        return table.where(kept)


class _Read(NamedTuple):
    """What a file gave: ``made`` if its quotes were made from closes."""

    books: Books
    tape: Tape
    story: str
    sha256: str
    made: bool


def _uses(form: str, column: str) -> bool:
    """Whether a form reads a column, or knows it as part of a bar."""
    return column in _BARS if form == "closes" else column in TOP if form == "top" else LEVEL.fullmatch(column) is not None


def _edge(name: str, text: str) -> pd.Timestamp:
    import pandas as pd

    when = pd.to_datetime(text, utc=True, errors="coerce")
    if not isinstance(when, pd.Timestamp):
        msg = f"{name}={text!r} is not a time; write for example 2026-01-05 or 2026-01-05T14:30:00Z"
        raise ConfigError(msg)
    return when


def _is_date(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\d", text) is not None
