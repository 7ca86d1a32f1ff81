"""An executed notebook as one HTML file that asks nothing of the network.

nbconvert's own pages load require.js, MathJax and mermaid from CDNs, and every
bokeh output carries BokehJS again. Here nbconvert renders the cells only; the
page around them is ours, BokehJS stands in it once, and a content security
policy forbids the browser to load anything, so "offline" is not a promise but
a property of the file.
"""

from __future__ import annotations

import html
import re

from nbconvert import HTMLExporter
from nbformat import NotebookNode

from hedgekit.report.embed import bokehjs, css

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
<script>{paper}</script>
</body>
</html>
"""
_PAPER = """
addEventListener("beforeprint", () => fit("700px"));
addEventListener("afterprint", () => fit(""));
function fit(width) {
  for (const plot of document.querySelectorAll(".hk-plot")) plot.style.width = width;
  if (window.Bokeh) for (const view of Bokeh.index) view.resize_layout?.();
}
"""
"""Before paper, plots are laid out anew for its width: the browser alone would cut them off."""
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
        An executed notebook; plots in it were made by :func:`~hedgekit.report.embed.show`.
    title : str
        The page's title.
    """
    body, _ = HTMLExporter(template_name="basic", **_EXPORT).from_notebook_node(_without_widgets(node))
    body = re.sub(r"(\s*\n){3,}", "\n\n", body)
    js = bokehjs() if "hk-plot" in body else ""
    return _PAGE.format(policy=_POLICY, title=html.escape(title), css=css(), bokehjs=js, body=body, paper=_PAPER)


def _without_widgets(node: NotebookNode) -> NotebookNode:
    """Return a copy without widget state, which would ask for scripts from a CDN."""
    copy = NotebookNode(node)
    copy.metadata = NotebookNode({k: v for k, v in node.metadata.items() if k != "widgets"})
    return copy
