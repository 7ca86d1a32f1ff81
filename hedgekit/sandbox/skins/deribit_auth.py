"""Who calls: Deribit's four ways to say it, each checked.

``client_credentials`` and ``client_signature`` (``public/auth``) and ``refresh_token`` give a login: on a socket it
holds for the connection, over HTTP its access token goes into ``Authorization: Bearer``. The fourth is to sign a request
(``deri-hmac-sha256``). A signature is HMAC-SHA256 in hex over lines; its time may differ from ours by a minute, and
live it is good for once, so a request that is repeated needs another nonce. (On a tape time stands still between two
processes, so the same question may have the same time and nonce again, and that is let pass.)
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hedgekit.sandbox.skins.deribit_wire import MS, RpcError
from hedgekit.types import NS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hedgekit.sandbox.calls import Call
    from hedgekit.sandbox.skins.deribit_params import Auth

WINDOW_NS = 60 * NS
LIVES_S = 900
TAPE_S = 10**9
"""How long a login lasts, in step: a renewal would be answered beside the messages that an instant counts."""

SCHEME = "deri-hmac-sha256 "
EVERYTHING = "account:read_write block_trade:read_write custody:read_write mainaccount trade:read_write wallet:read_write"


@dataclass(slots=True)
class Login:
    """What was granted. ``connection`` is the socket that alone it is good for; 0 for any."""

    scope: str
    until_ns: int
    connection: int = 0
    access: str = field(default="", repr=False)
    refresh: str = field(default="", repr=False)

    def require(self, method: str) -> None:
        """Refuse what its scope does not allow: orders without ``trade:read_write``."""
        words = self.scope.split()
        if method.startswith("private/") and ("trade:read" in words or "trade:none" in words):
            raise RpcError(13021, "the scope has no trade:read_write")


class Gate:
    """Checks keys, signatures and tokens.

    Parameters
    ----------
    keys : sequence of str
        Client id and secret.
    live : bool
        Whether time is the machine's.
    """

    def __init__(self, keys: Sequence[str], *, live: bool) -> None:
        self.client_id, self._secret = keys
        self._live = live
        self._logins: dict[str, Login] = {}
        self._used: dict[str, int] = {}
        self._granted = 0

    # ---------------------------------------------------------------- requests

    def caller(self, call: Call, now_ns: int) -> Login:
        """Return who signed an HTTP request, or whose token it carries.

        Raises
        ------
        RpcError
            If it is nobody that we know.
        """
        header = call.headers.get("Authorization", "")
        if header[:7].lower() == "bearer ":
            return self._bearer(header[7:].strip(), now_ns)
        if not header.startswith(SCHEME):
            raise RpcError(13009, "no Authorization: sign the request (deri-hmac-sha256), or give a Bearer token")
        parts = dict(part.strip().partition("=")[::2] for part in header[len(SCHEME) :].split(","))
        if missing := [name for name in ("id", "ts", "nonce", "sig") if not parts.get(name)]:
            raise RpcError(13009, f"Authorization has no {', '.join(missing)}")
        lines = (parts["ts"], parts["nonce"], call.method.upper(), call.target, call.body.decode(errors="replace"), "")
        self._signed(parts["id"], parts["ts"], parts["sig"], lines, now_ns)
        return Login(EVERYTHING, now_ns + WINDOW_NS)

    def _bearer(self, token: str, now_ns: int) -> Login:
        login = self._logins.get(token)
        if login is None or token != login.access or now_ns >= login.until_ns:
            raise RpcError(13009, "the token is not one of ours, or has expired")
        if login.connection:
            raise RpcError(13009, "a token of scope connection is good on its own connection only")
        return login

    def _signed(self, client_id: str, at: str, given: str, lines: tuple[str, ...], now_ns: int) -> None:
        if not hmac.compare_digest(client_id.encode(), self.client_id.encode()):
            raise RpcError(13004)
        if not (at.isascii() and at.isdecimal() and abs(int(at) * MS - now_ns) <= WINDOW_NS):
            raise RpcError(13009, "the timestamp is not within 60 seconds of ours")
        if not hmac.compare_digest(given.encode(), _sum(self._secret, *lines).encode()):
            raise RpcError(13009, "invalid signature")
        if self._live:
            self._used = {known: used_ns for known, used_ns in self._used.items() if used_ns > now_ns - 2 * WINDOW_NS}
            if given in self._used:
                raise RpcError(13009, "the request was sent before: take another nonce")
            self._used[given] = now_ns

    # ------------------------------------------------------------------ logins

    def login(self, asked: Auth, now_ns: int, connection: int = 0) -> Login:
        """Log in; RpcError if the credentials are wrong."""
        if asked.grant_type == "refresh_token":
            old = self._logins.get(asked.refresh_token or "")
            if old is None or asked.refresh_token != old.refresh:
                raise RpcError(13009, "the refresh token is not one of ours, or was used before")
            self.forget(old)
        elif asked.grant_type == "client_credentials":
            right = hmac.compare_digest((asked.client_id or "").encode(), self.client_id.encode())
            if not right & hmac.compare_digest((asked.client_secret or "").encode(), self._secret.encode()):
                raise RpcError(13004)
        else:
            lines = str(asked.timestamp), asked.nonce or "", asked.data
            self._signed(asked.client_id or "", lines[0], asked.signature or "", lines, now_ns)
        return self._grant(asked.scope, now_ns, connection)

    def _grant(self, scope: str, now_ns: int, connection: int) -> Login:
        self._granted += 1
        words = scope.split()
        bound = connection if not any(word.startswith("session:") for word in words) else 0
        if not any(word.startswith("trade:") for word in words):
            words += EVERYTHING.split()
        if bound and "connection" not in words:
            words.insert(0, "connection")
        access, refresh = (_sum(self._secret, what, str(self._granted)) for what in ("access", "refresh"))
        login = Login(" ".join(words), now_ns + (LIVES_S if self._live else TAPE_S) * NS, bound, access, refresh)
        self._logins |= {access: login, refresh: login}
        return login

    def forget(self, login: Login) -> None:
        """Make a login's tokens void."""
        for token in (login.access, login.refresh):
            self._logins.pop(token, None)

    def granted(self, login: Login, now_ns: int) -> dict[str, object]:
        """Return a login as ``public/auth`` answers it."""
        return {
            "access_token": login.access,
            "expires_in": (login.until_ns - now_ns) // NS,
            "refresh_token": login.refresh,
            "scope": login.scope,
            "token_type": "bearer",
        }


def _sum(secret: str, *lines: str) -> str:
    return hmac.new(secret.encode(), "\n".join(lines).encode(), hashlib.sha256).hexdigest()
