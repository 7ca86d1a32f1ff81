"""What every threshold rule has in common: its two levels, its cost, and whether it is worth trading."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Final

import pandas as pd

from hedgekit.errors import ConfigError
from hedgekit.stats.checks import at_least
from hedgekit.stats.ou import OU

LONGEST_BARS: Final = 1e6
"""A rule whose round trip takes longer than this on average is not called tradable."""

NO_REVERSION: Final = "no reversion: kappa is 0, so the spread has no level to come back to"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Where to enter and where to leave, net of cost.

    Conventions: time in bars; cost in spread units; z in stationary sd from the mean, counted on
    the side entered, as ``Params.entry`` and ``Params.target`` are: enter when the spread is
    ``z_entry`` away from its mean on either side, leave when it has come back to ``z_exit`` on that
    side. A negative ``z_exit`` lies beyond the mean.

    Attributes
    ----------
    ou : OU
        The spread that the rule was made for.
    cost : float
        Cost in spread units; the function that made the rule says of what.
    z_entry, z_exit : float
        Levels in stationary sd. NaN if there is no answer.
    tradable : bool
        Whether the rule is worth trading.
    reason : str
        Why, in a sentence.
    """

    ou: OU
    cost: float
    z_entry: float
    z_exit: float
    tradable: bool
    reason: str

    @property
    def entry(self) -> float:
        """Level, in spread units, at which the spread is bought."""
        return self.ou.level(-self.z_entry)

    @property
    def exit(self) -> float:
        """Level, in spread units, at which a bought spread is sold."""
        return self.ou.level(-self.z_exit)

    @property
    def entry_short(self) -> float:
        """Level, in spread units, at which the spread is sold short (the mirror image of ``entry``)."""
        return self.ou.level(self.z_entry)

    @property
    def exit_short(self) -> float:
        """Level, in spread units, at which a short spread is bought back."""
        return self.ou.level(self.z_exit)

    @property
    def params(self) -> dict[str, float | str]:
        """Numbers for a strategy: ``Params.make(**rule.params)``.

        ``entry`` and ``target`` count in stationary sd from the mean, which is what the s-score is (``signal``): a z-score over a short
        window counts in another, usually smaller sd. A stop that the rule was made with is there too; if it had none, one is yours to
        choose: :func:`corridor` shows what it is worth.

        Raises
        ------
        ConfigError
            If the rule is not tradable; the message says why.
        """
        if not self.tradable:
            msg = f"the rule is not tradable: {self.reason}"
            raise ConfigError(msg)
        stop = getattr(self, "z_stop", math.inf)
        chosen: dict[str, float | str] = {"signal": "s-score", "entry": self.z_entry, "target": self.z_exit}
        return chosen | {"stop": stop} if math.isfinite(stop) else chosen

    def frame(self) -> pd.Series:
        """Return all figures as a Series, for a notebook."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "ou"}
        return pd.Series({"entry": self.entry, "exit": self.exit} | values, dtype=object, name=type(self).__name__)


def finite(name: str, value: float) -> float:
    """Return the number, or refuse (ConfigError) one that is not finite."""
    if not math.isfinite(value):
        msg = f"{name}={value:g}: must be a finite number"
        raise ConfigError(msg)
    return float(value)


def cost_of(name: str, value: float) -> float:
    """Return a cost, or refuse (ConfigError) one that is not finite and 0 or more."""
    return at_least(name, value, 0, "spread units")
