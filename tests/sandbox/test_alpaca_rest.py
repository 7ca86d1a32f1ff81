"""Alpaca's REST API: over real sockets where it matters, table by table without them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from hedgekit.exchange.engine import Exchange
from hedgekit.exchange.model import FillModel, Reports
from hedgekit.sandbox.skins.alpaca_rest import Answer, Budget, Call, Keys, Rest
from hedgekit.sandbox.skins.alpaca_wire import parse_time, quote_json, rfc3339, text
from hedgekit.types import NS, Fees, Instrument, Quote
from tests.sandbox.desk import desk, inside

KEYS = Keys("AK", "AS")
NOW = 1_000 * NS
ORDER = {"symbol": "KO", "qty": "10", "side": "buy", "type": "market", "time_in_force": "gtc"}


class Venue:
    """The REST API around an exchange with the touch model, driven without sockets."""

    def __init__(self, budget: int = 200) -> None:
        instruments = [Instrument("ALPACA", symbol, fees=Fees(rate=Decimal("0.00005"))) for symbol in ("KO", "PEP")]
        self.exchange = Exchange(instruments, model=FillModel("touch"))
        self.now = NOW
        self.published: list[Reports] = []
        self.rest = Rest(
            self.exchange, KEYS, now=lambda: self.now, publish=self.published.append, session=lambda: (True, NOW, NOW), budget=budget
        )
        for instrument, bid in zip(instruments, (44.69, 94.75), strict=True):
            self.quote(instrument.key, bid, bid + 0.02)

    def quote(self, key: str, bid: float, ask: float, size: float = 100.0) -> None:
        """Let the market show a quote."""
        self.exchange.on_quote(Quote(ts_ns=self.now, instrument=key, venue_ns=self.now, bid=bid, ask=ask, bid_size=size, ask_size=size))

    def call(self, method: str, path: str, body: Any = None, *, keys: Keys = KEYS, **query: str) -> Answer:
        """Make one call."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.rest.answer(Call(method, path, query, raw, {"APCA-API-KEY-ID": keys.key, "APCA-API-SECRET-KEY": keys.secret}))

    def order(self, **changes: Any) -> Answer:
        """Post :data:`ORDER`, so changed; None leaves a field out."""
        body = {**ORDER, **changes}
        return self.call("POST", "/v2/orders", {name: value for name, value in body.items() if value is not None})


def body(answer: Answer) -> Any:
    return answer.body


def said(answer: Answer) -> tuple[int, int, str]:
    return answer.status, body(answer)["code"], body(answer)["message"]


@pytest.mark.parametrize(
    ("changes", "status", "code", "message"),
    [
        ({"symbol": None}, 422, 42210000, "missing required field `symbol`"),
        ({"side": "hold"}, 422, 42210000, "Invalid enum value 'hold' - at `$.side`"),
        ({"type": "stop"}, 422, 42210000, "type stop is not simulated"),
        ({"time_in_force": "opg"}, 422, 42210000, "time_in_force opg is not simulated"),
        ({"time_in_force": "forever"}, 422, 42210000, "Invalid enum value 'forever'"),
        ({"qty": None}, 422, 42210000, "qty is required"),
        ({"qty": "0"}, 422, 42210000, "qty must be > 0"),
        ({"qty": "-1"}, 422, 42210000, "qty must be > 0"),
        ({"qty": "NaN"}, 422, 42210000, "qty must be > 0"),
        ({"qty": "ten"}, 422, 42210000, "$.qty"),
        ({"qty": "1.5"}, 422, 42210000, "must be a multiple of 1"),
        ({"notional": "100"}, 422, 42210000, "notional: not simulated"),
        ({"stop_price": "1"}, 422, 42210000, "stop_price: not simulated"),
        ({"order_class": "bracket"}, 422, 42210000, "order_class bracket is not simulated"),
        ({"extended_hours": True}, 422, 42210000, "extended_hours is not simulated"),
        ({"position_intent": "buy_to_open"}, 422, 42210000, "position_intent: not simulated"),
        ({"limit_price": "44"}, 422, 42210000, "market orders take no limit_price"),
        ({"type": "limit"}, 422, 42210000, "limit orders require a limit_price"),
        ({"type": "limit", "limit_price": "44.001"}, 422, 42210000, "must be a multiple of 0.01"),
        ({"type": "limit", "limit_price": "-44"}, 422, 42210000, "must be above 0"),
        ({"type": "limit", "limit_price": "0.1e400"}, 422, 42210000, "must be at most 1E+18"),
        ({"type": "limit", "limit_price": "44." + "1" * 99}, 422, 42210000, "must be a multiple of 0.01"),
        ({"qty": "1e400"}, 422, 42210000, "must be at most 1E+18"),
        ({"client_order_id": "x" * 129}, 422, 42210000, "client_order_id"),
        ({"client_order_id": ""}, 422, 42210000, "client_order_id"),
        ({"colour": "red"}, 422, 42210000, "unknown field `colour`"),
        ({"symbol": "IBM"}, 422, 42210000, 'asset "IBM" not found'),
        ({"qty": "100000"}, 403, 40310000, "insufficient buying power"),
    ],
)
def test_refused_orders(changes: dict[str, Any], status: int, code: int, message: str) -> None:
    venue = Venue()
    answer = venue.order(**changes)
    assert said(answer)[:2] == (status, code)
    assert message in said(answer)[2]
    assert venue.exchange.orders() == []


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff"])
def test_a_body_that_is_no_json(raw: bytes) -> None:
    assert said(Venue().call("POST", "/v2/orders", raw)) == (400, 40010000, "request body format is invalid")


def test_a_body_that_is_no_object() -> None:
    assert said(Venue().call("POST", "/v2/orders", [1]))[:2] == (422, 42210000)


def test_an_accepted_order_has_every_field_as_strings() -> None:
    order = body(Venue().order(client_order_id="mine", qty="150"))
    assert order["client_order_id"] == "mine"
    assert {name: order[name] for name in ("symbol", "qty", "side", "type", "order_type", "time_in_force", "status")} == {
        "symbol": "KO", "qty": "150", "side": "buy", "type": "market", "order_type": "market", "time_in_force": "gtc", "status": "new",
    }  # fmt: skip
    assert order["created_at"] == "1970-01-01T00:16:40.000000000Z"
    assert not any(isinstance(value, float) for value in order.values())


def test_a_number_is_taken_as_its_digits() -> None:
    raw = b'{"symbol":"KO","qty":7,"side":"buy","type":"limit","time_in_force":"day","limit_price":44.1}'
    assert body(Venue().call("POST", "/v2/orders", raw))["limit_price"] == "44.1"


def test_a_client_order_id_is_used_once() -> None:
    venue = Venue()
    assert venue.order(client_order_id="mine").status == 200
    assert said(venue.order(client_order_id="mine")) == (422, 40010001, "client_order_id must be unique")
    assert len(venue.exchange.orders()) == 1


def test_names_are_made_when_none_is_given() -> None:
    venue = Venue()
    assert [body(venue.order())["client_order_id"] for _ in range(2)] == ["sandbox-1", "sandbox-2"]


def test_orders_are_found_by_either_id() -> None:
    venue = Venue()
    order = body(venue.order(client_order_id="mine"))
    for answer in (
        venue.call("GET", f"/v2/orders/{order['id']}"),
        venue.call("GET", "/v2/orders:by_client_order_id", client_order_id="mine"),
    ):
        assert (answer.status, body(answer)["id"], body(answer)["status"], body(answer)["filled_avg_price"]) == (
            200,
            order["id"],
            "filled",
            "44.71",
        )
    assert said(venue.call("GET", "/v2/orders/none")) == (404, 40410000, "order not found for none")
    assert said(venue.call("GET", "/v2/orders:by_client_order_id"))[:2] == (404, 40410000)


def listed(venue: Venue, **query: str) -> list[str]:
    return [order["client_order_id"] for order in body(venue.call("GET", "/v2/orders", **query))]


def test_lists_of_orders() -> None:
    venue = Venue()
    for name, more in {"done": {}, "open": {"qty": "200"}, "pep": {"symbol": "PEP", "side": "sell"}}.items():
        venue.now += NS
        venue.order(client_order_id=name, **more)
    assert listed(venue) == ["open"], "open is the default"
    assert listed(venue, status="closed") == ["pep", "done"], "newest first"
    assert listed(venue, status="all", direction="asc") == ["done", "open", "pep"]
    assert listed(venue, status="all", limit="1") == ["pep"]
    assert listed(venue, status="all", symbols="PEP,IBM") == ["pep"]
    assert listed(venue, status="all", side="buy") == ["open", "done"]
    assert listed(venue, status="all", after=rfc3339(NOW + NS)) == ["pep", "open"]
    assert listed(venue, status="all", until=rfc3339(NOW + 2 * NS)) == ["done"]


@pytest.mark.parametrize(
    "query", [{"status": "odd"}, {"limit": "0"}, {"limit": "501"}, {"limit": "x"}, {"after": "soon"}, {"colour": "red"}]
)
def test_wrong_queries_are_refused(query: dict[str, str]) -> None:
    venue = Venue()
    venue.order()
    assert said(venue.call("GET", "/v2/orders", **{"status": "all", **query}))[:2] == (422, 42210000)


def test_cancel_and_cancel_all() -> None:
    venue = Venue()
    first, second, third = (body(venue.order(qty="200", client_order_id=name))["id"] for name in "abc")
    assert venue.call("DELETE", f"/v2/orders/{first}") == Answer(204, None, venue.rest._budget.headers())
    assert said(venue.call("DELETE", f"/v2/orders/{first}")) == (422, 42210000, 'order is already in "canceled" state')
    assert said(venue.call("DELETE", "/v2/orders/none"))[:2] == (404, 40410000)
    answer = venue.call("DELETE", "/v2/orders")
    assert answer.status == 207
    assert [(row["id"], row["status"], row["body"]["status"]) for row in body(answer)] == [
        (second, 200, "canceled"),
        (third, 200, "canceled"),
    ]


def test_positions_and_account() -> None:
    venue = Venue()
    assert said(venue.call("GET", "/v2/positions/KO")) == (404, 40410000, "position does not exist: KO")
    venue.order(qty="100")
    venue.order(symbol="PEP", side="sell", qty="40")
    venue.order(side="sell", qty="30", type="limit", limit_price="50")
    venue.quote("ALPACA:KO", 44.99, 45.01)
    ko, pep = body(venue.call("GET", "/v2/positions"))
    assert (ko["qty"], ko["qty_available"], ko["side"], ko["avg_entry_price"]) == ("100", "70", "long", "44.71")
    assert (ko["market_value"], ko["cost_basis"], ko["unrealized_pl"], ko["current_price"]) == ("4500", "4471", "29", "45")
    assert (pep["qty"], pep["side"], pep["avg_entry_price"], pep["market_value"]) == ("-40", "short", "94.75", "-3790.4")
    assert body(venue.call("GET", "/v2/positions/PEP")) == pep
    account = body(venue.call("GET", "/v2/account"))
    fees = Decimal("0.2236") + Decimal("0.1895")
    cash = Decimal(1_000_000) - 4471 + 3790 - fees
    assert (Decimal(account["cash"]), account["multiplier"]) == (cash, "4")
    assert Decimal(account["equity"]) == cash + 4500 - Decimal("3790.4")
    assert Decimal(account["buying_power"]) == 4 * Decimal(account["equity"]) - Decimal("8290.4")


def test_a_position_is_not_turned_round_in_one_order() -> None:
    venue = Venue()
    venue.order(qty="100")
    assert said(venue.order(side="sell", qty="101")) == (
        403,
        40310000,
        "insufficient qty available for order (requested: 101, available: 100)",
    )


@pytest.mark.parametrize("keys", [Keys("AK", "wrong"), Keys("wrong", "AS"), Keys("", ""), Keys("ÄK", "AS")])
def test_wrong_keys(keys: Keys) -> None:
    status, code, message = said(Venue().call("GET", "/v2/account", keys=keys))
    assert (status, code) == (401, 40110000)
    assert "AS" not in message.replace("APCA-API", "")
    assert "AS" not in repr(KEYS)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("PATCH", "/v2/orders/x", 405), ("PUT", "/v2/account", 405), ("GET", "/v2/nothing", 404)]
)
def test_what_is_not_there(method: str, path: str, status: int) -> None:
    assert Venue().call(method, path).status == status


def test_the_budget_is_counted_in_minutes_of_the_timeline() -> None:
    venue = Venue(budget=2)
    first = venue.call("GET", "/v2/account")
    assert first.headers == {"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "1020"}
    assert venue.call("GET", "/v2/account").status == 200
    assert said(venue.order()) == (429, 42910000, "rate limit exceeded")
    assert venue.exchange.orders() == []
    venue.now = 1_020 * NS
    assert venue.order().status == 200


def test_a_budget_of_nothing() -> None:
    assert Budget(0).take(0) is False


@pytest.mark.parametrize(("number", "words"), [("1E+2", "100"), ("1.500", "1.5"), ("0.0001", "0.0001"), ("-12.30", "-12.3"), ("0.00", "0")])
def test_numbers_are_written_plainly(number: str, words: str) -> None:
    assert text(Decimal(number)) == words


def test_times_keep_their_nanoseconds() -> None:
    stamp = 631314000_123_456_789
    assert rfc3339(stamp) == "1990-01-02T21:00:00.123456789Z"
    assert parse_time(rfc3339(stamp)) == stamp
    assert parse_time("1990-01-02T16:00:00.5-05:00") == 631314000_500_000_000
    assert parse_time("1990-01-02") == 631238400 * NS


def test_quotes_are_the_recorded_floats() -> None:
    quote = Quote(ts_ns=0, instrument="ALPACA:KO", venue_ns=NOW, bid=44.69, ask=float("nan"), bid_size=300.0, ask_size=5.0)
    said = json.loads(quote_json(quote))
    assert (said["bp"], said["bs"], said["ap"], said["as"]) == (44.69, 300, 0, 0)
    assert b'"bp":44.69,"bs":300,' in quote_json(quote)


async def test_over_real_sockets() -> None:
    """The same API through aiohttp: keys in headers, statuses, bodies, an empty 204, rate-limit headers."""
    async with inside(budget=4) as process, desk(process.ready) as client:
        _, status, account = await client.until(client.send("GET", "/v2/account"))
        assert (status, account["cash"]) == (200, "1000000")
        _, status, refused = await client.until(client.send("GET", "/v2/account", auth={"APCA-API-KEY-ID": "AK"}))
        assert (status, refused["code"]) == (401, 40110000)
        _, status, order = await client.until(await client.order("far", 10, type="limit", limit_price="1.00"))
        assert (status, order["status"]) == (200, "new")
        past, status, nothing = await client.until(client.send("DELETE", f"/v2/orders/{order['id']}"))
        assert (status, nothing) == (204, None)
        assert [event for seen in past for event in seen.events] == [("canceled", "far")]
        _, status, order = await client.until(client.send("GET", "/v2/orders:by_client_order_id?client_order_id=far"))
        assert (status, order["status"]) == (200, "canceled")
        _, status, limited = await client.until(client.send("GET", "/v2/clock"))
        assert (status, limited["code"]) == (429, 42910000)
        while (await client.advance()).answer["md"] == 0:
            pass
        _, status, _ = await client.until(client.send("GET", "/v2/clock"))
        assert status == 200, "a new minute of virtual time"


async def test_a_market_order_before_the_first_quote_is_rejected_on_the_stream() -> None:
    async with inside() as process, desk(process.ready) as client:
        number = await client.order("early", 10)
        past, status, order = await client.until(number)
        assert (status, order["status"]) == (200, "new")
        assert [event for seen in past for event in seen.events] == [("new", "early"), ("rejected", "early")]
