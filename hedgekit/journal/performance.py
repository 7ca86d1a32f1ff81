"""What a session earned: bar by bar and trade by trade, hedged and unhedged, before and after costs.

Gross profit values every fill at the mid in force when it happened, and what is
held at the mids of the moment; the difference between fill price and mid, and
the fee, are costs, and so is what was paid for holding (funding). So ``hedged`` is exact cash plus positions at mids. The
unhedged twin is the primary leg of the same fills, never another run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import accumulate
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd

from hedgekit.journal.frames import frame, mids_at, times
from hedgekit.journal.moments import bars, is_entry, is_exit
from hedgekit.journal.story import NO_TRADE, Decided, Story, exactly, leg_of, trade_of
from hedgekit.types import Decision, Instrument

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Ints = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
Flags = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

_TRADES = {
    "trade": "int",
    "side": "int",
    "opened": "ts",
    "closed": "ts",
    "bars": "int",
    "exit_reason": "text",
    "notional": "float",
    "gross_hedged": "float",
    "gross_unhedged": "float",
    "hedged": "float",
    "unhedged": "float",
    "cost_primary": "float",
    "cost_hedge": "float",
    "z_entry": "float",
    "z_exit": "float",
    "n_fills": "int",
}


class _Flows:
    """Every fill as arrays: record id, leg, trade, quantity, money at mid, costs; shape (fills,)."""

    def __init__(self, story: Story) -> None:
        items = list(story.fills.values())
        found = [item.fill for item in items]
        places = [story.instrument(fill.instrument) for fill in found]
        self.id = np.array([item.id for item in items], dtype="int64")
        self.leg = np.array([leg for leg, _ in places], dtype="int64")
        self.trade = np.array([trade_of(story, item) for item in items], dtype="int64")
        self.qty = [fill.qty for fill in found]
        each = [i.multiplier_at(float(fill.price)) for fill, (_, i) in zip(found, places, strict=True)]
        self.value = np.array([float(fill.qty) * unit for fill, unit in zip(found, each, strict=True)])
        self.price = np.array([float(fill.price) for fill in found])
        self.mid = story.once(mids_at)
        self.mid = np.where(np.isnan(self.mid), self.price, self.mid)  # no quote in force: the price is all that is known
        self.fee = np.array([float(fill.fee_money) for fill in found])
        self.cost = (self.price - self.mid) * self.value + self.fee

    def by_trade(self) -> Iterator[tuple[int, Ints]]:
        """Yield each trade's number, in order, and the places of its fills."""
        order = np.argsort(self.trade, kind="stable")
        numbers, first = np.unique(self.trade[order], return_index=True)
        yield from zip(numbers.tolist(), np.split(order, first[1:]), strict=False)  # without fills one empty piece, and no number


class _Funding:
    """Every payment as arrays: record id, leg, trade, money paid (below 0: received); shape (payments,)."""

    def __init__(self, story: Story) -> None:
        items = list(story.payments.values())
        self.id = np.array([item.id for item in items], dtype="int64")
        self.leg = np.array([story.instrument(item.payment.instrument)[0] for item in items], dtype="int64")
        self.trade = np.array([item.trade for item in items], dtype="int64")
        with exactly():
            self.paid = np.array([-float(item.payment.money) for item in items], dtype="float64")

    def upto(self, rows: Sequence[Decided], mine: Flags) -> Floats:
        """Return what the payments ``mine`` add up to at each bar, shape (bars,)."""
        place = np.searchsorted(self.id[mine], [row.id for row in rows])
        return np.concatenate([[0.0], np.cumsum(self.paid[mine])])[place]

    def of(self, trade: int, leg: int) -> float:
        """Return what a leg of a trade paid."""
        return float(self.paid[(self.trade == trade) & (self.leg == leg)].sum())


def equity(story: Story) -> pd.DataFrame:
    """One row per bar, cumulative money in the quote currency; index ``ts``.

    Columns: mid_primary, mid_hedge, pos_primary, pos_hedge (from fills received by then), ratio, z, delta, trade,
    gross_primary, gross_hedge (P&L at mids), cost_primary, cost_hedge (spread and fee), fee_primary, fee_hedge,
    hedged (gross less costs, all legs), unhedged (gross less cost of the primary). ``mid_hedge``, ``pos_hedge`` and ``ratio``
    are leg 1; a basket has ``mid_hedge_2, pos_hedge_2, ratio_2`` and so on after them. Hedge money is the sum over all legs but the
    primary. Profit of an inverse perpetual is kept in coin until the position is closed. Of a session that paid or got funding there are
    funding_primary and funding_hedge too: cumulative money paid, part of the costs.
    """
    rows, flows = story.once(bars), story.once(_Flows)
    decisions = [row.decision for row in rows]
    out: dict[str, Any] = {}
    count = max(2, len(story.instruments))
    legs = [_leg(story, flows, rows, leg) for leg in range(count)]
    out |= {f"mid_{name}": legs[leg]["mid"] for leg, name in enumerate(legs_named(count))}
    out |= {f"pos_{name}": legs[leg]["pos"] for leg, name in enumerate(legs_named(count))}
    out |= {name: _floats(map(attrgetter(name), decisions)) for name in ("ratio", "z", "delta")}
    out |= _other_ratios(story, rows, count)
    out["trade"] = np.array([d.trade for d in decisions], dtype="int64")
    for name in ("gross", "cost", "fee"):
        out |= {f"{name}_primary": legs[0][name], f"{name}_hedge": sum(leg[name] for leg in legs[1:])}
    out |= _held_for(story, rows, out)
    out["unhedged"] = out["gross_primary"] - out["cost_primary"]
    out["hedged"] = out["unhedged"] + out["gross_hedge"] - out["cost_hedge"]
    result = pd.DataFrame(out, index=times(d.ts_ns for d in decisions).rename("ts"))
    return result[[*[name for name in result if name not in {"hedged", "unhedged"}], "hedged", "unhedged"]]


def _held_for(story: Story, rows: Sequence[Decided], out: Mapping[str, Any]) -> dict[str, Floats]:
    """Return what holding cost, and the costs with it; nothing if nobody paid."""
    if not story.payments:
        return {}
    funding = _Funding(story)
    paid = {whose: funding.upto(rows, mine) for whose, mine in (("primary", funding.leg == 0), ("hedge", funding.leg != 0))}
    costs = {f"cost_{whose}": out[f"cost_{whose}"] + sums for whose, sums in paid.items()}
    return costs | {f"funding_{whose}": sums for whose, sums in paid.items()}


def legs_named(count: int) -> list[str]:
    """Return how columns name the legs: primary, hedge, hedge_2, ..."""
    return ["primary", "hedge", *(f"hedge_{leg}" for leg in range(2, count))][:count]


def _other_ratios(story: Story, rows: Sequence[Decided], count: int) -> dict[str, Floats]:
    """Return the ratios of the second and further hedges at each bar: those of the plan in force when it was decided."""
    made = [plan.ts_ns for plan in story.plans]
    at = np.searchsorted(np.array(made, dtype="int64"), [row.decision.ts_ns for row in rows], side="left")
    table = [[np.nan] * (count - 2), *([leg_of(plan.plan.others, leg) for leg in range(count - 2)] for plan in story.plans)]
    return {f"ratio_{leg + 2}": _floats(table[n][leg] for n in at) for leg in range(count - 2)}


def _floats(values: Any) -> Floats:  # noqa: ANN401 - any iterable of float or None
    return np.array(list(values), dtype="float64")  # None becomes NaN


def _leg(story: Story, flows: _Flows, rows: Sequence[Decided], leg: int) -> dict[str, Floats]:
    """Return one leg's mid, position, gross, cost and fee at each bar, shape (bars,)."""
    mine = np.flatnonzero(flows.leg == leg)
    upto = np.searchsorted(flows.id[mine], [row.id for row in rows])
    with exactly():
        path = np.array([float(q) for q in accumulate((flows.qty[n] for n in mine), initial=Decimal(0))])
    held, mark = path[upto], _floats(mids[leg] if leg < len(mids) else None for mids in (row.decision.mids for row in rows))
    instrument = story.instruments[leg] if leg < len(story.instruments) else Instrument("", "")
    money, units = book(instrument, path, flows.mid[mine])
    sums = {name: np.concatenate([[0.0], np.cumsum(getattr(flows, name)[mine])])[upto] for name in ("cost", "fee")}
    gross = money[upto] + np.where(held == 0, 0.0, units[upto] * mark)
    return {"mid": mark, "pos": held, "gross": gross, "cost": sums["cost"], "fee": sums["fee"]}


def book(instrument: Instrument, held: Floats, mid: Floats) -> tuple[Floats, Floats]:
    """Return money paid in (negative) and price units held after each fill, as if all were dealt at mids.

    Parameters
    ----------
    instrument : Instrument
    held : float64 array, shape (fills + 1,)
        Position before the first and after each fill.
    mid : float64 array, shape (fills,)
        Mid at each fill.

    Returns
    -------
    tuple of float64 arrays, shape (fills + 1,)
        Money, and what times the mid is the worth of what is held. Of an inverse perpetual the second is coins; when the position
        is closed they are turned into money at the mid of that fill.
    """
    multiplier, qty = float(instrument.multiplier), np.diff(held)
    if not instrument.inverse:
        return np.concatenate([[0.0], np.cumsum(-(qty * multiplier) * mid)]), held * multiplier
    money, coins = np.zeros(len(held)), np.zeros(len(held))
    for n, (quantity, price) in enumerate(zip(qty * multiplier, mid, strict=True), start=1):
        money[n], coins[n] = money[n - 1] - quantity, coins[n - 1] + quantity / price
        if held[n] == 0.0:
            money[n], coins[n] = money[n] + coins[n] * price, 0.0
    return money, coins


# ---------------------------------------------------------------------- trades


def trades(story: Story) -> pd.DataFrame:
    """One row per trade that had a fill, by number.

    Columns: trade, side (+1 long spread), opened and closed (when entry and exit were decided; closed is NaT while anything is
    held), bars (bar closes after the entry, up to the exit), exit_reason (missing before an exit is decided), notional (of the primary
    filled at entry), gross_hedged, gross_unhedged (at mids), hedged, unhedged (net of costs), cost_primary, cost_hedge,
    z_entry, z_exit, n_fills. What is still held is valued at the last mids that a decision saw. Of a session that paid or got funding there
    is funding too: money that all legs paid, part of the costs; a payment is of the trade whose position it is for, or, told late, of the
    one that dealt last.
    """
    flows, (entries, exits) = story.once(_Flows), _turns(story)
    closes = np.array([row.decision.ts_ns for row in story.once(bars)], dtype="int64")
    marks = story.decisions[-1].decision.mids if story.decisions else ()
    with exactly():
        rows = [_trade(story, flows, mine, entries.get(n), exits.get(n), closes, marks) for n, mine in flows.by_trade() if n != NO_TRADE]
    return frame(rows, _TRADES | ({"funding": "float"} if story.payments else {}))


def _turns(story: Story) -> tuple[dict[int, Decision], dict[int, Decision]]:
    """Return each trade's first entry, and its first exit from there on."""
    entries: dict[int, Decision] = {}
    exits: dict[int, Decision] = {}
    for item in story.decisions:
        decision = item.decision
        if is_entry(decision):
            entries.setdefault(decision.trade, decision)
        if decision.trade in entries and is_exit(decision):
            exits.setdefault(decision.trade, decision)
    return entries, exits


def _trade(  # noqa: PLR0913 - one row, from all that bears on it
    story: Story,
    flows: _Flows,
    mine: Ints,
    entry: Decision | None,
    leave: Decision | None,
    closes: Ints,
    marks: Sequence[float | None],
) -> dict[str, Any]:
    gross, cost, held = _money(story, flows, mine, marks)
    number, funding = int(flows.trade[mine[0]]), story.once(_Funding)
    paid = [funding.of(number, leg) for leg in range(len(cost))]
    cost = [each + more for each, more in zip(cost, paid, strict=True)]
    primary = [n for n in mine if flows.leg[n] == 0]
    side = _side(entry, [flows.value[n] for n in primary])
    opened = entry.ts_ns if entry else None
    closed = leave.ts_ns if leave and not held else None
    return {
        "trade": number,
        "side": side,
        "opened": opened,
        "closed": closed,
        "bars": 0 if opened is None else _between(closes, opened, closed),
        "exit_reason": leave.reason.value if leave else None,
        "notional": sum(abs(flows.value[n] * flows.price[n]) for n in primary if flows.value[n] * side > 0),
        "gross_hedged": sum(gross),
        "gross_unhedged": gross[0],
        "hedged": sum(gross) - sum(cost),
        "unhedged": gross[0] - cost[0],
        "cost_primary": cost[0],
        "cost_hedge": sum(cost[1:]),
        "z_entry": entry.z if entry else None,
        "z_exit": leave.z if leave else None,
        "n_fills": len(mine),
        "funding": sum(paid),
    }


def _between(closes: Ints, opened: int, closed: int | None) -> int:
    """Return how many bars closed after a trade was opened, up to its end; bars close one after the other."""
    upto = len(closes) if closed is None else int(np.searchsorted(closes, closed, side="right"))
    return max(0, upto - int(np.searchsorted(closes, opened, side="right")))


def _side(entry: Decision | None, values: Sequence[float]) -> int:
    decided = [order.qty for order in entry.orders if order.leg == 0] if entry else []
    first = float(decided[0]) if decided else next(iter(values), 0.0)
    return int(np.sign(first))


def _money(story: Story, flows: _Flows, mine: Ints, marks: Sequence[float | None]) -> tuple[list[float], list[float], bool]:
    """Return gross and cost of each leg over the fills ``mine``, and whether anything is held."""
    gross, cost, held = [], [], False
    for leg, instrument in enumerate(story.instruments):
        its = [n for n in mine if flows.leg[n] == leg]
        sums = list(accumulate((flows.qty[n] for n in its), initial=Decimal(0)))
        left, path = sums[-1], np.array(sums, dtype="float64")
        mark = leg_of(marks, leg) if left else 0.0
        money, units = book(instrument, path, flows.mid[its])
        gross.append(float(money[-1]) + float(units[-1]) * (np.nan if mark is None else mark))
        cost.append(float(flows.cost[its].sum()))
        held = held or bool(left)
    return gross, cost, held
