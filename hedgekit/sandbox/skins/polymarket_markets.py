"""Conditions and their tokens: what Polymarket lists, made of the exchange's instruments.

An instrument is one outcome of a condition. A symbol may end in the outcome's name, ``-YES`` or ``-NO``, ``-UP`` or ``-DOWN``; without
one it is the Yes. Two instruments of one stem are both outcomes of one condition. A stem with a slash, ``EVENT/CHOICE``, is one of an
event's several outcomes (neg-risk): orders in it are signed for another contract.

Both tokens of a condition are traded in one book. At the exchange that is the book of its *carrier*, the instrument that is listed
first: a purchase of the opposite token at 1 - p is a sale of the carrier at p there. Polymarket does not net, so how many opposite
tokens are held is counted here; with q the exchange's position, q + ``opposite`` of the carrier's own token are held, and the
collateral is the exchange's cash less ``opposite``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, NamedTuple

from hedgekit.errors import ConfigError
from hedgekit.exchange import BinaryMarket, Exchange, Polymarket, Terms
from hedgekit.sandbox.skins.polymarket_wire import LEAST, PLACES, digest, text
from hedgekit.types import Kind
from hedgekit.venues.polymarket import Native

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hedgekit.exchange import FillModel
    from hedgekit.types import Instrument

Side = Literal["BUY", "SELL"]
ZERO, ONE = Decimal(0), Decimal(1)
OTHER = {"YES": "NO", "NO": "YES", "UP": "DOWN", "DOWN": "UP"}
_NAMED = {name: name.capitalize() for name in OTHER}


class Outcome(NamedTuple):
    """An instrument's place: its condition's stem, its own outcome's name and the other one's, in capitals."""

    stem: str
    name: str
    other: str

    @classmethod
    def of(cls, symbol: str) -> Outcome:
        """Read a symbol."""
        stem, dash, name = symbol.rpartition("-")
        return cls(stem, name.upper(), OTHER[name.upper()]) if dash and stem and name.upper() in OTHER else cls(symbol, "YES", "NO")

    @property
    def condition(self) -> str:
        """The condition's id."""
        return digest(f"polymarket/condition/{self.stem}")

    def token(self, name: str) -> str:
        """Return the id of one of its two tokens: a full number of 256 bits, as the venue's are."""
        return str(int(digest(f"polymarket/token/{self.stem}/{name}"), 16))


def native_of(instrument: Instrument) -> Native:
    """Return what the client has to know an instrument by."""
    place = Outcome.of(instrument.symbol)
    rate = instrument.fees.rate
    return Native(place.token(place.name), place.token(place.other), place.condition, neg_risk="/" in place.stem, rate=rate)


def exchange_of(instruments: Sequence[Instrument], cash: Decimal, model: FillModel) -> Exchange:
    """Return an exchange on Polymarket's terms: ``fees.rate`` is the market's r, takers pay r p (1 - p) a share, makers nothing.

    Raises
    ------
    ConfigError
        If an instrument is no contract that pays 0 or 1, has a tick that Polymarket does not, or a fee for each unit, or if
        an outcome is listed twice.
    """
    for one in instruments:
        if one.kind is not Kind.BINARY or one.multiplier != 1:
            msg = f"{one.key} is {one.kind.value} with multiplier {one.multiplier}: Polymarket has contracts that pay 0 or 1 only"
            raise ConfigError(msg)
        if text(one.tick) not in PLACES:
            msg = f"{one.key} has tick {one.tick}: Polymarket has {', '.join(PLACES)}"
            raise ConfigError(msg)
        if one.fees.per_unit:
            msg = f"{one.key} has a fee of {one.fees.per_unit} a contract: Polymarket's is a rate of p (1 - p); give fees.rate"
            raise ConfigError(msg)
    stems: dict[str, dict[str, str]] = {}
    for one in instruments:
        place = Outcome.of(one.symbol)
        if (twin := stems.setdefault(place.stem, {}).setdefault(place.name, one.key)) != one.key:
            msg = f"{one.key} and {twin} are one outcome of {place.stem}; list it once"
            raise ConfigError(msg)
    terms = {one.key: Terms(fees=Polymarket(one.fees.rate), signed=True) for one in instruments}
    return Exchange(instruments, cash, model, markets=[BinaryMarket(*keys.values()) for keys in stems.values()], terms=terms)


@dataclass(slots=True)
class Market:
    """One condition.

    ``key`` is the carrier's instrument, ``mirror`` the other outcome's, if it is listed too. ``tokens`` and ``names`` are the
    carrier's own, then the opposite one.
    """

    stem: str
    key: str
    condition: str
    tokens: tuple[str, str]
    names: tuple[str, str]
    neg_risk: bool
    rate: Decimal
    tick: Decimal
    mirror: str | None = None
    opposite: Decimal = ZERO
    payout: Decimal | None = None
    last: tuple[Decimal, Side] | None = field(default=None)
    """Of our last trade in it: price of the own token, and the taker's side in it."""

    def own(self, token: str) -> bool:
        """Whether a token is the carrier's own."""
        return token == self.tokens[0]

    def outcome(self, token: str) -> str:
        """Return the name of a token's outcome."""
        return self.names[0 if self.own(token) else 1]

    def priced(self, token: str, price: Decimal) -> Decimal:
        """Turn a price of a token into the carrier's, or back."""
        return price if self.own(token) else ONE - price

    def signed(self, token: str, side: Side, size: Decimal) -> Decimal:
        """Return a purchase or sale of a token as a signed quantity of the carrier."""
        return size if self.own(token) == (side == "BUY") else -size


class Markets:
    """All conditions of an exchange.

    Parameters
    ----------
    exchange : Exchange
        Of :func:`exchange_of`.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.all: dict[str, Market] = {}
        self.by_key: dict[str, Market] = {}
        self.paused: set[str] = set()
        """Conditions that take no orders for now."""
        for one in exchange.instruments.values():
            self._list(one)
        self.by_token = {token: market for market in self.all.values() for token in market.tokens}

    def _list(self, one: Instrument) -> None:
        place, native = Outcome.of(one.symbol), native_of(one)
        if (first := self.all.get(native.condition)) is not None:
            first.mirror = one.key
            self.by_key[one.key] = first
            return
        names = _NAMED[place.name], _NAMED[place.other]
        tokens = native.token, native.opposite
        market = Market(place.stem, one.key, native.condition, tokens, names, native.neg_risk, native.rate, one.tick)
        self.all[market.condition] = self.by_key[one.key] = market

    # ------------------------------------------------------------------ holdings

    def held(self, market: Market, token: str) -> Decimal:
        """Return how much of a token the account holds."""
        return self._exchange.ledger.position(market.key) + market.opposite if market.own(token) else market.opposite

    @property
    def collateral(self) -> Decimal:
        """What the account has in collateral."""
        return self._exchange.ledger.cash - sum((market.opposite for market in self.all.values()), ZERO)

    # ------------------------------------------------------------------ as told

    def info(self, market: Market) -> dict[str, object]:
        """Return a market as ``/clob-markets`` tells it."""
        tokens = [{"t": token, "o": name} for token, name in zip(market.tokens, market.names, strict=True)]
        fee = {"r": float(market.rate), "e": 1, "to": True}
        about = {"c": market.condition, "t": tokens, "mts": float(market.tick), "mos": float(LEAST), "nr": market.neg_risk}
        return {**about, "fd": fee, "ao": market.payout is None and market.condition not in self.paused, "v": "v1"}

    def listing(self, market: Market) -> dict[str, object]:
        """Return a market as ``/markets`` lists it."""
        prices = [self._price(market, token) for token in market.tokens]
        tokens = [
            {"token_id": token, "outcome": name, "price": float(price), "winner": market.payout is not None and price == ONE}
            for token, name, price in zip(market.tokens, market.names, prices, strict=True)
        ]
        is_open = market.payout is None
        return {
            "condition_id": market.condition,
            "question": market.stem,
            "market_slug": market.stem.lower(),
            "tokens": tokens,
            "minimum_order_size": float(LEAST),
            "minimum_tick_size": float(market.tick),
            "neg_risk": market.neg_risk,
            "active": True,
            "closed": not is_open,
            "archived": False,
            "accepting_orders": is_open and market.condition not in self.paused,
            "enable_order_book": is_open,
        }

    def _price(self, market: Market, token: str) -> Decimal:
        mark = market.payout if market.payout is not None else self._exchange.marks.get(market.key, Decimal("0.5"))
        return market.priced(token, mark)

    def price(self, market: Market, token: str) -> Decimal:
        """Return what a token is worth at the last mid, or what it has paid."""
        return self._price(market, token)

    def conditions(self, tokens: Iterable[str]) -> set[str]:
        """Return the conditions of tokens."""
        return {self.by_token[token].condition for token in tokens}
