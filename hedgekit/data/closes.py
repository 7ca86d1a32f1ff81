"""Closes from a file or a vendored sample, checked and never changed."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.errors import DataError, meant

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

SAMPLES = {"eq_daily": "eq_daily_adjclose_8stocks_1990_2016.csv.gz"}
"""Sample name to file; ``samples/README.md`` has origin, licence and defects."""


def load_sample(name: str, *, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a vendored sample as closes, one column for each symbol.

    Parameters
    ----------
    name : str
        A key of :data:`SAMPLES`.
    columns : sequence of str, optional
        Which symbols, in this order; all by default.

    Raises
    ------
    DataError
        If there is no such sample or column.
    """
    if name not in SAMPLES:
        msg = f"no sample {name!r}{_did_you_mean(name, list(SAMPLES))}"
        raise DataError(msg)
    return load_closes(Path(str(files("hedgekit.samples") / SAMPLES[name])), columns=columns)


def load_closes(path: str | Path, *, columns: Sequence[str] | None = None, date: str = "date") -> pd.DataFrame:
    """Return a CSV or Parquet file of closes, checked, with a UTC date index.

    Parameters
    ----------
    path : str or Path
        CSV, plain or compressed, or Parquet (needs pyarrow), with a column of dates and one of prices for each symbol.
    columns : sequence of str, optional
        Which columns, in this order; all by default. Only these are checked.
    date : str
        Name of the column of dates.

    Raises
    ------
    DataError
        If the file or a column is missing, or :func:`check_closes` finds a fault.
    """
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        msg = f"no file {path}; check the path, or use a sample: {', '.join(SAMPLES)}"
        raise DataError(msg)
    frame = _read(path)
    wanted = [name for name in frame.columns if name != date] if columns is None else list(columns)
    for name in (date, *wanted):
        if name not in frame.columns:
            msg = f"{path.name}: no column {name!r}{_did_you_mean(name, [str(c) for c in frame.columns])}"
            raise DataError(msg)
    try:
        index = pd.DatetimeIndex(pd.to_datetime(frame[date], utc=True), name=date)
    except ValueError as error:
        said = str(error).splitlines()[0]
        msg = f"{path.name}: column {date!r} has something that is not a date: {said}; write dates as 2015-01-31"
        raise DataError(msg) from None
    return check_closes(frame[wanted].set_axis(index), path.name)


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    kind = "Parquet" if path.suffix == ".parquet" else "CSV"
    try:
        if kind == "CSV":
            return pd.read_csv(path)
        frame = pd.read_parquet(path)
    except ImportError:
        msg = f"{path.name}: reading Parquet needs the package pyarrow; install it, or save the prices as CSV"
        raise DataError(msg) from None
    except (ValueError, OSError, EOFError) as error:
        msg = f"{path.name} cannot be read as {kind}: {error}"
        raise DataError(msg) from None
    return frame if frame.index.name is None else frame.reset_index()


def check_closes(closes: pd.DataFrame, name: str = "closes") -> pd.DataFrame:
    """Return ``closes`` unchanged, or refuse them.

    Raises
    ------
    DataError
        At the first missing, duplicate or unsorted date, or the first price that is
        not a number or not above zero; the message has the column and the date.
    """
    import pandas as pd

    index = pd.DatetimeIndex(closes.index)
    if not len(index):
        msg = f"{name}: no rows; give at least one date with a price"
        raise DataError(msg)
    for bad, what, fix in (
        (index.isna(), "has no date", "give every row a date"),
        (index.duplicated(), "is there twice", "keep one row for each date"),
        (np.r_[False, index[1:] < index[:-1]], "comes after a later date", "sort the rows by date"),
    ):
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            msg = f"{name}: row {row + 1} ({index[row]}) {what}; {fix}"
            raise DataError(msg)
    for symbol in closes.columns:
        _check_prices(closes[symbol], index, f"{name}: {symbol}")
    return closes


def _check_prices(prices: pd.Series, index: pd.DatetimeIndex, where: str) -> None:
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(prices):
        row = int(np.flatnonzero(pd.to_numeric(prices, errors="coerce").isna())[0])
        msg = f"{where} on {index[row]:%Y-%m-%d} is {prices.iloc[row]!r}, not a number; correct the value"
        raise DataError(msg)
    values = prices.to_numpy(dtype=np.float64, na_value=np.nan)
    for bad, what in ((~np.isfinite(values), "is missing or not finite"), (values <= 0, "is not above 0")):
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            msg = f"{where} on {index[row]:%Y-%m-%d} {what} ({values[row]:g}; {int(bad.sum())} such rows); correct or leave out these dates"
            raise DataError(msg)


def _did_you_mean(name: str, known: list[str]) -> str:
    return f"; {meant(name, known, 'there are: ' + ', '.join(known))}"
