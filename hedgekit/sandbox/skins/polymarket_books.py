"""Books as Polymarket tells them: whole when somebody subscribes and after a trade, else what has changed, with the best prices after it.

A record that shows the same book once more is told as the whole book, so that who listens knows it is as fresh as that.

There are no sequence numbers: each change names the hash of its token's book and the best prices that it leaves. A book in which a bid
is at or above an ask is told as empty: no matching engine leaves such a one, so it is an artefact of the recording, and nothing
trades on it at the exchange either.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from hedgekit.sandbox.skins.polymarket_markets import ONE, Market, Markets
from hedgekit.sandbox.skins.polymarket_wire import LEAST, millis, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hedgekit.exchange.book import Level
    from hedgekit.sandbox.recorded import Shown
    from hedgekit.sandbox.skin import Said

Side = dict[Decimal, Decimal]
FINER = Decimal("0.001")
NEAR = Decimal("0.04")
"""Beyond this from 0 or from 1 a market's tick becomes :data:`FINER`."""

EMPTY_BID, EMPTY_ASK = Decimal(0), Decimal(1)
"""Best prices of sides without a level, as they are told."""


class Depth(NamedTuple):
    """One token's book: price to size, and when it last changed (venue's time, ns)."""

    bids: Side
    asks: Side
    at_ns: int

    @property
    def best(self) -> tuple[Decimal, Decimal]:
        """Best bid and ask as they are told."""
        return max(self.bids, default=EMPTY_BID), min(self.asks, default=EMPTY_ASK)


def of_levels(bids: Sequence[Level], asks: Sequence[Level], at_ns: int) -> Depth:
    """Return the book of recorded levels; empty if they cross or touch."""
    if bids and asks and bids[0].price >= asks[0].price:
        return Depth({}, {}, at_ns)
    return Depth(
        {level.price: level.size for level in bids if level.size}, {level.price: level.size for level in asks if level.size}, at_ns
    )


def mirrored(depth: Depth) -> Depth:
    """Return the opposite token's book: its bids are these asks, at what is left of 1."""
    bids, asks = ({ONE - price: size for price, size in side.items()} for side in (depth.asks, depth.bids))
    return Depth(bids, asks, depth.at_ns)


def changes_of(before: Depth, after: Depth) -> list[tuple[str, Decimal, Decimal]]:
    """Return (side, price, new size) of every level that differs; 0 takes a level away."""
    return [
        (side, price, new.get(price, Decimal(0)))
        for side, old, new in (("BUY", before.bids, after.bids), ("SELL", before.asks, after.asks))
        for price in sorted(old.keys() | new.keys())
        if old.get(price) != new.get(price)
    ]


def levels_of(side: Side, *, falling: bool) -> list[dict[str, str]]:
    """Return a side as it is told, its best level last."""
    return [{"price": text(price), "size": text(side[price])} for price in sorted(side, reverse=falling)]


class Books:
    """The books of all tokens: as the exchange has them (``shown``), and as they were told to whoever listens (``told``).

    Parameters
    ----------
    markets : Markets
        What is listed.
    retick : callable
        Gets an instrument's key and its new tick.
    shift : callable
        Returns how far the venue's clock is off, ns.
    """

    def __init__(self, markets: Markets, retick: Callable[[str, Decimal], None], shift: Callable[[], int] = int) -> None:
        self._markets, self._retick, self._shift = markets, retick, shift
        self.shown: dict[str, Depth] = {}
        self.told: dict[str, Depth] = {}

    # -------------------------------------------------------------------- news

    def quoted(self, row: Iterable[Shown]) -> list[Said]:
        """Return what the market stream says of new books, condition by condition."""
        news: dict[str, dict[str, Depth]] = {}
        for quote, bids, asks in row:
            market, depth = self._markets.by_key[quote.instrument], of_levels(bids, asks, quote.venue_ns + self._shift())
            own, opposite = market.tokens
            told = {opposite: depth} if quote.instrument == market.mirror else {own: depth}
            if market.mirror is None:
                told[opposite] = mirrored(depth)
            news.setdefault(market.condition, {}).update(told)
        return [said for condition, books in news.items() for said in self._said(self._markets.all[condition], books)]

    def emptied(self, market: Market, at_ns: int) -> list[Said]:
        """Return what is said when a market has no book any more."""
        return self._said(market, dict.fromkeys(market.tokens, Depth({}, {}, at_ns)))

    def _said(self, market: Market, books: dict[str, Depth]) -> list[Said]:
        old = {token: self.shown.get(token) for token in books}
        self.shown |= books
        if (ticks := self._finer(market, books)) is not None:
            return [*ticks, *(self._whole(market, token) for token in market.tokens if token in self.shown)]
        changed = {token: was for token, was in old.items() if was is not None and changes_of(was, books[token])}
        said = [self._whole(market, token) for token in books if token not in changed]
        if changed:
            message = msgspec.json.encode(self._changes(market, changed))
            said.append((market.condition, partial(self._tell, {token: books[token] for token in changed}, message)))
        return said + [self._best(market, token) for token, depth in books.items() if (was := old[token]) is None or was.best != depth.best]

    def _tell(self, books: dict[str, Depth], message: bytes) -> bytes:
        """Note that books are told now."""
        self.told |= books
        return message

    def _whole(self, market: Market, token: str) -> Said:
        depth = self.shown[token]
        return token, partial(self._tell, {token: depth}, msgspec.json.encode({"event_type": "book", **self.book(market, token, depth)}))

    def _changes(self, market: Market, before: dict[str, Depth]) -> dict[str, Any]:
        changes = []
        for token, was in before.items():
            depth = self.shown[token]
            named, (bid, ask) = self.book(market, token, depth)["hash"], depth.best
            about = {"hash": named, "best_bid": text(bid), "best_ask": text(ask)}
            changes += [
                {"asset_id": token, "price": text(price), "size": text(size), "side": side, **about}
                for side, price, size in changes_of(was, depth)
            ]
        at_ns = max(self.shown[token].at_ns for token in before)
        return {"event_type": "price_change", "market": market.condition, "price_changes": changes, "timestamp": millis(at_ns)}

    def _best(self, market: Market, token: str) -> Said:
        depth = self.shown[token]
        bid, ask = depth.best
        best = {"best_bid": text(bid), "best_ask": text(ask), "spread": text(ask - bid), "timestamp": millis(depth.at_ns)}
        message = {"event_type": "best_bid_ask", "market": market.condition, "asset_id": token, **best}
        return custom(token), msgspec.json.encode(message)

    def _finer(self, market: Market, books: dict[str, Depth]) -> list[Said] | None:
        """Return what is said if the market's tick changes now: a price of it has come near 0 or 1."""
        if market.tick <= FINER or not any(
            price < NEAR or price > ONE - NEAR for depth in books.values() for price in (*depth.bids, *depth.asks) if price in depth.best
        ):
            return None
        old, market.tick = market.tick, FINER
        for key in (market.key, market.mirror):
            if key is not None:
                self._retick(key, FINER)
        at_ns = max(depth.at_ns for depth in books.values())
        about = {"market": market.condition, "old_tick_size": text(old), "new_tick_size": text(FINER), "timestamp": millis(at_ns)}
        return [(token, msgspec.json.encode({"event_type": "tick_size_change", "asset_id": token, **about})) for token in market.tokens]

    # --------------------------------------------------------------- questions

    def again(self, market: Market, token: str) -> Said | None:
        """Return the whole book as it stands, to be said after a trade; None if there is none."""
        return self._whole(market, token) if token in self.shown else None

    def snapshot(self, token: str) -> bytes | None:
        """Return what a subscription begins with: the book as told last; None while none was told."""
        depth = self.told.get(token)
        if depth is None:
            return None
        return msgspec.json.encode({"event_type": "book", **self.book(self._markets.by_token[token], token, depth)})

    def book(self, market: Market, token: str, depth: Depth) -> dict[str, Any]:
        """Return a book as ``/book`` tells it: bids rise and asks fall, and the hash is over all else in this order."""
        last = "" if market.last is None else text(market.priced(token, market.last[0]))
        fields = {
            "market": market.condition,
            "asset_id": token,
            "timestamp": millis(depth.at_ns),
            "hash": "",
            "bids": levels_of(depth.bids, falling=False),
            "asks": levels_of(depth.asks, falling=True),
            "min_order_size": text(LEAST),
            "tick_size": text(market.tick),
            "neg_risk": market.neg_risk,
            "last_trade_price": last,
        }
        return fields | {"hash": hashlib.sha1(msgspec.json.encode(fields), usedforsecurity=False).hexdigest()}


def custom(name: str) -> str:
    """Return the topic of a token's best prices, or of a condition's end, which only those hear that enable the custom features."""
    return f"custom {name}"
