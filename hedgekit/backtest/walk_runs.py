"""Stretches of a tape that are traded by themselves: cut at bars, warmed up on their own bars only, and flat at their end.

A training part of cross-validation has holes. A window over a hole would mix prices that never followed each other, so
each stretch between two holes is a *run*: a tape of its own with a fresh state, and no window reaches out of it.
A run also ends by itself: two bars before its last one it is given a plan that has no evidence (nothing new is opened) and whose
half-life is 0 (what is open has overstayed). So a trade is closed at executable prices before its run is over (what thin
quotes cannot fill by then is valued at the last mid), and no profit or loss ever rests on a bar outside of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from hedgekit import metrics as m
from hedgekit.backtest.grid import grid_of
from hedgekit.backtest.lean import Plans, curves, plan_key
from hedgekit.errors import DataError
from hedgekit.stats.ratio import plan_due
from hedgekit.step.records import pack_params
from hedgekit.types import Evidence, HedgePlan

if TYPE_CHECKING:
    from hedgekit.data import Array, Tape
    from hedgekit.data.tape import Stamps
    from hedgekit.exchange.model import FillModel
    from hedgekit.params import Params

LEAVE_BARS = 2
"""Bars at the end of a run in which nothing is opened: on the first of them what is open is ordered closed, on the last it fills."""

OVER = Evidence("none", None, None, 0, ("the run is over: what is open is closed, nothing is opened",))
NEVER = 1e12
"""A time stop in half-lives that only a half-life of 0 reaches."""


@dataclass(frozen=True, eq=False, slots=True)
class Bars:
    """A tape's bars, which depend on its times and not on the strategy.

    Attributes
    ----------
    tape, model
        Whose, and with what latencies they were heard.
    ns : int64 array, shape (bars,)
        Close of each bar, UTC.
    mids : float64 array, shape (bars, legs)
    """

    tape: Tape
    model: FillModel
    ns: Stamps
    mids: Array

    def __len__(self) -> int:
        """Return the number of bars."""
        return len(self.ns)


def bars_of(tape: Tape, params: Params, model: FillModel) -> Bars:
    """Return the bars that a strategy with these lengths closes on a tape."""
    grid = grid_of(tape, pack_params(params, tape.instruments), model.ws_ns)
    return Bars(tape, model, grid.close_ns, grid.mids)


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """Bars ``first`` up to, not including, ``stop`` of a tape, as a tape of their own.

    Attributes
    ----------
    tape : Tape
        Only rows that were heard within these bars.
    first, stop : int
        Positions among all bars. ``first`` may lie after the one asked for: a bar that rests on an older quote is not closed.
    mids : float64 array, shape (stop - first, legs)
    ns : int64 array, shape (stop - first,)
    """

    tape: Tape
    first: int
    stop: int
    mids: Array
    ns: Stamps

    def __len__(self) -> int:
        """Return the number of bars."""
        return self.stop - self.first


def cut(bars: Bars, first: int, stop: int) -> Run:
    """Return bars ``first`` up to ``stop`` as a run; what was heard before them is not in it."""
    tape, ns = bars.tape, bars.ns
    heard = tape.ts_ns + bars.model.ws_ns
    start = int(np.searchsorted(heard, ns[first - 1], side="right")) if first else 0
    end = int(np.searchsorted(heard, ns[stop - 1], side="right"))
    quoted = tape.bid[start:end] > 0  # NaN is not
    if not quoted.any(axis=0).all():
        return Run(tape.rows(start, start), stop, stop, bars.mids[stop:stop], ns[stop:stop])
    ready_ns = heard[start + int(quoted.argmax(axis=0).max())]  # from here on every leg has a quote of the run's own
    own = max(first, int(np.searchsorted(ns, ready_ns)))
    return Run(tape.rows(start, end), own, stop, bars.mids[own:stop], ns[own:stop])


@dataclass(frozen=True, eq=False, slots=True)
class Traded:
    """P&L of each bar of a run, net, at executable prices, shape (bars,); trades opened."""

    hedged: Array
    unhedged: Array
    trades: int

    def after(self, bars: int) -> Traded:
        """Return it without its first bars."""
        return Traded(self.hedged[bars:], self.unhedged[bars:], self.trades)


@dataclass(frozen=True, eq=False, slots=True)
class Schedule:
    """The plans that a run is given, and when: made before it starts, shared by all thresholds that are tried on it.

    Attributes
    ----------
    numbers : dict
        Numbers of :class:`~hedgekit.params.Params` that make the engine ask for a plan at these bars and no others.
    given : dict of int to HedgePlan
        Closed bars, and the plan given there.
    shared : dict
        The same as :func:`hedgekit.backtest.lean.curves` takes them, which adds to it what else combinations can share.
    """

    numbers: Mapping[str, Any]
    given: Mapping[int, HedgePlan]
    shared: Plans


def schedule(run: Run, params: Params, plan_of: Callable[[int], HedgePlan], *, first: int, every: int | None) -> Schedule | None:
    """Return when a run gets its plans, the one that ends it included; None if it is too short to trade.

    Parameters
    ----------
    run, params
        What is traded. Of the numbers only those count on which a plan rests, so a schedule serves any thresholds.
    plan_of : callable
        From a number of closed bars to the plan due there.
    first : int
        Closed bars at the first plan.
    every : int or None
        Bars between two; None for one plan only.
    """
    last = len(run) - LEAVE_BARS
    if last <= first:
        return None
    step = gcd(every, last - first) if every else last - first  # the engine's own rhythm must meet the last one too
    numbers = {"fit_bars": first - 1, "refit_bars": step}
    asking = params.model_copy(update=numbers)
    given: dict[int, HedgePlan] = {}
    plan = plan_of(first)
    for count in range(first, len(run) + 1, step):
        if count == last:
            plan = msgspec.structs.replace(plan, evidence=OVER, override=None, half_life=0.0)
        elif every and count > first and count < last and (count - first) % every == 0:
            plan = plan_of(count)
        given[count] = plan
    return Schedule(numbers, given, {plan_key(asking, count): plan for count, plan in given.items()})


def trade(run: Run, params: Params, model: FillModel, timed: Schedule | None) -> Traded:
    """Trade a run from a fresh state; nothing is traded without a schedule."""
    if timed is None:
        return Traded(np.zeros(len(run)), np.zeros(len(run)), 0)
    numbers = {**timed.numbers, "time_stop": params.time_stop or NEVER}
    done = curves(run.tape, params.model_copy(update=numbers), model, timed.shared)
    if len(done.hedged) != len(run):
        msg = f"bars {run.first} to {run.stop - 1} close {len(done.hedged)} times by themselves: the tape's quotes are too irregular to cut"
        raise DataError(msg)
    return Traded(m.steps(done.hedged), m.steps(done.unhedged), done.trades)


class Rolling:
    """The plans of a live session: each from the ``fit_bars`` bars before it, and each estimated once."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], HedgePlan] = {}

    def schedule(self, run: Run, params: Params) -> Schedule | None:
        """Return a run's plans: the first after ``fit_bars`` + 1 bars of the run, then one every ``refit_bars``."""
        return schedule(run, params, lambda count: self.plan(run, params, count), first=params.fit_bars + 1, every=params.refit_bars)

    def plan(self, run: Run, params: Params, count: int) -> HedgePlan:
        """Return the plan due after so many bars of a run."""
        key = (params.fit_bars, params.plan_valid_days, params.significance, params.evidence_override, run.first + count)
        if key in self._known:
            return self._known[key]
        plan = plan_due(run.mids[:count], int(run.ns[count - 1]), params)
        if plan.evidence.test != OVER.test:  # a market that stood still: the plan looks back to the run's start, so it is that run's own
            self._known[key] = plan
        return plan
