r"""The s-score of Avellaneda & Lee 2010: a reverting residual in stationary sd, from its AR(1) fit.

The simple alternative to optimal thresholds: fixed cut-offs, and one filter, that the residual comes back soon enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from hedgekit.errors import ConfigError
from hedgekit.stats.checks import above, at_least
from hedgekit.stats.ou import OU
from hedgekit.stats.thresholds.rule import finite

__all__ = ["SCutoffs", "SScore", "s_score"]


@dataclass(frozen=True, slots=True)
class SCutoffs:
    """The cut-offs of the paper, in stationary sd.

    Attributes
    ----------
    entry : float
        Buy below -entry, sell short above +entry.
    close_short, close_long : float
        Close a short below +close_short, a long above -close_long.
    """

    entry: float = 1.25
    close_short: float = 0.75
    close_long: float = 0.50

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        for name in ("close_short", "close_long"):
            if not -self.entry < getattr(self, name) < self.entry:
                msg = f"{name}={getattr(self, name):g}: must lie inside the entry, -{self.entry:g} to {self.entry:g}"
                raise ConfigError(msg)


@dataclass(frozen=True, slots=True)
class SScore:
    """The s-score and what it was made of.

    Attributes
    ----------
    kappa, sigma : float
        Speed and volatility **per year**, as the paper writes them.
    m, sigma_eq : float
        Equilibrium level and stationary sd, in spread units.
    s : float
        (x - m) / sigma_eq, less the drift's share drift x tau / sigma_eq (the paper's modified s-score).
    tau_days : float
        Mean time of reversion 1 / kappa, in days.
    ou : OU or None
        The same process per bar; None if b is not between 0 and 1.
    tradable : bool
        Whether it reverts within ``max_days``.
    reason : str
        Why (not).
    cost : float
        Of a round trip, in spread units.
    cutoffs : SCutoffs
        As given.
    """

    kappa: float
    m: float
    sigma: float
    sigma_eq: float
    s: float
    tau_days: float
    ou: OU | None
    tradable: bool
    reason: str
    cost: float
    cutoffs: SCutoffs

    @property
    def z_entry(self) -> float:
        """Entry in stationary sd, as ``Params.entry``."""
        return self.cutoffs.entry

    @property
    def z_exit(self) -> float:
        """Exit of a long position, as ``Params.target`` (a short one leaves at ``cutoffs.close_short``)."""
        return self.cutoffs.close_long

    @property
    def edge(self) -> float:
        """What a long trade at the cut-offs earns if it comes back, net of cost, in spread units."""
        return (self.z_entry - self.z_exit) * self.sigma_eq - self.cost

    def position(self, held: int = 0) -> int:
        """Return the side to hold now, +1, 0 or -1, given the side held.

        A residual that is not tradable opens nothing; what is held is closed by its own cut-off, as in the paper.

        Raises
        ------
        ConfigError
            If ``held`` is not -1, 0 or 1.
        """
        if held not in (-1, 0, 1):
            msg = f"held={held!r}: write -1, 0 or 1"
            raise ConfigError(msg)
        cut = self.cutoffs
        if (held > 0 and self.s <= -cut.close_long) or (held < 0 and self.s >= cut.close_short):
            return held
        if not (self.tradable and self.edge > 0) or math.isnan(self.s):
            return 0
        return -1 if self.s > cut.entry else 1 if self.s < -cut.entry else 0


def s_score(  # noqa: PLR0913 - an AR(1) fit has three numbers; the rest are the paper's conventions
    a: float,
    b: float,
    var: float,
    *,
    x: float = 0.0,
    cost: float = 0.0,
    drift: float = 0.0,
    max_days: float = 30.0,
    bars_per_day: float = 1.0,
    days_per_year: float = 252.0,
    cutoffs: SCutoffs | None = None,
) -> SScore:
    r"""Return the s-score of a residual whose AR(1) fit over one bar is x' = a + b x + zeta.

    .. math::
        \kappa = -\frac{\ln b}{\Delta},\quad m = \frac{a}{1-b},\quad \sigma_{eq} = \sqrt{\frac{\mathrm{Var}\,\zeta}{1-b^2}},\quad
        s = \frac{x-m}{\sigma_{eq}} - \frac{\alpha\,\tau}{\sigma_{eq}},\quad \tau = 1/\kappa .

    Parameters
    ----------
    a, b, var : float
        Intercept, slope and residual variance of the fit.
    x : float
        Present residual. 0 by default: if the return regression has an intercept, the summed residual
        ends at exactly 0 and s = -m / sigma_eq (a trap of the method: the last bar says nothing of its own).
    cost : float
        Of a round trip, in spread units.
    drift : float
        The residual's own drift alpha per bar (spread units), for the modified s-score.
    max_days : float
        Slowest mean reversion time allowed; 30 days is the paper's kappa > 252/30, b < .9672 with daily bars.
    bars_per_day, days_per_year : float
        What a bar is.
    cutoffs : SCutoffs, optional
        1.25 to enter, 0.75 to close a short, 0.50 to close a long by default.

    Returns
    -------
    SScore
        Not tradable with a reason, and NaN figures, if b is not between 0 and 1: b >= 1 is no reversion, b <= 0 a
        bounce between bars, which no Ornstein-Uhlenbeck process has.

    Raises
    ------
    ConfigError
        If a number is not finite, ``var`` or a length of time is not above 0, or a cost is below 0.

    Notes
    -----
    Avellaneda & Lee 2010, Quantitative Finance 10:761, appendix. b is biased down in small samples (by about (1 + 3b) / n), so
    reversion looks faster than it is: correct b before, or read the half-life interval of the fit.
    """
    finite("a", a)
    finite("b", b)
    finite("x", x)
    finite("drift", drift)
    above("var", var, 0, "residual variance of the AR(1) fit")
    at_least("cost", cost, 0, "spread units per round trip")
    for name, value in (("max_days", max_days), ("bars_per_day", bars_per_day), ("days_per_year", days_per_year)):
        above(name, value, 0, "a length of time")
    cut = SCutoffs() if cutoffs is None else cutoffs
    if not 0 < b < 1:
        why = "no reversion" if b >= 1 else "a bounce between bars, not a reversion"
        nan = math.nan
        return SScore(nan, nan, nan, nan, nan, math.inf if b >= 1 else nan, None, False, f"b={b:g}: {why}", cost, cut)  # noqa: FBT003 - a field
    per_bar = -math.log(b)
    sd = math.sqrt(var / ((1 - b) * (1 + b)))
    ou = OU(per_bar, a / (1 - b), sd * math.sqrt(2 * per_bar))
    per_year = bars_per_day * days_per_year
    tau = 1 / per_bar / bars_per_day
    s = ou.z(x) - drift / per_bar / sd
    reason = _reason(tau, max_days, (cut.entry - cut.close_long) * sd - cost)
    return SScore(
        kappa=per_bar * per_year, m=ou.mean, sigma=ou.sigma * math.sqrt(per_year), sigma_eq=sd, s=s, tau_days=tau,
        ou=ou, tradable=tau < max_days, reason=reason, cost=cost, cutoffs=cut,
    )  # fmt: skip


def _reason(tau: float, max_days: float, edge: float) -> str:
    if tau >= max_days:
        return f"reverts in {tau:.3g} days, not within max_days={max_days:g}"
    if edge <= 0:
        return f"a trade at the cut-offs earns {edge:.3g} spread units net of cost: opens nothing"
    return f"reverts in {tau:.3g} days, a trade at the cut-offs earns {edge:.3g} spread units net of cost"
