"""What the panes of the paper desk say, without a browser: sentences, figures with units, warnings, and what they keep."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pytest
from bokeh.models import GlyphRenderer, Legend

from hedgekit.alerts import Alert
from hedgekit.desk import State, Status
from hedgekit.journal.news import BAR_COLUMNS, CommandRow, DecisionRow, FillRow, News, PlanRow, Standing, WorkingOrder
from hedgekit.paper.gauges import Allowance, Gauges
from hedgekit.params import Params
from hedgekit.types import NS, Action, Instrument, Reason
from hedgekit.widgets.panes import alerts, status, words
from hedgekit.widgets.panes.blotter import Blotter
from hedgekit.widgets.panes.feed import ROWS, SENTENCES, Feed, sentence
from hedgekit.widgets.panes.figures import paper_figures, slip_bps

NOW = Standing("s", started_ns=0, instruments=(Instrument("ALPACA", "KO"),), positions={"ALPACA:KO": Decimal(3)})
NO_BARS = {name: np.empty(0) for name in BAR_COLUMNS}


def decision(action: str, reason: str, ts: float = 0.0, trade: int = 1, **money: float) -> DecisionRow:
    return DecisionRow(ts, action, reason, "open", trade, 1.5, money.get("cost", 0.0), money.get("benefit", 0.0), 0, 0)


def news(**rows: object) -> News:
    return News(NOW, NO_BARS, **rows)  # type: ignore[arg-type] - rows as named


def test_a_skip_says_what_adjusting_costs_and_what_it_is_worth() -> None:
    """The issue's own example."""
    said = sentence(decision("skip", "cost_exceeds_benefit", cost=0.031, benefit=0.012))
    assert said == "held: adjusting costs 3.1 c, removes 1.2 c of risk"


def test_every_sentence_is_of_a_decision_that_can_be() -> None:
    actions, reasons = {str(one) for one in Action}, {str(one) for one in Reason}
    assert not [key for key in SENTENCES if key[0] not in actions or key[1] not in reasons]
    assert sentence(decision("hold", "plan_revised")) == "hold: plan revised", "what has no sentence is told in the code's words"


@pytest.mark.parametrize(
    ("value", "said"), [(0.031, "3.1 c"), (-0.5, "-50.0 c"), (1.2, "$1.20"), (-12_345.6, "-$12,346"), (math.nan, "n/a"), (0.0, "0.0 c")]
)
def test_small_amounts_have_their_unit(value: float, said: str) -> None:
    assert words.small(value) == said


@pytest.mark.parametrize(("ms", "said"), [(None, words.NONE), (0.4, "0.4 ms"), (999.9, "999.9 ms"), (114_061.0, "114.1 s")])
def test_a_latency_of_seconds_is_told_in_seconds(ms: float | None, said: str) -> None:
    assert words.latency(ms) == said


def test_the_feed_counts_what_repeats_and_tells_a_hold_once_a_trade() -> None:
    feed = Feed()
    skip = [decision("skip", "cost_exceeds_benefit", ts=float(n), cost=n / 100, benefit=0.001) for n in range(1, 4)]
    assert feed.take(news(decisions=tuple(skip)))
    assert "adjusting costs 3.0 c, removes 0.1 c of risk (3 times)" in feed.html()
    waits = decision("hold", "wait_target", ts=5.0)
    assert feed.take(news(holds=(waits,)))
    assert not feed.take(news(holds=(waits,)))
    assert feed.take(news(holds=(decision("hold", "wait_target", ts=6.0, trade=2),)))
    for n in range(2 * ROWS):
        feed.take(news(decisions=(decision("open", "entry", ts=10.0 + n, trade=10 + n),)))
    assert feed.html().count("<tr>") == ROWS + 1


def test_the_feed_tells_commands_plans_and_refusals_in_order() -> None:
    feed = Feed()
    feed.take(
        news(
            commands=(CommandRow(3.0, "set", "r", {"entry": 2.5}), CommandRow(4.0, "set", "r", {}, "entry=99: <b>too much</b>")),
            plans=(PlanRow(1.0, 0.8123, 0.02, 250, "ols", 0.0, 0.003, None),),
            decisions=(decision("close", "flatten", ts=2.0),),
        )
    )
    page = feed.html()
    told = [
        "refused: entry=99: &lt;b&gt;too much",
        "set entry to 2.5",
        "closed both legs",
        "new hedge ratio 0.812 ± 0.020 from 250 bars (p 0.003)",
    ]
    assert [page.index(text) for text in told] == sorted(page.index(text) for text in told), "the latest first"


def health(**changes: object) -> str:
    now = Standing("s", started_ns=0, params={"naked_limit_s": 60.0, "notional": 1_000.0}, **changes)  # type: ignore[arg-type] - as named
    running = Status(session="s", account="a", market="m", speed=None, started_ns=0, state=State.RUNNING)
    return status.health(running, now, Gauges(100 * NS, 0, (Allowance("ALPACA", "all", 4, 50, 2),)), 101 * NS)


def warned(page: str) -> list[str]:
    """Return the names of the figures that are marked."""
    return [part.split("<span>")[1].split("</span>")[0] for part in page.split('<div class="cell')[1:] if part.startswith(" warn")]


def test_health_figures_have_units_and_warn_when_they_should() -> None:
    well = health(last_quote_recorded_ns=100 * NS, last_recorded_ns=100 * NS, latency_p95_ms=31.25, links={"ALPACA": "up"}, naked=2_500.0)
    for said in ("1.0 s", "31.2 ms", "4 of 50, 2 wait", "closed, heard", "2.5 of 60 s"):
        assert said in well
    assert warned(well) == ["request budget"], "less than a tenth is left"
    ill = health(last_quote_recorded_ns=90 * NS, last_recorded_ns=90 * NS, links={"ALPACA": "frozen"}, naked=61_000.0, behind=5)
    assert warned(ill) == ["feed age", "request budget", "breaker", "naked leg", "journal lag", "still to read"]
    shut = health(last_quote_recorded_ns=0, last_recorded_ns=0, links={"A": "up", "B": "down"}, shut={"A:KO": "closed"})
    assert "A closed, heard, B OPEN, venue silent, KO closed" in shut
    assert "feed age" not in warned(shut), "a market that is shut says nothing, and need not"


def test_the_blotter_shows_what_works_and_what_filled() -> None:
    fill = FillRow(0.0, 7, 1, "hedge", "ALPACA:PEP", -5.0, 99.0, 0.1, 100.0, 5.0, "o")
    order = WorkingOrder("o", 0.0, 7, 0, "primary", "ALPACA:KO", 10.0, 4.0, 50.0, "partially_filled", cancelling=True)
    blotter = Blotter()
    assert blotter.take(News(Standing("s", working=(order,)), NO_BARS, fills=(fill,)))
    page = blotter.html()
    assert "partially filled, cancel asked" in page
    assert page.index("+10") < page.index("-5")
    assert not blotter.take(News(Standing("s", working=(order,)), NO_BARS))
    assert blotter.take(News(Standing("s"), NO_BARS)), "the order is over"
    assert slip_bps(fill) == pytest.approx(100.0), "sold a percent too low: paid"


def alert(rule: str, severity: str, edge: str = "raised") -> Alert:
    about = {"session": "s", "subject": "", "ts_ns": 0, "record": 1, "text": f"{rule} is so"}
    return Alert(id=rule, rule=rule, severity=severity, edge=edge, **about)  # type: ignore[arg-type] - as named


def test_the_critical_alert_comes_first_and_all_are_kept() -> None:
    line = alerts.active([alert("delta", "warning"), alert("breaker", "critical")])
    assert line.index("CRITICAL breaker") < line.index("WARNING delta")
    assert 'role="alert"' in line
    kept = alerts.Alerts()
    assert kept.take([alert("delta", "warning"), alert("delta", "warning", "cleared")])
    assert (kept.raised, kept.take([])) == (1, False)
    assert kept.html().index("cleared") < kept.html().index("raised")


def test_legends_name_nothing_that_streams() -> None:
    """BokehJS builds a legend anew, and the page's layout with it, at each change of what the legend names."""
    figures = paper_figures(Params.make())
    streams = {source.id for source in figures.sources.values()}
    legends = list(figures.layout.select({"type": Legend}))
    named = [renderer for legend in legends for item in legend.items for renderer in item.renderers]
    assert (len(legends), len(named)) == (3, 10)
    assert not streams & {renderer.data_source.id for renderer in named}
    assert all(len(renderer.data_source.data["x"]) == 1 for renderer in named), "of an empty source no symbol is drawn"
    live = [renderer for renderer in figures.layout.select({"type": GlyphRenderer}) if renderer.data_source.id in streams]
    same = {(type(r.glyph).__name__, r.glyph.line_color, getattr(r.glyph, "marker", "")) for r in named}
    assert same <= {(type(r.glyph).__name__, r.glyph.line_color, getattr(r.glyph, "marker", "")) for r in live}, "it shows what is drawn"
