"""Orders at the Deribit skin: what is taken, what is refused and by which code, how they are found and cancelled."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hedgekit.exchange.model import FillModel
from hedgekit.types import NS, MarketStatus
from tests.sandbox.deribit_house import BTC, SOL, T0, House, body_of

BIDS, ASKS = [(99_000.0, 100.0), (98_990.0, 50.0)], [(99_000.5, 30.0), (99_010.0, 200.0)]
GOOD: dict[str, Any] = {"instrument_name": "BTC-PERPETUAL", "amount": 100, "type": "limit", "price": 98_000}


@pytest.fixture
def house() -> House:
    made = House()
    made.show(BTC, BIDS, ASKS)
    return made


def test_a_market_order_walks_the_book_and_pays_in_coin(house: House) -> None:
    """300 dollars at 99,000.5 and 200 at 99,010; fee = amount / price x 0.0005, half-even to eight digits."""
    told = house.buy(500, type="market", label="a")
    assert told["order"]["order_state"] == "filled"
    assert (told["order"]["filled_amount"], told["order"]["amount"], told["order"]["contracts"]) == (500, 500, 50)
    assert [(one["amount"], one["price"], one["fee"], one["liquidity"]) for one in told["trades"]] == [
        (300, 99_000.5, 0.00000152, "T"),
        (200, 99_010, 0.00000101, "T"),
    ]
    assert {one["fee_currency"] for one in told["trades"]} == {"BTC"}
    assert [one["state"] for one in told["trades"]] == ["open", "filled"]
    assert house.exchange.ledger.cash == Decimal("9.99999747")


def test_profit_is_in_coin(house: House) -> None:
    """1,000 dollars bought at 99,000.5 and 99,010, sold at 99,000: size x (1/entry - 1/exit), below 0."""
    house.buy(1000, type="market")
    house.show(BTC, [(100_000.0, 500.0)], [(100_000.5, 500.0)], NS)
    sold = house.sell(1000, type="market")["trades"]
    made = Decimal(300) / Decimal("99000.5") + Decimal(700) / Decimal(99_010) - Decimal(1000) / Decimal(100_000)
    assert sum(one["profit_loss"] for one in sold) == pytest.approx(float(made), abs=2e-8)
    assert sum(one["profit_loss"] for one in sold) > 0


def test_a_linear_perpetual_counts_coins_and_settles_in_dollars() -> None:
    house = House(SOL)
    house.show(SOL, [(150.0, 1000.0)], [(150.1, 1000.0)])
    told = house.result("private/buy", instrument_name="SOL_USDC-PERPETUAL", amount=2.5, type="market")
    assert told["order"]["order_id"] == "USDC-1"
    assert [(one["amount"], one["contracts"], one["fee_currency"]) for one in told["trades"]] == [(2.5, 25, "USDC")]
    assert house.exchange.ledger.position(SOL.key) == 25


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"amount": 105}, -32602, "amount"),
        ({"amount": 0}, -32602, "amount"),
        ({"amount": -100}, -32602, "amount"),
        ({"amount": "100"}, -32602, "amount"),
        ({"amount": None}, -32602, "amount"),
        ({"amount": 1e300}, -32602, "amount"),
        ({"amount": 100, "contracts": 11}, -32602, "contracts"),
        ({"price": 98_000.3}, 10043, "price"),
        ({"price": None}, -32602, "price"),
        ({"price": -1}, -32602, "price"),
        ({"type": "market"}, -32602, "price"),
        ({"type": "stop_limit"}, 10033, "type"),
        ({"type": "other"}, -32602, "type"),
        ({"time_in_force": "gtc"}, -32602, "time_in_force"),
        ({"trigger_price": 1}, 10033, "trigger_price"),
        ({"mmp": True}, 10033, "mmp"),
        ({"post_only": "yes"}, -32602, "post_only"),
        ({"label": "x" * 65}, -32602, "label"),
        ({"instrument_name": "BTC-26DEC26"}, 13020, "instrument_name"),
        ({"instrument_name": 5}, -32602, "instrument_name"),
        ({"surprise": 1}, -32602, "surprise"),
        ({"amount": 10_000_000_000}, 10009, None),
        ({"valid_until": T0 // 1_000_000}, 13888, "valid_until"),
        ({"reduce_only": True}, 11030, "reduce_only"),
        ({"price": 99_000.5, "post_only": True, "reject_post_only": True}, 11054, None),
    ],
)
def test_each_wrong_field_is_refused_by_name(house: House, changes: dict[str, Any], code: int, param: str | None) -> None:
    params = {name: value for name, value in (GOOD | changes).items() if value is not None}
    error = house.error("private/buy", **params)
    assert (error["code"], error.get("data", {}).get("param")) == (code, param)
    assert house.exchange.orders() == []


def test_the_same_order_without_the_fault_is_taken(house: House) -> None:
    assert house.result("private/buy", **GOOD, valid_until=T0 // 1_000_000 + 1)["order"]["order_state"] == "open"


def test_a_query_string_says_the_same(house: House) -> None:
    told = body_of(house.get("private/sell", instrument_name="BTC-PERPETUAL", amount=100, price=99_500.5, post_only=True, label="q"))
    assert "id" not in told
    order = told["result"]["order"]
    assert (order["price"], order["post_only"], order["direction"], order["label"]) == (99_500.5, True, "sell", "q")
    assert body_of(house.get("private/sell", instrument_name="BTC-PERPETUAL", amount="x"))["error"]["data"]["param"] == "amount"


def test_post_only_moves_to_one_tick_before_the_other_side(house: House) -> None:
    order = house.buy(100, price=99_100, post_only=True)["order"]
    assert (order["price"], order["order_state"], order["filled_amount"]) == (99_000.0, "open", 0)
    house.show(BTC, [(98_000.0, 10.0)], [(98_999.5, 5.0)], NS)
    trades = house.result("private/get_user_trades_by_order", order_id=order["order_id"])
    assert [(one["price"], one["liquidity"], one["fee"]) for one in trades] == [(99_000, "M", 0)]


@pytest.mark.parametrize(("tif", "filled"), [("immediate_or_cancel", 300), ("fill_or_kill", 0)])
def test_what_must_fill_at_once(house: House, tif: str, filled: int) -> None:
    order = house.buy(500, price=99_000.5, time_in_force=tif)["order"]
    assert (order["order_state"], order["filled_amount"], order["time_in_force"]) == ("cancelled", filled, tif)
    assert "cancel_reason" not in order


def test_the_rest_of_a_market_order_does_not_stay(house: House) -> None:
    order = house.buy(5000, type="market")["order"]
    assert (order["order_state"], order["filled_amount"]) == ("cancelled", 2300)


def test_a_day_ends_at_eight(house: House) -> None:
    order = house.buy(100, price=90_000, time_in_force="good_til_day")["order"]
    eight = T0 // (86_400 * NS) * 86_400 * NS + 8 * 3600 * NS
    eight += 86_400 * NS if eight <= T0 else 0
    house.time.to(eight - 1)
    assert len(house.result("private/get_open_orders")) == 1
    house.time.to(eight)
    assert house.result("private/get_open_orders") == []
    assert house.result("private/get_order_state", order_id=order["order_id"])["order_state"] == "cancelled"


def test_a_label_is_no_key(house: House) -> None:
    ids = [house.buy(10, price=90_000 + n, label="twice")["order"]["order_id"] for n in range(2)]
    assert ids == ["BTC-1", "BTC-2"]
    assert [one["order_id"] for one in house.result("private/get_order_state_by_label", currency="BTC", label="twice")] == ids
    assert house.result("private/get_order_state_by_label", currency="ETH", label="twice") == []
    assert house.result("private/get_order_state_by_label", currency="BTC", label="never") == []
    assert house.result("private/cancel_by_label", label="twice") == 2


@pytest.mark.parametrize("label", ["", "liquidation-1", "~1", "a#b c"])
def test_any_label_may_come_twice(house: House, label: str) -> None:
    for _ in range(3):
        assert house.buy(10, price=90_000, label=label)["order"]["label"] == label
    assert len(house.result("private/get_open_orders_by_currency", currency="BTC")) == 3


def test_orders_are_listed_found_and_cancelled(house: House) -> None:
    one, two = (house.buy(10, price=90_000 + n, label=f"l{n}")["order"]["order_id"] for n in range(2))
    assert {o["order_id"] for o in house.result("private/get_open_orders_by_instrument", instrument_name="BTC-PERPETUAL")} == {one, two}
    assert [o["order_id"] for o in house.result("private/get_open_orders_by_label", currency="BTC", label="l1")] == [two]
    assert house.result("private/get_open_orders_by_currency", currency="ETH") == []
    gone = house.result("private/cancel", order_id=one)
    assert (gone["order_state"], gone["cancel_reason"]) == ("cancelled", "user_request")
    assert house.error("private/cancel", order_id=one)["code"] == 11044
    assert house.error("private/cancel", order_id="BTC-99")["code"] == 10004
    assert house.error("private/get_order_state", order_id="BTC-99")["code"] == 10004
    assert house.result("private/cancel_all_by_currency", currency="ETH") == 0
    assert house.result("private/cancel_all_by_instrument", instrument_name="BTC-PERPETUAL") == 1
    assert house.result("private/cancel_all") == 0
    history = house.result("private/get_order_history_by_currency", currency="BTC", include_unfilled=True)
    assert [o["order_id"] for o in history] == [two, one]
    assert house.result("private/get_order_history_by_currency", currency="BTC") == []


def test_an_order_that_is_over_is_forgotten_after_half_an_hour(house: House) -> None:
    order = house.buy(300, type="market", label="old")["order"]["order_id"]
    house.time.to(T0 + 1800 * NS)
    assert house.result("private/get_order_state", order_id=order)["order_state"] == "filled"
    house.time.to(T0 + 1800 * NS + 1)
    assert house.error("private/get_order_state", order_id=order)["code"] == 10004
    assert house.result("private/get_order_state_by_label", currency="BTC", label="old") == []
    assert house.result("private/get_order_history_by_currency", currency="BTC") == []
    assert len(house.result("private/get_order_history_by_currency", currency="BTC", historical=True)) == 1


def test_reduce_only_reduces_and_is_taken_back_when_it_would_do_more(house: House) -> None:
    house.buy(200, type="market")
    resting = house.sell(200, price=100_000, reduce_only=True)["order"]["order_id"]
    assert house.error("private/sell", **GOOD | {"price": 100_000, "reduce_only": True})["code"] == 11030
    assert house.error("private/buy", **GOOD | {"reduce_only": True})["code"] == 11030
    house.sell(100, type="market")
    assert house.result("private/get_order_state", order_id=resting)["order_state"] == "cancelled"
    assert house.result("private/close_position", instrument_name="BTC-PERPETUAL", type="market")["order"]["reduce_only"]
    assert house.result("private/get_position", instrument_name="BTC-PERPETUAL")["direction"] == "zero"
    assert house.error("private/close_position", instrument_name="BTC-PERPETUAL", type="market")["code"] == 11030


def test_one_does_not_trade_with_oneself(house: House) -> None:
    house.sell(100, price=99_500)
    assert house.error("private/buy", **GOOD | {"price": 99_500})["code"] == 10003


@pytest.mark.parametrize(("status", "code"), [("paused", 10041), ("closed", 10012), ("halted", 10012)])
def test_what_cannot_be_traded_takes_no_orders_but_cancels(house: House, status: Any, code: int) -> None:
    order = house.buy(10, price=90_000)["order"]["order_id"]
    house.skin.on_status(MarketStatus(ts_ns=T0, instrument=BTC.key, status=status))
    assert house.error("private/buy", **GOOD)["code"] == code
    assert house.result("private/cancel", order_id=order)["order_state"] == "cancelled"
    assert house.result("public/status")["locked"] == "partial"
    house.skin.on_status(MarketStatus(ts_ns=T0, instrument=BTC.key, status="open"))
    house.buy(10, price=90_000)


def test_an_order_before_the_first_quote() -> None:
    house = House()
    assert house.buy(100, type="market")["order"]["order_state"] == "rejected"


def test_an_order_waits_for_the_next_quote_under_that_model() -> None:
    house = House(model=FillModel(ws_ns=0))
    house.show(BTC, BIDS, ASKS)
    told = house.buy(300, type="market", label="w")
    assert (told["order"]["order_state"], told["trades"]) == ("open", [])
    house.show(BTC, BIDS, ASKS, NS)
    (order,) = house.result("private/get_order_state_by_label", currency="BTC", label="w")
    assert (order["order_state"], order["filled_amount"]) == ("filled", 300)


def test_a_liquidation_is_told_as_one() -> None:
    house = House(cash="0.01")
    house.show(BTC, [(100_000.0, 9000.0)], [(100_000.5, 9000.0)])
    house.buy(40_000, type="market")
    house.listen("user.orders.BTC-PERPETUAL.raw")
    house.show(BTC, [(97_000.0, 9000.0)], [(97_000.5, 9000.0)], NS)
    told = [one["params"]["data"] for one in house.heard("trade")]
    assert told[-1]["is_liquidation"]
    assert (told[-1]["order_state"], told[-1]["direction"], told[-1]["api"]) == ("filled", "sell", False)
    assert house.result("private/get_position", instrument_name="BTC-PERPETUAL")["size"] == 0
