"""Kalshi's REST API as the sandbox speaks it: orders of every kind, what is refused and how, the account to the last digit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from hedgekit.errors import ConfigError
from hedgekit.exchange import FillModel
from hedgekit.exchange.faults import Fault, FaultKind
from hedgekit.sandbox.skins.kalshi import KalshiSkin
from hedgekit.sandbox.skins.kalshi_orders import LAST_S
from hedgekit.types import NS, Instrument, Kind, MarketStatus
from tests.sandbox.kalshi_made import FED, KEY, ORDERS, OTHER, START_NS, Shop, levels, order, quoted

D = Decimal
# ----------------------------------------------------------------------- orders


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"ticker": "NONE-1"}, 404, "market_not_found"),
        ({"side": "buy"}, 400, "invalid_parameters"),
        ({"count": 10}, 400, "invalid_parameters"),
        ({"count": "0"}, 400, "invalid_count"),
        ({"count": "-1"}, 400, "invalid_parameters"),
        ({"count": "1.005"}, 400, "invalid_parameters"),
        ({"price": 0.5}, 400, "invalid_parameters"),
        ({"price": "0.5"}, 400, "invalid_parameters"),
        ({"price": "0.50001"}, 400, "invalid_parameters"),
        ({"price": "0.5005"}, 400, "invalid_price"),
        ({"price": "0.000"}, 400, "invalid_price"),
        ({"price": "1.000"}, 400, "invalid_price"),
        ({"time_in_force": "gtc"}, 400, "invalid_parameters"),
        ({"self_trade_prevention_type": "none"}, 400, "invalid_parameters"),
        ({"expiration_time": 1}, 400, "invalid_parameters"),
        ({"expiration_time": "soon"}, 400, "invalid_parameters"),
        ({"expiration_time": LAST_S + 1}, 400, "invalid_parameters"),
        ({"expiration_time": 10**40}, 400, "invalid_parameters"),
        ({"expiration_time": START_NS // NS + 99, "time_in_force": "immediate_or_cancel"}, 400, "invalid_parameters"),
        ({"post_only": True, "time_in_force": "immediate_or_cancel"}, 400, "invalid_parameters"),
        ({"post_only": True}, 400, "post_only_cross"),
        ({"reduce_only": True}, 400, "invalid_parameters"),
        ({"reduce_only": True, "time_in_force": "immediate_or_cancel"}, 400, "invalid_parameters"),
        ({"subaccount": 3}, 400, "invalid_parameters"),
        ({"exchange_index": 2}, 400, "invalid_parameters"),
        ({"order_group_id": "g"}, 404, "not_found"),
        ({"count": "1700"}, 400, "insufficient_balance"),
        ({"leverage": "2"}, 400, "invalid_parameters"),
        ({"count": "200", "time_in_force": "fill_or_kill"}, 409, "fill_or_kill_insufficient_resting_volume"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], status: int, code: str) -> None:
    shop = quoted()
    answer = shop.place(**fields)
    assert (answer.status, answer.body["code"]) == (status, code)  # type: ignore[index]
    assert set(answer.body) == {"code", "message", "details"}  # type: ignore[call-overload]
    assert shop.balance == 1000


@pytest.mark.parametrize("name", ["ticker", "side", "count", "price", "time_in_force", "self_trade_prevention_type"])
def test_what_an_order_must_have(name: str) -> None:
    body = {key: value for key, value in order().items() if key != name}
    assert Shop().ask("POST", ORDERS, body).body["code"] == "invalid_parameters"  # type: ignore[index]


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b"null"])
def test_a_body_that_is_no_order(raw: bytes) -> None:
    assert Shop().ask("POST", ORDERS, raw).status == 400


def test_an_order_id_is_used_once_even_by_an_order_that_was_killed() -> None:
    shop = quoted()
    killed = shop.place(count="200", time_in_force="fill_or_kill", client_order_id="a")
    again = shop.place(count="1", client_order_id="a")
    assert (killed.status, again.status, again.body["code"]) == (409, 409, "order_already_exists")  # type: ignore[index]
    assert [one["status"] for one in shop.get("/portfolio/orders")["orders"]] == ["canceled"]
    assert shop.place(price="0.5005", client_order_id="b").status == 400
    assert shop.place(count="1", client_order_id="b").status == 201, "a refused one leaves no trace"


def test_a_repeated_order_is_a_duplicate_whatever_has_become_of_its_market() -> None:
    """L2: a client that reads another refusal would take the first one never to have been there."""
    shop = quoted()
    body = {"client_order_id": "a", "expiration_time": shop.now_ns // NS + 5}
    assert shop.place("bid", "1", "0.400", **body).status == 201
    shop.wait(6)
    assert shop.place("bid", "1", "0.400", **body).body["code"] == "order_already_exists"  # type: ignore[index]
    shop.skin.on_status(MarketStatus(ts_ns=shop.now_ns, instrument=KEY, status="paused"))
    assert shop.place("bid", "1", "0.400", client_order_id="a").body["code"] == "order_already_exists"  # type: ignore[index]


def test_the_cost_of_a_sale_is_that_of_its_no() -> None:
    """40 sold at 0.50 are 40 NO at 0.50, 30 at 0.49 are 30 NO at 0.51."""
    shop = quoted()
    shop.show(levels(("0.500", "40"), ("0.490", "50")), [])
    sold: Any = shop.place("ask", "70", "0.490").body
    found = shop.get(f"/portfolio/orders/{sold['order_id']}")["order"]
    assert (found["taker_fill_cost_dollars"], found["maker_fill_cost_dollars"]) == ("35.3000", "0.0000")


def test_the_immediate_fill_is_in_the_reply_and_its_fee_by_hand() -> None:
    """100 at 0.52 and 20 at 0.53: 0.07 x 100 x .52 x .48 = 1.7472, 0.07 x 20 x .53 x .47 = 0.34874, up to 0.3488."""
    shop = quoted()
    told: Any = shop.place("bid", "120", "0.530").body
    assert (told["fill_count"], told["remaining_count"]) == ("120.00", "0.00")
    assert (told["average_fill_price"], told["average_fee_paid"]) == ("0.521667", "0.017467")
    assert [fill["fee_cost"] for fill in shop.get("/portfolio/fills")["fills"]] == ["0.348800", "1.747200"]
    assert shop.balance == 1000 - D("52.00") - D("10.60") - D("1.7472") - D("0.3488")
    (position,) = shop.get("/portfolio/positions")["market_positions"]
    assert (position["position_fp"], position["market_exposure_dollars"], position["fees_paid_dollars"]) == ("120.00", "62.6000", "2.0960")


def test_times_in_force() -> None:
    shop = quoted()
    ioc: Any = shop.place("bid", "120", "0.520", "immediate_or_cancel").body
    assert (ioc["fill_count"], ioc["remaining_count"]) == ("100.00", "0.00")
    assert shop.get(f"/portfolio/orders/{ioc['order_id']}")["order"]["status"] == "canceled"
    none: Any = shop.place("bid", "1", "0.400", "immediate_or_cancel")
    assert (none.status, none.body["fill_count"], none.body["remaining_count"]) == (201, "0.00", "0.00")
    fok: Any = shop.place("bid", "50", "0.530", "fill_or_kill").body
    assert (fok["fill_count"], fok["remaining_count"]) == ("50.00", "0.00")
    gtc: Any = shop.place("bid", "5", "0.510").body
    assert (gtc["fill_count"], gtc["remaining_count"], gtc.get("average_fill_price")) == ("0.00", "5.00", None)
    assert shop.get("/portfolio/orders?status=resting")["orders"][0]["order_id"] == gtc["order_id"]


def test_under_next_quote_an_order_works_until_the_next_book() -> None:
    shop = quoted(model=FillModel("next_quote", ws_ns=0, up_ns=0, down_ns=0))
    told: Any = shop.place("bid", "120", "0.520", "immediate_or_cancel").body
    assert (told["fill_count"], told["remaining_count"]) == ("0.00", "120.00")
    shop.show([], levels(("0.510", "70")))
    found = shop.get(f"/portfolio/orders/{told['order_id']}")["order"]
    assert (found["status"], found["fill_count_fp"], found["remaining_count_fp"]) == ("canceled", "70.00", "0.00")


def test_an_order_expires() -> None:
    shop = quoted()
    told: Any = shop.place("bid", "5", "0.400", expiration_time=shop.now_ns // NS + 10).body
    shop.wait(8)
    assert shop.get(f"/portfolio/orders/{told['order_id']}")["order"]["status"] == "resting"
    shop.wait(2)
    assert shop.get(f"/portfolio/orders/{told['order_id']}")["order"]["status"] == "canceled"


def test_a_pause_refuses_orders_and_cancels_those_that_want_it() -> None:
    shop = quoted()
    kept: Any = shop.place("bid", "1", "0.400").body
    gone: Any = shop.place("bid", "1", "0.410", cancel_order_on_pause=True).body
    shop.skin.on_status(MarketStatus(ts_ns=shop.now_ns, instrument=KEY, status="paused"))
    assert {o["order_id"]: o["status"] for o in shop.get("/portfolio/orders")["orders"]} == {
        kept["order_id"]: "resting",
        gone["order_id"]: "canceled",
    }
    assert shop.place().body["code"] == "trading_is_paused"  # type: ignore[index]
    assert shop.get(f"/markets/{FED}")["market"]["status"] == "inactive"
    shop.skin.on_status(MarketStatus(ts_ns=shop.now_ns, instrument=KEY, status="open"))
    assert shop.place("bid", "1", "0.400").status == 201


def test_a_venue_that_pauses_says_afterwards_what_its_markets_said_meanwhile() -> None:
    """Of two pauses the later end counts; a market that was halted in one is not opened by its end; books in a pause are not shown."""
    shop = quoted()

    def status(ticker: str) -> str:
        told: str = shop.get(f"/markets/{ticker}")["market"]["status"]
        return told

    shop.skin.pause(Fault(FaultKind.PAUSE, seconds=10.0))
    shop.skin.pause(Fault(FaultKind.PAUSE, seconds=4.0))
    assert (status(FED), status(OTHER)) == ("inactive", "inactive")
    shop.show(levels(("0.400", "10")), levels(("0.500", "10")))
    assert not shop.get(f"/markets/{FED}/orderbook")["orderbook_fp"]["yes_dollars"]
    shop.skin.on_status(MarketStatus(ts_ns=shop.now_ns, instrument=f"KALSHI:{OTHER}", status="halted"))
    shop.wait(4)
    assert shop.place().body["code"] == "trading_is_paused"  # type: ignore[index]
    shop.wait(2)
    assert (status(FED), status(OTHER)) == ("active", "inactive")
    shop.show(levels(("0.400", "10")), levels(("0.500", "10")))
    assert shop.place("bid", "1", "0.400").status == 201
    shop.skin.on_status(MarketStatus(ts_ns=shop.now_ns, instrument=f"KALSHI:{OTHER}", status="open"))
    assert status(OTHER) == "active"


def test_reduce_only_closes_what_is_held_and_no_more() -> None:
    shop = quoted()
    shop.place("bid", "10", "0.520")
    told: Any = shop.place("ask", "25", "0.490", "immediate_or_cancel", reduce_only=True).body
    assert told["fill_count"] == "10.00"
    assert shop.get("/portfolio/positions?count_filter=position")["market_positions"] == []


def test_selling_through_zero_nets_against_the_collateral_of_no() -> None:
    """10 YES for 5.20; 25 sold at 0.50 bring 12.50, of which 15 NO take 15 x 1 as collateral."""
    shop = quoted()
    fees = sum(
        D(shop.place(*words).body["average_fee_paid"]) * n for words, n in ((("bid", "10", "0.520"), 10), (("ask", "25", "0.500"), 25))
    )  # type: ignore[index]
    assert shop.balance == 1000 - D("5.20") + D("12.50") - 15 - fees
    (position,) = shop.get("/portfolio/positions")["market_positions"]
    assert (position["position_fp"], position["market_exposure_dollars"], position["realized_pnl_dollars"]) == (
        "-15.00",
        "7.5000",
        "-0.2000",
    )
    sold = shop.get("/portfolio/fills")["fills"][0]
    assert (sold["outcome_side"], sold["book_side"], sold["yes_price_dollars"], sold["no_price_dollars"]) == (
        "no",
        "ask",
        "0.5000",
        "0.5000",
    )


def test_a_working_order_sets_its_cost_aside() -> None:
    shop = quoted()
    shop.place("bid", "100", "0.400")
    shop.place("ask", "100", "0.700")
    assert shop.balance == 1000 - 40 - 30
    assert shop.get("/portfolio/summary/total_resting_order_value")["total_resting_order_value"] == 7000


def test_self_trade_prevention() -> None:
    shop = quoted()
    own: Any = shop.place("ask", "10", "0.525").body
    taken: Any = shop.place("bid", "130", "0.530").body
    assert (taken["fill_count"], taken["remaining_count"]) == ("100.00", "0.00"), "what is better than the own order's price, no more"
    assert shop.get(f"/portfolio/orders/{taken['order_id']}")["order"]["yes_price_dollars"] == "0.5300"
    assert shop.get(f"/portfolio/orders/{own['order_id']}")["order"]["status"] == "resting"
    maker: Any = shop.place("bid", "30", "0.530", self_trade_prevention_type="maker").body
    assert maker["fill_count"] == "30.00"
    assert shop.get(f"/portfolio/orders/{own['order_id']}")["order"]["status"] == "canceled"
    shop.show([], [])
    assert shop.place("bid", "1", "0.999").status == 201
    assert shop.place("ask", "1", "0.999").body["code"] == "self_trade"  # type: ignore[index]


# ---------------------------------------------------------------------- cancels


def test_cancels() -> None:
    shop = quoted()
    one: Any = shop.place("bid", "5", "0.400").body
    wrong = shop.ask("DELETE", f"{ORDERS}/{one['order_id']}?market_ticker={OTHER}")
    done: Any = shop.ask("DELETE", f"{ORDERS}/{one['order_id']}?market_ticker={FED}")
    again = shop.ask("DELETE", f"{ORDERS}/{one['order_id']}?market_ticker={FED}")
    assert (wrong.status, done.status, again.status) == (404, 200, 404)
    assert set(done.body) == {"order_id", "client_order_id", "reduced_by", "ts_ms"}
    assert done.body["reduced_by"] == "5.00"
    ids = [shop.place("bid", "1", f"0.{n}00").body["order_id"] for n in (1, 2, 3)]  # type: ignore[index]
    batch: Any = shop.ask("DELETE", f"{ORDERS}/batched", {"orders": [{"order_id": ids[0]}, {"order_id": "none"}]}).body
    assert [(o["reduced_by"], o.get("error", {}).get("code")) for o in batch["orders"]] == [("1.00", None), ("0.00", "not_found")]
    assert shop.ask("DELETE", ORDERS).status == 204
    assert shop.get("/portfolio/orders?status=resting")["orders"] == []


def test_a_batch_takes_each_by_itself() -> None:
    shop = quoted()
    shop.wait(1)
    told: Any = shop.ask("POST", f"{ORDERS}/batched", {"orders": [order(price="0.400"), order(price="9.999"), order(side="x"), 5]})
    assert told.status == 201
    assert [one.get("error", {}).get("code") for one in told.body["orders"]] == [
        None,
        "invalid_price",
        "invalid_parameters",
        "invalid_parameters",
    ]


# ------------------------------------------------------------------------ lists


def test_lists_are_paged_and_pages_do_not_move() -> None:
    shop = quoted()
    for n in range(5):
        shop.place("bid", "1", f"0.10{n}")
    first = shop.get("/portfolio/orders?limit=2")
    shop.place("bid", "1", "0.200")
    second = shop.get(f"/portfolio/orders?limit=2&cursor={first['cursor']}")
    third = shop.get(f"/portfolio/orders?limit=2&cursor={second['cursor']}")
    names = [[order["client_order_id"] for order in page["orders"]] for page in (first, second, third)]
    assert names == [["c5", "c4"], ["c3", "c2"], ["c1"]]
    assert third["cursor"] == ""


@pytest.mark.parametrize(
    "path",
    [
        "/portfolio/orders?limit=0",
        "/portfolio/orders?limit=1001",
        "/portfolio/orders?limit=x",
        "/portfolio/orders?cursor=5",
        "/portfolio/orders?status=open",
        "/portfolio/orders?min_ts=now",
        "/portfolio/orders?colour=red",
        "/portfolio/positions?settlement_status=some",
        "/portfolio/positions?count_filter=all",
        "/markets?status=active",
        f"/markets/{FED}/orderbook?depth=101",
        f"/portfolio/events/orders?x={FED}",
    ],
)
def test_questions_that_make_no_sense(path: str) -> None:
    method = "DELETE" if path.startswith("/portfolio/events") else "GET"
    answer: Any = Shop().ask(method, path)
    assert (answer.status, answer.body["code"]) == (400, "invalid_parameters")


def test_paths_that_are_not_there() -> None:
    shop = Shop()
    assert shop.ask("GET", "/portfolio/order_groups").status == 404
    assert shop.ask("PATCH", "/portfolio/orders").status == 405
    assert shop.ask("GET", "/markets/NONE-1").status == 404
    assert shop.ask("GET", "/portfolio/orders/none").status == 404


# ------------------------------------------------------------------ instruments


@pytest.mark.parametrize(
    ("instrument", "why"),
    [
        (Instrument("KALSHI", "A"), "binary contracts only"),
        (Instrument("KALSHI", "A", Kind.BINARY, multiplier=D("0.01")), "multiplier"),
        (Instrument("KALSHI", "A", Kind.BINARY, tick=D("0.00005")), "tick"),
        (Instrument("KALSHI", "A", Kind.BINARY, tick=D("0.03")), "tick"),
        (Instrument("KALSHI", "A", Kind.BINARY, lot=D("0.001")), "lot"),
    ],
)
def test_what_kalshi_cannot_list(instrument: Instrument, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        KalshiSkin.exchange([instrument], D(1), FillModel())


def test_settlement() -> None:
    """120 YES at 1: the position is 120 dollars, the order that rests is over, and there is a record of it."""
    shop = quoted()
    shop.place("bid", "120", "0.530")
    shop.place("bid", "1", "0.400")
    before = shop.balance + D("0.40")
    shop.skin.settle(KEY, D(1))
    assert shop.balance == before + 120
    assert shop.get("/portfolio/positions")["market_positions"] == []
    (done,) = shop.get("/portfolio/settlements")["settlements"]
    assert (done["market_result"], done["yes_count_fp"], done["revenue"], done["value"]) == ("yes", "120.00", 12000, 100)
    assert (done["yes_total_cost_dollars"], done["fee_cost"]) == ("62.6000", "2.0960")
    market = shop.get(f"/markets/{FED}")["market"]
    assert (market["status"], market["result"], market["settlement_value_dollars"]) == ("finalized", "yes", "1.0000")
    assert shop.place("bid", "1", "0.400").body["code"] == "market_closed"  # type: ignore[index]
