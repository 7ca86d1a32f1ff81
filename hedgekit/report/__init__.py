"""The session report: one self-contained page from a journal, and its figures in plain text."""

from __future__ import annotations

from hedgekit.report.html import show
from hedgekit.report.run import ReportRun, run_report, template_path
from hedgekit.report.session import Session, load, summarise
from hedgekit.report.summary import Book, Leg, Summary

__all__ = ["Book", "Leg", "ReportRun", "Session", "Summary", "load", "run_report", "show", "summarise", "template_path"]
