"""The account's socket and its trades: acknowledgements, executions, ends, and executions undone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Literal

import msgspec

from hedgekit.errors import VenueError
from hedgekit.types import Ack, Cancelled, Execution, Fill, Login, Reject, Update
from hedgekit.venues.polymarket.requests import AT_ONCE
from hedgekit.venues.polymarket.rules import fee
from hedgekit.venues.polymarket.tokens import Listing, Side, Trade
from hedgekit.venues.polymarket.wire import PING, PONG, amount, in_force, parse_time, price, unread
from hedgekit.venues.reading import UNREADABLE, Name

_DUST = Decimal("0.01")
"""By so many shares a matched order's size may differ from what was ordered."""

_PENDING = frozenset({"MATCHED", "MATCHED_NOT_BROADCASTED", "MINED", "CONFIRMED", "RETRYING"})
_UNDONE = "FAILED"


class Reversal(Execution):
    """That an execution failed on the chain: the opposite of it, under an id of its own."""

    def fill(self, order_id: str, ts_ns: int) -> Fill:
        """Return it as an event of an order of ours."""
        return msgspec.structs.replace(super().fill(order_id, ts_ns), cause="reversal")


class _Maker(msgspec.Struct):
    order_id: Name
    matched_amount: str
    price: str
    asset_id: Name
    owner: str = ""
    maker_address: str = ""


class TradeMessage(msgspec.Struct, tag_field="event_type", tag="trade"):
    """A trade as stream and list tell it."""

    id: Name
    taker_order_id: Name
    asset_id: Name
    side: Side
    size: str
    price: str
    status: str
    maker_orders: tuple[_Maker, ...] | None = None
    trader_side: Literal["TAKER", "MAKER"] | None = None
    match_time: str = ""
    matchtime: str = ""
    timestamp: str = ""

    @property
    def undone(self) -> bool:
        """Whether it failed on the chain; VenueError for a status that is not known."""
        status = self.status.removeprefix("TRADE_STATUS_")
        if status not in _PENDING and status != _UNDONE:
            msg = f"polymarket: trade {self.id[:80]!r} has status {self.status[:40]!r}, which is not understood"
            raise VenueError(msg)
        return status == _UNDONE


class OrderMessage(msgspec.Struct, tag_field="event_type", tag="order"):
    """An order as the stream tells it."""

    id: Name
    type: Literal["PLACEMENT", "UPDATE", "CANCELLATION"]
    original_size: str
    size_matched: str
    status: str | None = None
    order_type: str | None = None


def ends(status: str, order_type: str | None, size: Decimal, matched: Decimal) -> bool:
    """Return whether an order of that status is over; VenueError for a status that is not known.

    MATCHED is the end of an order that executes at once or not at all, and of one that was matched but for dust; another's rest works on.
    """
    status = status.upper().removeprefix("ORDER_STATUS_")
    if status in ("LIVE", "DELAYED", "UNMATCHED"):  # the last: it was to match at once, did not, and rests
        return False
    if status == "MATCHED":
        return order_type in AT_ONCE or size - matched <= _DUST
    if status == "INVALID" or status.startswith("CANCELED"):  # with a reason, or a sentence
        return True
    msg = f"polymarket: order status {status[:60]!r} is not understood"
    raise VenueError(msg)


class Account:
    """Whose orders are whose: reads trades as executions of the account.

    Parameters
    ----------
    listing : Listing
        What is traded.
    names : mapping of str to str
        The venue's order id to ours; it grows as orders are encoded.
    address, owner : str
        The wallet's, and the API key, by which the account is known as a maker.
    """

    def __init__(self, listing: Listing, names: Mapping[str, str], address: str, owner: str) -> None:
        self._listing, self._names, self._owners = listing, names, {address.lower(), owner.lower()} - {""}

    def name(self, venue_id: str) -> str:
        """Return our id of an order; one that is not ours keeps the venue's."""
        return self._names.get(venue_id, venue_id)

    def executions(self, trade: TradeMessage) -> Iterator[Execution]:
        """Return the account's own executions in a trade: as its taker, as one or more of its makers, or as both.

        The execution's id is the trade's and the order's: a trade has one taker and any number of makers. Of a trade that has
        failed each is followed by its :class:`Reversal`: who has not heard that it was matched learns both.
        """
        for one in self._executions(trade):
            yield one
            if trade.undone:
                undone = one._replace(fill_id=f"{trade.id}-reversed/{one.venue_order_id}", qty=-one.qty, fee=-one.fee)
                yield Reversal(*undone)

    def _executions(self, trade: TradeMessage) -> Iterator[Execution]:
        at = trade.match_time or trade.matchtime or trade.timestamp
        venue_ns = parse_time(at)
        if trade.trader_side == "TAKER" or trade.taker_order_id in self._names:
            told = Trade(trade.asset_id, trade.side, amount(trade.size, "a trade's size"), price(trade.price, "a trade's price"))
            yield self._execution(trade, trade.taker_order_id, told, venue_ns, taker=True)
        other: Side = "SELL" if trade.side == "BUY" else "BUY"
        for maker in trade.maker_orders or ():
            if maker.order_id not in self._names and not {maker.owner.lower(), maker.maker_address.lower()} & self._owners:
                continue  # somebody else's
            side = other if maker.asset_id == trade.asset_id else trade.side  # of the other token: sets are made, or merged
            size, paid = amount(maker.matched_amount, "a maker's size"), price(maker.price, "a maker's price")
            yield self._execution(trade, maker.order_id, Trade(maker.asset_id, side, size, paid), venue_ns, taker=False)

    def _execution(self, trade: TradeMessage, venue_id: str, told: Trade, venue_ns: int, *, taker: bool) -> Execution:
        if not told.size:
            msg = f"polymarket: trade {trade.id[:80]!r} has size 0"
            raise VenueError(msg)
        listed = self._listing.by_token.get(told.token)
        qty, paid = listed.read(told) if listed else (told.size if told.side == "BUY" else -told.size, told.price)
        cost = fee(told.size, told.price, listed.native.rate, listed.native.exponent) if listed and taker else Decimal(0)
        return Execution(venue_id, f"{trade.id}/{venue_id}", self._listing.key(told.token), venue_ns, qty, paid, cost)


_FRAMES = msgspec.json.Decoder(TradeMessage | OrderMessage | list[TradeMessage | OrderMessage])


class AccountFeed:
    """One socket of the account's orders and trades.

    Parameters
    ----------
    account : Account
        Whose.
    key : tuple of str
        API key, secret and passphrase.
    conditions : sequence of str
        What is to be told of.
    """

    beat: bytes | None = PING

    def __init__(self, account: Account, key: tuple[str, str, str], conditions: Sequence[str]) -> None:
        self._account, self._key, self._conditions = account, key, conditions
        self._undone: set[str] = set()
        self._early: list[bytes | str] = []
        self.headers: dict[str, str] = {}

    def login(self) -> Login:
        """Subscribe; the venue answers nothing, and ends a socket that it does not accept."""
        api_key, secret, passphrase = self._key
        auth = {"apiKey": api_key, "secret": secret, "passphrase": passphrase}
        yield from in_force(msgspec.json.encode({"type": "user", "auth": auth, "markets": self._conditions}), self._early)

    def to_say(self) -> list[bytes]:
        """Return nothing: Polymarket asks nothing."""
        return []

    def take(self, frame: bytes | str, ts_ns: int) -> list[Update]:
        """Return what a frame tells.

        A trade is told again with each of its statuses, under the same id; when it has failed, what comes late is not told any more.
        """
        if self._early:
            frames, self._early = [*self._early, frame], []
            return [update for one in frames for update in self.take(one, ts_ns)]
        if frame in PONG:
            return []
        try:
            found = _FRAMES.decode(frame)
        except UNREADABLE as error:
            what = "account's frame"
            raise unread(frame, what, error) from error
        told: list[Update] = []
        for message in found if isinstance(found, list) else [found]:
            told += self._trade(message, ts_ns) if isinstance(message, TradeMessage) else self._order(message, ts_ns)
        return told

    def _trade(self, trade: TradeMessage, ts_ns: int) -> Iterator[Update]:
        if trade.id in self._undone:
            return
        if trade.undone:
            self._undone.add(trade.id)
        for one in self._account.executions(trade):
            yield Update(one.fill(self._account.name(one.venue_order_id), ts_ns))

    def _order(self, order: OrderMessage, ts_ns: int) -> Iterator[Update]:
        name, status = self._account.name(order.id), order.status or "LIVE"
        size, matched = amount(order.original_size, "an order's size"), amount(order.size_matched, "an order's matched size")
        if order.type == "CANCELLATION":
            yield Update(Cancelled(ts_ns=ts_ns, order_id=name), matched)
        elif not ends(status, order.order_type, size, matched):
            yield Update(Ack(ts_ns=ts_ns, order_id=name, venue_order_id=order.id), matched)
        elif status == "INVALID" and not matched:
            yield Update(Reject(ts_ns=ts_ns, order_id=name, code=status, message="found invalid after it was accepted"), matched)
        else:
            yield Update(Cancelled(ts_ns=ts_ns, order_id=name), matched)
