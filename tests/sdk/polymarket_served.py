"""A sandboxed Polymarket for the SDKs: a live one, whose best prices stand. Known to no library but the standard one."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import served

KEY, ADDRESS = "0x" + "4c" * 32, "0xdB00079cad3e665853Bf766eFe26F4C38cdbdCDA"
API_KEY, SECRET = "00000000-1111-2222-3333-444444444444", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
SECRETS = {
    "POLYMARKET_PRIVATE_KEY": KEY,
    "POLYMARKET_API_KEY": API_KEY,
    "POLYMARKET_API_SECRET": SECRET,
    "POLYMARKET_API_PASSPHRASE": "a-passphrase",
}
SYMBOLS = ("RAIN", "CUP/ALICE")
"""The second is one outcome of an event: neg-risk."""

ROWS = 1200


def tape(folder: Path) -> str:
    """Write a market whose best prices stand while its second level moves; return its recipe."""
    lines = ["ts,symbol,bid_px1,bid_sz1,bid_px2,bid_sz2,ask_px1,ask_sz1,ask_px2,ask_sz2"]
    for row in range(ROWS):
        ts = f"2026-01-05T{row // 3600:02d}:{row // 60 % 60:02d}:{row % 60:02d}Z"
        lines += [f"{ts},{symbol},0.48,1000,0.47,{50 + row % 7},0.52,1000,0.53,{60 + row % 5}" for symbol in SYMBOLS]
    path = folder / "books.csv"
    path.write_text("\n".join(lines) + "\n")
    fees = {"rate": "0.04", "per_unit": "0", "quantum": "0.00001"}
    listed = [{"venue": "POLYMARKET", "symbol": name, "kind": "binary", "tick": "0.01", "lot": "1", "fees": fees} for name in SYMBOLS]
    return json.dumps({"kind": "file", "path": str(path), "primary": SYMBOLS[0], "hedge": SYMBOLS[1], "listed": listed})


@contextmanager
def sandbox() -> Iterator[dict[str, Any]]:
    """Serve a sandbox; give its addresses and tokens."""
    with tempfile.TemporaryDirectory() as folder, served.sandbox("POLYMARKET", SECRETS, tape(Path(folder)), "--speed", "10") as account:
        native = {symbol: json.loads(account["native"][f"POLYMARKET:{symbol}"]) for symbol in SYMBOLS}
        yield {**account, "native": native}
