"""What Deribit is signed with: HMAC-SHA256 of lines, in hex; the secret itself never leaves.

A nonce is used once: it is a hash of what is signed and of its time, in nanoseconds. The time that is signed has
milliseconds only, and the same question may leave twice within one: with one nonce, the second would be refused as sent before.
"""

from __future__ import annotations

import hashlib
import hmac

from hedgekit.types import Request
from hedgekit.venues.deribit.wire import MS


def signature(secret: str, *lines: str) -> str:
    """Return the hex HMAC-SHA256 of lines joined by newlines."""
    return hmac.new(secret.encode(), "\n".join(lines).encode(), hashlib.sha256).hexdigest()


def nonce(*parts: str) -> str:
    """Return the nonce of what is signed."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def authorization(key: str, secret: str, request: Request, now_ns: int) -> str:
    """Return the Authorization header of a request that leaves now."""
    body, at = (request.body or b"").decode(), str(now_ns // MS)
    once = nonce(str(now_ns), request.method, request.path, body)
    return f"deri-hmac-sha256 id={key},ts={at},nonce={once},sig={http_signature(secret, at, once, request.method, request.path, body)}"


def http_signature(secret: str, at_ms: str, once: str, method: str, uri: str, body: str) -> str:  # noqa: PLR0913 - what is signed
    """Return the signature of an HTTP request; ``uri`` is path and query."""
    return signature(secret, at_ms, once, method.upper(), uri, body, "")


def credentials(key: str, secret: str, now_ns: int) -> dict[str, str | int]:
    """Return the parameters of ``public/auth`` on a socket."""
    at = now_ns // MS
    once = nonce(str(now_ns), "public/auth")
    return {
        "grant_type": "client_signature",
        "client_id": key,
        "timestamp": at,
        "nonce": once,
        "data": "",
        "signature": signature(secret, str(at), once, ""),
    }
