"""What anybody may ask: markets, their rules, books and prices."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from hedgekit.sandbox.calls import UNREADABLE, Answer, Call
from hedgekit.sandbox.skins.polymarket_books import EMPTY_ASK, EMPTY_BID, Books, Depth
from hedgekit.sandbox.skins.polymarket_markets import Market, Markets
from hedgekit.sandbox.skins.polymarket_paging import page
from hedgekit.sandbox.skins.polymarket_wire import PAYLOAD, refusal, text
from hedgekit.types import NS

if TYPE_CHECKING:
    from collections.abc import Callable

MISSING = "No orderbook exists for the requested token id"
Route = tuple[str, str]


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    token_id: str
    side: str = ""


class Public:
    """The open part of the API.

    Parameters
    ----------
    markets : Markets
        What is listed.
    books : Books
        As they were told.
    clock : callable
        Returns what the venue's clock shows, ns UTC.
    """

    def __init__(self, markets: Markets, books: Books, clock: Callable[[], int]) -> None:
        self._markets, self._books = markets, books
        self.routes: dict[Route, Callable[[Call], Answer]] = {
            ("GET", "/ok"): lambda _: Answer(200, "OK"),
            ("GET", "/time"): lambda _: Answer(200, clock() // NS),
            ("GET", "/version"): lambda _: Answer(200, {"version": 2}),
            ("GET", "/book"): lambda call: self._one(call, self._book),
            ("GET", "/tick-size"): lambda call: self._one(call, lambda market, _: {"minimum_tick_size": float(market.tick)}),
            ("GET", "/neg-risk"): lambda call: self._one(call, lambda market, _: {"neg_risk": market.neg_risk}),
            ("GET", "/fee-rate"): lambda call: self._one(call, lambda market, _: {"base_fee": int(market.rate * 10_000)}),
            ("GET", "/midpoint"): lambda call: self._one(call, lambda _, token: {"mid": text(self._mid(token))}),
            ("GET", "/spread"): lambda call: self._one(call, lambda _, token: {"spread": text(self._spread(token))}),
            ("GET", "/price"): self._price,
            ("GET", "/last-trade-price"): lambda call: self._one(call, self._last),
            ("POST", "/books"): lambda call: self._several(call, lambda asked: [self._book(*self._of(one)) for one in asked]),
            ("POST", "/midpoints"): lambda call: self._several(
                call, lambda asked: {one.token_id: text(self._mid(one.token_id)) for one in asked}
            ),
            ("POST", "/spreads"): lambda call: self._several(
                call, lambda asked: {one.token_id: text(self._spread(one.token_id)) for one in asked}
            ),
            ("POST", "/prices"): lambda call: self._several(call, self._prices),
            ("POST", "/last-trades-prices"): lambda call: self._several(call, self._lasts),
        }
        for name in ("/markets", "/simplified-markets", "/sampling-markets", "/sampling-simplified-markets"):
            self.routes["GET", name] = self._listed
        self.items: dict[Route, Callable[[str], Answer]] = {
            ("GET", "/markets"): lambda name: self._named(name, self._markets.listing),
            ("GET", "/clob-markets"): lambda name: self._named(name, self._markets.info),
            ("GET", "/markets-by-token"): self._by_token,
        }

    # ------------------------------------------------------------------ markets

    def _listed(self, call: Call) -> Answer:
        return page([self._markets.listing(one) for one in self._markets.all.values()], call.query)

    def _named(self, condition: str, tell: Callable[[Market], dict[str, object]]) -> Answer:
        market = self._markets.all.get(condition.lower())
        return refusal("market not found", 404) if market is None else Answer(200, tell(market))

    def _by_token(self, token: str) -> Answer:
        if (market := self._markets.by_token.get(token)) is None:
            return refusal("market not found", 404)
        first, second = market.tokens
        return Answer(200, {"condition_id": market.condition, "primary_token_id": first, "secondary_token_id": second})

    # -------------------------------------------------------------------- books

    def _one(self, call: Call, tell: Callable[[Market, str], object]) -> Answer:
        token = call.query.get("token_id", "")
        if not token or set(call.query) - {"token_id"}:
            return refusal("Invalid token id")
        if (market := self._markets.by_token.get(token)) is None:
            return refusal(MISSING, 404)
        return Answer(200, tell(market, token))

    def _several(self, call: Call, tell: Callable[[list[_Asked]], object]) -> Answer:
        try:
            asked = msgspec.json.decode(call.body, type=list[_Asked])
        except UNREADABLE:
            return refusal(PAYLOAD)
        if not asked or any(one.token_id not in self._markets.by_token for one in asked):
            return refusal(MISSING if asked else PAYLOAD, 404 if asked else 400)
        return Answer(200, tell(asked))

    def _of(self, asked: _Asked) -> tuple[Market, str]:
        return self._markets.by_token[asked.token_id], asked.token_id

    def _depth(self, token: str) -> Depth:
        return self._books.told.get(token) or Depth({}, {}, 0)

    def _book(self, market: Market, token: str) -> dict[str, Any]:
        return self._books.book(market, token, self._depth(token))

    def _mid(self, token: str) -> Decimal:
        bid, ask = self._depth(token).best
        return (bid + ask) / 2

    def _spread(self, token: str) -> Decimal:
        bid, ask = self._depth(token).best
        return ask - bid

    def _best(self, token: str, side: str) -> Decimal:
        """Return the best of the side that orders of this side stand on; 0 where it is empty."""
        bid, ask = self._depth(token).best
        return bid if side == "BUY" else EMPTY_BID if ask == EMPTY_ASK else ask

    def _price(self, call: Call) -> Answer:
        token, side = call.query.get("token_id", ""), call.query.get("side", "")
        if side not in ("BUY", "SELL") or set(call.query) != {"token_id", "side"}:
            return refusal("Invalid side")
        if token not in self._markets.by_token:
            return refusal(MISSING, 404)
        return Answer(200, {"price": text(self._best(token, side))})

    def _prices(self, asked: list[_Asked]) -> dict[str, dict[str, str]]:
        told: dict[str, dict[str, str]] = {}
        for one in asked:
            told.setdefault(one.token_id, {})[one.side] = text(self._best(one.token_id, one.side))
        return told

    def _last(self, market: Market, token: str) -> dict[str, str]:
        if market.last is None:
            return {"price": "0.5", "side": ""}
        price, side = market.last
        other = "SELL" if side == "BUY" else "BUY"
        return {"price": text(market.priced(token, price)), "side": side if market.own(token) else other}

    def _lasts(self, asked: list[_Asked]) -> list[dict[str, str]]:
        return [{"token_id": one.token_id, **self._last(*self._of(one))} for one in asked if self._of(one)[0].last is not None]
