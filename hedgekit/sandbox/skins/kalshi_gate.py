"""Who may ask at Kalshi, and how much: signatures, and the token buckets of the Basic tier."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error
from hmac import compare_digest
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from hedgekit.errors import ConfigError
from hedgekit.sandbox.skins.kalshi_wire import MS, refusal
from hedgekit.types import NS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hedgekit.sandbox.calls import Answer, Call

KEY, STAMP, SIGNATURE = HEADERS = ("KALSHI-ACCESS-KEY", "KALSHI-ACCESS-TIMESTAMP", "KALSHI-ACCESS-SIGNATURE")
WINDOW_NS = 60 * NS
"""How far a request's time may be from the exchange's; assumed, Kalshi does not say."""

_SALT = 32
_LONGEST = 16


class Verifier:
    """Verifies headers with the public half of the account's key.

    Parameters
    ----------
    keys : sequence of str
        The key's id, and the key in PEM, private or public; RSA or Ed25519. Perhaps the same of another one, which can only read.
    now : callable
        The timeline's time, nanoseconds UTC.

    Raises
    ------
    ConfigError
        If it is no such key. The message does not hold it.
    """

    def __init__(self, keys: Sequence[str], now: Callable[[], int]) -> None:
        names, pems = keys[::2], keys[1::2]
        self._keys = {name: _public(pem) for name, pem in zip(names, pems, strict=True)}
        self._readers, self._now = frozenset(names[1:]), now

    @property
    def scopes(self) -> dict[str, list[str]]:
        """The scopes of each key, by its id."""
        return {name: ["read"] if name in self._readers else ["read", "write"] for name in self._keys}

    def only_reads(self, headers: Mapping[str, str]) -> bool:
        """Whether a request is signed with a key that can only read."""
        return headers.get(KEY, "") in self._readers

    def problem(self, headers: Mapping[str, str], method: str, path: str) -> str:
        """Return what is wrong with a request's headers; empty if nothing is."""
        key_id, stamp, signature = (headers.get(name, "") for name in HEADERS)
        if missing := [name for name in HEADERS if not headers.get(name)]:
            return f"missing header {', '.join(missing)}"
        key = next((key for name, key in self._keys.items() if compare_digest(key_id.encode(), name.encode())), None)
        if key is None:
            return "unknown api key"
        if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= _LONGEST):
            return f"{STAMP} must be milliseconds"
        if abs(int(stamp) * MS - self._now()) > WINDOW_NS:
            return f"{STAMP} is more than {WINDOW_NS // NS} s from the exchange's time"
        return "" if _signed(key, f"{stamp}{method}{path}".encode(), signature) else "signature verification failed"


def _signed(key: RSAPublicKey | Ed25519PublicKey, text: bytes, signature: str) -> bool:
    try:
        raw = b64decode(signature, validate=True)
        if isinstance(key, Ed25519PublicKey):
            key.verify(raw, text)
        else:
            key.verify(raw, text, PSS(MGF1(hashes.SHA256()), _SALT), hashes.SHA256())
    except (InvalidSignature, Error, ValueError):
        return False
    return True


def _public(pem: str) -> RSAPublicKey | Ed25519PublicKey:
    text, key = pem.replace("\\n", "\n").encode(), None
    for load in (lambda: load_pem_private_key(text, None), lambda: load_pem_public_key(text)):
        try:
            key = load()
        except (ValueError, TypeError):
            continue
    if isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        return key.public_key()
    if isinstance(key, RSAPublicKey | Ed25519PublicKey):
        return key
    msg = "the Kalshi account's key is no unencrypted RSA or Ed25519 key in PEM"
    raise ConfigError(msg)


def unauthorised(why: str) -> Answer:
    """Return the answer to a request that is not signed as it should be."""
    return refusal(401, "unauthorized", "authentication failed", why)


# ------------------------------------------------------------------- rate limits

BASIC_READS, BASIC_WRITES = 200, 100
"""Tokens a second of the Basic tier."""

USUAL, CREATE, CANCEL = 10, 10, 2
ORDERS = "/portfolio/events/orders"


class Bucket:
    """Tokens: ``rate`` come each second, and it holds one second's."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._left, self._at = rate * NS, 0

    def take(self, cost: int, now_ns: int) -> bool:
        """Take so many; False, and none, if there are fewer."""
        self._left, self._at = min(self.rate * NS, self._left + self.rate * max(now_ns - self._at, 0)), max(now_ns, self._at)
        if self._left < cost * NS:
            return False
        self._left -= cost * NS
        return True


class Buckets:
    """The account's buckets.

    Parameters
    ----------
    orders : int
        Orders in a minute; 0 for the Basic tier's 600. Questions have twice as many tokens up to Basic's 200 a second, then as many.
    """

    def __init__(self, orders: int = 0) -> None:
        writes = orders * CREATE // 60 if orders else BASIC_WRITES
        self.writes, self.reads = Bucket(writes), Bucket(max(writes, min(2 * writes, BASIC_READS)))
        self._balance = Bucket(1)

    def take(self, call: Call, path: str, now_ns: int, items: int = 1) -> bool:
        """Count a request; a batch counts its items."""
        if path == "/portfolio/balance":
            return self._balance.take(1, now_ns)
        if call.method == "GET":
            one = path.startswith("/portfolio/orders/") and not path.endswith(("/queue_position", "/queue_positions"))
            return self.reads.take(CANCEL if one else USUAL, now_ns)
        return self.writes.take(items * (CANCEL if call.method == "DELETE" and path.startswith(ORDERS) else CREATE), now_ns)

    def limits(self) -> dict[str, object]:
        """Return what ``GET /account/limits`` says."""
        sizes = {
            name: {"refill_rate": one.rate, "bucket_capacity": one.rate} for name, one in (("read", self.reads), ("write", self.writes))
        }
        return {"usage_tier": "basic", **sizes, "grants": []}

    @staticmethod
    def costs() -> dict[str, object]:
        """Return what ``GET /account/endpoint_costs`` says: what does not cost the usual."""
        paths = {"GET": ["/portfolio/orders/{order_id}"], "DELETE": [ORDERS, f"{ORDERS}/{{order_id}}", f"{ORDERS}/batched"]}
        cheap = [{"method": method, "path": f"/trade-api/v2{path}", "cost": CANCEL} for method, some in paths.items() for path in some]
        return {"default_cost": USUAL, "endpoint_costs": cheap}
