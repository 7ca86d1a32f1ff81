"""Who may speak to the Polymarket skin: logins, signed requests, signed orders; each word of them changed is refused."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hedgekit.sandbox.calls import Call
from hedgekit.sandbox.skins.polymarket_auth import Doorman
from hedgekit.sandbox.skins.polymarket_wire import OrderFields
from hedgekit.types import NS, Priority, Reply, Request
from hedgekit.venues.polymarket import Polymarket, replies, requests
from hedgekit.venues.polymarket.signing import Wallet, request_signature, secret_of
from tests.sandbox.polymarket_desk import ALICE, NOW, WALLET, YES, ZERO, Venue, error
from tests.venues.polymarket_made import KEYS, TOKEN

STRANGER = Wallet("4d" * 32)

# Worked example that both of the venue's SDKs agree on (shared facts, "Auth"): throwaway key 0x4c..4c, salt 12345.
EXAMPLE = OrderFields(
    salt=12345,
    maker="0xdB00079cad3e665853Bf766eFe26F4C38cdbdCDA",
    signer="0xdB00079cad3e665853Bf766eFe26F4C38cdbdCDA",
    token_id=TOKEN,
    maker_amount="5000000",
    taker_amount="10000000",
    side="BUY",
    expiration="0",
    signature_type=0,
    timestamp="1764000000000",
    metadata=ZERO,
    builder=ZERO,
    signature="0xda828061cbb3f3bbfd648845fd37c758638929aac4210085e8c7aceab41adec4"
    "214940abde337a29b33aad81cc061e630023c15148be5660096d0a2426ead9ac1b",
)
EXAMPLE_HASH = "0x73b6128de1db4f2481204c26b43930ed0ef12acbb2b85ae77525573fa7991c76"
EXAMPLE_LOGIN = {
    "POLY_ADDRESS": "0xdB00079cad3e665853Bf766eFe26F4C38cdbdCDA",
    "POLY_SIGNATURE": "0x84458e696eba2978e0d7435fbfbab8fe0f0b9207c5d389c1cc4d6c0a3b07f323"
    "399991a67fbfa11c299045ae915a92a09a9325a699a4332336850234f9c7b7e01c",
    "POLY_TIMESTAMP": "1764000000",
    "POLY_NONCE": "0",
}
EXAMPLE_L2 = {
    "POLY_ADDRESS": "0xdB00079cad3e665853Bf766eFe26F4C38cdbdCDA",
    "POLY_SIGNATURE": "1r4LCR6N6RIvPSgraXNbSirMO_3UzyZJPFcCPrz7cIM=",
    "POLY_TIMESTAMP": "1764000000",
    "POLY_API_KEY": KEYS[1],
    "POLY_PASSPHRASE": KEYS[3],
}


def doorman() -> Doorman:
    """Return the account's."""
    return Doorman(KEYS, lambda: NOW)


def test_the_venues_worked_examples_pass() -> None:
    assert doorman().order_id(EXAMPLE, neg_risk=False) == EXAMPLE_HASH
    assert doorman().l1(EXAMPLE_LOGIN)
    assert doorman().l2(Call("DELETE", "/order", {}, b'{"orderID":"0xabc"}', EXAMPLE_L2))


def test_a_signature_is_for_one_contract() -> None:
    with pytest.raises(ValueError, match="invalid signature"):
        doorman().order_id(EXAMPLE, neg_risk=True)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("salt", 12346, "invalid signature"),
        ("salt", -1, "salt is not a whole number"),
        ("token_id", "1", "invalid signature"),
        ("token_id", "x", "token_id is not a whole number"),
        ("token_id", "9" * 79, "token_id is not a whole number"),
        ("token_id", str(2**256), "token_id is not a whole number"),
        ("maker_amount", "5000001", "invalid signature"),
        ("taker_amount", "10000001", "invalid signature"),
        ("taker_amount", "1.5", "taker_amount is not a whole number"),
        ("side", "SELL", "invalid signature"),
        ("timestamp", "1764000000001", "invalid signature"),
        ("metadata", "0x" + "00" * 31 + "01", "invalid signature"),
        ("metadata", "0x00", "metadata is not 32 bytes"),
        ("builder", "0x" + "00" * 31 + "01", "invalid signature"),
        ("builder", "zz", "builder is not 32 bytes"),
        ("maker", STRANGER.address, "the maker has to be the address of the API key"),
        ("signer", STRANGER.address, "the signer has to be the address of the API key"),
        ("signature_type", 1, "signatureType 1 is not simulated"),
        ("signature_type", 3, "signatureType 3 is not simulated"),
        ("signature", "0x" + "00" * 65, "invalid signature"),
        ("signature", "0x" + "ff" * 64 + "1b", "invalid signature"),
        ("signature", EXAMPLE.signature[:-2] + "1c", "invalid signature"),
        ("signature", EXAMPLE.signature[:-2] + "1d", "invalid signature"),
        ("signature", EXAMPLE.signature[:-2], "invalid signature"),
        ("signature", EXAMPLE.signature[2:], "invalid signature"),
        ("signature", STRANGER.sign(bytes.fromhex(EXAMPLE_HASH[2:])), "invalid signature"),
    ],
)
def test_each_signed_field_counts(name: str, value: Any, words: str) -> None:
    fields = {field: getattr(EXAMPLE, field) for field in EXAMPLE.__struct_fields__}
    with pytest.raises(ValueError, match=words):
        doorman().order_id(OrderFields(**{**fields, name: value}), neg_risk=False)


def test_expiration_is_not_signed() -> None:
    fields = {field: getattr(EXAMPLE, field) for field in EXAMPLE.__struct_fields__}
    assert doorman().order_id(OrderFields(**{**fields, "expiration": "7"}), neg_risk=False) == EXAMPLE_HASH


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POLY_ADDRESS", STRANGER.address),
        ("POLY_ADDRESS", ""),
        ("POLY_SIGNATURE", "0x00"),
        ("POLY_SIGNATURE", STRANGER.login(NOW)["POLY_SIGNATURE"]),
        ("POLY_TIMESTAMP", str(NOW // NS - 1)),
        ("POLY_TIMESTAMP", "soon"),
        ("POLY_TIMESTAMP", ""),
        ("POLY_NONCE", "1"),
        ("POLY_NONCE", "-1"),
    ],
)
def test_a_login_is_the_wallets(name: str, value: str) -> None:
    venue = Venue()
    headers = WALLET.login(NOW)
    assert venue.skin.answer(Call("GET", "/auth/derive-api-key", {}, b"", headers)).body == {
        "apiKey": KEYS[1],
        "secret": KEYS[2],
        "passphrase": KEYS[3],
    }
    refused = venue.skin.answer(Call("GET", "/auth/derive-api-key", {}, b"", {**headers, name: value}))
    assert error(refused) == (401, "Invalid L1 Request headers")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POLY_ADDRESS", STRANGER.address),
        ("POLY_SIGNATURE", "bm9uZQ=="),
        ("POLY_SIGNATURE", ""),
        ("POLY_TIMESTAMP", str(NOW // NS - 1)),
        ("POLY_TIMESTAMP", "1764000000.5"),
        ("POLY_API_KEY", "another"),
        ("POLY_PASSPHRASE", "another"),
    ],
)
def test_a_request_is_the_api_keys(name: str, value: str) -> None:
    venue = Venue()
    assert venue.call("GET", "/data/orders").status == 200
    assert error(venue.call("GET", "/data/orders", headers={name: value})) == (401, "Unauthorized/Invalid api key")


def test_method_path_and_body_are_signed_and_the_query_is_not() -> None:
    venue = Venue()

    def signed(method: str, path: str, body: bytes | None) -> dict[str, str]:
        said = venue.client.signed(Request(method, path, "", Priority.QUERY, body), NOW)
        return dict(said)

    good = signed("GET", "/data/orders", None)
    assert venue.skin.answer(Call("GET", "/data/orders", {"id": "7"}, b"", good)).status == 200
    for method, path, body in (("POST", "/data/orders", None), ("GET", "/data/trades", None), ("GET", "/data/orders", b"{}")):
        assert venue.skin.answer(Call("GET", "/data/orders", {}, b"", signed(method, path, body))).status == 401
    assert (
        venue.skin.answer(Call("DELETE", "/order", {}, b'{"orderID": "7"}', signed("DELETE", "/order", b'{"orderID":"7"}'))).status == 401
    )


@pytest.mark.parametrize(("off_s", "status"), [(0, 200), (120, 200), (-120, 200), (121, 401), (-121, 401)])
def test_a_request_is_signed_about_now(off_s: int, status: int) -> None:
    venue = Venue()
    at_s = NOW // NS + off_s
    signature = request_signature(secret_of(KEYS[2]), Request("GET", "/data/orders", "", Priority.QUERY), at_s)
    answer = venue.call("GET", "/data/orders", headers={"POLY_TIMESTAMP": str(at_s), "POLY_SIGNATURE": signature})
    assert answer.status == status


def test_a_second_api_key_is_refused_as_the_venue_does_and_the_first_is_told() -> None:
    """What the client's error advises, by a client that has the wallet alone."""
    venue, client = Venue(), Polymarket((KEYS[0], "", "", ""), ())
    made, told = (
        venue.skin.answer(Call(asked.method, asked.path, {}, b"", client.signed(asked, NOW)))
        for asked in (requests.make_key(), requests.tell_key())
    )
    assert error(made) == (400, "Could not create api key")
    assert replies.key_of(Reply(told.status, msgspec.json.encode(told.body))) == KEYS[1:]


def test_secrets_are_in_no_repr() -> None:
    venue = Venue(YES, ALICE)
    said = repr(venue.skin.sockets["/ws/user"]._credentials) + repr(venue.skin) + repr(doorman().credentials)  # type: ignore[union-attr] # of this one
    assert not any(secret in said for secret in KEYS)
