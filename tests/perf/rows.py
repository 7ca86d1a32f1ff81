"""What every benchmark gives: rows. Ours beside another's, the ratio, and the target if there is one.

A benchmark is a module of this folder with ``measure(size) -> list[Row]``; ``python -m tests.perf.NAME --size quick`` prints its rows, and
``make bench`` runs them all. It compares results first and raises if they differ: a time of other work says nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import msgspec
import numpy as np
from scipy.stats import linregress, t

T = TypeVar("T")


class Size(StrEnum):
    """How much work: whether a benchmark runs at all, a few minutes for all of them, or what the targets are stated for."""

    SMOKE = "smoke"
    QUICK = "quick"
    FULL = "full"

    def pick(self, smoke: T, quick: T, full: T) -> T:
        """Return what belongs to this size."""
        return {"smoke": smoke, "quick": quick, "full": full}[self.value]


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the table.

    Attributes
    ----------
    part, name : str
        The benchmark's heading, and what is measured.
    unit : str
        Of ``ours`` and ``theirs``.
    ours : float
        Median of the rounds.
    peer : str
        Whose ``theirs`` is; empty if nobody is beside it.
    theirs : float or None
    more : bool
        Whether more is better (a rate); else less is (a time, a size).
    target : float or None
        For the ratio if there is a peer and ``of_ratio``, else for ``ours``: at least that if more is better, else at most.
    same : str
        What was found equal before the times were taken.
    note : str
        What a reader must know.
    """

    part: str
    name: str
    unit: str
    ours: float
    peer: str = ""
    theirs: float | None = None
    more: bool = False
    target: float | None = None
    of_ratio: bool = True
    same: str = ""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours by theirs."""
        return self.ours / self.theirs if self.theirs else None

    @property
    def judged(self) -> float | None:
        """What the target is for."""
        return self.ratio if self.of_ratio and self.peer else self.ours

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None or self.judged is None:
            return None
        return self.judged >= self.target if self.more else self.judged <= self.target


class Curve(msgspec.Struct, frozen=True):
    """Cost by size, and the slope of its logarithm with an interval of 95%.

    Attributes
    ----------
    name, x, unit : str
        What grows, its size's word, and the cost's unit.
    sizes, costs : list of float
        Medians of the rounds.
    slope, low, high : float
        Exponent and its interval, over the sizes from ``since`` on.
    since : float
        Smaller sizes are mostly what a start costs, and are drawn only.
    allowed : float
        The largest exponent that is no worse than asked for: n log n has 1 + 1 / log n here, all pairs 2.
    """

    name: str
    x: str
    unit: str
    sizes: list[float]
    costs: list[float]
    slope: float
    low: float
    high: float
    since: float
    allowed: float

    @property
    def met(self) -> bool:
        """Whether the exponent is what is allowed: its interval holds that, and it is itself no more than a tenth above."""
        return self.low <= self.allowed and self.slope <= self.allowed + 0.1


class Found(msgspec.Struct):
    """What a benchmark found, and the machine's load when it began and ended."""

    rows: list[Row]
    curves: list[Curve] = []
    load: list[float] = []
    took_s: float = 0.0


def seconds(act: Callable[[], object]) -> float:
    """Return the wall time of a call."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def by_turns(rounds: int, *acts: Callable[[], object]) -> list[float]:
    """Return the median time of each call; the calls take turns, so that a slow moment meets all of them."""
    took = [[seconds(act) for act in acts] for _ in range(rounds)]
    return [median(one) for one in zip(*took, strict=True)]


def fitted(  # noqa: PLR0913 - what a curve is made of
    name: str,
    x: str,
    unit: str,
    sizes: Sequence[float],
    costs: Sequence[float | Sequence[float]],
    since: float = 0,
    allowed: float | None = None,
) -> Curve:
    """Fit the exponent of cost against size: least squares on logarithms, interval by Student's t, every round a point.

    Parameters
    ----------
    sizes : sequence of float
    costs : sequence of float, or of the costs of several rounds
        One for each size.
    since : float
        Smaller sizes are left out of the fit.
    allowed : float, optional
        n log n by default: its slope at the middle of the sizes fitted.
    """
    rounds = [np.atleast_1d(np.asarray(cost, dtype=float)) for cost in costs]
    points = [(np.log(size), np.log(cost)) for size, every in zip(sizes, rounds, strict=True) if size >= since for cost in every]
    at, of = np.array(points).T
    found = linregress(at, of)
    half = float(t.ppf(0.975, len(at) - 2) * found.stderr) if len(at) > 2 else 0.0  # two points are no interval
    slope, most = float(found.slope), float(1 + 1 / at.mean()) if allowed is None else allowed
    middles = [float(np.median(every)) for every in rounds]
    return Curve(name, x, unit, [*map(float, sizes)], middles, slope, slope - half, slope + half, since, most)


def number(value: float | None) -> str:
    """Return a figure with three digits that count."""
    if value is None:
        return ""
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def asked(row: Row) -> str:
    """Return a target in words."""
    if row.target is None:
        return ""
    unit = " x" if row.of_ratio and row.peer else f" {row.unit}"
    return f"{'>=' if row.more else '<='} {number(row.target)}{unit}"


def verdict(row: Row) -> str:
    """Return whether a target is met, in a word."""
    return {None: "", True: "met", False: "NOT MET"}[row.met]


def table(rows: Sequence[Row]) -> str:
    """Return rows as text, a heading for each part."""
    named = [f"  {row.name}, {row.unit}" + (f" | {row.peer}" if row.peer else "") for row in rows]
    wide = max(map(len, named), default=0)
    lines, part = [f"{'':{wide}}{'hedgekit':>12}{'beside':>12}{'ratio':>9}  target"], ""
    for name, row in zip(named, rows, strict=True):
        if row.part != part:
            part = row.part
            lines.append(part)
        ratio = f"{number(row.ratio)}x" if row.ratio is not None else ""
        lines.append(f"{name:{wide}}{number(row.ours):>12}{number(row.theirs):>12}{ratio:>9}  {asked(row)} {verdict(row)}".rstrip())
    return "\n".join(lines)


def run(measure: Callable[[Size], list[Row] | Found], doc: str | None) -> None:
    """Measure at the size that the command asks for; print the rows, and write them down with ``--json``."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=Size, default=Size.QUICK, choices=list(Size))
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    given = parser.parse_args()
    loads, began = [os.getloadavg()[0]], time.perf_counter()
    got = measure(given.size)
    found = got if isinstance(got, Found) else Found(got)
    found.load, found.took_s = [*loads, os.getloadavg()[0]], time.perf_counter() - began
    if given.json:
        given.json.write_bytes(msgspec.json.encode(found, enc_hook=float))  # numpy has numbers of its own
    print(table(found.rows))
    for curve in found.curves:
        print(f"  {curve.name}: {curve.x}^{curve.slope:.2f} ({curve.low:.2f} to {curve.high:.2f}), allowed {curve.allowed:.2f}")
    sys.stdout.flush()


def refuse(why: str) -> Any:
    """Stop a benchmark whose results differ."""
    raise SystemExit(f"no times are compared: {why}")
