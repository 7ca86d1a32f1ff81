"""Plots in a notebook's output: each cell keeps only its figure's data, BokehJS comes once with the page."""

from __future__ import annotations

import html
import json
import os
import uuid
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    from IPython.display import HTML  # noqa: PLC0415 - who only makes a page displays nothing

    if os.environ.get("HEDGEKIT_REPORT"):
        return HTML(drawn(model, label=label))
    loader = f"<style>{parts()}</style><script>if(!window.Bokeh){{{bokehjs()}}}\nif(!window.hkPaint){{{theme()}}}</script>"
    return HTML(loader + drawn(model, label=label, then=".then(()=>hkPaint())"))


def drawn(model: Model, *, label: str = "", then: str = "") -> str:
    """Return what draws a bokeh model on a page that has BokehJS already, and does ``then``."""
    from bokeh.core.types import ID  # noqa: PLC0415 - who only makes a page draws nothing
    from bokeh.embed import json_item  # noqa: PLC0415 - as above

    target = f"hk{uuid.uuid4().hex[:12]}"
    item = json.dumps(json_item(model, ID(target)), separators=(",", ":")).replace("<", "\\u003c")
    return (
        f'<div id="{target}" class="hk-plot" role="img" aria-label="{html.escape(label)}"></div>'
        f'<script>Bokeh.embed.embed_item({item},"{target}"){then}</script>'
    )


@cache
def bokehjs() -> str:
    """Return BokehJS (its core: figures and layouts), fit to stand inside a script element."""
    spec = find_spec("bokeh")
    assert spec is not None  # noqa: S101 - we depend on it
    assert spec.origin is not None  # noqa: S101 - a package's file
    source = Path(spec.origin).parent / "server" / "static" / "js" / "bokeh.min.js"
    return source.read_text(encoding="utf-8").replace("</script", "<\\/script")


@cache
def theme() -> str:
    """Return what paints plots as dark or light as the page that they stand on."""
    return Path(__file__).with_name("theme.js").read_text(encoding="utf-8")


@cache
def behaviour() -> str:
    """Return what a report's page does: plots as dark or light as the reader's system, and laid out anew for paper."""
    return theme() + Path(__file__).with_name("report.js").read_text(encoding="utf-8")


@cache
def parts() -> str:
    """Return the style sheet of what a report is made of; it touches nothing else of the page."""
    return Path(__file__).with_name("parts.css").read_text(encoding="utf-8")


@cache
def css() -> str:
    """Return the style sheet of a report's page."""
    return parts() + Path(__file__).with_name("report.css").read_text(encoding="utf-8")
