"""Alpaca's documentation examples, and changes of them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from hedgekit.types import Order, Priority

PAYLOADS = Path(__file__).parent / "payloads"
NAMES = sorted(path.stem.removeprefix("alpaca_") for path in PAYLOADS.glob("alpaca_*.json"))
ORDER = Order("s1-1-0", 5, 0, "ALPACA:KO", Decimal(-97), Decimal("87.66"), Priority.PRIMARY, 1)


def payload(name: str) -> bytes:
    """Return a documentation example."""
    return (PAYLOADS / f"alpaca_{name}.json").read_bytes().strip()


def changed(name: str, **fields: Any) -> bytes:
    """Return a trade update with fields of its data (or of its order, ``order__x``) changed; None takes one out."""
    frame = msgspec.json.decode(payload(name))
    for key, value in fields.items():
        place = frame["data"]["order"] if key.startswith("order__") else frame["data"]
        place[key.removeprefix("order__")] = value
    frame["data"] = {key: value for key, value in frame["data"].items() if value is not None}
    return msgspec.json.encode(frame)
