"""All tests of a pair in one call, and one verdict in words.

The verdict rests on three things that must agree: the levels are cointegrated (Engle-Granger), the half-life's
interval excludes a random walk, and the reversion outlasts the bounce of the quotes. KPSS has the
opposite null, so it separates "shown not to revert" from "cannot tell"; it does not veto, because it rejects
too often for slow reversion. Variance ratio and Hurst exponent are shown and not counted:
on a fitted spread they have no tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from hedgekit.errors import ConfigError
from hedgekit.stats.inputs import Panel
from hedgekit.stats.reversion.cointegration import Levels, engle_granger, level_columns, levels, residual
from hedgekit.stats.reversion.findings import Finding
from hedgekit.stats.reversion.halflife import half_life_table
from hedgekit.stats.reversion.memory import LEAST as HURST_LEAST
from hedgekit.stats.reversion.memory import Hurst, hurst
from hedgekit.stats.reversion.ou import OUFit, ou
from hedgekit.stats.reversion.quotes import BOUNCE, NO_BOUNCE, Bounce, bounce
from hedgekit.stats.reversion.stale import LeadLag, Staleness, lead_lag, staleness
from hedgekit.stats.reversion.stationarity import KPSS, VarianceRatios, kpss, variance_ratio
from hedgekit.types import Evidence

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from hedgekit.data import Array

REVERTS, NO_REVERSION, ONLY_BOUNCE, CANNOT_TELL = "reverts", "no reversion shown", "bounce", "cannot tell"

EG_NULL = "no combination of the prices comes back to a mean"
OU_NULL = "the spread is a random walk (slope 1)"
POWER_HALF_LIFE = 20.0
"""Half-life, in bars, of the note on power."""


@dataclass(frozen=True, slots=True)
class SpreadTests:
    """Tests of the fitted spread.

    Attributes
    ----------
    kpss : KPSS
    variance_ratio : VarianceRatios
    hurst : Hurst or None
        None if there are fewer than 64 bars.
    ou : OUFit
    bounce : Bounce
    """

    kpss: KPSS
    variance_ratio: VarianceRatios
    hurst: Hurst | None
    ou: OUFit
    bounce: Bounce


@dataclass(frozen=True, slots=True)
class ReversionReport:
    """Outcome of :func:`evidence`.

    Attributes
    ----------
    verdict : str
        "reverts", "no reversion shown", "bounce" or "cannot tell".
    why : str
        What the verdict rests on.
    power : float
        How often a spread with a half-life of 20 bars would be shown to revert with this many bars (interval of the half-life).
    n : int
        Bars.
    cointegration : Evidence
        Engle-Granger.
    spread : SpreadTests or None
        None if the prices are collinear: there is no spread then.
    staleness : tuple of Staleness
        For each leg, primary first.
    lead_lag : tuple of LeadLag
        The primary beside each hedge; empty on prices.
    findings : tuple of Finding
        All of it as rows.
    warnings : tuple of str
        Every warning, each once.
    """

    verdict: str
    why: str
    power: float
    n: int
    cointegration: Evidence
    spread: SpreadTests | None
    staleness: tuple[Staleness, ...]
    lead_lag: tuple[LeadLag, ...]
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """Return one row for each test: columns test, null, statistic, p_value, p_bound ("=", "<=", ">="), n, says."""
        rows = [(f.test, f.null, f.statistic, f.p_value, f.p_bound, f.n, f.says) for f in self.findings]
        frame = pd.DataFrame(rows, columns=["test", "null", "statistic", "p_value", "p_bound", "n", "says"])
        return frame.astype({"statistic": "float64", "p_value": "float64"})


def evidence(  # noqa: PLR0913 - options of one report, each with its default
    primary: ArrayLike | pd.Series,
    hedge: ArrayLike | pd.Series | pd.DataFrame,
    *,
    lags: int | None = None,
    on: Levels = "log prices",
    significance: float = 0.05,
    seed: int = 1,
) -> ReversionReport:
    """Run every test of reversion on a pair (or a primary and several hedges), and say what they amount to.

    The spread is the residual of the level regression of the primary on the hedges and a constant, as in
    :func:`engle_granger`; every law that depends on it having been fitted is simulated that way.

    Parameters
    ----------
    primary : array_like or Series, shape (n,)
        Prices, oldest first; at least 30.
    hedge : array_like, Series or DataFrame, shape (n,) or (n, hedges)
        Prices at the same times.
    lags : int, optional
        Of Engle-Granger; None lets AIC choose.
    on : {"log prices", "prices"}
        Levels that are combined.
    significance : float
        Level of each test; the half-life's interval has level 1 - ``significance``.
    seed : int
        Of the simulated laws.

    Returns
    -------
    ReversionReport
        Verdict "reverts": cointegrated, half-life interval without a random walk, and reversion outlasts the bounce.
        "bounce": what looks like reversion does not outlast one bar, and prints bounce. "no reversion shown": neither of the
        first two, and KPSS rejects stationarity. "cannot tell": anything else: tests that disagree, nulls that all stand,
        collinear prices. Mind ``power``: for one hedge and a half-life of 20 bars it is about 6% at 126 bars, 14% at 252.

    Raises
    ------
    DataError, ConfigError
        As :func:`engle_granger`; ConfigError also if ``significance`` is not between 0 and 0.5.
    """
    if not 0 < significance < 0.5:  # noqa: PLR2004 - a coin
        msg = f"significance={significance:g}: must be between 0 and 0.5, for example 0.05"
        raise ConfigError(msg)
    cointegration = engle_granger(primary, hedge, lags=lags, on=on)
    checked = levels(primary, hedge, on)
    hedges = checked.data.shape[1] - 1
    spread = None if cointegration.p_value is None else _spread_tests(residual(*level_columns(checked, on))[0], hedges, significance, seed)
    still = tuple(staleness(x) for x in checked.data.T)
    led = tuple(lead_lag(checked.data[:, 0], x) for x in checked.data.T[1:]) if on == "log prices" and len(checked) >= 64 else ()  # noqa: PLR2004 - enough to see a lag
    power = half_life_table(len(checked), fitted_ratio=hedges, seed=seed, level=1 - significance).power(POWER_HALF_LIFE)
    verdict, why = judged(cointegration, spread, significance)
    if verdict in {NO_REVERSION, CANNOT_TELL}:
        why += f"; power: with {len(checked)} bars a true half-life of {POWER_HALF_LIFE:g} bars is shown in {power:.0%} of samples"
    findings = (_cointegrated(cointegration, significance), *_rows(spread, significance), *_quote_rows(checked, still, led))
    said = (*dict.fromkeys(text for f in findings for text in f.warnings), *_shortened(spread))
    return ReversionReport(verdict, why, power, len(checked), cointegration, spread, still, led, findings, said)


def judged(cointegration: Evidence, spread: SpreadTests | None, significance: float) -> tuple[str, str]:
    """Return the verdict and what it rests on."""
    if spread is None or cointegration.p_value is None:
        return CANNOT_TELL, "the prices are almost perfectly collinear: there is no spread to judge"
    together, p = cointegration.p_value < significance, f"Engle-Granger p={cointegration.p_value:.3g}"
    beyond = spread.bounce.p_value < significance
    seen = f"{p}; {spread.ou.reason}; {spread.bounce.says}"
    if together and spread.ou.reverts and beyond:
        doubt = spread.kpss.p_value <= significance and spread.kpss.p_bound != ">="
        return REVERTS, seen + ("; KPSS rejects a fixed level: slow reversion, or a level that moves" if doubt else "")
    apparent = together or spread.ou.reverts or spread.ou.half_life == 0
    if apparent and not beyond and spread.bounce.verdict == BOUNCE:
        return ONLY_BOUNCE, f"what looks like reversion does not outlast the bounce of the quotes: {seen}"
    if apparent:
        return CANNOT_TELL, f"the tests disagree: {seen}"
    if spread.kpss.p_value <= significance and spread.kpss.p_bound != ">=":
        return NO_REVERSION, f"{seen}; KPSS rejects stationarity (p {spread.kpss.p_bound} {spread.kpss.p_value:.3g})"
    return CANNOT_TELL, f"neither a random walk nor a stationary spread is ruled out: {seen}"


def _spread_tests(spread: Array, hedges: int, significance: float, seed: int) -> SpreadTests:
    horizons = tuple(q for q in (2, 4, 8, 16) if q <= len(spread) // 4)
    return SpreadTests(
        kpss=kpss(spread),
        variance_ratio=variance_ratio(spread, horizons=horizons),
        hurst=hurst(spread, level=1 - significance, seed=seed) if len(spread) >= HURST_LEAST else None,
        ou=ou(spread, fitted_ratio=hedges, level=1 - significance, seed=seed),
        bounce=bounce(spread, fitted_ratio=hedges, significance=significance, seed=seed),
    )


def _shortened(s: SpreadTests | None) -> tuple[str, ...]:
    """Return a warning if bounce makes the half-life look shorter than it is."""
    if s is None or s.bounce.verdict == NO_BOUNCE:
        return ()
    text = (
        f"quotes bounce, and every half-life here but this one includes it: {s.bounce.half_life:.3g} bars as fitted, "
        f"{s.bounce.half_life_free:.3g} without the bounce (both uncorrected); fit thresholds on mids or on longer bars"
    )
    return (text,)


def _cointegrated(e: Evidence, significance: float) -> Finding:
    if e.p_value is None:
        says = "says nothing: the prices are collinear"
    else:
        says = "cointegrated" if e.p_value < significance else "not shown to be cointegrated"
    return Finding(e.test, EG_NULL, e.statistic, e.p_value, e.n, says, warnings=e.warnings)


def _rows(s: SpreadTests | None, significance: float) -> tuple[Finding, ...]:
    if s is None:
        return ()
    lives = f"half-life {s.ou.half_life_median:.3g} bars ({s.ou.level:.0%}: {s.ou.half_life_low:.3g} to {s.ou.half_life_high:.3g})"
    half_life = Finding(
        "half-life, inverted law of the slope", OU_NULL, s.ou.b, None, s.ou.n, f"{lives}; {s.ou.reason}", warnings=s.ou.warnings
    )
    memory = () if s.hurst is None else (s.hurst.finding(),)
    return (s.kpss.finding(significance), half_life, s.bounce.finding(), s.variance_ratio.finding(significance), *memory)


def _quote_rows(checked: Panel, still: tuple[Staleness, ...], led: tuple[LeadLag, ...]) -> tuple[Finding, ...]:
    return (*(s.finding(name) for s, name in zip(still, checked.names, strict=True)), *(one.finding() for one in led))
