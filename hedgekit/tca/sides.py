"""The two runs of a comparison in one shape: a backtest's tables and a journal's frames are the same by design (L1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hedgekit.backtest import Backtest
from hedgekit.errors import ConfigError, DataError
from hedgekit.journal import Journal
from hedgekit.journal.story import NO_TRADE, leg_of
from hedgekit.tca.read import NAT, ns, quotes_of
from hedgekit.tca.split import ZERO, Deal, exact, reference
from hedgekit.types import NS, Decision, Instrument, Kind, Reason

if TYPE_CHECKING:
    from fractions import Fraction

    from hedgekit.data.tape import Array, Stamps

LOOKS = (Reason.IN_BAND, Reason.DRIFT, Reason.COST_EXCEEDS_BENEFIT)
"""Reasons of a look at the delta, which may share its time with a bar's close."""


@dataclass(frozen=True, slots=True)
class Mids:
    """Mids of one instrument by the venue's time, int64 and float64 arrays, shape (n,)."""

    venue_ns: Stamps
    mid: Array

    def at(self, venue_ns: int) -> Fraction | None:
        """Return the mid in force, None if there was none yet."""
        row = int(np.searchsorted(self.venue_ns, venue_ns, side="right")) - 1
        return None if row < 0 or np.isnan(self.mid[row]) else reference(self.mid[row])


@dataclass(frozen=True, eq=False, slots=True)
class Side:
    """One run.

    Attributes
    ----------
    name : str
        What it is called in tables and sentences.
    instruments : tuple of Instrument
        In leg order.
    settings : mapping
        Parameters by name.
    orders, fills, decisions, trades : DataFrame
        As :mod:`hedgekit.journal` describes them. Fills of orders that the run never decided are trade -1, with a row of its own.
    mids : mapping of str to Mids
        Quotes by instrument key.
    marks : tuple of float or None
        Mids of all legs in the last decision: what is still held is worth these.
    """

    name: str
    instruments: tuple[Instrument, ...]
    settings: Mapping[str, object]
    orders: pd.DataFrame
    fills: pd.DataFrame
    decisions: pd.DataFrame
    trades: pd.DataFrame
    mids: Mapping[str, Mids]
    marks: tuple[float | None, ...]
    _filled: dict[tuple[int, int], list[dict[str, Any]]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Sort the fills by trade and leg once: looking them up in a frame for each trade takes most of a comparison's time."""
        by_time = self.fills.assign(venue_ns=ns(self.fills["venue_ts"])).sort_values("venue_ns", kind="stable")
        for row in by_time.to_dict("records"):
            self._filled.setdefault((int(row["trade"]), int(row["leg"])), []).append({str(name): value for name, value in row.items()})

    def filled(self, trade: int, leg: int) -> list[dict[str, Any]]:
        """Return the rows of ``fills`` of one leg of a trade, and ``venue_ns``, by the venue's time."""
        return self._filled.get((trade, leg), [])

    def bars(self, times: pd.Series) -> Stamps:
        """Return the number of the bar whose close is at or before each time, from the day's start in 1970 on; int64."""
        length, offset = self._bar()
        return (ns(times) - offset) // length

    def bar(self, time: pd.Timestamp) -> int:
        """Return the number of one time's bar, as :meth:`bars` does."""
        length, offset = self._bar()
        return (time.as_unit("ns").value - offset) // length

    def _bar(self) -> tuple[int, int]:
        """Return length and offset of a bar, ns."""
        if self.settings.get("bar_ticks"):
            msg = f"{self.name}: its bars are made of {self.settings['bar_ticks']} quotes each; only runs on bars of time can be compared"
            raise ConfigError(msg)
        length, offset = (round(float(str(self.settings[name])) * NS) for name in ("bar_s", "bar_offset_s"))
        return length, offset

    def deals(self, trade: int, leg: int, theirs: Side | None) -> list[Deal]:
        """Return a trade's fills of one leg, by the venue's time, and what is left of it at the last mid decided on.

        ``theirs`` is the run whose mids at these times are wanted too.
        """
        mids = None if theirs is None else theirs.mids.get(self.instruments[leg].key)
        out = []
        for row in self.filled(trade, leg):
            mid = None if pd.isna(row["mid"]) else reference(row["mid"])
            out.append(Deal(exact(row["qty"]), exact(row["price"]), exact(row["fee"]), mid, mids.at(row["venue_ns"]) if mids else None))
        left = sum((deal.qty for deal in out), ZERO)
        return [*out, self._marked(trade, leg, -left, theirs)] if left else out

    def _marked(self, trade: int, leg: int, qty: Fraction, theirs: Side | None) -> Deal:
        mark, at = self.last_mid(leg)
        if mark is None:
            msg = f"{self.name}: trade {trade} still holds {self.instruments[leg].key}, and its last decision has no mid to value it at"
            raise DataError(msg)
        other = theirs.last_mid(leg) if theirs is not None else (None, 0)
        same_end = other[0] is not None and other[1] == at
        return Deal(qty, mark, mid=mark, theirs=other[0] if same_end else mark)  # at another end, the market has moved: that is timing

    def last_mid(self, leg: int) -> tuple[Fraction | None, int]:
        """Return the mid of a leg in the last decision, None if it has none, and that decision's time (ns)."""
        mark = leg_of(self.marks, leg)
        return None if mark is None else exact(mark), int(ns(self.decisions["ts"]).max(initial=NAT))

    def fees(self) -> dict[str, object]:
        """Return what else decides money: fees, lots and ticks, by instrument."""
        return {f"{i.key} {name}": getattr(i, name) for i in self.instruments for name in ("fees", "lot", "tick")}


def side_of(run: Backtest | Journal, name: str) -> Side:
    """Return a backtest or a session's journal as one side of a comparison.

    Raises
    ------
    ConfigError
        If the backtest does not know its tape and parameters.
    JournalError
        If the journal has no record.
    """
    if isinstance(run, Journal):
        started = run.started
        whole = {key: quotes.matchable() for key, quotes in quotes_of(run).items()}
        mids = {key: Mids(quotes.venue_ns, quotes.mid) for key, quotes in whole.items()}
        frames = (run.orders(), run.fills(), run.decisions(), run.trades())
        decisions = [record for record in run.records(types=[Decision]) if isinstance(record, Decision)]
        return _side(name, started.instruments, started.params, frames, mids, decisions)
    tables, tape, params = run.tables, run.tape, run.params
    assert tape is not None and params is not None  # noqa: S101, PT018 - tables has checked both
    mids = {}
    for leg, instrument in enumerate(tape.instruments):
        quoted = ~np.isnan(tape.bid[:, leg])
        mids[instrument.key] = Mids(tape.ts_ns[quoted], 0.5 * (tape.bid[quoted, leg] + tape.ask[quoted, leg]))
    frames = (tables.orders, tables.fills, tables.decisions, tables.trades)
    return _side(name, tape.instruments, params.model_dump(), frames, mids, run.decisions)


def _side(  # noqa: PLR0913 - all that a side is made of
    name: str,
    instruments: tuple[Instrument, ...],
    settings: Mapping[str, object],
    frames: tuple[pd.DataFrame, ...],
    mids: Mapping[str, Mids],
    said: Sequence[Decision],
) -> Side:
    orders, fills, decisions, trades = frames
    if (fills["trade"] == NO_TRADE).any():
        unknown = trades.iloc[:0].reindex([0]).assign(trade=NO_TRADE, side=0, bars=0, n_fills=int((fills["trade"] == NO_TRADE).sum()))
        trades = pd.concat([trades, unknown.astype(trades.dtypes)], ignore_index=True)
    return Side(name, instruments, settings, orders, fills, decisions, trades, mids, said[-1].mids if said else ())


def check_alike(first: Side, second: Side) -> None:
    """Refuse (ConfigError) two runs that cannot be compared trade by trade: other instruments or bars, or profit in coin."""
    inverse = [instrument.key for instrument in first.instruments if instrument.kind is Kind.INVERSE_PERP]
    if inverse:
        msg = (
            f"{inverse[0]} is an inverse perpetual: it earns coin, which cannot be split exactly into money; compare trades() side by side"
        )
        raise ConfigError(msg)
    for what, one, two in (
        ("instruments", *([(i.key, str(i.multiplier)) for i in side.instruments] for side in (first, second))),
        ("bars", *([side.settings.get(name) for name in ("bar_s", "bar_offset_s")] for side in (first, second))),
    ):
        if one != two:
            msg = f"{first.name} has {what} {one}, {second.name} {two}: compare runs of the same instruments on the same bars"
            raise ConfigError(msg)


def settings(first: Side, second: Side) -> pd.DataFrame:
    """Return what differs between two runs' parameters, fees, lots and ticks: index ``setting``, one column for each run."""
    ours, theirs = ({**side.settings, **side.fees()} for side in (first, second))
    names = [name for name in dict.fromkeys((*ours, *theirs)) if ours.get(name) != theirs.get(name)]
    values = {first.name: [ours.get(name) for name in names], second.name: [theirs.get(name) for name in names]}
    return pd.DataFrame(values, index=pd.Index(names, name="setting", dtype="str"), dtype=object)
