"""What the account is worth and what it may do with it.

Each currency is an account of its own: cash in one does not stand behind what is
settled in another, as at Deribit. In one currency, by kind:

- **Shares** are bought and sold short on credit: gross exposure up to 4 x the equity
  that perpetuals do not need.
- **Perpetuals** need their initial margin out of equity, beside what shares and
  contracts need. Once equity is below the maintenance margin of all that is held,
  they are liquidated (``Exchange``).
- **Binary contracts** are held against cash for their worst outcome, after the
  margin of perpetuals and their losses.

Working orders count at the worst that they can come to, at the last mids. An order
that adds nothing to what is needed always passes.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from hedgekit.errors import ConfigError
from hedgekit.exchange.binary import Pending
from hedgekit.exchange.ledger import LEVERAGE, affordable, worst
from hedgekit.exchange.model import EXACT, NewOrder, Refusal, Refused
from hedgekit.types import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hedgekit.exchange.binary import Markets
    from hedgekit.exchange.book import Book, Level
    from hedgekit.exchange.contract import Margin
    from hedgekit.exchange.ledger import Ledger

ZERO, ONE, HALF = Decimal(0), Decimal(1), Decimal("0.5")


class Summary(msgspec.Struct, frozen=True):
    """The account in one currency, at the last mids.

    ``exposure`` is that of shares; ``initial`` and ``maintenance`` are the margins of perpetuals, the first with working
    orders; ``reserved`` is what working orders for contracts can lose; ``available`` is what new perpetuals may need.
    """

    currency: str
    cash: Decimal
    equity: Decimal
    exposure: Decimal
    initial: Decimal
    maintenance: Decimal
    reserved: Decimal
    available: Decimal


class Account:
    """Ledger, books and marks, seen as what they allow.

    Parameters
    ----------
    ledger : Ledger
        What is held.
    markets : Markets
        Which binary contracts resolve together.
    books : mapping of str to Book
        Where orders work, by instrument key.

    Attributes
    ----------
    marks : dict of str to Decimal
        Last mid of each instrument; the one side that there is, or the first trade, before the first mid.
    """

    def __init__(self, ledger: Ledger, markets: Markets, books: Mapping[str, Book]) -> None:
        self.ledger, self.markets, self.books = ledger, markets, books
        self.contracts = ledger.contracts
        self.marks: dict[str, Decimal] = {}
        self._keys: dict[tuple[str, Kind], list[str]] = defaultdict(list)
        for key, contract in self.contracts.items():
            self._keys[contract.currency, contract.kind].append(key)

    # --------------------------------------------------------------- marking

    def mark(self, key: str, bid: Level | None, ask: Level | None) -> None:
        """Value an instrument at the mid of an uncrossed book; a single side only if nothing better was ever known."""
        if bid and ask and bid.price <= ask.price:
            self.marks[key] = EXACT.multiply(EXACT.add(bid.price, ask.price), HALF)
        elif side := bid or ask:
            self.marks.setdefault(key, side.price)

    def mark_set(self, keys: tuple[str, str]) -> None:
        """Value both contracts of a set that is held, if one has no mark: at the rest of 1, or both at half."""
        for key, other in (keys, keys[::-1]):
            if key not in self.marks:
                rest = ONE - self.markets.money(other, self.marks[other]) if other in self.marks else HALF
                self.marks[key] = rest * self.markets.par(key)

    # ------------------------------------------------------------- questions

    def perpetuals(self, currency: str) -> list[str]:
        """Return the perpetuals that settle in a currency."""
        return self._keys[currency, Kind.LINEAR_PERP] + self._keys[currency, Kind.INVERSE_PERP]

    def sides(self, key: str) -> tuple[Decimal, Decimal]:
        """Return what working buys and sells still want, unsigned."""
        orders = self.books[key].orders()
        return sum((o.leaves for o in orders if o.buy), ZERO), sum((o.leaves for o in orders if not o.buy), ZERO)

    def equity(self, currency: str) -> Decimal:
        """Return cash plus what is held, at the last mids."""
        return self.ledger.equity(self.marks, currency)

    def exposure(self, currency: str, new: NewOrder | None = None) -> Decimal:
        """Return the gross exposure of what is traded on credit, the worst that working orders, and ``new``, can make of it."""
        return sum((self._gross(key, new) for key in self._keys[currency, Kind.SPOT]), ZERO)

    def initial(self, currency: str, new: NewOrder | None = None) -> Decimal:
        """Return the initial margin of perpetuals, the worst that working orders, and ``new``, can make of it."""
        return sum((self._margin(key).initial * self._gross(key, new) for key in self.perpetuals(currency)), ZERO)

    def maintenance(self, currency: str) -> Decimal:
        """Return the maintenance margin of the perpetuals that are held."""
        held = [(key, self.ledger.position(key)) for key in self.perpetuals(currency)]
        sizes = ((key, abs(self.contracts[key].notional(qty, self.marks[key]))) for key, qty in held if qty)
        return sum((self._margin(key).maintenance * size for key, size in sizes), ZERO)

    def covered(self, currency: str) -> Decimal:
        """Return what can stand behind contracts: cash and certain payouts, less the margin and the losses of perpetuals."""
        held = [key for key in self.perpetuals(currency) if self.ledger.position(key)]
        profit = sum((self.ledger.unrealised(key, self.marks[key]) for key in held), ZERO)
        certain = self.ledger.balances[currency] + self.markets.floor(self.ledger.position, currency)
        return certain + min(profit, ZERO) - self.initial(currency)

    def reserved(self, currency: str, new: NewOrder | None = None) -> Decimal:
        """Return what working orders for contracts, and ``new``, can lose."""
        pending = [
            Pending(key, o.leaves if o.buy else -o.leaves, self.marks[key] if o.limit is None else o.limit)
            for key in self._keys[currency, Kind.BINARY]
            for o in self.books[key].orders()
        ]
        if new is not None:
            pending.append(Pending(new.instrument, new.qty, self.marks[new.instrument] if new.limit is None else new.limit))
        return self.markets.reserved(pending, self.ledger.position)

    def summary(self, currency: str) -> Summary:
        """Return all of these.

        Raises
        ------
        ConfigError
            If the account has no such currency.
        """
        if currency not in self.ledger.balances:
            msg = f"currency {currency!r}: the account has {', '.join(self.ledger.balances)}"
            raise ConfigError(msg)
        initial = self.initial(currency)
        return Summary(
            currency,
            self.ledger.balances[currency],
            self.equity(currency),
            self.exposure(currency),
            initial,
            self.maintenance(currency),
            self.reserved(currency),
            self._room(currency) - initial,
        )

    # ----------------------------------------------------------------- rules

    def refuse(self, new: NewOrder) -> Refused | None:
        """Return why the account cannot bear an order, with the numbers; None if it can.

        A market order before the first quote cannot be valued: it passes here, and the exchange refuses it for that.
        """
        if new.limit is None and new.instrument not in self.marks:
            return None
        contract = self.contracts[new.instrument]
        rule = self._refuse_perpetual if contract.perpetual else self._refuse_binary if contract.kind is Kind.BINARY else self._refuse_share
        why = rule(new, contract.currency)
        return None if why is None else (Refusal.BUYING_POWER, why)

    def _refuse_share(self, new: NewOrder, currency: str) -> str | None:
        after, equity = self.exposure(currency, new), self.equity(currency) - self.initial(currency)
        if affordable(self.exposure(currency), after, equity):
            return None
        return f"insufficient buying power: exposure would be {after}, allowed are {LEVERAGE} x equity {equity}"

    def _refuse_perpetual(self, new: NewOrder, currency: str) -> str | None:
        before, after, room = self.initial(currency), self.initial(currency, new), self._room(currency)
        if after <= max(before, room):
            return None
        return f"insufficient margin: {after:f} {currency} would be needed, {room:f} of equity are free for it"

    def _refuse_binary(self, new: NewOrder, currency: str) -> str | None:
        before, after, covered = self.reserved(currency), self.reserved(currency, new), self.covered(currency)
        if after <= max(before, covered):
            return None
        return f"insufficient buying power: working orders could lose {after} with this one, of {covered} in cash and certain payouts"

    def _room(self, currency: str) -> Decimal:
        """Return the most that the initial margin of perpetuals may be."""
        room = self.equity(currency) - self.exposure(currency) / LEVERAGE
        if not self._keys[currency, Kind.BINARY]:
            return room
        return min(room, self.covered(currency) + self.initial(currency) - self.reserved(currency))

    def _margin(self, key: str) -> Margin:
        margin = self.contracts[key].margin
        if margin is None:
            raise AssertionError(key)  # contracts_of lets no perpetual pass without one
        return margin

    def _gross(self, key: str, new: NewOrder | None) -> Decimal:
        """Return the largest size in money that a position can come to."""
        buys, sells = self.sides(key)
        limit = None
        if new is not None and new.instrument == key:
            limit = new.limit
            buys, sells = (buys + new.qty, sells) if new.qty > 0 else (buys, sells - new.qty)
        price = self.marks.get(key) or limit
        return abs(self.contracts[key].notional(worst(self.ledger.position(key), buys, sells), price)) if price else ZERO
