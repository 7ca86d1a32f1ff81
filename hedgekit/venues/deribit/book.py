"""One instrument's book, kept from a snapshot and the changes after it."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import Literal

Change = tuple[Literal["new", "change", "delete"], float, float]
"""What happened to a level: its price, and the amount that it has now (0 if it is gone)."""

Top = tuple[float, float, float, float]
"""Best bid and ask, and the amounts there; 0 and 0 for a side that is empty."""


class Side:
    """The levels of one side, the best one last.

    Parameters
    ----------
    sign : {1, -1}
        Of the prices as they are sorted: 1 for bids, -1 for asks.
    """

    __slots__ = ("amounts", "prices", "sign")

    def __init__(self, sign: Literal[1, -1]) -> None:
        self.sign = sign
        self.amounts: dict[float, float] = {}
        self.prices: list[float] = []

    def apply(self, changes: list[Change]) -> bool:
        """Set or remove levels; return whether every price and amount was one.

        An amount is the level's total, so what it was before, and whether the venue calls it new, makes no difference.
        """
        amounts, prices, sign = self.amounts, self.prices, self.sign
        for action, at, amount in changes:
            price = at * sign
            if at <= 0.0 or (amount <= 0.0 and action != "delete"):
                return False
            if action != "delete":
                if price not in amounts:
                    insort(prices, price)
                amounts[price] = amount
            elif amounts.pop(price, None) is not None:
                del prices[bisect_left(prices, price)]
        return True

    def best(self) -> tuple[float, float]:
        """Return the best price and the amount there; 0 and 0 if there is none."""
        if not self.prices:
            return 0.0, 0.0
        price = self.prices[-1]
        return price * self.sign, self.amounts[price]


class Book:
    """A book that knows the change it stands at.

    Attributes
    ----------
    change_id : int or None
        Id of the last change; None before a snapshot, and while a change is applied.
    """

    __slots__ = ("asks", "bids", "change_id")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything: a snapshot replaces a book, it is not merged into it."""
        self.bids, self.asks = Side(1), Side(-1)
        self.change_id: int | None = None

    def apply(self, change_id: int, bids: list[Change], asks: list[Change]) -> bool:
        """Apply what follows; return whether it had a meaning. If it had none, the book stands at no change."""
        self.change_id = None
        if (bids and not self.bids.apply(bids)) or (asks and not self.asks.apply(asks)):
            return False
        self.change_id = change_id
        return True

    def top(self) -> Top:
        """Return the best prices."""
        bid, bid_amount = self.bids.best()
        ask, ask_amount = self.asks.best()
        return bid, ask, bid_amount, ask_amount
