"""An instrument's two tokens, and how an order or a trade in them reads as one in the instrument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

import msgspec

from hedgekit.errors import ConfigError
from hedgekit.types import Instrument
from hedgekit.venues.polymarket.wire import NAME
from hedgekit.venues.reading import UNREADABLE

Side = Literal["BUY", "SELL"]
_IDS = 2**256


class Native(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the venue knows an instrument by; as JSON text it is the instrument's native id.

    Parameters
    ----------
    token, opposite : str
        Ids of the instrument's token, and of the other one of its condition: decimal numbers of up to 78 digits.
    condition : str
        The condition's id, ``0x`` and 64 hexadecimal digits.
    neg_risk : bool
        Whether it is one of an event's several outcomes: orders are signed for another contract then.
    rate, exponent : Decimal, int
        Takers pay rate x (p (1 - p)) ** exponent a share.
    """

    token: str
    opposite: str
    condition: str
    neg_risk: bool
    rate: Decimal = Decimal(0)
    exponent: int = 1

    def text(self) -> str:
        """Return it as the text that a client takes."""
        return msgspec.json.encode(self).decode()


class Trade(NamedTuple):
    """An order or an execution in the venue's words: a token, and how much of it at what price."""

    token: str
    side: Side
    size: Decimal
    price: Decimal


class Listed(NamedTuple):
    """An instrument and its tokens."""

    instrument: Instrument
    native: Native

    @property
    def key(self) -> str:
        """The instrument's key."""
        return self.instrument.key

    def trade(self, qty: Decimal, price: Decimal, *, reduces: bool) -> Trade:
        """Return an order of the core in the venue's words: what reduces sells what is held, the rest buys."""
        own = (qty > 0) != reduces
        side: Side = "SELL" if reduces else "BUY"
        return Trade(self.native.token, side, abs(qty), price) if own else Trade(self.native.opposite, side, abs(qty), 1 - price)

    def read(self, trade: Trade) -> tuple[Decimal, Decimal]:
        """Return (signed quantity, price) of the instrument in a trade of either token."""
        own, bought = trade.token == self.native.token, trade.side == "BUY"
        return (trade.size if own == bought else -trade.size), (trade.price if own else 1 - trade.price)


class Listing:
    """All instruments of a client, by key and by token.

    Of two that are each other's opposite, the first is traded, and counts what is held of both tokens; the second is quoted alone.

    Attributes
    ----------
    quoted, all : tuple of Listed
        What prices are asked for of, and of it what is traded.
    by_key, by_token : dict of str to Listed
        What is traded, by instrument key and by either token.
    conditions : tuple of str
        Those of what is traded, each once.

    Raises
    ------
    ConfigError
        If an instrument's native id is missing or wrong, two of them are the same token, or a lot is not of whole shares.
    """

    def __init__(self, instruments: Sequence[Instrument], native: Mapping[str, str]) -> None:
        self.quoted = tuple(Listed(one, _native(one.key, native)) for one in instruments)
        self.by_token: dict[str, Listed] = {}
        traded, seen = list[Listed](), set[str]()
        for one in self.quoted:
            own = one.native
            first = self.by_token.get(own.token) or self.by_token.get(own.opposite)
            if first is None:
                traded.append(one)
                self.by_token |= dict.fromkeys((own.token, own.opposite), one)
            elif (first.native.opposite, first.native.token) != (own.token, own.opposite) or own.token in seen:
                msg = f"{one.key} and {first.key} share a token, and are not the two tokens of one condition; list each token once"
                raise ConfigError(msg)
            seen.add(own.token)
        self.all = tuple(traded)
        self.conditions = tuple(dict.fromkeys(one.native.condition for one in self.all))
        self.by_key = {one.key: one for one in self.all}
        for one in self.quoted:
            if one.instrument.lot % 1:
                msg = f"{one.key} has lot {one.instrument.lot}; write whole shares: a purchase at once must cost whole cents at {NAME}"
                raise ConfigError(msg)

    def traded(self, key: str) -> Listed:
        """Return an instrument that can be traded.

        Raises
        ------
        ConfigError
            If it is quoted alone.
        """
        if key not in self.by_key:
            first = next((self.by_token[one.native.token].key for one in self.quoted if one.key == key), None)
            msg = (
                f"{key} is quoted alone: a purchase of it is a sale of {first} at 1 - p; trade {first}" if first else f"{key} is not listed"
            )
            raise ConfigError(msg)
        return self.by_key[key]

    def key(self, token: str) -> str:
        """Return the instrument key of either of its tokens; a token that is not traded here is named itself."""
        return self.by_token[token].key if token in self.by_token else f"{NAME}:{token}"


def _native(key: str, native: Mapping[str, str]) -> Native:
    try:
        found: Native = msgspec.json.decode(native[key], type=Native)
    except KeyError:
        msg = f"{key} has no native id; give one as hedgekit.venues.polymarket.Native(...).text()"
        raise ConfigError(msg) from None
    except UNREADABLE as error:
        msg = f"the native id of {key} cannot be read ({error}): {native[key][:200]!r}"
        raise ConfigError(msg) from None
    for token in (found.token, found.opposite):
        if not (token.isascii() and token.isdecimal() and int(token[:80]) < _IDS):
            msg = f"the native id of {key} names token {token[:90]!r}: write a decimal number below 2 ** 256"
            raise ConfigError(msg)
    if found.token == found.opposite:
        msg = f"the native id of {key} lets both outcomes share a token; a condition has two"
        raise ConfigError(msg)
    if not found.rate.is_finite() or found.rate < 0 or found.exponent < 0:
        msg = f"the native id of {key} has rate {found.rate} and exponent {found.exponent}: write what takers pay, 0 or more"
        raise ConfigError(msg)
    return found
