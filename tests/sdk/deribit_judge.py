"""ccxt judges the Deribit sandbox: with only its addresses changed it trades, reads and streams (see ``served.py``).

ccxt pins a dozen packages exactly, so it lives in an environment of its own.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import ccxt
import ccxt.pro
from served import judge, sandbox

BTC, ETH = "BTC/USD:BTC", "ETH/USD:ETH"
FEES = {"rate": "0.0005", "quantum": "0.00000001"}
KIND = {"venue": "DERIBIT", "kind": "inverse_perp", "lot": "1", "fees": FEES}
MARKET = {
    "kind": "synthetic",
    "listed": [
        {"symbol": "BTC-PERPETUAL", "tick": "0.5", "multiplier": "10", **KIND},
        {"symbol": "ETH-PERPETUAL", "tick": "0.05", "multiplier": "1", **KIND},
    ],
    "primary_price": 90_000.0,
    "hedge_price": 3_000.0,
    "min_half_spread": 5.0,
    "spread_sd": 0.001,
    "hedge_vol": 0.00002,
    "size_notional": 50_000.0,
    "rows": 50_000,
}
SECRET = secrets.token_hex(16)
KEYS = {"DERIBIT_CLIENT_ID": "judge", "DERIBIT_CLIENT_SECRET": SECRET}
PATIENCE_S = 20.0


def client(addresses: dict[str, str], kind: Any = ccxt.pro.deribit, secret: str = SECRET) -> Any:
    """Return ccxt's client, with keys and addresses and nothing else of ours."""
    made = kind({"apiKey": "judge", "secret": secret})
    made.urls["api"]["rest"], made.urls["api"]["ws"] = addresses["rest"], addresses["stream"]
    return made


async def until(wanted: Callable[[], Awaitable[Any]]) -> Any:
    """Ask again until the answer is not empty."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := await wanted()):  # noqa: ASYNC110 - ccxt offers no event for it
            await asyncio.sleep(0.05)
    return found


async def subscribed(ex: Any, channels: tuple[str, ...], fresh: str) -> None:
    """Wait until channels were asked for, and then until one asked for later tells something: the venue answers in order."""

    async def asked() -> bool:
        sockets = list(ex.clients.values())
        return bool(sockets) and all(channel in sockets[0].subscriptions for channel in channels)

    await until(asked)
    await ex.watch_ticker(fresh, {"interval": "agg2"})


async def listed(ex: Any) -> None:
    """Read time, status, markets, currencies and fees."""
    markets = await ex.load_markets()
    market = markets[BTC]
    assert market["id"] == "BTC-PERPETUAL"
    assert (market["swap"], market["inverse"], market["linear"], market["settle"]) == (True, True, False, "BTC")
    assert (market["contractSize"], market["precision"]["amount"], market["precision"]["price"]) == (10.0, 10.0, 0.5)
    assert (market["taker"], market["maker"], market["active"]) == (0.0005, 0.0, True)
    assert set(markets) == {BTC, ETH}
    assert set(ex.currencies) >= {"BTC", "ETH"}
    assert abs(await ex.fetch_time() - ex.milliseconds()) < 60_000
    assert (await ex.fetch_status())["status"] == "ok"
    fees = (await ex.fetch_trading_fees())[BTC]
    assert (fees["taker"], fees["maker"]) == (0.0005, 0.0)
    assert (await ex.fetch_accounts())[0]["type"] == "main"


async def quoted(ex: Any) -> None:
    """Read ticker, tickers and book, and the same book streamed."""
    await until(lambda: bid(ex))
    ticker = await ex.fetch_ticker(BTC)
    assert 0 < ticker["bid"] < ticker["markPrice"] < ticker["ask"]
    assert ticker["bidVolume"] > 0
    assert ticker["symbol"] == BTC
    found = await ex.fetch_tickers([BTC])
    assert found[BTC]["bid"] > 0
    book = await ex.fetch_order_book(BTC)
    assert book["bids"][0][0] < book["asks"][0][0]
    assert book["nonce"] >= 1000
    assert (await ex.fetch_open_interest(BTC))["symbol"] == BTC

    async def same() -> bool:
        streamed = await ex.watch_order_book(BTC)
        asked = await ex.fetch_order_book(BTC)
        if streamed["timestamp"] != asked["timestamp"]:
            return False
        for side in ("bids", "asks"):  # ccxt's streamed levels have a third item, a count
            assert [level[:2] for level in streamed[side]] == asked[side], (streamed, asked)
        return True

    await until(same)
    seen = {(await ex.watch_ticker(BTC))["timestamp"] for _ in range(3)}
    assert len(seen) == 3
    best = await ex.watch_bids_asks([BTC])
    assert best[BTC]["bid"] < best[BTC]["ask"]


async def bid(ex: Any) -> Any:
    """Return the best bid, once there is one."""
    return (await ex.fetch_ticker(BTC))["bid"]


async def rested(ex: Any) -> None:
    """Place a limit order, read it back, see it listed and streamed, cancel it."""
    watching = asyncio.ensure_future(ex.watch_orders(BTC))
    await subscribed(ex, ("user.orders.any.any.raw",), BTC)
    order = await ex.create_order(BTC, "limit", "buy", 100, 45_000.5, {"label": "rests"})
    assert (order["status"], order["amount"], order["filled"], order["price"], order["side"]) == ("open", 100.0, 0.0, 45_000.5, "buy")
    assert order["timeInForce"] == "GTC"
    assert order["info"]["label"] == "rests"
    assert order["id"].startswith("BTC-")
    again = await ex.fetch_order(order["id"])
    assert (again["id"], again["status"], again["price"], again["remaining"]) == (order["id"], "open", 45_000.5, 100.0)
    for listing in (await ex.fetch_open_orders(BTC), await ex.fetch_open_orders()):
        assert [one["id"] for one in listing] == [order["id"]]
    told = await asyncio.wait_for(watching, PATIENCE_S)
    assert (told[-1]["id"], told[-1]["status"]) == (order["id"], "open")
    gone = await ex.cancel_order(order["id"])
    assert (gone["id"], gone["status"]) == (order["id"], "canceled")
    assert await ex.fetch_open_orders(BTC) == []
    two = [await ex.create_order(BTC, "limit", "buy", 10, 40_000 + n, {"postOnly": True}) for n in range(2)]
    assert all(one["info"]["post_only"] for one in two)
    assert (await ex.cancel_all_orders(BTC))[0]["info"]["result"] == 2
    assert await ex.fetch_open_orders() == []


async def filled(ex: Any) -> None:
    """Fill a market order: booked in coin, listed and streamed as fills, held as a position, closed again."""
    before = await ex.fetch_balance()
    portfolio = await ex.watch_balance()
    assert portfolio["BTC"]["BTC"]["total"] == before["BTC"]["total"] == 10.0
    mine, everybody = asyncio.ensure_future(ex.watch_my_trades(BTC)), asyncio.ensure_future(ex.watch_trades(BTC))
    await subscribed(ex, ("user.trades.any.any.raw", "trades.BTC-PERPETUAL.100ms"), ETH)
    order = await ex.create_order(BTC, "market", "sell", 500, None, {"label": "short"})
    assert (order["status"], order["filled"], order["amount"], order["side"]) == ("closed", 500.0, 500.0, "sell")
    fills = order["trades"]
    assert sum(fill["amount"] for fill in fills) == 500.0
    for fill in fills:
        assert abs(fill["fee"]["cost"] - fill["amount"] / fill["price"] * 0.0005) < 1e-8
        assert (fill["fee"]["currency"], fill["takerOrMaker"], fill["order"]) == ("BTC", "taker", order["id"])
    ids = sorted(fill["id"] for fill in fills)
    for listing in (await ex.fetch_my_trades(BTC), await ex.fetch_my_trades(), await ex.fetch_order_trades(order["id"])):
        assert sorted(one["id"] for one in listing) == ids
    since = await ex.fetch_my_trades(BTC, fills[0]["timestamp"] - 1000, 10)
    assert sorted(one["id"] for one in since) == ids
    assert (await asyncio.wait_for(mine, PATIENCE_S))[-1]["id"] in ids
    assert (await asyncio.wait_for(everybody, PATIENCE_S))[-1]["side"] == "sell"
    assert sorted(one["id"] for one in await ex.fetch_trades(BTC)) == ids
    closed = await ex.fetch_closed_orders(BTC)
    assert (closed[0]["id"], closed[0]["status"], closed[0]["average"]) == (order["id"], "closed", order["average"])
    held = await ex.fetch_position(BTC)
    assert (held["side"], held["contracts"], held["entryPrice"] > 0, held["leverage"]) == (
        "short",
        -500.0,
        True,
        50,
    )  # as the venue signs it
    assert abs(held["notional"] - 500 / held["markPrice"]) < 1e-7
    assert abs(held["initialMargin"] - held["notional"] * 0.02) < 1e-7
    assert [one["symbol"] for one in await ex.fetch_positions()] == [BTC]
    paid = sum(fill["fee"]["cost"] for fill in fills)
    balance = await ex.fetch_balance({"code": "BTC"})
    assert abs(float(balance["info"]["balance"]) - (10.0 - paid)) < 1e-12
    await ex.create_order(BTC, "market", "buy", 500, None, {"reduceOnly": True})
    over = await ex.fetch_position(BTC)
    assert (over["contracts"], over["info"]["direction"]) == (0.0, "zero")


async def refused(ex: Any) -> None:
    """Ask for what is wrong: refused, and ccxt knows each refusal by its code."""
    cases = [
        (ccxt.BadRequest, lambda: ex.private_get_buy({"instrument_name": "BTC-PERPETUAL", "amount": 15})),
        (ccxt.BadRequest, lambda: ex.private_get_buy({"instrument_name": "BTC-PERPETUAL", "amount": 10, "typo": 1})),
        (ccxt.InvalidOrder, lambda: ex.private_get_buy({"instrument_name": "BTC-PERPETUAL", "amount": 10, "price": 1000.3})),
        (ccxt.InsufficientFunds, lambda: ex.create_order(BTC, "limit", "buy", 900_000_000, 50_000)),
        (ccxt.OrderNotFound, lambda: ex.cancel_order("BTC-999999")),
        (ccxt.InvalidOrder, lambda: ex.create_order(BTC, "limit", "buy", 10, 200_000, {"postOnly": True})),
        (ccxt.NotSupported, lambda: ex.create_order(BTC, "limit", "buy", 10, 50_000, {"stopLossPrice": 60_000})),
    ]
    for kind, call in cases:
        try:
            answer = await call()
        except kind:
            continue
        raise AssertionError((kind, answer))
    wrong = client({"rest": ex.urls["api"]["rest"], "stream": ""}, secret=SECRET[::-1])
    try:
        await wrong.fetch_balance()
    except ccxt.AuthenticationError:
        pass
    else:
        raise AssertionError("a wrong secret was accepted")
    finally:
        await wrong.close()


async def immediate(ex: Any) -> None:
    """Place immediate or cancel, and fill or kill: what is not there is cancelled at once."""
    for tif in ("IOC", "FOK"):
        order = await ex.create_order(BTC, "limit", "buy", 10, 40_000, {"timeInForce": tif})
        assert (order["status"], order["timeInForce"], order["filled"]) == ("canceled", tif, 0.0)


def at_once(addresses: dict[str, str]) -> None:
    """Read the markets through ccxt's client that blocks."""
    assert set(client(addresses, ccxt.deribit).load_markets()) == {BTC, ETH}


def asked(part: Callable[[Any], Awaitable[None]]) -> Callable[[dict[str, str]], Awaitable[None]]:
    """Return a part that is given a client of its own."""

    @wraps(part)
    async def run(addresses: dict[str, str]) -> None:
        ex = client(addresses)
        try:
            await ex.load_markets()
            await part(ex)
        finally:
            await ex.close()

    return run


PARTS = (at_once, *(asked(part) for part in (listed, quoted, rested, filled, immediate, refused)))

if __name__ == "__main__":
    with sandbox("DERIBIT", KEYS, json.dumps(MARKET), "--cash", "10") as served:
        raise SystemExit(not judge("ccxt", PARTS, served))
