"""Compile the core before the tests begin: ``python -m tests.warm``, minutes the first time, then a second.

Else every process of the test run would compile the same at the same time, and on a slow machine the first test of each would run
out of its own time.
"""

from __future__ import annotations

from hedgekit.backtest import run
from hedgekit.backtest.events import run_events
from tests.core.core_made import DAILY, daily_tape, params


def main() -> None:
    """Run a small backtest, with its money and its words, and its replay event by event."""
    print("hedgekit: compiling the core, minutes the first time ...", flush=True)
    tape, numbers = daily_tape(2, 200), params(**DAILY)
    done = run(tape, numbers)
    if not len(done.curves.hedged) or not len(done.tables.equity) or not len(done.trades) or not len(run_events(tape, numbers).decisions):
        msg = "the backtest that compiles the core did nothing: give it a longer tape"
        raise SystemExit(msg)


if __name__ == "__main__":
    main()
