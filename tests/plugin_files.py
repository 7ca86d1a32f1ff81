"""Module files that tests hand to hedgekit as a user's own."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np

from hedgekit.plugins.apart import Apart
from hedgekit.plugins.module import read
from tests.core.core_made import ou_pair

MIDS = np.exp(ou_pair(3, 400))
"""400 bars of both legs, for a module to look at."""

HONEST = """
import numpy as np

BARS = 20


def scores(mids):
    spread = np.log(mids[:, 0]) - np.log(mids[:, 1])
    z = np.full(len(spread), np.nan)
    for bar in range(BARS - 1, len(spread)):
        window = spread[bar - BARS + 1 : bar + 1]
        z[bar] = (window[-1] - window.mean()) / window.std(ddof=1)
    return z
"""
"""z of ln P - ln H over 20 bars."""

CENTRED = """
import numpy as np


def scores(mids):
    spread = np.log(mids[:, 0]) - np.log(mids[:, 1])
    return 100 * np.array([spread[bar] - spread[max(0, bar - 5) : bar + 6].mean() for bar in range(len(spread))])
"""
"""Distance from a mean of which half lies in the future."""

SLOPE = """
import numpy as np


def ratios(mids):
    p, h = np.diff(np.log(mids[-61:]), axis=0).T
    return {"ratio": float(p @ h / (h @ h)), "stderr": 0.25, "p_value": 0.001, "test": "by hand"}
"""
"""Slope of the newest 60 returns, with an interval and a p-value."""


def write(folder: Path, text: str, name: str = "mine.py") -> Path:
    """Write a module and return its path."""
    path = folder / name
    path.write_text(dedent(text))
    return path


def on_bars(which: str, action: str) -> str:
    """Return the honest module that does something else where the number of bars is ``which``: "== 50", "in (50, 60)"."""
    return HONEST.replace("def scores(mids):", f"def scores(mids):\n    if len(mids) {which}:\n        {action}")


def apart(folder: Path, text: str, **options: Any) -> Apart:
    """Start a module in a process of its own."""
    return Apart(read(write(folder, text)), **options)
