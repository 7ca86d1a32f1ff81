"""PASS, FAIL or CANNOT TELL: each metric of the article with its interval, and what stands behind the word.

The intervals come from a stationary block bootstrap of the *pairs* (hedged, unhedged), so
both twins always live through the same history: bars for what is measured on bars, trades
for what is measured on trades. A metric

- PASSes if it and its whole interval reach the target,
- FAILs if it and its whole interval miss it,
- else it CANNOT be TOLD; nor can one that is undefined, or one with too few trades (A29).

The overall result is the worst of the six, FAIL before CANNOT TELL before PASS. The pair's
evidence is a requirement beside them, the same that a session asks of a plan: a p-value that
misses it is a FAIL whatever reason was given for trading all the same, and a test that could
not be made leaves nothing better than CANNOT TELL.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hedgekit import metrics as m
from hedgekit.errors import ConfigError
from hedgekit.stats.bootstrap import interval
from hedgekit.stats.twins import draw, of_bars, of_fills, of_trades, sample_of

if TYPE_CHECKING:
    from hedgekit.data import Array
    from hedgekit.stats.twins import Draws, Sample
    from hedgekit.types import Evidence

MIN_TRADES = 200
"""A29: no PASS or FAIL on any metric below this many closed trades."""
MIN_COMPARABLE = 50
"""A29: no PASS or FAIL on hedged against unhedged (A27, A28) below this many trades with both legs."""

NO_GROSS = "gross P&L is not above zero"
NO_FALL = "the unhedged P&L never fell"
NO_SHARPE = "the unhedged Sharpe ratio is not above zero"
BETA = "realised beta / target - 1 while held"
DELTA = "mean |net delta| at bar closes while held"
PATH = "the interval is of other histories, and this one's figure may lie outside it"


class Result(StrEnum):
    """A verdict's word. NOTE is for figures without a target."""

    PASS = "PASS"  # noqa: S105 - a word, not a password
    FAIL = "FAIL"
    CANNOT_TELL = "CANNOT TELL"
    NOTE = "NOTE"


@dataclass(frozen=True, slots=True)
class Gauge:
    """One figure with its interval.

    ``value`` is None where it is undefined; ``lower`` and ``upper`` are None without an
    interval and infinite where too many resampled histories were undefined. ``unit`` is
    "fraction", "x" or a word. ``target`` is for people, ``limit`` its number (None without a target).
    ``n`` counts what was measured: bars, trades or fills.
    """

    rule: str
    name: str
    value: float | None
    lower: float | None
    upper: float | None
    unit: str
    target: str
    n: int
    result: Result
    note: str = ""
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The six metrics A23 to A28, the overall result with its reasons, and further figures without a target."""

    gauges: tuple[Gauge, ...]
    result: Result
    reasons: tuple[str, ...]
    extras: tuple[Gauge, ...] = ()

    def frame(self) -> pd.DataFrame:
        """Return one row for each gauge, then the extras; columns are the fields of :class:`Gauge`."""
        return pd.DataFrame([asdict(gauge) for gauge in (*self.gauges, *self.extras)])


def assess(  # noqa: PLR0913 - three frames; the rest has defaults
    equity: pd.DataFrame,
    trades: pd.DataFrame,
    fills: pd.DataFrame,
    *,
    reps: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    evidence: Evidence | None = None,
    override: str | None = None,
    significance: float = 0.05,
    trials: int = 1,
) -> Verdict:
    """Judge a session or a backtest by the article's six metrics (A23 to A29).

    Same frames and seed, same verdict.

    Parameters
    ----------
    equity, trades, fills : DataFrame
        The journal's frames; of ``trades`` only closed ones count.
    reps, seed, level
        Resampled histories, their seed, and the intervals' level.
    evidence : Evidence, optional
        The test of the pair. Its p-value goes into the reasons; without one below
        ``significance`` there is no PASS.
    override : str, optional
        The reason given for trading although the evidence fails; goes into the reasons.
    significance : float
        The p-value that the evidence needs.
    trials : int
        How many variants were tried before this one was shown; the intervals do not allow for it.

    Returns
    -------
    Verdict

    Raises
    ------
    DataError
        If a column is missing, or the P&L is not a number on some bar.
    ConfigError
        If ``reps``, ``level`` or ``trials`` is out of range.
    """
    _check(reps, level, trials)
    sample = sample_of(equity, trades, fills)
    draws = draw(sample, reps, seed)
    gauges = tuple(_gate(gauge, sample) for gauge in _gauges(sample, draws, level))
    result = _worst({gauge.result for gauge in gauges} | {_word_on(evidence, significance)})
    reasons = (*_of_evidence(evidence, override, significance), *_of_gauges(gauges, sample, trials))
    return Verdict(gauges, result, reasons, _extras(sample, draws, level, trials))


def _check(reps: int, level: float, trials: int) -> None:
    for name, value, low, high in (("reps", reps, 100, 1_000_000), ("level", level, 0.5, 0.999), ("trials", trials, 1, 10**12)):
        if not low <= value <= high:
            msg = f"{name}={value!r}: must be {low:g} to {high:g}"
            raise ConfigError(msg)


def _gauges(s: Sample, d: Draws, level: float) -> list[Gauge]:
    beta, delta, drawdown, ratio, *_ = of_bars(s.bars)
    drag, cost, _ = of_trades(s.trades)
    (slip,) = of_fills(s.fills)
    n, blocks = len(s.bars), f"resampled in blocks of {d.block:.0f} bars on average"
    spent = f"hedge cost {cost:.2f} bp of notional" if np.isfinite(cost) else "no closed trade"
    return [
        _judge("A23", "hedge-ratio accuracy", beta, d.bars[:, 0], level, within=0.1, n=s.held, note=BETA),
        _judge("A24", "delta neutrality", delta, d.bars[:, 1], level, below=0.03, n=s.held, note=DELTA),
        _judge("A25", "hedge cost drag", drag, d.trades[:, 0], level, below=0.15, n=len(s.trades), note=spent, undefined=NO_GROSS),
        _judge("A26", "slippage", slip, d.fills[:, 0], level, below=0.005, n=s.n_fills, note="against the touch decided on; paper fills"),
        _judge("A27", "drawdown reduction", drawdown, d.bars[:, 2], level, above=0.25, n=n, note=f"{blocks}; {PATH}", undefined=NO_FALL),
        _judge("A28", "Sharpe improvement", ratio, d.bars[:, 3], level, above=1.2, unit="x", n=n, note=blocks, undefined=NO_SHARPE),
    ]


def _judge(  # noqa: PLR0913 - one row of a table
    rule: str,
    name: str,
    value: float,
    draws: Array,
    level: float,
    *,
    n: int,
    note: str,
    undefined: str = "nothing to measure",
    unit: str = "fraction",
    below: float | None = None,
    above: float | None = None,
    within: float | None = None,
) -> Gauge:
    """Compare a figure and its interval with a target on one side (``below``, ``above``) or on both (``within``)."""
    lower, upper = interval(draws, level)
    limit = next(x for x in (below, above, within) if x is not None)
    words = f"{limit * 100:g}%" if unit == "fraction" else f"{limit:g} {unit}"
    low, high = (-limit if within is not None else -np.inf, limit) if above is None else (limit, np.inf)
    result = Result.CANNOT_TELL
    if np.isnan(value):
        pass
    elif low < min(lower, value) and max(upper, value) < high:
        result = Result.PASS
    elif (upper <= low and value <= low) or (lower >= high and value >= high):
        result = Result.FAIL
    lost = float(np.isnan(draws).mean())
    notes = [f"undefined: {undefined}"] if np.isnan(value) else []
    share = "under 1%" if lost < 0.01 else f"{lost:.0%}"  # noqa: PLR2004 - a rounded nought would read as none
    notes += [note, f"undefined in {share} of resampled histories"] if 0 < lost < 1 else [note]
    return Gauge(
        rule,
        name,
        _number(value),
        _number(lower),
        _number(upper),
        unit,
        f"{'over' if above is not None else 'within' if within is not None else 'under'} {words}",
        n,
        result,
        "; ".join(notes),
        float(np.copysign(limit, value)) if within is not None else limit,
    )


def _gate(gauge: Gauge, s: Sample) -> Gauge:
    """Take back a PASS or FAIL that rests on too few trades (A29)."""
    short = []
    if len(s.trades) < MIN_TRADES:
        short.append(f"{len(s.trades)} closed trades, {MIN_TRADES} needed (A29)")
    if gauge.rule in {"A27", "A28"} and s.comparable < MIN_COMPARABLE:
        short.append(f"{s.comparable} comparable trades, {MIN_COMPARABLE} needed (A29)")
    return replace(gauge, result=Result.CANNOT_TELL, note="; ".join((*short, gauge.note))) if short else gauge


def _worst(words: set[Result]) -> Result:
    if Result.FAIL in words:
        return Result.FAIL
    return Result.PASS if words == {Result.PASS} else Result.CANNOT_TELL


def _word_on(evidence: Evidence | None, significance: float) -> Result:
    if evidence is None:
        return Result.PASS
    if evidence.p_value is None:
        return Result.CANNOT_TELL
    return Result.PASS if evidence.p_value < significance else Result.FAIL


def _of_evidence(evidence: Evidence | None, override: str | None, significance: float) -> list[str]:
    said = []
    if evidence is not None and evidence.p_value is None:
        said.append(f"the pair is not shown to be cointegrated: {evidence.test} could not tell ({'; '.join(evidence.warnings)})")
    elif evidence is not None and evidence.p_value is not None:
        holds = evidence.p_value < significance
        said.append(
            f"{'the pair is ' if holds else f'required evidence is missing, so {Result.FAIL}: the pair is not shown to be '}cointegrated: "
            f"p = {evidence.p_value:.2g} over {evidence.n:,} bars, below {significance:g} required ({evidence.test})"
        )
    if override is not None:
        said.append(f"traded under an evidence override: {override!r}")
    return said


def _of_gauges(gauges: tuple[Gauge, ...], s: Sample, trials: int) -> list[str]:
    said = []
    if len(s.trades) < MIN_TRADES:
        said.append(f"{len(s.trades)} closed trades; no metric may PASS or FAIL below {MIN_TRADES} (A29)")
    if s.comparable < MIN_COMPARABLE:
        said.append(f"{s.comparable} comparable trades; A27 and A28 may not PASS or FAIL below {MIN_COMPARABLE} (A29)")
    for word in (Result.FAIL, Result.CANNOT_TELL, Result.PASS):
        names = [f"{gauge.rule} {gauge.name}" for gauge in gauges if gauge.result == word]
        if names:
            said.append(f"{word}: {', '.join(names)}")
    if trials > 1:
        said.append(f"{trials:,} variants were tried; the intervals do not allow for choosing among them")
    return said


def _extras(s: Sample, d: Draws, level: float, trials: int) -> tuple[Gauge, ...]:
    *_, effectiveness, difference, _ = of_bars(s.bars)
    _, cost, net = of_trades(s.trades)
    curves = np.cumsum(s.bars[:, 0]), np.cumsum(s.bars[:, 1])
    best = m.best_trade_share(pd.DataFrame({"hedged": s.trades[:, 2]})) if len(s.trades) else float("nan")
    quick = m.sharpe_difference_stderr(*curves)
    none = np.array([np.nan])
    nb, nt = len(s.bars), len(s.trades)
    gained = "" if np.isfinite(best) else "undefined: net P&L is not above zero"
    memmel = f"hedged - unhedged; quick standard error {quick:.2g} (Memmel 2003)"
    rows: list[tuple[str, float, Array, str, int, str]] = [
        ("variance effectiveness", effectiveness, d.bars[:, 4], "fraction", nb, "1 - var(hedged) / var(unhedged), net bar P&L"),
        ("Sharpe difference", difference, d.bars[:, 5], "a year", nb, memmel),
        ("net P&L a trade", net, d.trades[:, 2], "bp", nt, "at executable prices, of the primary's notional"),
        ("hedge cost", cost, d.trades[:, 1], "bp", nt, "of the primary's notional at entry, whatever the P&L"),
        ("best trade's share of net P&L", best, none, "fraction", nt, gained),
        ("effective sample", d.effective, none, "bars", nb, "independent bars that would give the same interval of mean P&L"),
        ("comparable trades", s.comparable, none, "trades", nt, "closed, with both legs traded"),
        ("variants tried", trials, none, "trials", trials, "the intervals do not allow for choosing the best of several"),
    ]
    return tuple(_noted(row, level) for row in rows)


def _noted(row: tuple[str, float, Array, str, int, str], level: float) -> Gauge:
    name, value, draws, unit, n, note = row
    lower, upper = interval(draws, level)
    return Gauge("L10", name, _number(value), _number(lower), _number(upper), unit, "", n, Result.NOTE, note)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
