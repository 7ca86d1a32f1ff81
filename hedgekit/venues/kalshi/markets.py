"""What can be traded, in which steps, as the venue's answers say it: read by discovery, not by a session.

A price is valid if it is a whole number of steps above the start of its band. ``Instrument.tick`` is one number, so it is the
coarsest step (:func:`~hedgekit.venues.kalshi.ladder.coarsest`), whose multiples are valid in every band of the venue's structures
as far as they are documented.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from hedgekit.errors import VenueError
from hedgekit.types import Fees, Instrument, Kind, MarketStatus, Reply, Settled
from hedgekit.venues.kalshi.ladder import Band, coarsest
from hedgekit.venues.kalshi.messages import Range, bands
from hedgekit.venues.kalshi.wire import NAME, Count, Dollars, Moment, decode, key_of, ns_of, yes_price
from hedgekit.venues.reading import Name

LOT = Decimal("0.01")
"""The least that can be ordered; whether a market takes less than one contract was not verified."""

_STATUSES: dict[str, Literal["open", "closed", "paused"]] = {
    "active": "open",
    "inactive": "paused",
    **dict.fromkeys(("initialized", "closed", "determined", "disputed", "amended", "finalized"), "closed"),
}


# ---------------------------------------------------------------------- markets


class _Market(msgspec.Struct):
    ticker: Name
    event_ticker: Name
    market_type: Literal["binary", "scalar"]
    status: str
    price_ranges: list[Range]
    notional_value_dollars: Dollars
    settlement_value_dollars: Dollars | None = None
    settlement_ts: Moment | None = None


class _Markets(msgspec.Struct):
    markets: list[_Market]
    cursor: str


class _State(msgspec.Struct):
    ticker: Name
    status: str


class _States(msgspec.Struct):
    markets: list[_State]


def statuses_of(reply: Reply, ts_ns: int) -> list[MarketStatus]:
    """Return whether markets can be traded, from the answer to :func:`hedgekit.venues.kalshi.requests.statuses`.

    Raises
    ------
    VenueError
        If it cannot be read, or a status is unknown.
    """
    found: _States = decode(reply.body, _States, "markets")
    if strange := [one for one in found.markets if one.status not in _STATUSES]:
        msg = f"kalshi: market {strange[0].ticker[:60]!r} has status {strange[0].status[:40]!r}, which is not understood"
        raise VenueError(msg)
    return [MarketStatus(ts_ns=ts_ns, instrument=key_of(one.ticker), status=_STATUSES[one.status]) for one in found.markets]


class Listing(NamedTuple):
    """A market as listed. ``payout``: what YES pays, None until that is determined; ``scalar``: it may pay anything from 0 to 1."""

    instrument: Instrument
    event: str
    scalar: bool
    status: Literal["open", "closed", "paused"]
    bands: tuple[Band, ...]
    payout: Decimal | None


def markets_of(reply: Reply, fees: Fees, lot: Decimal = Decimal(1)) -> tuple[list[Listing], str]:
    """Return markets, and the cursor of the next page; empty for the last.

    Parameters
    ----------
    reply : Reply
        The answer to :func:`hedgekit.venues.kalshi.requests.markets`.
    fees : Fees
        What is charged for them; not said here.
    lot : Decimal
        The instruments' lot: whole contracts, unless :data:`LOT` is known to be taken.

    Raises
    ------
    VenueError
        If it cannot be read, a status is unknown, or a contract does not pay 1.
    """
    page: _Markets = decode(reply.body, _Markets, "markets")
    return [_listing(market, fees, lot) for market in page.markets], page.cursor


def _listing(market: _Market, fees: Fees, lot: Decimal) -> Listing:
    if market.status not in _STATUSES or Decimal(market.notional_value_dollars) != 1:
        msg = f"kalshi: market {market.ticker[:60]!r} has status {market.status!r} and pays {market.notional_value_dollars}: not understood"
        raise VenueError(msg)
    ladder = bands(market.price_ranges)
    instrument = Instrument(NAME, market.ticker, Kind.BINARY, tick=coarsest(ladder), lot=lot, fees=fees)
    payout = None if market.settlement_value_dollars is None else yes_price(market.settlement_value_dollars, "a market")
    return Listing(instrument, market.event_ticker, market.market_type == "scalar", _STATUSES[market.status], ladder, payout)


# ------------------------------------------------------- settlements and account


class _Settlement(msgspec.Struct):
    ticker: Name
    market_result: Literal["yes", "no", "scalar"]
    settled_time: Moment
    yes_count_fp: Count
    no_count_fp: Count
    value: int | None = None


class _Settlements(msgspec.Struct):
    settlements: list[_Settlement]
    cursor: str


def settlements_of(reply: Reply, ts_ns: int) -> tuple[list[Settled], str]:
    """Return what was settled, and the cursor of the next page; empty for the last. Cents of a scalar market may be rounded."""
    page: _Settlements = decode(reply.body, _Settlements, "settlements")
    return [Settled(ts_ns, key_of(one.ticker), ns_of(one.settled_time), _value(one), final=True) for one in page.settlements], page.cursor


def _value(one: _Settlement) -> Decimal | None:
    if one.market_result != "scalar":
        return Decimal(one.market_result == "yes")
    if one.value is not None and not 0 <= one.value <= 100:  # noqa: PLR2004 - cents of what a contract pays
        msg = f"kalshi: {one.ticker[:60]!r} was settled at {one.value} cents, which is not between 0 and 100"
        raise VenueError(msg)
    return None if one.value is None else Decimal(one.value) / 100


class _ApiKey(msgspec.Struct):
    api_key_id: Name
    scopes: list[str]


class _ApiKeys(msgspec.Struct):
    api_keys: list[_ApiKey]


def may_trade(reply: Reply, key_id: str) -> bool:
    """Return whether a key can do more than read (L8): any scope that is not ``read`` or one of its children counts.

    Raises
    ------
    VenueError
        If the answer does not name the key.
    """
    found: _ApiKeys = decode(reply.body, _ApiKeys, "keys")
    scopes = [one.scopes for one in found.api_keys if one.api_key_id == key_id]
    if len(scopes) != 1:
        msg = f"kalshi: {len(scopes)} keys are listed under the id of this one; its scopes are not known"
        raise VenueError(msg)
    return any(scope.partition("::")[0] != "read" or "trade" in scope for scope in scopes[0])
