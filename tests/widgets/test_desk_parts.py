"""The parts of the paper desk by themselves, and the kernel's end of its plot: no session, no browser."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import ipywidgets as w
import numpy as np
import pytest
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure

from hedgekit.desk import State, Status
from hedgekit.desk.faults import Faulted
from hedgekit.journal.news import BAR_COLUMNS, FillRow, Mark, News, Standing
from hedgekit.paper.gauges import Allowance, Gauges
from hedgekit.params import IN_FLIGHT, Params
from hedgekit.types import NS
from hedgekit.widgets import LivePlot
from hedgekit.widgets.panes import controls, status
from hedgekit.widgets.panes.charts import CURVE, Charts
from hedgekit.widgets.panes.controls import BUTTONS, Controls
from hedgekit.widgets.panes.faults import SWITCHES, Faults
from hedgekit.widgets.panes.figures import DELTA_TITLE
from hedgekit.widgets.panes.numbers import Numbers
from hedgekit.widgets.panes.sessions import FOLLOW, MOST, Sessions

PARAMS = Params.make()


async def turn() -> None:
    """Let the loop do what waits."""
    for _ in range(3):
        await asyncio.sleep(0)


def button(panel: w.Widget, label: str) -> w.Button:
    found = [child for child in panel.children for child in getattr(child, "children", (child,))]
    return next(one for one in found if isinstance(one, w.Button) and one.description == label)


# ---------------------------------------------------------------- the buttons


async def test_what_cannot_be_undone_is_asked_first_and_no_answer_is_no(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls, "PATIENCE_S", 0.05)
    done: list[str] = []
    row = Controls(done.append, asyncio.get_running_loop())
    row.show(dict.fromkeys(BUTTONS, True) | {"restart": False, "resume": False, "close": False})
    button(row, "Pause").click()
    await turn()
    assert done == ["pause"], "that is not asked"
    for label in ("Flatten", "Stop", "Kill"):
        button(row, label).click()
        await turn()
        assert [child.description for child in row.children[1].children[1:]] == [f"Yes, {label.lower()}", "No"]
        button(row, "No").click()
        await turn()
        assert len(row.children[1].children) == 1
    button(row, "Kill").click()
    await turn()
    await asyncio.sleep(0.2)
    assert len(row.children[1].children) == 1, "a question that nobody answers goes away"
    button(row, "Flatten").click()
    await turn()
    yes = button(row, "Yes, flatten")
    row.show(dict.fromkeys(BUTTONS, False))
    assert len(row.children[1].children) == 1, "what is not allowed any more is not asked any more"
    yes.click()
    await turn()
    assert done == ["pause"]
    row.show(dict.fromkeys(BUTTONS, True))
    button(row, "Flatten").click()
    await turn()
    button(row, "Yes, flatten").click()
    await turn()
    assert done == ["pause", "flatten"]


async def test_a_place_in_the_row_shows_what_is_allowed_there() -> None:
    row = Controls(lambda _: None, asyncio.get_running_loop())
    labels = lambda: [(one.description, one.disabled) for one in row.children[0].children]  # noqa: E731 - looked at twice
    assert labels() == [("Start", True), ("Pause", True), ("Flatten", True), ("Stop", True), ("Kill", True)]
    row.show(dict.fromkeys(BUTTONS, False) | {"restart": True, "close": True, "resume": True})
    assert labels() == [("Restart", False), ("Resume", False), ("Flatten", True), ("Close", False), ("Kill", True)]


# ------------------------------------------------------- numbers and sessions


async def test_a_field_that_a_person_changed_keeps_what_was_typed() -> None:
    sent: list[dict[str, float]] = []
    pane = Numbers(sent.append, asyncio.get_running_loop())
    shown = PARAMS.model_dump()
    pane.show(shown, alive=True)
    fields = {part.description: part for row in pane.children[0].children for part in row.children if isinstance(part, w.FloatText)}
    assert set(fields) == set(IN_FLIGHT)
    fields["entry"].value = 3.0
    pane.show(shown | {"entry": 2.5, "stop": 5.0}, alive=True)
    assert (fields["entry"].value, fields["stop"].value) == (3.0, 5.0)
    assert pane.changed() == {"entry": 3.0}
    button(pane, "Apply").click()
    await turn()
    assert sent == [{"entry": 3.0}]
    button(pane, "Undo").click()
    await turn()
    assert (fields["entry"].value, pane.changed()) == (2.5, {})
    pane.show(shown, alive=False)
    assert button(pane, "Apply").disabled
    assert button(pane, "Undo").disabled


async def test_the_list_names_sessions_and_only_a_person_chooses() -> None:
    told: list[str] = []
    pane = Sessions(told.append, asyncio.get_running_loop(), "paper")
    many = [Status(session=f"s{n}", account="a", market="KO", speed=None, started_ns=n, state=State.ENDED) for n in range(MOST + 5)]
    pane.show(many, FOLLOW)
    (box,) = pane.children
    assert [name for _, name in box.options] == [FOLLOW, *(f"s{n}" for n in range(MOST))]
    assert box.options[1] == ("s0 · ended · KO", "s0")
    pane.show(many, "s44")
    await turn()
    assert (box.value, told) == ("s44", []), "one that is chosen is listed, however old"
    box.value = "s3"
    await turn()
    assert told == ["s3"]


async def test_faults_are_for_an_exchange_that_is_there() -> None:
    told: list[str] = []
    pane = Faults(told.append, asyncio.get_running_loop())
    pane.show([Faulted("r", 0, '{"op": "fault", "kind": "outage", "at": "now", "seconds": 120.0}', "too <late>")], alive=True)
    buttons = pane.children[0].children
    assert [one.description for one in buttons] == list(SWITCHES)
    assert not any(one.disabled for one in buttons)
    assert "outage (seconds 120)" in pane.children[1].value
    assert "too &lt;late&gt;" in pane.children[1].value
    buttons[2].click()
    await turn()
    assert told == [list(SWITCHES)[2]]
    pane.show([], alive=False)
    assert all(one.disabled for one in buttons)


# ------------------------------------------------------------------ the strips


def test_the_strip_shows_the_sessions_own_figures_and_marks_what_is_wrong() -> None:
    running = Status(session="s", account="a", market="KO", speed=20.0, started_ns=0, state=State.RUNNING)
    now = Standing(
        "s", started_ns=0, params={"tolerance": 0.05}, phase="open", paused=True, z=-1.234, delta=0.051, hedged=-12.4, unhedged=1_234.6
    )
    page = status.standing(running, now)
    for said in ("open, paused", "-1.23", "+5.1%", "-$12", "$1,235"):
        assert f"<b>{said}</b>" in page
    assert page.count("cell warn") == 1, "net delta is out of its corridor"
    killed = Status(session="s", account="a", market="KO", speed=None, started_ns=0, state=State.KILLED, detail="by SIGKILL", restarts=2)
    assert "cell warn" in status.standing(killed, None)
    assert "KILLED, restarted 2 x: by SIGKILL" in status.title("a", killed)
    assert "as fast as it can" in status.title("a", killed)
    assert "20 rows a second" in status.title("a", running)
    assert "warn" in status.title("a", killed)
    assert "warn" not in status.title("a", running)
    assert "Start makes one" in status.title("a", None)


def test_health_is_of_a_session_that_lives_and_shows_the_budget_of_which_least_is_left() -> None:
    now = Standing("s", started_ns=0, params={"notional": 1_000.0}, last_quote_recorded_ns=90 * NS, last_recorded_ns=90 * NS)
    gauges = Gauges(100 * NS, 0, (Allowance("KALSHI", "read", 40, 50, 0), Allowance("KALSHI", "write", 30, 300, 2)))
    lives = Status(session="s", account="a", market="KO", speed=None, started_ns=0, state=State.RUNNING)
    page = status.health(lives, now, gauges, 101 * NS)
    assert "30 of 300, 2 wait" in page
    assert page.count("<b>11 s</b>") == 2, "feed age and journal lag"
    over = Status(session="s", account="a", market="KO", speed=None, started_ns=0, state=State.CLOSED)
    page = status.health(over, now, gauges, 101 * NS)
    assert "11 s" not in page
    assert page.count("<b>n/a</b>") == 4, "what is over has no age and no budget, and had no latency"
    assert "no journal yet" in status.health(lives, None, gauges, 0)


# ------------------------------------------------------------------- the plots


def news(n: int, *, params: dict[str, Any] | None = None, **rows: Any) -> News:
    bars = {name: np.zeros(n) for name in BAR_COLUMNS} | {"ts": np.arange(n) * 1e3}
    return News(Standing("s", started_ns=0, params=params or PARAMS.model_dump()), bars | rows.pop("bars", {}), **rows)


def test_marks_and_fills_go_where_they_belong() -> None:
    charts = Charts(PARAMS)
    entries = Mark(1.0, -2.0, 1, "entry", "entry", 1), Mark(2.0, 2.0, -1, "entry", "entry", 2)
    exits = [Mark(3.0 + n, 0.0, 0, "exit", reason, n + 1) for n, reason in enumerate(("target", "stop", "time_stop"))]
    marks = (*entries, *exits)
    sold = FillRow(6.0, 7, 1, "hedge", "ALPACA:PEP", -5.0, 99.0, 0.1, 100.0, 5.0, "o")
    bought = FillRow(6.0, 7, 1, "primary", "ALPACA:KO", 5.0, 99.0, 0.1, 100.0, 5.0, "p")
    charts.take(news(3, marks=marks, fills=(sold, bought)))
    data = {name: source.data for name, source in charts.plot._sources.items()}
    assert {name: list(data[name]["ts"]) for name in data if name.startswith(("entry", "exit"))} == {
        "entry_long": [1.0],
        "entry_short": [2.0],
        "exit_target": [3.0],
        "exit_stop": [4.0],
        "exit_other": [5.0],
    }
    assert data["exit_other"]["what"] == ["trade 3: exit, time stop"]
    assert list(data["slip_hedge"]["bps"]) == [pytest.approx(100.0)], "sold too low: paid"
    assert list(data["slip_primary"]["bps"]) == [pytest.approx(-100.0)], "bought lower than decided: gained"
    charts.clear()
    assert {len(source.data["ts"]) for source in charts.plot._sources.values()} == {0}


def test_bands_follow_the_sessions_numbers_and_far_deltas_are_told() -> None:
    charts = Charts(PARAMS)
    numbers = Params.make(entry=2.5, tolerance=0.1).model_dump()
    charts.take(news(2, params=numbers, bars={"delta": np.array([0.05, -0.9])}))
    figures = charts._figures
    assert sorted(span.location for span in figures.bands["entry"]) == [-2.5, 2.5]
    assert (figures.corridor.bottom, figures.corridor.top) == (-0.1, 0.1)
    assert (figures.delta.y_range.start, figures.delta.y_range.end) == (-0.4, 0.4)
    assert figures.delta.title.text == f"{DELTA_TITLE} · 1 beyond 40%, the farthest 90%"
    charts.clear()
    assert figures.delta.title.text == DELTA_TITLE
    charts.take(news(2, params=numbers, bars={"delta": np.array([0.05, -0.5])}))
    assert figures.delta.title.text == f"{DELTA_TITLE} · 1 beyond 40%, the farthest 50%", "of another session nothing is left"
    charts.take(news(CURVE, params=numbers))
    assert charts.plot._sources["bars"].data["delta"].min() == -0.5


def test_a_long_curve_stays_short_and_keeps_its_extremes() -> None:
    charts = Charts(PARAMS)
    z = np.sin(np.arange(40) * 0.7)
    for k in range(200):
        spike = np.where((np.arange(40) == 7) & (k == 3), 9.0, z)
        charts.take(news(40, bars={"ts": (k * 40 + np.arange(40)) * 1e3, "z": spike}))
    data = charts.plot._sources["bars"].data
    assert len(data["ts"]) <= CURVE
    assert data["z"].max() == 9.0
    assert data["ts"][-1] == 7_999e3
    assert np.all(np.diff(data["ts"]) > 0)


# ----------------------------------------------------- the kernel's end of it


class Sent(LivePlot):
    """A plot whose words to the page are kept."""

    def send(self, content: dict[str, Any], buffers: list[bytes] | None = None) -> None:  # noqa: ARG002 - as a widget's
        """Keep it."""
        self.__dict__.setdefault("told", []).append(content)


def plot_of(**about: Any) -> Any:
    made = figure(title="a title")
    made.line("t", "y", source=ColumnDataSource({"t": [], "y": []}, name="ticks"))
    return Sent(made, **about)


def rows(plot: Any) -> list[int]:
    return [word["seq"] for word in plot.__dict__.get("told", []) if word["type"] == "rows"]


async def sent(plot: Any, count: int) -> None:
    """Append one row after the other, and wait until so many batches are out or nothing more comes."""
    until = time.monotonic() + 1.0
    while len(rows(plot)) < count and time.monotonic() < until:
        plot.append("ticks", {"t": [0.0], "y": [0.0]})
        await asyncio.sleep(0.002)


async def test_a_window_of_batches_is_on_its_way_and_no_more() -> None:
    plot = plot_of(fps=1_000.0, window=4)
    plot.append("ticks", {"t": [0.0], "y": [0.0]})
    await asyncio.sleep(0.05)
    assert rows(plot) == [], "nobody looks"
    plot._answer({"type": "doc", "view": "first", "dark": False})
    await sent(plot, 9)
    assert len(rows(plot)) == 9, "one that is being built is not waited for"
    plot._answer({"type": "bye", "view": "first"})
    plot.__dict__["told"].clear()
    assert plot.every == 2, "half a window is left when the page acknowledges"
    plot._answer({"type": "doc", "view": "v", "dark": False})
    plot._answer({"type": "ack", "view": "v", "seq": plot._seq, "cost": 0})
    begun = plot._seq
    await sent(plot, 9)
    assert rows(plot) == [begun + n for n in range(1, 5)]
    plot._answer({"type": "ack", "view": "v", "seq": begun + 2, "cost": 0})
    await sent(plot, 6)
    assert rows(plot) == [begun + n for n in range(1, 7)]


def test_a_replacement_sends_the_columns_that_changed() -> None:
    plot = plot_of()
    plot.append("ticks", {"t": [1.0, 2.0], "y": [3.0, np.nan]})
    plot._answer({"type": "doc", "view": "v", "dark": False})
    plot.replace("ticks", {"t": [1.0, 2.0], "y": [4.0, np.nan]})
    assert list(plot.__dict__["told"][-1]["sources"]["ticks"]["columns"]) == ["y"]
    plot.replace("ticks", {"t": [1.0, 2.0], "y": [4.0, np.nan]})
    assert plot.__dict__["told"][-1]["sources"]["ticks"]["columns"] == {}, "NaN is NaN"


async def test_a_page_that_works_long_for_a_batch_gets_fewer_and_larger_ones() -> None:
    plot = plot_of(fps=1_000.0, window=1_000, share=0.5)
    plot._answer({"type": "doc", "view": "v", "dark": False})
    for cost, least in ((0, 0.001), (40, 0.08), (4_000, 1.0)):
        plot._answer({"type": "ack", "view": "v", "seq": plot._seq, "cost": cost})
        assert plot._gap() == pytest.approx(least)
    plot._answer({"type": "doc", "view": "w", "dark": False})
    plot._answer({"type": "ack", "view": "w", "seq": plot._seq, "cost": 10})
    plot._answer({"type": "ack", "view": "v", "seq": plot._seq, "cost": 30})
    assert plot._gap() == pytest.approx(0.06), "the slower of two counts"
    plot._answer({"type": "bye", "view": "v"})
    assert plot._gap() == pytest.approx(0.02)
    before = len(rows(plot))
    for _ in range(5):
        plot.append("ticks", {"t": [0.0], "y": [0.0]})
    await asyncio.sleep(0.1)
    assert len(rows(plot)) == before + 1, "what came meanwhile is one batch"


async def test_a_view_that_fell_silent_holds_nobody_up_and_comes_back_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hedgekit.widgets.live.PROMPT_S", 0.05)
    plot = plot_of(fps=1_000.0, window=1)
    heard: list[bool] = []
    plot.on_live(heard.append)
    plot._answer({"type": "doc", "view": "v", "dark": True})
    plot._answer({"type": "ack", "view": "v", "seq": plot._seq, "cost": 500})
    await sent(plot, 3)
    await asyncio.sleep(0.1)
    await sent(plot, 3)
    assert len(rows(plot)) == 3, "after a while it is not waited for, nor is its pace"
    plot._answer({"type": "bye", "view": "v"})
    assert heard == [True, False]
    plot._answer({"type": "beat", "view": "v", "asks": 1})
    again, pong = plot.__dict__["told"][-2:]
    assert again == {"type": "again", "to": "v"}, "it is told to ask for the whole document"
    assert pong == {"type": "pong", "to": "v", "seq": len(rows(plot)), "asks": 1}, "the answer says what should have come by now"
    assert heard == [True, False, True]
