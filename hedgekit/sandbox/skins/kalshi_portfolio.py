"""Kalshi's portfolio: balance, positions, fills, settlements.

The balance is what is available: cash, less 1 for every contract sold short, less what working orders can lose. A position is one
signed number, YES above 0; its exposure is what it was entered for, 1 - p for a NO.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from hedgekit.exchange.model import EXACT, Executed, OrderState
from hedgekit.sandbox.calls import Answer
from hedgekit.sandbox.skins.kalshi_orders import Refused
from hedgekit.sandbox.skins.kalshi_wire import (
    MS,
    ONE,
    USER,
    ZERO,
    Ticket,
    cents,
    cost,
    count,
    dollars,
    event_of,
    legacy,
    moment,
    order_json,
    seconds,
    sides,
    ticker_of,
)
from hedgekit.types import NS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from hedgekit.exchange.binary import Settlement
    from hedgekit.exchange.engine import Exchange

T = TypeVar("T")
PAGE, PAGE_MAX = 100, 1000


@dataclass(slots=True)
class Traded:
    """What was traded in a market: contracts, money at YES prices for a purchase and NO prices for a sale, fees, and when last."""

    contracts: Decimal = ZERO
    spent: Decimal = ZERO
    fees: Decimal = ZERO
    last: Executed | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """A market that is settled: what YES paid, and what was held and paid for it."""

    key: str
    payout: Decimal
    held: Decimal
    spent: Decimal
    fees: Decimal
    ts_ns: int


class Portfolio:
    """What the account holds and has done.

    Parameters
    ----------
    exchange : Exchange
        Whose ledger it is.
    shift : callable
        Returns by how many nanoseconds the venue's clock is off.
    """

    def __init__(self, exchange: Exchange, shift: Callable[[], int]) -> None:
        self._exchange, self._shift = exchange, shift
        self._traded = {key: Traded() for key in exchange.instruments}
        self.fills: list[Executed] = []
        self.settled: dict[str, Settled] = {}

    # ------------------------------------------------------------------ reports

    def note(self, fill: Executed) -> None:
        """Take up a fill."""
        self.fills.append(fill)
        traded = self._traded[fill.order.request.instrument]
        traded.contracts += abs(fill.qty)
        traded.spent, traded.fees = EXACT.add(traded.spent, cost(fill.qty, fill.price)), EXACT.add(traded.fees, fill.fee)
        traded.last = fill

    def settle(self, settlement: Settlement, entered: Mapping[str, Decimal]) -> None:
        """Take up a settlement; ``entered``: what the positions had been entered for."""
        for key, payout in settlement.payouts.items():
            held = settlement.positions[key]
            spent = _exposure(held, entered[key])
            self.settled[key] = Settled(key, payout, held, spent, self._traded[key].fees, settlement.ts_ns)

    def traded(self, key: str) -> Traded:
        """Return what was traded in a market."""
        return self._traded[key]

    def last(self, key: str) -> Executed | None:
        """Return the last fill in a market."""
        return self._traded[key].last

    # --------------------------------------------------------------------- words

    def balance(self, now_ns: int) -> Answer:
        """Return the available balance, and what positions are worth at the last mids."""
        free, ledger, marks = self._exchange.free_cash, self._exchange.ledger, self._exchange.marks
        worth = sum(
            (EXACT.multiply(abs(qty), marks[key] if qty > 0 else ONE - marks[key]) for key, qty in ledger.positions().items()), ZERO
        )
        told: dict[str, object] = {"balance": cents(free), "balance_dollars": dollars(free), "portfolio_value": cents(worth)}
        breakdown = [{"exchange_index": 0, "balance": dollars(free)}]
        return Answer(200, told | {"updated_ts": seconds(now_ns + self._shift()), "balance_breakdown": breakdown})

    def resting_value(self) -> Answer:
        """Return what working orders can lose."""
        value = self._exchange.summary().reserved
        breakdown = [{"exchange_index": 0, "balance": dollars(value)}]
        return Answer(200, {"total_resting_order_value": cents(value), "resting_order_value_breakdown": breakdown})

    def positions(self, query: Mapping[str, str]) -> Answer:
        """Return positions, market by market and summed by event."""
        wanted = {"unsettled": (False,), "settled": (True,), "all": (False, True)}.get(query.get("settlement_status", "unsettled"))
        if wanted is None:
            raise Refused(400, "invalid_parameters", "settlement_status must be unsettled, settled or all")
        filters = [name for name in query.get("count_filter", "").split(",") if name]
        if unknown := sorted(set(filters) - {"position", "total_traded"}):
            raise Refused(400, "invalid_parameters", "count_filter must be position, total_traded", ", ".join(unknown))
        keys = [
            key
            for key, traded in self._traded.items()
            if traded.contracts
            and (key in self.settled) in wanted
            and _within(key, query)
            and all(self._counts(key, name) for name in filters)
        ]
        page, cursor = paged(list(enumerate(keys))[::-1], query)
        keys = [key for _, key in reversed(page)]
        return Answer(
            200, {"cursor": cursor, "market_positions": [self._position(key) for key in keys], "event_positions": self._events(keys)}
        )

    def _counts(self, key: str, what: str) -> bool:
        return bool(self._exchange.ledger.position(key) if what == "position" else self._traded[key].contracts)

    def _position(self, key: str) -> dict[str, object]:
        ledger, traded = self._exchange.ledger, self._traded[key]
        held = ledger.position(key)
        return {
            "ticker": ticker_of(key),
            "exchange_index": 0,
            "total_traded_dollars": dollars(traded.spent),
            "position_fp": count(held),
            "market_exposure_dollars": dollars(_exposure(held, ledger.cost(key))),
            "realized_pnl_dollars": dollars(ledger.profit(key)),
            "fees_paid_dollars": dollars(traded.fees),
            "last_updated_ts": moment((0 if traded.last is None else traded.last.ts_ns) + self._shift()),
        }

    def _events(self, keys: Iterable[str]) -> list[dict[str, object]]:
        events: dict[str, list[str]] = {}
        for key in keys:
            events.setdefault(event_of(ticker_of(key)), []).append(key)
        return [self._event(event, some) for event, some in events.items()]

    def _event(self, event: str, keys: Sequence[str]) -> dict[str, object]:
        ledger, traded = self._exchange.ledger, [self._traded[key] for key in keys]
        return {
            "event_ticker": event,
            "total_cost_dollars": dollars(sum((one.spent for one in traded), ZERO)),
            "total_cost_shares_fp": count(sum((one.contracts for one in traded), ZERO)),
            "event_exposure_dollars": dollars(sum((_exposure(ledger.position(key), ledger.cost(key)) for key in keys), ZERO)),
            "realized_pnl_dollars": dollars(sum((ledger.profit(key) for key in keys), ZERO)),
            "fees_paid_dollars": dollars(sum((one.fees for one in traded), ZERO)),
        }

    def told_position(self, key: str) -> dict[str, object]:
        """Return what the stream says of a position."""
        ledger, traded = self._exchange.ledger, self._traded[key]
        held = ledger.position(key)
        return {
            "user_id": USER,
            "market_ticker": ticker_of(key),
            "position_fp": count(held),
            "position_cost_dollars": dollars(_exposure(held, ledger.cost(key)), 6),
            "realized_pnl_dollars": dollars(ledger.profit(key), 6),
            "fees_paid_dollars": dollars(traded.fees, 6),
            "position_fee_cost_dollars": dollars(traded.fees, 6),
            "volume_fp": count(traded.contracts),
            "subaccount": 0,
        }

    # ------------------------------------------------------------- fills, orders

    def list_fills(self, query: Mapping[str, str]) -> Answer:
        """Return fills, the newest first."""
        tickers, timely = {name for name in query.get("ticker", "").split(",") if name}, in_time(query)
        found = [
            (number, fill)
            for number, fill in zip(range(len(self.fills) - 1, -1, -1), reversed(self.fills), strict=True)
            if (not tickers or ticker_of(fill.order.request.instrument) in tickers)
            and query.get("order_id", "") in {"", fill.order.order_id}
            and timely(fill.ts_ns)
        ]
        page, cursor = paged(found, query)
        return Answer(200, {"fills": [self._fill(fill) for _, fill in page], "cursor": cursor})

    def _fill(self, fill: Executed) -> dict[str, object]:
        name, at = ticker_of(fill.order.request.instrument), fill.ts_ns + self._shift()
        return {
            "fill_id": fill.execution_id,
            "trade_id": fill.execution_id,
            "exchange_index": 0,
            "order_id": fill.order.order_id,
            "ticker": name,
            "market_ticker": name,
            **legacy(fill.qty),
            **sides(fill.qty),
            "count_fp": count(abs(fill.qty)),
            "yes_price_dollars": dollars(fill.price),
            "no_price_dollars": dollars(ONE - fill.price),
            "is_taker": not fill.maker,
            "created_time": moment(at),
            "fee_cost": dollars(fill.fee, 6),
            "subaccount_number": 0,
            "ts": seconds(at),
        }

    def told_fill(self, fill: Executed) -> dict[str, object]:
        """Return what the stream says of a fill."""
        at = fill.ts_ns + self._shift()
        return {
            "trade_id": fill.execution_id,
            "order_id": fill.order.order_id,
            "client_order_id": fill.order.request.client_id,
            "market_ticker": ticker_of(fill.order.request.instrument),
            "exchange_index": 0,
            "is_taker": not fill.maker,
            **legacy(fill.qty),
            "yes_price_dollars": dollars(fill.price),
            "count_fp": count(abs(fill.qty)),
            "fee_cost": dollars(fill.fee, 6),
            "ts": seconds(at),
            "ts_ms": at // MS,
            "post_position_fp": count(fill.position),
            "purchased_side": sides(fill.qty)["outcome_side"],
            **sides(fill.qty),
            "subaccount": 0,
        }

    def list_orders(self, orders: Iterator[tuple[int, OrderState, Ticket]], query: Mapping[str, str]) -> Answer:
        """Return orders, the newest first."""
        status = query.get("status", "")
        if status not in {"", "resting", "canceled", "executed"}:
            raise Refused(400, "invalid_parameters", "status must be resting, canceled or executed", status)
        shift, timely = self._shift(), in_time(query)
        told = (
            (number, order_json(state, ticket, shift))
            for number, state, ticket in orders
            if _within(state.request.instrument, query) and timely(state.created_ns)
        )
        page, cursor = paged([(number, one) for number, one in told if status in {"", one["status"]}], query)
        return Answer(200, {"orders": [one for _, one in page], "cursor": cursor})

    def list_settlements(self, query: Mapping[str, str]) -> Answer:
        """Return settlements of positions, the newest first."""
        timely = in_time(query)
        made = [one for one in self.settled.values() if one.held or self._traded[one.key].contracts]
        found = [(number, one) for number, one in reversed(list(enumerate(made))) if _within(one.key, query) and timely(one.ts_ns)]
        page, cursor = paged(found, query)
        return Answer(200, {"settlements": [self._settlement(one) for _, one in page], "cursor": cursor})

    def _settlement(self, one: Settled) -> dict[str, object]:
        name, pays = ticker_of(one.key), one.payout
        yes, no = max(one.held, ZERO), max(-one.held, ZERO)
        result = "yes" if pays == ONE else "no" if not pays else "scalar"
        return {
            "ticker": name,
            "exchange_index": 0,
            "event_ticker": event_of(name),
            "market_result": result,
            "yes_count_fp": count(yes),
            "yes_total_cost_dollars": dollars(one.spent if yes else ZERO),
            "no_count_fp": count(no),
            "no_total_cost_dollars": dollars(one.spent if no else ZERO),
            "revenue": cents(EXACT.add(EXACT.multiply(yes, pays), EXACT.multiply(no, ONE - pays))),
            "settled_time": moment(one.ts_ns + self._shift()),
            "fee_cost": dollars(one.fees),
            "value": cents(pays),
        }


def _exposure(held: Decimal, entered: Decimal) -> Decimal:
    """Return what a position was entered for: a NO takes 1 less what its sale brought."""
    return entered if held >= 0 else EXACT.subtract(entered, held)


def _within(key: str, query: Mapping[str, str]) -> bool:
    """Whether a market is among those that a query names."""
    name, events = ticker_of(key), [event for event in query.get("event_ticker", "").split(",") if event]
    return query.get("ticker", "") in {"", name} and (not events or event_of(name) in events)


def in_time(query: Mapping[str, str]) -> Callable[[int], bool]:
    """Return what tells whether a time is within a query's ``min_ts`` and ``max_ts``, both included."""
    least, most = whole(query, "min_ts", 0) * NS, whole(query, "max_ts", 0) * NS if query.get("max_ts") else None
    return lambda ts_ns: least <= ts_ns and (most is None or ts_ns <= most)


def whole(query: Mapping[str, str], name: str, default: int) -> int:
    """Return a whole number of a query."""
    text = query.get(name, "")
    if text and not (text.removeprefix("-").isascii() and text.removeprefix("-").isdecimal()):
        raise Refused(400, "invalid_parameters", f"{name} must be a whole number", text)
    return int(text) if text else default


def paged(items: Sequence[tuple[int, T]], query: Mapping[str, str], *, most: int = PAGE_MAX) -> tuple[list[tuple[int, T]], str]:
    """Return the page of a list, the highest number first, and the cursor of the next; empty for the last.

    A cursor is the number of the last item: what comes while somebody reads page after page moves none of them.
    """
    limit = whole(query, "limit", PAGE)
    if not 1 <= limit <= most:
        raise Refused(400, "invalid_parameters", f"limit must be 1 to {most}", query.get("limit", ""))
    text = query.get("cursor", "")
    if text and not (text.startswith("n") and text[1:].isascii() and text[1:].isdecimal()):
        raise Refused(400, "invalid_parameters", "invalid cursor", text)
    left = [item for item in items if not text or item[0] < int(text[1:])]
    page = list(left[:limit])
    return page, f"n{page[-1][0]}" if len(left) > limit else ""
