"""Runs made for one purpose: a fixed tape and strategy, with the faults and kills that are given."""

from __future__ import annotations

from typing import Any

from hedgekit.exchange.faults import Fault
from tests.chaos import desks
from tests.chaos.recipe import Recipe, draw


def made(*faults: Fault, kills: tuple[str, ...] = (), desk: str = "ALPACA", **params: Any) -> Recipe:
    """Return a recipe whose first trades open with orders 1 and 2, and on a market so thin that they fill in many parts."""
    drawn = draw(1, 3, "ALPACA")
    market = type(drawn.market)(rows=240, ratio=1.1, half_life=4.0, spread_sd=0.004, hedge_vol=0.0005, size_notional=8_000.0, seed=11)
    numbers = {
        "bar_s": 1.0,
        "bar_offset_s": 0.5,
        "entry": 1.2,
        "structure": "pairs",
        "order_type": "limit",
        "patience_s": 1.0,
        "accept_filled": 0.8,
        "retries": 2,
        "slippage_cap": 0.005,
        "naked_limit_s": 2.0,
        "breaker_s": 10.0,
        "interval_s": 2.0,
        "plan_valid_days": 0.002,
    }
    chosen = desks.params(desk, drawn.params | numbers) | params
    return Recipe(0, 0, desk, desks.market(desk, market), type(drawn.model)(), desks.budget(desk, 200, scarce=False), chosen, faults, kills)
