"""How an executed notebook's outputs carry figures for programs."""

from __future__ import annotations

SUMMARY_MIME = "application/vnd.hedgekit.summary"
"""A session's summary, as text."""
PLAN_MIME = "application/vnd.hedgekit.plan"
"""A plan file, as text."""
METRICS_MIME = "application/vnd.hedgekit.metrics+json"
"""Figures and curves."""
