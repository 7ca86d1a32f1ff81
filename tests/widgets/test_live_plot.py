"""The live plot in a real JupyterLab: streams, survives reloads and second tabs, follows the theme, and is silent when nobody looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import ConfigError
from hedgekit.widgets import LivePlot
from tests.lab import LabPage, wait_for

SETUP = """
import asyncio, math
from bokeh.layouts import column
from bokeh.models import ColumnDataSource
from bokeh.plotting import figure
from hedgekit.widgets import LivePlot
source = ColumnDataSource({"t": [], "y": [], "what": []}, name="ticks")
p = figure(title="ticks", height=200, width=600, tools="xwheel_zoom,xpan,reset", active_scroll="xwheel_zoom")
p.line("t", "y", source=source)
plot = LivePlot(column(p))
sent = []
send = plot.send
plot.send = lambda *a, **k: (sent.append(a[0]["type"]), send(*a, **k))[1]
n = 0
async def feed():
    global n
    while True:
        plot.append("ticks", {"t": [n], "y": [math.nan if n % 10 == 0 else math.sin(n / 10)], "what": [f"tick {n}"]})
        n += 1
        await asyncio.sleep(0.05)
"""
START = "task = asyncio.create_task(feed())\nplot"

TICKS = "[...Bokeh.documents.at(-1)._all_models.values()].find(m => m.name === 'ticks')"
COUNT = f"(window.Bokeh?.documents?.length ? {TICKS}.get_length() : 0)"


def count(page: LabPage) -> int:
    return int(page.js(COUNT))


def test_it_streams_and_every_row_is_whole(notebook: Callable[..., LabPage]) -> None:
    page = notebook([SETUP, START])
    page.run_all()
    page.until(f"{COUNT} > 40")
    t, y, what = page.js(f"(() => {{ const d = {TICKS}.data; return [[...d.t], [...d.y].map(String), [...d.what]] }})()")
    assert t == list(range(len(t)))
    assert what == [f"tick {n}" for n in range(len(t))]
    assert [n for n, value in enumerate(y) if value == "NaN"] == list(range(0, len(t), 10)), "NaN stays NaN"
    assert "LivePlot(1 figures" not in page.output(1)
    page.page.wait_for_timeout(1_000)
    behind, cost = page.execute("view, = plot._views.values(); print(plot._seq - view.seq, view.cost_s)").split()
    assert int(behind) <= 3, "it says what it has"
    assert 0 < float(cost) < 5, "and how long it works for a batch"


def test_reload_second_tab_and_theme_show_all_of_it(notebook: Callable[..., LabPage]) -> None:
    page = notebook([SETUP, START])
    page.run_all()
    page.until(f"{COUNT} > 20")
    page.save()
    page.reload()
    page.until(f"{COUNT} > 30")
    assert page.js(f"[...{TICKS}.data.t][0]") == 0, "from the first row on"
    other = notebook()
    other.until(f"{COUNT} > 40")
    assert other.js(f"[...{TICKS}.data.t][0]") == 0
    page.theme("Dark")
    page.until("Bokeh.documents.length === 1 && Bokeh.documents[0].roots()[0].children[0].border_fill_color === '#111111'")
    before = count(page)
    page.until(f"{COUNT} > {before}")
    page.theme("Light")
    page.until("Bokeh.documents.length === 1 && Bokeh.documents[0].roots()[0].children[0].border_fill_color === '#ffffff'")
    one, two = count(page), count(other)
    page.until(f"{COUNT} > {one}")
    other.until(f"{COUNT} > {two}")


def test_nobody_looks_nothing_is_sent(notebook: Callable[..., LabPage]) -> None:
    """A closed view ends the sending; a new one finds everything."""
    page = notebook([SETUP, START, "plot"])
    page.run_all()
    page.until(f"{COUNT} > 20")
    page.js("document.querySelectorAll('.hedgekit-live').length === 2")
    page.js("window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs').then(() => true)")
    wait_for(lambda: page.execute("print(plot.live)") == "False", 20, what="the views said goodbye")
    assert page.js("Bokeh.documents.length") == 0, "no document is left behind"
    first = page.execute("print(len(sent), n)").split()
    page.page.wait_for_timeout(1_500)
    second = page.execute("print(len(sent), n)").split()
    assert first[0] == second[0]
    assert int(second[1]) > int(first[1]), "the feed went on"
    page.run(2)
    page.until(f"{COUNT} >= {second[1]}")


def test_replace_set_and_a_lost_batch(notebook: Callable[..., LabPage]) -> None:
    page = notebook([SETUP, "plot"])
    page.run_all()
    page.until(f"{COUNT} === 0 && window.Bokeh?.documents?.length === 1")
    page.execute("plot.append('ticks', {'t': [1, 2], 'y': [1, 2], 'what': ['a', 'b']})")
    page.until(f"{COUNT} === 2")
    page.execute("plot.replace('ticks', {'t': [7], 'y': [8], 'what': ['c']}); plot.append('ticks', {'t': [9], 'y': [9], 'what': ['d']})")
    page.until(f"{COUNT} === 2 && {TICKS}.data.t[0] === 7 && {TICKS}.data.what[1] === 'd'")
    page.execute("plot.set(p.title, text='other words')")
    page.until("[...Bokeh.documents[0]._all_models.values()].some(m => m.type === 'Title' && m.text === 'other words')")
    page.execute("plot._seq += 5; plot.append('ticks', {'t': [10], 'y': [1], 'what': ['e']})")
    page.until(f"{COUNT} === 3 && {TICKS}.data.t[2] === 10")
    page.execute("plot.append('ticks', {'t': [11, 12], 'y': [1, 2], 'what': ['f', 'g']}, rollover=2)")
    page.until(f"{COUNT} === 2 && {TICKS}.data.t[1] === 12")
    page.execute("import threading; threading.Thread(target=plot.append, args=('ticks', {'t': [13], 'y': [1], 'what': ['h']})).start()")
    page.until(f"{COUNT} === 3")


LOST = """
kept, plot.send = plot.send, lambda m, *a: None if m["type"] in ("rows", "doc") else kept(m, *a)
def back():
    plot.send = kept
plot.append('ticks', {'t': [1], 'y': [1], 'what': ['a']})
"""


def test_what_was_lost_is_asked_for_though_nothing_follows_it(notebook: Callable[..., LabPage]) -> None:
    page = notebook([SETUP, "plot"])
    page.run_all()
    page.until(f"{COUNT} === 0 && window.Bokeh?.documents?.length === 1")
    page.execute(LOST)
    wait_for(lambda: page.execute("print(plot._seq)") == "1", 20, what="a batch has gone out")
    page.execute("plot._loop.call_later(6, back)")  # its next beat finds the batch missing, the one after it the document
    page.until(f"{COUNT} === 1")


SLOW = """
(() => { const embed = Bokeh.require('embed/standalone'), add = embed.add_document_standalone; window.hkBuilt = 0;
embed.add_document_standalone = async (...all) => { await new Promise(done => setTimeout(done, 1500)); hkBuilt++; return add(...all) } })()
"""


def test_a_page_that_builds_slowly_does_not_build_for_ever(notebook: Callable[..., LabPage]) -> None:
    """Batches that come while it builds belong to what is built next."""
    page = notebook([SETUP, START])
    page.run_all()
    page.until(f"{COUNT} > 10")
    page.js(SLOW)
    for _ in range(3):
        page.execute("for name in plot._views: plot.send({'type': 'again', 'to': name})")
    page.until("hkBuilt >= 2")
    page.page.wait_for_timeout(4_000)
    assert 2 <= page.js("hkBuilt") <= 3
    before = count(page)
    page.until(f"{COUNT} > {before + 10}")
    assert page.js(f"[...{TICKS}.data.t].every((t, n) => t === n)"), "no row is missing, and none is there twice"


def test_a_persons_zoom_survives_the_stream(notebook: Callable[..., LabPage]) -> None:
    page = notebook([SETUP, START])
    page.run_all()
    page.until(f"{COUNT} > 40")
    box = page.page.locator(".hedgekit-live").bounding_box()
    page.page.mouse.move(box["x"] + 300, box["y"] + 100)
    page.page.mouse.wheel(0, -400)
    view = "(() => { const r = Bokeh.documents[0].roots()[0].children[0].x_range; return [r.start, r.end] })()"
    page.page.wait_for_timeout(500)
    zoomed = page.js(view)
    before = count(page)
    page.until(f"{COUNT} > {before + 40}")
    assert page.js(view) == zoomed
    assert zoomed[1] - zoomed[0] < before


# ------------------------------------------------------- without a notebook


ASKED = """
(() => { const shape = CSSStyleDeclaration.prototype, read = shape.getPropertyValue; window.hkAsked = 0;
shape.getPropertyValue = function (name) { if (name.startsWith('--bk-')) hkAsked++;
return read.call(this, name) } })()
"""

WRITTEN = """
(() => { window.hkWritten = 0; const watch = new MutationObserver(found => { hkWritten += found.length });
const walk = root => { for (const e of root.querySelectorAll('*')) { if (e.localName === 'style') watch.observe(e, { childList: true });
if (e.shadowRoot) walk(e.shadowRoot) } }; walk(document.querySelector('.hedgekit-live')) })()
"""

OTHER = """
(async () => { const ours = Bokeh.documents[0], box = document.body.appendChild(document.createElement('div'));
const copy = Bokeh.require('document').Document.from_json(ours.to_json());
await Bokeh.require('embed/standalone').add_document_standalone(copy, box);
const asked = hkAsked; box.remove(); return asked })()
"""


def test_the_pages_styles_are_asked_for_other_plots_only(notebook: Callable[..., LabPage]) -> None:
    page = notebook([SETUP, START])
    page.run_all()
    page.until(f"{COUNT} > 10")
    page.js(ASKED)
    page.js(WRITTEN)
    before = count(page)
    page.until(f"{COUNT} > {before + 40}")
    assert page.js("hkAsked") == 0, "a third of the page's time, where five figures stream"
    assert page.js("hkWritten") <= 8, "places are written where they change: with wider numbers at an axis"
    assert page.js(OTHER) > 0, "and a plot that is not ours may have styles"


SYMBOL = """
(() => { const walk = root => { for (const e of root.querySelectorAll('*')) {
if (e.localName === 'canvas' && e.closest('.bk-item')) return e;
const found = e.shadowRoot && walk(e.shadowRoot); if (found) return found } }; return walk(document.querySelector('.hedgekit-live')) })()
"""

MARKED = f"[...{SYMBOL.strip()}.getContext('2d').getImageData(0, 0, 1, 1).data].join() === '255,0,0,255'"
DRAWN = f"{SYMBOL.strip()}.getContext('2d').getImageData(0, 0, 99, 99).data.some(v => v > 0)"


def test_a_legends_symbols_are_drawn_when_they_change(notebook: Callable[..., LabPage]) -> None:
    """Not with every batch: each of them is a canvas of its own, drawn anew."""
    page = notebook([SETUP.replace("source=source)", "source=source, legend_label='a tick')"), START])
    page.run_all()
    page.until(f"{COUNT} > 10 && {DRAWN}")
    paint = "c.fillStyle = '#f00'; c.setTransform(1, 0, 0, 1, 0, 0); c.fillRect(0, 0, 1, 1)"
    page.until(f"(c => {{ {paint} }})({SYMBOL.strip()}.getContext('2d')) || {MARKED}")
    before = count(page)
    page.until(f"{COUNT} > {before + 20}")
    assert page.js(MARKED), "nothing of it has changed"
    page.execute("plot.set(p.legend[0].items[0], label={'value': 'other words'})")
    page.until(f"!({MARKED}) && {DRAWN}")


def made() -> tuple[LivePlot, ColumnDataSource]:
    source = ColumnDataSource({"t": [], "y": []}, name="ticks")
    plot = figure(title="a title")
    plot.line("t", "y", source=source)
    return LivePlot(plot), source


def test_a_plain_script_keeps_the_data() -> None:
    plot, source = made()
    plot.append("ticks", {"t": [1, 2], "y": np.array([3, 4])})
    plot.append("ticks", {"t": [5], "y": [float("nan")]}, rollover=2)
    np.testing.assert_array_equal(source.data["t"], [2.0, 5.0])
    np.testing.assert_array_equal(source.data["y"], [4.0, np.nan])
    assert repr(plot) == "LivePlot(1 figures, 2 points)"
    assert plot.label == "a title"
    assert not plot.live


ROWS = st.lists(st.tuples(st.floats(width=32), st.text(st.characters(codec="ascii"), max_size=3)), max_size=4)
CHANGES = st.lists(st.tuples(st.sampled_from(("append", "replace", "flush")), ROWS, st.none() | st.integers(1, 5)), max_size=12)


@pytest.fixture(scope="module")
def batched() -> Iterator[tuple[LivePlot, ColumnDataSource]]:
    """Return a plot whose batches go out when the test says so: its loop stands still."""
    source = ColumnDataSource({"y": [], "what": []}, name="rows")
    shown = figure()
    shown.scatter("y", "y", source=source)

    async def plot() -> LivePlot:
        return LivePlot(shown)

    loop = asyncio.new_event_loop()
    yield loop.run_until_complete(plot()), source
    loop.close()


@given(CHANGES)
def test_a_batch_is_what_its_changes_give_one_after_another(
    batched: tuple[LivePlot, ColumnDataSource], changes: list[tuple[str, list[tuple[float, str]], int | None]]
) -> None:
    """Text or numbers, empty or not, with room for so many or for all."""
    plot, source = batched
    expected: list[tuple[float, str]] = []
    for kind, rows, rollover in [("replace", [], None), *changes, ("flush", [], None)]:
        given_rows = {"y": [number for number, _ in rows], "what": [word for _, word in rows]}
        if kind == "append":
            plot.append("rows", given_rows, rollover=rollover)
            expected = [*expected, *rows][-(rollover or 100) :]
        elif kind == "replace":
            plot.replace("rows", given_rows)
            expected = rows
        else:
            plot._flush()
    np.testing.assert_array_equal(source.data["y"], [number for number, _ in expected])
    assert list(source.data["what"]) == [word for _, word in expected]


def test_wrong_rows_are_named() -> None:
    plot, source = made()
    with pytest.raises(ConfigError, match="no source named 'tocks'; there are: ticks"):
        plot.append("tocks", {"t": [1], "y": [1]})
    with pytest.raises(ConfigError, match="has columns t, y; got t, z"):
        plot.append("ticks", {"t": [1], "z": [1]})
    with pytest.raises(ConfigError, match="differ in length: t 2, y 1"):
        plot.append("ticks", {"t": [1, 2], "y": [1]})
    with pytest.raises(ConfigError, match="rollover=0: keep at least one row"):
        plot.append("ticks", {"t": [1], "y": [1]}, rollover=0)
    with pytest.raises(ConfigError, match="not in this plot"):
        plot.set(figure(), title="x")
    with pytest.raises(ConfigError, match="give each source that streams a name"):
        LivePlot(figure())
    assert len(source.data["t"]) == 0
