"""Is a hedge plan still good? Keep it, refit it, or retire the pair, with the evidence (A5).

Re-testing for cointegration every month is not a revalidation: one year of daily bars finds a
reverting pair one time in four, and re-testing multiplies the false finds (METHODS 4). So the question is
turned round. The plan is the null hypothesis, and what is looked for on the bars *since* it was made is evidence against it:
that the ratio is another one, by enough to matter; that the spread no longer reverts; that the hedge removes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
import pandas as pd
from scipy import stats

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats import ratio
from hedgekit.stats.bootstrap import block_length, interval, resample
from hedgekit.stats.breaks.reverting import ReversionRun, likelihood_cusum
from hedgekit.stats.inputs import Panel, legs
from hedgekit.stats.plan import _half_life
from hedgekit.stats.reversion.cointegration import engle_granger
from hedgekit.stats.reversion.ou import ou
from hedgekit.types import Evidence, HedgePlan

if TYPE_CHECKING:
    from hedgekit.data import Array
    from hedgekit.stats.fit import RatioFit

MIN_NEW = 20
"""Fewest moves since the plan of which anything can be said."""
REPS, PATHS = 500, 1_000
CAUTION = 0.80
"""Level of the half-life's interval whose upper end is watched. Measured at half-lives of 8 and 20 in windows of 250: 2 to 4% and
0 to 12% of intact spreads raise an alarm where 5% is stated; with the point estimate 12 to 59%."""
ARL_MOST = 100_000.0


@dataclass(frozen=True, eq=False, slots=True)
class Revalidation:
    """What became of a plan.

    Attributes
    ----------
    decision : {"keep", "refit", "retire"}
        Keep the ratio, take the new one, or trade the pair no more.
    reasons : tuple of str
        Why, each in one sentence.
    evidence : DataFrame
        One row for each question: ``question``, ``figure``, ``low``, ``high`` (its interval), ``p``, ``says``, ``asks`` ("keep",
        "refit" or "retire"; "" of what is for the record only).
    fit : RatioFit
        The new estimate, on the window that ends now.
    plan : HedgePlan or None
        The plan to go on with: the old ratio with a new date ("keep"), or the new fit ("refit"); None if retired.
    watch : ReversionRun or None
        The likelihood CUSUM over the bars since, with the plan's ratio; None if there was nothing to watch, or too little.
    """

    decision: Literal["keep", "refit", "retire"]
    reasons: tuple[str, ...]
    evidence: pd.DataFrame
    fit: RatioFit
    plan: HedgePlan | None
    watch: ReversionRun | None = None


def revalidate(  # noqa: PLR0913 - a plan, its prices, and what counts as evidence
    plan: HedgePlan,
    primary: pd.Series,
    hedge: pd.Series,
    *,
    method: Callable[..., RatioFit] = ratio.ols,
    level: float = 0.05,
    matters: float = 0.01,
    least_effectiveness: float = 0.10,
    valid_days: float = 60.0,
    seed: int = 0,
) -> Revalidation:
    r"""Say whether a hedge plan is kept, refitted or retired, on the bars since it was made (A5: every 30 to 60 days).

    Three questions are put to the bars after ``plan.fitted_at_ns``:

    1. *Is the ratio another one?* Null: it is not. z = (new - old) / sqrt(se_new^2 + se_old^2), the new one estimated on new bars
       only. A ratio that differs is refitted if keeping it costs more than ``matters`` of the primary's variance,
       :math:`(h_{new} - h_{old})^2\,\mathrm{var}(\Delta h) / \mathrm{var}(\Delta p)`: an error of 10% costs 1% of the squared correlation.
    2. *Does the spread still revert?* Null: it does, as slowly as the plan's own window allows (upper end of the half-life's 80%
       interval: with the estimate itself, false alarms are two to ten times as many as stated). A likelihood CUSUM watches the new
       bars; it is set so that they give ``level`` false alarms on average. It needs several half-lives, and nobody can be faster
       at that rate. If the plan's window showed no reversion there is nothing to watch, and that is said. A spread with the wrong
       ratio is a random walk of its own making: if the ratio is another one, and with it there is no alarm, it is refitted.
    3. *Does the hedge still remove risk?* Effectiveness of the plan's ratio on the new bars with a block-bootstrap interval; if all of it
       is below ``least_effectiveness``, and the new ratio does no better, the pair is retired.

    Parameters
    ----------
    plan : HedgePlan
        The plan, dollars per dollar.
    primary, hedge : Series
        Prices above zero with a time index, from before the plan was made until now.
    method : callable
        How to refit: one of :mod:`hedgekit.stats.ratio`, on the last ``plan.n`` observations.
    level : float
        Significance for the change of the ratio, false alarms of the watch over the new bars, and 1 - level for intervals.
    matters, least_effectiveness : float
        Shares of variance, see above.
    valid_days : float
        Until the next revalidation.
    seed : int
        Of bootstrap and simulation.

    Returns
    -------
    Revalidation

    Raises
    ------
    DataError
        If prices cannot be used, have no times, or do not reach back over the plan's window.
    ConfigError
        If an option is out of range.
    """
    _check_options(level=level, matters=matters, least_effectiveness=least_effectiveness)
    old, new, window = _parts(plan, legs(primary, hedge).positive())
    fit = method(_column(window, 0), _column(window, 1), window=min(plan.n, len(window) - 1), valid_days=valid_days, folds=0).in_dollars()
    first = _another_ratio(plan, new, fit, method, matters, level)
    fresh = plan.ratio + first.figure if first.p < level else None
    questions = (
        first,
        _still_reverting(plan, old, new, fresh, level, seed),
        _still_hedging(plan, new, fit, least_effectiveness, level, seed),
    )
    decision = _decision(questions)
    test = engle_granger(window.data[:, 0], window.data[:, 1])
    now_ns = int(window.index[-1].as_unit("ns").value) if window.index is not None else plan.fitted_at_ns
    return Revalidation(
        decision=decision,
        reasons=tuple(question.says for question in questions),
        evidence=_table(questions, test),
        fit=fit,
        plan=_next_plan(plan, fit, decision, test, window, now_ns + round(valid_days * 86_400) * 1_000_000_000),
        watch=questions[1].run,
    )


@dataclass(frozen=True, slots=True)
class _Question:
    """One question, its answer, and what it asks for."""

    question: str
    says: str
    asks: Literal["keep", "refit", "retire"] = "keep"
    figure: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")
    p: float = float("nan")
    run: ReversionRun | None = None


def _check_options(**shares: float) -> None:
    for name, value in shares.items():
        if not 0 < value < 1:
            msg = f"{name}={value:g}: must be between 0 and 1"
            raise ConfigError(msg)


def _parts(plan: HedgePlan, panel: Panel) -> tuple[Panel, Panel, Panel]:
    """Return the plan's own window, the rows since (with the last one before), and the window that ends now."""
    if panel.index is None:
        msg = "primary and hedge need a DatetimeIndex: a plan is revalidated on the bars since it was made"
        raise DataError(msg)
    made = int(np.searchsorted(panel.index.as_unit("ns").asi8, plan.fitted_at_ns, side="right"))
    if made < 30:  # noqa: PLR2004 - fewest prices for any test
        msg = f"{made} prices are from before the plan was made: load history from its own window on ({plan.n} observations)"
        raise DataError(msg)
    return panel.rows(max(0, made - plan.n - 1), made), panel.rows(made - 1), panel.rows(-min(len(panel), plan.n + 1))


def _column(panel: Panel, i: int) -> pd.Series:
    return pd.Series(panel.data[:, i], index=panel.index, name=panel.names[i])


def _moves(panel: Panel) -> Array:
    moves: Array = np.diff(np.log(panel.data), axis=0)
    return moves


def _another_ratio(  # noqa: PLR0913 - the plan, its successor, and what counts
    plan: HedgePlan, new: Panel, fit: RatioFit, method: Callable[..., RatioFit], matters: float, level: float
) -> _Question:
    question = "is the ratio another one?"
    moves = _moves(new)
    if len(moves) < MIN_NEW:
        return _Question(question, f"ratio: {len(moves)} bars since the plan are too few to tell (at least {MIN_NEW})")
    fresh = method(_column(new, 0), _column(new, 1), folds=0, tested=False).in_dollars()
    error = float(np.hypot(fresh.stderr, plan.stderr))
    gap = fresh.ratio - plan.ratio
    p = float(2 * stats.norm.sf(abs(gap) / error)) if np.isfinite(error) and error > 0 else float("nan")
    half = float(stats.norm.ppf(1 - level / 2)) * error
    loss = (fit.ratio - plan.ratio) ** 2 * float(np.var(moves[:, 1])) / float(np.var(moves[:, 0]))
    changed = p < level
    both = f"{plan.ratio:.3f} then, {fresh.ratio:.3f} on the {len(moves)} bars since (p = {p:.2g})"
    says = f"ratio: {both}; keeping it costs {100 * loss:.1f}% of the variance"
    asks: Literal["keep", "refit"] = "refit" if changed and loss > matters else "keep"
    return _Question(question, says, asks, gap, gap - half, gap + half, p)


def _still_reverting(  # noqa: PLR0913 - the plan, both windows, and what counts
    plan: HedgePlan, old: Panel, new: Panel, fresh: float | None, level: float, seed: int
) -> _Question:
    """Watch the plan's spread over the new bars; if it stopped reverting and the ratio is another one (``fresh``), watch it with that."""
    question = "does the spread still revert?"
    spread = np.log(old.data[:, 0]) - plan.ratio * np.log(old.data[:, 1])
    before, moves = ou(spread, level=CAUTION), _moves(new)
    if before.ou is None:
        return _Question(
            question, "reversion: the plan's own window shows none, so there is nothing to watch; it was traded on other grounds"
        )
    if len(moves) < MIN_NEW:
        return _Question(question, f"reversion: {len(moves)} bars since the plan are too few to tell (at least {MIN_NEW})")

    def watched(h: float) -> ReversionRun:
        return likelihood_cusum(
            spread[-1] + np.r_[0.0, np.cumsum(moves[:, 0] - h * moves[:, 1])],
            half_life=_rounded_up(before.half_life_high),
            mean=model.mean,
            innovation_sd=model.shock_sd(1),
            arl=min(len(moves) / level, ARL_MOST),
            paths=PATHS,
            seed=seed,
        )

    model = before.ou
    run = watched(plan.ratio)
    then = f"half-life {before.half_life:.1f} bars then, watched as if {run.rule.half_life:.1f}"
    lives = before.half_life, before.half_life_low, before.half_life_high
    if run.alarms.empty:
        slow = f"; an end of it takes {run.calibration.median_delay_bars:.0f} bars to see (median)"
        return _Question(question, f"reversion: no alarm in {len(moves)} bars ({then}){slow}", "keep", *lives, run=run)
    position = int(run.alarms["position"].iloc[0])
    at = new.index[position] if new.index is not None else position
    if fresh is not None and watched(fresh).alarms.empty:
        says = f"reversion: the spread with the old ratio stopped reverting (alarm on {at}; {then}); with {fresh:.3f} it goes on"
        return _Question(question, says, "refit", *lives, run=run)
    chance = f"by chance {run.expected_false_alarms:.2f} alarms would be expected"
    return _Question(question, f"reversion: it seems to have ended (alarm on {at}; {then}; {chance})", "retire", *lives, run=run)


def _rounded_up(half_life: float) -> float:
    """Return the next half-life on a grid of 10% steps, so that calibrations are found again, at most 1,000 bars."""
    return float(min(np.exp(np.ceil(np.log(max(half_life, 0.5)) * 10) / 10), 1_000.0))


def _still_hedging(  # noqa: PLR0913 - the plan, its successor, and what counts
    plan: HedgePlan, new: Panel, fit: RatioFit, least: float, level: float, seed: int
) -> _Question:
    question = "does the hedge still remove risk?"
    moves = _moves(new)
    if len(moves) < MIN_NEW:
        return _Question(question, f"risk: {len(moves)} bars since the plan are too few to tell (at least {MIN_NEW})")

    def shares(rows: Array) -> Array:
        var = float(np.var(rows[:, 0]))
        kept = [float(np.var(rows[:, 0] - h * rows[:, 1])) for h in (plan.ratio, fit.ratio)]
        return 1 - np.array(kept) / var if var > 0 else np.full(2, np.nan)

    mine, best = shares(moves)
    draws = resample(moves, shares, block=block_length(moves[:, 0] ** 2), reps=REPS, seed=(seed, len(moves)))
    low, high = interval(draws[:, 0], 1 - level)
    gone = high < least and best < least
    says = f"risk: the plan's ratio removed {100 * mine:.0f}% of variance since ({100 * low:.0f}% to {100 * high:.0f}%)"
    return _Question(question, says + (f", less than {100 * least:.0f}%" if gone else ""), "retire" if gone else "keep", mine, low, high)


def _decision(questions: tuple[_Question, ...]) -> Literal["keep", "refit", "retire"]:
    asked = {question.asks for question in questions}
    return "retire" if "retire" in asked else "refit" if "refit" in asked else "keep"


def _table(questions: tuple[_Question, ...], test: Evidence) -> pd.DataFrame:
    rows = [(q.question, q.figure, q.low, q.high, q.p, q.says, str(q.asks)) for q in questions]
    p = float("nan") if test.p_value is None else test.p_value
    statistic = float("nan") if test.statistic is None else test.statistic
    says = "for the record only: a test that fails to find is no evidence of an end"
    rows.append((test.test + ", window that ends now", statistic, float("nan"), float("nan"), p, says, ""))
    return pd.DataFrame(rows, columns=["question", "figure", "low", "high", "p", "says", "asks"])


def _next_plan(  # noqa: PLR0913 - both plans, the decision, and what stands beside the ratio
    plan: HedgePlan, fit: RatioFit, decision: str, test: Evidence, window: Panel, until_ns: int
) -> HedgePlan | None:
    if decision == "retire":
        return None
    if decision == "refit":
        logs = np.log(window.data)
        life = _half_life(logs[:, 0] - fit.ratio * logs[:, 1])
        return msgspec.structs.replace(fit.to_plan(evidence=test, override=plan.override), half_life=life)
    return msgspec.structs.replace(plan, valid_until_ns=until_ns)
