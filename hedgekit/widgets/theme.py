"""Bokeh themes for JupyterLab's light and dark pages: quiet lines, readable words, nothing white on a dark page."""

from __future__ import annotations

from typing import Any

from bokeh.themes import Theme


def _theme(paper: str, ink: str, faint: str, line: str) -> Theme:
    axis: dict[str, Any] = {
        "axis_line_color": line,
        "major_tick_line_color": line,
        "minor_tick_line_color": None,
        "major_label_text_color": ink,
        "axis_label_text_color": ink,
        "axis_label_text_font_style": "normal",
        "axis_label_text_font_size": "12px",
        "major_label_text_font_size": "11px",
    }
    return Theme(
        json={
            "attrs": {
                "Plot": {
                    "background_fill_color": paper,
                    "border_fill_color": paper,
                    "outline_line_color": line,
                },
                "Grid": {"grid_line_color": faint},
                "Axis": axis,
                "Title": {"text_color": ink},
                "Legend": {
                    "background_fill_color": paper,
                    "border_line_color": None,
                    "label_text_color": ink,
                },
            }
        }
    )


LIGHT = _theme("#ffffff", "#24292f", "#e8eaed", "#9aa0a6")
DARK = _theme("#111111", "#dddddd", "#2b2b2b", "#777777")
