"""A tape, and how it is walked over."""

from __future__ import annotations

from typing import Any

from tests.core.core_made import DAILY, daily_tape, params

TAPE = daily_tape(2, 800, fees="0.0001")
BASE = params(**DAILY).model_dump() | {"notional": 50_000.0}
GRID: dict[str, Any] = {"entry": [1.2, 1.8], "lookback": [12, 20]}
WALK: dict[str, Any] = {"train": 260, "test": 120, "progress": False}
CROSS: dict[str, Any] = {"groups": 4, "held_out": 2, "progress": False}
