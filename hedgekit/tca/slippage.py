"""What executions cost against three prices: the touch decided on, the mid decided on, and the mid when they happened.

- ``touch``: price against the touch that the decision saw (A20, A26): what the decision did not reckon with.
- ``decided mid``: price against the mid that the decision saw: the implementation shortfall (Perold 1988) of what was filled.
- ``mid``: price against the mid in force at the fill: the effective half-spread.

All are positive when they cost money. The first two hold what the market did on the way, for better or worse; on a tape of
daily quotes that is a day's move, and says nothing about the venue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hedgekit.tca.estimates import NAN, ratio

if TYPE_CHECKING:
    from hedgekit.tca.read import Executions

BENCHMARKS = ("touch", "decided mid", "mid")
_BPS = 1e4


def slippage(found: Executions, *, level: float, reps: int, seed: int) -> pd.DataFrame:
    """Return cost against each benchmark, for all fills and by leg and priority.

    Returns
    -------
    DataFrame
        Columns ``against`` (one of :data:`BENCHMARKS`), ``role`` ("primary", "hedge", "all"), ``priority`` of the order ("primary" and
        "hedge" open or adjust a leg, "close" closes it, "all"), ``fills``, ``orders``, ``trades``, ``money``
        (sum), ``mean_bps`` (money over the benchmark's value of what was filled), ``low``, ``high`` (its interval, whole
        trades resampled; NaN below 10), ``sd_bps`` (between fills, each counted once, ddof 1).
        Fills without the benchmark (no order of ours, no quote) are left out of its rows.
    """
    fills = costs(found)
    rows = []
    for number, against in enumerate(BENCHMARKS):
        known = fills[np.isfinite(fills[against])]
        for role in ("all", *sorted(known["role"].unique(), reverse=True)):
            for priority in ("all", *sorted(known["priority"].unique())):
                mine = known[(known["role"].eq(role) | (role == "all")) & (known["priority"].eq(priority) | (priority == "all"))]
                if len(mine) or (role, priority) == ("all", "all"):
                    rows.append(_row(mine, against, role, priority, level=level, reps=reps, seed=(seed, number)))
    return pd.DataFrame(rows)


def costs(found: Executions) -> pd.DataFrame:
    """Return the fills with ``priority`` and, for each benchmark, its price: columns named as :data:`BENCHMARKS`."""
    ours = found.orders.set_index("order_id").reindex(found.fills["order_id"])
    fills = found.fills.assign(priority=ours["priority"].fillna("unknown").to_numpy())
    fills["touch"] = fills["expected"]
    fills["decided mid"] = ours["mid_decided"].to_numpy()
    return fills


def _row(  # noqa: PLR0913 - what, and how its interval is made
    fills: pd.DataFrame, against: str, role: str, priority: str, *, level: float, reps: int, seed: tuple[int, ...]
) -> dict[str, object]:
    size = (fills["qty"] * fills["multiplier"]).to_numpy(dtype=np.float64)
    base = fills[against].to_numpy(dtype=np.float64)
    paid, worth = (fills["price"].to_numpy(dtype=np.float64) - base) * size, np.abs(base * size)
    mean = ratio(paid, worth, fills["trade"], level=level, reps=reps, seed=seed)
    each = paid / worth * _BPS
    return {
        "against": against,
        "role": role,
        "priority": priority,
        "fills": len(fills),
        "orders": fills["order_id"].nunique(),
        "trades": mean.n,
        "money": float(paid.sum()),
        "mean_bps": mean.value * _BPS,
        "low": mean.low * _BPS,
        "high": mean.high * _BPS,
        "sd_bps": float(np.std(each, ddof=1)) if len(each) > 1 else NAN,
    }


@dataclass(frozen=True, slots=True)
class Buffer:
    """What the fills say about the slippage buffer (A20), as a fraction of each leg's notional, there and back.

    Attributes
    ----------
    value : float
        What to set: the interval's upper end, or 0 if that is below it. NaN if there are fewer than 10 closed trades.
    mean, low, high : float
        Slippage of closed trades against the touches decided on, over what their legs were worth at entry, with its interval.
    n : int
        Closed trades.
    left_out : int
        Trades not closed, or with fills of orders that the session did not decide.
    """

    value: float
    mean: float
    low: float
    high: float
    n: int
    left_out: int


def buffer(found: Executions, *, level: float, reps: int, seed: int) -> Buffer:
    """Estimate the buffer that an entry must be charged: what both legs lost, there and back, against the touches decided on.

    An entry is charged ``(2 x unit cost + buffer) x size`` for each leg (``rules/cost.py``); the unit cost holds half-spread and fee,
    so the buffer is what is left: all of a trade's slippage, over the value of its legs. A mean: single trades
    fare worse, by the standard deviations of :func:`slippage`.
    """
    fills, trades = found.fills, found.trades
    whole = set(trades.loc[trades["closed"].notna(), "trade"]) - set(fills.loc[fills["slippage"].isna(), "trade"])
    mine = fills[fills["trade"].isin(list(whole))]
    value = (mine["expected"] * mine["qty"] * mine["multiplier"]).groupby([mine["trade"], mine["leg"]])
    bought, sold = value.apply(lambda part: part.clip(lower=0).sum()), value.apply(lambda part: -part.clip(upper=0).sum())
    size = (0.5 * (bought + sold)).groupby(level="trade").sum()  # there and back: half of what was turned over
    paid = mine.groupby("trade")["slippage"].sum()
    both = pd.DataFrame({"paid": paid, "size": size}, dtype="float64")
    seeds = (seed, len(BENCHMARKS))
    mean = ratio(both["paid"].to_numpy(), both["size"].to_numpy(), both.index, level=level, reps=reps, seed=seeds)
    set_to = max(mean.high, 0.0) if np.isfinite(mean.high) else NAN
    return Buffer(set_to, mean.value, mean.low, mean.high, mean.n, len(trades) - len(whole))
