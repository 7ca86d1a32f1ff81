"""The client of a Kalshi account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from hedgekit.errors import ConfigError, VenueError
from hedgekit.types import NS, Booked, Instrument, MarketStatus, Order, Reply, Request, Venue
from hedgekit.venues.kalshi import markets, replies, requests
from hedgekit.venues.kalshi.markets import settlements_of
from hedgekit.venues.kalshi.signing import Signer
from hedgekit.venues.kalshi.streams import AccountFeed, MarketFeed
from hedgekit.venues.kalshi.wire import (
    DATA_HOSTS,
    DATA_KEY_ENV,
    KEY_ENV,
    LIVE_DATA_HOSTS,
    LIVE_REST,
    NAME,
    ORDER_HOSTS,
    ORDERS,
    SOCKET,
    budgets,
)


class Kalshi(Venue):
    """The client of one demo account: :class:`hedgekit.types.Venue`.

    Parameters
    ----------
    keys : sequence of str
        Id of the key, and its private key in PEM.
    instruments : sequence of Instrument
        What is traded and quoted: the YES contracts of markets.
    native : mapping of str to str
        Not used: tickers are all that Kalshi wants.

    Raises
    ------
    ConfigError
        If the private key is none.
    """

    name = NAME
    key_env, data_key_env = KEY_ENV, DATA_KEY_ENV
    order_hosts, data_hosts, live_hosts = ORDER_HOSTS, DATA_HOSTS, LIVE_DATA_HOSTS
    reposts = True
    late_ns = 120 * NS  # assumed: Kalshi does not say

    cancel, lookup = staticmethod(requests.cancel), staticmethod(requests.lookup)
    fills, holdings, latest = staticmethod(requests.fills), staticmethod(requests.holdings), staticmethod(requests.latest)
    word_of, error_of, limits_of = staticmethod(replies.word_of), staticmethod(replies.error_of), staticmethod(replies.limits_of)
    state_of, fills_of = staticmethod(replies.state_of), staticmethod(replies.fills_of)
    held_of, latest_of = staticmethod(replies.held_of), staticmethod(replies.latest_of)

    def __init__(
        self,
        keys: Sequence[str],
        instruments: Sequence[Instrument],
        native: Mapping[str, str] = MappingProxyType({}),  # noqa: ARG002 - as above
    ) -> None:
        key_id, pem = keys
        self._signer = Signer(key_id, pem)
        self._instruments = {instrument.key: instrument for instrument in instruments}
        self._tickers = [instrument.symbol for instrument in instruments]

    def gone(self, order: Order, *, known: bool) -> None:
        """Return None: Kalshi's list of orders has those that are over too."""

    @property
    def account_id(self) -> str:
        """The key's id: it names the account."""
        return self._signer.key_id

    def budgets(self, per_minute: int) -> tuple[dict[str, Any], ...]:
        """Return what the venue counts: :func:`~hedgekit.venues.kalshi.wire.budgets`, in orders a minute."""
        return budgets(per_minute or ORDERS)

    def signed(self, request: Request, now_ns: int) -> Mapping[str, str]:
        """Return the headers of a request that leaves now."""
        headers = self._signer.headers(request.method, request.path, now_ns)
        return headers if request.body is None else headers | {"Content-Type": "application/json"}

    def submit(self, order: Order) -> Request:
        """Encode an order: :func:`~hedgekit.venues.kalshi.requests.submit`."""
        return requests.submit(order, self._instrument(order))

    def void(self, order: Order) -> Request:
        """Encode an order that cannot fill: :func:`~hedgekit.venues.kalshi.requests.void`."""
        return requests.void(order, self._instrument(order))

    def booked(self, since_ns: int, until_ns: int, page: str) -> Request:  # noqa: ARG002 - as every client
        """Encode the question for settlements: :func:`~hedgekit.venues.kalshi.requests.settlements`."""
        return requests.settlements(since_ns, page)

    def booked_of(self, request: Request, reply: Reply, ts_ns: int) -> tuple[list[Booked], str]:  # noqa: ARG002 - as every client
        """Return what was settled: :func:`~hedgekit.venues.kalshi.markets.settlements_of`."""
        found, more = settlements_of(reply, ts_ns)
        return [*found], more

    def statuses(self) -> Request:
        """Encode the question for the markets' statuses: the feed tells only changes."""
        return requests.statuses(self._tickers)

    def statuses_of(self, request: Request, reply: Reply, ts_ns: int) -> tuple[list[MarketStatus], None]:  # noqa: ARG002 - as every client
        """Return whether markets can be traded: :func:`~hedgekit.venues.kalshi.markets.statuses_of`."""
        return markets.statuses_of(reply, ts_ns), None

    def scopes(self, stream: str) -> tuple[str, Request]:
        """Ask for the account's keys and their scopes, at the host of the REST API that belongs to a stream's.

        That a key with the scope ``read`` alone may ask this is documented no further than "read": a refusal counts as "not known".
        """
        parts = urlsplit(stream)
        own = f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}"
        base = LIVE_REST if parts.hostname in LIVE_DATA_HOSTS else own.replace("external-api-ws.demo.", "external-api.demo.")
        return base, requests.keys()

    def read_only(self, reply: Reply) -> None:
        """Refuse a key that can do more than read, or of which that is not known: :func:`~hedgekit.venues.kalshi.markets.may_trade`."""
        if reply.status != 200:  # noqa: PLR2004 - OK
            code, message = self.error_of(reply)
            msg = (
                f"kalshi does not say what key {self.account_id!r} may do ({code}: {message}), and without its word no live feed is opened"
            )
            raise VenueError(msg, status=reply.status, code=code)
        if markets.may_trade(reply, self.account_id):
            msg = (
                f"key {self.account_id!r} may trade at Kalshi: hedgekit takes live prices with a key that can only read; "
                f"make one with the scope read and no other, and put it into {' and '.join(DATA_KEY_ENV)}"
            )
            raise ConfigError(msg)

    def market(self, now_ns: int) -> MarketFeed:
        """Return a new feed of books and lifecycles."""
        return MarketFeed(self._signer.headers("GET", SOCKET, now_ns), self._tickers)

    def account(self, now_ns: int) -> AccountFeed:
        """Return a new feed of the account's orders and fills."""
        return AccountFeed(self._signer.headers("GET", SOCKET, now_ns), self._tickers)

    def _instrument(self, order: Order) -> Instrument:
        if order.instrument not in self._instruments:
            msg = f"order {order.order_id} is for {order.instrument}, which this client was not made for"
            raise ConfigError(msg)
        return self._instruments[order.instrument]
