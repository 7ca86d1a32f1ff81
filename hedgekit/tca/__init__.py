"""Transaction cost analysis: what a session's executions say, fed back into the backtest, and where the two part (A22)."""

from __future__ import annotations

from hedgekit.tca.calibration import Calibration, calibrate
from hedgekit.tca.comparison import Comparison, compare
from hedgekit.tca.executable import executable

__all__ = ["Calibration", "Comparison", "calibrate", "compare", "executable"]
