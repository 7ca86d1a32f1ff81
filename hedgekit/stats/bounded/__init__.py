"""Reversion of prices that are probabilities: the excess-movement test, and the logit scale."""

from __future__ import annotations

from hedgekit.stats.bounded.logit import LogitReversion, logit, logit_drift, logit_reversion, price_per_logit
from hedgekit.stats.bounded.movement import ExcessMovement, excess_movement, expected_movement
from hedgekit.stats.bounded.prices import probabilities

__all__ = [
    "ExcessMovement",
    "LogitReversion",
    "excess_movement",
    "expected_movement",
    "logit",
    "logit_drift",
    "logit_reversion",
    "price_per_logit",
    "probabilities",
]
