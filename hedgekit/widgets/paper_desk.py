"""The paper desk: start, watch and stop one account's paper session from a notebook.

Everything it shows comes from the session's journal, read in short reads on the
kernel's own loop; every button leaves a command and nothing else. So a second
panel, a re-run cell, a reloaded page or a dead kernel changes nothing about the
trading. It reads only while a view of its plot is on a screen.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as w
import numpy as np

from hedgekit import desk
from hedgekit.desk import PaperSession, Status
from hedgekit.desk.state import ALIVE, RESTARTABLE
from hedgekit.errors import HedgekitError
from hedgekit.journal import Follower, Series
from hedgekit.params import Params
from hedgekit.widgets import paper_words as words
from hedgekit.widgets.live import LivePlot
from hedgekit.widgets.paper_figures import BARS, DELTA_TITLE, FAR, MARK_SOURCES, mark_source, paper_figures

if TYPE_CHECKING:
    import os

    from hedgekit.alerts import Reader
    from hedgekit.data import Recipe
    from hedgekit.journal import News
    from hedgekit.journal.news import CommandRow, DecisionRow, FillRow

POLL_S = 0.05
"""Between two looks at the journal."""

WORDS_S = 0.25
"""Between two renewals of the status strip."""

_ROWS = 8
_BUTTONS = {
    "start": ("Start", "success", "start a paper session on this account"),
    "pause": ("Pause", "", "enter no new trade; what is open goes on to its exit"),
    "flatten": ("Flatten", "warning", "close both legs now, and enter nothing until Resume"),
    "stop": ("Stop", "", "end the session in order: cancel what works, keep what is held"),
    "kill": ("Kill", "danger", "end the session's process at once, whatever it does"),
}


class PaperDesk(w.VBox):  # type: ignore[misc] # ipywidgets has no types
    """A panel on one account's paper session.

    Parameters
    ----------
    market, params, speed, account, folder
        What its Start button passes to :func:`hedgekit.desk.start`. If the account is trading already, the panel attaches to
        that session, whatever its numbers are, and shows them.

    Raises
    ------
    ConfigError
        If a number or the account's name is wrong.

    Examples
    --------
    >>> panel = PaperDesk(speed=20)                           # doctest: +SKIP
    >>> panel                                                 # doctest: +SKIP
    """

    def __init__(
        self,
        market: Recipe | None = None,
        params: Params | Mapping[str, Any] | None = None,
        *,
        speed: float | None = 20.0,
        account: str = "paper",
        folder: str | os.PathLike[str] | None = None,
    ) -> None:
        self._params = params if isinstance(params, Params) else Params.make(**(params or {}))
        self._market, self._speed, self._account, self._folder = market, speed, account, folder
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._next_words = 0.0
        self._sent: dict[str, tuple[str, float]] = {}
        self._figures = paper_figures(self._params)
        self.plot = LivePlot(self._figures.layout, fps=20)
        self._buttons = {name: self._button(name, *look) for name, look in _BUTTONS.items()}
        self._title, self._strip, self._said, self._fills, self._feed = (w.HTML() for _ in range(5))
        super().__init__([self._title, w.HBox(list(self._buttons.values())), self._said, self._strip, self.plot, self._fills, self._feed])
        self._forget()
        self._find()
        self._write()
        self.plot.on_live(self._on_live)

    def _button(self, name: str, label: str, style: str, tip: str) -> w.Button:
        button = w.Button(description=label, tooltip=tip, button_style=style, layout=w.Layout(width="110px"))
        button.on_click(lambda _: self._loop.call_soon_threadsafe(self._click, name))  # a click may come on another thread
        return button

    def __repr__(self) -> str:
        """Say what the panel shows, for a page where widgets do not live."""
        return f"<PaperDesk on account {self._account!r}: {self.session!r}>"

    # ------------------------------------------------------------- the session

    def _forget(self) -> None:
        """Show nothing."""
        self.session: PaperSession | None = None
        self._status: Status | None = None
        self._follower: Follower | None = None
        self._alerts: Reader | None = None
        self._series = Series(BARS)
        self._last_fills: list[FillRow] = []
        self._last_decisions: list[DecisionRow] = []
        self._fitted, self._edge = False, math.inf
        self._far, self._farthest = 0, 0.0

    def _find(self) -> None:
        """Attach to the session that has the account now, if there is one."""
        found = desk.current(self._account, folder=self._folder)
        if found is not None and (self.session is None or found.session != self.session.session):
            self._attach(found)
        self._status = None if self.session is None else self.session.status()

    def _attach(self, session: PaperSession) -> None:
        self.close_reader()
        self._forget()
        self.session, self._follower, self._alerts = session, session.follow(), session.watch()
        self._fills.value = self._feed.value = ""
        self.plot.set(self._figures.delta.title, text=DELTA_TITLE)
        for name, source in self._figures.sources.items():
            self.plot.replace(name, {column: [] for column in source.data})

    def close_reader(self) -> None:
        """Let go of the journal."""
        for reader in (self._follower, self._alerts):
            if reader is not None:
                reader.close()

    # ----------------------------------------------------------------- looking

    def _on_live(self, live: bool) -> None:  # noqa: FBT001 - what LivePlot says
        """Look while somebody does."""
        if live and self._timer is None:
            self._tick()
        elif not live and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        again = POLL_S
        try:
            again = self.refresh()
        except HedgekitError as error:
            self._say(str(error))
            again = 1.0
        finally:
            self._timer = self._loop.call_later(again, self._tick)

    def refresh(self) -> float:
        """Look once; return after how many seconds to look again. A view on a screen does this by itself."""
        now = time.monotonic()
        due = now >= self._next_words
        if due:
            self._next_words = now + WORDS_S
            self._find()
            if self._alerts is not None:
                self._alerts.poll()
        news = self._follower.poll() if self._follower else None
        if news is not None:
            self._take(news)
        if due:
            self._write()
        return 0.0 if news is not None and news.standing.behind else POLL_S

    def _take(self, news: News) -> None:
        """Put what is new on the screen."""
        if news.standing.started and not self._fitted:
            self._fit(Params.make(**news.standing.params))
        self._draw({name: news.bars[name] for name in BARS})
        for name in MARK_SOURCES:
            marks = [mark for mark in news.marks if mark_source(mark) == name]
            if marks:
                self.plot.append(name, {"ts": [m.ts for m in marks], "z": [m.z for m in marks], "what": [words.mark(m) for m in marks]})
        for command in news.commands:
            self._applied(command)
        if news.fills:
            self._last_fills = [*self._last_fills, *news.fills][-_ROWS:]
            self._fills.value = words.fills_table(self._last_fills)
        if news.decisions:
            self._last_decisions = [*self._last_decisions, *news.decisions][-_ROWS:]
            self._feed.value = words.feed_table(self._last_decisions)

    def _fit(self, params: Params) -> None:
        """Show the bands of the session's own numbers, whatever the panel was made with."""
        self._fitted = True
        for model, attributes in self._figures.fit(params).items():
            self.plot.set(model, **attributes)
        self._edge = FAR * params.tolerance

    def _tell_far(self, deltas: np.ndarray) -> None:
        """Say in the title what lies outside the frame."""
        far = np.abs(deltas[np.abs(deltas) > self._edge])
        if len(far):
            self._far, self._farthest = self._far + len(far), max(self._farthest, float(far.max()))
            words_ = f" · {self._far:,} beyond {self._edge:.0%}, the farthest {self._farthest:.0%}"
            self.plot.set(self._figures.delta.title, text=DELTA_TITLE + words_)

    def _draw(self, rows: Mapping[str, Any]) -> None:
        """Add points to the curves; from time to time older ones are thinned, extremes kept."""
        if len(rows["ts"]):
            self._tell_far(rows["delta"])
            way = self._series.extend(rows)
            if way == "append":
                self.plot.append("bars", rows)
            else:
                self.plot.replace("bars", self._series.columns())

    # ---------------------------------------------------------------- speaking

    def _say(self, text: str) -> None:
        self._said.value = words.page(f'<div class="said" role="status">{escape(text)}</div>', "message")

    def _applied(self, command: CommandRow) -> None:
        """Note what a command has become."""
        name, sent = self._sent.pop(command.ref, ("", 0.0))
        if name:
            self._say(f"{name}: applied {time.monotonic() - sent:.1f} s after the click")
        elif command.ref.startswith("plugin "):
            self._say(f"{command.name}: {command.ref}")

    def _write(self) -> None:
        """Renew title, strip and buttons."""
        self._title.value = words.title(self._account, self._status)
        standing = None if self._follower is None else self._follower.standing
        self._strip.value = words.strip(
            words.cells(self._status, standing, time.time_ns(), () if self._alerts is None else self._alerts.active)
        )
        state = None if self._status is None else self._status.state
        alive, broken = state in ALIVE, state in RESTARTABLE
        start, stop, pause = self._buttons["start"], self._buttons["stop"], self._buttons["pause"]
        start.description, start.disabled = "Restart" if broken else "Start", alive
        stop.description, stop.disabled = "Close" if broken else "Stop", not (alive or broken)
        pause.description, pause.disabled = "Resume" if standing is not None and standing.paused else "Pause", not alive
        self._buttons["flatten"].disabled = self._buttons["kill"].disabled = not alive

    # ------------------------------------------------------------------ clicks

    def _click(self, name: str) -> None:
        """Do what a button says; an error is a line on the panel."""
        try:
            self._do(name)
        except HedgekitError as error:
            self._say(str(error))
        self._next_words = 0.0
        self._find()
        self._write()

    def _do(self, name: str) -> None:
        self._find()
        broken = self._status is not None and self._status.state in RESTARTABLE
        if name == "start" and not broken:
            self._attach_new(desk.start(self._market, self._params, speed=self._speed, account=self._account, folder=self._folder))
        elif self.session is None:
            self._say("there is no session yet")
        elif name == "start":
            self.session.restart()
            self._say("restarting from the journal")
        elif name == "stop" and broken:
            self.session.close()
            self._say("closing: the sandbox exchange ends, the journal stays")
        elif name == "kill":
            self.session.kill()
            self._say("killed: nothing is sent any more; what is held stays held")
        else:
            self._tell(self._buttons[name].description.lower())

    def _attach_new(self, session: PaperSession) -> None:
        if self.session is None or session.session != self.session.session:
            self._attach(session)
        self._say(f"session {session.session} is starting; it goes on without this notebook")

    def _tell(self, name: str) -> None:
        assert self.session is not None  # noqa: S101 - asked before
        commands: dict[str, Callable[[], str]] = {n: getattr(self.session, n) for n in ("pause", "resume", "flatten", "stop")}
        self._sent[commands[name]()] = name, time.monotonic()
        self._say(f"{name}: sent")
