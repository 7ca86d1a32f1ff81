"""Kalshi's own SDK, and the community's for the WebSocket, against the sandbox: only the address and the keys are changed.

They need Python 3.13 (see ``served.py``). Their models are pydantic's, so a field that is missing or of another type fails the call
that reads it. The judgements are pytest's, run for both kinds of key.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import ROUND_CEILING, Decimal
from typing import Any
from uuid import uuid4

import kalshi_python_async as official
import kalshi_python_sync as blocking
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from kalshi import KalshiAuth, KalshiConfig
from kalshi.ws.client import KalshiWebSocket
from served import sandbox as served
from served import say, verdict

D = Decimal
FED, OTHER = "FED-23DEC-T3.00", "FED-23DEC-T3.25"
LISTED = [{"venue": "KALSHI", "symbol": name, "kind": "binary", "tick": "0.001", "lot": "0.01"} for name in (FED, OTHER)]
MARKET = {"kind": "synthetic", "listed": LISTED, "primary_price": 0.45, "hedge_price": 0.4, "hedge_vol": 0.002, "spread_sd": 0.02}
MARKET |= {"half_spread_bps": 20.0, "min_half_spread": 0.001, "rows": 5000, "row_s": 1.0, "size_notional": 4000.0, "size_sigma": 0.1}
CASH = D(1_000_000)


def _pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


KEYS = {"rsa": _pem(rsa.generate_private_key(65537, 2048)), "ed25519": _pem(ed25519.Ed25519PrivateKey.generate())}


@contextmanager
def sandbox(key: str, *options: str) -> Iterator[Any]:
    """Run one; yield its addresses."""
    keys = {"KALSHI_KEY_ID": "judge", "KALSHI_PRIVATE_KEY": KEYS[key]}
    with served("KALSHI", keys, json.dumps(MARKET), "--speed", "5", *options) as addresses:
        yield addresses


@pytest.fixture(scope="module", params=sorted(KEYS))
def venue(request: Any) -> Iterator[Any]:
    """Run a sandbox for each kind of key; yield what signs for it too."""
    with sandbox(request.param) as addresses:
        yield addresses | {"key": KEYS[request.param], "kind": request.param}


def judged(venue: Any, questions: Any) -> Any:
    """Ask through the official asynchronous SDK, and return what a coroutine function makes of its client."""

    async def ask() -> Any:
        config = official.Configuration(host=f"{venue['rest']}/trade-api/v2")
        config.api_key_id, config.private_key_pem = "judge", venue["key"]
        async with official.KalshiClient(config) as client:
            await asyncio.sleep(1.0)  # the buckets of the test before are full again
            return await questions(client)

    return asyncio.run(ask())


def order(side: str, count: str, price: str, tif: str = "immediate_or_cancel", **more: Any) -> dict[str, Any]:
    """Return the fields of an order."""
    fields = {"ticker": FED, "side": side, "count": count, "price": price, "time_in_force": tif}
    return fields | {"self_trade_prevention_type": "taker_at_cross", "client_order_id": str(uuid4()), **more}


async def position(client: Any, ticker: str = FED) -> D:
    """Return what is held in a market."""
    told = await official.PortfolioApi(client).get_positions(ticker=ticker)
    return D(told.market_positions[0].position_fp) if told.market_positions else D(0)


async def cash(client: Any) -> D:
    """Return the balance; it may be asked once a second."""
    await asyncio.sleep(1.1)
    return D((await official.PortfolioApi(client).get_balance()).balance_dollars)


def fee_of(count: D, price: D) -> D:
    """Return the trade fee of a fill, before the balance is rounded."""
    return (D("0.07") * count * price * (1 - price)).quantize(D("0.0001"), ROUND_CEILING)


# ---------------------------------------------------------------------- public


def test_what_is_listed(venue: Any) -> None:
    async def ask(client: Any) -> Any:
        market, exchange = official.MarketApi(client), official.ExchangeApi(client)
        listed, one = await market.get_markets(tickers=f"{FED},{OTHER}"), await market.get_market(FED)
        series, event = await market.get_series("FED"), await official.EventsApi(client).get_event("FED-23DEC")
        return listed, one, series, event, await exchange.get_exchange_status(), await exchange.get_exchange_schedule()

    listed, one, series, event, status, schedule = judged(venue, ask)
    assert [market.ticker for market in listed.markets] == [FED, OTHER]
    assert not listed.cursor
    market = one.market
    assert (market.ticker, market.event_ticker, market.status, market.market_type) == (FED, "FED-23DEC", "active", "binary")
    assert [(r.start, r.end, r.step) for r in market.price_ranges] == [("0.0000", "1.0000", "0.0010")]
    assert 0 < D(market.yes_bid_dollars) < D(market.yes_ask_dollars) < 1
    assert D(market.no_ask_dollars) == 1 - D(market.yes_bid_dollars)
    assert D(market.no_bid_dollars) == 1 - D(market.yes_ask_dollars)
    assert (series.series.fee_type, series.series.fee_multiplier) == ("quadratic", 1)
    assert (event.event.series_ticker, [m.ticker for m in event.markets]) == ("FED", [FED, OTHER])
    assert (status.exchange_active, status.trading_active) == (True, True)
    assert len(schedule.schedule.standard_hours[0].monday) == 1


def test_books(venue: Any) -> None:
    async def ask(client: Any) -> Any:
        market = official.MarketApi(client)
        return await market.get_market_orderbook(FED), await market.get_market_orderbooks([FED, OTHER])

    one, both = judged(venue, ask)
    yes, no = one.orderbook_fp.yes_dollars, one.orderbook_fp.no_dollars
    assert yes
    assert no
    assert all(D(size) > 0 for _, size in [*yes, *no])
    assert D(yes[0][0]) < 1 - D(no[0][0]), "the best YES bid is below the best YES ask, which is 1 - the best NO bid"
    assert [book.ticker for book in both.orderbooks] == [FED, OTHER]


# ---------------------------------------------------------------------- orders


def test_a_taker_is_filled_charged_and_told_so_everywhere(venue: Any) -> None:
    async def ask(client: Any) -> Any:
        orders, portfolio = official.OrdersApi(client), official.PortfolioApi(client)
        before, held = await cash(client), await position(client)
        made = await orders.create_order_v2(**order("bid", "10", "0.95"))
        found = (await orders.get_order(made.order_id)).order
        fills = (await portfolio.get_fills(order_id=made.order_id)).fills
        return before, held, made, found, fills, await position(client), await cash(client)

    before, held, made, found, fills, after, left = judged(venue, ask)
    assert (D(made.fill_count), D(made.remaining_count)) == (10, 0)
    assert (found.status.value, found.outcome_side, found.book_side.value, D(found.fill_count_fp)) == ("executed", "yes", "bid", 10)
    assert found.client_order_id == made.client_order_id
    assert sum(D(fill.count_fp) for fill in fills) == 10
    assert all(fill.is_taker and fill.fill_id == fill.trade_id and fill.ticker == FED for fill in fills)
    spent, fees = (sum(D(f.count_fp) * D(f.yes_price_dollars) for f in fills), sum(D(f.fee_cost) for f in fills))
    assert all(fee_of(D(f.count_fp), D(f.yes_price_dollars)) <= D(f.fee_cost) for f in fills)
    assert abs(D(made.average_fill_price) - spent / 10) < D("0.000001")
    assert D(found.taker_fill_cost_dollars) == spent
    assert D(found.taker_fees_dollars) == fees
    assert after == held + 10
    assert left == before - spent - fees, "to the last digit"


def test_selling_more_than_is_held_is_buying_no(venue: Any) -> None:
    async def ask(client: Any) -> Any:
        orders, portfolio = official.OrdersApi(client), official.PortfolioApi(client)
        held, before = await position(client), await cash(client)
        made = await orders.create_order_v2(**order("ask", "25.50", "0.05"))
        fills = (await portfolio.get_fills(order_id=made.order_id)).fills
        told = (await portfolio.get_positions(ticker=FED)).market_positions[0]
        return held, before, made, fills, told, await cash(client)

    held, before, made, fills, told, left = judged(venue, ask)
    assert D(made.fill_count) == D("25.50")
    assert D(told.position_fp) == held - D("25.50") < 0
    got, fees = sum(D(f.count_fp) * D(f.yes_price_dollars) for f in fills), sum(D(f.fee_cost) for f in fills)
    assert {(f.outcome_side.value, f.book_side.value) for f in fills} == {("no", "ask")}
    aside = -D(told.position_fp) - max(-held, D(0))
    assert left == before + got - fees - aside, "what is sold short takes 1 each, less what it brings"
    assert D(told.market_exposure_dollars) > 0
    assert D(told.fees_paid_dollars) >= fees


def test_an_order_rests_is_found_and_is_cancelled(venue: Any) -> None:
    async def ask(client: Any) -> Any:
        orders = official.OrdersApi(client)
        made = await orders.create_order_v2(**order("bid", "3", "0.0100", "good_till_canceled", post_only=True))
        resting = (await orders.get_orders(ticker=FED, status="resting")).orders
        queue = await orders.get_order_queue_position(made.order_id)
        gone = await orders.cancel_order_v2(made.order_id, market_ticker=FED)
        found = (await orders.get_order(made.order_id)).order
        with pytest.raises(official.exceptions.NotFoundException) as again:
            await orders.cancel_order_v2(made.order_id, market_ticker=FED)
        return made, resting, queue, gone, found, again.value

    made, resting, queue, gone, found, again = judged(venue, ask)
    assert (D(made.fill_count), D(made.remaining_count), made.average_fill_price) == (0, 3, None)
    assert [o.order_id for o in resting] == [made.order_id]
    assert (resting[0].yes_price_dollars, resting[0].no_price_dollars, D(resting[0].remaining_count_fp)) == ("0.0100", "0.9900", 3)
    assert D(queue.queue_position_fp) >= 0
    assert (gone.order_id, gone.client_order_id, D(gone.reduced_by)) == (made.order_id, made.client_order_id, 3)
    assert (found.status.value, D(found.remaining_count_fp), D(found.initial_count_fp)) == ("canceled", 0, 3)
    assert json.loads(again.body)["code"] == "not_found"


def test_what_is_refused(venue: Any) -> None:
    good = order("bid", "1", "0.0100", "good_till_canceled")

    async def ask(client: Any) -> Any:
        orders = official.OrdersApi(client)
        made = await orders.create_order_v2(**good)
        told = []
        wrong = [good, order("bid", "1", "0.0105"), order("bid", "9999999", "0.90"), order("bid", "1", "0.50") | {"ticker": "NONE-1"}]
        wrong += [order("bid", "1", "0.95", "good_till_canceled", post_only=True), order("bid", "999999", "0.50", "fill_or_kill")]
        for fields in wrong:
            with pytest.raises(official.exceptions.ApiException) as no:
                await orders.create_order_v2(**fields)
            told.append((no.value.status, json.loads(no.value.body)["code"]))
        await orders.cancel_order_v2(made.order_id, market_ticker=FED)
        return told

    refused = judged(venue, ask)
    assert refused[0] == (409, "order_already_exists")
    assert refused[1] == (400, "invalid_price")
    assert refused[2] == (400, "insufficient_balance")
    assert refused[3][0] == 404
    assert refused[4] == (400, "post_only_cross")
    assert refused[5] == (409, "fill_or_kill_insufficient_resting_volume")


def test_batches_and_cancel_all(venue: Any) -> None:
    async def ask(client: Any) -> Any:
        orders = official.OrdersApi(client)
        bids = [order("bid", str(n), "0.0200", "good_till_canceled") for n in (1, 2, 3)]
        bad = order("bid", "1", "0.0205", "good_till_canceled")
        made = (await orders.batch_create_orders_v2(orders=[*bids, bad])).orders
        gone = (await orders.batch_cancel_orders_v2(orders=[{"order_id": made[0].order_id, "market_ticker": FED}])).orders
        before = (await orders.get_orders(status="resting")).orders
        await orders.cancel_all_orders()
        return made, gone, before, (await orders.get_orders(status="resting")).orders

    made, gone, before, after = judged(venue, ask)
    assert [D(one.remaining_count) for one in made[:3]] == [1, 2, 3]
    assert (made[3].order_id, made[3].error.code) == (None, "invalid_price")
    assert [(one.order_id, D(one.reduced_by)) for one in gone] == [(made[0].order_id, 1)]
    assert {o.order_id for o in before} == {one.order_id for one in made[1:3]}
    assert after == []


def test_pages(venue: Any) -> None:
    async def ask(client: Any) -> Any:
        orders, found, cursor, pages = official.OrdersApi(client), [], None, 0
        whole = (await orders.get_orders(limit=1000)).orders
        while pages == 0 or cursor:
            page = await orders.get_orders(limit=2, cursor=cursor)
            found, cursor, pages = [*found, *page.orders], page.cursor, pages + 1
            await asyncio.sleep(0.06)
        return whole, found, pages

    whole, found, pages = judged(venue, ask)
    assert [o.order_id for o in found] == [o.order_id for o in whole]
    assert pages == (len(whole) + 1) // 2 > 2


def test_the_account(venue: Any) -> None:
    async def ask(client: Any) -> Any:
        account = official.AccountApi(client)
        keys = await official.ApiKeysApi(client).get_api_keys()
        return await account.get_account_api_limits(), await account.get_account_endpoint_costs(), keys

    limits, costs, keys = judged(venue, ask)
    assert (limits.usage_tier, limits.read.refill_rate, limits.write.refill_rate) == ("basic", 200, 100)
    assert costs.default_cost == 10
    assert {cost.cost for cost in costs.endpoint_costs} == {2}
    assert [(key.api_key_id, "read" in [str(s.value) for s in key.scopes]) for key in keys.api_keys] == [("judge", True)]


def test_the_balance_may_be_asked_once_a_second(venue: Any) -> None:
    async def ask(client: Any) -> Any:
        portfolio = official.PortfolioApi(client)
        first = await portfolio.get_balance()
        with pytest.raises(official.exceptions.ApiException) as no:
            await portfolio.get_balance()
        return first, no.value

    first, no = judged(venue, ask)
    assert D(first.balance_dollars) * 100 // 1 == first.balance
    assert (no.status, json.loads(no.body)["code"]) == (429, "too_many_requests")


def test_a_wrong_key_is_refused(venue: Any) -> None:
    async def ask(client: Any) -> Any:
        with pytest.raises(official.exceptions.UnauthorizedException) as no:
            await official.PortfolioApi(client).get_balance()
        return no.value

    other = KEYS["rsa" if venue["kind"] == "ed25519" else "ed25519"]
    assert json.loads(judged(venue | {"key": other}, ask).body)["code"] == "unauthorized"


def test_the_blocking_sdk_places_reads_and_cancels(venue: Any) -> None:
    config = blocking.Configuration(host=f"{venue['rest']}/trade-api/v2")
    config.api_key_id, config.private_key_pem = "judge", venue["key"]
    client = blocking.KalshiClient(config)
    orders, portfolio = blocking.OrdersApi(client), blocking.PortfolioApi(client)
    made = orders.create_order_v2(**order("bid", "2", "0.0300", "good_till_canceled"))
    assert orders.get_order(made.order_id).order.status.value == "resting"
    assert D(orders.cancel_order_v2(made.order_id, market_ticker=FED).reduced_by) == 2
    taken = orders.create_order_v2(**order("bid", "1", "0.95"))
    assert D(taken.fill_count) == 1
    assert portfolio.get_fills(order_id=taken.order_id).fills[0].order_id == taken.order_id


# ---------------------------------------------------------------------- stream


def streamed(addresses: Any, listen: Any, key: str = "rsa") -> Any:
    """Run a coroutine function on a session of the community's WebSocket client, which signs with RSA."""
    config = KalshiConfig(
        base_url=f"{addresses['rest']}/trade-api/v2", ws_base_url=addresses["data"], allow_unknown_host=True, ws_max_retries=0
    )

    async def run() -> Any:
        async with KalshiWebSocket(KalshiAuth.from_pem("judge", KEYS[key]), config).connect() as session:
            return await asyncio.wait_for(listen(session), 60)

    return asyncio.run(run())


@pytest.fixture(scope="module")
def stream() -> Iterator[Any]:
    """Run a sandbox whose key the community's client can use."""
    with sandbox("rsa") as addresses:
        yield addresses | {"key": KEYS["rsa"], "kind": "rsa"}


def test_the_book_is_streamed_as_rest_says_it(stream: Any, caplog: Any) -> None:
    config = official.Configuration(host=f"{stream['rest']}/trade-api/v2")
    config.api_key_id, config.private_key_pem = "judge", stream["key"]

    async def listen(session: Any) -> Any:
        seen, asked = [], []
        async with official.KalshiClient(config) as client:
            async for book in await session.orderbook(FED):
                seen.append({(side, level.price): level.quantity for side in ("yes", "no") for level in getattr(book, side)})
                if len(seen) in {10, 30}:
                    told = (await official.MarketApi(client).get_market_orderbook(FED)).orderbook_fp
                    sides = (("yes", told.yes_dollars), ("no", told.no_dollars))
                    asked.append({(side, D(p)): D(size) for side, levels in sides for p, size in levels})
                if len(seen) == 60:
                    break
        return seen, asked

    seen, asked = streamed(stream, listen)
    assert all(len(book) == 2 and book in seen for book in asked), "what REST says is, or comes to be, the book of the stream"
    assert len({tuple(sorted(book.items())) for book in seen}) > 5, "the book moves"
    assert "gap" not in caplog.text.lower(), "the SDK counts the messages of each subscription"


def test_orders_fills_positions_and_trades_are_streamed(stream: Any) -> None:
    fields = order("bid", "4", "0.95")

    async def listen(session: Any) -> Any:
        orders, fills = await session.subscribe_user_orders(), await session.subscribe_fill()
        positions, trades = await session.subscribe_market_positions(), await session.subscribe_trade(tickers=[FED])
        tickers = await session.subscribe_ticker(tickers=[FED])
        config = official.Configuration(host=f"{stream['rest']}/trade-api/v2")
        config.api_key_id, config.private_key_pem = "judge", stream["key"]
        async with official.KalshiClient(config) as client:
            made = await official.OrdersApi(client).create_order_v2(**fields)
        first, fill = await anext(orders), await anext(fills)
        second, held, trade, ticker = await anext(orders), await anext(positions), await anext(trades), await anext(tickers)
        return made, first.msg, second.msg, fill.msg, held.msg, trade.msg, ticker.msg

    made, first, second, fill, held, trade, ticker = streamed(stream, listen)
    assert [o.client_order_id for o in (first, second)] == [fields["client_order_id"]] * 2
    assert [str(o.status) for o in (first, second)] == ["resting", "executed"]
    assert (fill.order_id, fill.client_order_id, D(fill.count), fill.is_taker) == (made.order_id, fields["client_order_id"], 4, True)
    assert D(fill.yes_price) == D(made.average_fill_price)
    assert (trade.trade_id, D(trade.count), D(trade.yes_price)) == (fill.trade_id, 4, D(fill.yes_price))
    assert D(held.position) == D(fill.post_position) == 4
    assert 0 < D(ticker.yes_bid) < D(ticker.yes_ask) < 1


class Outcome:
    """What pytest found, as the other judges say it."""

    def __init__(self) -> None:
        self.parts: dict[str, bool] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note one phase of a judgement: it holds if all of them pass, for every key."""
        name = report.location[2].partition("[")[0].removeprefix("test_")
        self.parts[name] = self.parts.get(name, True) and report.passed


if __name__ == "__main__":
    outcome = Outcome()
    ended = pytest.main(["-q", "-p", "no:cacheprovider", "--noconftest", "-c", os.devnull, __file__], plugins=[outcome])
    say("")
    sdks = ("kalshi-python-async", "kalshi-python-sync", "kalshi-sdk")
    raise SystemExit(not verdict(sdks, list(outcome.parts), passed=ended == 0))
