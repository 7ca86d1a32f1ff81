"""The trades of a backtest as a table, from the compiled log of fills: no decision need be told for it.

Columns and conventions are those of :func:`hedgekit.journal.performance.trades`; a law in the tests holds each column against it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hedgekit.backtest import loop
from hedgekit.backtest.booking import deal, legs_of
from hedgekit.backtest.carry import BORROW, FUNDING, carried
from hedgekit.compiled import making
from hedgekit.rules.state import REASONS

if TYPE_CHECKING:
    from hedgekit.backtest.passes import Pass

# mypy: disallow-untyped-defs=False, disallow-incomplete-defs=False, disallow-untyped-calls=False

_NAT = np.iinfo(np.int64).min
_NAMES = np.array([reason.value for reason in REASONS], dtype=object)


def trades_of(work: Pass) -> pd.DataFrame:
    """Return one row for each trade that had a fill, by number, of a pass that is over.

    If the tape charges for holding there are columns ``funding`` and ``borrow`` too: money paid by all legs, part of
    ``cost_primary`` and ``cost_hedge``.
    """
    count, legs = int(work.s["trade"]), len(work.tape.instruments)
    trips = work.trips[:count]
    ask = work.s["ask"][:legs]
    marks = np.where(ask > 0.0, 0.5 * (work.s["bid"][:legs] + ask), np.nan)  # the last mids that were heard
    notional, fills, held = np.zeros(count), np.zeros(count, np.int64), np.zeros((count, legs))
    net, gross = np.zeros((count, legs)), np.zeros((count, legs))
    log = work.log[: int(work.c["logged"])]
    _trades(log, legs_of(work.tape.instruments), trips["side"], marks, notional, fills, held, net, gross)
    extra = carried(work)
    paid = np.zeros((2, count, legs)) if extra is None else extra.trades
    held_for = {} if extra is None else {"funding": paid[FUNDING].sum(axis=1), "borrow": paid[BORROW].sum(axis=1)}
    net -= paid.sum(axis=0)
    cost, out = gross - net, trips["left_ns"] != 0
    over = out & (held == 0.0).all(axis=1)
    last = np.where(over, trips["last_bar"], int(work.c["timer"]) - 1)
    table = pd.DataFrame(
        {
            "trade": np.arange(1, count + 1),
            "side": trips["side"],
            "opened": _times(trips["opened_ns"]),
            "closed": _times(np.where(over, trips["left_ns"], _NAT)),
            "bars": last - trips["first_bar"],
            "exit_reason": pd.Series(np.where(out, _NAMES[trips["reason"]], None), dtype="str"),
            "notional": notional,
            "gross_hedged": gross.sum(axis=1),
            "gross_unhedged": gross[:, 0],
            "hedged": net.sum(axis=1),
            "unhedged": net[:, 0],
            "cost_primary": cost[:, 0],
            "cost_hedge": cost[:, 1:].sum(axis=1),
            "z_entry": trips["z_entry"],
            "z_exit": np.where(out, trips["z_exit"], np.nan),
            "n_fills": fills,
            **held_for,
        }
    )
    return table[fills > 0].reset_index(drop=True)


def _times(ns: np.ndarray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(np.ascontiguousarray(ns).view("M8[ns]")).tz_localize("UTC")


@making
def _trades(log, legs, side, marks, notional, fills, held, net, gross):  # noqa: ANN001, ANN202, PLR0913 - compiled
    """Book each fill into its trade; value what is held at the marks."""
    trades, count = held.shape
    cash, units = np.zeros((trades, 2, count)), np.zeros((trades, 2, count))
    for entry in log:
        if entry.what != loop.FILLED:
            continue
        trade, leg = entry.trade - 1, entry.leg
        deal(legs[leg], cash[trade], units[trade], held[trade], leg, entry.qty, entry.price, entry.mid)
        fills[trade] += 1
        if leg == 0 and entry.qty * side[trade] > 0:
            notional[trade] += abs(entry.qty) * legs[leg].multiplier * (1.0 if legs[leg].inverse else entry.price)
    for trade in range(trades):
        for leg in range(count):
            net[trade, leg], gross[trade, leg] = cash[trade, 0, leg], cash[trade, 1, leg]
            if held[trade, leg] != 0.0:
                net[trade, leg] += units[trade, 0, leg] * marks[leg]
                gross[trade, leg] += units[trade, 1, leg] * marks[leg]
