"""What a user hands to the statistics, checked once, in one place, and never changed without being asked.

Prices come as arrays, as pandas Series, or as the columns of a DataFrame, oldest
first. Whatever cannot be used as it stands is refused with the column, the position
and the fix. Two things a user may ask for explicitly, and then the result says how
many rows it cost: ``align="inner"`` keeps the times that all have, ``missing="drop"``
leaves out rows in which a price is missing.
"""

from __future__ import annotations

import numbers
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
import pandas as pd

from hedgekit.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from hedgekit.data import Array

Align = Literal["refuse", "inner"]
Missing = Literal["refuse", "drop"]


@dataclass(frozen=True, eq=False, slots=True)
class Panel:
    """Checked numbers of one or more instruments at the same times.

    Attributes
    ----------
    data : float64 array, shape (n, columns)
        Finite, oldest first.
    names : tuple of str
        One for each column.
    index : DatetimeIndex or None
        UTC times of the rows, strictly increasing; None for arrays and for other indexes.
    notes : tuple of str
        What was left out because the caller asked for it; goes into the warnings of a result.
    """

    data: Array
    names: tuple[str, ...]
    index: pd.DatetimeIndex | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.data)

    def rows(self, first: int, last: int | None = None) -> Panel:
        """Return the rows ``first`` to ``last`` (as a slice counts)."""
        cut = slice(first, last)
        return replace(self, data=self.data[cut], index=None if self.index is None else self.index[cut])

    def where(self, row: int) -> str:
        """Return how to name a row in an error: its position, and its time if there is one."""
        return f"position {row}" if self.index is None else f"position {row} ({self.index[row]})"

    def need(self, least: int, what: str = "prices") -> Panel:
        """Return self, or refuse if there are fewer than ``least`` rows."""
        if len(self) < least:
            msg = f"{len(self)} {what} are too few, at least {least} are needed; load more history"
            raise DataError(msg)
        return self

    def positive(self) -> Panel:
        """Return self, or refuse a price that is not above zero: logs and returns have no meaning for it."""
        bad = np.argwhere(self.data <= 0)
        if bad.size:
            row, column = bad[0]
            msg = (
                f"{self.names[column]} is {self.data[row, column]:g} at {self.where(row)}: logs and returns need prices above 0; "
                "work on price changes, or correct the price"
            )
            raise DataError(msg)
        return self

    def moving(self) -> Panel:
        """Return self, or refuse a column that never moves."""
        for column, x in enumerate(self.data.T):
            if len(x) and (x == x[0]).all():
                msg = f"{self.names[column]} never moves ({x[0]:g} at all {len(x)} positions): choose a window in which it trades"
                raise DataError(msg)
        return self


def panel(data: ArrayLike | pd.DataFrame, *, missing: Missing = "refuse", names: Sequence[str] | None = None) -> Panel:
    """Return the columns of a frame or array, checked.

    Parameters
    ----------
    data : DataFrame or array_like, shape (n, columns) or (n,)
        Numbers, oldest first. A time index must be sorted, without duplicates, of one time
        zone; one without a zone is read as UTC.
    missing : {"refuse", "drop"}
        What to do with a row that has a missing value (NaN). An infinite one is always refused.
    names : sequence of str, optional
        Names of the columns of an array.

    Returns
    -------
    Panel

    Raises
    ------
    DataError
        Naming column, position and fix.
    """
    _known("missing", missing, ("refuse", "drop"))
    frame = data.to_frame() if isinstance(data, pd.Series) else data
    if isinstance(frame, pd.DataFrame):
        _once(frame.columns)
        columns = [frame.iloc[:, i] for i in range(frame.shape[1])]
        return _stacked(columns, [str(name) for name in frame.columns], frame.index, missing)
    values = np.asarray(data)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2:  # noqa: PLR2004 - rows and columns
        msg = f"the data have {values.ndim} dimensions: give (rows,) or (rows, columns)"
        raise DataError(msg)
    labels = list(names) if names is not None else [f"column {i}" for i in range(values.shape[1])]
    if len(labels) != values.shape[1]:
        msg = f"{len(labels)} names for {values.shape[1]} columns: give one for each"
        raise DataError(msg)
    return _stacked([pd.Series(column) for column in values.T], labels, None, missing)


def legs(
    primary: ArrayLike | pd.Series,
    hedge: ArrayLike | pd.Series | pd.DataFrame,
    *,
    align: Align = "refuse",
    missing: Missing = "refuse",
) -> Panel:
    """Return a primary and its hedge (or hedges) as one panel, the primary first.

    Parameters
    ----------
    primary : array_like or Series, shape (n,)
        Prices of the primary.
    hedge : array_like, Series, or DataFrame, shape (n,) or (n, hedges)
        Prices of each hedge.
    align : {"refuse", "inner"}
        If both have an index and the two differ: refuse them, or keep the times that both have.
    missing : {"refuse", "drop"}
        As in :func:`panel`.

    Returns
    -------
    Panel
        Columns primary, hedges; unnamed ones are called "primary" and "hedge".

    Raises
    ------
    DataError
        If lengths, indexes or time zones differ, or :func:`panel` refuses the numbers.
    """
    _known("align", align, ("refuse", "inner"))
    one, many = _named(primary, "primary"), _named(hedge, "hedge")
    if not many.shape[1]:
        msg = "hedge has no column: give one or more, for example prices[['PEP']]"
        raise DataError(msg)
    if len(one) != len(many) and not (isinstance(primary, _PANDAS) and isinstance(hedge, _PANDAS)):
        msg = f"primary has shape {one.shape[:1]}, hedge {many.shape[:1]}: give series of the same length, aligned by time"
        raise DataError(msg)
    notes: tuple[str, ...] = ()
    if not isinstance(hedge, _PANDAS):
        many = many.set_axis(one.index)
    elif not isinstance(primary, _PANDAS):
        one = one.set_axis(many.index)
    else:
        one, many, notes = _aligned(one, many, align)
    if one.columns[0] in list(many.columns):
        one = one.set_axis(["primary"], axis=1)
    joined = pd.concat([one, many], axis=1)
    both = isinstance(primary, _PANDAS) or isinstance(hedge, _PANDAS)
    checked = panel(joined if both else joined.reset_index(drop=True), missing=missing)
    return replace(checked, notes=(*notes, *checked.notes))


_PANDAS = (pd.Series, pd.DataFrame)


def _named(data: ArrayLike | pd.Series | pd.DataFrame, role: str) -> pd.DataFrame:
    """Return the data as a frame whose columns have names."""
    if isinstance(data, pd.DataFrame):
        if role == "primary" and data.shape[1] != 1:
            msg = f"primary has {data.shape[1]} columns: give one, for example prices['KO']"
            raise DataError(msg)
        return data
    if isinstance(data, pd.Series):
        return data.to_frame(role if data.name is None else str(data.name))
    values = np.asarray(data)
    if values.ndim not in (1, 2) or (role == "primary" and values.ndim != 1):
        msg = f"{role} has shape {values.shape}: give " + ("(n,)" if role == "primary" else "(n,) or (n, hedges)")
        raise DataError(msg)
    names = [role] if values.ndim == 1 else [f"{role} {i + 1}" for i in range(values.shape[1])]
    return pd.DataFrame(values, columns=names)


def _aligned(one: pd.DataFrame, many: pd.DataFrame, align: Align) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, ...]]:
    """Return both on one index, and what that left out."""
    zones = [_zone(frame.index) for frame in (one, many)]
    if zones[0] != zones[1]:
        msg = (
            f"primary's times are in {zones[0]}, hedge's in {zones[1]}: mixed time zones; convert both, for example with .tz_convert('UTC')"
        )
        raise DataError(msg)
    if one.index.equals(many.index):
        return one, many, ()
    for frame, role in ((one, "primary"), (many, "hedge")):
        _check_order(frame.index, f"{role}'s index")
    both = one.index.intersection(many.index)
    if align == "refuse":
        odd = next(iter(one.index.symmetric_difference(many.index)))
        side = "primary" if odd in one.index else "hedge"
        msg = (
            f"primary and hedge have different indexes ({odd} is in {side} only): align them first, "
            "or say align='inner' for the times both have"
        )
        raise DataError(msg)
    lost = f"align='inner': {len(both)} times that both have; left out {len(one) - len(both)} of primary, {len(many) - len(both)} of hedge"
    return one.loc[both], many.loc[both], (lost,)


def _stacked(columns: list[pd.Series], names: list[str], index: pd.Index | None, missing: Missing) -> Panel:
    times = _times(index)
    values = np.empty((len(columns[0]) if columns else 0, len(columns)))
    for i, (column, name) in enumerate(zip(columns, names, strict=True)):
        values[:, i] = _numbers(column, name)
    whole = Panel(values, tuple(names), times)
    endless = np.argwhere(np.isinf(values))
    if endless.size:
        row, i = endless[0]
        msg = f"{names[i]} is {values[row, i]} at {whole.where(row)}: correct the value; an infinite price is no price"
        raise DataError(msg)
    gone = cast("np.ndarray[tuple[int], np.dtype[np.bool_]]", np.isnan(values).any(axis=1))
    if not gone.any():
        return whole
    row = int(np.flatnonzero(gone)[0])
    i = int(np.flatnonzero(np.isnan(values[row]))[0])
    if missing == "refuse":
        msg = (
            f"{names[i]} is nan at {whole.where(row)} ({int(gone.sum())} such rows): correct or leave out these rows, "
            "or say missing='drop' to work without them"
        )
        raise DataError(msg)
    note = f"missing='drop': left out {int(gone.sum())} of {len(gone)} rows with a missing value, the first at {whole.where(row)}"
    return Panel(values[~gone], tuple(names), None if times is None else times[~gone], (note,))


def _numbers(column: pd.Series, name: str) -> Array:
    if pd.api.types.is_numeric_dtype(column) and not (pd.api.types.is_complex_dtype(column) or pd.api.types.is_bool_dtype(column)):
        return cast("Array", column.to_numpy(dtype=np.float64, na_value=np.nan))
    for row, value in enumerate(column):
        if not isinstance(value, int | float | np.number) or isinstance(value, bool):
            msg = f"{name} is {value!r} at position {row}, not a number; correct the value"
            raise DataError(msg)
    return column.to_numpy(dtype=np.float64)


def _times(index: pd.Index | None) -> pd.DatetimeIndex | None:
    """Return a time index in UTC, None for any other; refuse one that is not sorted or has duplicates."""
    if index is None:
        return None
    _zone(index)
    _check_order(index, "the index")
    if not isinstance(index, pd.DatetimeIndex):
        return None
    return index.tz_localize("UTC") if index.tz is None else index.tz_convert("UTC")


def _check_order(index: pd.Index, what: str) -> None:
    for bad, how, fix in (
        (np.asarray(index.isna()), "is no time", "give every row its time"),
        (np.asarray(index.duplicated()), "is there twice", "keep one row for each time"),
    ):
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            msg = f"{what}: {index[row]} at position {row} {how}; {fix}"
            raise DataError(msg)
    if not index.is_monotonic_increasing:
        row = next(i for i in range(1, len(index)) if not index[i] > index[i - 1])
        msg = f"{what}: {index[row]} at position {row} comes after a later one; sort the rows, oldest first"
        raise DataError(msg)


def _zone(index: pd.Index) -> str:
    """Return the time zone's name; refuse an index of times in several zones."""
    if isinstance(index, pd.DatetimeIndex):
        return "no zone" if index.tz is None else str(index.tz)
    zones = {str(getattr(item, "tzinfo", None)) for item in index[:1_000] if hasattr(item, "tzinfo")} if index.dtype == object else set()
    if len(zones) > 1:
        msg = f"the index mixes time zones ({', '.join(sorted(zones))}): make one with pd.to_datetime(index, utc=True)"
        raise DataError(msg)
    return "no times"


def _once(columns: pd.Index) -> None:
    twice = columns[columns.duplicated()]
    if len(twice):
        msg = f"column {twice[0]!r} is there twice; give every column its own name"
        raise DataError(msg)


def whole_number(name: str, value: object, least: int) -> None:
    """Refuse (ConfigError) an option that is not a whole number of at least ``least``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or int(value) < least:
        msg = f"{name}={value!r}: must be a whole number, {least} or more"
        raise ConfigError(msg)


def _known(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        msg = f"{option}={value!r}: must be one of {', '.join(map(repr, allowed))}"
        raise ConfigError(msg)
