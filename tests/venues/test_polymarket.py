"""Polymarket's requests and answers: documented examples in, our nouns out, nonsense refused by name."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import ConfigError, VenueError
from hedgekit.net.budget import Budget
from hedgekit.types import NS, Execution, Instrument, Priority, Reply, Request, State, Word
from hedgekit.venues import client_of
from hedgekit.venues.polymarket import Native, Polymarket, fee, market_of, replies, requests
from hedgekit.venues.polymarket.account import Reversal
from tests.venues.polymarket_made import (
    CONDITION,
    HASH,
    KEY,
    KEYS,
    NATIVE,
    OPPOSITE,
    ORDER,
    TOKEN,
    YES,
    changed,
    client,
    knowing,
    order,
    payload,
)

SUBMIT = client().submit(ORDER)
LOOKUP = client().lookup(ORDER)
CANCEL = requests.cancel(ORDER, HASH)
FILLS = requests.fills(0, "")
CLIENT = knowing()


def test_it_is_found_by_name() -> None:
    assert client_of("POLYMARKET") is Polymarket
    assert not Polymarket.order_hosts


# -------------------------------------------------------------------- requests


def test_cancels_and_look_ups() -> None:
    assert (CANCEL.method, CANCEL.path, CANCEL.body, CANCEL.priority) == (
        "DELETE",
        "/order",
        b'{"orderID":"%s"}' % HASH.encode(),
        Priority.CLOSE,
    )
    assert LOOKUP.path == f"/data/order/{client().order_id(ORDER)}"
    assert requests.lookup(ORDER, "../x?y").path == "/data/order/..%2Fx%3Fy"
    assert client().void(ORDER) is None  # type: ignore[func-returns-value] # it is what the interface asks


def test_executions_are_asked_from_a_second_before() -> None:
    assert requests.fills(1_764_000_000_999_999_999, "").path == "/data/trades?after=1763999999&next_cursor=MA%3D%3D"
    assert requests.fills(0, "abc=").path == "/data/trades?after=0&next_cursor=abc%3D"


def test_holdings_are_asked_token_by_token() -> None:
    asked = client().holdings()
    assert [request.purpose for request in asked] == ["positions", "positions", "account"]
    assert asked[0].path == f"/balance-allowance?asset_type=CONDITIONAL&token_id={TOKEN}&signature_type=0"
    assert asked[1].path == f"/balance-allowance?asset_type=CONDITIONAL&token_id={OPPOSITE}&signature_type=0"
    assert asked[2].path == "/balance-allowance?asset_type=COLLATERAL&signature_type=0"
    assert len({request.path for request in asked}) == 3


def test_books_are_asked_for_at_once() -> None:
    asked = client().latest()
    assert (asked.method, asked.path, asked.purpose) == ("POST", "/books", "quotes")
    assert msgspec.json.decode(asked.body or b"") == [{"token_id": TOKEN}]


@pytest.mark.parametrize("per_minute", [0, 600, 8])
def test_budgets_fit(per_minute: int) -> None:
    made = [
        Budget(**budget | {"reserve": {Priority(name): kept for name, kept in budget["reserve"].items()}})
        for budget in client().budgets(per_minute)
    ]
    requests_, *others = made
    for kind in ("submit", "cancel", "lookup", "fills", "account", "positions", "quotes"):
        assert requests_.cost(kind) == 1
        assert sum(budget.cost(kind) for budget in others) == 1
    if per_minute:
        assert requests_.capacity + requests_.pace * 60 <= per_minute


def test_budgets_are_within_the_venues_windows() -> None:
    """Ten-second windows of the fact file; the signer's buckets are the Standard tier's."""
    made = {budget["name"]: budget for budget in client().budgets(0)}
    windows = {name: one["capacity"] + one["refill_per_s"] * 10 for name, one in made.items()}
    assert windows["requests"] <= 9000
    assert windows["look-ups"] <= 500
    assert windows["trades"] <= 500
    assert windows["balances"] <= 200
    assert windows["books"] <= 500
    assert (made["orders"]["capacity"], made["orders"]["refill_per_s"]) == (60, 40)
    assert (made["cancels"]["capacity"], made["cancels"]["refill_per_s"]) == (120, 80)


def test_too_few_requests_are_refused() -> None:
    with pytest.raises(ConfigError, match="7 requests a minute are too few"):
        client().budgets(7)


# --------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("request_", "status", "body", "word"),
    [
        (SUBMIT, 200, payload("posted_live"), Word.DONE),
        (SUBMIT, 200, payload("posted_matched"), Word.DONE),
        (SUBMIT, 200, changed("posted_live", status="delayed"), Word.DONE),
        (SUBMIT, 200, changed("posted_live", status="unmatched"), Word.UNKNOWN),
        (SUBMIT, 200, changed("posted_live", orderID=""), Word.UNKNOWN),
        (SUBMIT, 200, payload("posted_refused"), Word.REFUSED),
        (SUBMIT, 200, changed("posted_live", errorMsg="not enough balance"), Word.REFUSED),
        (SUBMIT, 200, changed("posted_live", success=False), Word.REFUSED),
        (SUBMIT, 200, changed("posted_refused", errorMsg="order is invalid. Duplicated."), Word.DUPLICATE),
        (SUBMIT, 200, b"<html>", Word.UNKNOWN),
        (SUBMIT, 400, payload("error_duplicate"), Word.DUPLICATE),
        (SUBMIT, 400, payload("error_fak"), Word.REFUSED),
        (SUBMIT, 400, payload("error_balance"), Word.REFUSED),
        (SUBMIT, 401, b'{"error":"Unauthorized/Invalid api key"}', Word.REFUSED),
        (SUBMIT, 302, b"", Word.REFUSED),
        (SUBMIT, 503, payload("error_disabled"), Word.REFUSED),
        (SUBMIT, 503, b'{"error":"cancel-only mode"}', Word.REFUSED),
        (SUBMIT, 503, b'{"error":"wait","code":"post_only_mode"}', Word.REFUSED),
        (SUBMIT, 503, b"upstream", Word.UNKNOWN),
        (SUBMIT, 429, payload("error_fak"), Word.BUSY),
        *((SUBMIT, status, b"", Word.UNKNOWN) for status in (0, 408, 425, 500, 502, 504)),
        (CANCEL, 200, payload("cancelled"), Word.DONE),
        (CANCEL, 200, payload("not_cancelled"), Word.ENDED),
        (CANCEL, 200, b"{}", Word.UNKNOWN),
        (CANCEL, 200, b"[", Word.UNKNOWN),
        (CANCEL, 400, payload("error_fak"), Word.REFUSED),
        (CANCEL, 425, b"", Word.UNKNOWN),
        (LOOKUP, 200, payload("order"), Word.DONE),
        *((LOOKUP, 200, body, Word.MISSING) for body in (b"", b"null", b"{}\n", b'""', b"[]")),
        (LOOKUP, 404, b"", Word.MISSING),
        (LOOKUP, 401, b"", Word.REFUSED),
        (LOOKUP, 500, b"", Word.UNKNOWN),
        (FILLS, 200, payload("trades"), Word.DONE),
        (FILLS, 400, b"", Word.REFUSED),
    ],
)
def test_what_an_answer_says(request_: Request, status: int, body: bytes, word: Word) -> None:
    assert Polymarket.word_of(request_, Reply(status, body)) is word


@pytest.mark.parametrize(
    ("status", "body", "code", "message"),
    [
        (400, payload("error_balance"), "400", "not enough balance / allowance"),
        (200, payload("posted_refused"), "200", "not enough balance / allowance"),
        (503, b'{"error":"wait","code":"post_only_mode"}', "post_only_mode", "wait"),
        (400, payload("heartbeat_wrong"), "400", "Invalid Heartbeat ID"),
        (502, b"<html>Bad Gateway", "502", "HTTP 502: b'<html>Bad Gateway'"),
        (400, b"{}", "400", "HTTP 400: b'{}'"),
    ],
)
def test_refusals_say_why(status: int, body: bytes, code: str, message: str) -> None:
    assert Polymarket.error_of(Reply(status, body)) == (code, message)


@pytest.mark.parametrize(
    ("after", "wait_ns"),
    [("7", 7 * NS), ("", None), ("soon", None), ("Thu, 01 Jan 1970 00:00:09 GMT", 4 * NS), ("\u0667", None)],
)
def test_how_long_to_wait(after: str, wait_ns: int | None) -> None:
    assert Polymarket.limits_of(Reply(429, b"", {"retry-after": after}), 5 * NS) == (wait_ns, {})


def submitted(**fields: Any) -> Request:
    """Return an order entry of the order that the payloads speak of."""
    return client().submit(order(**fields))


@pytest.mark.parametrize(
    ("request_", "body", "state"),
    [
        (submitted(), payload("posted_matched"), State(HASH, over=True, filled=Decimal(10))),  # BUY at once: what was taken are shares
        (submitted(reduces=True), payload("posted_matched"), State(HASH, over=True, filled=Decimal("4.8"))),  # SELL: what was made
        (submitted(kind="limit", limit=Decimal("0.5")), payload("posted_matched"), State(HASH, over=False, filled=Decimal(10))),
        (submitted(), payload("posted_live"), State(HASH, over=False, filled=Decimal(0))),
        (submitted(), changed("posted_live", status="delayed"), State(HASH, over=False, filled=Decimal(0))),
        (LOOKUP, payload("order"), State(HASH, over=False, filled=Decimal(4))),
        (LOOKUP, changed("order", status="ORDER_STATUS_LIVE"), State(HASH, over=False, filled=Decimal(4))),
        (LOOKUP, changed("order", status="DELAYED"), State(HASH, over=False, filled=Decimal(4))),
        (LOOKUP, changed("order", status="MATCHED"), State(HASH, over=False, filled=Decimal(4))),
        (LOOKUP, changed("order", status="MATCHED", order_type="FAK"), State(HASH, over=True, filled=Decimal(4))),
        (LOOKUP, changed("order", status="MATCHED", size_matched="9.99"), State(HASH, over=True, filled=Decimal("9.99"))),
        (LOOKUP, changed("order", status="MATCHED", size_matched="9.98"), State(HASH, over=False, filled=Decimal("9.98"))),
        (LOOKUP, changed("order", status="CANCELED_MARKET_RESOLVED"), State(HASH, over=True, filled=Decimal(4))),
        (LOOKUP, changed("order", status="INVALID"), State(HASH, over=True, filled=Decimal(4))),
    ],
)
def test_what_became_of_an_order(request_: Request, body: bytes, state: State) -> None:
    assert knowing().state_of(request_, Reply(200, body)) == state


@pytest.mark.parametrize("request_", [SUBMIT, LOOKUP])
def test_an_answer_on_another_order_is_refused(request_: Request) -> None:
    body = payload("order") if request_ is LOOKUP else payload("posted_live")
    for made in (client(), knowing("s1-2-0")):
        with pytest.raises(VenueError, match=f"on order 's1-1-0' names '{HASH}', which is not the hash"):
            made.state_of(request_, Reply(200, body))


def test_an_order_that_is_not_found_any_more_is_over_and_its_trades_tell_the_rest() -> None:
    for known in (True, False):
        assert client().gone(ORDER, known=known) == State(client().order_id(ORDER), over=True, filled=Decimal("Infinity"))


def test_executions() -> None:
    found, more = knowing().fills_of(Reply(200, payload("trades")))
    assert more == ""
    at = 1_764_000_001 * NS
    assert found == [
        Execution(HASH, f"t-2/{HASH}", KEY, at, Decimal(3), Decimal("0.48"), Decimal(0)),  # as a maker nothing is paid
        Execution(HASH, f"t-3/{HASH}", KEY, at, Decimal(10), Decimal("0.48"), Decimal("0.09984")),  # it failed, so it is undone
        Reversal(HASH, f"t-3-reversed/{HASH}", KEY, at, Decimal(-10), Decimal("0.48"), Decimal("-0.09984")),
        Execution(HASH, f"t-1/{HASH}", KEY, at, Decimal(10), Decimal("0.48"), Decimal("0.09984")),  # 10 x 0.04 x 0.48 x 0.52
    ]


def test_executions_are_the_accounts_own_whoever_asks() -> None:
    """A process that does not know the orders' hashes tells them by the venue's word on whose they are."""
    found, _ = client().fills_of(Reply(200, payload("trades")))
    assert [one.fill_id for one in found] == [f"t-2/{HASH}", f"t-3/{HASH}", f"t-3-reversed/{HASH}", f"t-1/{HASH}"]


def test_executions_that_failed_are_told_with_their_reversals() -> None:
    found, _ = knowing().fills_of(Reply(200, payload("trades")))
    matched, undone = (one.fill("s1-1-0", 9) for one in found if one.fill_id.startswith("t-3"))
    assert (matched.fill_id, matched.qty, matched.fee, matched.cause) == (f"t-3/{HASH}", Decimal(10), Decimal("0.09984"), "trade")
    assert (undone.fill_id, undone.qty, undone.fee, undone.cause) == (f"t-3-reversed/{HASH}", Decimal(-10), Decimal("-0.09984"), "reversal")
    assert undone.price == matched.price


def test_pages_follow_their_cursor() -> None:
    assert knowing().fills_of(Reply(200, changed("trades", next_cursor="MTAw")))[1] == "MTAw"
    assert knowing().fills_of(Reply(200, b'{"data":[],"next_cursor":"LTE="}')) == ([], "")


def balance(text: str) -> Reply:
    """Return a balance in millionths."""
    return Reply(200, b'{"balance":"%s"}' % text.encode())


@pytest.mark.parametrize(
    ("own", "opposite", "held", "cash"),
    [
        ("0", "0", {}, "12.5"),
        ("10000000", "0", {KEY: Decimal(10)}, "12.5"),
        ("0", "4000000", {KEY: Decimal(-4)}, "16.5"),
        ("15000000", "10000000", {KEY: Decimal(5)}, "22.5"),
        ("3000000", "3000000", {}, "15.5"),
    ],
)
def test_what_is_held_is_netted(own: str, opposite: str, held: dict[str, Decimal], cash: str) -> None:
    answers = [balance(own), balance(opposite), Reply(200, payload("balance"))]
    assert client().held_of(answers) == (held, Decimal(cash))


@given(own=st.integers(0, 10**12), opposite=st.integers(0, 10**12), money=st.integers(0, 10**12), cents=st.integers(0, 100))
def test_cash_and_position_are_worth_what_is_held(own: int, opposite: int, money: int, cents: int) -> None:
    held, cash = CLIENT.held_of([balance(str(own)), balance(str(opposite)), balance(str(money))])
    price, unit = Decimal(cents) / 100, Decimal("0.000001")
    assert cash + held.get(KEY, Decimal(0)) * price == unit * (money + own * price + opposite * (1 - price))


def test_a_balance_too_few_is_refused() -> None:
    with pytest.raises(VenueError, match="2 balances came, 3 were asked for"):
        client().held_of([balance("1"), balance("1")])


def test_the_books_say_when() -> None:
    assert client().latest_of(Reply(200, payload("books"))) == {KEY: 1_764_000_000_123 * 10**6}


def test_an_api_key_is_read_and_never_quoted() -> None:
    assert replies.key_of(Reply(200, payload("api_key"))) == KEYS[1:]
    with pytest.raises(VenueError, match=r"HTTP 400\) holds no API key") as caught:
        replies.key_of(Reply(400, b'{"apiKey":"k","secret":"a-secret"}'))
    assert "a-secret" not in str(caught.value)


def test_heartbeats_carry_the_last_id() -> None:
    assert requests.heartbeat("b1").body == b'{"heartbeat_id":"b1"}'
    assert requests.heartbeat().body == b'{"heartbeat_id":""}'
    assert replies.heartbeat_of(Reply(200, payload("heartbeat"))) == "b1"
    assert replies.heartbeat_of(Reply(400, payload("heartbeat_wrong"))) == "b2"


# ----------------------------------------------------------------------- rules


def test_a_markets_rules() -> None:
    found = market_of(Reply(200, payload("market")))
    assert (found.condition, found.tick, found.least, found.neg_risk, found.accepts) == (CONDITION, Decimal("0.01"), 5, False, True)
    instrument, native = found.instrument("YES", "Yes")
    assert native == NATIVE
    assert (instrument.key, instrument.tick, instrument.lot, instrument.fees.rate) == (KEY, Decimal("0.01"), 1, Decimal("0.04"))
    assert found.instrument("NO", "No")[1].token == OPPOSITE
    assert isinstance(instrument, Instrument)
    assert Polymarket(KEYS, [instrument], {KEY: native.text()}).submit(ORDER).order_id == "s1-1-0"
    with pytest.raises(VenueError, match=r"has outcomes \['Yes', 'No'\], none is 'Maybe'"):
        found.instrument("M", "Maybe")


@pytest.mark.parametrize(
    "fields", [{"v": "v2"}, {"mts": 0.02}, {"fd": {"r": -1}}, {"fd": {"r": "NaN"}}, {"t": []}, {"c": ""}, {"fd": {"e": 10**9}}]
)
def test_a_market_that_is_not_known_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(VenueError, match="polymarket: market"):
        market_of(Reply(200, changed("market", **fields)))


@pytest.mark.parametrize(
    ("size", "price", "rate", "exponent", "paid"),
    [
        ("100", "0.5", "0.072", 1, "1.8"),
        ("10", "0.48", "0.04", 1, "0.09984"),
        ("10", "0.48", "0.04", 2, "0.02492"),  # 0.024920064
        ("0.01", "0.01", "0.04", 1, "0"),
        ("1", "0.0001", "0.05", 1, "0"),  # 0.0000049995
        ("1", "0.0001", "0.0501", 1, "0.00001"),  # 0.00000500949...
        ("100", "0.5", "0", 1, "0"),
    ],
)
def test_fees(size: str, price: str, rate: str, exponent: int, paid: str) -> None:
    assert fee(Decimal(size), Decimal(price), Decimal(rate), exponent) == Decimal(paid)


def test_a_native_id_comes_back() -> None:
    assert msgspec.json.decode(NATIVE.text(), type=Native) == NATIVE
    assert YES.key == KEY
