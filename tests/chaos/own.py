"""Orders that an exchange kept from meeting the account's own (self-trade prevention), by its own ledger."""

from __future__ import annotations

from decimal import Decimal

from tests.chaos.books import Books, Line

PREVENTS = {"KALSHI"}
"""Where an order is taken at a tighter limit, a tick short of the account's own; elsewhere it is refused."""


def kept_apart(books: Books) -> dict[str, list[Decimal]]:
    """Return, by the name of each order that was accepted, the limits of the account's own on the other side that worked then."""
    working, left, found = dict[str, Line](), dict[str, Decimal](), dict[str, list[Decimal]]()
    for line in books.ledger:
        name = line["client_id"]
        if line["event"] == "accepted":
            there = [one for one in working.values() if _opposite(one, line) and one["price"] is not None]
            found[name] = [Decimal(one["price"]) for one in there]
            working[name], left[name] = line, abs(Decimal(line["qty"]))
        elif line["event"] == "fill" and name in left:
            left[name] -= abs(Decimal(line["qty"]))
        if line["event"] == "cancelled" or (line["event"] == "rejected" and line["order_id"] is not None) or left.get(name) == 0:
            working.pop(name, None)
    return found


def short_of(limit: Decimal, own: list[Decimal], tick: Decimal, *, buys: bool) -> Decimal:
    """Return the limit at which an order is taken that would reach the account's own: a tick short of the best of those; else its own."""
    met = [price for price in own if (price <= limit if buys else price >= limit)]
    if not met:
        return limit
    return min(met) - tick if buys else max(met) + tick


def _opposite(one: Line, other: Line) -> bool:
    same = (one["venue"], one["symbol"]) == (other["venue"], other["symbol"])
    return same and (Decimal(one["qty"]) > 0) != (Decimal(other["qty"]) > 0)
