"""Who speaks: the wallet's signatures (L1, and of orders) and the API key's (L2), verified as Polymarket does.

What is signed is the venue's; how it is put together is read in the client's room, because there is one way to do it: the venue's SDKs,
which sign by themselves, judge both (``tests/sdk``).
"""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from hmac import compare_digest
from importlib import import_module
from typing import TYPE_CHECKING, Any

from hedgekit.sandbox.skins.polymarket_wire import MS, OrderFields
from hedgekit.types import NS, Priority, Request
from hedgekit.venues.polymarket.signing import EOA, Wallet, request_signature, secret_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hedgekit.sandbox.calls import Call

WINDOW_NS = 120 * NS
"""A request signed longer ago than this, or as far ahead, is refused; Polymarket does not say how far it may be."""

_V1_ONLY = frozenset({"taker", "nonce", "feeRateBps"})
_WORD = 2**256


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an API key is; never shown."""

    key: str
    secret: str
    passphrase: str

    def __repr__(self) -> str:
        """Show nothing."""
        return "Credentials()"

    def match(self, key: object, secret: object, passphrase: object) -> bool:
        """Whether all three are right, in a time that does not depend on them."""
        ours, theirs = (self.key, self.secret, self.passphrase), (key, secret, passphrase)
        same = [compare_digest(one.encode(), str(other).encode()) for one, other in zip(ours, theirs, strict=True)]
        return all(same)


class Doorman:
    """Verifies what an account signs.

    Parameters
    ----------
    keys : sequence of str
        Private key, API key, secret, passphrase.
    now : callable
        The timeline's time, ns UTC.

    Raises
    ------
    ConfigError
        If a key is none.
    """

    def __init__(self, keys: Sequence[str], now: Callable[[], int]) -> None:
        private_key, *api = keys
        self._wallet, self.credentials, self._now = Wallet(private_key), Credentials(*api), now
        self._secret = secret_of(self.credentials.secret)
        self._public: Any = import_module("coincurve").PublicKey

    @property
    def address(self) -> str:
        """The wallet's address."""
        return self._wallet.address

    def l1(self, headers: Mapping[str, str]) -> bool:
        """Whether the wallet has signed a login: address, time, nonce, and the words that it attests."""
        at, nonce = headers.get("POLY_TIMESTAMP", ""), headers.get("POLY_NONCE", "0")
        if not (self._ours(headers) and self._timely(at) and _number(nonce)):
            return False
        return self._signed(self._wallet.login_hash(int(at), int(nonce)), headers.get("POLY_SIGNATURE", ""))

    def l2(self, call: Call) -> bool:
        """Whether a request is signed with the API key: time, method, path without the query, and the very bytes of the body."""
        headers, known = call.headers, self.credentials
        at = headers.get("POLY_TIMESTAMP", "")
        if not (self._ours(headers) and self._timely(at)):
            return False
        request = Request(call.method, call.path, "", Priority.QUERY, call.body or None)
        wanted = request_signature(self._secret, request, int(at))
        same = known.match(headers.get("POLY_API_KEY", ""), known.secret, headers.get("POLY_PASSPHRASE", ""))
        return compare_digest(wanted.encode(), headers.get("POLY_SIGNATURE", "").encode()) & same

    def order_id(self, order: OrderFields, *, neg_risk: bool) -> str:
        """Return the hash of an order for the contract that its market is settled by: the venue's id of it.

        Raises
        ------
        ValueError
            If a field is none, or the wallet has not signed it; says which.
        """
        for name in ("salt", "token_id", "maker_amount", "taker_amount", "timestamp"):
            if not _number(str(getattr(order, name))):
                msg = f"{name} is not a whole number"
                raise ValueError(msg)
        for name in ("metadata", "builder"):
            if not _is_hex(getattr(order, name), 32):
                msg = f"{name} is not 32 bytes of hexadecimal"
                raise ValueError(msg)
        if order.signature_type != EOA:
            msg = f"signatureType {order.signature_type} is not simulated; use 0, a wallet that signs for itself"
            raise ValueError(msg)
        for name in ("maker", "signer"):
            if getattr(order, name).lower() != self.address.lower():
                msg = f"the {name} has to be the address of the API key"
                raise ValueError(msg)
        camel = {name.replace("_", " ").title().replace(" ", ""): getattr(order, name) for name in OrderFields.__struct_fields__}
        fields = {name[0].lower() + name[1:]: value for name, value in camel.items()}
        digest = self._wallet.order_hash(fields, neg_risk=neg_risk)
        if not self._signed(digest, order.signature):
            msg = "invalid signature"
            raise ValueError(msg)
        return f"0x{digest.hex()}"

    # --------------------------------------------------------------- internals

    def _ours(self, headers: Mapping[str, str]) -> bool:
        return headers.get("POLY_ADDRESS", "").lower() == self.address.lower()

    def _timely(self, at: str) -> bool:
        return _number(at) and abs(int(at) * NS - self._now()) <= WINDOW_NS

    def _signed(self, digest: bytes, signature: str) -> bool:
        """Whether a signature recovers to the wallet; v is 27 or 28, as wallets write it, or 0 or 1."""
        if not _is_hex(signature, 65):
            return False
        raw = bytes.fromhex(signature[2:])
        v = raw[64] - 27 if raw[64] >= 27 else raw[64]  # noqa: PLR2004 - as above
        if v not in (0, 1):
            return False
        try:
            found = self._public.from_signature_and_message(raw[:64] + bytes([v]), digest, hasher=None)
        except Exception:  # noqa: BLE001 - the library has no error of its own: numbers that are no signature end here
            return False
        said: bytes = found.format(compressed=False)[1:]
        return compare_digest(self._wallet.hash(said)[-20:].hex(), self.address[2:].lower())


def is_v1(order: object) -> bool:
    """Whether an order has fields that only the first version of the venue's orders had."""
    return isinstance(order, dict) and bool(_V1_ONLY & order.keys())


def lapsed(order: OrderFields, now_ns: int) -> bool:
    """Whether an order's time is none: signed so many milliseconds after 1970, and not ahead of now by more than is let pass."""
    return int(order.timestamp) * MS > now_ns + WINDOW_NS


def _number(words: str) -> bool:
    return words.isascii() and words.isdecimal() and len(words) <= 78 and int(words) < _WORD  # noqa: PLR2004 - digits of 2 ** 256


def _is_hex(words: str, size: int) -> bool:
    try:
        return words.startswith("0x") and len(binascii.unhexlify(words[2:])) == size
    except (binascii.Error, ValueError):
        return False
