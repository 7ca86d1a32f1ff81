"""Synthetic sessions with known truth, in the shape of the journal's frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

NOTIONAL = 100_000.0


@dataclass(frozen=True)
class History:
    """What a session's journal would hold."""

    equity: pd.DataFrame
    trades: pd.DataFrame
    fills: pd.DataFrame


def history(  # noqa: PLR0913 - the knobs of a planted truth
    n_trades: int,
    *,
    seed: int = 0,
    beta: float = 0.8,
    ratio: float = 0.8,
    noise: float = 0.004,
    edge: float = 0.0,
    cost_bps: float = 1.0,
    delta: float = 0.01,
    hold: int = 10,
    gap: int = 5,
) -> History:
    """Return trades of ``hold`` bars, ``gap`` bars apart.

    Returns of the hedge have sd .012; the primary's are ``beta`` times those plus noise
    (sd ``noise``), plus ``edge`` a bar on the side held. Each leg pays ``cost_bps`` of the
    primary's notional at entry and again at exit; the hedge is ``ratio`` x the primary.
    """
    rng = np.random.default_rng(seed)
    n = n_trades * (hold + gap) + 1
    side = np.zeros(n)
    starts = np.arange(n_trades) * (hold + gap) + gap
    sides = rng.choice([-1.0, 1.0], n_trades)
    for start, sign in zip(starts, sides, strict=True):
        side[start : start + hold] = sign
    held = np.r_[0.0, side[:-1]]
    dh = 0.012 * rng.standard_normal(n)
    dp = beta * dh + noise * rng.standard_normal(n) + edge * held
    fee = NOTIONAL * cost_bps / 1e4
    paid = fee * np.abs(np.diff(side, prepend=0.0)).astype(bool)
    gross_primary, gross_hedge = np.cumsum(held * NOTIONAL * dp), np.cumsum(-held * ratio * NOTIONAL * dh)
    cost = np.cumsum(paid)
    equity = pd.DataFrame(
        {
            "mid_primary": 100 * np.exp(np.cumsum(dp)),
            "mid_hedge": 50 * np.exp(np.cumsum(dh)),
            "pos_primary": side * 1000,
            "pos_hedge": -side * ratio * 2000,
            "ratio": ratio,
            "delta": delta * rng.choice([-1.0, 1.0], n),
            "gross_primary": gross_primary,
            "gross_hedge": gross_hedge,
            "cost_primary": cost,
            "cost_hedge": cost,
            "hedged": gross_primary + gross_hedge - 2 * cost,
            "unhedged": gross_primary - cost,
        },
        index=pd.date_range("2000-01-03 21:00", periods=n, freq="D", tz="UTC", unit="ns", name="ts"),
    )
    ends = starts + hold
    own, other = (np.array([x[e] - x[s] for s, e in zip(starts, ends, strict=True)]) for x in (gross_primary, gross_hedge))
    trades = pd.DataFrame(
        {
            "trade": np.arange(1, n_trades + 1),
            "closed": equity.index[ends],
            "bars": float(hold),
            "notional": NOTIONAL,
            "gross_hedged": own + other,
            "gross_unhedged": own,
            "hedged": own + other - 4 * fee,
            "unhedged": own - 2 * fee,
            "cost_primary": 2 * fee,
            "cost_hedge": 2 * fee,
        }
    )
    number = np.repeat(trades["trade"].to_numpy(), 4)
    slip = 0.001 * rng.standard_normal(len(number)) + cost_bps / 1e4
    fills = pd.DataFrame(
        {
            "trade": number,
            "qty": 1000.0,
            "expected": 100.0,
            "multiplier": 1.0,
            "slippage": slip * NOTIONAL,
            "spread_cost": cost_bps / 1e4 * NOTIONAL,
        }
    )
    return History(equity, trades, fills)
