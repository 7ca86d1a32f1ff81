"""The bars of a tape, found once: when each closes, on which quotes, and how each scores on a ratio.

Nothing here depends on thresholds, so a sweep finds it once for all combinations that share a length of bar. Scores come from
the functions of ``rules/signal.py`` that the step itself uses, on the same numbers in the same order, so they are the same bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.compiled import making
from hedgekit.errors import DataError
from hedgekit.rules import signal
from hedgekit.rules.state import LOG_SPREAD, USER
from hedgekit.step.legs import bar_end

if TYPE_CHECKING:
    from hedgekit.data import Array, Tape
    from hedgekit.params import Params

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False
# ruff: noqa: ANN001, ANN202, PLR0913 - compiled functions: numba infers every type, and checks it; flat arguments

_NEVER = np.iinfo(np.int64).max
_MOST_ROWS = np.iinfo(np.int32).max
Ints = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
RowNumbers = np.ndarray[tuple[int, ...], np.dtype[np.int32]]


@dataclass(frozen=True, eq=False, slots=True)
class Grid:
    """Bars of one tape at one length.

    Attributes
    ----------
    row : int32 array, shape (timers,)
        Rows heard when each bar's timer comes.
    ns : int64 array, shape (timers,)
        Its time.
    fresh : uint8 array, shape (timers,)
        1 if every leg then has a quote young enough: only those become bars.
    last : int32 array, shape (timers, legs)
        Row of each leg's newest quote; -1 for none.
    close_ns, mids : arrays, shape (bars,), (bars, legs)
        Close and mid prices of each bar; ``close_ns`` is ``ns`` itself if every timer closed a bar.
    logs : float64 array, shape (legs, bars)
        Log prices as the signal sees them.
    sound : bool
        Whether every quote can be traded on (bids above zero, asks finite); if not, the pass takes every step.
    found : dict
        Scores that were asked for before.
    """

    row: RowNumbers
    ns: Ints
    fresh: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    last: RowNumbers
    close_ns: Ints
    mids: Array
    logs: Array
    sound: bool
    found: dict[tuple[object, ...], tuple[Array, Array]] = field(default_factory=dict)

    def scores(self, kind: int, lookback: int, ratio: Array, first: int, end: int) -> tuple[Array, Array]:
        """Return z and sd of bars ``first`` up to ``end``, shape (end - first,), on one ratio."""
        key = (kind, lookback, ratio.tobytes(), first, end)
        if key not in self.found:
            self.found[key] = _scores(kind, self.logs, lookback, ratio, first, end)
        return self.found[key]

    def scores_by(self, kind: int, lookback: int, plans: np.ndarray, digest: bytes) -> tuple[Array, Array]:
        """Return z and sd of every bar, shape (bars,), each on the ratio of its time; NaN before the first. ``digest`` names the plans."""
        key = (kind, lookback, digest)
        if key not in self.found:
            z, sd = np.full((2, len(self.close_ns)), math.nan)
            for plan, end in zip(plans, [*plans["bars"][1:], len(z)], strict=True):
                first = plan["bars"]
                z[first:end], sd[first:end] = _scores(kind, self.logs, lookback, plan["ratio"], first, end)
            self.found[key] = z, sd
        return self.found[key]


def grid_of(tape: Tape, p: np.void, ws_ns: int) -> Grid:
    """Return the bars of a tape; ``p`` is the record of PARAMS, ``ws_ns`` the delay of quotes. DataError if rows have no numbers."""
    if len(tape.ts_ns) > _MOST_ROWS:
        msg = f"the tape has {len(tape.ts_ns):,} rows, a backtest numbers {_MOST_ROWS:,}; cut it into parts"
        raise DataError(msg)
    geometry = (int(p["bar_ns"]), int(p["bar_ticks"]), int(p["offset_ns"]), int(p["max_age_ns"]), ws_ns)
    row, ns, fresh, last, close_ns, mids, logs, sound = _bars(tape.ts_ns, tape.bid, tape.ask, p["multiplier"], p["inverse"], *geometry)
    close_ns = ns if len(close_ns) == len(ns) else close_ns
    return Grid(row, ns, fresh, last, close_ns, mids, np.ascontiguousarray(logs), bool(sound))  # one layout: another is compiled anew


def grid_key(params: Params, ws_ns: int) -> tuple[object, ...]:
    """Return what a grid depends on besides the tape."""
    return params.bar_s, params.bar_ticks, params.bar_offset_s, params.max_quote_age_s, ws_ns


@making
def _bars(ts, bid, ask, multiplier, inverse, bar_ns, bar_ticks, offset_ns, max_age_ns, ws_ns):
    n, legs = bid.shape
    row, ns, fresh, close_ns = np.empty(n, np.int32), np.empty(n, np.int64), np.empty(n, np.uint8), np.empty(n, np.int64)
    last, mids, logs = np.empty((n, legs), np.int32), np.empty((n, legs)), np.empty((legs, n))
    newest = np.full(legs, -1)
    count, bars, due, ticks, sound = 0, 0, 0, 0, True
    for r in range(n):
        heard = ts[r] + ws_ns
        for leg in range(legs):
            sound = sound and not (bid[r, leg] <= 0.0 or math.isinf(ask[r, leg]))
            if not math.isnan(bid[r, leg]):
                newest[leg] = r
                if due == 0:
                    due, ticks = bar_end(leg, heard, ticks, bar_ns, bar_ticks, offset_ns)
        then = ts[r + 1] + ws_ns if r + 1 < n else _NEVER
        if due != 0 and due < then:
            young = 1
            for leg in range(legs):
                last[count, leg] = newest[leg]
                if newest[leg] < 0 or due - (ts[newest[leg]] + ws_ns) > max_age_ns:
                    young = 0
            row[count], ns[count], fresh[count] = r + 1, due, young
            if young:
                close_ns[bars] = due
                for leg in range(legs):
                    mid = 0.5 * (bid[newest[leg], leg] + ask[newest[leg], leg])
                    mids[bars, leg] = mid
                    logs[leg, bars] = math.log(mid) if inverse[leg] else math.log(mid * multiplier[leg])
                bars += 1
            count += 1
            due = 0
    timers = row[:count], ns[:count], fresh[:count], last[:count]
    return *timers, close_ns[:bars], mids[:bars], logs[:, :bars], sound


@making
def _scores(kind, logs, lookback, ratio, first, end):
    legs, bars = logs.shape
    z, sd = np.full(end - first, math.nan), np.full(end - first, math.nan)
    start, begin = max(first - lookback + 1, 0), max(first, lookback - 1)
    if kind in (LOG_SPREAD, USER):
        spread = np.empty(end - start)
        for bar in range(start, end):
            spread[bar - start] = signal.spread_at(logs, bar, ratio, legs)
        signal.standings(spread, begin - start, lookback, z[begin - first :], sd[begin - first :], np.empty((5, signal.BLOCK)))
        return z, sd
    scratch = np.empty(lookback)
    for bar in range(begin, end):
        z[bar - first], sd[bar - first] = signal.score_of(kind, logs, bar + 1, bars + 1, lookback, ratio, legs, scratch)
    return z, sd
