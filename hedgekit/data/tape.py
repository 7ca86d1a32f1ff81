"""Quotes of all legs, row by row: what the backtest and the sandbox exchange read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, cast

import msgspec
import numpy as np

from hedgekit.data.carry import Carry
from hedgekit.data.closes import check_closes
from hedgekit.errors import ConfigError, DataError
from hedgekit.types import NS, Instrument

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Stamps = np.ndarray[tuple[int, ...], np.dtype[np.int64]]

CLOSE_S = 21 * 3600
"""A daily row is stamped 21:00:00 UTC: 16:00 in New York in winter, and never before the close in summer."""


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
    carry : tuple of Carry
        What holding each leg costs; empty: nothing. A backtest charges it all, the sandbox the funding of perpetuals.

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
    carry: tuple[Carry, ...] = ()

    def __post_init__(self) -> None:
        """Check the shapes, the order of time and the quotes."""
        shape = (len(self.ts_ns), len(self.instruments))
        for name in ("bid", "ask", "bid_size", "ask_size"):
            if getattr(self, name).shape != shape:
                msg = f"tape: {name} has shape {getattr(self, name).shape}, must be {shape} (rows, legs)"
                raise DataError(msg)
        if self.carry and len(self.carry) != len(self.instruments):
            msg = f"tape: {len(self.carry)} carries for {len(self.instruments)} legs; give one for each, Carry() where holding is free"
            raise DataError(msg)
        late = np.flatnonzero(np.diff(self.ts_ns) <= 0)
        if late.size:
            msg = f"tape: time does not increase at row {late[0] + 1} ({_when(self.ts_ns[late[0] + 1])}); sort the rows, one for each time"
            raise DataError(msg)
        half = np.argwhere(np.isnan(self.bid) != np.isnan(self.ask))
        if half.size:
            row, leg = half[0]
            msg = f"tape: {self.instruments[leg].symbol} has one side only at {_when(self.ts_ns[row])}; give both, or NaN for both"
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
        import pandas as pd

        return pd.DatetimeIndex(self.ts_ns, tz="UTC", name="ts")

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over instruments, times, quotes and description."""
        sha = hashlib.sha256(msgspec.json.encode((self.instruments, self.description)))
        sha.update(np.ascontiguousarray(self.ts_ns, dtype="<i8").tobytes())
        for part in (self.bid, self.ask, self.bid_size, self.ask_size):
            sha.update(np.ascontiguousarray(part, dtype="<f8").tobytes())
        for carry in self.carry:
            sha.update(np.array([carry.borrow, len(carry.funding_ns)], dtype="<f8").tobytes())
            sha.update(carry.funding_ns.astype("<i8").tobytes() + carry.funding_rate.astype("<f8").tobytes())
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
            np.column_stack(
                [
                    _from_ticks(np.rint(side[:, leg] / float(old.tick)), new.tick)
                    for leg, (old, new) in enumerate(zip(self.instruments, instruments, strict=True))
                ]
            )
            for side in (self.bid, self.ask)
        )
        return replace(self, instruments=instruments, bid=bid, ask=ask)


def tape_from_closes(  # noqa: PLR0913 - the assumptions of a made quote, each with its default
    closes: pd.DataFrame,
    instruments: Sequence[Instrument],
    *,
    half_spread_bps: float = 1.0,
    min_half_spread: float = 0.01,
    size_notional: float = 500_000.0,
    size_sigma: float = 1.5,
    size_seed: int = 7,
    close_s: int | None = CLOSE_S,
    description: str = "quotes made from closes",
    carry: Sequence[Carry] = (),
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
        Seconds after midnight UTC at which a row is stamped; None leaves the times as they are (bars within a day).
    description : str
        Goes into the tape.
    carry : sequence of Carry
        What holding each leg costs, one for each; nothing by default.

    Raises
    ------
    DataError
        If the closes fail :func:`check_closes` or do not match the instruments.
    """
    import pandas as pd

    check_closes(closes)
    if closes.shape[1] != len(instruments):
        msg = f"closes have {closes.shape[1]} columns for {len(instruments)} instruments; give one column for each"
        raise DataError(msg)
    times = pd.DatetimeIndex(closes.index).as_unit("ns")
    tape = quotes_around(
        closes.to_numpy(dtype=np.float64),
        cast("Stamps", times.asi8 if close_s is None else times.normalize().asi8 + close_s * NS),
        instruments,
        half_spread_bps=half_spread_bps,
        min_half_spread=min_half_spread,
        size_notional=size_notional,
        size_sigma=size_sigma,
        size_seed=size_seed,
        description=description,
    )
    return replace(tape, carry=tuple(carry))


def quotes_around(  # noqa: PLR0913 - as tape_from_closes
    mid: Array,
    ts_ns: Stamps,
    instruments: Sequence[Instrument],
    *,
    half_spread_bps: float,
    min_half_spread: float,
    size_notional: float,
    size_sigma: float,
    size_seed: int,
    description: str,
) -> Tape:
    """Return a tape with quotes made around mid prices, shape (n, legs); the rest is as in :func:`tape_from_closes`."""
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
    each = [np.full(len(mid), float(i.multiplier)) if i.inverse else mid[:, leg] * float(i.multiplier) for leg, i in enumerate(instruments)]
    unit = np.column_stack(each) * lots
    sizes = np.maximum(np.floor(money / unit[:, :, None]), 1.0) * lots[:, None]
    return Tape(
        instruments=tuple(instruments),
        ts_ns=ts_ns,
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


def _when(ts_ns: np.int64) -> str:
    import pandas as pd

    return str(pd.Timestamp(int(ts_ns), unit="ns", tz="UTC"))
