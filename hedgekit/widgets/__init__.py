"""What a notebook shows: the live plot, explorers that follow a slider, and the paper desk."""

from __future__ import annotations

from hedgekit.widgets.backtest_explorer import BacktestExplorer
from hedgekit.widgets.live import LivePlot
from hedgekit.widgets.paper_desk import PaperDesk
from hedgekit.widgets.ratio_explorer import RatioExplorer
from hedgekit.widgets.screen_table import ScreenTable
from hedgekit.widgets.signal_explorer import SignalExplorer
from hedgekit.widgets.structure_explorer import StructureExplorer

__all__ = ["BacktestExplorer", "LivePlot", "PaperDesk", "RatioExplorer", "ScreenTable", "SignalExplorer", "StructureExplorer"]
