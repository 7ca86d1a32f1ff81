"""The Ornstein-Uhlenbeck spread as one object: what a fit returns and what the thresholds are computed from.

Kept apart from the fit, because thresholds also serve a spread whose numbers were
assumed or planted. Time is counted in bars, so nothing here knows the clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from hedgekit.errors import ConfigError
from hedgekit.stats.checks import above, at_least

__all__ = ["OU"]


@dataclass(frozen=True, slots=True)
class OU:
    r"""An Ornstein-Uhlenbeck spread, in bars and spread units.

    .. math:: dx = \kappa\,(m - x)\,dt + \sigma\,dW

    Over k bars, exactly: x' = m + (x - m) exp(-kappa k) + a Gaussian shock of sd :meth:`shock_sd`.
    The Euler step with 1 - kappa instead of exp(-kappa) is another process.

    Parameters
    ----------
    kappa : float
        Speed of reversion per bar; 0 is a random walk ("no reversion"), a legal answer.
    mean : float
        Level that the spread comes back to, in spread units.
    sigma : float
        Volatility in spread units per square root of a bar, above 0.

    Raises
    ------
    ConfigError
        If a number is not finite, ``kappa`` is below 0 (an explosive spread) or ``sigma`` is not above 0.
    """

    kappa: float
    mean: float
    sigma: float

    def __post_init__(self) -> None:
        """Refuse numbers out of range."""
        at_least("kappa", self.kappa, 0, "per bar; 0 says no reversion")
        above("sigma", self.sigma, 0, "spread units per square root of a bar")
        if not math.isfinite(self.mean):
            msg = f"mean={self.mean:g}: must be finite, in spread units"
            raise ConfigError(msg)

    @classmethod
    def from_half_life(cls, half_life: float, sd: float, *, mean: float = 0.0) -> OU:
        """Return the spread with this half-life in bars and this stationary sd in spread units.

        Raises
        ------
        ConfigError
            If ``half_life`` or ``sd`` is not finite and above 0.
        """
        above("half_life", half_life, 0, "bars")
        above("sd", sd, 0, "spread units")
        kappa = math.log(2) / half_life
        return cls(kappa, mean, sd * math.sqrt(2 * kappa))

    @property
    def reverts(self) -> bool:
        """Whether the spread comes back at all (kappa above 0)."""
        return self.kappa > 0

    @property
    def half_life(self) -> float:
        """Bars in which half of a deviation is gone: ln 2 / kappa; infinite if it never reverts."""
        return math.log(2) / self.kappa if self.reverts else math.inf

    @property
    def sd(self) -> float:
        """Stationary sd in spread units: sigma / sqrt(2 kappa); infinite if it never reverts."""
        return self.sigma / math.sqrt(2 * self.kappa) if self.reverts else math.inf

    def phi(self, bars: float = 1.0) -> float:
        """Return exp(-kappa bars), the share of a deviation that is left after so many bars."""
        return math.exp(-self.kappa * bars)

    def shock_sd(self, bars: float = 1.0) -> float:
        """Return the sd of the shock over so many bars, in spread units: sigma sqrt((1 - exp(-2 kappa bars)) / (2 kappa))."""
        if not self.reverts:
            return self.sigma * math.sqrt(bars)
        return self.sd * math.sqrt(-math.expm1(-2 * self.kappa * bars))

    def z(self, level: float) -> float:
        """Return a level in stationary sd from the mean (0 if it never reverts: its sd is infinite)."""
        return (level - self.mean) / self.sd

    def level(self, z: float) -> float:
        """Return the level, in spread units, that is ``z`` stationary sd from the mean."""
        return self.mean + z * self.sd
