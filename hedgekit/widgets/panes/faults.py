"""Fault switches of the sandbox exchange: one button for each thing that venues do, and what the exchange said to it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import ipywidgets as w
import msgspec
import pandas as pd

from hedgekit.widgets.panes import words

if TYPE_CHECKING:
    from hedgekit.desk.faults import Faulted

SWITCHES: dict[str, tuple[str, dict[str, Any]]] = {
    "Outage, 2 min": ("outage", {"seconds": 120.0}),
    "Feed stands still, 2 min": ("freeze", {"seconds": 120.0}),
    "Market paused, 2 min": ("pause", {"seconds": 120.0}),
    "Sockets cut": ("disconnect", {}),
    "Next order fills a third": ("partial", {"fraction": 0.33}),
    "Next order refused": ("reject_hedge", {}),
    "504, yet accepted": ("gateway_504_after", {"count": 2}),
    "No answer, yet done": ("hang_after", {"count": 2}),
    "Too many requests": ("too_many", {"seconds": 2.0, "count": 3}),
    "Next fill told twice": ("duplicate", {"count": 3}),
    "Next message lost": ("lost", {"count": 1}),
}
"""Label, kind and figures (:class:`hedgekit.exchange.faults.Fault`); seconds are of the market's time."""

COLUMNS = {"asked (UTC)": "t", "fault": "t", "the exchange": "t long"}
ROWS = 6


class Faults(w.VBox):  # type: ignore[misc] # ipywidgets has no types
    """The switches.

    Parameters
    ----------
    fault : callable
        Called on the kernel's loop with the label of a switch.
    loop : event loop
        The kernel's.
    """

    def __init__(self, fault: Callable[[str], None], loop: asyncio.AbstractEventLoop) -> None:
        self._buttons = [
            w.Button(description=label, tooltip=f"let it happen: {label}", layout=w.Layout(width="172px")) for label in SWITCHES
        ]
        for button in self._buttons:
            button.on_click(lambda made: loop.call_soon_threadsafe(fault, made.description))
        self._told = w.HTML(layout=w.Layout(height="150px", overflow="auto"))
        grid = w.Layout(grid_template_columns="repeat(auto-fill, 180px)", grid_gap="2px")
        super().__init__([w.GridBox(self._buttons, layout=grid), self._told])

    def show(self, faults: Sequence[Faulted], *, alive: bool) -> None:
        """Show what became of the newest faults; ``alive``, whether there is an exchange to befall."""
        for button in self._buttons:
            button.disabled = not alive
        rows = [[f"{pd.Timestamp(one.at_ns, unit='ns', tz='UTC'):%H:%M:%S}", _what(one.fault), one.refusal or "planned"] for one in faults]
        self._told.value = words.table("Faults", COLUMNS, rows[: -ROWS - 1 : -1], "none asked for")


def _what(fault: str) -> str:
    """Return a fault's JSON as words."""
    said = msgspec.json.decode(fault, type=dict[str, Any])
    figures = ", ".join(f"{name} {value:g}" for name, value in said.items() if isinstance(value, float | int))
    return f"{str(said.get('kind', '')).replace('_', ' ')}{' (' + figures + ')' if figures else ''}"
