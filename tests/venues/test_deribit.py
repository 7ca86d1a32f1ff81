"""Deribit over HTTP: signatures bit for bit, and our nouns in its words."""

from __future__ import annotations

import hashlib
import hmac
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import ConfigError, VenueError
from hedgekit.net.budget import Budget
from hedgekit.types import NS, Instrument, Kind, Order, Priority, Request
from hedgekit.venues import client_of
from hedgekit.venues.deribit import Deribit, requests, signing, units, wire
from tests.venues.deribit_made import BTC, ETH, LINEAR, ORDER, SECRET, body, client

# --------------------------------------------------------------------- signing

EXAMPLE_URI = "/api/v2/private/buy?instrument_name=BTC-PERPETUAL&amount=10&type=limit&price=90000&label=hk-1"
EXAMPLE_HTTP = "00c4c737e2f47727703070f855d4a9dcda922f73731337934a5d1dcbc4151131"
EXAMPLE_SOCKET = "1414f302247139c349de831e651b792666184bff18becb0ca329d556d2a0da4c"
"""Worked examples of the formulas at docs.deribit.com/articles/authentication."""


def test_the_worked_examples_of_signatures() -> None:
    assert signing.http_signature("dsecret", "1764000000000", "abcd1234", "GET", EXAMPLE_URI, "") == EXAMPLE_HTTP
    assert signing.signature("dsecret", "1764000000000", "abcd1234", "") == EXAMPLE_SOCKET


def parts(header: str) -> dict[str, str]:
    """Return the parts of an Authorization header."""
    scheme, _, rest = header.partition(" ")
    assert scheme == "deri-hmac-sha256"
    return dict(item.split("=", 1) for item in rest.split(","))


@pytest.mark.parametrize("request_", [client().submit(ORDER), client().holdings()[0]])
def test_a_request_is_signed_over_all_that_leaves(request_: Request) -> None:
    told = parts(client().signed(request_, 1_764_000_000_999_999_999)["Authorization"])
    assert (told["id"], told["ts"]) == ("did", "1764000000999")
    text = "\n".join([told["ts"], told["nonce"], request_.method, request_.path, (request_.body or b"").decode(), ""])
    assert told["sig"] == hmac.new(b"dsecret", text.encode(), hashlib.sha256).hexdigest()


def test_a_nonce_is_of_one_request_and_one_time() -> None:
    one, other = client().submit(ORDER), client().lookup(ORDER)
    nonces = {parts(client().signed(request, at)["Authorization"])["nonce"] for request in (one, other) for at in (NS, NS + 1, 2 * NS)}
    assert len(nonces) == 6
    assert client().signed(one, NS) == client().signed(one, NS)


def test_questions_for_prices_carry_no_key() -> None:
    for request in (client().latest(), requests.instruments("BTC")):
        assert request is not None
        assert client().signed(request, NS) == {"Content-Type": "application/json"}


def test_keys_are_in_no_repr() -> None:
    made = client()
    assert SECRET not in f"{made!r} {made} {made.market(0)!r} {made.account(0)!r} {made.signed(made.lookup(ORDER), 0)}"


# -------------------------------------------------------------------- requests


def test_an_order_entry_has_the_documented_fields() -> None:
    request = client().submit(ORDER)
    assert (request.method, request.path, request.purpose, request.priority) == ("POST", "/api/v2/private/sell", "submit", Priority.PRIMARY)
    assert request.order_id == "s1-1-0"
    assert body(request) == {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "private/sell",
        "params": {
            "instrument_name": "BTC-PERPETUAL",
            "amount": 970,
            "type": "market",
            "label": "s1-1-0",
            "post_only": False,
            "valid_until": 1_764_000_010_123,
        },
    }


def limited(**fields: Any) -> Order:
    """Return a limit order to buy."""
    return msgspec.structs.replace(ORDER, **{"qty": Decimal("1E+2"), "kind": "limit", "limit": Decimal(99_000), **fields})


def test_a_limit_order_is_plain_numbers() -> None:
    request = client().submit(limited(limit=Decimal("9.9E+4")))
    assert b'"amount":1000,' in (request.body or b"")
    assert b'"price":99000,' in (request.body or b"")
    assert body(client().submit(limited(limit=Decimal("99000.50"))))["params"]["price"] == 99_000.5
    assert request.path == "/api/v2/private/buy"


@pytest.mark.parametrize(
    ("tif", "word"),
    [("gtc", "good_til_cancelled"), ("day", "good_til_day"), ("ioc", "immediate_or_cancel"), ("fok", "fill_or_kill")],
)
def test_times_in_force(tif: str, word: str) -> None:
    assert body(client().submit(limited(tif=tif)))["params"]["time_in_force"] == word


def test_what_deribit_cannot_take_is_refused_before_it_is_sent() -> None:
    with pytest.raises(ConfigError, match="time in force 'opg'; Deribit has gtc, day, ioc, fok"):
        client().submit(limited(tif="opg"))
    with pytest.raises(ConfigError, match="65 characters, a label 64 at most"):
        client().submit(limited(order_id="x" * 65))
    assert client().submit(limited(order_id="x" * 64)).order_id == "x" * 64


@given(qty=st.integers(-(10**12), 10**12).filter(bool), ts_ns=st.integers(0, 4 * 10**18), name=st.text(max_size=64))
def test_the_same_order_is_the_same_bytes_and_dies_in_time(qty: int, ts_ns: int, name: str) -> None:
    order = msgspec.structs.replace(ORDER, qty=Decimal(qty), ts_ns=ts_ns, order_id=name)
    request = client().submit(order)
    assert client().submit(msgspec.structs.replace(order)) == request
    params = body(request)["params"]
    assert (params["label"], params["amount"]) == (name, abs(qty) * 10)
    assert request.path.endswith("buy" if qty > 0 else "sell")
    skew_ns = wire.SKEW_NS  # a clock of theirs that is late by so much still refuses it when the outbox gives up waiting
    assert params["valid_until"] * 10**6 + skew_ns <= ts_ns + Deribit.late_ns
    assert params["valid_until"] * 10**6 > ts_ns


def test_look_ups_and_cancels_name_an_order_in_their_body() -> None:
    odd = msgspec.structs.replace(ORDER, order_id="a&b/c ü-1-0")
    look, gone = client().lookup(odd), client().cancel(ORDER, "BTC-584864807")
    assert (look.path, look.purpose, look.priority) == ("/api/v2/private/get_order_state_by_label", "lookup", Priority.QUERY)
    assert body(look)["params"] == {"currency": "BTC", "label": "a&b/c ü-1-0"}
    assert (gone.path, gone.purpose, gone.priority) == ("/api/v2/private/cancel", "cancel", Priority.CLOSE)
    assert body(gone)["params"] == {"order_id": "BTC-584864807"}
    assert client().void(ORDER) is None  # type: ignore[func-returns-value] # that it returns none is what is tested
    assert not Deribit.reposts


def test_what_is_held_is_asked_by_paths_that_differ() -> None:
    paths = [request.path for request in client(BTC, ETH, LINEAR).holdings()]
    assert paths == [
        "/api/v2/private/get_positions?currency=BTC",
        "/api/v2/private/get_positions?currency=ETH",
        "/api/v2/private/get_positions?currency=USDC",
        "/api/v2/private/get_account_summary?currency=BTC",
    ]
    assert [request.purpose for request in client().holdings()] == ["positions", "account"]


@pytest.mark.parametrize(
    ("instrument", "word"),
    [
        (Instrument("DERIBIT", "BTC-PERPETUAL"), "spot: by its name it is kind=Kind.INVERSE_PERP"),
        (Instrument("DERIBIT", "ETH_USDC-PERPETUAL", Kind.INVERSE_PERP), "by its name it is kind=Kind.LINEAR_PERP"),
        (Instrument("DERIBIT", "BTC-27DEC26", Kind.INVERSE_PERP), "is no perpetual by its name"),
        (Instrument("DERIBIT", "BTC-PERPETUAL", Kind.INVERSE_PERP, multiplier=Decimal(0)), "multiplier 0"),
        (Instrument("DERIBIT", "BTC-PERPETUAL", Kind.INVERSE_PERP, multiplier=Decimal("NaN")), "multiplier NaN"),
    ],
)
def test_what_is_no_perpetual_is_refused(instrument: Instrument, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        client(instrument)


def test_budgets_fit_what_the_venue_counts() -> None:
    matching, credits_, lists = (Budget(**budget) for budget in client().budgets(0))
    assert (matching.capacity, matching.pace, matching.cost("submit"), matching.cost("cancel")) == (20, Fraction(5), 1, 1)
    assert credits_.capacity <= 50_000
    assert credits_.pace <= 10_000
    assert {credits_.cost(kind) for kind in ("lookup", "fills", "positions", "account", "quotes", "instruments")} == {500}
    assert (lists.capacity, lists.pace, lists.cost("instruments")) == (50, Fraction(1), 1)
    assert client().budgets(600)[0]["capacity"] == 40
    with pytest.raises(ConfigError, match="74 requests a minute are too few"):
        client().budgets(74)


def test_the_client_is_found_by_its_name() -> None:
    assert client_of("DERIBIT") is Deribit
    assert Deribit(("did", SECRET), (BTC,), {BTC.key: "ignored"}).account_id == "did"
    assert Deribit.order_hosts == {"test.deribit.com"}


# --------------------------------------------------------------- amounts, signs


@given(qty=st.decimals(-(10**9), 10**9, allow_nan=False, places=3), size=st.sampled_from(["10", "1", "0.001", "0.0001", "7"]))
def test_a_quantity_comes_back_as_it_went(qty: Decimal, size: str) -> None:
    of = units.Units((msgspec.structs.replace(BTC, multiplier=Decimal(size)),))
    back = of.qty(BTC.symbol, of.amount(BTC.key, qty), "buy" if qty >= 0 else "sell")
    assert back == qty
    assert back.is_zero() or (back > 0) is (qty > 0)


def test_an_amount_that_is_no_contracts_is_refused() -> None:
    of = units.Units((msgspec.structs.replace(BTC, multiplier=Decimal(7)),))
    with pytest.raises(VenueError, match="amount 10 of 'BTC-PERPETUAL' is no exact number of contracts of 7"):
        of.qty("BTC-PERPETUAL", Decimal(10))
    with pytest.raises(VenueError, match="is -10; the side says the sign"):
        of.qty("BTC-PERPETUAL", Decimal(-10))
