"""Fragments of HTML that stand alone: in the desk's words, each with the style that a panel writes once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hedgekit.widgets.panes import words
from hedgekit.widgets.panes.words import NONE

__all__ = ["NONE", "page", "table"]


def page(body: str, label: str) -> str:
    """Return a fragment in the desk's style; ``label`` is for screen readers."""
    return words.STYLE + words.page(body, label)


def table(title: str, columns: Mapping[str, bool], rows: Sequence[Sequence[str]], none: str) -> str:
    """Return a table; ``columns`` maps each heading to whether it holds text (left) or a number (right)."""
    return words.STYLE + words.table(title, {name: "t" if text else "" for name, text in columns.items()}, rows, none)
