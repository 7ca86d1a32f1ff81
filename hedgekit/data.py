"""Load history, check it, and turn closes into quotes that an exchange can trade.

Loading never fills, drops or sorts anything: data that cannot be used as it
stands is refused with an error that says where it is wrong.

A :class:`Tape` is the history in the shape in which both the backtest and the
sandbox exchange read it. Daily closes carry no quotes, so :class:`Market` makes
them by stated assumptions; a profit on them is a profit under those assumptions.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from decimal import Decimal
from difflib import get_close_matches
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec
import numpy as np
import pandas as pd

from hedgekit.errors import ConfigError, DataError
from hedgekit.types import NS, Fees, Instrument

if TYPE_CHECKING:
    from collections.abc import Sequence

CLOSE_S = 21 * 3600
"""A daily row is stamped 21:00:00 UTC: 16:00 in New York in winter, and never before the close in summer."""

SAMPLES = {"eq_daily": "eq_daily_adjclose_8stocks_1990_2016.csv.gz"}
"""Sample name to file; ``samples/README.md`` has origin, licence and defects."""

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Stamps = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


@dataclass(frozen=True, eq=False)
class Tape:
    """Best quotes of all legs, row by row.

    Attributes
    ----------
    instruments : tuple of Instrument
        One for each leg, in leg order.
    ts_ns : int64 array, shape (n,)
        Nanoseconds UTC, strictly increasing.
    bid, ask, bid_size, ask_size : float64 arrays, shape (n, legs)
        Prices in the instrument's price unit, sizes in units of quantity. NaN bid
        and ask say that the leg has no quote in this row.
    description : str
        What it is, for reports.

    Raises
    ------
    DataError
        If shapes differ, time does not increase, or a bid is not below its ask.
    """

    instruments: tuple[Instrument, ...]
    ts_ns: Stamps
    bid: Array
    ask: Array
    bid_size: Array
    ask_size: Array
    description: str = ""

    def __post_init__(self) -> None:
        """Check the shapes, the order of time and the quotes."""
        shape = (len(self.ts_ns), len(self.instruments))
        for name in ("bid", "ask", "bid_size", "ask_size"):
            if getattr(self, name).shape != shape:
                msg = f"tape: {name} has shape {getattr(self, name).shape}, must be {shape} (rows, legs)"
                raise DataError(msg)
        late = np.flatnonzero(np.diff(self.ts_ns) <= 0)
        if late.size:
            msg = f"tape: time does not increase at row {late[0] + 1} ({_when(self.ts_ns[late[0] + 1])}); sort the rows, one for each time"
            raise DataError(msg)
        crossed = np.argwhere(self.bid >= self.ask)
        if crossed.size:
            row, leg = crossed[0]
            symbol = self.instruments[leg].symbol
            msg = f"tape: {symbol} bid {self.bid[row, leg]:g} is not below ask {self.ask[row, leg]:g} at {_when(self.ts_ns[row])}"
            raise DataError(msg)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ts_ns)

    @property
    def mid(self) -> Array:
        """Mid prices, shape (n, legs)."""
        return (self.bid + self.ask) / 2

    @property
    def index(self) -> pd.DatetimeIndex:
        """The rows' times, tz-aware UTC."""
        return pd.DatetimeIndex(self.ts_ns, tz="UTC", name="ts")

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over instruments, times, quotes and description."""
        sha = hashlib.sha256(msgspec.json.encode((self.instruments, self.description)))
        sha.update(np.ascontiguousarray(self.ts_ns, dtype="<i8").tobytes())
        for part in (self.bid, self.ask, self.bid_size, self.ask_size):
            sha.update(np.ascontiguousarray(part, dtype="<f8").tobytes())
        return sha.hexdigest()

    def rows(self, start: int, stop: int) -> Tape:
        """Return rows ``start`` up to, not including, ``stop``."""
        cut = slice(start, stop)
        return replace(
            self,
            ts_ns=self.ts_ns[cut],
            bid=self.bid[cut],
            ask=self.ask[cut],
            bid_size=self.bid_size[cut],
            ask_size=self.ask_size[cut],
        )

    def requoted(self, factor: float) -> Tape:
        """Return the same market quoted in another unit, for example 100 for cents.

        Prices and ticks are multiplied by ``factor`` and multipliers divided by
        it, exactly (prices are whole ticks); sizes, and so money, stay as they are.
        """
        if factor == 1:
            return self
        instruments = tuple(_requoted(instrument, Decimal(str(factor))) for instrument in self.instruments)
        bid, ask = (
            np.column_stack([
                _from_ticks(np.rint(side[:, leg] / float(old.tick)), new.tick)
                for leg, (old, new) in enumerate(zip(self.instruments, instruments, strict=True))
            ])
            for side in (self.bid, self.ask)
        )
        return replace(self, instruments=instruments, bid=bid, ask=ask)


class Market(msgspec.Struct, frozen=True):
    """A recipe for a tape, passed between processes as JSON.

    ``scale`` multiplies the closes (a dearer share, same returns). Around each
    scaled close the half-spread is ``half_spread_bps`` but at least
    ``min_half_spread``; bids are floored and asks raised to whole ticks.
    Displayed sizes are lognormal in money with median ``size_notional`` and
    log-sd ``size_sigma``, drawn from ``size_seed`` (PCG64), in whole lots, at
    least one. On the default market 14.1% of $100,000 orders in KO and 6.0% of
    $50,000 orders in PEP exceed the displayed size (10.1% together; measured over
    all rows and both sides, and held by a test).

    ``price_factor`` quotes the same market in another unit: it multiplies prices,
    tick and ``min_half_spread``, and the instrument's multiplier is 1/factor.
    Nothing that can be decided changes. ``first`` and ``last`` (dates, inclusive)
    cut the tape; a cut tape has the rows of the whole one.
    """

    sample: str = "eq_daily"
    primary: str = "KO"
    hedge: str = "PEP"
    scale: float = 20.0
    half_spread_bps: float = 1.0
    min_half_spread: float = 0.01
    size_notional: float = 500_000.0
    size_sigma: float = 1.5
    size_seed: int = 7
    fee_rate: str = "0.00005"
    first: str | None = None
    last: str | None = None
    venue: str = "ALPACA"
    price_factor: float = 1.0

    def instruments(self) -> tuple[Instrument, Instrument]:
        """Return the two legs, primary first, at ``price_factor`` 1."""
        fees = Fees(rate=Decimal(self.fee_rate))
        return Instrument(self.venue, self.primary, fees=fees), Instrument(self.venue, self.hedge, fees=fees)

    def tape(self) -> Tape:
        """Return the tape.

        Raises
        ------
        DataError
            If the sample or a column does not exist, or the cut leaves no row.
        ConfigError
            If a number of the recipe is out of range.
        """
        self._check()
        closes = load_sample(self.sample, columns=(self.primary, self.hedge))
        tape = tape_from_closes(
            closes * self.scale,
            self.instruments(),
            half_spread_bps=self.half_spread_bps,
            min_half_spread=self.min_half_spread,
            size_notional=self.size_notional,
            size_sigma=self.size_sigma,
            size_seed=self.size_seed,
            description=f"{self.primary} and {self.hedge}, {self.sample} x {self.scale:g}, quotes made from closes",
        )
        return self._cut(tape, closes.index).requoted(self.price_factor)

    def _check(self) -> None:
        for name in ("scale", "price_factor", "size_notional"):
            if not getattr(self, name) > 0:
                msg = f"{name}={getattr(self, name)!r}: must be above 0"
                raise ConfigError(msg)
        for name in ("half_spread_bps", "min_half_spread", "size_sigma"):
            if not getattr(self, name) >= 0:
                msg = f"{name}={getattr(self, name)!r}: must be 0 or more"
                raise ConfigError(msg)
        if self.primary == self.hedge:
            msg = f"primary and hedge are both {self.primary!r}: choose two instruments"
            raise ConfigError(msg)

    def _cut(self, tape: Tape, dates: pd.Index) -> Tape:
        start = 0 if self.first is None else int(dates.searchsorted(_date("first", self.first), side="left"))
        stop = len(dates) if self.last is None else int(dates.searchsorted(_date("last", self.last), side="right"))
        if start >= stop:
            msg = f"first={self.first}, last={self.last}: no row left; {self.sample} has {dates[0]:%Y-%m-%d} to {dates[-1]:%Y-%m-%d}"
            raise DataError(msg)
        return tape.rows(start, stop)


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
    """Return a CSV file of closes, checked, with a UTC date index.

    Parameters
    ----------
    path : str or Path
        CSV, plain or compressed, with a column of dates and one of prices for each symbol.
    columns : sequence of str, optional
        Which columns, in this order; all by default. Only these are checked.
    date : str
        Name of the column of dates.

    Raises
    ------
    DataError
        If the file or a column is missing, or :func:`check_closes` finds a fault.
    """
    path = Path(path)
    if not path.is_file():
        msg = f"no file {path}; check the path, or use a sample: {', '.join(SAMPLES)}"
        raise DataError(msg)
    try:
        frame = pd.read_csv(path)
    except (ValueError, OSError, EOFError) as error:
        msg = f"{path.name} cannot be read as CSV: {error}"
        raise DataError(msg) from None
    wanted = [name for name in frame.columns if name != date] if columns is None else list(columns)
    for name in (date, *wanted):
        if name not in frame.columns:
            msg = f"{path.name}: no column {name!r}{_did_you_mean(name, [str(c) for c in frame.columns])}"
            raise DataError(msg)
    try:
        index = pd.DatetimeIndex(pd.to_datetime(frame[date], utc=True), name=date)
    except ValueError as error:
        msg = f"{path.name}: column {date!r} has something that is no date: {str(error).splitlines()[0]}"
        raise DataError(msg) from None
    return check_closes(frame[wanted].set_axis(index), path.name)


def check_closes(closes: pd.DataFrame, name: str = "closes") -> pd.DataFrame:
    """Return ``closes`` unchanged, or refuse them.

    Raises
    ------
    DataError
        At the first missing, duplicate or unsorted date, or the first price that is
        not a number or not above zero; the message has the column and the date.
    """
    index = pd.DatetimeIndex(closes.index)
    if not len(index):
        msg = f"{name}: no rows"
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


def tape_from_closes(  # noqa: PLR0913 - the assumptions of a made quote, each with its default
    closes: pd.DataFrame,
    instruments: Sequence[Instrument],
    *,
    half_spread_bps: float = 1.0,
    min_half_spread: float = 0.01,
    size_notional: float = 500_000.0,
    size_sigma: float = 1.5,
    size_seed: int = 7,
    close_s: int = CLOSE_S,
    description: str = "quotes made from closes",
) -> Tape:
    """Return a tape with quotes made around closes.

    Parameters
    ----------
    closes : DataFrame, shape (n, legs)
        Prices, one column for each instrument, in leg order; the index has dates.
    instruments : sequence of Instrument
        Their tick, lot and multiplier shape the quotes.
    half_spread_bps, min_half_spread : float
        Half-spread: basis points of the close, but at least this much in price.
    size_notional, size_sigma, size_seed
        Median (in money) and log-sd of the displayed size, and the seed of its draws.
    close_s : int
        Seconds after midnight UTC at which a row is stamped.
    description : str
        Goes into the tape.

    Raises
    ------
    DataError
        If the closes fail :func:`check_closes` or do not match the instruments.
    """
    check_closes(closes)
    if closes.shape[1] != len(instruments):
        msg = f"closes have {closes.shape[1]} columns for {len(instruments)} instruments; give one column for each"
        raise DataError(msg)
    mid = closes.to_numpy(dtype=np.float64)
    half = np.maximum(mid * (half_spread_bps / 1e4), min_half_spread)
    draws = np.random.Generator(np.random.PCG64(size_seed)).standard_normal((len(mid), len(instruments), 2))
    money = size_notional * np.exp(size_sigma * draws)
    ticks = [float(instrument.tick) for instrument in instruments]
    # rounding to a millionth of a tick first: 44.69 must not become 44.68 because it is stored as 44.68999...
    bid_ticks = np.floor(np.round((mid - half) / ticks, 6))
    if (bid_ticks < 1).any():
        row, leg = np.argwhere(bid_ticks < 1)[0]
        msg = f"{instruments[leg].symbol} at {mid[row, leg]:g} is too low for a bid of one tick; raise the scale or shrink the spread"
        raise DataError(msg)
    ask_ticks = np.maximum(np.ceil(np.round((mid + half) / ticks, 6)), bid_ticks + 1)
    lots = np.array([float(i.lot) for i in instruments])
    unit = mid * [float(i.multiplier) for i in instruments] * lots
    sizes = np.maximum(np.floor(money / unit[:, :, None]), 1.0) * lots[:, None]
    days = pd.DatetimeIndex(closes.index).as_unit("ns").normalize().asi8
    return Tape(
        instruments=tuple(instruments),
        ts_ns=cast("Stamps", days + close_s * NS),
        bid=np.column_stack([_from_ticks(bid_ticks[:, leg], i.tick) for leg, i in enumerate(instruments)]),
        ask=np.column_stack([_from_ticks(ask_ticks[:, leg], i.tick) for leg, i in enumerate(instruments)]),
        bid_size=np.ascontiguousarray(sizes[:, :, 0]),
        ask_size=np.ascontiguousarray(sizes[:, :, 1]),
        description=description,
    )


def _from_ticks(ticks: Array, tick: Decimal) -> Array:
    """Return ticks as prices: whole number / whole number, so the nearest double to the exact decimal."""
    numerator, denominator = tick.as_integer_ratio()
    return cast("Array", ticks * numerator / denominator)


def _requoted(instrument: Instrument, factor: Decimal) -> Instrument:
    multiplier = instrument.multiplier / factor
    if multiplier * factor != instrument.multiplier:
        msg = f"price_factor={factor}: 1/{factor} is not exact in decimals; use a power of ten, 2 or 5"
        raise ConfigError(msg)
    return msgspec.structs.replace(instrument, tick=instrument.tick * factor, multiplier=multiplier)


def _date(name: str, text: str) -> pd.Timestamp:
    try:
        return pd.Timestamp(text, tz="UTC")
    except ValueError:
        msg = f"{name}={text!r} is not a date; write for example 1995-06-30"
        raise ConfigError(msg) from None


def _when(ts_ns: np.int64) -> str:
    return str(pd.Timestamp(int(ts_ns), unit="ns", tz="UTC"))


def _did_you_mean(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(known)}"
