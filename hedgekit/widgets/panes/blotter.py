"""The blotter: orders that work, and the newest fills with what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hedgekit.widgets.panes import words

if TYPE_CHECKING:
    from hedgekit.journal import News
    from hedgekit.journal.news import FillRow, WorkingOrder

ROWS = 40
ORDERS = {"time (UTC)": "t", "leg": "t", "instrument": "t", "quantity": "", "left": "", "decided at": "", "state": "t"}
FILLS = {"time (UTC)": "t", "trade": "", "leg": "t", "instrument": "t", "quantity": "", "price": "", "slippage ($)": "", "fee ($)": ""}


class Blotter:
    """Keeps the newest fills, and the orders that work now."""

    def __init__(self) -> None:
        self._fills: list[FillRow] = []
        self._working: tuple[WorkingOrder, ...] = ()

    def take(self, news: News) -> bool:
        """Take what is new; return whether the blotter changed."""
        changed = bool(news.fills) or news.standing.working != self._working
        self._fills = [*self._fills, *news.fills][-ROWS:]
        self._working = news.standing.working
        return changed

    def html(self) -> str:
        """Return both tables; slippage is positive when it was paid."""
        orders = [
            [words.clock(o.ts), o.role, o.instrument, words.quantity(o.qty), words.quantity(o.left), f"{o.expected:,.2f}", _state(o)]
            for o in reversed(self._working)
        ]
        fills = [
            [words.clock(f.ts), str(f.trade), f.role, f.instrument, words.quantity(f.qty), f"{f.price:,.2f}", *_costs(f)]
            for f in reversed(self._fills)
        ]
        working = words.table("Orders", ORDERS, orders, "no order works")
        return working + words.table("Fills", FILLS, fills, "no fill yet")


def _state(order: WorkingOrder) -> str:
    return f"{order.status.replace('_', ' ')}{', cancel asked' if order.cancelling else ''}"


def _costs(fill: FillRow) -> list[str]:
    return [words.number(fill.slippage), words.number(fill.fee)]
