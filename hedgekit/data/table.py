"""A user's table of a recorded market, read as it stands and refused where it cannot be used, with the row that is wrong."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hedgekit.data.closes import _did_you_mean
from hedgekit.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

LEVEL = re.compile(r"(?:bid|ask)_(?:px|sz)[0-9]+")
"""Names of the columns of order books."""

TOP = {"bid": "bid_px1", "bid_size": "bid_sz1", "ask": "ask_px1", "ask_size": "ask_sz1"}
"""Columns of the top of the book, and what they are in books of one level."""

_OLDEST_NS = 10**17
"""Early in 1973: a smaller whole number counts something longer than nanoseconds."""

_OFF_TICK = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows of a recorded market, in order of time: ``ts`` (datetime64[ns, UTC]), ``side`` (the symbol) and prices.

    Attributes
    ----------
    rows : DataFrame
        Its index counts the file's rows from 0.
    name : str
        The file's, for errors.
    """

    rows: pd.DataFrame
    name: str

    @classmethod
    def read(cls, content: bytes, name: str) -> Table:
        """Return a file's rows: an empty cell is missing, and no word means a missing number.

        Raises
        ------
        DataError
            If it cannot be read, has no rows, no ``ts`` or no ``symbol`` (or ``side``), or a time is missing or goes back.
        """
        frame = _parsed(content, name)
        if {"symbol", "side"} <= set(frame.columns):
            msg = f"{name}: has both a column 'symbol' and a column 'side'; keep the one that names the instrument"
            raise DataError(msg)
        table = cls(frame.rename(columns={"symbol": "side"}), name)
        for column, known in (("ts", "ts"), ("side", "symbol")):
            if column not in table.columns:
                table._lacks(known, frame)
        if not len(frame):
            msg = f"{name}: no rows; give at least one for each leg"
            raise DataError(msg)
        table.refuse(table.rows["side"].isna(), "has no symbol; give each row one")
        return _timed(cls(table.rows.assign(side=table.rows["side"].astype(str)), name))

    @property
    def columns(self) -> list[str]:
        """Names of the columns, the symbol's being ``side``."""
        return [str(name) for name in self.rows.columns]

    def where(self, kept: pd.Series[bool]) -> Table:
        """Return the rows for which it is True."""
        return Table(self.rows[kept], self.name)

    def form(self) -> str:
        """Return what the columns hold: "books", "top" or "closes".

        Raises
        ------
        DataError
            If that is nothing, or more than one.
        """
        names = set(self.columns)
        forms = {"books": "bid_px1" in names, "top": bool({"bid", "ask"} & names), "closes": "close" in names}
        found = [form for form, there in forms.items() if there]
        if len(found) != 1:
            others = ", ".join(name for name in self.columns if name not in {"ts", "side"})
            which = f"columns of {' and of '.join(found)}" if found else f"no prices among the columns {others or 'beside ts and symbol'}"
            msg = f"{self.name}: {which}; give either bid_px1, bid_sz1, ask_px1, ask_sz1, ... or bid, ask, bid_size, ask_size or close"
            raise DataError(msg)
        return found[0]

    def top(self, tick: float) -> pd.DataFrame:
        """Return the top of the book as levels; a side of price 0 and size 0 is none.

        Raises
        ------
        DataError
            As :meth:`levels`.
        """
        for column in TOP:
            if column not in self.columns:
                self._lacks(column, self.rows)
        rows = self.numbers(list(TOP)).rows.rename(columns=TOP)
        for side in ("bid", "ask"):
            pair = [f"{side}_px1", f"{side}_sz1"]
            rows[pair] = rows[pair].where((rows[pair] != 0).any(axis=1), np.nan)
        return Table(rows, self.name).levels(tick)

    def levels(self, tick: float) -> pd.DataFrame:
        """Return the rows if every level can be: whole ticks above 0, with a size above 0, best first, no holes.

        Raises
        ------
        DataError
            If a column or a level is wrong.
        """
        given = [column for column in self.columns if LEVEL.fullmatch(column)]
        depth = sum(column.startswith("bid_px") for column in given)
        wanted = [f"{side}_{what}{level}" for level in range(1, depth + 1) for side in ("bid", "ask") for what in ("px", "sz")]
        if odd := [*(name for name in wanted if name not in given), *(name for name in given if name not in wanted)]:
            what = "there is no column" if odd[0] in wanted else "too much is column"
            msg = f"{self.name}: {what} {odd[0]!r} beside {depth} of bid_px; give as many levels of each, an empty cell where there is none"
            raise DataError(msg)
        table = self.numbers(wanted)
        for side in ("bid", "ask"):
            _check_side(table, side, depth, tick)
        return table.rows

    def numbers(self, columns: Sequence[str]) -> Table:
        """Return the table with columns as float64.

        Raises
        ------
        DataError
            At the first cell that is neither empty nor a finite number.
        """
        import pandas as pd

        found = {}
        for column in columns:
            given = self.rows[column]
            values = pd.to_numeric(given, errors="coerce").astype(np.float64)
            bad = (values.isna() & given.notna()) | np.isinf(values)
            self.refuse(bad, f"has something in {column} that is no number; correct it, or leave the cell empty")
            found[column] = values
        return Table(self.rows.assign(**found), self.name)

    def refuse(self, bad: pd.Series[bool], what: str) -> None:
        """Raise an error for the first bad row, counted from 1 below the header; none if there is none."""
        if bad.any():
            place = int(np.flatnonzero(bad.to_numpy())[0])
            row = self.rows.iloc[place]
            msg = f"{self.name}: row {int(self.rows.index[place]) + 1} ({row['ts']}, {row['side']}) {what}"
            raise DataError(msg)

    # --------------------------------------------------------------- internals

    def _lacks(self, column: str, frame: pd.DataFrame) -> None:
        msg = f"{self.name}: no column {column!r}{_did_you_mean(column, [str(name) for name in frame.columns])}"
        raise DataError(msg)


def _timed(table: Table) -> Table:
    """Return the table with its times read; they must not go back."""
    import pandas as pd

    given = table.rows["ts"]
    options: dict[str, Any] = {}
    if not pd.api.types.is_datetime64_any_dtype(given):
        given = given.astype(str)
        options = {"format": "ISO8601"}
        if given.str.fullmatch("[0-9]{1,19}").all():
            given, options = pd.to_numeric(given), {"unit": "ns"}
            table.refuse(given < _OLDEST_NS, "has a ts that is no count of nanoseconds since 1970; multiply it, or write ISO 8601")
    stamps: pd.Series[Any] = pd.to_datetime(given, utc=True, errors="coerce", **options)
    table.refuse(stamps.isna(), "has no time in ts; write ISO 8601, as 2026-01-05T14:30:00.123Z, in UTC or with its zone")
    stamps = stamps.dt.as_unit("ns")
    table.refuse(stamps < stamps.shift(fill_value=stamps.iloc[0]), "comes after a later time; sort the rows by ts")
    return Table(table.rows.assign(ts=stamps), table.name)


def _check_side(table: Table, side: str, depth: int, tick: float) -> None:
    """Refuse the first level of a side that cannot be."""
    import pandas as pd

    px, sz = (table.rows[[f"{side}_{what}{level}" for level in range(1, depth + 1)]].to_numpy(np.float64) for what in ("px", "sz"))
    there, steps, first = ~np.isnan(px), px / tick, np.zeros((len(px), 1), dtype=bool)
    worse = np.diff(px, axis=1) * (1 if side == "ask" else -1)
    for bad, what in (
        (there & ~(px > 0), "a price that is not above 0; leave the cell empty where there is no level"),
        (
            there & (np.abs(steps - np.rint(steps)) > _OFF_TICK),
            f"a price that is no whole number of ticks; correct it, or tick={tick:g}",
        ),
        (there != (sz > 0), "a price without a size above 0, or a size without a price; give both, or leave both empty"),
        (np.hstack([first, ~there[:, :-1] & there[:, 1:]]), "a level behind a missing one; move it up"),
        (np.hstack([first, worse <= 0]), "a price that is not worse than the one before; best level first"),
    ):
        if bad.any():
            row, level = np.argwhere(bad)[0]
            table.refuse(pd.Series(np.arange(len(px)) == row, index=table.rows.index), f"has, at {side} level {level + 1}, {what}")


def _parsed(content: bytes, name: str) -> pd.DataFrame:
    import pandas as pd

    kind = "Parquet" if name.endswith(".parquet") else "CSV"
    words: dict[str, Any] = dict.fromkeys(("ts", "symbol", "side"), str)
    try:
        if kind == "Parquet":
            frame = pd.read_parquet(io.BytesIO(content))
            return (frame if frame.index.name is None else frame.reset_index()).reset_index(drop=True)
        packed: Any = "gzip" if name.endswith(".gz") else None
        return pd.read_csv(io.BytesIO(content), compression=packed, dtype=words, keep_default_na=False, na_values=[""])
    except ImportError:
        msg = f"{name}: reading Parquet needs the package pyarrow; install it, or save the file as CSV"
    except (ValueError, OSError, EOFError) as error:
        msg = f"{name} cannot be read as {kind}: {error}"
    raise DataError(msg)
