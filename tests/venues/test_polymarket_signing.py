"""Polymarket's signatures, bit for bit as both of its SDKs make them, and orders that are always the same bytes."""

from __future__ import annotations

import hashlib
import sys
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedgekit.errors import ConfigError
from hedgekit.types import NS, Instrument, Kind, Order, Priority, Request
from hedgekit.venues.polymarket import Native, Polymarket, requests, signing
from hedgekit.venues.polymarket.tokens import Listing, Trade
from tests.venues.polymarket_made import CONDITION, KEY, KEYS, NATIVE, OPPOSITE, ORDER, TOKEN, YES, client, order

WALLET = signing.Wallet(KEYS[0])
AT_S = 1_764_000_000

# The worked example of ../shared/venues: key of 32 bytes 0x4c; polymarket-client 0.14.0 and py-clob-client-v2 1.2.1 agree on each value.
ADDRESS = "0xdB00079cad3e665853Bf766eFe26F4C38cdbdCDA"
L1 = "0x84458e696eba2978e0d7435fbfbab8fe0f0b9207c5d389c1cc4d6c0a3b07f323399991a67fbfa11c299045ae915a92a09a9325a699a4332336850234f9c7b7e01c"
L2_DELETE = "1r4LCR6N6RIvPSgraXNbSirMO_3UzyZJPFcCPrz7cIM="
L2_GET = "NycRMhyLu9SfZF3RsVmijYirQIyYGcZ-ITWX_weecJI="
ORDER_HASH = "73b6128de1db4f2481204c26b43930ed0ef12acbb2b85ae77525573fa7991c76"
ORDER_SIGNATURE = (
    "0xda828061cbb3f3bbfd648845fd37c758638929aac4210085e8c7aceab41adec4214940abde337a29b33aad81cc061e630023c15148be5660096d0a2426ead9ac1b"
)
FIELDS = {
    "salt": 12345,
    "maker": ADDRESS,
    "signer": ADDRESS,
    "tokenId": TOKEN,
    "makerAmount": "5000000",
    "takerAmount": "10000000",
    "side": "BUY",
    "signatureType": 0,
    "timestamp": "1764000000000",
    "metadata": signing.ZERO,
    "builder": signing.ZERO,
}


def body(request: Request) -> Any:
    """Return what a request says."""
    return msgspec.json.decode(request.body or b"")


def test_the_address_is_the_keys() -> None:
    assert WALLET.address == ADDRESS
    assert client().account_id == ADDRESS


def test_a_login_is_signed_as_the_sdks_do() -> None:
    headers = client().signed(requests.make_key(), AT_S * NS)
    assert dict(headers) == {
        "Content-Type": "application/json",
        "POLY_ADDRESS": ADDRESS,
        "POLY_SIGNATURE": L1,
        "POLY_TIMESTAMP": str(AT_S),
        "POLY_NONCE": "0",
    }


@pytest.mark.parametrize(
    ("method", "path", "said", "signature"),
    [
        ("DELETE", "/order", b'{"orderID":"0xabc"}', L2_DELETE),
        ("GET", "/data/orders", None, L2_GET),
        ("GET", "/data/orders?market=0x1&next_cursor=MA==", None, L2_GET),  # the query is not signed
    ],
)
def test_a_request_is_signed_as_the_sdks_do(method: str, path: str, said: bytes | None, signature: str) -> None:
    headers = client().signed(Request(method, path, "lookup", Priority.QUERY, said), AT_S * NS + 999_999_999)
    assert headers["POLY_SIGNATURE"] == signature
    assert headers["POLY_TIMESTAMP"] == str(AT_S)
    assert (headers["POLY_API_KEY"], headers["POLY_PASSPHRASE"], headers["POLY_ADDRESS"]) == (KEYS[1], KEYS[3], ADDRESS)


def test_an_order_is_hashed_and_signed_as_the_sdks_do() -> None:
    digest = WALLET.order_hash(FIELDS, neg_risk=False)
    assert digest.hex() == ORDER_HASH
    assert WALLET.sign(digest) == ORDER_SIGNATURE


@pytest.mark.parametrize("name", [name for name in FIELDS if name not in ("maker", "signer", "side", "metadata", "builder")])
def test_every_number_is_in_the_hash(name: str) -> None:
    other = FIELDS | {name: int(str(FIELDS[name])) + 1}
    assert WALLET.order_hash(other, neg_risk=False).hex() != ORDER_HASH


@pytest.mark.parametrize("other", [{"side": "SELL"}, {"metadata": "0x01"}, {"builder": "0x01"}, {"maker": "0x01"}, {"signer": "0x01"}])
def test_every_word_is_in_the_hash(other: dict[str, str]) -> None:
    assert WALLET.order_hash(FIELDS | other, neg_risk=False).hex() != ORDER_HASH


def test_orders_of_several_outcomes_are_for_another_contract() -> None:
    """EIP-712 by hand: 0x1901, the domain of that contract, the order."""
    domain = WALLET.hash(
        WALLET.hash(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
        + WALLET.hash(b"Polymarket CTF Exchange")
        + WALLET.hash(b"2")
        + (137).to_bytes(32)
        + bytes(12)
        + bytes.fromhex("e2222d279d744050d28e00520010520000310F59")
    )
    assert WALLET._exchanges[True] == domain
    several = msgspec.structs.replace(NATIVE, neg_risk=True)
    assert client(several).order_id(ORDER) != client().order_id(ORDER)


# ------------------------------------------------------------------ the order


def test_an_order_entry_says_what_the_document_says() -> None:
    request = client().submit(order(kind="limit", limit=Decimal("0.48")))
    assert (request.method, request.path, request.purpose, request.order_id) == ("POST", "/order", "submit", "s1-1-0")
    told = body(request)
    signed = told.pop("order")
    assert told == {"owner": KEYS[1], "orderType": "GTC", "deferExec": False, "postOnly": False}
    signature, salt = signed.pop("signature"), signed.pop("salt")
    assert signed == {
        "maker": ADDRESS,
        "signer": ADDRESS,
        "tokenId": TOKEN,
        "makerAmount": "4800000",
        "takerAmount": "10000000",
        "side": "BUY",
        "expiration": "0",
        "signatureType": 0,
        "timestamp": "1764000000123",
        "metadata": signing.ZERO,
        "builder": signing.ZERO,
    }
    assert salt == int(hashlib.sha256(b"s1-1-0 1764000000123456789").hexdigest()[:16], 16) // 2**11
    assert len(signature) == 2 + 130


def test_the_hash_of_what_is_sent_is_the_id_computed_before() -> None:
    made = client()
    request = made.submit(ORDER)
    sent = body(request)["order"]
    digest = WALLET.order_hash(sent, neg_risk=False)
    assert made.order_id(ORDER) == f"0x{digest.hex()}"
    assert made._names == {f"0x{digest.hex()}": "s1-1-0"}
    assert WALLET.sign(digest) == sent["signature"]
    assert made.lookup(ORDER).path == f"/data/order/0x{digest.hex()}"


ORDERS = st.builds(
    lambda name, ts, qty, cents, reduces, kind: order(
        order_id=name,
        ts_ns=ts,
        qty=Decimal(qty),
        expected=Decimal(cents) / 100,
        reduces=reduces,
        kind=kind,
        limit=Decimal(cents) / 100 if kind == "limit" else None,
    ),
    st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()),
    st.integers(0, 4 * 10**18),
    st.integers(-10_000, 10_000).filter(bool),
    st.integers(1, 99),
    st.booleans(),
    st.sampled_from(["market", "limit"]),
)


@given(ORDERS)
def test_the_same_order_is_the_same_bytes(made: Order) -> None:
    again = msgspec.structs.replace(made)
    request = client().submit(made)
    assert request == client().submit(again)
    assert body(request)["order"]["salt"] < 2**53  # every reader of JSON gets it whole


@given(ORDERS, ORDERS)
def test_another_order_is_another_hash(one: Order, other: Order) -> None:
    same = (one.order_id, one.ts_ns) == (other.order_id, other.ts_ns)
    assert same or client().order_id(one) != client().order_id(other)


@given(ORDERS)
def test_yes_and_no_come_back_as_they_went(made: Order) -> None:
    listed = Listing((YES,), {KEY: NATIVE.text()}).by_key[KEY]
    sent = requests.trade(made, listed)
    qty, price = listed.read(sent)
    assert qty == made.qty
    assert (sent.side == "SELL") == made.reduces
    assert (sent.token == TOKEN) == ((made.qty > 0) != made.reduces)
    if made.limit is not None:
        assert price == made.limit
    else:  # never better than the touch, at most one grid beyond the slip, and a price
        worse = price - made.expected if made.qty > 0 else made.expected - price
        assert 0 <= worse <= requests.SLIP
        assert Decimal("0.01") <= price <= Decimal("0.99")


@pytest.mark.parametrize(
    ("qty", "reduces", "trade"),
    [
        (10, False, Trade(TOKEN, "BUY", Decimal(10), Decimal("0.3"))),
        (-10, True, Trade(TOKEN, "SELL", Decimal(10), Decimal("0.3"))),
        (-10, False, Trade(OPPOSITE, "BUY", Decimal(10), Decimal("0.7"))),
        (10, True, Trade(OPPOSITE, "SELL", Decimal(10), Decimal("0.7"))),
    ],
)
def test_what_is_not_held_is_not_sold(qty: int, trade: Trade, *, reduces: bool) -> None:
    listed = Listing((YES,), {KEY: NATIVE.text()}).by_key[KEY]
    limit = order(qty=Decimal(qty), reduces=reduces, kind="limit", limit=Decimal("0.3"))
    assert requests.trade(limit, listed) == trade


@pytest.mark.parametrize(
    ("qty", "reduces", "expected", "tick", "worst"),
    [
        (10, False, "0.48", "0.01", "0.53"),
        (-10, False, "0.48", "0.01", "0.57"),  # the opposite at 0.52, and 0.05 more
        (-10, True, "0.48", "0.01", "0.43"),
        (10, True, "0.48", "0.01", "0.47"),
        (10, False, "0.97", "0.01", "0.99"),
        (-10, True, "0.02", "0.01", "0.01"),
        (10, False, "0.473", "0.001", "0.53"),  # whole cents, outward
        (-10, True, "0.473", "0.001", "0.42"),
        (10, False, "0.965", "0.001", "0.999"),
        (10, False, "0.4", "0.1", "0.5"),
        (-10, True, "0.4", "0.1", "0.3"),
    ],
)
def test_a_market_order_has_a_worst_price(qty: int, expected: str, tick: str, worst: str, *, reduces: bool) -> None:
    instrument = Instrument("POLYMARKET", "YES", Kind.BINARY, tick=Decimal(tick))
    listed = Listing((instrument,), {KEY: NATIVE.text()}).by_key[KEY]
    made = order(qty=Decimal(qty), reduces=reduces, expected=Decimal(expected))
    assert requests.trade(made, listed).price == Decimal(worst)
    assert body(client(instrument=instrument).submit(made))["orderType"] == "FAK"


def test_a_limit_of_a_market_order_is_its_worst_price() -> None:
    listed = Listing((YES,), {KEY: NATIVE.text()}).by_key[KEY]
    assert requests.trade(order(limit=Decimal("0.5")), listed).price == Decimal("0.5")


@given(qty=st.integers(1, 10**6), cents=st.integers(1, 99), tick=st.sampled_from(["0.1", "0.01", "0.005", "0.0025"]))
def test_a_purchase_at_once_costs_whole_cents(qty: int, cents: int, tick: str) -> None:
    """400 "the market buy orders maker amount supports a max accuracy of 2 decimals" (py-clob-client-v2 issue 99)."""
    instrument = Instrument("POLYMARKET", "YES", Kind.BINARY, tick=Decimal(tick))
    expected = Decimal(cents) / 100
    if expected + requests.SLIP > 1 - Decimal(tick):
        return
    made = client(instrument=instrument).submit(order(qty=Decimal(qty), expected=expected))
    assert int(body(made)["order"]["makerAmount"]) % 10_000 == 0


@pytest.mark.parametrize(("tif", "kind"), [("gtc", "GTC"), ("ioc", "FAK"), ("fok", "FOK")])
def test_times_in_force(tif: str, kind: str) -> None:
    assert body(client().submit(order(kind="limit", limit=Decimal("0.5"), tif=tif)))["orderType"] == kind


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"kind": "limit", "limit": Decimal("0.5"), "tif": "day"}, "has tif 'day'; Polymarket has gtc, ioc, fok"),
        ({"kind": "limit"}, "limit order without a limit"),
        ({"kind": "limit", "limit": Decimal("0.4800001"), "qty": Decimal("0.5")}, "finer than 0.000001"),
    ],
)
def test_what_the_venue_has_not_is_refused(fields: dict[str, Any], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        client().submit(order(**fields))


# ------------------------------------------------------------------------ keys


def test_keys_are_in_no_repr() -> None:
    made = client()
    shown = f"{made!r} {made} {made.market(0)!r} {made.account(0)!r} {made._wallet!r} {made._account!r}"
    assert not [key for key in (*KEYS[:1], *KEYS[2:]) if key in shown]


@pytest.mark.parametrize("key", ["", "zz", "4c" * 33, "00" * 32, "ff" * 32])
def test_a_wrong_private_key_is_not_quoted(key: str) -> None:
    with pytest.raises(ConfigError, match="POLYMARKET_PRIVATE_KEY is no private key") as caught:
        signing.Wallet(key)
    assert caught.value.__cause__ is None
    assert len(key) < 3 or key not in str(caught.value)


def test_a_wrong_secret_is_not_quoted() -> None:
    with pytest.raises(ConfigError, match="POLYMARKET_API_SECRET is no secret") as caught:
        Polymarket((*KEYS[:2], "not/base64!", "p"), (YES,), {KEY: NATIVE.text()})
    assert "not/base64!" not in str(caught.value)


def test_without_an_api_key_it_can_only_ask_for_one() -> None:
    made = Polymarket((KEYS[0], "", "", ""), ())
    assert "POLY_SIGNATURE" in made.signed(requests.tell_key(), 0)
    wanted = r"POLYMARKET_API_KEY and POLYMARKET_API_SECRET and POLYMARKET_API_PASSPHRASE are needed .*make_key\(\).*tell_key\(\)"
    with pytest.raises(ConfigError, match=wanted):
        made.signed(requests.fills(0, ""), 0)


def test_who_asks_for_prices_gets_no_keys() -> None:
    """Quotes may come from the venue's own host, which is no paper host (L8, L9)."""
    for request in (client().latest(), requests.market(CONDITION)):
        assert dict(client().signed(request, NS)) == {"Content-Type": "application/json"}


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "coincurve", None)
    with pytest.raises(ConfigError, match=r"needs coincurve; install it with: pip install 'hedgekit\[polymarket\]'"):
        client()


@pytest.mark.parametrize(
    ("native", "word"),
    [
        ({}, "has no native id"),
        ({KEY: "{"}, "native id of POLYMARKET:YES cannot be read"),
        ({KEY: Native("0x1", OPPOSITE, CONDITION, neg_risk=False).text()}, "names token '0x1'"),
        ({KEY: Native(str(2**256), OPPOSITE, CONDITION, neg_risk=False).text()}, "names token '1157"),
        ({KEY: Native(TOKEN, TOKEN, CONDITION, neg_risk=False).text()}, "share a token"),
        ({KEY: Native(TOKEN, OPPOSITE, CONDITION, neg_risk=False, rate=Decimal(-1)).text()}, "has rate -1"),
    ],
)
def test_native_ids_are_checked(native: dict[str, str], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        Polymarket(KEYS, (YES,), native)


def test_lots_are_whole_shares() -> None:
    with pytest.raises(ConfigError, match=r"POLYMARKET:YES has lot 0\.01; write whole shares"):
        client(instrument=Instrument("POLYMARKET", "YES", lot=Decimal("0.01")))


NO = Instrument("POLYMARKET", "NO")


def test_of_both_tokens_of_a_condition_the_first_is_traded() -> None:
    no = Native(OPPOSITE, TOKEN, CONDITION, neg_risk=False).text()
    made = Polymarket(KEYS, (YES, NO), {KEY: NATIVE.text(), NO.key: no})
    assert [request.path.count("token_id") for request in made.holdings()] == [1, 1, 0], "each token once, and collateral"
    assert made.submit(order()).body == client().submit(order()).body
    with pytest.raises(ConfigError, match="POLYMARKET:NO is quoted alone: a purchase of it is a sale of POLYMARKET:YES at 1 - p"):
        made.submit(order(instrument=NO.key))


@pytest.mark.parametrize(
    "other",
    [
        Native(TOKEN, OPPOSITE, CONDITION, neg_risk=False),
        Native("7", TOKEN, CONDITION, neg_risk=False),
        Native(OPPOSITE, "7", "0x7", neg_risk=False),
    ],
)
def test_a_token_is_listed_once(other: Native) -> None:
    with pytest.raises(ConfigError, match="POLYMARKET:NO and POLYMARKET:YES share a token"):
        Polymarket(KEYS, (YES, NO), {KEY: NATIVE.text(), NO.key: other.text()})


def test_the_second_token_too_is_listed_once() -> None:
    no, again = Native(OPPOSITE, TOKEN, CONDITION, neg_risk=False).text(), Instrument("POLYMARKET", "NAY")
    with pytest.raises(ConfigError, match="POLYMARKET:NAY and POLYMARKET:YES share a token"):
        Polymarket(KEYS, (YES, NO, again), {KEY: NATIVE.text(), NO.key: no, again.key: no})
