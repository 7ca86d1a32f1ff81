"""Orders and trades of the account: what is taken, what is refused, and what is told of both.

The venue's id of an order is its hash, which at the exchange is the client's id. The same order again is refused as a duplicate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from hedgekit.exchange.fees import Trade as Priced
from hedgekit.exchange.model import Accepted, Cancelled, Executed, NewOrder, OrderState, Rejected, Report, Reports, Status
from hedgekit.sandbox.skins.polymarket_amounts import Amounts, amounts_of
from hedgekit.sandbox.skins.polymarket_auth import Doorman, lapsed
from hedgekit.sandbox.skins.polymarket_markets import ZERO, Market, Markets
from hedgekit.sandbox.skins.polymarket_trades import DOOMED, STEPS, Trade
from hedgekit.sandbox.skins.polymarket_wire import (
    AT_ONCE,
    CROSSES,
    ENDS,
    FAK_UNMATCHED,
    FOK_UNFILLED,
    LEAST,
    LEAST_MONEY,
    NOT_READY,
    POOR,
    OrderBody,
    millis,
    refused,
    text,
    units,
)
from hedgekit.types import NS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hedgekit.sandbox.floor import Floor
    from hedgekit.sandbox.skin import Said
    from hedgekit.sandbox.skins.polymarket_markets import Side
    from hedgekit.sandbox.timeline import Timeline

EARLY_NS = 60 * NS
"""An order that expires is cancelled so long before the time that it names."""

_TIFS = {"GTC": "gtc", "GTD": "gtc", "FAK": "ioc", "FOK": "fok"}
GONE = "the order can't be found - already canceled or matched"


class RefusedError(Exception):
    """The venue refuses an order; its text is the venue's."""


@dataclass(slots=True)
class Placed:
    """An order that was taken. ``why`` is the reason of its end, where the exchange does not know it."""

    order_id: str
    market: Market
    token: str
    amounts: Amounts
    kind: str
    expiration: int
    created_ns: int
    why: str = ""
    trades: list[Trade] = field(default_factory=list)


class Orders:
    """The account's orders.

    Parameters
    ----------
    floor : Floor
        Where they go.
    markets : Markets
        What is listed.
    doorman : Doorman
        Verifies who has signed them.
    timeline : Timeline
        What time it is.
    ask : callable
        Returns the best price at which a token is offered.
    shift : callable
        Returns how far the venue's clock is off, ns.
    publish, note, say : callable
        Get reports to be told and written down, reports to be written down alone, and what else the account's stream says.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        floor: Floor,
        markets: Markets,
        doorman: Doorman,
        timeline: Timeline,
        *,
        ask: Callable[[str], Decimal],
        shift: Callable[[], int],
        publish: Callable[[Reports], None],
        note: Callable[[Reports], None],
        say: Callable[[Iterable[Said]], None],
    ) -> None:
        self._floor, self._markets, self._doorman, self._timeline = floor, markets, doorman, timeline
        self._ask, self._shift, self._publish, self._note, self._say = ask, shift, publish, note, say
        self._placed: dict[str, Placed] = {}
        self._open: dict[str, Placed] = {}
        self.trades: dict[str, Trade] = {}

    # ------------------------------------------------------------------- entry

    def place(self, body: OrderBody) -> dict[str, Any]:
        """Take an order; return the venue's answer.

        Raises
        ------
        RefusedError
            If it is not taken, with the venue's words.
        """
        order, now_ns = body.order, self._timeline.now_ns
        market = self._markets.by_token.get(order.token_id)
        if market is None or market.payout is not None:
            msg = f"the orderbook {order.token_id[:80]} does not exist"
            raise RefusedError(msg)
        if market.condition in self._markets.paused:
            raise RefusedError(NOT_READY)
        if body.owner != self._doorman.credentials.key:
            msg = "the order owner has to be the owner of the API KEY"
            raise RefusedError(msg)
        try:
            order_id = self._doorman.order_id(order, neg_risk=market.neg_risk)
            self._refuse_times(body, now_ns)
            amounts = amounts_of(order, body.order_type, market.tick, self._floor.exchange.instruments[market.key].lot)
        except ValueError as bad:
            raise RefusedError(str(bad)) from None
        if order_id not in self._placed:  # else it is a duplicate, whatever else is wrong with it by now
            self._refuse_size(body, order_id, amounts)
            self._refuse_funds(market, order.token_id, amounts, body)
        placed = Placed(order_id, market, order.token_id, amounts, body.order_type, int(order.expiration), now_ns)
        return self._submit(placed, post_only=body.post_only)

    def _submit(self, placed: Placed, *, post_only: bool) -> dict[str, Any]:
        market, token, (side, size, price, _) = placed.market, placed.token, placed.amounts
        limit, qty = market.priced(token, price), market.signed(token, side, size)
        new = NewOrder(placed.order_id, market.key, qty, "limit", limit, _TIFS[placed.kind], post_only)  # type: ignore[arg-type] # of these four
        reports = self._floor.submit(new, self._timeline.now_ns)
        first = reports[0]
        if isinstance(first, Rejected):
            self._publish(reports)
            raise RefusedError(refused(first.why, first.message, placed.order_id, token))
        self._placed[placed.order_id] = self._open[placed.order_id] = placed
        if placed.kind in AT_ONCE and isinstance(reports[-1], Cancelled) and not any(isinstance(one, Executed) for one in reports):
            self._note(reports)
            del self._open[placed.order_id]
            raise RefusedError(FAK_UNMATCHED if placed.kind == "FAK" else FOK_UNFILLED)
        self._publish(reports)
        if placed.kind == "GTD":
            self._timeline.call_at(placed.expiration * NS - EARLY_NS, partial(self._expire, placed.order_id))
        return self._answer(placed)

    def _answer(self, placed: Placed) -> dict[str, Any]:
        shares = sum((trade.size for trade in placed.trades), ZERO)
        money = sum((trade.size * trade.price for trade in placed.trades), ZERO)
        making, taking = (money, shares) if placed.amounts.side == "BUY" else (shares, money)
        status = "matched" if shares else "delayed" if placed.kind in AT_ONCE else "live"
        return {
            "success": True,
            "errorMsg": "",
            "orderID": placed.order_id,
            "status": status,
            "makingAmount": text(making) if shares else "",
            "takingAmount": text(taking) if shares else "",
            "transactionsHashes": [],
            "tradeIDs": [trade.id for trade in placed.trades],
        }

    def _refuse_times(self, body: OrderBody, now_ns: int) -> None:
        words = body.order.expiration
        number = int(words) if words.isascii() and words.isdecimal() and len(words) < 12 else -1  # noqa: PLR2004 - seconds to the year 5000
        if (body.order_type == "GTD") != (number > 0) or (number > 0 and number * NS <= now_ns + EARLY_NS):
            msg = "invalid expiration"
            raise ValueError(msg)
        if lapsed(body.order, now_ns):
            msg = "invalid timestamp"
            raise ValueError(msg)
        if body.post_only and body.order_type in AT_ONCE:
            msg = f"{CROSSES}; post-only orders are GTC or GTD"
            raise ValueError(msg)

    def _refuse_size(self, body: OrderBody, order_id: str, amounts: Amounts) -> None:
        at_once = body.order_type in AT_ONCE
        if not at_once and amounts.size < LEAST:
            msg = f"order {order_id} is invalid. Size ({text(amounts.size)}) lower than the minimum: {text(LEAST)}"
            raise RefusedError(msg)
        takes = at_once or (not body.post_only and self._ask(body.order.token_id) <= amounts.price)
        money = int(body.order.maker_amount) * Decimal("0.000001")
        if amounts.side == "BUY" and takes and (money < LEAST_MONEY or not amounts.size):
            msg = f"invalid amount for a marketable BUY order (${text(money)}), min size: ${text(LEAST_MONEY)}"
            raise RefusedError(msg)

    def _refuse_funds(self, market: Market, token: str, amounts: Amounts, body: OrderBody) -> None:
        """Refuse what the account cannot pay, its fee included, or has not got, beside its other orders."""
        if amounts.side == "SELL":
            selling = [one for one in self._open.values() if one.token == token and one.amounts.side == "SELL"]
            has = self._markets.held(market, token) - sum((self._leaves(one) for one in selling), ZERO)
            needs = amounts.size
        else:
            buying = [one for one in self._open.values() if one.amounts.side == "BUY"]
            has = self._markets.collateral - sum((self._cost(one.market, one.amounts, self._leaves(one)) for one in buying), ZERO)
            needs = self._cost(market, amounts, amounts.size, free=body.post_only)
        if needs > has:
            msg = f"{POOR}: the balance is not enough -> balance: {units(has)}, order amount: {units(needs)}"
            raise RefusedError(msg)

    def _cost(self, market: Market, amounts: Amounts, size: Decimal, *, free: bool = False) -> Decimal:
        contract = self._floor.exchange.ledger.contracts[market.key]
        fee = ZERO if free else contract.fees.of(Priced(contract, size, amounts.price)).fee
        return amounts.price * size + fee

    # ------------------------------------------------------------------ cancel

    def cancel(self, order_id: str, why: str = "") -> str:
        """Cancel what is left of an order; return why it cannot be, empty if it was."""
        placed = self._open.get(order_id)
        state = None if placed is None else self._floor.by_client(order_id)
        if placed is None or state is None or not state.leaves:
            return GONE
        placed.why = why
        self._publish(self._floor.cancel(state.order_id, self._timeline.now_ns))
        return ""

    def open(self, market: str = "", token: str = "", order_id: str = "") -> list[Placed]:
        """Return the orders that can still fill, oldest first, of one market, token or id alone."""
        return [
            one
            for one in self._open.values()
            if (not market or one.market.condition == market) and (not token or one.token == token) and order_id in ("", one.order_id)
        ]

    def _expire(self, order_id: str) -> None:
        self.cancel(order_id, "expired")

    # --------------------------------------------------------------------- told

    def reported(self, report: Report) -> list[Said]:
        """Return what the account's stream says of a report."""
        placed = None if report.order is None else self._placed.get(report.order.request.client_id)
        if report.order is None or placed is None:  # refused before it was taken: told by HTTP alone
            return []
        if not report.order.leaves:
            self._open.pop(placed.order_id, None)
        if isinstance(report, Executed):
            trade = self._traded(placed, report)
            return [self._trade(trade), self._order(placed, report.order, "UPDATE", "LIVE" if report.order.leaves else "MATCHED")]
        if isinstance(report, Accepted):
            return [self._order(placed, report.order, "PLACEMENT", "LIVE")]
        if isinstance(report, Rejected):
            return [self._order(placed, report.order, "UPDATE", "INVALID")] if report.order.status is Status.REJECTED else []
        return [self._order(placed, report.order, "CANCELLATION", ENDS[placed.why or report.why])]

    def _traded(self, placed: Placed, report: Executed) -> Trade:
        market, token, side, size = placed.market, placed.token, placed.amounts.side, abs(report.qty)
        if not market.own(token):
            market.opposite += size if side == "BUY" else -size
        price, number = market.priced(token, report.price), len(self.trades)
        said_ns = report.ts_ns + self._shift()
        trade = Trade(report.execution_id, placed.order_id, market, token, side, size, price, report.maker, report.ts_ns, said_ns, number)
        placed.trades.append(trade)
        self.trades[trade.id] = trade
        taker: Side = "BUY" if (report.qty > 0) != report.maker else "SELL"
        market.last = report.price, taker
        for status, after_ns in STEPS:
            self._timeline.call_at(report.ts_ns + after_ns, partial(self.step, trade, status))
        return trade

    def step(self, trade: Trade, status: str) -> None:
        """Take a trade a step further on the chain."""
        told = DOOMED.get(status, "") if trade.doomed else status
        if told and trade.status != "FAILED":
            trade.status = told
            self._say([self._trade(trade)])

    def can_fail(self, trade: Trade) -> bool:
        """Whether the account still has what a trade brought it, in a market that is open, and the trade has not failed before."""
        if trade.market.payout is not None or trade.status == "FAILED":
            return False
        got = trade.size if trade.side == "BUY" else trade.size * trade.price
        return got <= (self._markets.held(trade.market, trade.token) if trade.side == "BUY" else self._markets.collateral)

    def reverse(self, trade_id: str) -> None:
        """Let a trade fail on the chain: it is booked back, and what it was told as is told as FAILED.

        Raises
        ------
        ConfigError
            If there is no such trade, or it has failed before.
        """
        report = self._floor.exchange.reverse(trade_id, self._timeline.now_ns)
        trade = self.trades[trade_id]
        if not trade.market.own(trade.token):
            trade.market.opposite -= trade.size if trade.side == "BUY" else -trade.size
        trade.status = "FAILED"
        self._note((report,))
        self._say([self._trade(trade)])
        self._uncover(trade)

    def _uncover(self, trade: Trade) -> None:
        """Cancel sales of what the account has not got any more, the youngest first."""
        sales = [one for one in self._open.values() if one.token == trade.token and one.amounts.side == "SELL"]
        while sales and sum((self._leaves(one) for one in sales), ZERO) > self._markets.held(trade.market, trade.token):
            self.cancel(sales.pop().order_id, "uncovered")

    def _trade(self, trade: Trade) -> Said:
        event = trade.event(self._doorman.credentials.key, self._doorman.address, self._timeline.now_ns + self._shift())
        return trade.market.condition, msgspec.json.encode(event)

    def _order(self, placed: Placed, state: OrderState, event: str, status: str) -> Said:
        about = self.data(placed, state.filled) | {"event_type": "order", "type": event, "status": status}
        now_ns = self._timeline.now_ns + self._shift()
        return placed.market.condition, msgspec.json.encode({**about, "order_owner": about["owner"], "timestamp": millis(now_ns)})

    def data(self, placed: Placed, filled: Decimal | None = None) -> dict[str, Any]:
        """Return an order as ``/data/orders`` lists it."""
        if filled is None:
            state = self._floor.by_client(placed.order_id)
            filled = ZERO if state is None else state.filled
        return {
            "id": placed.order_id,
            "status": "LIVE",
            "owner": self._doorman.credentials.key,
            "maker_address": self._doorman.address,
            "market": placed.market.condition,
            "asset_id": placed.token,
            "side": placed.amounts.side,
            "original_size": text(placed.amounts.size),
            "size_matched": text(filled),
            "price": text(placed.amounts.price),
            "outcome": placed.market.outcome(placed.token),
            "expiration": str(placed.expiration),
            "order_type": placed.kind,
            "associate_trades": [trade.id for trade in placed.trades],
            "created_at": placed.created_ns // NS,
        }

    def _leaves(self, placed: Placed) -> Decimal:
        state = self._floor.by_client(placed.order_id)
        return ZERO if state is None else state.leaves
