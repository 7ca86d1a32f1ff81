"""Recorded files for tests, written line by line."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec
import numpy as np

from hedgekit.data import Recorded

LEVELS = "ts,symbol,bid_px1,bid_sz1,ask_px1,ask_sz1,bid_px2,bid_sz2,ask_px2,ask_sz2"
TOP = "ts,symbol,bid,ask,bid_size,ask_size"
T0 = 1_767_623_400_000_000_000
"""2026-01-05T14:30:00Z."""

BOOKS = (
    "2026-01-05T14:30:00Z,KO,44.68,300,44.70,200,44.67,500,44.71,900",
    "2026-01-05T14:30:00Z,PEP,90.00,100,90.02,100,89.99,50,90.03,50",
    "2026-01-05T14:30:00.123456789Z,KO,44.69,10,44.70,200,,,44.71,900",
    "2026-01-05T14:30:02Z,PEP,,,90.02,100,,,,",
    "2026-01-05T14:30:03Z,KO,44.72,10,44.70,200,44.67,500,44.71,900",
    "2026-01-05T14:30:04Z,KO,44.70,10,44.70,200,44.67,500,44.71,900",
    "2026-01-05T14:30:04Z,PEP,90.00,100,90.02,100,89.99,50,90.03,50",
)
"""Two whole books, news of KO alone, PEP without a bid, KO crossed, KO locked beside a whole PEP."""


def write(folder: Path, *lines: str, name: str = "mine.csv") -> Path:
    """Write lines to a file, packed if its name ends in .gz."""
    content = "".join(f"{line}\n" for line in lines).encode()
    path = folder / name
    path.write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    return path


def recorded(folder: Path, *lines: str, name: str = "mine.csv", **changes: object) -> Recorded:
    """Return the recipe of a file with these lines."""
    return msgspec.structs.replace(Recorded(str(write(folder, *lines, name=name)), "KO", "PEP"), **changes)


def walking(folder: Path, rows: int, *, seed: int = 3, depth: int = 3, flawed: bool = True) -> Recorded:
    """Return a recorded pair that reverts, in thin books of several levels; ``flawed``: with one-sided, crossed and locked ones."""
    rng = np.random.default_rng(seed)
    hedge = 90.0 * np.exp(np.cumsum(0.002 * rng.standard_normal(rows)))
    spread = np.zeros(rows)
    for row in range(1, rows):
        spread[row] = 0.85 * spread[row - 1] + 0.004 * rng.standard_normal()
    mids = np.column_stack([45.0 * np.exp(spread) * hedge / 90.0, hedge])
    parts = [f"{side}_{what}{level}" for level in range(1, depth + 1) for side in ("bid", "ask") for what in ("px", "sz")]
    lines = [",".join(["ts", "symbol", *parts])]
    for row in range(rows):
        for leg, symbol in enumerate(("KO", "PEP")):
            if flawed and rng.random() < 0.05:
                continue  # no news
            bad = rng.choice(["", "no bid", "no ask", "crossed", "locked"], p=[0.88, 0.03, 0.03, 0.03, 0.03] if flawed else [1, 0, 0, 0, 0])
            lines.append(f"{T0 + row * 10**9},{symbol},{_book(rng, float(mids[row, leg]), depth, str(bad))}")
    return recorded(folder, *lines, fee_rate="0.0001")


def _book(rng: np.random.Generator, mid: float, depth: int, bad: str) -> str:
    bid = round(mid * 100) - 1
    ask = bid + {"crossed": -1, "locked": 0}.get(bad, 2)
    cells = []
    for level in range(depth):
        for side, ticks in (("bid", bid - level), ("ask", ask + level)):
            cells += ["", ""] if bad == f"no {side}" else [f"{ticks / 100:.2f}", str(rng.integers(1, 60))]
    return ",".join(cells)
