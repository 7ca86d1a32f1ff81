"""The client of a Polymarket account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from hedgekit.errors import ConfigError
from hedgekit.types import NS, Booked, Execution, Instrument, MarketStatus, Order, Reply, Request, State, Venue
from hedgekit.venues.polymarket import replies, requests
from hedgekit.venues.polymarket.account import Account, AccountFeed
from hedgekit.venues.polymarket.books import MarketFeed
from hedgekit.venues.polymarket.signing import Wallet, request_signature, secret_of
from hedgekit.venues.polymarket.tokens import Listing
from hedgekit.venues.polymarket.wire import DATA_HOSTS, KEY_ENV, NAME, ORDER_HOSTS, budgets

_OPEN_TO_ALL = frozenset({"quotes", "market"})
_JSON = {"Content-Type": "application/json"}
_CONDITION = "condition "


class Polymarket(Venue):
    """The client of one wallet that holds its money itself (signature type 0): :class:`hedgekit.types.Venue`.

    Parameters
    ----------
    keys : sequence of str
        Private key, API key, secret and passphrase. The last three may be empty: then it can only ask for them (purpose "auth").
    instruments : sequence of Instrument
        What is traded and quoted; lots of whole shares. Of two that are each other's opposite, the second is quoted alone.
    native : mapping of str to str
        Instrument key to :meth:`Native.text <hedgekit.venues.polymarket.tokens.Native.text>`.

    Raises
    ------
    ConfigError
        If a key is none, a native id is missing, or the extra ``polymarket`` is not installed.
    """

    name = NAME
    key_env = KEY_ENV
    order_hosts, data_hosts = ORDER_HOSTS, DATA_HOSTS
    reposts = True
    late_ns = 120 * NS  # assumed: Polymarket does not say, and its proxy holds requests back rather than refusing them
    beat_ns = 5 * NS
    provisional_ns = 60 * NS  # assumed: a trade is confirmed some seconds after it was matched, or retried, and then fails

    cancel, fills = staticmethod(requests.cancel), staticmethod(requests.fills)
    word_of, error_of, limits_of = staticmethod(replies.word_of), staticmethod(replies.error_of), staticmethod(replies.limits_of)
    budgets, beat_of = staticmethod(budgets), staticmethod(replies.heartbeat_of)

    def __init__(self, keys: Sequence[str], instruments: Sequence[Instrument], native: Mapping[str, str] | None = None) -> None:
        private_key, self._api_key, secret, self._passphrase = keys
        self._wallet, self._secret = Wallet(private_key), secret_of(secret)
        self._key = self._api_key, secret, self._passphrase
        self._listing = Listing(instruments, native or {})
        self._names: dict[str, str] = {}
        self._account = Account(self._listing, self._names, self._wallet.address, self._api_key)

    @property
    def account_id(self) -> str:
        """The wallet's address."""
        return self._wallet.address

    def signed(self, request: Request, now_ns: int) -> Mapping[str, str]:
        """Return the headers of a request: none where anybody may ask, the wallet's (L1) to log in, else the API key's (L2)."""
        if request.purpose in _OPEN_TO_ALL:
            return _JSON
        if request.purpose == "auth":
            return _JSON | self._wallet.login(now_ns)
        if not all(self._key):
            how = "sign requests.make_key() of hedgekit.venues.polymarket with this client (requests.tell_key(), if the wallet has one), "
            how += "send it, and read the answer with replies.key_of"
            msg = f"{' and '.join(KEY_ENV[1:])} are needed to trade; {how}"
            raise ConfigError(msg)
        at_s = now_ns // NS
        return _JSON | {
            "POLY_ADDRESS": self._wallet.address,
            "POLY_SIGNATURE": request_signature(self._secret, request, at_s),
            "POLY_TIMESTAMP": str(at_s),
            "POLY_API_KEY": self._api_key,
            "POLY_PASSPHRASE": self._passphrase,
        }

    # ------------------------------------------------------------------ to send

    def submit(self, order: Order) -> Request:
        """Encode and sign an order, and remember which of ours its hash is: the venue knows it by no other name."""
        request, venue_id = requests.submit(order, self._listing.traded(order.instrument), self._wallet, self._api_key)
        self._names[venue_id] = order.order_id
        return request

    def void(self, order: Order) -> None:  # noqa: ARG002 - as the interface has it
        """Return None: an order's id is the hash of its own words, so no other can take it."""
        return

    def order_id(self, order: Order) -> str:
        """Return the venue's id of an order, known before it is sent: its hash."""
        listed = self._listing.traded(order.instrument)
        fields = requests.signed_fields(order, listed, self._wallet.address)
        return f"0x{self._wallet.order_hash(fields, neg_risk=listed.native.neg_risk).hex()}"

    def lookup(self, order: Order) -> Request:
        """Encode the question for an order by its hash."""
        venue_id = self.order_id(order)
        self._names[venue_id] = order.order_id
        return requests.lookup(order, venue_id)

    def gone(self, order: Order, *, known: bool) -> State:  # noqa: ARG002 - either may have been executed
        """Return what it means that a look-up finds nothing of an order that was there: it is over.

        How much of it was executed is not said: ``filled`` is infinite, and only the trades tell.
        """
        return State(self.order_id(order), over=True, filled=Decimal("Infinity"))

    def holdings(self) -> tuple[Request, ...]:
        """Encode the questions for every token, and for collateral."""
        return requests.holdings(self._listing.all)

    def booked(self, since_ns: int, until_ns: int, page: str) -> Request | None:  # noqa: ARG002 - it is asked how things stand
        """Encode the question for trades, some of which may have failed, then for each condition how it has ended.

        A page is a cursor of trades, or a condition's place among those that are traded. Trades are asked for by the time at which
        they were matched, which is earlier than that at which they fail.
        """
        conditions, place = self._listing.conditions, page.removeprefix(_CONDITION)
        if page == place:
            trades = requests.fills(max(since_ns - self.provisional_ns, 0), page)
            return msgspec.structs.replace(trades, purpose="booked")
        return requests.outcome(conditions[int(place)]) if int(place) < len(conditions) else None

    def statuses(self) -> Request:
        """Encode the question how the first condition stands: the feed has no word for a market that takes no orders."""
        return requests.standing(self._listing.conditions[0])

    def latest(self) -> Request:
        """Encode the question for the present books."""
        return requests.latest(self._listing.quoted)

    def beat(self, last: str) -> Request:
        """Encode a beat of the dead man's switch."""
        return requests.heartbeat(last)

    # -------------------------------------------------------------- what came back

    def state_of(self, request: Request, reply: Reply) -> State:
        """Return the order from the answer to a submit or a look-up."""
        return replies.state_of(request, reply, self._names)

    def fills_of(self, reply: Reply) -> tuple[list[Execution], str]:
        """Return executions, and the cursor of more."""
        return replies.fills_of(self._account, reply)

    def held_of(self, replies_: Sequence[Reply]) -> tuple[dict[str, Decimal], Decimal]:
        """Return signed quantity by instrument key, and cash: :func:`~hedgekit.venues.polymarket.replies.held_of`."""
        return replies.held_of(self._listing.all, replies_)

    def booked_of(self, request: Request, reply: Reply, ts_ns: int) -> tuple[list[Booked], str]:
        """Return which trades have failed, or how a condition has ended: :func:`~hedgekit.venues.polymarket.replies.outcome_of`."""
        conditions = self._listing.conditions
        places = [n for n, condition in enumerate(conditions) if requests.outcome(condition).path == request.path]
        if not places:
            failed, cursor = replies.failed_of(self._account, reply, ts_ns)
            return [*failed], cursor or f"{_CONDITION}0"
        found = replies.outcome_of([one for one in self._listing.all if one.native.condition == conditions[places[0]]], reply, ts_ns)
        return [*found], f"{_CONDITION}{places[0] + 1}" if places[0] + 1 < len(conditions) else ""

    def statuses_of(self, request: Request, reply: Reply, ts_ns: int) -> tuple[list[MarketStatus], Request | None]:
        """Return whether the instruments of a condition can be traded, and the question for the next one."""
        conditions = self._listing.conditions
        place = next(n for n, one in enumerate(conditions) if requests.standing(one).path == request.path)
        found = replies.statuses_of([one.key for one in self._listing.all if one.native.condition == conditions[place]], reply, ts_ns)
        return found, requests.standing(conditions[place + 1]) if place + 1 < len(conditions) else None

    def latest_of(self, reply: Reply) -> dict[str, int]:
        """Return the venue's time of the present books by instrument key."""
        return replies.latest_of(self._listing, reply)

    # ------------------------------------------------------------------- streams

    def market(self, now_ns: int) -> MarketFeed:
        """Return a new market feed."""
        return MarketFeed(self._listing, now_ns)

    def account(self, now_ns: int) -> AccountFeed:  # noqa: ARG002 - it signs no time
        """Return a new feed of the account's orders."""
        return AccountFeed(self._account, self._key, [one.native.condition for one in self._listing.all])
