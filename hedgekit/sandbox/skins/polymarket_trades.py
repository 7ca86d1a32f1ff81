"""Trades: from MATCHED to CONFIRMED, or FAILED, as stream and list tell them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from hedgekit.sandbox.skins.polymarket_wire import digest, millis, seconds, text
from hedgekit.types import NS

if TYPE_CHECKING:
    from decimal import Decimal

    from hedgekit.sandbox.skins.polymarket_markets import Market, Side

STEPS = (("MINED", 2 * NS), ("CONFIRMED", 5 * NS))
"""What a trade becomes on the chain, and how long after it was matched."""

DOOMED = {"MINED": "RETRYING"}
"""What one that will fail becomes instead; it is never confirmed."""


@dataclass(slots=True)
class Trade:
    """One of our executions.

    ``price`` is of ``token``, ``maker`` says that the market came to our order. ``at_ns`` is when it happened, ``said_ns`` what the
    venue's clock showed. ``doomed``: it is retried until it fails.
    """

    id: str
    order_id: str
    market: Market
    token: str
    side: Side
    size: Decimal
    price: Decimal
    maker: bool
    at_ns: int
    said_ns: int
    number: int
    status: str = "MATCHED"
    doomed: bool = False

    @property
    def transaction(self) -> str:
        """The hash of its transaction; empty until it is on the chain."""
        return "" if self.status in ("MATCHED", "RETRYING") else digest(f"polymarket/transaction/{self.id}")

    def data(self, owner: str, address: str) -> dict[str, Any]:
        """Return it as ``/data/trades`` lists it; the other side is somebody else's."""
        stranger, elsewhere = str(uuid5(NAMESPACE_URL, f"owner {self.id}")), digest(f"polymarket/address/{self.id}")[:42]
        other: Side = "SELL" if self.side == "BUY" else "BUY"
        theirs = digest(f"polymarket/order/{self.id}")
        outcome, rate = self.market.outcome(self.token), str(int(self.market.rate * 10_000))
        maker = {
            "order_id": self.order_id if self.maker else theirs,
            "owner": owner if self.maker else stranger,
            "maker_address": address if self.maker else elsewhere,
            "matched_amount": text(self.size),
            "price": text(self.price),
            "fee_rate_bps": "0",
            "asset_id": self.token,
            "outcome": outcome,
            "side": self.side if self.maker else other,
        }
        return {
            "id": self.id,
            "taker_order_id": theirs if self.maker else self.order_id,
            "market": self.market.condition,
            "asset_id": self.token,
            "side": other if self.maker else self.side,
            "size": text(self.size),
            "fee_rate_bps": rate,
            "price": text(self.price),
            "status": self.status,
            "match_time": seconds(self.said_ns),
            "last_update": seconds(self.said_ns),
            "outcome": outcome,
            "bucket_index": self.number,
            "owner": stranger if self.maker else owner,
            "maker_address": elsewhere if self.maker else address,
            "transaction_hash": self.transaction,
            "maker_orders": [maker],
            "trader_side": "MAKER" if self.maker else "TAKER",
        }

    def event(self, owner: str, address: str, now_ns: int) -> dict[str, Any]:
        """Return it as the account's stream says it."""
        about = self.data(owner, address)
        about["matchtime"] = about.pop("match_time")  # as streams call it
        more = {"event_type": "trade", "type": "TRADE", "timestamp": millis(now_ns), "trade_owner": about["owner"]}
        return about | more | {"transaction_hash": self.transaction or None}
