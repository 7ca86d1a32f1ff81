"""An executed notebook as one HTML file that asks nothing of the network.

nbconvert's own pages load require.js, MathJax and mermaid from CDNs, and every
bokeh output carries BokehJS again. Here nbconvert renders the cells only; the
page around them is ours, BokehJS stands in it once, and a content security
policy forbids the browser to load anything, so "offline" is not a promise but
a property of the file.
"""

from __future__ import annotations

import html
import json
import os
import re
import uuid
from functools import cache
from pathlib import Path

import bokeh
from bokeh.core.types import ID
from bokeh.embed import json_item
from bokeh.model import Model
from IPython.display import HTML
from nbconvert import HTMLExporter
from nbformat import NotebookNode

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{css}</style>
<script>{bokehjs}</script>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
_EXPORT = {
    "exclude_input": True,
    "exclude_input_prompt": True,
    "exclude_output_prompt": True,
    "exclude_anchor_links": True,
    "embed_images": True,
}


def page(node: NotebookNode, *, title: str) -> str:
    """Return the whole page of an executed notebook: outputs and prose, without code.

    Parameters
    ----------
    node : NotebookNode
        An executed notebook; plots in it were made by :func:`show`.
    title : str
        The page's title.
    """
    body, _ = HTMLExporter(template_name="basic", **_EXPORT).from_notebook_node(_without_widgets(node))
    body = re.sub(r"(\s*\n){3,}", "\n\n", body)
    js = bokehjs() if "hk-plot" in body else ""
    return _PAGE.format(policy=_POLICY, title=html.escape(title), css=css(), bokehjs=js, body=body)


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
def css() -> str:
    """Return the page's style sheet."""
    return Path(__file__).with_name("report.css").read_text(encoding="utf-8")


def _without_widgets(node: NotebookNode) -> NotebookNode:
    """Return a copy without widget state, which would ask for scripts from a CDN."""
    copy = NotebookNode(node)
    copy.metadata = NotebookNode({k: v for k, v in node.metadata.items() if k != "widgets"})
    return copy
