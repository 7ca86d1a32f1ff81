"""The buttons of the paper desk. What closes positions or ends a session is asked for again, in the page, before it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import ipywidgets as w

from hedgekit.widgets.panes import words

PATIENCE_S = 20.0
"""A question that nobody answers goes away."""

HEIGHT = "34px"


class Look(NamedTuple):
    """A button's label, colour and hint; the question that is asked first, empty for none."""

    label: str
    style: str
    tip: str
    question: str = ""


BUTTONS = {
    "start": Look("Start", "success", "start a paper session on this account"),
    "pause": Look("Pause", "", "enter no new trade; what is open goes on to its exit"),
    "resume": Look("Resume", "", "trade again after a pause or a flatten"),
    "flatten": Look("Flatten", "warning", "close both legs now, and enter nothing until Resume", "Close both legs now, at the market?"),
    "stop": Look("Stop", "", "end the session in order", "End the session? Orders are cancelled, what is held stays held."),
    "kill": Look("Kill", "danger", "end the session's process at once", "Kill the process at once? Orders and positions stay as they are."),
    "restart": Look("Restart", "success", "go on from the journal"),
    "close": Look(
        "Close", "", "give the session up and set its account free", "Give the session up? Its exchange ends, its journal stays."
    ),
}

PLACES = (("start", "restart"), ("pause", "resume"), ("flatten",), ("stop", "close"), ("kill",))
"""What may stand in each place of the row; one of them at a time."""


class Controls(w.VBox):  # type: ignore[misc] # ipywidgets has no types
    """A row of buttons, and under it a row for the question or for what was said last.

    Parameters
    ----------
    do : callable
        Called on the kernel's loop with the name of what a person wants, a question answered.
    loop : event loop
        The kernel's.
    """

    def __init__(self, do: Callable[[str], None], loop: asyncio.AbstractEventLoop) -> None:
        self._do, self._loop = do, loop
        self._asked = ""
        self._patience: asyncio.TimerHandle | None = None
        self._buttons = [w.Button(layout=w.Layout(width="104px", height="30px")) for _ in PLACES]
        self._names = [place[0] for place in PLACES]
        for number, button in enumerate(self._buttons):
            button.on_click(lambda _, number=number: loop.call_soon_threadsafe(self._clicked, number))  # it may come on another thread
        self._question, self.said = w.HTML(), w.HTML(layout=w.Layout(flex="1 1 auto", min_width="0"))
        self._yes, self._no = (w.Button(layout=w.Layout(width="auto", height="28px")) for _ in range(2))
        self._no.description, self._no.tooltip = "No", "leave everything as it is"
        self._yes.on_click(lambda _: loop.call_soon_threadsafe(self._answered, True))  # noqa: FBT003 - the answer
        self._no.on_click(lambda _: loop.call_soon_threadsafe(self._answered, False))  # noqa: FBT003 - as above
        self._second = w.HBox([self.said], layout=w.Layout(height=HEIGHT, align_items="center", overflow="hidden"))
        super().__init__([w.HBox(self._buttons, layout=w.Layout(height=HEIGHT)), self._second])
        self.show(dict.fromkeys(BUTTONS, False))

    def show(self, allowed: dict[str, bool]) -> None:
        """Put what is allowed on the buttons; a place of which nothing is allowed keeps its first one, greyed.

        Parameters
        ----------
        allowed : dict of str to bool
            For each of :data:`BUTTONS`.
        """
        for number, (button, place) in enumerate(zip(self._buttons, PLACES, strict=True)):
            name = next((name for name in place if allowed[name]), place[0])
            look, self._names[number] = BUTTONS[name], name
            button.description, button.button_style, button.tooltip = look.label, look.style, look.tip
            button.disabled = not allowed[name]
        if self._asked and not allowed[self._asked]:
            self._ask("")

    def say(self, text: str) -> None:
        """Show a line of what happened last."""
        self.said.value = words.line(text, "message")

    def _clicked(self, number: int) -> None:
        name = self._names[number]
        if BUTTONS[name].question:
            self._ask(name)
        else:
            self._do(name)

    def _ask(self, name: str) -> None:
        """Ask in the page, or take the question back if there is no name; the row keeps its height."""
        self._asked = name
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if not name:
            self._second.children = [self.said]
            return
        look = BUTTONS[name]
        self._question.value = words.page(f"<b>{look.question}</b>", "question")
        self._yes.description, self._yes.button_style = f"Yes, {look.label.lower()}", look.style or "primary"
        self._second.children = [self._question, self._yes, self._no]
        self._no.focus()  # a second Enter does nothing by mistake
        self._patience = self._loop.call_later(PATIENCE_S, self._ask, "")

    def _answered(self, yes: bool) -> None:  # noqa: FBT001 - the answer
        name = self._asked
        self._ask("")
        if name and yes:
            self._do(name)
