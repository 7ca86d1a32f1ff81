"""What a wallet holds, as the venue's data host has it. There it is an index that lags behind; here it is up to date."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hedgekit.sandbox.calls import Answer, Call
from hedgekit.sandbox.skins.polymarket_wire import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hedgekit.sandbox.skins.polymarket_markets import Market, Markets
    from hedgekit.sandbox.skins.polymarket_trades import Trade

ZERO = Decimal(0)
_QUANTUM = Decimal("0.000001")


class Positions:
    """``/v2/positions`` of the data host.

    Parameters
    ----------
    markets : Markets
        What is listed and held.
    trades : mapping of str to Trade
        What was traded.
    address : str
        The account's wallet.
    """

    def __init__(self, markets: Markets, trades: Mapping[str, Trade], address: str) -> None:
        self._markets, self._trades, self._address = markets, trades, address

    def answer(self, call: Call) -> Answer:
        """Return what a wallet holds, all in one page; what is not held any more is left out."""
        if not (user := call.query.get("user", "").lower()):
            return refusal("user is required")
        wanted = call.query.get("condition_id", "").lower()
        ours = [market for market in self._markets.all.values() if user == self._address.lower() and wanted in ("", market.condition)]
        held = [(market, token) for market in ours for token in market.tokens if self._markets.held(market, token)]
        rows = [self._row(market, token) for market, token in held]
        return Answer(200, {"data": rows, "pagination": {"has_more": False, "next_cursor": None}})

    def _entry(self, token: str) -> tuple[Decimal, Decimal, Decimal]:
        """Return how much of a token was ever bought, its average price, and what was made by selling some (average cost)."""
        held = bought = cost = made = ZERO
        for trade in self._trades.values():
            if trade.token != token or trade.status == "FAILED":
                continue
            if trade.side == "BUY":
                held, bought, cost = held + trade.size, bought + trade.size, cost + trade.size * trade.price
            else:
                share = cost * trade.size / held if held else ZERO
                held, cost, made = held - trade.size, cost - share, made + trade.size * trade.price - share
        return bought, (cost / held if held else ZERO), made

    def _row(self, market: Market, token: str) -> dict[str, Any]:
        size, price = self._markets.held(market, token), self._markets.price(market, token)
        bought, average, realized = self._entry(token)
        cost, value, own = average * size, price * size, market.own(token)
        money = {
            "avg_price": average,
            "entry_cost_usdc": cost,
            "entry_fees_usdc": ZERO,
            "total_cost_usdc": cost,
            "current_price": price,
            "current_value": value,
            "realized_pnl": realized,
            "unrealized_pnl": value - cost,
            "total_pnl": value - cost + realized,
            "percent_pnl": 100 * (value - cost) / cost if cost else ZERO,
            "percent_realized_pnl": 100 * realized / cost if cost else ZERO,
        }
        return {
            "proxy_wallet": self._address,
            "token_id": token,
            "condition_id": market.condition,
            "current_size": float(size),
            "total_size": float(bought),
            **{name: float(amount.quantize(_QUANTUM)) for name, amount in money.items()},
            "status": "OPEN",
            "redeemable": False,
            "mergeable": all(self._markets.held(market, each) > 0 for each in market.tokens),
            "negative_risk": market.neg_risk,
            "archived": False,
            "verified": True,
            "title": market.stem,
            "slug": market.stem.lower(),
            "outcome": market.names[0 if own else 1],
            "opposite_outcome": market.names[1 if own else 0],
            "outcome_index": 0 if own else 1,
            "opposite_token_id": market.tokens[1 if own else 0],
        }
