"""Figures in an alert's sentence."""

from __future__ import annotations

import pandas as pd


def money(value: float) -> str:
    """Return money: ``-$1,234``."""
    return f"{'-' if round(value) < 0 else ''}${abs(value):,.0f}"


def share(value: float | None) -> str:
    """Return a fraction: ``8.3%``."""
    return "unknown" if value is None else f"{value:.1%}"


def seconds(value: float) -> str:
    """Return a length of time: ``31 s``, ``12 min``, ``5.0 h``."""
    if value < 180:  # noqa: PLR2004 - three minutes
        return f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7_200 else f"{value / 3_600:.1f} h"  # noqa: PLR2004 - two hours


def day(ts_ns: int) -> str:
    """Return a time to the minute, UTC."""
    return f"{pd.Timestamp(ts_ns, unit='ns', tz='UTC'):%Y-%m-%d %H:%M} UTC"
