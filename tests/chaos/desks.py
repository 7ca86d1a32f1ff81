"""Where a run trades: one venue, or two at once; what is listed there, and what the strategy's numbers are for it.

A desk's market is the one that was drawn, at other prices: speed, seed, reversion and displayed sizes stay.
"""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec.structs import replace

from hedgekit.data import SyntheticBinary, SyntheticMarket
from hedgekit.paper.config import CONTROL_TOKEN_ENV
from hedgekit.types import Fees, Instrument, Kind
from hedgekit.venues import client_of

if TYPE_CHECKING:
    from collections.abc import Mapping

DESKS = ("ALPACA", "DERIBIT", "KALSHI", "POLYMARKET", "POLYMARKET+KALSHI", "ALPACA+DERIBIT")
"""In the order in which runs take their turns."""

PROVISIONAL = "POLYMARKET"
"""The venue that may take an execution back."""

_COIN = Fees(rate=Decimal("0.0005"), quantum=Decimal("1e-8"))
_SHARES = Fees(rate=Decimal("0.04"), quantum=Decimal("0.00001"))
_CONTRACTS = Fees(per_unit=Decimal("0.0175"), quantum=Decimal("0.0001"))
_CENT, _MILLE = Decimal("0.01"), Decimal("0.001")


def _perpetual(coin: str, tick: str, multiplier: int) -> Instrument:
    return Instrument("DERIBIT", f"{coin}-PERPETUAL", Kind.INVERSE_PERP, Decimal(tick), Decimal(1), Decimal(multiplier), _COIN)


def _binary(venue: str, symbol: str, tick: Decimal, fees: Fees) -> Instrument:
    return Instrument(venue, symbol, Kind.BINARY, tick=tick, fees=fees)


_LISTED: dict[str, tuple[Instrument, Instrument]] = {
    "DERIBIT": (_perpetual("BTC", "0.5", 10), _perpetual("ETH", "0.05", 1)),
    "KALSHI": (_binary("KALSHI", "FED-23DEC-T3.00", _MILLE, _CONTRACTS), _binary("KALSHI", "FED-23DEC-T3.25", _MILLE, _CONTRACTS)),
    "POLYMARKET": (_binary("POLYMARKET", "RAIN-YES", _CENT, _SHARES), _binary("POLYMARKET", "CUP/ALICE-NO", _CENT, _SHARES)),
    "POLYMARKET+KALSHI": (_binary("POLYMARKET", "RAIN-YES", _MILLE, _SHARES), _binary("KALSHI", "RAIN-26JAN", _CENT, _CONTRACTS)),
    "ALPACA+DERIBIT": (Instrument("ALPACA", "BTCX", lot=_MILLE, fees=Fees(rate=Decimal("0.0005"))), _perpetual("BTC", "0.5", 10)),
}
_PRICES = {"DERIBIT": (90_000.0, 3_000.0), "ALPACA+DERIBIT": (90_000.0, 90_000.0)}
_BINARY = 1 / 20
"""Contracts are traded for a twentieth of the money, in markets as much smaller."""


def market(desk: str, drawn: SyntheticMarket) -> SyntheticMarket | SyntheticBinary:
    """Return a desk's market."""
    if desk == "ALPACA":
        return drawn
    if desk not in _PRICES:
        return SyntheticBinary(
            listed=_LISTED[desk],
            rows=drawn.rows,
            row_s=drawn.row_s,
            start=drawn.start,
            seed=drawn.seed,
            resolve_row=25 * drawn.rows,
            rho=0.97 if "+" in desk else 0.9,
            noise_sd=0.25,
            noise_half_life=drawn.half_life,
            half_spread=0.004,
            size_notional=drawn.size_notional * _BINARY,
        )
    primary, hedge = _PRICES[desk]
    ratio = 1.0 if "+" in desk else drawn.ratio
    prices = {"primary_price": primary, "hedge_price": hedge, "half_spread_bps": 0.5, "spread_sd": 0.006}
    return replace(drawn, listed=_LISTED[desk], ratio=ratio, **prices, **_funding(desk, drawn.row_s))


def _funding(desk: str, row_s: float) -> dict[str, float]:
    """Return the funding of what is a perpetual there: every few rows, so that some of it falls beside whatever else happens."""
    rates = {"funding_hedge": -0.00005} | ({} if "+" in desk else {"funding_primary": 0.0001})
    return rates | {"funding_s": 7.25 * row_s}


def row_s(desk: str, drawn: float) -> float:
    """Return the seconds between rows: no daily ones where an order that rests is renewed all day long, or beaten for every 5 s.

    The first is so at Kalshi, where one rests for 5 minutes, the second at Polymarket, for its dead man's switch.
    """
    return min(drawn, 60.0) if "KALSHI" in desk or "POLYMARKET" in desk else drawn


def params(desk: str, drawn: Mapping[str, Any]) -> dict[str, Any]:
    """Return the strategy's numbers at a desk."""
    made = dict(drawn)
    if desk == "ALPACA+DERIBIT" and made["structure"] in {"pairs", "delta"}:
        made |= {"structure": "delta", "delta_model": "linear"}
    elif desk not in {"ALPACA", *_PRICES}:
        made |= {"signal": "price", "notional": made["notional"] * _BINARY, "interval_s": max(made["interval_s"], made["bar_s"])}
        made["structure"] = "pairs" if made["structure"] == "delta" else made["structure"]
    return made


def budget(desk: str, drawn: int, *, scarce: bool) -> int:
    """Return how many requests a minute a venue allows, 0 for what it allows usually.

    At Kalshi it is orders a minute, of which a second's are all that may come at once: fewer than four a second cannot close a pair.
    """
    if desk == "ALPACA":
        return drawn
    return (240 if "KALSHI" in desk else drawn) * scarce


def cash(desk: str) -> list[str]:
    """Return what the accounts start with, as options of the sandbox: coins at Deribit, dollars elsewhere."""
    return ["--cash", "DERIBIT=50"] if "DERIBIT" in desk else []


def keys(desk: str, name: str) -> dict[str, str]:
    """Return accounts' keys by environment variable. They depend on the run's name alone, since Polymarket's orders are signed by them."""
    made = {CONTROL_TOKEN_ENV: _hex(name, "control")[:32]}
    for venue in desk.split("+"):
        variables = client_of(venue).key_env
        made |= dict(zip(variables, _secrets(venue, variables, name), strict=True))
    return made


def secret(variable: str) -> bool:
    """Whether a variable's value may be in no file: Polymarket's API key and Kalshi's key id name the account, and are sent in the open."""
    return variable not in {client_of("POLYMARKET").key_env[1], client_of("KALSHI").key_env[0]}


def _secrets(venue: str, variables: tuple[str, ...], name: str) -> tuple[str, ...]:
    if venue == "KALSHI":
        private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(_hex(name, venue)))
        return _hex(name, "key id")[:32], private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    if venue == "POLYMARKET":
        secret_64 = "".join(chr(ord("A") + int(digit, 16)) for digit in _hex(name, "secret")[:43]) + "="
        return _hex(name, "wallet"), _hex(name, "api key")[:32], secret_64, _hex(name, "passphrase")[:32]
    return tuple(_hex(name, variable)[:32] for variable in variables)


def _hex(name: str, what: str) -> str:
    return sha256(f"{name} {what}".encode()).hexdigest()
