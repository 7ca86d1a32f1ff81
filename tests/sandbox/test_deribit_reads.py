"""What the Deribit skin tells: the fields and types of Deribit's documents, limits, and questions about executions, account, funding."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from hedgekit.sandbox.calls import Call
from hedgekit.sandbox.skins.deribit_limits import Bucket
from hedgekit.types import NS, Reply
from hedgekit.venues.deribit import Deribit, replies
from hedgekit.venues.deribit.rules import instruments_of
from hedgekit.venues.deribit.units import Units
from tests.sandbox.deribit_house import BTC, ETH, KEYS, SOL, T0, House, body_of, signed

PAYLOADS = Path(__file__).parents[1] / "venues" / "payloads"
"""Written after Deribit's documents; its README says which page."""


@pytest.fixture
def house() -> House:
    made = House()
    made.listen("book.BTC-PERPETUAL.100ms", "ticker.BTC-PERPETUAL.100ms", "user.orders.any.any.raw", "user.trades.any.any.raw")
    made.show(BTC, [(99_000.0, 100.0), (98_990.0, 50.0)], [(99_000.5, 300.0), (99_010.0, 200.0)])
    return made


def documented(name: str) -> Any:
    return json.loads((PAYLOADS / f"deribit_{name}.json").read_bytes())


def fits(told: Any, like: Any, where: str = "$") -> None:
    """Check that everything documented is told, as the same type of JSON; None fits any."""
    if isinstance(like, dict):
        assert isinstance(told, dict), where
        for name, value in like.items():
            assert name in told, f"{where} has no {name}"
            fits(told[name], value, f"{where}.{name}")
    elif isinstance(like, list):
        assert isinstance(told, list), where
        level = bool(like) and isinstance(like[0], str)
        assert not level or len(told) == len(like), where
        for place, item in enumerate(told) if like else ():
            fits(item, like[place if level else 0], f"{where}[{place}]")
    elif isinstance(like, bool) or isinstance(told, bool):
        assert isinstance(told, bool) == isinstance(like, bool), where
    elif isinstance(like, int | float):
        assert told is None or isinstance(told, int | float), f"{where}: {told!r}"
    elif like is not None:
        assert isinstance(told, str), f"{where}: {told!r}"


def whole(house: House, method: str, **params: Any) -> Any:
    return body_of(house.post(method, **params))


def test_answers_have_the_documented_fields(house: House) -> None:
    fits(whole(house, "private/sell", instrument_name="BTC-PERPETUAL", amount=970, type="market", label="s1-1-0"), documented("placed"))
    order = whole(house, "private/sell", instrument_name="BTC-PERPETUAL", amount=970, price=99_500, label="s1-1-1")["result"]["order"]
    house.post("private/cancel", order_id=order["order_id"])
    fits(whole(house, "private/get_order_state_by_label", currency="BTC", label="s1-1-1"), documented("by_label"))
    fits(whole(house, "private/get_user_trades_by_currency", currency="BTC"), documented("executions"))
    fits(whole(house, "private/get_positions", currency="BTC")["result"][0], documented("positions")["result"][0])
    fits(whole(house, "private/get_account_summary", currency="BTC"), documented("account") | {"id": 7})
    fits(whole(house, "public/get_order_book", instrument_name="BTC-PERPETUAL", depth=1), documented("order_book") | {"id": 7})
    listed = documented("instruments")["result"][0]
    fits(whole(house, "public/get_instruments", currency="BTC", kind="future")["result"][0], listed)
    login = {"grant_type": "client_credentials", "client_id": "did", "client_secret": "dsecret"}
    fits(whole(house, "public/auth", **login), documented("auth"))


def test_messages_have_the_documented_fields(house: House) -> None:
    snapshot, ticker = house.heard()
    fits(snapshot, documented("book_snapshot"))
    fits(ticker, documented("ticker"))
    house.show(BTC, [(99_000.0, 70.0)], [(99_000.5, 300.0), (99_010.0, 200.0)], NS)
    change = house.heard()[0]
    fits(change, documented("book_change"))
    assert change["params"]["data"]["bids"] == [["change", 99_000.0, 700.0], ["delete", 98_990.0, 0.0]]
    house.sell(40, type="market")
    told = house.heard("trade")
    assert [one["params"]["channel"].split(".")[1] for one in told] == ["orders", "trades", "orders"]
    fits(told[1], documented("user_trades"))
    fits(told[2], documented("user_order"))


def test_refusals_have_the_documented_form(house: House) -> None:
    fits(whole(house, "private/buy", instrument_name="BTC-PERPETUAL", amount=5, type="market"), documented("error_params"))
    fits(whole(house, "private/buy", instrument_name="BTC-PERPETUAL", amount=10**10, price=90_000), documented("error_funds"))
    poor = House(budget=15)
    told = [whole(poor, "private/cancel", order_id="BTC-1") for _ in range(2)]
    assert told[0]["error"]["code"] == 10004
    fits(told[1], documented("error_rate"))


def test_the_client_reads_every_answer(house: House) -> None:
    """The reader of the other side, which was written from the documents alone."""
    units = Units((BTC, ETH))
    house.buy(500, type="market", label="s-1-0")
    answer = house.post("private/get_positions", currency="BTC")
    account = house.post("private/get_account_summary", currency="BTC")
    held, balance = replies.held_of(units, [Reply(one.status, bytes(one.body)) for one in (answer, account)])  # type: ignore[arg-type] # raw
    assert held == {BTC.key: Decimal(50)}
    assert balance == house.exchange.ledger.balances["BTC"]
    listed = house.post("public/get_instruments", currency="any", kind="future")
    rules = instruments_of(Reply(200, bytes(listed.body)))  # type: ignore[arg-type] # raw
    assert [one.instrument for one in rules] == [BTC, ETH]
    assert (rules[0].maker, rules[0].taker, rules[0].currency) == (Decimal(0), Decimal("0.0005"), "BTC")


@pytest.mark.parametrize(
    ("call", "code", "status"),
    [
        (Call("GET", "/api/v2/public/nothing", {}, b"", {}), -32601, 400),
        (Call("GET", "/elsewhere", {}, b"", {}), -32601, 400),
        (Call("DELETE", "/api/v2/public/get_time", {}, b"", {}), 11050, 400),
        (Call("POST", "/api/v2/public/get_time", {}, b"{}", {}), 13018, 400),
        (Call("POST", "/api/v2/public/get_time", {}, b"{", {"Content-Type": "application/json"}), -32700, 400),
        (Call("POST", "/api/v2/public/get_time", {}, b"[]", {"Content-Type": "application/json"}), -32600, 400),
        (Call("POST", "/api/v2/public/get_time", {}, b'{"method":"public/test"}', {"Content-Type": "application/json"}), 11050, 400),
        (Call("POST", "/api/v2", {"a": "b"}, b'{"method":"public/test"}', {"Content-Type": "application/json"}), 11050, 400),
        (Call("POST", "/api/v2", {}, b'{"jsonrpc":"1.0","method":"public/test"}', {"Content-Type": "application/json"}), -32600, 400),
        (Call("POST", "/api/v2", {}, b'{"method":"public/test","x":1}', {"Content-Type": "application/json"}), -32600, 400),
        (Call("POST", "/api/v2", {}, b'{"method":"public/test","params":[]}', {"Content-Type": "application/json"}), -32602, 400),
        (Call("GET", "/api/v2/public/subscribe", {"channels": "a"}, b"", {}), 10030, 400),
        (Call("GET", "/api/v2/public/get_order_book", {"instrument_name": "BTC-PERPETUAL", "depth": "3"}, b"", {}), -32602, 400),
        (Call("GET", "/api/v2/public/ticker", {"instrument_name": "NOPE"}, b"", {}), 13020, 400),
        (Call("GET", "/api/v2/public/get_instruments", {"currency": "XYZ"}, b"", {}), -32602, 400),
        (Call("GET", "/api/v2/public/test", {"expected_result": "exception"}, b"", {}), 11094, 500),
    ],
)
def test_what_is_no_request_is_refused(call: Call, code: int, status: int) -> None:
    answer = House().skin.answer(call)
    assert (answer.status, body_of(answer)["error"]["code"]) == (status, code)


def test_the_matching_engine_takes_20_at_once_and_5_a_second(house: House) -> None:
    """``private/cancel`` of nothing costs as much as an order; a question costs none of it."""
    codes = [house.error("private/cancel", order_id="BTC-1")["code"] for _ in range(21)]
    assert codes == [10004] * 20 + [10028]
    assert house.error("private/cancel", order_id="BTC-1")["data"]["wait"] == 1
    house.result("public/get_time")
    house.time.to(T0 + NS)
    assert [house.error("private/cancel", order_id="BTC-1")["code"] for _ in range(6)] == [10004] * 5 + [10028]


def test_questions_cost_credits(house: House) -> None:
    """50,000 credits, 500 a question, 10,000 a second."""
    answers = [house.get("public/get_time") for _ in range(101)]
    assert [answer.status for answer in answers] == [200] * 100 + [429]
    house.time.to(T0 + NS // 20)
    assert house.get("public/get_time").status == 200


def test_a_bucket_says_to_the_nanosecond_when_there_is_enough() -> None:
    bucket = Bucket(10, 60)
    assert bucket.take(10, T0) == 0
    assert bucket.take(3, T0) == 3 * NS
    assert bucket.take(3, T0 + 3 * NS - 1) == 1
    assert bucket.take(3, T0 + 3 * NS) == 0


def test_executions_come_in_pages(house: House) -> None:
    for _ in range(7):
        house.buy(10, type="market")
        house.time.to(house.time.now_ns + NS)
    newest = house.result("private/get_user_trades_by_currency", currency="BTC")
    assert not newest["has_more"]
    ids = [one["trade_id"] for one in newest["trades"]][::-1]
    first = house.result("private/get_user_trades_by_currency", currency="BTC", count=3, sorting="asc")
    assert ([one["trade_id"] for one in first["trades"]], first["has_more"]) == (ids[:3], True)
    second = house.result("private/get_user_trades_by_currency", currency="BTC", count=3, sorting="asc", start_id=ids[2])
    assert [one["trade_id"] for one in second["trades"]] == ids[2:5]
    since = house.result("private/get_user_trades_by_currency", currency="BTC", start_timestamp=T0 // 10**6 + 5000, sorting="asc")
    assert [one["trade_id"] for one in since["trades"]] == ids[5:]
    assert house.result("private/get_user_trades_by_currency", currency="ETH")["trades"] == []
    one = house.result("private/get_user_trades_by_instrument", instrument_name="BTC-PERPETUAL", start_seq=2, end_seq=3)
    assert [trade["trade_seq"] for trade in one["trades"]] == [3, 2]
    assert house.error("private/get_user_trades_by_currency", currency="BTC", start_id="none")["data"]["param"] == "start_id"
    assert house.error("private/get_user_trades_by_currency")["data"]["param"] == "currency"
    public = house.result("public/get_last_trades_by_instrument", instrument_name="BTC-PERPETUAL", count=2)
    assert [("fee" in trade, trade["direction"]) for trade in public["trades"]] == [(False, "buy")] * 2


def test_older_executions_are_historical(house: House) -> None:
    order = house.buy(10, type="market")["order"]["order_id"]
    house.time.to(T0 + 86_400 * NS)
    assert len(house.result("private/get_user_trades_by_currency", currency="BTC")["trades"]) == 1
    house.time.to(T0 + 86_400 * NS + 1)
    assert house.result("private/get_user_trades_by_currency", currency="BTC")["trades"] == []
    assert house.result("private/get_user_trades_by_order", order_id=order) == []
    assert len(house.result("private/get_user_trades_by_currency", currency="BTC", historical=True)["trades"]) == 1
    assert len(house.result("private/get_user_trades_by_order", order_id=order, historical=True)) == 1


@pytest.mark.parametrize("hours", [1, 24, 25, 1000])
def test_a_client_finds_an_execution_of_whatever_age(house: House, hours: int) -> None:
    house.buy(10, type="market")
    house.time.to(T0 + hours * 3_600 * NS + 1)
    late = house.buy(10, type="market")["trades"][0]["trade_id"]
    client, page, found = Deribit(KEYS, (BTC,)), "", list[str]()
    for _ in range(5):
        asked = client.fills(T0 - 60 * NS, page)
        assert asked.body is not None
        answer = house.skin.answer(signed("POST", asked.path, asked.body, house.time.now_ns))
        executions, page = client.fills_of(Reply(200, bytes(answer.body)))  # type: ignore[arg-type] # it is JSON
        found += [one.fill_id for one in executions]
        if not page:
            break
    assert (page, len({*found}), late in found) == ("", 2, True)


def test_each_currency_is_an_account_of_its_own() -> None:
    house = House(BTC, ETH, SOL, cash="3")
    told = house.result("private/get_account_summaries")["summaries"]
    assert [(one["currency"], one["balance"], one["equity"]) for one in told] == [("BTC", 3, 3), ("ETH", 3, 3), ("USDC", 3, 3)]
    assert house.result("private/get_account_summary", currency="USDT")["equity"] == 0
    assert house.error("private/get_account_summary", currency="NONE")["data"]["param"] == "currency"


def test_funding_is_paid_told_and_listed(house: House) -> None:
    """500 dollars long at a mark of 99,000.25 pay 0.0001 of them: 0.0000005 BTC, half-even to eight digits."""
    house.buy(500, type="market")
    first = house.listen("user.portfolio.BTC", "perpetual.BTC-PERPETUAL.100ms")
    before = Decimal(str(first[0]["params"]["data"]["balance"]))
    for seat in ("md", "trade"):
        house.heard(seat)
    assert house.skin.fund(BTC.key, Decimal("0.0001")).paid == Decimal("-0.00000051")
    ticker = next(one for one in house.heard() if one["params"]["channel"].startswith("ticker"))
    assert (ticker["params"]["data"]["current_funding"], ticker["params"]["data"]["funding_8h"]) == (0.0001, 0.0001)
    (portfolio,) = house.heard("trade")
    assert Decimal(str(portfolio["params"]["data"]["balance"])) == before - Decimal("0.00000051")
    assert house.result("private/get_position", instrument_name="BTC-PERPETUAL")["realized_funding"] == pytest.approx(-0.00000051)
    at = T0 // 10**6
    span = {"instrument_name": "BTC-PERPETUAL", "start_timestamp": at - 1, "end_timestamp": at}
    assert house.result("public/get_funding_rate_value", **span) == 0.0001
    assert house.result("public/get_funding_rate_history", **span)[0]["interest_8h"] == 0.0001
    assert house.result("public/get_funding_rate_value", **span | {"end_timestamp": at - 1}) == 0


def test_the_log_has_every_change_of_the_balance_newest_first_and_in_pages(house: House) -> None:
    """A purchase and two payments, then a sale: each line's change makes the balance of the next."""
    house.buy(500, type="market")
    house.show(ETH, [(3_000.0, 10.0)], [(3_001.0, 10.0)])
    house.skin.fund(ETH.key, Decimal("0.0001"))  # nothing is held: no line
    for rate in ("0.0001", "-0.0002"):
        house.skin.fund(BTC.key, Decimal(rate))
    house.sell(500, type="market")
    span = {"currency": "BTC", "start_timestamp": T0 // 10**6, "end_timestamp": T0 // 10**6}
    told = house.result("private/get_transaction_log", **span)
    assert told["continuation"] is None
    assert [one["type"] for one in told["logs"]] == ["trade", "settlement", "settlement", "trade"]
    assert [one["side"] for one in told["logs"]] == ["close sell", "long", "long", "open buy"]
    assert [one["interest_pl"] for one in told["logs"]] == [0, pytest.approx(0.00000101), pytest.approx(-0.00000051), 0]
    cash = Decimal(10)
    for one in reversed(told["logs"]):
        cash += Decimal(str(one["change"]))
        assert Decimal(str(one["balance"])) == cash
    assert cash == house.exchange.ledger.balances["BTC"]
    first = house.result("private/get_transaction_log", **span, count=3)
    rest = house.result("private/get_transaction_log", **span, count=3, continuation=first["continuation"])
    assert (first["logs"] + rest["logs"], rest["continuation"]) == (told["logs"], None)
    assert len(house.result("private/get_transaction_log", **span, query="settlement")["logs"]) == 2
    assert house.result("private/get_transaction_log", **span | {"start_timestamp": T0 // 10**6 + 1, "end_timestamp": T0})["logs"] == []
    assert house.result("private/get_transaction_log", **span | {"currency": "ETH"})["logs"] == []
    assert house.error("private/get_transaction_log", **span | {"currency": "NONE"})["data"]["param"] == "currency"
    assert house.error("private/get_transaction_log", **span, query="deposit")["data"]["param"] == "query"
    fits(told["logs"][1], documented("log")["result"]["logs"][1] | {"commission": None})
