"""Plots in a notebook's output: each cell keeps only its figure's data, BokehJS comes once with the page."""

from __future__ import annotations

import html
import json
import os
import uuid
from functools import cache
from pathlib import Path

import bokeh
from bokeh.core.types import ID
from bokeh.embed import json_item
from bokeh.model import Model
from IPython.display import HTML


def show(model: Model, *, label: str = "") -> HTML:
    """Return a bokeh figure or layout as a cell's output: its data only, BokehJS comes with the page.

    In a notebook that a person runs (not :func:`~hedgekit.report.run_report`), the output brings BokehJS along.

    Parameters
    ----------
    model : bokeh Model
        What to draw.
    label : str
        What the picture shows, in words, for those who cannot see it.
    """
    target = f"hk{uuid.uuid4().hex[:12]}"
    item = json.dumps(json_item(model, ID(target)), separators=(",", ":")).replace("<", "\\u003c")
    loader = "" if os.environ.get("HEDGEKIT_REPORT") else f"<style>{css()}</style><script>if(!window.Bokeh){{{bokehjs()}}}</script>"
    return HTML(
        f'{loader}<div id="{target}" class="hk-plot" role="img" aria-label="{html.escape(label)}"></div>'
        f'<script>Bokeh.embed.embed_item({item},"{target}")</script>'
    )


@cache
def bokehjs() -> str:
    """Return BokehJS (its core: figures and layouts), fit to stand inside a script element."""
    source = Path(bokeh.__file__).parent / "server" / "static" / "js" / "bokeh.min.js"
    return source.read_text(encoding="utf-8").replace("</script", "<\\/script")


@cache
def behaviour() -> str:
    """Return what the page does: plots as dark or light as the reader's system, and laid out anew for paper."""
    return Path(__file__).with_name("report.js").read_text(encoding="utf-8")


@cache
def css() -> str:
    """Return the page's style sheet."""
    return Path(__file__).with_name("report.css").read_text(encoding="utf-8")
