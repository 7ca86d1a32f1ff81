"""Look into bokeh's models: what a figure shows, and in which words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from bokeh.models import HoverTool
from bokeh.models.annotations import Legend, Title
from bokeh.models.dom import HTML
from bokeh.models.renderers import GlyphRenderer
from bokeh.plotting import figure


def figures(layout: Any) -> list[Any]:
    """Return a layout's figures from the top down; of any type, as bokeh's own types know little of what a figure holds."""
    found = [model for model in layout.references() if isinstance(model, figure)]
    order = [model.id for model in _walk(layout)]
    return sorted(found, key=lambda plot: order.index(plot.id))


def _walk(model: Any) -> list[Any]:
    children = [child[0] if isinstance(child, tuple) else child for child in getattr(model, "children", [])]
    return [model, *(found for child in children for found in _walk(child))]


def titled(layout: Any, start: str) -> Any:
    """Return the one figure whose title starts so."""
    (found,) = [plot for plot in figures(layout) if plot.title.text.startswith(start)]
    return found


def named(plot: Any) -> dict[str, list[Any]]:
    """Return the legend: words, and the renderers that they name."""
    return {item.label.value: item.renderers for legend in plot.select(Legend) for item in legend.items}


def data(renderer: Any) -> dict[str, Any]:
    """Return what a renderer draws."""
    found: dict[str, Any] = renderer.data_source.data
    return found


def notes(plot: Any) -> list[str]:
    """Return the lines between title and data, from the top down."""
    return [str(model.text) for model in reversed(plot.above) if isinstance(model, Title)]


def text(layout: Any) -> str:
    """Return every word of titles, notes and texts in a layout."""
    drawn = [str(word) for r in layout.references() if isinstance(r, GlyphRenderer) for word in data(r).get("said", [])]
    prose = [part for model in layout.references() if isinstance(model, HTML) for part in model.html]
    return " | ".join([*prose, *(line for plot in figures(layout) for line in (plot.title.text, *notes(plot))), *drawn])


def tips(plot: Any) -> str:
    """Return all that hover tells."""
    return " ".join(f"{name} {form}" for tool in plot.select(HoverTool) for name, form in tool.tooltips)


def ms(times: Any) -> np.ndarray:
    """Return timestamps as bokeh's milliseconds."""
    return np.array([pd.Timestamp(time).value / 1e6 for time in times])
