"""Signatures: EIP-712 of orders and logins with the wallet's key, HMAC of requests with the API key's secret.

Two libraries are needed, keccak-256 of pycryptodome and secp256k1 of coincurve (the reference implementation in C, with the
deterministic nonces of RFC 6979: the same order has the same signature). They are the extra ``polymarket``, imported when a client
is made. eth-account would do the same through eighteen packages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from importlib import import_module
from typing import Any

from hedgekit.errors import ConfigError
from hedgekit.types import NS, Request
from hedgekit.venues.polymarket.wire import KEY_ENV

CHAIN_ID = 137
EXCHANGE = "0xE111180000d2663C0091e4f400237545B87B996B"
NEG_RISK_EXCHANGE = "0xe2222d279d744050d28e00520010520000310F59"
SIDES = ("BUY", "SELL")
EOA = 0
"""The one signature type that this client makes: the wallet itself holds the money."""

_DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_ORDER = (
    "Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,uint256 takerAmount,"
    "uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)"
)
_LOGIN_DOMAIN = "EIP712Domain(string name,string version,uint256 chainId)"
_LOGIN = "ClobAuth(address address,string timestamp,uint256 nonce,string message)"
_ATTESTS = "This message attests that I control the given wallet"
ZERO = "0x" + "00" * 32


def _library(name: str) -> Any:  # noqa: ANN401 - an optional library has no type here
    try:
        return import_module(name)
    except ImportError:
        msg = f"signing for Polymarket needs {name.partition('.')[0]}; install it with: pip install 'hedgekit[polymarket]'"
        raise ConfigError(msg) from None


def _word(value: int | str) -> bytes:
    """Return a number, or an address, as a word of the encoding."""
    return (int(value, 16) if isinstance(value, str) else value).to_bytes(32)


class Wallet:
    """A private key and what it signs; it is in no repr.

    Parameters
    ----------
    private_key : str
        64 hexadecimal digits, with or without ``0x``.

    Raises
    ------
    ConfigError
        If it is no key, or a library is missing.
    """

    def __init__(self, private_key: str) -> None:
        self._keccak = _library("Crypto.Hash.keccak")
        try:
            self._key = _library("coincurve").PrivateKey(bytes.fromhex(private_key.removeprefix("0x")).rjust(32, b"\0"))
        except ValueError:
            msg = f"{KEY_ENV[0]} is no private key: write its 64 hexadecimal digits"
            raise ConfigError(msg) from None
        self.address = self._checksummed(self.hash(self._key.public_key.format(compressed=False)[1:])[-20:].hex())
        domain = self.hash(_DOMAIN.encode()) + self.hash(b"Polymarket CTF Exchange") + self.hash(b"2") + _word(CHAIN_ID)
        self._exchanges = {neg: self.hash(domain + _word(at)) for neg, at in ((False, EXCHANGE), (True, NEG_RISK_EXCHANGE))}
        self._order_type = self.hash(_ORDER.encode())

    def hash(self, data: bytes) -> bytes:
        """Return keccak-256."""
        digest: bytes = self._keccak.new(data=data, digest_bits=256).digest()
        return digest

    def _checksummed(self, digits: str) -> str:
        """Return an address in the mixed case of EIP-55."""
        marks = self.hash(digits.encode()).hex()
        return "0x" + "".join(one.upper() if int(mark, 16) > 7 else one for one, mark in zip(digits, marks, strict=False))  # noqa: PLR2004 - EIP-55: half of a hex digit

    def order_hash(self, order: dict[str, Any], *, neg_risk: bool) -> bytes:
        """Return the hash of an order as it is sent, which is the venue's id of it."""
        numbers = ("salt", "maker", "signer", "tokenId", "makerAmount", "takerAmount", "side", "signatureType", "timestamp")
        words = b"".join(
            _word(
                SIDES.index(order[name]) if name == "side" else order[name] if name in ("maker", "signer") else int(order[name]),
            )
            for name in numbers
        )
        fields = self._order_type + words + _word(order["metadata"]) + _word(order["builder"])
        return self.hash(b"\x19\x01" + self._exchanges[neg_risk] + self.hash(fields))

    def login_hash(self, at_s: int, nonce: int = 0) -> bytes:
        """Return the hash of a login (L1)."""
        domain = self.hash(self.hash(_LOGIN_DOMAIN.encode()) + self.hash(b"ClobAuthDomain") + self.hash(b"1") + _word(CHAIN_ID))
        fields = _word(self.address) + self.hash(str(at_s).encode()) + _word(nonce) + self.hash(_ATTESTS.encode())
        return self.hash(b"\x19\x01" + domain + self.hash(self.hash(_LOGIN.encode()) + fields))

    def sign(self, digest: bytes) -> str:
        """Return the signature of a hash: r, s and v (27 or 28), hexadecimal."""
        signature: bytes = self._key.sign_recoverable(digest, hasher=None)
        return f"0x{signature[:64].hex()}{27 + signature[64]:02x}"

    def login(self, now_ns: int, nonce: int = 0) -> dict[str, str]:
        """Return the headers (L1) of the requests that make an API key, or tell it again."""
        at_s = now_ns // NS
        return {
            "POLY_ADDRESS": self.address,
            "POLY_SIGNATURE": self.sign(self.login_hash(at_s, nonce)),
            "POLY_TIMESTAMP": str(at_s),
            "POLY_NONCE": str(nonce),
        }


def secret_of(text: str) -> bytes:
    """Return the API key's secret; ConfigError if it is not what the venue gives."""
    try:
        return base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        msg = f"{KEY_ENV[2]} is no secret of an API key: write it as the venue gave it, in base64"
        raise ConfigError(msg) from None


def request_signature(secret: bytes, request: Request, at_s: int) -> str:
    """Return the signature of a request (L2): of its path without the query, and of its very bytes."""
    said = f"{at_s}{request.method}{request.path.partition('?')[0]}".encode() + (request.body or b"")
    return base64.urlsafe_b64encode(hmac.digest(secret, said, hashlib.sha256)).decode()
