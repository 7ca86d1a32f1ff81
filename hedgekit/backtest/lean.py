"""A backtest's money without its words: what a sweep needs, from the compiled log alone.

The same compiled pass as :func:`hedgekit.backtest.run`, so the same trades; a test holds the curves against the tables of
the full result. Decisions are not unpacked, and hedge plans, which do not depend on thresholds, are estimated once for all
combinations that share them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.backtest import loop
from hedgekit.backtest.passes import Pass
from hedgekit.stats.revise import Reviser

if TYPE_CHECKING:
    from hedgekit.data import Array, Tape
    from hedgekit.exchange.model import FillModel
    from hedgekit.params import Params
    from hedgekit.types import HedgePlan

Plans = dict[tuple[int, ...], "HedgePlan"]


@dataclass(frozen=True, eq=False, slots=True)
class Curves:
    """Cumulative P&L at each bar close, shape (bars,), money; trades opened.

    Attributes
    ----------
    hedged, unhedged : float64 arrays
        Net of spread and fees, at executable prices: all legs, and the primary alone.
    hedged_at_mids : float64 array
        All legs had they traded at mids without fees: never to be shown alone.
    trades : int
    """

    hedged: Array
    unhedged: Array
    hedged_at_mids: Array
    trades: int


def plan_key(params: Params, bars: int) -> tuple[int, ...]:
    """Return what a plan depends on besides the tape: bars so far, window, and the numbers of its evidence and expiry."""
    override = hash(params.evidence_override) if params.evidence_override else 0
    return bars, params.fit_bars, round(params.plan_valid_days * 1e6), round(params.significance * 1e9), override


def curves(tape: Tape, params: Params, model: FillModel, plans: Plans) -> Curves:
    """Run one combination; ``plans`` is read and added to (one dict for one tape and one length of bar)."""
    work = Pass(tape, params, model)
    reviser = Reviser(params)
    while work.go(reviser.next_fit) == loop.REVISE:
        bars = int(work.c["bars"])
        ts_ns = int(work.bar_ns[bars - 1])
        key = plan_key(params, bars)
        if key in plans:
            reviser.passed()
        else:
            plans[key] = reviser.revise(work.bar_mids[:bars], ts_ns)
        work.revise(plans[key], ts_ns, ok=plans[key].trusted(params.significance))
    return _curves(work)


def _curves(work: Pass) -> Curves:
    n = int(work.c["bars"])
    close_ns, mids = work.bar_ns[:n], work.bar_mids[:n]
    log = work.log[: int(work.c["logged"])]
    filled = log[log["what"] == loop.FILLED]
    by_leg, at_mids = [], []
    for leg, instrument in enumerate(work.tape.instruments):
        mine = filled[filled["leg"] == leg]
        value = mine["qty"] * float(instrument.multiplier)
        cash = -value * mine["price"] - _fees(mine["qty"], mine["price"], float(instrument.multiplier), instrument.fees)
        touch = _mid_at(work.tape, leg, mine["venue_ns"])
        upto = np.searchsorted(mine["ts_ns"], close_ns, side="right")
        held = np.concatenate([[0.0], np.cumsum(value)])[upto]
        held = np.where(np.abs(held) < 1e-9 * max(1.0, float(np.abs(value).max(initial=0.0))), 0.0, held)
        worth = np.where(held == 0.0, 0.0, held * mids[:, leg])
        by_leg.append(np.concatenate([[0.0], np.cumsum(cash)])[upto] + worth)
        at_mids.append(np.concatenate([[0.0], np.cumsum(-value * touch)])[upto] + worth)
    whole, mids_only = (np.sum(np.stack(legs), axis=0) for legs in (by_leg, at_mids))
    return Curves(whole, by_leg[0], mids_only, int(work.s["trade"]))


def _fees(qty: Array, price: Array, multiplier: float, fees: object) -> Array:
    rate, unit, quantum = (float(getattr(fees, name)) for name in ("rate", "per_unit", "quantum"))
    raw = rate * np.abs(qty) * price * multiplier + unit * np.abs(qty)
    rounded: Array = np.floor(raw / quantum + 0.5 + 1e-9) * quantum
    return rounded


def _mid_at(tape: Tape, leg: int, venue_ns: np.ndarray) -> Array:
    """Return the mid in force when each fill happened."""
    quoted = ~np.isnan(tape.bid[:, leg])
    row = np.searchsorted(tape.ts_ns[quoted], venue_ns, side="right") - 1
    mid: Array = tape.mid[quoted, leg][np.maximum(row, 0)]
    return mid
