"""Which session a panel shows: the one that has its account, whichever that is, or a running or past one that was chosen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import ipywidgets as w

if TYPE_CHECKING:
    from hedgekit.desk import Status

FOLLOW = ""
"""Chosen: whatever session the account has."""

MOST = 40


class Sessions(w.HBox):  # type: ignore[misc] # ipywidgets has no types
    """A list to choose from, the newest first.

    Parameters
    ----------
    choose : callable
        Called on the kernel's loop with a session's id, or :data:`FOLLOW`.
    loop : event loop
        The kernel's.
    account : str
        The panel's.
    """

    def __init__(self, choose: Callable[[str], None], loop: asyncio.AbstractEventLoop, account: str) -> None:
        self._first = (f"follow account {account}", FOLLOW)
        self._list = w.Dropdown(
            options=[self._first],
            value=FOLLOW,
            description="Session",
            tooltip="a running or past session to look at",
            style={"description_width": "60px"},
            layout=w.Layout(width="100%", max_width="640px"),
        )
        self._showing = False
        self._list.observe(lambda change: self._showing or loop.call_soon_threadsafe(choose, change["new"]), names="value")
        super().__init__([self._list], layout=w.Layout(height="34px", align_items="center"))

    def show(self, found: Sequence[Status], chosen: str) -> None:
        """Show these sessions; the list is only touched if it says something else than before."""
        shown = found[:MOST]
        options = [self._first, *((f"{one.session} · {one.state.value} · {one.market}", one.session) for one in shown)]
        if chosen and chosen not in [name for _, name in options]:
            options.append((chosen, chosen))
        self._showing = True  # what is set here is no choice of a person
        try:
            if options != list(self._list.options):
                self._list.options = options
            if self._list.value != chosen:
                self._list.value = chosen
        finally:
            self._showing = False
