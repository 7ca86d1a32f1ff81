"""Fills as account activities, and the present quotes: Alpaca's pages of both, without sockets and over them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hedgekit.sandbox.skins.alpaca_wire import rfc3339
from hedgekit.types import NS
from tests.sandbox.desk import desk, inside
from tests.sandbox.test_alpaca_rest import NOW, Venue, body, said

PATH = "/v2/account/activities/FILL"


def traded() -> Venue:
    """Return a venue with five fills, one a second: a whole one, a sale in two parts, and two more."""
    venue = Venue()
    for name, change in {"a": {}, "b": {"side": "sell", "symbol": "PEP", "qty": "150"}}.items():
        venue.now += NS
        venue.order(client_order_id=name, **change)
    venue.now += NS
    venue.quote("ALPACA:PEP", 94.80, 94.82)
    for name in "cd":
        venue.now += NS
        venue.order(client_order_id=name, qty="1")
    return venue


def listed(venue: Venue, path: str = PATH, **query: str) -> list[dict[str, Any]]:
    answer = venue.call("GET", path, **query)
    assert answer.status == 200, answer
    items: list[dict[str, Any]] = body(answer)
    return items


def names(venue: Venue, **query: str) -> str:
    return "".join(item["client_order_id"] for item in listed(venue, **query))


def test_a_fill_has_every_field() -> None:
    venue = traded()
    (fill,) = [item for item in listed(venue) if item["client_order_id"] == "a"]
    order = venue.exchange.by_client("a")
    booked = venue.exchange.ledger.fills[0]
    assert order is not None
    assert fill == {
        "id": f"19700101001641000::{booked.fill_id}",
        "activity_type": "FILL",
        "transaction_time": "1970-01-01T00:16:41.000000000Z",
        "type": "fill",
        "price": "44.71",
        "qty": "10",
        "side": "buy",
        "symbol": "KO",
        "leaves_qty": "0",
        "cum_qty": "10",
        "order_id": order.order_id,
        "client_order_id": "a",
        "fee": "0.0224",
    }


def test_parts_of_an_order_add_up() -> None:
    parts = [item for item in listed(traded(), direction="asc") if item["client_order_id"] == "b"]
    assert [(p["type"], p["side"], p["qty"], p["cum_qty"], p["leaves_qty"], p["price"]) for p in parts] == [
        ("partial_fill", "sell", "100", "100", "50", "94.75"),
        ("fill", "sell", "50", "150", "0", "94.8"),
    ]


def test_order_of_time_and_both_paths() -> None:
    venue = traded()
    assert (names(venue), names(venue, direction="asc"), names(venue, direction="desc")) == ("dcbba", "abbcd", "dcbba")
    assert listed(venue, "/v2/account/activities", activity_types="DIV,FILL") == listed(venue)
    assert listed(venue, "/v2/account/activities") == listed(venue)
    assert listed(venue, "/v2/account/activities", activity_types="DIV") == []


def test_after_and_until_are_not_included() -> None:
    venue = traded()
    assert names(venue, after=rfc3339(NOW + NS)) == "dcbb"
    assert names(venue, until=rfc3339(NOW + 4 * NS)) == "bba"
    assert names(venue, after=rfc3339(NOW + NS), until=rfc3339(NOW + 4 * NS), direction="asc") == "bb"


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_pages_follow_each_other(direction: str) -> None:
    """The token of a page is the id of the last item of the one before."""
    venue = traded()
    pages, query = [], {"direction": direction, "page_size": "2"}
    while page := listed(venue, **query):
        pages.append("".join(item["client_order_id"] for item in page))
        query["page_token"] = page[-1]["id"]
        if len(pages) == 1:
            venue.now += NS
            venue.order(client_order_id="e", qty="1")
    assert pages == (["ab", "bc", "de"] if direction == "asc" else ["dc", "bb", "a"]), "a fill between two pages moves none of them"


def test_a_page_has_a_hundred_at_most() -> None:
    venue = Venue()
    for _ in range(101):
        venue.quote("ALPACA:KO", 44.69, 44.71)
        venue.order(qty="1")
    assert len(listed(venue)) == 100
    assert len(listed(venue, page_token=listed(venue)[-1]["id"])) == 1


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"page_size": "0"}, "page_size=0: must be 1 to 100"),
        ({"page_size": "101"}, "page_size=101: must be 1 to 100"),
        ({"page_token": "x"}, "page_token=x: no such activity"),
        ({"direction": "up"}, "direction=up: must be one of asc, desc"),
        ({"after": "soon"}, "Invalid isoformat"),
        ({"colour": "red"}, "unknown query parameter colour"),
    ],
)
def test_wrong_queries_are_refused(query: dict[str, str], message: str) -> None:
    status, code, told = said(traded().call("GET", PATH, **query))
    assert (status, code) == (422, 42210000)
    assert message in told


def test_other_activities_are_not_simulated() -> None:
    assert traded().call("GET", "/v2/account/activities/DIV").status == 404


async def test_the_stream_and_the_list_tell_the_same_execution() -> None:
    async with inside() as process, desk(process.ready) as client:
        await client.advance()
        await client.order("a", 10)
        updates = [update["data"] for _ in range(3) for update in (await client.advance()).updates]
        _, (fill,) = await client.get(PATH)
        assert re.fullmatch(r"\d{17}::[0-9a-f-]{36}", fill["id"])
        assert fill["id"].partition("::")[2] == updates[-1]["execution_id"]
        assert (fill["order_id"], fill["price"], fill["fee"], fill["transaction_time"]) == (
            updates[-1]["order"]["id"],
            updates[-1]["price"],
            updates[-1]["fee"],
            updates[-1]["timestamp"],
        )


# ------------------------------------------------------------------ market data


async def test_the_latest_quotes_are_those_of_the_stream_and_have_a_budget_of_their_own() -> None:
    async with inside(budget=2) as process, desk(process.ready) as client:
        assert (await client.get("/v2/stocks/quotes/latest?symbols=KO,PEP"))[1] == {"quotes": {}}, "before the first"
        told = {quote.pop("S"): quote for quote in (await client.advance()).quotes}
        _, latest = await client.get("/v2/stocks/quotes/latest?symbols=KO,PEP&feed=sip")
        assert latest["quotes"] == {symbol: {name: value for name, value in quote.items() if name != "T"} for symbol, quote in told.items()}
        assert [(await client.get("/v2/clock"))[0] for _ in range(3)] == [200, 200, 429]
        statuses = [(await client.get("/v2/stocks/quotes/latest?symbols=KO"))[0] for _ in range(2)]
        assert statuses == [200, 429]


@pytest.mark.parametrize(
    ("query", "message"),
    [({}, "symbols is required"), ({"symbols": "KO", "x": "1"}, "nothing else"), ({"symbols": "KO,IBM"}, "invalid symbol: IBM")],
)
def test_wrong_questions_for_quotes_are_refused(query: dict[str, str], message: str) -> None:
    status, code, told = said(Venue().call("GET", "/v2/stocks/quotes/latest", **query))
    assert (status, code) == (400, 40010000)
    assert message in told
