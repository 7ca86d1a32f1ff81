"""The numbers that may change while a session runs: a field each, with its range and unit, sent together as one command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as w

from hedgekit.params import IN_FLIGHT, Params
from hedgekit.widgets.panes import words

_DIGITS = 10


class Numbers(w.VBox):  # type: ignore[misc] # ipywidgets has no types
    """Fields of :data:`hedgekit.params.IN_FLIGHT`.

    A field that a person has changed keeps what was typed until it is applied or taken back; the others follow the session. What is
    out of range is not clipped: the session refuses it and says why.

    Parameters
    ----------
    apply : callable
        Called on the kernel's loop with the numbers that a person changed.
    loop : event loop
        The kernel's.
    """

    def __init__(self, apply: Callable[[dict[str, float]], None], loop: asyncio.AbstractEventLoop) -> None:
        self._apply_them = apply
        self._now: dict[str, float] = {}
        self._fields = {name: _field(name) for name in IN_FLIGHT}
        self._apply, self._undo = (w.Button(layout=w.Layout(width="140px")) for _ in range(2))
        self._apply.description, self._apply.button_style = "Apply", "primary"
        self._apply.tooltip, self._undo.tooltip = "change these numbers of the running session", "show the session's numbers again"
        self._undo.description = "Undo"
        self._apply.on_click(lambda _: loop.call_soon_threadsafe(self._applied))
        self._undo.on_click(lambda _: loop.call_soon_threadsafe(self._taken_back))
        rows = [w.HBox([field, _range(name)], layout=w.Layout(align_items="center")) for name, field in self._fields.items()]
        grid = w.GridBox(rows, layout=w.Layout(grid_template_columns="repeat(2, minmax(0, 1fr))", grid_gap="0 16px"))
        super().__init__([grid, w.HBox([self._apply, self._undo])])

    def show(self, params: Mapping[str, Any], *, alive: bool) -> None:
        """Show the session's numbers in every field that nobody is changing.

        Parameters
        ----------
        params : mapping
            The numbers in force.
        alive : bool
            Whether somebody would hear a change.
        """
        self._apply.disabled = self._undo.disabled = not alive
        for name, field in self._fields.items():
            value = float(params[name])
            if name not in self._now or (field.value == self._now[name] and value != self._now[name]):
                field.value = value
            self._now[name] = value

    def changed(self) -> dict[str, float]:
        """Return what differs from the session's numbers."""
        return {name: field.value for name, field in self._fields.items() if name in self._now and field.value != self._now[name]}

    def _applied(self) -> None:
        self._apply_them(self.changed())

    def _taken_back(self) -> None:
        for name, value in self._now.items():
            self._fields[name].value = value


def _field(name: str) -> w.FloatText:
    return w.FloatText(
        description=name,
        tooltip=Params.model_fields[name].description or "",
        style={"description_width": "110px"},
        layout=w.Layout(width="220px"),
    )


def _range(name: str) -> w.HTML:
    low, high, unit, rule = Params.range_of(name)
    return w.HTML(words.page(f"<span>{low:g} to {high:g} {unit} · {rule}</span>", f"range of {name}"))
