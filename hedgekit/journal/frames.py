"""One row per item: orders, fills, decisions and plans of a session as DataFrames.

Times are tz-aware UTC with nanoseconds; money and quantities are float64, for
analysis (exact figures: ``Journal.ledger()``). Rows stand in the order of the
journal. An empty session gives the same columns with no rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd

from hedgekit.journal.story import Filled, Intent, Story, exactly, role, trade_of
from hedgekit.types import Action, Decision, Fill, Order, Phase, PlanRevised, Reason

_NAT = np.iinfo(np.int64).min
_WORDS = {member: member.value for words in (Action, Reason, Phase) for member in words}
_ORDERS = {
    "order_id": "text",
    "ts": "ts",
    "trade": "int",
    "leg": "int",
    "role": "text",
    "instrument": "text",
    "side": "text",
    "qty": "float",
    "kind": "text",
    "expected": "float",
    "action": "text",
    "reason": "text",
    "priority": "text",
    "acked": "ts",
    "status": "text",
    "filled_qty": "float",
    "avg_price": "float",
    "n_fills": "int",
}

_FILLS = {
    "fill_id": "text",
    "cause": "text",
    "ts": "ts",
    "venue_ts": "ts",
    "order_id": "text",
    "trade": "int",
    "leg": "int",
    "role": "text",
    "instrument": "text",
    "qty": "float",
    "price": "float",
    "fee": "float",
    "multiplier": "float",
    "notional": "float",
    "expected": "float",
    "mid": "float",
    "slippage": "float",
    "slippage_frac": "float",
    "spread_cost": "float",
}

_DECISIONS = {
    "ts": "ts",
    "trade": "int",
    "action": "text",
    "reason": "text",
    "phase": "text",
    "z": "float",
    "ratio": "float",
    "delta": "float",
    "cost": "float",
    "benefit": "float",
    "mid_primary": "float",
    "mid_hedge": "float",
    "pos_primary": "float",
    "pos_hedge": "float",
    "target_primary": "float",
    "target_hedge": "float",
    "n_orders": "int",
    "n_cancels": "int",
}

_PLANS = {
    "ts": "ts",
    "ratio": "float",
    "stderr": "float",
    "n": "int",
    "method": "text",
    "fitted_at": "ts",
    "valid_until": "ts",
    "test": "text",
    "statistic": "float",
    "p_value": "float",
    "override": "text",
}


def times(ns: Iterable[int | None]) -> pd.DatetimeIndex:
    """Return UTC timestamps of nanoseconds; None becomes NaT."""
    raw = np.array([_NAT if n is None else n for n in ns], dtype="int64")
    return pd.DatetimeIndex(raw.view("M8[ns]")).tz_localize("UTC")


def column(values: Iterable[Any], kind: str) -> pd.Series[Any]:
    """Return one column; ``kind`` is ts (int ns or None), text, int or float (None is NaN)."""
    if kind == "ts":
        return pd.Series(times(values))
    if kind == "text":
        return pd.Series(list(values), dtype="str")
    return pd.Series(np.array(list(values), dtype="int64" if kind == "int" else "float64"))


def frame(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    """Return rows as a frame with exactly these columns and kinds."""
    return pd.DataFrame({name: column([row[name] for row in rows], kind) for name, kind in columns.items()})


# ---------------------------------------------------------------------- orders


def orders(story: Story) -> pd.DataFrame:
    """One row per decided order, in order of decision.

    Columns: order_id, ts, trade, leg, role ("primary" is leg 0), instrument, side ("buy", "sell"), qty (signed), kind,
    expected (the touch it was decided on), action and reason of its decision, priority, acked (NaT if never), status,
    filled_qty (signed), avg_price (NaN without a fill), n_fills.

    ``status`` is the strongest that is known: "filled", else "rejected" or "cancelled" if it is over,
    else "partially_filled", else "working" once acknowledged, else "unknown".
    """
    filled: dict[str, list[Fill]] = {}
    for item in story.fills.values():
        filled.setdefault(item.fill.order_id, []).append(item.fill)
    with exactly():
        rows = [_order(story, intent, filled.get(order_id, [])) for order_id, intent in story.intents.items()]
    return frame(rows, _ORDERS)


def _order(story: Story, intent: Intent, fills: Sequence[Fill]) -> dict[str, Any]:
    order, decision = intent.order, intent.decision
    done = sum((fill.qty for fill in fills), Decimal(0))
    spent = sum((fill.qty * fill.price for fill in fills), Decimal(0))
    return {
        "order_id": order.order_id,
        "ts": order.ts_ns,
        "trade": order.trade,
        "leg": order.leg,
        "role": role(order.leg),
        "instrument": order.instrument,
        "side": "buy" if order.qty > 0 else "sell",
        "qty": order.qty,
        "kind": order.kind,
        "expected": order.expected,
        "action": decision.action.value,
        "reason": decision.reason.value,
        "priority": order.priority.value,
        "acked": story.acks.get(order.order_id),
        "status": _status(story, order, done),
        "filled_qty": done,
        "avg_price": float(spent) / float(done) if done else None,
        "n_fills": len(fills),
    }


def _status(story: Story, order: Order, done: Decimal) -> str:
    if abs(done) >= abs(order.qty):
        return "filled"
    if order.order_id in story.over:
        return story.over[order.order_id]
    if done:
        return "partially_filled"
    return "working" if order.order_id in story.acks else "unknown"


# ----------------------------------------------------------------------- fills


def fills(story: Story) -> pd.DataFrame:
    """One row per fill, in order of receipt; a repeated fill_id is one fill.

    Columns: fill_id, cause ("trade", "settlement", "reversal"), ts (received), venue_ts,
    order_id, trade, leg, role, instrument, qty (signed), price, multiplier (of an
    inverse perpetual: its money per contract / price), fee (money: coins at the fill's price),
    notional (``|qty| * price * multiplier``), expected, mid, slippage, slippage_frac, spread_cost.

    ``mid`` is that of the instrument's quote in force at the venue's time of the fill (NaN if none was journalled).
    Money, positive when it was paid: ``slippage = (price - expected) * qty * multiplier``,
    ``spread_cost = (price - mid) * qty * multiplier``. ``slippage_frac`` is the adverse move as a fraction of expected.
    A fill of an order that this session never decided has trade -1 and no expected price. A settlement has no order; it is of the
    trade that was held, and its mid is the payout.
    """
    with exactly():
        rows = [_fill(story, item) for item in story.fills.values()]
    for row, mid in zip(rows, story.once(mids_at), strict=True):
        row["mid"] = mid
        row["spread_cost"] = (float(row["price"]) - mid) * float(row["qty"]) * float(row["multiplier"])
    return frame(rows, _FILLS)


def _fill(story: Story, item: Filled) -> dict[str, Any]:
    fill = item.fill
    leg, instrument = story.instrument(fill.instrument)
    intent = story.intents.get(fill.order_id)
    expected = intent.order.expected if intent else None
    multiplier: Decimal | float = instrument.multiplier
    value, slippage, base = _money(fill, expected, instrument.multiplier)
    if instrument.inverse:
        multiplier = instrument.multiplier_at(float(fill.price))
        per = multiplier / float(instrument.multiplier)
        value, slippage, base = (None if x is None else float(x) * per for x in (value, slippage, base))
    return {
        "fill_id": fill.fill_id,
        "cause": fill.cause,
        "ts": fill.ts_ns,
        "venue_ts": fill.venue_ns,
        "order_id": fill.order_id,
        "trade": trade_of(story, item),
        "leg": leg,
        "role": role(leg),
        "instrument": fill.instrument,
        "qty": fill.qty,
        "price": fill.price,
        "fee": fill.fee_money,
        "multiplier": multiplier,
        "notional": abs(value or 0),
        "expected": expected,
        "slippage": slippage,
        "slippage_frac": float(slippage) / float(base) if slippage is not None and base else None,
    }


def _money(fill: Fill, expected: Decimal | None, multiplier: Decimal) -> tuple[Any, Any, Any]:
    """Return value, slippage and expected value of a fill, exact."""
    value = fill.qty * fill.price * multiplier
    if expected is None:
        return value, None, None
    return value, (fill.price - expected) * fill.qty * multiplier, expected * abs(fill.qty) * multiplier


def mids_at(story: Story) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return for each fill the mid in force at its venue time, shape (fills,); NaN if there is none.

    The quote that caused a fill has the fill's own venue time and is journalled after it, so the search is by venue time.
    """
    found = [item.fill for item in story.fills.values()]
    out = np.full(len(found), math.nan)
    for key, quotes in story.mids.items():
        mine = np.array([n for n, fill in enumerate(found) if fill.instrument == key], dtype="int64")
        venue_ns, mid = np.array(quotes.venue_ns, dtype="int64"), np.array(quotes.mid)
        by_time = np.argsort(venue_ns, kind="stable")
        at = np.searchsorted(venue_ns[by_time], [found[n].venue_ns for n in mine], side="right") - 1
        out[mine[at >= 0]] = mid[by_time][at[at >= 0]]
    for n, fill in enumerate(found):
        if fill.cause == "settlement":  # what it is worth is what it pays
            out[n] = float(fill.price)
    return out


# ------------------------------------------------------------ decisions, plans


def decisions(story: Story) -> pd.DataFrame:
    """One row per journalled decision: :func:`decided`."""
    return decided([item.decision for item in story.decisions])


def decided(made: Sequence[Decision]) -> pd.DataFrame:
    """Return one row per decision.

    Columns: ts, trade, action, reason, phase, z, ratio, delta, cost, benefit, mid_primary, mid_hedge, pos_primary, pos_hedge,
    target_primary, target_hedge, n_orders, n_cancels. "Hedge" is leg 1. NaN where a figure was not defined yet.
    """
    figures: dict[str, Iterable[Any]] = {name: map(attrgetter(name), made) for name in ("trade", "z", "ratio", "delta", "cost", "benefit")}
    figures["ts"] = map(attrgetter("ts_ns"), made)
    for name in ("action", "reason", "phase"):
        figures[name] = map(_WORDS.__getitem__, map(attrgetter(name), made))
    for name, field in (("mid", "mids"), ("pos", "positions"), ("target", "targets")):
        values = list(map(attrgetter(field), made))
        for leg in (0, 1):
            figures[f"{name}_{role(leg)}"] = [each[leg] if leg < len(each) else None for each in values]
    for name, field in (("n_orders", "orders"), ("n_cancels", "cancels")):
        figures[name] = map(len, map(attrgetter(field), made))
    return pd.DataFrame({name: column(figures[name], kind) for name, kind in _DECISIONS.items()})


def plans(story: Story) -> pd.DataFrame:
    """One row per hedge plan: ts, ratio, stderr, n, method, fitted_at, valid_until, test, statistic, p_value, override."""
    return frame([_plan(revised) for revised in story.plans], _PLANS)


def _plan(revised: PlanRevised) -> dict[str, Any]:
    plan = revised.plan
    row: dict[str, Any] = {name: getattr(plan, name) for name in ("ratio", "stderr", "n", "method", "override")}
    row |= {name: getattr(plan.evidence, name) for name in ("test", "statistic", "p_value")}
    return row | {"ts": revised.ts_ns, "fitted_at": plan.fitted_at_ns, "valid_until": plan.valid_until_ns}
