"""Mathematics in a report's prose: drawn by the browser itself, and never a way in for markup."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from hedgekit.report.html import page
from hedgekit.report.maths import mathml
from tests.browser import OfflinePage

PROSE = r"The ratio $\beta = \frac{\sigma_{ph}}{\sigma_h^2}$ costs $5 a day, and" + "\n\n" + r"$$z_t = \frac{s_t - \mu}{\sigma}$$" + "\n\n"
ENVIRONMENT = r"\begin{equation}a \leq b\end{equation}"


def test_formulas_are_drawn_offline(offline_page: OfflinePage, tmp_path: Path) -> None:
    node = nbformat.v4.new_notebook()
    node.cells = [nbformat.v4.new_markdown_cell(PROSE + ENVIRONMENT)]
    (tmp_path / "page.html").write_text(page(node, title="maths"), encoding="utf-8")
    view, requests, errors = offline_page
    view.goto((tmp_path / "page.html").as_uri())
    sizes = view.evaluate("[...document.querySelectorAll('math mfrac')].map(f => f.getBoundingClientRect().height)")
    assert len(sizes) == 2
    assert min(sizes) > 15  # a fraction is two lines high: it was laid out, not written
    assert view.evaluate("document.querySelectorAll('math').length") == 3
    assert view.evaluate("document.querySelectorAll('math[display=block]').length") == 2
    assert "frac" not in view.inner_text("main")
    assert (requests, errors) == ([], [])


@pytest.mark.parametrize("tex", [r"\frac{", r"\text{<b onclick=x>}", r"\href{javascript:alert(1)}{x}", "<script>alert(1)</script>"])
def test_what_is_no_formula_is_text(tex: str) -> None:
    made = mathml(tex)
    assert "<b" not in made
    assert "<script" not in made
    assert "href=" not in made
