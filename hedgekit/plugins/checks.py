"""What a user's functions may return, and whether they look ahead: the same checks in backtest and session."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hedgekit.errors import DataError, meant

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Scores = tuple[Array, Array]
"""z of each bar, and what one unit of it is worth (NaN: the log spread's sd)."""
Scorer = Callable[[Array], Any]
"""From mids at bar closes, shape (bars, legs), to a user's own z of each bar, or to z and what one unit of it is worth."""
Ratios = Callable[[Array], Any]
"""From mids so far, shape (bars, legs), to a user's own hedge ratio, or to what :func:`ratios_of` reads."""

CUTS = 8
"""Parts of a history at whose ends scores are computed again without what comes after."""

TOLERANCE = 1e-9
"""What a number may change by, relative to the larger of itself and 1, when it is computed again on more bars: rounding, no more."""

_KNOWN = ("ratio", "others", "ratios", "stderr", "half_life", "p_value", "test", "n")


class PluginError(DataError):
    """A user's function failed, or gave what cannot be used.

    Parameters
    ----------
    said : str
        What happened, without any word of the user's own code: fit for a journal.
    detail : str, optional
        More, for the user's eyes.
    final : bool
        Whether the plugin must not be asked again.
    """

    def __init__(self, said: str, detail: str = "", *, final: bool = False) -> None:
        super().__init__(f"{said}: {detail}" if detail else said)
        self.said, self.final = said, final


def sealed(mids: Array) -> Array:
    """Return a copy that cannot be written to: what a user's function does with its prices changes nobody else's."""
    copy = np.array(mids, dtype=np.float64, order="C")
    copy.setflags(write=False)
    return copy


def same(one: float, other: float) -> bool:
    """Whether two numbers are equal up to rounding; NaN equals NaN."""
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return abs(one - other) <= TOLERANCE * max(1.0, abs(one))


# ---------------------------------------------------------------------- scores


def scores_of(scores: Scorer, mids: Array) -> Scores:
    """Return a user's scores of all bars, and what one unit of each is worth (NaN: the log spread's sd).

    Parameters
    ----------
    scores : callable
        Its attribute ``window``, if there is one, is how many bars a score needs.
    mids : float64 array, shape (bars, legs)

    Raises
    ------
    DataError
        If a score changes when the bars after it are cut off (then it looks ahead), or those before its window.
    """
    whole = pair_of(scores(sealed(mids)), len(mids))
    for cut in sorted({len(mids) * k // CUTS for k in range(1, CUTS)} - {0}):
        part = pair_of(scores(sealed(mids[:cut])), cut)
        why = f"with the first {cut}: it looks ahead; a score may rest on its own bar and those before it alone"
        _alike(whole, part, 0, range(cut), why)
    window = getattr(scores, "window", None)
    if window is not None:
        _window_of(scores, mids, whole, window)
    return whole


def _window_of(scores: Scorer, mids: Array, whole: Scores, window: int) -> None:
    for cut in sorted({len(mids) * k // CUTS for k in range(1, CUTS + 1)}):
        first = cut - window
        if first > 0:
            part = pair_of(scores(sealed(mids[first:cut])), window)
            why = f"with the {window} up to it alone: WINDOW = {window} is too short; give a larger one, or none"
            _alike(whole, part, first, [cut - 1], why)


def _alike(whole: Scores, part: Scores, first: int, bars: Any, why: str) -> None:  # noqa: ANN401 - indices of any kind
    """Compare scores of the same bars to the last bit; those of ``part`` begin at bar ``first``."""
    index = np.asarray(bars)
    for name, long, short in zip(("z", "sd"), whole, part, strict=True):
        a, b = long[index], short[index - first]
        other = np.flatnonzero(~((a == b) | (np.isnan(a) & np.isnan(b))))
        if other.size:
            k = other[0]
            msg = f"scores: {name} of bar {index[k]} is {a[k]:.17g} with all bars and {b[k]:.17g} {why}"
            raise PluginError(msg, final=True)


def pair_of(given: Any, bars: int) -> Scores:  # noqa: ANN401 - whatever a user's function returned
    """Return what a user's ``scores`` gave as z and sd, both float64 of shape (bars,).

    Raises
    ------
    DataError
        If it is not one number, or NaN, for each bar.
    """
    both = given if isinstance(given, tuple) else (given, np.full(bars, math.nan))
    try:
        z, sd = (np.ascontiguousarray(values, dtype=np.float64) for values in both)
    except (TypeError, ValueError):
        msg = f"scores: a {type(given).__name__} cannot be read as numbers; return one z for each bar, or a tuple of z and sd"
        raise PluginError(msg) from None
    if z.shape != (bars,) or sd.shape != (bars,):
        msg = f"scores: shapes {z.shape} and {sd.shape} for {bars} bars; return one z for each bar, and one sd or none"
        raise PluginError(msg)
    for name, wrong, wanted in (("z", np.isinf(z), "a finite number"), ("sd", np.isinf(sd) | (sd < 0), "a finite number, not negative")):
        if wrong.any():
            bar = int(np.flatnonzero(wrong)[0])
            msg = f"scores: {name} of bar {bar} is {(z if name == 'z' else sd)[bar]:g}; give {wanted}, or NaN for no opinion"
            raise PluginError(msg)
    return z, sd


# ---------------------------------------------------------------------- ratios


def ratios_of(given: Any, hedges: int) -> dict[str, Any]:  # noqa: ANN401 - whatever a user's function returned
    """Return what a user's ``ratios`` gave, in one form: ``ratios`` and whatever else was given.

    Parameters
    ----------
    given : number, array_like of shape (hedges,), or mapping
        A mapping has ``ratio`` (or ``ratios``; or ``ratio`` and ``others``, as a plan has them) and may have ``stderr``,
        ``half_life`` (None: no reversion is shown), ``p_value``, ``test`` and ``n``.
    hedges : int
        How many there must be.

    Raises
    ------
    DataError
        If it is something else, has another number of ratios, or one that is not finite.
    """
    told = dict(given) if isinstance(given, Mapping) else {"ratios": given}
    for name in told:
        if name not in _KNOWN:
            msg = f"ratios: a key of the dict is not known; {meant(str(name), _KNOWN, 'known: ' + ', '.join(_KNOWN))}"
            raise PluginError(msg, repr(name))
    out: dict[str, Any] = {"ratios": _numbers(told, hedges)}
    for name, low, high, wanted in (
        ("stderr", 0.0, math.inf, "a finite number, not negative"),
        ("half_life", 0.0, math.inf, "bars above 0, or None where nothing reverts"),
        ("p_value", 0.0, 1.0, "a number from 0 to 1"),
        ("n", 1.0, math.inf, "how many rows it rests on"),
    ):
        if name in told:
            out[name] = _number(name, told[name], low, high, wanted)
    if "test" in told:
        out["test"] = str(told["test"])
    return out


def _numbers(told: Mapping[str, Any], hedges: int) -> tuple[float, ...]:
    if "ratios" not in told and "ratio" not in told:
        msg = "ratios: the dict has no 'ratio'; give dollars of hedge for each dollar of primary"
        raise PluginError(msg)
    try:
        found = np.atleast_1d(np.asarray(told["ratios"] if "ratios" in told else told["ratio"], dtype=np.float64))
        found = np.concatenate([found, np.asarray(told.get("others", ()), dtype=np.float64)])
    except (TypeError, ValueError):
        msg = "ratios: what was returned cannot be read as numbers; return one ratio for each hedge, or a dict with 'ratio'"
        raise PluginError(msg) from None
    if found.shape != (hedges,):
        msg = f"ratios: shape {found.shape}; return one ratio for each of the {hedges} hedges"
        raise PluginError(msg)
    if not np.isfinite(found).all():
        msg = f"ratios: {', '.join(f'{ratio:g}' for ratio in found)}; every ratio must be finite: return the last one to keep it"
        raise PluginError(msg)
    return tuple(found.tolist())


def _number(name: str, value: Any, low: float, high: float, wanted: str) -> float | int | None:  # noqa: ANN401 - a user's own
    if value is None and name != "n":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    above = number > low if name == "half_life" else number >= low
    if not (above and number <= high and math.isfinite(number)):
        msg = f"ratios: {name} must be {wanted}, got {f'{number:g}' if isinstance(value, int | float) else 'a ' + type(value).__name__}"
        raise PluginError(msg)
    return int(number) if name == "n" else number
