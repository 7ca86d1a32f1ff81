"""Who may ask at the sandbox's Kalshi, how much, and how it says that it fails."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hedgekit.errors import ConfigError
from hedgekit.exchange.faults import Fault, FaultKind
from hedgekit.sandbox.skins.kalshi_gate import Verifier
from hedgekit.types import NS
from tests.sandbox.kalshi_made import ED25519, ORDERS, ROOT, RSA, START_NS, Shop, order, quoted

EXAMPLE_MS = 1_764_000_000_000
EXAMPLES = {  # the throwaway Ed25519 seed of 32 ones
    ("POST", "/trade-api/v2/portfolio/events/orders"): (
        "zoD6+Vf3t4MNDgcXtPCiM+Rp7TB9ZWeYfVUEo+sMAzkZF27iw1O+7gC1Kz/PvZceGy30UkUozM9G9falShAXCA=="
    ),
    ("GET", "/trade-api/ws/v2"): "Nn05wO56Y0zYOmp1KWsn+gB8qdPlwOyfEl5YwIwLiCoZ6OqpXn2s73bd1DRgVGS8U+WlTZhyRvmQeXe7Lx2jCQ==",
}
PUBLIC = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAiojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=\n-----END PUBLIC KEY-----\n"


# ------------------------------------------------------------------- signatures


@pytest.mark.parametrize(("what", "signature"), EXAMPLES.items())
@pytest.mark.parametrize("pem", [ED25519, PUBLIC, ED25519.replace("\n", "\\n")])
def test_the_worked_examples_verify(pem: str, what: tuple[str, str], signature: str) -> None:
    verifier = Verifier(("k", pem), lambda: EXAMPLE_MS * 1_000_000)
    headers = {"KALSHI-ACCESS-KEY": "k", "KALSHI-ACCESS-TIMESTAMP": str(EXAMPLE_MS), "KALSHI-ACCESS-SIGNATURE": signature}
    assert verifier.problem(headers, *what) == ""
    assert verifier.problem(headers, "DELETE", what[1]) == "signature verification failed"


@pytest.mark.parametrize("salt", [0, 20, 32])
def test_an_rsa_signature_has_a_salt_of_32_bytes(salt: int) -> None:
    shop, path = Shop(pem=RSA), f"{ROOT}/portfolio/balance"
    stamp = str(shop.now_ns // 1_000_000)
    raw = load_pem_private_key(RSA.encode(), None).sign(f"{stamp}GET{path}".encode(), PSS(MGF1(hashes.SHA256()), salt), hashes.SHA256())  # type: ignore[union-attr,call-arg,arg-type] # an RSA key
    headers = {"KALSHI-ACCESS-KEY": "an-id", "KALSHI-ACCESS-TIMESTAMP": stamp, "KALSHI-ACCESS-SIGNATURE": b64encode(raw).decode()}
    assert shop.ask("GET", "/portfolio/balance", headers=headers).status == (200 if salt == 32 else 401)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"KALSHI-ACCESS-KEY": "other"}, "unknown api key"),
        ({"KALSHI-ACCESS-KEY": ""}, "missing header KALSHI-ACCESS-KEY"),
        ({"KALSHI-ACCESS-SIGNATURE": ""}, "missing header KALSHI-ACCESS-SIGNATURE"),
        ({"KALSHI-ACCESS-SIGNATURE": "no base64"}, "signature verification failed"),
        ({"KALSHI-ACCESS-SIGNATURE": "AAAA"}, "signature verification failed"),
        ({"KALSHI-ACCESS-TIMESTAMP": ""}, "missing header KALSHI-ACCESS-TIMESTAMP"),
        ({"KALSHI-ACCESS-TIMESTAMP": "1.5"}, "must be milliseconds"),
        ({"KALSHI-ACCESS-TIMESTAMP": str((START_NS + 61 * NS) // 1_000_000)}, "more than 60 s"),
        ({"KALSHI-ACCESS-TIMESTAMP": str((START_NS - 61 * NS) // 1_000_000)}, "more than 60 s"),
        ({"KALSHI-ACCESS-TIMESTAMP": str((START_NS + NS) // 1_000_000)}, "signature verification failed"),
    ],
)
@pytest.mark.parametrize("path", ["/portfolio/balance", "/markets"])
def test_a_request_that_is_not_signed_right_is_refused(path: str, change: dict[str, str], why: str) -> None:
    shop = Shop()
    headers = shop.signer.headers("GET", ROOT + path, shop.now_ns) | change
    if path == "/markets" and not headers["KALSHI-ACCESS-KEY"]:
        headers["KALSHI-ACCESS-KEY"] = "other"
        why = "unknown api key"
    answer = shop.ask("GET", path, headers=headers)
    assert (answer.status, answer.body["code"]) == (401, "unauthorized")  # type: ignore[index]
    assert why in answer.body["details"]  # type: ignore[index]


def test_market_data_needs_no_signature_and_the_rest_does() -> None:
    shop = Shop()
    assert shop.ask("GET", "/markets", headers={}).status == 200
    assert shop.ask("GET", "/portfolio/positions", headers={}).status == 401
    assert shop.ask("GET", "/nowhere", headers={}).status == 401


def test_a_key_that_is_none_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError) as no:
        Verifier(("k", "SECRET-TEXT"), int)
    assert "SECRET" not in str(no.value)


# ----------------------------------------------------------------------- limits


def test_the_token_buckets() -> None:
    """100 tokens a second: ten orders, or fifty cancels; 200 for questions; one balance."""
    shop = quoted()
    shop.wait(5)
    bodies = [order(price="0.100", count="1") for _ in range(12)]
    assert [shop.ask("POST", ORDERS, body).status for body in bodies] == [201] * 10 + [429] * 2
    shop.wait(0.1)
    assert [shop.ask("POST", ORDERS, body).status for body in bodies[:2]] == [201, 429]
    shop.wait(1)
    assert [shop.ask("DELETE", f"{ORDERS}/none").status for _ in range(51)] == [404] * 50 + [429]
    assert [shop.ask("GET", "/portfolio/fills").status for _ in range(21)] == [200] * 20 + [429]
    assert [shop.ask("GET", "/portfolio/balance").status for _ in range(2)] == [200, 429]
    shop.wait(1)
    assert shop.ask("POST", f"{ORDERS}/batched", {"orders": bodies[:11]}).status == 429, "a batch costs what its orders do"
    limits: Any = shop.ask("GET", "/account/limits").body
    assert (limits["write"]["refill_rate"], limits["read"]["refill_rate"]) == (100, 200)
    more: Any = Shop(budget=1800).ask("GET", "/account/limits").body
    assert (more["write"]["refill_rate"], more["read"]["refill_rate"]) == (300, 300)


@pytest.mark.parametrize(
    ("kind", "status", "seconds"),
    [
        (FaultKind.TOO_MANY, 429, 0.0),
        (FaultKind.TOO_MANY, 429, 1.5),
        (FaultKind.TOO_EARLY, 425, 0.0),
        (FaultKind.ERROR_500, 500, 0.0),
        (FaultKind.UNAVAILABLE_503, 503, 0.0),
        (FaultKind.GATEWAY_504_AFTER, 504, 0.0),
    ],
)
def test_a_failing_venue_says_so_in_kalshis_words(kind: FaultKind, status: int, seconds: float) -> None:
    answer: Any = Shop().skin.failure(Fault(kind, seconds=seconds))
    assert answer.status == status
    assert set(answer.body) == {"code", "message", "details"}
    assert answer.headers == ({"Retry-After": "2"} if seconds else {})
