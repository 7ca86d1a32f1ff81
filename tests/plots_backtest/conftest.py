"""Backtests that the figures are made of: one with every way to end a trade, one that never trades."""

from __future__ import annotations

from typing import Any

import pytest

from hedgekit.backtest import Backtest, run
from hedgekit.backtest.sweep import Sweep, sweep
from tests.core.core_made import DAILY, daily_tape, params

TAPE = daily_tape(2, 700, fees="0.0001")


@pytest.fixture(scope="session")
def done() -> Backtest:
    """Return 700 bars with exits by target, stop and time stop, one trade open at the end, adjustments taken and skipped."""
    numbers = params(**DAILY, tolerance=0.005, time_stop=1.0, stop=2.5, rebalance_to="target", risk_aversion=100.0)
    return run(TAPE, numbers)


@pytest.fixture(scope="session")
def idle() -> Backtest:
    """Return 300 bars without a trade."""
    return run(daily_tape(2, 300), params(**DAILY, entry=9.0, stop=50.0))


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Return 12 combinations, and 4 more in the ledger; an entry at 9 never trades."""
    here: dict[str, Any] = {"study": "map", "ledger": tmp_path_factory.mktemp("ledger") / "trials.db", "progress": False}
    base = params(**DAILY, stop=20.0).model_dump()
    sweep(TAPE, {"entry": [1.1, 1.2, 1.3, 1.4]}, base, **here)
    return sweep(TAPE, {"entry": [9.0, 1.5, 2.0], "lookback": [15, 20], "target": [0.0, 0.5]}, base, **here)
