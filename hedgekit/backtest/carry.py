"""What the positions of a backtest cost to hold: funding and borrowing, bar by bar and trade by trade.

No decision rests on it: the compiled log of fills says what was held when, and what that cost is added up afterwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.backtest import loop
from hedgekit.backtest.booking import after, legs_of
from hedgekit.compiled import making

if TYPE_CHECKING:
    from hedgekit.backtest.passes import Pass
    from hedgekit.data import Array

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False
# ruff: noqa: ANN001, ANN202, PLR0913 - compiled functions: numba infers every type, and checks it; flat arguments

YEAR_NS = 365 * 86_400 * 1_000_000_000
FUNDING, BORROW = range(2)


@dataclass(frozen=True, eq=False, slots=True)
class Carried:
    """Money paid for holding, positive when it was paid.

    Attributes
    ----------
    bars : float64 array, shape (2, bars, legs)
        Funding, and borrowing, paid up to each bar close.
    trades : float64 array, shape (2, trades, legs)
        The same of each trade, up to the last bar.
    """

    bars: Array
    trades: Array


def carried(work: Pass) -> Carried | None:
    """Return what a pass that is over paid for holding, or None if its tape charges nothing for it."""
    tape, n = work.tape, work.bars
    if not any(tape.carry):
        return None
    ns = np.concatenate([carry.funding_ns for carry in tape.carry])
    rate = np.concatenate([carry.funding_rate for carry in tape.carry])
    leg = np.repeat(np.arange(len(tape.carry)), [len(carry.funding_ns) for carry in tape.carry])
    order = np.argsort(ns, kind="stable")
    borrow = np.array([carry.borrow for carry in tape.carry])
    count = len(tape.instruments)
    bars, trades = np.zeros((2, n, count)), np.zeros((2, int(work.s["trade"]), count))
    log, closes = work.log[: int(work.c["logged"])], work.grid.close_ns[:n]
    quotes, funding = (tape.ts_ns, tape.bid, tape.ask), (ns[order], rate[order], leg[order])
    _carry(log, legs_of(tape.instruments), closes, work.grid.mids, quotes, funding, borrow, bars, trades)
    return Carried(bars, trades)


@making
def _carry(log, legs, close_ns, mids, quotes, funding, borrow, bars, trades):
    """Walk along bars, and within each along fills and funding in the order of the venue's time."""
    count = len(legs)
    held, paid, each = np.zeros(count), np.zeros((2, count)), np.empty(count)
    ts, bid, ask = quotes
    f_ns, f_rate, f_leg = funding
    f, trade, since = 0, 0, 0
    k = _next_fill(log, 0)
    for bar in range(len(close_ns)):
        for leg in range(count):  # value of one unit of quantity, at the last bar's mid
            each[leg] = legs[leg].multiplier * (1.0 if legs[leg].inverse else mids[max(bar - 1, 0), leg])
        while True:
            fill = log[k].venue_ns if k < len(log) else _NEVER
            pay = f_ns[f] if f < len(f_ns) else _NEVER
            now = min(fill, pay, close_ns[bar])
            for leg in range(count):
                if held[leg] < 0.0 and since > 0:
                    cost = -held[leg] * each[leg] * borrow[leg] * ((now - since) / YEAR_NS)
                    paid[BORROW, leg] += cost
                    trades[BORROW, trade, leg] += cost
            since = now
            if fill == now:
                leg, trade = log[k].leg, log[k].trade - 1
                held[leg] = after(held[leg], log[k].qty)
                k = _next_fill(log, k + 1)
            elif pay == now:
                leg = f_leg[f]
                if held[leg] != 0.0:
                    price = 1.0 if legs[leg].inverse else _mid_at(ts, bid, ask, now, leg)
                    cost = held[leg] * legs[leg].multiplier * price * f_rate[f]
                    paid[FUNDING, leg] += cost
                    trades[FUNDING, trade, leg] += cost
                f += 1
            else:
                break
        bars[:, bar] = paid


_NEVER = np.iinfo(np.int64).max


@making
def _next_fill(log, k):
    while k < len(log) and log[k].what != loop.FILLED:
        k += 1
    return k


@making
def _mid_at(ts, bid, ask, now, leg):
    """Mid of the newest quote of a leg."""
    row = np.searchsorted(ts, now, side="right") - 1
    while row > 0 and math.isnan(bid[row, leg]):
        row -= 1
    return 0.5 * (bid[row, leg] + ask[row, leg])
