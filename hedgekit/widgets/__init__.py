"""What a notebook shows while something runs: the live plot, and panels made of it."""

from __future__ import annotations

from hedgekit.widgets.live import LivePlot
from hedgekit.widgets.paper_desk import PaperDesk

__all__ = ["LivePlot", "PaperDesk"]
