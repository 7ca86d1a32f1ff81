"""What Kalshi says of its markets, events and series, and of the exchange itself.

The sandbox knows a market's books and the account's own trades: volumes, trades and last prices are of these alone, and titles are
tickers. Every series has fee type ``quadratic`` and multiplier 1, which is what is charged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hedgekit.exchange.model import Executed
from hedgekit.sandbox.calls import Answer
from hedgekit.sandbox.skins.kalshi_books import Book, depth
from hedgekit.sandbox.skins.kalshi_orders import Orders, Refused
from hedgekit.sandbox.skins.kalshi_portfolio import Portfolio, in_time, paged, whole
from hedgekit.sandbox.skins.kalshi_wire import ONE, ZERO, count, dollars, event_of, moment, series_of, sides, ticker_of
from hedgekit.types import Instrument

if TYPE_CHECKING:
    from collections.abc import Iterable

STRUCTURES = {Decimal("0.01"): "linear_cent", Decimal("0.001"): "deci_cent"}
"""Names of ladders of one step; others have a name of the sandbox's."""

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DEPTH_MAX, ORDERBOOKS_MAX, EVENTS_MAX = 100, 100, 200
_STATUSES = {"open": "active", "paused": "inactive", "closed": "closed", "settled": "finalized"}


class MarketData:
    """The public side of the exchange.

    Parameters
    ----------
    instruments : mapping of str to Instrument
        What is listed, by key.
    books : mapping of str to Book
        Their books, by key.
    orders, portfolio : Orders, Portfolio
        What is paused; what was traded, and is settled.
    now, shift : callable
        The timeline's time; by how much the venue's clock is off.
    hours : callable
        Returns (is open, next open, next close).
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self,
        instruments: Mapping[str, Instrument],
        books: Mapping[str, Book],
        orders: Orders,
        portfolio: Portfolio,
        now: Callable[[], int],
        shift: Callable[[], int],
        hours: Callable[[], tuple[bool, int, int]],
    ) -> None:
        self._listed = {instrument.symbol: instrument for instrument in instruments.values()}
        self._books, self._orders, self._portfolio = books, orders, portfolio
        self._now, self._shift, self._hours = now, shift, hours
        self._opened_ns = now()

    # ------------------------------------------------------------------- markets

    def market(self, ticker: str) -> Answer:
        """Return one market."""
        return Answer(200, {"market": self._market(self._known(ticker))})

    def markets(self, query: Mapping[str, str]) -> Answer:
        """Return markets."""
        status, tickers = query.get("status", ""), {name for name in query.get("tickers", "").split(",") if name}
        if status not in {"", "unopened", *_STATUSES}:
            raise Refused(400, "invalid_parameters", "status must be unopened, open, paused, closed or settled", status)
        chosen = [
            ticker
            for ticker in self._listed
            if (not tickers or ticker in tickers)
            and query.get("event_ticker", "") in {"", event_of(ticker)}
            and query.get("series_ticker", "") in {"", series_of(ticker)}
            and status in {"", self._status(ticker)}
        ]
        page, cursor = _pages(chosen, query)
        return Answer(200, {"markets": [self._market(self._listed[ticker]) for ticker in page], "cursor": cursor})

    def _known(self, ticker: str) -> Instrument:
        if ticker not in self._listed:
            raise Refused(404, "market_not_found", "market not found", ticker)
        return self._listed[ticker]

    def _status(self, ticker: str) -> str:
        key = self._listed[ticker].key
        is_open = self._hours()[0]
        return "settled" if key in self._portfolio.settled else "paused" if key in self._orders.paused else "open" if is_open else "closed"

    def _market(self, instrument: Instrument) -> dict[str, Any]:
        ticker, key = instrument.symbol, instrument.key
        bid, bid_size, ask, ask_size = self._books[key].best()
        traded, settled = self._portfolio.traded(key), self._portfolio.settled.get(key)
        last = self._portfolio.last(key)
        opened, closes = moment(self._opened_ns), moment(max(self._hours()[2], self._opened_ns))
        yes_ask = ask or ONE
        return {
            "ticker": ticker,
            "event_ticker": event_of(ticker),
            "market_type": "binary",
            "title": ticker,
            "subtitle": "",
            "yes_sub_title": ticker,
            "no_sub_title": ticker,
            "created_time": opened,
            "updated_time": opened,
            "open_time": opened,
            "close_time": closes,
            "latest_expiration_time": closes,
            "settlement_timer_seconds": 0,
            "status": _STATUSES[self._status(ticker)],
            "yes_bid_dollars": dollars(bid),
            "yes_bid_size_fp": count(bid_size),
            "yes_ask_dollars": dollars(yes_ask),
            "yes_ask_size_fp": count(ask_size),
            "no_bid_dollars": dollars(ONE - yes_ask),
            "no_ask_dollars": dollars(ONE - bid),
            "last_price_dollars": dollars(ZERO if last is None else last.price),
            "previous_yes_bid_dollars": dollars(ZERO),
            "previous_yes_ask_dollars": dollars(ZERO),
            "previous_price_dollars": dollars(ZERO),
            "volume_fp": count(traded.contracts),
            "volume_24h_fp": count(traded.contracts),
            "open_interest_fp": count(ZERO),
            "result": "" if settled is None else {ONE: "yes", ZERO: "no"}.get(settled.payout, "scalar"),
            "can_close_early": True,
            "expiration_value": "",
            "rules_primary": "",
            "rules_secondary": "",
            "notional_value_dollars": dollars(ONE),
            "price_level_structure": structure(instrument.tick),
            "price_ranges": ladder(instrument.tick),
            "settlement_bounds_type": "default",
            "exchange_index": 0,
            **({} if settled is None else {"settlement_value_dollars": dollars(settled.payout), "settlement_ts": moment(settled.ts_ns)}),
        }

    def orderbook(self, ticker: str, query: Mapping[str, str]) -> Answer:
        """Return one book: bids for YES and for NO, the best first."""
        most = whole(query, "depth", 0)
        if most > DEPTH_MAX:
            raise Refused(400, "invalid_parameters", f"depth must be 0 to {DEPTH_MAX}", str(most))
        return Answer(200, {"orderbook_fp": self._orderbook(self._known(ticker), max(most, 0))})

    def orderbooks(self, tickers: list[str]) -> Answer:
        """Return several books."""
        if not 1 <= len(tickers) <= ORDERBOOKS_MAX:
            raise Refused(400, "invalid_parameters", f"tickers must be 1 to {ORDERBOOKS_MAX}", str(len(tickers)))
        told = [{"ticker": ticker, "orderbook_fp": self._orderbook(self._known(ticker), 0)} for ticker in tickers]
        return Answer(200, {"orderbooks": told})

    def _orderbook(self, instrument: Instrument, most: int) -> dict[str, object]:
        bids, asks = self._books[instrument.key].shown
        return {"yes_dollars": depth(bids, most, bid=True), "no_dollars": depth(asks, most, bid=False)}

    def trades(self, query: Mapping[str, str]) -> Answer:
        """Return the account's own trades, which are all that are known, the newest first."""
        if query.get("is_block_trade", "").lower() == "true":
            return Answer(200, {"trades": [], "cursor": ""})
        fills, timely = self._portfolio.fills, in_time(query)
        found = [
            (number, fill)
            for number, fill in reversed(list(enumerate(fills)))
            if query.get("ticker", "") in {"", ticker_of(fill.order.request.instrument)} and timely(fill.ts_ns)
        ]
        page, cursor = paged(found, query)
        shift = self._shift()
        told = [trade(fill) | {"created_time": moment(fill.ts_ns + shift)} for _, fill in page]
        return Answer(200, {"trades": told, "cursor": cursor})

    # --------------------------------------------------------- events and series

    def event(self, event: str, query: Mapping[str, str]) -> Answer:
        """Return one event and its markets."""
        found = [instrument for ticker, instrument in self._listed.items() if event_of(ticker) == event]
        if not found:
            raise Refused(404, "event_not_found", "event not found", event)
        nested, without = (query.get(name, "").lower() == "true" for name in ("with_nested_markets", "exclude_markets"))
        if nested and without:
            raise Refused(400, "invalid_parameters", "exclude_markets cannot be combined with with_nested_markets")
        markets = [] if without else [self._market(instrument) for instrument in found]
        return Answer(200, {"event": _event(event, markets if nested else None), "markets": [] if nested else markets})

    def events(self, query: Mapping[str, str]) -> Answer:
        """Return events."""
        tickers = {name for name in query.get("tickers", "").split(",") if name}
        chosen = [
            event
            for event in dict.fromkeys(map(event_of, self._listed))
            if (not tickers or event in tickers) and query.get("series_ticker", "") in {"", series_of(event)}
        ]
        page, cursor = _pages(chosen, {"limit": str(EVENTS_MAX)} | dict(query), most=EVENTS_MAX)
        nested = query.get("with_nested_markets", "").lower() == "true"
        told = [
            _event(event, [self._market(one) for ticker, one in self._listed.items() if event_of(ticker) == event] if nested else None)
            for event in page
        ]
        return Answer(200, {"events": told, "milestones": [], "cursor": cursor})

    def series(self, ticker: str) -> Answer:
        """Return one series: what it charges."""
        if ticker not in set(map(series_of, self._listed)):
            raise Refused(404, "series_not_found", "series not found", ticker)
        return Answer(200, {"series": _series(ticker)})

    def all_series(self) -> Answer:
        """Return every series."""
        return Answer(200, {"series": [_series(ticker) for ticker in dict.fromkeys(map(series_of, self._listed))]})

    # --------------------------------------------------------------- the exchange

    def status(self) -> Answer:
        """Return whether the exchange trades: it does while the tape lasts."""
        told = {"exchange_active": True, "trading_active": self._hours()[0], "intra_exchange_transfers_active": False}
        return Answer(200, told | {"exchange_index_statuses": [{"exchange_index": 0, "description": "sandbox", **told}]})

    @staticmethod
    def schedule() -> Answer:
        """Return the opening hours: always."""
        times = {"start_time": "2000-01-01T00:00:00Z", "end_time": "2100-01-01T00:00:00Z"}
        week = {**times, **{day: [{"open_time": "00:00", "close_time": "00:00"}] for day in DAYS}}
        return Answer(200, {"schedule": {"standard_hours": [week], "maintenance_windows": []}})

    def as_of(self) -> Answer:
        """Return when the account's data was last valid: now."""
        return Answer(200, {"as_of_time": moment(self._now() + self._shift())})


def structure(tick: Decimal) -> str:
    """Return the name of a ladder of one step."""
    return STRUCTURES.get(tick.normalize(), f"linear_{tick:f}")


def ladder(tick: Decimal) -> list[dict[str, str]]:
    """Return the prices that an order may have."""
    return [{"start": dollars(ZERO), "end": dollars(ONE), "step": dollars(tick)}]


def trade(fill: Executed) -> dict[str, object]:
    """Return a fill as a public trade; of what a maker's order met, the taker is the other side."""
    taker = sides(-fill.qty if fill.maker else fill.qty)
    return {
        "trade_id": fill.execution_id,
        "ticker": ticker_of(fill.order.request.instrument),
        "count_fp": count(abs(fill.qty)),
        "yes_price_dollars": dollars(fill.price),
        "no_price_dollars": dollars(ONE - fill.price),
        "taker_side": taker["outcome_side"],
        "taker_outcome_side": taker["outcome_side"],
        "taker_book_side": taker["book_side"],
        "is_block_trade": False,
    }


def _pages(names: list[str], query: Mapping[str, str], most: int = 1000) -> tuple[list[str], str]:
    count_ = len(names)
    page, cursor = paged([(count_ - place, name) for place, name in enumerate(names)], query, most=most)
    return [name for _, name in page], cursor


def _event(event: str, markets: Iterable[object] | None) -> dict[str, object]:
    told: dict[str, object] = {"event_ticker": event, "series_ticker": series_of(event), "sub_title": event, "title": event}
    told |= {"collateral_return_type": "", "mutually_exclusive": False, "category": "", "settlement_sources": [], "exchange_index": 0}
    return told if markets is None else told | {"markets": list(markets)}


def _series(ticker: str) -> dict[str, object]:
    told: dict[str, object] = {"ticker": ticker, "frequency": "custom", "title": ticker, "category": "", "categories": [], "tags": []}
    told |= {"settlement_sources": [], "contract_url": "", "contract_terms_url": "", "additional_prohibitions": []}
    return told | {"fee_type": "quadratic", "fee_multiplier": 1.0, "exchange_index": 0}
