"""A bokeh layout that streams into a notebook through one small comm.

What is sent goes out in batches, as raw float64; the kernel's own copy of every
source is what a reload, a second tab or a reopened notebook shows. jupyter_bokeh
is not used: its frontend echoes what it gets, and the kernel takes it again.

Four rules keep it small. Nothing is sent while nobody looks, because Jupyter's
server would keep it in memory. At most a few batches are on their way
unacknowledged. A page says how long it works for a batch, and gets no more than
it can do, or than leaves it time for other things: a slow one gets fewer, larger
ones. And everything happens on the kernel's main loop, because JupyterLab
delivers some messages on other threads.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import anywidget
import bokeh
import numpy as np
import traitlets
from bokeh.core.json_encoder import serialize_json
from bokeh.document import Document
from bokeh.model import Model
from bokeh.models import ColumnDataSource, Plot

from hedgekit.errors import ConfigError
from hedgekit.widgets.theme import DARK, LIGHT

Column = Sequence[Any] | np.ndarray

WINDOW = 3
"""Batches that may be on their way to a view; more wait here and become one."""

REST_S = 1.0
"""Between two batches at most, however slow a page is."""

PROMPT_S = 3.0
"""A view that was silent for longer holds nobody up."""

SILENT_S = 15.0
"""A view that was silent for longer counts as gone; it comes back by its next word."""

_JS = Path(bokeh.__file__).parent / "server" / "static" / "js" / "bokeh.min.js"


@dataclass(slots=True)
class _View:
    """A view on a screen: when it last spoke, the last batch it has, whether its page is dark, how long the page works for a batch."""

    heard_s: float
    seq: int
    dark: bool
    cost_s: float = 0.0


class LivePlot(anywidget.AnyWidget):
    """A live view of a bokeh layout.

    Sources that have a name are its streams. All methods may be called from any thread.

    Parameters
    ----------
    layout : bokeh Model
        A figure or layout. It belongs to the plot from now on: change it by the methods below.
    fps : float
        Most batches a second.
    window : int
        Batches that may be on their way to a view, which acknowledges every so many that half a window is left.
    share : float
        Of a page's time, what batches may take: less than 1 where they come all the time, and a person wants to do something else there.

    Raises
    ------
    ConfigError
        If no source has a name, or two have the same.

    Examples
    --------
    >>> plot = LivePlot(figure_with_a_source_named_ticks)     # doctest: +SKIP
    >>> plot.append("ticks", {"t": [1.0], "y": [2.0]})        # doctest: +SKIP
    """

    _esm = Path(__file__).with_name("live.js")
    every = traitlets.Int(1).tag(sync=True)
    version = traitlets.Unicode(bokeh.__version__).tag(sync=True)
    label = traitlets.Unicode().tag(sync=True)
    quiet = traitlets.Unicode().tag(sync=True)
    """What a page adds when it has to say that the kernel does not answer."""

    def __init__(self, layout: Model, *, fps: float = 20.0, window: int = WINDOW, share: float = 1.0) -> None:
        self._document = Document()
        self._document.add_root(layout)
        self._sources = _named(self._document)
        self._plots: list[Any] = list(self._document.select({"type": Plot}))
        self._gap_s, self._window, self._share = 1.0 / fps, window, share
        self._views: dict[str, _View] = {}
        self._pending: dict[str, dict[str, Any]] = {}
        self._set: dict[str, dict[str, Any]] = {}
        self._seq = 0
        self._flushed_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._callbacks: list[Callable[[bool], object]] = []
        self._thread = threading.get_ident()
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None  # no notebook: the data is kept, and nobody looks
        titles = [str(getattr(plot.title, "text", "")) for plot in self._plots]
        super().__init__(label="; ".join(title for title in titles if title), every=max(window // 2, 1))
        self.on_msg(self._on_message)

    def __repr__(self) -> str:
        """Say how much it shows, for a page where widgets do not live."""
        points = sum(len(next(iter(source.data.values()), ())) for source in self._sources.values())
        return f"LivePlot({len(self._plots)} figures, {points:,} points)"

    # ------------------------------------------------------------- any thread

    def append(self, source: str, rows: Mapping[str, Column], *, rollover: int | None = None) -> None:
        """Add rows at the end of a source.

        Parameters
        ----------
        source : str
            The source's name.
        rows : mapping of str to sequence
            Every column of the source, equally long; numbers (NaN is no point) or text.
        rollover : int, optional
            Keep only so many newest rows, at least one.

        Raises
        ------
        ConfigError
            If the source or a column is not there, a column is missing, lengths differ, or ``rollover`` is less than one.
        """
        if rollover is not None and rollover < 1:
            msg = f"rollover={rollover}: keep at least one row; replace() with no rows empties a source"
            raise ConfigError(msg)
        self._call(self._change, source, self._checked(source, rows), rollover)

    def replace(self, source: str, columns: Mapping[str, Column]) -> None:
        """Give a source other rows; errors as in :meth:`append`. Columns that stay as they are are not sent."""
        self._call(self._anew, source, self._checked(source, columns))

    def set(self, model: Model, **attributes: Any) -> None:  # noqa: ANN401 - whatever the model has
        """Set plain attributes (numbers, text, lists of them) of a model of the layout."""
        self._call(self._attributes, model, attributes)

    def _call(self, function: Callable[..., None], *args: Any) -> None:  # noqa: ANN401 - passed on
        if self._loop is None or threading.get_ident() == self._thread:
            function(*args)
        else:
            self._loop.call_soon_threadsafe(function, *args)

    def _checked(self, source: str, rows: Mapping[str, Column]) -> dict[str, Column]:
        if source not in self._sources:
            msg = f"no source named {source!r}; there are: {', '.join(self._sources)}"
            raise ConfigError(msg)
        wanted = set(self._sources[source].data)
        if wanted != set(rows):
            msg = f"source {source!r} has columns {', '.join(sorted(wanted))}; got {', '.join(sorted(rows))}"
            raise ConfigError(msg)
        columns = {name: _column(values) for name, values in rows.items()}
        if len({len(column) for column in columns.values()}) > 1:
            msg = f"columns of {source!r} differ in length: " + ", ".join(f"{name} {len(column)}" for name, column in columns.items())
            raise ConfigError(msg)
        return columns

    # ------------------------------------------------------- the kernel's loop

    @property
    def live(self) -> bool:
        """Whether a view is on a screen."""
        return bool(self._views)

    def on_live(self, callback: Callable[[bool], object]) -> None:
        """Call, on the kernel's loop, with True when the first view appears and with False when the last one is gone."""
        self._callbacks.append(callback)
        if self.live:
            callback(True)  # noqa: FBT003 - the callback's one argument

    def _change(self, name: str, columns: dict[str, Column], rollover: int | None) -> None:
        """Keep the rows until the next batch."""
        waiting = self._pending.setdefault(name, {"replace": False, "columns": {key: [] for key in columns}, "rollover": None})
        for key, column in columns.items():
            waiting["columns"][key].append(column)
        before = waiting["rollover"]
        kept = [] if before is None else [before + len(column)]  # of all that is there with these rows
        waiting["rollover"] = min([*kept, rollover] if rollover else kept, default=None)
        self._plan()

    def _anew(self, name: str, columns: dict[str, Column]) -> None:
        """Forget what waited, and replace what is shown by the next batch."""
        self._pending[name] = {"replace": True, "columns": {key: [column] for key, column in columns.items()}, "rollover": None}
        self._plan()

    def _attributes(self, model: Model, attributes: dict[str, Any]) -> None:
        if model.document is not self._document:
            msg = f"{model} is not in this plot's layout"
            raise ConfigError(msg)
        model.update(**attributes)
        self._set.setdefault(model.id, {}).update(attributes)
        self._plan()

    def _plan(self) -> None:
        """See that a batch goes out soon, but not sooner than the last one allows."""
        if self._loop is None:
            self._flush()
        elif self._timer is None and not self._held():
            wait = max(self._flushed_s + self._gap() - time.monotonic(), 0.0)
            self._timer = self._loop.call_later(wait, self._flush)

    def _prompt(self) -> list[_View]:
        now = time.monotonic()
        return [view for view in self._views.values() if now - view.heard_s < PROMPT_S and view.seq >= 0]

    def _held(self) -> bool:
        """Whether a prompt view has too much on its way."""
        prompt = self._prompt()
        return bool(prompt) and self._seq - min(view.seq for view in prompt) >= self._window

    def _gap(self) -> float:
        """Return how long after a batch the next one may come: the slowest of the prompt views has so much of its time left."""
        slowest = max((view.cost_s for view in self._prompt()), default=0.0)
        return max(self._gap_s, min(slowest / self._share, REST_S))

    def _flush(self) -> None:
        """Apply what waits to the kernel's copy, and send it if somebody looks."""
        self._timer = None
        self._flushed_s = time.monotonic()
        if not (self._pending or self._set):
            return
        self._seq += 1  # first of all: if this fails, a view misses a number and asks for everything
        pending, changes = self._pending, self._set
        self._pending, self._set = {}, {}
        buffers: list[bytes] = []
        sources = {name: self._apply(name, change, buffers) for name, change in pending.items()}
        message = {"type": "rows", "seq": self._seq, "sources": sources, "set": changes}
        if self._views:
            self.send(message, buffers)

    def _apply(self, name: str, change: dict[str, Any], buffers: list[bytes]) -> dict[str, Any]:
        source, rollover = self._sources[name], change["rollover"]
        sent: dict[str, Any] = {}
        data: dict[str, Column] = {}
        for key, parts in change["columns"].items():
            rows = _joined(parts)
            if change["replace"] and _same(rows, source.data[key]):
                data[key] = source.data[key]
                continue
            if isinstance(rows, np.ndarray):
                sent[key] = {"buffer": len(buffers)}
                buffers.append(rows.astype("<f8").tobytes())
            else:
                sent[key] = {"values": rows}
            column = rows if change["replace"] else _joined([source.data[key], rows])
            data[key] = column[-rollover:] if rollover else column
        source.data = data
        return {"columns": sent, "replace": change["replace"], "rollover": rollover}

    # ------------------------------------------------------------------- views

    def _on_message(self, _: object, message: dict[str, Any], __: object) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._answer, message)

    def _answer(self, message: dict[str, Any]) -> None:
        kind, name = message.get("type"), str(message.get("view", ""))
        if kind == "bokehjs":
            self.send({"type": "bokehjs"}, [_JS.read_bytes()])
        elif kind == "bye":
            self._views.pop(name, None)
            self._tell(before=True)
        elif kind in ("doc", "ack", "beat"):
            self._heard(name, kind, message)

    def _heard(self, name: str, kind: str, message: dict[str, Any]) -> None:
        before, view = self.live, self._views.get(name)
        if kind == "doc" or view is None:
            dark = bool(message["dark"]) if kind == "doc" else False
            view = self._views[name] = _View(time.monotonic(), -1, dark)
            if kind != "doc":  # it was given up, and is behind
                self.send({"type": "again", "to": name})
        view.heard_s = time.monotonic()
        if kind == "doc":
            self._send_document(name, view)
        elif kind == "ack":
            view.seq, view.cost_s = max(view.seq, int(message["seq"])), float(message["cost"]) / 1e3
        else:
            self.send({"type": "pong", "to": name, "seq": self._seq, "asks": message["asks"]})
        self._tell(before=before)
        if self._pending or self._set:
            self._plan()

    def _send_document(self, name: str, view: _View) -> None:
        self._document.theme = DARK if view.dark else LIGHT
        text = serialize_json(self._document.to_json(deferred=False))
        self.send({"type": "doc", "to": name, "seq": self._seq, "doc": text})

    def _tell(self, *, before: bool) -> None:
        """Tell who wants to know whether somebody looks, and watch for views that fall silent."""
        if self.live and self._watch is None and self._loop is not None:
            self._watch = self._loop.call_later(SILENT_S / 3, self._forget_silent)
        if self.live != before:
            for callback in self._callbacks:
                callback(self.live)

    def _forget_silent(self) -> None:
        self._watch = None
        before, now = self.live, time.monotonic()
        self._views = {name: view for name, view in self._views.items() if now - view.heard_s < SILENT_S}
        self._tell(before=before)
        if self._pending or self._set:
            self._plan()


def _named(document: Document) -> dict[str, Any]:
    """Return the streams by name; columns become arrays of floats, or lists of text."""
    found: list[Any] = [source for source in document.select({"type": ColumnDataSource}) if source.name]
    names = [str(source.name) for source in found]
    if not names or len(set(names)) < len(names):
        msg = f"sources named {sorted(names)}: give each source that streams a name of its own, as ColumnDataSource(..., name='ticks')"
        raise ConfigError(msg)
    for source in found:
        source.data = {name: _column(values) for name, values in source.data.items()}
    return dict(zip(names, found, strict=True))


def _column(values: Column) -> Column:
    """Return numbers as float64, text as a list."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
        return values.astype(np.float64)
    items = list(values)
    if items and all(isinstance(item, str) for item in items):
        return items
    return np.asarray(items, dtype=np.float64)


def _same(one: Column, other: Column) -> bool:
    """Return whether two columns hold the same; NaN is NaN."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=True)
    return isinstance(one, list) and isinstance(other, list) and one == other


def _joined(parts: Sequence[Column]) -> Column:
    """Return one column; an empty one fits both kinds."""
    full = [part for part in parts if len(part)]
    if not full:
        return parts[0]
    if all(isinstance(part, np.ndarray) for part in full):
        return np.concatenate(full)
    return list(chain.from_iterable(full))
