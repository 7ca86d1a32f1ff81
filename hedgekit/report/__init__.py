"""Reports: notebooks run in batch, each to one self-contained page and its figures; and all runs together.

Names are loaded when first used: the notebook's kernel needs neither papermill nor nbconvert.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hedgekit.report import act, activity, decided, moved, plots, revalidation, sections
    from hedgekit.report.carried import record
    from hedgekit.report.embed import show
    from hedgekit.report.index import write_index
    from hedgekit.report.matrix import run_matrix
    from hedgekit.report.parameters import notebook_of
    from hedgekit.report.run import ReportRun, run_notebook, run_report
    from hedgekit.report.session import Session, load, summarise
    from hedgekit.report.shelf import runs
    from hedgekit.report.summary import Book, Leg, Summary

_HOME = {
    "Book": "summary",
    "Leg": "summary",
    "ReportRun": "run",
    "Session": "session",
    "Summary": "summary",
    "load": "session",
    "notebook_of": "parameters",
    "record": "carried",
    "run_matrix": "matrix",
    "run_notebook": "run",
    "run_report": "run",
    "runs": "shelf",
    "show": "embed",
    "summarise": "session",
    "write_index": "index",
}

__all__ = [
    "Book",
    "Leg",
    "ReportRun",
    "Session",
    "Summary",
    "act",
    "activity",
    "decided",
    "load",
    "moved",
    "notebook_of",
    "plots",
    "record",
    "revalidation",
    "run_matrix",
    "run_notebook",
    "run_report",
    "runs",
    "sections",
    "show",
    "summarise",
    "write_index",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public object
    """Load a public name when it is first used."""
    if name in _HOME:
        return getattr(import_module(f"hedgekit.report.{_HOME[name]}"), name)
    if name in __all__:
        return import_module(f"hedgekit.report.{name}")
    msg = f"module 'hedgekit.report' has no attribute {name!r}"
    raise AttributeError(msg)
