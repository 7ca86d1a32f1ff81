"""An executed notebook as one HTML file that asks nothing of the network.

nbconvert's own pages load require.js, MathJax and mermaid from CDNs, and every
bokeh output carries BokehJS again. Here nbconvert renders the cells only; the
page around them is ours, BokehJS stands in it once, mathematics is MathML, which
browsers draw by themselves, and a content security policy forbids the browser to
load anything, so "offline" is not a promise but a property of the file.

The page follows the reader's system, light or dark; plots too. Paper is white.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import nbformat
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode

from hedgekit.report.embed import behaviour, bokehjs, css
from hedgekit.report.maths import mathml

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{css}</style>
<script>{bokehjs}</script>
</head>
<body>
<main>
{body}
</main>
<script>{behaviour}</script>
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


class _Renderer(IPythonRenderer):
    """Prose to HTML, its mathematics to MathML."""

    def inline_math(self, body: str) -> str:
        return mathml(body)

    def block_math(self, body: str) -> str:
        return mathml(body, block=True)

    def latex_environment(self, name: str, body: str) -> str:
        return mathml(rf"\begin{{{name}}}{body}\end{{{name}}}", block=True)


class _Exporter(HTMLExporter):
    def default_filters(self) -> Iterator[tuple[str, Any]]:
        yield from super().default_filters()  # type: ignore[no-untyped-call] # nbconvert has no types
        yield "markdown2html", lambda source: MarkdownWithMath(renderer=_Renderer(escape=False, exclude_anchor_links=True)).render(source)


@cache
def _exporter() -> _Exporter:
    return _Exporter(template_name="basic", **_EXPORT)  # type: ignore[no-untyped-call] # as above


def prepare() -> None:
    """Read and compile the templates, which the first page would."""
    page(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("$x$")]), title="")


def page(node: NotebookNode, *, title: str) -> str:
    """Return the whole page of an executed notebook: outputs and prose, without code.

    Parameters
    ----------
    node : NotebookNode
        An executed notebook; plots in it were made by :func:`~hedgekit.report.embed.show`.
    title : str
        The page's title.
    """
    body, _ = _exporter().from_notebook_node(_without_widgets(node))
    body = re.sub(r"(\s*\n){3,}", "\n\n", body)
    js = bokehjs() if "hk-plot" in body else ""
    return _PAGE.format(policy=_POLICY, title=html.escape(title), css=css(), bokehjs=js, body=body, behaviour=behaviour() if js else "")


def _without_widgets(node: NotebookNode) -> NotebookNode:
    """Return a copy without widget state, which would ask for scripts from a CDN."""
    copy = NotebookNode(node)
    copy.metadata = NotebookNode({k: v for k, v in node.metadata.items() if k != "widgets"})
    return copy
