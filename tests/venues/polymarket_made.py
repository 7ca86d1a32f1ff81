"""What the tests of the Polymarket client share: its payloads, a client with a throwaway wallet, and orders."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from hedgekit.types import Instrument, Kind, Order, Priority
from hedgekit.venues.polymarket import Native, Polymarket

PAYLOADS = Path(__file__).parent / "payloads"
NAMES = sorted(path.stem.removeprefix("polymarket_") for path in PAYLOADS.glob("polymarket_*.json"))
TOKEN = "71321045679252212594626385532706912750332728571942532289631379312455583992563"  # noqa: S105 - it is traded, and no secret
OPPOSITE = "52114319501245915516055106046884209969926127482827954674443846427813813222426"
CONDITION = "0x5f65177b394277fd294cd75650044e32ba009a95022d88a0c1d565897d72f8f1"
HASH = "0x9e2d7a3c1c5d4f60a8b1e0f2d3c4b5a697887766554433221100ffeeddccbbaa"
KEYS = ("4c" * 32, "00000000-1111-2222-3333-444444444444", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "a-passphrase")
NATIVE = Native(TOKEN, OPPOSITE, CONDITION, neg_risk=False, rate=Decimal("0.04"))
YES = Instrument("POLYMARKET", "YES", Kind.BINARY)
KEY = YES.key
ORDER = Order("s1-1-0", 1_764_000_000_123_456_789, 0, KEY, Decimal(10), Decimal("0.48"), Priority.PRIMARY, 1)


def client(native: Native = NATIVE, instrument: Instrument = YES) -> Polymarket:
    """Return a client that trades one token."""
    return Polymarket(KEYS, (instrument,), {KEY: native.text()})


def knowing(name: str = "s1-1-0") -> Polymarket:
    """Return a client that takes the payloads' order for its own."""
    made = client()
    made._names[HASH] = name
    return made


def order(**fields: Any) -> Order:
    """Return an order with fields changed."""
    return msgspec.structs.replace(ORDER, **fields)


def payload(name: str) -> bytes:
    """Return an example."""
    return (PAYLOADS / f"polymarket_{name}.json").read_bytes().strip()


def changed(name: str, **fields: Any) -> bytes:
    """Return an example with fields changed; None takes one out."""
    found = msgspec.json.decode(payload(name)) | fields
    return msgspec.json.encode({key: value for key, value in found.items() if value is not None})
