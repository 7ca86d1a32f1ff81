"""Recorded order books of several levels: what could really be bought and sold, how much of it, and at what price.

A :class:`Tape` has one level a side. :class:`Books` has as many as were recorded, so that an order larger than the
touch can be walked down the book, and it keeps what a tape cannot hold: sides that were empty and books that were
crossed. Nothing is repaired. ``Books.tape()`` is the top of the book for the compiled backtest.

The vendored sample (:func:`load_books`) is twelve fifteen-minute contracts "Bitcoin up or down" of Polymarket, both
outcomes. Their books mirror each other (a bid for UP at p is an offer of DOWN at 1 - p, the same orders), so UP and
DOWN are one bet: holding one against the other diversifies nothing and crosses the same spread twice.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np

from hedgekit.data.closes import _did_you_mean
from hedgekit.data.tape import Array, Stamps, Tape
from hedgekit.errors import DataError
from hedgekit.types import Fees, Instrument, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

Flags = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

SAMPLE_BOOKS = {"pm_poly_btc15m": ("pm_poly_btc15m_books.csv.gz", "pm_poly_btc15m_markets.csv")}
"""Sample name to files (books, markets); ``samples/README.md`` has origin, licence and defects."""

_SIDES = ("bid_px", "bid_sz", "ask_px", "ask_sz")


@dataclass(frozen=True, slots=True)
class Walk:
    """What an order would get from one recorded book.

    Attributes
    ----------
    filled : float
        Unsigned quantity that the recorded levels hold for it, at most what was asked for.
    price : float
        Mean price of that quantity; NaN if it is 0.
    levels : int
        Levels that it takes from.
    """

    filled: float
    price: float
    levels: int


@dataclass(frozen=True, slots=True, eq=False)
class Books:
    """Recorded books of all legs, row by row.

    Attributes
    ----------
    instruments : tuple of Instrument
        One for each leg, in leg order.
    ts_ns : int64 array, shape (n,)
        Nanoseconds UTC, strictly increasing.
    bid_px, bid_sz, ask_px, ask_sz : float64 arrays, shape (n, legs, levels)
        Prices in the instrument's price unit and sizes in units of quantity, best level first: bids fall, asks rise.
        NaN price and NaN size where there is no such level.
    recorded : bool array, shape (n, legs)
        Whether the row has news of the leg. If it has not, the leg's arrays are NaN and its last book stands. If it
        has, a side without any level was really empty.
    payout : tuple of int, or None
        What each contract of a resolved binary market paid, 0 or 1; None if the legs do not resolve or it is not known.
    settle_ns : int or None
        When it was paid, nanoseconds UTC; not before the last row. None: at the last row.
    complementary : bool
        Whether the two legs are YES and NO of one question: one pays exactly when the other does not.
    description : str
        What it is, for reports.

    Raises
    ------
    DataError
        If shapes differ, time does not increase, a level is out of order, behind a hole or without a size, a binary
        price is not between 0 and what the contract can pay, or payout and complement do not fit the legs.

    Notes
    -----
    Crossed and one-sided books are kept as they were recorded: see :attr:`crossed` and :attr:`mid`.
    """

    instruments: tuple[Instrument, ...]
    ts_ns: Stamps
    bid_px: Array
    bid_sz: Array
    ask_px: Array
    ask_sz: Array
    recorded: Flags
    payout: tuple[int, ...] | None = None
    settle_ns: int | None = None
    complementary: bool = False
    description: str = ""

    def __post_init__(self) -> None:
        """Check shapes, time, levels and resolution."""
        _check_shapes(self)
        for side, falling in (("bid", True), ("ask", False)):
            _check_side(self, side, falling=falling)
        _check_resolution(self)

    @classmethod
    def of_tape(cls, tape: Tape) -> Books:
        """Return a tape as books of one level; a leg without a quote in a row has no news there."""
        sides = {"bid_px": tape.bid, "bid_sz": tape.bid_size, "ask_px": tape.ask, "ask_sz": tape.ask_size}
        recorded = cast("Flags", ~np.isnan(tape.bid))
        levels: dict[str, Any] = {name: np.where(recorded, side, np.nan)[:, :, None] for name, side in sides.items()}
        for side in ("bid", "ask"):  # a size of 0 is no level, but the quote was there
            empty = ~(levels[f"{side}_sz"] > 0)
            levels[f"{side}_px"], levels[f"{side}_sz"] = (np.where(empty, np.nan, levels[f"{side}_{what}"]) for what in ("px", "sz"))
        return cls(tape.instruments, tape.ts_ns, **levels, recorded=recorded, description=tape.description)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ts_ns)

    @property
    def levels(self) -> int:
        """Most levels a side."""
        return int(self.bid_px.shape[2])

    @property
    def index(self) -> pd.DatetimeIndex:
        """The rows' times, tz-aware UTC."""
        import pandas as pd

        return pd.DatetimeIndex(self.ts_ns, tz="UTC", name="ts")

    @property
    def crossed(self) -> Flags:
        """Where the best bid is at or above the best ask, shape (n, legs): no venue leaves such a book, so nothing trades on it."""
        return cast("Flags", self.bid_px[:, :, 0] >= self.ask_px[:, :, 0])

    @property
    def mid(self) -> Array:
        """Mid prices, shape (n, legs); NaN without news, where a side is empty, and where the book is crossed."""
        return cast("Array", np.where(self.crossed, np.nan, (self.bid_px[:, :, 0] + self.ask_px[:, :, 0]) / 2))

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over everything that a replay reads."""
        sha = hashlib.sha256(msgspec.json.encode((self.instruments, self.payout, self.settle_ns, self.complementary, self.description)))
        for part in (self.ts_ns, self.bid_px, self.bid_sz, self.ask_px, self.ask_sz, self.recorded):
            sha.update(np.ascontiguousarray(part).tobytes())
        return sha.hexdigest()

    def rows(self, start: int, stop: int) -> Books:
        """Return rows ``start`` up to, not including, ``stop``; the resolution stays the same."""
        parts = {name: getattr(self, name)[start:stop] for name in ("ts_ns", *_SIDES, "recorded")}
        return replace(self, **parts)

    def tape(self) -> Tape:
        """Return the top of the book as a tape, for the compiled backtest.

        A tape has no one-sided and no crossed quotes. Such rows become rows without a quote of the leg, so that its
        last quote stands until it is too old (``max_quote_age_s``), whereas a replay of the books tells the strategy at
        once that the market is gone. The tape's description counts them.
        """
        mid = self.mid
        whole = ~np.isnan(mid)
        left_out = int((self.recorded & ~whole).sum())
        bid, bid_size, ask, ask_size = (np.where(whole, getattr(self, name)[:, :, 0], np.nan) for name in _SIDES)
        said = f"{self.description}, top of the book; {left_out} of {int(self.recorded.sum())} quotes one-sided or crossed and left out"
        return Tape(self.instruments, self.ts_ns, bid, ask, bid_size, ask_size, said)

    def walk(self, row: int, leg: int, qty: float) -> Walk:
        """Return what a market order over a signed quantity would get from one recorded book, untouched by other orders.

        Raises
        ------
        DataError
            If ``qty`` is 0 or not finite.
        """
        if not (np.isfinite(qty) and qty):
            msg = f"walk: qty={qty!r}: give a signed quantity other than 0"
            raise DataError(msg)
        px, sz = (self.ask_px, self.ask_sz) if qty > 0 else (self.bid_px, self.bid_sz)
        if self.crossed[row, leg]:
            return Walk(0.0, np.nan, 0)
        shown = np.nan_to_num(sz[row, leg])
        taken = np.clip(abs(qty) - (np.cumsum(shown) - shown), 0.0, shown)
        filled = float(taken.sum())
        price = float(np.nansum(taken * px[row, leg]) / filled) if filled else np.nan
        return Walk(filled, price, int((taken > 0).sum()))


def load_books(name: str = "pm_poly_btc15m", *, fees: Fees | None = None, lot: Decimal = Decimal(1)) -> dict[str, Books]:
    """Return the vendored books, one :class:`Books` for each market, by slug, in order of time.

    Parameters
    ----------
    name : str
        A key of :data:`SAMPLE_BOOKS`.
    fees : Fees, optional
        What trading costs beside the spread; nothing by default. Polymarket's taker fee on such contracts is
        proportional to p (1 - p), which :class:`~hedgekit.types.Fees` cannot express: by default the loss at the book is
        understated.
    lot : Decimal
        Smallest step of quantity, in contracts (shares).

    Returns
    -------
    dict of str to Books
        Legs UP and DOWN (complementary), five levels, tick 0.001, ``payout`` official, ``settle_ns`` the end of the
        quarter of an hour or the last row, whichever is later. Rows begin up to 15 minutes before it starts.

    Raises
    ------
    DataError
        If there is no such sample.
    """
    import pandas as pd

    if name not in SAMPLE_BOOKS:
        msg = f"no recorded books {name!r}{_did_you_mean(name, list(SAMPLE_BOOKS))}"
        raise DataError(msg)
    folder = Path(str(files("hedgekit.samples")))
    rows, markets = (pd.read_csv(folder / file) for file in SAMPLE_BOOKS[name])
    return {str(market.slug): _sample(rows[rows["slug"] == market.slug], market, fees or Fees(), lot) for market in markets.itertuples()}


def _sample(rows: pd.DataFrame, market: object, fees: Fees, lot: Decimal) -> Books:
    import pandas as pd

    slug, up, end = (getattr(market, name) for name in ("slug", "payout_up", "end"))
    names = [(side, f"{slug}-{side}") for side in ("UP", "DOWN")]
    instruments = {side: Instrument("POLYMARKET", symbol, Kind.BINARY, Decimal("0.001"), lot, fees=fees) for side, symbol in names}
    return books_of(
        rows,
        instruments,
        payout=(int(up), 1 - int(up)),
        settle_ns=int(pd.Timestamp(end).value),
        complementary=True,
        description=f"Polymarket {slug}, recorded by Resolved Markets (CC BY 4.0)",
    )


def books_of(  # noqa: PLR0913 - what a table of levels does not say, each with its default
    rows: pd.DataFrame,
    instruments: dict[str, Instrument],
    *,
    payout: tuple[int, ...] | None = None,
    settle_ns: int | None = None,
    complementary: bool = False,
    description: str = "recorded books",
) -> Books:
    """Return books from a table of levels.

    Parameters
    ----------
    rows : DataFrame
        Columns ``ts`` (UTC), ``side`` (a key of ``instruments``), and ``bid_px1``, ``bid_sz1``, ``bid_px2``, ...,
        ``ask_px1``, ``ask_sz1``, ...; an empty cell is a level that is not there. One row for each time and side. With
        ``complementary``, a row of side ``BOTH`` is the first leg's book and its mirror is the second's (1 - price).
    instruments : dict of str to Instrument
        By name of side, in leg order.
    payout, settle_ns, complementary, description
        As in :class:`Books`; a ``settle_ns`` before the last row is moved to it.

    Raises
    ------
    DataError
        If a column is missing, a side is unknown, a time and side is there twice, or :class:`Books` finds a fault.
    """
    import pandas as pd

    _check_table(rows, instruments, complementary=complementary)
    depth = sum(str(name).startswith("bid_px") for name in rows.columns)
    stamps = pd.DatetimeIndex(pd.to_datetime(rows["ts"], utc=True)).as_unit("ns")
    ts_ns, at = np.unique(stamps.asi8, return_inverse=True)
    shape = (len(ts_ns), len(instruments))
    arrays, recorded = {name: np.full((*shape, depth), np.nan) for name in _SIDES}, np.zeros(shape, dtype=bool)
    for leg, side in enumerate(instruments):
        for label, mirror in ((side, False), ("BOTH", leg == 1)):
            mine = (rows["side"] == label).to_numpy()
            where = at[mine]
            if recorded[where, leg].any() or len(np.unique(where)) < len(where):
                msg = f"books: {side} has two rows of one time; keep one row for each time and side"
                raise DataError(msg)
            recorded[where, leg] = True
            for name in _SIDES:
                arrays[name][where, leg] = _levels(rows[mine], name, depth, mirror=mirror)
    last = int(ts_ns[-1]) if len(ts_ns) else 0
    settled = None if settle_ns is None else max(settle_ns, last)
    return Books(
        tuple(instruments.values()),
        cast("Stamps", ts_ns),
        **arrays,
        recorded=recorded,
        payout=payout,
        settle_ns=settled,
        complementary=complementary,
        description=description,
    )


def _levels(rows: pd.DataFrame, name: str, depth: int, *, mirror: bool) -> Array:
    if mirror:  # the second leg's bids are the first one's asks, at what is left of 1
        name = name.replace("bid", "ask") if name.startswith("bid") else name.replace("ask", "bid")
    values = rows[[f"{name}{level}" for level in range(1, depth + 1)]].to_numpy(dtype=np.float64)
    return cast("Array", np.round(1.0 - values, 9) if mirror and name.endswith("px") else values)


# --------------------------------------------------------------------- checks


def _check_table(rows: pd.DataFrame, instruments: dict[str, Instrument], *, complementary: bool) -> None:
    depth = max(sum(str(name).startswith("bid_px") for name in rows.columns), 1)
    for name in ("ts", "side", *(f"{side}{level}" for level in range(1, depth + 1) for side in _SIDES)):
        if name not in rows.columns:
            msg = f"books: no column {name!r}{_did_you_mean(name, [str(c) for c in rows.columns])}"
            raise DataError(msg)
    known = [*instruments, "BOTH"] if complementary else [*instruments]
    other = sorted(set(rows["side"].astype(str)) - set(known))
    if other:
        msg = f"books: side {other[0]!r} is unknown; there are: {', '.join(known)}"
        raise DataError(msg)


def _check_shapes(books: Books) -> None:
    flat = (len(books.ts_ns), len(books.instruments))
    for name in (*_SIDES, "recorded"):
        got, wanted = getattr(books, name).shape, flat if name == "recorded" else (*flat, books.bid_px.shape[-1])
        if got != wanted:
            msg = f"books: {name} has shape {got}, must be {wanted} ({'rows, legs' if name == 'recorded' else 'rows, legs, levels'})"
            raise DataError(msg)
    late = np.flatnonzero(np.diff(books.ts_ns) <= 0)
    if late.size:
        msg = f"books: time does not increase at row {late[0] + 1} ({books.index[late[0] + 1]}); sort the rows, one for each time"
        raise DataError(msg)


def _check_side(books: Books, side: str, *, falling: bool) -> None:
    px, sz = getattr(books, f"{side}_px"), getattr(books, f"{side}_sz")
    there = ~np.isnan(px)
    par = np.array([1.0 / float(i.multiplier) if i.kind is Kind.BINARY else np.inf for i in books.instruments])[None, :, None]
    step = np.diff(px, axis=2)
    faults: Sequence[tuple[np.ndarray, str]] = (
        (there & ~((px > 0) & (px < par)), "has a price that is not between 0 and what the instrument can be worth"),
        (there != (sz > 0), "has a level without a size above 0, or a size without a price"),
        (~there[:, :, :-1] & there[:, :, 1:], "has a level behind a missing one"),
        (step >= 0 if falling else step <= 0, f"has {side}s that do not {'fall' if falling else 'rise'} from the best on"),
        (there & ~books.recorded[:, :, None], "has levels in a row that is said to have no news of it"),
    )
    for bad, what in faults:
        if bad.any():
            row, leg, level = np.argwhere(bad)[0]
            where = f"{side}, level {level + 1}) at {books.index[row]}"
            msg = f"books: {books.instruments[leg].symbol} {what} ({where}; correct or leave out the row"
            raise DataError(msg)


def _check_resolution(books: Books) -> None:
    kinds = {instrument.kind for instrument in books.instruments}
    if books.payout is not None and (len(books.payout) != len(books.instruments) or kinds != {Kind.BINARY} or set(books.payout) - {0, 1}):
        msg = f"books: payout={books.payout} needs binary legs ({len(books.instruments)} here), and 0 or 1 for each"
        raise DataError(msg)
    if books.complementary and (len(books.instruments) != 2 or kinds != {Kind.BINARY} or sum(books.payout or (0, 1)) != 1):  # noqa: PLR2004 - yes and no
        msg = f"books: complementary needs two binary legs of which exactly one pays; payout is {books.payout}"
        raise DataError(msg)
    if books.settle_ns is not None and len(books) and books.settle_ns < books.ts_ns[-1]:
        msg = f"books: settle_ns={books.settle_ns} is before the last row ({books.ts_ns[-1]}); cut the rows or move it"
        raise DataError(msg)
