"""The over-fitting guard: one look at a whole search, and one sentence that says whether the chosen trial survives.

What decides, and why:

- the *SPA test's* p-value of the chosen trial, adjusted for all the others: it knows how trials hang together, and fat tails,
  but only of the trials whose returns are at hand;
- the *deflated Sharpe ratio* with every trial counted, also those whose returns were not kept. It is computed on the effective number of
  bars if returns hang together, and the variance across trials is never taken smaller than luck makes it, (1 - r) / n;
- *PBO* speaks of the choice, not of the edge: equally good trials have one near .5 (an odd number N of them near (N + 1) / 2N: the
  middle rank counts as low). Above that an edge may be there, but not by the choice, so the word is "cannot tell".

SURVIVES needs all three. NO EDGE means "not shown", not "shown to be absent", and the sentence says how long a history would be
needed. CANNOT TELL is said when an edge is shown but PBO speaks against the choice, or when all trials are at hand and SPA's p-value is
ten times smaller than asked for while the deflated Sharpe ratio says no (it over-counts many trials in a few groups that are alike).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from hedgekit.errors import ConfigError, DataError
from hedgekit.stats.checks import above
from hedgekit.stats.inputs import Panel, whole_number
from hedgekit.stats.overfit.cscv import pbo as cscv
from hedgekit.stats.overfit.likeness import Independent, independent_trials
from hedgekit.stats.overfit.returns import sharpes, trial_returns
from hedgekit.stats.overfit.spa import Spa, spa
from hedgekit.stats.sharpe.deflated import Deflated, dsr, min_track_record, psr
from hedgekit.stats.sharpe.ratio import SharpeEstimate, estimate, open_unit

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

STRONG = 10.0
"""A p-value so many times smaller than need be is worth a doubt when the deflated Sharpe ratio says no."""


class Finding(StrEnum):
    """The guard's word on the chosen trial."""

    SURVIVES = "SURVIVES"
    NO_EDGE = "NO EDGE"
    CANNOT_TELL = "CANNOT TELL"


@dataclass(frozen=True, eq=False, slots=True)
class Guard:
    """What is left of a chosen trial when the search for it is allowed for.

    Attributes
    ----------
    finding : Finding
        SURVIVES, NO EDGE (not shown) or CANNOT TELL.
    sentence : str
        The same in one sentence of plain English.
    chosen : str
        Name of the trial.
    n : int
        Bars.
    effective_n : float
        Independent bars that would be as sure.
    trials : int
        Every trial made, as given (or the columns).
    tested : int
        Columns: trials whose returns were at hand for PBO and SPA.
    independent : Independent
        How many of the columns differ.
    effective_trials : float
        By average correlation, of all ``trials``.
    sharpe : float
        Of the chosen trial in excess of the benchmark, per bar.
    sharpe_annual : float
        Times sqrt(bars_per_year).
    psr : float
        As if it had been the only trial.
    dsr : float
        With all ``trials``.
    luck : float
        SR0: the Sharpe ratio per bar that the best of ``trials`` worthless ones would show.
    dsr_effective : float
        With ``effective_trials``: too kind, shown for comparison.
    pbo : float
        NaN if there is only one trial.
    spa : Spa
        All p-values of the search.
    spa_p : float
        Of the chosen trial, adjusted for the others.
    min_track : float
        Bars needed until the DSR reaches ``level`` at this Sharpe ratio; infinite if luck alone explains it.
    level : float
        Confidence asked for.
    warnings : tuple of str
        What a reader has to know.
    """

    finding: Finding
    sentence: str
    chosen: str
    n: int
    effective_n: float
    trials: int
    tested: int
    independent: Independent
    effective_trials: float
    sharpe: float
    sharpe_annual: float
    psr: float
    dsr: float
    luck: float
    dsr_effective: float
    pbo: float
    spa: Spa
    spa_p: float
    min_track: float
    level: float
    warnings: tuple[str, ...]


def guard(  # noqa: PLR0913 - the search, and how sure to be
    returns_of_trials: ArrayLike | pd.DataFrame,
    *,
    chosen: str | int,
    trials: int | None = None,
    benchmark: ArrayLike | pd.Series | None = None,
    level: float = 0.95,
    blocks: int = 8,
    block: float | None = None,
    reps: int = 1_000,
    seed: int = 0,
    bars_per_year: float = 252.0,
) -> Guard:
    """Judge the chosen trial of a search.

    H0: the chosen trial's expected return is that of the benchmark or less, and the search found it by luck.
    It SURVIVES if the deflated Sharpe ratio with all trials is at least ``level``, the adjusted SPA p-value at most 1 - level,
    and PBO at most that of equally good trials. On pure noise that happens in less than 1 - level of searches (tested).

    Traps: leave no trial out, also none that failed, was stopped early, or was made in another notebook (``hedgekit.trials`` counts them).
    Returns net of cost, out of the same bars, flat bars included; never recentred. Kurtosis and Sharpe ratios as in
    :mod:`hedgekit.stats.sharpe`. A guard on data that was looked at before is too kind, whatever it says.

    Parameters
    ----------
    returns_of_trials : DataFrame or array_like, shape (n, columns)
        Bar returns of every trial at hand; at least max(10, 2 x blocks) bars.
    chosen : str or int
        Column name (position for an array) of the trial that you want to believe in. If it is not the best one, deflation is harder on
        it than need be.
    trials : int, optional
        Every trial made, at least the columns: ``hedgekit.trials.count(study)``. By default the columns.
    benchmark : array_like or Series, shape (n,), optional
        Returns to beat, for example of the naive 1:1 hedge; 0 by default.
    level : float
        Confidence asked for, above one half and below 1.
    blocks, block, reps, seed
        As in :func:`hedgekit.stats.overfit.pbo` and :func:`hedgekit.stats.overfit.spa`.
    bars_per_year : float
        For ``sharpe_annual`` and for the years in the sentence.

    Returns
    -------
    Guard

    Raises
    ------
    DataError
        If returns are missing, too few or do not vary, or the benchmark is of other bars.
    ConfigError
        If ``chosen`` is unknown, ``trials`` is less than the columns, or an option is out of range.

    References
    ----------
    Bailey & Lopez de Prado 2012, 2014; Bailey et al. 2017; Hansen 2005; METHODS section 4.
    """
    above("level", level, 0.5, "confidence asked for, for example .95")
    open_unit("level", level, "confidence asked for, for example .95")
    above("bars_per_year", bars_per_year, 0, "bars in a year")
    table = trial_returns(returns_of_trials, least=max(10, 2 * blocks))
    at, made = _position(table, chosen, returns_of_trials), _made(table, trials)
    tested = spa(returns_of_trials, benchmark, block=block, reps=reps, seed=seed)
    gains = table.data if benchmark is None else table.data - np.asarray(benchmark, dtype=np.float64)[:, None]
    if not np.ptp(gains[:, at]) > 0:
        msg = f"chosen trial {table.names[at]} never differs from the benchmark: nothing was traded, so there is nothing to judge"
        raise DataError(msg)
    own, alike = estimate(gains[:, at]), independent_trials(gains)
    effective, spread = alike.scaled(made), _spread(gains, alike, made)
    known = {"skew": own.skew, "kurtosis": own.kurtosis}
    full = dsr(own.sharpe, own.effective_n, trials=made, trial_variance=spread, **known)
    kind = dsr(own.sharpe, own.effective_n, trials=effective, trial_variance=spread, **known)
    chance = cscv(gains, blocks=blocks).pbo if len(table.names) > 1 else float("nan")
    even = (len(table.names) + 1) // 2 / len(table.names)
    spa_p = float(tested.adjusted[at])
    bars = min_track_record(own.sharpe, benchmark=full.benchmark, confidence=level, **known) * own.n / own.effective_n
    sure = (spa_p * reps + 1) / (reps + 1) <= (1 - level) / STRONG  # few histories cannot make one sure
    finding, why = _judged(full, spa_p, level, unlucky=chance > even, sure=sure and made == len(table.names))
    return Guard(
        finding=finding,
        sentence=_sentence(finding, why, table.names[at], made, own, full, spa_p, chance, bars / bars_per_year),
        chosen=table.names[at],
        n=own.n,
        effective_n=own.effective_n,
        trials=made,
        tested=len(table.names),
        independent=alike,
        effective_trials=effective,
        sharpe=own.sharpe,
        sharpe_annual=own.sharpe * float(np.sqrt(bars_per_year)),
        psr=psr(own.sharpe, own.effective_n, **known),
        dsr=full.dsr,
        luck=full.benchmark,
        dsr_effective=kind.dsr,
        pbo=chance,
        spa=tested,
        spa_p=spa_p,
        min_track=bars,
        level=level,
        warnings=_warnings(table, gains, at, made, own, tested),
    )


def _position(table: Panel, chosen: str | int, given: object) -> int:
    """Return the column of the chosen trial: by name in a frame, by position in an array."""
    names = list(getattr(given, "columns", range(len(table.names))))
    if chosen not in names:
        some = ", ".join(repr(name) for name in names[:5]) + (", ..." if len(names) > 5 else "")  # noqa: PLR2004 - enough to see
        msg = f"chosen={chosen!r}: no such trial; there are {len(names)}: {some}"
        raise ConfigError(msg)
    return names.index(chosen)


def _made(table: Panel, trials: int | None) -> int:
    columns = len(table.names)
    if trials is None:
        return columns
    whole_number("trials", trials, 1)
    if trials < columns:
        msg = f"trials={trials}: fewer than the {columns} trials whose returns are given; count every trial made, or leave it out"
        raise ConfigError(msg)
    return int(trials)


def _spread(gains: Array, alike: Independent, made: int) -> float:
    """Return the variance of the trials' Sharpe ratios, at least what luck makes it."""
    if made == 1:
        return 0.0
    luck = (1 - max(alike.average_correlation, 0.0)) / len(gains)
    each = sharpes(gains.mean(axis=0), np.mean(gains**2, axis=0))
    return max(luck, float(each.var(ddof=1)) if len(each) > 1 else 0.0)


def _judged(full: Deflated, spa_p: float, level: float, *, unlucky: bool, sure: bool) -> tuple[Finding, str]:
    deflated, beats = full.dsr >= level, spa_p <= 1 - level
    if deflated and beats and unlucky:
        return Finding.CANNOT_TELL, "there may be an edge, but choosing the best in sample did worse than a random choice out of sample"
    if deflated and beats:
        return Finding.SURVIVES, "it is more than the luck of the search"
    if deflated:
        return Finding.NO_EDGE, "its Sharpe ratio stands out, but the resampled search does not confirm it"
    if sure:
        return Finding.CANNOT_TELL, "the resampled search is sure, but counted one by one the trials could have shown this by luck"
    return Finding.NO_EDGE, "the luck of the search explains it"


def _sentence(  # noqa: PLR0913 - all that it says
    finding: Finding, why: str, name: str, made: int, own: SharpeEstimate, full: Deflated, spa_p: float, chance: float, years: float
) -> str:
    luck = "" if made == 1 else f" where the best of {made:,} worthless trials would show {full.benchmark:.3g}"
    choice = "" if np.isnan(chance) else f", PBO {chance:.2f}"
    longer = "no length of history would change that" if np.isinf(years) else f"at this Sharpe ratio {years:.1f} years would be needed"
    tail = "" if finding == Finding.SURVIVES else f"; {longer}"
    return (
        f"{finding}: {name}, chosen among {made:,} trial{'s' * (made > 1)}, "
        f"has a Sharpe ratio of {own.sharpe:.3g} a bar over {own.n:,} bars{luck} "
        f"(DSR {full.dsr:.2f}, SPA p {spa_p:.3g}{choice}): {why}{tail}."
    )


def _warnings(  # noqa: PLR0913 - all that may need a word
    table: Panel, gains: Array, at: int, made: int, own: SharpeEstimate, tested: Spa
) -> tuple[str, ...]:
    said = [*table.notes]
    columns = len(table.names)
    if made > columns:
        said.append(f"{made - columns:,} of {made:,} trials have no returns here: SPA and PBO know nothing of them, the DSR counts them")
    still = int(np.count_nonzero(np.ptp(gains, axis=0) == 0))
    if still:
        said.append(f"{still} trial{'s' * (still > 1)} never differed from the benchmark; counted as tried, left out of SPA")
    if at != tested.best:
        said.append(f"{table.names[at]} is not the best trial ({table.names[tested.best]} is); deflation is harder on it than need be")
    if own.effective_n < 0.9 * own.n:
        said.append(f"returns hang together: {own.n:,} bars are worth {own.effective_n:,.0f} independent ones")
    return tuple(said)
