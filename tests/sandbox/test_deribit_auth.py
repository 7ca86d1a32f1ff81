"""Who may call the Deribit skin: signatures, tokens, scopes; each wrong one refused by Deribit's own code."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hedgekit.sandbox.calls import Call
from hedgekit.sandbox.skins.deribit_auth import TAPE_S, Gate
from hedgekit.sandbox.skins.deribit_params import Auth, of_json
from hedgekit.sandbox.skins.deribit_wire import RpcError
from hedgekit.types import NS, Order, Priority
from hedgekit.venues.deribit import Deribit
from hedgekit.venues.deribit.signing import credentials
from tests.sandbox.deribit_house import BTC, ETH, KEYS, T0, House, body_of, signed

WORKED_TARGET = "/api/v2/private/buy?instrument_name=BTC-PERPETUAL&amount=10&type=limit&price=90000&label=hk-1"
"""The worked example of our notes on Deribit's signatures: keys did and dsecret, time 1764000000000, nonce abcd1234."""

WORKED_HTTP = "00c4c737e2f47727703070f855d4a9dcda922f73731337934a5d1dcbc4151131"
WORKED_SOCKET = "1414f302247139c349de831e651b792666184bff18becb0ca329d556d2a0da4c"


PASSWORD = {"grant_type": "client_credentials", "client_id": "did", "client_secret": "dsecret"}


def gate(*, live: bool = True) -> Gate:
    return Gate(KEYS, live=live)


def header(**changes: str) -> str:
    parts = {"id": "did", "ts": "1764000000000", "nonce": "abcd1234", "sig": WORKED_HTTP} | changes
    return "deri-hmac-sha256 " + ",".join(f"{name}={value}" for name, value in parts.items() if value)


def worked(authorization: str, **changes: Any) -> Call:
    about: dict[str, Any] = {"method": "GET", "target": WORKED_TARGET, "body": b""} | changes
    return Call(about["method"], WORKED_TARGET.partition("?")[0], {}, about["body"], {"Authorization": authorization}, about["target"])


def auth(**params: object) -> Auth:
    return of_json(json.dumps(params).encode(), Auth)


def refused(call: Call, now_ns: int = T0, of: Gate | None = None) -> int:
    with pytest.raises(RpcError) as bad:
        (of or gate()).caller(call, now_ns)
    return bad.value.code


def test_the_worked_example_is_accepted_bit_for_bit() -> None:
    assert "trade:read_write" in gate().caller(worked(header()), T0).scope.split()
    told = gate().login(
        auth(grant_type="client_signature", client_id="did", timestamp=1764000000000, nonce="abcd1234", signature=WORKED_SOCKET), T0
    )
    assert told.access


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (worked(header(sig=WORKED_HTTP[:-1] + "0")), 13009),
        (worked(header(nonce="abcd1235")), 13009),
        (worked(header(ts="1764000000001")), 13009),
        (worked(header(id="other")), 13004),
        (worked(header(), target=WORKED_TARGET.replace("amount=10", "amount=20")), 13009),
        (worked(header(), method="POST"), 13009),
        (worked(header(), body=b"{}"), 13009),
        (worked(header(nonce="")), 13009),
        (worked("Basic ZGlkOmRzZWNyZXQ="), 13009),
        (worked("Bearer nothing"), 13009),
        (worked(""), 13009),
    ],
)
def test_what_is_not_what_was_signed_is_refused(call: Call, code: int) -> None:
    assert refused(call) == code


@pytest.mark.parametrize("late_s", [-61, 61])
def test_a_signature_dies_after_a_minute(late_s: int) -> None:
    assert refused(worked(header()), T0 + late_s * NS) == 13009
    gate().caller(worked(header()), T0 + late_s // 61 * 59 * NS)


def test_a_request_that_is_sent_again_is_refused_live_and_let_pass_on_a_tape() -> None:
    live, tape = gate(), gate(live=False)
    for one in (live, tape):
        one.caller(worked(header()), T0)
    assert refused(worked(header()), T0 + NS, live) == 13009
    tape.caller(worked(header()), T0 + NS)


@pytest.mark.parametrize("method", ["private/buy", "private/get_positions", "private/get_account_summary", "private/cancel_all"])
def test_every_private_method_wants_to_know_who_calls(method: str) -> None:
    house = House()
    plain = Call("POST", f"/api/v2/{method}", {}, house.call(method).body, {"Content-Type": "application/json"}, f"/api/v2/{method}")
    answer = house.skin.answer(plain)
    assert (answer.status, body_of(answer)["error"]["code"]) == (401, 13009)


def test_a_token_is_good_until_it_expires_and_a_refreshed_one_replaces_it() -> None:
    one = gate()
    login = one.login(auth(**PASSWORD), T0)
    call = worked(f"Bearer {login.access}")
    assert one.caller(call, T0 + 899 * NS) is login
    assert refused(call, T0 + 900 * NS, one) == 13009
    assert refused(worked(f"Bearer {login.refresh}"), T0, one) == 13009
    again = one.login(auth(grant_type="refresh_token", refresh_token=login.refresh), T0)
    assert one.caller(worked(f"bearer {again.access}"), T0) is again
    assert refused(call, T0, one) == 13009
    with pytest.raises(RpcError) as bad:
        one.login(auth(grant_type="refresh_token", refresh_token=login.refresh), T0)
    assert bad.value.code == 13009


def test_a_token_of_a_connection_is_good_there_alone() -> None:
    one = gate()
    bound, free = one.login(auth(**PASSWORD), T0, 3), one.login(auth(**PASSWORD, scope="session:name"), T0, 3)
    assert refused(worked(f"Bearer {bound.access}"), T0, one) == 13009
    assert one.caller(worked(f"Bearer {free.access}"), T0) is free


@pytest.mark.parametrize(
    "wrong",
    [
        {"grant_type": "client_credentials", "client_id": "did", "client_secret": "other"},
        {"grant_type": "client_credentials", "client_id": "other", "client_secret": "dsecret"},
        {"grant_type": "client_credentials", "client_id": "did"},
        {"grant_type": "client_signature", "client_id": "did", "timestamp": 1764000000000, "nonce": "n", "signature": WORKED_SOCKET},
        {
            "grant_type": "client_signature",
            "client_id": "did",
            "timestamp": 1764000000000,
            "nonce": "abcd1234",
            "data": "x",
            "signature": WORKED_SOCKET,
        },
        {"grant_type": "client_signature", "client_id": "did"},
    ],
)
def test_wrong_credentials_give_no_login(wrong: dict[str, object]) -> None:
    with pytest.raises(RpcError) as bad:
        gate().login(auth(**wrong), T0)
    assert bad.value.code in {13004, 13009}


def test_a_login_that_may_only_read_places_no_orders() -> None:
    house = House()
    told = house.result("public/auth", **PASSWORD, scope="trade:read")
    call = house.getting("private/buy", instrument_name="BTC-PERPETUAL", amount=10, type="market")
    answer = house.skin.answer(Call("GET", call.path, call.query, b"", {"Authorization": f"Bearer {told['access_token']}"}, call.target))
    assert (answer.status, body_of(answer)["error"]["code"]) == (403, 13021)
    read = house.getting("private/get_positions")
    answer = house.skin.answer(Call("GET", read.path, read.query, b"", {"Authorization": f"Bearer {told['access_token']}"}, read.target))
    assert body_of(answer)["result"] == []


def test_on_a_tape_a_login_outlasts_it() -> None:
    login = gate(live=False).login(auth(**PASSWORD), T0)
    assert gate().granted(login, T0)["expires_in"] == TAPE_S


def test_the_clients_own_signatures_are_accepted() -> None:
    house, client = House(), Deribit(KEYS, (BTC, ETH))
    order = Order("s-1-0", T0, 0, BTC.key, -BTC.lot * 3, BTC.tick, Priority.PRIMARY, 1)
    for request in (client.submit(order), *client.holdings(), client.lookup(order), client.fills(T0, "")):
        path, _, query = request.path.partition("?")
        pairs = dict(pair.split("=") for pair in query.split("&")) if query else {}
        headers = client.signed(request, T0)
        answer = house.skin.answer(Call(request.method, path, pairs, request.body or b"", headers, request.path))
        assert answer.status == 200, body_of(answer)
    assert gate().login(auth(**credentials(*KEYS, T0)), T0).access


def test_no_key_is_in_any_repr() -> None:
    one = gate()
    login = one.login(auth(**PASSWORD), T0)
    for text in (repr(login), repr(one), repr(signed("GET", "/api/v2/x", b"", T0))):
        assert "dsecret" not in text
        assert login.access not in text
