"""The book of one market's YES contract, in whole units: prices in millionths of a dollar, sizes in hundredths of a contract."""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Iterable
from functools import lru_cache

PRICE_UNITS, SIZE_UNITS = 1_000_000, 100
_LONGEST = 15
Top = tuple[int, int, int, int]
"""Best bid, its size, best ask, its size; 0 and 0 for a side without orders."""

_PRICE = re.compile(r"(0|1)(?:\.([0-9]{1,6}))?")
_SIZE = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,2}))?")


@lru_cache(maxsize=1 << 15)
def price_units(text: str) -> int:
    """Return a price as written, in units; ValueError if it is none between 0 and 1 (both excluded)."""
    found = _PRICE.fullmatch(text)
    units = int(found[1] + (found[2] or "").ljust(6, "0")) if found else 0
    if not 0 < units < PRICE_UNITS:
        msg = f"{text[:40]!r} is no price"
        raise ValueError(msg)
    return units


def size_units(text: str) -> int:
    """Return a size or a change as written, in units; ValueError if it is none."""
    whole, point, digits = text[:-3], text[-3:-2], text[:-3] + text[-2:]
    plain = point == "." and len(text) <= _LONGEST and whole not in ("", "-")
    if plain and digits.removeprefix("-").isdecimal() and text.isascii():  # as the venue writes them, and fast
        return int(digits)
    found = _SIZE.fullmatch(text)
    if found is None:
        msg = f"{text[:40]!r} is no number of contracts"
        raise ValueError(msg)
    units = int(found[2] + (found[3] or "").ljust(2, "0"))
    return -units if found[1] else units


class Book:
    """Bids and asks, each as size by rank and ranks in order: the higher, the better, so asks rank by their negative price.

    Parameters
    ----------
    bids, asks : iterable of (str, str)
        YES price and size of each level, as the venue writes them; no price twice on a side.

    Raises
    ------
    ValueError
        If a price or size is none, or a level is there twice or without size.
    """

    __slots__ = ("_asks", "_best_asks", "_best_bids", "_bids", "top")

    def __init__(self, bids: Iterable[tuple[str, str]], asks: Iterable[tuple[str, str]]) -> None:
        self._bids, self._asks = _read(bids, 1), _read(asks, -1)
        self._best_bids, self._best_asks = sorted(self._bids), sorted(self._asks)
        self.top = self._top()

    def change(self, bid: bool, price: str, by: str) -> bool:  # noqa: FBT001 - called for every delta
        """Change a level; return False, and change nothing, if less than nothing would be left: an earlier change was missed."""
        if bid:
            rank, sizes, ranks = price_units(price), self._bids, self._best_bids
        else:
            rank, sizes, ranks = -price_units(price), self._asks, self._best_asks
        old = sizes.get(rank, 0)
        size = old + size_units(by)
        if size > 0:
            sizes[rank] = size
            if not old:
                insort(ranks, rank)
        elif size < 0:
            return False
        elif old:
            del sizes[rank]
            del ranks[bisect_left(ranks, rank)]
        if not ranks or rank >= ranks[-1]:
            self.top = self._top()
        return True

    def _top(self) -> Top:
        bid = self._best_bids[-1] if self._best_bids else 0
        ask = self._best_asks[-1] if self._best_asks else 0
        return bid, self._bids.get(bid, 0), -ask, self._asks.get(ask, 0)

    @property
    def levels(self) -> tuple[dict[int, int], dict[int, int]]:
        """Size by price of the bids and of the asks, in units."""
        return dict(self._bids), {-rank: size for rank, size in self._asks.items()}


def _read(levels: Iterable[tuple[str, str]], sign: int) -> dict[int, int]:
    sizes: dict[int, int] = {}
    for price, size in levels:
        rank, units = sign * price_units(price), size_units(size)
        if units <= 0 or rank in sizes:
            msg = f"level {price[:40]!r} of {size[:40]!r} is empty or there twice"
            raise ValueError(msg)
        sizes[rank] = units
    return sizes
