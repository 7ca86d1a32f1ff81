"""The paper desk: start, watch, steer and stop paper sessions from a notebook.

What it shows comes from the session's journal, read in short reads on the kernel's own loop, from the state that its host
writes, and from two small files beside the journal: what is left of the request budgets, and what the sandbox said to faults. Every
button leaves a command and nothing else. So a second panel, a re-run cell, a reloaded page or a dead kernel changes nothing about the
trading. It reads only while a view of its plot is on a screen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from hedgekit import desk
from hedgekit.desk import PaperSession, Status
from hedgekit.desk.state import ALIVE, RESTARTABLE
from hedgekit.errors import HedgekitError
from hedgekit.params import Params
from hedgekit.widgets.panes import alerts, status, words
from hedgekit.widgets.panes.blotter import Blotter
from hedgekit.widgets.panes.charts import Charts
from hedgekit.widgets.panes.controls import Controls
from hedgekit.widgets.panes.faults import SWITCHES, Faults
from hedgekit.widgets.panes.feed import Feed, command_words
from hedgekit.widgets.panes.numbers import Numbers
from hedgekit.widgets.panes.sessions import FOLLOW, Sessions

if TYPE_CHECKING:
    import os

    from hedgekit.alerts import Reader
    from hedgekit.data import Recipe
    from hedgekit.journal import Follower, News, Standing
    from hedgekit.journal.news import CommandRow

POLL_S = 0.05
"""Between two looks at the journal."""

WORDS_S = 0.25
"""Between two renewals of the strips and tables."""

LIST_S = 3.0
"""Between two looks at which sessions there are."""

_TABLE = "212px"


class PaperDesk(w.VBox):  # type: ignore[misc] # ipywidgets has no types
    """A panel on one account's paper session, or on any other that is chosen from its list.

    Parameters
    ----------
    market, params, speed, account, folder
        What its Start button passes to :func:`hedgekit.desk.start`. If the account is trading already, the panel attaches to
        that session, whatever its numbers are, and shows them.
    session : str
        A session to look at instead, running or past, by its id; the list on the panel chooses another.

    Raises
    ------
    ConfigError
        If a number or the account's name is wrong.
    SessionError
        If there is no such session.

    Examples
    --------
    >>> panel = PaperDesk(speed=20)                           # doctest: +SKIP
    >>> panel                                                 # doctest: +SKIP
    """

    def __init__(  # noqa: PLR0913 - what a session is started with, each with its default
        self,
        market: Recipe | None = None,
        params: Params | Mapping[str, Any] | None = None,
        *,
        speed: float | None = 20.0,
        account: str = "paper",
        folder: str | os.PathLike[str] | None = None,
        session: str = FOLLOW,
    ) -> None:
        self._params = params if isinstance(params, Params) else Params.make(**(params or {}))
        self._market, self._speed, self._account, self._folder = market, speed, account, folder
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._next_words = self._next_list = 0.0
        self._sent: dict[str, tuple[str, float]] = {}
        self._chosen = FOLLOW
        self._charts = Charts(self._params)
        self.plot = self._charts.plot
        self._controls = Controls(self._click, self._loop)
        self._sessions = Sessions(self._choose, self._loop, account)
        self._numbers = Numbers(self._set, self._loop)
        self._faults = Faults(self._fault, self._loop)
        self._title, self._raised = w.HTML(), w.HTML()
        self._standing, self._health = (w.HTML(layout=w.Layout(min_height=height)) for height in ("84px", "42px"))
        self._feed_view, self._blotter_view, self._alerts_view = (w.HTML(layout=w.Layout(height=_TABLE, overflow="auto")) for _ in range(3))
        for view in (self._feed_view, self._blotter_view):
            view.layout.width, view.layout.border_top = "50%", "1px solid var(--jp-border-color2)"
        self._more = w.Accordion([self._numbers, self._faults, self._alerts_view], titles=("Change numbers", "Fault switches", "Alerts"))
        strips = [self._raised, self._standing, self._health]
        tables = w.HBox([self._feed_view, self._blotter_view])
        super().__init__(
            [w.HTML(words.STYLE), self._title, self._sessions, self._controls, *strips, self.plot, tables, self._more],
            layout=w.Layout(min_width="0"),
        )
        self._tables_due = False
        self._forget()
        if session != FOLLOW:
            self._chosen = session
            self._attach(desk.attach(session, folder=folder))
        self._find()
        self._write()
        self.plot.on_live(self._on_live)

    def __repr__(self) -> str:
        """Say what the panel shows, for a page where widgets do not live."""
        return f"<PaperDesk on account {self._account!r}: {self.session!r}>"

    # ------------------------------------------------------------- the session

    def _forget(self) -> None:
        """Show nothing."""
        self.session: PaperSession | None = None
        self._status: Status | None = None
        self._goes_on: bool | None = None
        self._follower: Follower | None = None
        self._reader: Reader | None = None
        self._feed, self._blotter, self._told = Feed(), Blotter(), alerts.Alerts()

    def _find(self) -> None:
        """Attach to the session that has the account now, if there is one and no other was chosen."""
        found = desk.current(self._account, folder=self._folder) if self._chosen == FOLLOW else None
        if found is not None and (self.session is None or found.session != self.session.session):
            self._attach(found)
        before = self._status
        self._status = None if self.session is None else self.session.status()
        self._goes_on = None if self.session is None else self.session.goes_on  # asked before its journal is read: all is there then
        self._enable()
        if before is not None and self._status is not None and before.state != self._status.state:
            self._controls.say(f"the session is {status.state_of(self._status)}")

    def _attach(self, session: PaperSession) -> None:
        self.close_reader()
        self._forget()
        self.session, self._follower, self._reader = session, session.follow(), session.watch()
        self._charts.clear()
        self._show_tables()

    def close_reader(self) -> None:
        """Let go of the journal."""
        for reader in (self._follower, self._reader):
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
            self._controls.say(str(error))
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
            self._watch()
        news = self._follower.poll() if self._follower else None
        if news is not None:
            self._take(news)
        if due:
            self._write()
        if now >= self._next_list:
            self._next_list = now + LIST_S
            self._sessions.show(desk.statuses(folder=self._folder), self._chosen)
        return 0.0 if news is not None and news.standing.behind else POLL_S

    def _watch(self) -> None:
        """Take the alerts that were raised and cleared."""
        if self._reader is None or self.session is None:
            return
        told = [*self._reader.poll(), *self._reader.look(alive=self._goes_on)]
        if self._told.take(told):
            self._alerts_view.value = self._told.html()

    def _take(self, news: News) -> None:
        """Put what is new on the screen."""
        self._charts.take(news)
        for command in news.commands:
            self._applied(command)
        self._tables_due |= self._feed.take(news) | self._blotter.take(news)

    def _show_tables(self) -> None:
        self._tables_due = False
        self._feed_view.value, self._blotter_view.value, self._alerts_view.value = (
            self._feed.html(),
            self._blotter.html(),
            self._told.html(),
        )

    # ---------------------------------------------------------------- speaking

    def _applied(self, command: CommandRow) -> None:
        """Note what a command has become."""
        name, sent = self._sent.pop(command.ref, ("", 0.0))
        if command.refusal or command.ref.startswith("plugin "):
            self._controls.say(command_words(command))
        elif name:
            self._controls.say(f"{name}: applied {time.monotonic() - sent:.1f} s after the click")

    @property
    def _now(self) -> Standing | None:
        return None if self._follower is None else self._follower.standing

    @property
    def _listens(self) -> bool:
        """Whether somebody would hear a command: the session is alive by its host's word, and its process is there."""
        return self._status is not None and self._status.state in ALIVE and self._goes_on is not False

    def _enable(self) -> None:
        """Let what does something now be clicked, and nothing else. Words follow: none says "gone" beside a button that is not."""
        now, alive = self._now, self._listens
        self._controls.show(self._allowed())
        self._numbers.show(now.params if now is not None and now.started else self._params.model_dump(), alive=alive)
        self._faults.show(self.session.faults() if self.session is not None else (), alive=alive)

    def _write(self) -> None:
        """Renew buttons, title, strips, tables, and what is below them."""
        self._enable()
        if self._tables_due:
            self._show_tables()
        now, told = self._now, self._status
        gauges = self.session.gauges() if self.session is not None else None
        self._title.value = status.title(self._account, told)
        self._raised.value = alerts.active([] if self._reader is None else self._reader.active)
        self._standing.value = status.standing(told, now)
        self._health.value = status.health(told, now, gauges, time.time_ns())
        self._more.set_title(2, f"Alerts ({self._told.raised} since the start)")

    def _allowed(self) -> dict[str, bool]:
        """Return which buttons do something now."""
        state, now = None if self._status is None else self._status.state, self._now
        alive, broken = self._listens, state in RESTARTABLE
        paused = now is not None and now.paused
        sure = {
            "start": state not in ALIVE | RESTARTABLE,
            "restart": broken,
            "close": broken,
            "pause": alive and not paused,
            "resume": alive and paused,
        }
        return sure | dict.fromkeys(("flatten", "stop", "kill"), alive)

    # ------------------------------------------------------------------ clicks

    def _click(self, name: str) -> None:
        """Do what a button says; an error is a line on the panel."""
        try:
            self._do(name)
        except HedgekitError as error:
            self._controls.say(str(error))
        self._look_again()

    def _look_again(self) -> None:
        self._next_words = self._next_list = 0.0
        self._find()
        self._write()

    def _do(self, name: str) -> None:
        if name == "start":
            self._chosen = FOLLOW
            self._attach_new(desk.start(self._market, self._params, speed=self._speed, account=self._account, folder=self._folder))
            return
        self._find()
        if self.session is None:
            self._controls.say("there is no session yet")
        elif name == "restart":
            self.session.restart()
            self._controls.say("restarting from the journal")
        elif name == "close":
            self.session.close()
            self._controls.say("closing: the sandbox exchange ends, the journal stays")
        elif name == "kill":
            self.session.kill()
            self._controls.say("killed: nothing is sent any more; what is held stays held")
        else:
            self._note(name, getattr(self.session, name)())

    def _attach_new(self, session: PaperSession) -> None:
        if self.session is None or session.session != self.session.session:
            self._attach(session)
        self._controls.say(f"session {session.session} is starting; it goes on without this notebook")

    def _note(self, name: str, ref: str) -> None:
        self._sent[ref] = name, time.monotonic()
        self._controls.say(f"{name}: sent")

    def _choose(self, name: str) -> None:
        """Look at another session, or follow the account again."""
        if name == self._chosen:
            return
        self._chosen = name
        try:
            if name != FOLLOW:
                self._attach(desk.attach(name, folder=self._folder))
        except HedgekitError as error:
            self._controls.say(str(error))
        self._look_again()

    def _set(self, changes: dict[str, float]) -> None:
        try:
            if self.session is not None:
                self._note("set", self.session.set(changes, now=self._now))
        except HedgekitError as error:
            self._controls.say(str(error))

    def _fault(self, label: str) -> None:
        kind, about = SWITCHES[label]
        try:
            if self.session is not None:
                self.session.fault(kind, **about)
                self._controls.say(f"fault asked for: {label}")
        except HedgekitError as error:
            self._controls.say(str(error))
        self._next_words = 0.0
