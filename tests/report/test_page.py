"""The report as a reader gets it: a file opened from disk in a browser without a network."""

from __future__ import annotations

import re
import time

import pytest

from hedgekit.report import ReportRun, Session
from hedgekit.report.embed import bokehjs
from hedgekit.report.words import bp, count, figure_of, interval_of, money, prob
from tests.browser import OfflinePage

PLOTS = 6
FIGURES = 8  # profit and signal have two each

INK = """() => {
  const canvases = [];
  const walk = node => { if (node.shadowRoot) walk(node.shadowRoot);
    for (const child of node.children ?? []) { if (child.tagName === "CANVAS") canvases.push(child); walk(child); } };
  return [...document.querySelectorAll(".hk-plot")].map(plot => {
    canvases.length = 0; walk(plot);
    return canvases.filter(c => c.width > 300 && c.height > 40).map(c => {
      const data = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
      let ink = 0;
      for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 0 && data[i] + data[i + 1] + data[i + 2] < 700) ink++;
      return ink; });
  });
}"""


@pytest.fixture
def opened(report: ReportRun, offline_page: OfflinePage) -> OfflinePage:
    offline_page.page.goto(report.path_html.as_uri())
    end = time.monotonic() + 30  # the page's policy forbids eval, which playwright's own waiting needs
    while offline_page.page.evaluate("window.Bokeh ? [...Bokeh.index].filter(view => view.is_idle).length : 0") < PLOTS:
        assert time.monotonic() < end, "the plots did not come to rest"
        offline_page.page.wait_for_timeout(100)
    return offline_page


def test_every_plot_is_painted_and_nothing_is_asked_of_the_network(opened: OfflinePage) -> None:
    page, requests, errors = opened
    assert requests == []
    assert errors == []
    ink = [max(plot) for plot in page.evaluate(INK)]
    assert len(ink) == PLOTS
    assert min(ink) > 1_000  # axes alone are a few hundred
    models = "[...Bokeh.index].flatMap(view => [...view.model.references()])"
    assert page.evaluate(f"{models}.filter(model => model.type === 'Figure').length") == FIGURES


def test_the_page_names_itself_and_forbids_loading(opened: OfflinePage) -> None:
    assert opened.page.title() == "made: session report"
    assert opened.page.evaluate("document.documentElement.lang") == "en"
    assert "default-src 'none'" in opened.page.evaluate("document.querySelector('meta[http-equiv]').content")


def test_nothing_in_the_file_points_to_a_network(report: ReportRun) -> None:
    whole = report.path_html.read_text()
    ours = whole.replace(bokehjs(), "")
    assert len(whole) - len(ours) == len(bokehjs())  # BokehJS is there, once
    for pattern in (r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", r"<(?:script|img|iframe)[^>]*\ssrc=|<link|@import|@font-face"):
        assert re.findall(pattern, ours) == []
    assert re.findall(r"mathjax|require\.min|mermaid|unpkg|jsdelivr", ours, re.IGNORECASE) == []
    assert ours.count("Bokeh.embed.embed_item") == PLOTS
    assert len(whole) < 3_000_000


def test_the_page_does_not_overflow_a_phone(report: ReportRun, offline_page: OfflinePage) -> None:
    offline_page.page.set_viewport_size({"width": 400, "height": 800})
    offline_page.page.goto(report.path_html.as_uri())
    assert offline_page.page.evaluate("document.documentElement.scrollWidth") <= 400


def test_figures_on_the_page_are_those_of_the_summary(opened: OfflinePage, report: ReportRun, read: Session) -> None:
    m, text = report.summary, opened.page.inner_text("main")
    assert m == read.summary
    assert f"{m.primary.symbol} hedged with {m.hedge.symbol}" in text
    for book in (m.hedged, m.unhedged):
        assert all(money(value) in text for value in (book.pnl, book.gross, book.drawdown))
    for leg in (m.primary, m.hedge):
        assert all(money(value) in text for value in (leg.traded, leg.spread, leg.fees, leg.slippage))
        assert bp(leg.costs / leg.traded) in text
    for gauge in m.gauges:
        row = opened.page.locator(f"tr:has(b:text-is('{gauge.rule}'))").inner_text()
        assert figure_of(gauge.value, gauge.unit) in row
        assert all(part in row for part in (interval_of(gauge), gauge.target, count(gauge.n), gauge.result))
    assert all(part in text for part in (m.digest, m.economic_digest, prob(m.evidence.p_value), m.result))
    orders = opened.page.locator("tr.total", has_text="both").filter(has_text=count(m.fills)).last.inner_text()
    assert [count(n) in orders.split() for n in (m.orders, m.filled, m.rejected, m.fills, m.partial_fills)] == [True] * 5


def test_what_a_journal_says_is_text_and_never_markup(opened: OfflinePage) -> None:
    text = opened.page.inner_text("main")
    assert "<honest> failures" in text  # the override
    assert "insufficient <buying> power" in text  # the venue's message
    assert opened.page.locator("honest, buying").count() == 0


def test_the_kernel_has_nothing_to_complain_about(opened: OfflinePage) -> None:
    assert opened.page.locator(".output_stderr, .output_error").count() == 0
    assert "arning" not in opened.page.inner_text("main")


def test_profit_at_mids_is_never_shown_alone(opened: OfflinePage, report: ReportRun) -> None:
    for book in (report.summary.hedged, report.summary.unhedged):
        tile = opened.page.locator(".hk-tile", has_text=f"{money(book.gross)} at mids").first.inner_text()
        assert money(book.pnl) in tile
