"""What every method takes, and how a wrong option is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict, TypeVar

from hedgekit.errors import ConfigError
from hedgekit.stats.checks import above
from hedgekit.stats.inputs import Align, Missing, whole_number

F = TypeVar("F", bound=Callable[..., object])

MIN_ROWS = 10
"""Fewest observations for any ratio."""

LEVELS = ("log prices", "prices")
"""What ``on`` may be for a relation of levels."""


class Options(TypedDict, total=False):
    """What every method takes; :data:`OPTIONS` says it for docstrings."""

    window: int | None
    valid_days: float
    folds: int
    align: Align
    missing: Missing
    tested: bool


OPTIONS = """window : int, optional
        Use only the last so many observations; all by default.
    valid_days : float
        Days until the ratio is to be revalidated (A5: 30 to 60); 60 by default.
    folds : int
        Parts of the second half of the history in which the out-of-sample effectiveness is measured; 5 by
        default, 0 leaves it out.
    align : {"refuse", "inner"}
        When two indexes differ: refuse them (default), or keep the times that both have.
    missing : {"refuse", "drop"}
        Rows with a missing price: refuse them (default), or leave them out and say so.
    tested : bool
        Run an Engle-Granger test too (lags by AIC; 30 prices above zero at least); True by default."""

_DEFAULTS: Options = {"window": None, "valid_days": 60.0, "folds": 5, "align": "refuse", "missing": "refuse", "tested": True}


def documented(function: F) -> F:
    """Put the shared options into a method's docstring, in the place of ``{options}``."""
    function.__doc__ = (function.__doc__ or "").replace("{options}", OPTIONS)
    return function


def choose(options: Options) -> Options:
    """Return the options with defaults filled in; refuse an unknown or impossible one."""
    odd = set(options) - set(_DEFAULTS)
    if odd:
        msg = f"unknown option {min(odd)!r}; there are: {', '.join(_DEFAULTS)}, and those of the method's own"
        raise ConfigError(msg)
    chosen: Options = {**_DEFAULTS, **options}
    if chosen["window"] is not None:
        whole_number("window", chosen["window"], MIN_ROWS)
    whole_number("folds", chosen["folds"], 0)
    above("valid_days", chosen["valid_days"], 0, "days until the ratio is revalidated")
    return chosen


def only_levels(method: str, on: str) -> None:
    """Refuse moves for a method that fits a relation of levels."""
    if on not in LEVELS:
        msg = f"on={on!r}: {method} fits a relation of levels; say 'log prices' or 'prices', or use ols for {on}"
        raise ConfigError(msg)


def only_moves(method: str, on: str) -> None:
    """Refuse levels for a method that needs what stands still around zero."""
    if on in LEVELS:
        msg = f"on={on!r}: {method} works on moves; say 'log returns', 'returns' or 'changes', or use dols for {on}"
        raise ConfigError(msg)
