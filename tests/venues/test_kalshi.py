"""Kalshi's words and ours: signatures bit for bit, requests, answers, rate limits."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import ConfigError, VenueError
from hedgekit.net.budget import Budget
from hedgekit.types import NS, Fill, Instrument, Order, Priority, Reply, Request, State, Word
from hedgekit.venues import client_of
from hedgekit.venues.kalshi import Kalshi, requests, wire
from hedgekit.venues.kalshi.signing import Signer
from tests.venues.kalshi_made import payload

TICKER = "HIGHNY-24JAN01-T60"
MARKET = Instrument("KALSHI", TICKER, tick=Decimal("0.01"), lot=Decimal(1))
AT_NS = 1_715_793_600 * NS + 5
ORDER = Order("s1-1-0", AT_NS, 0, MARKET.key, Decimal(10), Decimal("0.56"), Priority.HEDGE, 1, "limit", Decimal("0.56"))


def pem(key: Any) -> str:
    """Return a private key as Kalshi gives it."""
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


SEED = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
CLIENT = Kalshi(("key-id", pem(SEED)), (MARKET,))


def body(request: Request | None) -> dict[str, Any]:
    """Return what a request says."""
    assert request is not None
    return msgspec.json.decode(request.body or b"", type=dict)


def order(**changes: Any) -> Order:
    """Return the order with changes."""
    return msgspec.structs.replace(ORDER, **changes)


# ------------------------------------------------------------------- signatures

WORKED = [
    (
        "POST",
        "/trade-api/v2/portfolio/events/orders",
        "zoD6+Vf3t4MNDgcXtPCiM+Rp7TB9ZWeYfVUEo+sMAzkZF27iw1O+7gC1Kz/PvZceGy30UkUozM9G9falShAXCA==",
    ),
    ("GET", "/trade-api/ws/v2", "Nn05wO56Y0zYOmp1KWsn+gB8qdPlwOyfEl5YwIwLiCoZ6OqpXn2s73bd1DRgVGS8U+WlTZhyRvmQeXe7Lx2jCQ=="),
]
"""The worked example of the fact file: seed 32 x 01, at 1764000000000 ms."""


def test_the_worked_examples_key_is_ours() -> None:
    public = SEED.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert "MCowBQYDK2VwAyEAiojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=" in public


@pytest.mark.parametrize(("method", "path", "signature"), WORKED)
def test_ed25519_signatures_are_the_worked_examples(method: str, path: str, signature: str) -> None:
    assert Signer("key-id", pem(SEED)).headers(method, path, 1_764_000_000_000_999_999) == {
        "KALSHI-ACCESS-KEY": "key-id",
        "KALSHI-ACCESS-TIMESTAMP": "1764000000000",
        "KALSHI-ACCESS-SIGNATURE": signature,
    }


def test_the_query_and_the_body_are_not_signed() -> None:
    request = Request("POST", WORKED[0][1] + "?a=1", "submit", Priority.CLOSE, b"{}")
    headers = CLIENT.signed(request, 1_764_000_000_000_000_000)
    assert (headers["KALSHI-ACCESS-SIGNATURE"], headers["Content-Type"]) == (WORKED[0][2], "application/json")
    assert "Content-Type" not in CLIENT.signed(requests.lookup(ORDER), 0)


def test_both_handshakes_are_signed_for_the_socket() -> None:
    for feed in (CLIENT.market(1_764_000_000_000_000_000), CLIENT.account(1_764_000_000_000_000_000)):
        assert feed.headers["KALSHI-ACCESS-SIGNATURE"] == WORKED[1][2]
        assert (feed.beat, feed.to_say()) == (None, [])


def test_an_rsa_signature_verifies_with_a_salt_of_32_bytes() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signer = Signer("key-id", pem(key).replace("\n", "\\n"))
    for pkcs in (signer, Signer("key-id", key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode())):
        signature = base64.b64decode(pkcs.headers("GET", "/trade-api/v2/portfolio/orders?x=1", 7_000_000)["KALSHI-ACCESS-SIGNATURE"])
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        key.public_key().verify(signature, b"7GET/trade-api/v2/portfolio/orders", pss, hashes.SHA256())


@pytest.mark.parametrize("text", ["", "secret-words", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0LXdvcmRz\n-----END PRIVATE KEY-----", "ec"])
def test_what_is_no_key_is_refused_and_not_shown(text: str) -> None:
    secret = pem(ec.generate_private_key(ec.SECP256R1())) if text == "ec" else text
    with pytest.raises(ConfigError, match="KALSHI_PRIVATE_KEY holds no unencrypted RSA or Ed25519") as caught:
        Kalshi(("key-id", secret), ())
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "secret" not in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)


def test_keys_are_in_no_repr() -> None:
    inner = pem(SEED).splitlines()[1]
    shown = f"{CLIENT!r} {CLIENT} {CLIENT.market(0)!r} {CLIENT.account(0)!r} {CLIENT._signer!r} {vars(CLIENT)}"
    assert inner not in shown
    assert repr(b"\x01" * 4)[2:-1] not in shown
    assert CLIENT.account_id == "key-id"


def test_the_room_gives_its_client() -> None:
    kind = client_of("KALSHI")
    assert (kind.name, kind.key_env, kind.reposts) == ("KALSHI", ("KALSHI_KEY_ID", "KALSHI_PRIVATE_KEY"), True)
    assert all(host.endswith(".kalshi.co") for host in kind.order_hosts | kind.data_hosts)
    assert not (kind.order_hosts | kind.data_hosts) & wire.LIVE_DATA_HOSTS


# --------------------------------------------------------------------- requests


def test_an_order_entry_has_the_documented_fields() -> None:
    request = CLIENT.submit(ORDER)
    assert (request.method, request.path, request.purpose) == ("POST", "/trade-api/v2/portfolio/events/orders", "submit")
    assert (request.priority, request.order_id) == (Priority.HEDGE, "s1-1-0")
    assert body(request) == {
        "ticker": TICKER,
        "client_order_id": "s1-1-0",
        "side": "bid",
        "count": "10.00",
        "price": "0.5600",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
        "expiration_time": 1_715_793_600 + 300,
        "cancel_order_on_pause": True,
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"qty": Decimal(-10)}, ("ask", "10.00", "0.5600", "good_till_canceled")),
        ({"qty": Decimal(-10), "reduces": True}, ("ask", "10.00", "0.5600", "good_till_canceled")),
        ({"tif": "ioc"}, ("bid", "10.00", "0.5600", "immediate_or_cancel")),
        ({"tif": "fok", "qty": Decimal("1E+2")}, ("bid", "100.00", "0.5600", "fill_or_kill")),
        ({"limit": Decimal("0.0005"), "qty": Decimal("0.01")}, ("bid", "0.01", "0.0005", "good_till_canceled")),
        ({"kind": "market", "limit": None}, ("bid", "10.00", "0.9900", "immediate_or_cancel")),
        ({"kind": "market", "limit": None, "qty": Decimal("-2.5")}, ("ask", "2.50", "0.0100", "immediate_or_cancel")),
        ({"kind": "market", "limit": None, "tif": "fok"}, ("bid", "10.00", "0.9900", "fill_or_kill")),
    ],
)
def test_sides_counts_prices_and_times_in_force(changes: dict[str, Any], said: tuple[str, ...]) -> None:
    entry = body(CLIENT.submit(order(**changes)))
    assert tuple(entry[name] for name in ("side", "count", "price", "time_in_force")) == said
    assert ("expiration_time" in entry) == ("cancel_order_on_pause" in entry) == (said[3] == "good_till_canceled")
    assert "reduce_only" not in entry


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"qty": Decimal("0.001")}, "quantity 0.001 has more than 2 decimals"),
        ({"limit": Decimal("0.56001")}, "price 0.56001 has more than 4 decimals"),
        ({"limit": Decimal(1)}, "price 1 of a contract that pays 1"),
        ({"limit": Decimal(0)}, "price 0 of"),
        ({"limit": Decimal("NaN"), "tif": "ioc"}, "price NaN of"),
        ({"tif": "day"}, "time in force 'day' is unknown"),
        ({"instrument": "KALSHI:OTHER"}, "KALSHI:OTHER, which this client was not made for"),
    ],
)
def test_what_cannot_be_said_is_refused_before_it_leaves(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        CLIENT.submit(order(**changes))


@given(
    cents=st.integers(1, 9_999),
    hundredths=st.integers(1, 10**9),
    sells=st.booleans(),
    expected=st.integers(1, 99),
    kind=st.sampled_from(["market", "limit"]),
)
def test_the_same_order_is_always_the_same_bytes(cents: int, hundredths: int, sells: bool, expected: int, kind: Any) -> None:  # noqa: FBT001 - drawn
    qty = Decimal(-hundredths if sells else hundredths) / 100
    limit = Decimal(cents) / 10_000 if kind == "limit" else None
    one = order(qty=qty, limit=limit, expected=Decimal(expected) / 100, kind=kind)
    again = order(qty=qty.normalize(), limit=limit, expected=Decimal(expected) / 100, kind=kind)
    other = Kalshi(("another", pem(SEED)), (MARKET,), {})
    assert CLIENT.submit(one) == CLIENT.submit(again) == other.submit(one)
    assert CLIENT.void(one) == other.void(again)
    entry = body(CLIENT.submit(one))
    assert Decimal(entry["count"]).copy_sign(1 if entry["side"] == "bid" else -1) == qty
    assert limit is None or Decimal(entry["price"]) == limit
    assert 0 < Decimal(entry["price"]) < 1


@pytest.mark.parametrize(("expected", "said"), [("0.50", ("bid", "0.0100")), ("0.99", ("bid", "0.0100")), ("0.49", ("ask", "0.9900"))])
def test_a_void_takes_the_id_at_the_far_end_of_the_market(expected: str, said: tuple[str, str]) -> None:
    request = CLIENT.void(order(expected=Decimal(expected), qty=Decimal(-3)))
    entry = body(request)
    assert (request.purpose, request.priority, request.path) == ("void", Priority.CLOSE, CLIENT.submit(ORDER).path)
    assert (entry["side"], entry["price"]) == said
    assert (entry["count"], entry["time_in_force"], entry["client_order_id"]) == ("1.00", "immediate_or_cancel", "s1-1-0")


def test_questions() -> None:
    assert requests.cancel(ORDER, "../a?b").path == f"/trade-api/v2/portfolio/events/orders/..%2Fa%3Fb?market_ticker={TICKER}"
    assert requests.cancel(ORDER, "a").priority is Priority.CLOSE
    assert requests.lookup(ORDER).path == f"/trade-api/v2/portfolio/orders?ticker={TICKER}&min_ts=1715793540&limit=1000"
    assert requests.fills(AT_NS, "").path == "/trade-api/v2/portfolio/fills?min_ts=1715793599&limit=1000"
    assert requests.fills(-AT_NS, "a&b").path == "/trade-api/v2/portfolio/fills?min_ts=0&limit=1000&cursor=a%26b"
    asked = CLIENT.holdings()
    assert [request.purpose for request in asked] == ["positions", "account"]
    assert asked[0].path == "/trade-api/v2/portfolio/positions?count_filter=position&limit=1000"
    assert {request.priority for request in (*asked, requests.lookup(ORDER), requests.fills(0, ""))} == {Priority.QUERY}
    assert (CLIENT.latest().path, CLIENT.latest().purpose) == ("/trade-api/v2/exchange/status", "quotes")
    assert CLIENT.latest_of(Reply(200, b"{}")) == {}, "a sign of life, and the time of no quote"


# ---------------------------------------------------------------------- answers

SUBMIT, VOID = CLIENT.submit(ORDER), CLIENT.void(ORDER)
CANCEL, LOOKUP = requests.cancel(ORDER, "v"), requests.lookup(ORDER)
STRANGER = requests.lookup(order(order_id="s9-9-9"))
ID = "3b23c1f0-52d1-4a5e-9b5e-0c8f6a1d2e11"
MORE = payload("orders").replace(b'"cursor": ""', b'"cursor": "x"')


@pytest.mark.parametrize(
    ("request_", "status", "said", "word"),
    [
        (SUBMIT, 201, payload("created"), Word.DONE),
        (SUBMIT, 409, payload("error_duplicate"), Word.DUPLICATE),
        (SUBMIT, 409, b'{"error":{"code":"order_already_exists"}}', Word.DUPLICATE),
        (VOID, 409, b"", Word.DUPLICATE),
        (SUBMIT, 409, payload("error_killed"), Word.REFUSED),
        (VOID, 409, payload("error_killed"), Word.REFUSED),
        *((SUBMIT, status, payload("error_balance"), Word.REFUSED) for status in (400, 401, 403, 404, 302)),
        (CANCEL, 200, b"", Word.DONE),
        (CANCEL, 404, b"", Word.ENDED),
        (CANCEL, 409, b"", Word.ENDED),
        (CANCEL, 401, b"", Word.REFUSED),
        (LOOKUP, 200, payload("orders"), Word.DONE),
        (LOOKUP, 200, MORE, Word.DONE),
        (STRANGER, 200, payload("orders"), Word.MISSING),
        (STRANGER, 200, MORE, Word.UNKNOWN),
        (LOOKUP, 404, b"", Word.REFUSED),
        (CLIENT.holdings()[0], 200, b"", Word.DONE),
        *((one, status, b"", Word.UNKNOWN) for one in (SUBMIT, CANCEL, LOOKUP) for status in (0, 408, 425, 500, 503, 504)),
        *((one, 429, b"", Word.BUSY) for one in (SUBMIT, CANCEL, LOOKUP)),
    ],
)
def test_what_an_answer_says(request_: Request, status: int, said: bytes, word: Word) -> None:
    assert CLIENT.word_of(request_, Reply(status, said)) is word


def test_states() -> None:
    ioc = CLIENT.submit(order(tif="ioc"))
    assert CLIENT.state_of(SUBMIT, Reply(201, payload("created"))) == State(ID, over=False, filled=Decimal(0))
    assert CLIENT.state_of(SUBMIT, Reply(201, payload("created_filled"))) == State(ID, over=True, filled=Decimal("7.5"))
    assert CLIENT.state_of(ioc, Reply(201, payload("created"))).over, "what is not filled at once is cancelled, whatever is left"
    assert CLIENT.state_of(VOID, Reply(201, payload("created"))).over
    assert CLIENT.state_of(LOOKUP, Reply(200, payload("orders"))) == State(ID, over=True, filled=Decimal(3))
    assert not CLIENT.state_of(requests.lookup(order(order_id="s1-2-1")), Reply(200, payload("orders"))).over
    assert CLIENT.error_of(Reply(400, payload("error_balance"))) == ("insufficient_balance", "insufficient balance: 0.44 of 0.50")
    assert CLIENT.error_of(Reply(409, payload("error_killed")))[0] == "fill_or_kill_insufficient_resting_volume"
    assert CLIENT.error_of(Reply(502, b"<html>Bad Gateway")) == ("502", "HTTP 502: b'<html>Bad Gateway'")


def test_one_id_is_one_order() -> None:
    twice = payload("orders").replace(b"s1-2-1", b"s1-1-0")
    with pytest.raises(VenueError, match="2 orders go by 's1-1-0'"):
        CLIENT.word_of(LOOKUP, Reply(200, twice))


def test_executions_are_signed_and_exact() -> None:
    (bought, sold), more = CLIENT.fills_of(Reply(200, payload("fills")))
    assert bought.fill("s1-1-0", 9) == Fill(
        ts_ns=9,
        order_id="s1-1-0",
        fill_id="d91bc706-ee49-470d-82d8-11418bda6fed",
        instrument=MARKET.key,
        venue_ns=1_715_793_600_123_456_000,
        qty=Decimal(3),
        price=Decimal("0.56"),
        fee=Decimal("0.0518"),
    )
    assert (sold.qty, sold.price, sold.fee, sold.venue_ns) == (Decimal("-0.5"), Decimal("0.57"), Decimal("0.0086"), 1_715_793_600 * NS)
    assert more == "CgwIu"


def test_what_is_held_is_one_signed_number_and_cash_has_what_is_set_aside() -> None:
    """10 contracts sold at p: the venue took 10 x (1 - p); with 10 x 1 given back, cash is what the sale brought."""
    held, cash = CLIENT.held_of([Reply(200, payload("positions")), Reply(200, payload("balance"))])
    assert held == {MARKET.key: Decimal(-10), "KALSHI:FED-23DEC-T3.00": Decimal("2.5")}
    assert cash == Decimal("104.0025")


@given(opening=st.integers(0, 10**8), price=st.integers(1, 9_999), hundredths=st.integers(-(10**7), 10**7))
def test_cash_and_position_add_up_to_the_equity_whichever_side_is_held(opening: int, price: int, hundredths: int) -> None:
    p, qty, start = Decimal(price) / 10_000, Decimal(hundredths) / 100, Decimal(opening) / 100
    balance = start - (qty * p if qty > 0 else -qty * (1 - p))
    positions = b'{"market_positions":[{"ticker":"T","position_fp":"%.2f"}]}' % qty
    held, cash = CLIENT.held_of([Reply(200, positions), Reply(200, b'{"balance_dollars":"%.6f"}' % balance)])
    assert cash + held.get("KALSHI:T", Decimal(0)) * p == start


def test_the_rate_limit_is_not_told() -> None:
    assert CLIENT.limits_of(Reply(429), 0) == (None, {})
    assert CLIENT.limits_of(Reply(429, b"", {"retry-after": "2"}), 0) == (2 * NS, {})
    assert CLIENT.limits_of(Reply(429, b"", {"retry-after": "Thu, 01 Jan 1970 00:00:09 GMT"}), 5 * NS) == (4 * NS, {})


@pytest.mark.parametrize(
    ("call", "said", "word"),
    [
        (lambda r: CLIENT.state_of(SUBMIT, r), b"{}", "order cannot be read"),
        (lambda r: CLIENT.state_of(SUBMIT, r), payload("created").replace(ID.encode(), b""), "order cannot be read"),
        (lambda r: CLIENT.state_of(SUBMIT, r), payload("created").replace(b'"0.00"', b'"-1.00"'), "order holds -1.00"),
        (lambda r: CLIENT.state_of(SUBMIT, r), payload("created").replace(b'"0.00"', b"0.5"), "order cannot be read"),
        (lambda r: CLIENT.state_of(STRANGER, r), payload("orders"), "do not hold 's9-9-9'"),
        (lambda r: CLIENT.state_of(LOOKUP, r), payload("orders").replace(b"resting", b"unheard"), "orders cannot be read"),
        (CLIENT.fills_of, payload("fills").replace(b'"ask"', b'"bid"'), "book side 'bid', outcome 'no'"),
        (CLIENT.fills_of, payload("fills").replace(b'"3.00"', b'"0.00"'), "says 0.00 contracts"),
        (CLIENT.fills_of, payload("fills").replace(b'"0.5600"', b'"1.5600"'), "price 1.5600, which is not between 0 and 1"),
        (CLIENT.fills_of, payload("fills").replace(b'"0.051800"', b'"NaN"'), "fills cannot be read"),
        (CLIENT.fills_of, payload("fills").replace(b'"fill_id": "d9', b'"fill_id": "e9'), "is also named"),
        (CLIENT.fills_of, payload("fills").replace(b'"ts": 1715793600', b'"ts": null'), "without created_time and ts"),
        (lambda r: CLIENT.held_of([r, Reply(200, payload("balance"))]), b'{"market_positions":[],"cursor":"x"}', "more than the 0"),
        (lambda r: CLIENT.held_of([r, Reply(200, payload("balance"))]), b"[]", "positions cannot be read"),
        (lambda r: CLIENT.held_of([Reply(200, payload("positions")), r]), b'{"balance":9400}', "account cannot be read"),
    ],
)
def test_answers_without_meaning_name_what(call: Any, said: bytes, word: str) -> None:
    with pytest.raises(VenueError, match=word) as caught:
        call(Reply(200, said))
    assert len(str(caught.value)) < 500


# ----------------------------------------------------------------------- budgets


def test_the_basic_tier_is_what_is_allowed_usually() -> None:
    orders, questions, balance = (Budget(**budget) for budget in CLIENT.budgets(0))
    assert (orders.capacity, orders.refill_per_s, orders.cost("submit"), orders.cost("cancel")) == (80, 100, 10, 2)
    assert (questions.capacity, questions.refill_per_s, questions.cost("lookup"), questions.cost("submit")) == (160, 200, 10, 0)
    assert (balance.capacity, balance.refill_per_s, balance.cost("account")) == (1, 1, 1)


@given(per_minute=st.integers(228, 100_000))
def test_every_budget_lets_a_close_and_a_hedge_leave_and_keeps_within_the_venues_second(per_minute: int) -> None:
    for budget in map(lambda one: Budget(**one), CLIENT.budgets(per_minute)):  # noqa: C417 - one line
        kept = sum(budget.reserve.values())
        assert all(kept + budget.cost(kind) <= budget.capacity for kind in budget.costs)
        assert budget.capacity <= budget.pace
    assert min(CLIENT.budgets(per_minute)[0]["reserve"].values()) >= 10


@pytest.mark.parametrize(("per_minute", "reads", "writes"), [(600, 200, 100), (1_800, 300, 300), (3_600, 600, 600), (228, 76, 38)])
def test_tiers(per_minute: int, reads: int, writes: int) -> None:
    orders, questions, _ = CLIENT.budgets(per_minute)
    assert (questions["refill_per_s"], orders["refill_per_s"]) == (reads, writes)


def test_too_few_requests_are_refused() -> None:
    with pytest.raises(ConfigError, match="227 orders a minute are too few"):
        CLIENT.budgets(227)
