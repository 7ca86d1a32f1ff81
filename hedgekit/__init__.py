"""hedgekit: hedged mean reversion, from the notebook to a verdict with intervals.

The names below are the whole public surface; each is loaded when first used, so
that importing hedgekit costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hedgekit.backtest import Backtest
    from hedgekit.backtest import run as run_backtest
    from hedgekit.backtest.events import run_events
    from hedgekit.backtest.sweep import sweep
    from hedgekit.backtest.walk import cross_validate, walk_forward
    from hedgekit.data import Market, SyntheticBinary, SyntheticMarket, Tape, load_books, load_closes, load_sample, tape_from_closes
    from hedgekit.errors import ConfigError, DataError, HedgekitError, JournalError, ReportError, SessionError, VenueError
    from hedgekit.exchange import FillModel
    from hedgekit.hedger import Hedger
    from hedgekit.journal import Journal
    from hedgekit.params import Params
    from hedgekit.report import run_report, summarise
    from hedgekit.stats.breaks import revalidate
    from hedgekit.stats.fit import RatioFit
    from hedgekit.stats.screen import Screen, screen
    from hedgekit.tca import calibrate, compare
    from hedgekit.types import Decision, Evidence, Fees, HedgePlan, Instrument
    from hedgekit.verdict import Verdict, assess

_HOME = {
    "Backtest": "backtest",
    "ConfigError": "errors",
    "DataError": "errors",
    "Decision": "types",
    "Evidence": "types",
    "Fees": "types",
    "FillModel": "exchange",
    "HedgePlan": "types",
    "HedgekitError": "errors",
    "Hedger": "hedger",
    "Instrument": "types",
    "Journal": "journal",
    "JournalError": "errors",
    "Market": "data",
    "Params": "params",
    "RatioFit": "stats.fit",
    "ReportError": "errors",
    "Screen": "stats.screen",
    "SessionError": "errors",
    "SyntheticBinary": "data",
    "SyntheticMarket": "data",
    "Tape": "data",
    "VenueError": "errors",
    "Verdict": "verdict",
    "assess": "verdict",
    "calibrate": "tca",
    "compare": "tca",
    "cross_validate": "backtest.walk",
    "load_books": "data",
    "load_closes": "data",
    "load_sample": "data",
    "revalidate": "stats.breaks",
    "run_backtest": "backtest",
    "run_events": "backtest.events",
    "run_report": "report",
    "screen": "stats.screen",
    "summarise": "report",
    "sweep": "backtest.sweep",
    "tape_from_closes": "data",
    "walk_forward": "backtest.walk",
}

__all__ = [
    "Backtest",
    "ConfigError",
    "DataError",
    "Decision",
    "Evidence",
    "Fees",
    "FillModel",
    "HedgePlan",
    "HedgekitError",
    "Hedger",
    "Instrument",
    "Journal",
    "JournalError",
    "Market",
    "Params",
    "RatioFit",
    "ReportError",
    "Screen",
    "SessionError",
    "SyntheticBinary",
    "SyntheticMarket",
    "Tape",
    "VenueError",
    "Verdict",
    "assess",
    "calibrate",
    "compare",
    "cross_validate",
    "load_books",
    "load_closes",
    "load_sample",
    "revalidate",
    "run_backtest",
    "run_events",
    "run_report",
    "screen",
    "summarise",
    "sweep",
    "tape_from_closes",
    "walk_forward",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    """Load a public name when it is first used."""
    if name not in _HOME:
        msg = f"module 'hedgekit' has no attribute {name!r}"
        raise AttributeError(msg)
    attribute = "run" if name == "run_backtest" else name
    value = getattr(import_module(f"hedgekit.{_HOME[name]}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
