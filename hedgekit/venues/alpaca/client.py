"""The client of an Alpaca account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from hedgekit.types import NS, Instrument, Order, Request, Venue
from hedgekit.venues.alpaca import replies, requests
from hedgekit.venues.alpaca.streams import AccountFeed, MarketFeed
from hedgekit.venues.alpaca.wire import DATA_HOSTS, KEY_ENV, NAME, ORDER_HOSTS, REQUESTS, budgets, symbol


class Alpaca(Venue):
    """The client of one paper account: :class:`hedgekit.types.Venue`.

    Parameters
    ----------
    keys : sequence of str
        Key and secret.
    instruments : sequence of Instrument
        What is traded and quoted.
    native : mapping of str to str
        Not used: symbols are all that Alpaca wants.
    """

    name = NAME
    key_env = KEY_ENV
    order_hosts, data_hosts = ORDER_HOSTS, DATA_HOSTS
    reposts = True
    late_ns = 120 * NS  # assumed: Alpaca does not say

    submit, void = staticmethod(requests.submit), staticmethod(requests.void)
    cancel, lookup = staticmethod(requests.cancel), staticmethod(requests.lookup)
    fills, holdings = staticmethod(requests.fills), staticmethod(requests.holdings)
    word_of, error_of, limits_of = staticmethod(replies.word_of), staticmethod(replies.error_of), staticmethod(replies.limits_of)
    state_of, fills_of = staticmethod(replies.state_of), staticmethod(replies.fills_of)
    held_of, latest_of = staticmethod(replies.held_of), staticmethod(replies.latest_of)

    def __init__(
        self,
        keys: Sequence[str],
        instruments: Sequence[Instrument],
        native: Mapping[str, str] = MappingProxyType({}),  # noqa: ARG002 - as above
    ) -> None:
        key, secret = keys
        self._keys = key, secret
        self._symbols = [symbol(instrument.key) for instrument in instruments]
        self._headers = requests.headers(key, secret)

    def gone(self, order: Order, *, known: bool) -> None:
        """Return None: Alpaca knows an order for ever."""

    @property
    def account_id(self) -> str:
        """The key: it names the account."""
        return self._keys[0]

    def budgets(self, per_minute: int) -> tuple[dict[str, Any], ...]:
        """Return what the venue counts: :func:`~hedgekit.venues.alpaca.wire.budgets`."""
        return budgets(per_minute or REQUESTS)

    def signed(self, request: Request, now_ns: int) -> Mapping[str, str]:  # noqa: ARG002 - the keys are all that Alpaca wants
        """Return the headers of a request: the keys themselves."""
        return self._headers

    def latest(self) -> Request:
        """Encode the question for the latest quotes."""
        return requests.latest(self._symbols)

    def market(self, now_ns: int) -> MarketFeed:  # noqa: ARG002 - Alpaca signs no time
        """Return a new market feed."""
        return MarketFeed(self._keys, self._symbols)

    def account(self, now_ns: int) -> AccountFeed:  # noqa: ARG002 - as above
        """Return a new feed of the account's orders."""
        return AccountFeed(self._keys, self._symbols)
