"""Reversion on the real Polymarket books that come with hedgekit, through a sandboxed Polymarket: at mid beside at the book.

python -m tests.paper.polymarket_books          # all twelve markets, some minutes
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from hedgekit.data import SampledBooks, load_books
from hedgekit.tca import executable
from tests.paper.polymarket_rig import agree, sandbox

PARAMS: dict[str, Any] = {
    "structure": "unhedged",
    "signal": "price",
    "lookback": 60,
    "bar_s": 1.0,
    "entry": 2.0,
    "target": 0.5,
    "stop": 3.5,
    "notional": 10.0,
    "slippage_buffer": 0.0,
    "fit_bars": 240,
    "refit_bars": 10_000,
    "max_quote_age_s": 5.0,
    "interval_s": 1.0,
    "evidence_override": "recorded contracts: what is shown is what a spread costs",
}
"""As the notebook on backtests and ``tests/test_event_replay.py`` have it, which hear and trade the same books without a venue."""


def played(market: SampledBooks, folder: Path, *, options: Sequence[str] = (), **params: Any) -> tuple[pd.DataFrame, float]:
    """Return every trade of a session on one market, and what its cash says it made."""
    with sandbox(folder, market, options=options) as rig:
        done = rig.run(rig.config(params=PARAMS | params))
        assert done.returncode == 0, done.stderr
        made = agree(rig)["made"]
    with rig.journal() as journal:
        return executable(journal, market.books()), float(made)


def main() -> None:
    """Play all markets, and print what they made."""
    found = {}
    for market in load_books():
        with tempfile.TemporaryDirectory() as folder:
            found[market], _ = played(SampledBooks(market), Path(folder))
    trades = pd.concat(found)
    money = trades[["pnl_mid", "delay", "spread", "fee", "pnl_book"]]
    table = pd.DataFrame({"$ in all": money.sum(), "cents a contract": 100 * money.div(trades["qty"].abs(), axis=0).mean()})
    print(f"{len(trades)} trades in {len(found)} markets\n{table.round(3).to_string()}", file=sys.stdout)  # noqa: T201 - asked for


if __name__ == "__main__":
    main()
