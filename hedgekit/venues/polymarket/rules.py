"""A market's rules as the venue tells them: ticks, smallest sizes, fees."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import NamedTuple

import msgspec

from hedgekit.errors import VenueError
from hedgekit.types import Fees, Instrument, Kind, Reply
from hedgekit.venues.polymarket.tokens import Native
from hedgekit.venues.polymarket.wire import NAME, decode
from hedgekit.venues.reading import Name

TICKS = tuple(Decimal(tick) for tick in ("0.1", "0.01", "0.005", "0.0025", "0.001", "0.0001"))
_FEE = Decimal("0.00001")
_ROOM = Context(prec=200)


def fee(size: Decimal, price: Decimal, rate: Decimal, exponent: int = 1) -> Decimal:
    """Return what a taker pays, in collateral: size x rate x (p (1 - p)) ** exponent, to five decimals; makers pay nothing.

    The documents do not say which way a half is rounded; here it is up.
    """
    raw = _ROOM.multiply(_ROOM.multiply(size, rate), _ROOM.power(_ROOM.multiply(price, 1 - price), exponent))
    return raw.quantize(_FEE, ROUND_HALF_UP, _ROOM)


class Market(NamedTuple):
    """One condition: its two outcomes as (token, name), and its rules.

    ``least`` is the smallest size of an order that rests, ``accepts`` whether it takes orders now.
    """

    condition: str
    outcomes: tuple[tuple[str, str], tuple[str, str]]
    tick: Decimal
    least: Decimal
    neg_risk: bool
    accepts: bool
    rate: Decimal
    exponent: int

    def instrument(self, symbol: str, outcome: str) -> tuple[Instrument, Native]:
        """Return an outcome as an instrument, and its native id.

        Its ``fees`` are a bound, not the fee: ``rate`` of the notional, which p (1 - p) never exceeds while the exponent is 1.

        Raises
        ------
        VenueError
            If it has no such outcome.
        """
        names = [name for _, name in self.outcomes]
        if outcome not in names:
            msg = f"polymarket: {self.condition[:80]} has outcomes {names}, none is {outcome!r}"
            raise VenueError(msg)
        own = names.index(outcome)
        (token, _), (opposite, _) = self.outcomes[own], self.outcomes[1 - own]
        fees = Fees(rate=self.rate, quantum=_FEE)
        instrument = Instrument(NAME, symbol, Kind.BINARY, tick=self.tick, lot=Decimal(1), fees=fees)
        return instrument, Native(token, opposite, self.condition, self.neg_risk, self.rate, self.exponent)


class _Token(msgspec.Struct):
    t: Name
    o: str


class _Fee(msgspec.Struct):
    r: Decimal = Decimal(0)
    e: int = 1


class _Market(msgspec.Struct):
    c: Name
    t: tuple[_Token, _Token]
    mts: Decimal
    mos: Decimal
    nr: bool = False
    fd: _Fee | None = None
    ao: bool = False
    v: str = "v1"


def market_of(reply: Reply) -> Market:
    """Return a market from the answer to :func:`~hedgekit.venues.polymarket.requests.market`.

    Raises
    ------
    VenueError
        If it cannot be read, or is one that this client cannot sign orders for.
    """
    found: _Market = decode(reply.body, _Market, "market")
    paid = found.fd or _Fee()
    if found.mts not in TICKS or found.v != "v1" or not (paid.r.is_finite() and paid.r >= 0 and 0 <= paid.e < 10):  # noqa: PLR2004 - no venue has more
        msg = (
            f"polymarket: market {found.c[:80]!r} has version {found.v[:20]!r}, tick {found.mts} and fee rate {paid.r} "
            f"with exponent {paid.e}; known are v1 and ticks {', '.join(map(str, TICKS))}"
        )
        raise VenueError(msg)
    outcomes = (found.t[0].t, found.t[0].o), (found.t[1].t, found.t[1].o)
    return Market(found.c, outcomes, found.mts, found.mos, found.nr, found.ao, paid.r, paid.e)
