"""Orders of the Polymarket skin: what is taken, what is refused, how the two tokens are held, and what is told of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hedgekit.exchange.faults import Fault, FaultKind
from hedgekit.sandbox.skins.polymarket_wire import FAK_UNMATCHED, FOK_UNFILLED
from hedgekit.types import NS
from tests.sandbox.polymarket_desk import ALICE, NOW, WAITS, YES, Message, Venue, error

BALANCE = "not enough balance / allowance: the balance is not enough -> balance: "


def orders(venue: Venue) -> list[tuple[str, str, str]]:
    """Return what the account's stream has said, in short."""
    return [(one.get("type", ""), one["status"], one.get("size_matched", one.get("size", ""))) for one in venue.heard(venue.trade)]


def test_an_order_that_rests_is_live_until_it_is_cancelled() -> None:
    venue = Venue().open()
    body = venue.body("BUY", "10", "0.4")
    answer = venue.call("POST", "/order", body).body
    order_id = venue.hash_of(body)
    assert answer == {
        "success": True,
        "errorMsg": "",
        "orderID": order_id,
        "status": "live",
        "makingAmount": "",
        "takingAmount": "",
        "transactionsHashes": [],
        "tradeIDs": [],
    }
    assert venue.get(f"/data/order/{order_id}")["original_size"] == "10"
    assert [one["id"] for one in venue.get("/data/orders")["data"]] == [order_id]
    assert venue.call("DELETE", "/order", {"orderID": order_id}).body == {"canceled": [order_id], "not_canceled": {}}
    again = venue.call("DELETE", "/order", {"orderID": order_id})
    assert (again.status, again.body) == (
        200,
        {"canceled": [], "not_canceled": {order_id: "the order can't be found - already canceled or matched"}},
    )
    assert venue.get(f"/data/order/{order_id}") is None, "of an order that is over nothing is said"
    assert venue.get("/data/orders")["data"] == []
    assert orders(venue) == [("PLACEMENT", "LIVE", "0"), ("CANCELLATION", "CANCELED", "0")]


def test_a_purchase_at_once_is_matched_level_by_level() -> None:
    venue = Venue(cash="1000").open(asks={"0.52": "4", "0.53": "100"})
    answer = venue.taken("BUY", "10", "0.55", kind="FAK")
    assert (answer["status"], answer["makingAmount"], answer["takingAmount"]) == ("matched", "5.26", "10")
    trades = venue.get("/data/trades")["data"]
    assert [(one["size"], one["price"], one["status"], one["trader_side"]) for one in trades] == [
        ("4", "0.52", "TRADE_STATUS_MATCHED", "TAKER"),
        ("6", "0.53", "TRADE_STATUS_MATCHED", "TAKER"),
    ]
    assert [one["id"] for one in trades] == answer["tradeIDs"]
    fee = Decimal("0.04") * (4 * Decimal("0.52") * Decimal("0.48") + 6 * Decimal("0.53") * Decimal("0.47"))
    assert venue.held() == ("10", "0", str((1000 - Decimal("5.26") - fee).quantize(Decimal("0.00001"))))
    assert orders(venue) == [
        ("PLACEMENT", "LIVE", "0"),
        ("TRADE", "MATCHED", "4"),
        ("UPDATE", "LIVE", "4"),
        ("TRADE", "MATCHED", "6"),
        ("UPDATE", "MATCHED", "10"),
    ]


def test_the_rest_of_an_order_at_once_is_cancelled_with_a_sentence() -> None:
    venue = Venue().open(asks={"0.52": "4"})
    assert venue.taken("BUY", "10", "0.52", kind="FAK")["takingAmount"] == "4"
    assert orders(venue)[-1] == ("CANCELLATION", f"CANCELED_{FAK_UNMATCHED}", "4")


@pytest.mark.parametrize(("kind", "size", "words"), [("FAK", "10", FAK_UNMATCHED), ("FOK", "101", FOK_UNFILLED)])
def test_an_order_at_once_that_finds_nothing_is_an_error_and_was_none(kind: str, size: str, words: str) -> None:
    venue = Venue().open()
    limit = "0.51" if kind == "FAK" else "0.52"
    assert error(venue.post("BUY", size, limit, kind=kind)) == (400, words)
    assert orders(venue) == []
    assert venue.held() == ("0", "0", "1000")


def test_an_order_at_once_waits_for_the_next_book_where_the_exchange_matches_there() -> None:
    venue = Venue(model=WAITS).open()
    assert venue.taken("BUY", "10", "0.52", kind="FAK")["status"] == "delayed"
    venue.row({"0.48": "1"}, {"0.51": "6"}, after_s=1)
    assert venue.held()[0] == "6"
    assert orders(venue)[-1] == ("CANCELLATION", f"CANCELED_{FAK_UNMATCHED}", "6")


def test_the_opposite_token_is_traded_in_the_same_book() -> None:
    """A bid for YES at 0.48 is an offer of NO at 0.52."""
    venue = Venue(cash="100").open()
    assert venue.taken("BUY", "10", "0.52", venue.no, "FAK")["makingAmount"] == "5.2"
    fee = Decimal("0.04") * 10 * Decimal("0.2496")
    assert venue.held() == ("0", "10", str((100 - Decimal("5.2") - fee).normalize()))
    assert venue.exchange.ledger.position(YES.key) == -10, "as a sale of YES at 0.48"
    assert error(venue.post("BUY", "91", "0.52", venue.no, "FOK")) == (400, FOK_UNFILLED), "what was taken is gone from both"


def test_tokens_do_not_net() -> None:
    venue = Venue(cash="100").open()
    venue.taken("BUY", "10", "0.52", kind="FAK")
    venue.taken("BUY", "25", "0.52", venue.no, "FAK")
    yes, no, money = venue.held()
    assert (yes, no) == ("10", "25"), "10 complete sets are held, and their money is locked"
    assert venue.exchange.ledger.position(YES.key) == -15
    assert Decimal(money) == 100 - Decimal("18.2") - Decimal("0.04") * 35 * Decimal("0.2496")
    venue.taken("SELL", "10", "0.48", kind="FAK")
    assert venue.held()[:2] == ("0", "25")
    positions = venue.client.held_of([venue.ask(question) for question in venue.client.holdings()])
    assert positions == ({YES.key: Decimal(-25)}, venue.exchange.ledger.cash), "the client's books come to the exchange's"


def test_nothing_is_sold_short() -> None:
    venue = Venue().open()
    assert error(venue.post("SELL", "5", "0.48", kind="FAK"))[1].startswith(f"{BALANCE}0, order amount: 5000000")
    venue.taken("BUY", "10", "0.52", kind="FAK")
    venue.taken("SELL", "6", "0.6")
    assert error(venue.post("SELL", "5", "0.6"))[1] == f"{BALANCE}4000000, order amount: 5000000", "6 are in an order already"
    assert error(venue.post("SELL", "5", "0.4", venue.no))[1].startswith(BALANCE)


def test_a_purchase_needs_its_collateral_and_its_fee() -> None:
    venue = Venue(cash="10").open()
    venue.taken("BUY", "10", "0.4")
    assert error(venue.post("BUY", "15", "0.4"))[1] == f"{BALANCE}5904000, order amount: 6144000"
    venue.taken("BUY", "14", "0.4")
    assert error(venue.post("BUY", "5", "0.06", postOnly=True))[1].startswith(BALANCE), "0.1656 of both tokens' money is left"
    assert venue.exchange.free_cash > 0


def test_the_same_order_again_is_refused_as_a_duplicate() -> None:
    venue = Venue().open()
    body = venue.body("BUY", "10", "0.52", kind="FAK")
    order_id = venue.hash_of(body)
    assert venue.call("POST", "/order", body).status == 200
    duplicate = f"order {order_id} is invalid. Duplicated. Same order has already been placed, can't be placed again"
    assert error(venue.call("POST", "/order", body)) == (400, duplicate)
    assert venue.held()[0] == "10", "it was executed once"


def test_an_order_that_was_refused_may_come_again() -> None:
    venue = Venue(cash="1").open()
    body = venue.body("BUY", "10", "0.4")
    assert error(venue.call("POST", "/order", body))[1].startswith(BALANCE)
    venue.exchange.ledger.balances["USD"] += 100
    assert venue.call("POST", "/order", body).status == 200


@pytest.mark.parametrize(
    ("words", "fields", "message"),
    [
        (("BUY", "4", "0.4"), {}, "is invalid. Size (4) lower than the minimum: 5"),
        (("BUY", "2", "0.48"), {"kind": "FAK"}, "invalid amount for a marketable BUY order ($0.96), min size: $1"),
        (("BUY", "10", "0.405"), {}, "Price (0.405) breaks minimum tick size rules: 0.01"),
        (("BUY", "10", "1"), {}, "invalid price (1), min: 0.01 - max: 0.99"),
        (("SELL", "10", "0.001"), {}, "invalid price (0), min: 0.01 - max: 0.99"),
        (("BUY", "10.123", "0.4"), {}, "invalid amounts, the buy orders support a max accuracy of 0.0001 in collateral and 0.01 in shares"),
        (("BUY", "10", "0.4"), {"makerAmount": "0"}, "invalid amounts, makerAmount and takerAmount must be above 0"),
        (("BUY", "10", "0.5205"), {"kind": "FAK"}, "max accuracy of 0.01 in collateral and 0.0001 in shares"),
        (("BUY", "10.5", "0.4"), {}, "quantity 10.5: must be a multiple of 1"),
        (("BUY", "10", "0.52"), {"postOnly": True}, "invalid post-only order: order crosses book"),
        (("BUY", "10", "0.52"), {"postOnly": True, "kind": "FAK"}, "post-only orders are GTC or GTD"),
        (("BUY", "10", "0.4"), {"kind": "GTD"}, "invalid expiration"),
        (("BUY", "10", "0.4"), {"kind": "GTD", "expiration": str(NOW // NS + 60)}, "invalid expiration"),
        (("BUY", "10", "0.4"), {"expiration": str(NOW // NS + 600)}, "invalid expiration"),
        (("BUY", "10", "0.4"), {"kind": "GTD", "expiration": "-1"}, "invalid expiration"),
        (("BUY", "10", "0.4"), {"owner": "somebody"}, "the order owner has to be the owner of the API KEY"),
        (("BUY", "10", "0.4"), {"tokenId": "123"}, "the orderbook 123 does not exist"),
        (("BUY", "10", "0.4"), {"timestamp": str(NOW // 10**6 + 121_000)}, "invalid timestamp"),
        (("BUY", "10", "0.4"), {"extra": 1}, "Invalid order payload"),
        (("BUY", "10", "0.4"), {"orderType": "GTX"}, "Invalid order payload"),
        (("BUY", "10", "0.4"), {"deferExec": "no"}, "Invalid order payload"),
    ],
)
def test_what_is_wrong_is_refused_in_the_venues_words(words: tuple[str, str, str], fields: dict[str, Any], message: str) -> None:
    venue = Venue().open()
    status, said = error(venue.post(*words, **fields))
    assert status == 400
    assert message in said
    assert venue.exchange.orders() == []


def test_orders_of_the_first_version_are_told_so() -> None:
    venue = Venue().open()
    body = venue.body("BUY", "10", "0.4")
    body["order"] |= {"nonce": "0", "feeRateBps": "0", "taker": "0x" + "00" * 20}
    assert error(venue.call("POST", "/order", body)) == (400, "order_version_mismatch")
    assert error(venue.call("POST", "/order", b"{")) == (400, "Invalid order payload")
    assert error(venue.call("POST", "/order", [1])) == (400, "Invalid order payload")


def test_a_market_order_of_whole_cents_buys_whole_lots_at_a_tick() -> None:
    """A market order of 10 dollars at 0.52 asks for 19.2307 shares: their price is a tick's but for rounding."""
    venue = Venue(cash="100").open()
    assert venue.taken("BUY", "1", "1", kind="FAK", makerAmount="10000000", takerAmount="19230700")["takingAmount"] == "19"
    assert (
        "breaks minimum tick size rules"
        in error(venue.post("BUY", "1", "1", kind="FAK", makerAmount="10000000", takerAmount="19500000"))[1]
    )


def test_a_batch_answers_for_each_order_and_refuses_with_success() -> None:
    venue = Venue().open()
    good, bad = venue.body("BUY", "10", "0.4"), venue.body("BUY", "1", "0.4")
    answer = venue.call("POST", "/orders", [good, bad])
    assert answer.status == 200
    first, second = answer.body  # type: ignore[misc] # a list
    assert (first["success"], first["status"], first["errorMsg"]) == (True, "live", "")
    assert (second["success"], second["orderID"], second["status"]) == (True, "", "")
    assert "lower than the minimum" in second["errorMsg"]
    assert venue.call("POST", "/orders", [venue.body("BUY", "10", "0.4") for _ in range(16)]).status == 400
    assert venue.call("POST", "/orders", []).status == 400


def test_cancels_of_several_of_all_and_of_a_market() -> None:
    venue = Venue(YES, ALICE).open()
    ids = [venue.taken("BUY", "10", f"0.4{number}")["orderID"] for number in range(4)]
    other = venue.skin.markets.all[next(key for key in venue.skin.markets.all if key != venue.market.condition)]
    alice = venue.taken("BUY", "10", "0.4", other.tokens[0], neg_risk=True)["orderID"]
    assert venue.call("DELETE", "/orders", [ids[0], "0x7"]).body == {
        "canceled": [ids[0]],
        "not_canceled": {"0x7": "the order can't be found - already canceled or matched"},
    }
    assert venue.call("DELETE", "/cancel-market-orders", {"market": venue.market.condition, "asset_id": venue.no}).body == {
        "canceled": [],
        "not_canceled": {},
    }
    assert venue.call("DELETE", "/cancel-market-orders", {"asset_id": venue.yes}).body == {"canceled": ids[1:], "not_canceled": {}}
    assert venue.call("DELETE", "/cancel-all").body == {"canceled": [alice], "not_canceled": {}}
    assert venue.call("DELETE", "/cancel-market-orders", {}).status == 400
    assert venue.call("DELETE", "/orders", []).status == 400


def test_an_order_that_expires_is_cancelled_a_minute_early() -> None:
    venue = Venue().open()
    venue.taken("BUY", "10", "0.4", kind="GTD", expiration=str(NOW // NS + 200))
    venue.time.advance(NOW + 140 * NS - 1)
    assert len(venue.get("/data/orders")["data"]) == 1
    venue.time.advance(NOW + 140 * NS)
    assert venue.get("/data/orders")["data"] == []
    assert orders(venue)[-1] == ("CANCELLATION", "CANCELED_EXPIRED_ORDER", "0")


def test_a_resting_order_that_is_met_is_the_maker_and_pays_nothing() -> None:
    venue = Venue(cash="100").open()
    order_id = venue.taken("BUY", "10", "0.5")["orderID"]
    venue.row({"0.44": "1"}, {"0.49": "4"}, after_s=1)
    assert venue.get(f"/data/order/{order_id}")["size_matched"] == "4"
    trade = venue.get("/data/trades")["data"][0]
    assert (trade["trader_side"], trade["side"], trade["price"]) == ("MAKER", "SELL", "0.5")
    assert trade["taker_order_id"] != order_id
    maker = trade["maker_orders"][0]
    assert (maker["order_id"], maker["side"], maker["matched_amount"]) == (order_id, "BUY", "4")
    assert venue.held() == ("4", "0", "98")


def test_a_trade_is_matched_then_mined_then_confirmed() -> None:
    venue = Venue().open()
    venue.taken("BUY", "10", "0.52", kind="FAK")
    assert venue.get("/data/trades")["data"][0]["transaction_hash"] == ""
    venue.heard(venue.trade)
    venue.time.advance(NOW + 2 * NS)
    mined = venue.get("/data/trades")["data"][0]
    assert mined["status"] == "TRADE_STATUS_MINED"
    assert mined["transaction_hash"].startswith("0x")
    venue.time.advance(NOW + 60 * NS)
    assert venue.get("/data/trades")["data"][0]["status"] == "TRADE_STATUS_CONFIRMED"
    assert [(one["event_type"], one["status"]) for one in venue.heard(venue.trade)] == [("trade", "MINED"), ("trade", "CONFIRMED")]


def test_a_market_that_resolves_cancels_and_pays() -> None:
    venue = Venue(cash="100").open()
    venue.listen()
    venue.heard(venue.md)
    venue.taken("BUY", "10", "0.52", venue.no, "FAK")
    venue.taken("BUY", "10", "0.4")
    venue.heard(venue.md)
    money = Decimal(venue.held()[2])
    venue.skin.settle(YES.key, Decimal(0))
    assert venue.held() == ("0", "0", str((money + 10).normalize()))
    assert orders(venue)[-1] == ("CANCELLATION", "CANCELED_MARKET_RESOLVED", "0")
    ended = venue.heard(venue.md)[-1]
    assert (ended["event_type"], ended["winning_asset_id"], ended["winning_outcome"]) == ("market_resolved", venue.no, "No")
    assert error(venue.post("BUY", "10", "0.4"))[1].endswith("does not exist")
    assert venue.get(f"/clob-markets/{venue.market.condition}")["ao"] is False


def test_a_settled_split_names_no_winner() -> None:
    venue = Venue().open()
    venue.listen()
    venue.heard(venue.md)
    venue.skin.settle(YES.key, Decimal("0.5"))
    assert "winning_asset_id" not in venue.heard(venue.md)[-1]


def test_a_neg_risk_order_is_signed_for_the_other_contract() -> None:
    venue = Venue(ALICE).open()
    assert venue.market.neg_risk
    assert venue.taken("BUY", "10", "0.4")["status"] == "live"
    assert error(venue.post("BUY", "10", "0.4", neg_risk=False)) == (400, "invalid signature")
    assert venue.get("/neg-risk", token_id=venue.yes) == {"neg_risk": True}


def test_an_order_that_is_refused_after_it_was_accepted_is_invalid() -> None:
    venue = Venue().open()
    fault = Fault(FaultKind.REJECT_HEDGE, seconds=0.5)
    order_id = venue.taken("BUY", "10", "0.4")["orderID"]
    state = venue.exchange.by_client(order_id)
    assert state is not None
    venue.skin.publish(venue.skin.floor.refuse(fault, state.order_id, venue.time.now_ns))
    assert orders(venue)[-1] == ("UPDATE", "INVALID", "0")
    assert venue.get("/data/orders")["data"] == []


def test_what_crosses_own_orders_is_refused() -> None:
    venue = Venue().open()
    venue.taken("BUY", "10", "0.5")
    assert "potential wash trade" in error(venue.post("BUY", "10", "0.5", venue.no))[1]


def test_beats_keep_orders_alive_and_their_end_cancels_all() -> None:
    venue = Venue().open()
    first = venue.call("POST", "/v1/heartbeats", {"heartbeat_id": ""}).body
    assert isinstance(first, dict)
    beat = first["heartbeat_id"]
    wrong = venue.call("POST", "/v1/heartbeats", {"heartbeat_id": ""})
    assert (wrong.status, wrong.body) == (400, {"error_msg": "Invalid Heartbeat ID", "heartbeat_id": beat})
    venue.taken("BUY", "10", "0.4")
    venue.time.advance(NOW + 9 * NS)
    second: Message = venue.call("POST", "/v1/heartbeats", {"heartbeat_id": beat}).body  # type: ignore[assignment] # an object
    assert second["heartbeat_id"] != beat
    venue.time.advance(NOW + 19 * NS - 1)
    assert len(venue.get("/data/orders")["data"]) == 1, "the wrong beat has not put the end off, the right one has"
    venue.time.advance(NOW + 19 * NS)
    assert venue.get("/data/orders")["data"] == []
    assert venue.call("POST", "/v1/heartbeats", {"beat": 1}).status == 400
