"""Deribit's WebSocket on loopback: the same methods as over HTTP, subscriptions, seats, cancel on disconnect, limits; live and in step."""

from __future__ import annotations

import asyncio

import pytest

from hedgekit.sandbox.server import LEAD_NS
from tests.paper.deribit_rig import PERPS
from tests.sandbox.deribit_desk import PEACE, TIMEOUT_S, of, trader

BOOK, TICKER = "book.BTC-PERPETUAL.100ms", "ticker.BTC-PERPETUAL.100ms"
ORDER = {"instrument_name": "BTC-PERPETUAL", "amount": 10, "price": 45_000}


async def test_a_socket_serves_what_http_serves() -> None:
    async with trader(**PEACE) as client:
        line = await client.open()
        await line.call("public/subscribe", channels=[BOOK])
        snapshot = (await line.until(of(BOOK)))["params"]["data"]
        order = (await line.call("private/buy", **ORDER, label="socket"))["order"]
        status, told = await client.post("private/get_order_state", order_id=order["order_id"])
        assert (status, told["result"]) == (200, order)
        assert (await line.call("private/cancel", order_id=order["order_id"]))["order_state"] == "cancelled"
        filled = (await line.call("private/sell", instrument_name="BTC-PERPETUAL", amount=100, type="market"))["order"]
        assert filled["average_price"] == snapshot["bids"][0][1]
        assert (await line.call("private/get_position", instrument_name="BTC-PERPETUAL"))["size"] == -100
        assert await line.refused("private/cancel", order_id=order["order_id"]) == 11044
        assert await line.refused("public/nothing") == -32601


async def test_words_that_are_no_request_are_answered_and_the_socket_lives() -> None:
    async with trader(**PEACE) as client:
        line = await client.open(login=False)
        for words, code in (("{", -32700), ("[]", -32600), ('{"method":1}', -32600)):
            await line.socket.send_str(words)
            assert (await line.socket.receive_json(timeout=TIMEOUT_S))["error"]["code"] == code
        await line.socket.send_bytes(b'{"id":9,"method":"public/test"}')
        assert (await line.socket.receive_json(timeout=TIMEOUT_S))["id"] == 9


async def test_private_methods_and_channels_want_a_login() -> None:
    async with trader(**PEACE) as client:
        line = await client.open(login=False)
        for method in ("private/buy", "private/get_positions", "private/enable_cancel_on_disconnect"):
            assert await line.refused(method) == 13009
        assert await line.refused("private/subscribe", channels=["user.orders.any.any.raw"]) == 13009
        assert await line.call("public/subscribe", channels=["user.orders.any.any.raw", BOOK, "nope"]) == [BOOK]
        assert await line.refused("public/subscribe", channels=["book.BTC-PERPETUAL.raw"]) == 13778
        assert await line.refused("public/auth", grant_type="client_credentials", client_id="did", client_secret="no") == 13004  # noqa: S106 - made up


async def test_what_is_subscribed_is_told_and_what_is_not_any_more_is_not() -> None:
    async with trader(**PEACE) as client:
        line = await client.open()
        mine = ["user.orders.any.any.raw", "user.trades.any.any.raw", "user.portfolio.BTC"]
        assert await line.call("private/subscribe", channels=mine) == mine
        assert (await line.until(of("user.portfolio.BTC")))["params"]["data"]["balance"] == 50
        await line.call("public/subscribe", channels=[BOOK])
        await line.until(of(BOOK))
        await line.call("private/buy", instrument_name="BTC-PERPETUAL", amount=10, type="market", label="x")
        seen = [(await line.until(lambda m: m.get("method") == "subscription"))["params"]["channel"] for _ in range(3)]
        assert sorted(seen)[:2] == ["user.orders.any.any.raw", "user.orders.any.any.raw"]
        assert await line.call("private/unsubscribe", channels=["user.orders.any.any.raw", "user.orders.any.any.100ms"]) == mine[:1]
        assert await line.call("private/unsubscribe_all") == "ok"
        line.told.clear()
        await line.call("private/buy", **ORDER)
        await line.call("public/get_time")
        assert [message for message in line.told if "user" in message["params"]["channel"]] == []


async def test_a_second_connection_waits_for_the_first_ones_seat() -> None:
    async with trader(**PEACE) as client:
        first, second = await client.open(), await client.open()
        await first.call("public/subscribe", channels=[BOOK])
        task = asyncio.ensure_future(first.until(of("never")))  # who reads answers pings
        assert await second.refused("public/subscribe", channels=[TICKER]) == 10033
        assert await second.call("private/subscribe", channels=["user.orders.any.any.raw"]) == ["user.orders.any.any.raw"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await first.socket.close()
        assert await second.call("public/subscribe", channels=[TICKER]) == [TICKER]
        assert of(TICKER)(await second.until(of(TICKER)))


@pytest.mark.parametrize(("guarded", "farewell", "left"), [(True, "close", 1), (False, "close", 2), (True, "logout", 2)])
async def test_cancel_on_disconnect_takes_back_what_that_connection_placed(*, guarded: bool, farewell: str, left: int) -> None:
    async with trader(**PEACE) as client:
        line, other = await client.open(), await client.open()
        if guarded:
            assert await line.call("private/enable_cancel_on_disconnect", scope="connection") == "ok"
            assert (await line.call("private/get_cancel_on_disconnect"))["enabled"]
        mine = (await line.call("private/buy", **ORDER))["order"]["order_id"]
        await client.post("private/buy", **ORDER)
        if farewell == "logout":
            await line.socket.send_json({"jsonrpc": "2.0", "id": 99, "method": "private/logout", "params": {}})
            await line.ended()
        else:
            await line.socket.close()
        orders = await other.call("private/get_open_orders")
        assert len(orders) == left
        if left == 1:
            gone = await other.call("private/get_order_state", order_id=mine)
            assert gone["cancel_reason"] == "cancel_on_disconnect"


async def test_account_scope_guards_connections_to_come() -> None:
    async with trader(**PEACE) as client:
        line = await client.open()
        await line.call("private/enable_cancel_on_disconnect", scope="account")
        later = await client.open()
        assert (await later.call("private/get_cancel_on_disconnect"))["enabled"]
        await later.call("private/disable_cancel_on_disconnect", scope="account")
        assert not (await line.call("private/get_cancel_on_disconnect", scope="account"))["enabled"]


async def test_too_many_requests_end_the_session() -> None:
    async with trader(**PEACE, budget=15) as client:
        line = await client.open()
        assert await line.refused("private/cancel", order_id="x") == 10004
        assert await line.refused("private/cancel", order_id="x") == 10028
        await line.ended()


async def test_heartbeats_are_agreed_to_from_ten_seconds_on() -> None:
    async with trader(**PEACE) as client:
        line = await client.open(login=False)
        assert await line.refused("public/set_heartbeat", interval=9) == -32602
        assert await line.call("public/set_heartbeat", interval=10) == "ok"
        assert await line.call("public/disable_heartbeat") == "ok"


async def test_in_step_a_socket_takes_no_orders_and_its_snapshot_is_of_the_next_instant() -> None:
    async with trader() as client, client.control() as control:

        async def ask(**message: object) -> dict[str, object]:
            await control.send_json(message)
            answer: dict[str, object] = await control.receive_json(timeout=TIMEOUT_S)
            return answer

        await ask(op="attach", epoch=1, done=0)
        line = await client.open()
        assert await line.refused("private/buy", **ORDER) == 10033
        now_ms = (int(PERPS.tape().ts_ns[0]) - LEAD_NS) // 10**6
        assert await line.call("public/get_time") == now_ms
        assert await line.call("public/subscribe", channels=[BOOK, TICKER]) == [BOOK, TICKER]
        first = await ask(op="advance", done=0, requests=0, timer=None)
        assert (first["n"], first["venues"]["DERIBIT"]["md"]) == (1, 2)  # type: ignore[index] # an instant
        assert (await line.until(of(BOOK)))["params"]["data"]["type"] == "snapshot"
        await line.socket.close()
        again = await client.open()
        await again.call("public/subscribe", channels=[BOOK, TICKER])
        assert again.told == []
        second = await ask(op="advance", done=1, requests=0, timer=None)
        assert (second["now"], second["venues"]["DERIBIT"]["md"]) == (first["now"], 2)  # type: ignore[index] # an instant
        snapshot = await again.until(of(BOOK))
        assert snapshot["params"]["data"]["type"] == "snapshot"
        await ask(op="advance", done=2, requests=0, timer=None)
        change = await again.until(of(BOOK))
        assert change["params"]["data"]["prev_change_id"] == snapshot["params"]["data"]["change_id"]


async def test_a_new_connection_hears_what_it_asked_for_and_nothing_that_the_last_one_did() -> None:
    async with trader(**PEACE | {"speed": 50.0}) as client:
        first = await client.open()
        await first.call("public/subscribe", channels=[BOOK, TICKER])
        await first.until(of(BOOK))
        assert await first.call("public/unsubscribe", channels=[BOOK, "book.ETH-PERPETUAL.100ms"]) == [BOOK]
        first.told.clear()
        seen = [(await first.until(lambda m: m.get("method") == "subscription"))["params"]["channel"] for _ in range(3)]
        assert seen == [TICKER] * 3
        await first.call("public/subscribe", channels=[BOOK])
        await first.socket.close()
        second = await client.open()
        await second.call("public/subscribe", channels=[TICKER])
        seen = [(await second.until(lambda m: m.get("method") == "subscription"))["params"]["channel"] for _ in range(4)]
        assert seen == [TICKER] * 4
