"""Where a scenario falls, and what its size is measured in: what the baseline says.

The rule (``at``) is fixed, never a draw: ``"largest"`` is the trade with the largest notional at entry (the first of
equals), for a gap costs in proportion to it, ``"longest"`` the one held for most bars, both of those that go on being held
for a bar; a whole number n the n-th of the trades seen
held at a bar close (negative: from the end); a fraction between 0 and 1 that part of the tape, whatever is held there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from hedgekit.errors import ConfigError
from hedgekit.metrics import beta_error
from hedgekit.stress.tapes import scores
from hedgekit.types import NS

if TYPE_CHECKING:
    from hedgekit.backtest import Backtest
    from hedgekit.backtest.tables import Tables
    from hedgekit.data import Array, Tape
    from hedgekit.params import Params

At = int | float | Literal["largest", "longest"]
"""Where a scenario is placed: see the module."""
WHOLE = 0.9
"""A leg is wholly held from this share of the most that its trade held: later rebalances are small."""


@dataclass(frozen=True, eq=False)
class Base:
    """The baseline, and what scenarios are measured in."""

    tape: Tape
    params: Params
    done: Backtest

    @property
    def tables(self) -> Tables:
        """Its tables."""
        return self.done.tables

    @cached_property
    def moves(self) -> Array:
        """Each bar's moves in scores, shape (bars - 1, legs), NaN without a price."""
        return np.diff(scores(self.done.bar_mids, self.tape.instruments), axis=0)

    @cached_property
    def sd(self) -> float:
        """Standard deviation of the primary's bar moves over the whole tape."""
        known = self.moves[np.isfinite(self.moves[:, 0]), 0]
        if len(known) < 2 or not known.std() > 0:  # noqa: PLR2004 - a standard deviation needs two
            msg = "the primary never moves from bar to bar, so a size in sd has no meaning; give fraction="
            raise ConfigError(msg)
        return float(known.std(ddof=1))

    @cached_property
    def follow(self) -> list[float]:
        """How far each hedge leg moves for each of the primary's moves, on average: OLS slope over the bars; 0 if not known."""
        slopes = [1.0 + beta_error(self.moves[:, leg], self.moves[:, 0]) for leg in range(1, len(self.tape.instruments))]
        return [slope if np.isfinite(slope) else 0.0 for slope in slopes]

    @cached_property
    def spots(self) -> pd.DataFrame:
        """Trades seen held at a bar close before the last row; index ``trade``, columns ``side, notional, bars, closed, held_ns``.

        ``held_ns`` is the first close at which both legs were wholly held (as nearly as they ever were).
        """
        equity, trades = self.tables.equity, self.tables.trades.set_index("trade")
        held = equity[(equity["pos_primary"] != 0) & (equity["trade"].isin(trades.index))]
        whole = held[["pos_primary", "pos_hedge"]].abs()
        partly = (whole < WHOLE * whole.groupby(held["trade"]).transform("max")).sum(axis=1)
        seen = held.assign(ns=pd.DatetimeIndex(held.index).as_unit("ns").asi8, partly=partly)
        first = seen.sort_values(["partly", "ns"]).groupby("trade")["ns"].first()
        found = trades[["side", "notional", "bars", "closed"]].join(first.rename("held_ns"), how="inner").sort_index()
        before: pd.DataFrame = found[found["held_ns"] < self.tape.ts_ns[-1]]
        return before

    def row_after(self, ns: int) -> int:
        """Return the first row later than a time."""
        return int(np.searchsorted(self.tape.ts_ns, ns, side="right"))

    def rows_on(self, row: int, bars: int) -> int:
        """Return the row after the last one of so many bars from ``row`` on; at least one row."""
        start = int(self.tape.ts_ns[row])
        until = start + round(bars * self.params.bar_s * NS)
        if self.params.bar_ticks:
            closes = pd.DatetimeIndex(self.tables.equity.index).as_unit("ns").asi8
            until = int(closes[min(int(np.searchsorted(closes, start)) + bars, len(closes) - 1)])
        return max(row + 1, int(np.searchsorted(self.tape.ts_ns, until, side="left")))


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a scenario starts: row, the trade held there (0: none) and its side (+1 long the primary, -1 short, 0 flat)."""

    row: int
    trade: int
    side: int


def held_spot(base: Base, at: At) -> Spot:
    """Return the first row after the close at which the chosen trade is wholly held; the middle of the tape if there is no trade."""
    closing = pd.DatetimeIndex(base.spots["closed"].fillna(pd.Timestamp.max.tz_localize("UTC"))).as_unit("ns").asi8
    kept = base.spots[closing > base.spots["held_ns"].to_numpy()]  # whose exit was not decided at that very close
    chosen = kept if isinstance(at, str) and len(kept) else base.spots
    return _by_fraction(base, at) or _of_trade(base, chosen, at, "held_ns")


def exit_spot(base: Base, at: At) -> Spot:
    """Return the first row after the decision to close the chosen trade."""
    closed = base.spots[base.spots["closed"].notna()]
    ns = pd.DatetimeIndex(closed["closed"]).as_unit("ns").asi8
    known = closed.assign(exit_ns=ns)
    return _by_fraction(base, at) or _of_trade(base, known[known["exit_ns"] < base.tape.ts_ns[-1]], at, "exit_ns")


def _by_fraction(base: Base, at: At) -> Spot | None:
    if isinstance(at, str) and at in {"largest", "longest"}:
        return None
    if isinstance(at, int) and not isinstance(at, bool) and at:
        return None
    if not (isinstance(at, float) and 0 < at < 1):
        msg = f"at={at!r}: give 'largest', 'longest', a trade's place in time (1 the first, -1 the last), or a fraction inside 0 to 1"
        raise ConfigError(msg)
    row = min(max(1, int(at * len(base.tape))), len(base.tape) - 1)
    before = base.tables.equity[: pd.Timestamp(int(base.tape.ts_ns[row]) - 1, unit="ns", tz="UTC")]
    last = before.iloc[-1] if len(before) else None
    side = 0 if last is None else int(np.sign(last["pos_primary"]))
    return Spot(row, int(last["trade"]) if last is not None and side else 0, side)


def _of_trade(base: Base, spots: pd.DataFrame, at: At, when: str) -> Spot:
    if spots.empty:
        if isinstance(at, int):
            msg = f"at={at}: the baseline has no trade that could be hit; give a fraction of the tape, for example at=0.5"
            raise ConfigError(msg)
        return Spot(min(max(1, len(base.tape) // 2), len(base.tape) - 1), 0, 0)
    if isinstance(at, int):
        place = at - 1 if at > 0 else at
        if not -len(spots) <= place < len(spots):
            msg = f"at={at}: the baseline has {len(spots)} trades that could be hit; give a number up to that"
            raise ConfigError(msg)
    else:
        place = int(np.argmax(spots["notional" if at == "largest" else "bars"].to_numpy(dtype=np.float64)))
    chosen = spots.iloc[place]
    return Spot(base.row_after(int(chosen[when])), int(spots.index[place]), int(chosen["side"]))
