"""alpaca-py judges the Alpaca sandbox: with only its addresses and keys changed it trades, reads and streams (see ``served.py``).

Its models are pydantic's: a field that is missing or of another type fails the call that reads it. Market data it speaks as msgpack.
alpaca-py has no call for account activities; they are asked through its own client. Replacing orders, closing positions, assets and
bars are not simulated: they have to be refused.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from alpaca.common.exceptions import APIError
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.live import StockDataStream
from alpaca.data.models import Quote, TradingStatus
from alpaca.data.requests import StockLatestQuoteRequest
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, OrderStatus, OrderType, PositionSide, QueryOrderStatus, TimeInForce, TradeEvent
from alpaca.trading.models import TradeUpdate
from alpaca.trading.requests import GetOrdersRequest, LimitOrderRequest, MarketOrderRequest, ReplaceOrderRequest
from alpaca.trading.stream import TradingStream
from served import judge, raised, sandbox
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

KEYS = {"APCA_API_KEY_ID": "judge", "APCA_API_SECRET_KEY": "judge's secret"}
PAIR = ("judge", "judge's secret")
BID, ASK = {"KO": "60.1", "PEP": "160.2"}, {"KO": "60.12", "PEP": "160.26"}
ROWS = 3000
CASH = Decimal(100_000)
FRESH = json.dumps({"name": "touch", "max_age_ns": 5_000_000_000})
"""A live feed's quotes fill for so long only."""

PATIENCE_S = 20
Account = dict[str, Any]


def tape(folder: Path) -> str:
    """Write a market whose prices stand while its sizes move; return its recipe."""
    lines = ["ts,symbol,bid_px1,bid_sz1,ask_px1,ask_sz1"]
    for row in range(ROWS):
        ts = f"2026-01-05T15:{row // 60 % 60:02d}:{row % 60:02d}Z"
        lines += [f"{ts},{symbol},{BID[symbol]},{500 + row % 7},{ASK[symbol]},{600 + row % 5}" for symbol in BID]
    path = folder / "books.csv"
    path.write_text("\n".join(lines) + "\n")
    listed = [{"venue": "ALPACA", "symbol": symbol} for symbol in BID]
    return json.dumps({"kind": "file", "path": str(path), "primary": "KO", "hedge": "PEP", "listed": listed})


def trading(account: Account, keys: tuple[str, str] = PAIR) -> TradingClient:
    """Return alpaca-py's client, with keys and an address and nothing else of ours."""
    return TradingClient(*keys, paper=True, url_override=account["rest"])


def limit(qty: int, price: float, tif: TimeInForce = TimeInForce.DAY, symbol: str = "KO", **fields: Any) -> LimitOrderRequest:
    """Return a limit order; signed quantity."""
    side = OrderSide.BUY if qty > 0 else OrderSide.SELL
    return LimitOrderRequest(symbol=symbol, qty=abs(qty), side=side, time_in_force=tif, limit_price=price, **fields)


def market(qty: int, symbol: str = "KO", **fields: Any) -> MarketOrderRequest:
    """Return a market order; signed quantity."""
    side = OrderSide.BUY if qty > 0 else OrderSide.SELL
    return MarketOrderRequest(symbol=symbol, qty=abs(qty), side=side, time_in_force=TimeInForce.DAY, **fields)


def refused(call: Callable[[], object], status: int, words: str) -> None:
    """Have a call refused with this status, and words in Alpaca's own error body."""
    error = raised(APIError, call)
    assert (error.status_code, words in error.message, error.code >= 40_000_000) == (status, True, True), str(error)


def money(client: TradingClient) -> Decimal:
    """Return the cash."""
    return Decimal(client.get_account().cash)


def the_account(account: Account) -> None:
    """Read account, clock, positions and latest quotes."""
    client = trading(account)
    mine = client.get_account()
    assert (Decimal(mine.cash), Decimal(mine.equity), mine.currency) == (CASH, CASH, "USD")
    assert (mine.status.value, mine.trading_blocked, mine.account_blocked, mine.shorting_enabled) == ("ACTIVE", False, False, True)
    clock = client.get_clock()
    assert clock.is_open
    assert clock.next_close > clock.timestamp
    assert abs((clock.timestamp - datetime.now(UTC)).total_seconds()) < 60
    assert client.get_all_positions() == []
    prices = StockHistoricalDataClient(*PAIR, url_override=account["rest"])
    latest = prices.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=["KO", "PEP"]))
    assert {name: (quote.bid_price, quote.ask_price) for name, quote in latest.items()} == {
        name: (float(BID[name]), float(ASK[name])) for name in BID
    }
    assert 500 <= latest["KO"].bid_size < 507
    assert latest["KO"].timestamp.tzinfo is not None


def orders_rest_and_are_cancelled(account: Account) -> None:
    """Place limit orders; read them by both ids and in lists; cancel one, and all."""
    client = trading(account)
    made = client.submit_order(limit(10, 50.25, client_order_id="rests"))
    assert (made.client_order_id, made.symbol, made.side, made.order_type) == ("rests", "KO", OrderSide.BUY, OrderType.LIMIT)
    assert (made.status, made.qty, made.filled_qty, made.limit_price) == (OrderStatus.NEW, "10", "0", "50.25")
    assert made.time_in_force is TimeInForce.DAY
    for found in (client.get_order_by_id(made.id), client.get_order_by_client_id("rests")):
        assert (found.id, found.status, found.limit_price, found.canceled_at) == (made.id, OrderStatus.NEW, "50.25", None)
    assert [one.id for one in client.get_orders()] == [made.id]
    asked = GetOrdersRequest(status=QueryOrderStatus.OPEN, symbols=["PEP"], limit=5)
    assert client.get_orders(asked) == []
    assert client.cancel_order_by_id(made.id) is None
    gone = client.get_order_by_id(made.id)
    assert (gone.status, gone.canceled_at is not None) == (OrderStatus.CANCELED, True)
    refused(lambda: client.cancel_order_by_id(made.id), 422, "canceled")
    two = {client.submit_order(limit(-5, 200.0 + n, TimeInForce.GTC, "PEP")).id for n in range(2)}
    cancelled = client.cancel_orders()
    assert {(one.id, one.status) for one in cancelled} == {(one, 200) for one in two}
    assert client.get_orders() == []
    listed = client.get_orders(GetOrdersRequest(status=QueryOrderStatus.CLOSED, after=made.created_at, direction="asc"))
    assert [one.id for one in listed] == [made.id, *(one.id for one in cancelled)], "oldest first; the SDK's times end at the microsecond"


def orders_fill_and_are_held(account: Account) -> None:
    """Fill market and immediate orders, long and short: prices, positions, cash and activities."""
    client = trading(account)
    before = money(client)
    bought = client.submit_order(market(30, client_order_id="bought"))
    filled = client.get_order_by_id(bought.id)
    assert (filled.status, filled.filled_qty, filled.filled_avg_price) == (OrderStatus.FILLED, "30", ASK["KO"])
    assert filled.filled_at is not None
    sold = client.submit_order(limit(-7, 160.0, TimeInForce.IOC, "PEP", client_order_id="sold"))
    assert client.get_order_by_client_id("sold").filled_avg_price == BID["PEP"]
    missed = client.submit_order(limit(5, 50.0, TimeInForce.IOC))
    over = client.get_order_by_id(missed.id)
    assert (over.status, over.filled_qty) == (OrderStatus.CANCELED, "0")
    held = {one.symbol: one for one in client.get_all_positions()}
    assert {name: (one.side, one.qty, one.avg_entry_price) for name, one in held.items()} == {
        "KO": (PositionSide.LONG, "30", ASK["KO"]),
        "PEP": (PositionSide.SHORT, "-7", BID["PEP"]),
    }
    assert Decimal(held["KO"].cost_basis) == 30 * Decimal(ASK["KO"])
    assert client.get_open_position("KO").qty == "30"
    refused(lambda: client.get_open_position("ABC"), 404, "position does not exist")
    fees = before - money(client) - 30 * Decimal(ASK["KO"]) + 7 * Decimal(BID["PEP"])
    told = client.get("/account/activities/FILL")
    mine = [one for one in told if one["order_id"] in {str(bought.id), str(sold.id)}]
    assert sorted((one["symbol"], one["side"], one["qty"], one["price"]) for one in mine) == [
        ("KO", "buy", "30", ASK["KO"]),
        ("PEP", "sell", "7", BID["PEP"]),
    ], mine
    assert fees == sum((Decimal(one["fee"]) for one in mine), Decimal(0))
    for closing in (market(-30), market(7, "PEP")):
        client.submit_order(closing)
    assert client.get_all_positions() == []


def what_is_wrong_is_refused(account: Account) -> None:
    """Have wrong keys, repeated ids, unknown symbols, too large orders and what is not simulated refused by name."""
    client = trading(account)
    client.submit_order(limit(1, 10.0, client_order_id="once"))
    refused(lambda: client.submit_order(limit(1, 10.0, client_order_id="once")), 422, "client_order_id must be unique")
    refused(lambda: client.submit_order(market(1, "NOPE")), 422, "not found")
    refused(lambda: client.submit_order(market(90_000)), 403, "buying power")
    refused(lambda: client.submit_order(limit(1, 10.00001)), 422, "10.00001")
    refused(lambda: client.get_order_by_client_id("never sent"), 404, "order not found")
    once = client.get_order_by_client_id("once").id
    refused(lambda: client.replace_order_by_id(once, ReplaceOrderRequest(qty=2)), 405, "PATCH is not simulated")
    refused(lambda: client.close_position("KO"), 405, "DELETE is not simulated")
    refused(client.get_all_assets, 404, "endpoint not found")
    client.cancel_orders()
    refused(trading(account, ("judge", "wrong")).get_account, 401, "not authorized")


@asynccontextmanager
async def streaming(stream: Any) -> AsyncIterator[None]:
    """Run one of the SDK's streams."""
    task = asyncio.ensure_future(stream._run_forever())
    try:
        yield
    finally:
        await stream.stop_ws()
        await stream.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def heard(queue: asyncio.Queue[Any], wanted: Callable[[Any], bool]) -> Any:
    """Return the next message of a kind."""
    async with asyncio.timeout(PATIENCE_S):
        while not wanted(found := await queue.get()):
            pass
    return found


async def trade_updates(account: Account) -> None:
    """Stream an order's acceptance, cancel and fill, as TradeUpdate."""
    client, updates, stream = trading(account), asyncio.Queue[TradeUpdate](), TradingStream(*PAIR, url_override=account["stream"])
    stream.subscribe_trade_updates(updates.put)
    async with streaming(stream):
        async with asyncio.timeout(PATIENCE_S):
            while not stream._running:  # noqa: ASYNC110 - alpaca-py offers no event for it
                await asyncio.sleep(0.01)
            while updates.empty():  # the subscription is confirmed to the SDK alone
                await asyncio.to_thread(client.submit_order, limit(1, 10.0, TimeInForce.IOC))
                await asyncio.sleep(0.05)
        rests = await asyncio.to_thread(client.submit_order, limit(4, 50.0))
        new = await heard(updates, lambda one: one.order.id == rests.id)
        assert (new.event, new.order.status, new.order.limit_price) == (TradeEvent.NEW, OrderStatus.NEW, "50")
        await asyncio.to_thread(client.cancel_order_by_id, rests.id)
        gone = await heard(updates, lambda one: one.order.id == rests.id)
        assert (gone.event, gone.order.status) == (TradeEvent.CANCELED, OrderStatus.CANCELED)
        bought = await asyncio.to_thread(client.submit_order, market(3))
        fill = await heard(updates, lambda one: one.order.id == bought.id and one.event == TradeEvent.FILL)
        assert (fill.price, fill.qty, fill.position_qty, fill.order.filled_qty) == (float(ASK["KO"]), 3.0, 3.0, "3")
        assert fill.execution_id is not None
        await asyncio.to_thread(client.submit_order, market(-3))
        back = await heard(updates, lambda one: one.event == TradeEvent.FILL)
        assert (back.order.side, back.price, back.position_qty) == (OrderSide.SELL, float(BID["KO"]), 0.0)


async def quotes(account: Account) -> None:
    """Stream quotes of both symbols, as Quote; refuse a wrong key."""
    told, stream = asyncio.Queue[Quote](), StockDataStream(*PAIR, url_override=account["data"])
    stream.subscribe_quotes(told.put, "KO", "PEP")
    async with streaming(stream):
        for name in ("KO", "PEP", "KO"):
            quote = await heard(told, lambda one, name=name: one.symbol == name)
            assert (quote.bid_price, quote.ask_price, quote.tape) == (float(BID[name]), float(ASK[name]), "C")
            assert quote.bid_size >= 500
            assert abs((quote.timestamp - datetime.now(UTC)).total_seconds()) < 60
    wrong = StockDataStream("judge", "wrong", url_override=account["data"])
    await wrong._connect()
    loop = asyncio.get_running_loop()
    bad = await loop.run_in_executor(None, raised, ValueError, lambda: asyncio.run_coroutine_threadsafe(wrong._auth(), loop).result())
    assert str(bad) == "auth failed"
    await wrong.close()


def halting(socket: ServerConnection) -> None:
    """Be a public feed whose KO is halted and resumed, over and over."""
    for words in ("connected", "authenticated", ""):
        socket.send(json.dumps([{"T": "success", "msg": words} if words else {"T": "subscription"}]))
        if words:
            socket.recv()
    codes = itertools.cycle((("H", "Trading Halt"), ("T", "Trading Resumption")))
    with suppress(ConnectionClosed):
        while True:
            time, (code, words) = datetime.now(UTC).isoformat(), next(codes)
            prices = {"bp": 60.1, "bs": 5, "ap": 60.2, "as": 5, "t": time}
            status = {"T": "s", "S": "KO", "sc": code, "sm": words, "rc": "", "rm": "", "t": time, "z": "C"}
            socket.send(json.dumps([status, *({"T": "q", "S": name} | prices for name in BID)]))
            with suppress(TimeoutError):
                socket.recv(timeout=0.1)


@contextmanager
def public() -> Iterator[str]:
    """Serve :func:`halting`; give the sandbox's recipe that plays it."""
    with serve(halting, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield json.dumps(
            {"kind": "feed", "url": f"ws://127.0.0.1:{server.socket.getsockname()[1]}/v2/iex", "primary": "KO", "hedge": "PEP"}
        )
        server.shutdown()
    thread.join()


async def statuses(_: Account) -> None:
    """Stream a halt and a resumption, as TradingStatus, from a sandbox whose own source is a feed that halts."""
    told = asyncio.Queue[TradingStatus]()
    with public() as recipe, sandbox("ALPACA", KEYS, recipe, "--model", FRESH) as account:
        stream = StockDataStream(*PAIR, url_override=account["data"])
        stream.subscribe_trading_statuses(told.put, "KO")
        async with streaming(stream):
            for code, words in (("H", "Trading Halt"), ("T", "Trading Resumption")):
                status = await heard(told, lambda one, code=code: one.status_code == code)
                assert (status.symbol, status.status_message, status.tape) == ("KO", words, "C")
                assert abs((status.timestamp - datetime.now(UTC)).total_seconds()) < 60


PARTS = (the_account, orders_rest_and_are_cancelled, orders_fill_and_are_held, what_is_wrong_is_refused, trade_updates, quotes, statuses)

if __name__ == "__main__":
    with (
        tempfile.TemporaryDirectory() as folder,
        sandbox("ALPACA", KEYS, tape(Path(folder)), "--speed", "20", "--cash", str(CASH)) as served,
    ):
        raise SystemExit(not judge("alpaca-py", PARTS, served))
