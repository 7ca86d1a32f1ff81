"""What the numbers of a made market may be, and one error that says so.

A recipe comes from a person or as JSON from another process, so every field is
looked at before anything is drawn, and the error names field, value and range.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any, NoReturn

from hedgekit.errors import ConfigError
from hedgekit.types import NS

ROWS_MAX = 1_000_000
"""Most rows of a made tape."""

_FRACTION = re.compile(r"[.,](\d+)")

Range = tuple[str, Callable[[float], bool]]
"""A range in words, and whether a number is in it."""

STEP_S: Range = ("of at least 1e-9", lambda value: value >= 1e-9)  # noqa: PLR2004 - one nanosecond
ABOVE_ZERO: Range = ("above 0", lambda value: value > 0)
FROM_ZERO: Range = ("0 or more", lambda value: value >= 0)
BELOW_ONE: Range = ("from 0 to below 1", lambda value: 0 <= value < 1)
INSIDE_ONE: Range = ("above 0 and below 1", lambda value: 0 < value < 1)
CORRELATION: Range = ("from -1 to 1", lambda value: -1 <= value <= 1)
PROBABILITY: Range = ("from 0 to 1", lambda value: 0 <= value <= 1)


def refuse(name: str, value: object, must: str) -> NoReturn:
    """Raise the error for a field: name, value, and what it must be."""
    msg = f"{name}={value!r}: must be {must}"
    raise ConfigError(msg) from None


def check_number(name: str, value: object, allowed: Range) -> None:
    """Refuse what is no finite number in the range."""
    words, inside = allowed
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or not inside(value):
        refuse(name, value, f"a number {words}")


def check_numbers(recipe: object, ranges: Mapping[str, Range]) -> None:
    """Refuse the first field of a recipe that is out of its range."""
    for name, allowed in ranges.items():
        check_number(name, getattr(recipe, name), allowed)


def check_whole(name: str, value: object, low: int, high: int) -> None:
    """Refuse what is no whole number from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        refuse(name, value, f"a whole number from {low:,} to {high:,}")


def check_decimal(name: str, text: str, allowed: Range) -> None:
    """Refuse a text that is no decimal number in the range."""
    try:
        value = float(Decimal(text))
    except (InvalidOperation, TypeError, ValueError):
        refuse(name, text, f"a decimal number as text, {allowed[0]}")
    if not isfinite(value) or not allowed[1](value):
        refuse(name, text, f"a decimal number as text, {allowed[0]}")


def check_tape(recipe: Any) -> None:  # noqa: ANN401 - any recipe that has these fields
    """Refuse what every made market has in common: rows, seed, names, start, fee and tick."""
    check_whole("rows", recipe.rows, 2, ROWS_MAX)
    check_whole("seed", recipe.seed, 0, 2**63 - 1)
    check_decimal("tick", recipe.tick, ABOVE_ZERO)
    if recipe.primary == recipe.hedge:
        msg = f"primary and hedge are both {recipe.primary!r}: choose two names"
        raise ConfigError(msg)
    end_ns = start_ns(recipe.start) + recipe.rows * recipe.row_s * NS
    if end_ns >= 2**63:
        msg = f"rows={recipe.rows!r} of row_s={recipe.row_s!r} from start={recipe.start!r}: must end before the year 2262"
        raise ConfigError(msg)


def start_ns(text: str) -> int:
    """Return a time with its zone as nanoseconds UTC, or refuse it."""
    try:
        when = datetime.fromisoformat(text)
        digits = "".join(_FRACTION.findall(text)[:1])
        part = int(digits.ljust(9, "0"))
        ns = calendar.timegm(when.utctimetuple()) * NS + part
        zone = when.utcoffset()
        exact = len(digits) <= 9 and part // 1_000 == when.microsecond and abs(ns) < 2**63  # noqa: PLR2004 - as many as a nanosecond has
        if zone is not None and not zone.microseconds and exact:
            return ns
    except (TypeError, ValueError, OverflowError):  # the last for a year that its zone moves out of the calendar
        pass
    msg = f"start={text!r} is not a time with its zone; write for example 2026-01-05T14:30:00Z"
    raise ConfigError(msg)


def check_sequence(name: str, value: Any, size: int | None, must: str) -> Any:  # noqa: ANN401 - whatever a person wrote there
    """Return a tuple or list, of ``size`` items if that is given, or refuse it."""
    if not isinstance(value, tuple | list) or (size is not None and len(value) != size):
        refuse(name, value, must)
    return value
