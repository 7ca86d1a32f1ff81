"""How a request and a handshake are signed: with the private key of the account's key id."""

from __future__ import annotations

from base64 import b64encode

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hedgekit.errors import ConfigError
from hedgekit.venues.kalshi.wire import KEY_ENV

_SALT = 32


class Signer:
    """Signs ``time in ms + method + path``, the path with its prefix and without its query; bodies are not signed.

    RSA keys sign by PSS with SHA-256 and a salt of 32 bytes, which the library draws, so no two signatures are alike; Ed25519 keys
    sign the same text with the same signature.

    Parameters
    ----------
    key_id : str
        Names the key; no secret.
    pem : str
        The private key, unencrypted; line ends may be written as backslash and n, as environment files do.

    Raises
    ------
    ConfigError
        If it is no such key. The message does not hold it.
    """

    __slots__ = ("_key", "key_id")

    def __init__(self, key_id: str, pem: str) -> None:
        self.key_id = key_id
        try:
            key = load_pem_private_key(pem.replace("\\n", "\n").encode(), None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None  # what the library says may quote the key
        if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
            msg = f"{KEY_ENV[1]} holds no unencrypted RSA or Ed25519 private key; write the PEM text that Kalshi gave with the key id"
            raise ConfigError(msg) from None
        self._key = key

    def sign(self, text: str) -> str:
        """Return the signature of a text, in base64."""
        if isinstance(self._key, Ed25519PrivateKey):
            signature = self._key.sign(text.encode())
        else:
            signature = self._key.sign(text.encode(), PSS(MGF1(hashes.SHA256()), _SALT), hashes.SHA256())
        return b64encode(signature).decode()

    def headers(self, method: str, path: str, now_ns: int) -> dict[str, str]:
        """Return the headers of a request that leaves now."""
        now_ms = str(now_ns // 1_000_000)
        return {
            "KALSHI-ACCESS-KEY": self.key_id,
            "KALSHI-ACCESS-TIMESTAMP": now_ms,
            "KALSHI-ACCESS-SIGNATURE": self.sign(now_ms + method + path.partition("?")[0]),
        }
