"""The four skins without sockets, with books in them, and the clients that sign for them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from hedgekit.sandbox.calls import Answer, Call
from hedgekit.types import NS, Order, Priority, Request
from hedgekit.venues.alpaca import Alpaca
from hedgekit.venues.deribit import Deribit
from hedgekit.venues.kalshi import Kalshi
from tests.sandbox import kalshi_made, polymarket_desk, test_alpaca_rest
from tests.sandbox.deribit_house import BTC, ETH, House
from tests.sandbox.deribit_house import KEYS as DERIBIT

Ask = Callable[[Request], Answer]


def alpaca() -> Ask:
    """Open Alpaca's: two shares, quoted."""
    venue = test_alpaca_rest.Venue(budget=10**9)
    client = Alpaca((test_alpaca_rest.KEYS.key, test_alpaca_rest.KEYS.secret), tuple(venue.exchange.instruments.values()))
    return _ask(venue.rest.answer, client, lambda: test_alpaca_rest.NOW)


def deribit() -> Ask:
    """Open Deribit's: two inverse perpetuals."""
    house = House(BTC, ETH, cash="1000", budget=10**9)
    for one, price in ((BTC, 60_000.0), (ETH, 3_000.0)):
        house.show(one, [(price - 1, 5_000.0)], [(price + 1, 5_000.0)])
    return _ask(house.skin.answer, Deribit(DERIBIT, (BTC, ETH)), lambda: house.time.now_ns)


def kalshi() -> Ask:
    """Open Kalshi's: two contracts of one event."""
    shop = kalshi_made.Shop(budget=10**9, cash="100000")
    for name in (kalshi_made.FED, kalshi_made.OTHER):
        shop.show(kalshi_made.levels(("0.55", "500")), kalshi_made.levels(("0.60", "500")), name)
    return _ask(shop.skin.answer, Kalshi(("an-id", kalshi_made.ED25519), kalshi_made.LISTED), lambda: shop.now_ns)


def polymarket() -> Ask:
    """Open Polymarket's: one condition, two tokens."""
    venue = polymarket_desk.Venue(budget=10**9, cash="100000").open()
    return _ask(venue.skin.answer, venue.client, lambda: venue.time.now_ns)


OPENED: dict[str, tuple[Callable[[], Ask], Any, str, str, str]] = {
    "Alpaca": (alpaca, Alpaca((test_alpaca_rest.KEYS.key, test_alpaca_rest.KEYS.secret), ()), "ALPACA:KO", "10", "44.70"),
    "Deribit": (deribit, Deribit(DERIBIT, (BTC, ETH)), BTC.key, "10", "60000"),
    "Kalshi": (kalshi, Kalshi(("an-id", kalshi_made.ED25519), kalshi_made.LISTED), kalshi_made.KEY, "10", "0.58"),
    "Polymarket": (polymarket, polymarket_desk.Venue().client, polymarket_desk.YES.key, "10", "0.52"),
}
"""By venue: how it is opened, a client, and an instrument, size and price that it would trade."""


def asked(client: Any, instrument: str, qty: str, price: str) -> list[Request]:
    """Return what a client of the venue asks: orders of several kinds, cancels, look-ups, and all questions."""
    found: list[Any] = [client.fills(0, ""), *client.holdings(), client.latest(), client.beat("")]
    for number, (sign, tif) in enumerate((("", "ioc"), ("-", "gtc"), ("-", "ioc"))):
        order = Order(
            order_id=f"fuzz-{number}-0",
            ts_ns=kalshi_made.START_NS + number * NS,
            leg=0,
            instrument=instrument,
            qty=Decimal(sign + qty),
            expected=Decimal(price),
            priority=Priority.HEDGE,
            trade=1,
            kind="limit",
            limit=Decimal(price),
            tif=tif,
            reduces=False,
        )
        found += [client.submit(order), client.submit(order), client.cancel(order, "7"), client.lookup(order), client.void(order)]
    return [one for one in found if isinstance(one, Request)]


def _ask(answer: Callable[[Call], Answer], client: Any, now: Callable[[], int]) -> Ask:
    def ask(request: Request) -> Answer:
        place, _, query = request.path.partition("?")
        try:
            headers = client.signed(request, now())
        except UnicodeDecodeError:  # no client could sign these bytes: a signature of others
            headers = client.signed(msgspec.structs.replace(request, body=b""), now())
        call = Call(request.method, place, dict(parse_qsl(query, keep_blank_values=True)), request.body or b"", headers, request.path)
        return answer(call)

    return ask
