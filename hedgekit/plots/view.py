"""What the figures read of a result: a backtest's tables, or the same frames of a journal's session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from hedgekit.errors import DataError
from hedgekit.journal.performance import legs_named

if TYPE_CHECKING:
    from hedgekit.backtest import Backtest
    from hedgekit.data import Array
    from hedgekit.params import Params
    from hedgekit.types import Instrument


class Frames(Protocol):
    """Anything that has a session's frames and numbers, as :class:`hedgekit.report.Session` does."""

    @property
    def equity(self) -> pd.DataFrame:
        """One row for each bar: :func:`hedgekit.journal.performance.equity`."""

    @property
    def trades(self) -> pd.DataFrame:
        """One row for each trade: :func:`hedgekit.journal.performance.trades`."""

    @property
    def fills(self) -> pd.DataFrame:
        """One row for each fill: :func:`hedgekit.journal.frames.fills`."""

    @property
    def decisions(self) -> pd.DataFrame:
        """One row for each decision: :func:`hedgekit.journal.frames.decisions`."""

    @property
    def plans(self) -> pd.DataFrame:
        """One row for each hedge plan: :func:`hedgekit.journal.frames.plans`."""

    @property
    def params(self) -> Params:
        """The strategy's numbers."""

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """In leg order, the primary first."""


if TYPE_CHECKING:
    Result = Backtest | Frames


@dataclass(frozen=True, eq=False, slots=True)
class Leg:
    """One leg at the bars.

    Attributes
    ----------
    symbol : str
        Its name.
    mid : float64 array, shape (bars,)
        Mid price at each bar close; NaN where none is known.
    qty : float64 array, shape (bars,)
        Signed position.
    value : float64 array, shape (bars,)
        Position x mid x multiplier, money (an inverse perpetual's contract counts at its fixed sum); 0 without a position, NaN where
        the mid of a position is not known.
    """

    symbol: str
    mid: Array
    qty: Array
    value: Array


@dataclass(frozen=True, eq=False, slots=True)
class View:
    """A result's frames, as in :class:`hedgekit.backtest.tables.Tables`, its legs and its numbers."""

    equity: pd.DataFrame
    trades: pd.DataFrame
    decisions: pd.DataFrame
    plans: pd.DataFrame
    params: Params
    legs: tuple[Leg, ...]

    @property
    def clock(self) -> str:
        """How hover shows a time: the date alone for daily bars."""
        return "%F" if self.params.bar_s >= 86_400 else "%F %T"  # noqa: PLR2004 - seconds of a day


def view(result: Result) -> View:
    """Return a result's frames.

    Raises
    ------
    DataError
        If the result has no frames.
    ConfigError
        If a backtest does not know its tape and parameters.
    """
    given: Any = result
    frames = getattr(given, "tables", given)
    if not all(hasattr(frames, name) for name in ("equity", "trades", "fills", "decisions", "plans")) or not hasattr(given, "params"):
        msg = (
            f"a {type(result).__name__} has no frames to draw; give the Backtest of run_backtest, or a session read by hedgekit.report.load"
        )
        raise DataError(msg)
    instruments = given.tape.instruments if hasattr(given, "tape") else given.instruments
    equity = frames.equity
    named = zip(legs_named(len(instruments)), instruments, strict=True)
    legs = tuple(_leg(instrument, equity[f"mid_{name}"].to_numpy(), equity[f"pos_{name}"].to_numpy()) for name, instrument in named)
    return View(equity, frames.trades, frames.decisions, frames.plans, given.params, legs)


def _leg(instrument: Instrument, mid: Array, qty: Array) -> Leg:
    each = float(instrument.multiplier) * (1.0 if instrument.inverse else mid)
    return Leg(instrument.symbol, mid, qty, np.where(qty == 0, 0.0, qty * each))
