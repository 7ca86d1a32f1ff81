"""PASS, FAIL or CANNOT TELL: each metric of the article with its interval, and what stands behind the word.

The intervals come from a studentised block bootstrap of the *pairs* (hedged, unhedged), so
both twins always live through the same history: bars for what is measured on bars, trades
for what is measured on trades. A metric

- PASSes if it and its whole interval reach the target,
- FAILs if it and its whole interval miss it,
- else it CANNOT be TOLD; nor can one that is undefined, or one with too few trades (A29).

How often these words are wrong is measured, not assumed: docs/verdict.md has the table. At the target itself a PASS comes by
chance at most one time in twenty at the default level, for each of the six and at 50, 200 and 1,000 trades. The
interval of the drawdown is of other histories and so conservative: it tells less often than it might.

The overall result is the worst of the six, FAIL before CANNOT TELL before PASS. The pair's
evidence is a requirement beside them, the same that a session asks of a plan: a p-value that
misses it is a FAIL whatever reason was given for trading all the same, and a test that could
not be made leaves nothing better than CANNOT TELL.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hedgekit.errors import ConfigError
from hedgekit.stats.twins import sample_of, twins_of
from hedgekit.verdict.figures import extras, gauges
from hedgekit.verdict.gates import Worth, point_gates, worth_of_a_point
from hedgekit.verdict.gauges import Gauge, Result, Verdict

if TYPE_CHECKING:
    import pandas as pd

    from hedgekit.stats.twins import Sample
    from hedgekit.types import Evidence

__all__ = ["MIN_COMPARABLE", "MIN_TRADES", "Gauge", "Result", "Verdict", "Worth", "assess", "point_gates", "worth_of_a_point"]

MIN_TRADES = 200
"""A29: no PASS or FAIL on any metric below this many closed trades."""
MIN_COMPARABLE = 50
"""A29: no PASS or FAIL on hedged against unhedged (A27, A28) below this many trades with both legs."""


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

    Same frames and seed, same verdict. The unhedged Sharpe ratio may not be above zero: then A28 has no ratio, shows hedged - unhedged a
    year with its interval, and is CANNOT TELL.

    Parameters
    ----------
    equity, trades, fills : DataFrame
        The journal's frames; of ``trades`` only closed ones count.
    reps, seed, level
        Resampled histories, their seed, and the intervals' level: two-sided, so at a target each word is
        wrong in about half of the rest, 2.5% at .95 (measured: docs/verdict.md).
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
    twins = twins_of(sample, reps, seed)
    judged = tuple(_gate(gauge, sample) for gauge in gauges(sample, twins, level))
    result = _worst({gauge.result for gauge in judged} | {_word_on(evidence, significance)})
    reasons = (*_of_evidence(evidence, override, significance), *_of_gauges(judged, sample, trials, seed))
    return Verdict(judged, result, reasons, extras(sample, twins, level, trials))


def _check(reps: int, level: float, trials: int) -> None:
    for name, value, low, high in (("reps", reps, 100, 1_000_000), ("level", level, 0.5, 0.999), ("trials", trials, 1, 10**12)):
        if not low <= value <= high:
            msg = f"{name}={value!r}: must be {low:g} to {high:g}"
            raise ConfigError(msg)


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


def _of_gauges(judged: tuple[Gauge, ...], s: Sample, trials: int, seed: int) -> list[str]:
    said = []
    if len(s.trades) < MIN_TRADES:
        said.append(f"{len(s.trades)} closed trades; no metric may PASS or FAIL below {MIN_TRADES} (A29)")
    if s.comparable < MIN_COMPARABLE:
        said.append(f"{s.comparable} comparable trades; A27 and A28 may not PASS or FAIL below {MIN_COMPARABLE} (A29)")
    for word in (Result.FAIL, Result.CANNOT_TELL, Result.PASS):
        names = [f"{gauge.rule} {gauge.name}" for gauge in judged if gauge.result == word]
        if names:
            said.append(f"{word}: {', '.join(names)}")
    if worth := worth_of_a_point(len(s.trades), seed=seed):
        said.append(worth)
    if trials > 1:
        said.append(f"{trials:,} variants were tried; the intervals do not allow for choosing among them")
    return said
