"""Whether, how much of and how soon orders filled, when some were cancelled first.

An order can meet the quotes that the venue shows from its arrival on. *The first* is the first quote of its instrument, with both sides,
at or after the arrival; its time lasts until the next. An order that was over before then had no chance and is counted apart, not as
a failure. An order cancelled, or still at work at the end, is *censored*: it would have taken at least so long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from hedgekit.tca.estimates import NAN, Estimate, exponential_mean, share, survival_median
from hedgekit.tca.latency import Latency, arrivals
from hedgekit.tca.read import NAT, Executions, Quotes, ns
from hedgekit.types import NS

if TYPE_CHECKING:
    from hedgekit.data.tape import Array

    Places = np.ndarray[tuple[int], np.dtype[np.intp]]

_NEVER = np.iinfo(np.int64).max
NONE = np.zeros(0, dtype=np.intp)


@dataclass(frozen=True, eq=False, slots=True)
class Filling:
    """How a session's orders filled.

    Attributes
    ----------
    orders : DataFrame
        One row for each order: ``order_id, role, priority, qty`` (unsigned); ``chance`` (whether it met a first quote), ``displayed`` (size
        there on its side, in whole lots, less what earlier orders of ours took), ``at_once`` (filled from arrival to before that quote),
        ``first`` (filled in the time of that quote), ``filled`` (in all); ``at_venue`` (whether it was ever at work), ``time_s``
        (arrival to last fill at the venue, or to its end if censored), ``quotes`` (how many it met in that time) and ``done``.
    probability : DataFrame
        By ``role`` and ``priority``: orders ``n`` with a chance; ``any`` (share that filled at all by the end of the first quote's time,
        with ``any_low``, ``any_high``), ``full`` (share that filled whole, likewise), ``fraction`` (quantity filled over quantity wanted),
        ``participation`` (quantity filled in the first quote's time over size displayed).
    completion : DataFrame
        By ``role`` and ``priority``, and ``unit`` ("s", "quotes"): ``n``, ``done``, ``censored``, Kaplan-Meier ``median`` with ``low`` and
        ``high``, exponential ``mean`` with ``mean_low`` and ``mean_high``.
    displayed_frac : Estimate
        Share of a displayed size that an order wanting more could get: Kaplan-Meier median, an order that wanted less being censored.
        Infinite if none shows a limit, NaN without a quote.
    no_chance, refused, early : int
        Orders over, or watched no longer, before a first quote; orders never at work at the venue; orders with a fill before their
        estimated arrival.
    """

    orders: pd.DataFrame
    probability: pd.DataFrame
    completion: pd.DataFrame
    displayed_frac: Estimate
    no_chance: int
    refused: int
    early: int


def filling(found: Executions, measured: Latency, level: float) -> Filling:
    """Measure how a session's orders filled; times in seconds from the arrival at the venue that :func:`arrivals` estimates."""
    rows = one_by_one(found, measured)
    at_work = rows[rows["at_venue"]]
    chances = at_work[at_work["chance"]]
    return Filling(
        orders=rows,
        probability=pd.DataFrame([_probability(mine, level) for mine in _groups(chances)]),
        completion=pd.DataFrame([_completion(mine, unit, level) for mine in _groups(at_work) for unit in ("s", "quotes")]),
        displayed_frac=_displayed(chances, level),
        no_chance=int((~at_work["chance"]).sum()),
        refused=int((~rows["at_venue"]).sum()),
        early=int(rows["early"].sum()),
    )


# ------------------------------------------------------------------ one order


def one_by_one(found: Executions, measured: Latency) -> pd.DataFrame:
    """Return how each order fared: :attr:`Filling.orders`."""
    arrived, ended = arrivals(found, measured), ns(found.orders["ended"])
    heard_ns = measured.stream_ns or 0
    over = np.where(ended == NAT, found.last_ns + 1, ended) - heard_ns  # on the venue's clock; at work at the end: after it
    shown = {key: quotes.matchable() for key, quotes in found.quotes.items()}
    lots = {instrument.key: float(instrument.lot) for instrument in found.instruments}
    fills = _Fills(found.fills, found.orders["order_id"].tolist())
    rows = []
    for number, order in enumerate(found.orders.to_dict("records")):
        life = _Life(number, order["order_id"], order["instrument"], order["qty"], int(arrived[number]), int(over[number]))
        row = {"order_id": life.order_id, "role": order["role"], "priority": order["priority"], "qty": abs(life.qty)}
        row["at_venue"] = order["status"] != "rejected" and (order["acked"] is not pd.NaT or order["n_fills"] > 0)
        rows.append(row | _fared(life, fills, shown[life.key], lots[life.key]))
    columns = ("order_id", "role", "priority", "qty", "at_venue", *_FARED)
    return pd.DataFrame(rows, columns=list(columns)).astype(dict.fromkeys(("at_venue", "chance", "done", "early"), bool))


_FARED = ("chance", "displayed", "at_once", "first", "filled", "time_s", "quotes", "done", "early")


class _Fills:
    """All fills of the session as arrays; ``of`` has the rows of each order, ``at`` those of each instrument by the venue's time."""

    def __init__(self, fills: pd.DataFrame, orders: list[str]) -> None:
        numbers = {name: number for number, name in enumerate(orders)}
        self.order = np.array([numbers.get(name, -1) for name in fills["order_id"]], dtype=np.int64)
        self.qty = fills["qty"].to_numpy(dtype=np.float64)
        self.venue_ns = ns(fills["venue_ts"])
        self.of = _places(fills, "order_id")
        self.at = {key: rows[np.argsort(self.venue_ns[rows], kind="stable")] for key, rows in _places(fills, "instrument").items()}

    def ahead(self, life: _Life, opens: int, closes: int) -> Array:
        """Return what earlier orders of ours got on the same side (quantities, unsigned) from ``opens`` to before ``closes``."""
        rows = self.at.get(life.key, NONE)
        first, last = np.searchsorted(self.venue_ns[rows], [opens, closes], side="left").tolist()
        window = rows[first:last]
        kept = (self.order[window] < life.number) & (np.sign(self.qty[window]) == np.sign(life.qty))
        found: Array = np.abs(self.qty[window[kept]])
        return found


def _places(fills: pd.DataFrame, name: str) -> dict[str, Places]:
    return {str(value): np.asarray(rows, dtype=np.intp) for value, rows in fills.groupby(name).indices.items()}


@dataclass(frozen=True, slots=True)
class _Life:
    number: int
    order_id: str
    key: str
    qty: float
    arrived_ns: int
    over_ns: int


def _fared(life: _Life, fills: _Fills, quotes: Quotes, lot: float) -> dict[str, object]:
    mine = fills.of.get(life.order_id, NONE)
    at, qty = fills.venue_ns[mine], np.abs(fills.qty[mine])
    filled = _sum(qty)
    done = filled >= abs(life.qty)
    start = int(np.searchsorted(quotes.venue_ns, life.arrived_ns, side="left"))
    opens, closes = (int(quotes.venue_ns[n]) if n < len(quotes.venue_ns) else _NEVER for n in (start, start + 1))
    at_once = _sum(qty[at < opens])
    chance = opens < _NEVER and (opens < life.over_ns or done or filled > at_once)
    stop = int(at.max()) if done else life.over_ns
    return {
        "chance": chance and at_once < abs(life.qty),
        "displayed": _shown(life, fills, quotes, start, lot) if chance else NAN,
        "at_once": at_once,
        "first": _sum(qty[(at >= opens) & (at < closes)]),
        "filled": filled,
        "time_s": max(stop - life.arrived_ns, 0) / NS,
        "quotes": float(np.searchsorted(quotes.venue_ns, stop, side="right") - start) if stop >= opens else 0.0,
        "done": done,
        "early": bool(len(at)) and int(at.min()) < life.arrived_ns,
    }


def _shown(life: _Life, fills: _Fills, quotes: Quotes, row: int, lot: float) -> float:
    """Return the size shown to an order in whole lots, less what earlier orders of ours took of it."""
    opens = int(quotes.venue_ns[row])
    closes = int(quotes.venue_ns[row + 1]) if row + 1 < len(quotes.venue_ns) else _NEVER
    size = float((quotes.ask_size if life.qty > 0 else quotes.bid_size)[row])
    taken = _sum(fills.ahead(life, opens, closes))
    return math.floor(size / lot + 1e-9) * lot - taken  # as the exchange counts: a part of a lot cannot be traded


def _sum(values: Array) -> float:
    """Sum quantities as the decimals that they are: 0.1 + 0.2 is 0.3, an order of 0.3 is filled."""
    return float(sum((Decimal(repr(float(value))) for value in values), Decimal(0)))


# --------------------------------------------------------------------- groups


class _Group(NamedTuple):
    role: str
    priority: str
    rows: pd.DataFrame


def _groups(rows: pd.DataFrame) -> list[_Group]:
    """Return all rows, then those of each leg and priority."""
    parts = rows.groupby(["role", "priority"], sort=True)
    return [_Group("all", "all", rows), *(_Group(str(role), str(priority), mine) for (role, priority), mine in parts)]


def _probability(group: _Group, level: float) -> dict[str, object]:
    rows = group.rows
    n, by_then = len(rows), rows["at_once"] + rows["first"]
    some, full = share(int((by_then > 0).sum()), n, level), share(int((by_then >= rows["qty"]).sum()), n, level)
    displayed = float(rows["displayed"].sum())
    return {
        "role": group.role,
        "priority": group.priority,
        "n": n,
        "any": some.value,
        "any_low": some.low,
        "any_high": some.high,
        "full": full.value,
        "full_low": full.low,
        "full_high": full.high,
        "fraction": float(by_then.sum() / rows["qty"].sum()) if n else NAN,
        "participation": float(rows["first"].sum()) / displayed if displayed > 0 else NAN,
    }


def _completion(group: _Group, unit: str, level: float) -> dict[str, object]:
    times, done = group.rows["time_s" if unit == "s" else "quotes"], group.rows["done"]
    middle, mean = survival_median(times, done, level), exponential_mean(times, done, level)
    return {
        "role": group.role,
        "priority": group.priority,
        "unit": unit,
        "n": len(done),
        "done": int(done.sum()),
        "censored": int((~done).sum()),
        "median": middle.value,
        "low": middle.low,
        "high": middle.high,
        "mean": mean.value,
        "mean_low": mean.low,
        "mean_high": mean.high,
    }


def _displayed(rows: pd.DataFrame, level: float) -> Estimate:
    rows = rows[rows["displayed"] > 0]
    want = rows["qty"] - rows["at_once"]
    short = rows["first"] < want
    return survival_median(rows["first"].where(short, want) / rows["displayed"], short, level)


def at_once_share(rows: pd.DataFrame, level: float) -> Estimate:
    """Return the share of orders at work that took from the standing quote, before a new one came."""
    at_work = rows[rows["at_venue"]]
    return share(int((at_work["at_once"] > 0).sum()), len(at_work), level)
