"""How often the verdict's words are wrong: the table of docs/verdict.md.

    python -m tests.perf.verdict_calibration [--samples 1000] [--reps 999] [--trades 50 200 1000] [--better 200] [--clustered 400]

A measurement, not a test: pytest does not collect it (tests/test_verdict_calibration.py holds a smaller one). Samples are
those of tests/planted.py, with the true figure at the target: there each PASS and each FAIL is wrong. The gates for the number of
trades (A29) are left out, else nothing could pass at 50. Same arguments, same table; two threads by joblib.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from hedgekit.stats.twins import twins_of
from hedgekit.verdict.figures import TARGETS, gauges
from tests.planted import AT_TARGET, BETTER, planted

if TYPE_CHECKING:
    from hedgekit.verdict import Gauge
    from tests.planted import Planted

LEVEL, THREADS = 0.95, 2
CLUSTERED = "at the target, volatility in clusters"


@dataclass(frozen=True)
class Told:
    """One gauge of one sample."""

    rule: str
    word: str
    held: bool
    width: float


def told(n_trades: int, truth: Planted, seed: int, reps: int, *, clustered: bool = False) -> list[Told]:
    """Return what the six gauges say of one sample."""
    found = []
    for drawdown in (False, True):
        s = planted(n_trades, truth, seed, drawdown=drawdown, clustered=clustered)
        found += [g for g in gauges(s, twins_of(s, reps, seed), LEVEL) if (g.rule == "A27") == drawdown]
    return [_told(g) for g in found]


def _told(g: Gauge) -> Told:
    limit = TARGETS[g.rule].limit
    if g.value is None or g.lower is None or g.upper is None or g.limit is None:
        return Told(g.rule, str(g.result), held=True, width=np.nan)  # undefined: every ratio is possible
    return Told(g.rule, str(g.result), held=g.lower <= limit <= g.upper, width=g.upper - g.lower)


def rates(n_trades: int, truth: Planted, samples: int, reps: int, *, clustered: bool = False) -> pd.DataFrame:
    """Return by rule: shares of PASS, FAIL and intervals that hold the target, and the median width."""
    jobs_of = (delayed(told)(n_trades, truth, seed, reps, clustered=clustered) for seed in range(samples))
    rows = [row for one in Parallel(n_jobs=THREADS, prefer="threads")(jobs_of) for row in one]
    frame = pd.DataFrame([(row.rule, row.word == "PASS", row.word == "FAIL", row.held, row.width) for row in rows])
    frame.columns = pd.Index(["rule", "passed", "failed", "held", "width"])
    return frame.groupby("rule").agg({"passed": "mean", "failed": "mean", "held": "mean", "width": "median"})


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--better", type=int, default=200, help="samples that are clearly better than the target")
    parser.add_argument("--clustered", type=int, default=400, help="samples at the target with calm and wild times")
    parser.add_argument("--reps", type=int, default=999)
    parser.add_argument("--trades", type=int, nargs="+", default=[50, 200, 1000])
    args = parser.parse_args()
    runs = (("at the target", AT_TARGET, args.samples), ("clearly better", BETTER, args.better), (CLUSTERED, AT_TARGET, args.clustered))
    for name, truth, samples in runs:
        for n_trades in args.trades if samples else ():
            began = time.perf_counter()
            table = rates(n_trades, truth, samples, args.reps, clustered=name == CLUSTERED)
            print(f"\n{name}, {n_trades} trades, {samples} samples, {time.perf_counter() - began:.0f} s")
            print(table.round(4).to_string(), flush=True)


if __name__ == "__main__":
    main()
