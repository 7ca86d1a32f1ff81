"""The client of a Deribit account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from hedgekit.types import Booked, Execution, Instrument, Order, Reply, Request, State, Venue
from hedgekit.venues.deribit import replies, requests
from hedgekit.venues.deribit.account import AccountFeed
from hedgekit.venues.deribit.market import MarketFeed
from hedgekit.venues.deribit.signing import authorization
from hedgekit.venues.deribit.units import Units
from hedgekit.venues.deribit.wire import DATA_HOSTS, KEY_ENV, LIFETIME_NS, NAME, ORDER_HOSTS, ORDERS, SKEW_NS, budgets

_JSON = {"Content-Type": "application/json"}


class Deribit(Venue):
    """The client of one account: :class:`hedgekit.types.Venue`.

    Parameters
    ----------
    keys : sequence of str
        Client id and client secret.
    instruments : sequence of Instrument
        Perpetuals that are traded and quoted.
    native : mapping of str to str, optional
        Ignored: Deribit's symbols are all that it needs.

    Raises
    ------
    ConfigError
        If an instrument is no perpetual, or its kind or multiplier is wrong.
    """

    name = NAME
    key_env = KEY_ENV
    order_hosts, data_hosts = ORDER_HOSTS, DATA_HOSTS
    reposts = False
    late_ns = LIFETIME_NS + SKEW_NS

    cancel, lookup = staticmethod(requests.cancel), staticmethod(requests.lookup)
    word_of, error_of, limits_of = staticmethod(replies.word_of), staticmethod(replies.error_of), staticmethod(replies.limits_of)
    latest_of = staticmethod(replies.latest_of)

    def __init__(self, keys: Sequence[str], instruments: Sequence[Instrument], native: Mapping[str, str] | None = None) -> None:  # noqa: ARG002 - see there
        key, secret = keys
        self._keys = key, secret
        self._units = Units(instruments)

    def gone(self, order: Order, *, known: bool) -> State | None:  # noqa: ARG002 - as every client
        """Return what it means that a label is not found any more: Deribit forgets an order half an hour after its end.

        How much of it was executed is not said: ``filled`` is infinite, and only the trades tell.
        """
        return State("", over=True, filled=Decimal("Infinity")) if known else None

    @property
    def account_id(self) -> str:
        """The client id: it names the account."""
        return self._keys[0]

    def budgets(self, per_minute: int) -> tuple[dict[str, Any], ...]:
        """Return what the venue counts: :func:`~hedgekit.venues.deribit.wire.budgets`."""
        return budgets(per_minute or ORDERS)

    def signed(self, request: Request, now_ns: int) -> Mapping[str, str]:
        """Return the headers of a request that leaves now; a question for quotes is public, and gets no signature."""
        if request.purpose in ("quotes", "instruments"):
            return _JSON
        return {**_JSON, "Authorization": authorization(*self._keys, request, now_ns)}

    # ------------------------------------------------------------------ to send

    def submit(self, order: Order) -> Request:
        """Encode an order: :func:`~hedgekit.venues.deribit.requests.submit`."""
        return requests.submit(self._units, order)

    def void(self, order: Order) -> None:
        """Return nothing: no order can take another one's label."""

    def fills(self, since_ns: int, page: str) -> Request:
        """Encode the question for executions: :func:`~hedgekit.venues.deribit.requests.fills`."""
        return requests.fills(self._units, since_ns, page)

    def holdings(self) -> tuple[Request, ...]:
        """Encode the questions for what is held: :func:`~hedgekit.venues.deribit.requests.holdings`."""
        return requests.holdings(self._units)

    def booked(self, since_ns: int, until_ns: int, page: str) -> Request:
        """Encode the question for funding that was booked: :func:`~hedgekit.venues.deribit.requests.booked`."""
        return requests.booked(self._units, since_ns, until_ns, page)

    def latest(self) -> Request | None:
        """Encode the question for the latest quotes: :func:`~hedgekit.venues.deribit.requests.latest`."""
        return requests.latest(self._units)

    # -------------------------------------------------------------- what came back

    def state_of(self, request: Request, reply: Reply) -> State:
        """Return an order: :func:`~hedgekit.venues.deribit.replies.state_of`."""
        return replies.state_of(self._units, request, reply)

    def fills_of(self, reply: Reply) -> tuple[list[Execution], str]:
        """Return executions: :func:`~hedgekit.venues.deribit.replies.fills_of`."""
        return replies.fills_of(self._units, reply)

    def held_of(self, replied: Sequence[Reply]) -> tuple[dict[str, Decimal], Decimal]:
        """Return positions and the balance: :func:`~hedgekit.venues.deribit.replies.held_of`."""
        return replies.held_of(self._units, replied)

    def booked_of(self, request: Request, reply: Reply, ts_ns: int) -> tuple[list[Booked], str]:  # noqa: ARG002 - as every client
        """Return funding that was booked: :func:`~hedgekit.venues.deribit.replies.booked_of`."""
        return replies.booked_of(self._units, reply, ts_ns)

    # ------------------------------------------------------------------- streams

    def market(self, now_ns: int) -> MarketFeed:
        """Return a new market feed."""
        return MarketFeed([(name, self._units.multiplier(name)) for name in self._units.symbols], now_ns)

    def account(self, now_ns: int) -> AccountFeed:
        """Return a new feed of the account's orders."""
        return AccountFeed(self._keys, self._units, now_ns)
