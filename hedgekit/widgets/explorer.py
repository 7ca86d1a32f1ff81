"""What all explorers share: controls from the parameters, plots that follow, a line of words, and the choice as an object.

An explorer says which parameters it has and draws what a choice of them gives (:meth:`Explorer._draw`). A person's move is validated by
:class:`~hedgekit.params.Params`; what is refused is a line on the panel, and the plots stay. Many moves while one is drawn become one.
Everything happens on the kernel's loop, because JupyterLab delivers some messages on other threads.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from hedgekit.errors import ConfigError, HedgekitError
from hedgekit.params import Params
from hedgekit.widgets.controls import Control, message
from hedgekit.widgets.live import LivePlot
from hedgekit.widgets.panes import words

if TYPE_CHECKING:
    from bokeh.model import Model

REST_S = 0.4
"""After so long without a move, what takes longer than a plot is done: :meth:`Explorer._settle`."""

FPS = 60.0

LEFT = "312px"
"""Width of the controls: beside them the plots have half of a 1280 pixel page, and more of a wider one."""


def checked(params: Params | Mapping[str, Any] | None) -> Params:
    """Return validated parameters of what a user gave."""
    return params if isinstance(params, Params) else Params.make(**(params or {}))


class Explorer(w.VBox):  # type: ignore[misc] # ipywidgets has no types
    """Controls beside plots that follow them.

    Attributes
    ----------
    plot : LivePlot
        The plots.
    """

    title = "Explorer"

    def __init__(self, layout: Model, params: Params, names: Iterable[str]) -> None:
        self._params = params
        self._moved: dict[str, Any] = {}
        self._wrong: HedgekitError | None = None
        self._due: asyncio.Handle | None = None
        self._later: asyncio.TimerHandle | None = None
        self._thread = threading.get_ident()
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None  # no notebook: nothing moves but by set()
        self.plot = LivePlot(layout, fps=FPS)
        self._controls = {name: Control(name, getattr(self._params, name, None), self._on_move) for name in names}
        self._said, self._table = w.HTML(layout=w.Layout(min_height="42px")), w.HTML()
        left = w.VBox([*self._extra(), *(control.box for control in self._controls.values())], layout=w.Layout(flex=f"0 0 {LEFT}"))
        right = w.VBox([self.plot, self._table], layout=w.Layout(flex="1 1 0", min_width="0", overflow="hidden"))
        head = w.HTML(words.STYLE + words.page(f"<b>{escape(self.title)}</b>", "title"))
        super().__init__([head, self._said, w.HBox([left, right])], layout=w.Layout(width="100%"))
        self.add_class("hk-explorer")
        self._renew()

    def __repr__(self) -> str:
        """Say what is chosen, for a page where widgets do not live."""
        chosen = ", ".join(f"{name}={getattr(self._params, name)!r}" for name in self._controls)
        return f"<{type(self).__name__}: {chosen}>"

    # -------------------------------------------------------------- the choice

    @property
    def params(self) -> Params:
        """The parameters that the plots show: what :func:`hedgekit.run_backtest` and ``hedgekit.desk.start`` take.

        Raises
        ------
        HedgekitError
            If the controls stand on numbers that are refused; the message is the panel's.
        """
        if self._wrong is not None:
            raise self._wrong
        return self._params

    @property
    def papermill(self) -> dict[str, Any]:
        """The same as a dict of plain values: ``parameters`` of papermill, ``params`` of a report or of ``hedgekit paper start``."""
        return self.params.model_dump(mode="json")

    def set(self, **values: Any) -> None:  # noqa: ANN401 - a parameter's value
        """Move controls from code, as a person would.

        Raises
        ------
        HedgekitError
            If a value is refused, or not one of this explorer's.
        """
        unknown = [name for name in values if name not in self._controls]
        if unknown:
            Params.make(**{unknown[0]: values[unknown[0]]})  # says "did you mean", if it is no parameter at all
            msg = f"{unknown[0]!r} has no control here; there are: {', '.join(self._controls)}"
            raise ConfigError(msg)
        self._moved |= values
        self._renew()
        if self._wrong is not None:
            raise self._wrong

    # ------------------------------------------------------------ what follows

    def _extra(self) -> list[w.Widget]:
        """Return what stands above the controls of parameters."""
        return []

    def _draw(self, params: Params) -> str:
        """Draw a choice; return what there is to say about it in one line."""
        raise NotImplementedError

    def _settle(self, params: Params) -> None:
        """Do what takes longer than a plot may, once nothing has moved for a while."""

    def _on_move(self, name: str, value: Any) -> None:  # noqa: ANN401 - a parameter's value
        """Note a move; draw when the loop has taken in the others that wait."""
        self._moved[name] = value
        self._ask()

    def _ask(self) -> None:
        if self._loop is None:
            self._renew()
        else:
            self._loop.call_soon_threadsafe(self._plan)

    def _plan(self) -> None:
        if self._due is None and self._loop is not None:
            self._due = self._loop.call_soon(self._renew)

    def _renew(self) -> None:
        """Validate what was moved, draw it, and say what it is or why it is not drawn."""
        self._due = None
        moved, self._moved = self._moved, {}
        wanted = {name: control.value for name, control in self._controls.items()} | moved
        try:
            params = Params.make(**self._params.model_dump() | wanted)
            said = self._draw(params)
        except HedgekitError as error:
            self._wrong = error
            self._say(f"Not drawn: {error}", wrong=True)
        else:
            self._params, self._wrong = params, None
            self._say(said)
            self._rest()
        for name, value in wanted.items():
            self._controls[name].show(value)

    def _say(self, text: str, *, wrong: bool = False) -> None:
        self._said.value = message(text, wrong=wrong)

    def _rest(self) -> None:
        if self._loop is None:
            self._settle(self._params)
            return
        if self._later is not None:
            self._later.cancel()
        self._later = self._loop.call_later(REST_S, self._settled)

    def _settled(self) -> None:
        self._later = None
        try:
            self._settle(self._params)
        except HedgekitError as error:
            self._say(str(error), wrong=True)
