"""The session report: one self-contained page from a journal, and its figures in plain text.

Names are loaded when first used: the notebook's kernel needs neither papermill nor nbconvert.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hedgekit.report import activity, plots, sections
    from hedgekit.report.embed import show
    from hedgekit.report.run import ReportRun, run_report, template_path
    from hedgekit.report.session import Session, load, summarise
    from hedgekit.report.summary import Book, Leg, Summary

_HOME = {
    "Book": "summary",
    "Leg": "summary",
    "ReportRun": "run",
    "Session": "session",
    "Summary": "summary",
    "load": "session",
    "run_report": "run",
    "show": "embed",
    "summarise": "session",
    "template_path": "run",
}

__all__ = [
    "Book",
    "Leg",
    "ReportRun",
    "Session",
    "Summary",
    "activity",
    "load",
    "plots",
    "run_report",
    "sections",
    "show",
    "summarise",
    "template_path",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    """Load a public name when it is first used."""
    if name in _HOME:
        return getattr(import_module(f"hedgekit.report.{_HOME[name]}"), name)
    if name in __all__:
        return import_module(f"hedgekit.report.{name}")
    msg = f"module 'hedgekit.report' has no attribute {name!r}"
    raise AttributeError(msg)
