"""One fold: try every combination on its training part, choose, trade its test part.

Two ways to teach a fold. :class:`Past` is a walk forward: the training part is one run, and ratios roll as in a live session.
:class:`Pooled` is cross-validation: the training part has holes, each stretch is a run, and one ratio serves the fold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hedgekit import metrics as m
from hedgekit.backtest.sweep import SHARED
from hedgekit.backtest.walk_fit import Fit, pooled_plan, training_of
from hedgekit.backtest.walk_runs import LEAVE_BARS, Bars, Rolling, Run, Schedule, Traded, cut, schedule, trade
from hedgekit.errors import ConfigError
from hedgekit.params import Params

if TYPE_CHECKING:
    from hedgekit.data import Array
    from hedgekit.stats.overfit import Fold
    from hedgekit.types import HedgePlan

FIGURES = ("sharpe", "sharpe_gain", "pnl")
"""By what a combination may be chosen: the larger the better."""

IDLE = "no combination traded in training, so nothing is traded"
NO_RULE = "the rule found nothing worth trading in training, so nothing is traded"


@dataclass(frozen=True, eq=False, slots=True)
class Lesson:
    """What combinations that share their plans are trained on.

    Attributes
    ----------
    runs, schedules
        Stretches of the training part, and the plans of each.
    plan : HedgePlan
        The newest (walk forward) or the only (cross-validation) plan of the training part.
    """

    runs: tuple[Run, ...]
    schedules: tuple[Schedule | None, ...]
    plan: HedgePlan


class Teacher(Protocol):
    """How a kind of fold is cut and given its plans."""

    def lesson(self, fold: Fold, params: Params) -> Lesson:
        """Return what is trained on."""

    def scored_from(self, fold: Fold, run: Run, numbers: Sequence[Params]) -> int:
        """Return the bar from which every combination could trade in a training run: figures are compared from there."""

    def blocks(self, fold: Fold, params: Params, plan: HedgePlan) -> list[tuple[Run, Schedule | None, int]]:
        """Return the test runs, the plans of each, and the first bar that is tested; those before it warm up."""


class Past:
    """Walk forward: one training run before the test, and a new ratio every ``refit_bars`` bars from the bars before."""

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self.rolling = Rolling()

    def lesson(self, fold: Fold, params: Params) -> Lesson:
        """Return the training run; it begins up to ``refit_bars`` - 1 bars later, so that its end falls on the rhythm of refits."""
        run = cut(self.bars, int(fold.train[0]) + _shift(fold, params), int(fold.train[-1]) + 1)
        return Lesson((run,), (self.rolling.schedule(run, params),), self.rolling.plan(run, params, len(run)))

    def scored_from(self, fold: Fold, run: Run, numbers: Sequence[Params]) -> int:
        """Return where the slowest combination has its first ratio and its window full."""
        return max(run.first, int(fold.train[0]) + training_lead(fold, numbers))

    def blocks(self, fold: Fold, params: Params, plan: HedgePlan) -> list[tuple[Run, Schedule | None, int]]:  # noqa: ARG002 - ratios go on rolling
        """Return the test part with as many bars before it as its first ratio and its window need."""
        start = int(fold.test[0])
        run = cut(self.bars, start - lead(params), int(fold.test[-1]) + 1)
        return [(run, self.rolling.schedule(run, params), start)]


class Pooled:
    """Cross-validation: training runs between the holes, one ratio from all of them, each tested group a run of its own."""

    def __init__(self, bars: Bars, groups: int) -> None:
        self.bars = bars
        self.parts = np.array_split(np.arange(len(bars)), groups)  # as splits() cuts them

    def lesson(self, fold: Fold, params: Params) -> Lesson:
        """Return the stretches between the holes."""
        stretches = np.split(fold.train, np.flatnonzero(np.diff(fold.train) > 1) + 1)
        cuts = [cut(self.bars, int(rows[0]), int(rows[-1]) + 1) for rows in stretches]
        runs = tuple(run for run in cuts if len(run))
        plan = pooled_plan(runs, params)
        return Lesson(runs, tuple(schedule(run, params, lambda _: plan, first=1, every=None) for run in runs), plan)

    def scored_from(self, fold: Fold, run: Run, numbers: Sequence[Params]) -> int:  # noqa: ARG002 - a run warms up on itself
        """Return where the longest window is full."""
        return run.first + max(one.lookback for one in numbers) - 1

    def blocks(self, fold: Fold, params: Params, plan: HedgePlan) -> list[tuple[Run, Schedule | None, int]]:
        """Return each tested group with the bars before it that fill its first window; the tape's first group has none."""
        found = []
        for part in (self.parts[group] for group in fold.groups):
            start = int(part[0])
            run = cut(self.bars, max(0, start - params.lookback + 1), int(part[-1]) + 1)
            found.append((run, schedule(run, params, lambda _: plan, first=1, every=None), start))
        return found


def lead(params: Params) -> int:
    """Return how many bars pass before a run may trade: those of its first ratio, or of its window."""
    return max(params.fit_bars + 1, params.lookback - 1)


def training_lead(fold: Fold, numbers: Sequence[Params]) -> int:
    """Return how many bars of a training run pass before every combination may trade."""
    return max(lead(one) + _shift(fold, one) for one in numbers)


def _shift(fold: Fold, params: Params) -> int:
    return (len(fold.train) - LEAVE_BARS - params.fit_bars - 1) % params.refit_bars


@dataclass(frozen=True, eq=False, slots=True)
class Done:
    """What became of a fold.

    Attributes
    ----------
    fold : Fold
    trained : list of dict
        Training figures of each combination; empty for one that the rule did not trade.
    chosen : int or None
        Which combination; None if none could be chosen.
    params : Params or None
        Its numbers, fitted ones included.
    tested : Traded
        Each test bar.
    ratios : tuple of float
        Hedge ratios in force on the first bar of the test, one for each hedge; empty if nothing was chosen.
    says : str
        Why nothing was chosen; else empty.
    """

    fold: Fold
    trained: list[dict[str, float]]
    chosen: int | None
    params: Params | None
    tested: Traded
    ratios: tuple[float, ...]
    says: str


def figures(hedged: Array, unhedged: Array, trades: int) -> dict[str, float]:
    """Return the figures of P&L by bar, as a sweep names them."""
    mine, base = m.sharpe(hedged), m.sharpe(unhedged)
    return {
        "trades": trades,
        "pnl": float(hedged.sum()),
        "pnl_unhedged": float(unhedged.sum()),
        "sharpe": mine,
        "sharpe_unhedged": base,
        "sharpe_gain": mine - base,
    }


def do_fold(fold: Fold, teacher: Teacher, bars: Bars, numbers: Sequence[Params], by: str, fit: Fit | None) -> Done:  # noqa: PLR0913 - one fold's all
    """Train, choose, test."""
    used: list[Params | None] = [None] * len(numbers)
    plans: list[HedgePlan | None] = [None] * len(numbers)
    trained: list[dict[str, float]] = [{} for _ in numbers]
    for alike in _alike(numbers):
        lesson = teacher.lesson(fold, numbers[alike[0]])
        training = training_of(lesson.runs, lesson.plan.ratios) if fit else None
        skips = [max(0, teacher.scored_from(fold, run, numbers) - run.first) for run in lesson.runs]
        for i in alike:
            one = numbers[i]
            if fit is not None and training is not None:
                values = fit(training, one)
                if values is None:
                    continue
                one = _with(one, values)
            used[i], plans[i] = one, lesson.plan
            parts = [
                trade(run, one, bars.model, timed).after(skip)
                for run, timed, skip in zip(lesson.runs, lesson.schedules, skips, strict=True)
            ]
            trained[i] = figures(*_joined(parts))
    chosen = _best([one.get(by, np.nan) for one in trained])
    if chosen is None:
        flat = np.zeros(len(fold.test))
        says = IDLE if any(used) else NO_RULE
        return Done(fold, trained, None, None, Traded(flat, flat.copy(), 0), (), says)
    params, plan = used[chosen], plans[chosen]
    assert params is not None  # noqa: S101 - a figure comes from numbers that were used
    assert plan is not None  # noqa: S101 - and from a plan
    blocks = teacher.blocks(fold, params, plan)
    tested = [_from(trade(run, params, bars.model, timed), start, run) for run, timed, start in blocks]
    return Done(fold, trained, chosen, params, Traded(*_joined(tested)), _ratios_at(*blocks[0]), "")


def _with(params: Params, values: Mapping[str, Any]) -> Params:
    """Return the numbers with a rule's own; refuse those that plans and windows rest on."""
    odd = next((name for name in values if name in (*SHARED, "lookback", "evidence_override")), None)
    if odd:
        msg = f"thresholds: the rule returns {odd!r}, on which plans and windows rest; put its values into the grid"
        raise ConfigError(msg)
    return Params.make(**params.model_dump() | dict(values))


def _alike(numbers: Sequence[Params]) -> list[list[int]]:
    """Return combinations in groups whose plans are the same."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for i, one in enumerate(numbers):
        groups.setdefault((*(getattr(one, name) for name in SHARED), one.evidence_override), []).append(i)
    return list(groups.values())


def _from(traded: Traded, start: int, run: Run) -> Traded:
    """Return the tested bars: without the warm-up; flat on bars that the run could not close by itself."""
    missing = np.zeros(max(0, run.first - start))
    kept = traded.after(max(0, start - run.first))
    return Traded(np.concatenate([missing, kept.hedged]), np.concatenate([missing, kept.unhedged]), kept.trades)


def _ratios_at(run: Run, timed: Schedule | None, start: int) -> tuple[float, ...]:
    """Return the ratios in force when a test begins; none if it is too short to trade."""
    if timed is None:
        return ()
    known = [count for count in timed.given if count <= start - run.first]
    return timed.given[max(known, default=min(timed.given))].ratios


def _joined(parts: Sequence[Traded]) -> tuple[Array, Array, int]:
    hedged, unhedged = (np.concatenate([getattr(part, name) for part in parts]) for name in ("hedged", "unhedged"))
    return hedged, unhedged, sum(part.trades for part in parts)


def _best(values: Sequence[float]) -> int | None:
    """Return where the largest value is, the first of equals; None if there is none."""
    return None if np.isnan(values).all() else int(np.nanargmax(values))
