"""Plots in a notebook's output are as dark or light as JupyterLab, and follow it."""

from __future__ import annotations

from collections.abc import Callable

from tests.lab import LabPage

CELL = """
from bokeh.plotting import figure
from hedgekit.report import show
p = figure(title="a title", height=200, width=400)
p.line([1, 2], [1, 2], color="#111111")
show(p, label="a line")
"""

TEXT = "print('a word')"

LOOK = """
JSON.stringify(['.jp-Notebook h2', '.jp-Notebook pre', '.jp-Notebook p', '.jp-Notebook a', '.jp-Notebook ul', 'body'].map(name => {
const s = getComputedStyle(document.querySelector(name));
return [s.backgroundColor, s.font, s.color, s.borderTop, s.margin, s.padding, s.maxWidth] }))
"""

GROUND = "getComputedStyle(document.body).getPropertyValue('--jp-layout-color0').trim()"
MODELS = "[...Bokeh.index].flatMap(view => [...view.model.references()])"
PAINTED = f"(() => {{ const all = {MODELS}; return all.some(m => m.type === 'Figure' && m.background_fill_color === {GROUND}) }})()"
LINE = f"{MODELS}.filter(m => m.type === 'Line').map(m => m.line_color.value ?? m.line_color)"


def test_a_plot_is_as_dark_as_the_page_and_follows_it(notebook: Callable[..., LabPage]) -> None:
    page = notebook([CELL])
    page.run_all()
    for theme, ink in (("Light", "#111111"), ("Dark", "#e6e9ee"), ("Light", "#111111")):
        page.theme(theme)
        page.until(f"window.Bokeh && {PAINTED}")
        assert ink in page.js(LINE)


def test_a_plot_brings_no_style_for_the_rest_of_the_page(notebook: Callable[..., LabPage]) -> None:
    page = notebook(["#md ## A heading\n\nWords, [a link](https://example.com)\n\n- a point", TEXT, CELL])
    page.run(1)
    before = page.js(LOOK)
    page.run(2)
    page.until(f"window.Bokeh && {PAINTED}")
    assert page.js(LOOK) == before
