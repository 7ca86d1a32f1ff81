"""What the Polymarket skin tells anybody, its lists and limits; and that it says all fields that the venue's documents have."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from hedgekit.errors import ConfigError
from hedgekit.exchange.faults import Fault, FaultKind
from hedgekit.exchange.model import FillModel
from hedgekit.sandbox.calls import Call
from hedgekit.sandbox.skins.polymarket import PolymarketSkin
from hedgekit.sandbox.skins.polymarket_paging import page
from hedgekit.types import NS, Fees, Instrument, Kind, Reply, Word
from hedgekit.venues.polymarket import market_of, requests
from tests.sandbox.polymarket_desk import ALICE, NOW, UP, YES, Message, Venue, error
from tests.venues.polymarket_made import payload


def kinds(value: Any) -> Any:
    """Return the form of a JSON value: names and types, of lists that of the first item."""
    if isinstance(value, dict):
        return {name: kinds(one) for name, one in value.items()}
    if isinstance(value, list):
        return [kinds(value[0])] if value else []
    return type(value).__name__


def documented(name: str) -> Any:
    """Return one of the client's payload examples."""
    return msgspec.json.decode(payload(name))


def test_orders_trades_and_books_have_the_documented_form() -> None:
    venue = Venue().open()
    venue.listen()
    venue.taken("BUY", "10", "0.52", kind="FAK")
    order_id = venue.taken("BUY", "10", "0.4")["orderID"]
    order, example = venue.get(f"/data/order/{order_id}"), documented("order")
    assert kinds({**order, "associate_trades": ["x"]}) == kinds(example)
    trades = venue.get("/data/trades")
    assert kinds(trades) == kinds(documented("trades"))
    assert kinds([venue.get("/book", token_id=venue.yes)]) == kinds(documented("books"))
    assert kinds(venue.get("/balance-allowance", asset_type="COLLATERAL")) == {
        "balance": "str",
        "allowances": dict.fromkeys(venue.get("/balance-allowance", asset_type="COLLATERAL")["allowances"], "str"),
    }
    told = venue.heard(venue.trade)
    for event, name in (("order", "ws_order"), ("trade", "ws_trade")):
        found = next(one for one in told if one["event_type"] == event)
        wanted = kinds(documented(name))
        assert {field: kinds(found[field]) for field in wanted if field not in {"associate_trades", "transaction_hash"}} == {
            field: kind for field, kind in wanted.items() if field not in {"associate_trades", "transaction_hash"}
        }
    market = venue.heard(venue.md)
    for event, name in (("book", "ws_book"),):
        found = next(one for one in market if one["event_type"] == event)
        assert kinds({field: found[field] for field in documented(name)}) == kinds(documented(name))
    changed = venue.row({"0.47": "1"}, {"0.53": "1"}, after_s=1)[0]
    assert kinds(changed["price_changes"][0]) == kinds(documented("ws_price_change")["price_changes"][0])


def test_the_client_reads_what_it_asks_for() -> None:
    venue = Venue(YES, ALICE).open()
    answer = venue.ask(requests.market(venue.market.condition))
    market = market_of(answer)
    instrument, native = market.instrument("RAIN", "Yes")
    assert native.text() == venue.native[YES.key]
    assert (instrument.tick, instrument.fees.rate, market.accepts) == (Decimal("0.01"), Decimal("0.04"), True)
    question = venue.client.latest()
    assert question is not None
    assert venue.client.latest_of(venue.ask(question))[YES.key] == NOW
    assert venue.get("/markets-by-token/" + venue.no)["condition_id"] == venue.market.condition
    assert [one["condition_id"] for one in venue.get("/markets")["data"]] == [*venue.skin.markets.all]


@pytest.mark.parametrize(
    ("method", "path", "query", "status"),
    [
        ("GET", "/book", {}, 400),
        ("GET", "/book", {"token_id": "7"}, 404),
        ("GET", "/book", {"token_id": "7", "depth": "1"}, 400),
        ("GET", "/price", {"token_id": "7", "side": "BUY"}, 404),
        ("GET", "/price", {"token_id": "7", "side": "buy"}, 400),
        ("GET", "/books", {}, 405),
        ("POST", "/books", {}, 400),
        ("GET", "/clob-markets/0x7", {}, 404),
        ("GET", "/markets-by-token/7", {}, 404),
        ("GET", "/data/orders", {"owner": "me"}, 400),
        ("GET", "/data/trades", {"after": "soon"}, 400),
        ("GET", "/data/trades", {"next_cursor": "LTE="}, 400),
        ("GET", "/data/trades", {"next_cursor": "?"}, 400),
        ("GET", "/balance-allowance", {"asset_type": "CONDITIONAL", "token_id": "7"}, 400),
        ("GET", "/balance-allowance", {"asset_type": "COLLATERAL", "signature_type": "2"}, 400),
        ("GET", "/balance-allowance", {}, 400),
        ("GET", "/v2/positions", {}, 400),
        ("PUT", "/order", {}, 405),
        ("GET", "/nothing", {}, 404),
        ("DELETE", "/order", {}, 400),
    ],
)
def test_what_is_asked_wrongly_is_refused(method: str, path: str, query: dict[str, str], status: int) -> None:
    assert error(Venue().open().call(method, path, **query))[0] == status


def test_prices_of_an_empty_book() -> None:
    venue = Venue()
    assert venue.get("/midpoint", token_id=venue.yes) == {"mid": "0.5"}
    assert venue.get("/price", token_id=venue.yes, side="SELL") == {"price": "0"}
    assert venue.get("/last-trade-price", token_id=venue.yes) == {"price": "0.5", "side": ""}
    assert venue.get("/book", token_id=venue.yes)["bids"] == []


def test_pages_follow_each_other_to_the_end() -> None:
    items, found, cursor = [*range(7)], list[object](), ""
    while cursor != "LTE=":
        body: Message = page(items, {"next_cursor": cursor}, 3).body  # type: ignore[assignment] # an object
        found, cursor = found + body["data"], body["next_cursor"]
    assert found == items
    assert page(items, {"next_cursor": "OA=="}, 3).status == 400, "8 is beyond the end"


def test_trades_are_chosen_by_time_token_and_id() -> None:
    venue = Venue().open()
    first = venue.taken("BUY", "10", "0.52", kind="FAK")["tradeIDs"][0]
    venue.row({"0.48": "100"}, {"0.52": "100"}, after_s=10)
    second = venue.taken("BUY", "10", "0.52", venue.no, "FAK")["tradeIDs"][0]

    def ids(**query: str) -> list[str]:
        return [one["id"] for one in venue.get("/data/trades", **query)["data"]]

    at_s = NOW // NS
    assert ids() == [first, second]
    assert ids(after=str(at_s)) == [second]
    assert ids(before=str(at_s)) == [first]
    assert ids(asset_id=venue.no) == [second]
    assert ids(id=first) == [first]
    assert ids(market="0x7") == []
    assert ids(maker_address="0x7") == []


def test_positions_are_of_the_wallet() -> None:
    venue = Venue().open()
    venue.taken("BUY", "10", "0.52", kind="FAK")
    venue.taken("SELL", "4", "0.48", kind="FAK")
    venue.taken("BUY", "6", "0.52", venue.no, "FAK")
    rows = venue.get("/v2/positions", user=venue.client.account_id)["data"]
    yes = next(one for one in rows if one["token_id"] == venue.yes)
    assert (yes["current_size"], yes["avg_price"], yes["realized_pnl"], yes["current_price"]) == (6.0, 0.52, -0.16, 0.5)
    assert (yes["unrealized_pnl"], yes["mergeable"], yes["outcome"]) == (-0.12, True, "Yes")
    assert len(rows) == 2
    assert venue.get("/v2/positions", user="0x7")["data"] == []
    assert venue.get("/v2/positions", user=venue.client.account_id, condition_id="0x7")["data"] == []


def test_orders_have_a_bucket_and_cancels_another() -> None:
    venue = Venue(cash="100000").open()
    for _ in range(60):
        headers = venue.post("BUY", "5", "0.1").headers
    assert headers == {"Poly-RateLimit-Remaining": "0", "Poly-RateLimit-Tier": "STANDARD"}
    refused = venue.post("BUY", "5", "0.1")
    assert (refused.status, refused.headers["Retry-After"], refused.headers["Poly-RateLimit-Remaining"]) == (429, "1", "0")
    reply = Reply(429, msgspec.json.encode(refused.body), {"retry-after": "1"})
    assert venue.client.word_of(requests.heartbeat(), reply) is Word.BUSY
    venue.time.advance(NOW + NS // 40)
    assert venue.post("BUY", "5", "0.1").status == 200, "one comes back in 25 ms"
    assert len(venue.call("DELETE", "/cancel-all").body["canceled"]) == 61  # type: ignore[index] # an object
    assert venue.call("DELETE", "/orders", [str(number) for number in range(58)]).status == 200, "1 + 61 of 120 are used, 58 are left"
    assert venue.call("DELETE", "/order", {"orderID": "0x7"}).status == 429


def test_requests_of_a_minute_are_limited_where_the_sandbox_is_told_so() -> None:
    venue = Venue(budget=3)
    assert [venue.call("GET", "/time").status for _ in range(4)] == [200, 200, 200, 429]
    assert venue.call("GET", "/time").headers == {"Retry-After": "60"}
    venue.time.advance(NOW + 60 * NS)
    assert venue.call("GET", "/time").status == 200


@pytest.mark.parametrize(
    ("kind", "seconds", "status", "retry"),
    [
        (FaultKind.TOO_MANY, 2.5, 429, "3"),
        (FaultKind.TOO_MANY, 0.0, 429, None),
        (FaultKind.TOO_EARLY, 0.0, 425, None),
        (FaultKind.ERROR_500, 0.0, 500, None),
        (FaultKind.UNAVAILABLE_503, 0.0, 503, None),
        (FaultKind.GATEWAY_504_AFTER, 0.0, 504, None),
    ],
)
def test_a_failing_venue_has_its_own_words(kind: FaultKind, seconds: float, status: int, retry: str | None) -> None:
    venue = Venue()
    answer = venue.skin.failure(Fault(kind, seconds=seconds))
    assert (answer.status, answer.headers.get("Retry-After")) == (status, retry)
    word = venue.client.word_of(requests.heartbeat(), Reply(answer.status, msgspec.json.encode(answer.body)))
    assert word is (Word.BUSY if status == 429 else Word.UNKNOWN), "none of these says that nothing was done"


@pytest.mark.parametrize(
    ("method", "path", "purpose"),
    [
        ("POST", "/order", "submit"),
        ("POST", "/orders", "submit"),
        ("DELETE", "/order", "cancel"),
        ("DELETE", "/cancel-all", "cancel"),
        ("GET", "/data/orders", "query"),
        ("POST", "/books", "query"),
    ],
)
def test_what_a_request_is_for(method: str, path: str, purpose: str) -> None:
    assert Venue().skin.purpose_of(Call(method, path, {}, b"", {})) == purpose


@pytest.mark.parametrize(
    ("instruments", "words"),
    [
        ([Instrument("POLYMARKET", "KO")], "POLYMARKET:KO is spot"),
        ([Instrument("POLYMARKET", "KO", Kind.BINARY, multiplier=Decimal(10))], "multiplier 10"),
        ([Instrument("POLYMARKET", "KO", Kind.BINARY, tick=Decimal("0.02"))], "has tick 0.02: Polymarket has 0.1, 0.01"),
        ([Instrument("POLYMARKET", "KO", Kind.BINARY, fees=Fees(per_unit=Decimal("0.01")))], "a fee of 0.01 a contract"),
        ([YES, Instrument("POLYMARKET", "RAIN-YES", Kind.BINARY)], "RAIN-YES and POLYMARKET:RAIN are one outcome of RAIN"),
    ],
)
def test_what_polymarket_does_not_list_is_refused(instruments: list[Instrument], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        PolymarketSkin.exchange(instruments, Decimal(1), FillModel())


def test_tokens_are_full_numbers_and_always_the_same() -> None:
    one, two = (PolymarketSkin.natives([UP, ALICE]) for _ in range(2))
    assert one == two
    native = msgspec.json.decode(one[ALICE.key])
    assert native["neg_risk"] is True
    assert len({native["token"], native["opposite"], msgspec.json.decode(one[UP.key])["token"]}) == 3
    assert all((int(native[name]) >> 40) % 2**64 for name in ("token", "opposite")), "the SDK takes others for positions of version 3"
