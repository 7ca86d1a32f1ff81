"""Deribit's methods, without sockets: a call goes in, an answer comes out. The same methods are served over HTTP and on sockets.

Over HTTP a method is a path: ``GET /api/v2/public/ticker?instrument_name=...``, or ``POST`` of a JSON-RPC request to it.
What belongs to a connection (logins that last, subscriptions, heartbeats, cancel on disconnect) is in ``deribit_socket.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from hedgekit.exchange.faults import FaultKind
from hedgekit.sandbox.calls import UNREADABLE, Answer, Call
from hedgekit.sandbox.skins import deribit_params as ask
from hedgekit.sandbox.skins.deribit_private import Private
from hedgekit.sandbox.skins.deribit_public import Public
from hedgekit.sandbox.skins.deribit_wire import RpcError, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from hedgekit.exchange.faults import Fault, Purpose
    from hedgekit.sandbox.skins.deribit_auth import Gate, Login
    from hedgekit.sandbox.skins.deribit_limits import Limits
    from hedgekit.sandbox.skins.deribit_socket import Connection

ROOT = "/api/v2"
ON_SOCKETS = frozenset(
    {
        *(f"public/{name}" for name in ("set_heartbeat", "disable_heartbeat", "subscribe", "unsubscribe", "unsubscribe_all")),
        *(f"private/{name}" for name in ("subscribe", "unsubscribe", "unsubscribe_all", "logout")),
        *(f"private/{name}_cancel_on_disconnect" for name in ("enable", "disable", "get")),
    }
)
"""Methods that belong to a connection."""


class Rpc(msgspec.Struct, forbid_unknown_fields=True):
    """A JSON-RPC request."""

    method: str
    jsonrpc: str = "2.0"
    id: int | str | None = None
    params: msgspec.Raw = msgspec.Raw(b"{}")


@dataclass(frozen=True, slots=True)
class SocketCall(Call):
    """A request that came on a socket."""

    connection: Connection | None = None


class Asked(NamedTuple):
    """A request, taken apart: the method, its id, and what reads its parameters."""

    method: str
    number: int | str | None
    read: Callable[[Any], Any]


class Api:
    """Answers calls.

    Parameters
    ----------
    gate : Gate
        Who may call.
    limits : Limits
        How often.
    public, private : Public, Private
        What the methods do.
    now, shift : callable
        The timeline's time, nanoseconds, and how far the venue's clock is off.
    """

    def __init__(  # noqa: PLR0913 - the parts that it joins
        self, gate: Gate, limits: Limits, public: Public, private: Private, *, now: Callable[[], int], shift: Callable[[], int]
    ) -> None:
        self.gate, self.limits, self._now, self._shift = gate, limits, now, shift
        self._methods = public.methods() | private.methods()

    @property
    def now_ns(self) -> int:
        """The timeline's time."""
        return self._now()

    @property
    def clock_ns(self) -> int:
        """The venue's clock."""
        return self._now() + self._shift()

    def answer(self, call: Call) -> Answer:
        """Do what a call asks, now."""
        number: int | str | None = None
        try:
            asked = asked_of(call)
            number = asked.number
            connection = call.connection if isinstance(call, SocketCall) else None
            return answer(self.clock_ns, number, result=self._do(asked, call, connection))
        except RpcError as refused:
            return answer(self.clock_ns, number, error=refused)

    def admit(self, method: str, login: Login | None) -> None:
        """Count a call, and refuse one that is not allowed.

        Raises
        ------
        RpcError
            Then.
        """
        self.limits.take(method, self._now())
        if method.startswith("private/") and (login is None or self._now() >= login.until_ns):
            raise RpcError(13009, "log in first: public/auth" if login is None else "the login has expired: public/auth")

    def _do(self, asked: Asked, call: Call, connection: Connection | None) -> object:
        method = asked.method
        if method in ON_SOCKETS and connection is None:
            raise RpcError(10030)
        if method == "public/auth" and connection is None:
            self.admit(method, None)
            return self.gate.granted(self.gate.login(asked.read(ask.Auth), self._now()), self._now())
        if method not in self._methods:
            raise RpcError(-32601, f"no method {method[:60]!a}, or it is not simulated")
        login = None
        if method.startswith("private/"):
            login = connection.login if connection is not None else self.gate.caller(call, self._now())
            if login is not None and method in PLACING:
                login.require(method)
        self.admit(method, login)
        kind, act = self._methods[method]
        return act(asked.read(kind), connection)


PLACING = frozenset({"private/buy", "private/sell", "private/close_position"})


def asked_of(call: Call) -> Asked:
    """Take a request apart.

    Raises
    ------
    RpcError
        If it is none.
    """
    if not (call.path == ROOT or call.path.startswith(f"{ROOT}/")):
        raise RpcError(-32601, f"{call.path[:60]!a} is not below {ROOT}/")
    named = call.path[len(ROOT) + 1 :]
    if call.method == "GET":
        if call.body:
            raise RpcError(11050, "a GET has no body")
        return Asked(named, None, lambda kind: ask.of_query(call.query, kind))
    if call.method != "POST":
        raise RpcError(11050, f"{call.method} is not GET or POST")
    if not isinstance(call, SocketCall):
        if call.query:
            raise RpcError(11050, "a POST has its parameters in its body")
        if not call.headers.get("Content-Type", "").startswith("application/json"):
            raise RpcError(13018, "Content-Type must be application/json")
    rpc = rpc_of(call.body)
    if named and named != rpc.method:
        raise RpcError(11050, f"the path says {named[:60]!a}, the body {rpc.method[:60]!a}")
    return Asked(rpc.method, rpc.id, lambda kind: ask.of_json(bytes(rpc.params), kind))


def rpc_of(body: bytes) -> Rpc:
    """Read a JSON-RPC request; RpcError if it is none."""
    try:
        rpc = msgspec.json.decode(body, type=Rpc)
    except msgspec.ValidationError as bad:
        raise RpcError(-32600, str(bad)) from None
    except UNREADABLE:
        raise RpcError(-32700) from None
    if rpc.jsonrpc != "2.0":
        raise RpcError(-32600, "jsonrpc must be 2.0")
    return rpc


def purpose_of(call: Call) -> Purpose:
    """Return what a request is for, as faults count it."""
    try:
        method = asked_of(call).method
    except RpcError:
        return "query"
    if method in PLACING:
        return "submit"
    return "cancel" if method.startswith("private/cancel") else "query"


FAULTS = {
    FaultKind.TOO_MANY: (10028, 429),
    FaultKind.TOO_EARLY: (10040, 425),
    FaultKind.ERROR_500: (11094, 500),
    FaultKind.UNAVAILABLE_503: (11051, 503),
}
"""Deribit's code, and the HTTP status, of a venue that fails."""


def failure(fault: Fault, clock_ns: int) -> Answer:
    """Return the answer of a failing venue, or of a gateway before it, which does not speak JSON-RPC."""
    if fault.kind not in FAULTS:
        return Answer(504, "Gateway Time-out")
    code, status = FAULTS[fault.kind]
    wait = round(fault.seconds) if fault.seconds else None
    told = answer(clock_ns, error=RpcError(code, "rate limit exceeded" if code == 10028 else None, wait=wait))  # noqa: PLR2004 - too_many_requests
    return Answer(status, told.body, {} if wait is None else {"Retry-After": str(wait)})
