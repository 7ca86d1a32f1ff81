"""Polymarket's own SDKs as judges of the sandbox: polymarket-client and py-clob-client-v2, with nothing changed but addresses.

polymarket-client has no public way to another address: its environment is replaced, so its version is pinned (see ``served.py``).
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from polymarket import AsyncSecureClient
from polymarket._internal.environment import create_environment, get_environment_config
from polymarket.environments import PRODUCTION
from polymarket.errors import OrderHeartbeatMismatchError, RequestRejectedError
from polymarket.streams import MarketSpec, UserSpec
from polymarket_served import ADDRESS, API_KEY, KEY, SECRET, SYMBOLS, sandbox
from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.clob_types import (
    AssetType,
    BalanceAllowanceParams,
    BookParams,
    MarketOrderArgsV2,
    OpenOrderParams,
    OrderArgsV2,
    OrderMarketCancelParams,
    OrderPayload,
    OrderType,
    PostOrdersV2Args,
    TradeParams,
)
from py_clob_client_v2.exceptions import PolyApiException
from served import judge


def clob(ready: dict[str, Any]) -> ClobClient:
    """Return a py-clob-client-v2 that has got its API key."""
    client = ClobClient(ready["rest"], 137, key=KEY)
    creds = client.create_or_derive_api_key()
    assert (creds.api_key, creds.api_secret, creds.api_passphrase) == (API_KEY, SECRET, "a-passphrase")
    client.set_api_creds(creds)
    return client


@asynccontextmanager
async def secure(ready: dict[str, Any], updates: list[Any] | None = None) -> Any:
    """Return a polymarket-client whose addresses alone are others."""
    rest = ready["rest"]
    streams = {"clob_market_ws_url": ready["data"], "clob_user_ws_url": ready["stream"]}
    config = dataclasses.replace(
        get_environment_config(PRODUCTION), clob_url=rest, data_url=rest, gamma_url=rest, relayer_url=rest, **streams
    )
    environment = create_environment(name="hedgekit", config=config)
    heard = updates if updates is not None else []
    client = await AsyncSecureClient.create(private_key=KEY, wallet=ADDRESS, environment=environment, on_rate_limit_update=heard.append)
    try:
        yield client
    finally:
        await client.close()


def refused(call: Callable[[], object]) -> PolyApiException:
    """Return how a call is refused; it has to be."""
    try:
        call()
    except PolyApiException as error:
        return error
    raise AssertionError


# ------------------------------------------------------------ py-clob-client-v2


def the_market(ready: dict[str, Any]) -> None:
    """Everything public: version, markets, rules, books whose hash is the SDK's, prices."""
    client = ClobClient(ready["rest"], 137)
    rain, alice = (ready["native"][symbol] for symbol in SYMBOLS)
    token, opposite = rain["token"], rain["opposite"]
    assert client.get_ok() == "OK"
    assert client.get_version() == 2
    assert isinstance(client.get_server_time(), int)
    info = client.get_clob_market_info(rain["condition"])
    assert info["t"] == [{"t": token, "o": "Yes"}, {"t": opposite, "o": "No"}]
    assert (info["mts"], info["mos"], info["nr"], info["fd"]) == (0.01, 5.0, False, {"r": 0.04, "e": 1, "to": True})
    listed = client.get_markets()
    assert [one["condition_id"] for one in listed["data"]] == [rain["condition"], alice["condition"]]
    assert listed["next_cursor"] == "LTE="
    assert client.get_market(alice["condition"])["neg_risk"] is True
    fresh = ClobClient(ready["rest"], 137)
    assert fresh.get_tick_size(token) == "0.01"
    assert (fresh.get_neg_risk(token), fresh.get_neg_risk(alice["token"])) == (False, True)
    assert (fresh.get_fee_rate_bps(token), fresh.get_fee_exponent(token)) == (400, 1)
    book = client.get_order_book(token)
    assert (book["bids"][-1], book["asks"][-1]) == ({"price": "0.48", "size": "1000"}, {"price": "0.52", "size": "1000"})
    assert book["bids"][0]["price"] == "0.47"
    assert client.get_order_book_hash(dict(book)) == book["hash"], "the venue's hash, as its SDK computes it"
    other = client.get_order_book(opposite)
    assert [(Decimal(1) - Decimal(one["price"]), one["size"]) for one in other["asks"]][-1] == (Decimal("0.48"), "1000")
    assert client.get_order_book_hash(dict(other)) == other["hash"]
    both = [BookParams(token_id=token), BookParams(token_id=opposite)]
    assert [one["asset_id"] for one in client.get_order_books(both)] == [token, opposite]
    assert client.get_midpoint(token) == {"mid": "0.5"}
    assert client.get_midpoints(both) == {token: "0.5", opposite: "0.5"}
    assert client.get_price(token, "BUY") == {"price": "0.48"}
    assert client.get_price(token, "SELL") == {"price": "0.52"}
    assert client.get_prices([BookParams(token_id=token, side="BUY")]) == {token: {"BUY": "0.48"}}
    assert client.get_spread(token) == {"spread": "0.04"}
    assert client.get_spreads(both) == {token: "0.04", opposite: "0.04"}
    assert client.get_last_trade_price(token) == {"price": "0.5", "side": ""}
    assert refused(lambda: client.get_order_book("123")).status_code == 404


def orders_rest_and_are_cancelled(ready: dict[str, Any]) -> None:
    """Place, look up, list and cancel, singly, in a batch, by market, all; both contracts."""
    client = clob(ready)
    rain, alice = (ready["native"][symbol] for symbol in SYMBOLS)
    assert client.get_api_keys() == {"apiKeys": [API_KEY]}
    assert client.get_closed_only_mode() == {"closed_only": False}
    signed = client.create_order(OrderArgsV2(token_id=rain["token"], price=0.4, size=10, side="BUY"))
    placed = client.post_order(signed, OrderType.GTC)
    assert (placed["success"], placed["errorMsg"], placed["status"]) == (True, "", "live")
    order_id = placed["orderID"]
    found = client.get_order(order_id)
    assert (found["id"], found["original_size"], found["size_matched"], found["price"], found["side"]) == (
        order_id,
        "10",
        "0",
        "0.4",
        "BUY",
    )
    assert (found["market"], found["asset_id"], found["outcome"], found["order_type"]) == (rain["condition"], rain["token"], "Yes", "GTC")
    assert [one["id"] for one in client.get_open_orders(OpenOrderParams(market=rain["condition"]))] == [order_id]
    assert client.get_open_orders(OpenOrderParams(asset_id=rain["opposite"])) == []
    again = refused(lambda: client.post_order(signed, OrderType.GTC))
    assert (again.status_code, "Duplicated" in str(again)) == (400, True)
    assert client.cancel_order(OrderPayload(orderID=order_id)) == {"canceled": [order_id], "not_canceled": {}}
    assert order_id in client.cancel_order(OrderPayload(orderID=order_id))["not_canceled"]
    assert client.get_order(order_id) is None
    args = [
        PostOrdersV2Args(client.create_order(OrderArgsV2(token_id=token, price=price, size=size, side="BUY")), OrderType.GTC)
        for token, price, size in ((alice["token"], 0.4, 5), (rain["opposite"], 0.3, 7), (rain["token"], 0.2, 1))
    ]
    answers = client.post_orders(args)
    assert [one["status"] for one in answers] == ["live", "live", ""]
    assert "lower than the minimum" in answers[2]["errorMsg"]
    neg, no = (one["orderID"] for one in answers[:2])
    assert client.cancel_market_orders(OrderMarketCancelParams(market=rain["condition"]))["canceled"] == [no]
    post_only = client.create_and_post_order(OrderArgsV2(token_id=rain["token"], price=0.45, size=5, side="BUY"), post_only=True)
    assert client.cancel_orders([post_only["orderID"], neg])["canceled"] == [post_only["orderID"], neg]
    crossing = OrderArgsV2(token_id=rain["token"], price=0.52, size=5, side="BUY")
    assert "order crosses book" in str(refused(lambda: client.create_and_post_order(crossing, post_only=True)))
    client.create_and_post_order(OrderArgsV2(token_id=rain["token"], price=0.1, size=20, side="BUY"))
    assert len(client.cancel_all()["canceled"]) == 1
    assert client.get_open_orders() == []


def orders_fill_and_are_held(ready: dict[str, Any]) -> None:
    """Market and limit orders that execute: answers, trades, balances, fees."""
    client = clob(ready)
    rain = ready["native"]["RAIN"]
    token = rain["token"]
    money = lambda: Decimal(client.get_balance_allowance(BalanceAllowanceParams(AssetType.COLLATERAL))["balance"]) / 10**6  # noqa: E731 - asked twice
    shares = lambda one: Decimal(client.get_balance_allowance(BalanceAllowanceParams(AssetType.CONDITIONAL, one))["balance"]) / 10**6  # noqa: E731 - as above
    before, held = money(), shares(token)
    bought = client.create_and_post_market_order(MarketOrderArgsV2(token_id=token, amount=5.2, side="BUY"), order_type=OrderType.FOK)
    assert (bought["status"], bought["makingAmount"], bought["takingAmount"]) == ("matched", "5.2", "10")
    assert len(bought["transactionsHashes"]) == 1, "the SDK waited for the chain"
    fee = Decimal(10) * Decimal("0.04") * Decimal("0.52") * Decimal("0.48")
    assert before - money() == Decimal("5.2") + fee.quantize(Decimal("0.00001"))
    assert shares(token) - held == 10
    trade = client.get_trades(TradeParams(id=bought["tradeIDs"][0]))[0]
    assert (trade["size"], trade["price"], trade["side"], trade["trader_side"], trade["taker_order_id"]) == (
        "10",
        "0.52",
        "BUY",
        "TAKER",
        bought["orderID"],
    )
    assert trade["transaction_hash"] == bought["transactionsHashes"][0]
    assert client.get_trades_paginated(TradeParams(asset_id=token))["next_cursor"] == "LTE="
    sold = client.create_and_post_market_order(MarketOrderArgsV2(token_id=token, amount=4, side="SELL"), order_type=OrderType.FAK)
    assert (sold["status"], sold["makingAmount"], sold["takingAmount"]) == ("matched", "4", "1.92")
    no = client.create_and_post_order(OrderArgsV2(token_id=rain["opposite"], price=0.52, size=6, side="BUY"))
    assert (no["status"], no["takingAmount"]) == ("matched", "6")
    assert (shares(token) - held, shares(rain["opposite"])) == (6, 6), "tokens do not net"
    assert client.get_last_trade_price(token)["price"] == "0.48"
    short = OrderArgsV2(token_id=token, price=0.9, size=50, side="SELL")
    assert "not enough balance" in str(refused(lambda: client.create_and_post_order(short)))
    large = OrderArgsV2(token_id=token, price=0.9, size=5_000_000, side="BUY")
    assert "not enough balance" in str(refused(lambda: client.create_and_post_order(large)))
    order = client.create_order(OrderArgsV2(token_id=token, price=0.51, size=10, side="BUY"))
    assert "no orders found to match with FAK order" in str(refused(lambda: client.post_order(order, OrderType.FAK)))
    first = client.post_heartbeat("")["heartbeat_id"]
    assert client.post_heartbeat(first)["heartbeat_id"] != first


def a_wrong_key_is_refused(ready: dict[str, Any]) -> None:
    """Another wallet gets no API key, another secret no answer."""
    stranger = ClobClient(ready["rest"], 137, key="0x" + "4d" * 32)
    assert refused(stranger.derive_api_key).status_code == 401
    client = clob(ready)
    creds = dataclasses.replace(client.creds, api_secret="Zm9yZ2VkZm9yZ2VkZm9yZ2VkZm9yZ2VkZm9yZ2VkZm8=")  # noqa: S106 - no secret
    client.set_api_creds(creds)
    forged = refused(client.get_open_orders)
    assert (forged.status_code, "Unauthorized" in str(forged)) == (401, True)


# ------------------------------------------------------------ polymarket-client


async def the_typed_client(ready: dict[str, Any]) -> None:
    """Every model of what is public and private accepts every field."""
    updates: list[Any] = []
    rain = ready["native"]["RAIN"]
    token, opposite = rain["token"], rain["opposite"]
    async with secure(ready, updates) as client:
        assert (client.wallet.lower(), client.credentials.key) == (ADDRESS.lower(), API_KEY)
        book = await client.get_order_book(asset_id=token)
        assert (book.bids[-1].price, book.asks[-1].price, book.tick_size, book.neg_risk) == (
            Decimal("0.48"),
            Decimal("0.52"),
            Decimal("0.01"),
            False,
        )
        assert book.min_order_size == 5
        assert book.timestamp is not None
        assert [one.asset_id for one in await client.get_order_books(asset_ids=[token, opposite])] == [token, opposite]
        assert await client.get_midpoint(asset_id=token) == Decimal("0.5")
        assert await client.get_price(asset_id=token, side="BUY") == Decimal("0.48")
        assert await client.get_spread(asset_id=token) == Decimal("0.04")
        assert await client.fetch_api_keys() == (API_KEY,)
        assert await client.get_closed_only_mode() is False
        placed = await client.place_limit_order(asset_id=token, side="BUY", price="0.41", size="12")
        assert (placed.ok, placed.status, placed.trade_ids) == (True, "live", ())
        assert updates[-1].remaining is not None
        assert updates[-1].tier == "STANDARD"
        order = await client.get_order(order_id=placed.order_id)
        assert (order.original_size, order.price, order.side, order.condition_id) == (
            Decimal(12),
            Decimal("0.41"),
            "BUY",
            rain["condition"],
        )
        assert (order.expires_at, order.created_at is not None, order.asset_id) == (None, True, token)
        assert [one.id async for page in client.list_open_orders(market=rain["condition"]) for one in page.items] == [placed.order_id]
        cancelled = await client.cancel_order(order_id=placed.order_id)
        assert (cancelled.canceled, cancelled.not_canceled) == ((placed.order_id,), {})


async def the_typed_client_trades(ready: dict[str, Any]) -> None:
    """Orders that execute: trades to the chain, positions, balances, heartbeats, refusals."""
    rain = ready["native"]["RAIN"]
    token, opposite = rain["token"], rain["opposite"]
    async with secure(ready) as client:
        matched = await client.place_market_order(asset_id=token, side="BUY", amount="5.2")
        assert (matched.ok, matched.status, matched.making_amount, matched.taking_amount) == (True, "matched", Decimal("5.2"), Decimal(10))
        settled = await client.wait_for_order_fill_settlement(matched)
        assert settled is not None
        trades = [one async for page in client.list_account_trades(id=matched.trade_ids[0]) for one in page.items]
        assert (trades[0].size, trades[0].price, trades[0].side, trades[0].taker_order_id) == (
            Decimal(10),
            Decimal("0.52"),
            "BUY",
            matched.order_id,
        )
        assert trades[0].status in {"MINED", "CONFIRMED"}
        assert trades[0].maker_orders[0].matched_amount == 10
        allowance = await client.get_balance_allowance(asset_type="CONDITIONAL", asset_id=token)
        positions = {one.asset_id: one async for page in client.list_positions() for one in page.items}
        assert positions[token].current_size == Decimal(allowance.balance) / 10**6
        assert (positions[token].outcome, positions[token].opposite_asset_id, positions[token].status) == ("Yes", opposite, "OPEN")
        assert positions[token].avg_price == Decimal("0.52")
        expected = ""
        try:
            await client.send_order_heartbeat(heartbeat_id="7")
        except OrderHeartbeatMismatchError as error:
            expected = error.heartbeat_id
        beat = await client.send_order_heartbeat(heartbeat_id=expected)
        assert beat.heartbeat_id not in {"7", expected}
        poor = None
        try:
            await client.place_limit_order(asset_id=token, side="SELL", price="0.9", size="500")
        except RequestRejectedError as error:
            poor = error
        assert poor is not None
        assert (poor.status, "not enough balance" in str(poor)) == (400, True)


async def the_streams(ready: dict[str, Any]) -> None:
    """Books and changes of both tokens, best prices, trades; the account's orders and trades through MINED and CONFIRMED."""
    alice = ready["native"]["CUP/ALICE"]
    token = alice["token"]
    async with secure(ready) as client:
        market = await client.subscribe(MarketSpec(asset_ids=[token], custom_feature_enabled=True))
        account = await client.subscribe(UserSpec(markets=[alice["condition"]]))
        book = await until(market, lambda event: event.type == "book")
        assert (book.payload.bids[-1].price, book.payload.asks[-1].price) == (Decimal("0.48"), Decimal("0.52"))
        change = await until(market, lambda event: event.type == "price_change")
        assert {one.asset_id for one in change.payload.price_changes} == {token, alice["opposite"]}
        own = [one for one in change.payload.price_changes if one.asset_id == token]
        assert {(one.best_bid, one.best_ask) for one in own} == {(Decimal("0.48"), Decimal("0.52"))}
        rest = await client.place_limit_order(asset_id=token, side="BUY", price="0.3", size="9")
        placed = await until(account, lambda event: event.type == "order")
        assert (placed.payload.id, placed.payload.order_event_type, placed.payload.status) == (rest.order_id, "PLACEMENT", "LIVE")
        await client.cancel_order(order_id=rest.order_id)
        ended = await until(account, lambda event: event.type == "order")
        assert (ended.payload.order_event_type, ended.payload.status) == ("CANCELLATION", "CANCELED")
        filled = await client.place_market_order(asset_id=token, side="BUY", amount="2.6")
        trade = await until(account, lambda event: event.type == "trade")
        assert (trade.payload.id, trade.payload.status, trade.payload.size) == (filled.trade_ids[0], "MATCHED", Decimal(5))
        assert (trade.payload.taker_order_id, trade.payload.trader_side) == (filled.order_id, "TAKER")
        printed = await until(market, lambda event: event.type == "last_trade_price")
        assert (printed.payload.price, printed.payload.size, printed.payload.side) == (Decimal("0.52"), Decimal(5), "BUY")
        done = await until(account, lambda event: event.type == "order" and event.payload.order_event_type == "UPDATE")
        assert (done.payload.status, done.payload.size_matched) == ("MATCHED", Decimal(5))
        statuses = [(await until(account, lambda event: event.type == "trade")).payload.status for _ in range(2)]
        assert statuses == ["MINED", "CONFIRMED"]
        assert client._get_market_manager().dropped_events == 0, "no message that the SDK could not read"
        assert client._get_user_manager().dropped_events == 0


async def until(handle: Any, wanted: Callable[[Any], bool]) -> Any:
    """Return the next event of a kind."""
    async with asyncio.timeout(20):
        async for event in handle:
            if wanted(event):
                return event
    raise AssertionError


CLOB = (the_market, orders_rest_and_are_cancelled, orders_fill_and_are_held, a_wrong_key_is_refused)
TYPED = (the_typed_client, the_typed_client_trades, the_streams)

if __name__ == "__main__":
    with sandbox() as served:
        results = [judge("py-clob-client-v2", CLOB, served), judge("polymarket-client", TYPED, served)]
    raise SystemExit(not all(results))
