"""Planted markets for the revalidation report: a plan made on the first 500 days, and 300 days of what came then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hedgekit.data import SyntheticMarket
from hedgekit.plans import PlanFile
from hedgekit.stats import ratio

MADE, ROWS, NEW_RATIO = 500, 800, 1.25
DAYS = pd.date_range("2022-01-03", periods=ROWS, freq="D", tz="UTC", name="date")
CASES: dict[str, tuple[int, dict[str, Any]]] = {
    "keep": (1, {}),
    "refit": (3, {"ratio_steps": ((MADE, NEW_RATIO),)}),
    "retire": (5, {"half_life": 5.0, "regimes": ((MADE, ROWS, "broken"),)}),
}


def prices(case: str) -> pd.DataFrame:
    """Return the closes of a case: columns P and H."""
    seed, changes = CASES[case]
    market = SyntheticMarket.textbook(**{"rows": ROWS, "half_life": 8.0, "seed": seed} | changes)
    return pd.DataFrame(np.exp(market.log_prices()), columns=["P", "H"], index=DAYS)


def write(folder: Path, case: str) -> dict[str, str]:
    """Write prices and the plan in force; return the report's parameters."""
    frame = prices(case)
    plan = ratio.ols(frame["P"].iloc[:MADE], frame["H"].iloc[:MADE], window=250, folds=0).to_plan()
    file = PlanFile(instruments=("FILE:P", "FILE:H"), decision="refit", decided_at_ns=plan.fitted_at_ns, data="0" * 64, plan=plan)
    table = frame.assign(date=frame.index.strftime("%Y-%m-%d"))
    table.to_csv(folder / f"{case}.csv", index=False)
    return {"journal": "", "prices": str(folder / f"{case}.csv"), "plan": str(file.save(folder / f"{case}.plan.json"))}
