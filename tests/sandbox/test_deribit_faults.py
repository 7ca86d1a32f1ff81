"""Everything that can go wrong, in Deribit's words: over HTTP and on its socket, live on loopback."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hedgekit.exchange.faults import Fault, FaultKind
from hedgekit.sandbox.skins.deribit_api import FAULTS, failure, purpose_of
from hedgekit.types import NS, Reply, Request, Word
from hedgekit.venues.deribit import replies
from tests.sandbox.deribit_desk import PEACE, TIMEOUT_S, of, trader
from tests.sandbox.deribit_house import BTC, T0, House, body_of

BOOK = "book.BTC-PERPETUAL.100ms"
ORDER: dict[str, Any] = {"instrument_name": "BTC-PERPETUAL", "amount": 10, "price": 45_000}
SUBMIT = Request("POST", "/api/v2/private/buy", "submit", "primary", b"", "s-1-0")  # type: ignore[arg-type] # a word of its


@pytest.mark.parametrize(
    ("kind", "seconds", "status", "code", "word"),
    [
        (FaultKind.TOO_MANY, 0.0, 429, 10028, Word.BUSY),
        (FaultKind.TOO_MANY, 3.0, 429, 10028, Word.BUSY),
        (FaultKind.TOO_EARLY, 0.0, 425, 10040, Word.BUSY),
        (FaultKind.ERROR_500, 0.0, 500, 11094, Word.UNKNOWN),
        (FaultKind.UNAVAILABLE_503, 0.0, 503, 11051, Word.UNKNOWN),
    ],
)
def test_a_failing_venue_says_so_and_the_client_understands(kind: FaultKind, seconds: float, status: int, code: int, word: Word) -> None:
    answer = failure(Fault(kind, seconds=seconds), T0)
    assert (answer.status, body_of(answer)["error"]["code"]) == (status, code)
    reply = Reply(answer.status, bytes(answer.body), {name.lower(): value for name, value in answer.headers.items()})  # type: ignore[arg-type] # raw
    assert replies.word_of(SUBMIT, reply) is word
    assert replies.limits_of(reply, T0)[0] == (round(seconds * NS) if seconds else None)


def test_a_gateway_speaks_no_json_rpc() -> None:
    answer = failure(Fault(FaultKind.GATEWAY_504_AFTER), T0)
    assert (answer.status, answer.body) == (504, "Gateway Time-out")
    assert FaultKind.GATEWAY_504_AFTER not in FAULTS
    assert replies.word_of(SUBMIT, Reply(504, b'"Gateway Time-out"')) is Word.UNKNOWN


def test_faults_count_orders_and_cancels_by_what_they_are() -> None:
    house = House()
    names = {
        "buy": "submit",
        "sell": "submit",
        "close_position": "submit",
        "cancel": "cancel",
        "cancel_all": "cancel",
        "get_positions": "query",
    }
    for name, purpose in names.items():
        assert purpose_of(house.call(f"private/{name}")) == purpose
        assert purpose_of(house.getting(f"private/{name}")) == purpose


def test_an_order_fills_in_parts_or_is_refused_before_and_after_it_was_taken() -> None:
    house = House(faults=[])
    house.show(BTC, [(99_000.0, 100.0)], [(99_001.0, 100.0)])
    house.listen("user.orders.any.any.raw")
    call = house.call("private/buy", instrument_name="BTC-PERPETUAL", amount=100, type="market")
    part = body_of(house.skin._act(call, Fault(FaultKind.PARTIAL, fraction=0.3)))["result"]["order"]
    assert (part["filled_amount"], part["order_state"]) == (30, "cancelled")
    assert body_of(house.skin._act(call, Fault(FaultKind.REJECT_HEDGE)))["error"]["code"] == 10009
    rest = house.call("private/buy", **ORDER, label="late")
    taken = body_of(house.skin._act(rest, Fault(FaultKind.REJECT_HEDGE, seconds=1.0)))["result"]["order"]
    assert taken["order_state"] == "open"
    house.heard("trade")
    house.time.to(T0 + NS)
    (told,) = house.heard("trade")
    assert told["params"]["data"]["order_state"] == "rejected"
    assert house.result("private/get_order_state_by_label", currency="BTC", label="late")[0]["order_state"] == "rejected"


@pytest.mark.parametrize(
    ("kind", "status", "done"),
    [("too_many", 429, 0), ("too_early", 425, 0), ("error_500", 500, 0), ("unavailable_503", 503, 0), ("gateway_504_after", 504, 1)],
)
async def test_over_http_and_on_a_socket_the_same_befalls(kind: str, status: int, done: int) -> None:
    async with trader(**PEACE) as client:
        watch = await client.open()
        await client.fault(kind, at="submit:1", count=2)
        assert (await client.post("private/buy", **ORDER))[0] == status
        assert len(await watch.call("private/get_open_orders")) == done
        line = await client.open()
        if kind == "gateway_504_after":
            await line.socket.send_json({"jsonrpc": "2.0", "id": 5, "method": "private/buy", "params": ORDER})
            await line.ended()
        else:
            code = FAULTS[FaultKind(kind)][0]
            answer = await line.answer("private/buy", **ORDER)
            assert answer["error"]["code"] == code
            if kind == "too_many":
                await line.ended()
        assert len(await watch.call("private/get_open_orders")) == 2 * done


@pytest.mark.parametrize("kind", ["drop_reply", "hang_after"])
async def test_what_is_done_and_not_answered_is_done(kind: str) -> None:
    async with trader(**PEACE) as client:
        watch, line = await client.open(), await client.open()
        await client.fault(kind, at="submit:1", count=2)
        over = asyncio.ensure_future(client.post("private/buy", **ORDER, label="http"))
        await line.socket.send_json({"jsonrpc": "2.0", "id": 5, "method": "private/buy", "params": ORDER | {"label": "socket"}})
        if kind == "drop_reply":
            assert await over == (0, None)
            await line.ended()
        async with asyncio.timeout(TIMEOUT_S):
            while len(orders := await watch.call("private/get_open_orders")) < 2:
                pass
        assert sorted(order["label"] for order in orders) == ["http", "socket"]
        over.cancel()
        await asyncio.gather(over, return_exceptions=True)


async def test_an_outage_ends_every_connection_and_takes_back_what_is_guarded() -> None:
    async with trader(**PEACE) as client:
        line, idle = await client.open(), await client.open(login=False)
        await line.call("private/enable_cancel_on_disconnect")
        order = (await line.call("private/buy", **ORDER))["order"]["order_id"]
        await client.fault("outage", seconds=1.0)
        await line.ended()
        await idle.ended()
        assert (await client.post("public/get_time"))[0] == 0
        async with asyncio.timeout(TIMEOUT_S):
            while (await client.post("public/get_time"))[0] != 200:
                pass
        _, told = await client.post("private/get_order_state", order_id=order)
        assert (told["result"]["order_state"], told["result"]["cancel_reason"]) == ("cancelled", "cancel_on_disconnect")


async def test_a_disconnect_of_market_data_leaves_the_accounts_connection() -> None:
    async with trader(**PEACE | {"speed": 20.0}) as client:
        market, account = await client.open(), await client.open()
        await market.call("public/subscribe", channels=[BOOK])
        await account.call("private/subscribe", channels=["user.orders.any.any.raw"])
        await client.fault("disconnect", at="md:1")
        await market.ended()
        await client.post("private/buy", **ORDER)
        assert of("user.orders.any.any.raw")(await account.until(of("user.orders.any.any.raw")))
        again = await client.open()
        await again.call("public/subscribe", channels=[BOOK])
        assert (await again.until(of(BOOK)))["params"]["data"]["type"] == "snapshot"


async def test_a_lost_message_leaves_a_gap_and_a_frozen_feed_goes_on_with_one() -> None:
    async with trader(**PEACE | {"speed": 50.0}) as client:
        line = await client.open()
        await line.call("public/subscribe", channels=[BOOK])
        last = (await line.until(of(BOOK)))["params"]["data"]["change_id"]
        for kind, more in (("lost", {"at": "md:1"}), ("freeze", {"seconds": 0.2})):
            await client.fault(kind, **more)
            async with asyncio.timeout(TIMEOUT_S):
                while (told := (await line.until(of(BOOK)))["params"]["data"])["prev_change_id"] == last:
                    last = told["change_id"]
            assert told["prev_change_id"] > last
            last = told["change_id"]
